"""Holm's method against its definition and the closed testing it shortcuts."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelopt.evaluation.multiplicity import holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@given(P_VALUES)
def test_it_is_closed_testing_with_bonferroni(p_values):
    """A hypothesis's adjusted p-value is the largest Bonferroni p-value of all intersections that hold it."""
    m = len(p_values)
    expected = [
        max(
            min(1.0, len(chosen) * min(p_values[j] for j in chosen))
            for size in range(1, m + 1)
            for chosen in combinations(range(m), size)
            if i in chosen
        )
        for i in range(m)
    ]
    assert holm(p_values) == pytest.approx(expected)


@given(P_VALUES, st.randoms())
def test_order_does_not_matter(p_values, random):
    order = list(range(len(p_values)))
    random.shuffle(order)
    assert holm(p_values)[order] == pytest.approx(holm([p_values[i] for i in order]))


def test_a_published_example():
    """Holm's steps on four p-values: compared with alpha/4, alpha/3, ...; the third stops them."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert len(holm([])) == 0


def test_false_rejections_stay_rare():
    """Among five true hypotheses with dependent tests, one or more is rejected in at most about 5% of the studies."""
    from scipy import stats

    rng = np.random.default_rng(0)
    z = np.sqrt(0.3) * rng.normal(size=(4000, 1)) + np.sqrt(0.7) * rng.normal(size=(4000, 5))
    rejected = np.mean([holm(2 * stats.norm.sf(np.abs(row))).min() <= 0.05 for row in z])
    assert 0.03 < rejected <= 0.055


@pytest.mark.parametrize("p_values", [[0.1, 1.1], [float("nan")], [[0.1]]])
def test_bad_input(p_values):
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm(p_values)
