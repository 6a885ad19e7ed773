"""The scores of all methods with their intervals, against the number of training points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernelopt.evaluation.statistics import Estimate
from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages import formats
from kernelopt.pages.figures.charts import Axis, Line, Point
from kernelopt.pages.figures.marks import Look, Scale
from kernelopt.pages.sections.panels import by_half
from kernelopt.pages.summary import Results


def accuracy(results: Results, look: Mapping[str, Look]) -> dict[str, Any]:
    """Return the charts and the table of test accuracies, or of RMSEs."""
    metric = results.metric
    estimates = {(m.name, size): results.accuracy(m.name, size) for m in results.methods for size in results.sizes}
    known = [estimate for estimate in estimates.values() if estimate is not None]
    panels = []
    if known:
        scale = Scale.over(
            [end for e in known for end in (e.low, e.high)], pad=0.05, minimum=0.04 if metric.is_fraction else 0.0
        )
        y = Axis(metric.axis, scale, [(v, metric.tick(v)) for v in scale.ticks(6)])
        lines = {m.name: _line(m, results, estimates, look[m.name]) for m in results.methods}
        panels = by_half(
            results, {name: line for name, line in lines.items() if line.points}, y, formats.capital(metric.axis)
        )
    rows = [
        {
            "method": method,
            "transductive": method.name in results.transductive,
            "cells": [
                {
                    "size": size,
                    "estimate": estimates[method.name, size],
                    "planned": results.planned(method.name, size),
                    "missing": sum(
                        r.status != "ok" for r in results.records if r.method == method.name and r.size == size
                    ),
                }
                for size in results.sizes
            ],
        }
        for method in results.methods
    ]
    beyond = metric.is_fraction and any(estimate.high > 1 for estimate in known)
    return {"panels": panels, "rows": rows, "beyond": beyond}


def _line(
    method: MethodInfo, results: Results, estimates: Mapping[tuple[str, int], Estimate | None], look: Look
) -> Line:
    points = []
    for size in results.sizes:
        e = estimates[method.name, size]
        if e is not None:
            title = (
                f"{method.label}, {formats.count(size)} training {results.things}: {results.metric.value(e.mean)} "
                f"{results.metric.interval(e)}"
            )
            points.append(Point(size, e.mean, e.low, e.high, title))
    return Line(method.label, look, points)
