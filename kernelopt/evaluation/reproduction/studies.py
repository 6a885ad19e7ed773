"""The studies that a reproduction runs, with their constants put in and the data that are not here left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kernelopt.datasets import describe
from kernelopt.datasets.catalog import find
from kernelopt.evaluation.reproduction.config import Reproduction
from kernelopt.evaluation.study import Study


def studies(plan: Reproduction, splits: int) -> list[Study]:
    """Return the studies of a reproduction, each with the given number of splits, or its own share of them.

    A study with ``share = 0.4`` has two splits where the others have five: for tables that are dear.
    """
    constants: dict[str, Any] = {}
    for name, value in plan.constants.items():
        constants[name] = put_in(value, constants)
    found = []
    for values in plan.studies:
        if isinstance(values, Study):
            found.append(replace(values, seeds=tuple(range(splits))))
            continue
        rest = {key: value for key, value in values.items() if key != "share"}
        share = values.get("share", 1.0)
        if not isinstance(share, float) or not 0 < share <= 1:
            raise ValueError(f"share of [[studies]] must be a fraction up to 1.0, found {share!r}")
        seeds = max(1, round(share * splits))
        found.append(Study.from_dict({"name": plan.name, **put_in(rest, constants), "seeds": seeds}))
    return found


def put_in(value: Any, constants: Mapping[str, Any]) -> Any:
    """Return a value with ``"$name"`` replaced where a constant has that name; others are the data sets' own.

    Examples
    --------
    >>> put_in({"kernels": ["$K1", "$K2"]}, {"K1": {"call": "kernelopt.kernels:Linear"}})
    {'kernels': [{'call': 'kernelopt.kernels:Linear'}, '$K2']}
    """
    if isinstance(value, str) and value.startswith("$"):
        return constants.get(value[1:], value)
    if isinstance(value, Mapping):
        return {key: put_in(item, constants) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [put_in(item, constants) for item in value]
    return value


def present(study: Study, data_home: str | None = None) -> tuple[Study | None, dict[str, str]]:
    """Return the study without the data sets that are not on this machine, and how to get those.

    Returns
    -------
    study : Study or None
        None where nothing is left.
    absent : dict of str to str
        The command that fetches each data set.
    """
    where = {row.name: row.where for row in describe(data_home) if row.status == "absent"}
    named = {data.name: find(data.name).name for data in study.data if data.loader is None}
    absent = {name: where[known] for name, known in named.items() if known in where}
    here = tuple(data for data in study.data if data.name not in absent)
    return (replace(study, data=here) if here else None), absent
