"""Weights, filters and training curves: the sections on what was learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kernelopt.evaluation.records import Record
from kernelopt.pages import formats, strips, summary
from kernelopt.pages.figures import Axis, Chart, Line, Point
from kernelopt.pages.summary import Results
from kernelopt.pages.svg import Look, Scale, log_ticks

MOST_FRAMES = 24  # of a run's filters, so that the page stays small
MOST_KERNELS = 24  # in a picture of the weights


def weights(results: Results, look: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Return the strips of the kernel weights of each method that learned some."""
    blocks = []
    for method in results.methods:
        if method.name in ("single-kernel", "uniform-kernel"):  # nothing learned about the weights
            continue
        by_size = {size: summary.weights_by_kernel(results, method.name, size) for size in results.sizes}
        by_size = {size: weights for size, weights in by_size.items() if weights}
        if not by_size:
            continue
        names = list(dict.fromkeys(name for weights in by_size.values() for name in weights))
        means = {
            (n, s): sum(w.get(n, [])) / max(len(next(iter(w.values()))), 1) for s, w in by_size.items() for n in names
        }
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
                "axis": strips.strip_axis(scale, [(v, f"{v:.2g}") for v in scale.ticks(3)]),
                "rows": [
                    {
                        "kernel": name,
                        "cells": [
                            {
                                "mean": means[name, size],
                                "strip": strips.bar_strip(
                                    means[name, size],
                                    weights.get(name, []),
                                    look[method.name],
                                    scale,
                                    _weight_title(name, size, means[name, size], weights.get(name, [])),
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


def _weight_title(kernel: str, size: int, mean: float, values: Sequence[float]) -> str:
    seeds = ", ".join(f"{value:.3f}" for value in values)
    return f"{kernel}, {formats.count(size)} training images: mean {mean:.3f}; seeds {seeds}"


def filters(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return panels of first-layer filters, and for the scrubber every frame of every panel."""
    recorded = {
        (record.method, record.size, record.seed): record
        for record in results.records
        if record.status == "ok" and record.filters and record.filters.get("values")
    }
    if not recorded:
        return None
    names = [method.name for method in results.methods if any(key[0] == method.name for key in recorded)]
    panels: list[str] = []
    same: dict[str, str] = {}
    for name in names:
        twin = next((other for other in panels if _same_filters(recorded, name, other)), None)
        if twin is None:
            panels.append(name)
        else:
            same[name] = twin
    cells = sorted({key[1:] for key in recorded})
    data: dict[str, dict[str, Any]] = {}
    for size, seed in cells:
        group = {name: _frames(recorded[name, size, seed]) for name in panels if (name, size, seed) in recorded}
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
            shown.append(
                _panel(
                    name,
                    f"{label}: start",
                    frames,
                    0,
                    "first",
                    [results.info[other].label for other in begun],
                )
            )
            shown.append(_panel(name, label, frames, -1, "moving", twins))
        else:
            shown.append(_panel(name, label, frames, -1, "still", twins))
    shown = [p for p in shown if p["name"] not in begun]
    shown.sort(key=lambda panel: ["first", "still", "moving"].index(panel["role"]))
    moves = {
        size: (
            summary.curves_of(results, name, size, "filter_move"),
            summary.mean_curve(results, name, size, "filter_move"),
        )
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
        "data": {"levels": strips.LEVELS, "lead": moving[0] if moving else "", "cells": data},
        "move_chart": _move_chart(moves, look[moving[0]], results.info[moving[0]].label) if moving else None,
    }


def _same_filters(recorded: Mapping[Any, Record], name: str, other: str, frames: int | None = None) -> bool:
    """Whether a method's filters never change and always are the other's of its first `frames` epochs."""
    both = [key[1:] for key in recorded if key[0] == name and (other, *key[1:]) in recorded]
    pairs = [(recorded[(name, *cell)].filters or {}, recorded[(other, *cell)].filters or {}) for cell in both]
    return bool(pairs) and all(
        ours["shape"] == theirs["shape"]
        and all(frame == ours["values"][0] for frame in ours["values"] + theirs["values"][:frames])
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
        "frames": [strips.shade(frame, largest) for frame in values],
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
        "svg": strips.filter_grid(
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


def curves(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return charts of training loss and accuracy, one for each training size."""
    quantities = {"loss": "training loss", "accuracy": "training accuracy, %"}
    recorded = {
        (name, method.name, size): summary.curves_of(results, method.name, size, name)
        for name in quantities
        for method in results.methods
        for size in results.sizes
    }
    networks = [m for m in results.methods if any(recorded[q, m.name, s] for q in quantities for s in results.sizes)]
    if not networks:
        return None
    ordered = sorted(networks, key=lambda method: look[method.name].bold)
    rows = []
    for quantity, heading in quantities.items():
        values = [
            pair for key, threads in recorded.items() if key[0] == quantity for thread in threads for pair in thread
        ]
        if not values:
            continue
        positive = [value for _, value in values if value > 0]
        log = quantity == "loss" and len(positive) == len(values) and max(positive) > 8 * min(positive)
        y = Scale.over([value for _, value in values], log=log, pad=0.04, minimum=0.05)
        x = Scale.over([epoch for epoch, _ in values], pad=0.0, minimum=1.0)
        named = [(v, f"{100 * v:.3g}" if quantity == "accuracy" else f"{v:g}") for v in y.ticks(5)]
        if log:
            named = log_ticks(Scale(y.low, y.high, True), 4)
        panels = []
        for size in results.sizes:
            lines = [
                Line(
                    m.label,
                    look[m.name],
                    [Point(*pair) for pair in summary.mean_curve(results, m.name, size, quantity)],
                    recorded[quantity, m.name, size],
                    markers=False,
                )
                for m in ordered
                if recorded[quantity, m.name, size]
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
                            f"{heading} against the epoch, {formats.count(size)} training images: {final}",
                            labels=False,
                            width=320,
                            height=230,
                        ).svg(),
                    }
                )
        rows.append({"heading": heading, "panels": panels})
    return {"rows": rows, "legend": networks}
