"""Least squares over low-rank kernels as a group lasso, against solvers that know nothing of factors."""

import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge

from kernelopt.convex import Hinge, LeastSquares, LpBall, Problem, Simplex, SquaredLp, TraceBudget
from kernelopt.convex.solvers import InteriorPoint, WorkingSetNewton
from kernelopt.convex.solvers.group_lasso import GroupLasso
from kernelopt.errors import MissingExtraError
from kernelopt.kernels import Gaussian, Linear, OnColumns, Polynomial
from kernelopt.kernels.lowrank import LowRankKernels
from kernelopt.kernels.rows import StoredKernels
from tests.convex.problems import data

KERNELS = [Linear(), Gaussian(0.1), Polynomial(2, 0.3), *(OnColumns(Gaussian(0.5), (c,)) for c in range(3))]


def task(kernel_set, lam=0.5, n=60, seed=0, intercept=True, weights=None, kernels=KERNELS, tol=1e-3):
    X, _ = data(seed, n)
    y = np.sin(2 * X[:, 0]) + np.abs(X[:, 1]) + 0.5 * X[:, 0] * X[:, 2] + 3.0
    low = LowRankKernels.pivoted_cholesky(kernels, X, tol=tol)
    low = low.divided(low.traces / n)
    w = np.ones(n) if weights is None else weights
    return Problem(low, y[:, None], LeastSquares(lam, intercept), kernel_set, w)


def dense(problem):
    """The same problem with the matrices written out."""
    Ks = np.stack([L @ L.T for L in problem.kernels.factors])
    return replace(problem, kernels=StoredKernels.of(Ks))


CASES = {
    "simplex": lambda: task(Simplex()),
    "1-ball": lambda: task(LpBall(1.0)),
    "trace": lambda: task(TraceBudget()),
    "trace 7": lambda: task(TraceBudget(7.0)),
    "squared": lambda: task(SquaredLp(1.0, 2.0)),
    "squared, cheap": lambda: task(SquaredLp(1.0, 1e-3)),
    "large ridge": lambda: task(Simplex(), lam=100.0),
    "small ridge": lambda: task(Simplex(), lam=1e-2),
    "no intercept": lambda: task(Simplex(), intercept=False),
    "weights": lambda: task(Simplex(), weights=np.random.default_rng(1).uniform(0.1, 5.0, 60)),
    "weights, trace, no intercept": lambda: task(
        TraceBudget(), weights=np.random.default_rng(1).uniform(0.1, 5.0, 60), intercept=False
    ),
    "one kernel": lambda: task(Simplex(), kernels=[Gaussian(0.1)]),
    "duplicates": lambda: task(Simplex(), kernels=[*KERNELS, *KERNELS[3:]]),
    "ranks beyond n": lambda: task(Simplex(), n=20, kernels=[Gaussian(5.0), Gaussian(20.0)], tol=0.0),
}


@pytest.mark.parametrize("case", CASES)
def test_same_optimum_as_solvers_of_the_dense_problem(case):
    pytest.importorskip("skglm", reason="the group lasso's library is not installed")
    problem = CASES[case]()
    solution = GroupLasso(tol=1e-7).solve(problem)
    assert solution.certificate.holds(1e-7), solution.certificate
    assert solution.certificate == problem.certify(solution)
    assert case in ("one kernel", "large ridge", "ranks beyond n") or np.count_nonzero(solution.theta) > 1
    full = dense(problem)
    again = full.certify(solution)  # theta, beta, a prove the dense problem too
    assert again.holds(1e-7), again
    for solver in (WorkingSetNewton(tol=1e-7), InteriorPoint(tol=1e-7)):
        other = solver.solve(full).certificate
        slack = 1e-9 * abs(other.primal)
        assert other.holds(1e-7)
        assert solution.certificate.dual <= other.primal + slack and other.dual <= solution.certificate.primal + slack


@pytest.mark.parametrize("solver", [WorkingSetNewton(tol=1e-7), InteriorPoint(tol=1e-7)], ids=["newton", "interior"])
@pytest.mark.parametrize("case", ["simplex", "trace", "squared", "weights", "no intercept", "duplicates"])
def test_general_solvers_take_factors_as_they_are(case, solver):
    problem = CASES[case]()
    low, full = solver.solve(problem).certificate, solver.solve(dense(problem)).certificate
    assert low.holds(1e-7) and "low rank (pivoted Cholesky, trace error" in low.problem
    assert_allclose(low.primal, full.primal, rtol=2e-7)


def weighted_norms(W, problem):
    ends = np.cumsum([0, *problem.kernels.ranks])
    return np.array([np.linalg.norm(W[a:b]) for a, b in zip(ends, ends[1:], strict=False)])


@pytest.mark.parametrize("kernel_set", [Simplex(), SquaredLp(1.0, 2.0)], ids=["simplex", "squared"])
def test_the_objective_is_the_group_lasso_of_the_docstring(kernel_set):
    """Minimised in w by a general method, the docstring's formula has the optimum of the kernel problem."""
    problem = task(kernel_set, n=25, kernels=KERNELS[:1] + KERNELS[3:], lam=2.0, tol=1e-2)
    F, y = np.hstack(problem.kernels.factors), problem.Y[:, 0]
    F, y = F - F.mean(axis=0), y - y.mean()

    def objective(W):
        s = np.sum(np.sqrt(weighted_norms(W, problem) ** 2 + 1e-14))
        h = 0.5 * s**2 if kernel_set.name == "simplex" else 1.5 * (kernel_set.lam * s**4 / 4) ** (1 / 3)
        return np.sum((y - F @ W) ** 2) / (2 * problem.criterion.lam) + h

    start = 0.1 * np.random.default_rng(0).normal(size=F.shape[1])
    found = minimize(objective, start, method="BFGS").fun
    optimum = InteriorPoint(tol=1e-8).solve(dense(problem)).certificate
    assert optimum.holds(1e-8)
    assert_allclose(found, optimum.primal, rtol=1e-4)
    assert found >= optimum.dual


