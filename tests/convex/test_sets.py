"""Kernel sets: projections land inside, and support functions bound every admitted point and touch the best one."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import linprog, minimize

from kernelopt.convex import (
    ChiSquareBall,
    FrobeniusBall,
    GroupBall,
    HyperNorm,
    HyperSpan,
    HyperSquared,
    LpBall,
    PSDSpan,
    RadiusBall,
    Simplex,
    SquaredLp,
    TraceBudget,
    Uniform,
)
from kernelopt.convex.sets.base import project_to_simplex
from kernelopt.convex.sets.lp_ball import dual_norm, norm_hessian, p_norm
from kernelopt.kernels.rows import StoredKernels
from tests.convex.problems import SETS

SEEDS = st.integers(0, 10**6)


def grams(seed=0, M=4, n=7):
    """Random kernels of full rank whose differences are no rounding, divided by a scale of their own."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(M, n, n + 2))
    return StoredKernels.of(factors @ np.swapaxes(factors, 1, 2), rng.uniform(0.5, 3.0, M))


def mixed(theta, kernels):
    return sum(t / s * K for t, s, K in zip(theta, kernels.scale, kernels.Ks, strict=True))


def linear_function(rng, kernels):
    """The q of a random V, and V."""
    V = rng.normal(size=(kernels.n_samples, 1)) * 10 ** rng.uniform(-2, 2)
    return np.array([0.5 * float(np.sum(K * (V @ V.T))) for K in kernels.Ks]) / kernels.scale


def radius(K):
    """The squared radius of the smallest ball around the points, by cvxpy."""
    values, vectors = np.linalg.eigh(K)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    centre, r = cp.Variable(len(K)), cp.Variable()
    return cp.Problem(cp.Minimize(r), [cp.sum_squares(row - centre) <= r for row in root]).solve(solver=cp.CLARABEL)


def outside(kernel_set, theta, kernels):
    """How far theta is from being admitted, written without the code under test."""
    K, low = mixed(theta, kernels), max(0.0, -float(theta.min()))
    smallest = float(np.linalg.eigvalsh(K)[0])
    match kernel_set:
        case Uniform():
            return float(np.abs(theta - 1 / len(theta)).max())
        case Simplex():
            return max(low, abs(float(theta.sum()) - 1))
        case TraceBudget(c=c):
            c = sum(np.trace(G) / s for G, s in zip(kernels.Ks, kernels.scale, strict=True)) if c is None else c
            return max(low, abs(np.trace(K) / c - 1))
        case LpBall(p=p):
            return max(low, np.linalg.norm(theta, p) - 1)
        case GroupBall(groups=groups, p=p):
            norms = [np.linalg.norm(theta[[g == name for g in groups]], p) for name in set(groups)]
            return max(low, sum(norms) - 1)
        case ChiSquareBall(rho=rho):
            divergence = float(np.sum((len(theta) * theta - 1) ** 2)) / len(theta)
            return max(low, abs(float(theta.sum()) - 1), divergence - rho)
        case RadiusBall():
            return max(low, radius(K) - 1)
        case PSDSpan(trace=c):
            c = np.mean([np.trace(G) / s for G, s in zip(kernels.Ks, kernels.scale, strict=True)]) if c is None else c
            return max(-smallest / c, abs(np.trace(K) / c - 1))
        case FrobeniusBall(free_sign=True):
            return max(0.0, -smallest / np.abs(K).max())
        case HyperSpan(c=c):
            return max(-smallest / np.abs(K).max(), 0.0 if c is None else abs(float(theta.sum()) / c - 1))
        case HyperNorm(c=c) | HyperSquared(c=c):
            return max(low, 0.0 if c is None else abs(float(theta.sum()) / c - 1))
        case SquaredLp() | FrobeniusBall():
            return low
    raise AssertionError(kernel_set)


