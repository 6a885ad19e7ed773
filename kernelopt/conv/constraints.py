r"""Where weights must stay: projections applied after each gradient step, as Keras defines them.

Each is a value and a function from a tensor to its projection. Kernels come in Keras's order, (rows, columns,
channels, filters). Norms are taken along `axis`, by default only the first, as in Keras; for the norm of
a whole filter pass ``axis=(0, 1, 2)``. Divisions by a norm add 1e-7 to it, so zero stays zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["NonNeg", "MaxNorm", "MinMaxNorm", "UnitNorm"]

EPSILON = 1e-7


class Constraint:
    """Function from a tensor to its projection."""

    def __call__(self, w):
        """Return the projected tensor."""
        raise NotImplementedError


@dataclass(frozen=True)
class NonNeg(Constraint):
    r"""No weight is negative: :math:`w \mapsto \max(w, 0)`."""

    def __call__(self, w):
        """Return the projected tensor."""
        return w.clamp(min=0)


@dataclass(frozen=True)
class MinMaxNorm(Constraint):
    r"""Norms between two bounds: :math:`w \mapsto w \, ((1 - r) \|w\| + r \, \mathrm{clip}(\|w\|, a, b)) / \|w\|`.

    Parameters
    ----------
    min_value, max_value : float
        The bounds a and b; 0 <= a <= b.
    rate : float
        The share r in (0, 1]: 1 enforces the bounds at every step, less approaches them.
    axis : int or tuple of int
        Axes over which norms are taken.
    """

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: int | tuple[int, ...] = 0

    def __post_init__(self):
        if not 0 <= self.min_value <= self.max_value:
            raise ValueError(
                f"min_value={self.min_value!r}, max_value={self.max_value!r}, but expected 0 <= min_value <= max_value."
            )
        if not 0 < self.rate <= 1:
            raise ValueError(f"rate={self.rate!r}, but expected a number in (0, 1].")

    def __call__(self, w):
        """Return the projected tensor."""
        norms = _norms(w, self.axis)
        wanted = self.rate * norms.clamp(self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (wanted / (norms + EPSILON))


@dataclass(frozen=True)
class MaxNorm(Constraint):
    r"""Norms of at most `max_value`: :math:`w \mapsto w \min(\|w\|, b) / \|w\|`."""

    max_value: float = 2.0
    axis: int | tuple[int, ...] = 0

    def __post_init__(self):
        if not self.max_value >= 0:
            raise ValueError(f"max_value={self.max_value!r}, but expected a number that is not negative.")

    def __call__(self, w):
        """Return the projected tensor."""
        norms = _norms(w, self.axis)
        return w * (norms.clamp(max=self.max_value) / (norms + EPSILON))


@dataclass(frozen=True)
class UnitNorm(Constraint):
    r"""Norms of one: :math:`w \mapsto w / \|w\|`."""

    axis: int | tuple[int, ...] = 0

    def __call__(self, w):
        """Return the projected tensor."""
        return w / (_norms(w, self.axis) + EPSILON)


CONSTRAINTS: dict[str, Callable[[], Constraint]] = {
    "non_neg": NonNeg,
    "max_norm": MaxNorm,
    "min_max_norm": MinMaxNorm,
    "unit_norm": UnitNorm,
}


def make_constraint(constraint: str | Callable | None, name: str = "kernel_constraint") -> Callable | None:
    """Return the projection of a name in ``CONSTRAINTS``, or the function itself, or None.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> make_constraint("unit_norm")
    UnitNorm(axis=0)
    """
    if constraint is None or callable(constraint):
        return constraint
    if constraint not in list(CONSTRAINTS):
        raise ValueError(f"{name}={constraint!r}, but expected None, a function or one of {', '.join(CONSTRAINTS)}.")
    return CONSTRAINTS[constraint]()


def _norms(w, axis: int | tuple[int, ...]):
    return w.square().sum(dim=axis, keepdim=True).sqrt()
