"""A kernel set in the one form that general solvers read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Smooth:
    """A convex function of the variables with its derivatives."""

    gradient: Callable[[np.ndarray], np.ndarray]
    hessian: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class WeightProgram:
    r"""Minimise :math:`f(\theta) - q^\top \theta` over a convex set of weights.

    Parameters
    ----------
    start : array of shape (M,)
        Strictly inside the inequalities.
    nonnegative : bool
        Whether the weights are bounded by zero.
    equalities : array of shape (r, M)
    total : array of shape (r,)
        ``equalities @ theta == total``.
    price : Smooth or None
        f, which is R.
    groups : tuple of arrays
        Where not empty, the set is :math:`\sum_g \|\theta_g\|_p \le` `size` in the orthant, with these members.
    p : float
        The norm of the groups.
    semidefinite : bool
        Whether :math:`K(\theta) \succeq 0` is to be imposed, on all points.
    size : float
        What the norms of the groups add up to at most, in the place of one.
    radius : bool
        Whether the smallest ball around the points, in the feature space of :math:`K(\theta)`, has radius <= 1.
    """

    start: np.ndarray
    nonnegative: bool
    equalities: np.ndarray
    total: np.ndarray
    price: Smooth | None = None
    groups: tuple[np.ndarray, ...] = ()
    p: float = 2.0
    semidefinite: bool = False
    radius: bool = False
    size: float = 1.0


def orthant(start: np.ndarray, **more) -> WeightProgram:
    """Return a program over nonnegative weights without equalities."""
    m = len(start)
    options = {"equalities": np.zeros((0, m)), "total": np.zeros(0), **more}
    return WeightProgram(start, True, **options)
