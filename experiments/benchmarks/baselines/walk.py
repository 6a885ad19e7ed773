"""What all baselines share: one support vector machine per vector of weights, the two bounds, and when to stop."""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC

from kernelopt.convex import Certificate, Hinge, KernelSet, Problem, Simplex, Solution


@dataclass(frozen=True)
class Baseline(ABC):
    r"""A method that walks over the weights :math:`\mu` and asks a support vector machine at each of them.

    Parameters
    ----------
    tol : float
        Relative duality gap at which it stops: the same rule for every method.
    max_iter : int
        Support vector machines at most.
    time_limit : float or None
        Seconds; looked at between support vector machines.
    """

    tol: float = 1e-3
    max_iter: int = 10_000
    time_limit: float | None = None

    sets: ClassVar[tuple[type[KernelSet], ...]] = (Simplex,)

    def solve(self, problem: Problem) -> Solution:
        """Return the best point found, with its certificate.

        Raises
        ------
        NotImplementedError
            For another criterion or set than the method was published for.
        """
        if not isinstance(problem.criterion, Hinge) or not isinstance(problem.kernel_set, self.sets):
            names = " or ".join(s.name for s in self.sets)
            raise NotImplementedError(f"{type(self).__name__} solves hinge on {names}, found {problem.description}")
        if problem.kernels.n_samples > problem.n_train:
            raise NotImplementedError(f"{type(self).__name__} takes no unlabelled points, found {problem.description}")
        walk = Walk(self, problem)
        self.run(walk)
        return walk.solution()

    @abstractmethod
    def run(self, walk: Walk) -> None:
        """Ask for machines while `walk.open`."""


@dataclass(frozen=True, eq=False)
class Point:
    r"""The machines at one vector of weights.

    The line :math:`\mu \mapsto \varphi - \mu^\top q` supports :math:`\omega(K(\mu))` from below (up to the accuracy of
    libsvm it touches at the point's own weights, where it has the `value`), for :math:`\omega` is a maximum over a.
    """

    mu: np.ndarray
    a: np.ndarray
    q: np.ndarray
    phi: float
    intercept: np.ndarray
    primal: float
    value: float


class Walk:
    """The points visited, and the best of each bound."""

    def __init__(self, solver: Baseline, problem: Problem):
        self.solver, self.problem, self.clock = solver, problem, time.perf_counter()
        self.points: list[Point] = []
        self.best: Point | None = None
        self.dual, self.a = -np.inf, np.zeros(problem.Y.shape)
        self.passes = 0.0
        self.svm_tol = min(1e-3, self.solver.tol)
        self.stalled = ""
        self.history: list[dict[str, Any]] = []

    @property
    def start(self) -> np.ndarray:
        """The weights that prefer no kernel."""
        return self.problem.kernel_set.start(self.problem.kernels)

    @property
    def gap(self) -> float:
        """The relative gap of the best bounds."""
        if self.best is None:
            return np.inf
        return Certificate(self.best.primal, self.dual, 0.0, self.problem.scale).gap

    @property
    def over_time(self) -> bool:
        """Whether the seconds are spent."""
        limit = self.solver.time_limit
        return limit is not None and time.perf_counter() - self.clock > limit

    @property
    def open(self) -> bool:
        """Whether to go on."""
        return self.gap > self.solver.tol and len(self.points) < self.solver.max_iter and not self.over_time

    def at(self, mu: np.ndarray) -> Point:
        """Train cold machines at mu, form all quadratic terms, and note what they prove."""
        problem, M = self.problem, self.problem.kernels.n_kernels
        K = problem.kernels.mix(mu)
        point = self.trained(mu, K)
        # At a large C libsvm's tolerance leaves more than its share of the gap: then it is lowered, for good.
        while point.primal - point.value > 0.2 * self.solver.tol * abs(point.primal) and self.svm_tol > 1e-9:
            self.svm_tol *= 0.1
            point = self.trained(mu, K)
        support = np.count_nonzero(point.a.any(axis=1))
        point = replace(point, q=problem.quadratics(problem.criterion.V(point.a, problem.Y)))
        self.passes += np.count_nonzero(mu) / M + support / len(K)
        self.points.append(point)
        if self.best is None or point.primal < self.best.primal:
            self.best = point
        self.note(point)
        self.average([point], np.ones(1))
        return point

    def trained(self, mu: np.ndarray, K: np.ndarray) -> Point:
        """Return the machines at K = K(mu), without the quadratic terms."""
        problem, criterion = self.problem, self.problem.criterion
        a = np.column_stack([self.machine(K, y) for y in problem.Y.T])
        a, _ = criterion.project(a, problem.Y, problem.w)
        V = criterion.V(a, problem.Y)
        F = K @ V
        b = criterion.best_intercept(F, problem.Y, problem.w)
        norm, phi = 0.5 * float(np.sum(V * F)), criterion.phi(a, problem.Y, problem.w)
        primal = norm + criterion.loss(F, b, problem.Y, problem.w)
        return Point(mu, a, np.empty(0), phi, b, primal, phi - norm)

    def machine(self, K: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the dual variables of scikit-learn's SVC."""
        assert isinstance(self.problem.criterion, Hinge)
        upper = self.problem.criterion.upper(self.problem.w)
        machine = SVC(kernel="precomputed", C=1.0, tol=self.svm_tol, cache_size=500)
        machine.fit(K, y, sample_weight=upper)
        a = np.zeros(len(y))
        a[machine.support_] = np.minimum(np.abs(machine.dual_coef_[0]), upper[machine.support_])
        return a

    def average(self, points: Sequence[Point], shares: np.ndarray) -> None:
        r"""Raise the lower bound to that of an average of the points' a.

        :math:`q` is convex in a, so :math:`\sum_t s_t \varphi_t - R^*(\sum_t s_t q_t)` is no more than the dual at
        :math:`\sum_t s_t a_t`, and needs no pass over the kernels.
        """
        q = np.asarray(sum(s * point.q for s, point in zip(shares, points, strict=True)))
        phi = sum(float(s) * point.phi for s, point in zip(shares, points, strict=True))
        bound = phi - self.problem.kernel_set.support(q, self.problem.kernels)
        if bound > self.dual:
            self.dual = bound
            self.a = np.asarray(sum(s * point.a for s, point in zip(shares, points, strict=True)))
            self.history[-1].update(dual=self.dual, gap=self.gap)

    def note(self, point: Point) -> None:
        """Add a line to the history; `passes` counts readings of all M kernels so far."""
        assert self.best is not None
        self.history.append(
            {
                "seconds": time.perf_counter() - self.clock,
                "primal": self.best.primal,
                "dual": self.dual,
                "gap": self.gap,
                "active": int(np.count_nonzero(point.mu)),
                "passes": self.passes,
            }
        )

    def solution(self) -> Solution:
        """Return the best point, and warn where it is not proven to `tol`."""
        assert self.best is not None
        V = self.problem.criterion.V(self.best.a, self.problem.Y)
        blank = Certificate(np.inf, -np.inf, np.inf, self.problem.scale)
        solution = self.problem.certified(
            Solution(self.best.mu, V, self.best.intercept, self.a, blank, len(self.points), self.history)
        )
        if self.gap > self.solver.tol:
            why = self.stalled or ("time_limit was reached" if self.over_time else "max_iter was reached")
            warnings.warn(
                f"{why}: {type(self.solver).__name__} stopped with a relative duality gap of "
                f"{solution.certificate.gap:.1e} (tol={self.solver.tol:g}) after {len(self.points)} machines",
                ConvergenceWarning,
                stacklevel=3,
            )
        return solution
