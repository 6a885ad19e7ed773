"""What each method can prove, how its score spreads over seeds and starts, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.spread import split_spread
from kernelopt.pages import formats
from kernelopt.pages.figures import strips
from kernelopt.pages.figures.charts import Axis, Line, Point
from kernelopt.pages.figures.marks import Look, Scale, log_ticks
from kernelopt.pages.sections.panels import by_half
from kernelopt.pages.summary import Results, finite, median_cost, score_of


def gaps(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return the certified gaps, the problems they are proven for, and the largest violation."""
    block = _strips(results, look, lambda record: (record.certificate or {}).get("gap"))
    if block is not None:
        certificates = [record.certificate for record in results.records if record.certificate]
        block["problems"] = list(dict.fromkeys(str(c["problem"]) for c in certificates if c.get("problem")))
        block["violation"] = max(finite(c.get("infeasibility") for c in certificates), default=None)
    return block


def gradients(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return the norms of the gradients where the networks stopped, relative to their start."""
    return _strips(results, look, lambda record: record.gradient_norm)


def spread(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return every seed's test score, one row per method and one column per size."""
    metric = results.metric
    found = {
        (m.name, size): values
        for m in results.methods
        for size in results.sizes
        if (values := finite(score_of(record) for record in results.cells(m.name, size)))
    }
    if not found:
        return None
    scale = Scale.over([v for values in found.values() for v in values], pad=0.03)
    ticks = [(v, metric.tick(v)) for v in scale.ticks(4)]
    rows = []
    for method in results.methods:
        cells = []
        for size in results.sizes:
            values = found.get((method.name, size), [])
            texts = ", ".join(map(metric.value, values)) or "none finished"
            title = f"{method.label}, {formats.count(size)} training {results.things}: {texts}"
            strip = strips.dot_strip(values, look[method.name], scale, [tick for tick, _ in ticks], title)
            cells.append({"texts": texts, "strip": strip})
        rows.append((method, cells))
    return {"rows": rows, "axis": strips.strip_axis(scale, ticks)}


def starts(results: Results) -> dict[str, Any] | None:
    """Return how much of each method's spread is the split's and how much the start's; None without restarts."""
    rows = []
    for method in results.methods:
        by_size = [
            [values for r in results.cells(method.name, size) if len(values := finite(r.inits)) > 1]
            for size in results.sizes
        ]
        if any(by_size):
            rows.append((method, [split_spread(values) if values else None for values in by_size]))
    if not rows:
        return None
    return {"rows": rows, "sizes": results.sizes, "scale": 100 if results.metric.is_fraction else 1}


def _strips(
    results: Results, look: Mapping[str, Look], value: Callable[[Record], float | None]
) -> dict[str, Any] | None:
    """Return logarithmic strips with one mark per seed, method by method and size by size."""
    found = {
        (m.name, size): values
        for m in results.methods
        for size in results.sizes
        if (values := finite(map(value, results.cells(m.name, size))))
    }
    if not found:
        return None
    everything = [v for values in found.values() for v in values]
    scale = Scale.over(everything, log=True, pad=0.03)
    ticks = log_ticks(scale, 5)
    groups: dict[str, list[dict[str, Any]]] = {}
    for (name, size), values in found.items():
        texts = map(formats.significant, values)
        title = f"{results.info[name].label}, {formats.count(size)} training {results.things}: {', '.join(texts)}"
        strip = strips.dot_strip(values, look[name], scale, [tick for tick, _ in ticks], title)
        groups.setdefault(name, []).append({"size": size, "largest": max(values), "strip": strip})
    return {
        "groups": [(results.info[name], rows) for name, rows in groups.items()],
        "axis": strips.strip_axis(scale, ticks),
        "off_scale": sum(v <= 0 for v in everything),
        "lowest": min(everything),
    }


def cost(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return the charts and the table of what the cells cost."""
    costs = {(m.name, size): median_cost(results, m.name, size) for m in results.methods for size in results.sizes}
    if not any(costs.values()):
        return None
    times = {key: found["fit_seconds"] for key, found in costs.items() if found.get("fit_seconds", 0) > 0}
    panels = []
    if times:
        scale = Scale.over(times.values(), log=True)
        lines = {}
        for method in results.methods:
            points = [
                Point(
                    size,
                    fit,
                    title=f"{method.label}, {formats.count(size)} training {results.things}: {formats.seconds(fit)}",
                )
                for size in results.sizes
                if (fit := times.get((method.name, size))) is not None
            ]
            if points:
                lines[method.name] = Line(method.label, look[method.name], points)
        y = Axis("seconds to fit (log scale)", scale, [(v, f"{v:g}") for v in scale.ticks(5)])
        panels = by_half(results, lines, y, "Median fit time", width=345, height=240)
    rows = [
        (size, [(m, costs[m.name, size]) for m in results.methods if costs[m.name, size]]) for size in results.sizes
    ]
    energy = any("energy_joules" in found for found in costs.values())
    return {"rows": rows, "panels": panels, "energy": energy}
