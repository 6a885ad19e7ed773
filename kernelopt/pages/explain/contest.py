"""Fixed against learned: the packaged study as a chart, a table and sentences that follow from its intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from kernelopt.evaluation.multiplicity import holm
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.statistics import Estimate, crossed_interval
from kernelopt.pages.figures.charts import Axis, Chart, Line, Point
from kernelopt.pages.figures.marks import Look, Scale
from kernelopt.pages.formats import count, listed, percent, percent_interval, points, points_interval


@dataclass(frozen=True)
class Network:
    """One network in several versions.

    Parameters
    ----------
    name, label : str
        What it is called in the page and to its reader.
    learned : str
        The method whose kernels are learned.
    rivals : mapping of str to str
        Frozen versions, and how the page calls them.
    """

    name: str
    label: str
    learned: str
    rivals: Mapping[str, str]


SMALL = Network(
    "small",
    "this page’s network, 8 and 16 kernels of 3 × 3",
    "learned",
    {"random": "random kernels, frozen", "gabor": "Gabor kernels, frozen"},
)
LARGE = Network(
    "large",
    "a wider network, 16 and 32 kernels of 5 × 5",
    "cnn-learned",
    {
        "cnn-random": "random kernels, frozen",
        "cnn-gabor": "Gabor kernels, frozen",
        "cnn-kmeans": "k-means kernels, frozen",
    },
)
LEVEL = 0.05  # the chance of one false verdict or more among all comparisons shown
VERDICTS = {
    "learned": "learned is better",
    "fixed": "fixed is better",
    "learned?": "a hint for learned",
    "fixed?": "a hint for fixed",
    "open": "cannot be told",
}


@dataclass(frozen=True)
class Difference:
    """Learned minus fixed at one training size, and what that allows one to say.

    Parameters
    ----------
    size : int
        Training images.
    estimate : Estimate
        The mean and its own interval.
    adjusted : float
        Its p-value after Holm's correction for all comparisons that are shown together.
    """

    size: int
    estimate: Estimate
    adjusted: float

    @property
    def verdict(self) -> str:
        """Which is better: "learned" or "fixed"; with "?" if that may be the luck of many comparisons; or "open"."""
        low, high = self.estimate.low, self.estimate.high
        if low <= 0 <= high:
            return "open"
        return ("learned" if low > 0 else "fixed") + "?" * (self.adjusted > LEVEL)

    @property
    def words(self) -> str:
        """The verdict in words."""
        return VERDICTS[self.verdict]


class Cells:
    """The cells of one data set, all tested on the same images.

    Parameters
    ----------
    records : sequence of Record
        In any order.

    Raises
    ------
    ValueError
        If the records are of several data sets or of different test images.
    """

    def __init__(self, records: Sequence[Record]):
        named, tested = {r.dataset for r in records}, {len(r.correct) for r in records}
        if len(named) != 1 or len(tested) != 1:
            raise ValueError(
                f"the records are of the data sets {sorted(named)} with {sorted(tested)} test images, but one data set "
                f"and one test part are compared. Report them apart."
            )
        (self.dataset,), (self.images,) = named, tested
        self.sizes = sorted({r.size for r in records})
        self.seeds = sorted({r.seed for r in records})
        self._correct = {r.key[1:]: np.array(r.correct, dtype=float) for r in records}

    def accuracy(self, method: str, size: int) -> Estimate | None:
        """Return the mean accuracy over seeds and test images, if the method was run at this size."""
        rows = [self._correct[method, size, s] for s in self.seeds if (method, size, s) in self._correct]
        return crossed_interval(np.array(rows)) if rows else None

    def differences(self, method: str, rival: str) -> dict[int, Estimate]:
        """Return the mean paired differences by size, where both were run."""
        found = {}
        for size in self.sizes:
            pairs = [
                self._correct[method, size, s] - self._correct[rival, size, s]
                for s in self.seeds
                if (method, size, s) in self._correct and (rival, size, s) in self._correct
            ]
            if pairs:
                found[size] = crossed_interval(np.array(pairs))
        return found


def contest(small: Sequence[Record], large: Sequence[Record]) -> dict[str, Any]:
    """Return what the exhibit shows of both packaged studies.

    Parameters
    ----------
    small, large : sequence of Record
        Of the page's own network, and of the networks of ``kernelopt contrast``.
    """
    studies = [(SMALL, Cells(small)), (LARGE, Cells(large))]
    families = {
        f"{network.name}/{rival}": cells.differences(network.learned, rival)
        for network, cells in studies
        for rival in network.rivals
    }
    rows = corrected(families)
    machines = studies[1][1]
    return {
        "networks": [
            {
                "label": network.label,
                "dataset": cells.dataset,
                "images": cells.images,
                "seeds": len(cells.seeds),
                "sizes": [d.size for d in rows[f"{network.name}/{next(iter(network.rivals))}"]],
                "chart": chart(network, cells).svg(),
                "rows": [(label, rows[f"{network.name}/{rival}"]) for rival, label in network.rivals.items()],
            }
            for network, cells in studies
        ],
        "rows": rows,
        "choices": [
            (f"{network.name}/{rival}", f"{label}: {network.name} network")
            for network, _ in studies
            for rival, label in network.rivals.items()
        ],
        "data": {
            name: [[d.size, d.estimate.mean, d.estimate.low, d.estimate.high, d.words] for d in found]
            for name, found in rows.items()
        },
        "comparisons": sum(map(len, rows.values())),
        "weights": corrected({"": machines.differences("learned-kernel", "uniform-kernel")})[""],
        "bridge": corrected({"": machines.differences("features-mkl", LARGE.learned)})[""],
    }


def corrected(families: Mapping[str, Mapping[int, Estimate]]) -> dict[str, list[Difference]]:
    """Return the differences with p-values adjusted for all of them together."""
    flat = [(name, size, estimate) for name, found in families.items() for size, estimate in found.items()]
    adjusted = holm([1.0 if estimate.p is None else estimate.p for _, _, estimate in flat])
    rows: dict[str, list[Difference]] = {name: [] for name in families}
    for (name, size, estimate), p in zip(flat, adjusted, strict=True):
        rows[name].append(Difference(size, estimate, float(p)))
    return rows


def sentence(differences: Sequence[Difference]) -> str:
    """Return the numbers of a row of paired differences, size by size."""
    return "; ".join(
        f"{points(d.estimate.mean)} points {points_interval(d.estimate)} with {count(d.size)} images"
        for d in differences
    )


def verdicts(differences: Sequence[Difference]) -> str:
    """Return what a row of paired differences says, sizes of one verdict together and a clear one with its numbers.

    >>> row = [Difference(100, Estimate(-0.02, -0.03, -0.01, 5), 0.2)]
    >>> row += [Difference(n, Estimate(0.01, -0.01, 0.03, 5), 1.0) for n in (500, 2000)]
    >>> verdicts(row).replace(chr(160), " ")
    'a hint for fixed with 100 (−2.0 points [−3.0, −1.0]); cannot be told with 500 and 2,000'
    """
    parts = []
    for verdict, group in groupby(differences, key=lambda d: d.verdict):
        found = list(group)
        if verdict == "open":
            sizes = [count(d.size) for d in found]
        else:
            sizes = [f"{count(d.size)} ({points(d.estimate.mean)} points {points_interval(d.estimate)})" for d in found]
        parts.append(f"{VERDICTS[verdict]} with {listed(sizes)}")
    return "; ".join(parts)


def chart(network: Network, cells: Cells) -> Chart:
    """Return accuracy against training size, learned kernels in bold."""
    looks = {network.learned: Look("filters", True, 0)}
    looks |= {name: Look("filters", False, k) for k, name in enumerate(network.rivals)}
    labels = {network.learned: "learned kernels"}
    labels |= {name: text.replace(", frozen", "") for name, text in network.rivals.items()}
    lines, ends, sizes = [], [], set()
    for name in (*network.rivals, network.learned):
        found = [(n, e) for n in cells.sizes if (e := cells.accuracy(name, n))]
        line = [
            Point(
                n, 100 * e.mean, 100 * e.low, 100 * e.high,
                f"{labels[name]}, {count(n)} images: {percent(e.mean)}% {percent_interval(e)}",
            )
            for n, e in found
        ]  # fmt: skip
        sizes |= {n for n, _ in found}
        ends += [value for p in line for value in (p.low, p.high) if value is not None]
        lines.append(Line(labels[name], looks[name], line))
    scale = Scale.over(ends)
    return Chart(
        Axis("training images", Scale.over(sizes, log=True), [(n, count(n)) for n in sorted(sizes)]),
        Axis("test accuracy, %", scale, [(v, f"{v:g}") for v in scale.ticks()]),
        lines,
        f"Test accuracy against the number of training images, {network.label}, for learned and for fixed kernels; the "
        "table below has the differences.",
    )
