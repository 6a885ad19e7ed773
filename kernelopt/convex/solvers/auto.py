"""The rule behind ``solver="auto"``, in one place."""

from __future__ import annotations

from typing import Any

from kernelopt.convex.solvers.base import Solver
from kernelopt.convex.solvers.conic import Conic
from kernelopt.convex.solvers.working_set_newton import WorkingSetNewton

NAMES = ("auto", "newton", "conic")


def choose(solver: Any, **options) -> Solver:
    """Return the solver meant by a name, or the solver itself.

    "auto" is Newton: on hinge × simplex it needs some ten support vector machines where the cone
    program factors M dense matrices of n² entries.

    Parameters
    ----------
    solver : {"auto", "newton", "conic"} or Solver
        A configured solver is returned as it is; its own options count then.
    **options
        ``tol, max_iter, time_limit, n_jobs, verbose``.
    """
    if solver in ("auto", "newton"):
        return WorkingSetNewton(**options)
    if solver == "conic":
        return Conic(time_limit=options.get("time_limit"), verbose=bool(options.get("verbose")))
    if hasattr(solver, "solve"):
        return solver
    raise ValueError(f"solver must be one of {NAMES} or an object with solve(problem), found {solver!r}")
