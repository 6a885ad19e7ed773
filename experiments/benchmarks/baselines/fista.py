"""Accelerated projected gradient on the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.benchmarks.baselines.walk import Baseline, Walk
from kernelopt.convex.sets.base import project_to_simplex


@dataclass(frozen=True)
class FISTA(Baseline):
    r"""Projected gradient with Nesterov's momentum [beck2009]_, restarted where the momentum hurts [odonoghue2015]_.

    .. math:: \mu^+ = P_\Delta\bigl(z - \nabla\omega(z) / L\bigr), \qquad \nabla_k\, \omega = -q_k, \qquad
              z^+ = P_\Delta\Bigl(\mu^+ + \tfrac{t - 1}{t^+} (\mu^+ - \mu)\Bigr)

    L is found by backtracking and may fall again. :math:`\omega` is smooth only where samples are free; where it
    has a kink the method may stall, and says so. The average of the a's with FISTA's own weights is a second lower
    bound beside the last a.

    Parameters
    ----------
    tol, max_iter, time_limit
        See `Baseline`.

    References
    ----------
    .. [beck2009] Beck, Teboulle. A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse Problems. SIAM
       Journal on Imaging Sciences 2, 2009.
    .. [odonoghue2015] O'Donoghue, Candès. Adaptive Restart for Accelerated Gradient Schemes. Foundations of
       Computational Mathematics 15, 2015.

    Examples
    --------
    >>> from kernelopt.convex import Hinge, Problem, Simplex
    >>> y = np.array([1.0, 1.0, -1.0, -1.0])
    >>> task = Problem.of([np.outer(y, y), np.eye(4)], y, Hinge(C=1.0), Simplex())
    >>> FISTA(tol=1e-4).solve(task).certificate.holds(1e-4)
    True
    """

    def run(self, walk: Walk) -> None:
        """Step until the gap closes."""
        here = ahead = walk.at(walk.start)
        t, L = 1.0, max(float(np.ptp(ahead.q)), 1e-12 * abs(ahead.value), 1e-300)
        used, total = [], []
        while walk.open:
            while True:  # backtracking
                mu = project_to_simplex(ahead.mu + ahead.q / L)
                trial, step = walk.at(mu), mu - ahead.mu
                model = ahead.value - float(ahead.q @ step) + 0.5 * L * float(step @ step)
                # The values are known to a tenth of tol only; a step they cannot judge is accepted.
                if trial.value <= model + 0.01 * self.tol * abs(ahead.value) or not walk.open:
                    break
                L *= 2
            used.append(ahead)
            total.append(t)
            walk.average(used, np.array(total) / sum(total))
            t_next = 0.5 * (1 + np.sqrt(1 + 4 * t * t))
            if float((ahead.mu - trial.mu) @ (trial.mu - here.mu)) > 0:
                t, t_next, used, total = 1.0, 1.0, [], []
            z = project_to_simplex(trial.mu + (t - 1) / t_next * (trial.mu - here.mu))
            here, t, L = trial, t_next, 0.7 * L
            if walk.open:
                ahead = trial if np.array_equal(z, trial.mu) else walk.at(z)
