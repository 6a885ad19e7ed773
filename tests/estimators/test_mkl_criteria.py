"""Every criterion and set of `MKLClassifier`: twins, weights as copies, the learned C, groups, shares."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris, make_classification
from sklearn.linear_model import RidgeClassifier
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from kernelopt import KernelStack, MKLClassifier
from kernelopt.convex import EpsilonSVR, FrobeniusBall, GroupBall, Hinge, LpBall, PSDSpan, Simplex
from kernelopt.errors import MissingExtraError, UnboundedError
from kernelopt.kernels import Gaussian, Linear, white

CRITERIA = ["hinge", "squared_hinge", "hard_margin", "logistic", "lagrangian", "nu_svm", "least_squares"]
SETS = ["simplex", "uniform", "lp", "squared_lp", "groups", "radius", "trace"]
LEARNED_C = MKLClassifier([Gaussian(1.0), Linear(), white()], "hard_margin")

# What scikit-learn's own estimators of the same kind fail too; `test_excuses` holds that they still do.
NU = "a class with next to no weight makes nu infeasible: NuSVC fails as well"
HARD = "a machine without errors has none to weigh: SVC(C=1e10) fails as well"
SQUARE = "the check feeds 80 x 2 features as a Gram matrix: SVC(kernel='precomputed', probability=True) fails as well"


def excuses(estimator):
    out = {}
    if estimator.criterion in ("nu_svm", "hard_margin"):
        out["check_class_weight_classifiers"] = NU if estimator.criterion == "nu_svm" else HARD
    if estimator.kernels == "precomputed":
        out["check_decision_proba_consistency"] = SQUARE
    return out


@parametrize_with_checks(
    [
        *(MKLClassifier(criterion=c) for c in ("squared_hinge", "logistic", "lagrangian", "least_squares")),
        MKLClassifier(criterion="nu_svm", nu=0.05),  # small enough for classes of one sample
        LEARNED_C,  # without white() there is nothing that separates equal samples with different labels
        MKLClassifier(kernel_set="lp"),
        MKLClassifier(kernel_set="radius"),
        MKLClassifier("per_feature", kernel_set="groups"),
        MKLClassifier("precomputed", criterion="logistic", kernel_set="lp"),
    ],
    expected_failed_checks=excuses,
    xfail_strict=True,
)
# Random labels on equal rows leave the nu-machine no margin above zero, of which it warns.
@pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore")
def test_excuses():
    """Each excused check fails for scikit-learn's own estimator too."""
    for check, theirs in (
        (estimator_checks.check_class_weight_classifiers, NuSVC(nu=0.05)),
        (estimator_checks.check_class_weight_classifiers, SVC(gamma=1.0, C=1e10)),
        (estimator_checks.check_decision_proba_consistency, SVC(kernel="precomputed", probability=True)),
    ):
        with pytest.raises((AssertionError, ValueError)):
            check(type(theirs).__name__, theirs)


@pytest.fixture(scope="module")
def Xy():
    return make_classification(60, 4, n_informative=3, n_redundant=0, class_sep=0.6, random_state=1)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X[::3], y[::3]


def single(criterion="hinge", kernel=None, **options):
    return MKLClassifier([kernel or Gaussian(0.3)], criterion, normalize=None, tol=1e-9, **options)


@pytest.mark.parametrize("nu", [0.2, 0.6])
def test_nu_svm_is_nu_svc_times_its_margin(Xy, nu):
    X, y = Xy
    ours = single("nu_svm", nu=nu).fit(X, y).decision_function(X)
    theirs = NuSVC(nu=nu, gamma=0.3, tol=1e-9).fit(X, y).decision_function(X)
    rho = float(ours @ theirs / (theirs @ theirs))
    assert rho > 0
    assert_allclose(ours / rho, theirs, atol=1e-4)


def test_squared_hinge_is_linear_svc_with_the_intercept_penalised(Xy):
    """The "lagrangian" penalises its intercept like LinearSVC does, whose C is half of ours."""
    X, y = Xy
    ours = single("lagrangian", Linear(), C=0.7).fit(X, y).decision_function(X)
    theirs = LinearSVC(C=0.35, loss="squared_hinge", dual=True, tol=1e-10, max_iter=10**6).fit(X, y)
    assert_allclose(ours, theirs.decision_function(X), atol=1e-4)


def test_least_squares_is_ridge_on_signs_with_lam_one_over_c(Xy):
    X, y = Xy
    ours = single("least_squares", Linear(), C=0.25).fit(X, y).decision_function(X)
    assert_allclose(ours, RidgeClassifier(alpha=4.0).fit(X, y).decision_function(X), atol=1e-6)


