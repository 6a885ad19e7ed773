"""Fisher's discriminant with a learned kernel, against the formulas of the papers and programs written from them."""

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from kernelopt import KernelFisherClassifier, KernelStack
from kernelopt.errors import NotPSDError
from kernelopt.estimators.fisher import kim_gaussians
from kernelopt.kernels import Gaussian, Linear, Polynomial

KERNELS = [Gaussian(0.05), Gaussian(0.5), Gaussian(3.0), Linear()]
FORMS = ["kim", "ye"]


@parametrize_with_checks(
    [
        KernelFisherClassifier(),
        KernelFisherClassifier(["linear", "rbf"], form="ye", lam="learn"),
        KernelFisherClassifier("precomputed", kernel_set="lp"),
        KernelFisherClassifier("precomputed", form="ye", lam=0.1),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def Xy():
    return make_classification(40, 4, n_informative=3, n_redundant=0, weights=[0.7], class_sep=0.5, random_state=3)


def normalised(X, kernels=KERNELS):
    """The matrices of the default normalisation, written out."""
    Ks = [k(X, X) for k in kernels]
    return [K / (np.trace(K) / len(X) - K.mean()) for K in Ks]


def halves(y):
    """a = (1/n+ | -1/n-) and J = blkdiag(H / sqrt(n+), H / sqrt(n-)), H the centring within the class."""
    a, J = np.zeros(len(y)), np.zeros((len(y), len(y)))
    for label, sign in ((1, 1.0), (0, -1.0)):
        side = np.flatnonzero(y == label)
        m = len(side)
        a[side], J[np.ix_(side, side)] = sign / m, (np.eye(m) - 1 / m) / np.sqrt(m)
    return a, J


def kim_ratio(G, y, lam):
    """F* = a'[G - G J (lam I + J G J)^-1 J G]a / lam."""
    a, J = halves(y)
    return float(a @ G @ a - a @ G @ J @ np.linalg.solve(lam * np.eye(len(y)) + J @ G @ J, J @ G @ a)) / lam


def ratio_of(f, norm, y, lam, form):
    """The ratio that a direction reaches, by its definition."""
    up, down = f[y == 1], f[y == 0]
    spread = up.var() + down.var() if form == "kim" else len(up) * up.var() + len(down) * down.var()
    return (up.mean() - down.mean()) ** 2 / (spread + lam * norm)


@pytest.mark.parametrize("lam", [1e-4, 1e-2, 1.0])
def test_the_ratio_is_the_closed_form_and_no_other_kernel_has_a_larger_one(Xy, lam):
    X, y = Xy
    clf = KernelFisherClassifier(KERNELS, lam=lam, tol=1e-8).fit(X, y)
    Ks = normalised(X)
    best = kim_ratio(np.tensordot(clf.weights_, Ks, 1), y, lam)
    assert_allclose(clf.discriminant_ratio_, [best], rtol=1e-7)
    assert_allclose(-clf.certificate_.primal, best, rtol=1e-7)
    assert clf.certificate_.holds(1e-8)
    assert_allclose(clf.weights_.sum(), 1)
    for theta in [*np.eye(4), *np.random.default_rng(0).dirichlet(np.ones(4), 50)]:
        assert kim_ratio(np.tensordot(theta, Ks, 1), y, lam) <= -clf.certificate_.dual * (1 + 1e-9)


def test_the_semidefinite_program_of_kim_magnani_and_boyd_has_the_same_value(Xy):
    """min (t - a'Ga) / lam with [[lam I + JGJ, JGa], [., t]] semidefinite, over the simplex."""
    X, y = Xy
    X, y, lam = X[:24], y[:24], 0.05
    a, J = halves(y)
    Ks, theta = normalised(X), cp.Variable(4, nonneg=True)
    inner = sum(t * (J @ K @ J) for t, K in zip(theta, Ks, strict=True)) + lam * np.eye(24)
    last = sum(t * (J @ K @ a) for t, K in zip(theta, Ks, strict=True))
    between = theta @ np.array([a @ K @ a for K in Ks])
    program = cp.Problem(cp.Maximize((between - cp.matrix_frac(last, inner)) / lam), [cp.sum(theta) == 1])
    value = program.solve(solver=cp.CLARABEL)
    clf = KernelFisherClassifier(KERNELS, lam=lam, tol=1e-9).fit(X, y)
    assert_allclose(clf.discriminant_ratio_, [value], rtol=1e-6)
    assert_allclose(clf.weights_, theta.value, atol=1e-3)


def centred_target(y):
    n = len(y)
    return np.where(y == 1, n / (y == 1).sum(), -n / (y == 0).sum())


@pytest.mark.parametrize("lam", [0.02, 1.0])
def test_the_quadratic_program_of_ye_ji_and_chen_has_the_same_weights(Xy, lam):
    """max b'a - b'b/4 - t/(4 lam) with b'G b <= r t, the G centred; the weights are 4 lam times the multipliers."""
    X, y = Xy
    n = len(y)
    H = np.eye(n) - 1 / n
    a = centred_target(y)
    beta, t = cp.Variable(n), cp.Variable()
    cones = []
    for k in KERNELS:
        G = H @ k(X, X) @ H
        values, vectors = np.linalg.eigh(G)
        seen = values > 1e-10 * values[-1]
        root = vectors[:, seen] * np.sqrt(values[seen] / (np.trace(G) / n))
        cones.append(cp.sum_squares(root.T @ beta) <= t)
    program = cp.Problem(cp.Maximize(a @ beta - cp.sum_squares(beta) / 4 - t / (4 * lam)), cones)
    program.solve(solver=cp.CLARABEL)
    clf = KernelFisherClassifier(KERNELS, lam=lam, form="ye", tol=1e-9).fit(X, y)
    theta = 4 * lam * np.array([float(np.ravel(c.dual_value)[0]) for c in cones])
    assert_allclose(clf.weights_, theta, atol=1e-4)
    # a'(I + K/lam)^-1 a is both: 2 lam times the least-squares objective, and the program's.
    K = H @ np.tensordot(clf.weights_, normalised(X), 1) @ H
    value = a @ np.linalg.solve(np.eye(n) + K / lam, a)
    assert_allclose([2 * lam * clf.certificate_.primal, program.value], value, rtol=1e-6)


def test_lam_is_learned_as_the_weight_of_the_identity(Xy):
    """No other lam, with weights that go with it, does better: the least a'(sum theta G + lam I)^-1 a."""
    X, y = Xy
    n, a = len(y), centred_target(Xy[1])
    H = np.eye(n) - 1 / n
    Ks, white = [H @ K @ H for K in normalised(X)], np.eye(n) / (1 - 1 / n)
    clf = KernelFisherClassifier(KERNELS, lam="learn", form="ye", tol=1e-9).fit(X, y)

    def value(theta, rest):
        return a @ np.linalg.solve(np.tensordot(theta, Ks, 1) + rest * white, a)

    rest = 1 - clf.weights_.sum()
    assert 0.01 < rest < 0.99
    assert_allclose(clf.lam_, rest / (1 - 1 / n), rtol=1e-9)
    best = value(clf.weights_, rest)
    assert_allclose(2 * clf.certificate_.primal, best, rtol=1e-7)
    for theta in np.random.default_rng(0).dirichlet(np.ones(5), 300):
        assert value(theta[:4], theta[4]) >= best * (1 - 1e-7)
    again = KernelFisherClassifier(KERNELS, lam=clf.lam_ / clf.weights_.sum(), form="ye", tol=1e-9).fit(X, y)
    assert_allclose(again.weights_, clf.weights_ / clf.weights_.sum(), atol=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_class_means_are_projected_to_minus_one_and_one_and_the_ratio_is_reached(Xy, form):
    X, y = Xy
    clf = KernelFisherClassifier(KERNELS, lam=0.03, form=form, tol=1e-8).fit(X, y)
    f = clf.decision_function(X)
    assert_allclose([f[y == 0].mean(), f[y == 1].mean()], [-1, 1], atol=1e-9)
    v = np.zeros(len(y))
    v[clf.support_] = clf.dual_coef_[0]
    norm = v @ clf.kernel_(X) @ v
    assert_allclose(clf.discriminant_ratio_, [ratio_of(f, norm, y, 0.03, form)], rtol=1e-8)
    # ... which no perturbed direction exceeds.
    rng, K = np.random.default_rng(0), clf.kernel_(X)
    for _ in range(30):
        u = v + 0.3 * rng.normal(size=len(v)) * np.abs(v).max()
        assert ratio_of(K @ u, u @ K @ u, y, 0.03, form) <= clf.discriminant_ratio_[0] * (1 + 1e-9)


def test_a_linear_kernel_and_a_small_lam_give_the_direction_of_linear_discriminant_analysis(Xy):
    X, y = Xy
    ours = KernelFisherClassifier([Linear()], lam=1e-4, form="ye", normalize=None, tol=1e-9).fit(X, y)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(X, y)
    v = np.zeros(len(y))
    v[ours.support_] = ours.dual_coef_[0]
    ours, theirs = X.T @ v, theirs.coef_[0]
    assert_allclose(ours / np.linalg.norm(ours), theirs / np.linalg.norm(theirs), atol=1e-5)


@pytest.mark.parametrize("form, lam", [("kim", 0.01), ("ye", 0.1), ("ye", "learn")])
@pytest.mark.parametrize("precomputed", [False, True])
def test_weights_are_copies_and_zero_is_absence(Xy, form, lam, precomputed):
    X, y = Xy
    w = np.random.default_rng(0).integers(0, 4, len(y))
    rows = np.repeat(np.arange(len(y)), w)
    wide = [Gaussian(0.02), Gaussian(0.1), Linear()]  # a narrow one would do as the identity, and leave it no weight
    stack = KernelStack.from_kernels(wide, X)
    kernels, all_, copies, new = wide, X, X[rows], (X, X)
    if precomputed:
        kernels, all_, copies, new = "precomputed", stack, stack[np.ix_(rows, rows)], (stack, stack[:, rows])
    clf = KernelFisherClassifier(kernels, lam=lam, form=form, tol=1e-10)
    one, two = clone(clf).fit(all_, y, sample_weight=w), clone(clf).fit(copies, y[rows])
    assert_allclose(one.certificate_.primal, two.certificate_.primal, rtol=1e-8)
    assert_allclose(one.weights_, two.weights_, atol=1e-5)
    assert one.lam_ > 1e-3
    assert_allclose(one.lam_, two.lam_, rtol=1e-6)
    assert_allclose(one.decision_function(new[0]), two.decision_function(new[1]), atol=1e-5)
    assert_allclose(one.discriminant_ratio_, two.discriminant_ratio_, rtol=1e-6)


def test_three_classes_share_one_kernel_whose_ratios_add_up():
    X, y = load_iris(return_X_y=True)
    X, names = X[::3], np.array(["setosa", "versicolor", "virginica"])[y[::3]]
    clf = KernelFisherClassifier(KERNELS, lam=0.01, tol=1e-8).fit(X, names)
    assert list(clf.classes_) == ["setosa", "versicolor", "virginica"]
    K = np.tensordot(clf.weights_, normalised(X), 1)
    ratios = [kim_ratio(K, (names == c).astype(int), 0.01) for c in clf.classes_]
    assert_allclose(clf.discriminant_ratio_, ratios, rtol=1e-6)
    assert_allclose(-clf.certificate_.primal, sum(ratios), rtol=1e-7)
    F = clf.decision_function(X)
    for c, name in enumerate(clf.classes_):
        assert_allclose([F[names == name, c].mean(), F[names != name, c].mean()], [1, -1], atol=1e-8)
    assert_array_equal(clf.predict(X), clf.classes_[F.argmax(axis=1)])
    assert clf.score(X, names) > 0.95


def test_the_threshold_is_halfway_between_the_means_however_rare_a_class():
    """Twenty to one: least squares alone would put the threshold next to the rare class."""
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(200, 2)), rng.normal(size=(10, 2)) + 3])
    y = np.r_[np.zeros(200, int), np.ones(10, int)]
    for form in FORMS:
        clf = KernelFisherClassifier([Linear(), Gaussian(0.1)], lam=1.0, form=form).fit(X, y)
        f = clf.decision_function(X)
        assert_allclose(f[y == 0].mean() + f[y == 1].mean(), 0, atol=1e-8)
        assert (clf.predict(X)[y == 1] == 1).mean() >= 0.9


