"""Semi-infinite linear programming: cutting planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from experiments.benchmarks.baselines.walk import Baseline, Point, Walk


def lowest_of_lines(points: Sequence[Point]) -> tuple[np.ndarray, np.ndarray, float]:
    r"""Minimise :math:`\max_t \varphi_t - \mu^\top q_t` over the simplex.

    Returns
    -------
    mu : array of shape (M,)
        The minimiser.
    shares : array of shape (T,)
        The multipliers of the lines, nonnegative with sum one.
    value : float
        The minimum: no more than the optimum.
    """
    phi, q = np.array([p.phi for p in points]), np.array([p.q for p in points])
    M, unit = q.shape[1], max(float(np.abs(phi).max()), 1e-300)
    result = linprog(
        np.append(np.zeros(M), 1.0),
        A_ub=np.column_stack([-q / unit, -np.ones(len(q))]),
        b_ub=-phi / unit,
        A_eq=np.append(np.ones(M), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * M + [(None, None)],
        method="highs",
    )
    if result.x is None:
        raise RuntimeError(f"HiGHS found no point of the linear program: {result.message}")
    mu, shares = np.maximum(result.x[:M], 0.0), np.maximum(-result.ineqlin.marginals, 0.0)
    return mu / mu.sum(), shares / shares.sum(), unit * float(result.fun)


@dataclass(frozen=True)
class SILP(Baseline):
    r"""The semi-infinite linear program of [sonnenburg2006]_, solved by cutting planes.

    .. math:: \min_{\theta, \mu \in \Delta} \theta \quad\text{s.t.}\quad \theta \ge \varphi(a_t) - \mu^\top q(a_t),
              \qquad q_k(a) = \tfrac12 v^\top K_k v

    for the a's of all machines so far. The paper maximises the negative of it, with
    :math:`S_k(a) = q_k(a) - \varphi(a)` (its wrapper algorithm prints the quadratic terms without their ½). The
    multipliers of the lines average the a's into a feasible dual point that proves the linear program's value. HiGHS
    solves the program anew each time.

    Parameters
    ----------
    tol, max_iter, time_limit
        See `Baseline`.

    References
    ----------
    .. [sonnenburg2006] Sonnenburg, Rätsch, Schäfer, Schölkopf. Large Scale Multiple Kernel Learning. JMLR 7, 2006.

    Examples
    --------
    >>> from kernelopt.convex import Hinge, Problem, Simplex
    >>> y = np.array([1.0, 1.0, -1.0, -1.0])
    >>> task = Problem.of([np.outer(y, y), np.eye(4)], y, Hinge(C=1.0), Simplex())
    >>> solution = SILP(tol=1e-4).solve(task)
    >>> solution.theta.round(3), solution.certificate.holds(1e-4)
    (array([1., 0.]), True)
    """

    def run(self, walk: Walk) -> None:
        """Go to the minimum of the lines, and add the line found there."""
        walk.at(walk.start)
        while walk.open:
            mu, shares, _ = lowest_of_lines(walk.points)
            walk.average(walk.points, shares)
            if walk.open:
                walk.at(mu)
