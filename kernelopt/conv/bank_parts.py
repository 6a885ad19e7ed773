"""What the banks share: norms, means, channels, and the errors that say what a bank cannot do."""

from __future__ import annotations

import numpy as np


def unit(filters: np.ndarray) -> np.ndarray:
    """Divide each filter by its norm."""
    norms = np.linalg.norm(filters.reshape(len(filters), -1), axis=1)
    return filters / norms.reshape(-1, *[1] * (filters.ndim - 1))


def centred(filters: np.ndarray) -> np.ndarray:
    """Subtract from each filter its mean."""
    return filters - filters.mean(axis=tuple(range(1, filters.ndim)), keepdims=True)


def over_channels(planes: np.ndarray, channels: int) -> np.ndarray:
    """Repeat plane filters (n, k, k) over all channels, at unit norm: (n, channels, k, k)."""
    return unit(np.repeat(planes[:, np.newaxis], channels, axis=1))


def binomial(length: int) -> np.ndarray:
    """Return a row of Pascal's triangle, the smoother of that length.

    Examples
    --------
    >>> binomial(4)
    array([1., 3., 3., 1.])
    """
    row = np.ones(1)
    for _ in range(length - 1):
        row = np.convolve(row, [1, 1])
    return row


def pixel_grid(kernel_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances u (to the right) and v (down) of each entry from the filter's centre."""
    v, u = np.mgrid[:kernel_size, :kernel_size] - (kernel_size - 1) / 2
    return u, v


def angles_then_phases(n_filters: int, n_phases: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Return angle, phase and scale of each wave of a bank: at least four angles in [0, pi), fastest, then phases.

    Angles are in radians; phases and scales are numbered from 0.
    """
    n_angles = min(n_filters, max(4, -(-n_filters // 4)))
    i = np.arange(n_filters)
    return np.pi * (i % n_angles) / n_angles, i // n_angles % n_phases, i // (n_phases * n_angles)


def need_size(bank: str, kernel_size: int, least: int) -> None:
    """Raise the error that says how large a filter must be."""
    if kernel_size < least:
        raise ValueError(f"bank={bank!r} needs kernel_size of at least {least}, but found {kernel_size}.")


def need_at_most(bank: str, n_filters: int, most: int, of: str) -> None:
    """Raise the error that says how many filters a bank has."""
    if n_filters > most:
        raise ValueError(
            f"bank={bank!r} has at most {most} filters here ({of}), but {n_filters} were asked for. "
            "Use fewer filters, a larger kernel_size or another bank."
        )
