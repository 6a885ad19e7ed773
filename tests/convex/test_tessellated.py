"""The set of tessellated kernels: its support function, its projection, and its optimum by a cone program."""

import itertools
import warnings
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from kernelopt.convex import (
    EpsilonSVR,
    HardMargin,
    Hinge,
    LagrangianSVM,
    LeastSquares,
    NuSVM,
    NuSVR,
    Problem,
    Simplex,
    SquaredHinge,
    Tessellated,
)
from kernelopt.convex.solvers import CutSpan, InteriorPoint, WorkingSetNewton, choose
from kernelopt.errors import ProblemTooLargeError, UnboundedError
from kernelopt.kernels import TessellatedKernels, Tessellation

CRITERIA = {
    "hinge": Hinge(2.0),
    "squared_hinge": SquaredHinge(3.0),
    "hard_margin": HardMargin(),
    "lagrangian": LagrangianSVM(3.0),
    "nu_svm": NuSVM(0.4),
    "least_squares": LeastSquares(0.3),
    "ridge without intercept": LeastSquares(0.3, intercept=False),
    "epsilon_svr": EpsilonSVR(2.0, 0.2),
    "nu_svr": NuSVR(2.0, 0.4),
}


def problem(criterion, n=24, columns=1, trace=3.0, seed=0, degree=1, weights=None):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 2))
    score = np.column_stack([X[:, 0] * X[:, 1], np.sin(3 * X[:, 0])])[:, :columns]
    noisy = score + 0.1 * rng.normal(size=score.shape)
    Y = np.where(score > 0, 1.0, -1.0) if criterion.targets == "labels" else noisy
    kernels = TessellatedKernels(Tessellation.around(X, 0.1, degree), X)
    return Problem(kernels, Y, criterion, Tessellated(trace), np.ones(n) if weights is None else weights)


def learned(task):
    """P and K(P) in cvxpy."""
    P = cp.Variable((task.kernels.n_kernels,) * 2, PSD=True)
    T, A, tA, B = task.kernels.parts  # compared with the integral in tests/kernels
    return P, cp.multiply(T, A @ P @ A.T) + tA @ P @ B.T + B @ P @ tA.T + B @ P @ B.T


def schur(K, F):
    """f' K⁻¹ f <= s as a linear matrix inequality, for the values f = K beta of one column."""
    n = F.shape[0]
    s, whole = cp.Variable(), cp.Variable((n + 1, n + 1), PSD=True)
    return s, [whole[:n, :n] == K, whole[:n, n] == F, whole[n, n] == s]


def losses(criterion, y, f, b):
    """The loss of the criterion, from its definition."""
    match criterion:
        case Hinge(C=C):
            return C * cp.sum(cp.pos(1 - cp.multiply(y, f + b)))
        case SquaredHinge(C=C):
            return C / 2 * cp.sum_squares(cp.pos(1 - cp.multiply(y, f + b)))
        case LeastSquares(lam=lam):
            return cp.sum_squares(y - f - b) / (2 * lam)
        case EpsilonSVR(C=C, epsilon=epsilon):
            return C * cp.sum(cp.pos(cp.abs(y - f - b) - epsilon))


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("name", ["hinge", "squared_hinge", "least_squares", "epsilon_svr"])
def test_the_optimum_is_that_of_the_semidefinite_program(name, columns):
    task = problem(CRITERIA[name], n=12, columns=columns)
    P, K = learned(task)
    objective, constraints = 0, [cp.trace(P) <= 3.0]
    for y in task.Y.T:
        f, b = cp.Variable(12), cp.Variable()
        s, inequality = schur(K, f)
        objective, constraints = objective + s / 2 + losses(task.criterion, y, f, b), constraints + inequality
    looser = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-7)
    best = cp.Problem(cp.Minimize(objective), constraints).solve(solver=cp.CLARABEL, **looser)
    solution = InteriorPoint(tol=1e-8).solve(task)
    assert solution.certificate.holds(1e-7)
    assert_allclose(solution.certificate.primal, best, rtol=1e-6)


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("degree", [0, 1, 2])
@pytest.mark.parametrize("name", [name for name in CRITERIA if name != "hard_margin"])
def test_every_admitted_criterion_is_proven(name, degree, columns):
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 24)
    task = problem(CRITERIA[name], columns=columns, degree=degree, weights=weights)
    solution = InteriorPoint(tol=1e-6).solve(task)
    assert solution.certificate.holds(1e-6) and solution.n_iter < 40
    assert task.certify(solution) == solution.certificate
    assert choose("auto", task, tol=1e-6).solve(task).certificate == solution.certificate


