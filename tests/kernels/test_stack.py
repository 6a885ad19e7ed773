import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import KFold, cross_val_predict, cross_val_score
from sklearn.svm import SVC

from kernelopt import MKLClassifier
from kernelopt.errors import NotPSDError
from kernelopt.kernels import Gaussian, KernelStack, Linear, as_stack, check_gram


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(30, 3))


@pytest.fixture
def y():
    return np.random.default_rng(1).permutation(np.repeat([0, 1], 15))


@pytest.fixture
def stack(X):
    return KernelStack.from_kernels([Gaussian(0.1), Gaussian(1.0), Linear()], X)


def test_shape_is_kernel_last_and_memory_kernel_first(stack):
    assert stack.shape == (30, 30, 3) and stack.leading.flags.c_contiguous
    assert_array_equal(np.asarray(stack)[:, :, 1], stack.leading[1])
    assert_array_equal(KernelStack.from_trailing(np.asarray(stack)).leading, stack.leading)


def test_shared_distances_change_nothing(X, stack):
    assert_allclose(stack.leading[1], Gaussian(1.0)(X, X), atol=1e-15)


@pytest.mark.parametrize("key", [np.ix_([0, 5], [1, 2, 3]), slice(2, 9), np.arange(4), (slice(None), [0, 1])])
def test_indexing_is_that_of_the_array(stack, key):
    found = stack[key]
    assert_array_equal(np.asarray(found), np.asarray(stack)[key])
    assert found.names == stack.names


def test_indexing_by_mask_and_by_one_row(stack):
    mask = np.arange(30) % 3 == 0
    assert_array_equal(np.asarray(stack[mask]), np.asarray(stack)[mask])
    with pytest.raises(IndexError, match="single row"):
        stack[3]


@pytest.mark.parametrize("form", [lambda s: s, np.asarray], ids=["KernelStack", "array"])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_cross_validation_splits_every_kernel_rightly(stack, X, y, form, n_jobs):
    clf = MKLClassifier(kernels="precomputed", normalize=None, tol=1e-6)
    found = cross_val_predict(clf, form(stack), y, cv=KFold(3), method="decision_function", n_jobs=n_jobs)
    kernels = [Gaussian(0.1), Gaussian(1.0), Linear()]
    expected = cross_val_predict(
        MKLClassifier(kernels=kernels, normalize=None, tol=1e-6),
        X,
        y,
        cv=KFold(3),
        method="decision_function",
    )
    assert_allclose(found, expected, atol=1e-3)


def test_one_kernel_stack_scores_like_svc(stack, y):
    one = KernelStack(stack.leading[1:2])
    ours = cross_val_score(MKLClassifier(kernels="precomputed", normalize=None, C=0.7), one, y, cv=KFold(5))
    theirs = cross_val_score(SVC(kernel="precomputed", C=0.7), stack.leading[1], y, cv=KFold(5))
    assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: KernelStack(np.zeros((3, 3))), "shape"),
        (lambda: KernelStack.from_leading([np.eye(2), np.eye(3)]), "one shape"),
        (lambda: KernelStack.from_leading([]), "no kernel"),
        (lambda: KernelStack(np.zeros((2, 3, 3)), names=["a", "a"]), "more than once: a"),
        (
            lambda: KernelStack.from_kernels([lambda X, Z: np.zeros((1, 1))], np.eye(3)),
            r"must return \(3, 3\)",
        ),
        (lambda: KernelStack.from_kernels([lambda X, Z: np.full((3, 3), np.nan)], np.eye(3)), "NaN"),
        (lambda: KernelStack.from_kernels([], np.eye(3)), "empty"),
    ],
)
def test_bad_stacks_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_list_of_matrices_and_one_matrix_are_stacks(stack):
    assert as_stack(list(stack.leading)).shape == stack.shape
    assert as_stack(stack.leading[0]).shape == (30, 30, 1)


# --- gates


def test_what_rounding_explains_passes_and_comes_back_symmetric():
    A = np.random.default_rng(0).normal(size=(50, 5))
    K = A @ A.T
    assert check_gram(K) is K
    K[0, 1] *= 1 + 1e-15
    found = check_gram(K)
    assert_array_equal(found, found.T)
    check_gram(K - 1e-13 * np.eye(50))
    check_gram((A @ A.T).astype(np.float32))
    check_gram((A @ A.T).astype(np.float32).astype(float))


@pytest.mark.parametrize("size", [1e-290, 1.0, 1e290])
def test_indefinite_and_asymmetric_are_refused_at_any_scale(size):
    with pytest.raises(NotPSDError, match="smallest eigenvalue"):
        check_gram(size * np.array([[1.0, 1.1], [1.1, 1.0]]))
    with pytest.raises(NotPSDError, match="not symmetric"):
        check_gram(size * np.array([[1.0, 0.2], [0.1, 1.0]]))


def test_up_to_constant_admits_what_the_intercept_absorbs(X):
    D = ((X[:, None] - X) ** 2).sum(-1)
    check_gram(-D, up_to_constant=True)
    with pytest.raises(NotPSDError):
        check_gram(-D)
    with pytest.raises(NotPSDError, match="conditionally"):
        check_gram(D, up_to_constant=True)


@pytest.mark.parametrize(
    "K, message", [(np.ones((2, 3)), "square"), (np.full((2, 2), np.nan), "NaN"), (np.ones(3), "square")]
)
def test_not_a_matrix(K, message):
    with pytest.raises(ValueError, match=message):
        check_gram(K)
