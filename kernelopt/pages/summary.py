"""The numbers of a study: estimates, paired differences, weights, curves and costs.

Every interval comes from `kernelopt.evaluation.statistics`; nothing is shown that no record holds.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, median
from typing import Any

import numpy as np

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.statistics import Estimate, crossed_interval
from kernelopt.evaluation.study import MethodInfo

LEVEL = 0.95


@dataclass(frozen=True)
class Results:
    """The cells of one data set.

    Parameters
    ----------
    dataset : str
        Its name.
    records : tuple of Record
        All its cells, failed ones included, in the order of the methods, sizes and seeds.
    methods : tuple of MethodInfo
        The methods that have at least one cell; transductive ones come last, and their labels say so.
    """

    dataset: str
    records: tuple[Record, ...]
    methods: tuple[MethodInfo, ...]

    @cached_property
    def _finished(self) -> dict[tuple[str, int], list[Record]]:
        finished: dict[tuple[str, int], list[Record]] = {}
        for record in self.records:
            if record.status == "ok":
                finished.setdefault((record.method, record.size), []).append(record)
        return finished

    @cached_property
    def info(self) -> dict[str, MethodInfo]:
        """The methods by name."""
        return {method.name: method for method in self.methods}

    @cached_property
    def transductive(self) -> frozenset[str]:
        """The names of the methods whose fits were given the inputs of the test images."""
        return frozenset(record.method for record in self.records if record.transductive)

    def comparable(self, method: str, rival: str) -> bool:
        """Whether two methods were given the same: the test images' inputs, or not."""
        return (method in self.transductive) == (rival in self.transductive)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The training sizes, ascending."""
        return tuple(sorted({record.size for record in self.records}))

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, ascending."""
        return tuple(sorted({record.seed for record in self.records}))

    @cached_property
    def images(self) -> int:
        """The number of test images (0 if no cell finished)."""
        lengths = {len(record.correct) for record in self.records if record.correct}
        if len(lengths) > 1:
            raise ValueError(
                f"the cells of {self.dataset!r} were tested on {sorted(lengths)} images, but all must be "
                f"tested on the same ones to be compared image by image. Report them apart."
            )
        return max(lengths, default=0)

    def cells(self, method: str, size: int) -> list[Record]:
        """Return the finished cells of a method at one size, by ascending seed."""
        return self._finished.get((method, size), [])

    def planned(self, method: str, size: int) -> bool:
        """Whether a cell of this method and size was run at all, finished or failed."""
        return any(record.method == method and record.size == size for record in self.records)

    def accuracy(self, method: str, size: int) -> Estimate | None:
        """Return the mean accuracy over seeds and test images, if any cell finished."""
        rows = [record.correct for record in self.cells(method, size) if record.correct]
        return crossed_interval(np.array(rows), LEVEL) if self.images and rows else None

    def difference(self, method: str, rival: str, size: int) -> Estimate | None:
        """Return the mean paired difference over the seeds both methods finished, if any.

        Raises
        ------
        ValueError
            One of the methods is transductive and the other is not.
        """
        if not self.comparable(method, rival):
            knows = method if method in self.transductive else rival
            raise ValueError(
                f"{method!r} cannot be compared with {rival!r}: the fits of {knows!r} were given the inputs of the "
                f"test images, those of the other were not. Compare methods of one kind."
            )
        ours = {record.seed: record.correct for record in self.cells(method, size) if record.correct}
        theirs = {record.seed: record.correct for record in self.cells(rival, size) if record.correct}
        seeds = sorted(ours.keys() & theirs.keys())
        if not self.images or not seeds:
            return None
        pairs = np.array([ours[seed] for seed in seeds]) - np.array([theirs[seed] for seed in seeds])
        return crossed_interval(pairs, LEVEL)


def arrange(records: Sequence[Record], methods: Sequence[MethodInfo]) -> list[Results]:
    """Return the results of each data set, independent of the order of the records.

    Parameters
    ----------
    records : sequence of Record
        The cells; no two with the same key.
    methods : sequence of MethodInfo
        Describes every method of the records, in the order of the page.

    Returns
    -------
    list of Results
        By data set name.

    Raises
    ------
    ValueError
        No records, records of a method that is not described, two of one cell, or a method of which some records
        are transductive and some are not.
    """
    if not records:
        raise ValueError("there are no records to report. Run the study first.")
    methods = marked(records, methods)
    order = {method.name: position for position, method in enumerate(methods)}
    unknown = sorted({record.method for record in records} - order.keys())
    if unknown:
        raise ValueError(
            f"the records hold methods that are not described: {', '.join(unknown)}. Add their MethodInfo."
        )
    twice = [key for key, n in Counter(record.key for record in records).items() if n > 1]
    if twice:
        raise ValueError(
            f"{len(twice)} cells are recorded more than once, the first of them {twice[0]}. Keep one each."
        )
    ordered = sorted(records, key=lambda r: (r.dataset, order[r.method], r.size, r.seed))
    arranged = []
    for dataset in sorted({record.dataset for record in records}):
        own = tuple(record for record in ordered if record.dataset == dataset)
        used = {record.method for record in own}
        arranged.append(Results(dataset, own, tuple(m for m in methods if m.name in used)))
    return arranged


