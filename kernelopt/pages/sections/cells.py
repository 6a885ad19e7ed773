"""The table of all cells, and the command that runs them again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from math import sqrt
from typing import Any

from kernelopt.evaluation.records import Record
from kernelopt.pages import formats
from kernelopt.pages.summary import Results, finite, score_of


def cells(results: Results) -> list[dict[str, Any]]:
    """Return one row per cell."""
    return [
        {
            "record": record,
            "method": results.info[record.method],
            **_scores(results, record),
            "chosen": formats.plain(record.chosen) if record.chosen else "",
            "tried": len(record.candidates),
            "gap": _number((record.certificate or {}).get("gap")),
            "gradient": _number(record.gradient_norm),
            "fit": _number(record.cost.get("fit_seconds")),
            "tuning": _number(record.cost.get("tune_seconds")),
        }
        for record in results.records
    ]


def _scores(results: Results, record: Record) -> dict[str, Any]:
    """Return the scores on the test part and on the part that chose, as numbers and as text."""
    test, chosen = _number(score_of(record)), _validation_score(record)
    if results.task == "regression" and chosen is not None:
        chosen = sqrt(-chosen) if chosen <= 0 else None  # minus a mean squared error
    shown = {"score": test, "validation": chosen}
    texts = {f"{name}_text": None if value is None else results.metric.value(value) for name, value in shown.items()}
    return shown | texts


def _number(value: float | None) -> float | None:
    return next(iter(finite([value])), None)


def _validation_score(record: Record) -> float | None:
    """Return the validation score of the setting that was chosen, if it was recorded."""
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
