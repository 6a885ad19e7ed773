"""Accuracies and their paired differences: the sections on how good the methods are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kernelopt.evaluation.statistics import Estimate
from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages import formats, strips, verdicts
from kernelopt.pages.figures import Axis, Chart, Line, Point
from kernelopt.pages.summary import Results
from kernelopt.pages.svg import Look, Scale

HALVES = {
    "convex": "Weights of kernels, by convex optimisation",
    "filters": "Filters of a network, by backpropagation",
    "bridge": "Both: kernels made from learned filters",
}


def claims(results: Results) -> list[dict[str, Any]]:
    """Return the verdicts on every claim for which the study has the methods."""
    found = []
    for claim in verdicts.CLAIMS:
        judgements = verdicts.judge(results, claim)
        if judgements:
            found.append(
                {
                    "claim": claim,
                    "headline": verdicts.headline(judgements),
                    "state": verdicts.verdict(judgements),
                    "judgements": judgements,
                    "rivals": [results.info[rival].label for rival in claim.rivals if rival in results.info],
                }
            )
    return found


def size_axis(sizes: Sequence[int]) -> Axis:
    """Return the logarithmic axis of the training sizes."""
    scale = Scale.over([float(size) for size in sizes], log=True, pad=0.1)
    return Axis("training images", scale, [(float(size), formats.count(size)) for size in sizes])


def accuracy(results: Results, look: Mapping[str, Look]) -> dict[str, Any]:
    """Return a chart for each half and the rows of the table beside them."""
    estimates = {
        (method.name, size): results.accuracy(method.name, size) for method in results.methods for size in results.sizes
    }
    known = [e for e in estimates.values() if e is not None]
    panels = []
    if known:
        ends = [end for e in known for end in _ends(e)]
        scale = Scale.over(ends, pad=0.05, minimum=0.04)
        y = Axis("test accuracy, %", scale, [(v, f"{100 * v:.3g}") for v in scale.ticks(6)])
        lines = {m.name: _accuracy_line(m, results, estimates, look[m.name]) for m in results.methods}
        for half, heading in HALVES.items():
            members = [m.name for m in results.methods if m.half == half]
            if half == "bridge" and members:  # a bridge is read against its parents
                parents = [rival for claim in verdicts.CLAIMS if claim.name == "bridge" for rival in claim.rivals]
                members = [m.name for m in results.methods if m.name in parents] + members
            members = [name for name in members if lines[name].points]
            if members:
                ordered = sorted(members, key=lambda name: look[name].bold)
                spoken = "; ".join(
                    f"{results.info[name].label} " + ", ".join(p.title.split(": ")[-1] for p in lines[name].points)
                    for name in members
                )
                chart = Chart(
                    size_axis(results.sizes),
                    y,
                    [lines[name] for name in ordered],
                    f"Test accuracy against training images. {heading}. {spoken}",
                    context=[line for name, line in lines.items() if name not in members and line.points],
                )
                panels.append({"half": half, "heading": heading, "svg": chart.svg()})
    rows = [
        {
            "method": method,
            "look": look[method.name],
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


def _ends(estimate: Estimate) -> tuple[float, ...]:
    return (estimate.low, estimate.high) if estimate.n > 1 else (estimate.mean,)


def _accuracy_line(method: MethodInfo, results: Results, estimates: Mapping[Any, Any], look: Look) -> Line:
    points = []
    for size in results.sizes:
        e = estimates[method.name, size]
        if e is not None:
            title = (
                f"{method.label}, {formats.count(size)} training images: {formats.percent(e.mean)}% "
                f"{formats.percent_interval(e)}".rstrip()
            )
            low, high = (e.low, e.high) if e.n > 1 else (None, None)
            points.append(Point(size, e.mean, low, high, title))
    return Line(method.label, look, points)


def differences(results: Results, look: Mapping[str, Look]) -> dict[str, Any]:
    """Return the strips of the paired differences, claim by claim, on one scale."""
    blocks: list[dict[str, Any]] = []
    ends = [0.0]
    for claim in verdicts.CLAIMS:
        if not verdicts.judge(results, claim):
            continue
        rows = [
            comparison
            for size in results.sizes
            for comparison in verdicts.compare(results, claim, size, claim.rivals + claim.beside)
            if comparison.estimate is not None
        ]
        ends += [end for c in rows if c.estimate for end in _ends(c.estimate)]
        if rows:
            blocks.append({"claim": claim, "rows": rows})
    scale = Scale.over(ends, pad=0.04, minimum=0.01)
    for block in blocks:
        claim = block["claim"]
        block["groups"] = [
            {
                "size": size,
                "rows": [
                    {
                        "rival": c.rival,
                        "judged": c.rival.name in claim.rivals,
                        "estimate": c.estimate,
                        "strip": strips.interval_strip(
                            c.estimate.mean,
                            c.estimate.low if c.estimate.n > 1 else None,
                            c.estimate.high if c.estimate.n > 1 else None,
                            look[c.challenger.name],
                            scale,
                            _difference_title(c),
                        ),
                    }
                    for c in block["rows"]
                    if c.size == size and c.estimate is not None
                ],
            }
            for size in results.sizes
            if any(c.size == size for c in block["rows"])
        ]
    axis = strips.strip_axis(scale, [(v, formats.points(v).replace(".0", "")) for v in scale.ticks(4)])
    return {"blocks": blocks, "axis": axis}


def _difference_title(comparison: verdicts.Comparison) -> str:
    estimate = comparison.estimate
    assert estimate is not None
    return (
        f"{comparison.challenger.label} minus {comparison.rival.label}, "
        f"{formats.count(comparison.size)} training images: "
        f"{formats.points(estimate.mean)} points {formats.points_interval(estimate)}"
    )