def marked(records: Sequence[Record], methods: Sequence[MethodInfo]) -> list[MethodInfo]:
    """Return the methods with the transductive ones last and called so, as their records have it."""
    kinds = {method.name: {r.transductive for r in records if r.method == method.name} for method in methods}
    mixed = [name for name, found in kinds.items() if len(found) > 1]
    if mixed:
        raise ValueError(
            f"some records of {', '.join(mixed)} are transductive and some are not, so they are not of one method. "
            f"Run its cells again, or report them apart."
        )
    last = [replace(m, label=f"{m.label} (transductive)") for m in methods if True in kinds[m.name]]
    return [m for m in methods if True not in kinds[m.name]] + last


def median_cost(results: Results, method: str, size: int) -> dict[str, float]:
    """Return the median over the seeds of each recorded cost."""
    found = [record.cost for record in results.cells(method, size)]
    names = dict.fromkeys(name for cost in found for name in cost)
    values = {name: finite(cost.get(name) for cost in found) for name in names}
    return {name: median(known) for name, known in values.items() if known}


def mean_curve(results: Results, method: str, size: int, name: str) -> list[tuple[float, float]]:
    """Return the mean over the seeds of a training curve, over the epochs that all of them have."""
    curves = [dict(curve) for curve in curves_of(results, method, size, name)]
    epochs = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    return [(epoch, fmean(curve[epoch] for curve in curves)) for epoch in epochs]


def curves_of(results: Results, method: str, size: int, name: str) -> list[list[tuple[float, float]]]:
    """Return the training curves (epoch, value), one per seed, of the cells that recorded them."""
    found = []
    for record in results.cells(method, size):
        history = record.history or {}
        pairs = zip(history.get("epoch", []), history.get(name, []), strict=False)
        curve = [(float(epoch), value) for epoch, known in pairs for value in finite([known])]
        if curve:
            found.append(curve)
    return found


def finite(values: Iterable[Any]) -> list[float]:
    """Return the values that are numbers, neither missing nor infinite.

    >>> finite([1, None, float("nan"), 0.5])
    [1.0, 0.5]
    """
    return [float(value) for value in values if value is not None and math.isfinite(value)]


@dataclass(frozen=True)
class KernelWeights:
    """The weights of one method: per training size and kernel, one weight per seed.

    Kernels whose width is fitted to the training set are called by that width, which then differs from
    cell to cell. Such kernels are matched by their place in the list, and their name shows the range.
    """

    kernels: tuple[str, ...]
    by_size: Mapping[int, tuple[tuple[float, ...], ...]]  # kernel by kernel, each over the seeds

    def added(self, group: Mapping[str, str]) -> KernelWeights:
        """Return the weights added up over the kernels of each group, seed by seed."""
        names = tuple(dict.fromkeys(group[kernel] for kernel in self.kernels))
        return KernelWeights(
            names,
            {
                size: tuple(
                    tuple(
                        sum(parts)
                        for parts in zip(
                            *(w for k, w in zip(self.kernels, weights, strict=True) if group[k] == name), strict=True
                        )
                    )
                    for name in names
                )
                for size, weights in self.by_size.items()
            },
        )


def kernel_weights(results: Results, method: str) -> KernelWeights | None:
    """Return the weights a method recorded, if any; a kernel that a cell does not name has weight zero."""
    cells = {
        size: found
        for size in results.sizes
        if (found := [r.weights for r in results.cells(method, size) if r.weights])
    }
    if not cells:
        return None
    lists = [tuple(weights) for found in cells.values() for weights in found]
    if len(set(lists)) > 1 and len({tuple(map(_family, names)) for names in lists}) == 1:
        kernels = tuple(_ranged(names) for names in zip(*lists, strict=True))
        by_size = {size: tuple(zip(*(w.values() for w in found), strict=True)) for size, found in cells.items()}
    else:
        kernels = tuple(dict.fromkeys(name for names in lists for name in names))
        by_size = {
            size: tuple(tuple(w.get(name, 0.0) for w in found) for name in kernels) for size, found in cells.items()
        }
    return KernelWeights(kernels, by_size)


_WIDTH = re.compile(r"(?<=γ=)[0-9][0-9.e+-]*")


def _family(kernel: str) -> str:
    return _WIDTH.sub("", kernel)


def _ranged(names: Sequence[str]) -> str:
    """Return one name for kernels that differ in their width only.

    >>> _ranged(["gaussian γ=0.02", "gaussian γ=0.01"])
    'gaussian γ=0.01…0.02'
    """
    widths = sorted({match.group() for name in names if (match := _WIDTH.search(name))}, key=float)
    return names[0] if len(widths) < 2 else _WIDTH.sub(f"{widths[0]}…{widths[-1]}", names[0], count=1)


def looks_at(kernel: str) -> str:
    """Return what a kernel compares images by: their pixels or a layer of a network.

    >>> looks_at("gaussian γ=s on layer 2"), looks_at("layer 1 · gaussian γ=0.1"), looks_at("polynomial d=2")
    ('layer 2', 'layer 1', 'pixels')
    """
    match = re.search(r"layer (\d+)", kernel)
    return match.group() if match else "pixels"


def warnings_of(records: Sequence[Record]) -> list[tuple[str, int]]:
    """Return the distinct warnings that the cells recorded, each with the number of its cells."""
    counts = Counter(str(text) for record in records for text in record.provenance.get("warnings", ()))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
