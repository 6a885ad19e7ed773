"""The Newton method's model of the weights, against a general solver, and the planes at a kink."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from kernelopt.convex import GroupBall, LpBall, Simplex, SquaredLp, TraceBudget, Uniform
from kernelopt.convex.solvers.cutting_planes import KEPT, CuttingPlanes
from kernelopt.convex.solvers.weight_model import budget_row, minimise_model
from tests.convex.problems import problem

TASK = problem()
KERNELS, M = TASK.kernels, TASK.kernels.n_kernels
SIMPLEXES = [Simplex(), TraceBudget(), TraceBudget(7.0)]
BALLS = {
    "lp 1.1": LpBall(1.1),
    "lp 2": LpBall(2.0),
    "lp 4": LpBall(4.0),
    "groups 2": GroupBall(("a", "b", "a", "b", "c"), 2.0),
    "groups 1": GroupBall(("a", "b", "a", "b", "c"), 1.0),
    "squared lp 1": SquaredLp(1.0, 0.5),
    "squared lp 2": SquaredLp(2.0, 3.0),
}


def model(seed, rank, scale=1.0):
    """A slope q and a curvature H of some rank."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(rank, M))
    return scale * rng.uniform(0.1, 2.0, M), scale * (A.T @ A)


def general(kernel_set, mu, q, H):
    """The same minimum by a conic program in the set's own terms; returns its value."""
    theta = cp.Variable(M, nonneg=True)
    # the square root by eigenvalues, as a rank-deficient H has no Cholesky factor
    values, vectors = np.linalg.eigh(H)
    root = (np.sqrt(np.maximum(values, 0.0)) * vectors).T[values > 1e-12]
    objective = -q @ (theta - mu)
    objective += 0.5 * cp.sum_squares(root @ (theta - mu)) if len(root) else 0.0
    rows = []
    if isinstance(kernel_set, LpBall):
        rows = [cp.norm(theta, kernel_set.p) <= 1]
    elif isinstance(kernel_set, GroupBall):
        names = np.array(kernel_set.groups)
        rows = [sum(cp.norm(theta[np.flatnonzero(names == g)], kernel_set.p) for g in np.unique(names)) <= 1]
    elif isinstance(kernel_set, SquaredLp):
        squared = cp.square(cp.sum(theta)) if kernel_set.p == 1 else cp.sum_squares(theta)
        objective += 0.5 * kernel_set.lam * squared
    else:
        rows = [budget_row(kernel_set.program(KERNELS)) @ theta == 1]
    return cp.Problem(cp.Minimize(objective), rows).solve(solver=cp.CLARABEL)


def value(kernel_set, mu, q, H, theta):
    step = theta - mu
    return kernel_set.R(theta, KERNELS) - q @ step + 0.5 * step @ H @ step


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), rank=st.integers(0, M), scale=st.sampled_from([1e-6, 1.0, 1e6]))
@pytest.mark.parametrize("kernel_set", [*SIMPLEXES, *BALLS.values()], ids=repr)
def test_the_model_is_minimised(kernel_set, seed, rank, scale):
    if isinstance(kernel_set, SquaredLp):
        scale = 1.0  # its price has a scale of its own
    q, H = model(seed, rank, scale)
    mu = kernel_set.start(KERNELS)
    theta = minimise_model(kernel_set.program(KERNELS), mu, q, H, np.arange(M))
    _, outside = kernel_set.project(theta, KERNELS)
    assert outside <= 1e-15 and theta.min() >= 0
    reference = scale * general(kernel_set, mu, q / scale, H / scale) if scale != 1 else general(kernel_set, mu, q, H)
    found = value(kernel_set, mu, q, H, theta)
    assert found <= reference + 1e-6 * scale * max(1.0, float(np.abs(mu).max()) ** 2)


@pytest.mark.parametrize("seed", [674, 73, 205, 311])
def test_groups_that_are_nearly_tied(seed):
    """A bold barrier swings between them: then it is walked with care. Without curvature the optimum is known."""
    kernel_set = BALLS["groups 2"]
    q, H = model(seed, 0)
    theta = minimise_model(kernel_set.program(KERNELS), kernel_set.start(KERNELS), q, H, np.arange(M))
    assert q @ theta == pytest.approx(kernel_set.support(q, KERNELS), rel=1e-6)


