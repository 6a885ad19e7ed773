"""Logistic regression in a reproducing kernel Hilbert space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import entr, expit

from kernelopt.convex.criteria.margin import Margin, _positive
from kernelopt.convex.criteria.piecewise import slope_root
from kernelopt.convex.criteria.program import Curve, box


@dataclass(frozen=True)
class Logistic(Margin):
    r"""Kernel logistic regression.

    .. math::
        \omega(K) = \min_{f, b} \tfrac12 \|f\|_K^2 + C \sum_i w_i \log(1 + e^{-y_i (f(x_i) + b)})
          = \max_{0 \le a \le C w,\; y^\top a = 0} C \sum_i w_i H\!\left(\frac{a_i}{C w_i}\right) - \tfrac12 v^\top K v,
        \quad H(t) = -t \log t - (1 - t) \log(1 - t).

    Parameters
    ----------
    C : float
        Weight of the sum of the losses; positive.

    Examples
    --------
    >>> Y, w = np.array([[1.0], [-1.0]]), np.ones(2)
    >>> round(Logistic(C=1.0).loss(np.zeros((2, 1)), np.zeros(1), Y, w), 4)  # 2 log 2
    1.3863
    """

    C: float = 1.0
    name = "logistic"
    smooth = True

    def __post_init__(self):
        _positive("C", self.C)

    def upper(self, w):
        """Return C w, the box of a."""
        return self.C * w

    def unit(self, w):
        """Return C."""
        return self.C

    def phi(self, a, Y, w):
        """Return the entropy."""
        t = a / (self.C * w[:, None])
        return float(self.C * np.sum(w[:, None] * (entr(t) + entr(np.maximum(1 - t, 0.0)))))

    def loss(self, F, b, Y, w):
        """Return C times the weighted sum of the logistic losses."""
        return float(self.C * np.sum(w[:, None] * np.logaddexp(0.0, -Y * (F + b))))

    def best_intercept(self, F, Y, w):
        """Find where the slope in b vanishes."""
        out = []
        for f, y in zip(F.T, Y.T, strict=True):

            def slope(b: float, f=f, y=y) -> float:
                return -float(np.sum(w * y * expit(-y * (f + b))))

            out.append(slope_root(slope, -float(f.max()) - 1, -float(f.min()) + 1))
        return np.array(out)

    def program(self, y, w):
        """Return the dual of one column; the entropy keeps x inside the box by itself."""
        u = self.C * w

        def value(x):
            return u * (entr(x / u) + entr(1 - x / u))

        curve = Curve(value, lambda x: np.log((u - x) / x), lambda x: -u / (x * (u - x)))
        return box(y, np.zeros(len(y)), u, y, curve=curve)
