"""Every solver on every problem, judged by certificates and by each other."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import linalg
from sklearn.svm import SVC

from kernelopt.convex import (
    HardMargin,
    Hinge,
    Logistic,
    LpBall,
    OneClass,
    Problem,
    RadiusBall,
    Simplex,
    SquaredHinge,
    Uniform,
)
from kernelopt.convex.solvers import Conic, InteriorPoint, WorkingSetNewton, choose
from kernelopt.convex.solvers.simplex_qp import simplex_qp
from kernelopt.errors import NotPSDError, ProblemTooLargeError, SolverError
from kernelopt.kernels import Gaussian
from tests.convex.problems import CASES, data, problem

NEWTON = WorkingSetNewton(tol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_newton_closes_the_gap(case):
    solution = NEWTON.solve(CASES[case]())
    assert solution.certificate.holds(1e-6), solution.certificate


# Clarabel's a is inexact, and C multiplies its error in the primal bound: the bracket is wide at large C, but true.
CONIC_TOL = {"large C": 0.1, "low rank": 1e-2}


@pytest.mark.parametrize("case", CASES)
def test_conic_reference_brackets_the_same_optimum(case):
    task = CASES[case]()
    reference, newton = Conic().solve(task).certificate, NEWTON.solve(task).certificate
    assert reference.holds(CONIC_TOL.get(case, 1e-4)), reference
    slack = 1e-9 * abs(newton.primal)
    assert reference.dual <= newton.primal + slack and newton.dual <= reference.primal + slack


def test_certificate_recomputed_by_an_independent_program():
    """The optimum by a cvxpy program written from the paper's formula alone (Lanckriet 2004, eq. 39, halved)."""
    task = problem(n=30, C=0.5)
    Ks = [task.kernels.mix(e) for e in np.eye(5)]
    y = task.Y[:, 0]
    a, t = cp.Variable(30), cp.Variable()
    roots = [linalg.sqrtm(K + 1e-12 * np.eye(30)).real for K in Ks]
    cones = [cp.sum_squares(R @ cp.multiply(y, a)) / 2 <= t for R in roots]
    program = cp.Problem(cp.Maximize(cp.sum(a) - t), [*cones, a >= 0, a <= 0.5, y @ a == 0])
    value = program.solve(solver=cp.CLARABEL)
    certificate = NEWTON.solve(task).certificate
    assert certificate.dual - 1e-6 * value <= value <= certificate.primal + 1e-6 * value


@pytest.mark.parametrize("C", [1e-2, 1.0, 100.0])
def test_one_kernel_is_svc(C):
    X, label = data(1, 50)
    K = Gaussian(0.5)(X, X)
    solution = WorkingSetNewton(tol=1e-9).solve(Problem.of(K[None], 2 * label - 1, Hinge(C), Simplex()))
    svc = SVC(kernel="precomputed", C=C, tol=1e-10).fit(K, label)
    assert_allclose(K @ solution.beta[:, 0] + solution.intercept, svc.decision_function(K), atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), log_C=st.floats(-3, 3))
def test_invariances(seed, log_C):
    """Permuting or duplicating kernels, or adding a constant to one, leaves the optimum where it is."""
    task = problem(seed, n=30, C=10**log_C)
    base = NEWTON.solve(task).certificate
    kernels = task.kernels
    order = np.random.default_rng(seed).permutation(5)
    for changed in (
        replace(kernels, Ks=kernels.Ks[order], scale=kernels.scale[order]),
        replace(kernels, Ks=np.repeat(kernels.Ks, 2, axis=0), scale=np.repeat(kernels.scale, 2)),
        replace(kernels, Ks=kernels.Ks + np.arange(5.0)[:, None, None]),
    ):
        other = NEWTON.solve(replace(task, kernels=changed)).certificate
        assert other.holds(1e-6)
        assert_allclose(other.primal, base.primal, rtol=3e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), size=st.floats(1e-3, 1e3))