@pytest.mark.parametrize("trace", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(
    "criterion",
    [Hinge(1e-3), Hinge(1e4), SquaredHinge(1e4), LeastSquares(1e-5), EpsilonSVR(1e3, 0.1), NuSVR(30.0, 0.4)],
    ids=repr,
)
def test_neither_C_nor_the_trace_matters(criterion, trace):
    task = problem(criterion, n=40, trace=trace)
    assert InteriorPoint(tol=1e-6).solve(task).certificate.holds(1e-6)


def test_collinear_features_and_repeated_points_do_no_harm():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.uniform(-1, 1, (15, 1)), 2, axis=0)
    X, y = np.hstack([x, -x, np.ones((30, 1))]), np.where(rng.normal(size=(30, 1)) + 3 * x > 0, 1.0, -1.0)
    kernels = TessellatedKernels(Tessellation.around(X), X)
    for criterion in (Hinge(10.0), EpsilonSVR(10.0, 0.1)):
        solution = InteriorPoint(tol=1e-6).solve(Problem(kernels, y, criterion, Tessellated(), np.ones(30)))
        assert solution.certificate.holds(1e-6)


def test_a_hard_margin_is_found_or_refused():
    task = problem(CRITERIA["hard_margin"], n=12, trace=100.0)
    solution = InteriorPoint(tol=1e-6).solve(task)
    assert solution.certificate.holds(1e-6)
    X = np.vstack([task.kernels.X, task.kernels.X[:1]])  # a point with both labels
    kernels = TessellatedKernels(task.kernels.tessellation, X)
    with pytest.raises(UnboundedError, match="separates"):
        InteriorPoint().solve(
            Problem(kernels, np.vstack([task.Y, -task.Y[:1]]), HardMargin(), Tessellated(), np.ones(13))
        )


def test_no_simplex_of_features_is_better():
    """Nonnegative combinations of any features are diagonal matrices P in another basis."""
    task = problem(Hinge(2.0))
    best = InteriorPoint(tol=1e-7).solve(task).certificate.primal
    for seed in range(3):
        Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0]
        Ks = 3.0 * replace(task.kernels, U=Q).stored().Ks
        some = WorkingSetNewton(tol=1e-7).solve(Problem.of(Ks, task.Y, Hinge(2.0), Simplex()))
        assert best <= some.certificate.primal * (1 + 1e-6)
        assert best < some.certificate.primal * (1 - 1e-4)  # a case in which it says something


def test_a_larger_trace_is_no_worse_and_the_law_of_scale_holds():
    values = [InteriorPoint(tol=1e-8).solve(problem(Hinge(2.0), trace=c)).certificate.primal for c in (0.5, 1.0, 4.0)]
    assert values[0] > values[1] > values[2]
    scaled = InteriorPoint(tol=1e-8).solve(problem(Hinge(2.0 / 7), trace=7 * 1.0)).certificate.primal
    assert_allclose(scaled, values[1] / 7, rtol=1e-7)  # omega(sK, C/s) = omega(K, C)/s


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.floats(-3, 3))
def test_the_support_is_reached_and_bounds_every_admitted_matrix(seed, size):
    rng, task = np.random.default_rng(seed), problem(Hinge(1.0), n=8)
    V, kernels, kernel_set = 10**size * rng.normal(size=(8, 2)), task.kernels, task.kernel_set
    bound = kernel_set.support_at(V, kernels)
    value = lambda P: 0.5 * float(np.sum(V * (kernels.matrix(P) @ V)))  # noqa: E731
    assert value(kernel_set.best(V, kernels)) == pytest.approx(bound, rel=1e-10)
    for _ in range(5):
        R = rng.normal(size=(6, 6))
        P, violation = kernel_set.project((R + R.T) * 10 ** rng.uniform(-2, 2), kernels)
        assert np.linalg.eigvalsh(P)[0] > -1e-12 and np.trace(P) < 3.0 * (1 + 1e-12) and violation >= 0
        assert value(P) <= bound * (1 + 1e-12)
        again, none = kernel_set.project(P, kernels)
        assert none < 1e-12
        assert_allclose(again, P, atol=1e-12)


