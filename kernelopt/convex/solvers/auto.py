"""The rule behind ``solver="auto"``, in one place."""

from __future__ import annotations

from typing import Any

from kernelopt.convex.criteria import Alignment, OneClass
from kernelopt.convex.problem import Problem
from kernelopt.convex.sets import ChiSquareBall, HyperNorm, HyperSpan, HyperSquared, PSDSpan, Simplex, TraceBudget
from kernelopt.convex.solvers.base import Solver
from kernelopt.convex.solvers.closed_form import ClosedForm
from kernelopt.convex.solvers.column_generation import ColumnGeneration
from kernelopt.convex.solvers.conic import Conic
from kernelopt.convex.solvers.cut_span import CutSpan
from kernelopt.convex.solvers.interior_point import InteriorPoint
from kernelopt.convex.solvers.working_set_newton import WorkingSetNewton
from kernelopt.kernels.rows import StoredKernels

FEW, LARGE = 400, 200  # samples
NAMES = ("auto", "newton", "interior_point", "cut_span", "conic")


def choose(solver: Any, problem: Problem, **options) -> Solver:
    r"""Return the solver meant by a name, or the solver itself.

    "auto" is `WorkingSetNewton` for what it takes (bounded or smooth duals, sets of nonnegative weights), where some
    ten machines are the whole price, and `InteriorPoint`, which takes every pair, for all else: semidefinite
    constraints, the radius ball, penalised or free sums, other losses. Also for

    - one class on a simplex, where :math:`\omega` is all kinks;
    - sets on which every kernel keeps weight (lp balls, prices, groups), below 400 samples or with a smooth loss: there
      the Newton method has no working set to gain from, and a Cholesky factor costs less than its machines.

    From 200 points on, weights of any sign are `CutSpan`'s, which bounds the few eigenvalues that matter.

    A `Continuum` is left to `ColumnGeneration`.

    The benchmark behind the rule is ``experiments/benchmarks``. The Newton method hands over by itself what rounding
    keeps it from proving.

    Parameters
    ----------
    solver : {"auto", "newton", "interior_point", "cut_span", "conic"} or Solver
        A configured solver is returned as it is; its own options count then.
    problem : Problem
        What is to be solved.
    **options
        ``tol, max_iter, time_limit, n_jobs, verbose``.
    """
    if solver == "auto" and ColumnGeneration.takes(problem):
        return ColumnGeneration(**options)
    if solver == "auto":
        if isinstance(problem.criterion, Alignment) and isinstance(problem.kernel_set, ChiSquareBall):
            return ClosedForm()
        if WorkingSetNewton.takes(problem) and _pays(problem):
            solver = "newton"
        elif isinstance(problem.kernel_set, PSDSpan | HyperSpan) and problem.kernels.n_samples >= LARGE:
            solver = "cut_span"
        else:
            solver = "interior_point"
    if solver == "newton":
        return WorkingSetNewton(**options)
    if solver in ("interior_point", "cut_span"):
        options.pop("n_jobs", None)
        return InteriorPoint(**options) if solver == "interior_point" else CutSpan(**options)
    if solver == "conic":
        return Conic(time_limit=options.get("time_limit"), verbose=bool(options.get("verbose")))
    if hasattr(solver, "solve"):
        return solver
    raise ValueError(f"solver must be one of {NAMES} or an object with solve(problem), found {solver!r}")


def _pays(problem: Problem) -> bool:
    """Whether the Newton method is faster than the interior-point method on a problem that both take."""
    if not isinstance(problem.kernels, StoredKernels):
        return True  # the other one would make all matrices
    if isinstance(problem.kernel_set, Simplex | TraceBudget):
        return not isinstance(problem.criterion, OneClass)
    if isinstance(problem.kernel_set, HyperNorm | HyperSquared):
        return not problem.criterion.smooth  # a handful of machines: their prices leave few slices with weight
    alone = problem.kernel_set.fixed or problem.kernels.n_kernels == 1
    return alone or (problem.n_train >= FEW and not problem.criterion.smooth)