@pytest.mark.parametrize("name", SETS)
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_a_projection_is_admitted_and_stays(name, seed):
    rng, kernel_set = np.random.default_rng(seed), SETS[name]
    kernels = grams(seed % 3)
    theta = rng.normal(size=4) * 10 ** rng.uniform(-2, 2)
    witness = rng.dirichlet(np.ones(7)) if name == "radius" else None
    inside, violation = kernel_set.project(theta, kernels, witness)
    assert violation >= 0
    assert outside(kernel_set, inside, kernels) < (1e-6 if name == "radius" else 1e-10)  # cvxpy's own accuracy
    assert violation < 1e-11 or outside(kernel_set, theta, kernels) > 0 or name == "radius"  # its centre may be bad
    again, none = kernel_set.project(inside, kernels, witness)
    assert none < 1e-11
    assert_allclose(again, inside, rtol=1e-10, atol=1e-11 * np.abs(inside).max())


@pytest.mark.parametrize("name", SETS)
def test_the_start_is_admitted(name):
    kernels = grams()
    start = SETS[name].start(kernels)
    assert start.min() > 0 and outside(SETS[name], start, kernels) < 1e-11
    unmoved, violation = SETS[name].project(start, kernels)
    assert violation < 1e-12
    assert_allclose(unmoved, start, rtol=1e-12)


@pytest.mark.parametrize("name", SETS)
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_the_support_bounds_every_admitted_point(name, seed):
    """Whatever the witness: none, a good one, or nonsense."""
    rng, kernel_set, kernels = np.random.default_rng(seed), SETS[name], grams(seed % 3)
    q = linear_function(rng, kernels)
    theta, _ = kernel_set.project(rng.normal(size=4) * 10 ** rng.uniform(-2, 2), kernels)
    value = float(theta @ q) - kernel_set.R(theta, kernels)
    shape = {
        "radius": (7,),
        "psd_span": (7, 7),
        "hyper_span": (7, 7),
        "frobenius": (7, 7) if "any" in name else (4,),
    }.get(kernel_set.name)
    for witness in [None] if shape is None else [None, rng.normal(size=shape), -np.ones(shape), np.zeros(shape)]:
        assert value <= kernel_set.support(q, kernels, witness) + 1e-12 * abs(value)


# --- the bounds are sharp


@pytest.mark.parametrize(
    "kernel_set",
    [LpBall(1.1), LpBall(2.0), LpBall(3.0), SquaredLp(1.0, 0.5), SquaredLp(1.5, 2.0), SquaredLp(4.0, 0.1),
     GroupBall(("a", "b", "a", "c"), 1.5), GroupBall(("a", "a", "a", "b"), 3.0), FrobeniusBall(),
     FrobeniusBall(centered=False), Simplex(), TraceBudget(2.0), ChiSquareBall(0.0), ChiSquareBall(0.3),
     ChiSquareBall(2.9), ChiSquareBall(5.0)],
    ids=repr,
)  # fmt: skip
def test_the_support_is_the_maximum_that_a_general_optimiser_finds(kernel_set):
    kernels = grams(3)
    q = linear_function(np.random.default_rng(1), kernels)
    q /= q.max()
    theta = cp.Variable(4, nonneg=True)
    value, limits = q @ theta, []
    match kernel_set:
        case LpBall(p=p):
            limits = [cp.pnorm(theta, p) <= 1]
        case SquaredLp(p=p, lam=lam):
            value = value - lam / 2 * cp.square(cp.pnorm(theta, p))
        case GroupBall(groups=groups, p=p):
            members = [[k for k, g in enumerate(groups) if g == name] for name in sorted(set(groups))]
            limits = [sum(cp.pnorm(theta[index], p) for index in members) <= 1]
        case FrobeniusBall(centered=centered):
            H = np.eye(7) - centered / 7
            value = value - 0.5 * cp.sum_squares(
                sum(theta[k] * (H @ kernels.Ks[k] @ H / kernels.scale[k]).ravel() for k in range(4))
            )
        case Simplex():
            limits = [cp.sum(theta) == 1]
        case ChiSquareBall(rho=rho):
            limits = [cp.sum(theta) == 1, cp.sum_squares(4 * theta - 1) <= 4 * rho]
        case TraceBudget(c=c):
            limits = [sum(theta[k] * np.trace(kernels.Ks[k]) / kernels.scale[k] for k in range(4)) == c]
    best = cp.Problem(cp.Maximize(value), limits).solve(solver=cp.CLARABEL)
    assert_allclose(kernel_set.support(q, kernels), best, rtol=1e-5)


