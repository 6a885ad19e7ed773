import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
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


def test_single_precision_stays_single(stack):
    single = KernelStack(stack.leading.astype(np.float32), names=stack.names)
    keep = [1, 2]
    forms = [
        single[np.ix_(keep, keep)],
        single.select(keep),
        as_stack(np.asarray(single)),
        as_stack(list(single.leading)),
    ]
    assert {form.dtype for form in forms} == {np.dtype(np.float32)}


def test_repr_shows_names_and_cuts_long_lists(stack):
    names = "['gaussian γ=0.1', 'gaussian γ=1', 'linear']"
    assert repr(stack) == f"KernelStack(shape=(30, 30, 3), dtype=float64, names={names})"
    assert repr(KernelStack(np.ones((50, 2, 2)))).endswith("'kernel 5', ...])")
    assert not hasattr(stack, "_repr_html_")


def test_diagonals_are_known_where_they_can_be(X, stack):
    new = KernelStack.from_kernels([Gaussian(0.1)], X[::-1], X)
    assert new.shape[0] == new.shape[1] and new.diag is None  # between other points, though as many
    assert_array_equal(KernelStack(stack.leading).diag, np.einsum("kii->ki", stack.leading))
    assert_array_equal(stack[[3, 1]].diag, stack.diag[:, [3, 1]])
    assert_array_equal(stack[3:5, 7:].select([2]).diag, stack.diag[[2], 3:5])
    assert KernelStack(stack.leading[:, :5]).diag is None


# --- what a precomputed estimator is given


SHAPES = {
    "list split by matrix": (lambda K: list(K[:, :20, :20]), "a list of 3 matrices.*from_leading"),
    "kernel first": (lambda K: K, r"the kernel comes first.*from_leading"),
    "not square": (lambda K: np.moveaxis(K[:, :, :20], 0, -1), "comes first in a pipeline"),
    "other samples": (lambda K: np.moveaxis(K[:, :20, :20], 0, -1), r"n = 30 samples as y has; found \(20, 20, 3\)"),
    "unequal": (lambda K: [K[0], K[1, :5, :5]], "one shape"),
    "sparse": (lambda K: sparse.csr_array(K[0]), "Sparse.*toarray"),
    "sparse in a list": (lambda K: [sparse.csr_array(K[0])], "sparse"),
    "complex": (lambda K: np.moveaxis(K, 0, -1) + 0j, "[Cc]omplex"),
    "one dimension": (lambda K: K[0, 0], "Reshape|shape"),
    "four dimensions": (lambda K: K[None], "shape|inconsistent numbers of samples"),
    "nothing": (lambda K: [], "shape|array"),
    "NaN": (lambda K: KernelStack(np.where(np.eye(30) == 1, np.nan, K), names="abc"), "a of the stack contains NaN"),
    "asymmetric": (lambda K: KernelStack([K[0], np.triu(K[1])]), "kernel 1 of shape .* not symmetric"),
    "negative definite": (lambda K: KernelStack([K[0], -K[1]], names="ab"), "b of shape .*positive semidefinite"),
}


@pytest.mark.parametrize("make, message", SHAPES.values(), ids=SHAPES)
def test_wrong_stacks_are_named_at_fit(stack, y, make, message):
    with pytest.raises((ValueError, TypeError), match=message):  # scikit-learn's type for sparse input
        MKLClassifier(kernels="precomputed").fit(make(stack.leading.copy()), y)


def test_a_list_is_split_by_matrix_before_any_estimator_sees_it(stack, y):
    """Why `KernelStack` is there: scikit-learn takes the length of a list for the number of samples."""
    clf = MKLClassifier(kernels="precomputed")
    matrices = list(stack.leading)
    assert_array_equal(clf.fit(matrices, y).predict(matrices), clf.fit(stack, y).predict(stack))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        cross_val_score(clf, matrices, y, cv=3)
    cross_val_score(clf, KernelStack.from_leading(matrices), y, cv=3)


# --- scikit-learn's tools


FORMS = {"KernelStack": lambda s: s, "array": np.asarray, "single precision": lambda s: np.asarray(s, dtype=np.float32)}
CLF = MKLClassifier(kernels="precomputed", tol=1e-6)
TOOLS = {
    "search": GridSearchCV(CLF, {"C": [0.1, 10.0]}, cv=3, n_jobs=2),
    "pipeline": make_pipeline(CLF),
    "search of a pipeline": GridSearchCV(make_pipeline(CLF), {"mklclassifier__C": [0.1, 10.0]}, cv=3),
    "one against rest": OneVsRestClassifier(CLF),
}


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_tools_in_cross_validation_equal_a_loop_by_hand(stack, y, tool, form):
    given, found = form(stack), []
    cv = KFold(3, shuffle=True, random_state=0)
    for train, test in cv.split(y):
        fitted = clone(tool).fit(form(stack[np.ix_(train, train)]), y[train])
        found.append(fitted.score(form(stack[np.ix_(test, train)]), y[test]))
    assert_array_equal(cross_val_score(tool, given, y, cv=cv), found)


def test_a_pipeline_that_starts_with_another_step_says_why_it_fails(stack, y):
    """It takes from its first step whether columns are split too; fit alone works."""
    steps = make_pipeline("passthrough", CLF)
    assert_array_equal(steps.fit(stack, y).predict(stack), CLF.fit(stack, y).predict(stack))
    with pytest.raises(ValueError, match="comes first in a pipeline"):
        cross_val_score(steps, stack, y, cv=3, error_score="raise")


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_readonly_memory_maps_in_cross_validation(tmp_path, stack, y, n_jobs):
    expected = cross_val_predict(CLF, stack, y, cv=3)
    np.save(tmp_path / "leading.npy", stack.leading)
    np.save(tmp_path / "trailing.npy", np.ascontiguousarray(np.asarray(stack)))
    leading, trailing = (np.load(tmp_path / f"{n}.npy", mmap_mode="r") for n in ("leading", "trailing"))
    for given in (KernelStack(leading, names=stack.names), trailing):
        assert_array_equal(cross_val_predict(CLF, given, y, cv=3, n_jobs=n_jobs), expected)


def test_names_reach_the_weights_through_a_search(stack, y):
    search = GridSearchCV(CLF, {"C": [1.0]}, cv=3).fit(stack, y)
    assert search.best_estimator_.kernel_names_ == list(stack.names)


def test_half_of_the_samples_held_out_is_not_mistaken_for_the_other_half(stack, y):
    """With two folds a test block is square, and its diagonal is not k(x, x): a bare array cannot be made spherical."""
    clf = MKLClassifier(kernels="precomputed", normalize="spherical")
    assert np.isfinite(cross_val_score(clf, stack, y, cv=2)).all()
    with pytest.raises(ValueError, match="diag"):
        cross_val_score(clf, np.asarray(stack), y, cv=2, error_score="raise")


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
