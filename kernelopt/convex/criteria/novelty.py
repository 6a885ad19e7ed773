"""Novelty detection: the one-class support vector machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.criteria.base import Criterion, columnwise
from kernelopt.convex.criteria.piecewise import kink_minimiser
from kernelopt.convex.criteria.program import box
from kernelopt.convex.criteria.projections import balanced_box_projection, box_violation


@dataclass(frozen=True)
class OneClass(Criterion):
    r"""One-class support vector machine; its intercept is :math:`b = -\rho`.

    .. math::
        \omega(K) = \min_{f, \rho} \tfrac12 \|f\|_K^2 - \rho + \frac{1}{\nu W} \sum_i w_i (\rho - f(x_i))_+
                  = \max_{0 \le a \le w / (\nu W),\; \mathbf{1}^\top a = 1} -\tfrac12 a^\top K a,
        \qquad W = \mathbf{1}^\top w.

    The problem of ``sklearn.svm.OneClassSVM(nu=nu)``, whose decision function is :math:`\nu n` times this one. As
    :math:`\omega` falls with every entry of K, a simplex only picks the widest kernel; use a ball with p = 2.

    Parameters
    ----------
    nu : float
        In (0, 1]: at most this share of the samples is left outside.
    """

    nu: float = 0.5
    name = "one_class"
    targets = "values"

    def __post_init__(self):
        if not 0 < self.nu <= 1:
            raise ValueError(f"nu must be in (0, 1], found {self.nu!r}")

    def project(self, a, Y, w):
        """Project onto the box cut with the hyperplane of vectors that sum to one."""
        upper = w / (self.nu * w.sum())
        off = max(box_violation(a, 0.0, upper, 1.0 / len(w)), float(np.max(np.abs(a.sum(axis=0) - 1))))
        return columnwise(lambda column: balanced_box_projection(column, np.ones(len(w)), upper, 1.0), a), off

    def phi(self, a, Y, w):
        """Return zero."""
        return 0.0

    def loss(self, F, b, Y, w):
        """Return the loss at rho = -b."""
        return float(np.sum(b) + np.sum(w[:, None] * np.maximum(0.0, -(F + b))) / (self.nu * w.sum()))

    def best_intercept(self, F, Y, w):
        """Return minus the quantile of f that leaves a share nu below."""
        share = w / (self.nu * w.sum())
        return np.array([kink_minimiser(-f, share, 1.0 - float(share.sum())) for f in F.T])

    def scale(self, Y, w, size):
        """Return the objective with all samples alike."""
        return 0.5 * size

    def program(self, y, w):
        """Return the dual."""
        n = len(w)
        return box(np.ones(n), np.zeros(n), w / (self.nu * w.sum()), np.ones((1, n)), total=1.0, unit=1.0 / n)
