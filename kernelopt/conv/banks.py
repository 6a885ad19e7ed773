"""Banks of convolution filters that need no labels: from formulas, from chance, from patches.

Every bank is a function ``bank(n_filters, kernel_size, channels=1, images=None, random_state=None)``
that returns an array of shape (n_filters, channels, kernel_size, kernel_size). Banks from formulas
repeat a plane filter over all channels; so each looks at the mean of the channels. All filters have
unit norm except the random ones, and the mean zero except the random ones, principal components
and the first (constant) cosine.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np
from scipy.fft import dct

from kernelopt.conv.patch_banks import kmeans, need_at_most, patch_pca, unit


def sobel(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Derivatives in `n_filters` directions spread evenly over the circle.

    .. math:: W_i = \cos\theta_i \, s d^\top + \sin\theta_i \, d s^\top, \qquad \theta_i = 2 \pi i / n,

    with the binomial smoother :math:`s` and its derivative :math:`d`; for size 3 these are (1, 2, 1)
    and (-1, 0, 1), so direction 0 is Sobel's classical filter. All filters are combinations of two
    (they are steerable): any number exists, and it is the rectifier after them that tells them apart.

    Parameters
    ----------
    n_filters, kernel_size, channels : int
        Size at least 2.
    images, random_state : ignored

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    References
    ----------
    W. T. Freeman, E. H. Adelson: The design and use of steerable filters. PAMI 13, 1991.

    Examples
    --------
    >>> np.round(sobel(1, 3)[0, 0] * 12**0.5)
    array([[-1.,  0.,  1.],
           [-2.,  0.,  2.],
           [-1.,  0.,  1.]])
    """
    _need_size("sobel", kernel_size, 2)
    half = _binomial(kernel_size - 1)
    smooth, slope = np.convolve(half, [1, 1]), np.convolve(half, [-1, 1])
    angles = 2 * np.pi * np.arange(n_filters) / n_filters
    across, down = np.outer(smooth, slope), np.outer(slope, smooth)
    planes = np.cos(angles)[:, None, None] * across + np.sin(angles)[:, None, None] * down
    return unit(_over_channels(planes, channels))


def gabor(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Gabor filters: plane waves under a Gaussian, models of simple cells of the visual cortex.

    .. math:: W(u, v) = e^{-(u^2 + v^2) / 2 \sigma^2}
              \cos(2 \pi (u \cos\theta + v \sin\theta) / \lambda + \varphi),

    with :math:`\sigma = 0.4 \lambda`, then made zero-mean and unit-norm. The bank runs over at least
    four orientations :math:`\theta` in :math:`[0, \pi)` (fastest), the phases of an edge
    (:math:`\varphi = -\pi/2`) and of a line (0), and the wavelengths k and k/2.

    Parameters
    ----------
    n_filters, kernel_size, channels : int
        Size at least 3.
    images, random_state : ignored

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    References
    ----------
    J. G. Daugman: Uncertainty relation for resolution in space, spatial frequency, and orientation
    optimized by two-dimensional visual cortical filters. JOSA A 2, 1985.

    Examples
    --------
    >>> gabor(16, 5).shape
    (16, 1, 5, 5)
    """
    _need_size("gabor", kernel_size, 3)
    n_angles = min(n_filters, max(4, ceil(n_filters / 4)))
    i = np.arange(n_filters)
    angle = (np.pi * (i % n_angles) / n_angles)[:, None, None]
    phase = np.where(i // n_angles % 2 == 0, -np.pi / 2, 0.0)[:, None, None]
    wavelength = np.where(i // (2 * n_angles) == 0, kernel_size, max(kernel_size / 2, 2.0))[:, None, None]
    v, u = np.mgrid[:kernel_size, :kernel_size] - (kernel_size - 1) / 2
    wave = np.cos(2 * np.pi * (u * np.cos(angle) + v * np.sin(angle)) / wavelength + phase)
    planes = wave * np.exp(-(u**2 + v**2) / (2 * (0.4 * wavelength) ** 2))
    planes -= planes.mean(axis=(1, 2), keepdims=True)
    return unit(_over_channels(planes, channels))


def cosine(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Discrete cosine transform: orthonormal products of cosines, from low to high frequency.

    .. math:: W_{pq}(u, v) \propto \cos(\pi p (u + \tfrac12) / k) \cos(\pi q (v + \tfrac12) / k)

    Sorted by :math:`p + q`, then by p; the first filter is constant.

    Parameters
    ----------
    n_filters, kernel_size, channels : int
        At most ``kernel_size**2`` filters.
    images, random_state : ignored

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    Examples
    --------
    >>> W = cosine(9, 3).reshape(9, 9)
    >>> bool(np.allclose(W @ W.T, np.eye(9)))
    True
    """
    need_at_most("dct", n_filters, kernel_size**2, f"filters of size {kernel_size}")
    basis = dct(np.eye(kernel_size), norm="ortho", axis=0)
    p, q = np.divmod(np.arange(kernel_size**2), kernel_size)
    order = np.lexsort((p, p + q))[:n_filters]
    planes = basis[p[order], :, None] * basis[q[order], None, :]
    return unit(_over_channels(planes, channels))


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
    "gabor": gabor,
    "dct": cosine,
    "random": random,
    "patch_pca": patch_pca,
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
        Training images, needed by "patch_pca" and "kmeans".
    random_state : int, sequence of int, Generator or None
        Seed, used by "random", "patch_pca" and "kmeans".

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


def _binomial(length: int) -> np.ndarray:
    row = np.ones(1)
    for _ in range(length - 1):
        row = np.convolve(row, [1, 1])
    return row


def _over_channels(planes: np.ndarray, channels: int) -> np.ndarray:
    return np.repeat(planes[:, np.newaxis], channels, axis=1)


def _need_size(bank: str, kernel_size: int, least: int) -> None:
    if kernel_size < least:
        raise ValueError(f"bank={bank!r} needs kernel_size of at least {least}, but found {kernel_size}.")
