"""All figures of a page by name, as drawings that stand alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages.figures.standalone import StripRow, strip_table, with_legend


def gallery(views: Sequence[Mapping[str, Any]], rankings: Sequence[Mapping[str, Any]]) -> dict[str, Markup]:
    """Return the figures of the data sets of a page (see `kernelopt.pages.report`), by names fit for files."""
    found: dict[str, Markup] = {}
    for view in views:
        prefix = f"{view['name']}-" if len(views) > 1 else ""
        for name, drawing in _of_view(view):
            key = slug(prefix + name)
            if key in found:  # names that differ in signs only
                key = next(f"{key}-{k}" for k in range(2, len(found) + 3) if f"{key}-{k}" not in found)
            found[key] = drawing
    for ranking in rankings:
        found["ranks-transductive" if ranking["found"].transductive else "ranks"] = ranking["svg"]
    return found


def slug(name: str) -> str:
    """Return a name in small letters, digits and hyphens.

    >>> slug("Fashion MNIST, n=2000")
    'fashion-mnist-n-2000'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "figure"


def _of_view(view: Mapping[str, Any]) -> Iterator[tuple[str, Markup]]:
    things = view["things"]
    for panel in view["accuracy"]["panels"]:
        yield f"learning-curves-{panel['half']}", panel["svg"]
    if view["efficiency"]:
        rows = [
            StripRow(r["method"].label, [r["strip"]], r["text"]) for r in view["efficiency"]["rows"] if not r["why"]
        ]
        yield "exponents", strip_table("Exponent of the error", [""], view["efficiency"]["axis"], rows, last="c [95%]")
    for block in view["differences"]["blocks"]:
        rows = []
        for size, group in block["groups"].items():
            rows.append(StripRow(f"{size:,} training {things}"))
            for row in group:
                e, metric = row["estimate"], view["metric"]
                text = f"{metric.difference(e.mean)} {metric.difference_interval(e)}"
                rows.append(StripRow(row["rival"].label, [row["strip"]], text))
        heading = block["claim"].question
        last = f"{view['metric'].unit} [95%]"
        yield (
            f"differences-{block['claim'].name}",
            strip_table(heading, [""], view["differences"]["axis"], rows, last=last),
        )
    for block in view["weights"]:
        for k, table in enumerate(block["tables"]):
            rows = [StripRow(row["kernel"], [cell["strip"] for cell in row["cells"]]) for row in table["rows"]]
            columns = [f"{size:,} training {things}" for size in table["sizes"]]
            name = f"weights-{block['method'].name}" + (
                f"-by-{table['heading']}" if k < len(block["tables"]) - 1 else ""
            )
            yield name, strip_table(block["method"].label, columns, table["axis"], rows)
    if view["filters"]:
        for panel in view["filters"]["panels"]:
            yield f"filters-{panel['label']}", panel["svg"]
        yield from _by_size("filter-move", view["filters"]["moves"], view, view["filters"]["moved"])
    yield from _by_size("training-loss", view["losses"], view, view["networks"])
    yield from _by_size("training-accuracy", view["fits"], view, view["networks"])
    if view["over_epochs"]:
        for item in view["over_epochs"]["sizes"]:
            for panel in item["panels"]:
                heading = f"{panel['layer']}, {item['size']:,} training {things}"
                legend = [(method.label, view["look"][method.name]) for method in view["over_epochs"]["methods"]]
                yield f"alignment-{panel['layer']}-n{item['size']}", with_legend(panel["svg"], heading, legend)
    if view["representations"]:
        block = view["representations"]
        rows = [
            StripRow(
                row["label"] if row["base"] else f"{row['label']}, {row['what']}", [c["strip"] for c in row["cells"]]
            )
            for row in block["rows"]
        ]
        columns = [f"{size:,} training {things}" for size in view["sizes"]]
        yield "alignment-at-the-end", strip_table("Centred kernel-target alignment", columns, block["axis"], rows)
    for name, heading in (("gaps", "Relative duality gap"), ("gradients", "Relative gradient norm")):
        if view[name]:
            rows = []
            for method, strips in view[name]["groups"]:
                rows.append(StripRow(method.label))
                rows += [StripRow(f"{strip['size']:,} training {things}", [strip["strip"]]) for strip in strips]
            yield name, strip_table(heading, [""], view[name]["axis"], rows)
    if view["spread"]:
        rows = [
            StripRow(method.label, [strip["strip"] for strip in strips]) for method, strips in view["spread"]["rows"]
        ]
        columns = [f"{size:,} training {things}" for size in view["sizes"]]
        yield "spread-over-seeds", strip_table(view["metric"].axis, columns, view["spread"]["axis"], rows)
    for panel in view["cost"]["panels"] if view["cost"] else []:
        yield f"fit-time-{panel['half']}", panel["svg"]


def _by_size(
    name: str, panels: Sequence[Mapping[str, Any]], view: Mapping[str, Any], methods: Sequence[MethodInfo]
) -> Iterator[tuple[str, Markup]]:
    legend = [(method.label, view["look"][method.name]) for method in methods]
    for panel in panels:
        heading = f"{panel['size']:,} training {view['things']}"
        yield f"{name}-n{panel['size']}", with_legend(panel["svg"], heading, legend)
