"""The dual of one column in the one form that general solvers read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Curve:
    """A separable concave term of the dual: value, derivative and second derivative, entry by entry."""

    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    second: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class DualProgram:
    r"""Maximise a separable concave function less the kernel's quadratic form.

    .. math::
        \max_x \; c_0 + p^\top x - \tfrac12 \sum_j d_j x_j^2 + \sum_j \chi_j(x_j) - \tfrac12 v^\top K v
        \quad\text{s.t.}\quad l \le x \le u, \quad E x - \delta \circ b = e,

    with v the signed sum of the x of each sample; a row with :math:`\delta_r = 0` is an equality, one
    with :math:`\delta_r > 0` stands for the penalty :math:`-(E x - e)_r^2 / (2 \delta_r)`. The
    multipliers b of the rows are the free numbers of the loss: intercept, margin :math:`\rho`, tube
    :math:`\varepsilon`.

    Parameters
    ----------
    sample, sign : arrays of shape (N,)
        Which sample each x belongs to and how it enters v; regression has two per sample.
    p, d : arrays of shape (N,)
        Linear and quadratic terms; d >= 0.
    lower, upper : arrays of shape (N,)
        Bounds, may be infinite.
    rows, total : arrays of shape (r, N) and (r,)
        E and e. Entries of a row are -1, 0 or 1.
    soft : array of shape (r,)
        :math:`\delta`.
    intercept : array of shape (r,)
        The combination of the multipliers that is the intercept of the decision function.
    unit : float
        A typical size of x where the bounds and p do not tell.
    curve : Curve or None
        :math:`\chi`.
    constant : float
        :math:`c_0`.
    """

    sample: np.ndarray
    sign: np.ndarray
    p: np.ndarray
    d: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    rows: np.ndarray
    total: np.ndarray
    soft: np.ndarray
    intercept: np.ndarray
    unit: float = np.inf
    curve: Curve | None = None
    constant: float = 0.0
    n: int = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "n", int(self.sample.max()) + 1)

    def v(self, x: np.ndarray) -> np.ndarray:
        """Return the signed sum per sample, shape (n,)."""
        return np.bincount(self.sample, self.sign * x, minlength=self.n)

    def back(self, g: np.ndarray) -> np.ndarray:
        """Return the adjoint of `v`: shape (N, ...) of an array of shape (n, ...)."""
        return (g[self.sample].T * self.sign).T


def stacked(programs: list[DualProgram]) -> DualProgram:
    """Return several programs as one, for kernels that couple their columns; all have the same samples and rows."""
    first = programs[0]
    (r, N), k = first.rows.shape, len(programs)
    rows = np.zeros((r * k, N * k))
    for c, program in enumerate(programs):
        rows[c * r : (c + 1) * r, c * N : (c + 1) * N] = program.rows

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(program, name) for program in programs])

    fields: dict[str, Any] = {
        name: joined(name) for name in ("sign", "p", "d", "lower", "upper", "total", "soft", "intercept")
    }
    sample = np.concatenate([program.sample + c * first.n for c, program in enumerate(programs)])
    return DualProgram(sample=sample, rows=rows, unit=first.unit, constant=k * first.constant, **fields)


def box(
    sign: np.ndarray, p: np.ndarray, upper: np.ndarray | float, rows: np.ndarray, *, n: int = 0, **more: Any
) -> DualProgram:
    """Return a program with 0 <= x <= upper; with N = 2 n, the halves of x belong to the same n samples.

    `d`, `lower`, `total`, `soft` are zero and `intercept` is one unless given; numbers count for all entries.
    """
    N, rows = len(sign), np.atleast_2d(np.asarray(rows, dtype=float))
    defaults: dict[str, Any] = {"d": 0.0, "lower": 0.0, "total": 0.0, "soft": 0.0, "intercept": 1.0}
    lengths = {"d": N, "lower": N, "total": len(rows), "soft": len(rows), "intercept": len(rows)}
    full: dict[str, Any] = {
        key: np.broadcast_to(np.asarray(more.pop(key, value), dtype=float), (lengths[key],))
        for key, value in defaults.items()
    }
    upper = np.broadcast_to(np.asarray(upper, dtype=float), (N,))
    return DualProgram(np.arange(N) % (n or N), sign, p, upper=upper, rows=rows, **full, **more)
