"""Families that are not radial: polynomial offsets, trigonometric kernels, a user's own, and several at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import comb
from typing import Any

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


@dataclass(frozen=True)
class UnionFamily(Family):
    """Several families at once: the first parameter says which, the others are that family's, then zeros.

    Parameters
    ----------
    families : tuple of Family
        The families.

    Examples
    --------
    >>> from kernelopt.kernels.continuous import GaussianFamily
    >>> both = UnionFamily((GaussianFamily(0.1, 10.0), PolynomialFamily(2, 1.0)))
    >>> both.matrix(np.array([1.0, 0.5]), np.array([[1.0]]), np.array([[3.0]]))
    array([[4.]])
    """

    families: tuple[Family, ...]
    name = "union"

    def __post_init__(self):
        if not self.families:
            raise ValueError("families must hold at least one family")

    @property
    def proven(self) -> bool:  # type: ignore[override]
        """Whether the maximum of each is."""
        return all(family.proven for family in self.families)

    def domain(self, n_features):
        """Return the smallest box around all of them."""
        boxes = [family.domain(n_features) for family in self.families]
        out = np.zeros((1 + max(map(len, boxes)), 2))
        out[0, 1] = len(self.families) - 1
        for box in boxes:
            out[1 : 1 + len(box), 0] = np.minimum(out[1 : 1 + len(box), 0], box[:, 0])
            out[1 : 1 + len(box), 1] = np.maximum(out[1 : 1 + len(box), 1], box[:, 1])
        return out

    def part(self, omega: np.ndarray, n_features: int) -> tuple[int, np.ndarray]:
        """Return which family parameters belong to, and its own parameters, in its domain."""
        k = int(np.clip(np.rint(omega[0]), 0, len(self.families) - 1))
        box = self.families[k].domain(n_features)
        return k, np.clip(omega[1 : 1 + len(box)], box[:, 0], box[:, 1])

    def fitted(self, X, sample_weight=None):
        """Return the union of the fitted families."""
        return replace(self, families=tuple(family.fitted(X, sample_weight) for family in self.families))

    def _joined(self, parts: list[np.ndarray], n_features: int) -> np.ndarray:
        out = np.zeros((sum(map(len, parts)), len(self.domain(n_features))))
        at = 0
        for k, part in enumerate(parts):
            out[at : at + len(part), 0] = k
            out[at : at + len(part), 1 : 1 + part.shape[1]] = part
            at += len(part)
        return out

    def start(self, n_features):
        """Return the starts of each."""
        return self._joined([family.start(n_features) for family in self.families], n_features)

    def prepare(self, X):
        """Return what each wants to know of the points, and the number of features."""
        return X.shape[1], [family.prepare(X) for family in self.families]

    def matrix(self, omega, X, Z):
        """Return the kernel between the rows of X and Z."""
        k, own = self.part(omega, X.shape[1])
        return self.families[k].matrix(own, X, Z)

    def diag(self, omega, X):
        """Return k(x, x)."""
        k, own = self.part(omega, X.shape[1])
        return self.families[k].diag(own, X)

    def gram(self, omega, points):
        """Return the Gram matrix on prepared points."""
        k, own = self.part(omega, points[0])
        return self.families[k].gram(own, points[1][k])

    def value_and_gradient(self, omega, V, points):
        """Return T and its gradient, which is zero in what says the family."""
        k, own = self.part(omega, points[0])
        value, slope = self.families[k].value_and_gradient(own, V, points[1][k])
        out = np.zeros(len(omega))
        out[1 : 1 + len(slope)] = slope
        return value, out

    def maximise(self, V, points, tol, starts=None):
        """Return the largest of the maxima of all."""
        d, prepared = points
        found = []
        for k, (family, own) in enumerate(zip(self.families, prepared, strict=True)):
            mine: Any = None
            if starts is not None and len(starts):
                mine = np.array([self.part(omega, d)[1] for omega in starts if self.part(omega, d)[0] == k])
            found.append(family.maximise(V, own, tol, mine))
        omegas = self._joined([maximum.omegas for maximum in found], d)
        values = np.concatenate([maximum.values for maximum in found])
        order = np.argsort(-values)
        return Maximum(max(m.bound for m in found), self.proven, omegas[order], values[order])

    def distance(self, omegas, omega, n_features):
        """Return the distance within a family; kernels of different ones are far apart."""
        k, own = self.part(omega, n_features)
        out = np.full(len(omegas), np.inf)
        for i, other in enumerate(omegas):
            j, part = self.part(other, n_features)
            if j == k:
                out[i] = self.families[k].distance(part[None], own, n_features)[0]
        return out

    def middle(self, omegas, weights):
        """Return the mean within the family."""
        k = int(omegas[0, 0])
        own = self.families[k].middle(omegas[:, 1:], weights)
        return np.concatenate([[k], own, np.zeros(omegas.shape[1] - 1 - len(own))])

    def label(self, omega):
        """Return the label of the family's kernel."""
        return self.families[int(omega[0])].label(omega[1:])
