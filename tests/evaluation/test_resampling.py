"""The corrected resampled t interval: its formula, and its coverage where splits overlap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kernelopt.evaluation.resampling import corrected_resampled_interval


def test_formula():
    d = np.array([0.03, -0.01, 0.02, 0.05])
    found = corrected_resampled_interval(d, n_train=80, n_test=20, level=0.9)
    error = np.sqrt((1 / 4 + 20 / 80) * d.var(ddof=1))
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.9, 3, d.mean(), error))
    assert found.p == pytest.approx(2 * stats.t.sf(d.mean() / error, 3)) and found.n == 4


def test_without_a_test_part_it_is_the_t_test():
    d = np.random.default_rng(0).normal(0.3, 1, 12)
    found = corrected_resampled_interval(d, n_train=10**9, n_test=1)
    classic = stats.ttest_1samp(d, 0)
    assert found.p == pytest.approx(classic.pvalue, rel=1e-6)
    low, high = classic.confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(low, rel=1e-6), pytest.approx(high, rel=1e-6))


def differences(rng, n=60, splits=10, n_test=20):
    """Errors of least squares on one feature minus those on another, alike in distribution: the truth is zero."""
    X = rng.normal(size=(n, 2))
    y = X.sum(axis=1) + rng.normal(size=n)
    found = []
    for _ in range(splits):
        order = rng.permutation(n)
        test, train = order[:n_test], order[n_test:]
        slope = X[train].T @ y[train] / np.sum(X[train] ** 2, axis=0)
        found.append(np.subtract(*np.mean((y[test, None] - X[test] * slope) ** 2, axis=0)))
    return np.array(found)


def test_it_covers_where_the_plain_t_interval_does_not():
    rng = np.random.default_rng(5)
    drawn = [differences(rng) for _ in range(600)]
    corrected = [corrected_resampled_interval(d, n_train=40, n_test=20) for d in drawn]
    covered = np.mean([c.low <= 0 <= c.high for c in corrected])
    plain = np.mean([stats.ttest_1samp(d, 0).pvalue > 0.05 for d in drawn])
    assert covered >= 0.93 and plain <= 0.80, (covered, plain)


def test_p_value_and_interval_agree():
    rng = np.random.default_rng(2)
    for _ in range(50):
        found = corrected_resampled_interval(rng.normal(0.5, 0.4, 5), 30, 10)
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)


@pytest.mark.parametrize(
    "values, sizes, message",
    [
        (np.ones((2, 2)), (10, 5), "shape"),
        (np.array([1.0, np.nan]), (10, 5), "finite"),
        (np.ones(3), (0, 5), "positive"),
        (np.ones(1), (10, 5), "at least two"),
    ],
)
def test_bad_input(values, sizes, message):
    with pytest.raises(ValueError, match=message):
        corrected_resampled_interval(values, *sizes)


@pytest.mark.parametrize("n", [2, 5, 10])
def test_equal_differences_are_no_certainty(n):
    for values in (np.full(n, 0.1), np.full(n, 0.1) + 1e-16 * np.arange(n)):
        found = corrected_resampled_interval(values, 90, 10)
        assert found.p == 2.0 ** (1 - n)  # the chance that n signs agree
        assert (found.low <= 0 <= found.high) == (found.p > 0.05)
        assert found.low <= found.mean <= found.high
    assert corrected_resampled_interval(np.zeros(n), 90, 10).p == 1.0
