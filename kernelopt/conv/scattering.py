r"""Scattering: a convolutional network of two layers whose filters are wavelets and which has nothing to learn.

Wavelets :math:`\psi_{j \theta}` of scales :math:`2^j` and directions :math:`\theta`, a modulus, and an average
:math:`\phi_J` over about :math:`2^J` pixels:

.. math:: S_0 = x \star \phi_J, \qquad S_1 = |x \star \psi_{j \theta}| \star \phi_J, \qquad
          S_2 = \bigl| |x \star \psi_{j \theta}| \star \psi_{j' \theta'} \bigr| \star \phi_J \quad (j < j').

Two images differ at least as much as their scatterings (the map is non-expansive), and a shift by few
pixels, compared with :math:`2^J`, changes the scattering little. What the average loses of one order the
next order keeps: that is why there are two.
"""

from __future__ import annotations

from functools import lru_cache
from math import pi

import numpy as np
from scipy import fft

SIGMA, XI, SLANT = 0.8, 3 * pi / 4, 0.5  # width of the finest wavelet, its frequency, its narrowness across
COPIES = 3  # periods on each side that count for a filter wider than the image
BOUNDARIES = ("symmetric", "periodic")


def morlet_wavelet(u: np.ndarray, v: np.ndarray, scale: float, angle: float) -> np.ndarray:
    r"""Return a Morlet wavelet at the points (u, v), u to the right and v down.

    .. math:: \psi(u, v) = 4^{-j} \bigl(e^{i \xi n} - \beta\bigr)
              e^{-(n^2 + s^2 t^2) / 2 \sigma^2}, \quad
              n = 2^{-j} (u \cos\theta + v \sin\theta), \; t = 2^{-j} (v \cos\theta - u \sin\theta)

    with :math:`\sigma = 0.8`, :math:`\xi = 3 \pi / 4`, :math:`s = 1/2`, and :math:`\beta` such that the sum
    over the given points is zero.

    Parameters
    ----------
    u, v : arrays of equal shape
    scale : float
        The exponent j.
    angle : float
        Direction :math:`\theta` of the wave, in radians.

    Returns
    -------
    complex array of the shape of u

    Examples
    --------
    >>> v, u = np.mgrid[-8:9, -8:9]
    >>> bool(abs(morlet_wavelet(u, v, 0, 0.3).sum()) < 1e-12)
    True
    """
    n = (u * np.cos(angle) + v * np.sin(angle)) / 2**scale
    t = (v * np.cos(angle) - u * np.sin(angle)) / 2**scale
    envelope = np.exp(-(n**2 + (SLANT * t) ** 2) / (2 * SIGMA**2)) / 4.0**scale
    wave = np.exp(1j * XI * n) * envelope
    return wave - wave.sum() / envelope.sum() * envelope


