"""Machines over continuous families: scikit-learn's contract, the certificate, refits, holdouts and pictures."""

from functools import partial

import matplotlib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import cho_solve, cholesky
from sklearn.datasets import make_circles, make_classification, make_friedman1
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC, SVR
from sklearn.utils.estimator_checks import parametrize_with_checks

import kernelopt
from kernelopt import ContinuousKernelClassifier, ContinuousKernelRegressor
from kernelopt.convex import Hinge, LeastSquares
from kernelopt.estimators.ridge import GRID, gcv_ridge
from kernelopt.kernels.continuous import (
    ARDFamily,
    CustomFamily,
    GaussianFamily,
    MaternFamily,
    PolynomialFamily,
    UnionFamily,
)

matplotlib.use("Agg")


@parametrize_with_checks(
    [
        ContinuousKernelClassifier(),
        ContinuousKernelClassifier("ard", criterion="squared_hinge", tol=1e-2),
        ContinuousKernelRegressor(),
        ContinuousKernelRegressor("matern", criterion="epsilon_svr"),
        ContinuousKernelRegressor("ard", refit="gcv", tol=1e-2),
        ContinuousKernelRegressor(refit="evidence"),
    ],
    xfail_strict=True,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def wave(seed=0, n=60):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 6, n))
    return x[:, None], np.sin(3 * x) + 0.4 * np.cos(18 * x) * (x > 3) + 0.1 * rng.normal(size=n)


def test_its_machine_is_that_of_its_kernel():
    """With the learned kernel precomputed, scikit-learn's machines decide the same."""
    X, y = wave()
    reg = ContinuousKernelRegressor(criterion="epsilon_svr", C=3.0, tol=1e-8).fit(X, y)
    K = sum(w * rbf_kernel(X, gamma=g) for w, g in zip(reg.weights_, reg.atoms_[:, 0], strict=True))
    svr = SVR(kernel="precomputed", C=3.0, epsilon=0.1, tol=1e-10).fit(K, y)
    assert_allclose(reg.predict(X), svr.predict(K), atol=1e-4)
    ridge = ContinuousKernelRegressor(criterion=LeastSquares(0.2, intercept=False)).fit(X, y)
    K = ridge.kernel_(X, X)
    assert_allclose(ridge.predict(X), KernelRidge(alpha=0.2, kernel="precomputed").fit(K, y).predict(K), atol=1e-6)
    label = y > 0
    clf = ContinuousKernelClassifier(C=2.0, tol=1e-8).fit(X, label)
    K = clf.kernel_(X, X)
    svc = SVC(kernel="precomputed", C=2.0, tol=1e-10).fit(K, label)
    assert_allclose(clf.decision_function(X), svc.decision_function(K), atol=1e-4)


@pytest.mark.parametrize("family", ["gaussian", "matern", "polynomial", "trigonometric", "ard"])
def test_families_by_name(family):
    X, y = make_classification(60, 3, n_informative=3, n_redundant=0, random_state=1)
    clf = ContinuousKernelClassifier(family, tol=1e-3).fit(X, y)
    assert clf.certificate_.holds(1e-3)
    assert ("NOT proven" in clf.certificate_.problem) == (family in ("trigonometric", "ard"))
    assert clf.atoms_.shape == (len(clf.weights_), len(clf.family_.domain(3)))
    assert len(clf.kernel_names_) == len(clf.weights_) and clf.weights_.sum() == pytest.approx(1.0)
    assert clf.score(X, y) > 0.7


def test_several_classes_share_the_kernel():
    X, y = make_classification(
        90, 3, n_informative=3, n_redundant=0, n_classes=3, n_clusters_per_class=1, random_state=0
    )
    clf = ContinuousKernelClassifier().fit(X, y)
    assert clf.decision_function(X).shape == (90, 3) and clf.certificate_.holds(1e-4)
    assert "3 tasks" in clf.certificate_.problem
    assert_array_equal(clf.classes_[clf.predict_proba(X).argmax(axis=1)], clf.predict(X))
    shares = clf.decision_function(X, split=True)
    assert_allclose(shares.sum(axis=1) + clf.intercept_, clf.decision_function(X), atol=1e-10)


