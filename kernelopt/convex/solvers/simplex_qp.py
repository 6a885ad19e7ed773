"""Small convex quadratic programs over the simplex, by a primal active-set method."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack


def simplex_qp(H: np.ndarray, g: np.ndarray, start: np.ndarray) -> np.ndarray:
    r"""Minimise :math:`\tfrac12 x^\top H x + g^\top x` over :math:`x \ge 0,\ \mathbf{1}^\top x = 1`.

    Each step solves the equality-constrained program on the free coordinates, stops at the first
    bound in the way, and frees the coordinate with the most negative multiplier when none is.
    A small ridge (1e-10 of H's mean diagonal, 1e-8 of g) makes the minimiser unique.

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
    ridge = 1e-10 * float(np.trace(H)) / M + 1e-8 * float(np.abs(g).max())
    H = H + (ridge or 1.0) * np.eye(M)
    tolerance = 1e-12 * (float(np.abs(g).max()) + float(np.abs(H).max()))
    x, free = start.copy(), start > 0
    for _ in range(50 * (M + 1)):
        index = np.flatnonzero(free)
        factor = lapack.dpotrf(H[index[:, None], index], lower=1)[0]  # the bare routines: the wrappers cost more
        sides = np.ones((len(index), 2))
        sides[:, 0] = -g[index]
        solved = lapack.dpotrs(factor, sides, lower=1)[0]
        multiplier = (solved[:, 0].sum() - 1.0) / solved[:, 1].sum()  # of the constraint that x sums to one
        target = np.zeros(M)
        target[index] = solved[:, 0] - multiplier * solved[:, 1]
        blocked = free & (target <= 0) & (x > target)
        if blocked.any():
            ratio = np.full(M, np.inf)
            ratio[blocked] = x[blocked] / (x[blocked] - target[blocked])
            first = int(np.argmin(ratio))
            x = x + min(1.0, ratio[first]) * (target - x)
            x[first], free[first] = 0.0, False
            continue
        x = target
        slope = H @ x + g + multiplier
        slope[free] = 0.0
        entering = int(np.argmin(slope))
        if slope[entering] >= -tolerance:
            break
        free[entering] = True
    x = np.maximum(x, 0.0)
    return x / x.sum()
