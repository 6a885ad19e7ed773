"""Hyperkernels of differences and midpoints: translation invariant ones, and two that are integrals over densities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg
from scipy.special import multigammaln

from kernelopt.kernels.hyper import Hyperkernel

SPECTRUM = 1e-6  # of the largest: what a spectrum on a finite grid may be negative by


@dataclass(frozen=True)
class TranslationInvariant(Hyperkernel):
    r"""A hyperkernel of the user's own that depends on differences: :math:`\underline k = h(x - x', y - y')`.

    It is one if h is a kernel in its two arguments, even in each, and if the Fourier transform of
    :math:`\tau \mapsto h(\tau, \tau')` is nonnegative for every :math:`\tau'` (section 4.1 of [ong2005]_).
    `fourier_check` looks at the latter; a fit checks the slices that it uses.

    Parameters
    ----------
    function : callable
        ``function(T, S)`` with arrays of differences of shapes (d, ...) that broadcast.

    References
    ----------
    .. [ong2005] Ong, Smola, Williamson. Learning the Kernel with Hyperkernels. JMLR 6, 2005.

    Examples
    --------
    >>> hyper = TranslationInvariant(lambda T, S: np.exp(-(T**2).sum(axis=0) - (S**2).sum(axis=0)))
    >>> hyper.slice(np.zeros(1), np.array([[0.0], [1.0]])).round(3)
    array([[1.   , 0.368],
           [0.368, 1.   ]])
    >>> hyper.fourier_check(np.zeros(1), reach=10.0) > -1e-6
    True
    """

    function: Callable[[np.ndarray, np.ndarray], np.ndarray]
    proven = False

    def layers(self, X, Z):
        """Yield the difference in each column."""
        for x, z in zip(X.T, Z.T, strict=True):
            yield x[:, None] - z[None]

    def between(self, F, G):
        """Return the function's values."""
        shape = np.broadcast_shapes(F.shape[1:], G.shape[1:])
        return np.broadcast_to(np.asarray(self.function(F, G), dtype=float), shape)

    def fourier_check(self, pair, reach: float, points: int = 1024) -> float:
        """Return the least value of the spectrum of a slice, over its largest, on lines along the columns.

        Parameters
        ----------
        pair : array of shape (d,)
            The difference that is held fixed.
        reach : float
            Where the function has died away, or half its period: the lines run from minus to plus `reach`.
        points : int
            On each line.

        Raises
        ------
        ValueError
            The spectrum is negative: this is no hyperkernel. On a line through more dimensions than one, a nonnegative
            spectrum is necessary only.
        """
        pair = np.asarray(pair, dtype=float)
        line = np.linspace(-reach, reach, points, endpoint=False)
        least = np.inf
        for j in range(len(pair)):
            T = np.zeros((len(pair), points))
            T[j] = line
            values = self.between(T, pair[:, None])
            spectrum = np.fft.fft(np.fft.ifftshift(values)).real
            least = min(least, float(spectrum.min() / np.abs(spectrum).max()))
            if least < -SPECTRUM:
                raise ValueError(
                    f"no hyperkernel: the Fourier transform of the slice of the difference {pair} falls to {least:.2g} "
                    f"of its largest value along column {j}, and must not be negative"
                )
        return least


class _Midpoints(Hyperkernel):
    """What both densities share: the difference and the midpoint of a pair, in coordinates of their own."""

    def coordinates(self, X: np.ndarray) -> np.ndarray:
        """Return the points in which distances are measured."""
        return X

    def layers(self, X, Z):
        """Yield the columns of the difference, then those of the midpoint."""
        P = self.coordinates(X)
        Q = P if Z is X else self.coordinates(Z)
        for x, z in zip(P.T, Q.T, strict=True):
            yield x[:, None] - z[None]
        for x, z in zip(P.T, Q.T, strict=True):
            yield 0.5 * (x[:, None] + z[None])