@pytest.mark.parametrize("centred", [True, False])
def test_the_support_of_the_semidefinite_sets_is_sharp_at_the_best_witness(centred):
    """Z from cvxpy's multipliers: the bound is the maximum; K = 0 with other Z: a bound above it."""
    kernels = grams(4, M=3)
    q = linear_function(np.random.default_rng(2), kernels)
    q /= q.max()
    for kernel_set in (PSDSpan(5.0), FrobeniusBall(centered=centred, free_sign=True)):
        theta = cp.Variable(3)
        K = sum(theta[k] * kernels.Ks[k] / kernels.scale[k] for k in range(3))
        cone, H = K >> 0, np.eye(7) - centred / 7
        ball = isinstance(kernel_set, FrobeniusBall)
        price = 0.5 * cp.sum_squares(H @ K @ H) if ball else 0
        limits = [cone] if ball else [cone, cp.trace(K) == 5.0]
        best = cp.Problem(cp.Maximize(q @ theta - price), limits).solve(solver=cp.CLARABEL)
        assert theta.value.min() < -1e-3 * np.abs(theta.value).max()  # the sign is used
        assert_allclose(kernel_set.support(q, kernels, cone.dual_value), best, rtol=1e-5)
        assert kernel_set.support(q, kernels) >= best * (1 - 1e-7)


def test_the_support_of_the_radius_is_sharp_at_the_best_centre():
    """The other side by cutting planes: one constraint of the weights per centre, until none is broken."""
    kernels = grams(5, M=3, n=6)
    q = linear_function(np.random.default_rng(3), kernels)
    q /= q.max()
    Ks = kernels.Ks / kernels.scale[:, None, None]
    spread = lambda b: np.array([b @ np.diag(K) - b @ K @ b for K in Ks])  # noqa: E731
    simplex = {"type": "eq", "fun": lambda x: x[:6].sum() - 1}
    cuts = [spread(np.full(6, 1 / 6))]
    for _ in range(60):
        found = linprog(-q, A_ub=np.array(cuts), b_ub=np.ones(len(cuts)), bounds=[(0, 100)] * 3)
        centre = minimize(
            lambda b, theta=found.x: -spread(b) @ theta, np.full(6, 1 / 6), bounds=[(0, 1)] * 6, constraints=simplex,
            method="SLSQP", options={"ftol": 1e-14},
        )  # fmt: skip
        cuts.append(spread(centre.x))
        if -centre.fun < 1 + 1e-8:
            break
    best = minimize(
        lambda x: x[6], np.append(np.full(6, 1 / 6), 2 * q.max()), bounds=[(0, 1)] * 6 + [(0, None)], method="SLSQP",
        constraints=[simplex, {"type": "ineq", "fun": lambda x: x[6] * spread(x[:6]) - q}], options={"ftol": 1e-14},
    )  # fmt: skip
    assert_allclose(RadiusBall().support(q, kernels, best.x[:6]), -found.fun, rtol=1e-5)


@pytest.mark.parametrize("eps", [1e-3, 1e-5, 1e-7, 1e-8])
def test_the_support_of_the_span_bounds_nearly_equal_kernels(eps):
    """I and I + eps A: weights of 1/eps make their difference count, whatever rounding makes of <K_j, K_k>."""
    A, v = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1.0, -1.0])
    kernels = StoredKernels.of(np.stack([np.eye(2), np.eye(2) + eps * A]))
    q = 0.5 * np.array([v @ K @ v for K in kernels.Ks])
    theta, violation = PSDSpan().project(np.array([1 + 1 / eps, -1 / eps]), kernels)  # I - A
    assert violation < 1e-6 and theta @ q == pytest.approx(2.0, rel=1e-6)
    for witness in (None, np.eye(2), np.array([[1.0, 1.0], [1.0, 1.0]])):
        assert PSDSpan().support(q, kernels, witness) >= theta @ q * (1 - 1e-6)