def test_hard_margin_is_svc_with_a_large_c(Xy):
    X, y = Xy
    ours = single("hard_margin", Gaussian(2.0)).fit(X, y).decision_function(X)
    assert_allclose(ours, SVC(gamma=2.0, C=1e8, tol=1e-10).fit(X, y).decision_function(X), atol=1e-4)


def test_logistic_satisfies_its_stationarity(Xy):
    """At the optimum the coefficients are minus the slopes of the loss: beta_i = C y_i / (1 + exp(y_i f_i))."""
    X, y = Xy
    clf = single("logistic", C=2.0).fit(X, y)
    sign = np.where(y == 1, 1.0, -1.0)
    beta = np.zeros(len(y))
    beta[clf.support_] = clf.dual_coef_[0]
    assert_allclose(beta, 2.0 * sign / (1 + np.exp(sign * clf.decision_function(X))), atol=1e-4)
    assert abs(beta.sum()) < 1e-6


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("kernel_set", SETS)
def test_every_pair_has_a_proof_nonnegative_weights_and_an_admitted_kernel(iris, criterion, kernel_set):
    X, y = iris[0], iris[1]
    kernels = [("a", Gaussian(0.2), [0, 1]), ("b", Gaussian(2.0), [0, 1]), ("c", Linear(), [2, 3]), white()]
    clf = MKLClassifier(kernels, criterion, kernel_set, p=1.5).fit(X, y)
    assert clf.certificate_.holds(1e-4), clf.certificate_
    assert clf.weights_.min() >= 0 and len(clf.weights_) == 4 == len(clf.kernel_names_)
    if kernel_set in ("simplex", "uniform"):
        assert clf.weights_.sum() == pytest.approx(1)
    if kernel_set == "lp":
        assert np.linalg.norm(clf.weights_, 1.5) <= 1 + 1e-9
    K = clf.kernel_(X)
    assert np.linalg.eigvalsh((K + K.T) / 2).min() >= -1e-9 * np.trace(K)
    assert clf.score(X, y) > 0.85


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_weights_are_copies_for_every_criterion(iris, criterion, n_classes):
    """With white() too, whose entry for a sample of weight w is 1/w: the mean of w copies."""
    X, y = iris[0][iris[1] < n_classes], iris[1][iris[1] < n_classes]
    w = np.random.default_rng(0).integers(0, 4, len(y))
    rows = np.repeat(np.arange(len(y)), w)
    clf = MKLClassifier([Gaussian(0.5), Linear(), white()], criterion, nu=0.3, tol=1e-9)
    weighted = clf.fit(X, y, sample_weight=w).decision_function(X)
    mu = clf.weights_
    repeated = clf.fit(X[rows], y[rows])
    assert_allclose(weighted, repeated.decision_function(X), atol=1e-5)
    assert_allclose(mu, repeated.weights_, atol=1e-5)


def test_a_class_without_weight_is_absent(iris):
    X, y = iris
    clf = MKLClassifier(criterion="nu_svm").fit(X, y, sample_weight=(y != 1).astype(float))
    assert_array_equal(clf.classes_, [0, 2])
    assert_array_equal(clf.predict_proba(X).shape, (len(X), 2))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_learned_c_is_the_soft_margin_with_that_c(Xy, weighted):
    """Lanckriet's equation 47: K + tau I with a hard margin is K with squared hinges and C = 1 / tau."""
    X, y = Xy
    w = np.where(np.arange(len(y)) % 3 == 0, 2.0, 1.0) if weighted else np.ones(len(y))
    clf = MKLClassifier([Gaussian(0.3), Linear(), white()], "hard_margin", tol=1e-9).fit(X, y, w)
    tau = clf.weights_[2] / clf.normalization_.scale[2]
    assert tau > 1e-3 and clf.kernel_names_[2] == "white"
    learned = clf.kernel_(X, X.copy())  # at other points, equal or not, white() is zero
    soft = MKLClassifier("precomputed", "squared_hinge", "uniform", C=1 / tau, normalize=None, tol=1e-9)
    soft.fit(learned[:, :, None], y, w)
    assert_allclose(soft.decision_function(learned[:, :, None]), clf.decision_function(X), atol=1e-4)


def test_the_hard_margin_says_that_nothing_separates(Xy):
    X, y = np.zeros((6, 1)) + np.arange(6)[:, None] // 2, np.array([0, 1] * 3)
    with pytest.raises(UnboundedError, match="white"):
        MKLClassifier([Linear(), Gaussian(1.0)], "hard_margin").fit(X, y)


