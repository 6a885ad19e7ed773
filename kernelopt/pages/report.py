"""The report of a study: one self-contained HTML page made from its records alone."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from kernelopt.errors import missing_extra

try:
    from jinja2 import Environment, PackageLoader, StrictUndefined
except ImportError as error:
    raise missing_extra("jinja2", "report") from error

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages import figures, formats, summary
from kernelopt.pages.figures import Axis, Chart, Line, Look, Point, Scale
from kernelopt.pages.summary import Results

MOST_FRAMES = 24  # of a run's filters, so that the page stays small
MOST_KERNELS = 24  # in a picture of the weights
HALVES = {
    "convex": "Weights of kernels, by convex optimisation",
    "filters": "Filters of a network, by backpropagation",
    "bridge": "Both: kernels made from learned filters",
}


def render(
    records: Sequence[Record],
    methods: Sequence[MethodInfo],
    *,
    title: str,
    protocol: Mapping[str, str],
    provenance: Mapping[str, str],
) -> str:
    """Return the report as the text of one HTML page that loads nothing from anywhere.

    Parameters
    ----------
    records : sequence of Record
        The cells of the study; their order does not matter.
    methods : sequence of MethodInfo
        Describes every method of the records, in the order of the page.
    title : str
        Title of the page.
    protocol : mapping of str to str
        How the study was run, in words: splits, tuning, metrics.
    provenance : mapping of str to str
        Versions, seed, threads, machine, commit; an entry whose name starts with "command" is shown
        as the command that reproduces the study.

    Returns
    -------
    str
        The page; the same arguments give the same text.
    """
    arranged = summary.arrange(records, methods)
    used = {record.method for record in records}
    shown = [method for method in methods if method.name in used]
    look = figures.looks(shown)
    commands = {name: text for name, text in provenance.items() if name.lower().startswith("command")}
    return (
        _environment()
        .get_template("report.html")
        .render(
            title=title,
            halves=HALVES,
            methods=shown,
            look=look,
            views=[_view(results, look, position) for position, results in enumerate(arranged)],
            cells=[_cell(record, next(m for m in shown if m.name == record.method)) for r in arranged for record in r.records],
            protocol=protocol,
            provenance={name: text for name, text in provenance.items() if name not in commands},
            commands=commands,
            recorded=summary.shared_provenance([record for r in arranged for record in r.records]),
            level=round(100 * summary.LEVEL),
            shade_bar=figures.shade_bar(),
        )
        + "\n"
    )


def write(
    path: str | os.PathLike[str],
    records: Sequence[Record],
    methods: Sequence[MethodInfo],
    *,
    title: str,
    protocol: Mapping[str, str],
    provenance: Mapping[str, str],
) -> Path:
    """Write the report to `path` and return it; a reader never sees half a page (see `render`)."""
    target = Path(path)
    text = render(records, methods, title=title, protocol=protocol, provenance=provenance)
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    return target


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("kernelopt.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(formats, name)
        for name in (
            "count",
            "percent",
            "percent_interval",
            "points",
            "points_interval",
            "seconds",
            "megabytes",
            "significant",
            "plain",
            "listed",
        )
    }
    environment.globals["sample"] = figures.sample
    return environment


def _view(results: Results, look: Mapping[str, Look], position: int) -> dict[str, Any]:
    """Return everything the template shows of one data set."""
    return {
        "id": f"d{position}",
        "name": results.dataset,
        "images": results.images,
        "seeds": results.seeds,
        "sizes": results.sizes,
        "failed": sum(record.status != "ok" for record in results.records),
        "cells": len(results.records),
        "claims": _claims(results),
        "accuracy": _accuracy(results, look),
        "differences": _differences(results, look),
        "weights": _weights(results, look),
        "filters": _filters(results, look),
        "curves": _curves(results, look),
        "gap": _proof(results, look, "certificate"),
        "gradient": _proof(results, look, "gradient_norm"),
        "cost": _cost(results, look),
    }


def _claims(results: Results) -> list[dict[str, Any]]:
    found = []
    for claim in summary.CLAIMS:
        judgements = summary.judge(results, claim)
        if judgements:
            found.append(
                {
                    "claim": claim,
                    "headline": summary.headline(judgements),
                    "state": summary.verdict(judgements),
                    "judgements": judgements,
                    "rivals": [results.info[rival].label for rival in claim.rivals if rival in results.info],
                }
            )
    return found


def _size_axis(sizes: Sequence[int]) -> Axis:
    scale = Scale.over([float(size) for size in sizes], log=True, pad=0.1)
    return Axis("training images", scale, [(float(size), formats.count(size)) for size in sizes])


def _accuracy(results: Results, look: Mapping[str, Look]) -> dict[str, Any]:
    estimates = {
        (method.name, size): results.accuracy(method.name, size) for method in results.methods for size in results.sizes
    }
    known = [e for e in estimates.values() if e is not None]
    panels = []
    if known:
        ends = [end for e in known for end in ((e.low, e.high) if e.n > 1 else (e.mean,))]
        scale = Scale.over(ends, pad=0.05, minimum=0.04)
        y = Axis("test accuracy, %", scale, [(v, f"{100 * v:.3g}") for v in scale.ticks(6)])
        lines = {m.name: _accuracy_line(m, results, estimates, look[m.name]) for m in results.methods}
        for half, heading in HALVES.items():
            members = [m.name for m in results.methods if m.half == half]
            if half == "bridge" and members:  # a bridge is read against its parents
                parents = [rival for claim in summary.CLAIMS if claim.name == "bridge" for rival in claim.rivals]
                members = [m.name for m in results.methods if m.name in parents] + members
            members = [name for name in members if lines[name].points]
            if members:
                ordered = sorted(members, key=lambda name: look[name].bold)
                spoken = "; ".join(
                    f"{results.info[name].label} " + ", ".join(p.title.split(": ")[-1] for p in lines[name].points)
                    for name in members
                )
                chart = Chart(
                    _size_axis(results.sizes),
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


def _accuracy_line(method: MethodInfo, results: Results, estimates: Mapping[Any, Any], look: Look) -> Line:
    points = []
    for size in results.sizes:
        e = estimates[method.name, size]
        if e is not None:
            title = (
                f"{method.label}, {formats.count(size)} training images: {formats.percent(e.mean)}% "
                f"{formats.percent_interval(e)}".rstrip()
            )
            bounds = (e.low, e.high) if e.n > 1 else (None, None)
            points.append(Point(size, e.mean, *bounds, title))
    return Line(method.label, look, points)


def _differences(results: Results, look: Mapping[str, Look]) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = []
    ends = [0.0]
    for claim in summary.CLAIMS:
        if not summary.judge(results, claim):
            continue
        rows = [
            comparison
            for size in results.sizes
            for comparison in summary.compare(results, claim, size, claim.rivals + claim.beside)
            if comparison.estimate is not None
        ]
        ends += [end for c in rows if c.estimate for end in (c.estimate.low, c.estimate.high)]
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
                        "strip": figures.interval_strip(
                            c.estimate.mean,
                            c.estimate.low if c.estimate.n > 1 else None,
                            c.estimate.high if c.estimate.n > 1 else None,
                            look[c.challenger.name],
                            scale,
                            f"{c.challenger.label} minus {c.rival.label}, {formats.count(size)} training images: "
                            f"{formats.points(c.estimate.mean)} points {formats.points_interval(c.estimate)}",
                        ),
                    }
                    for c in block["rows"]
                    if c.size == size and c.estimate is not None
                ],
            }
            for size in results.sizes
            if any(c.size == size for c in block["rows"])
        ]
    axis = figures.strip_axis(scale, [(v, formats.points(v).replace(".0", "")) for v in scale.ticks(4)])
    return {"blocks": blocks, "axis": axis}


def _weights(results: Results, look: Mapping[str, Look]) -> list[dict[str, Any]]:
    blocks = []
    for method in results.methods:
        if method.name in ("single-kernel", "uniform-kernel"):  # nothing learned about the weights
            continue
        by_size = {size: summary.weights_by_kernel(results, method.name, size) for size in results.sizes}
        by_size = {size: weights for size, weights in by_size.items() if weights}
        if not by_size:
            continue
        names = list(dict.fromkeys(name for weights in by_size.values() for name in weights))
        means = {(n, s): sum(w.get(n, [])) / max(len(next(iter(w.values()))), 1) for s, w in by_size.items() for n in names}
        if len(names) > MOST_KERNELS:
            heaviest = sorted(names, key=lambda n: -max(means[n, s] for s in by_size))[:MOST_KERNELS]
            left_out = len(names) - MOST_KERNELS
            names = [name for name in names if name in heaviest]
        else:
            left_out = 0
        top = max([v for w in by_size.values() for n in names for v in w.get(n, [])] + [1e-9])
        scale = Scale(0.0, top * 1.02)
        blocks.append(
            {
                "method": method,
                "sizes": list(by_size),
                "left_out": left_out,
                "axis": figures.strip_axis(scale, [(v, f"{v:.2g}") for v in scale.ticks(3)]),
                "rows": [
                    {
                        "kernel": name,
                        "cells": [
                            {
                                "mean": means[name, size],
                                "strip": figures.bar_strip(
                                    means[name, size],
                                    weights.get(name, []),
                                    look[method.name],
                                    scale,
                                    f"{name}, {formats.count(size)} training images: mean {means[name, size]:.3f}; seeds "
                                    + ", ".join(f"{v:.3f}" for v in weights.get(name, [])),
                                ),
                            }
                            for size, weights in by_size.items()
                        ],
                    }
                    for name in names
                ],
            }
        )
    return blocks


def _filters(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return panels of first-layer filters, and for the scrubber every frame of every panel."""
    recorded = {
        (record.method, record.size, record.seed): record
        for record in results.records
        if record.status == "ok" and record.filters and record.filters.get("values")
    }
    if not recorded:
        return None
    names = [method.name for method in results.methods if any(key[0] == method.name for key in recorded)]
    panels, same = [], {}
    for name in names:
        twin = next((other for other in panels if _same_filters(recorded, name, other)), None)
        if twin is None:
            panels.append(name)
        else:
            same[name] = twin
    cells = sorted({key[1:] for key in recorded})
    data: dict[str, dict[str, Any]] = {}
    for size, seed in cells:
        group = {
            name: _frames(recorded[name, size, seed]) for name in panels if (name, size, seed) in recorded
        }
        data[f"{size}/{seed}"] = group
    chosen = max(cells, key=lambda cell: (len(data[f"{cell[0]}/{cell[1]}"]), cell[0], -cell[1]))
    group = data[f"{chosen[0]}/{chosen[1]}"]
    moving = [name for name in panels if name in group and len(group[name]["epochs"]) > 1]
    begun = [  # frozen at the very filters from which the learned ones start
        name for name in panels if name not in moving and moving and _same_filters(recorded, name, moving[0], 1)
    ]
    shown = []
    for name in panels:
        if name not in group:
            continue
        frames, label = group[name], results.info[name].label
        twins = [results.info[other].label for other, twin in same.items() if twin == name]
        if name in moving:
            shown.append(_panel(name, f"{label}: start", frames, 0, "first", [results.info[other].label for other in begun]))
            shown.append(_panel(name, label, frames, -1, "moving", twins))
        else:
            shown.append(_panel(name, label, frames, -1, "still", twins))
    shown = [p for p in shown if p["name"] not in begun]
    shown.sort(key=lambda panel: ["first", "still", "moving"].index(panel["role"]))
    moves = {
        size: (summary.curves_of(results, name, size, "filter_move"), summary.mean_curve(results, name, size, "filter_move"))
        for name in moving[:1]
        for size in results.sizes
    }
    return {
        "panels": shown,
        "moving": bool(moving),
        "label": results.info[moving[0]].label if moving else "",
        "epochs": group[moving[0]]["epochs"] if moving else [],
        "moves": group[moving[0]]["moves"] if moving else [],
        "sizes": sorted({size for size, _ in cells}),
        "seeds": sorted({seed for _, seed in cells}),
        "chosen": chosen,
        "data": {"levels": figures.LEVELS, "lead": moving[0] if moving else "", "cells": data},
        "move_chart": _move_chart(moves, look[moving[0]], results.info[moving[0]].label) if moving else None,
    }


