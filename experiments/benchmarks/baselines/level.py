"""The level method: cutting planes that are not followed to their minimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import clarabel  # type: ignore[import-untyped]
import numpy as np
from scipy import sparse

from experiments.benchmarks.baselines.silp import lowest_of_lines
from experiments.benchmarks.baselines.walk import Baseline, Point, Walk


def project_to_level(centre: np.ndarray, points: Sequence[Point], level: float) -> np.ndarray:
    """Return the nearest point of the simplex where no line exceeds `level`, by Clarabel.

    Parameters
    ----------
    centre : array of shape (M,)
        What is projected.
    points : sequence of Point
        Their lines.
    level : float
        At least the minimum of the lines over the simplex.
    """
    phi, q = np.array([p.phi for p in points]), np.array([p.q for p in points])
    M, unit = len(centre), max(float(np.abs(phi).max()), 1e-300)
    # Clarabel asks for A x + s = b: one row that sums to one, then the lines, then the signs.
    A = sparse.csc_matrix(np.vstack([np.ones((1, M)), -q / unit, -np.eye(M)]))
    b = np.concatenate([[1.0], (level - phi) / unit, np.zeros(M)])
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(len(q) + M)]
    solver = clarabel.DefaultSolver(sparse.csc_matrix(np.eye(M)), -centre, A, b, cones, settings)
    mu = np.maximum(np.asarray(solver.solve().x), 0.0)
    mu[mu < 1e-9] = 0.0  # what an interior-point method leaves of a zero
    return mu / mu.sum()


@dataclass(frozen=True)
class Level(Baseline):
    r"""The extended level method of [xu2008]_.

    The lines of all machines so far bound :math:`\omega` from below by h, the best machine bounds the optimum from
    above. The next weights are the projection of the present ones onto the level set

    .. math:: \{\mu \in \Delta : h(\mu) \le \lambda\, \overline\omega + (1 - \lambda) \min h\}.

    One linear program (for min h, and for the multipliers that prove it) and one quadratic program per machine.

    Parameters
    ----------
    tol, max_iter, time_limit
        See `Baseline`.
    lam : float
        In (0, 1): where the level lies between the bounds. The paper's 0.9 keeps steps short; 0.5 takes fewer here.

    References
    ----------
    .. [xu2008] Xu, Jin, King, Lyu. An Extended Level Method for Efficient Multiple Kernel Learning. NIPS 21, 2008.

    Examples
    --------
    >>> from kernelopt.convex import Hinge, Problem, Simplex
    >>> y = np.array([1.0, 1.0, -1.0, -1.0])
    >>> task = Problem.of([np.outer(y, y), np.eye(4)], y, Hinge(C=1.0), Simplex())
    >>> Level(tol=1e-4).solve(task).certificate.holds(1e-4)
    True
    """

    lam: float = 0.5

    def __post_init__(self):
        if not 0 < self.lam < 1:
            raise ValueError(f"lam must be between 0 and 1, found {self.lam!r}")

    def run(self, walk: Walk) -> None:
        """Project onto the level set, and add the line found there."""
        point = walk.at(walk.start)
        while walk.open:
            _, shares, lower = lowest_of_lines(walk.points)
            walk.average(walk.points, shares)
            if not walk.open:
                break
            assert walk.best is not None
            level = self.lam * walk.best.value + (1 - self.lam) * lower
            point = walk.at(project_to_level(point.mu, walk.points, level))
