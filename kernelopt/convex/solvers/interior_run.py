"""One run of the interior-point method: steps of all blocks, bounds, and when to stop."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning

from kernelopt.backend import NUMPY, backend
from kernelopt.convex.certificate import Certificate
from kernelopt.convex.criteria.program import stacked
from kernelopt.convex.problem import Problem, Solution
from kernelopt.convex.sets import BoundedBall, Tessellated
from kernelopt.convex.solvers.device_kernels import DeviceKernels
from kernelopt.convex.solvers.newton_blocks import Centre, Column
from kernelopt.convex.solvers.weight_blocks import Weights
from kernelopt.errors import SolverError, UnboundedError

if TYPE_CHECKING:
    from kernelopt.convex.solvers.interior_point import InteriorPoint

HOPELESS = 1e12  # times the criterion's scale: a hard margin worse than this is none
TO_THE_WALL = 0.995  # share of the way to the nearest bound that a step goes
SETTLE = 8  # steps with the weights held, at most
WALL_OF_CONES = 0.9  # the same where groups may leave: their norms bend the more, the smaller they are
SHORT = 0.1  # a predicted step shorter than this corrects nothing
JAMMED = 0.2  # a step so short that the next one only centres
BY_ROUNDING = 1e-6  # margins that are short by less may just be rounded
EPS = float(np.finfo(float).eps)
ATTEMPTS = 4  # to find a step of some length
PATIENCE = 25  # iterations without a better bound after which rounding has the last word


class Run:
    """One run: the state of all blocks, and the best bounds so far."""

    def __init__(self, solver: InteriorPoint, problem: Problem):
        self.solver, self.whole, self.clock = solver, problem, time.perf_counter()
        where = backend(solver.device)
        if where is not NUMPY:
            problem = replace(problem, kernels=DeviceKernels(problem.kernels, where))
        self.problem = problem
        criterion, kernel_set, kernels = problem.criterion, problem.kernel_set, problem.kernels
        self.ball = kernel_set if isinstance(kernel_set, BoundedBall) else None
        self.span = self.centre = self.weights = None
        if self.ball is None:
            program = kernel_set.program(kernels)
            self.span = solver.span_block(kernels, where) if program.semidefinite else None
            self.centre = Centre(kernels.n_samples, where) if program.radius else None
            self.weights = None if kernel_set.fixed else Weights(program, self.span)
        self.theta = kernel_set.start(kernels)
        K = kernel_set.matrix(self.theta, kernels)
        size = max(float(np.trace(K)) / len(K) - float(K.mean()), 1e-3 * float(np.trace(K)) / len(K)) or 1.0
        programs = [criterion.program(y, problem.w) for y in problem.Y.T]
        if self.ball is not None:
            programs = [stacked(programs)]
        self.columns = [Column(program, size, where) for program in programs]
        self.last = 1.0
        self.settle(K)
        self.best: tuple[float, np.ndarray, np.ndarray, np.ndarray] | None = None
        self.dual, self.a = -np.inf, np.zeros(problem.Y.shape)
        self.witness: np.ndarray | None = None
        self.history: list[dict[str, Any]] = []

    @property
    def moving(self) -> list[Any]:
        """The maximisers that have something to choose."""
        return [c for c in self.columns if not c.fixed] + ([self.centre] if self.centre else [])

    @property
    def blocks(self) -> list[Any]:
        """All that moves."""
        return self.moving + ([self.weights] if self.weights is not None else [])

    def V(self) -> np.ndarray:
        """Return the coefficients on the samples, shape (n, k)."""
        return np.concatenate([c.v for c in self.columns]).reshape(self.problem.Y.shape[::-1]).T

    def objective(self, K: np.ndarray) -> float:
        """Return the size of the objective at the present dual point."""
        V, n = self.V(), self.problem.n_train
        linear = max(float(np.abs(c.program.p) @ np.abs(c.x)) for c in self.columns)
        return max(float(np.sum(V * (K[:n, :n] @ V))), linear)

    def settle(self, K: np.ndarray) -> None:
        """Bring the dual point near its best for the first weights, so that all multipliers start at their size."""
        n, weights, centre = self.problem.n_train, self.weights, self.centre
        start = self.objective(K) or 1.0
        for column in self.columns:
            column.warm(start)
        if self.ball is not None:
            return  # its matrix turns with the dual point anyway
        self.weights = self.centre = None
        for _ in range(SETTLE):
            try:
                for column in self.columns:
                    if not column.fixed:
                        column.prepare(K[:n, :n], np.zeros((n, 0)))
                self.newton(np.zeros(0))
            except (linalg.LinAlgError, ValueError):
                break  # any start will do
            if self.last > JAMMED and sum(c.products_sum() for c in self.columns) <= 0.1 * self.objective(K):
                break
        self.weights, self.centre, self.last = weights, centre, 1.0
        objective = self.objective(K) or 1.0
        if weights is not None:
            weights.warm(objective)
        if centre is not None:
            centre.warm(objective)

    def solution(self) -> Solution:
        """Take steps until the gap has closed or something else says stop; return the best point with its proof."""
        stopped: str | None = "max_iter was reached"
        try:
            for _ in range(self.solver.max_iter):
                stopped = self.step()
                if stopped != "":
                    break
            else:
                stopped = "max_iter was reached"
        except KeyboardInterrupt:
            if self.best is None:
                raise
            stopped = "interrupted"
        if self.best is None:
            raise SolverError(f"the interior-point method found no point on {self.problem.description}")
        _, theta, beta, intercept = self.best
        blank = Certificate(np.inf, -np.inf, np.inf, self.problem.scale)
        solution = self.whole.certified(
            Solution(theta, beta, intercept, self.a, blank, len(self.history), self.history, self.witness)
        )
        if stopped and not solution.certificate.holds(self.solver.tol):
            warnings.warn(
                f"{stopped} with a relative duality gap of {solution.certificate.gap:.1e} (tol={self.solver.tol:g}) "
                f"after {len(self.history)} iterations on {self.problem.description}",
                ConvergenceWarning,
                stacklevel=4,
            )
        return solution

    def step(self) -> str | None:
        """Take one Newton step; return None when the gap has closed, a reason to stop, or "" to go on."""
        problem, kernels = self.problem, self.problem.kernels
        n, V = problem.n_train, self.V()
        if self.weights is not None:
            self.theta = self.weights.theta
        if self.ball is not None:
            response = self.ball.respond(problem.padded(V), kernels)
            self.theta = response.K
        stopped = self.stopped(self.record(V))
        if stopped != "":
            return stopped
        K, products = problem.kernel_set.matrix(self.theta, kernels), problem.products(V)
        if self.span is not None:  # while products still have the digits that distinguish kernels nearly alike
            products = np.tensordot(self.span.combinations.T, products, 1)
        q = problem.quadratics(V, products)
        try:
            if self.ball is not None:
                k = V.shape[1]
                train = np.concatenate([np.arange(n) + c * len(K) for c in range(k)])
                bend = response.curvature(problem.padded(V))[np.ix_(train, train)]
                self.columns[0].prepare(np.kron(np.eye(k), K[:n, :n]), np.zeros((n * k, 0)), bend)
            for c, column in enumerate(self.columns):
                if not column.fixed and self.ball is None:
                    P = np.zeros((n, 0)) if self.weights is None else products[:, :, c].T
                    column.prepare(K[:n, :n], P)
            if self.centre is not None:
                b = self.centre.weights
                self.centre.prepare(K, kernels.diagonals, kernels.products(b[:, None])[:, :, 0])
                q = q - self.centre.price
            self.newton(q)
        except (linalg.LinAlgError, ValueError) as error:  # not positive definite, or not finite: the end of the digits
            return f"rounding stopped the method ({error})"
        return ""

    def stopped(self, gap: float) -> str | None:
        """Return None when the gap has closed, a reason to stop, or "" to go on."""
        if gap <= 0.9 * self.solver.tol:
            return None
        if self.solver.time_limit is not None and time.perf_counter() - self.clock > self.solver.time_limit:
            return "time_limit was reached"
        # Relative to bounds of which one is far below zero a gap is one all along: what shrinks is the difference.
        apart = [entry["primal"] - entry["dual"] for entry in self.history[-PATIENCE:]]
        if len(self.history) > PATIENCE and not apart[-1] < 0.99 * apart[0]:
            return f"the bounds stood still for {PATIENCE} iterations"
        return ""

    def newton(self, q: np.ndarray) -> None:
        """Take a step, or find again and again what must be heeded for one of some length."""
        for attempt in range(ATTEMPTS):
            tau, full = self.aim(q)
            step = full
            if self.span is not None and self.weights is not None:
                step = self.span.guard(full, self.weights.y, self.weights.dy, tau)
                if step < 0.5 * full and attempt < ATTEMPTS - 1 and self.span.grow(self.weights.y):
                    continue
            break
        self.last = full
        for block in self.blocks:
            block.move(step)
        if self.span is not None and self.weights is not None:
            self.span.grow(self.weights.y)

    def aim(self, q: np.ndarray) -> tuple[float, float]:
        """Predict with no barrier, see how far that goes, and correct with the barrier this suggests."""
        blocks = self.blocks
        if self.weights is not None:
            M = len(q)
            self.weights.prepare(q, sum((block.schur for block in self.moving), np.zeros((M, M))))
        count = max(sum(block.count for block in blocks), 1)
        mu = sum(block.products_sum() for block in blocks) / count
        affine = min(1.0, self.direction(0.0, False))
        after = sum(block.products_after(affine) for block in blocks) / count
        jammed = self.last < JAMMED  # close to a wall at large products: go back to the centre first
        tau = 0.0 if mu == 0 else mu if jammed else mu * min(1.0, max(after / mu, 0.0)) ** 3
        # A prediction that cannot be followed for long says nothing about the curvature: no correction by it then.
        reach = self.direction(tau, not jammed and affine > SHORT)
        wall = WALL_OF_CONES if self.weights is not None and len(self.weights.groups) > 1 else TO_THE_WALL
        return max(tau, 0.1 * mu), min(1.0, wall * reach)

    def direction(self, tau: float, correct: bool) -> float:
        """Set the direction of every block for a barrier parameter; return how far it can go."""
        answers = [block.gradient(tau, correct) for block in self.moving]
        dtheta = np.zeros(0)
        if self.weights is not None:
            dtheta = self.weights.direct(sum(answers, np.zeros(self.weights.M)), tau, correct)
        for block in self.moving:
            block.direct(dtheta)
        return min([1.0 / TO_THE_WALL, *(block.reach() for block in self.blocks)])

    def record(self, V: np.ndarray) -> float:
        """Raise the bounds by the present point; return their relative gap."""
        problem, criterion = self.problem, self.problem.criterion
        a, _ = criterion.project(criterion.inverse(V, problem.Y), problem.Y, problem.w)
        beta = criterion.V(a, problem.Y)
        witness = self.span.witness if self.span is not None else self.centre.weights if self.centre else None
        theta, _ = problem.kernel_set.project(self.theta, problem.kernels, witness)
        dual = problem.dual(a, witness)
        if dual > self.dual:
            self.dual, self.a, self.witness = dual, a, witness
        F = problem.train_matrix(theta) @ beta
        b = criterion.best_intercept(F, problem.Y, problem.w)
        factors, _ = criterion.rescale(F, b, problem.Y)
        if np.isfinite(factors).all():
            # Margins short of one by rounding: their hinges may outweigh an objective that large kernels make tiny.
            short = 1 - np.min(problem.Y * (F + b) * factors, axis=0)
            lifted = np.where((short > 0) & (short < BY_ROUNDING), (1 + 16 * EPS) / np.maximum(1 - short, 0.5), 1.0)
            for factor in (factors, factors * lifted)[: 1 if (lifted == 1).all() else 2]:
                primal = problem.primal(theta, beta * factor, b * factor)
                if self.best is None or primal < self.best[0]:
                    self.best = (primal, theta.copy(), beta * factor, b * factor)
        self.refuse_unbounded(a, witness)
        bounds = Certificate(self.best[0] if self.best else np.inf, self.dual, 0.0, problem.scale)
        gap = bounds.gap if np.isfinite(bounds.primal) and np.isfinite(bounds.dual) else np.inf
        seconds = time.perf_counter() - self.clock
        active = int(np.count_nonzero(np.abs(theta) > 1e-6 * np.abs(theta).max()))
        self.history.append(
            {"seconds": seconds, "primal": bounds.primal, "dual": bounds.dual, "gap": gap, "active": active}
        )
        if self.solver.verbose:
            print(
                f"{len(self.history):4d}  {seconds:8.2f} s  primal {bounds.primal:.8g}  dual {bounds.dual:.8g}  "
                f"gap {gap:.1e}  kernels {active}"
            )
        return gap

    def refuse_unbounded(self, a: np.ndarray, witness: Any) -> None:
        """Raise an error when a multiple of the present dual point proves that the optimum is beyond reason.

        What no weights of the start separate, no weights do: they leave no kernel out. A finite primal bound does not
        speak against it, since rounding alone separates two equal points.
        """
        problem, kernel_set, kernels = self.problem, self.problem.kernel_set, self.problem.kernels
        if problem.criterion.name != "hard_margin":
            return
        total = float(a.sum())
        V = problem.padded(problem.criterion.V(a, problem.Y))
        if isinstance(kernel_set, BoundedBall | Tessellated):
            norm = kernel_set.support_at(V, kernels, witness=witness)
        else:
            norm = float(kernel_set.start(kernels) @ kernels.quadratics(V))
        bound = total**2 / (4 * max(norm, 1e-300))
        if bound > HOPELESS * problem.scale:
            ray = a / total
            # So far beyond reason, rounding decides: what is claimed is what multiples of the ray are seen to reach.
            seen = [problem.dual(t * ray) for t in np.logspace(-6, 36, 169)]
            bound = max(seen) if max(seen) > problem.scale else bound
            raise UnboundedError(
                f"no hyperplane separates the classes for any kernel of the set: the hard margin of "
                f"{problem.description} is at least {bound:.1e}. Use criterion 'hinge' or 'squared_hinge', or add "
                f"kernels.white() to the kernels to learn how much error to allow",
                ray,
                bound,
            )