def test_weights_are_copies():
    X, y = wave(1, 40)
    w = np.random.default_rng(0).integers(0, 4, 40)
    for estimator in (ContinuousKernelRegressor(lam=0.1, refit="gcv"), ContinuousKernelClassifier()):
        target = y if isinstance(estimator, ContinuousKernelRegressor) else y > 0
        weighted = estimator.fit(X, target, sample_weight=w).predict(X)
        assert_allclose(weighted, estimator.fit(np.repeat(X, w, axis=0), np.repeat(target, w)).predict(X), atol=1e-10)


# --- the optimality function


@pytest.mark.parametrize("family", [GaussianFamily(), MaternFamily(2.5), PolynomialFamily(3)])
def test_every_atom_touches_the_maximum(family):
    X, y = wave()
    for fitted in (
        ContinuousKernelRegressor(family, lam=0.1, tol=1e-8).fit(X, y),
        ContinuousKernelClassifier(family, tol=1e-8).fit(X, y > 0),
    ):
        low, high = fitted.family_.domain(1)[0]
        grid = np.linspace(low, high, 500) if low == 0 else np.geomspace(low, high, 500)
        values = fitted.optimality(grid[:, None])
        assert values.max() <= 1 + 1e-6
        assert_allclose(fitted.optimality(), 1.0, atol=1e-5)
        assert values.min() < 0.99  # it is no constant


def test_picture():
    X, y = wave()
    reg = ContinuousKernelRegressor(lam=0.1, tol=1e-7).fit(X, y)
    ax = reg.plot_optimality()
    line, atoms = ax.lines[1], ax.lines[2]
    assert_allclose(np.sort(atoms.get_xdata()), np.sort(reg.atoms_[:, 0]))
    assert_allclose(atoms.get_ydata(), 1.0, atol=1e-4)
    assert line.get_ydata().max() <= 1 + 1e-4 and ax.get_xscale() == "log"
    matplotlib.pyplot.close(ax.figure)
    with pytest.raises(ValueError, match="2 parameters"):
        ContinuousKernelRegressor("ard", tol=1e-2).fit(np.hstack([X, X**2]), y).plot_optimality()
    with pytest.raises(ValueError, match="omegas must have shape"):
        reg.optimality(np.ones(3))


# --- two ridges


@pytest.mark.parametrize("intercept", [True, False])
def test_cross_validation_score_against_leave_one_out_algebra(intercept):
    """The score from the smoothing matrix itself, made column by column; weights as copies."""
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(15, 2)), rng.integers(1, 4, 15).astype(float)
    Y, K = rng.normal(size=(15, 2)), rbf_kernel(X)
    found = gcv_ridge(K, Y, w, intercept)
    rows = np.repeat(np.arange(15), w.astype(int))
    big, targets = K[np.ix_(rows, rows)], Y[rows]
    n = len(rows)

    def fit(lam, T):
        root = cholesky(big + lam * np.eye(n), lower=True)
        solve = partial(cho_solve, (root, True))
        ones = np.ones((n, 1))
        b = (ones.T @ solve(T)) / (ones.T @ solve(ones)) if intercept else np.zeros((1, T.shape[1]))
        return big @ solve(T - b) + b, b

    def score(lam):
        smoother = fit(lam, np.eye(n))[0]
        return n * np.sum((targets - smoother @ targets) ** 2) / (n - np.trace(smoother)) ** 2

    wide = GRID > 1e-3
    assert_allclose(found.scores[wide], [score(lam) for lam in GRID[wide]], rtol=1e-7)
    assert found.lam == GRID[found.scores.argmin()]
    values, b = fit(found.lam, targets)
    assert_allclose((K @ found.beta + found.intercept)[rows], values, atol=1e-7)
    assert_allclose(found.intercept, b[0], atol=1e-7)


def test_a_refit_keeps_the_kernel_and_changes_the_machine():
    X, y = wave()
    plain = ContinuousKernelRegressor(lam=3.0).fit(X, y)
    refitted = ContinuousKernelRegressor(lam=3.0, refit="gcv").fit(X, y)
    assert_array_equal(refitted.atoms_, plain.atoms_)
    assert refitted.certificate_ == plain.certificate_
    assert plain.lam_ == plain.ridge_ == refitted.lam_ == 3.0 and refitted.ridge_ < 1.0
    K = refitted.kernel_(X, X)
    a = refitted.dual_coef_[0]
    residual = y[refitted.support_] - K[refitted.support_] @ a_full(refitted, len(y)) - refitted.intercept_[0]
    assert_allclose(residual, refitted.ridge_ * a, atol=1e-8)
    assert refitted.score(*wave(7)) > plain.score(*wave(7))


