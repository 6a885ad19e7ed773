"""Run cells one after another, each in its own process, and append their rows to a file as they finish."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

from experiments.benchmarks.cell import Cell
from experiments.benchmarks.methods import BY_NAME, METHODS
from experiments.benchmarks.problems import Case
from kernelopt.evaluation.provenance import provenance

ROOT = Path(__file__).resolve().parents[2]
KEY = ("problem", "n", "m", "C", "p", "tol", "method")
COLUMNS = (
    *KEY, "kind", "status", "gap", "infeasibility", "primal", "dual", "cpu_s", "svc_s", "assembly_s", "per_svc",
    "per_assembly_svc", "iterations", "passes", "kernels", "peak_mib", "extra_mib", "stack_mib", "rounds", "commit",
    "machine",
)  # fmt: skip
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR", "RAYON")}
BUILDING = 300.0  # seconds for making the problem, the units and the certificate, beside the solver's own


def cells(cases: Iterable[Case], tols: Iterable[float], names: Iterable[str], seconds: float) -> Iterator[Cell]:
    """Yield the cells, problem by problem."""
    for case, tol, name in product(cases, tols, names):
        yield Cell(case, name, tol, seconds)


def skipped(cell: Cell) -> str:
    """Return why a cell cannot be measured here, or an empty text."""
    method = BY_NAME[cell.method]
    if method.missing:
        return f"not installed: {method.missing}"
    entries = cell.case.m * cell.case.n**2
    return f"not tried above {method.entries:.0e} entries" if entries > method.entries else ""


def measured(cell: Cell, building: float = BUILDING) -> dict[str, Any]:
    """Measure a cell in a process of its own; one that dies or hangs is a row that says so."""
    if reason := skipped(cell):
        return {"status": f"skipped: {reason}"}
    command = [sys.executable, "-m", "experiments.benchmarks.cell", cell.to_json()]
    limit = building + 3 * cell.seconds  # a solver that keeps its own limit is repeated once at most
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return {"status": f"timed out: killed after {limit:g} s"}
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        return {"status": f"failed: exit status {done.returncode}: {last[0]}"}
    return json.loads(done.stdout.splitlines()[-1])


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file; none where there is no file.

    Raises
    ------
    ValueError
        If its columns are not today's, or if its last line was cut off.
    """
    if not path.exists():
        return []
    text = path.read_text()
    if not text.endswith("\n"):
        raise ValueError(f"{path} ends in the middle of a row: delete that line to go on, or the file to start anew")
    rows = list(csv.DictReader(text.splitlines()))
    if text.splitlines()[0].split(",") != list(COLUMNS):
        raise ValueError(f"{path} has other columns than this version writes: move it away to start anew")
    return rows


def append(path: Path, row: dict[str, Any]) -> None:
    """Add a row at once, the header before the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)
        file.flush()
        os.fsync(file.fileno())


def text(value: Any) -> Any:
    """Return a value as the file holds it: floats with seven digits, lists with spaces between, no line breaks."""
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, list):
        return " ".join(f"{v:.4g}" for v in value)
    return value.replace("\n", " ") if isinstance(value, str) else value


def run(todo: Iterable[Cell], path: Path) -> None:
    """Measure what the file does not hold yet."""
    done = {tuple(row[column] for column in KEY): row["status"] for row in read(path)}
    here = {key: provenance()[key] for key in ("commit", "machine")}
    for cell in todo:
        if cell.key in done and not (done[cell.key].startswith("skipped") and not skipped(cell)):
            continue
        row = dict(zip(KEY, cell.key, strict=True)) | {"kind": BY_NAME[cell.method].kind} | measured(cell) | here
        append(path, {column: text(value) for column, value in row.items()})
        ratio = f"{row['per_svc']:9.1f} × SVC  gap {row['gap']:.1e}" if row.get("gap") is not None else ""
        print(f"{' '.join(cell.key):70s}  {ratio}  {row['status']}", flush=True)


def names_of(kinds: Iterable[str]) -> list[str]:
    """Return the names of the methods of some kinds, in the order of the list."""
    return [method.name for method in METHODS if method.kind in set(kinds)]
