"""What the records say of each method: estimates, paired differences, curves, weights and cost.

Every estimate comes from `kernelopt.evaluation.statistics`; drawing and rendering live elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import Any

import numpy as np

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.statistics import Estimate, crossed_interval
from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages.formats import plain

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
        The methods that have at least one cell.
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
        """Return the mean paired difference over the seeds both methods finished, if any."""
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
    """
    if not records:
        raise ValueError("there are no records to report. Run the study first.")
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


def weights_by_kernel(results: Results, method: str, size: int) -> dict[str, list[float]]:
    """Return each kernel's weight over the seeds; a kernel that a seed does not name has weight zero."""
    found = [record.weights for record in results.cells(method, size) if record.weights]
    names = dict.fromkeys(name for weights in found for name in weights)
    return {name: [weights.get(name, 0.0) for weights in found] for name in names}


def median_cost(results: Results, method: str, size: int) -> dict[str, float]:
    """Return the median over the seeds of each recorded cost."""
    found = [record.cost for record in results.cells(method, size)]
    names = dict.fromkeys(name for cost in found for name in cost)
    return {name: median(cost[name] for cost in found if name in cost) for name in names}


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
        curve = [(float(epoch), float(value)) for epoch, value in pairs if value is not None and np.isfinite(value)]
        if curve:
            found.append(curve)
    return found


def validation_score(record: Record) -> float | None:
    """Return the validation accuracy of the setting that was chosen, if it was recorded."""
    for candidate in record.candidates:
        if candidate.get("params") == record.chosen and candidate.get("score") is not None:
            return float(candidate["score"])
    return None


def shared_provenance(records: Sequence[Record]) -> dict[str, list[tuple[str, int]]]:
    """Return, per entry of the records' provenance, its distinct values and how many cells have each."""
    counts: dict[str, Counter[str]] = {}
    for record in records:
        for name, value in _flat(record.provenance):
            counts.setdefault(name, Counter())[value] += 1
    return {name: sorted(values.items(), key=lambda item: (-item[1], item[0])) for name, values in counts.items()}


def _flat(nested: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    entries = []
    for name, value in nested.items():
        if isinstance(value, Mapping):
            entries += _flat(value, f"{prefix}{name} ")
        else:
            entries.append((f"{prefix}{name}", plain(value)))
    return entries