def _same_filters(recorded: Mapping[Any, Record], name: str, other: str, frames: int | None = None) -> bool:
    """Whether a method's filters never change and equal the other's, in its first `frames` epochs, everywhere."""
    both = [key[1:] for key in recorded if key[0] == name and (other, *key[1:]) in recorded]
    pairs = [(recorded[(name, *cell)].filters or {}, recorded[(other, *cell)].filters or {}) for cell in both]
    return bool(pairs) and all(
        ours["shape"] == theirs["shape"] and all(
            frame == ours["values"][0] for frame in ours["values"] + theirs["values"][:frames]
        )
        for ours, theirs in pairs
    )


def _frames(record: Record) -> dict[str, Any]:
    """Return a cell's filters as shades: one string per recorded epoch, on one scale."""
    filters = record.filters or {}
    values, epochs = filters["values"], filters["epochs"]
    if len(values) > MOST_FRAMES:
        picked = sorted({round(k * (len(values) - 1) / (MOST_FRAMES - 1)) for k in range(MOST_FRAMES)})
        values, epochs = [values[k] for k in picked], [epochs[k] for k in picked]
    if all(frame == values[0] for frame in values):
        values, epochs = values[:1], epochs[:1]
    largest = max((abs(v) for frame in values for v in frame if math.isfinite(v)), default=0.0)
    history = record.history or {}
    moves = dict(zip(history.get("epoch", []), history.get("filter_move", []), strict=False))
    return {
        "shape": list(filters["shape"]),
        "largest": float(f"{largest:.3g}"),
        "epochs": list(epochs),
        "moves": [None if moves.get(e) is None else round(float(moves[e]), 4) for e in epochs],
        "frames": [figures.shade(frame, largest) for frame in values],
    }


