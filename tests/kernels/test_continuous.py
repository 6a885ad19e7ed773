"""Continuous families: kernels at every parameter, gradients, limits, and the proof of the maximum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.gaussian_process.kernels import Matern
from sklearn.metrics.pairwise import rbf_kernel

from kernelopt.kernels import Gaussian, Linear, white
from kernelopt.kernels.continuous import (
    ARDFamily,
    Atom,
    CustomFamily,
    FamilyKernels,
    GaussianFamily,
    ListFamily,
    MaternFamily,
    PolynomialFamily,
    TrigonometricFamily,
    UnionFamily,
)
from kernelopt.kernels.continuous.branch_and_bound import BIN, Compressed, Spectrum, certified_maximum
from kernelopt.kernels.continuous.multistart import grid, spread
from kernelopt.kernels.continuous.radial import EXPONENTIAL, MATERN

RNG = np.random.default_rng(0)
X = RNG.normal(size=(25, 3))
X[7] = X[3]  # two equal points


def bumps(omega, A, B):
    return np.exp(-omega[0] * np.abs(A[:, None] - B).sum(axis=2)) * np.cos(omega[1] * (A[:, None, 0] - B[:, 0]))


def bump_slopes(omega, A, B):
    far, step = np.abs(A[:, None] - B).sum(axis=2), A[:, None, 0] - B[:, 0]
    decay = np.exp(-omega[0] * far)
    return np.stack([-far * decay * np.cos(omega[1] * step), -step * decay * np.sin(omega[1] * step)])


FAMILIES = {
    "gaussian": GaussianFamily(0.01, 100.0),
    "gaussian from 0": GaussianFamily(0.0, 100.0),
    "matern 1/2": MaternFamily(0.5, 0.01, 100.0),
    "matern 3/2": MaternFamily(1.5, 0.01, 100.0),
    "matern 5/2": MaternFamily(2.5, 0.0, 100.0),
    "polynomial": PolynomialFamily(3, 2.0),
    "trigonometric": TrigonometricFamily(0.0, 8.0),
    "ard": ARDFamily((1.0, 2.0, 0.5)),
    "custom": CustomFamily(bumps, ((0.1, 3.0), (0.0, 4.0)), bump_slopes),
    "custom without gradient": CustomFamily(bumps, ((0.1, 3.0), (0.0, 4.0))),
    "list": ListFamily((Linear(), Gaussian(0.5), "laplacian")),
    "union": UnionFamily((GaussianFamily(0.1, 10.0), PolynomialFamily(2, 1.0), ARDFamily((1.0, 1.0, 1.0)))),
}
RADIAL = {name: family for name, family in FAMILIES.items() if hasattr(family, "profile")}


def inside(family, rng, margin=0.0):
    """A parameter of the domain, off the ends by a share of it."""
    if isinstance(family, UnionFamily):
        k = int(rng.integers(len(family.families)))
        own = inside(family.families[k], rng, margin)
        return np.concatenate([[k], own, np.zeros(len(family.domain(3)) - 1 - len(own))])
    low, high = family.domain(3).T
    if isinstance(family, ListFamily):
        return rng.integers(3, size=1).astype(float)
    return low + (margin + (1 - 2 * margin) * rng.uniform(size=len(low))) * (high - low)


def coefficients(rng, n=25, k=2):
    V = rng.normal(size=(n, k))
    return V - V.mean(axis=0) if rng.integers(2) else V


def quadratic(family, omega, V, points=X):
    return float(np.sum(V * (family.matrix(omega, points, points) @ V)))


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_member_is_a_kernel(name, seed):
    family, rng = FAMILIES[name], np.random.default_rng(seed)
    omega = inside(family, rng)
    K = family.matrix(omega, X, X)
    assert_allclose(K, K.T, atol=1e-12)
    assert np.linalg.eigvalsh(K)[0] > -1e-9 * max(1.0, np.abs(K).max())
    assert_allclose(np.diag(K), family.diag(omega, X), rtol=1e-12, atol=1e-12)
    assert_allclose(family.gram(omega, family.prepare(X)), K, atol=1e-10 * max(1.0, np.abs(K).max()))
    assert_allclose(Atom(family, omega)(X[:4].copy(), X), K[:4], atol=1e-10 * max(1.0, np.abs(K).max()))


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_gradients_are_those_of_finite_differences(name, seed):
    family, rng = FAMILIES[name], np.random.default_rng(seed)
    omega, V = inside(family, rng, 0.05), coefficients(rng)
    value, gradient = family.value_and_gradient(omega, V, family.prepare(X))
    assert value == pytest.approx(quadratic(family, omega, V), rel=1e-9, abs=1e-9)
    low, high = family.domain(3).T
    if isinstance(family, ListFamily):
        return  # there is nothing to move along
    used = np.arange(len(omega)) if not isinstance(family, UnionFamily) else np.flatnonzero(omega[1:]) + 1
    for j in used:
        e = 1e-6 * (high[j] - low[j]) * np.eye(len(omega))[j]
        slope = (quadratic(family, omega + e, V) - quadratic(family, omega - e, V)) / (2 * e[j])
        assert gradient[j] == pytest.approx(slope, rel=1e-5, abs=1e-6 * np.sum(np.abs(V)) ** 2)


def test_limits_of_the_bandwidth():
    family = GaussianFamily(0.0, 1e9)
    points = RNG.normal(size=(10, 2))
    assert_allclose(family.matrix(np.array([0.0]), points, points), np.ones((10, 10)), atol=1e-15)
    assert_allclose(family.matrix(np.array([1e-9]), points, points), np.ones((10, 10)), atol=1e-7)
    assert_allclose(family.matrix(np.array([1e9]), points, points), np.eye(10), atol=1e-15)
    assert_allclose(ARDFamily((1.0, 1.0)).matrix(np.zeros(2), points, points), np.ones((10, 10)), atol=1e-15)


def test_families_agree_with_scikit_learn():
    omega = np.array([0.7])
    assert_allclose(FAMILIES["gaussian"].matrix(omega, X, X), rbf_kernel(X, gamma=0.7), atol=1e-12)
    assert_allclose(ARDFamily((1.0,) * 3).matrix(np.full(3, 0.7), X, X), rbf_kernel(X, gamma=0.7), atol=1e-12)
    for nu in MATERN:
        expected = Matern(np.sqrt(2 * nu) / 0.7, nu=nu)(X)
        assert_allclose(MaternFamily(nu, 0.1, 1.0).matrix(omega, X, X), expected, atol=1e-7)  # roots of squares


# --- the proof over a continuum


@pytest.mark.parametrize("profile", MATERN.values(), ids=MATERN)
def test_derivatives_of_a_profile(profile):
    s, step = np.linspace(-6, 3.5, 200), 1e-4
    for order in range(6):
        slope = (profile.at(np.exp(s + step), order) - profile.at(np.exp(s - step), order)) / (2 * step)
        assert_allclose(profile.at(np.exp(s), order + 1), slope, rtol=1e-5, atol=1e-6)
    assert profile.sup >= np.abs(profile.at(np.exp(np.linspace(-12, 6, 20001)), 6)).max()
    assert profile(np.zeros(1))[0] == 1 and (np.diff(profile(np.linspace(0, 9, 100))) < 0).all()


@pytest.mark.parametrize("profile", MATERN.values(), ids=MATERN)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_compression_is_off_by_no_more_than_it_says(profile, seed):
    rng = np.random.default_rng(seed)
    distances = 10 ** rng.uniform(-4, 2, 500) * (rng.uniform(size=500) > 0.05)
    weights = rng.normal(size=500)
    g = Compressed.of(profile, Spectrum.of(distances), weights, 0.3)
    u = rng.uniform(-9, 9, 50)
    direct = np.array([0.3 + weights @ profile(np.exp(x) * distances) for x in u])
    assert np.abs(g.value(u) - direct).max() <= g.error
    assert g.error < 1e-9 * np.abs(weights).sum()
    wide = replace_offsets(distances)  # bins a hundred times as wide: the bound must follow
    coarse = Compressed.of(profile, wide, weights, 0.3)
    off = np.abs(coarse.value(u) - direct).max()
    assert g.error < off <= coarse.error


def replace_offsets(distances):
    fine = Spectrum.of(distances)
    logs = fine.off + np.append(fine.centres, 0.0)[fine.where]
    apart = distances > 0
    cells = np.floor(logs / (100 * BIN)).astype(int)
    used, inverse = np.unique(cells[apart], return_inverse=True)
    where = np.full(len(distances), len(used))
    where[apart] = inverse
    centres = (used + 0.5) * 100 * BIN
    return Spectrum(centres, where, np.where(apart, logs - np.append(centres, 0.0)[where], 0.0))


@pytest.mark.parametrize("profile", MATERN.values(), ids=MATERN)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.sampled_from([0.003, 0.1, 1.0]))
def test_bounds_on_an_interval_hold_inside_it(profile, seed, width):
    rng = np.random.default_rng(seed)
    distances, weights = 10 ** rng.uniform(-2, 1, 60), rng.normal(size=60)
    g = Compressed.of(profile, Spectrum.of(distances), weights, 0.0)
    u0 = rng.uniform(-4, 4, 20)
    above = g.bounds(u0, u0 + width, g.value(u0), g.value(u0 + width))
    for x, bound in zip(u0, above, strict=True):
        dense = [weights @ profile(np.exp(u) * distances) for u in np.linspace(x, x + width, 30)]
        assert max(dense) <= bound
        assert bound <= max(dense) + width**2 * np.abs(weights).sum()  # of second order in the width


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("profile", MATERN.values(), ids=MATERN)
def test_the_curvature_of_an_interval_counts_the_bends_inside_it(profile, sign):
    g = Compressed.of(profile, Spectrum.of(np.ones(1)), np.array([sign]), 0.0)
    for bend in np.log(profile.bends):
        for left, right in ((0.5, 0.5), (0.9, 0.3), (0.3, 0.9)):
            dense = np.linspace(bend - left, bend + right, 301)
            bound = g.curvature(dense[:1], dense[-1:])[0]
            assert np.max(-sign * profile.at(np.exp(dense), 2)) <= bound


@pytest.mark.parametrize("name", RADIAL)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), solved=st.booleans())
def test_the_maximum_is_proven(name, seed, solved):
    """At least the largest value on a dense grid, and hardly more; also where terms of both signs almost cancel."""
    family, rng = RADIAL[name], np.random.default_rng(seed)
    points = rng.normal(size=(30, 2)) * 10 ** rng.uniform(-1, 1)
    V = coefficients(rng, 30)
    if solved:
        V = np.linalg.solve(family.matrix(np.array([1.0]), points, points) + 0.01 * np.eye(30), np.sin(3 * points))
    found = family.maximise(V, family.prepare(points), 1e-7)
    low, high = family.domain(2)[0]
    near = float(found.omegas[0, 0]) * np.geomspace(0.99, 1.01, 101)
    dense = np.concatenate([np.geomspace(max(low, 1e-7), high, 400), np.clip(near, low, high), [low]])
    values = [quadratic(family, np.array([omega]), V, points) for omega in dense]
    mass = np.sum(np.abs(V @ V.T))
    assert found.bound >= max(values) - 1e-13 * mass
    assert found.bound <= found.values[0] * (1 + 1e-7) + 1e-11 * mass
    assert found.values[0] >= max(values) * (1 - 1e-9) - 1e-12 * mass
    exact = [quadratic(family, omega, V, points) for omega in found.omegas]
    assert_allclose(found.values, exact, atol=1e-11 * mass)
    assert (low <= found.omegas).all() and (found.omegas <= high).all()


def test_a_maximum_of_known_place():
    """2 exp(-w) - 3 exp(-3 w) is largest where exp(2 w) = 4.5."""
    spectrum, weights = Spectrum.of(np.array([1.0, 3.0])), np.array([2.0, -3.0])
    found = certified_maximum(EXPONENTIAL, spectrum, weights, 0.0, 1e-3, 1e3, 1e-10)
    top = 2 * 4.5**-0.5 - 3 * 4.5**-1.5
    assert found.omegas[0] == pytest.approx(np.log(4.5) / 2, rel=1e-7)
    assert found.bound == pytest.approx(top, rel=2e-10) and found.bound >= top
    assert found.intervals < 2000  # second order: some hundreds and not the 1e10 of a grid


def test_degenerate_points():
    family = GaussianFamily(0.1, 10.0)
    one = family.maximise(np.ones((1, 1)), family.prepare(np.zeros((1, 2))), 1e-8)
    assert one.bound == pytest.approx(1.0)
    same = family.maximise(np.ones((3, 1)), family.prepare(np.zeros((3, 2))), 1e-8)
    assert same.bound == pytest.approx(9.0)
    none = family.maximise(np.zeros((25, 1)), family.prepare(X), 1e-8)
    assert none.bound == 0.0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), degree=st.integers(1, 5))
def test_the_maximum_over_offsets_is_that_of_a_dense_grid(seed, degree):
    family, rng = PolynomialFamily(degree, 2.0), np.random.default_rng(seed)
    V = coefficients(rng)
    found = family.maximise(V, family.prepare(X), 1e-8)
    values = [quadratic(family, np.array([v]), V) for v in np.linspace(0, 1, 2001)]
    size = np.sum(np.abs(V @ V.T) * np.maximum(1.0, np.abs(X @ X.T / 2.0)) ** degree)
    assert max(values) - 1e-13 * size <= found.bound <= max(values) * (1 + 1e-5) + 1e-11 * size


@pytest.mark.parametrize("name", ["trigonometric", "ard", "custom", "union"])
def test_what_is_sought_is_a_local_maximum_and_not_called_proven(name):
    family, rng = FAMILIES[name], np.random.default_rng(1)
    V, points = coefficients(rng), family.prepare(X)
    found = family.maximise(V, points, 1e-6, None)
    assert not found.proven and found.bound >= found.values[0]
    random = [quadratic(family, inside(family, rng), V) for _ in range(500)]
    assert found.values[0] >= max(random)
    _, slope = family.value_and_gradient(found.omegas[0], V, points)
    low, high = family.domain(3).T
    free = (found.omegas[0] > low + 1e-9) & (found.omegas[0] < high - 1e-9)
    assert np.abs((slope * (high - low))[free]).max(initial=0.0) < 2e-2 * found.values[0]
    better = family.maximise(V, points, 1e-6, found.omegas[:1])
    assert better.values[0] >= found.values[0] * (1 - 1e-6)  # a known kernel is among the starts


def test_bounds_are_taken_from_the_points_and_weights_count_as_copies():
    w = np.array([2.0, 1.0, 3.0, 1.0])
    copies = np.repeat(X[:4], w.astype(int), axis=0)
    for family in (GaussianFamily(), MaternFamily(), ARDFamily(), PolynomialFamily(), TrigonometricFamily()):
        assert_allclose(family.fitted(X[:4], w).domain(3), family.fitted(copies).domain(3), rtol=1e-12)
    assert_allclose(ARDFamily(reach=0.5).fitted(X).domain(3)[:, 1], 0.5 / X.var(axis=0))
    assert ARDFamily().fitted(np.column_stack([X, np.ones(25)])).high[3] == 1.0
    given_bounds = GaussianFamily(0.5, 2.0)
    assert given_bounds.fitted(X) is given_bounds


@pytest.mark.parametrize("n", [7, 30, 60, 100])
def test_a_constant_feature_gets_width_one_whatever_its_mean_rounds_to(n):
    points = np.column_stack([np.random.default_rng(n).normal(size=n), np.full(n, 0.1)])
    assert ARDFamily().fitted(points).high[1] == 1.0
    points[0, 1] = 7.0  # in a row of no weight
    weight = np.append(0.0, np.ones(n - 1))
    assert ARDFamily().fitted(points, weight).high[1] == 1.0
    assert ARDFamily().fitted(points).high[1] != 1.0


def test_a_union_shows_no_parameters_but_those_of_the_part():
    union = UnionFamily((GaussianFamily(0.1, 10.0), PolynomialFamily(2, 1.0), ARDFamily((1.0, 1.0, 1.0))))
    assert union.label(np.array([1.0, 0.5, 0.0, 0.0])) == PolynomialFamily(2, 1.0).label(np.array([0.5]))
    assert union.label(np.array([1.0, 0.0, 0.0, 0.0])) == PolynomialFamily(2, 1.0).label(np.array([0.0]))


def test_the_union_keeps_its_parts():
    union = FAMILIES["union"]
    V = coefficients(np.random.default_rng(4))
    found = union.maximise(V, union.prepare(X), 1e-8)
    own = [family.maximise(V, family.prepare(X), 1e-8) for family in union.families]
    assert found.bound == max(part.bound for part in own)
    omegas = np.array([[0, 1.0, 0, 0], [1, 0.5, 0, 0], [0, 1.1, 0, 0]])
    apart = union.distance(omegas, omegas[0], 3)
    assert apart[0] == 0 and apart[1] == np.inf and apart[2] == pytest.approx(np.log(1.1))
    assert_allclose(union.middle(omegas[[0, 2]], np.ones(2), 3), [0, np.sqrt(1.1), 0, 0])
    assert union.label(omegas[1]).startswith("polynomial") and union.label(omegas[0]) == "gaussian ω=1"
    assert UnionFamily(union.families[:2]).proven and not union.proven


def test_the_provider_makes_what_the_family_says():
    family = FAMILIES["gaussian"]
    omegas, weights = np.array([[0.1], [2.0]]), np.array([0.3, 0.7])
    kernels = FamilyKernels(family, X, omegas)
    K = 0.3 * rbf_kernel(X, gamma=0.1) + 0.7 * rbf_kernel(X, gamma=2.0)
    V = coefficients(np.random.default_rng(2))
    assert_allclose(kernels.mix(weights), K, atol=1e-12)
    assert_allclose(kernels.apply(weights, V), K @ V, atol=1e-12)
    assert_allclose(kernels.apply_at(weights, omegas, V), K @ V, atol=1e-12)
    assert_allclose(kernels.rows(weights, np.array([3, 5])), K[[3, 5]], atol=1e-12)
    assert_allclose(kernels.take(np.arange(5)).mix(weights), K[:5, :5], atol=1e-12)
    assert_allclose(kernels.select(np.array([1])).mix(np.ones(1)), rbf_kernel(X, gamma=2.0), atol=1e-12)
    assert "proven" in kernels.description and "NOT" in FamilyKernels(FAMILIES["ard"], X).description


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: GaussianFamily(2.0, 1.0), "low < high"),
        (lambda: GaussianFamily(1.0), "both be numbers"),
        (lambda: MaternFamily(2.0), "nu must be"),
        (lambda: PolynomialFamily(0), "degree must be"),
        (lambda: PolynomialFamily(2, -1.0), "scale must be"),
        (lambda: ARDFamily((1.0, 0.0)), "high must hold"),
        (lambda: ARDFamily(reach=0.0), "reach must be"),
        (lambda: ARDFamily(n_starts=0), "n_starts must be"),
        (lambda: TrigonometricFamily(0.0, 1.0, n_starts=0), "n_starts must be"),
        (lambda: CustomFamily(bumps, ((0.1, 3.0), (0.0, 4.0)), n_starts=0), "n_starts must be"),
        (lambda: ARDFamily((1.0, 1.0)).domain(3), "2 for 3 features"),
        (lambda: ARDFamily().domain(3), "not known yet"),
        (lambda: GaussianFamily().domain(3), "not known yet"),
        (lambda: TrigonometricFamily().domain(3), "not known yet"),
        (lambda: CustomFamily(bumps, ()), "box must hold"),
        (lambda: CustomFamily(lambda w, A, B: np.ones(3), ((0.0, 1.0),)).matrix(np.ones(1), X, X), "must return"),
        (lambda: ListFamily(()), "at least one"),
        (lambda: ListFamily((white(),)), "copies"),
        (lambda: UnionFamily(()), "at least one"),
        (lambda: FamilyKernels(GaussianFamily(0.1, 1.0), X, np.ones((2, 2))), "omegas must have shape"),
        (lambda: FamilyKernels(GaussianFamily(0.1, 1.0), np.full((2, 2), np.nan)), "finite"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_starts_are_spread():
    box = np.array([[0.0, 1.0], [0.0, 2.0], [1.0, 3.0]])
    points = grid(box, 12)
    assert len(points) == 256 and (points >= box[:, 0]).all() and (points <= box[:, 1]).all()
    chosen = spread(points[:, 0], points, box, 3, 0.3)
    assert len(chosen) == 3 and chosen[0, 0] == points[:, 0].max()
    units = (chosen - box[:, 0]) / (box[:, 1] - box[:, 0])
    assert min(np.abs(units[i] - units[j]).max() for i in range(3) for j in range(i)) > 0.3
