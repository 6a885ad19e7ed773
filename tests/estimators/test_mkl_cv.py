"""The weight of the losses by cross-validation: scikit-learn's grid search in other steps, which sees no more."""

import inspect

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification, make_friedman1
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, LeaveOneOut, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import kernelopt
from kernelopt import KernelStack, MKLClassifier, MKLClassifierCV, MKLRegressor, MKLRegressorCV
from kernelopt.convex import ConvexLoss, HardMargin, Hinge, LeastSquares
from kernelopt.convex.criteria import Huber
from kernelopt.kernels import Gaussian, Linear

KERNELS = [Linear(), Gaussian(0.1), Gaussian(1.0)]
Cs = [0.01, 0.1, 1.0, 10.0]
lams = [10.0, 1.0, 0.1, 0.01]
TOL = 1e-8  # so that no label depends on what the tolerance leaves open


@parametrize_with_checks(
    [
        MKLClassifierCV(Cs=[0.1, 10.0], cv=3),
        MKLClassifierCV("precomputed", Cs=[0.1, 10.0], cv=3),
        MKLRegressorCV(lams=[10.0, 0.1], cv=3),
        MKLRegressorCV(criterion="epsilon_svr", Cs=[0.1, 10.0], cv=3),
        MKLRegressorCV("precomputed", lams=[10.0, 0.1], cv=3),
    ],
    # It feeds 80 x 2 features as a Gram matrix; scikit-learn's own SVC fails it too (test_mkl_criteria.test_excuses).
    expected_failed_checks=lambda e: (
        {"check_decision_proba_consistency": "no Gram matrix"}
        if isinstance(e, MKLClassifierCV) and e.kernels == "precomputed"
        else {}
    ),
    xfail_strict=True,
)
@pytest.mark.filterwarnings("ignore:The least populated class in y")  # of StratifiedKFold, on data of the checks
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def Xy():
    X, y = make_classification(90, 6, n_informative=4, class_sep=0.6, flip_y=0.1, random_state=0)
    return X, y


@pytest.fixture(scope="module")
def valued():
    X, y = make_friedman1(60, 5, noise=0.3, random_state=0)
    return X, y


def searched(plain, name, values, X, y, cv=3, **options):
    """Return scikit-learn's search, and its scores (fold x value)."""
    search = GridSearchCV(plain, {name: values}, cv=cv, **options).fit(X, y)
    n_folds = search.n_splits_
    scores = np.array([search.cv_results_[f"split{k}_test_score"] for k in range(n_folds)])
    return search, scores


