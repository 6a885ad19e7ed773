"""Verdicts in words: what paired intervals say of a claim, at each training size and over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kernelopt.evaluation.multiplicity import holm
from kernelopt.evaluation.statistics import Estimate
from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages.formats import count, listed
from kernelopt.pages.metric import ACCURACY, Metric
from kernelopt.pages.summary import ALPHA, Results

State = Literal["confirmed", "refuted", "undecided"]


@dataclass(frozen=True)
class Claim:
    """A claim that one method predicts better than each of several others.

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
    aside : str
        Why they have none.
    """

    name: str
    challenger: str
    rivals: tuple[str, ...]
    subject: str
    every: str
    one: str
    question: str
    beside: tuple[str, ...] = ()
    aside: str = ""


FILTERS = Claim(
    name="filters",
    challenger="cnn-learned",
    rivals=("cnn-random", "cnn-gabor", "cnn-kmeans"),
    subject="Learned filters",
    every="every fixed version",
    one="a fixed version",
    question="Learned filters minus fixed ones",
    beside=("cnn-gabor-first",),
    aside="Only its first layer is fixed, so it has no say in the verdict on fixed filters.",
)
CLAIMS = (
    FILTERS,
    Claim(
        name="weights",
        challenger="learned-kernel",
        rivals=("uniform-kernel",),
        subject="Learned kernel weights",
        every="the uniform average",
        one="the uniform average",
        question="Learned weights minus unlearned ones",
        beside=("single-kernel",),
        aside="No average, so it has no say in the verdict on what learning the weights bought.",
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
    Claim(
        name="bridge",
        challenger="features-mkl",
        rivals=("cnn-learned", "learned-kernel"),
        subject="Learned features under learned weights",
        every="both their parents",
        one="a parent",
        question="The bridge minus its parents",
    ),
)


@dataclass(frozen=True)
class Comparison:
    """One paired gain of a challenger over a rival, at one training size."""

    size: int
    challenger: MethodInfo
    rival: MethodInfo
    estimate: Estimate | None
    metric: Metric = ACCURACY

    @property
    def judged(self) -> Estimate | None:
        """The estimate, if its interval allows for other seeds."""
        return self.estimate if self.estimate is not None and self.estimate.n > 1 else None

    @property
    def better(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.judged is not None and self.judged.low > 0

    @property
    def worse(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.judged is not None and self.judged.high < 0

    @property
    def text(self) -> str:
        """The difference and its interval."""
        if self.estimate is None:
            return "no shared seed"
        metric = self.metric
        return f"{metric.difference(self.estimate.mean)} {metric.unit} {metric.difference_interval(self.estimate)}"


@dataclass(frozen=True)
class Judgement:
    """What the comparisons at one training size say of a claim.

    The claim is confirmed when every interval lies above zero: since all must, no correction is needed. It is refuted
    when one lies below and still does after Holm's correction for the number of comparisons, any of which could; and
    undecided otherwise. A rival that shares fewer than two seeds with the challenger leaves it undecided
    at best: one seed's interval allows for other test images, but not for another training set or start.
    """

    claim: Claim
    size: int
    comparisons: tuple[Comparison, ...]
    things: str = "images"

    @property
    def refuting(self) -> list[Comparison]:
        """The comparisons that refute the claim."""
        judged = [(c, c.judged.p) for c in self.comparisons if c.judged and c.judged.p is not None]
        adjusted = holm([p for _, p in judged])
        return [c for (c, _), p in zip(judged, adjusted, strict=True) if c.worse and p <= ALPHA]

    @property
    def state(self) -> State:
        """The verdict."""
        if self.refuting:
            return "refuted"
        return "confirmed" if all(comparison.better for comparison in self.comparisons) else "undecided"

    @property
    def weakest(self) -> Comparison | None:
        """The comparison that decides: the lowest interval, by its upper end if the claim is refuted."""
        known = self.refuting or [c for c in self.comparisons if c.judged]
        known = known or [c for c in self.comparisons if c.estimate]
        refuted = self.state == "refuted"
        ends = [(c.estimate.high if refuted else c.estimate.low) for c in known if c.estimate]
        return known[ends.index(min(ends))] if known else None

    @property
    def sentence(self) -> str:
        """The verdict with its numbers."""
        subject, weakest = self.claim.subject, self.weakest
        missing = [c for c in self.comparisons if c.judged is None]
        if weakest is None:
            return f"Nothing to compare: {_why_unjudged(missing)}."
        rival = _quoted(weakest.rival)
        if weakest.judged is None:
            return (
                f"Over the test {self.things} of a single seed, the difference from {rival} is {weakest.text}. "
                f"Another seed may turn it, so this decides nothing."
            )
        if self.state == "confirmed":
            if len(self.comparisons) == 1:
                return f"{subject} beat {rival} by {weakest.text}."
            return (
                f"{subject} beat {self.claim.every}; the weakest of the {len(self.comparisons)} comparisons, "
                f"against {rival}, gives {weakest.text}."
            )
        beaten = [_quoted(c.rival) for c in self.comparisons if c.better]
        also = f" They do beat {listed(beaten)}." if beaten else ""
        if self.state == "refuted":
            return f"{rival} is better: the difference is {weakest.text}, an interval wholly below zero.{also}"
        if weakest.worse:
            return (
                f"Against {rival} the difference is {weakest.text}, an interval below zero, but not after Holm’s "
                f"correction for {len(self.comparisons)} comparisons.{also}"
            )
        if weakest.better:  # what is missing decides
            return f"Not all rivals can be judged: {_why_unjudged(missing)}.{also}"
        more = f" Not judged: {_why_unjudged(missing)}." if missing else ""
        return f"Against {rival} the difference is {weakest.text}, an interval that holds zero.{also}{more}"


def compare(results: Results, claim: Claim, size: int, rivals: Sequence[str]) -> tuple[Comparison, ...]:
    """Return the challenger's paired difference from each rival that the study has and that may be compared with it."""
    info = results.info
    return tuple(
        Comparison(
            size,
            info[claim.challenger],
            info[rival],
            results.difference(claim.challenger, rival, size),
            results.metric,
        )
        for rival in rivals
        if rival in info and results.comparable(claim.challenger, rival)
    )