def a_full(reg, n):
    out = np.zeros(n)
    out[reg.support_] = reg.dual_coef_[0]
    return out


def test_a_holdout_chooses_the_ridge_of_an_instance_too():
    X, y = wave()
    reg = ContinuousKernelRegressor(criterion=LeastSquares(3.0, intercept=False), lam="holdout", random_state=0).fit(
        X, y
    )
    assert reg.lam_ == min(reg.holdout_, key=reg.holdout_.get) and reg.intercept_ == 0


def test_weights_that_are_no_counts_are_refused_by_generalised_cross_validation():
    X, y = wave()
    reg = ContinuousKernelRegressor(lam=0.1, refit="gcv")
    with pytest.raises(ValueError, match="scale sample_weight to mean one"):
        reg.fit(X, y, sample_weight=np.full(len(y), 1 / len(y)))


def test_a_holdout_chooses_the_ridge():
    X, y = make_friedman1(120, 6, noise=0.5, random_state=0)
    reg = ContinuousKernelRegressor("ard", lam="holdout", refit="gcv", tol=1e-2, random_state=0).fit(X, y)
    assert reg.lam_ == min(reg.holdout_, key=reg.holdout_.get) and reg.ridge_ < reg.lam_
    again = ContinuousKernelRegressor("ard", lam="holdout", refit="gcv", tol=1e-2, random_state=0).fit(X, y)
    assert_array_equal(again.predict(X), reg.predict(X))
    test_X, test_y = make_friedman1(400, 6, noise=0.5, random_state=1)
    isotropic = ContinuousKernelRegressor(lam=0.1, refit="gcv").fit(X, y)
    assert reg.score(test_X, test_y) > isotropic.score(test_X, test_y) + 0.05
    mean = reg.weights_ @ reg.atoms_
    assert mean[5] < 0.05 * mean[:5].max()


# --- files, errors


@pytest.mark.parametrize(
    "family", [ARDFamily(), UnionFamily((GaussianFamily(), PolynomialFamily(2))), MaternFamily(0.5)]
)
def test_files(family, tmp_path):
    X, y = wave(0, 30)
    reg = ContinuousKernelRegressor(family, tol=1e-3).fit(X, y)
    kernelopt.save(reg, tmp_path / "model")
    loaded = kernelopt.load(tmp_path / "model")
    assert_array_equal(loaded.predict(X), reg.predict(X))
    assert_array_equal(loaded.optimality(), reg.optimality())


def test_a_family_of_functions_is_not_saved(tmp_path):
    X, y = wave(0, 30)
    family = CustomFamily(lambda w, A, B: rbf_kernel(A, B, gamma=w[0]), ((0.1, 10.0),))
    reg = ContinuousKernelRegressor(family).fit(X, y)
    with pytest.raises((ValueError, TypeError)):
        kernelopt.save(reg, tmp_path / "model")


@pytest.mark.parametrize(
    "estimator, message",
    [
        (ContinuousKernelRegressor("rbf"), "family must be one of"),
        (ContinuousKernelRegressor(lam="auto"), "lam must be"),
        (ContinuousKernelRegressor(refit="cv"), "refit must be"),
        (ContinuousKernelRegressor(lam=-1.0), "lam must be"),
        (ContinuousKernelRegressor(criterion="epsilon_svr", refit="gcv"), "are for 'least_squares'"),
        (ContinuousKernelRegressor(criterion="epsilon_svr", lam="holdout"), "are for 'least_squares'"),
        (ContinuousKernelRegressor(criterion=Hinge(1.0)), "not one for regression"),
        (ContinuousKernelRegressor(criterion="hinge"), "criterion must be"),
        (ContinuousKernelRegressor(solver="newton"), "solver must be"),
        (ContinuousKernelRegressor(tol=0), "tol must be"),
        (ContinuousKernelClassifier(criterion="nu_svm"), "criterion must be"),
        (ContinuousKernelClassifier(ARDFamily((1.0, 1.0, 1.0))), "3 for 2 features"),
    ],
)
def test_what_makes_no_sense_is_refused(estimator, message):
    X, y = make_circles(20, random_state=0)
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, y)


def test_too_few_samples_to_hold_any_out():
    with pytest.raises(ValueError, match="at least 8"):
        ContinuousKernelRegressor(lam="holdout").fit(np.arange(5.0)[:, None], np.arange(5.0))
