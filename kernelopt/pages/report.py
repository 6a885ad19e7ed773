"""The report of a study: one self-contained HTML page made from its records alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages import formats, summary
from kernelopt.pages.figures.filters import shade_bar
from kernelopt.pages.figures.marks import TRANSDUCTIVE, Look, looks, sample
from kernelopt.pages.figures.ranks import rank_diagram
from kernelopt.pages.leaders import Ranking, leaders, rankings
from kernelopt.pages.sections.accuracy import accuracy
from kernelopt.pages.sections.cells import cells, command
from kernelopt.pages.sections.differences import claims, differences
from kernelopt.pages.sections.efficiency import efficiency
from kernelopt.pages.sections.filters import filters
from kernelopt.pages.sections.metrics import metrics
from kernelopt.pages.sections.panels import by_size, headings
from kernelopt.pages.sections.proof import cost, gaps, gradients, spread, starts
from kernelopt.pages.sections.representations import over_epochs, representations
from kernelopt.pages.sections.weights import weights
from kernelopt.pages.summary import Results
from kernelopt.pages.writing import make_environment, put

FORMATS = (
    "capital",
    "count",
    "joules",
    "listed",
    "megabytes",
    "number_interval",
    "p_value",
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
    question: str = "",
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
    question : str
        What the study asks; one that fits its methods, unless given.

    Returns
    -------
    str
        The page; the same arguments give the same text.
    """
    shown = _Shown.of(records, methods)
    return shown.page(title=title, protocol=protocol, provenance=provenance, question=question, files=())


def write(
    path: str | os.PathLike[str],
    records: Sequence[Record],
    methods: Sequence[MethodInfo],
    *,
    title: str,
    protocol: Mapping[str, str],
    provenance: Mapping[str, str],
    question: str = "",
    figures: bool = False,
) -> Path:
    """Write the report to `path` and return it; a reader never sees half a page (see `render`).

    Parameters
    ----------
    path : path
        The page.
    records, methods, title, protocol, provenance, question
        As in `render`.
    figures : bool
        Whether all figures (SVG and PNG) and tidy tables (CSV) are written too, into a folder beside the page that is
        called after it: ``report-files`` for ``report.html``. The page links to them, and does not need them.
    """
    target = Path(path)
    shown, files = _Shown.of(records, methods), []
    if figures:
        from kernelopt.pages import beside  # only now is matplotlib wanted

        folder = beside.folder_of(target)
        names = beside.write(folder, shown.arranged, shown.views, shown.rankings)
        files = [f"{folder.name}/{name}" for name in names if not name.endswith(".png")]
    text = shown.page(title=title, protocol=protocol, provenance=provenance, question=question, files=files)
    return put(target, text)


@dataclass(frozen=True)
class _Shown:
    """All that a page shows, before it is put into words."""

    records: Sequence[Record]
    arranged: list[Results]
    methods: list[MethodInfo]
    look: dict[str, Look]
    views: list[dict[str, Any]]
    rankings: list[dict[str, Any]]

    @classmethod
    def of(cls, records: Sequence[Record], methods: Sequence[MethodInfo]) -> _Shown:
        arranged = summary.arrange(records, methods)
        used = {record.method for record in records}
        shown = [method for method in summary.marked(records, methods) if method.name in used]
        look = looks(shown, {record.method for record in records if record.transductive})
        views = [_view(results, look, f"d{position}") for position, results in enumerate(arranged)]
        return cls(records, arranged, shown, look, views, [_ranking(found, look) for found in rankings(arranged)])

    def page(
        self,
        *,
        title: str,
        protocol: Mapping[str, str],
        provenance: Mapping[str, str],
        question: str,
        files: Sequence[str],
    ) -> str:
        """Return the text of the page."""
        commands = {name: text for name, text in provenance.items() if name.lower().startswith("command")}
        things = {results.things for results in self.arranged}
        text = (
            _environment()
            .get_template("report.html")
            .render(
                title=title,
                halves=headings({found.half for found in self.look.values()}),
                methods=self.methods,
                look=self.look,
                transductive=[method for method in self.methods if self.look[method.name].half == TRANSDUCTIVE],
                question=question,
                contrast=any(item["claim"].name == "filters" for view in self.views for item in view["claims"]),
                contents=_contents(self.views, self.rankings, self.methods),
                things=next(iter(things)) if len(things) == 1 else "points",
                rankings=self.rankings,
                files=files,
                views=self.views,
                cells=[row for results in self.arranged for row in cells(results)],
                warnings=summary.warnings_of(self.records),
                protocol=protocol,
                provenance={name: text for name, text in provenance.items() if name not in commands},
                commands=list(commands.values()) or [command(self.arranged)],
                level=round(100 * summary.LEVEL),
                shade_bar=shade_bar(),
            )
        )
        return text + "\n"


