from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from kernelopt import KernelStack, SDPKernelClassifier
from kernelopt.convex import Hinge, LeastSquares, Problem, PSDSpan, TraceBudget
from kernelopt.errors import NotPSDError, UnboundedError
from kernelopt.kernels import Gaussian, Linear, Normalization, Polynomial, white

KERNELS = [Polynomial(2, 0.2), Gaussian(0.03), Gaussian(0.1), Gaussian(1.0), Linear()]
N, LABELLED = 60, 35


@parametrize_with_checks(
    [
        SDPKernelClassifier(["rbf"], tol=1e-9),
        SDPKernelClassifier(["rbf", "polynomial"], kernel_set="trace", unlabeled=None, criterion="least_squares"),
        SDPKernelClassifier("precomputed", normalize="trace", kernel_set="trace", unlabeled=None),
    ],
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def X():
    return make_classification(N, 6, n_informative=4, class_sep=0.6, random_state=0)[0]


@pytest.fixture(scope="module")
def y():
    return make_classification(N, 6, n_informative=4, class_sep=0.6, random_state=0)[1]


@pytest.fixture(scope="module")
def some(y):
    """Labels of every other block, so that labelled points do not come first."""
    rng = np.random.default_rng(5)
    out = y.copy()
    out[rng.permutation(N)[LABELLED:]] = -1
    return out


def normalised(X, kernels=KERNELS):
    stack = KernelStack.from_kernels(kernels, X)
    return Normalization.fit(stack, "spherical").apply(stack)


@pytest.mark.parametrize("criterion", ["hinge", "squared_hinge", "least_squares", "hard_margin"])
def test_free_signs_are_better_than_nonnegative_weights_and_both_are_proven(X, some, criterion):
    """Th. 16 against Th. 17 at the same trace: the semidefinite set contains the other."""
    c = float(N)
    clf = SDPKernelClassifier(KERNELS, criterion, kernel_set=PSDSpan(c), tol=1e-6)
    sdp = clf.fit(X, some).certificate_
    signs = sdp_weights = clf.weights_
    qcqp = clone(clf).set_params(kernel_set=TraceBudget(c)).fit(X, some).certificate_
    assert sdp.holds(1e-6) and qcqp.holds(1e-6)
    assert sdp.primal <= qcqp.dual * (1 + 1e-6)
    assert (signs < 0).any() and sdp.primal < qcqp.dual * (1 - 1e-3)
    assert_allclose(sdp_weights.sum(), 1, rtol=1e-6)  # each kernel has the trace N after spherical normalisation


def test_where_no_weight_would_be_negative_the_two_sets_agree(X, some):
    """Rank-one kernels with orthonormal vectors: the combination is semidefinite where all weights are nonnegative."""
    vectors = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)[0]
    stack = KernelStack(np.stack([np.outer(v, v) for v in vectors.T]))
    fits = [
        SDPKernelClassifier("precomputed", normalize=None, kernel_set=kernel_set, C=10.0, tol=1e-6).fit(stack, some)
        for kernel_set in (PSDSpan(float(N)), TraceBudget(float(N)))
    ]
    assert all(clf.certificate_.holds(1e-6) for clf in fits)
    assert_allclose(fits[0].certificate_.primal, fits[1].certificate_.primal, rtol=2e-6)
    assert fits[0].weights_.min() >= -1e-6 * N


def test_the_learned_matrix_is_what_the_svm_of_the_labelled_points_needs(X, some):
    """K from the fitted attributes: semidefinite, of the right trace, and its SVC has the certified value."""
    clf = SDPKernelClassifier(KERNELS, C=2.0, tol=1e-7).fit(X, some)
    K, labelled = clf.kernel_matrix_, some >= 0
    assert_allclose(K, np.tensordot(clf.weights_, np.stack([normalised(X).mix(e) for e in np.eye(5)]), 1), atol=1e-9)
    assert np.linalg.eigvalsh(K)[0] >= -1e-10 * N and np.trace(K) == pytest.approx(N)
    svc = SVC(kernel="precomputed", C=2.0, tol=1e-9).fit(K[np.ix_(labelled, labelled)], some[labelled])
    v = np.zeros(labelled.sum())
    v[svc.support_] = svc.dual_coef_[0]
    value = np.abs(v).sum() - 0.5 * v @ K[np.ix_(labelled, labelled)] @ v
    assert_allclose(value, clf.certificate_.primal, rtol=1e-5)
    expected = svc.classes_[(svc.decision_function(K[:, labelled]) > 0).astype(int)]
    assert_array_equal(clf.transduction_, expected)


