"""With one kernel every criterion is a machine that others know: scikit-learn's, or a formula."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import linalg
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from kernelopt import convex
from kernelopt.convex import HardMargin, KernelFisher, LeastSquares, Problem, Simplex, SquaredHinge
from kernelopt.convex.solvers import InteriorPoint
from kernelopt.kernels import Gaussian
from tests.convex.problems import data

X, LABEL = data(1, 40)
SCORE = X[:, 0] + X[:, 1] * X[:, 2]
K = Gaussian(0.7)(X, X)
Y = 2.0 * LABEL - 1
W = np.random.default_rng(2).uniform(0.5, 2.0, 40)


def solve(criterion, y, weights=None, matrix=K):
    task = Problem.of([matrix], y, criterion, Simplex(), weights)
    solution = InteriorPoint(tol=1e-9).solve(task)
    assert solution.certificate.holds(1e-8), solution.certificate
    return matrix @ solution.beta[:, 0] + solution.intercept[0], solution


def twin(machine, y=None, weights=None):
    machine = machine.set_params(kernel="precomputed", tol=1e-10)
    return machine.fit(K, y, sample_weight=weights).decision_function(K)


@pytest.mark.parametrize("weights", [None, W], ids=["equal", "weighted"])
@pytest.mark.parametrize("C", [0.05, 3.0])
def test_hinge_is_svc(C, weights):
    f, solution = solve(convex.Hinge(C), Y, weights)
    assert_allclose(f, twin(SVC(C=C), Y, weights), atol=2e-5)
    machine = SVC(C=C, kernel="precomputed", tol=1e-10).fit(K, Y, sample_weight=weights)
    v = np.zeros(40)
    v[machine.support_] = machine.dual_coef_[0]
    assert_allclose(np.abs(v).sum() - 0.5 * v @ K @ v, solution.certificate.primal, rtol=1e-7)


def test_squared_hinge_is_the_hard_machine_on_a_ridge():
    f, solution = solve(SquaredHinge(2.0), Y)
    machine = SVC(C=1e10, kernel="precomputed", tol=1e-10).fit(K + np.eye(40) / 2.0, Y)
    v = np.zeros(40)
    v[machine.support_] = machine.dual_coef_[0]
    assert_allclose(f, K @ v + machine.intercept_, atol=1e-5)
    assert_allclose(solution.certificate.primal, 0.5 * np.abs(v).sum(), rtol=1e-6)


def test_nu_svm_is_nusvc_times_rho():
    """LIBSVM scales its machine so that rho is one."""
    f, _ = solve(convex.NuSVM(0.4), Y)
    other = twin(NuSVC(nu=0.4), Y)
    rho = (f @ other) / (other @ other)
    assert rho > 0
    assert_allclose(f, rho * other, atol=1e-6)


@pytest.mark.parametrize("weights", [None, W], ids=["equal", "weighted"])
def test_the_tube_is_svr(weights):
    f, _ = solve(convex.EpsilonSVR(2.0, 0.2), SCORE, weights)
    machine = SVR(C=2.0, epsilon=0.2, kernel="precomputed", tol=1e-10).fit(K, SCORE, sample_weight=weights)
    assert_allclose(f, machine.predict(K), atol=2e-5)


def test_the_tube_of_its_own_width_is_nusvr():
    f, _ = solve(convex.NuSVR(2.0, 0.4), SCORE)
    machine = NuSVR(C=2.0, nu=0.4, kernel="precomputed", tol=1e-10).fit(K, SCORE)
    assert_allclose(f, machine.predict(K), atol=2e-5)


def test_one_class_is_that_of_sklearn_over_nu_n():
    f, _ = solve(convex.OneClass(0.3), np.ones(40))
    assert_allclose(0.3 * 40 * f, twin(OneClassSVM(nu=0.3)), atol=1e-5)


@pytest.mark.parametrize("weights", [None, W], ids=["equal", "weighted"])
def test_least_squares_is_ridge_regression(weights):
    f, _ = solve(LeastSquares(0.3, intercept=False), SCORE, weights)
    assert_allclose(f, KernelRidge(alpha=0.3, kernel="precomputed").fit(K, SCORE, weights).predict(K), atol=1e-6)
    g, solution = solve(LeastSquares(0.3), SCORE, weights)
    w = np.ones(40) if weights is None else weights
    system = np.block([[K + 0.3 * np.diag(1 / w), np.ones((40, 1))], [np.ones((1, 40)), np.zeros((1, 1))]])
    exact = np.linalg.solve(system, np.append(SCORE, 0.0))
    assert_allclose(g, K @ exact[:40] + exact[40], atol=1e-6)
    assert_allclose(solution.certificate.primal, 0.5 * SCORE @ exact[:40], rtol=1e-8)


def test_logistic_is_logistic_regression_on_a_factor():
    f, _ = solve(convex.Logistic(2.0), Y)
    values, vectors = linalg.eigh(K)
    features = vectors * np.sqrt(np.maximum(values, 0.0))
    other = LogisticRegression(C=2.0, tol=1e-10, max_iter=10_000).fit(features, Y)
    assert_allclose(f, other.decision_function(features), atol=1e-4)


@pytest.mark.parametrize("lam", [1e-4, 0.1])
def test_fisher_is_its_closed_form(lam):
    """Kim et al. 2006: F* = a'[G - G J (lam I + J G J)^-1 J G]a / lam, with omega = -F*."""
    _, solution = solve(KernelFisher(lam), Y)
    plus, minus = np.flatnonzero(Y > 0), np.flatnonzero(Y < 0)
    a, J = np.zeros(40), np.zeros((40, 40))
    for side, sign in ((plus, 1.0), (minus, -1.0)):
        m = len(side)
        a[side] = sign / m
        J[np.ix_(side, side)] = (np.eye(m) - 1 / m) / np.sqrt(m)
    inner = np.linalg.solve(lam * np.eye(40) + J @ K @ J, J @ K @ a)
    ratio = (a @ K @ a - a @ K @ J @ inner) / lam
    assert_allclose(solution.certificate.primal, -ratio, rtol=1e-7)
    # The direction reaches the ratio it is said to reach.
    f, beta = K @ solution.beta[:, 0], solution.beta[:, 0]
    between = (f[plus].mean() - f[minus].mean()) ** 2
    assert_allclose(between / (f[plus].var() + f[minus].var() + lam * beta @ K @ beta), ratio, rtol=1e-6)


