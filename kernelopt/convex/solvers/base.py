"""What every solver is: a frozen configuration with ``solve(problem) -> Solution``."""

from __future__ import annotations

from typing import Protocol

from kernelopt.convex.problem import Problem, Solution


class Solver(Protocol):
    """Frozen configuration of an algorithm; it stops on the problem's certificate."""

    def solve(self, problem: Problem) -> Solution:
        """Return the best point found, with its certificate."""
        ...
