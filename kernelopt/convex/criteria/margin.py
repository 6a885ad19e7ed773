"""Margin criteria: support vector machines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.criteria.base import Criterion


@dataclass(frozen=True)
class Hinge(Criterion):
    r"""1-norm soft margin support vector machine.

    .. math::
        \omega(K) = \min_{f, b} \tfrac12 \|f\|_K^2 + C \sum_i w_i (1 - y_i (f(x_i) + b))_+
                  = \max_{0 \le a \le C w,\; y^\top a = 0} \mathbf{1}^\top a - \tfrac12 v^\top K v,
        \qquad v = y \circ a,

    summed over the one-against-rest columns when there are several.

    Parameters
    ----------
    C : float
        Weight of the sum of the hinge losses (not of their mean); positive.

    Notes
    -----
    Equation (38) of [lanckriet2004]_ has twice this objective. With one kernel: the problem of
    ``sklearn.svm.SVC(C=C)``.

    References
    ----------
    .. [lanckriet2004] Lanckriet, Cristianini, Bartlett, El Ghaoui, Jordan. Learning the Kernel
       Matrix with Semidefinite Programming. JMLR 5, 2004.

    Examples
    --------
    >>> Y, w = np.array([[1.0], [-1.0]]), np.ones(2)
    >>> Hinge(C=2.0).loss(np.zeros((2, 1)), Y, w)
    4.0
    """

    C: float = 1.0
    name = "hinge"

    def __post_init__(self):
        if not 0 < self.C < np.inf:
            raise ValueError(f"C must be positive and finite, found {self.C!r}")

    def upper(self, w):
        """Return C w, the box of a."""
        return self.C * w

    def project(self, a, Y, w):
        """Project each column onto the box cut with the balance hyperplane."""
        upper = self.upper(w)
        box = float(np.max([-a, a - upper[:, None]]) / self.C)
        balance = float(np.max(np.abs(np.sum(Y * a, axis=0)) / np.maximum(np.abs(a).sum(axis=0), self.C)))
        columns = [balanced_box_projection(a[:, c], Y[:, c], upper) for c in range(a.shape[1])]
        return np.column_stack(columns), max(box, balance, 0.0)

    def phi(self, a):
        """Return the sum of a."""
        return float(a.sum())

    def V(self, a, Y):
        """Return y∘a."""
        return Y * a

    def loss(self, F, Y, w):
        """Return C times the weighted sum of the hinge losses."""
        return float(self.C * np.sum(w[:, None] * np.maximum(0.0, 1.0 - Y * F)))

    def best_intercept(self, F, Y, w):
        """Minimise the piecewise linear loss exactly; the midpoint where the minimum is flat."""
        return np.array([_hinge_intercept(F[:, c], Y[:, c], w) for c in range(F.shape[1])])


def _hinge_intercept(f: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    # In b, sample i has its kink at y_i - f_i, where the slope rises by w_i; the slope starts at -sum of w over y = 1.
    kinks = y - f
    order = np.argsort(kinks, kind="stable")
    slope = np.cumsum(w[order]) - w[y > 0].sum()
    j = int(np.argmax(slope > -1e-12 * w.sum()))
    if abs(slope[j]) <= 1e-12 * w.sum() and j + 1 < len(kinks):
        return float(0.5 * (kinks[order[j]] + kinks[order[j + 1]]))
    return float(kinks[order[j]])


def balanced_box_projection(a: np.ndarray, y: np.ndarray, upper: np.ndarray) -> np.ndarray:
    r"""Return the nearest point with :math:`0 \le a \le u` and :math:`y^\top a = 0`, for y in {-1, 1}.

    The point is ``clip(a - t y, 0, u)`` for the t at which the balance, a decreasing piecewise linear
    function of t, is zero: bisection over its kinks, then one linear interpolation.

    Examples
    --------
    >>> balanced_box_projection(np.array([3.0, 0.0]), np.array([1.0, -1.0]), np.array([2.0, 2.0]))
    array([1.5, 1.5])
    """

    def at(t: float) -> np.ndarray:
        return np.clip(a - t * y, 0.0, upper)

    clipped = at(0.0)
    if abs(float(y @ clipped)) <= 1e-14 * float(clipped.sum()):
        return clipped  # balanced up to rounding: moving on would only turn zeros into dust
    kinks = np.unique(np.concatenate([y * a, y * (a - upper)]))
    low, high = 0, len(kinks) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if y @ at(kinks[middle]) > 0 else (low, middle)
    left, right = float(y @ at(kinks[low])), float(y @ at(kinks[high]))
    t = kinks[low] + (kinks[high] - kinks[low]) * (left / (left - right) if left > right else 0.0)
    return at(t)
