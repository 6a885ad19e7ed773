"""Margin criteria: support vector machines with one weight C on their losses, or with none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.criteria.base import Criterion, columnwise
from kernelopt.convex.criteria.piecewise import kink_minimiser, slope_root
from kernelopt.convex.criteria.program import box
from kernelopt.convex.criteria.projections import balance_violation, balanced_box_projection, box_violation


class Margin(Criterion):
    """What classification criteria share: V(a) = y∘a, a >= 0, and a balance that stands for the intercept."""

    def V(self, a, Y):
        """Return y∘a."""
        return Y * a

    def inverse(self, V, Y):
        """Return y∘V."""
        return Y * V

    def upper(self, w):
        """Return the upper bound of each a_i: shape (n,)."""
        return np.full(len(w), np.inf)

    def unit(self, w):
        """Return the size in which a violation of the box is measured."""
        return 1.0

    def project(self, a, Y, w):
        """Project each column onto the box cut with the balance hyperplane."""
        upper, unit = self.upper(w), self.unit(w)
        if np.isinf(upper).all():
            unit = float(np.abs(a).max(initial=0.0)) or 1.0  # without C, a's own size is the only unit
        off = max(box_violation(a, 0.0, upper, unit), balance_violation(np.sum(Y * a, axis=0), a, unit))
        return columnwise(lambda column, y: balanced_box_projection(column, y, upper), a, Y), off


def _positive(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise ValueError(f"{name} must be positive and finite, found {value!r}")


@dataclass(frozen=True)
class Hinge(Margin):
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
    >>> Hinge(C=2.0).loss(np.zeros((2, 1)), np.zeros(1), Y, w)
    4.0
    """

    C: float = 1.0
    name = "hinge"

    def __post_init__(self):
        _positive("C", self.C)

    def upper(self, w):
        """Return C w, the box of a."""
        return self.C * w

    def unit(self, w):
        """Return C."""
        return self.C

    def phi(self, a, Y, w):
        """Return the sum of a."""
        return float(a.sum())

    def loss(self, F, b, Y, w):
        """Return C times the weighted sum of the hinge losses."""
        return float(self.C * np.sum(w[:, None] * np.maximum(0.0, 1.0 - Y * (F + b))))

    def best_intercept(self, F, Y, w):
        """Minimise the piecewise linear loss exactly; the midpoint where the minimum is flat."""
        # In b, sample i has its kink at y_i - f_i, where the slope rises by w_i; it starts at -sum of w over y = 1.
        return np.array([kink_minimiser(y - f, w, -float(w[y > 0].sum())) for f, y in zip(F.T, Y.T, strict=True)])

    def program(self, y, w):
        """Return the dual of one column."""
        return box(y, np.ones(len(y)), self.C * w, y)


@dataclass(frozen=True)
class SquaredHinge(Margin):
    r"""2-norm soft margin support vector machine.

    .. math::
        \omega(K) = \min_{f, b} \tfrac12 \|f\|_K^2 + \tfrac{C}{2} \sum_i w_i (1 - y_i (f(x_i) + b))_+^2
            = \max_{a \ge 0,\; y^\top a = 0} \mathbf{1}^\top a - \sum_i \frac{a_i^2}{2 C w_i} - \tfrac12 v^\top K v

    Parameters
    ----------
    C : float
        Weight; positive. :math:`\tau = 1/C` in equation (41) of [lanckriet2004]_, whose objective is twice this;
        ``sklearn.svm.LinearSVC(loss="squared_hinge")`` has half this C (and penalises the intercept).

    Examples
    --------
    >>> Y, w = np.array([[1.0], [-1.0]]), np.ones(2)
    >>> SquaredHinge(C=2.0).loss(np.zeros((2, 1)), np.zeros(1), Y, w)
    2.0
    """

    C: float = 1.0
    name = "squared_hinge"

    def __post_init__(self):
        _positive("C", self.C)

    def phi(self, a, Y, w):
        """Return the sum of a less its weighted squares."""
        return float(a.sum() - np.sum(a**2 / w[:, None]) / (2 * self.C))

    def loss(self, F, b, Y, w):
        """Return C/2 times the weighted sum of the squared hinge losses."""
        return float(0.5 * self.C * np.sum(w[:, None] * np.maximum(0.0, 1.0 - Y * (F + b)) ** 2))

    def best_intercept(self, F, Y, w):
        """Find where the slope in b vanishes."""
        return np.array([self._intercept(f, y, w) for f, y in zip(F.T, Y.T, strict=True)])

    def _intercept(self, f, y, w, ridge=0.0):
        kinks = y - f
        return slope_root(
            lambda b: ridge * b - self.C * float(np.sum(w * y * np.maximum(0.0, 1.0 - y * (f + b)))),
            min(float(kinks.min()), 0.0),
            max(float(kinks.max()), 0.0),
        )

    def program(self, y, w):
        """Return the dual of one column."""
        return box(y, np.ones(len(y)), np.inf, y, d=1 / (self.C * w))


