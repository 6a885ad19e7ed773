"""The certificate is made of two true bounds, and every constraint broken alone is seen."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from kernelopt.convex import Certificate, Hinge, Simplex, Uniform
from kernelopt.convex.criteria.projections import balanced_box_projection
from kernelopt.convex.solvers import WorkingSetNewton
from tests.convex.problems import CASES, problem

SEEDS = st.integers(0, 100_000)


@pytest.fixture(scope="module", params=["binary", "three classes", "weights"])
def solved(request):
    task = CASES[request.param]()
    return task, WorkingSetNewton(tol=1e-6).solve(task)


def test_solution_carries_the_problems_own_proof(solved):
    task, solution = solved
    assert solution.certificate == task.certify(solution)
    assert solution.certificate.holds(1e-6), solution.certificate


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_weak_duality_at_random_feasible_points(seed):
    """Any admitted primal point lies above any feasible dual point."""
    rng = np.random.default_rng(seed)
    task = problem(seed % 7, C=float(10 ** rng.uniform(-2, 2)), n_classes=2 + seed % 2)
    theta = rng.dirichlet(np.ones(5))
    beta = rng.normal(size=task.Y.shape) * 10 ** rng.uniform(-2, 1)
    primal = task.primal(theta, beta, rng.normal(size=task.Y.shape[1]))
    upper = task.criterion.upper(task.w)[:, None]
    a, _ = task.criterion.project(upper * rng.random(task.Y.shape), task.Y, task.w)
    assert task.dual(a) <= primal + 1e-9 * abs(primal)


SPOILS = {
    "sign": lambda a, y: -a,
    "box": lambda a, y: 1.5 * a + 0.1 * (a > 0),
    "balance": lambda a, y: np.where(y > 0, a, 0.9 * a),
    "order": lambda a, y: a[::-1],
    "nan": lambda a, y: np.where(np.arange(len(a))[:, None] == 3, np.nan, a),
    "infinity": lambda a, y: np.where(a == a.max(), np.inf, a),
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_each_spoiled_dual_is_seen(solved, spoil):
    task, solution = solved
    found = task.certify(replace(solution, a=spoil(solution.a, task.Y)))
    assert found.infeasibility > 1e-3 and not found.holds(1e-3)


def test_each_dual_constraint_broken_alone_is_measured_exactly():
    task = problem(C=2.0)
    y, w = task.Y, task.w
    a = np.full(y.shape, 0.5)
    a, _ = task.criterion.project(a, y, w)
    measure = task.criterion.project

    above = a.copy()
    above[[np.flatnonzero(y[:, 0] > 0)[0], np.flatnonzero(y[:, 0] < 0)[0]]] = 2.2  # keeps the balance
    assert measure(above, y, w)[1] == pytest.approx(0.1)
    below = a.copy()
    below[[np.flatnonzero(y[:, 0] > 0)[0], np.flatnonzero(y[:, 0] < 0)[0]]] = -0.3
    assert measure(below, y, w)[1] == pytest.approx(0.15)
    tilted = a.copy()
    i = np.flatnonzero(y[:, 0] > 0)[0]
    tilted[i] += 0.4
    assert measure(tilted, y, w)[1] == pytest.approx(0.4 / np.abs(tilted).sum())


@pytest.mark.parametrize(
    "spoil, violation",
    [
        (lambda t: t + np.array([0.2, -0.2, 0, 0, 0]), None),
        (lambda t: 1.1 * t, 0.1),
        (lambda t: t * np.nan, np.inf),
    ],
    ids=["negative", "sum", "nan"],
)
def test_each_spoiled_weight_is_seen(spoil, violation):
    task = problem()
    solution = WorkingSetNewton(tol=1e-6).solve(task)
    found = task.certify(replace(solution, theta=spoil(solution.theta)))
    assert found.infeasibility > 1e-3 and not found.holds(1e-3)
    if violation is not None:
        assert found.infeasibility == pytest.approx(violation)


def test_a_worse_point_opens_the_gap(solved):
    task, solution = solved
    for worse in (
        replace(solution, beta=1.2 * solution.beta),
        replace(solution, intercept=solution.intercept + 0.3),
        replace(solution, a=0.8 * solution.a),
    ):
        found = task.certify(worse)
        assert found.gap > 1e-3 and found.infeasibility < 1e-9


def test_bounds_that_cross_never_hold():
    crossed = Certificate(primal=1.0, dual=1.1, infeasibility=0.0, scale=1.0)
    assert crossed.gap < 0 and not crossed.holds(0.5)
    assert not Certificate(np.inf, -np.inf, np.inf, 1.0).holds(1.0)
    assert not Certificate(1.0, float("nan"), 0.0, 1.0).holds(1.0)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, n=st.integers(2, 12))
def test_projection_is_feasible_and_nearest(seed, n):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.r_[1.0, -1.0, rng.choice([-1.0, 1.0], n - 2)])
    upper, a = rng.uniform(0.1, 3, n), rng.normal(scale=3, size=n)
    p = balanced_box_projection(a, y, upper)
    assert p.min() >= 0 and (p <= upper).all() and abs(y @ p) < 1e-12 * n
    # Optimality: no feasible z makes an acute angle with a - p.
    for _ in range(20):
        z = balanced_box_projection(rng.normal(scale=5, size=n), y, upper)
        assert (a - p) @ (z - p) < 1e-9


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, M=st.integers(1, 8))
def test_simplex_projection_is_nearest(seed, M):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=M)
    p, violation = Simplex().project(theta, None)
    assert p.min() >= 0 and p.sum() == pytest.approx(1) and violation > 0
    for _ in range(10):
        assert (theta - p) @ (rng.dirichlet(np.ones(M)) - p) < 1e-9
    again, none = Simplex().project(np.eye(M)[0], None)
    assert none == 0 and (again == np.eye(M)[0]).all()


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS)
def test_best_intercept_is_a_minimiser(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 15))
    Y = rng.choice([-1.0, 1.0], (n, 1))
    F, w = rng.normal(size=(n, 1)).round(1), rng.integers(1, 4, n).astype(float)
    hinge = Hinge(1.5)
    best = hinge.loss(F, hinge.best_intercept(F, Y, w), Y, w)
    for b in np.concatenate([np.linspace(-4, 4, 81), (Y - F)[:, 0]]):
        assert best <= hinge.loss(F, np.array([b]), Y, w) + 1e-9


def test_support_functions_bound_every_admitted_point():
    rng = np.random.default_rng(0)
    q = rng.random(6)
    assert all(rng.dirichlet(np.ones(6)) @ q <= Simplex().support(q, None) for _ in range(50))
    assert Uniform().support(q, None) == pytest.approx(np.full(6, 1 / 6) @ q)
    assert Uniform().project(np.array([0.5, 0.3, 0.2]), None)[1] == pytest.approx(1 / 6)


def test_dual_value_is_that_of_a_general_purpose_optimiser():
    """An independent look at the same saddle point: scipy on the weights, libsvm inside."""
    from sklearn.svm import SVC

    task = problem(n=30, C=1.0)
    Ks = np.stack([task.kernels.mix(e) for e in np.eye(5)])
    y = task.Y[:, 0]

    def omega(mu):
        K = np.tensordot(mu, Ks, 1)
        svc = SVC(kernel="precomputed", C=1.0, tol=1e-8).fit(K, y)
        v = np.zeros(len(y))
        v[svc.support_] = svc.dual_coef_[0]
        return np.abs(v).sum() - 0.5 * v @ K @ v, np.array([-0.5 * v @ Kk @ v for Kk in Ks])

    found = minimize(
        omega, np.full(5, 0.2), jac=True, method="SLSQP", bounds=[(0, 1)] * 5,
        constraints={"type": "eq", "fun": lambda m: m.sum() - 1}, options={"ftol": 1e-12, "maxiter": 300},
    )  # fmt: skip
    ours = WorkingSetNewton(tol=1e-7).solve(task)
    assert_allclose(ours.certificate.primal, found.fun, rtol=1e-5)
