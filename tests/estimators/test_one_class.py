"""Novelty detection with a learned kernel."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.svm import OneClassSVM
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from kernelopt import KernelStack, MKLOneClass
from kernelopt.convex import Simplex
from kernelopt.errors import NotPSDError
from kernelopt.kernels import Gaussian, Linear

SQUARE = "the check feeds 300 x 2 features as a Gram matrix: OneClassSVM(kernel='precomputed') fails as well"
KERNELS = [Gaussian(0.05), Gaussian(0.5), Gaussian(5.0)]


def excuses(estimator):
    names = ["check_outliers_train", "check_outliers_fit_predict"] if estimator.kernels == "precomputed" else []
    return dict.fromkeys(names, SQUARE)


@parametrize_with_checks(
    [MKLOneClass(), MKLOneClass(kernel_set="squared_lp", p=1.5), MKLOneClass("precomputed")],
    expected_failed_checks=excuses,
    xfail_strict=True,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", list(excuses(MKLOneClass("precomputed"))))
def test_excuses(check):
    with pytest.raises(ValueError, match="square"):
        getattr(estimator_checks, check)("OneClassSVM", OneClassSVM(kernel="precomputed"))


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(60, 2))


@pytest.mark.parametrize("nu", [0.1, 0.5])
def test_one_kernel_is_one_class_svm_over_nu_n(X, nu):
    ours = MKLOneClass([Gaussian(0.5)], nu=nu, normalize=None, tol=1e-10).fit(X)
    theirs = OneClassSVM(gamma=0.5, nu=nu, tol=1e-10).fit(X)
    Z = np.random.default_rng(1).normal(size=(40, 2)) * 2
    assert_allclose(nu * 60 * ours.decision_function(Z), theirs.decision_function(Z), atol=1e-4)
    assert_allclose(nu * 60 * ours.score_samples(Z), theirs.score_samples(Z), atol=1e-4)
    assert_allclose(nu * 60 * ours.offset_, theirs.offset_, atol=1e-4)
    assert_array_equal(ours.predict(Z), theirs.predict(Z))


@pytest.mark.parametrize("kernel_set", ["lp", "squared_lp", "uniform", "groups", "trace"])
def test_every_set_has_a_proof(X, kernel_set):
    kernels = [(f"k{k}", kernel, [k % 2]) for k, kernel in enumerate(KERNELS)]
    detector = MKLOneClass(kernels, kernel_set, nu=0.2).fit(X)
    assert detector.certificate_.holds(1e-4) and detector.weights_.min() >= 0


@pytest.mark.parametrize("nu", [0.1, 0.3])
def test_at_most_a_share_nu_is_outside_and_outliers_are(X, nu):
    detector = MKLOneClass(KERNELS, nu=nu, tol=1e-7).fit(X)
    F = detector.decision_function(X)
    assert np.mean(F < -1e-9) <= nu <= np.mean(F <= 1e-6)
    assert_array_equal(detector.predict([[0.0, 0.0], [8.0, 8.0]]), [1, -1])
    assert_allclose(F, detector.score_samples(X) - detector.offset_)
    assert_array_equal(detector.fit_predict(X), detector.predict(X))


def test_a_simplex_warns_that_it_picks_the_widest(X):
    with pytest.warns(UserWarning, match=r"widest kernel \(here 'gaussian γ=0.05'\)"):
        detector = MKLOneClass(KERNELS, "simplex").fit(X)
    assert_allclose(detector.weights_, [1, 0, 0], atol=1e-3)
    with pytest.warns(UserWarning, match="widest"):
        MKLOneClass(KERNELS, Simplex()).fit(X)
    assert MKLOneClass(KERNELS).fit(X).weights_.min() > 0.05  # the default keeps all of them


@pytest.mark.parametrize("precomputed", [False, True])
def test_weights_are_copies_and_zero_is_absence(X, precomputed):
    w = np.random.default_rng(0).integers(0, 4, len(X))
    rows = np.repeat(np.arange(len(X)), w)
    if precomputed:
        stack = KernelStack.from_kernels(KERNELS, X)
        detector = MKLOneClass("precomputed", tol=1e-9)
        weighted = detector.fit(stack, sample_weight=w).decision_function(stack)
        repeated = detector.fit(stack[np.ix_(rows, rows)]).decision_function(stack[:, rows])
    else:
        detector = MKLOneClass(KERNELS, tol=1e-9)
        weighted = detector.fit(X, sample_weight=w).decision_function(X)
        repeated = detector.fit(X[rows]).decision_function(X)
    assert_allclose(weighted, repeated, atol=1e-6)


def test_a_stack_gives_what_features_give(X):
    stack = KernelStack.from_kernels(KERNELS, X)
    train, test = np.arange(40), np.arange(40, 60)
    direct = MKLOneClass(KERNELS, tol=1e-8).fit(X[train])
    pre = MKLOneClass("precomputed", tol=1e-8).fit(stack[np.ix_(train, train)])
    assert_allclose(pre.decision_function(stack[np.ix_(test, train)]), direct.decision_function(X[test]), atol=1e-6)


def test_shares_add_up_to_the_score(X):
    detector = MKLOneClass(KERNELS).fit(X)
    shares = detector.score_samples(X, split=True)
    assert shares.shape == (60, 3)
    assert_allclose(shares.sum(axis=1), detector.score_samples(X), atol=1e-10)


def test_a_constant_on_all_entries_of_one_kernel_changes_nothing_but_the_offset(X):
    """The dual variables add up to one."""
    K = Gaussian(0.5)(X, X)
    plain = MKLOneClass("precomputed", normalize=None, tol=1e-8).fit(K)
    moved = MKLOneClass("precomputed", normalize=None, tol=1e-8).fit(K + 3.0)
    assert_allclose(moved.decision_function(K + 3.0), plain.decision_function(K), atol=1e-5)


@pytest.mark.parametrize("nu", [0.1, 0.5])
def test_a_gram_matrix_up_to_a_constant_counts_with_the_least_that_makes_it_one(X, nu):
    """For one machine no constant matters, as scikit-learn's shows; for the weights it does, and this one is taken."""
    rng = np.random.default_rng(2)
    train, new = rng.normal(size=(50, 3)) + 3.0, rng.normal(size=(30, 3))
    K, L = train @ train.T, new @ train.T  # of rank 3: one that any subtraction spoils
    ours = MKLOneClass("precomputed", nu=nu, normalize=None, tol=1e-10).fit(K - 5.0)
    theirs = OneClassSVM(kernel="precomputed", nu=nu, tol=1e-10).fit(K - 5.0)
    assert_allclose(ours.normalization_.constant, [5.0], rtol=1e-9)
    assert_allclose(nu * 50 * (ours.score_samples(L - 5.0) - ours.score_samples(K - 5.0)[0]),
                    theirs.score_samples(L - 5.0) - theirs.score_samples(K - 5.0)[0], atol=1e-5)  # fmt: skip
    gaussian, between = Gaussian(0.5)(train, train), Gaussian(0.5)(new, train)
    for normalize in ("trace", "variance", None):
        detector = MKLOneClass("precomputed", nu=nu, normalize=normalize, tol=1e-9)
        whole = detector.fit(KernelStack.from_leading([K, gaussian]))
        expected = whole.decision_function(KernelStack.from_leading([L, between])), whole.weights_
        less = detector.fit(KernelStack.from_leading([K - 5.0, gaussian]))
        assert_allclose(less.decision_function(KernelStack.from_leading([L - 5.0, between])), expected[0], atol=1e-6)
        assert_allclose(less.weights_, expected[1], atol=1e-6)


