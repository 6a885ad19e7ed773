"""The baselines solve the problem the library solves: their certificates hold, and bracket its optimum."""

import doctest
import importlib

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from experiments.benchmarks import baselines
from experiments.benchmarks.baselines.level import project_to_level
from experiments.benchmarks.baselines.silp import lowest_of_lines
from experiments.benchmarks.baselines.simple_mkl import descent_direction, longest_step
from experiments.benchmarks.baselines.walk import Point
from kernelopt.convex import Hinge, LeastSquares, LpBall, Problem, Simplex
from kernelopt.convex.certificate import ROUNDING
from kernelopt.convex.solvers import InteriorPoint
from kernelopt.kernels import Gaussian, KernelStack, Linear, Normalization, Polynomial

KERNELS = [Linear(), Polynomial(2, 0.3), Gaussian(0.05), Gaussian(0.5), Gaussian(5.0)]
ON_SIMPLEX = [baselines.SILP, baselines.Level, baselines.SimpleMKL, baselines.FISTA, baselines.ClosedForm]
TOL = 1e-3


def problem(seed=0, n=50, C=1.0, kernel_set=None, n_classes=2, weights=None):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    score = X[:, 0] + X[:, 1] * X[:, 2] + 0.4 * rng.normal(size=n)
    label = np.digitize(score, np.quantile(score, np.arange(1, n_classes) / n_classes))
    Y = np.where(label[:, None] == np.array([1] if n_classes == 2 else range(n_classes)), 1.0, -1.0)
    stack = KernelStack.from_kernels(KERNELS, X)
    scale = Normalization.fit(stack, "variance").scale
    return Problem.of(stack.leading, Y, Hinge(C), kernel_set or Simplex(), weights, scale)


CASES = {
    "small C": lambda: problem(C=1e-2),
    "binary": lambda: problem(),
    "large C": lambda: problem(C=100.0),
    "another sample": lambda: problem(seed=7, n=80, C=5.0),
    "three classes": lambda: problem(n=60, n_classes=3, C=2.0),
    "weights": lambda: problem(weights=np.random.default_rng(5).uniform(0.2, 4.0, 50)),
}


def proves_and_brackets(solver, task):
    solution = solver.solve(task)
    assert solution.certificate == task.certify(solution)
    assert solution.certificate.holds(TOL), solution.certificate
    exact = InteriorPoint(tol=1e-8).solve(task).certificate
    slack = ROUNDING * exact.scale
    assert solution.certificate.dual <= exact.primal + slack
    assert solution.certificate.primal >= exact.dual - slack


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", ON_SIMPLEX, ids=lambda m: m.__name__)
def test_on_the_simplex(method, case):
    proves_and_brackets(method(tol=TOL), CASES[case]())


@pytest.mark.parametrize("p", [1.0, 1.1, 2.0, 4.0, np.inf])
def test_closed_form_on_the_lp_ball(p):
    proves_and_brackets(baselines.ClosedForm(tol=TOL), problem(kernel_set=LpBall(p)))


def test_closed_form_satisfies_the_condition_of_its_optimum():
    """At the optimum mu_k is proportional to q_k^(1/(p-1)) [kloft2011]."""
    task = problem(kernel_set=LpBall(2.0))
    solution = baselines.ClosedForm(tol=1e-6).solve(task)
    q = task.quadratics(solution.beta)
    np.testing.assert_allclose(solution.theta, q / np.linalg.norm(q), atol=2e-3)


@pytest.mark.parametrize("method", ON_SIMPLEX, ids=lambda m: m.__name__)
def test_history_brackets_and_counts(method):
    task = problem(C=10.0)
    history = method(tol=TOL).solve(task).history
    exact = InteriorPoint(tol=1e-8).solve(task).certificate
    for line in history:
        assert line["dual"] <= exact.primal * (1 + 1e-9) and line["primal"] >= exact.dual * (1 - 1e-9)
    passes = np.diff([0.0] + [line["passes"] for line in history])
    assert ((0 < passes) & (passes <= 2)).all()  # a machine mixes the kernels once and multiplies with each once
    assert history[-1]["gap"] <= TOL < history[-2]["gap"]