def _panel(name: str, label: str, frames: Mapping[str, Any], which: int, role: str, twins: list[str]) -> dict[str, Any]:
    n, h, w = frames["shape"]
    return {
        "name": name,
        "role": role,
        "label": label,
        "twins": twins,
        "largest": frames["largest"],
        "epoch": frames["epochs"][which],
        "svg": figures.filter_grid(
            frames["frames"][which],
            frames["shape"],
            f"{label}: {n} first-layer filters of {h} by {w} pixels, entries from minus to plus {frames['largest']}",
            data_panel=name,
            data_role=role,
        ),
    }


def _move_chart(moves: Mapping[int, Any], look: Look, label: str) -> Any:
    moves = {size: pair for size, pair in moves.items() if pair[1]}
    if not moves:
        return None
    everything = [pair for threads, _ in moves.values() for thread in threads for pair in thread]
    x = Scale.over([epoch for epoch, _ in everything], pad=0.0, minimum=1.0)
    y = Scale(0.0, max(max(move for _, move in everything) * 1.06, 1e-9))
    return Chart(
        Axis("epoch", x, [(v, f"{v:g}") for v in x.ticks(5) if v == round(v)]),
        Axis("‖W − W₀‖ ∕ ‖W₀‖", y, [(v, f"{v:.3g}") for v in y.ticks(4)]),
        [
            Line(
                f"{formats.count(size)} images",
                Look(look.half, False, position % 4) if position + 1 < len(moves) else look,
                [Point(epoch, move) for epoch, move in mean],
                threads,
                markers=False,
            )
            for position, (size, (threads, mean)) in enumerate(moves.items())
        ],
        f"How far the first-layer filters of {label} moved from their start, against the epoch. "
        + "; ".join(f"with {formats.count(s)} training images finally {m[-1][1]:.2f}" for s, (_, m) in moves.items()),
        height=260,
    ).svg()


