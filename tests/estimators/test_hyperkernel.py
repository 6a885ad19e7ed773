"""Estimators that learn from a hyperkernel."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.linalg import eigvalsh
from sklearn.datasets import make_classification
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from kernelopt import HyperkernelClassifier, HyperkernelOneClass, HyperkernelRegressor
from kernelopt.estimators.hyper_base import make_hyperkernel, quantile_of_differences
from kernelopt.kernels import ARDHarmonic, GaussianHyperkernel, TranslationInvariant


@parametrize_with_checks(
    [
        HyperkernelClassifier(),
        HyperkernelClassifier("ard", norm="squared", c=None),
        HyperkernelRegressor(),
        HyperkernelRegressor("wishart", norm="squared", criterion="epsilon_svr"),
        HyperkernelOneClass(),
        HyperkernelOneClass("gaussian", norm="squared"),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def Xy():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    return X, np.where(X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * rng.normal(size=80) > 0, 1, -1)


@pytest.mark.parametrize("hyperkernel", ["gaussian_harmonic", "ard", "gaussian", "wishart"])
@pytest.mark.parametrize("norm, c", [("norm", 2.0), ("squared", None), ("squared", 2.0)])
def test_every_hyperkernel_with_every_price(Xy, hyperkernel, norm, c):
    X, y = Xy
    clf = HyperkernelClassifier(hyperkernel, C=5.0, norm=norm, c=c).fit(X[:60], y[:60])
    assert clf.certificate_.holds(1e-4) and clf.weights_.min() >= 0
    assert c is None or clf.weights_.sum() == pytest.approx(c, rel=1e-9)
    K = clf.kernel_(X)  # training and other samples jointly
    assert eigvalsh(K)[0] >= -1e-12 * np.trace(K)
    assert clf.score(X[60:], y[60:]) >= 0.6


@pytest.mark.parametrize("criterion", ["hinge", "squared_hinge", "lagrangian", "nu_svm", "logistic", "least_squares"])
def test_every_criterion(Xy, criterion):
    assert HyperkernelClassifier("ard", criterion=criterion, nu=0.3).fit(*Xy).certificate_.holds(1e-4)


def test_predictions_need_only_pivots_and_support_vectors(Xy):
    X, y = Xy
    clf = HyperkernelClassifier("ard", C=10.0, lam_q=50.0, norm="squared", c=1.0).fit(X, y)
    Z = np.random.default_rng(1).normal(size=(7, 3))
    hyper, support = clf.hyperkernel_, X[clf.support_]
    K = sum(
        beta * hyper.slice(hyper.features(X[[i]], X[[j]])[:, 0, 0], Z, support)
        for beta, (i, j) in zip(clf.weights_, clf.pivots_, strict=True)
    )
    assert_allclose(clf.decision_function(Z), K @ clf.dual_coef_[0] + clf.intercept_[0], rtol=1e-9)


def test_one_pivot_is_a_support_vector_machine_with_its_slice(Xy):
    X, y = Xy
    clf = HyperkernelClassifier("ard", rank=1, c=3.0, C=2.0, tol=1e-9).fit(X, y)
    K = 3.0 * clf.kernels_[0](X)
    svc = SVC(kernel="precomputed", C=2.0, tol=1e-10).fit(K, y)
    assert_allclose(clf.decision_function(X), svc.decision_function(K), atol=1e-5)
    assert clf.n_slices_ == 1
    assert clf.best_slice_objective_ == pytest.approx(clf.certificate_.primal, rel=1e-6)


def test_collapse_is_reported(Xy):
    """At the paper's constants the weight goes to one slice; at a high price it is spread, and then learning pays."""
    X, y = Xy
    one = HyperkernelClassifier("ard", C=100.0).fit(X, y)
    assert one.n_slices_ <= 2
    assert one.best_slice_objective_ == pytest.approx(one.certificate_.primal, rel=2e-3)
    two = HyperkernelClassifier("ard", C=1.0, lam_q=500.0, norm="squared", c=1.0, tol=1e-6).fit(X, y)
    assert two.n_slices_ > 1
    assert two.best_slice_objective_ > two.certificate_.primal * 1.001


