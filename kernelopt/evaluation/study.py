"""A study as data: data sets × methods × sizes × seeds under one protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class MethodInfo:
    """What a reader of the report must know of a method.

    Parameters
    ----------
    name, label : str
        Short name (used in records and on the command line) and the label shown.
    half : {"convex", "filters", "bridge"}
        Which notion of learning the kernel it belongs to; a bridge joins both.
    learned : str
        What is learned, in a newcomer's words.
    description : str
        One sentence on how it works.
    grid : mapping
        The hyper-parameters tried on the training part.
    """

    name: str
    label: str
    half: Literal["convex", "filters", "bridge"]
    learned: str
    description: str
    grid: Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One unit of work: a method on a training set of one size, with one seed.

    Examples
    --------
    >>> Cell("digits", "learned-kernel", 100, 0).label
    'digits · learned-kernel · n=100 · seed 0'
    """

    dataset: str
    method: str
    size: int
    seed: int

    @property
    def label(self) -> str:
        """What to call it in a progress line."""
        return f"{self.dataset} · {self.method} · n={self.size} · seed {self.seed}"


@dataclass(frozen=True)
class Study:
    """Data sets × methods × sizes × seeds under one protocol.

    Parameters
    ----------
    datasets, methods : tuple of str
        Names.
    sizes, seeds : tuple of int
        Training set sizes; seeds of the splits, which all methods share.
    """

    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    sizes: tuple[int, ...]
    seeds: tuple[int, ...]

    def __post_init__(self):
        for name in ("datasets", "methods", "sizes", "seeds"):
            values = getattr(self, name)
            if not values:
                raise ValueError(f"{name} is empty; a study needs at least one")
            if len(set(values)) != len(values):
                raise ValueError(f"{name} holds something twice: {values}")
        if min(self.sizes) < 1 or min(self.seeds) < 0:
            raise ValueError(f"sizes must be positive and seeds nonnegative, found {self.sizes} and {self.seeds}")

    def cells(self) -> list[Cell]:
        """Return all cells, seed by seed and small before large, so that every method shows early."""
        return [
            Cell(dataset, method, size, seed)
            for seed in self.seeds
            for dataset in self.datasets
            for size in sorted(self.sizes)
            for method in self.methods
        ]
