"""`SDPKernelClassifier`: transduction with a kernel matrix from the semidefinite cone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np
from scipy import linalg, sparse
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from kernelopt.convex import (
    Criterion,
    HardMargin,
    Hinge,
    KernelSet,
    LeastSquares,
    Problem,
    PSDSpan,
    Solution,
    SquaredHinge,
    TraceBudget,
)
from kernelopt.convex.pairs import check_pair, ignores_constants
from kernelopt.estimators.base import KernelMachine, row_by_row
from kernelopt.estimators.choices import make_criterion
from kernelopt.estimators.duplicates import Merged
from kernelopt.estimators.mkl import winner
from kernelopt.kernels import KernelStack, Normalization, resolve

SETS: dict[str, Callable[[], KernelSet]] = {"psd_span": PSDSpan, "trace": TraceBudget}
EPS = float(np.finfo(float).eps)


class SDPKernelClassifier(ClassifierMixin, KernelMachine):
    r"""Transductive classifier whose kernel is any positive semidefinite combination of base kernels.

    Solves, to a certified duality gap of `tol`, Th. 16 of [lanckriet2004]_,

    .. math::
        \min_{\mu} \omega(K(\mu)_{\mathrm{labelled}}) \quad \text{s.t.} \quad
        K(\mu) = \sum_k \mu_k K_k \succeq 0, \quad \operatorname{tr} K(\mu) = c,

    with weights of any sign. The matrices are over *all* points given to `fit`, and :math:`\omega`, the objective of a
    support vector machine (summed over one-against-rest tasks), is over those with a label. So the inputs of unlabelled
    points take part, by what they allow K to be; labels of theirs are never seen.
    Their predicted labels are `transduction_`.

    Parameters
    ----------
    kernels : str, list, callable or "precomputed", default="mixed"
        The base kernels, as in `MKLClassifier`; a precomputed stack holds labelled and unlabelled points.
    criterion : str or Criterion, default="hinge"
        "hinge", "squared_hinge", "least_squares" (with the ridge :math:`\lambda = 1/C`), "hard_margin" (no C: raises
        `UnboundedError` where nothing separates the classes; with ``kernels.white()`` among the kernels it learns C,
        eq. (47)); or an instance from `kernelopt.convex`.
    C : float, default=1.0
        Weight of the *sum* of the losses, as in ``sklearn.svm.SVC``.
    unlabeled : label, "auto" or None, default="auto"
        What marks an unlabelled point in y. "auto": -1 does where two or more other labels are there, as in
        ``sklearn.semi_supervised``, and nothing does otherwise, so that -1 and 1 are labels. None: nothing does.
    kernel_set : {"psd_span", "trace"} or KernelSet, default="psd_span"
        "psd_span" is the problem above; "trace" that with nonnegative weights, a quadratic program (Th. 17). Or an
        instance, such as ``PSDSpan(trace=...)``.
    normalize : {"spherical", "variance", "center", "trace", None}, default="spherical"
        What is done to each kernel, measured on labelled and unlabelled points. "spherical" is the paper's: each
        point weighs the same in every trace, so that the budget :math:`c = n` (the default) means
        :math:`\sum_k \mu_k = 1`, whatever and how many the other points are.
    solver : {"auto", "interior_point", "conic"} or a solver, default="auto"
        As in `MKLClassifier`. A step costs :math:`O(M n^3)`, so this is for some hundreds of points.
    tol, max_iter, time_limit, n_jobs, random_state, verbose
        As in `MKLClassifier`.
    class_weight : dict, "balanced" or None, default=None
        Factor of C for the labelled samples of each class.

    Attributes
    ----------
    transductive : bool
        True, of the class: test points belong into `fit`, unlabelled.
    transduction_ : ndarray of shape (n,)
        The predicted label of every row given to `fit`, labelled or not; a row of weight zero keeps its entry of y.
    weights_ : ndarray of shape (M,)
        Weights of the normalised kernels, of any sign. Where cutting off negative ones leaves an answer certified to
        `tol`, it is cut off, so that new points can be predicted.
    kernel_matrix_ : ndarray of shape (n, n)
        The learned K between the rows given to `fit`, those of weight zero left out.
    kernel_ : LearnedKernel
        ``kernel_(X, Z)``; known to be positive semidefinite on the points given to `fit` only.
    classes_ : ndarray of shape (n_classes,)
        Labels, without the marker.
    certificate_, kernel_names_, normalization_, kernels_, support_, dual_coef_, intercept_, solver_, n_iter_, \