def test_labels_of_unlabelled_points_are_never_seen_but_their_inputs_are(X, y, some):
    def fit(X, marker):
        return SDPKernelClassifier(KERNELS, unlabeled=marker).fit(X, np.where(some < 0, marker, y))

    clf = fit(X, -1)
    assert_array_equal(clf.classes_, [0, 1])
    assert_array_equal(clf.weights_, fit(X, 7).weights_)  # whatever stands in their place
    moved = X.copy()
    moved[some < 0] *= 3.0
    assert not np.allclose(fit(moved, -1).weights_, clf.weights_, atol=1e-3)


def test_order_of_points_does_not_matter(X, some):
    order = np.random.default_rng(1).permutation(N)
    one = SDPKernelClassifier(KERNELS, tol=1e-8).fit(X, some)
    two = SDPKernelClassifier(KERNELS, tol=1e-8).fit(X[order], some[order])
    assert_allclose(one.weights_, two.weights_, atol=1e-4)
    assert_array_equal(one.transduction_[order], two.transduction_)
    assert_allclose(one.kernel_matrix_[np.ix_(order, order)], two.kernel_matrix_, atol=1e-4)


MARKERS = {
    "auto with two others": ("auto", [0, 1, -1], {0, 1}, 1),
    "auto with one other": ("auto", [-1, 1, 1], {-1, 1}, 0),
    "none": (None, [0, 1, -1], {-1, 0, 1}, 0),
    "a number": (9, [-1, 1, 9], {-1, 1}, 1),
    "a word": ("?", ["a", "b", "?"], {"a", "b"}, 1),
    "auto among words": ("auto", ["a", "b", "-1"], {"a", "b", "-1"}, 0),
    "true numbers": ("auto", [2.0, 3.0, -1.0], {2.0, 3.0}, 1),
}


@pytest.mark.parametrize("unlabeled, names, classes, missing", MARKERS.values(), ids=MARKERS)
def test_what_marks_an_unlabelled_point(X, unlabeled, names, classes, missing):
    y = np.array(names)[np.arange(30) % 3]
    clf = SDPKernelClassifier(KERNELS, unlabeled=unlabeled).fit(X[:30], y)
    assert set(clf.classes_.tolist()) == classes
    assert ("10 of them unlabelled" in clf.certificate_.problem) == bool(missing)
    assert set(clf.transduction_.tolist()) <= classes and clf.transduction_.dtype == y.dtype


def test_predict_at_the_fitted_points_is_the_transduction(X, some):
    for form in (X, sparse.csr_array(X)):
        clf = SDPKernelClassifier(KERNELS).fit(form, some)
        assert (clf.weights_ < 0).any()
        assert_array_equal(clf.predict(form), clf.transduction_)
        assert_array_equal(clf.predict(form[5:9]), clf.transduction_[5:9])
    assert SDPKernelClassifier.transductive


def test_new_points_are_refused_where_the_learned_kernel_is_none(X, some):
    new = -2.0 * X[:5]
    clf = SDPKernelClassifier(KERNELS).fit(X, some)
    both = np.vstack([X, new])
    smallest = np.linalg.eigvalsh(clf.kernel_(both))[0]
    assert smallest < -1e-6
    with pytest.raises(ValueError, match=rf"60 fitted points.*5 new ones: smallest eigenvalue {smallest:.1e}.*to fit"):
        clf.predict(np.vstack([new, X[:3]]))
    nonnegative = SDPKernelClassifier(KERNELS, kernel_set="trace").fit(X, some)
    assert nonnegative.predict(new).shape == (5,)


def test_new_points_are_predicted_where_negative_weights_do_no_harm(X, some):
    """2k - k/2 written as two kernels: a kernel everywhere, with a negative weight."""
    clf = SDPKernelClassifier([Gaussian(0.1), Gaussian(0.1)]).fit(X, some)
    clf.weights_[:] = 1.5, -0.5
    plain = SDPKernelClassifier([Gaussian(0.1)]).fit(X, some)
    assert_allclose(clf.decision_function(X + 0.1), plain.decision_function(X + 0.1), atol=1e-2)


