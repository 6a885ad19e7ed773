"""What every estimator over a list of kernels does: from samples to a solved problem, and to values at new points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_y, _num_samples, check_is_fitted, validate_data

from kernelopt.convex import Certificate, Criterion, GroupBall, KernelSet, Problem, Solution
from kernelopt.convex.pairs import check_pair, ignores_constants, sees_balanced_only
from kernelopt.convex.solvers import choose
from kernelopt.estimators.choices import check_kernel_set, make_kernel_set
from kernelopt.estimators.duplicates import Merged, merge
from kernelopt.estimators.learned_kernel import LearnedKernel
from kernelopt.kernels import (
    KernelStack,
    Normalization,
    as_stack,
    check_gram,
    has_white,
    is_proven_psd,
    kernel_name,
    resolve,
)
from kernelopt.kernels.normalize import FITTED_ON_THE_FLY
from kernelopt.kernels.on_the_fly import OnTheFly
from kernelopt.kernels.validation import missing_constant

STORED = 2**31  # bytes of Gram matrices; more are made row by row
BLOCK = 2**25  # entries of kernels at new points that are made at once


@dataclass(frozen=True, eq=False)
class Task:
    """What a fit has to solve, at any weight of the losses.

    Parameters
    ----------
    X : array, sparse matrix or KernelStack
        The samples, validated.
    merged : Merged
        Which of them are distinct, and their weights.
    stack : KernelStack
        The Gram matrices of the distinct samples.
    problem : Problem
        That of the kernels that vary, normalised.
    """

    X: Any
    merged: Merged
    stack: KernelStack | OnTheFly
    problem: Problem


class KernelMachine(BaseEstimator):
    """Base of the estimators that learn from a list of kernels or from a precomputed stack.

    A subclass has the parameters ``kernels, normalize, solver, tol, max_iter, time_limit, n_jobs, verbose``; those
    whose kernel set is chosen by name also ``kernel_set, p``. Its `fit` validates with `_validated`, then calls
    `_learn`, which is `_prepare` (distinct samples, kernels, Gram matrices, problem) and `_finish` (solution,
    attributes), or the steps of these that suit it.
    `_values` gives the decision functions at new points.
    """

    kernels: Any
    kernel_set: Any
    p: float
    normalize: str | None
    solver: Any
    tol: float
    max_iter: int
    time_limit: float | None
    n_jobs: int | None
    verbose: int
    certificate_: Certificate | None

    # ---- what comes in -----------------------------------------------------------------------------------------------

    @property
    def _precomputed(self) -> bool:
        return isinstance(self.kernels, str) and self.kernels == "precomputed"

    def _check_limits(self) -> None:
        if not self.tol > 0:
            raise ValueError(f"tol must be positive, found {self.tol!r}")
        if not self.max_iter >= 1:
            raise ValueError(f"max_iter must be at least 1, found {self.max_iter!r}")

    def _validated(self, X, y=None, *, fitting: bool, multi_output=False, y_numeric=False, min_samples: int = 1):
        """Return X, validated (a precomputed one as a `KernelStack`), and y; options as in scikit-learn."""
        target = {"multi_output": multi_output, "y_numeric": y_numeric}
        if not self._precomputed:
            options: dict[str, Any] = dict(
                accept_sparse="csr", dtype=np.float64, reset=fitting, ensure_min_samples=min_samples
            )
            if y is None:
                return validate_data(self, X, **options), None
            return validate_data(self, X, y, **options, **target)
        n_samples = None if y is None else _num_samples(y)
        listed = isinstance(X, list | tuple) and len(X) and all(isinstance(K, np.ndarray) and K.ndim == 2 for K in X)
        if listed or isinstance(X, KernelStack) or getattr(X, "ndim", 2) == 3:
            X = as_stack(X, n_samples)
        if not isinstance(X, KernelStack):
            options = dict(dtype="numeric", allow_nd=True, reset=fitting)
            X = validate_data(self, X, **options) if y is None else validate_data(self, X, y, **options, **target)[0]
            X = as_stack(X, n_samples)
        for name, K in zip(X.names, X.leading, strict=True):
            if not np.isfinite(K).all():
                raise ValueError(f"{name} of the stack contains NaN or infinity")
        if fitting:
            if len(X) < min_samples:
                raise ValueError(
                    f"found a stack of {len(X)} sample(s), and {type(self).__name__} needs at least {min_samples}"
                )
            X = as_stack(X, len(X))
            self.n_features_in_ = X.shape[1]
            self._n_kernels = X.n_kernels
        elif X.shape[1:] != (self.n_features_in_, self._n_kernels):
            raise ValueError(
                f"a precomputed stack must have shape (n_new, n_train, M) = (any, {self.n_features_in_}, "
                f"{self._n_kernels}) at predict, found {X.shape}: X has {X.shape[1]} features, but "
                f"{type(self).__name__} is expecting {self.n_features_in_} features as input"
            )
        if y is not None:
            y = _check_y(y, estimator=self, **target)
            check_consistent_length(X, y)
        return X, y

    # ---- from samples to Gram matrices -------------------------------------------------------------------------------

    def _distinct(self, X, keys: np.ndarray, w: np.ndarray, frame: Any = None) -> Merged:
        """Merge equal samples and set `kernels_`; precomputed samples only lose those without weight."""
        if self._precomputed:
            self.kernels_ = None
            keep = np.flatnonzero(w > 0)
            return Merged(keep, w[keep])
        merged = merge(X, keys, w)
        names = getattr(self, "feature_names_in_", None)
        self.kernels_ = resolve(self.kernels, X[merged.first], names, merged.weight, frame=frame)
        return merged

    def _on_the_fly(self, n: int) -> bool:
        """Whether Gram matrices would take too much memory, and kernels can be made row by row instead."""
        if self.kernels_ is None:
            return False
        large = 8 * len(self.kernels_) * n**2 > STORED
        return (
            large
            and self.normalize in FITTED_ON_THE_FLY
            and all(map(is_proven_psd, self.kernels_))
            and not any(map(has_white, self.kernels_))
        )

    def _training_stack(self, X, merged: Merged, *, up_to_constant: bool) -> KernelStack:
        """Return the Gram matrices of the distinct samples, through the gates."""
        if self.kernels_ is None:
            everything = len(merged.first) == X.shape[0]
            stack = X if everything else X[np.ix_(merged.first, merged.first)]
            pairs = list(zip(stack.names, stack.leading, strict=True))
            checked = [check_gram(K, name, up_to_constant=up_to_constant) for name, K in pairs]
            same = all(new is old for new, (_, old) in zip(checked, pairs, strict=True))
            return stack if same else KernelStack(np.stack(checked), names=stack.names)
        stack = KernelStack.from_kernels(self.kernels_, X[merged.first], sample_weight=merged.weight)
        for k, kernel in enumerate(self.kernels_):
            if not is_proven_psd(kernel):
                name = f"the Gram matrix of kernel {kernel_name(kernel)!r}"
                stack.leading[k] = check_gram(stack.leading[k], name, up_to_constant=up_to_constant)
        return stack

    def _missing_constants(self, stack: KernelStack, criterion: Criterion, kernel_set: KernelSet) -> np.ndarray | None:
        """Return what each kernel lacks to be one, where the criterion ignores it but the kernel set does not.

        The machine is then the same for any constant, but the share of a trace, say, is not: that of the least.
        """
        if not ignores_constants(criterion):
            return None  # and nothing is lacking
        if sees_balanced_only(criterion, kernel_set) and self.normalize != "spherical":
            return None
        constants = [
            0.0 if self.kernels_ is not None and is_proven_psd(self.kernels_[k]) else missing_constant(K, name)
            for k, (name, K) in enumerate(zip(stack.names, stack.leading, strict=True))
        ]
        return np.array(constants) if any(constants) else None

    # ---- from Gram matrices to a machine -----------------------------------------------------------------------------

    def _learn(self, X, Y, keys, w, criterion: Criterion, *, factor=None, frame=None) -> None:
        """Solve for targets Y (n, k); rows are merged where X and `keys` agree. Sets all that is common.

        `factor` multiplies the weight of a sample in its losses, but does not make it count for more copies.
        """
        self._finish(self._prepare(X, Y, keys, w, criterion, factor=factor, frame=frame), criterion)

    def _prepare(self, X, Y, keys, w, criterion: Criterion, *, factor=None, frame=None) -> Task:
        """Return all that has to be known before a solver can begin; what the criterion weighs may still change."""
        check_kernel_set(self.kernel_set)
        merged = self._distinct(X, keys, w, frame)
        kernel_set = make_kernel_set(self.kernel_set, self.p, self.kernels_)
        check_pair(criterion, kernel_set)
        stack: KernelStack | OnTheFly
        if self.kernels_ is not None and self._on_the_fly(len(merged.first)):
            stack = OnTheFly.of(self.kernels_, X[merged.first])
            self.normalization_ = Normalization.fit_on_the_fly(stack, self.normalize, merged.weight)
        else:
            stack = self._training_stack(X, merged, up_to_constant=ignores_constants(criterion))
            constant = self._missing_constants(stack, criterion, kernel_set)
            self.normalization_ = Normalization.fit(stack, self.normalize, merged.weight, constant)
        weight = merged.weight if factor is None else merged.weight * factor[merged.first]
        return Task(X, merged, stack, self._problem(stack, Y[merged.first], weight, criterion, kernel_set))

    def _finish(self, task: Task, criterion: Criterion, start: Solution | None = None) -> Solution:
        """Solve and set the attributes; `start` is where the solver may begin."""
        solution = self._solve(replace(task.problem, criterion=criterion), start)
        self._keep(task.X, task.merged, task.stack, solution)
        return solution

    def _problem(self, stack: KernelStack | OnTheFly, Y, w, criterion: Criterion, kernel_set: KernelSet) -> Problem:
        """Return the problem on the kernels that vary."""
        useful, normalization = self._useful, self.normalization_
        if len(useful) < stack.n_kernels:
            stack, normalization = stack.select(useful), normalization.select(useful)
            if isinstance(kernel_set, GroupBall):
                kernel_set = replace(kernel_set, groups=tuple(kernel_set.groups[k] for k in useful))
        if isinstance(stack, OnTheFly):
            return Problem(replace(stack, scale=normalization.scale), Y, criterion, kernel_set, w)
        return Problem(normalization.apply(stack), Y, criterion, kernel_set, w)

    def _solve(self, problem: Problem, start: Solution | None = None) -> Solution:
        """Return the solution; the kernels that do not vary have weight zero."""
        useful = self._useful
        problem.criterion.check(problem.Y, problem.w)
        self.solver_ = choose(
            self.solver,
            problem,
            tol=self.tol,
            max_iter=self.max_iter,
            time_limit=self.time_limit,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
        solution = self._answer(problem, start and replace(start, theta=start.theta[useful]))
        theta = np.zeros(len(self.normalization_.scale))
        theta[useful] = solution.theta
        return replace(solution, theta=theta)

    @property
    def _useful(self) -> np.ndarray:
        return np.flatnonzero(np.isfinite(self.normalization_.scale))

    def _answer(self, problem: Problem, start: Solution | None = None) -> Solution:
        return self.solver_.solve(problem) if start is None else self.solver_.solve(problem, start)

    def _keep(self, X, merged: Merged, stack: KernelStack | OnTheFly, solution: Solution) -> None:
        """Set the attributes that a solution gives."""
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

    # ---- values at new points ----------------------------------------------------------------------------------------

    def _values(self, X, *, split: bool = False) -> np.ndarray:
        """Return the decision functions (n, k) at new points, or the share of each kernel in them (n, M, k).

        The shares and the intercept add up to the whole.
        """
        check_is_fitted(self)
        X, _ = self._validated(X, fitting=False)
        n, (k, n_support) = X.shape[0], self.dual_coef_.shape
        if not split and n_support:
            step = n if self.kernels_ is None else max(1, BLOCK // max(1, n_support * len(self.kernel_.active)))
            parts = [
                row_by_row(self.kernel_(X[at : at + step], self._support_X, index=self._support), self.dual_coef_)
                for at in range(0, n, step)
            ]
            return np.concatenate(parts) + self.intercept_
        if not split:
            return np.tile(self.intercept_, (n, 1))
        shares = np.zeros((n, len(self.weights_), k))
        parts = self.kernel_.parts(X, self._support_X, index=self._support) if n_support else []
        for m, part in zip(self.kernel_.active, parts, strict=n_support > 0):
            shares[:, m] = row_by_row(part, self.dual_coef_)
        return shares

    def plot_weights(self, ax=None):
        """Draw the kernel weights as bars; return matplotlib's axes.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.
        """
        check_is_fitted(self)
        from kernelopt.estimators.plotting import plot_weights

        return plot_weights(self.weights_, self.kernel_names_, ax)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self._precomputed
        tags.input_tags.three_d_array = self._precomputed
        tags.input_tags.sparse = not self._precomputed
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "dual_coef_")


def row_by_row(K: np.ndarray, coef: np.ndarray) -> np.ndarray:
    """Return K coef', shape (n, k), each row's bits the same whatever rows stand beside it.

    A matrix product's depend on how many there are, and a near tie between classes would go with them.
    """
    return np.column_stack([(K * c).sum(axis=1) for c in coef])