@pytest.mark.parametrize("kernel_set", SIMPLEXES, ids=repr)
def test_a_part_of_the_kernels_moves_alone(kernel_set):
    q, H = model(3, 3)
    W = np.array([1, 2, 4])
    mu = np.zeros(M)
    mu[W] = kernel_set.start(KERNELS)[W]
    row = budget_row(kernel_set.program(KERNELS))
    mu /= row @ mu
    theta = minimise_model(kernel_set.program(KERNELS), mu, q[W], H[np.ix_(W, W)], W)
    assert_array_equal(theta[[0, 3]], 0.0)
    assert row @ theta == pytest.approx(1.0)
    # optimal: the slopes of those with weight agree, per unit of the budget, and none is lower
    slope = (-q[W] + H[np.ix_(W, W)] @ (theta - mu)[W]) / row[W]
    assert_allclose(slope[theta[W] > 0], slope.min(), rtol=1e-5, atol=1e-6)


def test_a_weight_keeps_its_share_where_a_floor_is_asked():
    """Above `notable`, and none at all below it."""
    mu, q, H = np.array([0.5, 0.3, 0.19, 0.01, 0.0]), np.array([1.0, 0.0, 0.0, 0.0, 0.0]), np.zeros((M, M))
    program, W = Simplex().program(KERNELS), np.arange(M)
    assert_allclose(minimise_model(program, mu, q, H, W), [1, 0, 0, 0, 0], atol=1e-6)
    kept = minimise_model(program, mu, q, H, W, 0.2, 0.02)
    assert_allclose(kept, [0.902, 0.06, 0.038, 0.0, 0.0], atol=1e-6)


def test_what_a_budget_is():
    for kernel_set in SIMPLEXES:
        row = budget_row(kernel_set.program(KERNELS))
        assert row is not None and np.all(row > 0)
        assert row @ kernel_set.start(KERNELS) == pytest.approx(1.0)
    for name, kernel_set in BALLS.items():
        assert (budget_row(kernel_set.program(KERNELS)) is None) == (name != "groups 1")  # which is the simplex
    assert Uniform().fixed


# --- planes


def planes(seed, m, count, row):
    rng = np.random.default_rng(seed)
    out = CuttingPlanes(TASK)
    phi, q = rng.uniform(1, 3, count), rng.uniform(0, 2, (count, m))
    for j in range(count):
        out.add(float(phi[j]), q[j], np.full(3, float(j)))
    return out, phi, q


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000), m=st.integers(1, 5), count=st.integers(1, 8), radius=st.sampled_from([0.05, 0.5, 1.0])
)
def test_planes_meet_their_dual(seed, m, count, radius):
    """With the whole simplex in reach, the lowest point of the model and the best combination have one value."""
    row = np.random.default_rng(seed).uniform(0.5, 3.0, 5)
    W = np.arange(m)
    model, phi, q = planes(seed, m, count, row)
    mu = np.zeros(5)
    mu[W] = 1 / (m * row[W])
    found = model.weights(mu, W, row, radius)
    assert found.min() >= 0 and row @ found == pytest.approx(1.0) and np.all(found[m:] == 0)
    assert np.abs(row * (found - mu)).max() <= radius + 1e-9
    height = np.max(phi - q @ found[W])
    assert height <= np.max(phi - q @ mu[W]) + 1e-9
    if radius == 1.0:
        # a is the combination's share of each plane: ours are (j, j, j), so only its mean is seen here
        share = cp.Variable(count, nonneg=True)
        t = cp.Variable()
        best = cp.Problem(cp.Maximize(phi @ share - t), [cp.sum(share) == 1, (q / row[W]).T @ share <= t])
        assert best.solve(solver=cp.CLARABEL) == pytest.approx(height, abs=1e-6)
        combined = model.combine(W, row)
        assert combined.shape == (3,) and -1e-9 <= combined[0] <= count - 1 + 1e-9


def test_the_combination_is_the_one_of_the_best_bound():
    """Two planes that cross: each alone bounds by -1, half of each by 1/2."""
    model, row, W = CuttingPlanes(TASK), np.ones(2), np.arange(2)
    model.add(1.0, np.array([2.0, -1.0]), np.array([1.0, 0.0]))
    model.add(1.0, np.array([-1.0, 2.0]), np.array([0.0, 1.0]))
    assert_allclose(model.combine(W, row), [0.5, 0.5], atol=1e-9)
    assert_allclose(model.weights(np.array([0.9, 0.1]), W, row, 1.0), [0.5, 0.5], atol=1e-9)


def test_old_planes_are_let_go():
    model, _, _ = planes(0, 2, KEPT + 5, np.ones(2))
    assert len(model.planes) == KEPT and model.planes[-1][2][0] == KEPT + 4
    model.clear()
    assert model.planes == []