@cache
def _environment():
    environment = make_environment({name: getattr(formats, name) for name in FORMATS})
    environment.globals["sample"] = sample
    return environment


def _view(results: Results, look: Mapping[str, Look], anchor: str) -> dict[str, Any]:
    """Return everything the templates show of one data set."""
    networks = [m for m in results.methods if m.half == "filters" or any(r.history for r in _of(results, m.name))]
    names = [method.name for method in networks]
    return {
        "id": anchor,
        "name": results.dataset,
        "images": results.images,
        "seeds": results.seeds,
        "sizes": results.sizes,
        "cells": len(results.records),
        "failed": sum(record.status != "ok" for record in results.records),
        "look": look,
        "metric": results.metric,
        "things": results.things,
        "crossed": results.crossed,
        "claims": claims(results),
        "leaders": leaders(results),
        "efficiency": efficiency(results, look),
        "metrics": metrics(results),
        "representations": representations(results, look),
        "over_epochs": over_epochs(results, look),
        "starts": starts(results),
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


def _of(results: Results, method: str) -> list[Record]:
    return [record for size in results.sizes for record in results.cells(method, size)]


def _ranking(found: Ranking, look: Mapping[str, Look]) -> dict[str, Any]:
    """Return the diagram of methods over data sets with what is said of it."""
    labels = {name: method.label for name, method in found.info.items()}
    return {"found": found, "svg": rank_diagram(found.comparison, labels, dict(look))}


def _contents(
    views: Sequence[Mapping[str, Any]], ranked: Sequence[Any], methods: Sequence[MethodInfo]
) -> list[tuple[str, str]]:
    """Return the sections that a study has something for, in the order of the page."""
    halves = {method.half for method in methods}
    networks = bool(halves & {"filters", "bridge"})
    contrasted = any(item["claim"].name == "filters" for view in views for item in view["claims"])
    has = {name: any(view[name] for view in views) for name in ("weights", "metrics", "starts", "spread")}
    sections = [
        ("answer", "The question and the answer", True),
        (
            "reading",
            "What a kernel is, twice" if contrasted or (networks and "convex" in halves) else "The methods",
            True,
        ),
        ("accuracy", "Learning curves", True),
        ("differences", "Paired differences", True),
        ("ranks", "Over the data sets", bool(ranked)),
        ("metrics", "Calibration and other metrics", has["metrics"]),
        ("weights", "The kernel weights that were learned", has["weights"] or networks),
        ("filters", "The filters, fixed and learned", networks),
        ("curves", "Training curves", networks or any(view["losses"] for view in views)),
        ("alignment", "Alignment with the labels", any(v["representations"] or v["over_epochs"] for v in views)),
        ("proof", "What each method can prove", True),
        ("spread", "Spread over seeds and starts", has["starts"] or has["spread"]),
        ("cost", "What it cost", True),
        ("cells", "Every cell", True),
        ("run", "How it was run", True),
    ]
    return [(anchor, words) for anchor, words, wanted in sections if wanted]
