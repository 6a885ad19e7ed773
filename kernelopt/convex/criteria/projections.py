"""Nearest points of the sets that dual variables live in."""

from __future__ import annotations

import numpy as np


def balanced_box_projection(a: np.ndarray, y: np.ndarray, upper: np.ndarray, total: float = 0.0) -> np.ndarray:
    r"""Return the nearest point with :math:`0 \le a \le u` and :math:`y^\top a` equal to `total`, for y in {-1, 1}.

    The point is ``clip(a - t y, 0, u)`` for the t at which the sum, a decreasing piecewise linear
    function of t, is right: bisection over its kinks, then one linear interpolation. Bounds may be infinite.

    Examples
    --------
    >>> balanced_box_projection(np.array([3.0, 0.0]), np.array([1.0, -1.0]), np.array([2.0, 2.0]))
    array([1.5, 1.5])
    """

    def at(t: float) -> np.ndarray:
        return np.clip(a - t * y, 0.0, upper)

    def excess(t: float) -> float:
        return float(y @ at(t)) - total

    clipped = at(0.0)
    if abs(float(y @ clipped) - total) <= 1e-14 * float(clipped.sum()):
        return clipped  # right up to rounding: moving on would only turn zeros into dust
    shifted = a - (float(y @ a) - total) / len(a) * y
    if shifted.min() > 0 and np.all(shifted < upper):
        return shifted  # no bound is in the way
    kinks = np.concatenate([y * a, (y * (a - upper))[np.isfinite(upper)]])
    reach = abs(total) + float(np.abs(kinks).max())  # beyond the last kink the sum is linear, or stands still
    kinks = np.unique(np.concatenate([kinks, [-2 * reach, 2 * reach]]))
    low, high = 0, len(kinks) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if excess(kinks[middle]) > 0 else (low, middle)
    left, right = excess(kinks[low]), excess(kinks[high])
    t = kinks[low] + (kinks[high] - kinks[low]) * (left / (left - right) if left > right else 0.0)
    return at(t)


def box_violation(a: np.ndarray, lower: np.ndarray | float, upper: np.ndarray | float, unit: float) -> float:
    """Return how far a, shape (n, k), leaves its bounds (one per sample, or one per entry), in units of `unit`."""
    lower, upper = (np.asarray(u, dtype=float)[:, None] if np.ndim(u) == 1 else u for u in (lower, upper))
    return float(max(np.max(lower - a, initial=0.0), np.max(a - upper, initial=0.0))) / unit


def balance_violation(sums: np.ndarray, a: np.ndarray, unit: float) -> float:
    """Return how far sums that should vanish do not, over the 1-norm of each column of a."""
    return float(np.max(np.abs(sums) / np.maximum(np.abs(a).sum(axis=0), unit)))
