"""The kernel weights that were learned: kernel by kernel, and by what the kernels look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernelopt.pages import formats
from kernelopt.pages.figures import strips
from kernelopt.pages.figures.marks import Look, Scale
from kernelopt.pages.kernel_weights import KernelWeights, kernel_weights, looks_at
from kernelopt.pages.summary import Results

UNLEARNED = ("single-kernel", "uniform-kernel")
MOST_KERNELS = 24  # in one picture


def weights(results: Results, look: Mapping[str, Look]) -> list[dict[str, Any]]:
    """Return one table of bars per method that learned weights."""
    blocks = []
    for method in results.methods:
        found = None if method.name in UNLEARNED else kernel_weights(results, method.name)
        if found is None:
            continue
        sources = {kernel: looks_at(kernel) for kernel in found.kernels}
        shown = {"kernel": found}
        if len(set(sources.values())) > 1:
            shown = {"what the kernel looks at": found.added(sources), **shown}
        everything = [
            w for part in shown.values() for by_kernel in part.by_size.values() for seeds in by_kernel for w in seeds
        ]
        scale = Scale(min(*everything, 0.0) * 1.02, max(*everything, 1e-9) * 1.02)
        tables = [_table(heading, part, look[method.name], scale, results.things) for heading, part in shown.items()]
        blocks.append({"method": method, "tables": tables, "signed": scale.low < 0})
    return blocks


def _table(heading: str, found: KernelWeights, look: Look, scale: Scale, things: str) -> dict[str, Any]:
    means = {size: [sum(seeds) / len(seeds) for seeds in by_kernel] for size, by_kernel in found.by_size.items()}
    heaviest = sorted(range(len(found.kernels)), key=lambda k: -max(abs(values[k]) for values in means.values()))
    shown = sorted(heaviest[:MOST_KERNELS])
    rows = []
    for k in shown:
        cells = []
        for size, by_kernel in found.by_size.items():
            title = (
                f"{found.kernels[k]}, {formats.count(size)} training {things}: mean {means[size][k]:.3f}; seeds "
                + ", ".join(f"{v:.3f}" for v in by_kernel[k])
            )
            cells.append(
                {"mean": means[size][k], "strip": strips.bar_strip(means[size][k], by_kernel[k], look, scale, title)}
            )
        rows.append({"kernel": found.kernels[k], "cells": cells})
    return {
        "heading": heading,
        "sizes": list(found.by_size),
        "left_out": len(found.kernels) - len(shown),
        "axis": strips.strip_axis(scale, [(v, f"{v:.6g}".replace("-", formats.MINUS)) for v in scale.ticks(3)]),
        "rows": rows,
    }
