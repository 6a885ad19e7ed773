"""`AlignmentMKL`: kernel weights by alignment with the target, then any kernel machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, has_fit_parameter

from kernelopt.convex import Alignment, Certificate, FrobeniusBall, Problem
from kernelopt.convex.solvers import choose
from kernelopt.estimators.base import KernelMachine
from kernelopt.estimators.duplicates import Merged
from kernelopt.estimators.learned_kernel import LearnedKernel
from kernelopt.estimators.mkl import MKLClassifier
from kernelopt.kernels import Normalization, resolve

METHODS = ("alignf", "align")


def _offers(method: str) -> Callable[[Any], bool]:
    return lambda self: hasattr(getattr(self, "machine_", None) or self._unfitted(), method)


class AlignmentMKL(KernelMachine):
    r"""Kernel weights by alignment with the target, handed with their kernel to any kernel machine.

    With :math:`K_c` the centred kernel and :math:`T = \sum_c y_c y_c^\top` the target's, the two methods of
    [cortes2012]_ are

    .. math::
        \text{align: } \mu_k \propto \hat\rho(K_k, T), \qquad
        \text{alignf: } \mu \propto \arg\max_{\mu \ge 0} \hat\rho\big(\textstyle\sum_k \mu_k K_k, T\big), \qquad
        \hat\rho(K, T) = \frac{\langle K_c, T \rangle}{\|K_c\|_F \|T_c\|_F},

    both scaled to :math:`\|\mu\|_2 = 1`. The second is a quadratic program (Prop. 9), solved to a certified gap of
    `tol`. The columns of y are -1 and 1: one for two classes, one against the rest for more; for regression, the
    target itself.

    Parameters
    ----------
    kernels : str, list, callable or "precomputed", default="gaussian"
        The base kernels, as in `MKLClassifier`.
    method : {"alignf", "align"}, default="alignf"
        All weights at once, or a formula per kernel.
    estimator : estimator or None, default=None
        The machine: a classifier or regressor that takes ``kernel="precomputed"``, which is set on the copy that is
        fitted, or one that is "precomputed" already, such as a grid search over one. It decides whether this is
        a classifier or a regressor, as scikit-learn needs to know that before it sees a target; by default a support
        vector machine, ``MKLClassifier("precomputed", kernel_set="uniform", normalize=None)``; for regression
        ``KernelRidge()`` is a good choice. `kernelopt.save` writes machines of kernelopt only.
    centered : bool, default=True
        Whether alignments are of centred kernels; without it, unbalanced classes spoil them [cortes2012]_. Of a
        regressor's target the mean is then subtracted too, and added to its predictions.
    normalize : {"center", "variance", "trace", "spherical", None}, default="center"
        What is done to each kernel. "center" is the paper's: the machine gets centred kernels of unit trace (over n).
    solver, tol, max_iter, time_limit, n_jobs, verbose
        As in `MKLClassifier`, for "alignf"; `tol` is 1e-6 by default, as the program is small.

    Attributes
    ----------
    weights_ : ndarray of shape (M,)
        Weights of the normalised kernels, of unit 2-norm, never negative.
    alignment_ : float
        The alignment that the learned kernel reaches, in [0, 1].
    alignments_ : ndarray of shape (M,)
        That of each kernel alone.
    machine_ : estimator
        The fitted machine; its training points are those of positive weight (for the default one, equal ones merged and
        their weights added).
    certificate_ : Certificate or None
        Of "alignf"; its optimum is minus half the largest :math:`\langle K_c, T \rangle^2 / \|K_c\|_F^2`.
        "align" solves no program, and has None.
    classes_ : ndarray of shape (n_classes,)
        Labels; of classifiers only.
    n_iter_ : int
        Outer iterations of "alignf"; one for the formula of "align".
    kernel_names_, kernel_, normalization_, kernels_, n_features_in_
        As in `MKLClassifier`.

    References
    ----------
    .. [cortes2012] Cortes, Mohri, Rostamizadeh. Algorithms for Learning Kernels Based on Centered Alignment.
       JMLR 13, 2012.

    Examples
    --------
    >>> from sklearn.datasets import load_iris, make_friedman1
    >>> from sklearn.kernel_ridge import KernelRidge
    >>> from kernelopt import AlignmentMKL
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = AlignmentMKL().fit(X, y)
    >>> bool(clf.alignment_ > clf.alignments_.max()), clf.certificate_.holds(1e-6), clf.score(X, y) > 0.95
    (True, True, True)
    >>> X, y = make_friedman1(100, random_state=0)
    >>> AlignmentMKL("per_feature", estimator=KernelRidge(alpha=0.1)).fit(X, y).score(X, y) > 0.9
    True
    """

    def __init__(
        self,
        kernels: str | Sequence[Any] | Callable = "gaussian",
        method: str = "alignf",
        estimator: Any = None,
        centered: bool = True,
        normalize: str | None = "center",
        solver: Any = "auto",
        tol: float = 1e-6,
        max_iter: int = 1000,
        time_limit: float | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ):
        self.kernels = kernels
        self.method = method
        self.estimator = estimator
        self.centered = centered
        self.normalize = normalize
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None):
        """Learn the kernel weights, then fit the machine on their kernel.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, d); with kernels="precomputed" a stack (n, n, M)
            Training samples.
        y : array of shape (n,), or (n, n_targets) where the machine takes several
            Labels or values.
        sample_weight : array of shape (n,), optional
            Nonnegative; a weight of two is the sample twice, in centring, alignment and machine; a weight of zero its
            absence. Refused where the machine takes none.

        Returns
        -------
        self
        """
        self._check_limits()
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, found {self.method!r}")
        machine = self._unfitted()
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        if sample_weight is not None and not has_fit_parameter(machine, "sample_weight"):
            raise ValueError(f"sample_weight was passed, but the estimator {machine!r} takes none; choose another one")
        frame, classify = X, is_classifier(machine)
        several = not classify and get_tags(machine).target_tags.multi_output
        X, y = self._validated(
            X, y, fitting=True, multi_output=several, y_numeric=not classify, min_samples=1 if classify else 2
        )
        w = _check_sample_weight(sample_weight, X, dtype=float, ensure_non_negative=True)
        # The machine must not see a weight of zero: scikit-learn's SVC then predicts from the wrong columns of a
        # precomputed kernel. And rows are merged for our own only: another may count them in ways of its own.
        rows = np.flatnonzero(w > 0)
        self._targets(y[rows], classify)  # refuses what cannot be learned from
        if self.estimator is None:
            merged = self._distinct(X, np.unique(y, return_inverse=True)[1], w, frame)
        else:
            merged = self._all(X, rows, w[rows], frame)
        rows, w, y = merged.first, merged.weight, y[merged.first]
        Y = self._targets(y, classify)
        kernels = self._normalized(X, merged)
        self._align(kernels, Y, w)
        self.kernel_ = LearnedKernel(
            self.kernels_,
            self.weights_,
            self.normalization_,
            rows if self.kernels_ is None else X[rows] if self.normalize == "center" else None,
        )
        self._points, self._n_points = None if self.kernels_ is None else X[rows], len(rows)
        self._offset = 0.0 if classify or not self.centered else np.average(y, axis=0, weights=w)
        target = y if classify else y - self._offset
        options = {"sample_weight": w} if sample_weight is not None or (w != 1).any() else {}
        self.machine_ = machine.fit(kernels.mix(self.weights_), target, **options)
        if classify:
            self.classes_ = self.machine_.classes_
        return self

    def predict(self, X):
        """Return what the machine predicts at new points: X of shape (n_new, d), or a stack (n_new, n_train, M)."""
        K = self._between(X)
        return self.machine_.predict(K) + self._offset if is_regressor(self.machine_) else self.machine_.predict(K)

    @available_if(_offers("decision_function"))
    def decision_function(self, X):
        """Return the machine's decision function at new points, where it has one."""
        K = self._between(X)
        return self.machine_.decision_function(K)

    @available_if(_offers("predict_proba"))
    def predict_proba(self, X):
        """Return the machine's probabilities at new points, where it has them."""
        K = self._between(X)
        return self.machine_.predict_proba(K)

    def score(self, X, y, sample_weight=None):
        """Return the accuracy, or the coefficient of determination of a regressor."""
        metric = r2_score if is_regressor(self) else accuracy_score
        return metric(y, self.predict(X), sample_weight=sample_weight)

    def _unfitted(self):
        """Return a copy of the machine that takes precomputed kernels."""
        machine = _default() if self.estimator is None else clone(self.estimator)
        if not get_tags(machine).input_tags.pairwise:
            if "kernel" not in machine.get_params():
                raise ValueError(
                    f"estimator must take a precomputed kernel, but {machine!r} has no parameter 'kernel'; pass a "
                    f"kernel machine such as SVC() or KernelRidge()"
                )
            machine.set_params(kernel="precomputed")
        if not (is_classifier(machine) or is_regressor(machine)):
            raise ValueError(f"estimator must be a classifier or a regressor, found {machine!r}")
        return machine

    def _targets(self, y: np.ndarray, classify: bool) -> np.ndarray:
        """Return the columns whose kernel is the target."""
        if not classify:
            return y.reshape(len(y), -1)
        if type_of_target(y) == "continuous":
            raise ValueError(
                "Unknown label type: continuous. The machine is a classifier and needs labels; for regression pass a "
                "regressor, such as estimator=KernelRidge()"
            )
        check_classification_targets(y)
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: found {len(classes)} class(es) among the "
                f"{len(y)} samples of positive weight, and at least two are needed"
            )
        return np.where(y[:, None] == (classes[1:] if len(classes) == 2 else classes), 1.0, -1.0)

    def _all(self, X, rows: np.ndarray, w: np.ndarray, frame: Any) -> Merged:
        """Set `kernels_`, and merge nothing."""
        self.kernels_ = None
        if not self._precomputed:
            names = getattr(self, "feature_names_in_", None)
            self.kernels_ = resolve(self.kernels, X[rows], names, w, frame=frame)
        return Merged(rows, w)

    def _normalized(self, X, merged: Merged):
        """Return the normalised kernels of the samples."""
        stack = self._training_stack(X, merged, up_to_constant=self.normalize == "center")
        self.normalization_ = Normalization.fit(stack, self.normalize, merged.weight)
        self.kernel_names_ = list(stack.names)
        return self.normalization_.apply(stack)

    def _align(self, kernels, Y: np.ndarray, w: np.ndarray) -> None:
        """Set the weights and what they reach."""
        criterion = Alignment(centered=self.centered)
        kernel_set = FrobeniusBall(centered=self.centered, sample_weight=w)
        problem = Problem(kernels, Y, criterion, kernel_set, w)
        V = criterion.target(Y, w)
        inner, gram = problem.quadratics(V), kernel_set.inner_products(kernels)
        norms = np.sqrt(np.diag(gram))
        # V holds sqrt(2) w y, and the target's kernel counts each entry with the root of its weights
        target = float(np.linalg.norm((V / w[:, None]).T @ V)) / 2
        useful = norms > 1e-12 * norms.max(initial=0.0)
        if not (useful.any() and inner[useful].max() > 1e-14 * target * norms.max()):
            raise ValueError(
                "no kernel has any alignment with the target, so there is nothing to choose by: the target, or every "
                "kernel, is constant on the training points"
            )
        self.alignments_ = np.divide(inner, norms * target, out=np.zeros_like(norms), where=useful)
        theta: np.ndarray = self.alignments_
        self.certificate_: Certificate | None = None
        self.n_iter_ = 1
        if self.method == "alignf":
            chosen = np.flatnonzero(useful)
            problem = Problem(_select(kernels, chosen), Y, criterion, kernel_set, w)
            solver = choose(
                self.solver,
                problem,
                tol=self.tol,
                max_iter=self.max_iter,
                time_limit=self.time_limit,
                n_jobs=self.n_jobs,
                verbose=self.verbose,
            )
            solution = solver.solve(problem)
            theta, self.certificate_ = np.zeros(len(norms)), solution.certificate
            self.n_iter_ = max(1, solution.n_iter)
            theta[chosen] = np.maximum(solution.theta, 0.0)
        self.weights_ = theta / np.linalg.norm(theta)
        self.alignment_ = float(self.weights_ @ inner / (np.sqrt(self.weights_ @ gram @ self.weights_) * target))

    def _between(self, X) -> np.ndarray:
        """Return the learned kernel between new points and the machine's training points."""
        check_is_fitted(self)
        X, _ = self._validated(X, fitting=False)
        return self.kernel_(X, self._points, index=np.arange(self._n_points))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(_default() if self.estimator is None else self.estimator)
        tags.estimator_type, tags.target_tags = inner.estimator_type, inner.target_tags
        tags.classifier_tags, tags.regressor_tags = inner.classifier_tags, inner.regressor_tags
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "machine_")


class _Machine(MKLClassifier):
    """The support vector machine by default. The kernels were checked before they were centred, which costs digits."""

    def _training_stack(self, X, merged, *, up_to_constant):
        return X if len(merged.first) == X.shape[0] else X[np.ix_(merged.first, merged.first)]


def _default() -> MKLClassifier:
    return _Machine("precomputed", kernel_set="uniform", normalize=None)


def _select(kernels, chosen: np.ndarray):
    return kernels if len(chosen) == kernels.n_kernels else type(kernels)(kernels.Ks[chosen], kernels.scale[chosen])
