"""The fixed-kernel oracle: one support vector machine by libsvm, then polished to the last digits.

libsvm finds which samples are free, at a bound, or out; the values on the free ones then solve one
linear system exactly. Its Cholesky factor also gives the derivative of the solution with respect to
the kernel, which is what Newton's method needs.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC

ACTIVE_SET_STEPS = 15
SLACK = 1e-9  # in units of the margin


@dataclass(frozen=True, eq=False)
class FixedKernelSolution:
    """The maximising a of one column, its intercept, and the curvature at the free samples.

    Parameters
    ----------
    a : array of shape (n,)
        Dual variables.
    intercept : float
        Offset of the decision function.
    free : array of int
        Samples strictly inside the box.
    factor : array or None
        Cholesky factor of the kernel on the free samples, projected onto the complement of the
        constant; None when fewer than two samples are free.
    """

    a: np.ndarray
    intercept: float
    free: np.ndarray
    factor: np.ndarray | None

    def curvature(self, P: np.ndarray) -> np.ndarray:
        r"""Return the second derivative of :math:`\omega` along kernels whose products K_k v are the rows of P.

        .. math:: P_F \Pi P_F^\top, \qquad \Pi = Q (Q^\top K_{FF} Q)^{-1} Q^\top,

        with Q an orthonormal basis of the vectors on F that sum to zero.
        """
        if self.factor is None:
            return np.zeros((len(P), len(P)))
        half = linalg.solve_triangular(self.factor, _balanced(P[:, self.free].T), lower=True, check_finite=False)
        return half.T @ half


def solve_svm(K: np.ndarray, y: np.ndarray, upper: np.ndarray, tol: float) -> FixedKernelSolution:
    """Maximise 1'a - v'Kv/2 over the box [0, upper] and the balance y'a = 0, for one kernel.

    Parameters
    ----------
    K : array of shape (n, n)
        Gram matrix.
    y : array of shape (n,)
        Targets in {-1, 1}.
    upper : array of shape (n,)
        Bounds; all positive, since libsvm mislabels its support vectors otherwise.
    tol : float
        libsvm's tolerance on the optimality conditions.
    """
    machine = SVC(kernel="precomputed", C=1.0, tol=tol, cache_size=500, max_iter=max(1_000_000, 200 * len(y)))
    with warnings.catch_warnings():
        # The certificate judges the outcome: an iteration cap reached here is seen as a gap there.
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(K, y, sample_weight=upper)
    a = np.zeros(len(y))
    a[machine.support_] = np.minimum(np.abs(machine.dual_coef_[0]), upper[machine.support_])
    return _polished(K, y, upper, a, float(machine.intercept_[0]))


def _polished(K, y, upper, a, intercept) -> FixedKernelSolution:
    """Solve the optimality conditions on libsvm's partition, and mend the partition until they hold.

    libsvm computes with kernel rows in single precision, which at large C leaves a gap no tolerance of its
    own can close. Here a primal-dual active-set method works in double precision: solve on the free
    samples, send those that leave the box to its bounds, free those whose margin is on the wrong side.
    """
    inside = 1e-9 * upper
    free, capped = (a > inside) & (a < upper - inside), a >= upper - inside
    first: FixedKernelSolution | None = None
    for _ in range(ACTIVE_SET_STEPS):
        v, b, factor = _on_partition(K, y, upper, np.flatnonzero(free), np.flatnonzero(capped), intercept)
        first = first or FixedKernelSolution(a, intercept, np.flatnonzero(free), factor)
        if v is None:
            break
        # What each sample lacks: a within the box where free, the margin on the right side where not.
        slack = y * (K @ v + b) - 1
        a_new = y * v
        below, above = free & (a_new < 0), free & (a_new > upper)
        too_small, too_large = ~free & ~capped & (slack < -SLACK), capped & (slack > SLACK)
        if not (below | above | too_small | too_large).any():
            return FixedKernelSolution(np.clip(a_new, 0.0, upper), b, np.flatnonzero(free), factor)
        free = (free & ~below & ~above) | too_small | too_large
        capped = (capped & ~too_large) | above
    assert first is not None
    return first


def _on_partition(K, y, upper, free, capped, intercept):
    """Return v = y∘a, the intercept and the factor that satisfy the conditions on the free samples."""
    v = np.zeros(len(y))
    v[capped] = (y * upper)[capped]
    if len(free) == 0:
        # Nothing to solve for: right as it is if the caps balance, and the intercept is libsvm's.
        balanced = abs(v.sum()) <= 1e-9 * float(upper[capped].sum())
        return (v if balanced else None), intercept, None
    # On the free samples v = mean + Q u: the mean is fixed by the balance, u by the optimality conditions.
    K_free = K[np.ix_(free, free)]
    mean = np.full(len(free), -v.sum() / len(free))
    rest = y[free] - K[np.ix_(free, capped)] @ v[capped] - K_free @ mean
    factor = _factor(_balanced(_balanced(K_free).T).T)
    step = np.zeros(len(free))
    if len(free) > 1:
        if factor is None:
            return None, intercept, None
        step = _spread(linalg.cho_solve((factor, True), _balanced(rest), check_finite=False))
    v[free] = mean + step
    return (v if np.isfinite(v).all() else None), float(np.mean(rest - K_free @ step)), factor


def _balanced(A: np.ndarray) -> np.ndarray:
    """Return Q'A for an orthonormal basis Q of the vectors that sum to zero: a Householder reflection, less a row."""
    m = len(A)
    u = np.ones(m)
    u[0] += np.sqrt(m)
    return (A - np.multiply.outer(u, (2.0 / (u @ u)) * (u @ A)))[1:]


def _spread(x: np.ndarray) -> np.ndarray:
    """Return Q x, the inverse of `_balanced` on vectors that sum to zero."""
    m = len(x) + 1
    u = np.ones(m)
    u[0] += np.sqrt(m)
    padded = np.append(0.0, x)
    return padded - (2.0 / (u @ u)) * (u @ padded) * u


def _factor(K: np.ndarray) -> np.ndarray | None:
    """Return the Cholesky factor of K plus the smallest of two ridges that makes it definite."""
    if len(K) == 0:
        return None
    size = float(np.trace(K)) / len(K)
    for ridge in (1e-12, 1e-8):
        try:
            return linalg.cholesky(K + ridge * size * np.eye(len(K)), lower=True, check_finite=False)
        except linalg.LinAlgError:
            continue
    return None