def test_the_support_of_the_frobenius_cone_bounds_kernels_that_centre_to_zero():
    """A constant kernel costs nothing and makes others semidefinite: the multiplier found without it bounds nothing."""
    base, ones = grams(4, M=3), np.ones((7, 7))
    kernels = StoredKernels.of(np.concatenate([base.Ks, ones[None]]), np.append(base.scale, 1.0))
    V = np.random.default_rng(2).normal(size=7)
    V -= V.mean()
    q = np.array([V @ K @ V for K in kernels.Ks]) / kernels.scale
    balanced, best = np.linalg.svd(np.eye(7) - ones / 7)[0][:, :6], []
    for seen in (np.eye(7), balanced):  # without the constant kernel; with as much of it as it takes
        theta = cp.Variable(3)
        K = sum(theta[k] * kernels.Ks[k] / kernels.scale[k] for k in range(3))
        cone = seen.T @ K @ seen >> 0
        price = 0.5 * cp.sum_squares(balanced.T @ K @ balanced)
        value = cp.Problem(cp.Maximize(q[:3] @ theta - price), [cone]).solve(solver=cp.CLARABEL)
        best.append((value, seen @ cone.dual_value @ seen.T))
    (without, Z), (value, sharp) = best
    assert value > 1.01 * without
    for witness in (None, Z, np.eye(7), sharp):
        assert FrobeniusBall(free_sign=True).support(q, kernels, witness) >= value * (1 - 1e-6)
    assert_allclose(FrobeniusBall(free_sign=True).support(q, kernels, sharp), value, rtol=1e-5)


# --- norms at the ends of the range


@pytest.mark.parametrize("p", [1.0, 1.001, 1.1, 2.0, 50.0, 1001.0])
@pytest.mark.parametrize("size", [1e-150, 1e-9, 1.0, 1e9, 1e150])
def test_norms_neither_overflow_nor_vanish(p, size):
    """Powers of a large p once under- or overflowed, and gave a support of zero: a bound that was none."""
    q = size * np.array([1.0, 0.5, 0.999, 1e-12])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for kernel_set in (LpBall(p), GroupBall(("a",) * 4, p)):
            support = kernel_set.support(q, None)
            assert q.max() * (1 - 1e-14) <= support <= q.sum() * (1 + 1e-14)
            assert_allclose(support, size * kernel_set.support(q / size, None), rtol=1e-12)
        assert q.max() * (1 - 1e-14) <= p_norm(q, p) <= q.sum() * (1 + 1e-14)
        inside, _ = LpBall(p).project(q, None)
        assert np.isfinite(inside).all() and p_norm(inside, p) <= 1 + 1e-12
        if 1e-9 <= size <= 1e9:
            priced = SquaredLp(p, 2.0)
            assert_allclose(priced.support(q, None), LpBall(p).support(q, None) ** 2 / 4, rtol=1e-12)
            theta = LpBall(p).project(q, None)[0]
            assert theta @ q - priced.R(theta, None) <= priced.support(q, None) * (1 + 1e-12)


def test_the_limits_of_the_norms():
    q = np.array([3.0, -7.0, 4.0])
    assert LpBall(1.0).support(q, None) == Simplex().support(q, None) == 4.0
    assert LpBall(np.inf).support(q, None) == 7.0  # all useful kernels with weight one
    assert dual_norm(np.array([-1.0, -2.0]), 2.0) == 0.0 == p_norm(np.zeros(3), 50.0)
    one_each = GroupBall(("a", "b", "c"), 5.0)
    assert one_each.support(q, None) == Simplex().support(q, None)
    assert GroupBall(("a",) * 3, 1.7).support(q, None) == LpBall(1.7).support(q, None)