def test_best_slice_is_the_best_of_all(Xy):
    X, y = Xy
    clf = HyperkernelClassifier("ard", C=1.0, lam_q=500.0, norm="squared", c=1.0, tol=1e-7).fit(X, y)
    values = []
    for kernel, e in zip(clf.kernels_, np.eye(len(clf.weights_)), strict=True):
        svc = SVC(kernel="precomputed", C=1.0, tol=1e-10).fit(kernel(X), y)
        margins = np.maximum(0, 1 - y * svc.decision_function(kernel(X))).sum()
        v = svc.dual_coef_[0]
        norm = 0.5 * v @ kernel(X[svc.support_]) @ v
        values.append(norm + margins + 250.0 * e @ clf.pair_gram_ @ e)
    assert clf.best_slice_objective_ == pytest.approx(min(values), rel=1e-6)
    assert clf.best_slice_ == np.argmin(values)


@pytest.mark.parametrize("seed", [4, 8, 16])
def test_best_slice_where_weights_of_any_sign_add_up_to_less_than_nothing(seed):
    """Alone, each slice gets the trace that was learned: the sum of such weights says nothing."""
    rng = np.random.default_rng(seed)
    X, y = 2 * rng.normal(size=(12, 1)), (rng.normal(size=12) > 0).astype(int)
    clf = HyperkernelClassifier(GaussianHyperkernel(1.0, 0.3), C=10.0, lam_q=0.01, norm="free", c=None)
    with pytest.warns(UserWarning, match="need be no kernel at new points"):
        clf.fit(X, y)
    assert clf.weights_.sum() < 0
    Ks = np.array([kernel(X) for kernel in clf.kernels_])
    traces = np.trace(Ks, axis1=1, axis2=2)
    values = []
    for K, total, price in zip(Ks, clf.weights_ @ traces / traces, np.diag(clf.pair_gram_), strict=True):
        svc = SVC(kernel="precomputed", C=10.0, tol=1e-8).fit(total * K, y)
        v, f = np.zeros(12), svc.decision_function(total * K)
        v[svc.support_] = svc.dual_coef_[0]
        margins = np.maximum(0, 1 - (2 * y - 1) * f).sum()
        values.append(0.5 * total * v @ K @ v + 10.0 * margins + 0.005 * total**2 * price)
    assert clf.best_slice_objective_ == pytest.approx(min(values), rel=1e-3)
    assert clf.best_slice_objective_ > clf.certificate_.primal


def test_free_signs_warn_and_are_better_on_the_training_samples(Xy):
    X, y = Xy
    bound = HyperkernelClassifier("ard", norm="squared", c=None, C=10.0, rank_tol=1e-4).fit(X, y)
    with pytest.warns(UserWarning, match="need be no kernel at new points"):
        free = HyperkernelClassifier("ard", norm="free", c=None, C=10.0, rank_tol=1e-4).fit(X, y)
    assert free.certificate_.holds(1e-4) and free.weights_.min() < 0
    assert free.certificate_.primal < bound.certificate_.primal
    K = free.kernel_(X)
    assert eigvalsh(K)[0] >= -1e-9 * np.trace(K)


def test_scale_must_be_given_with_the_norm():
    X = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(ValueError, match="needs the scale c"):
        HyperkernelOneClass(c=None).fit(X)
    assert HyperkernelOneClass(norm="squared", c=None).fit(X).certificate_.holds(1e-4)
    for bad in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match="c must be positive"):
            HyperkernelOneClass(c=bad).fit(X)


def test_free_signs_are_not_for_one_class():
    X = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(ValueError, match="does not go with the kernel set 'hyper_span'"):
        HyperkernelOneClass(norm="free").fit(X)


@pytest.mark.parametrize("name", ["hyperkernel", "norm", "widths"])
def test_unknown_words_are_refused(Xy, name):
    with pytest.raises(ValueError, match=f"{name} must be one of.*'nonsense'"):
        HyperkernelClassifier(**{name: "nonsense"}).fit(*Xy)
    with pytest.raises(ValueError, match="rank must be"):
        HyperkernelClassifier(rank=0).fit(*Xy)


