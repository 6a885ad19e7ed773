"""How much of a filter is a Gabor filter, and which one."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from kernelopt.conv.bank_parts import pixel_grid

N_ANGLES = 16  # those of the banks among them
N_WAVELENGTHS = 10  # evenly on a logarithmic scale, from two pixels to twice the filter's side
WIDTHS = (0.25, 0.4, 0.7)  # of the Gaussian, in wavelengths
N_CENTRES = 5  # of the Gaussian in each direction, over the middle half of the filter


class GaborFit(NamedTuple):
    """The Gabor filters nearest to some filters, of the same shape, and the share of energy they hold, (F,)."""

    filters: np.ndarray
    r2: np.ndarray


def nearest_gabor(filters: np.ndarray) -> GaborFit:
    r"""Return, for each filter, the Gabor filter with the largest coefficient of determination.

    .. math:: R^2 = 1 - \min_{\theta, \lambda, \sigma, m, a, \varphi}
              \frac{\sum_c \|\bar W_c - a_c \, \bar g_{\theta, \lambda, \sigma, m, \varphi_c}\|^2}
                   {\sum_c \|\bar W_c\|^2}, \qquad
              g(p) = e^{-\|p - m\|^2 / 2 \sigma^2}
              \cos\bigl(2 \pi (p - m)^\top (\cos\theta, \sin\theta) / \lambda + \varphi\bigr)

    A bar is for the plane less its mean. Angle, wavelength, width and centre come from a grid and are those of
    all channels; amplitude and phase are least squares, for each channel.

    Small filters have few entries, so that much of anything is a Gabor filter: independent normal entries reach
    0.84 on average at size 3, 0.42 at size 5 and 0.25 at size 7, with one channel. Compare with the value at the start.

    Parameters
    ----------
    filters : array of shape (F, c, rows, columns)

    Returns
    -------
    GaborFit
        The filters have mean zero; a constant filter has the zero filter, and R² of 0.

    Raises
    ------
    ValueError
        If the filters have another number of axes, or are not square and of size at least 3.

    Examples
    --------
    >>> from kernelopt.conv.banks import make_bank
    >>> nearest_gabor(make_bank("gabor", 4, 7)).r2.round(6)
    array([1., 1., 1., 1.])
    """
    filters = np.asarray(filters, dtype=np.float64)
    if filters.ndim != 4 or filters.shape[2] != filters.shape[3] or filters.shape[2] < 3:
        raise ValueError(f"filters has shape {filters.shape}, but expected (F, c, k, k) with k of at least 3.")
    size = filters.shape[2]
    planes = filters.reshape(*filters.shape[:2], -1)
    planes = planes - planes.mean(axis=2, keepdims=True)
    total = np.square(planes).sum(axis=(1, 2))
    bases = _grid(size)
    fitted, held = np.zeros(planes.shape), np.zeros(len(planes))
    for f, plane in enumerate(planes):  # one at a time: the grid is large
        parts = bases @ plane.T  # (grid, 2, c)
        energy = np.square(parts).sum(axis=(1, 2))
        best = energy.argmax()
        fitted[f], held[f] = parts[best].T @ bases[best], energy[best]
    # what is left of a constant filter is rounding, which has no shape to compare
    blank = total <= (np.finfo(float).eps * size**2) ** 2 * np.square(filters).sum(axis=(1, 2, 3))
    r2 = np.where(blank, 0.0, held / np.where(blank, 1.0, total))
    return GaborFit(np.where(blank[:, None, None], 0.0, fitted).reshape(filters.shape), r2)


@lru_cache(maxsize=8)
def _grid(size: int) -> np.ndarray:
    """Return orthonormal bases (grid, 2, size * size) of the centred waves of both phases."""
    u, v = pixel_grid(size)
    centres = np.linspace(-size / 4, size / 4, N_CENTRES)
    wavelengths = np.geomspace(2, 2 * size, N_WAVELENGTHS).tolist() + [size, max(size / 2, 2.0)]
    bases = []
    for angle, wavelength, width, m, n in product(
        np.pi * np.arange(N_ANGLES) / N_ANGLES, wavelengths, WIDTHS, centres, centres
    ):
        envelope = np.exp(-((u - m) ** 2 + (v - n) ** 2) / (2 * (width * wavelength) ** 2))
        phase = 2 * np.pi * ((u - m) * np.cos(angle) + (v - n) * np.sin(angle)) / wavelength
        bases.append(np.stack([envelope * np.cos(phase), envelope * np.sin(phase)]).reshape(2, -1))
    pairs = np.array(bases)
    pairs -= pairs.mean(axis=2, keepdims=True)
    # singular vectors, without those of a phase that the pixels do not see
    _, values, vectors = np.linalg.svd(pairs, full_matrices=False)
    vectors *= (values > 1e-6 * values[:, :1])[:, :, None]
    vectors.flags.writeable = False
    return vectors
