"""`TessellatedClassifier` and `TessellatedRegressor`: machines whose kernel is one learned matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from kernelopt.convex import (
    Criterion,
    EpsilonSVR,
    Hinge,
    LagrangianSVM,
    LeastSquares,
    NuSVM,
    NuSVR,
    Problem,
    SquaredHinge,
    Tessellated,
)
from kernelopt.convex.pairs import check_pair
from kernelopt.convex.solvers import InteriorPoint
from kernelopt.estimators.choices import make_criterion
from kernelopt.estimators.duplicates import merge
from kernelopt.estimators.mkl import winner
from kernelopt.kernels import TessellatedKernels, Tessellation


class TessellatedMachine(BaseEstimator):
    """What both do: from samples to the learned matrix P, and to values at new points."""

    degree: int
    margin: float
    tol: float
    max_iter: int
    time_limit: float | None
    verbose: int

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        """Return the features on the units of the training range, [-1, 1]."""
        return (X - self._middle) / self._half

    def _learn(self, X: np.ndarray, Y: np.ndarray, keys: np.ndarray, w: np.ndarray, criterion: Criterion) -> None:
        if not self.margin >= 0:
            raise ValueError(f"margin must be nonnegative, found {self.margin!r}")
        merged = merge(X, keys, w)
        X, Y = X[merged.first], Y[merged.first]
        low, high = X.min(axis=0), X.max(axis=0)
        self._middle, self._half = (low + high) / 2, np.where(high > low, (high - low) / 2, 1.0)
        points = self._scaled(X)
        self.tessellation_ = Tessellation.around(points, self.margin, self.degree)
        kernels = TessellatedKernels(self.tessellation_, points)
        m = kernels.n_kernels
        K, p = kernels.matrix(np.eye(m) / m), merged.weight / merged.weight.sum()
        spread = float(p @ np.diag(K) - p @ K @ p)
        kernel_set = Tessellated(trace=1 / spread if spread > 1e-12 * float(np.trace(K)) else 1.0)
        check_pair(criterion, kernel_set)
        criterion.check(Y, merged.weight)
        solver = InteriorPoint(self.tol, self.max_iter, self.time_limit, self.verbose)
        solution = solver.solve(Problem(kernels, Y, criterion, kernel_set, merged.weight))
        support = np.flatnonzero(np.any(solution.beta != 0, axis=1))
        self.P_, self.certificate_, self.history_ = solution.theta, solution.certificate, solution.history
        self.n_iter_ = max(1, solution.n_iter)
        self.support_, self.dual_coef_, self.intercept_ = (
            merged.first[support],
            solution.beta[support].T,
            solution.intercept,
        )
        self._support_points = points[support]

    def kernel(self, X, Z=None) -> np.ndarray:
        """Return the learned kernel between the rows of X and Z (of X, where Z is left out): shape (n, n_z)."""
        check_is_fitted(self)
        X = self._scaled(validate_data(self, X, reset=False, dtype=np.float64))
        Z = X if Z is None else self._scaled(validate_data(self, Z, reset=False, dtype=np.float64))
        return self.tessellation_(self.P_, X, Z)

    def _values(self, X) -> np.ndarray:
        check_is_fitted(self)
        X = self._scaled(validate_data(self, X, reset=False, dtype=np.float64))
        if not len(self._support_points):
            return np.tile(self.intercept_, (len(X), 1))
        return self.tessellation_(self.P_, X, self._support_points) @ self.dual_coef_.T + self.intercept_


class TessellatedClassifier(ClassifierMixin, TessellatedMachine):
    r"""Classifier that learns a tessellated kernel [colbert2020]_.

    Solves, to a certified duality gap of `tol`,

    .. math::
        \min_{P \succeq 0,\ \operatorname{tr} P = c} \; \sum_t \min_{f, b} \tfrac12 \|f\|_{K(P)}^2
        + C \sum_i w_i\, \ell(y_{it} (f(x_i) + b)), \qquad K(P)_{ij} = \int N(z, x_i)^\top P N(z, x_j)\, dz,

    over the binary task, or over all one-against-rest tasks t, which share the kernel. There is no bandwidth and no
    list of kernels: N (see `kernelopt.kernels.Tessellation`) has the monomials of x, once where z lies above x in all
    coordinates and once where it does not. Features are first brought to [-1, 1] by the range of the training points;
    c is such that the kernel of :math:`P = c I / m` has unit variance, as kernels have in `MKLClassifier`.

    The more features, the smaller the share of the box above a point. From some twenty on, little is left of the
    indicators, and the kernel is nearly the linear one.

    Parameters
    ----------
    degree : int, default=1
        Of the monomials. P has :math:`m = 2 \binom{d + \text{degree}}{d}` rows for d features.
    margin : float, default=0.5
        How much wider the box is than the range of each feature, on both sides, as a share of the range.
    criterion : str or Criterion, default="hinge"
        "hinge", "squared_hinge", "lagrangian", "least_squares" (:math:`\lambda = 1/C`), "nu_svm", or an instance.
    C : float, default=1.0
        Weight of the sum of the losses.
    nu : float, default=0.5
        Of "nu_svm".
    tol : float, default=1e-6
        Relative duality gap.
    max_iter : int, default=200
        Newton steps.
    time_limit : float or None, default=None
        Seconds.
    verbose : int, default=0
        1 prints a line per step.

    Attributes
    ----------
    P_ : ndarray of shape (m, m)
        The learned matrix.
    tessellation_ : Tessellation
        The features, of points on [-1, 1].
    certificate_ : Certificate
        Proof of how far P and the machines are from the optimum.
    classes_, support_, dual_coef_, intercept_, n_iter_, history_
        As in `MKLClassifier`.

    References
    ----------
    .. [colbert2020] Colbert, Peet. A Convex Parametrization of a New Class of Universal Kernel Functions. JMLR 21,
       2020.

    Examples
    --------
    >>> X = np.random.default_rng(0).uniform(size=(80, 2))
    >>> y = (X[:, 0] > 0.5) ^ (X[:, 1] > 0.5)
    >>> clf = TessellatedClassifier(C=100.0).fit(X, y)
    >>> bool(clf.score(X, y) > 0.95), clf.P_.shape, clf.certificate_.holds(1e-6)
    (True, (6, 6), True)
    """

    def __init__(
        self,
        degree: int = 1,
        margin: float = 0.5,
        criterion: str | Criterion = "hinge",
        C: float = 1.0,
        nu: float = 0.5,
        tol: float = 1e-6,
        max_iter: int = 200,
        time_limit: float | None = None,
        verbose: int = 0,
    ):
        self.degree = degree
        self.margin = margin
        self.criterion = criterion
        self.C = C
        self.nu = nu
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None):
        """Learn the kernel and the machine.

        Parameters
        ----------
        X : array of shape (n, d)
        y : array of shape (n,)
            Labels of any type.
        sample_weight : array of shape (n,), optional
            Nonnegative; a weight of two is the sample twice, a weight of zero its absence.

        Returns
        -------
        self
        """
        known = {
            "hinge": lambda: Hinge(C=self.C),
            "squared_hinge": lambda: SquaredHinge(C=self.C),
            "lagrangian": lambda: LagrangianSVM(C=self.C),
            "nu_svm": lambda: NuSVM(nu=self.nu),
            "least_squares": lambda: LeastSquares(lam=1 / Hinge(C=self.C).C),
        }
        criterion = make_criterion(self.criterion, known, _for_labels, "classification")
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        w = _check_sample_weight(sample_weight, X, dtype=float, ensure_non_negative=True)
        self.classes_ = np.unique(y[w > 0])
        if len(self.classes_) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: found {len(self.classes_)} class(es) among "
                f"the {np.count_nonzero(w)} samples of positive weight, and at least two are needed"
            )
        label = np.searchsorted(self.classes_, np.where(w > 0, y, self.classes_[0]))
        columns = [1] if len(self.classes_) == 2 else range(len(self.classes_))
        self._learn(X, np.where(label[:, None] == np.array(columns), 1.0, -1.0), label, w, criterion)
        return self

    def decision_function(self, X):
        """Return the values of the decision functions: shape (n,) for two classes, else (n, n_classes)."""
        F = self._values(X)
        return F[:, 0] if len(self.classes_) == 2 else F

    def predict(self, X):
        """Return the label of each new sample."""
        F = self.decision_function(X)
        return self.classes_[winner(F)]


class TessellatedRegressor(RegressorMixin, TessellatedMachine):
    r"""Regression with a tessellated kernel [colbert2020]_; see `TessellatedClassifier` for the kernel.

    Parameters
    ----------
    degree, margin, tol, max_iter, time_limit, verbose
        As in `TessellatedClassifier`.
    criterion : str or Criterion, default="least_squares"
        "least_squares", "epsilon_svr", "nu_svr", or an instance.
    lam : float, default=1.0
        Ridge of "least_squares".
    C, epsilon, nu : float, default=1.0, 0.1, 0.5
        Of "epsilon_svr" and "nu_svr".

    Attributes
    ----------
    P_, tessellation_, certificate_, support_, dual_coef_, intercept_, n_iter_, history_
        As in `TessellatedClassifier`.

    References
    ----------
    .. [colbert2020] Colbert, Peet. A Convex Parametrization of a New Class of Universal Kernel Functions. JMLR 21,
       2020.

    Examples
    --------
    >>> X = np.random.default_rng(0).uniform(size=(80, 2))
    >>> model = TessellatedRegressor(lam=1e-3).fit(X, np.maximum(X[:, 0], X[:, 1]))
    >>> bool(model.score(X, np.maximum(X[:, 0], X[:, 1])) > 0.99), model.certificate_.holds(1e-6)
    (True, True)
    """

    def __init__(
        self,
        degree: int = 1,
        margin: float = 0.5,
        criterion: str | Criterion = "least_squares",
        lam: float = 1.0,
        C: float = 1.0,
        epsilon: float = 0.1,
        nu: float = 0.5,
        tol: float = 1e-6,
        max_iter: int = 200,
        time_limit: float | None = None,
        verbose: int = 0,
    ):
        self.degree = degree
        self.margin = margin
        self.criterion = criterion
        self.lam = lam
        self.C = C
        self.epsilon = epsilon
        self.nu = nu
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None):
        """Learn the kernel and the machine.

        Parameters
        ----------
        X : array of shape (n, d)
        y : array of shape (n,) or (n, n_targets)
            Targets; several ones share the kernel.
        sample_weight : array of shape (n,), optional
            Nonnegative.

        Returns
        -------
        self
        """
        known = {
            "least_squares": lambda: LeastSquares(lam=self.lam),
            "epsilon_svr": lambda: EpsilonSVR(C=self.C, epsilon=self.epsilon),
            "nu_svr": lambda: NuSVR(C=self.C, nu=self.nu),
        }
        criterion = make_criterion(self.criterion, known, _for_values, "regression")
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2)
        w = _check_sample_weight(sample_weight, X, dtype=float, ensure_non_negative=True)
        if not (w > 0).any():
            raise ValueError("sample_weight must be positive for at least one sample, found only zeros")
        self._one_target = y.ndim == 1
        Y = np.asarray(y, dtype=float).reshape(len(y), -1)
        offset = w @ Y / w.sum() if getattr(criterion, "intercept", True) else np.zeros(Y.shape[1])
        self._learn(X, Y - offset, Y, w, criterion)
        self.intercept_ = self.intercept_ + offset
        return self

    def predict(self, X):
        """Return the values at new points: shape (n,) or (n, n_targets), as y had it at fit."""
        F = self._values(X)
        return F[:, 0] if self._one_target else F

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _for_labels(criterion: Criterion) -> bool:
    return isinstance(criterion, LeastSquares) or criterion.targets == "labels"


def _for_values(criterion: Criterion) -> bool:
    return criterion.targets == "values"
