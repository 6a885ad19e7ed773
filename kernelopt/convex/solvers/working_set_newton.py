"""Projected Newton on the kernel weights, over a fixed-kernel support vector machine."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import linprog
from sklearn.exceptions import ConvergenceWarning

from kernelopt.convex.certificate import Certificate
from kernelopt.convex.criteria import Hinge
from kernelopt.convex.problem import Problem, Solution
from kernelopt.convex.sets import Simplex, Uniform
from kernelopt.convex.solvers.simplex_qp import simplex_qp
from kernelopt.convex.solvers.svm_oracle import FixedKernelSolution, solve_svm

PATIENCE = 40  # iterations without progress after which more of them are pointless


@dataclass(frozen=True)
class WorkingSetNewton:
    r"""Newton's method on :math:`\mu \mapsto \omega(K(\mu))` over the simplex.

    One outer step solves the machine(s) at K(mu); with :math:`v = V(a)` the derivatives are

    .. math::
        \partial_k \omega = -\tfrac12 v^\top K_k v, \qquad
        \partial_k \partial_l \omega = (K_k v)_F^\top \Pi (K_l v)_F,

    with F the free samples and :math:`\Pi` the inverse of :math:`K_{FF}` on the complement of the
    intercept. The quadratic model is minimised over the working set of kernels (those with weight, and
    those whose derivative promises a decrease), followed by a line search on the derivative. Where the
    model fails, because :math:`\omega` has a kink (no free samples), the cutting planes collected so
    far take the step, and their multipliers combine the a's into a better lower bound. It stops on the
    certificate.

    Parameters
    ----------
    tol : float
        Relative duality gap at which it stops.
    max_iter : int
        Outer iterations; past it a `ConvergenceWarning` is given.
    time_limit : float or None
        Seconds; looked at between support vector machines, and past it a `ConvergenceWarning` is given.
    n_jobs : int or None
        Threads over the one-against-rest columns.
    verbose : int
        1 prints a line per outer iteration.
    """

    tol: float = 1e-4
    max_iter: int = 1000
    time_limit: float | None = None
    n_jobs: int | None = None
    verbose: int = 0

    def solve(self, problem: Problem) -> Solution:
        """Return the best certified point."""
        if not isinstance(problem.criterion, Hinge) or not isinstance(problem.kernel_set, Simplex | Uniform):
            raise NotImplementedError(
                f"WorkingSetNewton solves hinge on simplex or uniform, found {problem.description}"
            )
        return _Run(self, problem, time.perf_counter()).solution()

    def start(self, problem: Problem, clock: float) -> np.ndarray:
        """Return the weights learned on a quarter of a large sample, equal weights on a small one."""
        mu = problem.kernel_set.start(problem.kernels)
        if _nothing_to_learn(problem) or len(problem.Y) < 800:
            return mu
        quarter = problem.every(4)
        if any(np.ptp(column) == 0 for column in quarter.Y.T):
            return mu
        coarse = replace(self, tol=max(self.tol, 1e-2), max_iter=20)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            learned = _Run(coarse, quarter, clock).solution().theta
        return 0.99 * learned + 0.01 * mu


def _nothing_to_learn(problem: Problem) -> bool:
    return problem.kernels.n_kernels == 1 or isinstance(problem.kernel_set, Uniform)


@dataclass(frozen=True, eq=False)
class _Point:
    """The machines at one vector of weights, and the derivatives there."""

    mu: np.ndarray
    machines: Sequence[FixedKernelSolution]
    a: np.ndarray
    V: np.ndarray
    products: np.ndarray
    q: np.ndarray
    primal: float

    @property
    def intercept(self) -> np.ndarray:
        return np.array([m.intercept for m in self.machines])

    def curvature(self, kernels: np.ndarray) -> np.ndarray:
        return sum(m.curvature(self.products[kernels, :, c]) for c, m in enumerate(self.machines))  # type: ignore[return-value]


@dataclass(eq=False)
class _Run:
    """One run: the best bounds so far, and the cutting planes collected."""

    solver: WorkingSetNewton
    problem: Problem
    clock: float
    svm_tol: float = 1e-3
    best: _Point | None = None
    dual: float = -np.inf
    a: np.ndarray | None = None
    cuts: list[tuple[float, np.ndarray, np.ndarray]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)

    def solution(self) -> Solution:
        try:
            mu = self.solver.start(self.problem, self.clock)
            stopped = self.iterate(mu)
        except KeyboardInterrupt:
            if self.best is None:
                raise
            stopped = "interrupted"
        assert self.best is not None and self.a is not None
        blank = Certificate(np.inf, -np.inf, np.inf, self.problem.scale)
        solution = self.problem.certified(
            Solution(self.best.mu, self.best.V, self.best.intercept, self.a, blank, len(self.history), self.history)
        )
        if stopped:
            warnings.warn(
                f"{stopped} with a relative duality gap of {solution.certificate.gap:.1e} (tol={self.solver.tol:g}) "
                f"after {len(self.history)} iterations on {self.problem.description}",
                ConvergenceWarning,
                stacklevel=4,
            )
        return solution

    def iterate(self, mu: np.ndarray) -> str | None:
        """Step until the gap closes; return why it stopped otherwise."""
        point, stalled, gap, fixed = self.evaluate(mu), 0, np.inf, _nothing_to_learn(self.problem)
        for _ in range(self.solver.max_iter):
            previous, gap = gap, self.record(point)
            if gap <= 0.9 * self.solver.tol:
                return None
            if self.out_of_time():
                return "time_limit was reached"
            if len(self.history) > PATIENCE and gap > 0.99 * self.history[-PATIENCE]["gap"]:
                return f"the bounds stood still for {PATIENCE} iterations"
            stalled = stalled + 1 if gap > 0.5 * previous else 0
            if (stalled or fixed) and self.svm_tol > 1e-9:
                self.svm_tol = max(0.1 * self.svm_tol, 1e-9)
            if fixed:
                point = self.evaluate(mu)
                continue
            if stalled >= 3:
                self.combine()
                point = self.evaluate(self.cutting_plane_weights(radius=0.5 ** (stalled - 2)))
                if stalled >= 12:
                    stalled = 0
                continue
            point = self.line_search(point, self.newton_weights(point))
        return "max_iter was reached"

    def evaluate(self, mu: np.ndarray) -> _Point:
        """Solve the machines at mu, and keep what improves a bound."""
        problem = self.problem
        K = problem.kernels.mix(mu)
        assert isinstance(problem.criterion, Hinge)
        upper = problem.criterion.upper(problem.w)
        machines = Parallel(n_jobs=self.solver.n_jobs, prefer="threads")(
            delayed(solve_svm)(K, y, upper, self.svm_tol) for y in problem.Y.T
        )
        a, _ = problem.criterion.project(np.column_stack([m.a for m in machines]), problem.Y, problem.w)
        V = problem.criterion.V(a, problem.Y)
        products = problem.kernels.products(V)
        q = problem.quadratics(V, products)
        F = np.tensordot(mu, products, axes=1)
        machines = [replace(m, intercept=b) for m, b in zip(machines, self.intercepts(F, machines), strict=True)]
        b = np.array([m.intercept for m in machines])
        primal = float(mu @ q) + problem.criterion.loss(F, b, problem.Y, problem.w)
        point = _Point(mu, machines, a, V, products, q, primal)
        if self.best is None or primal < self.best.primal:
            self.best = point
        self.cuts.append((problem.criterion.phi(a, problem.Y, problem.w), q, a))
        self.raise_dual(a, q)
        return point

    def intercepts(self, F: np.ndarray, machines: Sequence[FixedKernelSolution]) -> np.ndarray:
        """Keep the polished intercept, exact where samples are free; minimise the loss where none is."""
        best = self.problem.criterion.best_intercept(F, self.problem.Y, self.problem.w)
        return np.array([m.intercept if len(m.free) else b for b, m in zip(best, machines, strict=True)])

    def raise_dual(self, a: np.ndarray, q: np.ndarray) -> None:
        dual = self.problem.dual(a, q=q)
        if dual > self.dual:
            self.dual, self.a = dual, a

    def newton_weights(self, point: _Point) -> np.ndarray:
        """Minimise the quadratic model over the working set."""
        working = np.flatnonzero((point.mu > 0) | (point.q > point.mu @ point.q))
        H = point.curvature(working)
        g = -point.q[working] - H @ point.mu[working]
        target = np.zeros_like(point.mu)
        target[working] = simplex_qp(H, g, point.mu[working] / point.mu[working].sum())
        return target

    def line_search(self, point: _Point, target: np.ndarray) -> _Point:
        """Go to the target, or to where the slope along the way vanishes (secant on the slope)."""
        direction = target - point.mu
        slope = -float(point.q @ direction)
        if slope >= 0:
            return self.evaluate(self.cutting_plane_weights(radius=1.0))
        low, high, slope_low, step = 0.0, 1.0, slope, 1.0
        for _ in range(6):
            trial = self.evaluate(np.maximum(point.mu + step * direction, 0.0))
            slope_trial = -float(trial.q @ direction)
            if slope_trial <= 0.1 * abs(slope) or self.out_of_time():
                return trial
            high, slope_high = step, slope_trial
            step = low + (high - low) * slope_low / (slope_low - slope_high)
            step = min(max(step, low + 0.1 * (high - low)), high - 0.1 * (high - low))
        return trial

    def cutting_plane_weights(self, radius: float) -> np.ndarray:
        """Minimise the cutting-plane model within a box around the best weights."""
        assert self.best is not None
        M = len(self.best.mu)
        phi, q = np.array([c[0] for c in self.cuts]), np.array([c[1] for c in self.cuts])
        unit = max(float(np.abs(phi).max()), 1e-300)
        result = linprog(
            np.append(np.zeros(M), 1.0),
            A_ub=np.column_stack([-q / unit, -np.ones(len(q))]),
            b_ub=-phi / unit,
            A_eq=np.append(np.ones(M), 0.0)[None],
            b_eq=[1.0],
            bounds=[(max(0.0, m - radius), min(1.0, m + radius)) for m in self.best.mu] + [(None, None)],
            method="highs",
        )
        if result.x is None:
            return self.best.mu
        mu = np.maximum(result.x[:M], 0.0)
        return mu / mu.sum()

    def combine(self) -> None:
        """Raise the dual bound by the best convex combination of the a's collected."""
        M = len(self.cuts[0][1])
        cuts = self.cuts[-60:]
        phi, q = np.array([c[0] for c in cuts]), np.array([c[1] for c in cuts])
        unit = max(float(np.abs(phi).max()), 1e-300)
        result = linprog(
            np.append(-phi / unit, 1.0),
            A_ub=np.column_stack([q.T / unit, -np.ones(M)]),
            b_ub=np.zeros(M),
            A_eq=np.append(np.ones(len(cuts)), 0.0)[None],
            b_eq=[1.0],
            method="highs",
        )
        if result.x is None:
            return
        share = np.maximum(result.x[:-1], 0.0)
        a = sum(s * cut[2] for s, cut in zip(share / share.sum(), cuts, strict=True) if s > 0)
        a, _ = self.problem.criterion.project(np.asarray(a), self.problem.Y, self.problem.w)
        self.raise_dual(a, self.problem.quadratics(self.problem.criterion.V(a, self.problem.Y)))

    def record(self, point: _Point) -> float:
        """Note where the run stands; return the relative gap of the best bounds."""
        assert self.best is not None
        bounds = Certificate(self.best.primal, self.dual, 0.0, self.problem.scale)
        seconds = time.perf_counter() - self.clock
        self.history.append(
            {
                "seconds": seconds,
                "primal": bounds.primal,
                "dual": bounds.dual,
                "gap": bounds.gap,
                "active": int(np.count_nonzero(point.mu)),
            }
        )
        if self.solver.verbose:
            print(
                f"{len(self.history):4d}  {seconds:8.2f} s  primal {bounds.primal:.8g}  dual {bounds.dual:.8g}  "
                f"gap {bounds.gap:.1e}  kernels {np.count_nonzero(point.mu)}"
            )
        return bounds.gap

    def out_of_time(self) -> bool:
        limit = self.solver.time_limit
        return limit is not None and time.perf_counter() - self.clock > limit
