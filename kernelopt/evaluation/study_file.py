"""Studies as TOML: what may stand where; every key optional unless a study means nothing without it.

::

    name = "svm-on-sonar"
    question = "Does learning the kernel beat averaging?"
    sizes = [50, 100]            # training set sizes; absent: the whole training part
    seeds = 5                    # a count, or a list

    [protocol]                   # kernelopt.evaluation.Protocol
    split = "random"             # "official" | "random"; absent: official where a data set has a test part
    test_size = 0.2              # a fraction, or a number of points
    stratify = false             # whether parts have the classes' proportions
    folds = 3                    # of tuning, inside the training part; 0 = one hold-out part
    validation_size = 0.25       # of that hold-out part
    budget = 9                   # settings each method may try at most
    search = "random"            # "grid" | "random": draw `budget` settings of larger grids, by seed
    threads = 1

    [limits]                     # per cell, which runs in a process of its own
    seconds = 600
    memory_mb = 4000

    [[data]]                     # kernelopt.evaluation.DataSpec
    name = "sonar"               # of kernelopt.datasets, or any with loader = "module:function"
    scale = "standardize"        # "none" | "bytes" | "standardize" | "range" | "unit"
    values = { sigma = 0.5 }     # what "$sigma" in a method stands for

    [[methods]]                  # kernelopt.evaluation.MethodSpec
    name = "learned-kernel"      # one of the library's, by its name

    [[methods]]
    name = "MKL"
    label = "Two Gaussians"
    estimator = "kernelopt:MKLClassifier"
    params = { kernels = { partial = "kernelopt.kernels:gaussian", factors = [1, 4] } }
    grid = { C = [0.1, 1, 10] }
    record = { objective = "certificate_.primal" }
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from kernelopt.evaluation.protocol import Protocol
from kernelopt.evaluation.specs import check_keys, plain
from kernelopt.evaluation.study import DataSpec, Limits, MethodSpec, Study


def read(source: str | Path) -> Study:
    """Return the study in a TOML file, or in a text of more than one line."""
    if isinstance(source, str) and "\n" in source:
        return from_dict(_parsed(source, "the text"))
    path = Path(source)
    try:
        return from_dict(_parsed(path.read_text(encoding="utf-8"), str(path)))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _parsed(text: str, what: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{what} is not TOML: {error}") from error


def from_dict(values: Mapping[str, Any]) -> Study:
    """Return the study that plain values describe."""
    check_keys(values, "the study", names(Study))
    given = dict(values)
    for key, kind in (("data", DataSpec), ("methods", MethodSpec)):
        if key not in given:
            raise ValueError(f"the study has no {key}; a study needs at least one [[{key}]]")
        items = given[key]
        if not isinstance(items, list | tuple):
            raise ValueError(f"{key} must be a list of tables [[{key}]] or of names, found {items!r}")
        given[key] = tuple(item if isinstance(item, str) else _made(kind, item, f"[[{key}]]") for item in items)
    for key, part in (("protocol", Protocol), ("limits", Limits)):
        if key in given:
            given[key] = _made(part, given[key], f"[{key}]")
    return Study(**given)


def to_dict(study: Study) -> dict[str, Any]:
    """Return a study as plain values; objects are named."""
    found = _different(study, Study)
    for key, kind in (("data", DataSpec), ("methods", MethodSpec)):
        found[key] = [plain(_different(item, kind)) for item in getattr(study, key)]
    for key, part in (("protocol", Protocol), ("limits", Limits)):
        if key in found:
            found[key] = _different(getattr(study, key), part)
    return plain(found)


def names(kind: Any) -> tuple[str, ...]:
    """Return the names of a value's fields."""
    return tuple(item.name for item in fields(kind))


def _made(kind: Any, values: Any, where: str) -> Any:
    check_keys(values, where, names(kind))
    missing = [f.name for f in fields(kind) if f.default is f.default_factory is MISSING and f.name not in values]
    if missing:
        raise ValueError(f"{where} has no {missing[0]}: {dict(values)!r}")
    return kind(**values)


def _different(value: Any, kind: Any) -> dict[str, Any]:
    """Return the fields that are not as they are by default."""
    found = {}
    for item in fields(kind):
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        if getattr(value, item.name) != default:
            found[item.name] = getattr(value, item.name)
    if kind is MethodSpec and found.get("method") == value.name:
        del found["method"]
    return found