def test_tiny_negative_weights_are_cut_off_where_the_certificate_allows(X, some):
    clf = SDPKernelClassifier([Gaussian(0.3)], tol=1e-5)
    stack = normalised(X, [Gaussian(0.3), Gaussian(0.1)])
    problem = Problem(stack, np.where(some[:40, None] > 0, 1.0, -1.0), Hinge(), PSDSpan(), np.ones(40))

    class Fixed:
        def solve(self, problem):
            from kernelopt.convex.solvers import InteriorPoint

            found = InteriorPoint(tol=1e-9).solve(replace(problem, kernel_set=TraceBudget(float(N))))
            theta = found.theta + np.where(found.theta < 0.5, -1e-9, 1e-9)
            return replace(problem.certified(replace(found, theta=theta)), theta=theta)

    clf.solver_ = Fixed()
    solution = clf._answer(problem)
    if solution.certificate.holds(1e-5):
        assert solution.theta.min() >= 0


def test_a_precomputed_stack_says_the_same_and_refuses_other_points(X, some):
    stack = KernelStack.from_kernels(KERNELS, X)
    pre = SDPKernelClassifier("precomputed", tol=1e-7).fit(stack, some)
    direct = SDPKernelClassifier(KERNELS, tol=1e-7).fit(X, some)
    assert_allclose(pre.weights_, direct.weights_, atol=1e-4)
    assert_array_equal(pre.transduction_, direct.transduction_)
    assert_array_equal(pre.predict(stack[3:9]), pre.transduction_[3:9])
    new = KernelStack.from_kernels(KERNELS, X[:2] + 1.0, X, diag=True)
    with pytest.raises(ValueError, match="precomputed stack, which lacks"):
        pre.predict(new)
    nonnegative = [
        SDPKernelClassifier(k, kernel_set="trace", tol=1e-7).fit(Z, some)
        for k, Z in (("precomputed", stack), (KERNELS, X))
    ]
    values = nonnegative[0].decision_function(new), nonnegative[1].decision_function(X[:2] + 1.0)
    assert_allclose(*values, atol=1e-4)


def test_several_classes_share_one_kernel():
    X, y = load_iris(return_X_y=True)
    X, y = X[::2], y[::2]
    some = np.where(np.arange(len(y)) % 2, y, -1)
    clf = SDPKernelClassifier([Gaussian(0.1), Gaussian(1.0), Linear()], tol=1e-6).fit(X, some)
    assert clf.certificate_.holds(1e-6) and "3 tasks" in clf.certificate_.problem
    assert clf.decision_function(X).shape == (len(y), 3)
    assert (clf.transduction_ == y).mean() > 0.9


@pytest.mark.parametrize("kernels", [KERNELS, "precomputed"])
def test_weights_are_copies_and_zero_is_absence(X, some, kernels):
    w = np.random.default_rng(0).integers(0, 4, N)
    rows = np.repeat(np.arange(N), w)
    stack = KernelStack.from_kernels(KERNELS, X)
    one, two = (X, X[rows]) if kernels is KERNELS else (stack, stack[np.ix_(rows, rows)])
    weighted = SDPKernelClassifier(kernels, tol=1e-8).fit(one, some, sample_weight=w)
    repeated = SDPKernelClassifier(kernels, tol=1e-8).fit(two, some[rows])
    assert_allclose(weighted.certificate_.primal, repeated.certificate_.primal, rtol=1e-6)
    assert_allclose(weighted.weights_, repeated.weights_, atol=1e-3)
    assert_array_equal(weighted.transduction_[rows], repeated.transduction_)
    assert_array_equal(weighted.transduction_[w == 0], some[w == 0])
    assert len(weighted.kernel_matrix_) == np.count_nonzero(w)


def test_weights_that_copies_would_not_match_are_refused(X, some):
    w = 1.0 + np.arange(N) % 2
    for parameters in (dict(normalize=None), dict(kernels=[*KERNELS, white()])):
        with pytest.raises(ValueError, match="shares of the trace"):
            SDPKernelClassifier(**{"kernels": KERNELS, **parameters}).fit(X, some, sample_weight=w)
    SDPKernelClassifier(KERNELS, normalize=None).fit(X, some, sample_weight=np.full(N, 2.0))


