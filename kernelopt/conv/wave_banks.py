"""Filter banks from waves: Gabor filters, Morlet wavelets and cosines."""

from __future__ import annotations

import numpy as np
from scipy.fft import dct

from kernelopt.conv.bank_parts import (
    angles_then_phases,
    centred,
    need_at_most,
    need_size,
    over_channels,
    pixel_grid,
)
from kernelopt.conv.scattering import morlet_wavelet


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
    need_size("gabor", kernel_size, 3)
    angle, phase, scale = (a[:, None, None] for a in angles_then_phases(n_filters))
    wavelength = np.where(scale == 0, kernel_size, max(kernel_size / 2, 2.0))
    u, v = pixel_grid(kernel_size)
    wave = np.cos(2 * np.pi * (u * np.cos(angle) + v * np.sin(angle)) / wavelength - np.pi / 2 * (phase == 0))
    return over_channels(centred(wave * np.exp(-(u**2 + v**2) / (2 * (0.4 * wavelength) ** 2))), channels)


def morlet(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Real and imaginary parts of Morlet wavelets, the linear part of :func:`~kernelopt.conv.scattering.scattering`.

    See :func:`~kernelopt.conv.scattering.morlet_wavelet` for the formula; the correction that makes the mean
    zero is that for the window, and the norm is one. The bank runs over at least four orientations (fastest),
    the imaginary part (edges) and the real one (lines), and the scales 0, 1, ...

    Parameters
    ----------
    n_filters, kernel_size, channels : int
        Size at least 3.
    images, random_state : ignored

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    Examples
    --------
    >>> morlet(16, 7).shape
    (16, 1, 7, 7)
    """
    need_size("morlet", kernel_size, 3)
    u, v = pixel_grid(kernel_size)
    planes = []
    for angle, phase, scale in zip(*angles_then_phases(n_filters), strict=True):
        wavelet = morlet_wavelet(u, v, scale, angle)
        planes.append(wavelet.imag if phase == 0 else wavelet.real)
    return over_channels(centred(np.array(planes)), channels)


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
    return over_channels(basis[p[order], :, None] * basis[q[order], None, :], channels)
