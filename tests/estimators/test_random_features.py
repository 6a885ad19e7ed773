"""Random Fourier features with learned weights."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import kernelopt
from kernelopt import MKLClassifier, ReweightedRandomFeatures
from kernelopt.convex import ChiSquareBall
from kernelopt.kernels import Gaussian


@parametrize_with_checks([ReweightedRandomFeatures(n_components=50, random_state=0)])
def test_scikit_learn_compatible(estimator, check):
    check(estimator)


def data(n=150, d=8, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    return X, np.where(np.abs(X[:, 0]) > 0.7, "far", "near")


def test_without_a_budget_it_is_the_random_features_of_the_gaussian():
    X, y = data(40)
    features = ReweightedRandomFeatures(40_000, gamma=0.1, rho=0.0, random_state=0).fit(X, y)
    Z = features.transform(X)
    assert_allclose(features.weights_, 1 / 40_000)
    assert np.abs(Z @ Z.T - Gaussian(0.1)(X, X)).max() < 6 / np.sqrt(40_000)  # six standard errors, at most


def test_the_kernel_is_more_aligned_than_the_average_and_the_more_so_the_larger_the_ball():
    X, y = data()
    t = np.where(y == "far", 1.0, -1.0)
    t -= t.mean()
    found = []
    for rho in (0.0, 1.0, 10.0, 100.0):
        Z = ReweightedRandomFeatures(500, rho=rho, random_state=0).fit(X, y).transform(X)
        found.append(float(np.sum((Z.T @ t) ** 2)))
    assert found[0] < 0.9 * found[1] and found[1] < 0.9 * found[2] < 0.9 * found[3]


def test_no_other_admitted_weights_are_better():
    X, y = data()
    t = np.where(y == "far", 1.0, -1.0)
    t -= t.mean()
    model = ReweightedRandomFeatures(200, rho=3.0, random_state=0).fit(X, y)
    assert model.certificate_.holds(1e-12)
    average = ReweightedRandomFeatures(200, rho=0.0, random_state=0).fit(X, y)
    gains = (average.transform(X).T @ t) ** 2 * 200
    rng = np.random.default_rng(1)
    for _ in range(200):
        q = rng.dirichlet(np.full(200, rng.uniform(0.05, 2)))
        reach = np.sqrt(3.0 / 200) / np.linalg.norm(q - 1 / 200)
        q = 1 / 200 + min(1.0, reach) * (q - 1 / 200)
        assert q @ gains <= model.weights_ @ gains * (1 + 1e-12)


def test_it_finds_the_column_that_matters():
    """The paper's point: a linear machine on few reweighted features beats one on as many plain ones."""
    X, y = data(400, 8)
    X_new, y_new = data(400, 8, seed=1)
    learned = ReweightedRandomFeatures(4000, gamma=0.3, rho=100.0, random_state=0).fit(X, y)
    plain = ReweightedRandomFeatures(len(learned.kept_), gamma=0.3, rho=0.0, random_state=0)
    scores = [make_pipeline(f, RidgeClassifier(1e-2)).fit(X, y).score(X_new, y_new) for f in (learned, plain)]
    assert scores[0] > scores[1] + 0.05


@pytest.mark.parametrize("targets", ["two classes", "three classes", "values", "several values"])
def test_every_kind_of_target(targets):
    X, _ = data()
    y = {
        "two classes": X[:, 0] > 0,
        "three classes": np.digitize(X[:, 0], [-0.5, 0.5]),
        "values": X[:, 0] ** 2,
        "several values": X[:, :2] ** 2,
    }[targets]
    model = ReweightedRandomFeatures(100, rho=2.0, random_state=0).fit(X, y)
    assert model.certificate_.holds(1e-12)
    assert model.transform(X).shape == (150, len(model.kept_)) == (150, len(model.get_feature_names_out()))


def test_a_weight_of_two_is_the_sample_twice():
    X, y = data()
    w = np.random.default_rng(0).integers(0, 3, len(y))
    make = lambda: ReweightedRandomFeatures(100, gamma=0.2, random_state=0)  # noqa: E731
    one, two = make().fit(X, y, sample_weight=w), make().fit(np.repeat(X, w, axis=0), np.repeat(y, w))
    assert_allclose(one.weights_, two.weights_, rtol=1e-9, atol=1e-12)


def test_a_file_gives_the_same_features(tmp_path):
    X, y = data()
    model = ReweightedRandomFeatures(100, random_state=0).fit(X, y)
    kernelopt.save(model, tmp_path / "model")
    assert np.array_equal(kernelopt.load(tmp_path / "model").transform(X), model.transform(X))


@pytest.mark.parametrize("rho", [0.0, 0.5, 100.0])
def test_the_ball_between_average_and_simplex_in_a_machine_that_weighs_kernels(rho):
    X, y = data(60, 3)
    clf = MKLClassifier(kernel_set=ChiSquareBall(rho), tol=1e-6).fit(X, y)
    M = len(clf.weights_)
    assert clf.certificate_.holds(1e-6) and M * np.sum(clf.weights_**2) - 1 <= rho * (1 + 1e-6) + 1e-9
    limit = {0.0: "uniform", 100.0: "simplex"}.get(rho)
    if limit:
        other = MKLClassifier(kernel_set=limit, tol=1e-6).fit(X, y).certificate_.primal
        assert_allclose(clf.certificate_.primal, other, rtol=2e-6)


@pytest.mark.parametrize(
    "parameters, word",
    [
        ({"n_components": 0}, "n_components"),
        ({"gamma": 0.0}, "gamma"),
        ({"gamma": "wide"}, "gamma"),
        ({"rho": -1}, "rho"),
    ],
)
def test_what_is_refused_says_why(parameters, word):
    with pytest.raises(ValueError, match=word):
        ReweightedRandomFeatures(**parameters).fit(*data())
