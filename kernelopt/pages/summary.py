"""What the records say: estimates, paired differences, and verdicts in words.

Every estimate comes from `kernelopt.evaluation.statistics`; drawing and rendering live elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import Any, Literal

import numpy as np

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.statistics import Estimate, crossed_interval
from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages.formats import count, listed, plain, points, points_interval

LEVEL = 0.95

State = Literal["confirmed", "refuted", "undecided"]


@dataclass(frozen=True)
class Claim:
    """A claim that one method is more accurate than each of several others.

    Parameters
    ----------
    name : str
        Short name.
    challenger : str
        The method that is claimed to be better.
    rivals : tuple of str
        The methods that it must beat, every one of them.
    subject, every, one : str
        The challenger, all its rivals and any one of them, in the words of a sentence.
    question : str
        Heading of the comparison.
    beside : tuple of str
        Methods that are compared too, without a say in the verdict.
    """

    name: str
    challenger: str
    rivals: tuple[str, ...]
    subject: str
    every: str
    one: str
    question: str
    beside: tuple[str, ...] = ()


CLAIMS = (
    Claim(
        name="filters",
        challenger="cnn-learned",
        rivals=("cnn-random", "cnn-gabor", "cnn-kmeans"),
        subject="Learned filters",
        every="every fixed version",
        one="a fixed version",
        question="Learned filters minus fixed ones",
        beside=("cnn-gabor-first",),
    ),
    Claim(
        name="weights",
        challenger="learned-kernel",
        rivals=("uniform-kernel", "single-kernel"),
        subject="Learned kernel weights",
        every="both the uniform average and the best single kernel",
        one="a kernel without learned weights",
        question="Learned weights minus unlearned ones",
    ),
    Claim(
        name="bridge",
        challenger="features-mkl",
        rivals=("cnn-learned", "learned-kernel"),
        subject="Learned features under learned kernel weights",
        every="both parents",
        one="a parent",
        question="The bridge minus both its parents",
    ),
    Claim(
        name="halves",
        challenger="cnn-learned",
        rivals=("learned-kernel",),
        subject="Learned filters",
        every="the learned kernel",
        one="the learned kernel",
        question="Learned filters minus learned weights",
    ),
)


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


@dataclass(frozen=True)
class Comparison:
    """One paired difference, challenger minus rival, at one training size."""

    size: int
    challenger: MethodInfo
    rival: MethodInfo
    estimate: Estimate | None

    @property
    def judged(self) -> Estimate | None:
        """The estimate if it has an interval over seeds."""
        return self.estimate if self.estimate is not None and self.estimate.n > 1 else None

    @property
    def better(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.judged is not None and self.judged.low > 0

    @property
    def worse(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.judged is not None and self.judged.high < 0


@dataclass(frozen=True)
class Judgement:
    """What the comparisons at one training size say of a claim.

    The claim is confirmed when every interval lies above zero, refuted when one lies below, and
    undecided otherwise; a rival without an interval leaves it undecided at best.
    """

    claim: Claim
    size: int
    comparisons: tuple[Comparison, ...]

    @property
    def state(self) -> State:
        """The verdict."""
        if any(comparison.worse for comparison in self.comparisons):
            return "refuted"
        return "confirmed" if all(comparison.better for comparison in self.comparisons) else "undecided"

    @property
    def weakest(self) -> Comparison | None:
        """The comparison that decides: the lowest interval, by its upper end if the claim is refuted."""
        judged = [comparison for comparison in self.comparisons if comparison.judged]
        refuted = self.state == "refuted"
        ends = [(c.judged.high if refuted else c.judged.low) for c in judged if c.judged]
        return judged[ends.index(min(ends))] if judged else None

    @property
    def sentence(self) -> str:
        """The verdict with its numbers."""
        subject, weakest = self.claim.subject, self.weakest
        beaten = [_quoted(c.rival) for c in self.comparisons if c.better]
        missing = [c for c in self.comparisons if c.judged is None]
        if weakest is None:
            return f"No interval to judge by: {_why_unjudged(missing)}."
        assert weakest.estimate is not None
        mean, interval = points(weakest.estimate.mean), points_interval(weakest.estimate)
        if self.state == "confirmed":
            if len(self.comparisons) == 1:
                return f"{subject} beat {_quoted(weakest.rival)} by {mean} points {interval}."
            return (
                f"{subject} beat {self.claim.every}; the weakest of the {len(self.comparisons)} comparisons, "
                f"against {_quoted(weakest.rival)}, gives {mean} points {interval}."
            )
        also = f" They do beat {listed(beaten)}." if beaten else ""
        if self.state == "refuted":
            return (
                f"{_quoted(weakest.rival)} is better: the difference is {mean} points {interval}, an interval "
                f"wholly below zero.{also}"
            )
        if weakest.better:  # what is missing decides
            return f"Not all rivals can be judged: {_why_unjudged(missing)}.{also}"
        more = f" Not judged: {_why_unjudged(missing)}." if missing else ""
        return (
            f"Against {_quoted(weakest.rival)} the difference is {mean} points {interval}, an interval that "
            f"holds zero.{also}{more}"
        )


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
        raise ValueError(f"the records hold methods that are not described: {', '.join(unknown)}. Add their MethodInfo.")
    twice = [key for key, n in Counter(record.key for record in records).items() if n > 1]
    if twice:
        raise ValueError(f"{len(twice)} cells are recorded more than once, the first of them {twice[0]}. Keep one each.")
    ordered = sorted(records, key=lambda r: (r.dataset, order[r.method], r.size, r.seed))
    arranged = []
    for dataset in sorted({record.dataset for record in records}):
        own = tuple(record for record in ordered if record.dataset == dataset)
        used = {record.method for record in own}
        arranged.append(Results(dataset, own, tuple(m for m in methods if m.name in used)))
    return arranged


def compare(results: Results, claim: Claim, size: int, rivals: Sequence[str]) -> tuple[Comparison, ...]:
    """Return the challenger's paired difference from each rival that the study has."""
    info = results.info
    return tuple(
        Comparison(size, info[claim.challenger], info[rival], results.difference(claim.challenger, rival, size))
        for rival in rivals
        if rival in info
    )


