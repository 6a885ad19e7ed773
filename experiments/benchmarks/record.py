"""The speed-regression record: a few cells, in the format of pytest-benchmark, to compare later versions with."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments.benchmarks.cell import Cell
from experiments.benchmarks.problems import Case
from experiments.benchmarks.run import measured
from kernelopt.evaluation.provenance import provenance

RECORD = Path(__file__).with_name("record.json")
FORMAT = "4.0.0"  # of pytest-benchmark's files

CELLS = [
    Cell(Case(name, n, m, C), method, seconds=120.0)
    for name, n, m in (
        ("synthetic/mixed", 400, 20),
        ("synthetic/mixed", 1000, 20),
        ("synthetic/mixed", 1000, 100),
        ("ionosphere/mixed", 351, 20),
        ("optdigits/mixed", 1000, 20),
    )
    for C in (1.0, 10.0)
    for method in ("WorkingSetNewton", "InteriorPoint")
]


def entry(cell: Cell, row: dict[str, Any]) -> dict[str, Any]:
    """Return one benchmark as pytest-benchmark writes it; its "seconds" are fits of one SVC on the same machine."""
    ratios = sorted(taken / row["svc_s"] for taken in row["rounds"])
    case = cell.case
    quartiles = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else [ratios[0]] * 3
    return {
        "group": f"{case.name} n={case.n} m={case.m} C={case.C:g}",
        "name": " ".join(cell.key),
        "fullname": " ".join(cell.key),
        "params": vars(case) | {"tol": cell.tol},
        "param": None,
        "extra_info": {
            "unit": "CPU time of one scikit-learn SVC fit on the average kernel, same process",
            **{k: row[k] for k in ("cpu_s", "svc_s", "assembly_s", "gap", "passes", "peak_mib", "extra_mib", "status")},
        },
        "options": {"timer": "process_time", "disable_gc": False, "warmup": False},
        "stats": {
            "min": ratios[0],
            "max": ratios[-1],
            "mean": statistics.mean(ratios),
            "stddev": statistics.stdev(ratios) if len(ratios) > 1 else 0.0,
            "median": statistics.median(ratios),
            "q1": quartiles[0],
            "q3": quartiles[2],
            "iqr": quartiles[2] - quartiles[0],
            "rounds": len(ratios),
            "iterations": 1,
            "total": sum(ratios),
            "ops": 1 / statistics.mean(ratios),
            "data": ratios,
        },
    }


def record(cells: Iterable[Cell] = CELLS) -> dict[str, Any]:
    """Measure the cells and return the record.

    Raises
    ------
    RuntimeError
        If a cell does not reach its gap: a time without its answer is no time.
    """
    here = provenance()
    entries = []
    for cell in cells:
        row = measured(cell)
        if row["status"] != "ok":
            raise RuntimeError(f"{' '.join(cell.key)}: {row['status']}; nothing is recorded")
        entries.append(entry(cell, row))
        print(f"{entries[-1]['name']:70s} {entries[-1]['stats']['min']:8.1f} × SVC", flush=True)
    dirty = " with uncommitted changes"
    versions = {k: v for k, v in here.items() if k not in ("machine", "commit")}
    return {
        "machine_info": {"node": "", "cpu": here["machine"], "python_version": here["python"], "versions": versions},
        "commit_info": {"id": here["commit"].removesuffix(dirty), "dirty": here["commit"].endswith(dirty)},
        "benchmarks": entries,
        "datetime": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": FORMAT,
    }


def load(path: Path = RECORD) -> dict[str, Any]:
    """Read a record."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; write it with: python -m experiments.benchmarks record")
    return json.loads(path.read_text())


def changes(old: dict[str, Any], new: dict[str, Any], allow: float = 1.25) -> tuple[str, list[str]]:
    """Return a table of new over old, and the names of those that became slower by more than `allow`.

    Both are ratios to a machine of their own run, so that another computer changes them little, though not nothing.

    Examples
    --------
    >>> one = {"benchmarks": [{"name": "a", "stats": {"min": 8.0}}], "commit_info": {"id": "x"}}
    >>> two = {"benchmarks": [{"name": "a", "stats": {"min": 12.0}}], "commit_info": {"id": "y"}}
    >>> changes(one, two)[1]
    ['a']
    """
    before = {b["name"]: b["stats"]["min"] for b in old["benchmarks"]}
    after = {b["name"]: b["stats"]["min"] for b in new["benchmarks"]}
    lines = [
        f"| × SVC | {old['commit_info']['id'][:9]} | {new['commit_info']['id'][:9]} | new / old |",
        "|---|---|---|---|",
    ]
    slower = []
    for name in before | after:
        if name not in before or name not in after:
            lines.append(f"| {name} | {before.get(name, '–')} | {after.get(name, '–')} | only in one |")
            continue
        change = after[name] / before[name]
        slower += [name] if change > allow else []
        mark = " slower" if change > allow else " faster" if change < 1 / allow else ""
        lines.append(f"| {name} | {before[name]:.1f} | {after[name]:.1f} | {change:.2f}{mark} |")
    return "\n".join(lines), slower