def test_a_projection_is_the_nearest():
    rng, task = np.random.default_rng(0), problem(Hinge(1.0), n=8)
    R = rng.normal(size=(6, 6))
    near = cp.Variable((6, 6), PSD=True)
    cp.Problem(cp.Minimize(cp.sum_squares(near - (R + R.T))), [cp.trace(near) <= 3.0]).solve(solver=cp.CLARABEL)
    assert_allclose(task.kernel_set.project(R + R.T, task.kernels)[0], near.value, atol=1e-5)


def test_each_constraint_broken_alone_is_seen():
    task = problem(Hinge(2.0))
    solution = InteriorPoint(tol=1e-6).solve(task)
    P = solution.theta
    assert task.certify(replace(solution, theta=1.2 * P)).infeasibility > 0.1
    u = np.linalg.eigh(P)[1][:, 0]
    assert task.certify(replace(solution, theta=P - 0.1 * np.outer(u, u))).infeasibility > 0.01
    skew = np.zeros((6, 6))
    skew[0, 1], skew[1, 0] = 0.1, -0.1
    assert task.certify(replace(solution, theta=P + skew)).infeasibility > 0.01
    for spoiled in (np.full((6, 6), np.nan), P + np.inf):
        assert task.certify(replace(solution, theta=spoiled)).infeasibility == np.inf


def test_the_order_of_the_samples_does_not_matter():
    task = problem(EpsilonSVR(2.0, 0.1))
    order = np.random.default_rng(0).permutation(24)
    values = [InteriorPoint(tol=1e-7).solve(p).certificate.primal for p in (task, task.take(order))]
    assert_allclose(values[0], values[1], rtol=2e-7)


def test_polishing_keeps_the_time_limit(monkeypatch):
    """Counted by a clock that ticks at every look: no polish begins late, nor is given more than what is left."""
    from kernelopt.convex.solvers import spectral_run

    given, ticks = [], itertools.count()
    monkeypatch.setattr(spectral_run.time, "perf_counter", lambda: float(next(ticks)))

    class Watched(spectral_run.Run):
        def __init__(self, solver, problem):
            given.append((solver.time_limit, left()))
            super().__init__(solver, problem)

    runs = []
    polish = spectral_run.SpectralRun.polish
    monkeypatch.setattr(spectral_run, "Run", Watched)
    monkeypatch.setattr(spectral_run.SpectralRun, "polish", lambda self: (runs.append(self), polish(self))[1])

    def left():
        run = runs[-1]
        return run.solver.time_limit - (next(ticks) - run.clock)

    for limit in (60.0, 90.0, 120.0, 200.0, 400.0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            InteriorPoint(tol=1e-13, time_limit=limit).solve(problem(Hinge(1e6), n=40))
    assert given
    for inner, remaining in given:
        assert 0 < inner <= remaining + 2


def test_refusals():
    task = problem(Hinge(2.0), n=10)
    with pytest.raises(ValueError, match="trace must be positive"):
        Tessellated(0.0)
    with pytest.raises(ValueError, match="takes kernelopt.kernels.TessellatedKernels"):
        InteriorPoint().solve(Problem.of([np.eye(10)], task.Y, Hinge(1.0), Tessellated()))
    with pytest.raises(ValueError, match="does not go with"):
        Problem.of([np.eye(10)], task.Y, __import__("kernelopt").convex.Logistic(), Tessellated())
    with pytest.raises(ValueError, match="training points alone"):
        InteriorPoint().solve(replace(task, Y=task.Y[:8], w=np.ones(8)))
    with pytest.raises(ProblemTooLargeError, match="memory_limit"):
        InteriorPoint(memory_limit=100.0).solve(task)
    with pytest.raises(NotImplementedError, match="InteriorPoint"):
        CutSpan().solve(task)
    with pytest.raises(NotImplementedError, match="InteriorPoint"):
        WorkingSetNewton().solve(task)