def judge(results: Results, claim: Claim) -> list[Judgement]:
    """Return the verdict at each training size; none if the study lacks the challenger or all comparable rivals."""
    rivals = [name for name in claim.rivals if name in results.info and results.comparable(claim.challenger, name)]
    if claim.challenger not in results.info or not rivals:
        return []
    return [
        Judgement(claim, size, compare(results, claim, size, claim.rivals), results.things)
        for size in results.sizes
        if results.planned(claim.challenger, size)
    ]


def headline(judgements: Sequence[Judgement]) -> tuple[str, str]:
    """Return what a claim comes to over all its training sizes (which ascend), and what else must be said."""
    claim, things = judgements[0].claim, judgements[0].things
    subject, every = claim.subject, claim.every
    sizes = [judgement.size for judgement in judgements]
    at: dict[State, list[int]] = {"confirmed": [], "refuted": [], "undecided": []}
    for judgement in judgements:
        at[judgement.state].append(judgement.size)
    if not any(c.judged for judgement in judgements for c in judgement.comparisons):
        return f"Undecided: without two shared seeds nothing can be said of {_inside(subject)} against {every}", ""
    last = judgements[-1].weakest
    margin = f"{last.text} at {count(sizes[-1])} training {things}" if last else ""
    if len(at["undecided"]) == len(sizes):
        lead = f"Undecided: the intervals do not show whether {_inside(subject)} beat {every}"
        return f"{lead}; the difference is {margin}" if last and last.judged else lead, ""
    everywhere = "at every training size tested" if len(sizes) > 1 else f"at {count(sizes[0])} training {things}"
    if len(at["refuted"]) == len(sizes):
        return f"{subject} do not beat {every}: {everywhere}, {claim.one} is better", ""
    if len(at["confirmed"]) == len(sizes):
        return f"{subject} beat {every} {everywhere}, by {last.text if last and len(sizes) == 1 else margin}", ""
    if at["confirmed"] and sizes[-len(at["confirmed"]) :] == at["confirmed"]:
        several = len(at["confirmed"]) > 1
        where = (
            f"from {count(at['confirmed'][0])} training {things} on" if several else "only at the largest training size"
        )
        lead = f"{subject} beat {every} {where}, by {margin}"
    elif at["confirmed"]:
        lead = f"{subject} beat {every} at {listed(map(count, at['confirmed']))} training {things}, not throughout"
    else:
        lead = f"{subject} beat {every} at no training size tested"
    rest = []
    if at["refuted"]:
        rest.append(f"at {listed(map(count, at['refuted']))} training {things} {claim.one} is better")
    if at["undecided"]:
        rest.append(f"at {listed(map(count, at['undecided']))} the intervals leave it open")
    return lead, "; ".join(rest).capitalize()


def _why_unjudged(missing: Sequence[Comparison]) -> str:
    reasons = []
    for words, rivals in (
        ("only one finished seed", [c for c in missing if c.estimate]),
        ("no finished seed", [c for c in missing if not c.estimate]),
    ):
        if rivals:
            share = "shares" if len(rivals) == 1 else "share"
            names = listed(_quoted(c.rival) for c in rivals)
            reasons.append(f"{names} {share} {words} with {_quoted(rivals[0].challenger)}")
    return listed(reasons)


def _quoted(method: MethodInfo) -> str:
    return f"“{method.label}”"


def _inside(subject: str) -> str:
    return subject[0].lower() + subject[1:]
