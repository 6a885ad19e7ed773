"""The learned kernel: new points, precomputed stacks, and the share of each kernel."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris

from kernelopt import KernelStack, MKLClassifier
from kernelopt.kernels import Gaussian, Linear, Polynomial, white

KERNELS = [Linear(), Gaussian(0.2), 2 * Gaussian(1.0) * (Linear() + 1), Polynomial(2)]
METHODS = ["variance", "center", "trace", "spherical", None]


@pytest.fixture(scope="module")
def data():
    X, y = load_iris(return_X_y=True)
    return X[50::2], y[50::2]


@pytest.fixture(params=METHODS, ids=str)
def fitted(request, data):
    """A machine on features, its twin on stacks, trained with weights of zero among others; and new points."""
    X, y = data
    train, test = np.arange(0, 50, 2), np.arange(1, 50, 2)
    w = np.where(np.arange(25) % 5 == 0, 0.0, 1.0 + np.arange(25) % 3)
    options = dict(kernel_set="uniform", normalize=request.param, tol=1e-8)
    stack = KernelStack.from_kernels(KERNELS, X)
    features = MKLClassifier(kernels=KERNELS, **options).fit(X[train], y[train], w)
    stacked = MKLClassifier(kernels="precomputed", **options).fit(stack[np.ix_(train, train)], y[train], w)
    return features, stacked, X[train], X[test], stack[np.ix_(test, train)], w


def test_features_and_stacks_agree_where_weights_are_zero(fitted):
    features, stacked, X, Z, block, w = fitted
    assert_allclose(stacked.decision_function(block), features.decision_function(Z), atol=1e-5)
    assert_allclose(stacked.kernel_(block), features.kernel_(Z, X[w > 0]), atol=1e-10)


def test_parts_add_up_to_the_kernel_and_to_the_decision(fitted):
    features, stacked, X, Z, block, w = fitted
    for parts, whole in (
        (features.kernel_.parts(Z, X), features.kernel_(Z, X)),
        (features.kernel_.parts(X), features.kernel_(X)),
        (stacked.kernel_.parts(block), stacked.kernel_(block)),
    ):
        assert len(parts) == len(features.kernel_.active)
        assert_allclose(sum(parts), whole, atol=1e-12)
    support = X[features.support_]
    shares = [part @ features.dual_coef_.T for part in features.kernel_.parts(Z, support)]
    assert_allclose(sum(shares)[:, 0] + features.intercept_[0], features.decision_function(Z), atol=1e-9)


def test_the_kernel_is_symmetric_and_does_not_depend_on_how_points_are_asked_for(fitted):
    features, _, X, Z, _, _ = fitted
    k = features.kernel_
    assert_allclose(k(X, Z), k(Z, X).T, atol=1e-10)
    assert_allclose(k(Z), k(Z, Z.copy()), atol=1e-10)
    assert_allclose(k(np.vstack([X, Z]))[: len(X), len(X) :], k(X, Z), atol=1e-10)
    assert np.linalg.eigvalsh(k(np.vstack([X, Z])))[0] > -1e-9


def test_known_training_points_need_no_second_measuring(fitted):
    features, stacked, _, Z, block, _ = fitted
    for clf, args in ((features, (Z, features._support_X)), (stacked, (block,))):
        found = clf.kernel_(*args, index=clf._support)
        expected = clf.kernel_(*args) if len(args) == 2 else clf.kernel_(*args)[:, clf._support]
        assert_allclose(found, expected, atol=1e-12)


def test_sparse_points(data):
    X, y = data
    for method in METHODS:
        dense = MKLClassifier(kernels=KERNELS, normalize=method, tol=1e-8).fit(X, y)
        found = MKLClassifier(kernels=KERNELS, normalize=method, tol=1e-8).fit(sparse.csr_array(X), y)
        assert_allclose(found.decision_function(sparse.csr_array(X)), dense.decision_function(X), atol=1e-4)


def test_centring_changes_nothing_where_there_is_an_intercept(data):
    X, y = data
    a, b = (MKLClassifier(kernels=KERNELS, normalize=n, tol=1e-8).fit(X, y) for n in ("variance", "center"))
    assert_allclose(a.decision_function(X), b.decision_function(X), atol=1e-4)
    assert_allclose(a.weights_, b.weights_, atol=1e-4)


def test_a_stack_takes_no_second_argument(data):
    X, y = data
    stack = KernelStack.from_kernels(KERNELS, X)
    clf = MKLClassifier(kernels="precomputed").fit(stack, y)
    with pytest.raises(ValueError, match="no Z"):
        clf.kernel_(stack, X)


@pytest.mark.parametrize("method", ["variance", "center", "trace"])
def test_white_weighs_at_training_and_is_left_out_at_prediction(data, method):
    """Even at a training point; and a point of weight k is k points, each with noise of its own."""
    X, y = data
    w = np.random.default_rng(0).integers(0, 4, len(y))
    rows = np.repeat(np.arange(len(y)), w)
    clf = MKLClassifier(kernels=[Gaussian(0.3), white()], kernel_set="uniform", normalize=method, tol=1e-10)
    weighted = clf.fit(X, y, sample_weight=w).decision_function(X)
    K = Gaussian(0.3)(X[rows], X[rows])
    stack = KernelStack(np.stack([K, np.eye(len(rows))]))  # every copy apart, so nothing is merged
    apart = MKLClassifier(kernels="precomputed", kernel_set="uniform", normalize=method, tol=1e-10).fit(stack, y[rows])
    new = KernelStack(np.stack([Gaussian(0.3)(X, X[rows]), np.zeros((len(X), len(rows)))]))
    assert_allclose(weighted, apart.decision_function(new), atol=1e-4)


def test_equal_runs_give_equal_bits(data):
    X, y = data
    a, b = (MKLClassifier(kernels=KERNELS, normalize="center").fit(X, y) for _ in range(2))
    assert_array_equal(a.decision_function(X), b.decision_function(X))
