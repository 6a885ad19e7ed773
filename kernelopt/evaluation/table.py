"""The table of a study: one row per cell, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from kernelopt.evaluation.records import Record

COST = ("tune_seconds", "fit_seconds", "predict_seconds", "peak_memory_mb")
COLUMNS = (
    "dataset", "method", "size", "seed", "status", "accuracy", "chosen", "gap", "gradient_norm",
    *COST, "transductive", "error",
)  # fmt: skip
MORE = ("task", "split", "n_train", "n_test", "n_settings", "budget")


def table(records: Sequence[Record], more: bool = False) -> str:
    """Return the table of all cells as CSV; the cost columns are the only ones that vary between equal runs.

    Parameters
    ----------
    records : sequence of Record
        Cells, in the order of the rows.
    more : bool
        Whether to add what the contrast's table had not from the beginning: task, split, numbers of points and of
        settings, each metric, each recorded value, each kernel's weight.

    Returns
    -------
    str
    """
    groups = {"metric": "metrics", "value": "values", "weight": "weights"} if more else {}
    found = {
        group: list(dict.fromkeys(name for record in records for name in getattr(record, attribute) or {}))
        for group, attribute in groups.items()
    }
    names = [(groups[group], name) for group, names in found.items() for name in names]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    extra = [f"{group}: {name}" for group, names in found.items() for name in names]
    writer.writerow([*COLUMNS, *(MORE if more else ()), *map(_harmless, extra)])
    for record in records:
        values = [*_first(record), *(getattr(record, name) for name in (MORE if more else ()))]
        values += [(getattr(record, attribute) or {}).get(name) for attribute, name in names]
        writer.writerow([_harmless(value) for value in values])
    return out.getvalue()


def _first(record: Record) -> list[Any]:
    measured = record.status == "ok" and record.task == "classification"
    return [
        *record.key,
        record.status,
        record.accuracy if measured else None,
        " ".join(f"{name}={value}" for name, value in record.chosen.items()),
        None if record.certificate is None else record.certificate["gap"],
        record.gradient_norm,
        *(record.cost.get(name) for name in COST),
        record.transductive,
        record.error,
    ]


def _harmless(value: Any) -> str:
    """Return a cell's text; one that a spreadsheet would take for a formula is quoted."""
    text = "" if value is None else str(value)
    return "'" + text if isinstance(value, str) and text[:1] in ("=", "+", "-", "@") else text