@dataclass(frozen=True)
class LagrangianSVM(SquaredHinge):
    r"""2-norm soft margin with the intercept penalised like a weight.

    .. math::
        \omega(K) = \min_{f, b} \tfrac12 \|f\|_K^2 + \tfrac12 b^2 + \tfrac{C}{2} \sum_i w_i (1 - y_i (f(x_i) + b))_+^2
         = \max_{a \ge 0} \mathbf{1}^\top a - \sum_i \frac{a_i^2}{2 C w_i} - \tfrac12 (y^\top a)^2 - \tfrac12 v^\top K v

    The dual has no balance, only a >= 0, and :math:`b = y^\top a`. Equation (29) of Ong, Smola, Williamson (2005),
    whose mean loss means :math:`C = 2/(\lambda m)`, and whose ridge should read :math:`\lambda m / 2`.

    Parameters
    ----------
    C : float
        Weight; positive.
    """

    name = "lagrangian"

    def project(self, a, Y, w):
        """Set negative entries to zero."""
        unit = float(np.abs(a).max(initial=0.0)) or 1.0
        return np.maximum(a, 0.0), box_violation(a, 0.0, np.inf, unit)

    def phi(self, a, Y, w):
        """Return the concave part, the price of the intercept included."""
        return super().phi(a, Y, w) - 0.5 * float(np.sum(np.sum(Y * a, axis=0) ** 2))

    def loss(self, F, b, Y, w):
        """Return the squared hinge losses and half the squared offsets."""
        return super().loss(F, b, Y, w) + 0.5 * float(np.sum(np.square(b)))

    def best_intercept(self, F, Y, w):
        """Find where the slope in b vanishes."""
        return np.array([self._intercept(f, y, w, ridge=1.0) for f, y in zip(F.T, Y.T, strict=True)])

    def program(self, y, w):
        """Return the dual of one column: the balance is penalised, not imposed."""
        return box(y, np.ones(len(y)), np.inf, y, d=1 / (self.C * w), soft=1.0)


@dataclass(frozen=True)
class HardMargin(Margin):
    r"""Largest margin without errors.

    .. math::
        \omega(K) = \min_{f, b} \tfrac12 \|f\|_K^2 \;\text{s.t.}\; y_i (f(x_i) + b) \ge 1
                  = \max_{a \ge 0,\; y^\top a = 0} \mathbf{1}^\top a - \tfrac12 v^\top K v = 1 / (2 \gamma^2)

    with :math:`\gamma` the geometric margin (tables of [lanckriet2004]_ print this number, half of their eq. (32)).
    Where no separator exists the maximum is infinite: solvers raise `kernelopt.errors.UnboundedError` with the
    direction a that shows it. With `kernelopt.kernels.white` among the kernels it is the 2-norm soft margin with
    its C learned (eq. 47).

    Examples
    --------
    >>> Y = np.array([[1.0], [-1.0]])
    >>> HardMargin().rescale(np.array([[4.0], [-2.0]]), np.zeros(1), Y)  # the margin is 2: half of f will do
    (array([0.5]), 0.0)
    """

    name = "hard_margin"

    def check(self, Y, w):
        """Refuse a column that holds one class only."""
        if (np.abs(Y.sum(axis=0)) == len(Y)).any():
            raise ValueError("y must hold both classes in each column: there is nothing to separate")

    def phi(self, a, Y, w):
        """Return the sum of a."""
        return float(a.sum())

    def rescale(self, F, b, Y):
        """Return one over each column's smallest margin; infinite where it does not separate."""
        margin = np.min(Y * (F + b), axis=0)
        with np.errstate(divide="ignore"):
            factors = np.where(margin > 0, 1 / margin, np.inf)
        return factors, float(np.max(1 - margin, initial=0.0))

    def loss(self, F, b, Y, w):
        """Return zero, or infinity where a margin is below one beyond rounding."""
        return 0.0 if np.min(Y * (F + b)) >= 1 - 1e-12 else np.inf

    def best_intercept(self, F, Y, w):
        """Centre the gap between the classes."""
        return np.array([-0.5 * (f[y > 0].min() + f[y < 0].max()) for f, y in zip(F.T, Y.T, strict=True)])

    def scale(self, Y, w, size):
        """Return the objective at a margin of one standard unit of the kernel."""
        return 1 / size

    def program(self, y, w):
        """Return the dual of one column."""
        return box(y, np.ones(len(y)), np.inf, y)


