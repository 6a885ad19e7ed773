"""Small convex quadratic programs over the simplex, by a primal active-set method."""

from __future__ import annotations

import numpy as np
from scipy import linalg


def simplex_qp(H: np.ndarray, g: np.ndarray, start: np.ndarray) -> np.ndarray:
    r"""Minimise :math:`\tfrac12 x^\top H x + g^\top x` over :math:`x \ge 0,\ \mathbf{1}^\top x = 1`.

    Each step solves the equality-constrained program on the free coordinates, stops at the first
    bound in the way, and frees the coordinate with the most negative multiplier when none is.
    A ridge of 1e-10 of H's trace makes the minimiser unique.

    Parameters
    ----------
    H : array of shape (M, M)
        Positive semidefinite.
    g, start : arrays of shape (M,)
        Linear term; a point of the simplex to begin at.

    Examples
    --------
    >>> simplex_qp(np.eye(3), np.array([0.0, 0.0, 5.0]), np.full(3, 1 / 3)).round(6)
    array([0.5, 0.5, 0. ])
    """
    M = len(g)
    size = float(np.trace(H)) / M + float(np.abs(g).max()) * 1e-6
    H = H + 1e-10 * (size or 1.0) * np.eye(M)
    tolerance = 1e-12 * (float(np.abs(g).max()) + float(np.abs(H).max()))
    x, free = start.copy(), start > 0
    for _ in range(50 * (M + 1)):
        index = np.flatnonzero(free)
        one = np.ones((len(index), 1))
        system = np.block([[H[np.ix_(index, index)], one], [one.T, np.zeros((1, 1))]])
        solved = linalg.lstsq(system, np.append(-g[index], 1.0), lapack_driver="gelsy")[0]
        target = np.zeros(M)
        target[index] = solved[:-1]
        blocked = free & (target <= 0) & (x > target)
        if blocked.any():
            ratio = np.full(M, np.inf)
            ratio[blocked] = x[blocked] / (x[blocked] - target[blocked])
            first = int(np.argmin(ratio))
            x = x + min(1.0, ratio[first]) * (target - x)
            x[first], free[first] = 0.0, False
            continue
        x = target
        multiplier = H @ x + g + solved[-1]
        multiplier[free] = 0.0
        entering = int(np.argmin(multiplier))
        if multiplier[entering] >= -tolerance:
            break
        free[entering] = True
    x = np.maximum(x, 0.0)
    return x / x.sum()