def _curves(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    quantities = {"loss": "training loss", "accuracy": "training accuracy, %"}
    curves = {
        (name, method.name, size): summary.curves_of(results, method.name, size, name)
        for name in quantities
        for method in results.methods
        for size in results.sizes
    }
    networks = [m for m in results.methods if any(curves[q, m.name, s] for q in quantities for s in results.sizes)]
    if not networks:
        return None
    ordered = sorted(networks, key=lambda method: look[method.name].bold)
    rows = []
    for quantity, heading in quantities.items():
        values = [pair for key, threads in curves.items() if key[0] == quantity for thread in threads for pair in thread]
        if not values:
            continue
        positive = [value for _, value in values if value > 0]
        log = quantity == "loss" and len(positive) == len(values) and max(positive) > 8 * min(positive)
        y = Scale.over([value for _, value in values], log=log, pad=0.04, minimum=0.05)
        x = Scale.over([epoch for epoch, _ in values], pad=0.0, minimum=1.0)
        named = [(v, f"{100 * v:.3g}" if quantity == "accuracy" else f"{v:g}") for v in y.ticks(5)]
        if log:
            named = figures.log_ticks(Scale(y.low, y.high, True), 4)
        panels = []
        for size in results.sizes:
            lines = [
                Line(
                    m.label,
                    look[m.name],
                    [Point(*pair) for pair in summary.mean_curve(results, m.name, size, quantity)],
                    curves[quantity, m.name, size],
                    markers=False,
                )
                for m in ordered
                if curves[quantity, m.name, size]
            ]
            if lines:
                final = "; ".join(f"{line.label} ends at {line.points[-1].y:.3g}" for line in lines if line.points)
                panels.append(
                    {
                        "size": size,
                        "svg": Chart(
                            Axis("epoch", x, [(v, f"{v:g}") for v in x.ticks(5) if v == round(v)]),
                            Axis(heading + (" (log scale)" if log else ""), y, named),
                            lines,
                            f"{heading} against the epoch with {formats.count(size)} training images: {final}",
                            labels=False,
                            width=320,
                            height=230,
                        ).svg(),
                    }
                )
        rows.append({"heading": heading, "panels": panels})
    return {"rows": rows, "legend": networks}


def _proof(results: Results, look: Mapping[str, Look], what: str) -> dict[str, Any] | None:
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
    ticks = figures.log_ticks(scale, 5)
    rows = [
        {
            "method": method,
            "size": size,
            "values": seen,
            "worst": max(seen),
            "strip": figures.dot_strip(
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
        "axis": figures.strip_axis(scale, ticks),
        "problems": sorted({str(c["problem"]) for c in certificates if c.get("problem")}),
        "violation": max([float(c["infeasibility"]) for c in certificates if c.get("infeasibility") is not None], default=None),
        "lowest": min(values),
        "clipped": sum(v <= 0 for v in values),
    }


def _cost(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    rows = [
        {
            "method": method,
            "look": look[method.name],
            "cells": [summary.median_cost(results, method.name, size) for size in results.sizes],
        }
        for method in results.methods
    ]
    if not any(cost for row in rows for cost in row["cells"]):
        return None
    times = {
        method.name: [
            (size, cost["fit_seconds"])
            for size, cost in zip(results.sizes, row["cells"], strict=True)
            if cost.get("fit_seconds", 0) > 0
        ]
        for method, row in zip(results.methods, rows, strict=True)
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
                    Point(size, t, title=f"{m.label}, {formats.count(size)} training images: {formats.seconds(t)}")
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
                    _size_axis(results.sizes),
                    Axis("seconds to fit (log scale)", scale, ticks),
                    [lines[name] for name in sorted(members, key=lambda name: look[name].bold)],
                    f"Median fit time against training images. {heading}. {spoken}",
                    context=[line for name, line in lines.items() if name not in members],
                    width=360,
                    height=250,
                )
                panels.append({"half": half, "heading": heading, "svg": chart.svg()})
    return {"rows": rows, "panels": panels}


def _cell(record: Record, method: MethodInfo) -> dict[str, Any]:
    """Return one row of the table of cells."""
    certificate = record.certificate or {}
    return {
        "record": record,
        "method": method,
        "score": summary.validation_score(record),
        "tried": len(record.candidates),
        "gap": certificate.get("gap"),
        "chosen": formats.plain(record.chosen) if record.chosen else "",
        "search": json.dumps([record.dataset, method.label, record.method, record.size, record.seed, record.status]).lower(),
    }