def test_shares_add_up(Xy):
    X, y = Xy
    clf = KernelFisherClassifier([Gaussian(0.1), Gaussian(1.0), Polynomial(2, 0.2)], lam=0.1).fit(X, y)
    shares = clf.decision_function(X, split=True)
    assert shares.shape == (40, 3)
    assert_allclose(shares.sum(axis=1) + clf.intercept_, clf.decision_function(X), atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_stacks_sparse_points_searches_and_pipelines(Xy, form):
    X, y = Xy
    stack = KernelStack.from_kernels(KERNELS, X)
    direct = KernelFisherClassifier(KERNELS, lam=0.1, form=form, tol=1e-9)
    pre = clone(direct).set_params(kernels="precomputed")
    assert_array_equal(cross_val_predict(pre, stack, y, cv=4), cross_val_predict(direct, X, y, cv=4))
    assert pre.fit(stack, y).kernel_names_ == list(stack.names)
    for kind in (sparse.csr_matrix, sparse.csr_array):
        values = clone(direct).fit(kind(X), y).decision_function(kind(X))
        assert_allclose(values, clone(direct).fit(X, y).decision_function(X), atol=1e-6)
    for estimator, Z in ((direct, X), (pre, stack)):
        search = GridSearchCV(estimator, {"lam": [1e-3, 10.0]}, cv=3).fit(Z, y)
        expected = [cross_val_score(clone(estimator).set_params(lam=lam), Z, y, cv=3).mean() for lam in (1e-3, 10.0)]
        assert_allclose(search.cv_results_["mean_test_score"], expected)
    assert cross_val_score(make_pipeline(StandardScaler(), direct), X, y, cv=3).shape == (3,)
    assert cross_val_score(make_pipeline(pre), stack, y, cv=3).shape == (3,)


@pytest.mark.parametrize("form, lam", [("kim", 0.1), ("ye", "learn")])
def test_kernels_too_large_to_be_stored_give_the_same(Xy, form, lam, monkeypatch):
    X, y = Xy
    clf = KernelFisherClassifier(KERNELS, lam=lam, form=form, tol=1e-8)
    stored = clone(clf).fit(X, y)
    monkeypatch.setattr("kernelopt.estimators.base.STORED", 0)
    made = clone(clf).fit(X, y)
    assert_allclose(made.weights_, stored.weights_, atol=1e-5)
    assert_allclose(made.decision_function(X), stored.decision_function(X), atol=1e-5)


def test_the_ten_gaussians_of_the_papers(Xy):
    X, y = Xy
    clf = KernelFisherClassifier(kim_gaussians, lam=1e-8, normalize=None).fit(StandardScaler().fit_transform(X), y)
    assert_allclose([k.gamma for k in clf.kernels_], 10.0 ** -(2 * np.linspace(-1, 2, 10)))
    assert clf.certificate_.holds(1e-4)


ERRORS = {
    "lam": (dict(lam=0.0), "lam must be positive and finite, found 0.0"),
    "lam word": (dict(lam="big"), "lam must be a positive number or 'learn', found 'big'"),
    "lam of kim": (dict(lam="learn"), "lam='learn' needs form='ye'"),
    "form": (dict(form="fisher"), "form must be one of 'kim', 'ye', found 'fisher'"),
    "set": (dict(kernel_set="radius"), "criterion 'fisher' does not go with the kernel set 'radius'"),
    "sign": (dict(kernel_set="psd_span"), "kernel_set must be one of"),
    "tol": (dict(tol=-1.0), "tol must be positive"),
}


@pytest.mark.parametrize("parameters, message", ERRORS.values(), ids=ERRORS)
def test_bad_parameters_name_themselves(Xy, parameters, message):
    with pytest.raises(ValueError, match=message):
        KernelFisherClassifier(**parameters).fit(*Xy)


def test_one_class_and_indefinite_matrices_are_refused(Xy):
    X, y = Xy
    with pytest.raises(ValueError, match=r"found 1 class\(es\) among the 28 samples"):
        KernelFisherClassifier().fit(X, y, sample_weight=(y == 0).astype(float))
    K = X @ X.T
    with pytest.raises(NotPSDError, match="kernel 0"):
        KernelFisherClassifier("precomputed").fit(K - 2 * np.diag(np.diag(K)), y)
