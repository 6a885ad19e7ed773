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
from kernelopt.pages import comparing, evidence, formats, learning, strips, summary, svg
from kernelopt.pages.summary import Results
from kernelopt.pages.svg import Look


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
    look = svg.looks(shown)
    commands = {name: text for name, text in provenance.items() if name.lower().startswith("command")}
    return (
        _environment()
        .get_template("report.html")
        .render(
            title=title,
            halves=comparing.HALVES,
            methods=shown,
            look=look,
            views=[_view(results, look, position) for position, results in enumerate(arranged)],
            cells=[
                _cell(record, next(m for m in shown if m.name == record.method))
                for r in arranged
                for record in r.records
            ],
            protocol=protocol,
            provenance={name: text for name, text in provenance.items() if name not in commands},
            commands=commands,
            recorded=summary.shared_provenance([record for r in arranged for record in r.records]),
            level=round(100 * summary.LEVEL),
            shade_bar=strips.shade_bar(),
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
    environment.globals["sample"] = svg.sample
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
        "claims": comparing.claims(results),
        "accuracy": comparing.accuracy(results, look),
        "differences": comparing.differences(results, look),
        "weights": learning.weights(results, look),
        "filters": learning.filters(results, look),
        "curves": learning.curves(results, look),
        "gap": evidence.proof(results, look, "certificate"),
        "gradient": evidence.proof(results, look, "gradient_norm"),
        "cost": evidence.cost(results, look),
    }


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
    }
