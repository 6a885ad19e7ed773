"""Machines whose kernel is a mixture of a continuous family: every bandwidth, or a width for each feature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from kernelopt.convex import (
    Criterion,
    EpsilonSVR,
    Hinge,
    LeastSquares,
    Logistic,
    Problem,
    Solution,
    SquaredHinge,
)
from kernelopt.convex.solvers import ColumnGeneration
from kernelopt.estimators.base import Task
from kernelopt.estimators.choices import make_criterion
from kernelopt.estimators.continuous_base import ContinuousMachine
from kernelopt.estimators.evidence import Evidence
from kernelopt.estimators.folds import weights_only
from kernelopt.estimators.mkl import MKLClassifier, _for_labels
from kernelopt.estimators.regression import MKLRegressor, _for_values
from kernelopt.estimators.ridge import Ridge, gcv_ridge, ridge_machine
from kernelopt.kernels.continuous import Family

LAMS = (16.0, 8.0, 4.0, 2.0, 1.0, 0.5)  # that a holdout chooses from, the smoothest kernel first
HELD = 0.25  # share of the samples held out
PATIENCE = 2  # ridges in a row that are no better, after which smaller ones are not tried
COARSE = 1e-2  # gap at which a kernel is good enough to be compared


class ContinuousKernelClassifier(ContinuousMachine, MKLClassifier):
    r"""Classifier whose kernel is the best mixture of a continuous family of kernels.

    Solves, to a certified duality gap of `tol`,

    .. math::
        \min_{p} \omega(K(p)), \quad K(p) = \int K_\theta\, dp(\theta), \quad
        \omega(K) = \sum_c \min_{f, b} \tfrac12 \|f\|_K^2 + C \sum_i w_i\, \ell(y_{ic} (f(x_i) + b))

    over all probability measures p on the domain of the family [micchelli2005]_ [gehler2008]_. For "gaussian",
    "matern" and "polynomial" the proof is over the continuum and not over a grid; for the others, such as a width for
    each feature, ``certificate_.problem`` says "NOT proven": the maximum behind the lower bound is then the best that
    several starts have found.

    Parameters
    ----------
    family : str or Family, default="gaussian"
        "gaussian" (every bandwidth), "ard" (a width for each feature), "matern", "polynomial" (every offset),
        "trigonometric" (every frequency), or an instance from `kernelopt.kernels.continuous`. Bounds that are not given
        are taken from the training points.
    criterion : str or Criterion, default="hinge"
        "hinge", "squared_hinge", "logistic", "least_squares", as in `MKLClassifier`, or an instance.
    C : float, default=1.0
        Weight of the *sum* of the losses.
    class_weight : dict, "balanced" or None, default=None
        Factor of C for the samples of each class.
    solver : "auto" or a solver, default="auto"
        `kernelopt.convex.solvers.ColumnGeneration`, or one of one's own.
    tol, max_iter, time_limit, n_jobs, random_state, verbose
        As in `MKLClassifier`; `max_iter` counts rounds of column generation.

    Attributes
    ----------
    atoms_ : ndarray of shape (r, p)
        Parameters of the kernels with weight, the heaviest first.
    weights_ : ndarray of shape (r,)
        Their weights, which add up to one.
    family_ : Family
        The family with its bounds.
    certificate_, kernel_, kernels_, kernel_names_, classes_, support_, dual_coef_, intercept_, normalization_, solver_
        As in `MKLClassifier`; nothing is normalised.
    n_iter_, history_, n_features_in_
        As in `MKLClassifier`.

    References
    ----------
    .. [micchelli2005] Micchelli, Pontil. Learning the Kernel Function via Regularization. JMLR 6, 2005.
    .. [gehler2008] Gehler, Nowozin. Infinite Kernel Learning. Max Planck Institute TR-178, 2008.

    Examples
    --------
    >>> from sklearn.datasets import make_circles
    >>> X, y = make_circles(100, noise=0.1, factor=0.4, random_state=0)
    >>> clf = ContinuousKernelClassifier().fit(X, y)
    >>> clf.certificate_.holds(1e-4), clf.score(X, y) > 0.95
    (True, True)
    >>> bool(clf.optimality(np.geomspace(0.01, 10, 50)[:, None]).max() < 1.001)
    True
    """

    def __init__(
        self,
        family: str | Family = "gaussian",
        criterion: str | Criterion = "hinge",
        C: float = 1.0,
        class_weight: dict | str | None = None,
        solver: Any = "auto",
        tol: float = 1e-4,
        max_iter: int = 1000,
        time_limit: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.family = family
        self.criterion = criterion
        self.C = C
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _finish(self, task: Task, criterion: Criterion, start: Solution | None = None) -> Solution:
        solution = super()._finish(task, criterion, start)
        self._keep_dual(task, solution, criterion)
        return solution

    def _plain(self) -> ContinuousKernelClassifier:
        """Return the unfitted machine with these parameters and the bounds of the family as they are."""
        return clone(self).set_params(family=self.family_)

    def _criterion(self) -> Criterion:
        known: dict[str, Callable[[], Criterion]] = {
            "hinge": lambda: Hinge(C=self.C),
            "squared_hinge": lambda: SquaredHinge(C=self.C),
            "logistic": lambda: Logistic(C=self.C),
            "least_squares": lambda: LeastSquares(lam=1 / Hinge(C=self.C).C),
        }
        return make_criterion(self.criterion, known, _for_labels, "classification")


class ContinuousKernelRegressor(ContinuousMachine, MKLRegressor):
    r"""Regression whose kernel is the best mixture of a continuous family of kernels.

    Solves, to a certified duality gap of `tol`,

    .. math::
        \min_{p} \omega(K(p)), \quad K(p) = \int K_\theta\, dp(\theta), \quad
        \omega(K) = \sum_c \min_{f, b} \tfrac12 \|f\|_K^2 + \sum_i w_i\, \ell(y_{ic} - f(x_i) - b)

    over all probability measures p on the domain of the family [micchelli2005]_. What the certificate proves: see
    `ContinuousKernelClassifier`.

    **Two ridges.** A kernel with many parameters is best learned at a large `lam`, which keeps kernels out that fit
    noise, and the machine then wants a small one. ``lam="holdout"`` chooses the first on a quarter of the samples that
    is held out, and ``refit="gcv"`` keeps the kernel and chooses the second by generalised cross-validation.
    ``refit="evidence"`` goes on from there: the atoms, their weights and the ridge climb the restricted marginal
    likelihood of a Gaussian process to its next local maximum, with as many atoms, and with the parameters that some
    atom uses (the widths of the features that were found to count). That is no convex problem, and nothing is proven of
    it; its start is the convex answer, to which `certificate_` belongs.

    Parameters
    ----------
    family : str or Family, default="gaussian"
        As in `ContinuousKernelClassifier`.
    criterion : str or Criterion, default="least_squares"
        "least_squares" or "epsilon_svr", as in `MKLRegressor`, or an instance.
    lam : float or "holdout", default=1.0
        Ridge of "least_squares" at which the kernel is learned. "holdout" overrides that of an instance too; its
        trials take `ColumnGeneration` at a gap of one per cent, whatever `solver`, each within `time_limit`.
    refit : "gcv", "evidence" or None, default=None
        Whether the machine gets a ridge of its own, or a ridge and a polished kernel, with "least_squares";
        `certificate_` is of the problem that the kernel was learned in. Weights of samples count copies here: their sum
        must be no less than the number of distinct samples. "evidence" costs some forty steps that each take the
        cube of the number of samples.
    C : float, default=1.0
        Weight of the *sum* of the losses of "epsilon_svr".
    epsilon : float, default=0.1
        Half width of the tube of "epsilon_svr".
    solver, tol, max_iter, time_limit, n_jobs, verbose
        As in `ContinuousKernelClassifier`.
    random_state : int, RandomState or None, default=None
        Of the split for ``lam="holdout"``; nothing else is drawn.

    Attributes
    ----------
    lam_ : float
        The ridge at which the kernel was learned; absent for other criteria.
    ridge_ : float
        The ridge of the machine; absent for other criteria.
    log_likelihood_gain_ : float
        By how much the polish raised the restricted log likelihood, with ``refit="evidence"``.
    certified_atoms_, certified_weights_ : arrays of shape (m, p) and (m,)
        The answer that `certificate_` and `optimality` are about: `atoms_`, `weights_` unless "evidence" moved them.
    holdout_ : dict
        Mean squared error on what was held out for each ridge that was tried, with ``lam="holdout"``.
    atoms_, weights_, family_, certificate_, kernel_, kernels_, kernel_names_, normalization_
        As in `ContinuousKernelClassifier`.
    solver_, n_iter_, history_
        As in `ContinuousKernelClassifier`.
    support_, dual_coef_, intercept_, n_features_in_
        As in `MKLRegressor`.

    References
    ----------
    .. [micchelli2005] Micchelli, Pontil. Learning the Kernel Function via Regularization. JMLR 6, 2005.

    Examples
    --------
    >>> X = np.linspace(0, 6, 60)[:, None]
    >>> y = np.sin(2 * X[:, 0]) + 0.1 * np.random.default_rng(0).normal(size=60)
    >>> reg = ContinuousKernelRegressor(lam=0.1).fit(X, y)
    >>> reg.certificate_.holds(1e-4), reg.score(X, y) > 0.95
    (True, True)
    """

    def __init__(
        self,
        family: str | Family = "gaussian",
        criterion: str | Criterion = "least_squares",
        lam: float | str = 1.0,
        refit: str | None = None,
        C: float = 1.0,
        epsilon: float = 0.1,
        solver: Any = "auto",
        tol: float = 1e-4,
        max_iter: int = 1000,
        time_limit: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.family = family
        self.criterion = criterion
        self.lam = lam  # type: ignore[assignment]
        self.refit = refit
        self.C = C
        self.epsilon = epsilon
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _finish(self, task: Task, criterion: Criterion, start: Solution | None = None) -> Solution:
        """Choose the ridge, solve, and refit."""
        total, n = float(task.problem.w.sum()), task.problem.n_train
        if self.refit is not None and total < (1 - 1e-9) * n:
            raise ValueError(
                f"refit={self.refit!r} counts a sample as often as its weight says, but the weights of {n} distinct "
                f"samples add up to {total:.6g}: scale sample_weight to mean one (and lam with it)"
            )
        if isinstance(self.lam, str) and isinstance(criterion, LeastSquares):
            criterion, start = self._held_out(task.problem, criterion)
        solution = super()._finish(task, criterion, start)
        self._keep_dual(task, solution, criterion)
        if not isinstance(criterion, LeastSquares):
            return solution
        self.lam_ = self.ridge_ = criterion.lam
        if self.refit is not None:
            ridge = self._refitted(task.problem, solution.theta, criterion)
            if self.refit == "evidence":
                solution, ridge = self._polished(task.problem, solution, ridge, criterion)
            solution = replace(solution, beta=ridge.beta, intercept=ridge.intercept)
            self._keep(task.X, task.merged, task.stack, solution)
            self.ridge_, self.intercept_ = ridge.lam, ridge.intercept + self._offset
        return solution

    def _refitted(self, problem: Problem, theta: np.ndarray, criterion: LeastSquares) -> Ridge:
        return gcv_ridge(problem.train_matrix(theta), problem.Y, problem.w, criterion.intercept)

    def _polished(self, problem: Problem, solution: Solution, ridge: Ridge, criterion: LeastSquares):
        """Return the solution with the atoms and weights of greater likelihood, and the ridge that goes with them."""
        kernels: Any = problem.kernels
        varied = np.ptp(problem.Y, axis=0) > 0
        self.log_likelihood_gain_ = 0.0
        if not varied.any():
            return solution, ridge
        evidence = Evidence(kernels.family, kernels.X, problem.Y[:, varied], problem.w, criterion.intercept)
        weights, omegas = solution.theta[:, 0], solution.theta[:, 1:]
        better = evidence.polish(weights, omegas, ridge.lam, time_limit=self.time_limit)
        self.log_likelihood_gain_ = better.before - better.after
        theta = np.column_stack([better.weights, better.omegas])
        fit = ridge_machine(problem.train_matrix(theta), problem.Y, problem.w, better.lam, criterion.intercept)
        return replace(solution, theta=theta), fit

    def _held_out(self, problem: Problem, criterion: LeastSquares) -> tuple[LeastSquares, Solution | None]:
        """Return the criterion with the ridge that does best on what is held out, and where to begin."""
        n = problem.n_train
        if n < 8:
            raise ValueError(f"lam='holdout' needs at least 8 distinct samples, found {n}; give a number")
        order = check_random_state(self.random_state).permutation(n)
        test, train = np.sort(order[: int(HELD * n)]), np.sort(order[int(HELD * n) :])
        part = replace(problem, kernels=problem.kernels.take(train), Y=problem.Y[train], w=problem.w[train])
        kernels: Any = problem.kernels
        self.holdout_: dict[float, float] = {}
        start: Solution | None = None
        best: Solution | None = None
        least, worse = np.inf, 0
        for lam in LAMS:
            solver = ColumnGeneration(max(self.tol, COARSE), self.max_iter, self.time_limit, self.n_jobs)
            at = replace(criterion, lam=lam)
            start = solver.solve(replace(part, criterion=at), start)
            beta, intercept = start.beta, start.intercept
            if self.refit is not None:
                ridge = self._refitted(part, start.theta, at)
                beta, intercept = ridge.beta, ridge.intercept
            F = intercept + sum(
                weight * (kernels.family.matrix(omega, kernels.X[test], kernels.X[train]) @ beta)
                for weight, omega in zip(start.theta[:, 0], start.theta[:, 1:], strict=True)
            )
            error = float(np.average(((problem.Y[test] - F) ** 2).sum(axis=1), weights=problem.w[test]))
            self.holdout_[lam] = error
            if error < least:
                best, criterion, least, worse = start, at, error, 0
            else:
                worse += 1
            if worse == PATIENCE:
                break
        return criterion, None if best is None else weights_only(best.theta)  # its dual variables are of fewer samples

    def _criterion(self) -> Criterion:
        if isinstance(self.lam, str) and self.lam != "holdout":
            raise ValueError(f"lam must be a nonnegative number or 'holdout', found {self.lam!r}")
        if self.refit not in (None, "gcv", "evidence"):
            raise ValueError(f"refit must be None, 'gcv' or 'evidence', found {self.refit!r}")
        known: dict[str, Callable[[], Criterion]] = {
            "least_squares": lambda: LeastSquares(lam=LAMS[0] if isinstance(self.lam, str) else float(self.lam)),
            "epsilon_svr": lambda: EpsilonSVR(C=self.C, epsilon=self.epsilon),
        }
        criterion = make_criterion(self.criterion, known, _for_values, "regression")
        if not isinstance(criterion, LeastSquares) and (self.refit is not None or isinstance(self.lam, str)):
            raise ValueError(f"lam='holdout' and refit are for 'least_squares', found criterion {criterion.name!r}")
        return criterion
