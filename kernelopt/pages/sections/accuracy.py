"""Accuracies with their intervals, and the paired differences that decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernelopt.evaluation.statistics import Estimate
from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages import formats, verdicts
from kernelopt.pages.figures import strips
from kernelopt.pages.figures.charts import Axis, Line, Point
from kernelopt.pages.figures.marks import Look, Scale
from kernelopt.pages.sections.panels import by_half
from kernelopt.pages.summary import Results


def claims(results: Results) -> list[dict[str, Any]]:
    """Return the claims that the study can speak to, with their verdicts."""
    found = []
    for claim in verdicts.CLAIMS:
        judgements = verdicts.judge(results, claim)
        if judgements:
            lead, rest = verdicts.headline(judgements)
            found.append({"claim": claim, "lead": lead, "rest": rest, "judgements": judgements})
    return found


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
            results, {name: line for name, line in lines.items() if line.points}, y, metric.axis.capitalize()
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
    return {"panels": panels, "rows": rows}


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


def differences(results: Results, look: Mapping[str, Look]) -> dict[str, Any]:
    """Return one forest plot per claim, all on one scale."""
    rows = {
        claim: [
            (comparison, comparison.estimate)
            for size in results.sizes
            for comparison in verdicts.compare(results, claim, size, claim.rivals + claim.beside)
            if comparison.estimate is not None
        ]
        for claim in verdicts.CLAIMS
        if claim.challenger in results.info
    }
    ends = [end for found in rows.values() for _, e in found for end in (e.low, e.high)]
    scale = Scale.over([0.0, *ends], pad=0.04, minimum=0.01)
    blocks = []
    for claim, found in rows.items():
        groups: dict[int, list[dict[str, Any]]] = {}
        for comparison, estimate in found:
            title = (
                f"{comparison.challenger.label} minus {comparison.rival.label}, "
                f"{formats.count(comparison.size)} training images: {comparison.text}"
            )
            groups.setdefault(comparison.size, []).append(
                {
                    "rival": comparison.rival,
                    "judged": comparison.rival.name in claim.rivals,
                    "estimate": estimate,
                    "strip": strips.interval_strip(estimate, look[claim.challenger], scale, title),
                }
            )
        if groups:
            asides = any(not row["judged"] for group in groups.values() for row in group)
            blocks.append({"claim": claim, "groups": groups, "aside": claim.aside if asides else ""})
    axis = strips.strip_axis(scale, [(v, formats.points(v).replace(".0", "")) for v in scale.ticks(4)])
    return {"blocks": blocks, "axis": axis}
