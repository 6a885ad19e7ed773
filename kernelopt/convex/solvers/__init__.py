"""Solvers: frozen configurations with ``solve(problem) -> Solution``."""

from kernelopt.convex.solvers.auto import choose
from kernelopt.convex.solvers.base import Solver
from kernelopt.convex.solvers.closed_form import ClosedForm
from kernelopt.convex.solvers.column_generation import ColumnGeneration
from kernelopt.convex.solvers.conic import Conic
from kernelopt.convex.solvers.cut_span import CutSpan
from kernelopt.convex.solvers.group_lasso import GroupLasso
from kernelopt.convex.solvers.interior_point import InteriorPoint
from kernelopt.convex.solvers.least_squares import LeastSquaresNewton
from kernelopt.convex.solvers.working_set_newton import WorkingSetNewton

__all__ = [
    "ColumnGeneration",
    "ClosedForm",
    "Conic",
    "CutSpan",
    "GroupLasso",
    "InteriorPoint",
    "LeastSquaresNewton",
    "Solver",
    "WorkingSetNewton",
    "choose",
]
