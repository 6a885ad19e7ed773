"""Newton's method where the machine is one linear system: least squares and Fisher's discriminant."""

from __future__ import annotations

from dataclasses import dataclass

from kernelopt.convex.criteria import KernelFisher, LeastSquares
from kernelopt.convex.problem import Problem
from kernelopt.convex.solvers.working_set_newton import WorkingSetNewton


@dataclass(frozen=True)
class LeastSquaresNewton(WorkingSetNewton):
    r"""Newton's method on the kernel weights of ridge regression: one Cholesky factor per step.

    Without bounds :math:`\omega(K) = \tfrac12 y^\top \Pi y`, with :math:`\Pi` the inverse of :math:`K + \lambda I` on
    the vectors that sum to zero. With :math:`a = \Pi y`, the factor that gives a gives both derivatives,

    .. math::
        \partial_k \omega = -\tfrac12 a^\top K_k a, \qquad \partial_k \partial_l \omega = a^\top K_k \Pi K_l a,

    so that a learned kernel costs some ten fits of ridge regression, and ``history[-1]["factorisations"]`` counts
    them. It is `WorkingSetNewton`, whose machine becomes this system where there are no bounds, under the name of what
    it solves. Parameters as there.

    Examples
    --------
    >>> import numpy as np
    >>> from kernelopt.convex import LeastSquares, Problem, Simplex
    >>> y = np.array([1.0, 2.0, -1.0])
    >>> task = Problem.of([np.outer(y, y), np.eye(3)], y, LeastSquares(lam=0.5, intercept=False), Simplex())
    >>> solution = LeastSquaresNewton(tol=1e-8).solve(task)
    >>> solution.theta, solution.certificate.holds(1e-8)
    (array([1., 0.]), True)
    """

    @staticmethod
    def takes(problem: Problem) -> bool:
        """Whether this is one of the problems it solves."""
        quadratic = isinstance(problem.criterion, LeastSquares | KernelFisher)
        return quadratic and WorkingSetNewton.takes(problem)
