"""The numbers of a study: estimates, paired differences, weights, curves and costs.

Every interval comes from `kernelopt.evaluation.statistics`; nothing is shown that no record holds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, median
from typing import Any

import numpy as np

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.resampling import corrected_resampled_interval
from kernelopt.evaluation.statistics import Estimate, crossed_interval
from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages.metric import ACCURACY, RMSE, Metric

LEVEL = 0.95
ALPHA = 0.05  # its complement, for p-values


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
    def task(self) -> str:
        """What is predicted: classes or numbers."""
        tasks = {record.task for record in self.records if record.status == "ok"}
        if len(tasks) > 1:
            raise ValueError(f"the cells of {self.dataset!r} are of two tasks, {sorted(tasks)}. Report them apart.")
        return next(iter(tasks), "classification")

    @cached_property
    def metric(self) -> Metric:
        """What the methods are judged by."""
        return RMSE if self.task == "regression" else ACCURACY

    @cached_property
    def crossed(self) -> bool:
        """Whether all seeds are tested on the same points, as on an official test part; else each draws its own."""
        return all(record.split != "random" for record in self.records if record.status == "ok")

    @cached_property
    def things(self) -> str:
        """What the points are called: images where a network looks at them."""
        return "images" if any(method.half != "convex" for method in self.methods) else "points"

    @cached_property
    def images(self) -> int:
        """The number of test points of a cell (0 if no cell finished, the largest where random splits differ)."""
        lengths = {len(points_of(record)) for record in self.records if len(points_of(record))}
        if self.crossed and len(lengths) > 1:
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

    def tested(self, method: str, size: int) -> dict[int, np.ndarray]:
        """Return the scores of a method's test points by seed; their mean is the cell's score."""
        found = {record.seed: points_of(record) for record in self.cells(method, size)}
        return {seed: points for seed, points in found.items() if len(points)}

    def accuracy(self, method: str, size: int) -> Estimate | None:
        """Return the mean accuracy or RMSE over seeds and test points, if any cell finished."""
        found = self.tested(method, size)
        return self._interval(list(found.values()), size) if self.images and found else None

    def difference(self, method: str, rival: str, size: int) -> Estimate | None:
        """Return the mean gain of a method over a rival, paired over the seeds both finished, if any.

        A gain is positive where the method is better, be it by a larger accuracy or by a smaller RMSE.

        Raises
        ------
        ValueError
            One of the methods is transductive and the other is not.
        """
        pairs = self.gains(method, rival, size)
        return self._interval(list(pairs.values()), size) if self.images and pairs else None

    def gains(self, method: str, rival: str, size: int) -> dict[int, np.ndarray]:
        """Return the gain at each test point by seed (see `difference`)."""
        if not self.comparable(method, rival):
            knows = method if method in self.transductive else rival
            raise ValueError(
                f"{method!r} cannot be compared with {rival!r}: the fits of {knows!r} were given the inputs of the "
                f"test {self.things}, those of the other were not. Compare methods of one kind."
            )
        ours, theirs = self.tested(method, size), self.tested(rival, size)
        return {seed: self.metric.sign * (ours[seed] - theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())}

    def corrected(self, method: str, rival: str, size: int) -> Estimate | None:
        """Return the gain with Nadeau and Bengio's interval, whatever the plan; None with fewer than two seeds."""
        pairs = list(self.gains(method, rival, size).values())
        return self._corrected(pairs, size) if len(pairs) > 1 else None

    def _interval(self, rows: list[np.ndarray], size: int) -> Estimate:
        """Return the interval of a mean over seeds: crossed with the test points, or over random splits."""
        if self.crossed:
            return crossed_interval(np.array(rows), LEVEL)
        if len(rows) > 1:
            return self._corrected(rows, size)
        return crossed_interval(rows[0][None], LEVEL)  # of one split only its test points can be allowed for

    def _corrected(self, rows: list[np.ndarray], size: int) -> Estimate:
        n_test = max(len(row) for row in rows)
        return corrected_resampled_interval(np.array([row.mean() for row in rows]), size, n_test, LEVEL)


def points_of(record: Record) -> np.ndarray:
    r"""Return a cell's score test point by test point, such that the mean of all is the score.

    Of a classification that is 1 where the answer is right. The RMSE is no mean over points; it is taken as its
    linearisation :math:`r + (e_i^2 - r^2) / 2r`, whose mean is the RMSE r and whose spread is that of the RMSE to first
    order.
    """
    if record.task != "regression":
        return np.asarray(record.correct, dtype=float)
    squares = np.asarray(record.errors, dtype=float)
    rmse = float(np.sqrt(squares.mean())) if len(squares) else 0.0
    return rmse + (squares - rmse**2) / (2 * rmse) if rmse > 0 else np.zeros(len(squares))


def score_of(record: Record) -> float:
    """Return a cell's accuracy or RMSE; NaN where it has none.

    >>> score_of(Record("d", "m", 10, 0, task="regression", errors=[9.0, 7.0]))
    2.8284271247461903
    """
    if record.task != "regression":
        return record.accuracy
    errors = finite(record.errors)
    return float(np.sqrt(np.mean(errors))) if errors and len(errors) == len(record.errors) else math.nan


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


def warnings_of(records: Sequence[Record]) -> list[tuple[str, int]]:
    """Return the distinct warnings that the cells recorded, each with the number of its cells."""
    counts = Counter(str(text) for record in records for text in record.provenance.get("warnings", ()))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
