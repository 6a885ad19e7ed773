"""Banks of convolution filters that need no labels: from formulas, from chance, from patches.

Every bank is a function ``bank(n_filters, kernel_size, channels=1, images=None, random_state=None)``
that returns an array of shape (n_filters, channels, kernel_size, kernel_size). Banks from formulas
repeat a plane filter over all channels; so each looks at the mean of the channels. All filters have unit
norm except the random and the whitening ones, and mean zero except the random and the whitening ones,
principal components and the first (constant) cosine.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kernelopt.conv.derivative_banks import laplacian, lines, prewitt, scharr, sobel
from kernelopt.conv.patch_banks import kmeans, patch_pca, random_patches, whitening, zca
from kernelopt.conv.wave_banks import cosine, gabor, morlet


def random(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Independent normal entries of variance :math:`2 / (c k^2)`, the start that keeps ReLU signals alive.

    Parameters
    ----------
    n_filters, kernel_size, channels : int
    images : ignored
    random_state : int, sequence of int, Generator or None
        Seed.

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun: Delving deep into rectifiers. ICCV 2015.

    Examples
    --------
    >>> random(8, 5, random_state=0).shape
    (8, 1, 5, 5)
    """
    scale = np.sqrt(2 / (channels * kernel_size**2))
    rng = np.random.default_rng(random_state)
    return scale * rng.standard_normal((n_filters, channels, kernel_size, kernel_size))


BANKS: dict[str, Callable[..., np.ndarray]] = {
    "sobel": sobel,
    "prewitt": prewitt,
    "scharr": scharr,
    "laplacian": laplacian,
    "lines": lines,
    "gabor": gabor,
    "morlet": morlet,
    "dct": cosine,
    "random": random,
    "random_patches": random_patches,
    "patch_pca": patch_pca,
    "whitening": whitening,
    "zca": zca,
    "kmeans": kmeans,
}


def make_bank(bank: str | Callable, n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    """Return the filters of a bank given by name, or by a function with the banks' signature.

    Parameters
    ----------
    bank : str or callable
        A key of ``BANKS``, or a function of the arguments that follow.
    n_filters, kernel_size, channels : int
    images : array of shape (n, channels, h, w), optional
        Training images, needed by "random_patches", "patch_pca", "whitening", "zca" and "kmeans".
    random_state : int, sequence of int, Generator or None
        Seed, used by "random" and the banks made from patches.

    Returns
    -------
    float64 array of shape (n_filters, channels, kernel_size, kernel_size)

    Raises
    ------
    ValueError
        If the bank is unknown, lacks its images, has fewer filters than asked for, or (a function)
        returns another shape or numbers that are not finite.

    Examples
    --------
    >>> make_bank("gabor", 8, 5, channels=3).shape
    (8, 3, 5, 5)
    """
    if not callable(bank) and bank not in list(BANKS):
        raise ValueError(f"bank={bank!r}, but expected a function or one of {', '.join(BANKS)}.")
    make = bank if callable(bank) else BANKS[bank]
    filters = np.asarray(make(n_filters, kernel_size, channels, images, random_state), dtype=np.float64)
    expected = (n_filters, channels, kernel_size, kernel_size)
    if filters.shape != expected or not np.isfinite(filters).all():
        raise ValueError(f"bank={bank!r} returned shape {filters.shape}, but expected finite filters {expected}.")
    return filters


def grouped_bank(
    bank: str | Callable, n_filters, kernel_size, channels=1, images=None, random_state=None, groups=1
) -> np.ndarray:
    """Return filters for a layer with groups: each group of channels gets a bank of its own.

    Parameters
    ----------
    bank, n_filters, kernel_size, channels, images, random_state
        As in :func:`make_bank`; `images` hold all channels.
    groups : int
        Divides `n_filters` and `channels`.

    Returns
    -------
    float64 array of shape (n_filters, channels // groups, kernel_size, kernel_size)

    Examples
    --------
    >>> grouped_bank("gabor", 8, 5, channels=4, groups=2).shape
    (8, 2, 5, 5)
    """
    rng = np.random.default_rng(random_state)
    width = channels // groups
    parts = [None if images is None else images[:, g * width : (g + 1) * width] for g in range(groups)]
    return np.concatenate([make_bank(bank, n_filters // groups, kernel_size, width, part, rng) for part in parts])
