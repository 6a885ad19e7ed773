"""One run of the Newton method: weights, working set, and the best bounds so far."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from kernelopt.convex.certificate import Certificate
from kernelopt.convex.problem import Problem, Solution
from kernelopt.convex.sets import GroupBall, LpBall
from kernelopt.convex.solvers.cutting_planes import CuttingPlanes
from kernelopt.convex.solvers.interior_point import InteriorPoint
from kernelopt.convex.solvers.newton_state import Point, State
from kernelopt.convex.solvers.subsample import runs_of_samples
from kernelopt.convex.solvers.weight_model import budget_row, minimise_model
from kernelopt.kernels.rows import StoredKernels

if TYPE_CHECKING:
    from kernelopt.convex.solvers.working_set_newton import WorkingSetNewton

PATIENCE = 20  # iterations without progress after which more of them are pointless
HARD = (
    f"the bounds stood still for {PATIENCE} iterations",
    "rounding kept the proof from holding",
    "pairwise descent made no way",
)
EXHAUSTED = 4  # descents in a row that end at their limit
SMALL = 3000  # samples up to which the interior-point method is asked then
LARGE = 250  # samples from which the weights are first learned on a few
FAR, FLOOR = 0.1, 0.2  # while the gap is larger, or after a step too far, a weight keeps this share in a step
NOTABLE, TINY = 0.02, 1e-4  # share of the budget below which a weight may go at once; after a step too far
EARLY = 1e-2  # the gap on the working set at which the candidates are looked at
EXACT = 1e-4  # of the gap: how exact the machines become while it stands still
ENTER = 10  # kernels that join the working set at once
PROMISING = 0.3  # of the largest quadratic form on a few samples: what a kernel must have to be looked at early
LEAVE = 0.8  # of the largest quadratic form: what a kernel without weight must have to stay


def _size(certificate: Certificate) -> float:
    """Return by how much a certificate misses; infinite where it proves nothing."""
    size = max(abs(certificate.gap), certificate.infeasibility)
    return size if np.isfinite(size) else np.inf


def _alarm(clock: float, limit: float | None) -> Callable[[], bool]:
    """Return what says whether time is over; it holds on to no problem."""
    return lambda: limit is not None and time.perf_counter() - clock > limit


class Run:
    """One run: weights, machines, products, and the best bounds so far."""

    def __init__(self, solver: WorkingSetNewton, problem: Problem, clock: float):
        self.solver, self.problem, self.clock = solver, problem, clock
        kernels = problem.kernels
        self.out_of_time = _alarm(clock, solver.time_limit)
        self.state = State(problem, solver.cache_bytes, self.out_of_time)
        self.program = problem.kernel_set.program(kernels)
        self.row = None if problem.kernel_set.fixed else budget_row(self.program)
        alone = kernels.n_kernels == 1 and (self.row is not None or isinstance(problem.kernel_set, LpBall | GroupBall))
        self.fixed = problem.kernel_set.fixed or alone  # one kernel, and nothing to pay for it, takes all there is
        self.small = isinstance(kernels, StoredKernels) and problem.n_train <= SMALL
        self.candidates = np.arange(kernels.n_kernels)  # those looked at while nothing is to be proven yet
        self.overshot = False
        self.failed = 0  # proofs that did not hold, for rounding
        self.since = 0  # the iterations before kernels last joined: bounds begin anew then
        self.best: Point | None = None
        self.before: Point | None = None
        self.proven: Solution | None = None
        self.dual, self.a = -np.inf, np.zeros(problem.Y.shape)
        self.planes = CuttingPlanes(problem)
        self.history: list[dict[str, Any]] = []

    # ---- the frame ---------------------------------------------------------------------------------------------------

    def solution(self, start: Solution | None) -> Solution:
        """Return the best point found, proven, with a warning where the proof falls short."""
        try:
            stopped = self.iterate(self.begin(start))
        except KeyboardInterrupt:
            self.best = self.best or self.before
            if self.best is None:
                raise
            stopped = "interrupted"
        solution = self.proven or self.proof()
        if stopped in HARD and (again := self.robust()) is not None:
            solution = min(solution, again, key=lambda s: _size(s.certificate))
            stopped = None if solution.certificate.holds(self.solver.tol) else stopped
        if stopped:
            warnings.warn(
                f"{stopped} with a relative duality gap of {solution.certificate.gap:.1e} (tol={self.solver.tol:g}) "
                f"after {len(self.history)} iterations on {self.problem.description}",
                ConvergenceWarning,
                stacklevel=4,
            )
        return solution

    def robust(self) -> Solution | None:
        """Hand a problem that rounding has beaten to the interior-point method, where it is not too large for it."""
        problem, limit = self.problem, self.solver.time_limit
        if not self.small:
            return None
        left = None if limit is None else max(limit - (time.perf_counter() - self.clock), 0.0)
        if self.solver.verbose:
            print("interior-point method")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            solution = InteriorPoint(self.solver.tol, time_limit=left, verbose=self.solver.verbose).solve(problem)
        history = [*self.history, *({**entry, "method": "interior point"} for entry in solution.history)]
        return replace(solution, history=history, n_iter=len(history))

    def proof(self, seen: dict[str, np.ndarray] | None = None) -> Solution:
        """Return the best point with its certificate."""
        assert self.best is not None
        blank = Certificate(np.inf, -np.inf, np.inf, self.problem.scale)
        best = Solution(self.best.mu, self.best.s, self.best.intercept, self.a, blank, len(self.history), self.history)
        support = int(np.count_nonzero(self.a.any(axis=1)))
        self.state.count(self.problem.kernels.n_kernels, support, 0.5)
        self.state.count(int(np.count_nonzero(best.theta)), support)
        return replace(best, certificate=self.problem.certify(best, seen))

    def begin(self, start: Solution | None) -> np.ndarray:
        """Return the first weights, and set the working set and, where a start is given, the machines."""
        problem, kernels = self.problem, self.problem.kernels
        mu = problem.kernel_set.start(kernels)
        if start is not None and start.beta.shape == problem.Y.shape:
            self.state.warm(start.beta)
        if self.fixed:
            return mu
        if start is not None and len(start.theta) == kernels.n_kernels:
            theta, _ = problem.kernel_set.project(np.asarray(start.theta, dtype=float), kernels)
            self.state.work_on(np.flatnonzero(theta) if self.row is not None else self.state.W)
            return theta if theta.any() else mu
        n = kernels.n_samples
        if n < LARGE or self.row is None:
            self.state.work_on(self.state.W)
            return mu
        few = runs_of_samples(problem)
        if few is None:
            self.state.work_on(self.state.W)
            return mu
        coarse = replace(self.solver, tol=max(self.solver.tol, 0.1), max_iter=12, verbose=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            run = Run(coarse, few, self.clock)
            run.iterate(run.begin(None))  # an interrupt ends the whole
        learned = run.best
        assert learned is not None
        self.state.count(kernels.n_kernels, n, run.passes * (few.kernels.n_samples / n) ** 2)
        theta = np.where(self.row * learned.mu > 1e-3, learned.mu, 0.0)
        q = few.kernels.quadratics(learned.s) / self.row
        promising = np.argsort(-q)[: ENTER // 2]
        self.candidates = np.flatnonzero(q > PROMISING * q.max())
        self.state.work_on(np.union1d(np.flatnonzero(theta), promising))
        return theta / float(self.row @ theta)

    # ---- the method --------------------------------------------------------------------------------------------------

    def iterate(self, mu: np.ndarray) -> str | None:
        """Step until the gap closes; return why it stopped otherwise."""
        if self.fixed:
            self.state.work_on(self.state.W)
        goal = max(EARLY, self.solver.tol)
        point, stalled, gap = self.evaluate(mu), 0, np.inf
        for _ in range(self.solver.max_iter):
            previous, gap = gap, self.record(point)
            if gap <= 0.9 * self.solver.tol:
                seen: dict[str, np.ndarray] = {}
                self.proven = self.proof(seen)
                if self.proven.certificate.holds(self.solver.tol):
                    return None
                gap, point = self.begin_again(point, seen.get("q", np.zeros(0)))
                goal, stalled = self.solver.tol, 0
            elif gap <= 0.9 * goal:
                # Kernels that enter may bring others: only when none does is it worth to go on to the end.
                before, others = len(self.state.W), np.setdiff1d(self.candidates, self.state.W)
                point = self.enter(point, others, self.look(others))
                if len(self.state.W) == before:
                    goal = self.solver.tol
                else:
                    self.candidates = np.arange(self.problem.kernels.n_kernels)
                gap, stalled = np.inf, 0
            if self.out_of_time():
                return "time_limit was reached"
            if self.failed > 3:
                return HARD[1]
            if self.state.exhausted >= EXHAUSTED and self.small:
                return HARD[2]
            if len(self.history) - self.since > PATIENCE and gap > 0.99 * self.history[-PATIENCE]["gap"]:
                return HARD[0]
            stalled = stalled + 1 if gap > 0.5 * previous else 0
            if self.fixed or (stalled and self.state.tol > EXACT * gap):
                self.state.tighten()  # an error of the machines counts to first order in the lower bound
            if self.fixed:
                point = self.evaluate(mu)
            elif self.row is not None and stalled >= (3 if self.state.kinked else 12):
                self.raise_dual(self.planes.combine(self.state.W, self.row))
                point = self.evaluate(self.planes.weights(point.mu, self.state.W, self.row, 0.5 ** (stalled % 10)))
                stalled = 0 if stalled >= 20 else stalled
            else:
                target = self.target(point, FLOOR if gap > FAR or self.overshot else 0.0)
                if self.row is not None and len(self.history) > 1:
                    point = self.narrow(point, target)
                point = self.line_search(point, target)
        return "max_iter was reached"

    def target(self, point: Point, floor: float) -> np.ndarray:
        """Minimise the quadratic model; a weight above some size keeps the share `floor` of what it has."""
        notable = TINY if self.overshot else NOTABLE
        H, W = self.state.curvature(), self.state.W
        accuracy = float(np.clip(1e-3 * self.gap() ** 2, 1e-10, 1e-5))  # the step halves the digits that are missing
        return minimise_model(self.program, point.mu, point.q, H, W, floor, notable, accuracy)

    def evaluate(self, mu: np.ndarray) -> Point:
        """Bring the machines to the optimum at mu, and keep what improves a bound."""
        point = self.state.evaluate(mu, self.solver.tol, self.owed)
        if self.best is None or point.primal < self.best.primal:
            self.best = point
        self.planes.add(point.phi, point.q, point.a)
        self.raise_dual(point.a, point.q)
        return point

    def owed(self, point: Point) -> float:
        """Return how much of the gap the weights owe."""
        price = self.problem.kernel_set.R(point.mu, self.problem.kernels)
        return max(self.support(point.q) + price - float(point.mu[self.state.W] @ point.q), 0.0)

    def support(self, q: np.ndarray) -> float:
        """Return the support function, of the working set alone on a simplex."""
        if self.row is not None:
            return float(np.max(q / self.row[self.state.W]))
        return self.problem.kernel_set.support(q, self.problem.kernels)

    def begin_again(self, point: Point, q: np.ndarray) -> tuple[float, Point]:
        """After a proof that did not hold, let in the kernels that stood in its way; trust no number that was kept."""
        before, self.proven = self.state.W, None
        self.candidates = np.arange(self.problem.kernels.n_kernels)
        others = np.setdiff1d(self.candidates, before)
        if self.row is not None and len(q):
            point = self.enter(point, others, q[others] / self.row[others])
        if len(self.state.W) == len(before):  # no kernel did: rounding
            self.state.refresh()
            self.state.tighten()
            self.failed += 1
            self.forget()
            point = self.evaluate(point.mu)
        return np.inf, point

    def look(self, others: np.ndarray) -> np.ndarray:
        """Return the quadratic forms of kernels that are not worked on, in units of their price."""
        problem, row = self.problem, self.row
        if row is None or len(others) == 0:
            return np.zeros(0)
        V = problem.criterion.V(self.a, problem.Y)
        self.state.count(len(others), int(np.count_nonzero(V.any(axis=1))), 0.5)
        return problem.kernels.quadratics(V, others) / row[others]

    def enter(self, point: Point, others: np.ndarray, q: np.ndarray) -> Point:
        """Let the best of the kernels left out in, if any beats those that are worked on."""
        inside = self.problem.criterion.phi(self.a, self.problem.Y, self.problem.w) - self.dual
        best = np.argsort(-q)[:ENTER]
        entering = others[best[q[best] > inside]] if len(q) else others
        if len(entering) == 0:
            return point
        self.state.work_on(np.concatenate([self.state.W, entering]))
        self.forget()
        return self.evaluate(point.mu)

    def forget(self) -> None:
        """Forget the bounds: what was proven on fewer kernels is proven of them alone."""
        self.before = self.best or self.before  # for an interrupt that comes before the next
        self.best, self.dual, self.since = None, -np.inf, len(self.history)
        self.planes.clear()

    def narrow(self, point: Point, target: np.ndarray) -> Point:
        """Let kernels leave that have no weight, are to have none, and do not promise any."""
        assert self.row is not None
        share = point.q / self.row[self.state.W]
        stay = (point.mu[self.state.W] > 0) | (target[self.state.W] > 0) | (share > LEAVE * share.max())
        if stay.mean() > 0.75:
            return point
        self.state.work_on(self.state.W[stay])
        self.planes.clear()
        return replace(point, q=point.q[stay])

    def raise_dual(self, a: np.ndarray | None, q: np.ndarray | None = None) -> None:
        """Keep a where its lower bound is the best so far; q where it is known."""
        if a is None:
            return
        problem = self.problem
        if q is None:
            a, _ = problem.criterion.project(a, problem.Y, problem.w)
            q = problem.kernels.quadratics(problem.criterion.V(a, problem.Y), self.state.W)
        dual = problem.criterion.phi(a, problem.Y, problem.w) - self.support(q)
        if dual > self.dual:
            self.dual, self.a = dual, a

    def line_search(self, point: Point, target: np.ndarray) -> Point:
        """Go to the target, or to where the slope along the way vanishes (secant on the slope)."""
        direction = target - point.mu
        slope = self.slope(point, direction)
        if slope >= 0:
            return self.evaluate(point.mu)
        low, high, slope_low, step, now = 0.0, 1.0, slope, 1.0, point.mu
        for tries in range(6):
            mu = np.maximum(point.mu + step * direction, 0.0)
            self.state.foresee(mu - now)
            trial, now = self.evaluate(mu), mu
            slope_trial = self.slope(trial, direction)
            self.overshot = tries > 0
            if slope_trial <= 0.1 * abs(slope) or self.out_of_time():
                return trial
            high, slope_high = step, slope_trial
            step = low + (high - low) * slope_low / (slope_low - slope_high)
            step = min(max(step, low + 0.1 * (high - low)), high - 0.1 * (high - low))
        return trial

    def slope(self, point: Point, direction: np.ndarray) -> float:
        """Return the derivative of the objective along a direction."""
        W = self.state.W
        price = self.program.price.gradient(point.mu)[W] if self.program.price else 0.0
        return float((price - point.q) @ direction[W])

    # ---- the record --------------------------------------------------------------------------------------------------

    def gap(self) -> float:
        """Return the relative gap of the best bounds on the working set."""
        assert self.best is not None
        return Certificate(self.best.primal, self.dual, 0.0, self.problem.scale).gap

    def record(self, point: Point) -> float:
        """Note where the run stands; return the relative gap of the best bounds on the working set."""
        assert self.best is not None
        seconds, gap = time.perf_counter() - self.clock, self.gap()
        entry = {
            "seconds": seconds,
            "primal": self.best.primal,
            "dual": self.dual,
            "gap": gap,
            "active": int(np.count_nonzero(point.mu)),
            "working": len(self.state.W),
            "passes": self.passes,
            "factorisations": sum(machine.factorisations for machine in self.state.machines),
        }
        self.history.append(entry)
        if self.solver.verbose:
            print(
                f"{len(self.history):4d}  {seconds:8.2f} s  primal {self.best.primal:.8g}  dual {self.dual:.8g}  "
                f"gap {gap:.1e}  kernels {entry['active']} of {len(self.state.W)}  passes {entry['passes']:.2f}"
            )
        return gap

    @property
    def passes(self) -> float:
        """How often all entries of all kernels would have been read."""
        kernels = self.problem.kernels
        return self.state.entries / (kernels.n_kernels * kernels.n_samples**2)
