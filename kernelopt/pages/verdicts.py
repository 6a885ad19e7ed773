"""Claims that one method beats others, judged by paired intervals and put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kernelopt.evaluation.statistics import Estimate
from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages.formats import count, listed, points, points_interval
from kernelopt.pages.summary import Results

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
        question="Both together minus each parent",
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
        beaten = [_quoted(c) for c in self.comparisons if c.better]
        missing = [c for c in self.comparisons if c.judged is None]
        if weakest is None:
            return f"No interval to judge by: {_why_unjudged(missing)}."
        assert weakest.estimate is not None
        mean, interval = points(weakest.estimate.mean), points_interval(weakest.estimate)
        if self.state == "confirmed":
            if len(self.comparisons) == 1:
                return f"{subject} beat {_quoted(weakest)} by {mean} points {interval}."
            return (
                f"{subject} beat {self.claim.every}; the weakest of the {len(self.comparisons)} comparisons, "
                f"against {_quoted(weakest)}, gives {mean} points {interval}."
            )
        also = f" They do beat {listed(beaten)}." if beaten else ""
        if self.state == "refuted":
            return (
                f"{_quoted(weakest)} is better: the difference is {mean} points {interval}, an interval "
                f"wholly below zero.{also}"
            )
        if weakest.better:  # what is missing decides
            return f"Not all rivals can be judged: {_why_unjudged(missing)}.{also}"
        more = f" Not judged: {_why_unjudged(missing)}." if missing else ""
        return (
            f"Against {_quoted(weakest)} the difference is {mean} points {interval}, an interval that "
            f"holds zero.{also}{more}"
        )


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
        margin, most = _margin(judgements[-1]), count(sizes[-1])
        lead = (
            f"{subject} beat {every} from {count(sizes[-tail])} training images on: {margin} at {most}"
            if tail > 1
            else f"{subject} beat {every} only with {most} training images, the most tested: {margin}"
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


def _why_unjudged(missing: Sequence[Comparison]) -> str:
    reasons = []
    for found, words in ((True, "only one finished seed"), (False, "no finished seed")):
        rivals = [c for c in missing if (c.estimate is not None) == found]
        if rivals:
            share = "shares" if len(rivals) == 1 else "share"
            reasons.append(f"{listed(map(_quoted, rivals))} {share} {words} with “{rivals[0].challenger.label}”")
    return listed(reasons)


def _margin(judgement: Judgement) -> str:
    """Return by how much a confirmed claim's challenger leads, in its weakest comparison."""
    weakest = judgement.weakest
    assert weakest is not None and weakest.estimate is not None
    estimate = weakest.estimate
    return f"{points(estimate.mean)} points {points_interval(estimate)}"


def _quoted(comparison: Comparison) -> str:
    return f"“{comparison.rival.label}”"


def _inside(subject: str) -> str:
    return subject[0].lower() + subject[1:]