@pytest.mark.parametrize("s", [1e-3, 1.0, 50.0])
def test_margins_of_the_identity_are_known(s):
    """The hard margin of sI is 2 n+ n- / (n s), half of Lanckriet et al.'s; the 2-norm margin adds 1/C to s."""
    y, matrix = np.where(np.arange(10) < 3, 1.0, -1.0), s * np.eye(10)
    assert_allclose(solve(HardMargin(), y, matrix=matrix)[1].certificate.primal, 2 * 3 * 7 / (10 * s), rtol=1e-8)
    soft = solve(SquaredHinge(4.0), y, matrix=matrix)[1].certificate.primal
    assert_allclose(soft, 2 * 3 * 7 / (10 * (s + 0.25)), rtol=1e-8)


def test_huge_losses_make_the_margin_hard():
    """The 1-norm margin is the hard one as soon as C is above the largest dual variable, and not before."""
    _, hard = solve(HardMargin(), Y)
    largest = float(hard.a.max())
    assert_allclose(solve(convex.Hinge(1.001 * largest), Y)[1].certificate.primal, hard.certificate.primal, rtol=1e-7)
    assert solve(convex.Hinge(0.9 * largest), Y)[1].certificate.primal < hard.certificate.primal * (1 - 1e-6)


def test_two_columns_are_two_machines_on_a_fixed_kernel():
    both = np.column_stack([Y, np.where(X[:, 1] > 0, 1.0, -1.0)])
    task = Problem.of([K], both, convex.Hinge(1.0), Simplex())
    whole = InteriorPoint(tol=1e-9).solve(task).certificate.primal
    parts = [InteriorPoint(tol=1e-9).solve(replace(task, Y=both[:, [c]])).certificate.primal for c in range(2)]
    assert_allclose(whole, sum(parts), rtol=1e-8)