@pytest.mark.parametrize("p", [1.1, 2.0, 5.0])
def test_derivatives_of_the_norm_and_of_its_square(p):
    theta, h = np.array([0.3, 1.2, 0.7]), 1e-6
    price = SquaredLp(p, 1.7).program(grams(M=3)).price
    for k, e in enumerate(np.eye(3)):
        ahead, behind = theta + h * e, theta - h * e
        slope = (SquaredLp(p, 1.7).R(ahead, None) - SquaredLp(p, 1.7).R(behind, None)) / (2 * h)
        assert_allclose(price.gradient(theta)[k], slope, rtol=1e-7)
        bend = (price.gradient(ahead) - price.gradient(behind)) / (2 * h)
        assert_allclose(price.hessian(theta)[k], bend, rtol=1e-6, atol=1e-7)
        slopes = [(t / p_norm(t, p)) ** (p - 1) for t in (ahead, behind)]
        assert_allclose(norm_hessian(theta, p)[k], (slopes[0] - slopes[1]) / (2 * h), rtol=1e-6, atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, m=st.integers(1, 6))
def test_the_nearest_point_of_the_simplex_among_all_faces(seed, m):
    """Brute force: the projection onto the hull of every subset of vertices, kept where it is nonnegative."""
    theta = np.random.default_rng(seed).normal(size=m) * 2
    best = np.inf
    for mask in range(1, 2**m):
        face = np.array([bool(mask >> k & 1) for k in range(m)])
        point = np.where(face, theta - (theta[face].sum() - 1) / face.sum(), 0.0)
        if point.min() >= 0:
            best = min(best, float(np.sum((theta - point) ** 2)))
    assert_allclose(np.sum((theta - project_to_simplex(theta)) ** 2), best, rtol=1e-10)


# --- refusals


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LpBall(0.9), "p must be at least 1, found 0.9"),
        (lambda: LpBall(np.nan), "p must be at least 1, found nan"),
        (lambda: SquaredLp(p=np.inf), "p must be at least 1 and finite, found inf"),
        (lambda: SquaredLp(lam=0.0), "lam must be positive and finite, found 0.0"),
        (lambda: GroupBall(("a",), p=0.5), "p must be at least 1 and finite, found 0.5"),
        (lambda: TraceBudget(0.0), "c must be positive and finite, found 0.0"),
        (lambda: TraceBudget(np.nan), "c must be positive and finite, found nan"),
        (lambda: PSDSpan(-1.0), "trace must be positive and finite, found -1.0"),
        (lambda: GroupBall(("a", "b")).start(grams()), "each of the 4 kernels, found 2 names"),
    ],
)
def test_parameters_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_inner_products_of_the_frobenius_ball_are_those_of_the_kernels_centred_by_matrices(centered, weighted):
    rng = np.random.default_rng(0)
    n = 12
    kernels = StoredKernels.of(np.stack([B @ B.T for B in rng.normal(size=(3, n, 4))]), np.ones(3))
    w = rng.uniform(0.5, 2.0, n) if weighted else np.ones(n)
    H = np.sqrt(w)[:, None] * (np.eye(n) - centered * w / w.sum())
    ball = FrobeniusBall(centered=centered, sample_weight=w if weighted else None)
    expected = [[np.sum((H @ A @ H.T) * (H @ B @ H.T)) for A in kernels.Ks] for B in kernels.Ks]
    found = ball.inner_products(kernels)
    assert_allclose(found, expected, rtol=1e-10)
    found[:] = 0.0  # the caller's own
    assert_allclose(ball.inner_products(kernels), expected, rtol=1e-10)
    other = FrobeniusBall(centered=not centered).inner_products(kernels)  # not another ball's
    assert np.abs(other - expected).max() > 1.0
