"""Hyperkernels: symmetric in each pair, semidefinite on pairs, with slices that are kernels just where it is said."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import eigvalsh
from scipy.stats import invwishart

from kernelopt.kernels import (
    ARDHarmonic,
    ExplicitHyperkernel,
    Gaussian,
    GaussianHarmonic,
    GaussianHyperkernel,
    Harmonic,
    Linear,
    Polynomial,
    PowerSeries,
    Slice,
    TranslationInvariant,
    WishartHyperkernel,
    hyper_pivots,
)
from kernelopt.kernels.hyper_series import SERIES

RNG = np.random.default_rng(0)
X = RNG.normal(size=(9, 2))
C = np.array([[2.0, 0.3], [0.3, 1.0]])
HALF = Gaussian(0.3)


def waves_and_bumps(T, S):
    waves = np.prod((1 + 0.5 * np.cos(T)) * (1 + 0.5 * np.cos(S)), axis=0)
    return waves + np.exp(-np.sum(T**2, axis=0) - np.sum(S**2, axis=0))


HYPERKERNELS = {
    "exp": PowerSeries(HALF, "exp"),
    "sinh": PowerSeries(HALF, "sinh"),
    "cosh": PowerSeries(Polynomial(2, 0.1), "cosh"),
    "artanh": PowerSeries(0.9 * HALF, "artanh"),
    "log": PowerSeries(0.9 * HALF, "log"),
    "harmonic": Harmonic(HALF, 0.6),
    "gaussian harmonic": GaussianHarmonic(0.4, 0.6),
    "ard": ARDHarmonic((0.4, 1.5), 0.6),
    "explicit": ExplicitHyperkernel((HALF, Polynomial(2)), (2.0, 0.5)),
    "translation invariant": TranslationInvariant(waves_and_bumps),
    "gaussian": GaussianHyperkernel(1.0, 0.4),
    "wishart": WishartHyperkernel(C, 3.0),
}


def value(hyper, x, xx, y, yy):
    """Return the hyperkernel of two pairs from its definition on four points."""
    F, G = (hyper.features(a[None], b[None])[:, 0, 0] for a, b in ((x, xx), (y, yy)))
    return float(hyper.between(F[:, None], G[:, None])[0])


def gram(hyper, points=X):
    F = hyper.pairs(points)
    return hyper.between(F[:, :, None], F[:, None, :])


@pytest.mark.parametrize("name", HYPERKERNELS)
def test_symmetric_in_each_pair_and_between_them(name):
    hyper, (a, b, c, d) = HYPERKERNELS[name], X[:4]
    reference = value(hyper, a, b, c, d)
    for order in ((b, a, c, d), (a, b, d, c), (b, a, d, c), (c, d, a, b), (d, c, b, a)):
        assert value(hyper, *order) == pytest.approx(reference, rel=1e-14)


@pytest.mark.parametrize("name", HYPERKERNELS)
def test_semidefinite_on_pairs_and_in_every_slice(name):
    hyper = HYPERKERNELS[name]
    M, F = gram(hyper), hyper.pairs(X)
    assert_allclose(M, M.T, rtol=1e-14)
    assert eigvalsh(M)[0] >= -1e-12 * np.trace(M)
    for pair in F.T:
        K = hyper.slice(pair, X)
        assert_allclose(K, K.T, rtol=1e-14)
        assert eigvalsh(K)[0] >= -1e-12 * np.trace(K)


@pytest.mark.parametrize("name", HYPERKERNELS)
def test_a_slice_is_a_row_of_the_gram_matrix_on_pairs(name):
    hyper, lower = HYPERKERNELS[name], np.tril_indices(len(X))
    M, F = gram(hyper), hyper.pairs(X)
    for pivot in (0, 7, 20):
        assert_allclose(hyper.slice(F[:, pivot], X)[lower], M[pivot], rtol=1e-13)
        across = hyper.slice(F[:, pivot], X[:3], X)
        assert_allclose(across, hyper.slice(F[:, pivot], X)[:3], rtol=1e-12)


@pytest.mark.parametrize("lam", [0.1, 0.6, 0.95])
def test_harmonic_is_its_series_and_one_on_the_diagonal(lam):
    k, s = HALF(X, X), 0.7
    series = sum((1 - lam) * lam**i * (s * k) ** i for i in range(1500))
    assert_allclose(Harmonic(HALF, lam).slice(np.array([s]), X), series, rtol=1e-13)
    hyper = GaussianHarmonic(0.3, lam)
    assert_allclose(hyper.slice(np.array([s]), X), series, rtol=1e-13)
    F = hyper.features(X)[0]
    assert_array_equal(np.diagonal(F), 1.0)
    assert hyper.between(F[None, 0, 0], F[None, 1, 1]) == 1.0  # pairs (i, i) are all the same pair
    values = hyper.slice(F[:, 0, 1], X) if F.ndim == 3 else hyper.slice(F[0, 1:2], X)
    assert values.min() >= 1 - lam and values.max() <= 1


@pytest.mark.parametrize("function", SERIES)
def test_power_series_have_nonnegative_coefficients_and_the_radius_that_is_said(function):
    g, radius = SERIES[function]
    t = np.linspace(0.01, 0.5, 7)
    i = np.arange(1, 60)
    factorial = np.cumprod(i.astype(float))
    series = {
        "exp": 1 + (t[:, None] ** i / factorial).sum(axis=1),
        "cosh": 1 + np.where(i % 2 == 0, t[:, None] ** i / factorial, 0).sum(axis=1),
        "sinh": np.where(i % 2 == 1, t[:, None] ** i / factorial, 0).sum(axis=1),
        "artanh": np.where(i % 2 == 1, t[:, None] ** i / i, 0).sum(axis=1),
        "log": (t[:, None] ** i / i).sum(axis=1),
    }
    assert_allclose(g(t), series[function], rtol=1e-13)
    if np.isfinite(radius):
        with np.errstate(divide="ignore"):
            assert g(np.array([radius]))[0] == np.inf
        with pytest.raises(ValueError, match="radius of convergence"):
            PowerSeries(HALF, function).pairs(X)  # k(x, x) = 1
    with pytest.raises(ValueError, match="must not be negative"):
        PowerSeries(Linear(), "exp").pairs(X)


def test_ard_is_a_product_over_columns():
    hyper = HYPERKERNELS["ard"]
    columns = [GaussianHarmonic(g, 0.6) for g in hyper.gammas]
    for pair in hyper.pairs(X).T[:5]:
        expected = columns[0].slice(pair[:1], X[:, :1]) * columns[1].slice(pair[1:], X[:, 1:])
        assert_allclose(hyper.slice(pair, X), expected, rtol=1e-13)
    assert_allclose(
        ARDHarmonic((0.4,), 0.6).slice(np.array([0.3]), X[:, :1]), columns[0].slice(np.array([0.3]), X[:, :1])
    )


def test_ard_of_very_many_columns_neither_overflows_nor_warns():
    hyper, points = ARDHarmonic((1.0,) * 3000, 0.9), np.random.default_rng(1).normal(size=(4, 3000))
    K = hyper.slice(hyper.pairs(points)[:, 0], points)
    assert_array_equal(np.diagonal(K), 1.0)
    assert K[0, 1] == 0.0


@pytest.mark.parametrize("ratio, kernel", [(3.9, True), (4.0, True), (4.1, False), (4.2, False)])
def test_gaussian_slices_are_kernels_exactly_up_to_a_ratio_of_four(ratio, kernel):
    points = np.linspace(-2, 2, 12)[:, None]
    hyper = GaussianHyperkernel(1.0, 1.0)
    object.__setattr__(hyper, "within", ratio)  # past its own check
    K = hyper.slice(hyper.pairs(points)[:, 40], points)
    assert (eigvalsh(K)[0] >= -1e-12) == kernel
    if kernel:
        GaussianHyperkernel(ratio, 1.0)
    else:
        with pytest.raises(ValueError, match="at most four times middle"):
            GaussianHyperkernel(ratio, 1.0)


def test_gaussian_is_what_its_integral_says():
    r"""Of a field of bumps: the integral over m and m' of N(x; m) N(x'; m) N(m; m', field) N(y; m') N(y'; m')."""
    width2, field2 = 0.7, 0.4
    hyper = GaussianHyperkernel.of_widths(width2, field2)
    grid = np.linspace(-12, 12, 1201)

    def bump(z):
        return np.exp(-((z - grid) ** 2) / (2 * width2))

    field = np.exp(-((grid[:, None] - grid) ** 2) / (2 * field2))
    quadruples = RNG.normal(size=(5, 4))
    integrals = [(bump(a) * bump(b)) @ field @ (bump(c) * bump(d)) for a, b, c, d in quadruples]
    values = [value(hyper, *q[:, None]) for q in quadruples]
    assert_allclose(np.divide(integrals, values), integrals[0] / values[0], rtol=1e-10)


def test_wishart_is_a_mean_over_covariances():
    hyper, d, r = HYPERKERNELS["wishart"], 2, 3.0
    points = np.array([[0.0, 0.0], [0.7, -0.2], [0.4, 0.9], [-0.5, 0.3]])
    S = (points - points.mean(axis=0)).T @ (points - points.mean(axis=0))
    draws = invwishart(df=r, scale=C).rvs(400_000, random_state=np.random.default_rng(2))
    det, inverse = np.linalg.det(draws), np.linalg.inv(draws)
    # The integral over the mean, under Lebesgue measure, by hand.
    sample = (2 * np.pi) ** (-1.5 * d) * 2.0**-d * det**-1.5 * np.exp(-0.5 * np.einsum("nij,ji->n", inverse, S))
    mean, error = sample.mean(), sample.std() / np.sqrt(len(sample))
    exact = np.exp(hyper.log_constant) * value(hyper, *points)
    assert error < 0.005 * mean and abs(mean - exact) < 4 * error
    assert value(hyper, *[points[0]] * 4) == pytest.approx(1.0)
    whole = np.linalg.det(C) ** 1.5 / np.linalg.det(C + S) ** 3 * np.linalg.det(C) ** 1.5
    assert value(hyper, *points) == pytest.approx(whole, rel=1e-12)


def test_wishart_validity():
    with pytest.raises(ValueError, match="above 1"):
        WishartHyperkernel(C, 1.0)
    with pytest.raises(ValueError, match="positive definite"):
        WishartHyperkernel(np.ones((2, 2)), 3.0)
    with pytest.raises(ValueError, match="symmetric"):
        WishartHyperkernel(np.array([[1.0, 0.5], [0.0, 1.0]]), 3.0)


def test_explicit_has_the_rank_of_its_list_and_prices_coefficients():
    hyper = HYPERKERNELS["explicit"]
    found = hyper_pivots(hyper, X)
    assert len(found.gram) == 2
    beta = np.array([0.7, 0.2])
    share = (found.features * beta).sum(axis=1)  # coefficients of the kernels over c
    K = np.tensordot(beta, found.slices, 1)
    expected = sum(c * s * k(X, X) for c, s, k in zip(hyper.coefficients, share, hyper.kernels, strict=True))
    assert_allclose(K, expected, rtol=1e-12)
    assert beta @ found.gram @ beta == pytest.approx(np.sum(np.array(hyper.coefficients) * share**2), rel=1e-12)


def test_fourier_check_tells_a_hyperkernel_from_a_function():
    good = TranslationInvariant(lambda T, S: np.exp(-np.sum(T**2, axis=0) - np.sum(S**2, axis=0)))
    assert good.fourier_check(np.array([0.5, 0.0]), reach=12.0) >= -1e-6
    box = TranslationInvariant(lambda T, S: np.all(np.abs(T) < 1, axis=0) * np.all(np.abs(S) < 1, axis=0) * 1.0)
    with pytest.raises(ValueError, match="no hyperkernel"):
        box.fourier_check(np.zeros(1), reach=8.0)
    waves = TranslationInvariant(lambda T, S: np.prod(1 + 0.5 * np.cos(T) * np.cos(S), axis=0))
    waves.fourier_check(np.zeros(2), reach=np.pi)  # a kernel on pairs, and some slices are kernels ...
    with pytest.raises(ValueError, match="no hyperkernel"):
        waves.fourier_check(np.array([np.pi, 0.0]), reach=np.pi)  # ... but not this one


def test_limit_of_the_harmonic_is_not_the_frobenius_norm():
    """An erratum: for lam -> 1 pairs of different points lose all their norm, and pairs (i, i) stay the same."""
    hyper = GaussianHarmonic(0.5, 1 - 1e-5)
    F = hyper.features(np.array([[0.0], [1.0]]))
    assert hyper.between(F[:, 0, 1], F[:, 0, 1])[()] < 1e-4
    assert hyper.between(F[:, 0, 0], F[:, 1, 1])[()] == 1.0


# ---- low rank


@pytest.mark.parametrize("name", HYPERKERNELS)
@pytest.mark.parametrize("tol", [1e-2, 1e-6])
def test_pivots_leave_out_what_they_say(name, tol):
    hyper = HYPERKERNELS[name]
    M, found = gram(hyper), hyper_pivots(hyper, X, tol)
    index = [int(i * (i + 1) // 2 + j) for i, j in found.pairs]
    across = M[:, index]
    rest = M - across @ np.linalg.solve(found.gram, across.T)
    assert_allclose(found.gram, M[np.ix_(index, index)], rtol=1e-13)
    assert np.diagonal(rest).min() >= -1e-9 * np.trace(M)
    assert found.left <= tol
    assert np.trace(rest) == pytest.approx(found.left * np.trace(M), abs=1e-8 * np.trace(M))
    assert np.linalg.norm(rest, 2) <= tol * np.trace(M) + 1e-8 * np.trace(M)
    for pair, K in zip(found.features.T, found.slices, strict=True):
        assert_allclose(K, hyper.slice(pair, X), rtol=1e-13)


def test_at_most_the_rank_that_pairs_have():
    hyper = GaussianHarmonic(3.0, 0.95)
    points = np.random.default_rng(3).normal(size=(8, 2))
    found = hyper_pivots(hyper, points, 1e-14)
    assert np.linalg.matrix_rank(gram(hyper, points)) <= 8 * 7 // 2 + 1
    assert len(found.gram) <= 8 * 7 // 2 + 1
    assert len({tuple(sorted(p)) for p in found.pairs.tolist()}) == len(found.pairs)


def test_order_of_the_points_does_not_matter():
    hyper, order = ARDHarmonic((0.4, 1.5), 0.6), np.random.default_rng(4).permutation(len(X))
    one, other = hyper_pivots(hyper, X, 1e-6), hyper_pivots(hyper, X[order], 1e-6)

    def projected(found, points):  # the Gram matrix on all pairs of the original order, projected on the pivots
        across = hyper.between(hyper.pairs(points)[:, :, None], found.features[:, None, :])
        return across @ np.linalg.solve(found.gram, across.T)

    assert one.left == pytest.approx(other.left, rel=1e-6) and len(one.gram) == len(other.gram)
    assert_allclose(projected(one, X), projected(other, X), atol=1e-5)


def test_more_pivots_than_there_was_room_for_at_first():
    points = np.random.default_rng(5).normal(size=(20, 3))
    found = hyper_pivots(GaussianHyperkernel(0.3, 0.1), points, 0.0)
    assert len(found.gram) > 64
    for k in (0, 63, 64, len(found.gram) - 1):
        assert_allclose(found.slices[k], GaussianHyperkernel(0.3, 0.1).slice(found.features[:, k], points), rtol=1e-13)


def test_a_slice_is_a_kernel_for_whoever_wants_one():
    hyper = HYPERKERNELS["wishart"]
    found = hyper_pivots(hyper, X, 1e-3)
    kernel = Slice(hyper, found.features[:, 2], "pair")
    assert_array_equal(kernel(X), kernel(X, X))
    assert_allclose(kernel(X, X[:4]), found.slices[2][:, :4], rtol=1e-12)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3, 1e5])
@pytest.mark.parametrize("d", [1, 2])
def test_the_determinant_of_wishart_keeps_its_digits_at_every_size_of_the_points(d, size):
    """By Cauchy and Binet it is one plus squares of minors, which nothing cancels in (in one and two dimensions)."""
    points = size * np.random.default_rng(3).normal(size=(15, d))
    hyper = WishartHyperkernel(np.eye(d), d + 1.0)
    F = hyper.pairs(points)
    pair = F[:, 1:2]
    a, b, m = pair[:d] / np.sqrt(2), F[:d] / np.sqrt(2), pair[d:] - F[d:]
    det = 1 + sum((v**2).sum(axis=0) for v in (a, b, m))
    if d == 2:
        det = det + sum((v[0] * w[1] - v[1] * w[0]) ** 2 for v, w in ((a, b), (a, m), (b, m)))
    assert_allclose(hyper.between(pair, F), det ** (-(d + 4) / 2), rtol=1e-9)
