"""Exact minimisers of convex functions of one number: intercepts, margins, tubes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq


def kink_minimiser(kinks: np.ndarray, jumps: np.ndarray, slope: float) -> float:
    """Minimise a convex piecewise linear function; the midpoint where the minimum is flat.

    Parameters
    ----------
    kinks, jumps : arrays of shape (m,)
        Where the slope rises, and by how much.
    slope : float
        The slope left of all kinks.

    Examples
    --------
    >>> kink_minimiser(np.array([0.0, 4.0]), np.array([1.0, 1.0]), -1.0)  # |t|/2 + |t - 4|/2
    2.0
    """
    order = np.argsort(kinks, kind="stable")
    slopes, tiny = np.cumsum(jumps[order]) + slope, 1e-12 * float(np.sum(jumps))
    j = int(np.argmax(slopes > -tiny)) if slopes[-1] > -tiny else len(kinks) - 1
    if abs(slopes[j]) <= tiny and j + 1 < len(kinks):
        return float(0.5 * (kinks[order[j]] + kinks[order[j + 1]]))
    return float(kinks[order[j]])


def slope_root(slope: Callable[[float], float], low: float, high: float) -> float:
    """Return where an increasing slope vanishes; the bracket is widened until it holds the root."""
    width = max(high - low, 1e-300)
    for _ in range(200):
        if slope(low) <= 0:
            break
        low, width = low - width, 2 * width
    for _ in range(200):
        if slope(high) >= 0:
            break
        high, width = high + width, 2 * width
    if slope(low) >= 0:
        return low
    if slope(high) <= 0:
        return high
    eps = float(np.finfo(float).eps)  # of the bracket: a root at zero has no digits of its own
    return float(brentq(slope, low, high, xtol=eps * max(abs(low), abs(high)), rtol=4 * eps, maxiter=500))
