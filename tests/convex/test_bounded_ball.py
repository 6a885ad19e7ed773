"""The ball around a kernel: a set whose points are matrices."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from kernelopt.convex import BoundedBall, Hinge, LeastSquares, NuSVM, Problem, SquaredHinge
from kernelopt.convex.sets.bounded_ball import spectahedron
from kernelopt.convex.solvers import InteriorPoint
from kernelopt.kernels import Gaussian, Linear
from kernelopt.kernels.rows import StoredKernels


def given_kernel(seed=0, n=14):
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return X, Gaussian(0.4)(X, X)


def problem(criterion, rho=0.3, n=14, train=10, k=1, seed=0):
    X, K = given_kernel(seed, n)
    score = X[:train, 0] + X[:train, 1] * X[:train, 2]
    Y = np.where(score[:, None] > np.quantile(score, (np.arange(k) + 1) / (k + 1)), 1.0, -1.0)
    return Problem.of([K], Y, criterion, BoundedBall(rho * float(np.linalg.norm(K))))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), c=st.floats(0.1, 10.0))
def test_spectahedron_projection_is_nearest(seed, c):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(5, 5))
    A = A + A.T
    K, Z, t, *_ = spectahedron(A, c)
    assert np.trace(K) == pytest.approx(c) and np.linalg.eigvalsh(K)[0] > -1e-12 * c
    assert_allclose(A + Z - t * np.eye(5), K, atol=1e-10)
    assert np.linalg.eigvalsh(Z)[0] > -1e-10 and abs(np.sum(K * Z)) < 1e-9
    for _ in range(10):
        B = rng.normal(size=(5, 5))
        B = B @ B.T
        assert np.sum((A - K) * (c * B / np.trace(B) - K)) < 1e-9


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), rho=st.floats(0.01, 1.5), size=st.floats(-4, 4))
def test_the_bound_is_above_every_matrix_of_the_set_and_reached(seed, rho, size):
    rng = np.random.default_rng(seed)
    _, K0 = given_kernel(seed % 5, 8)
    kernels, ball = StoredKernels.of(K0[None]), BoundedBall(rho * float(np.linalg.norm(K0)))
    V = 10**size * rng.normal(size=(8, 2))
    response = ball.respond(V, kernels)
    largest = 0.5 * float(np.sum(response.K * (V @ V.T)))
    assert largest <= response.bound * (1 + 1e-9) and largest == pytest.approx(response.bound, rel=1e-7)
    for _ in range(10):
        B = K0 + rng.normal(size=(8, 8)) * rng.uniform(0, 3 * rho)
        K, _ = ball.project(B + B.T, kernels)
        assert np.linalg.norm(K - K0) <= ball.rho * (1 + 1e-9) and np.trace(K) == pytest.approx(8.0)
        assert np.linalg.eigvalsh(K)[0] > -1e-9
        assert 0.5 * float(np.sum(K * (V @ V.T))) <= response.bound * (1 + 1e-9)


@pytest.mark.parametrize("rho", [0.05, 0.4])
@pytest.mark.parametrize("k", [1, 2])
def test_curvature_is_the_derivative_of_the_best_matrix(rho, k):
    _, K0 = given_kernel(1, 7)
    kernels, ball = StoredKernels.of(K0[None]), BoundedBall(rho * float(np.linalg.norm(K0)))
    rng = np.random.default_rng(0)
    V, D, h = rng.normal(size=(7, k)), rng.normal(size=(7, k)), 1e-5
    response = ball.respond(V, kernels)
    slope = [(lambda W: ball.respond(W, kernels).K @ W)(V + s * h * D) for s in (1, -1)]
    numeric = (slope[0] - slope[1]) / (2 * h)
    exact = response.K @ D + (response.curvature(V) @ D.T.ravel()).reshape(k, 7).T
    assert_allclose(exact, numeric, rtol=1e-4, atol=1e-5 * np.abs(numeric).max())


CRITERIA = [Hinge(1.0), Hinge(100.0), SquaredHinge(2.0), LeastSquares(0.5), NuSVM(0.4)]


@pytest.mark.parametrize("criterion", CRITERIA, ids=repr)
@pytest.mark.parametrize("k", [1, 2])
def test_certified(criterion, k):
    if isinstance(criterion, NuSVM) and k > 1:
        pytest.skip("nu = 0.4 is infeasible for the smaller class of two columns")
    task = problem(criterion, k=k)
    solution = InteriorPoint(tol=1e-7).solve(task)
    assert solution.certificate.holds(1e-7), solution.certificate
    assert solution.theta.shape == (14, 14)


@pytest.mark.parametrize("rho", [0.1, 0.5])
def test_semidefinite_program_agrees(rho):
    """The hinge loss over the ball as an SDP of its own, solved by another solver."""
    task = problem(Hinge(2.0), rho)
    n, N, K0 = 10, 14, task.kernels.mix(np.ones(1))
    K, b = cp.Variable((N, N), PSD=True), cp.Variable()
    f, r = cp.Variable(N), cp.Variable()
    loss = 2.0 * cp.sum(cp.pos(1 - cp.multiply(task.Y[:, 0], f[:n] + b)))
    block = cp.bmat([[K, f[:, None]], [f[None, :], cp.reshape(r, (1, 1), order="F")]])
    constraints = [block >> 0, cp.trace(K) == np.trace(K0), cp.norm(K - K0, "fro") <= task.kernel_set.rho]
    value = cp.Problem(cp.Minimize(0.5 * r + loss), constraints).solve(solver=cp.CLARABEL)
    certificate = InteriorPoint(tol=1e-8).solve(task).certificate
    assert_allclose(certificate.primal, value, rtol=1e-5)


def test_a_small_ball_is_the_kernel_and_a_larger_one_is_better():
    values = [InteriorPoint(tol=1e-7).solve(problem(Hinge(1.0), rho)).certificate.primal for rho in (1e-6, 0.1, 0.5, 1)]
    task = problem(Hinge(1.0))
    from kernelopt.convex import Uniform

    alone = InteriorPoint(tol=1e-8).solve(replace(task, kernel_set=Uniform())).certificate.primal
    assert values[0] == pytest.approx(alone, rel=1e-4)
    assert values == sorted(values, reverse=True)


def peak(K):
    """All of the trace on one point: semidefinite, but far away."""
    return np.diag(np.append(np.trace(K), np.zeros(len(K) - 1)))


SPOILS = {
    "semidefinite": lambda K: K - 0.5 * np.outer(K[0], K[0]) / K[0, 0] + 0.5 * np.diag(np.diag(K)) - 0.5 * K,
    "trace": lambda K: 1.1 * K,
    "far": peak,
    "nan": lambda K: K * np.nan,
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_each_spoiled_matrix_is_seen(spoil):
    task = problem(Hinge(1.0))
    solution = InteriorPoint(tol=1e-7).solve(task)
    found = task.certify(replace(solution, theta=spoil(solution.theta)))
    assert found.infeasibility > 1e-3 and not found.holds(1e-3)


def test_refusals():
    X, K = given_kernel()
    with pytest.raises(ValueError, match="rho must be positive"):
        BoundedBall(0.0)
    with pytest.raises(ValueError, match="takes one kernel"):
        InteriorPoint().solve(Problem.of([K, Linear()(X, X)], np.tile([1, -1], 7), Hinge(), BoundedBall(1.0)))
    with pytest.raises(ValueError, match="the ball is empty"):
        InteriorPoint().solve(Problem.of([K], np.tile([1, -1], 7), Hinge(), BoundedBall(0.1, trace=100.0)))
