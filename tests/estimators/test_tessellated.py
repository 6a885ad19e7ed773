"""Machines with a tessellated kernel."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.svm import SVC, SVR
from sklearn.utils.estimator_checks import parametrize_with_checks

import kernelopt
from kernelopt import TessellatedClassifier, TessellatedRegressor
from kernelopt.convex import HardMargin, Logistic


@parametrize_with_checks([TessellatedClassifier(), TessellatedRegressor()])
def test_scikit_learn_compatible(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def moons():
    return make_moons(70, noise=0.2, random_state=0)


@pytest.mark.parametrize("criterion", ["hinge", "squared_hinge", "lagrangian", "least_squares", "nu_svm"])
def test_every_criterion_of_classification_is_proven(moons, criterion):
    clf = TessellatedClassifier(criterion=criterion, C=10.0, nu=0.3).fit(*moons)
    assert clf.certificate_.holds(1e-6)
    assert np.linalg.eigvalsh(clf.P_)[0] > -1e-12 * np.trace(clf.P_)


@pytest.mark.parametrize("criterion", ["least_squares", "epsilon_svr", "nu_svr"])
@pytest.mark.parametrize("targets", [1, 2])
def test_every_criterion_of_regression_is_proven(moons, criterion, targets):
    X, y = moons[0], np.column_stack([np.sin(3 * moons[0][:, 0]), moons[0][:, 1] ** 2])[:, :targets]
    model = TessellatedRegressor(criterion=criterion, lam=0.1, C=3.0).fit(X, y)
    assert model.certificate_.holds(1e-6) and model.predict(X).shape == y.shape


def test_with_its_kernel_the_machines_of_scikit_learn_are_the_same(moons):
    X, y = moons
    new = X + 0.1
    clf = TessellatedClassifier(C=5.0, tol=1e-8).fit(X, y)
    svc = SVC(C=5.0, kernel="precomputed", tol=1e-8).fit(clf.kernel(X), y)
    assert_allclose(clf.decision_function(new), svc.decision_function(clf.kernel(new, X)), atol=1e-4)
    target = np.sin(3 * X[:, 0])
    model = TessellatedRegressor(criterion="epsilon_svr", C=5.0, tol=1e-8).fit(X, target)
    svr = SVR(C=5.0, kernel="precomputed", tol=1e-8).fit(model.kernel(X), target)
    assert_allclose(model.predict(new), svr.predict(model.kernel(new, X)), atol=1e-4)


def test_the_learned_kernel_is_one_on_training_and_new_points_alike(moons):
    clf = TessellatedClassifier(C=5.0).fit(*moons)
    points = np.vstack([moons[0], moons[0] * 2 + 1, np.random.default_rng(0).normal(size=(20, 2)) * 5])
    K = clf.kernel(points)
    assert_allclose(K, K.T, rtol=0, atol=1e-12 * np.abs(K).max())
    assert np.linalg.eigvalsh(K)[0] > -1e-12 * np.trace(K)


def test_units_and_offsets_of_the_features_do_not_matter(moons):
    X, y = moons
    one = TessellatedClassifier(C=5.0, tol=1e-8).fit(X, y)
    two = TessellatedClassifier(C=5.0, tol=1e-8).fit(X * [1e3, 1e-3] + [5.0, 7.0], y)
    assert_allclose(two.decision_function(X * [1e3, 1e-3] + [5.0, 7.0]), one.decision_function(X), atol=1e-4)


def test_three_classes_share_a_kernel():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = np.digitize(X[:, 0] * X[:, 1], [-0.3, 0.3])
    clf = TessellatedClassifier(C=10.0).fit(X, y)
    assert clf.certificate_.holds(1e-6) and clf.decision_function(X).shape == (60, 3)
    assert clf.dual_coef_.shape[0] == 3 and clf.P_.shape == (6, 6)


def test_a_weight_of_two_is_the_sample_twice(moons):
    X, y = moons
    w = np.random.default_rng(0).integers(0, 3, len(y))
    weighted = TessellatedClassifier(C=5.0).fit(X, y, sample_weight=w)
    repeated = TessellatedClassifier(C=5.0).fit(np.repeat(X, w, axis=0), np.repeat(y, w))
    assert_allclose(weighted.decision_function(X), repeated.decision_function(X), rtol=1e-12, atol=1e-12)


def test_a_file_gives_the_same_machine(moons, tmp_path):
    for model in (TessellatedClassifier(C=5.0), TessellatedRegressor()):
        fitted = clone(model).fit(*moons)
        kernelopt.save(fitted, tmp_path / "model")
        assert np.array_equal(kernelopt.load(tmp_path / "model").predict(moons[0]), fitted.predict(moons[0]))


def test_what_is_refused_says_why(moons):
    for parameters, word in (
        ({"criterion": Logistic()}, "does not go with the kernel set 'tessellated'"),
        ({"criterion": "huber"}, "criterion must be one of"),
        ({"margin": -1.0}, "margin must be nonnegative"),
        ({"degree": 1.5}, "degree must be"),
        ({"C": 0.0}, "C must be positive"),
    ):
        with pytest.raises(ValueError, match=word):
            TessellatedClassifier(**parameters).fit(*moons)
    assert TessellatedClassifier(criterion=HardMargin()).fit(moons[0][:12], moons[1][:12]).certificate_.holds(1e-6)