@dataclass(frozen=True)
class NuSVM(Margin):
    r"""Support vector machine with a share of margin errors in place of C.

    .. math::
        \omega(K) = \min_{f, b, \rho} \tfrac12 \|f\|_K^2 - \nu \rho
                     + \tfrac1W \sum_i w_i (\rho - y_i (f(x_i) + b))_+
                  = \max_{0 \le a \le w/W,\; y^\top a = 0,\; \mathbf{1}^\top a = \nu} -\tfrac12 v^\top K v,
        \qquad W = \mathbf{1}^\top w.

    The problem of ``sklearn.svm.NuSVC(nu=nu)``, whose decision function is this one over :math:`\rho`. Where nu is so
    large that no margin :math:`\rho > 0` is left, the best f is zero and so is the objective, of which no relative gap
    can be proven: solvers end with a `ConvergenceWarning`.

    Parameters
    ----------
    nu : float
        In (0, 1]; at most twice the smaller class's share of the weight.
    """

    nu: float = 0.5
    name = "nu_svm"

    def __post_init__(self):
        if not 0 < self.nu <= 1:
            raise ValueError(f"nu must be in (0, 1], found {self.nu!r}")

    def check(self, Y, w):
        """Refuse a nu that the smaller class cannot fill."""
        for y in Y.T:
            largest = 2 * min(w[y > 0].sum(), w[y < 0].sum()) / w.sum()
            if self.nu > largest * (1 + 1e-12):
                raise ValueError(
                    f"nu={self.nu:g} is infeasible: the smaller class has {largest / 2:.3g} of the weight, so nu can "
                    f"be at most {largest:.3g}; lower nu, or balance the classes by class_weight"
                )

    def unit(self, w):
        """Return nu over the number of samples."""
        return self.nu / len(w)

    def upper(self, w):
        """Return each sample's share of the weight."""
        return w / w.sum()

    def project(self, a, Y, w):
        """Project each class of each column onto its box and its half of nu."""
        upper, unit = self.upper(w), self.unit(w)
        off = box_violation(a, 0.0, upper, unit)
        out = np.empty_like(a)
        for c, y in enumerate(Y.T):
            for side in (y > 0, y < 0):
                off = max(off, abs(float(a[side, c].sum()) - self.nu / 2) / self.nu)
                ones = np.ones(np.count_nonzero(side))
                out[side, c] = balanced_box_projection(a[side, c], ones, upper[side], self.nu / 2)
        return out, off

    def phi(self, a, Y, w):
        """Return zero."""
        return 0.0

    def loss(self, F, b, Y, w):
        """Return the loss at the best margin rho of each column."""
        total, share = 0.0, w / w.sum()
        for margin in (Y * (F + b)).T:
            rho = kink_minimiser(margin, share, -self.nu)
            total += float(share @ np.maximum(0.0, rho - margin)) - self.nu * rho
        return total

    def best_intercept(self, F, Y, w):
        """Minimise over intercept and margin at once: with rho - b and rho + b the classes part."""
        share, out = w / w.sum(), []
        for f, y in zip(F.T, Y.T, strict=True):
            plus, minus = (kink_minimiser((y * f)[s], share[s], -self.nu / 2) for s in (y > 0, y < 0))
            out.append(0.5 * (minus - plus))
        return np.array(out)

    def scale(self, Y, w, size):
        """Return the objective of a kernel machine with all samples on the margin."""
        return 0.5 * self.nu**2 * size * Y.shape[1]

    def program(self, y, w):
        """Return the dual of one column: the balance and nu fix the sum of each class."""
        rows = np.array([y > 0, y < 0], dtype=float)
        half = np.array([0.5, -0.5])
        return box(y, np.zeros(len(y)), w / w.sum(), rows, total=self.nu / 2, intercept=half, unit=self.nu / len(y))
