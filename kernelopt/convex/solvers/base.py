"""What every solver is: a frozen configuration with ``solve(problem) -> Solution``."""

from __future__ import annotations

from typing import Protocol

from kernelopt.convex.problem import Problem, Solution


class Solver(Protocol):
    """Frozen configuration of an algorithm; it stops on the problem's certificate."""

    def solve(self, problem: Problem, start: Solution | None = None) -> Solution:
        """Return the best point found, with its certificate.

        Parameters
        ----------
        problem : Problem
            What is to be solved.
        start : Solution, optional
            Of a problem nearby (another C, other samples with the same kernels): where the solver may begin. It saves
            time only, as the certificate is of `problem` alone; a solver without use for it ignores it.
        """
        ...
