"""The conic reference: every pair through cvxpy, for checking and for a few hundred samples."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from kernelopt.convex.certificate import Certificate
from kernelopt.convex.problem import Problem, Solution
from kernelopt.convex.sets import (
    BoundedBall,
    FrobeniusBall,
    HyperNorm,
    HyperSpan,
    HyperSquared,
    PSDSpan,
    RadiusBall,
)
from kernelopt.errors import ProblemTooLargeError, SolverError, UnboundedError

UNSOLVED = Certificate(np.inf, -np.inf, np.inf, 1.0)
HOPELESS = 1e9  # times the criterion's scale: an optimum above this is none
TOLERANCES = (1e-10, 1e-7)  # Clarabel may lose all digits behind the point where rounding rules
SOLVERS = ("auto", "clarabel")
FORMS = ("cones", "sdp", "primal")


@dataclass(frozen=True)
class Conic:
    r"""The dual as a conic program, solved by Clarabel: quadratic, power, exponential or semidefinite cones.

    It maximises :math:`\varphi(a) - R^*(\tfrac12 V(a) V(a)^\top)` with :math:`R^*` written as a minimum, so that the
    weights are multipliers: for the simplex, :math:`\varphi(a) - t` subject to
    :math:`\tfrac12 \|L_k^\top V(a)\|_F^2 \le t` with :math:`K_k = L_k L_k^\top` (eq. (39) of [lanckriet2004]_, halved);
    for the span in the semidefinite cone, the dual of Th. 16. Then the machine is trained once more with the weights
    fixed, for a conic solution knows its weights only half as well as its objective.

    Nothing is shared with `InteriorPoint` but the criterion's formulas, so that each checks the other.

    Parameters
    ----------
    solver : {"auto", "clarabel"}
        "auto" is Clarabel, whatever cvxpy's own default may be.
    time_limit : float or None
        Seconds given to the solver.
    memory_limit : float
        Bytes the program may take; larger ones are refused before they are built. With the default, semidefinite
        programs end near 100 samples.
    verbose : bool
        Print the solver's log.
    form : {"cones", "sdp", "primal"}
        How a problem over slices of a hyperkernel is posed: as a dual over second-order cones, as the semidefinite
        program of [ong2005]_, or with the matrix fraction summed over slices. Other sets have the first only.

    Raises
    ------
    ProblemTooLargeError
        With the estimate, before anything is built.
    UnboundedError
        A hard margin where nothing separates the classes; carries the direction that shows it.
    SolverError
        The solver stopped without a usable point.
    NotImplementedError
        A loss of the user's own, whose conjugate has no conic form here.

    References
    ----------
    .. [lanckriet2004] Lanckriet et al. Learning the Kernel Matrix with Semidefinite Programming. JMLR 5, 2004.
    .. [ong2005] Ong, Smola, Williamson. Learning the Kernel with Hyperkernels. JMLR 6, 2005.

    Examples
    --------
    >>> from kernelopt.convex import Hinge, Simplex
    >>> y = np.array([1.0, 1.0, -1.0, -1.0])
    >>> task = Problem.of([np.outer(y, y), np.eye(4)], y, Hinge(C=1.0), Simplex())
    >>> solution = Conic().solve(task)
    >>> solution.theta.round(4), solution.certificate.holds(1e-6)
    (array([1., 0.]), True)
    """

    solver: str = "auto"
    time_limit: float | None = None
    memory_limit: float = 4e9
    verbose: bool = False
    form: str = "cones"

    def __post_init__(self):
        if self.form not in FORMS:
            raise ValueError(f"form must be one of {FORMS}, found {self.form!r}")
        if self.solver not in SOLVERS:
            raise ValueError(f"solver must be one of {SOLVERS}, found {self.solver!r}")

    def solve(self, problem: Problem, start: Solution | None = None) -> Solution:
        """Return the solver's point, scaled back and made feasible, with its certificate; `start` is ignored."""
        if self.form != "cones" and not isinstance(problem.kernel_set, HyperNorm | HyperSquared):
            raise ValueError(
                f"form={self.form!r} is for slices of a hyperkernel, found {problem.kernel_set.name!r}; "
                f"use form='cones'"
            )
        need = memory(problem, self.form)
        if need > self.memory_limit:
            raise ProblemTooLargeError(
                f"the conic program of {problem.description} would need about {need / 1e9:.2g} GB "
                f"(limit {self.memory_limit / 1e9:.2g} GB); use InteriorPoint, or raise memory_limit"
            )
        return _Run(self, problem).solution()


def memory(problem: Problem, form: str = "cones") -> float:
    """Return about how many bytes a program takes: dense factors or a semidefinite cone, with the solver's copies.

    From above: measured programs, compilation included, took 0.2 to 1 times this.
    """
    kernel_set, kernels, k = problem.kernel_set, problem.kernels, problem.Y.shape[1]
    N = kernels.n_samples if isinstance(kernel_set, RadiusBall) else problem.n_train
    factors = 1 if kernel_set.fixed else kernels.n_kernels
    need = 400.0 * factors * N**2 * k
    need += 40.0 * float(N) ** 4 if form == "sdp" else 0.0
    free = isinstance(kernel_set, FrobeniusBall) and kernel_set.free_sign
    span = isinstance(kernel_set, PSDSpan | HyperSpan) or free
    if span or isinstance(kernel_set, BoundedBall):
        # The Hessian of an r x r cone has (r²/2)² entries; no span reaches beyond its kernels' common range.
        r = np.linalg.matrix_rank(kernels.mix(np.ones(kernels.n_kernels)), hermitian=True) if span else N
        need += 40.0 * float(r) ** 4
    return need


