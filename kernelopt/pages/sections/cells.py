"""The table of all cells, and the command that runs them again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from kernelopt.evaluation.records import Record
from kernelopt.pages import formats
from kernelopt.pages.summary import Results, finite


def cells(results: Results) -> list[dict[str, Any]]:
    """Return one row per cell."""
    return [
        {
            "record": record,
            "method": results.info[record.method],
            "accuracy": _number(record.accuracy),
            "validation": _validation_score(record),
            "chosen": formats.plain(record.chosen) if record.chosen else "",
            "tried": len(record.candidates),
            "gap": _number((record.certificate or {}).get("gap")),
            "gradient": _number(record.gradient_norm),
            "fit": _number(record.cost.get("fit_seconds")),
            "tuning": _number(record.cost.get("tune_seconds")),
        }
        for record in results.records
    ]


def _number(value: float | None) -> float | None:
    return next(iter(finite([value])), None)


def _validation_score(record: Record) -> float | None:
    """Return the validation accuracy of the setting that was chosen, if it was recorded."""
    scores = (c.get("score") for c in record.candidates if c.get("params") == record.chosen)
    return _number(next(scores, None))


def command(arranged: Sequence[Results]) -> str:
    """Return the command that runs these data sets, methods, sizes and seeds."""
    records = [record for results in arranged for record in results.records]
    methods = dict.fromkeys(method.name for results in arranged for method in results.methods)
    seeds = sorted({record.seed for record in records})
    words = ["kernelopt", "contrast", "--data", *(results.dataset for results in arranged)]
    words += ["--sizes", *(str(size) for size in sorted({record.size for record in records}))]
    words += ["--seeds", *([str(len(seeds))] if seeds == list(range(len(seeds))) else map(str, seeds))]
    words += ["--methods", *methods, "--output", "report.html"]
    return shlex.join(words)