def test_one_kernel_is_kernel_ridge():
    pytest.importorskip("skglm", reason="the group lasso's library is not installed")
    problem = task(Simplex(), kernels=[Gaussian(0.1)], intercept=False, lam=0.3)
    solution = GroupLasso().solve(problem)
    K = problem.kernels.mix(np.ones(1))
    ridge = KernelRidge(alpha=0.3, kernel="precomputed").fit(K, problem.Y[:, 0])
    assert_allclose(K @ solution.beta[:, 0], ridge.predict(K), atol=1e-10)


def test_a_start_nearby_saves_group_lassos():
    pytest.importorskip("skglm", reason="the group lasso's library is not installed")
    first = GroupLasso(tol=1e-8).solve(task(Simplex(), lam=0.5))
    cold = GroupLasso(tol=1e-6).solve(task(Simplex(), lam=0.505))
    warm = GroupLasso(tol=1e-6).solve(task(Simplex(), lam=0.505), start=first)
    assert warm.certificate.holds(1e-6) and warm.n_iter < cold.n_iter


def test_a_target_that_is_constant():
    problem = task(SquaredLp(1.0, 1.0))
    problem = replace(problem, Y=np.full((60, 1), 3.0))
    solution = GroupLasso().solve(problem)
    assert solution.certificate.primal == pytest.approx(0.0, abs=1e-20) and not solution.theta.any()
    assert solution.intercept == pytest.approx(3.0)


def test_kernels_that_say_nothing():
    pytest.importorskip("skglm", reason="the group lasso's library is not installed")
    problem = task(Simplex())
    nothing = (np.zeros((60, 0)), np.zeros((60, 2)), np.full((60, 1), 0.1))  # the intercept takes the last
    kernels = LowRankKernels((*nothing, *problem.kernels.factors))
    solution = GroupLasso().solve(replace(problem, kernels=kernels))
    assert solution.certificate.holds(1e-6) and not solution.theta[:3].any()
    assert_allclose(solution.certificate.primal, GroupLasso().solve(problem).certificate.primal, rtol=2e-6)


def test_stopped_early_it_says_so_and_keeps_its_proof():
    pytest.importorskip("skglm", reason="the group lasso's library is not installed")
    problem = task(Simplex(), lam=0.1)
    with pytest.warns(ConvergenceWarning, match="max_iter was reached with a relative duality gap of"):
        solution = GroupLasso(tol=1e-9, max_iter=2).solve(problem)
    assert solution.n_iter == 2 and solution.certificate == problem.certify(solution)
    assert not solution.certificate.holds(1e-9)
    with pytest.warns(ConvergenceWarning, match="time_limit was reached"):
        assert GroupLasso(time_limit=0.0).solve(problem).n_iter == 1


def test_the_bracket_holds_the_optimum_of_the_exact_kernels():
    X, _ = data(0, 60)
    problem = task(Simplex(), tol=1e-2)
    exact = StoredKernels.of(np.stack([k(X, X) for k in KERNELS]), [np.trace(k(X, X)) / 60 for k in KERNELS])
    left = problem.kernels.residuals.sum(axis=1)
    problem = replace(problem, kernels=problem.kernels.divided(1 + left / problem.kernels.traces))  # as `exact` is
    optimum = InteriorPoint(tol=1e-9).solve(replace(problem, kernels=exact)).certificate
    solution = InteriorPoint(tol=1e-7).solve(problem)
    lower = problem.dual(solution.a, q=problem.kernels.quadratics(solution.a) + problem.kernels.excess(solution.a))
    assert lower <= optimum.dual and optimum.primal <= solution.certificate.primal
    assert optimum.primal < solution.certificate.dual  # what was left out counts at this tolerance


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: replace(p, criterion=Hinge(1.0), Y=np.sign(p.Y - 3)),
        lambda p: replace(p, criterion=LeastSquares(0.0)),
        lambda p: replace(p, kernel_set=LpBall(2.0)),
        lambda p: replace(p, kernel_set=SquaredLp(2.0, 1.0)),
        lambda p: replace(p, Y=np.hstack([p.Y, p.Y])),
        dense,
    ],
    ids=["hinge", "no ridge", "lp 2", "squared lp 2", "two targets", "stored"],
)
def test_other_problems_are_refused(spoil):
    problem = spoil(task(Simplex()))
    assert not GroupLasso.takes(problem)
    with pytest.raises(NotImplementedError, match="use WorkingSetNewton"):
        GroupLasso().solve(problem)


def test_without_its_library_an_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skglm", None)
    with pytest.raises(MissingExtraError, match=r"kernelopt\[lowrank\]"):
        GroupLasso().solve(task(Simplex()))


def test_warnings_of_the_library_stay_inside():
    pytest.importorskip("skglm", reason="the group lasso's library is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GroupLasso(tol=1e-8).solve(task(Simplex(), lam=1e-2))