# ---- the same as a grid search ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scoring", [None, "roc_auc", "neg_log_loss"])
@pytest.mark.parametrize("criterion", ["hinge", "least_squares", "logistic"])
def test_scores_and_choice_are_those_of_a_grid_search(Xy, criterion, scoring):
    X, y = Xy
    plain = MKLClassifier(KERNELS, criterion, tol=TOL)
    search, scores = searched(plain, "C", Cs, X, y, scoring=scoring)
    ours = MKLClassifierCV(KERNELS, criterion, Cs=Cs, cv=3, scoring=scoring, tol=TOL).fit(X, y)
    assert_allclose(ours.scores_, scores, atol=1e-4)
    assert ours.C_ == search.best_params_["C"]
    assert_allclose(ours.decision_function(X), search.best_estimator_.decision_function(X), atol=1e-3)
    assert_allclose(ours.predict_proba(X), search.best_estimator_.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("criterion, name, values", [("least_squares", "lam", lams), ("epsilon_svr", "C", Cs)])
def test_scores_and_choice_are_those_of_a_grid_search_over_values(valued, criterion, name, values):
    X, y = valued
    search, scores = searched(MKLRegressor(KERNELS, criterion, tol=TOL), name, values, X, y)
    ours = MKLRegressorCV(KERNELS, criterion, lams=lams, Cs=Cs, cv=3, tol=TOL).fit(X, y)
    assert_allclose(ours.scores_, scores, atol=1e-4)
    assert getattr(ours, f"{name}_") == search.best_params_[name]
    assert_allclose(ours.predict(X), search.best_estimator_.predict(X), atol=1e-3)
    other = "C" if name == "lam" else "lam"
    assert not hasattr(ours, f"{other}_") and not hasattr(ours, f"{other}s_")


@pytest.mark.parametrize("normalize", ["variance", "center", "trace", "spherical"])
def test_several_classes_by_name_on_features_and_on_a_stack(normalize):
    X, y = load_iris(return_X_y=True)
    X, names = X[::2], np.array(["setosa", "versicolor", "virginica"])[y[::2]]
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    plain = MKLClassifier(KERNELS, normalize=normalize, tol=TOL)
    search, scores = searched(plain, "C", Cs, X, names, cv=cv)
    for kernels, given in ((KERNELS, X), ("precomputed", KernelStack.from_kernels(KERNELS, X))):
        ours = MKLClassifierCV(kernels, Cs=Cs, cv=cv, normalize=normalize, tol=TOL).fit(given, names)
        assert_allclose(ours.scores_, scores, atol=1e-12)
        assert ours.C_ == search.best_params_["C"]
        assert_array_equal(ours.predict(given), search.predict(X))


def test_a_stack_in_any_form_is_cut_by_rows_and_columns(valued):
    X, y = valued
    stack = KernelStack.from_kernels(KERNELS, X)
    expected = MKLRegressorCV(KERNELS, lams=lams, cv=3, tol=TOL).fit(X, y)
    for form in (stack, np.asarray(stack), list(stack.leading)):
        ours = MKLRegressorCV("precomputed", lams=lams, cv=3, tol=TOL).fit(form, y)
        assert_allclose(ours.scores_, expected.scores_, atol=1e-4)
        assert ours.lam_ == expected.lam_


@pytest.mark.parametrize("weight", ["balanced", {0: 1.0, 1: 5.0}])
def test_class_weights_are_those_of_each_fold(Xy, weight):
    X, y = Xy[0], np.where(np.arange(90) % 3 == 0, Xy[1], 0)
    search, scores = searched(MKLClassifier(KERNELS, class_weight=weight, tol=TOL), "C", Cs, X, y)
    ours = MKLClassifierCV(KERNELS, class_weight=weight, Cs=Cs, cv=3, tol=TOL).fit(X, y)
    assert_allclose(ours.scores_, scores, atol=1e-12)
    assert ours.C_ == search.best_params_["C"]


def test_an_instance_keeps_its_other_fields(valued):
    X, y = valued
    loss = ConvexLoss(Huber(0.5))
    ours = MKLRegressorCV(KERNELS, loss, lams=[1.0, 0.01], cv=3, tol=1e-6).fit(X, y)
    by_hand = [
        cross_val_score(MKLRegressor(KERNELS, ConvexLoss(Huber(0.5), lam=lam), tol=1e-6), X, y, cv=3)
        for lam in (1.0, 0.01)
    ]
    assert_allclose(ours.scores_.T, by_hand, atol=1e-3)
    assert loss.lam == 1.0  # nobody has changed it


def test_a_ridge_of_a_classifier_is_one_over_c(Xy):
    named = MKLClassifierCV(KERNELS, "least_squares", Cs=Cs, cv=3).fit(*Xy)
    instance = MKLClassifierCV(KERNELS, LeastSquares(lam=7.0), Cs=Cs, cv=3).fit(*Xy)
    assert_array_equal(named.scores_, instance.scores_)
    assert_array_equal(named.decision_function(Xy[0]), instance.decision_function(Xy[0]))


def test_of_equal_scores_the_smoothest_wins(Xy):
    constant = MKLClassifierCV(KERNELS, Cs=[10.0, 0.1, 1.0], cv=3, scoring=lambda *_: 0.3).fit(*Xy)
    assert_array_equal(constant.Cs_, [0.1, 1.0, 10.0])
    assert constant.C_ == 0.1
    reg = MKLRegressorCV(KERNELS, lams=[0.1, 10.0], cv=3, scoring=lambda *_: -0.3).fit(*Xy)
    assert reg.lam_ == 10.0


def test_every_solution_has_its_proof(Xy):
    ours = MKLClassifierCV(KERNELS, Cs=Cs, cv=3, tol=1e-5).fit(*Xy)
    assert all(certificate.holds(1e-5) for fold in ours.certificates_path_ for certificate in fold)
    assert ours.certificate_.holds(1e-5)
    assert ours.weights_path_.shape == (3, 4, 3)
    assert_allclose(ours.weights_path_.sum(axis=2), 1.0)
    assert len(ours.certificates_path_) == 3 and len(ours.certificates_path_[0]) == 4


# ---- what the folds see ----------------------------------------------------------------------------------------------


def scaled(X):
    """Return kernels whose widths depend on all samples they are shown."""
    return [Gaussian(f / np.square(X).mean()) for f in (0.03, 0.1, 0.3)]


@pytest.mark.parametrize("kernels", [scaled, "precomputed"], ids=["features", "stack"])
@pytest.mark.parametrize("normalize", ["variance", "center"])
def test_held_out_samples_do_not_reach_the_fit(Xy, kernels, normalize):
    X, y = Xy
    folds = list(KFold(3).split(X))
    clf = MKLClassifierCV(kernels, Cs=Cs, cv=folds, normalize=normalize)

    def fitted(X, y):
        return clone(clf).fit(KernelStack.from_kernels(KERNELS, X) if kernels == "precomputed" else X, y)

    before = fitted(X, y)
    for k, (_, held) in enumerate(folds):
        poisoned, flipped = X.copy(), y.copy()
        poisoned[held] *= 30.0
        flipped[held] = 1 - y[held]
        after = fitted(poisoned, flipped)
        assert_array_equal(after.weights_path_[k], before.weights_path_[k])
        assert after.certificates_path_[k] == before.certificates_path_[k]
        others = [j for j in range(3) if j != k]
        assert not np.array_equal(after.weights_path_[others], before.weights_path_[others])
        assert not np.array_equal(after.scores_[k], before.scores_[k])


def test_gram_matrices_are_made_once_per_fold(Xy):
    X, y = Xy
    square = []

    def linear(A, B):
        if len(A) == len(B):
            square.append(len(A))
        return A @ B.T

    MKLClassifierCV([linear, Gaussian(1.0)], Cs=Cs, cv=3, refit=False).fit(X, y)
    once = len(square)
    square.clear()
    MKLClassifierCV([linear, Gaussian(1.0)], Cs=Cs[:1], cv=3, refit=False).fit(X, y)
    assert once == len(square) and set(square) == {60}


def test_processes_change_no_bit(Xy):
    one = MKLClassifierCV(KERNELS, Cs=Cs, cv=3).fit(*Xy)
    two = MKLClassifierCV(KERNELS, Cs=Cs, cv=3, n_jobs=2).fit(*Xy)
    assert_array_equal(one.scores_, two.scores_)
    assert_array_equal(one.weights_path_, two.weights_path_)
    assert_array_equal(one.decision_function(Xy[0]), two.decision_function(Xy[0]))


# ---- weights and metadata --------------------------------------------------------------------------------------------


def test_sample_weights_count_in_the_fit_and_in_the_score(Xy):
    X, y = Xy
    w = np.random.default_rng(0).integers(1, 4, len(y))
    ours = MKLClassifierCV(KERNELS, Cs=Cs, cv=3, tol=TOL).fit(X, y, sample_weight=w)
    for (train, test), scores in zip(StratifiedKFold(3).split(X, y), ours.scores_, strict=True):
        for C, score in zip(Cs, scores, strict=True):
            clf = MKLClassifier(KERNELS, C=C, tol=TOL).fit(X[train], y[train], sample_weight=w[train])
            assert score == pytest.approx(clf.score(X[test], y[test], sample_weight=w[test]), abs=1e-12)
    assert ours.score(X, y, sample_weight=w) == pytest.approx(w @ (ours.predict(X) == y) / w.sum())
    assert ours.score(X, y) == pytest.approx(np.mean(ours.predict(X) == y))


def test_score_is_the_scoring(Xy):
    X, y = Xy
    ours = MKLClassifierCV(KERNELS, Cs=Cs, cv=3, scoring="roc_auc").fit(X, y)
    assert ours.score(X, y) == get_scorer("roc_auc")(ours, X, y)


def test_metadata_is_routed_as_scikit_learn_does(Xy):
    X, y = Xy
    w = np.random.default_rng(0).integers(1, 4, len(y))
    groups = np.arange(len(y)) % 4
    plain = MKLClassifierCV(KERNELS, Cs=Cs, cv=3).fit(X, y, sample_weight=w)
    with pytest.raises(ValueError, match="enable_metadata_routing"):
        MKLClassifierCV(KERNELS, Cs=Cs, cv=GroupKFold(4)).fit(X, y, groups=groups)
    with sklearn.config_context(enable_metadata_routing=True):
        by_group = MKLClassifierCV(KERNELS, Cs=Cs, cv=GroupKFold(4)).fit(X, y, groups=groups)
        folds = list(GroupKFold(4).split(X, y, groups))
        assert_array_equal(by_group.scores_, MKLClassifierCV(KERNELS, Cs=Cs, cv=folds).fit(X, y).scores_)

        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            MKLClassifierCV(KERNELS, Cs=Cs, cv=3).fit(X, y, sample_weight=w)
        for asked in (True, False):
            scorer = get_scorer("accuracy").set_score_request(sample_weight=asked)
            routed = MKLClassifierCV(KERNELS, Cs=Cs, cv=3, scoring=scorer).fit(X, y, sample_weight=w)
            assert_array_equal(routed.weights_path_, plain.weights_path_)  # the fit asks for itself
            assert np.array_equal(routed.scores_, plain.scores_) == asked


def test_metadata_reaches_it_within_a_search(Xy):
    X, y = Xy
    w = np.random.default_rng(0).integers(1, 4, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("accuracy").set_score_request(sample_weight=True)
        inner = MKLClassifierCV(KERNELS, Cs=Cs[:2], cv=2, scoring=scorer).set_fit_request(sample_weight=True)
        search = GridSearchCV(inner, {"tol": [1e-4]}, cv=2, scoring=scorer).fit(X, y, sample_weight=w)
        direct = clone(inner).fit(X, y, sample_weight=w)
        assert_array_equal(search.best_estimator_.decision_function(X), direct.decision_function(X))


# ---- the estimator around it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cv_class", [MKLClassifierCV, MKLRegressorCV])
def test_parameters_are_those_of_the_plain_one(cv_class):
    """All of them but what is chosen and what has nothing to choose, with the same defaults."""
    plain = inspect.signature(cv_class.plain_class).parameters
    ours = inspect.signature(cv_class).parameters
    missing = {"C", "lam"} if cv_class is MKLRegressorCV else {"C", "nu"}
    assert set(plain) - set(ours) == missing
    assert set(ours) - set(plain) == {"cv", "scoring", "refit", *(f"{name}s" for name in missing - {"nu"})}
    assert all(ours[name].default == plain[name].default for name in set(plain) & set(ours))


def test_without_a_refit_there_are_scores_only(Xy):
    X, y = Xy
    full = MKLClassifierCV(KERNELS, Cs=Cs, cv=3).fit(X, y)
    scores_only = clone(full).set_params(refit=False).fit(X, y)
    assert_array_equal(scores_only.scores_, full.scores_)
    assert scores_only.C_ == full.C_
    with pytest.raises(NotFittedError, match="refit=False"):
        scores_only.predict(X)
    with pytest.raises(NotFittedError, match="refit=False"):
        full.set_params(refit=False).fit(X, y).predict(X)


def test_another_criterion_leaves_nothing_of_the_first_choice(valued):
    reg = MKLRegressorCV(KERNELS, lams=lams, cv=3).fit(*valued)
    reg.set_params(criterion="epsilon_svr", Cs=[1.0, 10.0]).fit(*valued)
    assert reg.C_ in (1.0, 10.0) and not hasattr(reg, "lam_") and not hasattr(reg, "lams_")


def test_pipeline_names_and_files(Xy, tmp_path):
    X, y = Xy
    frame = pd.DataFrame(X, columns=list("abcdef"))
    kernels = [("pair", Gaussian(0.5), ["a", "c"]), ("all", "linear")]
    ours = MKLClassifierCV(kernels, Cs=Cs, cv=3).fit(frame, y)
    assert list(ours.feature_names_in_) == list("abcdef") and ours.kernel_names_ == ["pair", "all"]
    assert_array_equal(
        make_pipeline(StandardScaler().set_output(transform="pandas"), clone(ours)).fit(frame, y).predict(frame),
        clone(ours)
        .fit((frame - frame.mean()) / frame.std(ddof=0), y)
        .predict((frame - frame.mean()) / frame.std(ddof=0)),
    )
    kernelopt.save(ours, tmp_path / "model")
    loaded = kernelopt.load(tmp_path / "model")
    assert_array_equal(loaded.predict_proba(frame), ours.predict_proba(frame))
    assert_array_equal(loaded.scores_, ours.scores_)
    assert loaded.certificates_path_ == ours.certificates_path_ and loaded.C_ == ours.C_


def test_several_targets(valued):
    X, y = valued
    Y = np.column_stack([y, np.sin(y)])
    reg = MKLRegressorCV(KERNELS, lams=lams, cv=3).fit(X, Y)
    assert reg.predict(X).shape == (60, 2)
    assert_allclose(reg.scores_, searched(MKLRegressor(KERNELS), "lam", lams, X, Y)[1], atol=1e-2)


def test_a_lone_sample_has_no_r2(valued):
    with pytest.warns(UserWarning, match="R.2 score is not well-defined"):
        with pytest.raises(ValueError, match="scoring=None is not a number on the held-out samples of fold 0"):
            MKLRegressorCV(KERNELS, lams=[1.0], cv=LeaveOneOut()).fit(valued[0][:6], valued[1][:6])


ERRORS = {
    "nothing to choose": (dict(criterion="nu_svm"), "'nu_svm' has neither C nor lam"),
    "hard margin": (dict(criterion=HardMargin()), "'hard_margin' has neither C nor lam"),
    "Cs": (dict(Cs=[-1.0]), "Cs must be a number of values"),
    "tol": (dict(tol=0.0), "tol must be positive"),
    "folds": (dict(cv=1), "k-fold cross-validation requires at least one"),
    "scoring": (dict(scoring="best"), "scor"),
    "instance": (dict(criterion=Hinge(), kernel_set="frobenius"), "kernel_set must be one of"),
    "sizes": (dict(kernels=lambda X: KERNELS[: 1 + int(X[0, 0] > 0)]), "depending on the fold"),
}


@pytest.mark.parametrize("parameters, message", ERRORS.values(), ids=ERRORS)
def test_errors_name_the_argument(Xy, parameters, message):
    with pytest.raises(ValueError, match=message):
        MKLClassifierCV(**({"cv": 3} | parameters)).fit(*Xy)
