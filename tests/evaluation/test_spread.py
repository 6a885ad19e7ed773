"""The split of a variance against its expectation and the analysis of variance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kernelopt.evaluation.spread import split_spread


def test_a_learner_without_randomness_has_no_spread_over_initialisations():
    found = split_spread([[0.1 + 0.2] * 3, [0.7] * 3, [0.64] * 3])
    assert found.init == 0.0 == found.largest
    assert found.split == pytest.approx(np.std([0.3, 0.7, 0.64], ddof=1))


def test_it_is_the_analysis_of_variance():
    """The two mean squares give the F of scipy's one-way analysis."""
    values = np.random.default_rng(0).normal(size=(6, 4)) + np.arange(6)[:, None]
    found = split_spread(values.tolist())
    f = stats.f_oneway(*values).statistic
    assert found.init**2 == pytest.approx(values.var(axis=1, ddof=1).mean())
    assert 1 + 4 * found.split**2 / found.init**2 == pytest.approx(f)


def test_estimates_are_unbiased_with_unequal_groups():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(2000):
        groups = [4 * rng.normal() + 0.5 * rng.normal(size=size) for size in (1, 2, 5, 2)]
        spread = split_spread(groups)
        found.append((spread.split**2, spread.init**2))
    split, init = np.mean(found, axis=0)
    assert split == pytest.approx(16, rel=0.06) and init == pytest.approx(0.25, rel=0.06)


def test_what_cannot_be_told_is_nan():
    assert np.isnan(split_spread([[1.0], [2.0]]).init)
    one = split_spread([[1.0, 3.0]])
    assert np.isnan(one.split) and one.init == pytest.approx(np.sqrt(2)) and one.largest == 2.0
    assert split_spread([[0.0, 2.0], [0.0, 2.0]]).split == 0.0


@pytest.mark.parametrize("values", [[], [[]], [[1.0, np.nan]]])
def test_bad_input(values):
    with pytest.raises(ValueError, match="finite number"):
        split_spread(values)