def test_a_function_with_slices_that_are_no_kernels_is_refused(Xy):
    odd = TranslationInvariant(lambda T, S: np.prod(1 + 0.5 * np.cos(3 * T) * np.cos(3 * S), axis=0))
    with pytest.raises(ValueError, match="slice of pair"):
        HyperkernelClassifier(odd).fit(*Xy)


# ---- widths


def test_widths_follow_the_rules():
    X = np.column_stack([np.arange(11.0), np.zeros(11), np.r_[np.zeros(10), 3.0]])
    i, j = np.triu_indices(11, 1)
    q = np.quantile(np.abs(X[i, 0] - X[j, 0]), 0.9)
    assert quantile_of_differences(X[:, [0]]) == pytest.approx(q)
    assert make_hyperkernel("ard", "paper", 0.6, X).gammas[0] == pytest.approx(1 / (5 * q) ** 2)
    assert make_hyperkernel("ard", "literal", 0.6, X).gammas[0] == pytest.approx(50 * q)
    assert make_hyperkernel("ard", "paper", 0.6, X).gammas[1] == 0.0  # a constant column has no width and no say
    assert make_hyperkernel("ard", "paper", 0.6, X).gammas[2] == pytest.approx(1 / 15**2)  # most pairs agree
    distances = np.linalg.norm(X[i] - X[j], axis=1)
    assert make_hyperkernel("gaussian_harmonic", "paper", 0.6, X).gamma == pytest.approx(
        1 / (5 * np.quantile(distances, 0.9)) ** 2
    )
    given = GaussianHyperkernel(1.0, 1.0)
    assert make_hyperkernel(given, "paper", 0.6, X) is given


def test_the_literal_widths_make_all_samples_strangers():
    """Why the words of the paper cannot be what was run: no sample is like any other."""
    X, y = make_classification(60, 5, random_state=0)
    literal = HyperkernelClassifier("ard", widths="literal", C=100.0).fit(X, y)
    K = literal.kernel_(X)
    off = K[~np.eye(60, dtype=bool)]
    assert np.ptp(off) < 0.05 * K.max() or off.max() < 0.5 * K.max()
    assert HyperkernelClassifier("ard", C=100.0).fit(X, y).kernel_(X)[~np.eye(60, dtype=bool)].max() > 0.9


# ---- data


def test_columns_that_are_constant_and_sparse_input(Xy):
    X, y = Xy
    wide = np.column_stack([X, np.full(80, 7.0)])
    a = HyperkernelClassifier("ard", C=3.0, tol=1e-7).fit(X, y)
    b = HyperkernelClassifier("ard", C=3.0, tol=1e-7).fit(wide, y)
    assert_allclose(a.decision_function(X), b.decision_function(wide), atol=1e-4)
    dense = HyperkernelClassifier("ard").fit(X, y)
    made = HyperkernelClassifier("ard").fit(sparse.csr_array(X), y)
    assert_array_equal(dense.decision_function(X), made.decision_function(sparse.csr_array(X)))


def test_all_samples_alike():
    X = np.ones((6, 2))
    reg = HyperkernelRegressor().fit(X, np.arange(6.0))
    assert_allclose(reg.predict(X), 2.5)


def test_several_classes_share_one_kernel():
    X, y = make_classification(90, 4, n_informative=3, n_redundant=0, n_classes=3, random_state=1)
    clf = HyperkernelClassifier("ard", C=10.0).fit(X, y)
    assert clf.certificate_.holds(1e-4) and clf.score(X, y) > 0.7
    assert clf.dual_coef_.shape[0] == 3 and clf.weights_.ndim == 1
    assert_array_equal(clf.predict_proba(X).argmax(axis=1), clf.predict(X))


@pytest.mark.parametrize("criterion", ["least_squares", "epsilon_svr", "nu_svr"])
def test_regression(criterion):
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, size=(70, 2))
    y = np.sin(X[:, 0]) + 0.1 * rng.normal(size=70)
    reg = HyperkernelRegressor(ARDHarmonic((0.3, 0.01)), criterion, lam=0.1, C=10.0, c=float(y.std())).fit(X, y)
    assert reg.certificate_.holds(1e-4) and reg.score(X, y) > 0.8