@lru_cache(maxsize=8)
def littlewood_paley(h: int, w: int, J: int, L: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the transfer functions of the average and of the wavelets, for periodic images of h x w pixels.

    All wavelets are multiplied by one number, the largest with

    .. math:: |\hat\phi(\omega)|^2 + \tfrac12 \sum_{j \theta} \bigl(|\hat\psi_{j \theta}(\omega)|^2
              + |\hat\psi_{j \theta}(-\omega)|^2\bigr) \le 1

    for all frequencies, which makes the wavelet transform of real images, and so the scattering, non-expansive.

    Parameters
    ----------
    h, w : int
    J, L : int
        Numbers of scales and of directions, which are :math:`\theta_l = \pi l / L`.

    Returns
    -------
    phi : array of shape (h, w)
        One at frequency zero.
    psi : array of shape (J, L, h, w)
        Zero at frequency zero.

    Examples
    --------
    >>> phi, psi = littlewood_paley(32, 32, J=3, L=4)
    >>> phi.shape, psi.shape
    ((32, 32), (3, 4, 32, 32))
    """
    v, u = np.mgrid[-COPIES * h : (COPIES + 1) * h, -COPIES * w : (COPIES + 1) * w].astype(float)

    def transfer(values: np.ndarray) -> np.ndarray:
        periods = 2 * COPIES + 1
        return fft.fft2(values.reshape(periods, h, periods, w).sum(axis=(0, 2))).real  # all are even, up to conjugation

    average = np.exp(-(u**2 + v**2) / (2 * (SIGMA * 2 ** (J - 1)) ** 2))
    phi = transfer(average / average.sum())
    psi = np.array([[transfer(morlet_wavelet(u, v, j, pi * i / L)) for i in range(L)] for j in range(J)])
    energy = (psi**2).sum(axis=(0, 1))
    energy = (energy + _mirrored(energy)) / 2
    seen = energy > 1e-9 * energy.max()
    psi *= np.sqrt(np.min((1 - phi[seen] ** 2) / energy[seen]))
    phi.flags.writeable = psi.flags.writeable = False  # they are kept for the next call
    return phi, psi


def scattering(
    images: np.ndarray, J: int = 2, L: int = 8, order: int = 2, boundary: str = "symmetric", subsample: bool = True
) -> np.ndarray:
    """Return the scattering coefficients of images.

    Parameters
    ----------
    images : array of shape (n, channels, h, w)
    J, L : int
        Numbers of scales and of directions.
    order : {1, 2}
        Largest number of wavelets in a path.
    boundary : {"symmetric", "periodic"}
        How images go on beyond their border. "periodic" needs sides that 2**J divides, if `subsample`.
    subsample : bool
        Keep every 2**J-th pixel; the average between them is smooth.

    Returns
    -------
    array of shape (n, channels, paths, rows, columns)
        Paths as :func:`scattering_paths` lists them.

    Raises
    ------
    ValueError
        If an argument is not valid.

    References
    ----------
    S. Mallat: Group invariant scattering. Communications on Pure and Applied Mathematics 65, 2012.
    J. Bruna, S. Mallat: Invariant scattering convolution networks. PAMI 35, 2013.

    Examples
    --------
    >>> scattering(np.zeros((5, 1, 28, 28)), J=2, L=8).shape
    (5, 1, 81, 7, 7)
    """
    images = np.asarray(images, dtype=np.float64)
    paths = scattering_paths(J, L, order)
    if images.ndim != 4:
        raise ValueError(f"images has shape {images.shape}, but expected (n, channels, h, w).")
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary={boundary!r}, but expected one of {BOUNDARIES}.")
    h, w = images.shape[2:]
    step = 2**J
    if boundary == "periodic" and subsample and (h % step or w % step):
        raise ValueError(f"images are {h} x {w}, but with boundary='periodic' 2**J = {step} must divide both sides.")
    front = step if boundary == "symmetric" else 0
    behind = [(-side % step + step) if boundary == "symmetric" else 0 for side in (h, w)]
    padded = np.pad(images, [(0, 0), (0, 0), (front, behind[0]), (front, behind[1])], mode="symmetric")
    phi, psi = littlewood_paley(*padded.shape[2:], J, L)
    keep = step if subsample else 1
    rows, columns = slice(front, front + h, keep), slice(front, front + w, keep)

    spectra: dict[tuple, np.ndarray] = {(): fft.fft2(padded)}
    out = []
    for path in paths:
        if path and path not in spectra:
            j, i = path[-1]
            spectra[path] = fft.fft2(np.abs(fft.ifft2(spectra[path[:-1]] * psi[j, i])))
        out.append(fft.ifft2(spectra[path] * phi).real[..., rows, columns])
        if len(path) == order:
            del spectra[path]
    return np.stack(out, axis=2)


def scattering_paths(J: int, L: int, order: int = 2) -> list[tuple[tuple[int, int], ...]]:
    """Return the paths, each a tuple of (scale, direction): the empty one, then those of one and of two wavelets.

    Examples
    --------
    >>> scattering_paths(2, 1)
    [(), ((0, 0),), ((1, 0),), ((0, 0), (1, 0))]
    """
    for name, value in (("J", J), ("L", L)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name}={value!r}, but expected a positive integer.")
    if order not in (1, 2):
        raise ValueError(f"order={order!r}, but expected 1 or 2.")
    first = [(j, i) for j in range(J) for i in range(L)]
    paths: list[tuple[tuple[int, int], ...]] = [(), *((a,) for a in first)]
    return paths + [(a, b) for a in first for b in first if a[0] < b[0]] if order == 2 else paths


def _mirrored(spectrum: np.ndarray) -> np.ndarray:
    """Return the spectrum at the opposite frequencies."""
    return np.roll(spectrum[::-1, ::-1], 1, axis=(0, 1))
