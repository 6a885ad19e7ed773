"""`MKLClassifier`: a support vector machine that learns its kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, clone
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from kernelopt.convex import (
    Criterion,
    HardMargin,
    Hinge,
    KernelSet,
    LagrangianSVM,
    LeastSquares,
    Logistic,
    NuSVM,
    Solution,
    SquaredHinge,
)
from kernelopt.estimators.base import KernelMachine, Task
from kernelopt.estimators.calibration import cross_fitted_temperature, probabilities
from kernelopt.estimators.choices import make_criterion


class MKLClassifier(ClassifierMixin, KernelMachine):
    r"""Classifier whose kernel is a learned combination of base kernels.

    Solves, to a certified duality gap of `tol`,

    .. math::
        \min_{\mu \in \mathcal{M}} R(\mu) + \omega(K(\mu)), \quad K(\mu) = \sum_k \mu_k K_k / s_k, \quad
        \omega(K) = \sum_c \min_{f, b} \tfrac12 \|f\|_K^2 + C \sum_i w_i\, \ell(y_{ic} (f(x_i) + b))

    over the binary task, or over all one-against-rest tasks c, which then share one kernel. It is jointly
    convex in the weights and the machines [lanckriet2004]_ [sonnenburg2006]_ [kloft2011]_.

    Parameters
    ----------
    kernels : str, list, callable or "precomputed", default="gaussian"
        The base kernels: a family's name ("gaussian", "polynomial", "mixed", "per_feature"); a list of
        callables ``k(X, Z)``, of scikit-learn's pairwise kernels by name, of its Gaussian-process kernels, or triples
        ``(name, kernel, columns)``; a function ``X -> list`` of such (see `kernelopt.kernels.resolve`); or
        "precomputed", and then X is a `KernelStack` or an array (n, n, M) with the kernel last.
    criterion : str or Criterion, default="hinge"
        What makes a kernel good: "hinge" (as ``SVC``), "squared_hinge", "logistic", "lagrangian" (squared hinge, with
        the intercept penalised), "least_squares" (on targets -1 and 1, with the ridge :math:`\lambda = 1/C`), "nu_svm"
        (as ``NuSVC``), "hard_margin" (no C: raises `UnboundedError` where nothing separates the classes; with
        ``kernels.white()`` among the kernels it learns C, as its weight in `weights_`); or an instance from
        `kernelopt.convex`, whose own parameters count then.
    kernel_set : str or KernelSet, default="simplex"
        Which combinations are admitted, all of nonnegative weights of the normalised kernels: "simplex" (they add up to
        one: few kernels keep weight), "uniform" (plain average: nothing is learned but the machine), "lp" (their p-norm
        is at most one), "squared_lp" (half the square of their p-norm is paid), "groups" (p-norm within the
        kernels on the same columns, sum over these groups), "radius" (all points in a ball of radius one), "trace" (the
        trace of the sum of the kernels is shared out); or an instance from `kernelopt.convex`.
    p : float, default=2.0
        Norm of the sets "lp", "squared_lp" and "groups".
    C : float, default=1.0
        Weight of the *sum* of the losses, as in ``sklearn.svm.SVC``.
    nu : float, default=0.5
        Share of margin errors, in (0, 1], of "nu_svm", which has no C.
    normalize : {"variance", "center", "trace", "spherical", None}, default="variance"
        What is done to each kernel, measured on the training points (see `kernelopt.kernels.Normalization`).
    solver : {"auto", "newton", "interior_point", "conic"} or a solver, default="auto"
        "auto" is the fast one for the problem; "conic" the reference, for a few hundred samples.
    tol : float, default=1e-4
        Relative duality gap to be reached; else a `ConvergenceWarning` is given and `certificate_` says how far.
    max_iter : int, default=1000
        Outer iterations.
    time_limit : float or None, default=None
        Seconds; past it the best point is kept, with its certificate and a `ConvergenceWarning`.
    class_weight : dict, "balanced" or None, default=None
        Factor of C for the samples of each class; without effect on "hard_margin", which has no losses to weigh.
    n_jobs : int or None, default=None
        Threads over the one-against-rest tasks.
    random_state
        Not read, as nothing is drawn at random; present for a stable signature.
    verbose : int, default=0
        1 prints a line per outer iteration.

    Attributes
    ----------
    weights_ : ndarray of shape (M,)
        Learned weights of the normalised kernels, never negative; zero for kernels constant on the training points.
    kernel_names_ : list of str
        What each weight belongs to.
    kernel_ : LearnedKernel
        ``kernel_(X, Z)``, the learned kernel.
    certificate_ : Certificate
        ``primal``, ``dual``, ``gap``, ``infeasibility`` and ``problem``.
    classes_ : ndarray of shape (n_classes,)
        Labels of the samples with positive weight.
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
    With one kernel and ``normalize=None``, "hinge" is the problem of ``sklearn.svm.SVC(C=C)``, and "nu_svm" that of
    ``NuSVC(nu=nu)``, whose decision function is this one over the margin. Equal rows with equal labels are merged and
    their weights added, which changes nothing but the time.

    References
    ----------
    .. [lanckriet2004] Lanckriet, Cristianini, Bartlett, El Ghaoui, Jordan. Learning the Kernel Matrix with
       Semidefinite Programming. JMLR 5, 2004. Eq. (39), with half its objective.
    .. [sonnenburg2006] Sonnenburg, Raetsch, Schaefer, Schoelkopf. Large Scale Multiple Kernel Learning. JMLR 7, 2006.
    .. [kloft2011] Kloft, Brefeld, Sonnenburg, Zien. lp-Norm Multiple Kernel Learning. JMLR 12, 2011.

    Examples
    --------
    >>> from sklearn.datasets import make_circles
    >>> from kernelopt import MKLClassifier
    >>> X, y = make_circles(100, noise=0.1, factor=0.4, random_state=0)
    >>> clf = MKLClassifier(kernels=["linear", "rbf"]).fit(X, y)
    >>> clf.weights_.round(2), clf.certificate_.holds(1e-4)
    (array([0., 1.]), True)
    >>> clf.predict_proba(X).argmax(axis=1).tolist() == clf.predict(X).tolist()
    True
    """

    def __init__(
        self,
        kernels: str | Sequence[Any] | Callable = "gaussian",
        criterion: str | Criterion = "hinge",
        kernel_set: str | KernelSet = "simplex",
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
        criterion = self._criterion()
        X_, y_, w = self._samples(X, y, sample_weight)
        self._finish(self._task(X_, y_, w, criterion, frame=X), criterion)
        return self

    def _samples(self, X, y, sample_weight):
        """Return X, y and the weights, validated, and set `classes_`."""
        self._check_limits()
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        X, y = self._validated(X, y, fitting=True)
        check_classification_targets(y)
        w = _check_sample_weight(sample_weight, y, dtype=float, ensure_non_negative=True)
        present = w > 0
        self.classes_ = np.unique(y[present])
        if len(self.classes_) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: found {len(self.classes_)} class(es) among "
                f"the {np.count_nonzero(present)} samples of positive weight, and at least two are needed"
            )
        return X, y, w

    def _task(self, X, y, w, criterion: Criterion, *, frame=None) -> Task:
        """Return what there is to solve for validated samples, with a column per one-against-rest task."""
        present = w > 0
        label = np.searchsorted(self.classes_, np.where(present, y, self.classes_[0]))
        columns = [1] if len(self.classes_) == 2 else range(len(self.classes_))
        Y = np.where(label[:, None] == np.array(columns), 1.0, -1.0)
        class_weight = compute_class_weight(
            self.class_weight, classes=self.classes_, y=y[present], sample_weight=w[present]
        )
        return self._prepare(X, Y, label, w, criterion, factor=class_weight[label], frame=frame)

    def _finish(self, task: Task, criterion: Criterion, start: Solution | None = None) -> Solution:
        """Solve, and keep what `predict_proba` will want to know."""
        solution = super()._finish(task, criterion, start)
        Y, merged = task.problem.Y, task.merged
        label = Y.argmax(axis=1) if Y.shape[1] > 1 else (Y[:, 0] > 0).astype(int)
        self._calibration = {"X": task.X, "rows": merged.first, "w": merged.weight, "label": label}
        return solution

    def decision_function(self, X, split=False):
        """Return the values of the decision functions.

        Parameters
        ----------
        X : array of shape (n_new, d); with kernels="precomputed" a stack (n_new, n_train, M)
            New samples.
        split : bool
            Return the share of each kernel instead; with `intercept_` the shares add up to the whole.

        Returns
        -------
        ndarray of shape (n_new,) for two classes, else (n_new, n_classes)
            With `split`, (n_new, M) or (n_new, M, n_classes).
        """
        F = self._values(X, split=split)
        return F[..., 0] if len(self.classes_) == 2 else F

    def predict(self, X):
        """Return the label of each new sample: the task with the largest value wins."""
        F = self.decision_function(X)
        return self.classes_[winner(F)]

    def predict_proba(self, X):
        """Return the probability of each class; the largest is always that of the predicted class.

        The logistic function (softmax, for several classes) of the decision function over one positive temperature. The
        first call fits it by the log-loss on decision values of machines that have not seen the samples, in five folds.

        Parameters
        ----------
        X : array of shape (n_new, d); with kernels="precomputed" a stack (n_new, n_train, M)
            New samples.

        Returns
        -------
        ndarray of shape (n_new, n_classes)
            Columns in the order of `classes_`.
        """
        F = self.decision_function(X)
        return probabilities(F, winner(F), self._temperature())

    def predict_log_proba(self, X):
        """Return the logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _temperature(self) -> float:
        known = self._calibration  # filled in place: predictions set no attributes
        if "temperature" not in known:
            X, rows = known["X"], known["rows"]
            distinct = X[rows] if self.kernels_ is not None else X[np.ix_(rows, rows)]
            known["temperature"] = cross_fitted_temperature(self, distinct, known["label"], known["w"])
        return known["temperature"]

    def _plain(self) -> MKLClassifier:
        """Return the unfitted machine with these parameters."""
        return clone(self)

    def _criterion(self) -> Criterion:
        known = {
            "hinge": lambda: Hinge(C=self.C),
            "squared_hinge": lambda: SquaredHinge(C=self.C),
            "hard_margin": HardMargin,
            "logistic": lambda: Logistic(C=self.C),
            "lagrangian": lambda: LagrangianSVM(C=self.C),
            "nu_svm": lambda: NuSVM(nu=self.nu),
            "least_squares": lambda: LeastSquares(lam=1 / Hinge(C=self.C).C),  # the hinge refuses a bad C
        }
        return make_criterion(self.criterion, known, _for_labels, "classification")


def _for_labels(criterion: Criterion) -> bool:
    return isinstance(criterion, LeastSquares) or (criterion.targets == "labels" and criterion.name != "fisher")


def winner(F: np.ndarray) -> np.ndarray:
    """Return the index of the class with the largest value, the first of those that only rounding tells apart.

    Such ties are common: with several classes and a small C, machines that find nothing all have the value -1.

    Examples
    --------
    >>> winner(np.array([[-1.0, 0.5, 0.5 + 1e-16], [1.0, -1.0, 2.0]])), winner(np.array([-0.1, 0.2]))
    (array([1, 2]), array([0, 1]))
    """
    if F.ndim == 1:
        return (F > 0).astype(int)
    slack = 1e-12 * np.abs(F).max(axis=1, keepdims=True)
    return (F >= F.max(axis=1, keepdims=True) - slack).argmax(axis=1)
