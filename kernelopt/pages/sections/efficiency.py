"""How fast each method's error falls with the number of training points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kernelopt.evaluation.sample_efficiency import SampleEfficiency, sample_efficiency
from kernelopt.pages.figures import strips
from kernelopt.pages.figures.marks import Look, Scale
from kernelopt.pages.formats import MINUS, number_interval
from kernelopt.pages.summary import LEVEL, Results


def fitted(results: Results, method: str) -> SampleEfficiency | str:
    """Return a method's fitted curve over the sizes that it has, from the seeds that finished at all of them."""
    sizes = [size for size in results.sizes if results.tested(method, size)]
    if len(sizes) < 2:
        return "an exponent needs two training sizes or more"
    cells = {size: {record.seed: record for record in results.cells(method, size)} for size in sizes}
    seeds = sorted(set.intersection(*(set(results.tested(method, size)) for size in sizes)))
    if not seeds:
        return "no seed finished at every size"
    regression = results.task == "regression"

    def errors(size: int, seed: int) -> np.ndarray:
        record = cells[size][seed]
        return np.asarray(record.errors) if regression else 1.0 - np.asarray(record.correct)

    if results.crossed:
        table = np.array([[errors(size, seed) for size in sizes] for seed in seeds])
    else:
        means = np.array([[errors(size, seed).mean() for size in sizes] for seed in seeds])
        table = np.sqrt(means) if regression else means
    return sample_efficiency(sizes, table, root=regression and results.crossed, level=LEVEL)


def efficiency(results: Results, look: Mapping[str, Look]) -> dict[str, Any] | None:
    """Return a table of exponents with their intervals drawn; None with a single size."""
    if len(results.sizes) < 2:
        return None
    found = {method.name: fitted(results, method.name) for method in results.methods}
    curves = {name: curve for name, curve in found.items() if isinstance(curve, SampleEfficiency)}
    if not curves:
        return None
    ends = [end for curve in curves.values() for end in (curve.exponent.low, curve.exponent.high)]
    scale = Scale.over([0.0, *ends], pad=0.04, minimum=0.1)
    rows: list[dict[str, Any]] = []
    for method in results.methods:
        curve = found[method.name]
        if isinstance(curve, str):
            rows.append({"method": method, "why": curve})
            continue
        text = number_interval(curve.exponent)
        title = f"{method.label}: exponent {text}"
        strip = strips.interval_strip(curve.exponent, look[method.name], scale, title)
        rows.append({"method": method, "why": "", "curve": curve, "text": text, "strip": strip})
    axis = strips.strip_axis(scale, [(v, f"{v:.6g}".replace("-", MINUS)) for v in scale.ticks(4)])
    return {
        "rows": rows,
        "axis": axis,
        "floors": any(curve.floor is not None for curve in curves.values()),
        "reasons": sorted({curve.why for curve in curves.values() if curve.why}),
    }
