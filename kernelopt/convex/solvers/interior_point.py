"""A primal-dual interior-point method for every criterion and every set of finitely many kernels."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning

from kernelopt.convex.certificate import Certificate
from kernelopt.convex.criteria.program import stacked
from kernelopt.convex.pairs import sees_balanced_only
from kernelopt.convex.problem import Problem, Solution
from kernelopt.convex.sets import BoundedBall
from kernelopt.convex.solvers.newton_blocks import Centre, Column
from kernelopt.convex.solvers.span_block import Span
from kernelopt.convex.solvers.weight_blocks import Weights
from kernelopt.errors import SolverError, UnboundedError
from kernelopt.kernels.rows import StoredKernels

HOPELESS = 1e12  # times the criterion's scale: a hard margin worse than this is none
TO_THE_WALL = 0.995  # share of the way to the nearest bound that a step goes
SETTLE = 8  # steps with the weights held, at most
WALL_OF_CONES = 0.9  # the same where groups may leave: their norms bend the more, the smaller they are
SHORT = 0.1  # a predicted step shorter than this corrects nothing
JAMMED = 0.2  # a step so short that the next one only centres
BY_ROUNDING = 1e-9  # margins that are short by less may just be rounded
EPS = float(np.finfo(float).eps)
PATIENCE = 25  # iterations without a better bound after which rounding has the last word


@dataclass(frozen=True)
class InteriorPoint:
    r"""Newton's method on the saddle point itself, weights and dual variables together.

    All inequalities (bounds of the dual variables, signs of the weights, norm balls, the semidefinite cone, the
    enclosing ball) get barriers with one parameter, which Mehrotra's predictor and corrector drive to zero. A step
    costs one Cholesky factor of the mixed kernel per column of the dual (one more for a semidefinite or a radius
    constraint) and one system of the size of the weights, whose matrix for :math:`K(\mu) \succeq 0` is
    :math:`\operatorname{tr}(K_j K^{-1} K_k Z)` (the HKM direction). The number of steps hardly depends on C,
    duplicates or scaling: between ten and thirty.

    Parameters
    ----------
    tol : float
        Relative duality gap at which it stops.
    max_iter : int
        Newton steps; past it a `ConvergenceWarning` is given.
    time_limit : float or None
        Seconds; looked at between steps.
    verbose : int
        1 prints a line per step.

    Raises
    ------
    UnboundedError
        A hard margin where nothing separates the classes.
    """

    tol: float = 1e-6
    max_iter: int = 200
    time_limit: float | None = None
    verbose: int = 0

    def solve(self, problem: Problem, start: Solution | None = None) -> Solution:
        """Return the best certified point; `start` is ignored, as interior points cannot begin near a bound."""
        if not sees_balanced_only(problem.criterion, problem.kernel_set):
            return _Run(self, problem).solution()
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                solution = _Run(self, problem).solution()
            if not any(issubclass(w.category, ConvergenceWarning) for w in caught) or not _indefinite(problem):
                for w in caught:
                    warnings.warn(w.message, w.category, stacklevel=2)
                return solution
        except SolverError as error:
            if isinstance(error, UnboundedError) or not _indefinite(problem):
                raise
        # Positive semidefinite only where coefficients sum to zero: so is the centred kernel, and there they agree.
        kernels = problem.kernels
        matrices = np.stack([kernels.mix(e) for e in np.eye(kernels.n_kernels)])
        centred = matrices - matrices.mean(axis=1, keepdims=True) - matrices.mean(axis=2, keepdims=True)
        centred += matrices.mean(axis=(1, 2), keepdims=True)
        solution = _Run(self, replace(problem, kernels=StoredKernels.of(centred))).solution()
        F = problem.train_matrix(solution.theta) @ solution.beta
        intercept = problem.criterion.best_intercept(F, problem.Y, problem.w)
        return problem.certified(replace(solution, intercept=intercept))


class _Run:
    """One run: the state of all blocks, and the best bounds so far."""

    def __init__(self, solver: InteriorPoint, problem: Problem):
        self.solver, self.problem, self.clock = solver, problem, time.perf_counter()
        criterion, kernel_set, kernels = problem.criterion, problem.kernel_set, problem.kernels
        self.ball = kernel_set if isinstance(kernel_set, BoundedBall) else None
        self.span = self.centre = self.weights = None
        if self.ball is None:
            program = kernel_set.program(kernels)
            self.span = Span(kernels) if program.semidefinite else None
            self.centre = Centre(kernels.n_samples) if program.radius else None
            self.weights = None if kernel_set.fixed else Weights(program, self.span)
        self.theta = kernel_set.start(kernels)
        K = kernel_set.matrix(self.theta, kernels)
        size = max(float(np.trace(K)) / len(K) - float(K.mean()), 1e-3 * float(np.trace(K)) / len(K)) or 1.0
        programs = [criterion.program(y, problem.w) for y in problem.Y.T]
        if self.ball is not None:
            programs = [stacked(programs)]
        self.columns = [Column(program, size) for program in programs]
        self.last = 1.0
        self.settle(K)
        self.best: tuple[float, np.ndarray, np.ndarray, np.ndarray] | None = None
        self.dual, self.a = -np.inf, np.zeros(problem.Y.shape)
        self.witness: np.ndarray | None = None
        self.history: list[dict[str, Any]] = []

    @property
    def moving(self) -> list[Any]:
        return [c for c in self.columns if not c.fixed] + ([self.centre] if self.centre else [])

    @property
    def blocks(self) -> list[Any]:
        return self.moving + ([self.weights] if self.weights is not None else [])

    def V(self) -> np.ndarray:
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
        solution = self.problem.certified(
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
        gap = self.record(V)
        if gap <= 0.9 * self.solver.tol:
            return None
        if self.solver.time_limit is not None and time.perf_counter() - self.clock > self.solver.time_limit:
            return "time_limit was reached"
        if len(self.history) > PATIENCE and gap > 0.99 * self.history[-PATIENCE]["gap"]:
            return f"the bounds stood still for {PATIENCE} iterations"
        K, products = problem.kernel_set.matrix(self.theta, kernels), problem.products(V)
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

    def newton(self, q: np.ndarray) -> None:
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
        self.last = step = min(1.0, wall * reach)
        for block in blocks:
            block.move(step)

    def direction(self, tau: float, correct: bool) -> float:
        """Set the direction of every block for a barrier parameter; return how far it can go."""
        answers = [block.gradient(tau, correct) for block in self.moving]
        dtheta = np.zeros(0)
        if self.weights is not None:
            dtheta = self.weights.direct(sum(answers, np.zeros(len(self.theta))), tau, correct)
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
        """Raise an error when a multiple of the present dual point proves that the optimum is beyond reason."""
        problem = self.problem
        if problem.criterion.name != "hard_margin" or np.isfinite(self.best[0] if self.best else np.inf):
            return
        total = float(a.sum())
        V = problem.padded(problem.criterion.V(a, problem.Y))
        support = problem.kernel_set.support_at(V, problem.kernels, witness=witness)
        bound = total**2 / (4 * max(support, 1e-300))
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


def _indefinite(problem: Problem) -> bool:
    """Whether some kernel is not positive semidefinite."""
    kernels = problem.kernels
    for e in np.eye(kernels.n_kernels):
        K = kernels.mix(e)
        try:
            linalg.cholesky(K + 1e-9 * max(float(np.mean(np.diagonal(K))), 1e-300) * np.eye(len(K)), check_finite=False)
        except linalg.LinAlgError:
            return True
    return False
