"""What the hyperkernel estimators share: a hyperkernel in the place of a list of kernels, its slices, their prices."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from kernelopt.convex import Criterion, HyperNorm, HyperSpan, HyperSquared, KernelSet, Problem, Solution, Uniform
from kernelopt.convex.pairs import check_pair
from kernelopt.convex.solvers import choose
from kernelopt.estimators.base import KernelMachine, Task
from kernelopt.estimators.duplicates import merge
from kernelopt.kernels import (
    ARDHarmonic,
    GaussianHarmonic,
    GaussianHyperkernel,
    Hyperkernel,
    HyperPivots,
    KernelStack,
    Normalization,
    Slice,
    WishartHyperkernel,
    check_gram,
    hyper_pivots,
)
from kernelopt.kernels.rows import StoredKernels

NORMS = ("norm", "squared", "free")
QUANTILE = 0.9
MANY = 2000  # points, evenly spread over the samples, from which widths are measured at most
CARRIES = 1e-6  # of all the weight: a slice with less carries none

# q -> the inverse squared width of a column, or of all of them
WIDTHS: dict[str, Callable[[float], float]] = {
    "paper": lambda q: 1 / (5 * q) ** 2,
    "literal": lambda q: 50 * q,
}


def quantile_of_differences(X: np.ndarray) -> float:
    """Return the 90 % quantile of the distances between points; the largest where most are zero, zero if all are.

    Examples
    --------
    >>> quantile_of_differences(np.array([[0.0], [1.0], [2.0]])), quantile_of_differences(np.ones((3, 1)))
    (1.8, 0.0)
    """
    X = X[np.unique(np.linspace(0, len(X) - 1, min(len(X), MANY)).astype(int))]
    i, j = np.triu_indices(len(X), 1)
    squares = np.zeros(len(i))
    for column in X.T:
        squares += (column[i] - column[j]) ** 2
    if not len(squares):
        return 0.0
    found = float(np.quantile(squares**0.5, QUANTILE))
    return found or float(squares.max() ** 0.5)


def make_hyperkernel(hyperkernel: Any, widths: str, lam_h: float, X: np.ndarray) -> Hyperkernel:
    """Return the hyperkernel that a name means on these points; an instance stays.

    Examples
    --------
    >>> make_hyperkernel("ard", "paper", 0.6, np.array([[0.0, 0.0], [1.0, 0.0]])).gammas
    (0.04, 0.0)
    """
    if isinstance(hyperkernel, Hyperkernel):
        return hyperkernel
    if widths not in WIDTHS:
        raise ValueError(f"widths must be one of {', '.join(map(repr, WIDTHS))}, found {widths!r}")

    def gamma(points: np.ndarray) -> float:
        q = quantile_of_differences(points)
        return WIDTHS[widths](q) if q > 0 else 0.0

    if hyperkernel == "ard":
        return ARDHarmonic(tuple(gamma(X[:, [j]]) for j in range(X.shape[1])), lam_h)
    known = {
        "gaussian_harmonic": lambda g: GaussianHarmonic(g, lam_h),
        "gaussian": lambda g: GaussianHyperkernel(0.5 / g, 0.5 / g),
        "wishart": lambda g: WishartHyperkernel(np.eye(X.shape[1]) * (0.5 / g), X.shape[1] + 1.0),
    }
    if not isinstance(hyperkernel, str) or hyperkernel not in known:
        names = ", ".join(map(repr, (*known, "ard")))
        raise ValueError(f"hyperkernel must be one of {names}, or a Hyperkernel, found {hyperkernel!r}")
    return known[hyperkernel](gamma(X) or 1.0)  # points that are all alike have no width


class HyperMachine(KernelMachine):
    """Base of the estimators that learn from a hyperkernel.

    A subclass has the parameters ``hyperkernel, lam_h, lam_q, norm, c, widths, rank, rank_tol, solver, tol, max_iter,
    time_limit, n_jobs, verbose``.
    """

    hyperkernel: Any
    lam_h: float
    lam_q: float
    norm: str
    c: float | None
    widths: str
    rank: int | None
    rank_tol: float
    _precomputed = False
    normalize = None

    def _validated(self, X, y=None, *, fitting: bool, **options):
        X, y = super()._validated(X, y, fitting=fitting, **options)
        return (X.toarray() if sparse.issparse(X) else X), y

    def _set(self, gram: np.ndarray) -> KernelSet:
        """Return the kernel set that `norm` names."""
        if self.norm == "norm":
            return HyperNorm(gram, self.lam_q, self.c)
        return (HyperSquared if self.norm == "squared" else HyperSpan)(gram, self.lam_q, self.c)

    def _prepare(self, X, Y, keys, w, criterion: Criterion, *, factor=None, frame=None) -> Task:
        """Return the problem over the slices of the pivots among all pairs of distinct samples."""
        if self.norm not in NORMS:
            raise ValueError(f"norm must be one of {', '.join(map(repr, NORMS))}, found {self.norm!r}")
        if self.rank is not None and not (isinstance(self.rank, int | np.integer) and self.rank >= 1):
            raise ValueError(f"rank must be a whole number, at least 1, or None, found {self.rank!r}")
        check_pair(criterion, self._set(np.eye(1)))
        merged = merge(X, keys, w)
        points = X[merged.first]
        self.hyperkernel_ = make_hyperkernel(self.hyperkernel, self.widths, self.lam_h, points)
        found = hyper_pivots(self.hyperkernel_, points, self.rank_tol, self.rank)
        names = self._slices(found, merged.first)
        stack = KernelStack.from_leading(found.slices, names=names)
        self.normalization_ = Normalization(None, np.ones(len(found.gram)), merged.weight / merged.weight.sum())
        weight = merged.weight if factor is None else merged.weight * factor[merged.first]
        kernels, kernel_set = StoredKernels.of(found.slices), self._set(found.gram)
        return Task(X, merged, stack, Problem(kernels, Y[merged.first], criterion, kernel_set, weight))

    def _slices(self, found: HyperPivots, rows: np.ndarray) -> list[str]:
        """Set the pivots' attributes, and check slices that nothing proves to be kernels; return their names."""
        hyperkernel = self.hyperkernel_
        self.pivots_ = rows[found.pairs]
        self.pair_gram_, self.left_out_ = found.gram, found.left
        names = [f"pair {i}, {j}" for i, j in self.pivots_]
        self.kernels_ = [Slice(hyperkernel, f, name) for f, name in zip(found.features.T, names, strict=True)]
        if not hyperkernel.proven:
            for K, name in zip(found.slices, names, strict=True):
                check_gram(K, f"the slice of {name}")
        return names

    def _solve(self, problem: Problem, start: Solution | None = None) -> Solution:
        solution = super()._solve(problem, start)
        total = float(np.abs(solution.theta).sum())
        carries = np.abs(solution.theta) > CARRIES * total
        if self.norm == "free" and (solution.theta < 0).any():
            warnings.warn(
                "norm='free' learned negative weights: the matrix is positive semidefinite on the training samples, "
                "but the function need be no kernel at new points. For a kernel everywhere take 'norm' or 'squared'",
                stacklevel=5,
            )
        self.n_slices_ = int(np.count_nonzero(carries))
        self.best_slice_, self.best_slice_objective_ = self._best_slice(problem, solution)
        return solution

    def _best_slice(self, problem: Problem, solution: Solution) -> tuple[int, float]:
        """Return the slice that does best alone, at all the weight that was learned, and its objective.

        Weights of any sign and sum may add up to nothing or less: there all the trace that was learned counts.
        At the dual point that was found each slice alone has a lower bound; slices are tried in its order, and those
        whose bound is above what has been reached are not.
        """
        M = len(solution.theta)
        totals = np.full(M, self.c if self.c is not None else float(solution.theta.sum()))
        if self.norm == "free" and self.c is None:
            totals = float(solution.theta @ problem.kernels.traces) / problem.kernels.traces
        if not (totals > 0).all():  # nothing was learned: the kernel is zero
            return 0, float(solution.certificate.primal)
        prices = np.array([problem.kernel_set.R(row, problem.kernels) for row in np.diag(totals)])
        V = problem.criterion.V(solution.a, problem.Y)
        bounds = prices + problem.criterion.phi(solution.a, problem.Y, problem.w) - totals * problem.quadratics(V)
        best, objective = int(np.argmin(bounds)), np.inf
        for j in np.argsort(bounds, kind="stable"):
            if bounds[j] >= objective - self.tol * abs(objective):
                break
            kernels = StoredKernels(problem.kernels.Ks[[j]], np.array([1 / totals[j]]))  # type: ignore[attr-defined]
            alone = replace(problem, kernels=kernels, kernel_set=Uniform())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                options = {"tol": self.tol, "max_iter": self.max_iter, "time_limit": self.time_limit}
                value = choose("auto", alone, **options).solve(alone).certificate.primal + prices[j]
            if value < objective:
                best, objective = int(j), float(value)
        return best, objective