def test_scaling_law_and_order_of_values(seed, size):
    """omega(sK, C/s) = omega(K, C)/s, and learning is never worse than one kernel or the average."""
    task = problem(seed, n=30)
    base = NEWTON.solve(task).certificate
    kernels = task.kernels
    scaled = replace(task, kernels=replace(kernels, scale=kernels.scale / size), criterion=Hinge(1.0 / size))
    assert_allclose(size * NEWTON.solve(scaled).certificate.primal, base.primal, rtol=3e-6)
    singles = [replace(kernels, Ks=kernels.Ks[[k]], scale=kernels.scale[[k]]) for k in range(5)]
    values = [NEWTON.solve(replace(task, kernels=one)).certificate.primal for one in singles]
    uniform = NEWTON.solve(replace(task, kernel_set=Uniform())).certificate.primal
    assert base.dual <= min([uniform, *values]) * (1 + 1e-9)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_midpoint_convexity_in_the_weights(seed):
    task = problem(seed, n=25)
    rng = np.random.default_rng(seed)
    ends = rng.dirichlet(np.ones(5), 2)

    def omega(mu):
        one = replace(task.kernels, Ks=task.kernels.mix(mu)[None], scale=np.ones(1))
        return NEWTON.solve(replace(task, kernels=one)).certificate

    middle, left, right = omega(ends.mean(0)), omega(ends[0]), omega(ends[1])
    assert middle.dual <= 0.5 * (left.primal + right.primal)


def test_optimality_conditions_on_the_weights():
    """Kernels with weight share the largest quadratic form."""
    task = problem()
    solution = WorkingSetNewton(tol=1e-9).solve(task)
    q = task.quadratics(task.criterion.V(solution.a, task.Y))
    assert_allclose(q[solution.theta > 1e-6], q.max(), rtol=1e-4)


@given(seed=st.integers(0, 10_000), M=st.integers(1, 9), rank=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_simplex_qp_meets_its_optimality_conditions(seed, M, rank):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(rank, M))
    H, g = A.T @ A, rng.normal(size=M)
    x = simplex_qp(H, g, np.full(M, 1 / M))
    gradient = H @ x + g
    assert x.min() >= 0 and x.sum() == pytest.approx(1)
    assert gradient @ x - gradient.min() < 1e-6 * (1 + np.abs(gradient).max())


# --- limits and refusals


def test_conic_refuses_before_it_builds():
    with pytest.raises(ProblemTooLargeError, match="GB"):
        Conic(memory_limit=1e3).solve(problem())


def test_conic_failure_is_our_error(monkeypatch):
    def fails(*args, **kwargs):
        raise cp.SolverError("4")

    monkeypatch.setattr(cp.Problem, "solve", fails)
    with pytest.raises(SolverError, match="hinge on simplex"):
        Conic().solve(problem())


def test_conic_reraises_an_interrupt(monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(cp.Problem, "solve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Conic().solve(problem())


def test_choice_of_solver():
    """ "auto" is the Newton method where it applies and pays, else the interior-point method; options reach them."""
    task = problem()
    newton, interior = WorkingSetNewton(tol=1e-3, n_jobs=2), InteriorPoint(tol=1e-3)
    small_ball, large_ball = replace(task, kernel_set=LpBall()), problem(n=400, kernel_set=LpBall())
    expected = [
        (task, newton),
        (replace(task, criterion=SquaredHinge()), newton),
        (replace(task, kernel_set=Uniform()), newton),
        (replace(task, criterion=HardMargin()), interior),
        (replace(task, kernel_set=RadiusBall()), interior),
        (replace(task, criterion=OneClass()), interior),
        (small_ball, interior),
        (large_ball, newton),
        (replace(large_ball, criterion=Logistic()), interior),
    ]
    for other, solver in expected:
        assert choose("auto", other, tol=1e-3, n_jobs=2) == solver, other.description
    assert choose("newton", task, n_jobs=2) == WorkingSetNewton(n_jobs=2)
    assert choose("interior_point", task, max_iter=7) == InteriorPoint(max_iter=7)
    assert choose("conic", task, tol=1e-3, time_limit=2.0) == Conic(time_limit=2.0)
    own = Conic(verbose=True)
    assert choose(own, task, tol=1.0) is own
    with pytest.raises(ValueError, match="'auto'.*found 'magic'"):
        choose("magic", task)


@pytest.mark.parametrize(
    "bad",
    [dict(y=[1, 0]), dict(sample_weight=[1, 0]), dict(sample_weight=[1, np.nan]), dict(sample_weight=[1])],
)
def test_problem_refuses_bad_arrays(bad):
    with pytest.raises(ValueError, match="y must|sample_weight must"):
        Problem.of(np.eye(2)[None], **{"y": [1, -1], **bad}, criterion=Hinge(), kernel_set=Simplex())


def test_problem_refuses_what_is_no_gram_matrix():
    for K, message in (
        ([[1.0, 0.3], [0.1, 1.0]], "not symmetric"),
        ([[1.0, 2.0], [2.0, 1.0]], "not conditionally positive"),
    ):
        with pytest.raises(NotPSDError, match=rf"Ks\[1\].*{message}"):
            Problem.of([np.eye(2), K], [1, -1], Hinge(), Simplex())
