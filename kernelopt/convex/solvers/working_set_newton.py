"""Projected Newton on the kernel weights, over machines that stay warm."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from kernelopt.convex.problem import Problem, Solution
from kernelopt.convex.sets import (
    GroupBall,
    HyperNorm,
    HyperSquared,
    LpBall,
    Simplex,
    SquaredLp,
    TraceBudget,
    Uniform,
)
from kernelopt.convex.solvers.machines import machine_for
from kernelopt.convex.solvers.newton_run import Run
from kernelopt.convex.solvers.row_cache import WHOLE
from kernelopt.kernels.on_the_fly import OnTheFly
from kernelopt.kernels.rows import StoredKernels

SETS = (Uniform, Simplex, TraceBudget, LpBall, SquaredLp, GroupBall, HyperNorm, HyperSquared)


@dataclass(frozen=True)
class WorkingSetNewton:
    r"""Newton's method on :math:`\mu \mapsto R(\mu) + \omega(K(\mu))`, for some ten machines' price.

    At the machines' :math:`s = V(a)` the derivatives are

    .. math::
        \partial_k \omega = -\tfrac12 s^\top K_k s, \qquad
        \partial_k \partial_l \omega = (K_k s)_F^\top \Pi (K_l s)_F,

    with F the free variables and :math:`\Pi` the inverse of :math:`K_{FF}` where the sums vanish. What makes it fast:
    the machines start where the last ones ended; rows of the mixed kernel are made when a machine asks for them; the
    products :math:`K_k s` follow the entries of s that changed, and only for a working set of kernels; all kernels are
    looked at only when the working set has converged. Where :math:`\omega` has a kink (no variable is free), the
    cutting planes collected so far take the step, and their multipliers combine the a's into a better lower bound.
    It stops on the certificate, whose products are made afresh.

    It takes every criterion whose dual is a box QP or smooth (hinge, squared hinge, :math:`\nu`-SVM, one-class,
    :math:`\varepsilon`-SVR, least squares, Fisher, logistic), and every set of nonnegative weights but the radius ball.

    Parameters
    ----------
    tol : float
        Relative duality gap at which it stops.
    max_iter : int
        Newton steps; past it a `ConvergenceWarning` is given.
    time_limit : float or None
        Seconds; looked at between machines, and past it a `ConvergenceWarning` is given.
    n_jobs : int or None
        Threads over the kernels; None means one.
    verbose : int
        1 prints a line per step.
    cache_bytes : int
        What the rows of the mixed kernel may take; with less, rows are made again.

    Examples
    --------
    >>> import numpy as np
    >>> from kernelopt.convex import Hinge, Problem, Simplex
    >>> y = np.array([1.0, 1.0, -1.0, -1.0])
    >>> task = Problem.of([np.outer(y, y), np.eye(4)], y, Hinge(C=1.0), Simplex())
    >>> solution = WorkingSetNewton(tol=1e-6).solve(task)
    >>> solution.theta, solution.certificate.holds(1e-6)
    (array([1., 0.]), True)
    """

    tol: float = 1e-4
    max_iter: int = 1000
    time_limit: float | None = None
    n_jobs: int | None = None
    verbose: int = 0
    cache_bytes: int = WHOLE

    def solve(self, problem: Problem, start: Solution | None = None) -> Solution:
        """Return the best certified point.

        Parameters
        ----------
        problem : Problem
            What is to be solved.
        start : Solution, optional
            Of a problem nearby (another C, another fold's weights): where to begin. A `beta` of other length only
            gives its weights.
        """
        if not self.takes(problem):
            raise NotImplementedError(
                f"WorkingSetNewton takes box-constrained and smooth criteria over sets of nonnegative weights, found "
                f"{problem.description}; use InteriorPoint"
            )
        if self.n_jobs not in (None, 1) and isinstance(problem.kernels, StoredKernels | OnTheFly):
            from joblib import effective_n_jobs

            problem = replace(problem, kernels=replace(problem.kernels, threads=effective_n_jobs(self.n_jobs)))
        return Run(self, problem, time.perf_counter()).solution(start)

    @staticmethod
    def takes(problem: Problem) -> bool:
        """Whether this is one of the problems it solves."""
        if type(problem.kernel_set) not in SETS or problem.kernels.n_samples != problem.n_train:
            return False
        return all(machine_for(problem.criterion, y, problem.w) for y in problem.Y.T)
