"""Regression with a learned kernel: twins, copies, several targets, errors."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_friedman1
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.svm import SVR, NuSVR
from sklearn.utils.estimator_checks import parametrize_with_checks

from kernelopt import KernelStack, MKLRegressor
from kernelopt.convex import Alignment, ConvexLoss, Hinge, LeastSquares, OneClass
from kernelopt.convex.criteria import Huber, Pinball
from kernelopt.kernels import Gaussian, Linear, white

CRITERIA = ["least_squares", "epsilon_svr", "nu_svr"]
SETS = ["simplex", "uniform", "lp", "squared_lp", "trace"]
KERNELS = [Gaussian(0.3), Linear(), Gaussian(3.0)]


@parametrize_with_checks(
    [
        *(MKLRegressor(criterion=c) for c in CRITERIA),
        MKLRegressor(criterion=ConvexLoss(Huber(0.5), lam=0.1)),
        MKLRegressor(kernel_set="squared_lp", p=1.5),
        MKLRegressor("precomputed"),
        MKLRegressor("precomputed", criterion="epsilon_svr"),
    ],
    xfail_strict=True,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def Xy():
    X, y = make_friedman1(50, 5, noise=0.3, random_state=0)
    return X, y


def single(criterion, **options):
    return MKLRegressor([Gaussian(1.0)], criterion, normalize=None, tol=1e-10, **options)


TWINS = {
    "svr": (single("epsilon_svr", C=2.0, epsilon=0.3), SVR(gamma=1.0, C=2.0, epsilon=0.3, tol=1e-10)),
    "nu svr": (single("nu_svr", C=2.0, nu=0.4), NuSVR(gamma=1.0, C=2.0, nu=0.4, tol=1e-10)),
    "kernel ridge": (
        single(LeastSquares(lam=0.2, intercept=False)),
        KernelRidge(kernel="rbf", gamma=1.0, alpha=0.2),
    ),
}


@pytest.mark.parametrize("ours, theirs", TWINS.values(), ids=TWINS)
@pytest.mark.parametrize("weighted", [False, True])
def test_one_kernel_without_normalisation_is_scikit_learns_machine(Xy, ours, theirs, weighted):
    X, y = Xy
    w = np.where(np.arange(len(y)) % 4 == 0, 3.0, 1.0) if weighted else np.ones(len(y))
    assert_allclose(ours.fit(X, y, w).predict(X), theirs.fit(X, y, w).predict(X), atol=1e-4)


def test_with_an_intercept_kernel_ridge_is_that_of_centred_data(Xy):
    X, y = Xy
    ours = MKLRegressor([Gaussian(1.0)], lam=0.2, normalize="center", tol=1e-10).fit(X, y)
    K, n = Gaussian(1.0)(X, X), len(y)
    H = np.eye(n) - 1 / n
    Kc = H @ K @ H / ours.normalization_.scale[0]
    theirs = KernelRidge(kernel="precomputed", alpha=0.2).fit(Kc, y - y.mean()).predict(Kc) + y.mean()
    assert_allclose(ours.predict(X), theirs, atol=1e-6)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("kernel_set", SETS)
def test_every_pair_has_a_proof_and_nonnegative_weights(Xy, criterion, kernel_set):
    reg = MKLRegressor(KERNELS, criterion, kernel_set, p=1.5, C=10.0).fit(*Xy)
    assert reg.certificate_.holds(1e-4), reg.certificate_
    assert reg.weights_.min() >= 0
    K = reg.kernel_(Xy[0])
    assert np.linalg.eigvalsh(K).min() >= -1e-9 * np.trace(K)


def test_the_proof_recomputed_from_the_fitted_attributes(Xy):
    X, y = Xy
    reg = MKLRegressor(KERNELS, lam=0.5, tol=1e-6).fit(X, y)
    beta = np.zeros(len(y))
    beta[reg.support_] = reg.dual_coef_[0]
    primal = 0.5 * beta @ reg.kernel_(X) @ beta + np.sum((y - reg.predict(X)) ** 2)
    Ks = [k(X, X) for k in KERNELS]
    Ks = [K / (np.trace(K) / len(y) - K.mean()) for K in Ks]
    dual = y @ beta - 0.25 * beta @ beta - 0.5 * max(beta @ K @ beta for K in Ks)
    assert abs(beta.sum()) < 1e-9
    assert_allclose([primal, dual], reg.certificate_.primal, rtol=2e-6)
    assert primal >= dual * (1 - 1e-9)


@pytest.mark.parametrize("loss, statistic", [(Huber(1e3), np.mean), (Pinball(0.5), np.median)])
def test_any_convex_loss(loss, statistic):
    """With almost no kernel left, the intercept is the mean or the median."""
    y = np.random.default_rng(0).normal(size=41) ** 2
    reg = MKLRegressor([Linear()], ConvexLoss(loss, lam=1e8), tol=1e-8)
    X = np.random.default_rng(1).normal(size=(41, 1))
    assert_allclose(reg.fit(X, y).predict(X), statistic(y), atol=1e-3)


def test_a_robust_loss_stands_outliers(Xy):
    X, y = Xy
    spoiled = y.copy()
    spoiled[:3] += 500
    robust = MKLRegressor(KERNELS, ConvexLoss(Huber(1.0), lam=0.1)).fit(X, spoiled).score(X[3:], y[3:])
    squares = MKLRegressor(KERNELS, lam=0.1).fit(X, spoiled).score(X[3:], y[3:])
    assert robust > 0.8 > 0 > squares


@pytest.mark.parametrize("criterion", [*CRITERIA, ConvexLoss(Huber(0.5))], ids=str)
@pytest.mark.parametrize("kernels", [[Gaussian(0.5), Linear(), white()], "precomputed"], ids=["features", "stack"])
def test_weights_are_copies_and_zero_is_absence(Xy, criterion, kernels):
    X, y = Xy[0][:30], Xy[1][:30]
    w = np.random.default_rng(0).integers(0, 4, len(y))
    rows = np.repeat(np.arange(len(y)), w)
    reg = MKLRegressor(kernels, criterion, tol=1e-9)
    if kernels == "precomputed":
        stack = KernelStack.from_kernels([Gaussian(0.5), Linear()], X)
        weighted = reg.fit(stack, y, sample_weight=w).predict(stack)
        repeated = reg.fit(stack[np.ix_(rows, rows)], y[rows]).predict(stack[:, rows])
    else:
        weighted = reg.fit(X, y, sample_weight=w).predict(X)
        repeated = reg.fit(X[rows], y[rows]).predict(X)
    assert_allclose(weighted, repeated, atol=1e-4)


def test_equal_rows_with_different_targets_stay_apart():
    X, y = np.array([[0.0], [0.0], [1.0], [1.0], [0.0]]), np.array([1.0, 3.0, 5.0, 5.0, 1.0])
    reg = MKLRegressor([Linear()], LeastSquares(lam=1e-6), normalize=None).fit(X, y)
    assert_allclose(reg.predict([[0.0], [1.0]]), [5 / 3, 5.0], atol=1e-3)  # the mean of 1, 3, 1
    assert "3 samples" in reg.certificate_.problem  # (0, 1) twice, (0, 3), (1, 5) twice


@pytest.mark.parametrize("criterion", CRITERIA)
def test_several_targets_share_one_kernel(Xy, criterion):
    X, y = Xy
    Y = np.column_stack([y, -2 * y + 7, np.sin(y)])
    reg = MKLRegressor(KERNELS, criterion).fit(X, Y)
    assert reg.predict(X).shape == (50, 3) and reg.weights_.shape == (3,)
    assert reg.predict(X, split=True).shape == (50, 3, 3)
    assert reg.certificate_.holds(1e-4) and "3 tasks" in reg.certificate_.problem
    one = MKLRegressor(KERNELS, criterion).fit(X, y[:, None])
    assert one.predict(X).shape == (50, 1)
    assert_array_equal(one.predict(X)[:, 0], MKLRegressor(KERNELS, criterion).fit(X, y).predict(X))


def test_shares_and_the_intercept_add_up(Xy):
    reg = MKLRegressor(KERNELS, kernel_set="lp").fit(*Xy)
    shares = reg.predict(Xy[0], split=True)
    assert shares.shape == (50, 3)
    assert_allclose(shares.sum(axis=1) + reg.intercept_[0], reg.predict(Xy[0]), atol=1e-10)


@pytest.mark.parametrize("criterion", [*CRITERIA, ConvexLoss(Huber(0.5))], ids=str)
@pytest.mark.parametrize("kernel_set", SETS)
def test_constant_targets_are_met(Xy, criterion, kernel_set):
    X, _ = Xy
    reg = MKLRegressor(KERNELS, criterion, kernel_set).fit(X, np.full(50, 0.1))
    assert_allclose(reg.predict(X), 0.1, rtol=1e-12)
    assert reg.certificate_.holds(1e-4) and reg.predict(X, split=True).shape == (50, 3)


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_a_shift_of_the_targets_shifts_the_prediction(Xy, shift):
    X, y = Xy
    base = MKLRegressor(KERNELS, tol=1e-8).fit(X, y)
    moved = MKLRegressor(KERNELS, tol=1e-8).fit(X, y + shift)
    assert_allclose(moved.predict(X) - shift, base.predict(X), atol=1e-4)
    assert_allclose(moved.certificate_.primal, base.certificate_.primal, rtol=1e-6)


def test_order_of_rows_does_not_change_a_bit_and_sparse_equals_dense(Xy):
    X, y = np.where(Xy[0] < 0.3, 0.0, Xy[0]), Xy[1]
    order = np.random.default_rng(3).permutation(len(y))
    a = MKLRegressor().fit(X, y).predict(X)
    assert_allclose(MKLRegressor().fit(X[order], y[order]).predict(X), a, rtol=0, atol=1e-9)
    assert_allclose(MKLRegressor().fit(sparse.csr_array(X), y).predict(sparse.csr_array(X)), a, atol=1e-4)


def test_learning_finds_the_features_that_count():
    X, y = make_friedman1(120, 40, random_state=0)  # all but the first five columns are noise
    reg = MKLRegressor("per_feature", lam=0.1).fit(X[:80], y[:80])
    useful = np.array([any(f"x{j}" in name or f" {j}" in name for j in range(5)) for name in reg.kernel_names_])
    average = MKLRegressor("per_feature", lam=0.1, kernel_set="uniform").fit(X[:80], y[:80])
    assert reg.score(X[80:], y[80:]) > average.score(X[80:], y[80:]) + 0.02
    assert reg.weights_[: len(useful) // 2].sum() > 0.8


def test_cross_validation_on_a_stack_is_that_on_features(Xy):
    X, y = Xy
    stack = KernelStack.from_kernels(KERNELS, X)
    direct = cross_val_predict(MKLRegressor(KERNELS, tol=1e-8), X, y, cv=3)
    assert_allclose(cross_val_predict(MKLRegressor("precomputed", tol=1e-8), stack, y, cv=3), direct, atol=1e-4)
    search = GridSearchCV(MKLRegressor("precomputed"), {"lam": [0.01, 1.0, 100.0]}, cv=3).fit(stack, y)
    assert search.best_score_ > 0.3 and search.best_estimator_.certificate_.holds(1e-4)


ERRORS = {
    "classification": (dict(criterion=Hinge()), "'hinge' is not one for regression"),
    "one class": (dict(criterion=OneClass()), "'one_class' is not one for regression"),
    "alignment": (dict(criterion=Alignment()), "'alignment' is not one for regression"),
    "criterion": (dict(criterion="hinge"), "criterion must be one of 'least_squares'"),
    "pair": (dict(criterion="epsilon_svr", kernel_set="radius"), "does not go with the kernel set 'radius'"),
    "lam": (dict(lam=-1.0), "lam must be"),
    "C": (dict(criterion="nu_svr", C=0.0), "C must be positive"),
    "epsilon": (dict(criterion="epsilon_svr", epsilon=-0.1), "epsilon must be"),
    "nu": (dict(criterion="nu_svr", nu=2.0), "nu must be"),
    "tol": (dict(tol=-1.0), "tol must be positive"),
}


@pytest.mark.parametrize("parameters, message", ERRORS.values(), ids=ERRORS)
def test_bad_parameters_name_themselves(Xy, parameters, message):
    with pytest.raises(ValueError, match=message):
        MKLRegressor(**parameters).fit(*Xy)


def test_bad_data_name_themselves(Xy):
    X, y = Xy
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="y"):
            MKLRegressor().fit(X, np.r_[bad, y[1:]])
    with pytest.raises(ValueError, match="[Ss]ample.weight"):
        MKLRegressor().fit(X, y, sample_weight=np.zeros(50))
    with pytest.raises(ValueError, match="square"):
        MKLRegressor("precomputed").fit(np.zeros((50, 40, 2)), y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MKLRegressor().fit(X[:2], y[:2])