history_, n_features_in_
        As in `MKLClassifier`.

    Notes
    -----
    At *other* points a combination with negative weights need not be a kernel. Such points are predicted where K is
    positive semidefinite up to rounding on them together with the fitted ones; else an error says so.

    `sample_weight` multiplies losses, and a weight of k is k copies of the row. Copies also count in the traces, so
    unequal weights are refused where the kernels' shares of the trace depend on them; with "spherical" none does.

    An intercept absorbs a constant on all entries of a kernel, but the trace does not. So a matrix that is a Gram
    matrix but for a constant counts with the least one that makes it so: ``normalization_.constant``.

    References
    ----------
    .. [lanckriet2004] Lanckriet, Cristianini, Bartlett, El Ghaoui, Jordan. Learning the Kernel Matrix with
       Semidefinite Programming. JMLR 5, 2004.

    Examples
    --------
    >>> from sklearn.datasets import make_circles
    >>> from kernelopt import SDPKernelClassifier
    >>> X, y = make_circles(60, noise=0.1, factor=0.4, random_state=0)
    >>> some = np.where(np.arange(60) < 30, y, -1)  # -1: unlabelled
    >>> clf = SDPKernelClassifier(kernels=["linear", "rbf", "polynomial"]).fit(X, some)
    >>> clf.certificate_.holds(1e-4), bool((clf.transduction_ == y)[30:].mean() > 0.95)
    (True, True)
    """

    transductive = True

    def __init__(
        self,
        kernels: str | Sequence[Any] | Callable = "mixed",
        criterion: str | Criterion = "hinge",
        C: float = 1.0,
        unlabeled: Any = "auto",
        kernel_set: str | KernelSet = "psd_span",
        normalize: str | None = "spherical",
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
        self.C = C
        self.unlabeled = unlabeled
        self.kernel_set = kernel_set
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
        """Learn the kernel matrix and label the unlabelled points.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, d); with kernels="precomputed" a stack (n, n, M)
            Labelled and unlabelled points, in any order.
        y : array of shape (n,)
            Labels; `unlabeled` where there is none.
        sample_weight : array of shape (n,), optional
            Nonnegative; a weight of two is the sample twice, a weight of zero its absence.

        Returns
        -------
        self
        """
        self._check_limits()
        criterion, kernel_set = self._criterion(), self._kernel_set()
        check_pair(criterion, kernel_set)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        frame = X
        X, y = self._validated(X, y, fitting=True)
        w = _check_sample_weight(sample_weight, y, dtype=float, ensure_non_negative=True)
        labelled = ~self._unlabelled(y)
        check_classification_targets(y[labelled])
        rows = np.flatnonzero(labelled & (w > 0))
        self.classes_, label = np.unique(y[rows], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: found {len(self.classes_)} class(es) "
                f"among the {len(rows)} labelled samples of positive weight, and at least two are needed"
            )
        columns = [1] if len(self.classes_) == 2 else range(len(self.classes_))
        Y = np.where(label[:, None] == np.array(columns), 1.0, -1.0)
        class_weight = compute_class_weight(self.class_weight, classes=self.classes_, y=y[rows], sample_weight=w[rows])
        points = np.append(rows, np.flatnonzero(~labelled & (w > 0)))  # labelled ones first
        stack = self._stack(X, points, w[points], frame, up_to_constant=ignores_constants(criterion))
        constant = self._missing_constants(stack, criterion, kernel_set)
        self.normalization_ = Normalization.fit(stack, self.normalize, w[points], constant)
        self._refuse_uneven(stack, w[points], kernel_set)
        problem = self._problem(stack, Y, w[rows] * class_weight[label], criterion, kernel_set)
        solution = self._solve(problem)
        self._keep(X, Merged(points, w[points]), stack, solution)
        back = np.argsort(points)
        self.kernel_matrix_ = self.normalization_.apply(stack).mix(self.weights_)[np.ix_(back, back)]
        self._points = None if self.kernels_ is None else X[points]
        self._keys = _row_keys(X[points])
        self._fitted_values = self._evaluate(X[points])
        self.transduction_ = y.copy()
        self.transduction_[points] = self.classes_[winner(self._squeezed(self._fitted_values))]
        return self

    def decision_function(self, X):
        """Return the values of the decision functions.

        Parameters
        ----------
        X : array of shape (n_new, d); with kernels="precomputed" a stack (n_new, n, M)
            Fitted points, or others where the learned kernel is one (see the notes of the class).

        Returns
        -------
        ndarray of shape (n_new,) for two classes, else (n_new, n_classes)

        Raises
        ------
        ValueError
            Where the learned kernel is not positive semidefinite on these points.
        """
        check_is_fitted(self)
        X, _ = self._validated(X, fitting=False)
        where = {key: i for i, key in reversed(list(enumerate(self._keys.tolist())))}
        known = np.array([where.get(key, -1) for key in _row_keys(X).tolist()])
        F, new = self._fitted_values[known], np.flatnonzero(known < 0)
        if len(new):
            if (self.weights_ < 0).any():
                self._check_extension(X[new])
            F[new] = self._evaluate(X[new])
        return self._squeezed(F)

    def _squeezed(self, F: np.ndarray) -> np.ndarray:
        return F[:, 0] if len(self.classes_) == 2 else F

    def predict(self, X):
        """Return labels; at the fitted points they are `transduction_`, at others see `decision_function`."""
        F = self.decision_function(X)
        return self.classes_[winner(F)]

    # ---- what the parameters mean ------------------------------------------------------------------------------------

    def _criterion(self) -> Criterion:
        known = {
            "hinge": lambda: Hinge(C=self.C),
            "squared_hinge": lambda: SquaredHinge(C=self.C),
            "hard_margin": HardMargin,
            "least_squares": lambda: LeastSquares(lam=1 / Hinge(C=self.C).C),  # the hinge refuses a bad C
        }
        labels = lambda c: c.targets == "labels" or isinstance(c, LeastSquares)  # noqa: E731
        return make_criterion(self.criterion, known, labels, "classification")

    def _kernel_set(self) -> KernelSet:
        if isinstance(self.kernel_set, KernelSet):
            return self.kernel_set
        if self.kernel_set not in SETS:
            known = ", ".join(map(repr, SETS))
            raise ValueError(f"kernel_set must be one of {known}, or a kernel set, found {self.kernel_set!r}")
        return SETS[self.kernel_set]()

    def _unlabelled(self, y: np.ndarray) -> np.ndarray:
        """Return which entries of y mark an unlabelled point."""
        auto = isinstance(self.unlabeled, str) and self.unlabeled == "auto"
        marker = -1 if auto else self.unlabeled
        if marker is None:
            return np.zeros(len(y), dtype=bool)
        marked = np.array([value == marker for value in y.tolist()], dtype=bool)
        return np.zeros(len(y), dtype=bool) if auto and len(set(y[~marked].tolist())) < 2 else marked

    def _stack(self, X, points: np.ndarray, w: np.ndarray, frame: Any, up_to_constant: bool) -> KernelStack:
        """Return the Gram matrices of the points in this order."""
        everything = Merged(np.arange(len(points)), w)
        if self._precomputed:
            self.kernels_ = None
            return self._training_stack(X[np.ix_(points, points)], everything, up_to_constant=up_to_constant)
        names = getattr(self, "feature_names_in_", None)
        self.kernels_ = resolve(self.kernels, X[points], names, w, frame=frame)
        return self._training_stack(X[points], everything, up_to_constant=up_to_constant)

    def _refuse_uneven(self, stack: KernelStack, w: np.ndarray, kernel_set: KernelSet) -> None:
        """Refuse weights that would change the shares of the trace, as copies would and a factor of C does not."""
        if not isinstance(kernel_set, PSDSpan | TraceBudget) or np.ptp(w) == 0:
            return
        diagonals = self.normalization_.apply(stack).diagonals
        plain, copies = diagonals.mean(axis=1), diagonals @ w / w.sum()
        if not np.allclose(plain * copies.sum(), copies * plain.sum(), rtol=1e-9, atol=0):
            raise ValueError(
                f"unequal sample_weight cannot be met exactly with normalize={self.normalize!r}: a weight of k is k "
                f"copies, and copies would change the kernels' shares of the trace that {kernel_set.name!r} fixes. Use "
                f"normalize='spherical' and kernels without white noise or points of k(x, x) = 0, or leave out "
                f"sample_weight"
            )

    # ---- the answer, and where it holds ------------------------------------------------------------------------------

    def _answer(self, problem: Problem, start: Solution | None = None) -> Solution:
        """Prefer, of certified answers, one of nonnegative weights: it is a kernel everywhere."""
        solution = super()._answer(problem, start)
        if solution.theta.min() >= 0 or not solution.theta.max() > 0:
            return solution
        kernels, positive = problem.kernels, np.maximum(solution.theta, 0.0)
        positive *= float(solution.theta @ kernels.traces) / float(positive @ kernels.traces)
        candidate = problem.certified(replace(solution, theta=positive))
        return candidate if candidate.certificate.holds(self.tol) else solution

    def _evaluate(self, X) -> np.ndarray:
        """Return the decision functions (n, k) by the learned kernel, whether it is one there or not."""
        if len(self._support) == 0:
            return np.tile(self.intercept_, (X.shape[0], 1))
        return row_by_row(self.kernel_(X, self._support_X, index=self._support), self.dual_coef_) + self.intercept_

    def _check_extension(self, X) -> None:
        """Raise unless K is positive semidefinite on the fitted points and these together."""
        negative = ", ".join(
            f"{self.kernel_names_[k]} {self.weights_[k]:.2g}" for k in np.flatnonzero(self.weights_ < 0)
        )
        advice = (
            "Pass these points to fit, unlabelled, and read transduction_; or choose nonnegative weights: "
            "kernel_set='trace'"
        )
        if self.kernels_ is None:
            raise ValueError(
                f"the learned kernel has negative weights ({negative}), and whether it is one at {X.shape[0]} new "
                f"points cannot be told from a precomputed stack, which lacks the kernels between them. {advice}"
            )
        fitted: Any = self._points
        both = sparse.vstack([fitted, X], format="csr") if sparse.issparse(X) else np.vstack([fitted, X])
        K = self.kernel_(both, both.copy())  # a copy, for which white noise is zero: predictions leave it out
        smallest = float(linalg.eigvalsh(0.5 * (K + K.T), subset_by_index=[0, 0])[0])
        slack = (1e-12 + 10 * EPS * len(K)) * float(np.abs(np.diagonal(K)).sum())
        if smallest < -slack:
            raise ValueError(
                f"the learned kernel has negative weights ({negative}), and is not positive semidefinite on the "
                f"{fitted.shape[0]} fitted points together with these {X.shape[0]} new ones: smallest eigenvalue "
                f"{smallest:.1e}, but rounding explains only {-slack:.1e}. {advice}"
            )


def _row_keys(X) -> np.ndarray:
    """Return one number per row of points or of a stack, the same for rows with the same entries."""
    if isinstance(X, KernelStack):
        rows = [np.ascontiguousarray(X.leading[:, i]).astype(float) + 0.0 for i in range(len(X))]
    else:
        rows = [(X[[i]].toarray() if sparse.issparse(X) else X[i]) + 0.0 for i in range(X.shape[0])]
    digests = [blake2b(np.ascontiguousarray(row).tobytes(), digest_size=8).digest() for row in rows]
    return np.array([int.from_bytes(digest, "little", signed=True) for digest in digests], dtype=np.int64)