def test_groups_come_and_go_together():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 5))
    y = (X[:, 0] + 0.1 * rng.normal(size=80) > 0).astype(int)
    kernels = [(f"{g} on {j}", Gaussian(g), [j]) for j in range(5) for g in (0.1, 0.5, 2.0)]
    clf = MKLClassifier(kernels, kernel_set="groups", p=2.0, C=0.1, tol=1e-7).fit(X, y)
    norms = np.linalg.norm(clf.weights_.reshape(5, 3), axis=1)
    assert norms[0] > 0.9 and norms.sum() <= 1 + 1e-9 and (clf.weights_[:3] > 1e-3).all()
    given = clf.set_params(kernel_set=GroupBall(groups=tuple(j for j in range(5) for _ in range(3)))).fit(X, y)
    assert_allclose(given.certificate_.primal, clf.certificate_.primal, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:constant or zero")
@pytest.mark.parametrize("kernel_set", [*SETS, GroupBall(groups=("a", "b", "a"))], ids=str)
def test_a_kernel_that_is_constant_has_weight_zero(Xy, kernel_set):
    X = np.column_stack([Xy[0][:, :2], np.zeros(60)])
    kernels = [("a", "linear", [0]), ("flat", "linear", [2]), ("b", "rbf", [0, 1])]
    clf = MKLClassifier(kernels, kernel_set=kernel_set).fit(X, Xy[1])
    assert clf.weights_[1] == 0 and clf.certificate_.holds(1e-4) and np.isfinite(clf.weights_).all()


@pytest.mark.parametrize("kernels", [[Gaussian(0.2), Linear(), Gaussian(2.0)], "precomputed"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_shares_and_the_intercept_add_up(iris, kernels, n_classes):
    X, y = iris[0][iris[1] < n_classes], iris[1][iris[1] < n_classes]
    X = KernelStack.from_kernels([Gaussian(0.2), Linear(), Gaussian(2.0)], X) if kernels == "precomputed" else X
    clf = MKLClassifier(kernels).fit(X, y)
    shares = clf.decision_function(X, split=True)
    assert shares.shape == ((len(y), 3) if n_classes == 2 else (len(y), 3, 3))
    assert_allclose(shares.sum(axis=1) + (clf.intercept_[0] if n_classes == 2 else clf.intercept_),
                    clf.decision_function(X), atol=1e-10)  # fmt: skip
    assert not shares[:, clf.weights_ == 0].any()


def test_instances_count_with_their_own_parameters(Xy):
    a = MKLClassifier(criterion=Hinge(C=3.0), kernel_set=LpBall(p=4.0), C=99.0, p=1.0).fit(*Xy)
    b = MKLClassifier(criterion="hinge", kernel_set="lp", C=3.0, p=4.0).fit(*Xy)
    assert_array_equal(a.weights_, b.weights_)


ERRORS = {
    "regression": (dict(criterion=EpsilonSVR()), "'epsilon_svr' is not one for classification"),
    "criterion": (dict(criterion=3), "criterion must be one of 'hinge'.*found 3"),
    "span": (dict(kernel_set=PSDSpan()), "SDPKernelClassifier"),
    "frobenius": (dict(kernel_set=FrobeniusBall()), "AlignmentMKL"),
    "class": (dict(kernel_set=Simplex), "kernel_set must be one of"),
    "no groups": (dict(kernel_set="groups"), "per_feature"),
    "few groups": (dict(kernel_set=GroupBall(groups=("a",))), "groups must name"),
    "p": (dict(kernel_set="lp", p=0.5), "p must be at least 1"),
    "nu": (dict(criterion="nu_svm", nu=0.0), "nu must be in"),
    "nu too large": (dict(criterion="nu_svm", nu=1.0, class_weight={0: 9.0, 1: 1.0}), "nu=1 is infeasible"),
    "C of least squares": (dict(criterion="least_squares", C=0.0), "C must be positive"),
}


@pytest.mark.parametrize("parameters, message", ERRORS.values(), ids=ERRORS)
def test_bad_choices_name_themselves(Xy, parameters, message):
    with pytest.raises(ValueError, match=message):
        MKLClassifier(**parameters).fit(*Xy)


def test_plot_weights(Xy, monkeypatch):
    import sys

    clf = MKLClassifier(["linear", "rbf"]).fit(*Xy)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(MissingExtraError, match=r"kernelopt\[report\]"):
            clf.plot_weights()
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert clf.plot_weights(ax) is ax
    assert_allclose([bar.get_width() for bar in ax.patches], clf.weights_)
    assert [label.get_text() for label in ax.get_yticklabels()] == clf.kernel_names_
