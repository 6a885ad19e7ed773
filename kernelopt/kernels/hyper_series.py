"""Hyperkernels of similarities: power series, harmonic sums, products over columns, lists of kernels.

References
----------
.. [ong2005] Ong, Smola, Williamson. Learning the Kernel with Hyperkernels. JMLR 6, 2005.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from kernelopt.kernels.hyper import Hyperkernel, Similarity

SERIES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "exp": (np.exp, np.inf),
    "sinh": (np.sinh, np.inf),
    "cosh": (np.cosh, np.inf),
    "artanh": (np.arctanh, 1.0),
    "log": (lambda t: -np.log1p(-t), 1.0),
}


@dataclass(frozen=True)
class PowerSeries(Similarity):
    r"""Power series of a kernel: :math:`\underline k = g(k(x, x')\, k(y, y'))`, g with nonnegative coefficients.

    A slice is :math:`\sum_i c_i k(x, x')^i\, k(\cdot, \cdot)^i`, a nonnegative combination of powers of the kernel, if
    k is nowhere negative. With R the radius of convergence, k must stay below :math:`\sqrt R` (eq. (9) of [ong2005]_).

    Parameters
    ----------
    kernel : callable
        k, nowhere negative.
    function : {"exp", "sinh", "cosh", "artanh", "log"}
        g; "log" is :math:`-\ln(1 - t)`. The radius is infinite for the first three, one for the last two.

    Raises
    ------
    ValueError
        The kernel is negative, or leaves the radius of convergence.

    Examples
    --------
    >>> from kernelopt.kernels import Gaussian
    >>> hyper = PowerSeries(Gaussian(1.0), "exp")
    >>> hyper.slice(np.array([1.0]), np.array([[0.0], [9.0]])).round(3)  # exp(k)
    array([[2.718, 1.   ],
           [1.   , 2.718]])
    """

    kernel: Any
    function: str = "exp"
    attained = False

    def __post_init__(self):
        if self.function not in SERIES:
            raise ValueError(f"function must be one of {', '.join(map(repr, SERIES))}, found {self.function!r}")

    @property
    def limit(self) -> float:
        """The root of the radius of convergence."""
        return float(np.sqrt(SERIES[self.function][1]))

    def between(self, F, G):
        """Return g of the product of the similarities."""
        return SERIES[self.function][0](F[0] * G[0])


def _harmonic(product: np.ndarray, lam: float) -> np.ndarray:
    return (1 - lam) / (1 - lam * product)


def _check_lam(lam: float) -> None:
    if not 0 < lam < 1:
        raise ValueError(f"lam must be between 0 and 1, found {lam!r}")


@dataclass(frozen=True)
class Harmonic(Similarity):
    r"""Harmonic hyperkernel: :math:`\underline k = (1 - \lambda) \sum_i (\lambda\, k(x, x')\, k(y, y'))^i`.

    .. math:: \underline k = \frac{1 - \lambda}{1 - \lambda\, k(x, x')\, k(y, y')}

    Its values are in [1 - lam, 1], and 1 between pairs of similarity one (eq. (12) of [ong2005]_).

    Parameters
    ----------
    kernel : callable
        k, with values in [0, 1].
    lam : float
        Between 0 and 1; not the ridge of the same name.

    Examples
    --------
    >>> from kernelopt.kernels import Gaussian
    >>> Harmonic(Gaussian(1.0), 0.5).slice(np.array([1.0]), np.array([[0.0], [9.0]])).round(3)
    array([[1. , 0.5],
           [0.5, 1. ]])
    """

    kernel: Any
    lam: float = 0.6

    def __post_init__(self):
        _check_lam(self.lam)

    def between(self, F, G):
        """Return the sum of the geometric series."""
        return _harmonic(F[0] * G[0], self.lam)


def _distances(X, Z) -> np.ndarray:
    """Return squared distances; symmetric to the last bit, and zero on the diagonal, where Z is X."""
    D = euclidean_distances(X, Z, squared=True)
    return 0.5 * (D + D.T) if Z is X else D


@dataclass(frozen=True)
class GaussianHarmonic(Hyperkernel):
    r"""Harmonic hyperkernel of a Gaussian kernel (eq. (13) of [ong2005]_).

    .. math:: \underline k = \frac{1 - \lambda}{1 - \lambda \exp(-\gamma (\|x - x'\|^2 + \|y - y'\|^2))}

    All pairs (x, x) are the same pair to it, so its Gram matrix on n points has at most rank n (n - 1) / 2 + 1.

    Parameters
    ----------
    gamma : float
        Inverse squared width, :math:`\sigma^2` in the paper; positive.
    lam : float
        Between 0 and 1.

    Examples
    --------
    >>> GaussianHarmonic(1.0, 0.5).slice(np.array([1.0]), np.array([[0.0], [9.0]])).round(3)
    array([[1. , 0.5],
           [0.5, 1. ]])
    """

    gamma: float = 1.0
    lam: float = 0.6

    def __post_init__(self):
        _check_lam(self.lam)
        if not 0 < self.gamma < np.inf:
            raise ValueError(f"gamma must be positive and finite, found {self.gamma!r}")

    def layers(self, X, Z):
        """Yield the Gaussian kernel."""
        yield np.exp(-self.gamma * _distances(X, Z))

    def between(self, F, G):
        """Return the sum of the geometric series."""
        return _harmonic(F[0] * G[0], self.lam)


@dataclass(frozen=True)
class ARDHarmonic(Hyperkernel):
    r"""Product over the columns of Gaussian harmonic hyperkernels (eq. (14) of [ong2005]_).

    .. math::
        \underline k = \prod_j \frac{1 - \lambda}{1 - \lambda \exp(-\gamma_j ((x_j - x'_j)^2 + (y_j - y'_j)^2))}

    Products of hyperkernels are hyperkernels, as products of kernels are kernels. (The line of sums in which the paper
    also writes it is another function.)

    Parameters
    ----------
    gammas : tuple of float
        Inverse squared width of each column; zero leaves a column out.
    lam : float
        Between 0 and 1.

    Examples
    --------
    >>> ARDHarmonic((1.0, 0.0), 0.5).slice(np.ones(2), np.array([[0.0, 0.0], [9.0, 5.0]])).round(3)
    array([[1. , 0.5],
           [0.5, 1. ]])
    """

    gammas: tuple[float, ...]
    lam: float = 0.6

    def __post_init__(self):
        _check_lam(self.lam)
        object.__setattr__(self, "gammas", tuple(float(g) for g in self.gammas))
        if not self.gammas or not all(0 <= g < np.inf for g in self.gammas):
            raise ValueError(f"gammas must hold a nonnegative number per column, found {self.gammas!r}")

    def layers(self, X, Z):
        """Yield a Gaussian kernel per column."""
        if X.shape[1] != len(self.gammas):
            raise ValueError(f"gammas has {len(self.gammas)} entries for points of {X.shape[1]} columns")
        for gamma, x, z in zip(self.gammas, X.T, Z.T, strict=True):
            yield np.exp(-gamma * (x[:, None] - z[None]) ** 2)

    def between(self, F, G):
        """Return the product of the sums, as one over the product of the denominators."""
        rest = 1 / (1 - self.lam)
        out = np.ones(np.broadcast_shapes(F.shape[1:], G.shape[1:]))
        with np.errstate(over="ignore"):  # of very many columns: the product is then as good as zero
            for f, g in zip(F, G, strict=True):
                out *= rest - (self.lam * rest * g) * f
        return 1 / out


@dataclass(frozen=True)
class ExplicitHyperkernel(Hyperkernel):
    r"""Sum over given kernels: :math:`\underline k = \sum_i c_i\, k_i(x, x')\, k_i(y, y')`.

    A slice is a nonnegative combination of the kernels, if none of them is negative anywhere; the Gram matrix on pairs
    has no more rank than there are kernels. What is learned is then a combination of these kernels at the price of the
    2-norm of its coefficients over :math:`\sqrt{c_i}`.

    Parameters
    ----------
    kernels : tuple of callable
        The :math:`k_i`, nowhere negative (Gaussians, polynomials of even degree).
    coefficients : tuple of float, optional
        The :math:`c_i`, positive; ones by default.

    Examples
    --------
    >>> from kernelopt.kernels import Gaussian, Polynomial
    >>> hyper = ExplicitHyperkernel((Gaussian(1.0), Polynomial(2)))
    >>> hyper.slice(np.array([1.0, 2.0]), np.array([[0.0]]))  # 1 * 1 + 2 * 1
    array([[3.]])
    """

    kernels: tuple[Any, ...]
    coefficients: tuple[float, ...] | None = None

    def __post_init__(self):
        object.__setattr__(self, "kernels", tuple(self.kernels))
        given = (1.0,) * len(self.kernels) if self.coefficients is None else self.coefficients
        object.__setattr__(self, "coefficients", tuple(float(c) for c in given))
        if not self.kernels or len(self.kernels) != len(given) or not all(0 < c < np.inf for c in given):
            raise ValueError(
                f"coefficients must hold a positive number per kernel, found {given!r} for {len(self.kernels)} kernels"
            )

    def layers(self, X, Z):
        """Yield each kernel, checked not to be negative."""
        for kernel in self.kernels:
            yield from _Anything(kernel).layers(X, Z)

    def between(self, F, G):
        """Return the weighted sum of products."""
        assert self.coefficients is not None
        return sum(c * f * g for c, f, g in zip(self.coefficients, F, G, strict=True))


@dataclass(frozen=True)
class _Anything(Similarity):
    """A similarity of any size."""

    kernel: Any
    largest = np.inf

    def between(self, F, G):
        """Return the product."""
        return F[0] * G[0]
