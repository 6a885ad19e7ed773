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
        Cholesky factor of the kernel on the free samples, when there are some.
    """

    a: np.ndarray
    intercept: float
    free: np.ndarray
    factor: np.ndarray | None

    def curvature(self, P: np.ndarray) -> np.ndarray:
        r"""Return the second derivative of :math:`\omega` along kernels whose products K_k v are the rows of P.

        .. math:: P_F \Pi P_F^\top, \quad \Pi = K_{FF}^{-1} - K_{FF}^{-1} 1 1^\top K_{FF}^{-1} / (1^\top K_{FF}^{-1} 1)
        """
        if self.factor is None:
            return np.zeros((len(P), len(P)))
        half = linalg.solve_triangular(self.factor, P[:, self.free].T, lower=True, check_finite=False)
        one = linalg.solve_triangular(self.factor, np.ones(len(self.free)), lower=True, check_finite=False)
        along = one @ half / np.sqrt(one @ one)
        return half.T @ half - np.outer(along, along)


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
    return _polished(K, y, upper, a, float(machine.intercept_[0]), tol)


def _polished(K, y, upper, a, intercept, tol) -> FixedKernelSolution:
    inside = 1e-9 * upper
    free = np.flatnonzero((a > inside) & (a < upper - inside))
    if len(free) == 0:
        return FixedKernelSolution(a, intercept, free, None)
    capped = np.flatnonzero(a >= upper - inside)
    K_free = K[np.ix_(free, free)]
    ridge = 1e-12 * float(np.trace(K_free)) / len(free)
    try:
        factor = linalg.cholesky(K_free + ridge * np.eye(len(free)), lower=True, check_finite=False)
    except linalg.LinAlgError:
        ridge *= 1e4
        try:
            factor = linalg.cholesky(K_free + ridge * np.eye(len(free)), lower=True, check_finite=False)
        except linalg.LinAlgError:
            return FixedKernelSolution(a, intercept, free, None)
    v_capped = (y * upper)[capped]
    rhs = y[free] - K[np.ix_(free, capped)] @ v_capped
    solved = linalg.cho_solve((factor, True), np.column_stack([rhs, np.ones(len(free))]), check_finite=False)
    b = float((solved[:, 0].sum() + v_capped.sum()) / solved[:, 1].sum())
    a_free = y[free] * (solved[:, 0] - b * solved[:, 1])
    if np.isfinite(a_free).all() and (a_free >= 0).all() and (a_free <= upper[free]).all():
        polished = np.zeros_like(a)
        polished[capped] = upper[capped]
        polished[free] = a_free
        # Kept only if the samples outside the free set still satisfy their conditions, to libsvm's own tolerance.
        slack = y * (K @ (y * polished) + b) - 1
        wrong = np.where(polished == 0, -slack, np.where(polished == upper, slack, np.abs(slack)))
        if wrong.max() <= tol:
            return FixedKernelSolution(polished, b, free, factor)
    return FixedKernelSolution(a, intercept, free, factor)