@dataclass(frozen=True)
class GaussianHyperkernel(_Midpoints):
    r"""Gaussian hyperkernel: how alike two pairs are in their distances and in where they lie [kondor2007]_.

    .. math::
        \underline k = \exp\Bigl(-\frac{\|x - x'\|^2 + \|y - y'\|^2}{2 s_i}
                                 - \frac{\|\bar x - \bar y\|^2}{2 s_m}\Bigr), \qquad \bar x = \tfrac12 (x + x')

    (normal densities over their constants). With :math:`u = y - \bar x`, a slice is a product of functions of u, of u'
    and of :math:`\exp(u^\top u' (1/s_i - 1/(4 s_m)))`: a kernel if and only if :math:`s_i \le 4 s_m`, which is
    enforced. As the integral over a Gaussian field of Gaussian bumps, :math:`s_i = 2 \sigma^2` and
    :math:`s_m = \sigma^2 + \sigma_h^2`, see `of_widths`.

    Parameters
    ----------
    within, middle : float
        :math:`s_i` and :math:`s_m`, squared widths; ``within <= 4 * middle``.

    References
    ----------
    .. [kondor2007] Kondor, Jebara. Gaussian and Wishart Hyperkernels. NIPS 19, 2007.

    Examples
    --------
    >>> hyper = GaussianHyperkernel.of_widths(1.0, 1.0)
    >>> hyper.slice(np.array([0.0, 0.0]), np.array([[0.0], [1.0]])).round(3)  # of the pair (0, 0)
    array([[1.   , 0.732],
           [0.732, 0.779]])
    """

    within: float = 1.0
    middle: float = 1.0

    def __post_init__(self):
        for name, value in (("within", self.within), ("middle", self.middle)):
            if not 0 < value < np.inf:
                raise ValueError(f"{name} must be positive and finite, found {value!r}")
        if self.within > 4 * self.middle:
            raise ValueError(
                f"within must be at most four times middle, else slices are no kernels, found within={self.within:g} "
                f"and middle={self.middle:g}; widen middle"
            )

    @classmethod
    def of_widths(cls, width2: float, field2: float) -> GaussianHyperkernel:
        r"""Return that of bumps of variance :math:`\sigma^2` in a field of variance :math:`\sigma_h^2`; it is valid."""
        return cls(2 * width2, width2 + field2)

    def between(self, F, G):
        """Return the exponential."""
        d = len(F) // 2
        inner = (F[:d] ** 2).sum(axis=0) + (G[:d] ** 2).sum(axis=0)
        apart = ((F[d:] - G[d:]) ** 2).sum(axis=0)
        return np.exp(-inner / (2 * self.within) - apart / (2 * self.middle))


@dataclass(frozen=True, eq=False)
class WishartHyperkernel(_Midpoints):
    r"""Wishart hyperkernel: the average, over normal densities, of their product at the four points [kondor2007]_.

    With means under Lebesgue measure, covariances under the inverse Wishart distribution with r degrees of freedom and
    scale C, and S the scatter of the four points about their mean,

    .. math::
        \int \mathcal N(x) \mathcal N(x') \mathcal N(y) \mathcal N(y')
            = (2\pi)^{-3d/2}\, 2^{-d}\, \frac{Z_{r+3}}{Z_r}\,
              \frac{\det(C)^{r/2}}{\det(C + S)^{(r+3)/2}}, \qquad Z_q = 2^{qd/2}\, \Gamma_d(q/2).

    Values here are over that at four equal points, whose logarithm is `log_constant`. Slices are kernels, as
    averages of kernels of rank one.

    Parameters
    ----------
    scale : array of shape (d, d)
        C, positive definite.
    freedom : float
        r, above d - 1, else there is no such distribution.

    Examples
    --------
    >>> hyper = WishartHyperkernel(np.eye(1), 2.0)
    >>> hyper.slice(np.array([0.0, 0.0]), np.array([[0.0], [1.0]])).round(3)
    array([[1.   , 0.247],
           [0.247, 0.177]])
    """

    scale: Any
    freedom: float

    def __post_init__(self):
        C = np.atleast_2d(np.asarray(self.scale, dtype=float))
        object.__setattr__(self, "scale", C)
        d = len(C)
        if C.shape != (d, d) or not np.allclose(C, C.T) or not np.isfinite(C).all():
            raise ValueError(f"scale must be a symmetric matrix, found shape {C.shape}")
        try:
            linalg.cholesky(C, lower=True)
        except linalg.LinAlgError:
            raise ValueError("scale must be positive definite; add a multiple of the identity") from None
        if not d - 1 < self.freedom < np.inf:
            raise ValueError(
                f"freedom must be above {d - 1}, one less than the number of columns, found {self.freedom!r}"
            )

    @property
    def log_constant(self) -> float:
        """The logarithm of the integral at four equal points."""
        d, r = len(self.scale), self.freedom
        ratio = 1.5 * d * np.log(2) + multigammaln((r + 3) / 2, d) - multigammaln(r / 2, d)
        return float(-1.5 * d * np.log(2 * np.pi) - d * np.log(2) + ratio - 1.5 * np.linalg.slogdet(self.scale)[1])

    def coordinates(self, X):
        """Return the points in coordinates in which C is the identity."""
        L = linalg.cholesky(self.scale, lower=True)
        return linalg.solve_triangular(L, np.asarray(X, dtype=float).T, lower=True).T

    def between(self, F, G):
        """Return the power of det(I + S), S of rank three."""
        d = len(F) // 2
        # S = a a' + b b' + m m': the differences within the pairs, over the root of two, and that of their midpoints.
        a, b, m = F[:d] / np.sqrt(2), G[:d] / np.sqrt(2), F[d:] - G[d:]
        # The determinant is that of the columns (1, 0, 0, a), (0, 1, 0, b), (0, 0, 1, m) in their span, by Gram and
        # Schmidt: products of sums of squares, which keep the digits where a, b, m are long and nearly parallel.
        aa = 1 + (a**2).sum(axis=0)
        t, s = (a * b).sum(axis=0) / aa, (a * m).sum(axis=0) / aa
        b, m = b - t * a, m - s * a
        bb = 1 + t**2 + (b**2).sum(axis=0)
        u = (s * t + (b * m).sum(axis=0)) / bb
        mm = 1 + u**2 + (s - u * t) ** 2 + ((m - u * b) ** 2).sum(axis=0)
        return (aa * bb * mm) ** (-(self.freedom + 3) / 2)
