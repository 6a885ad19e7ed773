"""A published quantity: which recorded value it is, in which unit, and how near counts as reproduced."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.reproduction.published import Published

TRANSFORMS: Mapping[str, Callable[[float], float]] = {
    "identity": lambda x: x,
    "complement": lambda x: 1 - x,
    "square": lambda x: x * x,
    "inverse": lambda x: 1 / x if x else math.inf,
    "margin": lambda x: 1 / math.sqrt(2 * x),  # of a hard margin whose objective, half the squared norm, is positive
}


@dataclass(frozen=True)
class Tolerance:
    """How far a mean may be from the published figure: the largest of what is given, and the rounding of the print.

    Parameters
    ----------
    absolute : float
        In the unit of the published figure.
    relative : float
        A share of it.
    spread : float
        A multiple of its printed standard deviation; counts where one is printed.

    Examples
    --------
    >>> cell = Published("sonar", "C-SVM", "", "error", "14.8", 3.7)
    >>> round(Tolerance(spread=1.0).of(cell), 3), round(Tolerance(relative=0.03).of(cell), 3)
    (3.75, 0.494)
    """

    absolute: float = 0.0
    relative: float = 0.0
    spread: float = 0.0

    def __post_init__(self):
        sizes = (self.absolute, self.relative, self.spread)
        if not all(0 <= size < math.inf for size in sizes) or not any(sizes):
            raise ValueError(f"tolerance must have a positive absolute, relative or spread, found {self}")

    def of(self, cell: Published) -> float:
        """Return the tolerance of a figure."""
        candidates = (self.absolute, self.relative * abs(cell.value), self.spread * (cell.spread or 0.0))
        return max(candidates) + cell.rounding

    @property
    def shown(self) -> str:
        """The tolerance in words."""
        parts = []
        if self.absolute:
            parts.append(f"{self.absolute:g}")
        if self.relative:
            parts.append(f"{100 * self.relative:g} %")
        if self.spread:
            parts.append("the printed spread" if self.spread == 1 else f"{self.spread:g} printed spreads")
        return " or ".join(parts) + (", whichever is larger" if len(parts) > 1 else "")


@dataclass(frozen=True)
class Quantity:
    """How a published quantity is read off a record.

    Parameters
    ----------
    value : str
        "accuracy", a test metric, a name that the study records, or "weights.k" for the k-th weight, counted from 0.
    tolerance : Tolerance
        What counts as reproduced.
    transform : str
        What is done to the recorded value first: one of `TRANSFORMS`.
    factor : float
        What it is multiplied by then, as 100 for per cent.
    published_transform : str
        What is done to the printed figure; a penalty C printed as 3.6e8 is better compared as 1/C.
    label : str
        What the tables call it.
    digits : int
        Decimals shown of our figure.
    """

    value: str
    tolerance: Tolerance
    transform: str = "identity"
    factor: float = 1.0
    published_transform: str = "identity"
    label: str = ""
    digits: int = 2

    def __post_init__(self):
        for name in ("transform", "published_transform"):
            if getattr(self, name) not in TRANSFORMS:
                raise ValueError(f"{name} must be one of {', '.join(TRANSFORMS)}, found {getattr(self, name)!r}")

    def of(self, record: Record) -> float:
        """Return the quantity of one record.

        Raises
        ------
        ValueError
            The record does not hold the value.
        """
        return self.factor * TRANSFORMS[self.transform](recorded(record, self.value))

    def expected(self, cell: Published) -> float:
        """Return the published figure in the unit of comparison."""
        return TRANSFORMS[self.published_transform](cell.value)


def recorded(record: Record, name: str) -> float:
    """Return a value of a record by name.

    Examples
    --------
    >>> recorded(Record("sonar", "learned", 166, 0, weights={"linear": 0.5, "rbf": 2.5}), "weights.1")
    2.5
    """
    places: dict[str, Any] = {**record.metrics, **(record.certificate or {}), **record.values}
    head, _, index = name.partition(".")
    if name == "accuracy":
        return record.accuracy
    if head == "weights" and index.isdigit() and record.weights and int(index) < len(record.weights):
        return float(list(record.weights.values())[int(index)])
    if name in places and isinstance(places[name], int | float):
        return float(places[name])
    known = ["accuracy", *places, *(f"weights.{k}" for k in range(len(record.weights or {})))]
    raise ValueError(
        f"the record of {record.method!r} on {record.dataset!r} holds no number {name!r}; it holds {', '.join(known)}. "
        f"Name one of these, or add it to the method's `record`"
    )
