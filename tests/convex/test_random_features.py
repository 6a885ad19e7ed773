"""Reweighted random features: the best distribution by a general optimiser, and by what must hold of it."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from kernelopt.convex import Alignment, ChiSquareBall, Hinge, LpBall, Problem, Simplex, Uniform
from kernelopt.convex.solvers import ClosedForm, Conic, InteriorPoint, choose
from kernelopt.kernels.lowrank import LowRankKernels
from kernelopt.kernels.rows import StoredKernels
from tests.convex.problems import problem

SEEDS = st.integers(0, 10**6)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, M=st.integers(1, 40), rho=st.floats(0, 50), ties=st.booleans(), shift=st.sampled_from([0, 1e6]))
def test_the_best_point_is_admitted_and_meets_the_bound(seed, M, rho, ties, shift):
    """The support is an upper bound by an argument of its own: a point that meets it is the best."""
    rng, ball = np.random.default_rng(seed), ChiSquareBall(rho)
    s = rng.exponential(size=M) if not ties else rng.integers(0, 3, M).astype(float)
    s = s + shift
    q = ball.best(s)
    assert q.min() >= 0 and abs(q.sum() - 1) < 1e-12 and M * np.sum(q**2) - 1 <= rho + 1e-11 * (1 + rho)
    bound = ball.support(s, None)
    assert_allclose(q @ s - shift, bound - shift, rtol=1e-9, atol=1e-12 + 1e-9 * shift)
    assert ball.support(s[::-1], None) == pytest.approx(bound, rel=1e-12)  # the order does not matter


@pytest.mark.parametrize("rho", [0.05, 0.7, 3.0, 40.0])
def test_the_best_point_is_that_of_a_general_optimiser(rho):
    s = np.random.default_rng(0).exponential(size=30)
    q = cp.Variable(30, nonneg=True)
    limits = [cp.sum(q) == 1, cp.sum_squares(30 * q - 1) <= 30 * rho]
    cp.Problem(cp.Maximize(s @ q), limits).solve(solver=cp.CLARABEL)
    assert_allclose(ChiSquareBall(rho).best(s), q.value, atol=1e-6)


def features(n=50, M=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    Phi = np.sqrt(2) * np.cos(X @ rng.normal(size=(2, M)) + rng.uniform(0, 2 * np.pi, M))
    return Phi, np.where(np.abs(X[:, 0]) > 0.7, 1.0, -1.0)


@pytest.mark.parametrize("centered", [True, False])
def test_alignment_of_random_features_is_the_programme_of_the_paper(centered):
    Phi, y = features()
    kernels = LowRankKernels(tuple(phi[:, None] for phi in Phi.T))
    task = Problem(kernels, y[:, None], Alignment(centered), ChiSquareBall(2.0), np.ones(50))
    solution = choose("auto", task, tol=1e-6).solve(task)
    assert solution.certificate.holds(1e-12)
    z = y - y.mean() if centered else y
    gains = (Phi.T @ z) ** 2
    assert_allclose(-solution.certificate.primal, solution.theta @ gains, rtol=1e-12)
    q = cp.Variable(300, nonneg=True)
    limits = [cp.sum(q) == 1, cp.sum_squares(300 * q - 1) <= 300 * 2.0]
    best = cp.Problem(cp.Maximize((gains / gains.max()) @ q), limits).solve(solver=cp.CLARABEL)
    assert_allclose(solution.theta @ gains / gains.max(), best, rtol=1e-7)


def test_a_certificate_sees_weights_that_are_not_the_best():
    Phi, y = features(M=5)
    kernels = LowRankKernels(tuple(phi[:, None] for phi in Phi.T))
    task = Problem(kernels, y[:, None], Alignment(), ChiSquareBall(0.5), np.ones(50))
    best = ClosedForm().solve(task)
    from dataclasses import replace

    average = task.certify(replace(best, theta=np.full(5, 0.2)))
    assert average.infeasibility < 1e-12 and average.gap > 0.01


@pytest.mark.parametrize("rho, other", [(0.0, Uniform()), (4.0, Simplex()), (100.0, Simplex())])
def test_machines_between_the_average_and_the_simplex(rho, other):
    """With five kernels the ball of four holds the whole simplex."""
    ours, limit = problem(kernel_set=ChiSquareBall(rho)), problem(kernel_set=other)
    values = [InteriorPoint(tol=1e-8).solve(task).certificate.primal for task in (ours, limit)]
    assert_allclose(values[0], values[1], rtol=1e-7)


def test_a_larger_ball_is_no_worse_and_one_within_has_its_own_optimum():
    values = [
        InteriorPoint(tol=1e-8).solve(problem(kernel_set=ChiSquareBall(r))).certificate.primal for r in (0.1, 0.5, 2)
    ]
    assert values[0] > values[1] > values[2]
    conic = Conic().solve(problem(kernel_set=ChiSquareBall(0.5)))
    assert conic.certificate.holds(1e-6)
    assert_allclose(conic.certificate.primal, values[1], rtol=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match="rho must be nonnegative"):
        ChiSquareBall(-1.0)
    task = Problem.of([np.eye(4)], [1, 1, -1, -1], Hinge(), ChiSquareBall(1.0))
    with pytest.raises(ValueError, match="InteriorPoint"):
        ClosedForm().solve(task)
    other = Problem(StoredKernels.of(np.eye(4)[None]), task.Y, Hinge(), LpBall(2.0), np.ones(4))
    with pytest.raises(ValueError, match="alignment"):
        ClosedForm().solve(other)