def judge(results: Results, claim: Claim) -> list[Judgement]:
    """Return the verdict at each training size; none if the study lacks the challenger or all rivals."""
    if claim.challenger not in results.info or not results.info.keys() & set(claim.rivals):
        return []
    return [
        Judgement(claim, size, compare(results, claim, size, claim.rivals))
        for size in results.sizes
        if results.planned(claim.challenger, size)
    ]


def headline(judgements: Sequence[Judgement]) -> str:
    """Return one sentence on a claim over all its training sizes (which ascend)."""
    claim = judgements[0].claim
    subject, every = claim.subject, claim.every
    if all(judgement.weakest is None for judgement in judgements):
        return f"Undecided: without two paired seeds there is no interval to judge {_inside(subject)} by"
    at = {
        state: [judgement.size for judgement in judgements if judgement.state == state]
        for state in ("confirmed", "refuted", "undecided")
    }
    sizes = [judgement.size for judgement in judgements]
    tail = 0
    while tail < len(sizes) and judgements[-1 - tail].state == "confirmed":
        tail += 1
    if tail == len(sizes):
        if tail == 1:
            return f"{subject} beat {every} with {count(sizes[0])} training images, by {_margin(judgements[0])}"
        return (
            f"{subject} beat {every} at every training size tested, from {count(sizes[0])} images "
            f"({_margin(judgements[0])}) to {count(sizes[-1])} ({_margin(judgements[-1])})"
        )
    if len(at["refuted"]) == len(sizes):
        where = "at every training size tested," if len(sizes) > 1 else f"at {count(sizes[0])} training images"
        return f"{subject} do not beat {every}: {where} {claim.one} is better"
    if len(at["undecided"]) == len(sizes):
        return f"Undecided: at no training size tested do the intervals show whether {_inside(subject)} beat {every}"
    if tail and tail == len(at["confirmed"]):
        margin = _margin(judgements[-1])
        lead = (
            f"{subject} beat {every} from {count(sizes[-tail])} training images on: {margin} at {count(sizes[-1])}"
            if tail > 1
            else f"{subject} beat {every} only with {count(sizes[-1])} training images, the most tested: {margin}"
        )
    elif at["confirmed"]:
        lead = f"{subject} beat {every} at {listed(map(count, at['confirmed']))} training images, not throughout"
    else:
        lead = f"{subject} beat {every} at no training size tested"
    rest = []
    if at["refuted"]:
        rest.append(f"at {listed(map(count, at['refuted']))}, {claim.one} is better")
    if at["undecided"]:
        rest.append(f"at {listed(map(count, at['undecided']))}, the intervals leave it open")
    return f"{lead}; {'; '.join(rest)}"


def verdict(judgements: Sequence[Judgement]) -> str:
    """Return one word for a claim over all its sizes: a state, or "mixed"."""
    states = {judgement.state for judgement in judgements}
    return states.pop() if len(states) == 1 else "mixed"


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


def _why_unjudged(missing: Sequence[Comparison]) -> str:
    return listed(
        f"{_quoted(c.rival)} and {_quoted(c.challenger)} share "
        + ("only one finished seed" if c.estimate else "no finished seed")
        for c in missing
    )


def _margin(judgement: Judgement) -> str:
    """Return by how much a confirmed claim's challenger leads, in its weakest comparison."""
    weakest = judgement.weakest
    assert weakest is not None and weakest.estimate is not None
    estimate = weakest.estimate
    return f"{points(estimate.mean)} points {points_interval(estimate)}"


def _quoted(method: MethodInfo) -> str:
    return f"“{method.label}”"


def _inside(subject: str) -> str:
    return subject[0].lower() + subject[1:]
