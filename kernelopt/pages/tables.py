"""Tidy tables of all that the page shows: one row per number, as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

from kernelopt.evaluation.sample_efficiency import SampleEfficiency
from kernelopt.evaluation.spread import split_spread
from kernelopt.evaluation.statistics import Estimate
from kernelopt.pages.leaders import rankings
from kernelopt.pages.sections.differences import compared
from kernelopt.pages.sections.efficiency import fitted
from kernelopt.pages.sections.metrics import SHOWN, estimate_of
from kernelopt.pages.sections.representations import alignment_curves
from kernelopt.pages.summary import Results, median_cost

Row = dict[str, Any]
INTERVAL = ("mean", "low", "high", "seeds")


def tables(arranged: Sequence[Results]) -> dict[str, str]:
    """Return the tables that hold anything, as CSV, by name.

    ``scores``; ``differences``, which are gains, positive where ``method`` is better than the one under ``minus``, of
    all pairs that may be compared, with the interval that the page uses and with Nadeau and Bengio's, and with the
    p-value adjusted by Holm where the page compares them; ``exponents``, ``metrics``, ``weights``, ``alignment``,
    ``alignment_over_epochs``, ``certificates``, ``starts``, ``cost``, ``ranks``.
    """
    made = {
        "scores": _scores,
        "differences": _differences,
        "exponents": _exponents,
        "metrics": _metrics,
        "weights": _weights,
        "alignment": _alignment,
        "alignment_over_epochs": _over_epochs,
        "certificates": _certificates,
        "starts": _starts,
        "cost": _cost,
    }
    found = {
        name: [{"dataset": results.dataset, **row} for results in arranged for row in rows(results)]
        for name, rows in made.items()
    }
    found["ranks"] = _ranks(arranged)
    return {name: written(rows) for name, rows in found.items() if rows}


def written(rows: Sequence[Row]) -> str:
    """Return rows as CSV; texts that a spreadsheet would take for formulas are quoted, missing numbers empty.

    >>> print(written([{"a": 1.5, "b": "=x"}, {"a": float("nan"), "c": None}]), end="")
    a,b,c
    1.5,'=x,
    ,,
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    text = repr(float(value)) if isinstance(value, float) else str(value)
    return "'" + text if isinstance(value, str) and text[:1] in ("=", "+", "-", "@") else text


def _interval(estimate: Estimate | None, prefix: str = "") -> Row:
    if estimate is None:
        return {}
    values = (estimate.mean, estimate.low, estimate.high, estimate.n)
    return {prefix + name: value for name, value in zip(INTERVAL, values, strict=True)}


def _cells(results: Results) -> Iterator[tuple[str, int]]:
    for method in results.methods:
        for size in results.sizes:
            if results.cells(method.name, size):
                yield method.name, size


def _scores(results: Results) -> Iterator[Row]:
    for method, size in _cells(results):
        estimate = results.accuracy(method, size)
        if estimate is not None:
            yield {"method": method, "size": size, "metric": results.metric.name, **_interval(estimate)}


def _differences(results: Results) -> Iterator[Row]:
    adjusted = {(c.challenger.name, c.rival.name, c.size): p for _, c, p in compared(results)}
    pairs = {(ours, theirs): None for ours, theirs, _ in adjusted}
    names = [method.name for method in results.methods]
    pairs |= {pair: None for pair in combinations(names, 2) if pair not in pairs and pair[::-1] not in pairs}
    for ours, theirs in pairs:
        if not results.comparable(ours, theirs):
            continue
        for size in results.sizes:
            estimate = results.difference(ours, theirs, size)
            if estimate is None:
                continue
            corrected = results.corrected(ours, theirs, size)
            yield {
                "method": ours,
                "minus": theirs,
                "size": size,
                "metric": results.metric.name,
                **_interval(estimate),
                "interval": "crossed" if results.crossed or estimate.n == 1 else "corrected resampled",
                "p": estimate.p if estimate.n > 1 else None,
                "p_holm": adjusted.get((ours, theirs, size)),
                "corrected_low": corrected and corrected.low,
                "corrected_high": corrected and corrected.high,
                "corrected_p": corrected and corrected.p,
            }


def _exponents(results: Results) -> Iterator[Row]:
    for method in results.methods:
        curve = fitted(results, method.name)
        if not isinstance(curve, SampleEfficiency):
            yield {"method": method.name, "why_none": curve}
            continue
        yield {
            "method": method.name,
            **_interval(curve.exponent, "exponent_"),
            "scale": curve.scale,
            **_interval(curve.floor, "floor_"),
            **_interval(curve.floor_exponent, "exponent_with_floor_"),
            "why_no_floor": curve.why,
        }


def _metrics(results: Results) -> Iterator[Row]:
    for method, size in _cells(results):
        for name in SHOWN:
            estimate = estimate_of(results, method, size, name)
            if estimate is not None:
                yield {"method": method, "size": size, "metric": name, **_interval(estimate)}


def _weights(results: Results) -> Iterator[Row]:
    for record in _finished(results):
        for kernel, weight in (record.weights or {}).items():
            yield {**_key(record), "kernel": kernel, "weight": weight}


def _alignment(results: Results) -> Iterator[Row]:
    for record in _finished(results):
        for name, values in (record.representations or {}).items():
            yield {**_key(record), "representation": name, **values}


def _over_epochs(results: Results) -> Iterator[Row]:
    ranks = alignment_curves(results, "effective_rank")
    for (method, layer, size), curve in alignment_curves(results).items():
        rank = dict(ranks.get((method, layer, size), []))
        for epoch, value in curve:
            yield {
                "method": method,
                "size": size,
                "layer": layer,
                "epoch": epoch,
                "mean_alignment": value,
                "mean_effective_rank": rank.get(epoch),
            }


def _certificates(results: Results) -> Iterator[Row]:
    for record in _finished(results):
        certificate = record.certificate or {}
        if certificate or record.gradient_norm is not None:
            names = ("primal", "dual", "gap", "infeasibility", "problem")
            proof = {name: certificate.get(name) for name in names}
            yield {**_key(record), **proof, "relative_gradient_norm": record.gradient_norm}


def _starts(results: Results) -> Iterator[Row]:
    for method, size in _cells(results):
        values = [record.inits for record in results.cells(method, size) if len(record.inits) > 1]
        if values:
            found = split_spread(values)
            yield {
                "method": method,
                "size": size,
                "sd_over_splits": found.split,
                "sd_over_starts": found.init,
                "largest_change_by_a_start": found.largest,
                "splits": found.n_splits,
                "fits": found.n_inits,
            }


def _cost(results: Results) -> Iterator[Row]:
    for method, size in _cells(results):
        costs = median_cost(results, method, size)
        if costs:
            yield {"method": method, "size": size, **{f"median_{name}": value for name, value in costs.items()}}


def _ranks(arranged: Sequence[Results]) -> list[Row]:
    rows = []
    for ranking in rankings(arranged):
        found = ranking.comparison
        for place, name in enumerate(found.names):
            row = {
                "method": name,
                "mean_rank": found.mean_ranks[place],
                "datasets": found.n,
                "friedman_p": found.friedman_p,
            }
            row |= {f"p_holm_against_{b}": p for (a, b), p in found.pairs.items() if a == name}
            rows.append(row | {f"p_holm_against_{a}": p for (a, b), p in found.pairs.items() if b == name})
    return rows


def _finished(results: Results) -> Iterable[Any]:
    return (record for record in results.records if record.status == "ok")


def _key(record: Any) -> Row:
    return {"method": record.method, "size": record.size, "seed": record.seed}
