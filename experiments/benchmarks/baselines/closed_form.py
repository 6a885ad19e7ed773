"""Alternating updates: machines at fixed weights, weights in closed form at fixed machines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.benchmarks.baselines.walk import Baseline, Walk
from kernelopt.convex import LpBall, Simplex


@dataclass(frozen=True)
class ClosedForm(Baseline):
    r"""The alternating algorithm of [kloft2011]_ (Alg. 1), with the norm of a whole machine between two updates.

    .. math:: \mu_k \propto \|w_k\|^{2/(p+1)}, \quad \|\mu\|_p = 1, \qquad \|w_k\|^2 = \mu_k^2\, v^\top K_k v
              = 2 \mu_k^2 q_k

    p = 1 gives :math:`\mu_k \propto \mu_k \sqrt{q_k}` on the simplex, which approaches a vertex or a face but
    linearly. For larger p all weights stay positive and few machines are needed.

    Parameters
    ----------
    tol, max_iter, time_limit
        See `Baseline`.

    References
    ----------
    .. [kloft2011] Kloft, Brefeld, Sonnenburg, Zien. lp-Norm Multiple Kernel Learning. JMLR 12, 2011.

    Examples
    --------
    >>> from kernelopt.convex import Hinge, Problem
    >>> y = np.array([1.0, 1.0, -1.0, -1.0])
    >>> task = Problem.of([np.outer(y, y), np.eye(4)], y, Hinge(C=1.0), LpBall(2.0))
    >>> ClosedForm(tol=1e-4).solve(task).certificate.holds(1e-4)
    True
    """

    sets = (LpBall, Simplex)

    def run(self, walk: Walk) -> None:
        """Alternate."""
        kernel_set = walk.problem.kernel_set
        p = kernel_set.p if isinstance(kernel_set, LpBall) else 1.0
        point = walk.at(walk.start)
        while walk.open:
            squared_norms = point.mu**2 * np.maximum(2 * point.q, 0.0)
            mu = squared_norms ** (1 / (p + 1))
            if not mu.any():
                walk.stalled = "all kernels are zero"
                break
            mu /= mu.max()
            point = walk.at(mu / np.linalg.norm(mu, p))
