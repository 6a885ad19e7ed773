"""Panels that share their axes: one per half of the study, or one per training size."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from kernelopt.pages import formats
from kernelopt.pages.figures.charts import Axis, Chart, Line, Point
from kernelopt.pages.figures.marks import TRANSDUCTIVE, Look, Scale, log_ticks
from kernelopt.pages.summary import Results, curves_of, mean_curve

HALVES = {
    "convex": "Weights of kernels, by convex optimisation",
    "filters": "Filters of a network, by backpropagation",
    "bridge": "Both: kernels made from learned filters",
    TRANSDUCTIVE: "Transductive: fitted with the unlabelled test part at hand",
}
PARENTS = ("learned-kernel", "cnn-learned")  # a bridge is read against them


def headings(halves: Container[str]) -> dict[str, str]:
    """Return the headings of the groups of methods; methods that are all of one half are no group of it.

    Any estimator may enter a study, and counts as convex unless it says otherwise.
    """
    found = {half: words for half, words in HALVES.items() if half in halves}
    return {"convex": "All methods"} if set(found) == {"convex"} else found


def by_half(
    results: Results, lines: Mapping[str, Line], y: Axis, what: str, *, width: float = 420, height: float = 310
) -> list[dict[str, Any]]:
    """Return one chart per half against the training size; the other halves' lines are behind it in grey.

    Transductive methods have a chart of their own, without others behind it, and are behind no other.
    """
    sizes = [float(size) for size in results.sizes]
    x = Axis(
        f"training {results.things}", Scale.over(sizes, log=True, pad=0.1), [(s, formats.count(int(s))) for s in sizes]
    )
    panels = []
    for half, heading in headings({line.look.half for line in lines.values()}).items():
        members = [name for name, line in lines.items() if line.look.half == half]
        if not members:
            continue
        if half == "bridge":
            members = [name for name in PARENTS if name in lines and results.comparable(name, members[0])] + members
        spoken = "; ".join(", ".join(point.title for point in lines[name].points) for name in members)
        chart = Chart(
            x,
            y,
            sorted((lines[name] for name in members), key=lambda line: line.look.bold),
            f"{what} against training {results.things}. {heading}. {spoken}",
            context=[
                line for name, line in lines.items() if name not in members and results.comparable(name, members[0])
            ],
            width=width,
            height=height,
        )
        panels.append({"half": half, "heading": heading, "svg": chart.svg()})
    return panels


def by_size(
    results: Results, names: Sequence[str], look: Mapping[str, Look], quantity: str, heading: str
) -> list[dict[str, Any]]:
    """Return one chart per training size of a recorded training curve; the panels share their vertical axis."""
    threads = {(n, s): curves_of(results, n, s, quantity) for n in names for s in results.sizes}
    values = [value for curves in threads.values() for curve in curves for _, value in curve]
    if not values:
        return []
    log = quantity == "loss" and min(values) > 0 and max(values) > 8 * min(values)
    y = Scale.over(values, log=log, pad=0.04, minimum=0.05)
    if quantity == "filter_move":
        y = Scale(0.0, max(max(values) * 1.06, 1e-9))
    percent = quantity == "accuracy"
    ticks = (
        log_ticks(y, 4)
        if log
        else [(v, f"{100 * v if percent else v:.3g}") for v in y.ticks(5) if not percent or v <= 1]
    )
    panels = []
    for size in results.sizes:
        lines = [
            Line(
                results.info[name].label,
                look[name],
                [Point(*pair) for pair in mean_curve(results, name, size, quantity)],
                threads[name, size],
                markers=False,
            )
            for name in sorted(names, key=lambda name: look[name].bold)
            if threads[name, size]
        ]
        if not lines:
            continue
        x = Scale.over([p.x for line in lines for p in line.points], pad=0.0, minimum=1.0)
        final = "; ".join(f"{line.label} ends at {line.points[-1].y:.3g}" for line in lines if line.points)
        chart = Chart(
            Axis("epoch", x, [(v, f"{v:g}") for v in x.ticks(5) if v == round(v)]),
            Axis(heading + (" (log scale)" if log else ""), y, ticks),
            lines,
            f"{heading} against the epoch with {formats.count(size)} training {results.things}: {final}",
            labels=False,
            width=320,
            height=230,
        )
        panels.append({"size": size, "svg": chart.svg()})
    return panels
