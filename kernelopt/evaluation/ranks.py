"""Several methods over several data sets: ranks, and which methods the data sets do not tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial, prod

import numpy as np
from scipy import stats

from kernelopt.evaluation.multiplicity import holm


@dataclass(frozen=True)
class RankComparison:
    """Methods ranked over data sets.

    Parameters
    ----------
    names : tuple of str
        The methods, best mean rank first.
    mean_ranks : tuple of float
        1 is best; equal scores share their mean rank.
    n : int
        Number of data sets.
    friedman_p : float
        p-value of the hypothesis that all methods are alike, by Iman and Davenport's F; NaN with fewer than two data
        sets.
    pairs : dict of (str, str) to float
        Wilcoxon signed-rank p-values of each pair, adjusted by Holm over all pairs.
    groups : tuple of tuples of str
        Maximal runs of neighbouring methods of which no two differ at `alpha`; a method told apart from its neighbours
        is in none.
    critical_difference : float
        Nemenyi's: mean ranks further apart than that differ at `alpha` by his test, which is weaker than the pairs.
    alpha : float
    """

    names: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    n: int
    friedman_p: float
    pairs: dict[tuple[str, str], float]
    groups: tuple[tuple[str, ...], ...]
    critical_difference: float
    alpha: float

    @property
    def can_decide(self) -> bool:
        """Whether any outcome on so many data sets could tell one pair of methods apart from the rest."""
        return 2.0 ** (1 - self.n) * len(self.pairs) <= self.alpha


def compare_ranks(scores: np.ndarray, names: Sequence[str], alpha: float = 0.05) -> RankComparison:
    r"""Compare methods over data sets by their ranks.

    The global hypothesis is tested by Friedman's statistic :math:`\chi^2_F`, corrected for ties, in the form
    :math:`F = (N-1)\chi^2_F / (N(k-1) - \chi^2_F)` with :math:`k-1` and :math:`(k-1)(N-1)` degrees of freedom
    [iman1980]_. Pairs are tested by Wilcoxon's signed ranks, exactly, with Holm's correction, as [garcia2008]_ and
    [benavoli2016]_ advise: unlike mean ranks, a pair's test does not depend on which other methods take part. Nemenyi's
    critical difference :math:`q_\alpha \sqrt{k(k+1)/(6N)}` [demsar2006]_ is given beside it.

    Parameters
    ----------
    scores : array of shape (N, k)
        Larger is better; data sets may have different scales and metrics, since only ranks within a data set and,
        for pairs, ranks of differences count.
    names : sequence of k str
    alpha : float

    Returns
    -------
    RankComparison

    Raises
    ------
    ValueError
        Other shapes, fewer than two methods, names that are not distinct, or scores that are not finite.

    References
    ----------
    .. [demsar2006] Demšar. Statistical Comparisons of Classifiers over Multiple Data Sets. JMLR 7, 2006.
    .. [iman1980] Iman, Davenport. Approximations of the Critical Region of the Friedman Statistic. 1980.
    .. [garcia2008] García, Herrera. An Extension on "Statistical Comparisons of Classifiers over Multiple Data Sets"
       for all Pairwise Comparisons. JMLR 9, 2008.
    .. [benavoli2016] Benavoli, Corani, Mangili. Should We Really Use Post-Hoc Tests Based on Mean-Ranks? JMLR 17, 2016.

    Examples
    --------
    >>> scores = np.array([[0.9, 0.8, 0.7], [0.8, 0.6, 0.5], [0.7, 0.6, 0.4]])
    >>> found = compare_ranks(scores, ["a", "b", "c"])
    >>> found.mean_ranks, found.groups, found.can_decide
    ((1.0, 2.0, 3.0), (('a', 'b', 'c'),), False)
    """
    scores = np.asarray(scores, dtype=float)
    names = tuple(names)
    if scores.ndim != 2 or scores.shape[1] != len(names) or len(names) < 2 or not len(scores):
        raise ValueError(
            f"scores must have shape (data sets, {len(names)}) with two methods or more, found {scores.shape}"
        )
    if len(set(names)) != len(names):
        raise ValueError(f"names must differ, found {names}")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite: leave out a method or a data set without a score")
    n, k = scores.shape
    unit = max(float(np.abs(scores).max()), 1e-300)
    scores = np.round(scores / unit, 12) * unit  # the mean of the same numbers in another order is a tie
    ranks = stats.rankdata(-scores, axis=1)
    means = ranks.mean(axis=0)
    order = np.argsort(means, kind="stable")
    sorted_names = tuple(names[j] for j in order)
    raw = {(i, j): signed_rank_p(scores[:, order[i]] - scores[:, order[j]]) for i, j in combinations(range(k), 2)}
    adjusted = dict(zip(raw, holm(list(raw.values())).tolist(), strict=True))
    return RankComparison(
        sorted_names,
        tuple(means[order].tolist()),
        n,
        _friedman(ranks),
        {(sorted_names[i], sorted_names[j]): p for (i, j), p in adjusted.items()},
        tuple(tuple(sorted_names[i : j + 1]) for i, j in _runs(k, adjusted, alpha)),
        float(stats.studentized_range.ppf(1 - alpha, k, np.inf) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * n))),
        alpha,
    )


def _friedman(ranks: np.ndarray) -> float:
    """Return the p-value of the Iman-Davenport form; 1 where all ranks are equal.

    Where every data set has the same order F is infinite, and the p-value is the chance of that: exact, not zero.
    """
    n, k = ranks.shape
    if n < 2:
        return float("nan")
    spread = float(np.sum((ranks - (k + 1) / 2) ** 2))
    if spread == 0:
        return 1.0
    between = n * float(np.sum((ranks.mean(axis=0) - (k + 1) / 2) ** 2))
    chi_square = n * (k - 1) * between / spread
    left = n * (k - 1) - chi_square
    if left <= 1e-9 * n * (k - 1):
        orders = factorial(k) // prod(factorial(int(ties)) for ties in np.unique(ranks[0], return_counts=True)[1])
        return float(orders) ** (1 - n)
    return float(stats.f.sf((n - 1) * chi_square / left, k - 1, (k - 1) * (n - 1)))


def signed_rank_p(differences: np.ndarray) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test, exact with ties; differences of zero are left out.

    The sum of the positive differences' ranks is compared with its distribution over all signs, given the ranks.

    Examples
    --------
    >>> signed_rank_p(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    0.0625
    """
    differences = differences[differences != 0]
    if not len(differences):
        return 1.0
    ranks = (2 * stats.rankdata(np.abs(differences))).astype(int)  # doubled, so that shared ranks are whole numbers
    ways = np.ones(1)  # of reaching each sum, as a share of all
    for rank in ranks:
        ways = (np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))) / 2
    total = int(ranks[differences > 0].sum())
    return float(min(1.0, 2 * min(ways[: total + 1].sum(), ways[total:].sum())))


def _runs(k: int, p_values: dict[tuple[int, int], float], alpha: float) -> list[tuple[int, int]]:
    """Return the maximal intervals of at least two neighbours of which no two differ."""
    runs: list[tuple[int, int]] = []
    for first in range(k):
        last = first
        while last + 1 < k and all(p_values[i, last + 1] > alpha for i in range(first, last + 1)):
            last += 1
        if last > first and not (runs and runs[-1][1] >= last):
            runs.append((first, last))
    return runs
