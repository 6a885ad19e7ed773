"""First-layer filters: pictures of the fixed and the learned ones, and how far the latter move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernelopt.evaluation.records import Record
from kernelopt.pages.figures.filters import LEVELS, filter_grid, shade
from kernelopt.pages.figures.marks import Look
from kernelopt.pages.sections.panels import by_size
from kernelopt.pages.summary import Results, curves_of, finite

MOST_FRAMES = 24  # of a run, so that the page stays small
ROLES = ("first", "moving", "still")  # the start, the chosen epoch, a frozen bank

Cells = Mapping[tuple[str, int, int], Record]


def filters(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return panels of filters, and for the scrubber every frame of every panel; None if none were recorded."""
    recorded = {
        (record.method, record.size, record.seed): record
        for record in results.records
        if record.status == "ok" and record.filters and record.filters.get("values")
    }
    if not recorded:
        return None
    panels: list[str] = []  # one of the methods whose filters are the same everywhere
    twins: dict[str, list[str]] = {}
    for name in [method.name for method in results.methods if any(key[0] == method.name for key in recorded)]:
        twin = next((other for other in panels if _same(recorded, name, other)), None)
        if twin is None:
            panels.append(name)
        else:
            twins.setdefault(twin, []).append(results.info[name].label)
    data: dict[tuple[int, int], dict[str, dict[str, Any]]] = {}
    for size, seed in sorted({key[1:] for key in recorded}):
        data[size, seed] = {n: _frames(recorded[n, size, seed]) for n in panels if (n, size, seed) in recorded}
    chosen = max(data, key=lambda cell: (len(data[cell]), cell[0], -cell[1]))
    group = data[chosen]
    moving = [name for name in group if len(group[name]["epochs"]) > 1]
    lead = moving[-1] if moving else ""
    begun = [name for name in group if lead and name not in moving and _same(recorded, name, lead, start=True)]
    shown = []
    for name, frames in group.items():
        label, same = results.info[name].label, twins.get(name, [])
        if name == lead:
            starts = [results.info[other].label for other in begun]
            shown.append(_panel(name, f"{label}: start", frames, 0, "first", starts))
        if name in moving:
            shown.append(_panel(name, label, frames, -1, "moving", same))
        elif name not in begun:
            shown.append(_panel(name, label, frames, -1, "still", same))
    shown.sort(key=lambda panel: ROLES.index(panel["role"]))
    moved = [m.name for m in results.methods if _moved(results, m.name)]
    return {
        "panels": shown,
        "label": results.info[lead].label if lead else "",
        "epochs": group[lead]["epochs"] if lead else [],
        "sizes": sorted({size for size, _ in data}),
        "seeds": sorted({seed for _, seed in data}),
        "chosen": chosen,
        "data": {
            "levels": LEVELS,
            "lead": lead,
            "cells": {f"{size}/{seed}": frames for (size, seed), frames in data.items()},
        },
        "moves": by_size(results, moved, look, "filter_move", "‖W − W₀‖ ∕ ‖W₀‖"),
        "moved": [results.info[name] for name in moved],
    }


def _same(recorded: Cells, name: str, other: str, *, start: bool = False) -> bool:
    """Whether a method's filters never change and equal the other's (or only its start) in every shared cell."""
    shared = [key[1:] for key in recorded if key[0] == name and (other, *key[1:]) in recorded]
    for cell in shared:
        ours, theirs = recorded[(name, *cell)].filters or {}, recorded[(other, *cell)].filters or {}
        compared = theirs["values"][:1] if start else theirs["values"]
        if ours["shape"] != theirs["shape"] or any(f != ours["values"][0] for f in ours["values"] + compared):
            return False
    return bool(shared)


def _moved(results: Results, name: str) -> bool:
    curves = [curve for size in results.sizes for curve in curves_of(results, name, size, "filter_move")]
    return any(move > 0 for curve in curves for _, move in curve)


def _frames(record: Record) -> dict[str, Any]:
    """Return a cell's filters as shades: one string per recorded epoch, all on one scale."""
    filters = record.filters or {}
    values, epochs = filters["values"], filters["epochs"]
    if len(values) > MOST_FRAMES:
        picked = sorted({round(k * (len(values) - 1) / (MOST_FRAMES - 1)) for k in range(MOST_FRAMES)})
        values, epochs = [values[k] for k in picked], [epochs[k] for k in picked]
    if all(frame == values[0] for frame in values):
        values, epochs = values[:1], epochs[:1]
    largest = max((abs(v) for frame in values for v in finite(frame)), default=0.0)
    history = record.history or {}
    pairs = zip(history.get("epoch", []), history.get("filter_move", []), strict=False)
    moves = {epoch: move for epoch, move in pairs if finite([move])}
    return {
        "shape": list(filters["shape"]),
        "largest": float(f"{largest:.3g}"),
        "epochs": list(epochs),
        "moves": [None if moves.get(e) is None else round(float(moves[e]), 4) for e in epochs],
        "frames": [shade(frame, largest) for frame in values],
    }


def _panel(name: str, label: str, frames: Mapping[str, Any], which: int, role: str, twins: list[str]) -> dict[str, Any]:
    n, h, w = frames["shape"]
    epoch = "" if role == "still" else f" at epoch {frames['epochs'][which]}"
    return {
        "role": role,
        "label": label,
        "twins": twins,
        "largest": frames["largest"],
        "epoch": frames["epochs"][which],
        "svg": filter_grid(
            frames["frames"][which],
            frames["shape"],
            f"{label}{epoch}: {n} first-layer filters of {h} by {w} pixels, "
            f"entries from minus to plus {frames['largest']}",
            data_panel=name,
            data_role=role,
        ),
    }
