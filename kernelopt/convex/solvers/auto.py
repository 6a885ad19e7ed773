"""The rule behind ``solver="auto"``, in one place."""

from __future__ import annotations

from typing import Any

from kernelopt.convex.criteria import Hinge
from kernelopt.convex.problem import Problem
from kernelopt.convex.sets import Simplex, Uniform
from kernelopt.convex.solvers.base import Solver
from kernelopt.convex.solvers.conic import Conic
from kernelopt.convex.solvers.interior_point import InteriorPoint
from kernelopt.convex.solvers.working_set_newton import WorkingSetNewton

NAMES = ("auto", "newton", "interior_point", "conic")


def choose(solver: Any, problem: Problem, **options) -> Solver:
    """Return the solver meant by a name, or the solver itself.

    "auto" is `WorkingSetNewton` for the hinge over a simplex, where some ten support vector machines are
    the whole price, and `InteriorPoint`, which takes every pair, for all else.

    Parameters
    ----------
    solver : {"auto", "newton", "interior_point", "conic"} or Solver
        A configured solver is returned as it is; its own options count then.
    problem : Problem
        What is to be solved.
    **options
        ``tol, max_iter, time_limit, n_jobs, verbose``.
    """
    if solver == "auto":
        newton = isinstance(problem.criterion, Hinge) and isinstance(problem.kernel_set, Simplex | Uniform)
        solver = "newton" if newton else "interior_point"
    if solver == "newton":
        return WorkingSetNewton(**options)
    if solver == "interior_point":
        options.pop("n_jobs", None)
        return InteriorPoint(**options)
    if solver == "conic":
        return Conic(time_limit=options.get("time_limit"), verbose=bool(options.get("verbose")))
    if hasattr(solver, "solve"):
        return solver
    raise ValueError(f"solver must be one of {NAMES} or an object with solve(problem), found {solver!r}")
