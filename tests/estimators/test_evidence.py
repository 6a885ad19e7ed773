"""The marginal likelihood that polishes a learned mixture, against scikit-learn, contrasts and finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from scipy.optimize import approx_fprime, minimize_scalar
from scipy.stats import multivariate_normal
from sklearn.datasets import make_friedman1
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from kernelopt import ContinuousKernelRegressor
from kernelopt.estimators.evidence import Evidence
from kernelopt.estimators.ridge import gcv_ridge, ridge_machine
from kernelopt.kernels.continuous import ARDFamily, GaussianFamily, PolynomialFamily


def sample(seed, n=25, d=3, k=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, np.sin(2 * X[:, :1]) + 0.3 * rng.normal(size=(n, k)) + 1.5, rng


@given(st.integers(0, 10**6), st.sampled_from(["gaussian", "ard", "polynomial"]), st.booleans(), st.integers(1, 2))
@settings(max_examples=25, deadline=None)
def test_derivatives_are_those_of_finite_differences(seed, name, intercept, k):
    X, Y, rng = sample(seed, k=k)
    family = {"gaussian": GaussianFamily(0.01, 5.0), "ard": ARDFamily((2.0,) * 3), "polynomial": PolynomialFamily()}[
        name
    ].fitted(X)
    evidence = Evidence(family, X, Y, rng.integers(1, 4, len(X)).astype(float), intercept)
    box = family.domain(3)
    omegas = box[:, 0] + rng.uniform(0.1, 0.9, (2, len(box))) * (box[:, 1] - box[:, 0])
    at = np.concatenate([rng.uniform(0.2, 1, 2), omegas.ravel(), [rng.uniform(0.05, 1)]])

    def value(z):
        return evidence(z[:2], z[2:-1].reshape(2, -1), z[-1])[0]

    slopes = evidence(at[:2], omegas, at[-1])[1]
    found = np.concatenate([slopes[0], slopes[1].ravel(), [slopes[2]]])
    np.testing.assert_allclose(found, approx_fprime(at, value, 1e-6), rtol=2e-4, atol=2e-3)


def test_without_a_mean_it_is_the_likelihood_of_scikit_learn_at_the_best_scale():
    X, Y, _ = sample(0)
    evidence = Evidence(GaussianFamily(0.01, 5.0), X, Y, np.ones(len(X)), intercept=False)

    def ours(omega, lam):
        return evidence(np.ones(1), np.array([[omega]]), lam)[0]

    def theirs(omega, lam):
        def fall(log_tau):
            kernel = ConstantKernel(np.exp(log_tau)) * (RBF(1 / np.sqrt(2 * omega)) + WhiteKernel(lam))
            machine = GaussianProcessRegressor(kernel, alpha=0, optimizer=None).fit(X, Y)
            return -machine.log_marginal_likelihood_value_

        return minimize_scalar(fall, bounds=(-5, 5), options={"xatol": 1e-6}).fun  # ours has the best scale put in

    difference = ours(0.3, 0.2) - ours(2.0, 0.05)
    assert difference == pytest.approx(theirs(0.3, 0.2) - theirs(2.0, 0.05), abs=1e-8)


def test_with_a_mean_it_is_the_likelihood_of_contrasts_at_the_best_scale():
    X, Y, _ = sample(1)
    n = len(X)
    Q = linalg.null_space(np.ones((1, n)))  # contrasts, which know nothing of the mean
    evidence = Evidence(GaussianFamily(0.01, 5.0), X, Y, np.ones(n))

    def theirs(omega, lam):
        C = Q.T @ (GaussianFamily(0.01, 5.0).matrix(np.array([omega]), X, X) + lam * np.eye(n)) @ Q
        z = Q.T @ Y[:, 0]
        tau = z @ np.linalg.solve(C, z) / (n - 1)
        return -multivariate_normal(np.zeros(n - 1), tau * C).logpdf(z)

    def ours(omega, lam):
        return evidence(np.ones(1), np.array([[omega]]), lam)[0]

    assert ours(0.3, 0.2) - ours(2.0, 0.05) == pytest.approx(theirs(0.3, 0.2) - theirs(2.0, 0.05), rel=1e-9)


@pytest.mark.parametrize("intercept", [True, False])
def test_a_weight_is_so_many_copies(intercept):
    X, Y, rng = sample(2)
    w = rng.integers(1, 4, len(X))
    family, args = ARDFamily((2.0,) * 3), (np.array([0.3, 0.7]), rng.uniform(0.1, 1, (2, 3)))
    weighed = Evidence(family, X, Y, w.astype(float), intercept)
    copied = Evidence(family, np.repeat(X, w, 0), np.repeat(Y, w, 0), np.ones(w.sum()), intercept)
    difference = weighed(*args, 0.1)[0] - weighed(*args, 0.4)[0]
    assert difference == pytest.approx(copied(*args, 0.1)[0] - copied(*args, 0.4)[0], rel=1e-9)


@pytest.mark.parametrize("intercept", [True, False])
def test_the_machine_of_a_ridge_is_that_of_cross_validation_at_its_ridge(intercept):
    X, Y, rng = sample(3)
    K, w = GaussianFamily(0.01, 5.0).matrix(np.array([0.5]), X, X), rng.uniform(1, 3, len(X))
    chosen = gcv_ridge(K, Y, w, intercept)
    given_ = ridge_machine(K, Y, w, chosen.lam, intercept)
    np.testing.assert_allclose(given_.beta, chosen.beta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(given_.intercept, chosen.intercept, rtol=1e-8)


def friedman(n=300):
    return make_friedman1(n + 300, 8, noise=1.0, random_state=3)


def fitted(refit, **options):
    X, y = friedman()
    return ContinuousKernelRegressor("ard", lam=8.0, refit=refit, tol=1e-2, **options).fit(X[:300], y[:300])


def test_the_polish_raises_the_likelihood_and_what_is_predicted_of_new_points():
    X, y = friedman()
    plain, polished = fitted("gcv"), fitted("evidence")
    assert polished.log_likelihood_gain_ > 10
    assert polished.score(X[300:], y[300:]) > plain.score(X[300:], y[300:])
    used = np.any(plain.atoms_ != 0, axis=0)
    assert not np.any(polished.atoms_[:, ~used])  # what did not count stays out
    assert np.all(polished.atoms_ <= polished.family_.domain(8)[:, 1])
    assert polished.weights_.sum() == pytest.approx(1.0)


def test_the_certificate_stays_with_the_convex_answer():
    plain, polished = fitted("gcv"), fitted("evidence")
    assert polished.certificate_ == plain.certificate_
    np.testing.assert_array_equal(polished.certified_atoms_, plain.atoms_)
    np.testing.assert_allclose(polished.optimality(), plain.optimality())


def test_predictions_are_those_of_the_ridge_machine_on_the_polished_kernel():
    X, y = friedman()
    reg = fitted("evidence")
    machine = ridge_machine(reg.kernel_(X[:300], X[:300]), y[:300, None], np.ones(300), reg.ridge_)
    expected = reg.kernel_(X[300:], X[:300]) @ machine.beta[:, 0] + machine.intercept
    np.testing.assert_allclose(reg.predict(X[300:]), expected, rtol=1e-8)


def test_constant_targets_are_left_alone():
    X, Y, _ = sample(5)
    reg = ContinuousKernelRegressor(refit="evidence").fit(X, np.full(len(X), 2.5))
    assert reg.log_likelihood_gain_ == 0.0
    np.testing.assert_allclose(reg.predict(X), 2.5)


def test_an_unknown_refit_is_refused():
    X, Y, _ = sample(6)
    with pytest.raises(ValueError, match="refit must be None, 'gcv' or 'evidence'"):
        ContinuousKernelRegressor(refit="likelihood").fit(X, Y[:, 0])


@pytest.mark.parametrize("size", [1e-170, 1e170])
def test_the_size_of_the_targets_changes_nothing(size):
    X, Y, _ = sample(8)
    plain, scaled = (Evidence(GaussianFamily(0.01, 5.0), X, Y * unit, np.ones(len(X))) for unit in (1.0, size))
    at = (np.ones(1), np.array([[0.4]]), 0.1)
    assert scaled(*at)[0] == pytest.approx(plain(*at)[0], rel=1e-9)


def test_copies_that_leave_no_noise_leave_a_ridge_that_can_be_solved_with():
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 6, (40, 1))
    y = np.sin(X[:, 0]) + 0.3 * rng.normal(size=40)
    reg = ContinuousKernelRegressor(refit="evidence").fit(X, y, sample_weight=np.full(40, 100.0))
    assert reg.ridge_ >= 1e-9
