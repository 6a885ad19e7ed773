"""Alignment of representations with the targets: of kernels and layers at the end, and of layers while they learn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages import formats
from kernelopt.pages.figures import strips
from kernelopt.pages.figures.charts import Axis, Chart, Line, Point
from kernelopt.pages.figures.marks import Look, Scale
from kernelopt.pages.kernel_weights import matched
from kernelopt.pages.summary import Results, finite

LEARNED = "learned kernel"
MOST_BASE = 16
DIP = 0.01  # a smaller fall is called none

Curves = dict[tuple[str, str, int], list[tuple[int, float]]]  # method, layer, size: the mean over seeds by epoch


def representations(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return strips of alignments, one row per representation; None if none was recorded."""
    found: dict[tuple[str, str], dict[int, list[dict[str, float]]]] = {}
    for method in results.methods:
        records = [(size, r.representations) for size in results.sizes for r in results.cells(method.name, size)]
        recorded = [(size, shown) for size, shown in records if shown]
        names = matched([tuple(shown) for _, shown in recorded]) if recorded else None
        for size, shown in recorded:
            for name, values in zip(names or shown, shown.values(), strict=True):
                found.setdefault((method.name, name), {}).setdefault(size, []).append(values)
    if not found:
        return None
    base = _method_with_all_kernels(results, found)
    rows: list[dict[str, Any]] = []
    for (name, what), by_size in found.items():
        alone = name == base and what != LEARNED and not _is_layer(what)
        if what == LEARNED or _is_layer(what) or alone:
            label = what if alone else results.info[name].label
            rows.append({"method": results.info[name], "label": label, "what": what, "base": alone, "found": by_size})
    rows = [row for row in rows if not row["base"]] + [row for row in rows if row["base"]][:MOST_BASE]
    everything = [seed.get("alignment") for row in rows for seeds in row["found"].values() for seed in seeds]
    scale = Scale.over([0.0, *finite(everything)], pad=0.03)
    ticks = scale.ticks(4)
    for row in rows:
        row["cells"] = []
        for size in results.sizes:
            seeds = row["found"].get(size, [])
            alignments, ranks = (finite(seed.get(q) for seed in seeds) for q in ("alignment", "effective_rank"))
            said = f"{fmean(alignments):.3f}" if alignments else "not measured"
            title = f"{row['label']}, {row['what']}, {formats.count(size)} training {results.things}: {said}"
            strip = strips.dot_strip(alignments, look[row["method"].name], scale, ticks, title)
            row["cells"].append(
                {
                    "said": said,
                    "strip": strip,
                    "rank": formats.significant(fmean(ranks), 2) if ranks else formats.NOTHING,
                }
            )
    return {
        "rows": rows,
        "axis": strips.strip_axis(scale, [(v, f"{v:.6g}") for v in ticks]),
        "base": results.info[base].label if base else "",
    }


