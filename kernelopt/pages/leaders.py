"""Who predicts best, for studies that make no claim of their own: the leader at each size, and who is told from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kernelopt.evaluation.multiplicity import holm
from kernelopt.evaluation.ranks import RankComparison, compare_ranks
from kernelopt.evaluation.statistics import Estimate
from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages.formats import count, listed
from kernelopt.pages.summary import ALPHA, Results
from kernelopt.pages.verdicts import Claim


@dataclass(frozen=True)
class Leader:
    """The method with the best mean at one training size.

    Parameters
    ----------
    size : int
    method : MethodInfo
    estimate : Estimate
        Its accuracy or RMSE.
    behind, level : tuple of MethodInfo
        Methods that are told apart from it after Holm's correction, and those that are not.
    results : Results
    """

    size: int
    method: MethodInfo
    estimate: Estimate
    behind: tuple[MethodInfo, ...]
    level: tuple[MethodInfo, ...]
    results: Results

    @property
    def sentence(self) -> str:
        """What is so at this size."""
        metric = self.results.metric
        value = (
            f"{metric.value(self.estimate.mean)}{'%' if metric.is_fraction else ''} {metric.interval(self.estimate)}"
        )
        best = "highest" if metric.sign > 0 else "lowest"
        where = f"At {count(self.size)} training {self.results.things}"
        lead = f"{where} “{self.method.label}” has the {best} {metric.name}, {value}"
        if not self.behind and not self.level:
            return f"{lead}; there is no other method to compare it with"
        if not self.behind:
            return f"{lead}, but no other method is told apart from it"
        if not self.level:
            return (
                f"{lead}, and all {len(self.behind)} others are told apart from it"
                if len(self.behind) > 1
                else (f"{lead}, and “{self.behind[0].label}” is told apart from it")
            )
        names = listed(f"“{method.label}”" for method in self.level)
        verb = "is" if len(self.behind) == 1 else "are"
        several = len(self.behind) + len(self.level)
        return f"{lead}; {len(self.behind)} of {several} others {verb} told apart from it, not {names}"


def leaders(results: Results) -> list[Leader]:
    """Return the leader at each training size, among the methods that are not transductive."""
    found = []
    for size in results.sizes:
        known = [
            (method, estimate)
            for method in results.methods
            if method.name not in results.transductive and (estimate := results.accuracy(method.name, size))
        ]
        if not known:
            continue
        best, estimate = max(known, key=lambda pair: results.metric.sign * pair[1].mean)
        rivals = [method for method, _ in known if method is not best]
        gains = [results.difference(best.name, rival.name, size) for rival in rivals]
        p_values = [g.p if g is not None and g.n > 1 and g.p is not None else 1.0 for g in gains]
        apart = holm(p_values) <= ALPHA
        found.append(
            Leader(
                size,
                best,
                estimate,
                tuple(rival for rival, told in zip(rivals, apart, strict=True) if told),
                tuple(rival for rival, told in zip(rivals, apart, strict=True) if not told),
                results,
            )
        )
    return found


def against_the_leader(results: Results) -> Claim | None:
    """Return the comparison of the leader at the largest size with all others; it is no claim that was made before."""
    found = leaders(results)
    if not found or not (found[-1].behind or found[-1].level):
        return None
    best = found[-1].method
    rivals = tuple(m.name for m in results.methods if m is not best and results.comparable(best.name, m.name))
    return Claim(
        name="leader",
        challenger=best.name,
        rivals=rivals,
        subject=f"“{best.label}”",
        every="every other method",
        one="another method",
        question=f"“{best.label}”, the leader at {count(found[-1].size)}, minus the others",
    )


@dataclass(frozen=True)
class Ranking:
    """Methods ranked over data sets, each at its largest training size."""

    comparison: RankComparison
    datasets: tuple[str, ...]
    info: dict[str, MethodInfo]
    left_out: tuple[MethodInfo, ...]
    transductive: bool

    @property
    def sentence(self) -> str:
        """What the ranks say."""
        found = self.comparison
        best, rank = found.names[0], found.mean_ranks[0]
        label = self.info[best].label
        lead = f"Over {found.n} data sets “{label}” has the best mean rank, {rank:.2f} of {len(found.names)}"
        if not found.can_decide:
            return f"{lead}; so few data sets cannot tell any two of {len(found.names)} methods apart"
        level = next((group for group in found.groups if best in group), (best,))
        if len(level) == len(found.names):
            return (
                f"{lead}; the data sets tell no two methods apart"
                if not _apart(found)
                else (f"{lead}, but is told apart from no other")
            )
        if len(level) == 1:
            return f"{lead}, and is told apart from all others"
        others = listed(f"“{self.info[name].label}”" for name in level if name != best)
        return f"{lead}; the data sets do not tell it apart from {others}"


def _apart(found: RankComparison) -> bool:
    return any(p <= found.alpha for p in found.pairs.values())


def rankings(arranged: Sequence[Results]) -> list[Ranking]:
    """Return the ranks over data sets, of inductive and of transductive methods apart; none with one data set.

    A method counts if it has finished cells at the largest size of every data set.
    """
    if len(arranged) < 2:
        return []
    info = {method.name: method for results in arranged for method in results.methods}
    found = []
    for transductive in (False, True):
        names = [name for name in info if any((name in results.transductive) == transductive for results in arranged)]
        scores = {name: [_score(results, name, transductive) for results in arranged] for name in names}
        complete = {name: [s for s in row if s is not None] for name, row in scores.items() if None not in row}
        if len(complete) < 2:
            continue
        table = np.array(list(complete.values())).T
        left_out = tuple(info[name] for name in names if name not in complete)
        comparison = compare_ranks(table, list(complete), ALPHA)
        found.append(Ranking(comparison, tuple(r.dataset for r in arranged), info, left_out, transductive))
    return found


def _score(results: Results, name: str, transductive: bool) -> float | None:
    """Return a method's mean score at the largest size, larger being better; None where it has none."""
    if name not in results.info or (name in results.transductive) != transductive:
        return None
    estimate = results.accuracy(name, results.sizes[-1])
    return None if estimate is None else results.metric.sign * estimate.mean
