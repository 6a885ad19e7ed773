"""Ranks over data sets against Demšar's worked example, scipy and enumeration."""

from __future__ import annotations

from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kernelopt.evaluation.multiplicity import holm
from kernelopt.evaluation.ranks import compare_ranks, signed_rank_p

# Table 6 of Demšar (2006): ranks of C4.5 with neither, with m, with cf and with both tuned, on 14 data sets.
DEMSAR = np.array(
    [
        [4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5], [3, 2, 4, 1],
        [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)  # fmt: skip
NAMES = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")


def test_the_worked_example_of_the_paper():
    """Its mean ranks, its critical difference 1.25 and its F of 3.69, which leaves the ties uncorrected."""
    found = compare_ranks(-DEMSAR, NAMES)
    assert dict(zip(found.names, np.round(found.mean_ranks, 3), strict=True)) == {
        "C4.5": 3.143, "C4.5+m": 2.0, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964,
    }  # fmt: skip
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert compare_ranks(-DEMSAR, NAMES, alpha=0.1).critical_difference == pytest.approx(1.12, abs=0.005)
    chi_square = stats.friedmanchisquare(*-DEMSAR.T).statistic
    ties = 1 - (6 + 6 + 60 + 6) / (14 * (4**3 - 4))
    assert chi_square * ties == pytest.approx(9.28, abs=0.005)
    f = 13 * 9.28 / (14 * 3 - 9.28)
    assert f == pytest.approx(3.69, abs=0.005)
    assert found.friedman_p == pytest.approx(stats.f.sf(13 * chi_square / (42 - chi_square), 3, 39), rel=1e-9)
    assert found.friedman_p < stats.f.sf(3.69, 3, 39) < 0.05


def test_friedman_form_on_scores_without_ties():
    scores = np.random.default_rng(0).normal(size=(9, 5)) + np.arange(5) / 3
    chi_square = stats.friedmanchisquare(*scores.T).statistic
    expected = stats.f.sf(8 * chi_square / (9 * 4 - chi_square), 4, 32)
    assert compare_ranks(scores, list("abcde")).friedman_p == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=9))
def test_signed_ranks_are_exact_with_ties(values):
    d = np.array([v for v in values if v], float)
    if not len(d):
        assert signed_rank_p(np.array(values, float)) == 1.0
        return
    ranks = stats.rankdata(np.abs(d))
    sums = np.array([ranks @ (np.array(signs) > 0) for signs in product([-1, 1], repeat=len(d))])
    seen = ranks @ (d > 0)
    expected = min(1.0, 2 * min(np.mean(sums <= seen + 1e-9), np.mean(sums >= seen - 1e-9)))
    assert signed_rank_p(np.array(values, float)) == pytest.approx(expected)


@pytest.mark.parametrize("n", [5, 12, 30])
def test_signed_ranks_agree_with_scipy(n):
    d = np.random.default_rng(n).normal(0.4, 1, n)
    assert signed_rank_p(d) == pytest.approx(stats.wilcoxon(d, method="exact").pvalue, rel=1e-9)


def test_pairs_and_groups():
    """Two methods alike, far above two others alike: two groups, by Holm over all six pairs."""
    rng = np.random.default_rng(1)
    scores = np.column_stack([rng.normal(0, 1, 20), rng.normal(0, 1, 20), rng.normal(9, 1, 20), rng.normal(9, 1, 20)])
    found = compare_ranks(scores, ["a", "b", "c", "d"])
    assert [set(group) for group in found.groups] == [{"c", "d"}, {"a", "b"}]
    column = dict(zip("abcd", scores.T, strict=True))
    pairs = list(combinations(found.names, 2))
    raw = [stats.wilcoxon(column[p] - column[q], method="exact").pvalue for p, q in pairs]
    assert [found.pairs[pair] for pair in pairs] == pytest.approx(holm(raw).tolist())
    assert found.can_decide


@pytest.mark.parametrize("row", [[3, 2, 1], [2, 2, 1]])
def test_the_same_order_everywhere_has_an_exact_p_value(row):
    """Of all ways to order the methods on three data sets, those with one order for all."""
    orders = set(permutations(row))
    alike = sum(len(set(three)) == 1 for three in product(orders, repeat=3))
    found = compare_ranks(np.array([row] * 3, float), ["a", "b", "c"])
    assert found.friedman_p == pytest.approx(alike / len(orders) ** 3)


def test_overlapping_groups():
    """The middle one is told apart from neither end, but the ends from each other."""
    rng = np.random.default_rng(4)
    base = rng.normal(size=12)
    scores = np.column_stack([base + 1.0, base + 1.2 * rng.normal(size=12) + 0.5, base])
    found = compare_ranks(scores, ["best", "middle", "worst"])
    assert found.groups == (("best", "middle"), ("middle", "worst"))


def test_few_data_sets_decide_nothing():
    scores = np.arange(5)[:, None] + np.array([[3.0, 2.0, 1.0]])
    found = compare_ranks(scores, ["a", "b", "c"])
    assert found.groups == (("a", "b", "c"),) and not found.can_decide
    assert min(found.pairs.values()) == pytest.approx(3 * 2 / 2**5)
    assert np.isnan(compare_ranks(scores[:1], ["a", "b", "c"]).friedman_p)
    assert compare_ranks(np.ones((4, 2)), ["a", "b"]).friedman_p == 1.0


@pytest.mark.parametrize(
    "scores, names, message",
    [
        (np.ones((3, 2)), ["a"], "shape"),
        (np.ones((3, 2)), ["a", "a"], "differ"),
        (np.array([[1.0, np.nan]]), ["a", "b"], "finite"),
        (np.ones((3, 1)), ["a"], "two methods"),
    ],
)
def test_bad_input(scores, names, message):
    with pytest.raises(ValueError, match=message):
        compare_ranks(scores, names)