def test_what_no_constant_makes_a_gram_matrix_is_refused(X):
    g = X[:, 0]
    for K in (np.add.outer(g, g), np.diag(np.sign(g)), -np.ones((60, 60)) + np.diag(np.r_[-1.0, np.ones(59)])):
        with pytest.raises(NotPSDError, match="kernel 0 of shape"):
            MKLOneClass("precomputed").fit(K)


ERRORS = {
    "nu": (dict(nu=0.0), "nu must be in"),
    "set": (dict(kernel_set="radius"), "does not go with the kernel set 'radius'"),
    "kernels": (dict(kernels=[]), "kernels is empty"),
    "groups": (dict(kernel_set="groups"), "per_feature"),
    "max_iter": (dict(max_iter=0), "max_iter"),
    "normalize": (dict(normalize="center"), "normalize='center' leaves nothing to learn"),
}


@pytest.mark.parametrize("parameters, message", ERRORS.values(), ids=ERRORS)
def test_bad_parameters_name_themselves(X, parameters, message):
    with pytest.raises(ValueError, match=message):
        MKLOneClass(**parameters).fit(X)


def test_linear_kernel_finds_points_on_the_wrong_side(X):
    detector = MKLOneClass([Linear()], nu=0.1).fit(X + 5)
    assert_array_equal(detector.predict([[6.0, 6.0], [-1.0, -1.0]]), [1, -1])
    with pytest.raises(ValueError, match="[Ss]ample.weight"):
        detector.fit(X, sample_weight=np.zeros(60))