@pytest.mark.parametrize("method", ON_SIMPLEX, ids=lambda m: m.__name__)
def test_stopping_early_is_said(method):
    with pytest.warns(ConvergenceWarning, match="max_iter was reached"):
        solution = method(tol=1e-6, max_iter=2).solve(problem(C=10.0))
    assert solution.n_iter == 2 and 1e-6 < solution.certificate.gap < np.inf


@pytest.mark.parametrize("method", ON_SIMPLEX, ids=lambda m: m.__name__)
def test_another_problem_is_refused(method):
    task = problem()
    other = Problem(task.kernels, task.Y, LeastSquares(), Simplex(), task.w)
    with pytest.raises(NotImplementedError, match=f"{method.__name__} solves hinge on"):
        method().solve(other)


def test_sparse_methods_refuse_the_lp_ball():
    for method in ON_SIMPLEX[:-1]:
        with pytest.raises(NotImplementedError, match="hinge on simplex"):
            method().solve(problem(kernel_set=LpBall(2.0)))


def lines(seed, T=6, M=4):
    rng = np.random.default_rng(seed)
    blank = np.zeros(1)
    return [Point(np.full(M, 1 / M), blank, rng.uniform(0, 1, M), rng.uniform(1, 2), blank, 0.0, 0.0) for _ in range(T)]


@pytest.mark.parametrize("seed", range(5))
def test_multipliers_prove_the_lowest_point_of_lines(seed):
    points = lines(seed)
    mu, shares, value = lowest_of_lines(points)
    phi, q = np.array([p.phi for p in points]), np.array([p.q for p in points])
    np.testing.assert_allclose(np.max(phi - q @ mu), value, rtol=1e-9)
    np.testing.assert_allclose(shares @ phi - np.max(shares @ q), value, rtol=1e-9)  # strong duality


@pytest.mark.parametrize("seed", range(5))
def test_projection_to_a_level_set_meets_its_optimality_conditions(seed):
    """The projection x of c onto a convex set S has (c - x)'(z - x) <= 0 for every z of S."""
    points = lines(seed)
    phi, q = np.array([p.phi for p in points]), np.array([p.q for p in points])
    mu, _, value = lowest_of_lines(points)
    centre = np.eye(4)[seed % 4]
    level = value + 0.3 * (np.max(phi - q @ centre) - value)
    x = project_to_level(centre, points, level)
    assert x.min() >= 0 and abs(x.sum() - 1) < 1e-12 and np.max(phi - q @ x) <= level + 1e-6
    rng = np.random.default_rng(seed)
    inside = [z for z in rng.dirichlet(np.full(4, 0.5), 5000) if np.max(phi - q @ z) <= level]
    assert len(inside) > 10
    assert max((centre - x) @ (z - x) for z in [*inside, mu]) <= 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_reduced_gradient_descends_within_the_simplex(seed):
    rng = np.random.default_rng(seed)
    mu = np.append(rng.dirichlet(np.ones(4)), [0.0, 0.0])
    gradient = rng.normal(size=6)
    direction = descent_direction(mu, gradient)
    assert abs(direction.sum()) < 1e-12 and gradient @ direction < 0 and (direction[mu == 0] >= 0).all()
    step, leaving = longest_step(mu, direction)
    end = mu + step * direction
    assert abs(end[leaving]) < 1e-12 and end.min() > -1e-12


@pytest.mark.parametrize("name", ["silp", "level", "simple_mkl", "fista", "closed_form", "walk"])
def test_examples(name):
    module = importlib.import_module(f"experiments.benchmarks.baselines.{name}")
    assert doctest.testmod(module).failed == 0
