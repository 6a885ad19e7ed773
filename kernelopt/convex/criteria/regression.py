"""Regression criteria: least squares, and tubes around the targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.criteria.base import Criterion, columnwise
from kernelopt.convex.criteria.margin import _positive
from kernelopt.convex.criteria.piecewise import kink_minimiser
from kernelopt.convex.criteria.program import box
from kernelopt.convex.criteria.projections import balance_violation, balanced_box_projection, box_violation


@dataclass(frozen=True)
class LeastSquares(Criterion):
    r"""Ridge regression; with targets -1 and 1, the least-squares support vector machine.

    .. math::
        \omega(K) = \min_{f, b} \tfrac12 \|f\|_K^2 + \tfrac{1}{2 \lambda} \sum_i w_i (y_i - f(x_i) - b)^2
                  = \max_{\mathbf{1}^\top a = 0} y^\top a - \tfrac{\lambda}{2} \sum_i \frac{a_i^2}{w_i}
                    - \tfrac12 a^\top K a

    Parameters
    ----------
    lam : float
        Ridge :math:`\lambda`; zero asks for interpolation, which makes sense with `kernelopt.kernels.white` among
        the kernels: the ridge is then learned with the weights, as in section 4 of [ye2008]_.
    intercept : bool
        Whether there is a b. Without it the constraint on a is void, and with one kernel it is the problem of
        ``sklearn.kernel_ridge.KernelRidge(alpha=lam)``.

    Notes
    -----
    With an intercept only the centred kernel counts. For two classes with targets :math:`n/n_+` and :math:`-n/n_-`
    it is the kernel Fisher discriminant of [ye2008]_, whose objective is :math:`2 \lambda` times this.

    References
    ----------
    .. [ye2008] Ye, Ji, Chen. Multi-class Discriminant Kernel Learning via Convex Programming. JMLR 9, 2008.

    Examples
    --------
    >>> LeastSquares(lam=0.5).loss(np.zeros((2, 1)), np.zeros(1), np.array([[1.0], [2.0]]), np.ones(2))
    5.0
    """

    lam: float = 1.0
    intercept: bool = True
    name = "least_squares"
    targets = "values"

    def __post_init__(self):
        if not 0 <= self.lam < np.inf:
            raise ValueError(f"lam must be nonnegative and finite, found {self.lam!r}")

    def project(self, a, Y, w):
        """Subtract the mean, where there is an intercept."""
        if not self.intercept:
            return a, 0.0
        off = balance_violation(a.sum(axis=0), a, float(np.abs(a).max(initial=0.0)) or 1.0)
        return a - a.mean(axis=0), off

    def phi(self, a, Y, w):
        """Return the inner product with the targets less the ridge."""
        return float(np.sum(Y * a) - 0.5 * self.lam * np.sum(a**2 / w[:, None]))

    def loss(self, F, b, Y, w):
        """Return the weighted sum of the squares; without a ridge, infinity unless F + b meets Y up to rounding."""
        if not self.intercept and np.any(b != 0):
            return np.inf
        residual = Y - F - b
        if self.lam == 0:
            return 0.0 if np.abs(residual).max() <= 1e-9 * max(float(np.abs(Y).max()), 1e-300) else np.inf
        return float(np.sum(w[:, None] * residual**2)) / (2 * self.lam)

    def best_intercept(self, F, Y, w):
        """Return the weighted mean of the residuals."""
        return w @ (Y - F) / w.sum() if self.intercept else np.zeros(Y.shape[1])

    def scale(self, Y, w, size):
        """Return the loss at zero, or the norm an interpolant needs at least."""
        if self.lam == 0:
            return float(np.sum(Y**2)) / (2 * size * len(Y))
        return super().scale(Y, w, size)

    def program(self, y, w):
        """Return the dual of one column."""
        n = len(y)
        rows = np.ones((1, n)) if self.intercept else np.zeros((0, n))
        return box(np.ones(n), y, np.inf, rows, lower=-np.inf, d=self.lam / w, n=n)


class Tube(Criterion):
    """What the tube criteria share: V(a) = a with bounds on both sides and a balance."""

    targets = "values"
    C: float

    def project(self, a, Y, w):
        """Project each column onto the box cut with the hyperplane of vectors that sum to zero."""
        bound = self.C * w
        off = max(
            box_violation(a, -bound, bound, self.C),
            balance_violation(a.sum(axis=0), a, self.C),
        )
        shifted = columnwise(
            lambda column: balanced_box_projection(column + bound, np.ones(len(bound)), 2 * bound, bound.sum()), a
        )
        return shifted - bound[:, None] if off > 0 else a, off


@dataclass(frozen=True)
class EpsilonSVR(Tube):
    r"""Support vector regression with a tube of given width.

    .. math::
        \omega(K) = \min_{f, b} \tfrac12 \|f\|_K^2 + C \sum_i w_i (|y_i - f(x_i) - b| - \varepsilon)_+
                  = \max_{|a| \le C w,\; \mathbf{1}^\top a = 0} y^\top a - \varepsilon \|a\|_1 - \tfrac12 a^\top K a

    With one kernel: the problem of ``sklearn.svm.SVR(C=C, epsilon=epsilon)``.

    Parameters
    ----------
    C : float
        Weight of the sum of the losses; positive.
    epsilon : float
        Half width of the tube, in units of y; nonnegative.
    """

    C: float = 1.0
    epsilon: float = 0.1
    name = "epsilon_svr"

    def __post_init__(self):
        _positive("C", self.C)
        if not 0 <= self.epsilon < np.inf:
            raise ValueError(f"epsilon must be nonnegative and finite, found {self.epsilon!r}")

    def phi(self, a, Y, w):
        """Return the inner product with the targets less the price of the tube."""
        return float(np.sum(Y * a) - self.epsilon * np.abs(a).sum())

    def loss(self, F, b, Y, w):
        """Return C times the weighted sum of the distances from the tube."""
        return float(self.C * np.sum(w[:, None] * np.maximum(0.0, np.abs(Y - F - b) - self.epsilon)))

    def best_intercept(self, F, Y, w):
        """Minimise the piecewise linear loss exactly."""
        two = np.concatenate([w, w])
        return np.array(
            [kink_minimiser(np.concatenate([r - self.epsilon, r + self.epsilon]), two, -w.sum()) for r in (Y - F).T]
        )

    def program(self, y, w):
        """Return the dual of one column, a split into its positive and its negative part."""
        n = len(y)
        sign = np.repeat([1.0, -1.0], n)
        return box(sign, sign * np.tile(y, 2) - self.epsilon, np.tile(self.C * w, 2), sign, n=n)


@dataclass(frozen=True)
class NuSVR(Tube):
    r"""Support vector regression that chooses the width of its tube.

    .. math::
        \omega(K) = \min_{f, b, \varepsilon} \tfrac12 \|f\|_K^2
                     + C \Big( \nu W \varepsilon + \sum_i w_i (|y_i - f(x_i) - b| - \varepsilon)_+ \Big)
           = \max_{|a| \le C w,\; \mathbf{1}^\top a = 0,\; \|a\|_1 \le C \nu W} y^\top a - \tfrac12 a^\top K a

    with :math:`W = \mathbf{1}^\top w`. With one kernel: the problem of ``sklearn.svm.NuSVR(C=C, nu=nu)``.

    Parameters
    ----------
    C : float
        Weight of the sum of the losses; positive.
    nu : float
        In (0, 1]: at most this share of the samples lies outside the tube.
    """

    C: float = 1.0
    nu: float = 0.5
    name = "nu_svr"

    def __post_init__(self):
        _positive("C", self.C)
        if not 0 < self.nu <= 1:
            raise ValueError(f"nu must be in (0, 1], found {self.nu!r}")

    def project(self, a, Y, w):
        """Project onto the balanced box, then shrink what is too long."""
        a, off = super().project(a, Y, w)
        limit, length = self.C * self.nu * w.sum(), np.abs(a).sum(axis=0)
        return a * np.minimum(1.0, limit / np.maximum(length, 1e-300)), max(off, float(np.max(length / limit - 1)), 0.0)

    def phi(self, a, Y, w):
        """Return the inner product with the targets."""
        return float(np.sum(Y * a))

    def loss(self, F, b, Y, w):
        """Return the loss at the best width of each column's tube."""
        total = 0.0
        for distance in np.abs(Y - F - b).T:
            # In the width, each distance is a kink where the slope rises by w; it starts at (nu - 1) W.
            width = max(0.0, kink_minimiser(distance, w, (self.nu - 1.0) * float(w.sum())))
            total += self.C * (self.nu * w.sum() * width + float(w @ np.maximum(0.0, distance - width)))
        return total

    def best_intercept(self, F, Y, w):
        """Minimise over intercept and width at once: the two edges of the tube part."""
        out, half = [], 0.5 * self.nu * float(w.sum())
        for r in (Y - F).T:
            above, below = kink_minimiser(r, w, half - float(w.sum())), kink_minimiser(r, w, -half)
            out.append(0.5 * (above + below))
        return np.array(out)

    def program(self, y, w):
        """Return the dual of one column, a split into its positive and its negative part.

        The bound of the 1-norm is an equality there: what is missing can be added to both parts of a sample.
        """
        n, sign = len(y), np.repeat([1.0, -1.0], len(y))
        return box(
            sign,
            sign * np.tile(y, 2),
            np.tile(self.C * w, 2),
            np.stack([sign, np.ones(2 * n)]),
            n=n,
            total=np.array([0.0, self.C * self.nu * float(w.sum())]),
            intercept=np.array([1.0, 0.0]),
        )