def over_epochs(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return charts of the layers' alignment against the epoch, and what the scrubber shows; None if not recorded."""
    curves = alignment_curves(results)
    if not curves:
        return None
    methods = [m for m in results.methods if any(key[0] == m.name for key in curves)]
    layers = list(dict.fromkeys(key[1] for key in curves))
    everything = [value for curve in curves.values() for _, value in curve]
    y = Scale.over([0.0, *everything], pad=0.03)
    sizes, data = [], {}
    for size in results.sizes:
        own = {key[:2]: curve for key, curve in curves.items() if key[2] == size}
        if not own:
            continue
        epochs = sorted({epoch for curve in own.values() for epoch, _ in curve})
        x = Scale(0.9, (epochs[-1] + 1) * 1.1, log=True)
        panels = [{"layer": layer, "svg": _chart(results, look, own, methods, layer, size, x, y)} for layer in layers]
        sizes.append({"size": size, "panels": panels, "epochs": epochs})
        data[str(size)] = {
            "epochs": epochs,
            "at": [round(x(epoch + 1), 5) for epoch in epochs],
            "values": {
                f"{name}/{layer}": [_at(curve, epoch) for epoch in epochs] for (name, layer), curve in own.items()
            },
        }
    return {
        "sizes": sizes,
        "methods": methods,
        "layers": layers,
        "data": data,
        "last": {key[:2]: curve[-1][1] for key, curve in curves.items() if key[2] == sizes[-1]["size"]},
        "dips": _dips(results, curves, methods),
    }


def alignment_curves(results: Results, quantity: str = "alignment") -> Curves:
    """Return the mean over seeds of each layer's curve, over the epochs that all seeds recorded."""
    found: Curves = {}
    for method in results.methods:
        for size in results.sizes:
            histories = [r.representation_history for r in results.cells(method.name, size) if r.representation_history]
            for layer in dict.fromkeys(layer for history in histories for layer in history[quantity]):
                seeds = [
                    {e: v for e, v in zip(h["epoch"], h[quantity].get(layer, []), strict=False) if finite([v])}
                    for h in histories
                ]
                shared = sorted(set.intersection(*map(set, seeds)))
                if shared:
                    found[method.name, layer, size] = [(e, fmean(seed[e] for seed in seeds)) for e in shared]
    return found


def _chart(
    results: Results,
    look: Mapping[str, Look],
    own: Mapping[tuple[str, str], list[tuple[int, float]]],
    methods: list[MethodInfo],
    layer: str,
    size: int,
    x: Scale,
    y: Scale,
) -> Any:
    lines = [
        Line(
            method.label,
            look[method.name],
            [Point(epoch + 1, value) for epoch, value in own[method.name, layer]],
            markers=False,
        )
        for method in sorted(methods, key=lambda method: look[method.name].bold)
        if (method.name, layer) in own
    ]
    ends = "; ".join(f"{li.label} from {li.points[0].y:.3g} to {li.points[-1].y:.3g}" for li in lines)
    last = round(x.high / 1.1) - 1
    marks = [e for e in (0, 1, 3, 10, 30, 100, 300, 1000) if e < 0.5 * last] + [last]
    return Chart(
        Axis("epoch (logarithmic)", x, [(e + 1, str(e)) for e in marks]),
        Axis("alignment", y, [(v, f"{v:.3g}") for v in y.ticks(4)]),
        lines,
        f"Alignment of {layer} against the epoch with {formats.count(size)} training {results.things}: {ends}",
        labels=False,
        width=320,
        height=230,
        cursor=True,
    ).svg()


def _dips(results: Results, curves: Curves, methods: list[MethodInfo]) -> list[str]:
    """Return where alignment first falls below its start and then ends above its lowest point, deepest first."""
    found: list[tuple[float, str]] = []
    for (name, layer, size), curve in curves.items():
        start, end = curve[0][1], curve[-1][1]
        epoch, lowest = min(curve, key=lambda pair: pair[1])
        if lowest < start - DIP and lowest < end - DIP and 0 < epoch < curve[-1][0]:
            words = (
                f"{results.info[name].label}, {layer}, {formats.count(size)} training {results.things}: "
                f"from {start:.3f} down to {lowest:.3f} at epoch {epoch}, then to {end:.3f}"
            )
            found.append((lowest - start, words))
    return [words for _, words in sorted(found)]


def _at(curve: list[tuple[int, float]], epoch: int) -> float | None:
    """Return the value at the last recorded epoch up to this one."""
    values = [value for e, value in curve if e <= epoch]
    return round(values[-1], 4) if values else None


def _is_layer(what: str) -> bool:
    return what == "outputs" or re.fullmatch(r"layer \d+", what) is not None


def _method_with_all_kernels(results: Results, found: Mapping[tuple[str, str], Any]) -> str:
    """Return the method that shows most base kernels: they are the same whoever combines them."""
    counts = {
        m.name: sum(n == m.name and w != LEARNED and not _is_layer(w) for n, w in found)
        for m in results.methods
        if m.name not in results.transductive
    }
    best = max(counts, key=lambda name: counts[name], default="")
    return best if counts.get(best) else ""