class _Run:
    """One run: what has been spent, and the programs in their order."""

    def __init__(self, solver: Conic, problem: Problem):
        self.solver, self.problem, self.clock = solver, problem, time.perf_counter()
        self.iterations = 0

    def solution(self) -> Solution:
        from kernelopt.convex.solvers import conic_programs as programs  # cvxpy is loaded here, and not before

        problem, kernel_set = self.problem, self.problem.kernel_set
        theta, witness, points = None, None, []
        if kernel_set.fixed:
            theta = kernel_set.start(problem.kernels)
        else:
            if isinstance(kernel_set, HyperNorm | HyperSquared):
                from kernelopt.convex.solvers import conic_hyper as hyper

                task = hyper.cones(problem) if self.solver.form == "cones" else hyper.primal(problem, self.solver.form)
            else:
                build = programs.frobenius if isinstance(kernel_set, FrobeniusBall) else programs.learned
                task = build(problem)
            self.run(task)
            witness, points = task.witness(), [self.feasible(task.a())]
            theta, _ = kernel_set.project(task.theta(), problem.kernels, witness)
        if not isinstance(kernel_set, FrobeniusBall) and (not points or self.left() > 0):
            task = programs.machine(problem, theta)
            try:
                self.run(task)
                points.append(self.feasible(task.a()))
            except SolverError as error:
                if isinstance(error, UnboundedError) or not points:
                    raise
        best = max(points, key=lambda a: problem.dual(a, witness))
        return problem.certified(
            Solution(theta, *self.decision(theta, points[-1]), best, UNSOLVED, self.iterations, witness=witness)
        )

    def feasible(self, a: np.ndarray) -> np.ndarray:
        if not np.isfinite(a).all():
            raise SolverError(f"Clarabel returned numbers that are not finite on {self.problem.description}")
        return self.problem.criterion.project(a, self.problem.Y, self.problem.w)[0]

    def decision(self, theta: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients and intercepts that go with a, scaled to what the criterion admits."""
        problem, criterion = self.problem, self.problem.criterion
        beta = criterion.V(a, problem.Y)
        F = problem.train_matrix(theta) @ beta
        b = criterion.best_intercept(F, problem.Y, problem.w)
        factors, _ = criterion.rescale(F, b, problem.Y)
        return (beta * factors, b * factors) if np.isfinite(factors).all() else (beta, b)

    def left(self) -> float:
        """Return the seconds that are left."""
        limit = self.solver.time_limit
        return np.inf if limit is None else limit - (time.perf_counter() - self.clock)

    def run(self, task: Any) -> None:
        """Solve a program; every way to fail becomes an error of ours that names the problem."""
        status = self.status(task.program)
        if status in ("unbounded", "unbounded_inaccurate") and task.ray is not None:
            self.refuse_unbounded(task)
        if status not in ("optimal", "optimal_inaccurate", "user_limit"):
            raise SolverError(f"Clarabel stopped without a point on {self.problem.description}: {status}")
        if status == "user_limit":
            warnings.warn(
                f"Clarabel reached time_limit on {self.problem.description}; the certificate says what it is worth",
                ConvergenceWarning,
                stacklevel=4,
            )

    def status(self, program: Any) -> str:
        """Run Clarabel, with a looser tolerance where it fails with a tight one; return cvxpy's word."""
        for tol in TOLERANCES:
            try:
                status = self.attempt(program, tol)
                break
            except SolverError:
                if tol == TOLERANCES[-1] or self.left() <= 0:
                    raise
        known = status in ("optimal", "optimal_inaccurate", "user_limit")
        return "no values" if known and any(v.value is None for v in program.variables()) else status

    def attempt(self, program: Any, tol: float) -> str:
        """Run Clarabel once."""
        import cvxpy as cp

        options: dict[str, Any] = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), tol)
        options["accept_unknown"] = True  # a point that could not be improved: the certificate is its judge
        if self.solver.time_limit is not None:
            options["time_limit"] = max(float(self.left()), 1e-3)
        try:
            with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
                # "Solution may be inaccurate": how inaccurate is what the certificate says.
                warnings.simplefilter("ignore", UserWarning)
                program.solve(solver=cp.CLARABEL, verbose=self.solver.verbose, **options)
        except (cp.SolverError, ValueError, ArithmeticError) as error:
            raise SolverError(f"Clarabel failed on {self.problem.description}: {error}") from error
        self.iterations += int(getattr(program.solver_stats, "num_iters", 0) or 0)
        return str(program.status)

    def refuse_unbounded(self, task: Any) -> None:
        """Find the direction along which the dual grows without end, and prove with it how far it grows."""
        problem = self.problem
        if self.status(task.ray) not in ("optimal", "optimal_inaccurate"):
            return
        a = self.feasible(task.a())
        steps = 10.0 ** np.arange(0, 40, 0.5) * max(problem.scale, 1e-300) / max(float(np.abs(a).max()), 1e-300)
        bounds = [problem.dual(step * a) for step in steps]
        bound = float(np.nanmax(bounds))
        if bound > HOPELESS * problem.scale:
            raise UnboundedError(
                f"the dual of {problem.description} grows without end (beyond {bound:.1e}): with a hard margin, no "
                f"hyperplane separates the classes for any kernel of the set. Use 'hinge' or 'squared_hinge', "
                f"or add kernels.white() to the kernels to learn how much error to allow",
                a / float(np.abs(a).sum()),
                bound,
            )
