"""`MKLClassifier`: a support vector machine that learns its kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, _num_samples, check_is_fitted, validate_data

from kernelopt.convex import Hinge, Problem, Simplex, Uniform
from kernelopt.convex.solvers import choose
from kernelopt.estimators.duplicates import Merged, merge
from kernelopt.estimators.learned_kernel import LearnedKernel
from kernelopt.kernels import KernelStack, Normalization, as_stack, check_gram, is_proven_psd, kernel_name, resolve

CRITERIA = {"hinge": Hinge}
KERNEL_SETS = {"simplex": Simplex, "uniform": Uniform}


class MKLClassifier(ClassifierMixin, BaseEstimator):
    r"""Support vector machine whose kernel is a learned combination of base kernels.

    Solves, to a certified duality gap of `tol`,

    .. math::
        \min_{\mu \in \mathcal{M}} \omega(K(\mu)), \quad K(\mu) = \sum_k \mu_k K_k / s_k, \quad
        \omega(K) = \sum_c \min_{f, b} \tfrac12 \|f\|_K^2 + C \sum_i w_i (1 - y_{ic} (f(x_i) + b))_+

    over the binary task, or over all one-against-rest tasks c, which then share one kernel. It is jointly
    convex in the weights and the machines [lanckriet2004]_ [sonnenburg2006]_.

    Parameters
    ----------
    kernels : str, list, callable or "precomputed", default="gaussian"
        The base kernels: a family's name ("gaussian", "polynomial", "mixed", "per_feature"); a list of
        callables ``k(X, Z)``, of scikit-learn's pairwise kernels by name, of its Gaussian-process kernels, or triples
        ``(name, kernel, columns)``; a function ``X -> list`` of such (see `kernelopt.kernels.resolve`); or
        "precomputed", and then X is a `KernelStack` or an array (n, n, M) with the kernel last.
    criterion : {"hinge"}, default="hinge"
        What makes a kernel good.
    kernel_set : {"simplex", "uniform"}, default="simplex"
        Which combinations are admitted: nonnegative weights that add up to one over the normalised
        kernels, or their plain average (the baseline: nothing is learned but the machine).
    C : float, default=1.0
        Weight of the *sum* of the hinge losses, as in ``sklearn.svm.SVC``.
    normalize : {"variance", "center", "trace", "spherical", None}, default="variance"
        What is done to each kernel, measured on the training points (see `kernelopt.kernels.Normalization`).
    solver : {"auto", "newton", "conic"} or a solver, default="auto"
        "auto" is the fast one; "conic" the reference, for a few hundred samples.
    tol : float, default=1e-4
        Relative duality gap to be reached; else a `ConvergenceWarning` is given and `certificate_` says how far.
    max_iter : int, default=1000
        Outer iterations.
    time_limit : float or None, default=None
        Seconds; past it the best point is kept, with its certificate and a `ConvergenceWarning`.
    class_weight : dict, "balanced" or None, default=None
        Factor of C for the samples of each class.
    n_jobs : int or None, default=None
        Threads over the one-against-rest tasks.
    p, nu, random_state
        Not read by the criterion and the sets above, whose optimum needs neither and whose solvers draw nothing at
        random; present for a stable signature.
    verbose : int, default=0
        1 prints a line per outer iteration.

    Attributes
    ----------
    weights_ : ndarray of shape (M,)
        Learned weights of the normalised kernels.
    kernel_names_ : list of str
        What each weight belongs to.
    kernel_ : LearnedKernel
        ``kernel_(X, Z)``, the learned kernel.
    certificate_ : Certificate
        ``primal``, ``dual``, ``gap``, ``infeasibility`` and ``problem``.
    classes_ : ndarray of shape (n_classes,)
        Labels.
    support_ : ndarray of shape (n_support,)
        Indices of the support vectors of any task among the rows given to fit (of equal rows, the first).
    dual_coef_ : ndarray of shape (n_tasks, n_support)
        Coefficients of the decision functions.
    intercept_ : ndarray of shape (n_tasks,)
        Offsets.
    normalization_ : Normalization
        The divisors, as measured on the training points.
    kernels_ : list of callable, or None
        The base kernels used; None when precomputed.
    solver_ : Solver
        The solver that was chosen.
    n_iter_ : int
        Outer iterations.
    history_ : list of dict
        Seconds, bounds, gap and active kernels per outer iteration.
    n_features_in_ : int
        Columns of X seen by fit (training points, when precomputed).

    Notes
    -----
    With one kernel and ``normalize=None`` this is the problem of ``sklearn.svm.SVC(C=C)``. Equal rows with equal
    labels are merged and their weights added, which changes nothing but the time.

    References
    ----------
    .. [lanckriet2004] Lanckriet, Cristianini, Bartlett, El Ghaoui, Jordan. Learning the Kernel Matrix with
       Semidefinite Programming. JMLR 5, 2004. Eq. (39), with half its objective.
    .. [sonnenburg2006] Sonnenburg, Raetsch, Schaefer, Schoelkopf. Large Scale Multiple Kernel Learning. JMLR 7, 2006.

    Examples
    --------
    >>> from sklearn.datasets import make_circles
    >>> from kernelopt import MKLClassifier
    >>> X, y = make_circles(100, noise=0.1, factor=0.4, random_state=0)
    >>> clf = MKLClassifier(kernels=["linear", "rbf"]).fit(X, y)
    >>> clf.weights_.round(2), clf.certificate_.holds(1e-4)
    (array([0., 1.]), True)
    """

    def __init__(
        self,
        kernels: str | Sequence[Any] | Callable = "gaussian",
        criterion: str = "hinge",
        kernel_set: str = "simplex",
        p: float = 2.0,
        C: float = 1.0,
        nu: float = 0.5,
        normalize: str | None = "variance",
        solver: Any = "auto",
        tol: float = 1e-4,
        max_iter: int = 1000,
        time_limit: float | None = None,
        class_weight: dict | str | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.kernels = kernels
        self.criterion = criterion
        self.kernel_set = kernel_set
        self.p = p
        self.C = C
        self.nu = nu
        self.normalize = normalize
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None):
        """Learn the kernel weights and the machine.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, d); with kernels="precomputed" a stack (n, n, M)
            Training samples.
        y : array of shape (n,)
            Labels of any type.
        sample_weight : array of shape (n,), optional
            Nonnegative; a weight of two is the sample twice, a weight of zero its absence.

        Returns
        -------
        self
        """
        criterion, kernel_set = self._check_parameters()
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        frame = X
        X, y = self._validated(X, y)
        w = _check_sample_weight(sample_weight, y, dtype=float, ensure_non_negative=True)
        self.classes_, label = np.unique(y, return_inverse=True)
        present = np.unique(label[w > 0])
        if len(present) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: found {len(present)} class(es) among the "
                f"{np.count_nonzero(w)} samples of positive weight, and at least two are needed"
            )
        merged, stack = self._training_stack(X, label, w, frame)
        self.normalization_ = Normalization.fit(stack, self.normalize, merged.weight)
        class_weight = compute_class_weight(self.class_weight, classes=self.classes_, y=y, sample_weight=w)
        distinct = label[merged.first]
        columns = [1] if len(self.classes_) == 2 else range(len(self.classes_))
        problem = Problem(
            self.normalization_.apply(stack),
            np.where(distinct[:, None] == np.array(columns), 1.0, -1.0),
            criterion,
            kernel_set,
            merged.weight * class_weight[distinct],
        )
        self.solver_ = choose(
            self.solver,
            problem,
            tol=self.tol,
            max_iter=self.max_iter,
            time_limit=self.time_limit,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
        solution = self.solver_.solve(problem)
        self.weights_ = solution.theta
        self.kernel_names_ = list(stack.names)
        centred = self.normalize == "center"
        points = merged.first if self.kernels_ is None else X[merged.first] if centred else None
        self.kernel_ = LearnedKernel(self.kernels_, self.weights_, self.normalization_, points)
        self.certificate_, self.history_ = solution.certificate, solution.history
        self.n_iter_ = max(1, solution.n_iter)
        self.intercept_ = solution.intercept
        support = np.flatnonzero(np.any(solution.beta != 0, axis=1))
        self.support_ = merged.first[support]
        self.dual_coef_ = solution.beta[support].T
        self._support = support
        self._support_X = None if self.kernels_ is None else X[self.support_]
        return self

    def decision_function(self, X):
        """Return the values of the decision functions.

        Parameters
        ----------
        X : array of shape (n_new, d); with kernels="precomputed" a stack (n_new, n_train, M)
            New samples.

        Returns
        -------
        ndarray of shape (n_new,) for two classes, else (n_new, n_classes)
        """
        check_is_fitted(self)
        X, _ = self._validated(X, None)
        F = self.kernel_(X, self._support_X, index=self._support) @ self.dual_coef_.T + self.intercept_
        return F[:, 0] if len(self.classes_) == 2 else F

    def predict(self, X):
        """Return the label of each new sample: the task with the largest value wins."""
        F = self.decision_function(X)
        return self.classes_[(F > 0).astype(int) if F.ndim == 1 else F.argmax(axis=1)]

    def _check_parameters(self):
        for name, value, known in (
            ("criterion", self.criterion, CRITERIA),
            ("kernel_set", self.kernel_set, KERNEL_SETS),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, found {value!r}")
        if not self.tol > 0:
            raise ValueError(f"tol must be positive, found {self.tol!r}")
        if not self.max_iter >= 1:
            raise ValueError(f"max_iter must be at least 1, found {self.max_iter!r}")
        return CRITERIA[self.criterion](C=self.C), KERNEL_SETS[self.kernel_set]()

    @property
    def _precomputed(self) -> bool:
        return isinstance(self.kernels, str) and self.kernels == "precomputed"

    def _validated(self, X, y):
        """Validate X (and y, when fitting); a precomputed X comes back as a `KernelStack`."""
        fitting = y is not None
        if not self._precomputed:
            options: dict[str, Any] = dict(accept_sparse="csr", dtype=np.float64)
            if not fitting:
                return validate_data(self, X, reset=False, **options), None
            X, y = validate_data(self, X, y, **options)
            check_classification_targets(y)
            return X, y
        n_samples = _num_samples(y) if fitting else None
        listed = isinstance(X, list | tuple) and len(X) and all(isinstance(K, np.ndarray) and K.ndim == 2 for K in X)
        if listed or isinstance(X, KernelStack) or getattr(X, "ndim", 2) > 2:
            X = as_stack(X, n_samples)
        if not isinstance(X, KernelStack):
            options = dict(dtype="numeric", allow_nd=True)
            X = validate_data(self, X, y, **options)[0] if fitting else validate_data(self, X, reset=False, **options)
            X = as_stack(X, n_samples)
        for name, K in zip(X.names, X.leading, strict=True):
            if not np.isfinite(K).all():
                raise ValueError(f"{name} of the stack contains NaN or infinity")
        if fitting:
            from sklearn.utils import check_consistent_length, column_or_1d

            y = column_or_1d(y, warn=True)
            check_classification_targets(y)
            check_consistent_length(X, y)
            self.n_features_in_ = X.shape[1]
            self._n_kernels = X.n_kernels
        elif X.shape[1:] != (self.n_features_in_, self._n_kernels):
            raise ValueError(
                f"a precomputed stack must have shape (n_new, n_train, M) = (any, {self.n_features_in_}, "
                f"{self._n_kernels}) at predict, found {X.shape}: X has {X.shape[1]} features, but "
                f"{type(self).__name__} is expecting {self.n_features_in_} features as input"
            )
        return X, y

    def _training_stack(self, X, label, w, frame) -> tuple[Merged, KernelStack]:
        """Evaluate the base kernels on the distinct samples of positive weight, through the gates."""
        if self._precomputed:
            self.kernels_ = None
            keep = np.flatnonzero(w > 0)
            stack = X if len(keep) == len(w) else X[np.ix_(keep, keep)]
            checked = [
                check_gram(K, name, up_to_constant=True) for name, K in zip(stack.names, stack.leading, strict=True)
            ]
            if any(new is not old for new, old in zip(checked, stack.leading, strict=True)):
                stack = KernelStack(np.stack(checked), names=stack.names)
            return Merged(keep, w[keep]), stack
        merged = merge(X, label, w)
        distinct = X[merged.first]
        names = getattr(self, "feature_names_in_", None)
        self.kernels_ = resolve(self.kernels, distinct, names, merged.weight, frame=frame)
        stack = KernelStack.from_kernels(self.kernels_, distinct, sample_weight=merged.weight)
        for k, kernel in enumerate(self.kernels_):
            if not is_proven_psd(kernel):
                name = f"the Gram matrix of kernel {kernel_name(kernel)!r}"
                stack.leading[k] = check_gram(stack.leading[k], name, up_to_constant=True)
        return merged, stack

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self._precomputed
        tags.input_tags.three_d_array = self._precomputed
        tags.input_tags.sparse = not self._precomputed
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "dual_coef_")
