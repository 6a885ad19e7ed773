"""Certificates, gradient norms and cost: the sections on what the answers are worth and what they took."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kernelopt.evaluation.records import Record
from kernelopt.pages import formats, strips, summary
from kernelopt.pages.comparing import HALVES, size_axis
from kernelopt.pages.figures import Axis, Chart, Line, Point
from kernelopt.pages.summary import Results
from kernelopt.pages.svg import Look, Scale, log_ticks


def proof(results: Results, look: Mapping[str, Look], what: str) -> dict[str, Any] | None:
    """Return the strips of the certified gaps, or of the final gradient norms."""

    def value(record: Record) -> float | None:
        found = (record.certificate or {}).get("gap") if what == "certificate" else record.gradient_norm
        return float(found) if found is not None and math.isfinite(float(found)) else None

    found = [
        (method, size, [v for v in map(value, results.cells(method.name, size)) if v is not None])
        for method in results.methods
        for size in results.sizes
    ]
    found = [row for row in found if row[2]]
    if not found:
        return None
    values = [v for row in found for v in row[2]]
    scale = Scale.over(values, log=True, pad=0.03)
    ticks = log_ticks(scale, 5)
    rows = [
        {
            "method": method,
            "size": size,
            "values": seen,
            "worst": max(seen),
            "strip": strips.dot_strip(
                seen,
                look[method.name],
                scale,
                [tick for tick, _ in ticks],
                f"{method.label}, {formats.count(size)} training images: " + ", ".join(map(formats.significant, seen)),
            ),
        }
        for method, size, seen in found
    ]
    groups = [
        {"method": m, "rows": [row for row in rows if row["method"] is m]}
        for m in results.methods
        if any(row["method"] is m for row in rows)
    ]
    certificates = [record.certificate for record in results.records if record.certificate]
    return {
        "groups": groups,
        "axis": strips.strip_axis(scale, ticks),
        "problems": sorted({str(c["problem"]) for c in certificates if c.get("problem")}),
        "violation": max(
            [float(c["infeasibility"]) for c in certificates if c.get("infeasibility") is not None],
            default=None,
        ),
        "lowest": min(values),
        "clipped": sum(v <= 0 for v in values),
    }


def cost(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return charts of the fit times and the rows of the table of median costs."""
    costs = {
        method.name: [summary.median_cost(results, method.name, size) for size in results.sizes]
        for method in results.methods
    }
    rows = [{"method": method, "cells": costs[method.name]} for method in results.methods]
    if not any(cost for row in costs.values() for cost in row):
        return None
    times = {
        name: [
            (size, cost["fit_seconds"])
            for size, cost in zip(results.sizes, row, strict=True)
            if cost.get("fit_seconds", 0) > 0
        ]
        for name, row in costs.items()
    }
    panels = []
    everything = [t for pairs in times.values() for _, t in pairs]
    if everything:
        scale = Scale.over(everything, log=True)
        ticks = [(v, f"{v:g}") for v in scale.ticks(5)]
        lines = {
            m.name: Line(
                m.label,
                look[m.name],
                [
                    Point(
                        size,
                        t,
                        title=f"{m.label}, {formats.count(size)} training images: {formats.seconds(t)}",
                    )
                    for size, t in times[m.name]
                ],
            )
            for m in results.methods
            if times[m.name]
        }
        for half, heading in HALVES.items():
            members = [m.name for m in results.methods if m.half == half and m.name in lines]
            if members:
                spoken = "; ".join(
                    f"{results.info[n].label} " + ", ".join(formats.seconds(t) for _, t in times[n]) for n in members
                )
                chart = Chart(
                    size_axis(results.sizes),
                    Axis("seconds to fit (log scale)", scale, ticks),
                    [lines[name] for name in sorted(members, key=lambda name: look[name].bold)],
                    f"Median fit time against training images. {heading}. {spoken}",
                    context=[line for name, line in lines.items() if name not in members],
                    width=360,
                    height=250,
                )
                panels.append({"half": half, "heading": heading, "svg": chart.svg()})
    return {"rows": rows, "panels": panels}
