"""Gaussian kernels with a width for each feature."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from kernelopt.kernels.continuous.base import Family
from kernelopt.kernels.continuous.multistart import local_maxima, spread

SHARES = (1.0, 0.2, 0.04)  # of the largest width, at which single features are tried
PAIRED = 5  # the best single features, whose pairs are tried
ROUNDING = 16 * float(np.finfo(float).eps)  # of a feature: its spread is no more where it is constant
APART = 0.05  # of the domain, between starts


@dataclass(frozen=True, eq=False)
class CentredPoints:
    """Points about their mean, in double and in single precision."""

    X: np.ndarray

    @cached_property
    def single(self) -> np.ndarray:
        """The points in single precision."""
        return self.X.astype(np.float32)


@dataclass(frozen=True)
class ARDFamily(Family):
    r"""Gaussian kernels with a width per feature: :math:`k_\omega(x, z) = e^{-\sum_d \omega_d (x_d - z_d)^2}`.

    The domain is :math:`0 \le \omega_d \le h_d`. With :math:`M = V V^\top \circ K_\omega`,

    .. math::
        \partial_d T = -\sum_{ij} M_{ij} (x_{id} - x_{jd})^2 = -2 \sum_i x_{id}^2 (M \mathbf{1})_i + 2 x_d^\top M x_d.

    The local maxima are sought from single features at three widths, pairs of the best of them, all features at once
    and the kernels that are known: the best of these climb by L-BFGS, in single precision, and the values found are
    of double precision. There may be a better one: nothing is proven over the domain.

    Parameters
    ----------
    high : tuple of float or None
        h, one per feature; None takes `reach` over the variance of each feature of the training points.
    reach : float
        The largest :math:`\omega_d` times the variance of the feature. Large ones let kernels in that fit each point by
        itself.
    n_starts : int
        How many of the starts climb.

    References
    ----------
    .. [gehler2008] Gehler, Nowozin. Infinite Kernel Learning. Max Planck Institute TR-178, 2008.

    Examples
    --------
    >>> ARDFamily((1.0, 1.0)).matrix(np.array([0.5, 0.0]), np.zeros((1, 2)), np.array([[1.0, 7.0]])).round(4)
    array([[0.6065]])
    """

    high: tuple[float, ...] | None = None
    reach: float = 0.5
    n_starts: int = 4
    name = "ard"

    def __post_init__(self):
        if self.high is not None and not all(0 < h < np.inf for h in self.high):
            raise ValueError(f"high must hold one positive finite number per feature, found {self.high!r}")
        if not 0 < self.reach < np.inf:
            raise ValueError(f"reach must be positive and finite, found {self.reach!r}")
        if self.n_starts < 1:
            raise ValueError(f"n_starts must be at least 1, found {self.n_starts!r}")

    def domain(self, n_features):
        """Return the box."""
        if self.high is None:
            raise ValueError("the domain of the ard family is not known yet: give high, or use fitted")
        if len(self.high) != n_features:
            raise ValueError(f"high must hold one number per feature, found {len(self.high)} for {n_features} features")
        return np.array([[0.0, h] for h in self.high])

    def fitted(self, X, sample_weight=None):
        """Return the family with `reach` over the variance of each feature; 1 for one constant to rounding."""
        if self.high is not None:
            return self
        p = np.full(len(X), 1 / len(X)) if sample_weight is None else sample_weight / np.sum(sample_weight)
        variance = p @ (X - p @ X) ** 2
        seen = X[p > 0]
        constant = np.ptp(seen, axis=0) <= ROUNDING * np.abs(seen).max(axis=0)  # its variance is that of rounding
        high = np.where(constant, 1.0, self.reach / np.where(constant, 1.0, variance))
        return replace(self, high=tuple(high.tolist()))

    def start(self, n_features):
        """Return all features at a small width, and at a larger one."""
        high = self.domain(n_features)[:, 1]
        return np.stack([high * share / n_features for share in (0.3, 1.0)])

    def matrix(self, omega, X, Z):
        """Return the kernel between the rows of X and Z."""
        root, middle = np.sqrt(omega), np.zeros(X.shape[1]) if len(Z) == 0 else Z.mean(axis=0)
        A, B = (X - middle) * root, (Z - middle) * root
        D = (A**2).sum(axis=1)[:, None] + (B**2).sum(axis=1) - 2 * A @ B.T
        return np.exp(-np.maximum(D, 0.0, out=D), out=D)

    def prepare(self, X):
        """Return the points about their mean."""
        return CentredPoints(X - X.mean(axis=0))

    def gram(self, omega, points):
        """Return the Gram matrix, with ones on the diagonal."""
        K = self.matrix(omega, points.X, points.X)
        np.fill_diagonal(K, 1.0)
        return K

    def value_and_gradient(self, omega, V, points):
        """Return T and its gradient."""
        return _value_and_gradient(omega, V @ V.T, points.X)

    def maximise(self, V, points, tol, starts=None):
        """Return the local maxima found from the best of the starts."""
        box, X = self.domain(points.X.shape[1]), points.single
        W = (V @ V.T).astype(np.float32)
        known = np.zeros((0, len(box))) if starts is None or len(starts) == 0 else starts
        tried = np.concatenate([known, self._screened(W, X, box)])
        values = np.array([_value(omega, W, X) for omega in tried])
        starts = spread(values, tried, box, self.n_starts, APART)
        return local_maxima(
            lambda omega: _value_and_gradient(omega, W, X),
            lambda omega: float(np.sum(V * (self.gram(omega, points) @ V))),
            starts,
            box,
        )

    def _screened(self, W, X, box) -> np.ndarray:
        """Return starts: single features, pairs of the best, and all features."""
        d, high = len(box), box[:, 1]
        unit = np.eye(d) * high
        singles = np.concatenate([share * unit for share in SHARES])
        values = np.array([_value(omega, W, X) for omega in singles]).reshape(len(SHARES), d)
        best = np.argsort(-values.max(axis=0))[:PAIRED]
        width = np.array(SHARES)[values.argmax(axis=0)]
        pairs = [width[i] * unit[i] + width[j] * unit[j] for i, j in combinations(best, 2)]
        together = sum(width[i] * unit[i] for i in best) / len(best)
        alone = [width[i] * unit[i] for i in best]
        return np.stack([*alone, *pairs, together, *self.start(d), np.zeros(d)])

    def label(self, omega):
        """Return the name with the features that count."""
        seen = [f"{d}:{w:.3g}" for d, w in enumerate(omega) if w > 1e-4 * max(float(np.max(omega)), 1e-300)]
        return f"ard ω=({', '.join(seen)})" if seen else "ard ω=0"


def _weighed(omega: np.ndarray, W: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Return W times the kernel, entry by entry, of the features that count."""
    active = np.flatnonzero(omega)
    A = X[:, active] * np.sqrt(omega[active]).astype(X.dtype)
    half = (A**2).sum(axis=1)
    E = A @ A.T
    E *= 2
    E -= half[:, None]
    E -= half
    np.minimum(E, 0, out=E)
    np.exp(E, out=E)
    E *= W
    return E


def _value(omega: np.ndarray, W: np.ndarray, X: np.ndarray) -> float:
    return float(_weighed(omega, W, X).sum(dtype=float))


def _value_and_gradient(omega: np.ndarray, W: np.ndarray, X: np.ndarray) -> tuple[float, np.ndarray]:
    M = _weighed(omega, W, X)
    r = M.sum(axis=1)
    gradient = -2.0 * ((X**2).T @ r - np.einsum("id,id->d", X, M @ X))
    return float(r.sum(dtype=float)), gradient.astype(float)
