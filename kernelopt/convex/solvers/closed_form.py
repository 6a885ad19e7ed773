"""Criteria that are linear in the kernel, over sets that know their best point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.certificate import Certificate
from kernelopt.convex.criteria import Alignment
from kernelopt.convex.problem import Problem, Solution
from kernelopt.convex.sets import ChiSquareBall


@dataclass(frozen=True)
class ClosedForm:
    r"""Alignment with the labels over a :math:`\chi^2` ball: the dual is one point, and a sort gives the best weights.

    One product per kernel is all it costs, so tens of thousands of random features are no matter.

    Examples
    --------
    >>> y = np.array([1.0, 1.0, -1.0, -1.0])
    >>> task = Problem.of([np.outer(y, y), np.eye(4)], y, Alignment(), ChiSquareBall(rho=0.5))
    >>> solution = ClosedForm().solve(task)
    >>> solution.theta.round(3), solution.certificate.holds(1e-12)
    (array([0.854, 0.146]), True)
    """

    def solve(self, problem: Problem, start: Solution | None = None) -> Solution:
        """Return the optimum with its certificate; `start` is ignored."""
        criterion, kernel_set = problem.criterion, problem.kernel_set
        if not (isinstance(criterion, Alignment) and isinstance(kernel_set, ChiSquareBall)):
            raise ValueError(
                f"ClosedForm solves 'alignment' on 'chi_square', found {problem.description}; use InteriorPoint"
            )
        a, _ = criterion.project(np.zeros(problem.Y.shape), problem.Y, problem.w)
        V = criterion.V(a, problem.Y)
        theta = kernel_set.best(problem.kernels.quadratics(problem.padded(V)))
        blank = Certificate(np.inf, -np.inf, np.inf, problem.scale)
        return problem.certified(Solution(theta, V, np.zeros(V.shape[1]), a, blank, 1))
