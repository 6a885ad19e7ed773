"""Fitted learning curves against curves that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.stats import norm

from kernelopt.evaluation.sample_efficiency import sample_efficiency

SHORT, LONG = [100, 500, 2000], [50, 100, 200, 500, 1000, 2000, 5000]


def drawn(rng, sizes, law, seeds=5, points=400):
    """0/1 errors of the given rates: hard points are hard for all seeds, and seeds differ."""
    hard = rng.normal(size=points)
    rates = np.array([law(n) for n in sizes])
    noise = 0.5 * rng.normal(size=(seeds, len(sizes), points)) + 0.03 * rng.normal(size=(seeds, 1, 1))
    return (hard + noise < norm.ppf(rates)[:, None] * np.sqrt(1.25 + 0.03**2)).astype(float)


def test_exact_curves_are_found():
    power = 1.7 * np.array(SHORT) ** -0.4
    found = sample_efficiency(SHORT, np.tile(power, (3, 1)))
    assert (found.exponent.mean, found.scale) == (pytest.approx(0.4), pytest.approx(1.7))
    assert found.exponent.low == pytest.approx(0.4) == found.exponent.high
    with_floor = 0.05 + 2 * np.array(LONG) ** -0.5
    found = sample_efficiency(LONG, np.tile(with_floor, (3, 1)))
    assert found.floor.mean == pytest.approx(0.05, rel=0.05)
    assert found.floor_exponent.mean == pytest.approx(0.5, rel=0.03)
    assert found.exponent.mean < 0.45  # a floor makes the plain law flatter


def test_the_law_with_a_floor_agrees_with_scipy():
    errors = drawn(np.random.default_rng(0), LONG, lambda n: 0.05 + 2 * n**-0.5, points=4000).mean(axis=2)
    found, mean = sample_efficiency(LONG, errors), errors.mean(axis=0)
    n = np.array(LONG) / LONG[0]
    (a, b, c), _ = curve_fit(
        lambda n, a, b, c: a + b * n**-c, n, mean, p0=[0.05, 0.3, 0.5], sigma=mean, bounds=(0, [1, 9, 3])
    )
    assert found.floor.mean == pytest.approx(a, rel=0.02)
    assert found.floor_exponent.mean == pytest.approx(c, rel=0.03)  # half a step of its grid
    assert found.floor_scale == pytest.approx(b, rel=0.02)


def test_the_root_of_mean_squares():
    rng = np.random.default_rng(3)
    squares = rng.chisquare(1, (4, 3, 300)) * np.array(SHORT)[:, None] ** -0.6
    found = sample_efficiency(SHORT, squares, root=True)
    means = np.sqrt(squares.mean(axis=2)).mean(axis=0)
    assert found.exponent.mean == pytest.approx(-np.polyfit(np.log(SHORT), np.log(means), 1)[0])


def test_coverage_over_simulated_studies():
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(100):
        found = sample_efficiency(SHORT, drawn(rng, SHORT, lambda n: 1.5 * n**-0.35))
        hits += found.exponent.low <= 0.35 <= found.exponent.high
    assert hits >= 93


def test_a_floor_that_cannot_be_told_is_not_reported():
    found = sample_efficiency(
        [100, 200, 400, 800], drawn(np.random.default_rng(2), [100, 200, 400, 800], lambda n: 0.3)
    )
    assert found.floor is None and "do not tell" in found.why
    assert found.exponent.low < 0 < found.exponent.high
    assert "four training sizes" in sample_efficiency(SHORT, np.full((2, 3), 0.1)).why


def test_a_floor_of_zero_is_none():
    """Points on a plain power law identify its exponent, and no floor."""
    found = sample_efficiency(LONG, drawn(np.random.default_rng(5), LONG, lambda n: 1.2 * n**-0.4, points=2000))
    assert found.floor is None and found.why == "these sizes do not tell a floor from none"
    assert found.exponent.low < 0.4 < found.exponent.high


def test_an_error_that_grows_has_a_negative_exponent():
    assert sample_efficiency([10, 100], np.array([[0.1, 0.2], [0.1, 0.2]])).exponent.high < 0


@pytest.mark.parametrize(
    "sizes, errors, reason",
    [
        ([100], np.ones((3, 1)), "two training sizes"),
        ([100, 200], np.ones((1, 2)), "two seeds"),
        ([100, 200], np.array([[0.1, 0.0], [0.2, 0.0]]), "zero"),
        ([100, 200], np.eye(4)[:2, None, :] * np.ones((2, 2, 1)), "near to zero"),
    ],
)
def test_reasons_for_no_exponent(sizes, errors, reason):
    assert reason in sample_efficiency(sizes, errors)


@pytest.mark.parametrize(
    "sizes, errors, message",
    [
        ([100, 200], np.ones((2, 3)), "shape"),
        ([200, 100], np.ones((2, 2)), "ascend"),
        ([100, 200], -np.ones((2, 2)), "negative"),
        ([100, 200], np.full((2, 2), np.nan), "finite"),
    ],
)
def test_bad_input(sizes, errors, message):
    with pytest.raises(ValueError, match=message):
        sample_efficiency(sizes, errors)