def test_class_weight_is_a_factor_of_the_losses(X, some):
    explicit = {0: 2.0, 1: 0.5}
    a = SDPKernelClassifier(KERNELS, class_weight=explicit, tol=1e-8).fit(X, some)
    w = np.where(some == 0, 2.0, np.where(some == 1, 0.5, 1.0))
    b = SDPKernelClassifier(KERNELS, tol=1e-8).fit(X, some, sample_weight=w)
    assert_allclose(a.certificate_.primal, b.certificate_.primal, rtol=1e-6)


def test_hard_margin_learns_its_ridge_with_white_and_is_unbounded_without(X, y):
    same = np.vstack([X, X[:1]])
    labels = np.append(y, 1 - y[0])  # one point in both classes
    clf = SDPKernelClassifier(KERNELS, "hard_margin")
    with pytest.raises(UnboundedError):
        clf.fit(same, labels)
    clf = SDPKernelClassifier([*KERNELS, white()], "hard_margin", tol=1e-6).fit(same, labels)
    assert clf.certificate_.holds(1e-6) and clf.weights_[-1] > 0
    assert_array_equal(clf.predict(same), clf.transduction_)


@pytest.mark.parametrize("normalize", ["trace", None])
@pytest.mark.parametrize("kernel_set", ["psd_span", "trace"])
def test_a_gram_matrix_up_to_a_constant_counts_with_the_least_that_makes_it_one(X, some, kernel_set, normalize):
    """The machine never sees a constant, the trace that is held does: what is held is that of the least."""
    linear, gaussian = X @ X.T, Gaussian(0.1)(X, X)  # of rank 6: one that any subtraction spoils
    clf = SDPKernelClassifier("precomputed", kernel_set=kernel_set, normalize=normalize, tol=1e-8)
    whole = clf.fit(KernelStack.from_leading([linear, gaussian]), some)
    expected = whole.weights_, whole.certificate_.primal, whole.transduction_, whole.kernel_matrix_
    less = clf.fit(KernelStack.from_leading([linear - 2.0, gaussian]), some)
    assert_allclose(less.normalization_.constant, [2.0, 0.0], rtol=1e-9)
    assert_allclose(less.weights_, expected[0], rtol=1e-4, atol=1e-5)
    assert_allclose(less.certificate_.primal, expected[1], rtol=1e-7)
    assert_array_equal(less.transduction_, expected[2])
    assert_allclose(less.kernel_matrix_, expected[3], atol=1e-3)


@pytest.mark.parametrize("normalize", ["spherical", "trace"])
def test_an_indefinite_matrix_is_refused(X, some, normalize):
    signs = np.sign(X[:, 0])
    for K in (np.diag(signs), np.add.outer(signs, signs), np.eye(N) - 0.5 * np.outer(signs, signs)):
        with pytest.raises(NotPSDError, match="kernel 0 of shape"):
            SDPKernelClassifier("precomputed", normalize=normalize).fit(K, some)


def test_a_machine_without_intercept_sees_a_constant_and_is_refused_it(X, some):
    clf = SDPKernelClassifier("precomputed", LeastSquares(0.1, intercept=False), normalize="trace")
    clf.fit(X @ X.T, some)
    with pytest.raises(NotPSDError, match="kernel 0 of shape"):
        clf.fit(X @ X.T - 2.0, some)


ERRORS = {
    "one class": (dict(), np.r_[np.zeros(20, int), np.full(40, 0)], "one class"),
    "set": (dict(kernel_set="cube"), None, "kernel_set must be one of 'psd_span'"),
    "criterion": (dict(criterion="deep"), None, "criterion must be one of 'hinge'"),
    "C": (dict(C=-1.0), None, "C must be positive"),
    "tol": (dict(tol=0.0), None, "tol must be positive"),
}


@pytest.mark.parametrize("parameters, labels, message", ERRORS.values(), ids=ERRORS)
def test_bad_parameters_name_themselves(X, some, parameters, labels, message):
    with pytest.raises(ValueError, match=message):
        SDPKernelClassifier(KERNELS, **{k: v for k, v in parameters.items()}).fit(X, some if labels is None else labels)
