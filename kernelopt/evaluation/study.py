"""A study as data: data sets × methods × sizes × seeds under one protocol."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from kernelopt.evaluation.protocol import Protocol

Half = Literal["convex", "filters", "bridge"]
SCALES = ("none", "bytes", "standardize", "range", "unit")
TASKS = ("classification", "regression")
MOST_SEEDS = 2**32  # numpy's and scikit-learn's random states take no larger ones
RESERVED = ("seed", "threads", "image_shape")  # placeholders that every method has


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
    half: Half
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
class DataSpec:
    """A data set of a study.

    Parameters
    ----------
    name : str
        What records call it: a name of `kernelopt.datasets`, or any other with `source` or `loader`.
    source : str, optional
        The name in `kernelopt.datasets`, where it is another: so that one data set may enter twice.
    loader : str or callable, optional
        ``"module:function"``, or the function: it returns a `kernelopt.datasets.Dataset`, ``(X, y)``, or ``(X, y,
        X_test, y_test)`` with an official test part. It is called in every process, and has to return the same.
    task : {"classification", "regression"}, optional
        What `y` is; of data from a loader, regression where y holds floating-point numbers, unless given.
    scale : {"none", "bytes", "standardize", "range", "unit"}, optional
        What is done to X: nothing; division by 255; each column to mean 0 and variance 1 on the training part of the
        cell; each column to [0, 1] there; each row to Euclidean norm 1. "bytes" for pixels stored as bytes and "none"
        for all else, unless given.
    missing : {"error", "drop"}
        What becomes of rows with a missing cell.
    sizes : tuple of int
        Training set sizes for this data set, where they differ from the study's.
    values : mapping
        Numbers that go with this data set: ``"$sigma"`` in a method stands for ``values["sigma"]``.
    """

    name: str
    source: str | None = None
    loader: str | Callable[[], Any] | None = None
    task: Literal["classification", "regression"] | None = None
    scale: str | None = None
    missing: Literal["error", "drop"] = "error"
    sizes: tuple[int, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        where = f"data {self.name!r}"
        _text(self.name, "the name of a data set")
        if self.source is not None:
            _text(self.source, f"source of {where}")
        if self.loader is not None and not isinstance(self.loader, str) and not callable(self.loader):
            raise ValueError(f"loader of {where} must be 'module:function' or a function, found {self.loader!r}")
        _table(self.values, f"values of {where}")
        if self.source is not None and self.loader is not None:
            raise ValueError(f"{where} has both source and loader; give one")
        _one_of(self.scale, (None, *SCALES), f"scale of {where}")
        _one_of(self.task, (None, *TASKS), f"task of {where}")
        _one_of(self.missing, ("error", "drop"), f"missing of {where}")
        object.__setattr__(self, "sizes", whole_numbers(self.sizes, f"sizes of {where}", least=1))
        taken = sorted(set(self.values) & set(RESERVED))
        if taken:
            raise ValueError(f"values of {where} may not be called {', '.join(taken)}: every method has those")


@dataclass(frozen=True)
class MethodSpec:
    """A method of a study: one of the library's own, or any estimator with ``fit`` and ``predict``.

    Parameters
    ----------
    name : str
        What records call it.
    method : str, optional
        A method of `kernelopt.evaluation.methods`, or ``"representation:combiner"`` of `kernelopt.evaluation.grid`;
        `name`, unless this or `estimator` is given.
    estimator : str, class, instance or callable, optional
        ``"module:Class"``, the class, an unfitted estimator, or a function that returns one.
    label, half, learned, description : str
        As in `MethodInfo`.
    transductive : bool
        Whether the inputs (never the labels) of the points to predict are given to ``fit``, marked by -1.
    params : mapping
        Parameters that stay, of `estimator`, or of the method's own grid. Tables are built as in
        `kernelopt.evaluation.specs.build`, and ``"$name"`` is replaced.
    grid : mapping of str to list
        Parameters that are chosen on the training part.
    record : mapping of str to str or callable
        Numbers read from the fitted estimator into ``Record.values``: a path of attributes and indices
        (``"certificate_.primal"``, ``"weights_.0"``), or ``"module:function"`` of the estimator.
    """

    name: str
    method: str | None = None
    estimator: Any = None
    label: str = ""
    half: Half = "convex"
    learned: str = ""
    description: str = ""
    transductive: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        where = f"method {self.name!r}"
        _text(self.name, "the name of a method")
        if self.method is not None:
            _text(self.method, f"method of {where}")
        for key in ("label", "learned", "description"):
            _text(getattr(self, key), f"{key} of {where}", empty=True)
        for key in ("params", "grid", "record"):
            _table(getattr(self, key), f"{key} of {where}")
        made = self.estimator
        if made is not None and not (isinstance(made, str) or callable(made) or hasattr(made, "fit")):
            raise ValueError(
                f"estimator of {where} must be 'module:Class', a class, an unfitted estimator or a function that "
                f"returns one, found {made!r}"
            )
        if self.method is not None and self.estimator is not None:
            raise ValueError(f"{where} has both method and estimator; give one")
        if self.method is None and self.estimator is None:
            object.__setattr__(self, "method", self.name)
        _one_of(self.half, ("convex", "filters", "bridge"), f"half of {where}")
        if not isinstance(self.transductive, bool):
            raise ValueError(f"transductive of {where} must be true or false, found {self.transductive!r}")
        for name, values in self.grid.items():
            if isinstance(values, str | Mapping) or not hasattr(values, "__len__") or not len(values):
                raise ValueError(f"grid.{name} of {where} must be a list of values, found {values!r}")
        both = sorted(set(self.params) & set(self.grid))
        if both:
            raise ValueError(f"{', '.join(both)} of {where} is both in params and in grid")


@dataclass(frozen=True)
class Limits:
    """What one cell may use: past it, its process is killed and the cell recorded as failed.

    Parameters
    ----------
    seconds : float, optional
        Of wall time.
    memory_mb : float, optional
        Of memory that is its own (not shared, not a file's), in 10⁶ bytes.
    """

    seconds: float | None = None
    memory_mb: float | None = None

    def __post_init__(self):
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None and not (_number(value) and 0 < value < math.inf):
                raise ValueError(
                    f"limits: {item.name} must be a positive, finite number, found {value!r}. Leave it out for no limit"
                )


@dataclass(frozen=True)
class Study:
    """Data sets × methods × sizes × seeds under one protocol.

    Parameters
    ----------
    data : sequence of DataSpec or str
        Data sets; a name alone stands for one of `kernelopt.datasets` as it is.
    methods : sequence of MethodSpec or str
        Methods; a name alone stands for one of the library's. ``"grid"`` stands for the whole grid of
        representations and combiners, ``"learned-filters:*"`` and ``"*:sdp"`` for a row and a column of it.
    sizes : sequence of int
        Training set sizes; the whole training part, where there are none.
    seeds : int or sequence of int
        How many seeds, or which: of the splits, which all methods share, and of the methods.
    name, question : str
        What it is called, and what it asks.
    protocol : Protocol
        The rules.
    limits : Limits
        What a cell may use.

    Examples
    --------
    >>> study = Study(["sonar"], [MethodSpec("svm", estimator="sklearn.svm:SVC", grid={"C": [1, 10]})], seeds=3)
    >>> [cell.label for cell in study.cells({"sonar": 166})][:2]
    ['sonar · svm · n=166 · seed 0', 'sonar · svm · n=166 · seed 1']
    >>> Study.from_toml('''
    ... seeds = [7]
    ... [[data]]
    ... name = "sonar"
    ... [[methods]]
    ... name = "svm"
    ... estimator = "sklearn.svm:SVC"
    ... grid = { C = [1, 10] }
    ... ''').methods == study.methods
    True
    """

    data: tuple[DataSpec, ...]
    methods: tuple[MethodSpec, ...]
    sizes: tuple[int, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    name: str = ""
    question: str = ""
    protocol: Protocol = field(default_factory=Protocol)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self):
        for key in ("name", "question"):
            _text(getattr(self, key), f"{key} of the study", empty=True)
        for key, part in (("protocol", Protocol), ("limits", Limits)):
            if not isinstance(getattr(self, key), part):
                raise ValueError(f"{key} of the study must be a {part.__name__}, found {getattr(self, key)!r}")
        for name, kind in (("data", DataSpec), ("methods", MethodSpec)):
            given = getattr(self, name)
            given = (given,) if isinstance(given, str | kind) else tuple(given)
            items = tuple(kind(item) if isinstance(item, str) else item for item in given)
            items = _grid_expanded(items) if kind is MethodSpec else items
            wrong = [item for item in items if not isinstance(item, kind)]
            if wrong:
                raise ValueError(f"{name} must hold names or {kind.__name__}, found {wrong[0]!r}")
            if not items:
                raise ValueError(f"{name} is empty; a study needs at least one")
            _distinct([item.name for item in items], name)
            object.__setattr__(self, name, items)
        seeds: Any = self.seeds
        seeds = range(min(seeds, MOST_SEEDS + 1)) if _number(seeds, int) else seeds
        if isinstance(seeds, range) and len(seeds) and seeds[-1] >= MOST_SEEDS:  # before it is written out
            raise ValueError(f"seeds must be below 2**32, found {seeds[-1]}")
        object.__setattr__(self, "seeds", whole_numbers(seeds, "seeds", least=0))
        if max(self.seeds, default=0) >= MOST_SEEDS:
            raise ValueError(f"seeds must be below 2**32, found {max(self.seeds)}")
        object.__setattr__(self, "sizes", whole_numbers(self.sizes, "sizes", least=1))
        if not self.seeds:
            raise ValueError("seeds is empty; a study needs at least one")

    def cells(self, whole: Mapping[str, int] | None = None) -> list[Cell]:
        """Return all cells, seed by seed and small before large, so that every method shows early.

        Parameters
        ----------
        whole : mapping of str to int, optional
            Size of each data set's training part, for those without sizes.

        Raises
        ------
        ValueError
            A data set has no sizes, and its training part is not given.
        """
        without = [d.name for d in self.data if not (d.sizes or self.sizes) and d.name not in (whole or {})]
        if without:
            raise ValueError(f"the study gives no sizes for {', '.join(without)}; pass the size of its training part")
        return [
            Cell(data.name, method.name, size, seed)
            for seed in self.seeds
            for data in self.data
            for size in sorted(data.sizes or self.sizes) or [(whole or {})[data.name]]
            for method in self.methods
        ]

    @classmethod
    def from_toml(cls, source: str | Path) -> Study:
        """Return the study that a TOML file describes, or a text of more than one line; unknown keys are errors."""
        from kernelopt.evaluation.study_file import read

        return read(source)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Study:
        """Return the study that `to_dict`, or a TOML file, describes."""
        from kernelopt.evaluation.study_file import from_dict

        return from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Return the study as plain values, in the words of the TOML file; what is as it is by default is left out."""
        from kernelopt.evaluation.study_file import to_dict

        return to_dict(self)


def _grid_expanded(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the methods, with the words that stand for several methods of the grid replaced by these."""
    found: list[Any] = []
    for item in items:
        pattern = "*" if getattr(item, "method", None) == "grid" else getattr(item, "method", None) or ""
        if "*" not in pattern:
            found.append(item)
            continue
        from kernelopt.evaluation import grid

        names = [name for name in grid.names() if fnmatch.fnmatchcase(name, pattern)]
        if not names:
            raise ValueError(f"no method of the grid is called {pattern!r}; there are {', '.join(grid.names())}")
        found += [replace(item, name=name, method=name) for name in names]
    return tuple(found)


def whole_numbers(values: Any, what: str, least: int) -> tuple[int, ...]:
    """Return distinct whole numbers as a tuple; refuse anything else."""
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise ValueError(f"{what} must be a list of whole numbers, found {values!r}")
    values = tuple(values)
    wrong = [value for value in values if not _number(value, int) or value < least]
    if wrong:
        bound = "positive" if least else "nonnegative"
        raise ValueError(f"{what} must be {bound} whole numbers, found {wrong[0]!r}")
    _distinct(values, what)
    return tuple(map(int, values))


def _number(value: Any, kind: type | tuple[type, ...] = (int, float)) -> bool:
    import numpy as np

    wide = (np.integer, kind) if kind is int else (np.integer, np.floating, int, float)
    return isinstance(value, wide) and not isinstance(value, bool)


def _distinct(values, what: str) -> None:
    if len(set(values)) != len(values):
        raise ValueError(f"{what} holds something twice: {', '.join(map(str, values))}")


def _text(value: Any, what: str, empty: bool = False) -> None:
    if not isinstance(value, str) or not (value or empty):
        raise ValueError(f"{what} must be a text, found {value!r}")


def _table(value: Any, what: str) -> None:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} must be a table, found {value!r}")


def _one_of(value: Any, allowed: tuple, what: str) -> None:
    if value not in allowed:
        words = ", ".join(repr(word) for word in allowed if word is not None)
        raise ValueError(f"{what} must be one of {words}, found {value!r}")
