"""Families that are not radial: polynomial offsets, trigonometric kernels, and a user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import comb

import numpy as np
from numpy.polynomial import Polynomial as Series
from sklearn.utils.extmath import row_norms

from kernelopt.kernels.continuous.base import Family, Maximum, interval
from kernelopt.kernels.continuous.multistart import grid, local_maxima, spread

EPS = float(np.finfo(float).eps)


@dataclass(frozen=True)
class PolynomialFamily(Family):
    r"""Polynomial kernels of every offset: :math:`k_v(x, z) = \big((1 - v)\, x^\top z / s + v\big)^q,\ v \in [0, 1]`.

    It is the kernel :math:`(x^\top z + c)^q` with :math:`v = c / (c + s)`, divided by :math:`(c + s)^q`: a budget of
    weights would buy the largest c otherwise. T is a polynomial in v, so that its maximum is among the ends
    and the roots of a derivative: proven, up to rounding.

    Parameters
    ----------
    degree : int
        q.
    scale : float or None
        s, positive; None takes the mean of :math:`x^\top x` over the training points.

    Examples
    --------
    >>> PolynomialFamily(2, 1.0).matrix(np.array([0.5]), np.array([[1.0]]), np.array([[3.0]]))
    array([[4.]])
    """

    degree: int = 2
    scale: float | None = None
    name = "polynomial"
    proven = True

    def __post_init__(self):
        if self.degree != int(self.degree) or not 1 <= self.degree <= 10:
            raise ValueError(f"degree must be an integer from 1 to 10, found {self.degree!r}")
        if self.scale is not None and not 0 < self.scale < np.inf:
            raise ValueError(f"scale must be positive and finite, found {self.scale!r}")

    def domain(self, n_features):
        """Return the unit interval."""
        return np.array([[0.0, 1.0]])

    def fitted(self, X, sample_weight=None):
        """Return the family with s set."""
        if self.scale is not None:
            return self
        size = float(np.average(row_norms(X, squared=True), weights=sample_weight))
        return replace(self, scale=size if size > 0 else 1.0)

    def _base(self, omega, inner):
        v = float(omega[0])
        return (1 - v) * inner + v

    def matrix(self, omega, X, Z):
        """Return the kernel between the rows of X and Z."""
        return self._base(omega, X @ Z.T / self.scale) ** self.degree

    def diag(self, omega, X):
        """Return k(x, x)."""
        return self._base(omega, row_norms(X, squared=True) / self.scale) ** self.degree

    def prepare(self, X):
        """Return the inner products over s."""
        return X @ X.T / self.scale

    def gram(self, omega, points):
        """Return the Gram matrix from the inner products."""
        return self._base(omega, points) ** self.degree

    def value_and_gradient(self, omega, V, points):
        """Return T and its derivative."""
        base, q = self._base(omega, points), self.degree
        slope = q * base ** (q - 1) * (1 - points)
        return float(np.sum(V * (base**q @ V))), np.array([float(np.sum(V * (slope @ V)))])

    def maximise(self, V, points, tol, starts=None):
        """Return the maximum among the ends and the roots of the derivative."""
        v, T, size = Series([0.0, 1.0]), Series([0.0]), 0.0
        power = np.ones_like(points)
        W = V @ V.T
        for j in range(self.degree + 1):  # the coefficient of (1 - v)^j v^(q - j)
            part = comb(self.degree, j) * float(np.sum(W * power))
            T = T + part * (1 - v) ** j * v ** (self.degree - j)
            size += comb(self.degree, j) * float(np.sum(np.abs(W * power)))
            power = power * points
        roots = T.deriv().roots()
        inside = np.clip(roots.real[np.abs(roots.imag) < 1e-6], 0.0, 1.0)
        omegas = np.unique(np.concatenate([[0.0, 1.0], inside]))
        values = T(omegas)
        order = np.argsort(-values)
        bound = float(values.max()) + 64 * EPS * 4**self.degree * size
        return Maximum(bound, True, omegas[order][:, None], values[order])


class Climbing(Family):
    """A family whose maxima are sought from a grid of starts, without a proof."""

    n_starts: int

    def maximise(self, V, points, tol, starts=None):
        """Return the local maxima found from the best of a grid and of the kernels that are known."""
        box = self.domain(points.shape[1])
        tried = grid(box, 64 if len(box) == 1 else 6)
        if starts is not None and len(starts):
            tried = np.concatenate([tried, starts])
        values = np.array([float(np.sum(V * (self.gram(omega, points) @ V))) for omega in tried])
        chosen = spread(values, tried, box, self.n_starts, 0.5 / 64)
        return local_maxima(
            lambda omega: self.value_and_gradient(omega, V, points),
            lambda omega: float(np.sum(V * (self.gram(omega, points) @ V))),
            chosen,
            box,
            steps=100,
        )


@dataclass(frozen=True)
class TrigonometricFamily(Climbing):
    r"""Cosines of every frequency: :math:`k_\omega(x, z) = \tfrac1d \sum_j \cos \omega (x_j - z_j)`, in [a, b].

    Parameters
    ----------
    low, high : float or None
        a and b; None takes 0 to twenty half waves over the longest feature of the training points.
    n_starts : int
        How many starts climb.

    Examples
    --------
    >>> TrigonometricFamily(0.0, 4.0).matrix(np.array([np.pi]), np.zeros((1, 1)), np.array([[1.0]]))
    array([[-1.]])
    """

    low: float | None = None
    high: float | None = None
    n_starts: int = 6
    name = "trigonometric"

    def __post_init__(self):
        interval("TrigonometricFamily", self.low, self.high, zero=True)
        _check_starts(self.n_starts)

    def domain(self, n_features):
        """Return the interval."""
        if self.low is None or self.high is None:
            raise ValueError("the domain of the trigonometric family is not known yet: give low and high")
        return np.array([[self.low, self.high]])

    def fitted(self, X, sample_weight=None):
        """Return the family with its interval set."""
        if self.low is not None:
            return self
        length = float(np.ptp(X, axis=0).max(initial=0.0))
        return replace(self, low=0.0, high=20 * np.pi / length if length > 0 else 1.0)

    def matrix(self, omega, X, Z):
        """Return the kernel between the rows of X and Z."""
        A, B = float(omega[0]) * X, float(omega[0]) * Z
        return (np.cos(A) @ np.cos(B).T + np.sin(A) @ np.sin(B).T) / X.shape[1]

    def value_and_gradient(self, omega, V, points):
        """Return T, a sum of squared moduli, and its derivative."""
        A, d = float(omega[0]) * points, points.shape[1]
        c, s = np.cos(A).T @ V, np.sin(A).T @ V
        dc, ds = -(points * np.sin(A)).T @ V, (points * np.cos(A)).T @ V
        return float(np.sum(c**2 + s**2)) / d, np.array([2 * float(np.sum(c * dc + s * ds)) / d])


@dataclass(frozen=True)
class CustomFamily(Climbing):
    r"""A family of one's own.

    Parameters
    ----------
    kernel : callable
        ``kernel(omega, X, Z) -> array (len(X), len(Z))``, positive semidefinite for every omega of the box.
    box : tuple of pairs
        Lower and upper bound of each parameter.
    gradient : callable or None
        ``gradient(omega, X, Z) -> array (p, len(X), len(Z))``, the derivatives; central differences without.
    n_starts : int
        How many starts climb.

    Examples
    --------
    >>> bump = CustomFamily(lambda w, X, Z: np.exp(-w[0] * np.abs(X - Z.T)), box=((0.1, 10.0),))
    >>> bump.matrix(np.array([1.0]), np.zeros((1, 1)), np.ones((1, 1))).round(4)
    array([[0.3679]])
    """

    kernel: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    box: tuple[tuple[float, float], ...]
    gradient: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None
    n_starts: int = 6
    name = "custom"

    def __post_init__(self):
        if not self.box or not all(-np.inf < low < high < np.inf for low, high in self.box):
            raise ValueError(
                f"box must hold a finite pair (low, high) with low < high for each parameter: {self.box!r}"
            )
        _check_starts(self.n_starts)

    def domain(self, n_features):
        """Return the box."""
        return np.array(self.box, dtype=float)

    def matrix(self, omega, X, Z):
        """Return the kernel between the rows of X and Z."""
        K = np.asarray(self.kernel(omega, X, Z), dtype=float)
        if K.shape != (len(X), len(Z)) or not np.isfinite(K).all():
            raise ValueError(
                f"kernel(omega, X, Z) must return a finite array of shape {(len(X), len(Z))}, found shape {K.shape} at "
                f"omega={omega}"
            )
        return K

    def diag(self, omega, X):
        """Return k(x, x)."""
        return np.array([float(self.matrix(omega, x[None], x[None])[0, 0]) for x in X])

    def value_and_gradient(self, omega, V, points):
        """Return T and its gradient, by central differences where none was given."""

        def value(at: np.ndarray) -> float:
            return float(np.sum(V * (self.matrix(at, points, points) @ V)))

        if self.gradient is not None:
            slopes = np.asarray(self.gradient(omega, points, points), dtype=float)
            return value(omega), np.einsum("ic,pij,jc->p", V, slopes, V)
        low, high = np.array(self.box, dtype=float).T
        out = np.empty(len(omega))
        for j, e in enumerate(np.eye(len(omega))):
            step = 1e-6 * (high[j] - low[j])
            up, down = np.minimum(omega + step * e, high), np.maximum(omega - step * e, low)
            out[j] = (value(up) - value(down)) / float(up[j] - down[j])
        return value(omega), out


def _check_starts(n_starts: int) -> None:
    if n_starts < 1:
        raise ValueError(f"n_starts must be at least 1, found {n_starts!r}")
