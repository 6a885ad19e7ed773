"""The report of a study: one self-contained HTML page made from its records alone."""

from __future__ import annotations

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
from kernelopt.pages import formats, summary
from kernelopt.pages.figures.filters import shade_bar
from kernelopt.pages.figures.marks import TRANSDUCTIVE, Look, looks, sample
from kernelopt.pages.sections.accuracy import accuracy, claims, differences
from kernelopt.pages.sections.cells import cells, command
from kernelopt.pages.sections.filters import filters
from kernelopt.pages.sections.panels import HALVES, by_size
from kernelopt.pages.sections.proof import cost, gaps, gradients, spread
from kernelopt.pages.sections.weights import weights
from kernelopt.pages.summary import Results

FORMATS = (
    "count",
    "listed",
    "megabytes",
    "percent",
    "percent_interval",
    "plain",
    "points",
    "points_interval",
    "seconds",
    "significant",
)


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
        Versions, threads, machine, commit. An entry whose name starts with "command" is shown as the
        command that reproduces the study; without one the command follows from the records.

    Returns
    -------
    str
        The page; the same arguments give the same text.
    """
    arranged = summary.arrange(records, methods)
    used = {record.method for record in records}
    shown = [method for method in summary.marked(records, methods) if method.name in used]
    look = looks(shown, {record.method for record in records if record.transductive})
    commands = {name: text for name, text in provenance.items() if name.lower().startswith("command")}
    page = (
        _environment()
        .get_template("report.html")
        .render(
            title=title,
            halves=HALVES,
            methods=shown,
            look=look,
            transductive=[method for method in shown if look[method.name].half == TRANSDUCTIVE],
            views=[_view(results, look, f"d{position}") for position, results in enumerate(arranged)],
            cells=[row for results in arranged for row in cells(results)],
            warnings=summary.warnings_of(records),
            protocol=protocol,
            provenance={name: text for name, text in provenance.items() if name not in commands},
            commands=list(commands.values()) or [command(arranged)],
            level=round(100 * summary.LEVEL),
            shade_bar=shade_bar(),
        )
    )
    return page + "\n"


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
    environment.filters |= {name: getattr(formats, name) for name in FORMATS}
    environment.globals["sample"] = sample
    return environment


def _view(results: Results, look: Mapping[str, Look], anchor: str) -> dict[str, Any]:
    """Return everything the templates show of one data set."""
    networks = [method for method in results.methods if method.half == "filters"]
    names = [method.name for method in networks]
    return {
        "id": anchor,
        "name": results.dataset,
        "images": results.images,
        "seeds": results.seeds,
        "sizes": results.sizes,
        "cells": len(results.records),
        "failed": sum(record.status != "ok" for record in results.records),
        "claims": claims(results),
        "accuracy": accuracy(results, look),
        "differences": differences(results, look),
        "weights": weights(results, look),
        "filters": filters(results, look),
        "networks": networks,
        "losses": by_size(results, names, look, "loss", "training loss"),
        "fits": by_size(results, names, look, "accuracy", "training accuracy, %"),
        "gaps": gaps(results, look),
        "gradients": gradients(results, look),
        "spread": spread(results, look),
        "cost": cost(results, look),
    }
