"""Metrics against scikit-learn, closed forms and their invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from kernelopt.convex.criteria.alignment import centered_alignment
from kernelopt.evaluation.metrics import calibration_error, measure, reliability, representation, roc_auc


def drawn(n_classes, n=200, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    y[:n_classes] = np.arange(n_classes)
    p = rng.dirichlet(np.full(n_classes, 0.7), n)
    p[:20] = p[20:40]  # ties
    return y, p


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_classification_agrees_with_scikit_learn(n_classes):
    y, p = drawn(n_classes)
    names = np.array([f"class {k}" for k in range(n_classes)])
    found = measure("classification", names[y], names[p.argmax(axis=1)], p, classes=names)
    assert found["accuracy"] == sk.accuracy_score(y, p.argmax(axis=1)) == pytest.approx(1 - found["error"])
    assert found["log_loss"] == pytest.approx(sk.log_loss(y, p), rel=1e-12)
    assert found["brier"] == pytest.approx(sk.brier_score_loss(y, p, scale_by_half=False), rel=1e-12)
    area = sk.roc_auc_score(y, p[:, 1]) if n_classes == 2 else sk.roc_auc_score(y, p, multi_class="ovr")
    assert found["roc_auc"] == pytest.approx(area, rel=1e-12)


def test_decision_values_rank_without_probabilities():
    y, p = drawn(2)
    score = np.log(p[:, 1] / p[:, 0])
    found = measure("classification", y, (score > 0).astype(int), decision=score)
    assert set(found) == {"accuracy", "error", "roc_auc"}
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(y, score), rel=1e-12)
    y, p = drawn(4)
    score = np.log(p)
    areas = [sk.roc_auc_score(y == k, score[:, k]) for k in range(4)]
    assert measure("classification", y, y, decision=score)["roc_auc"] == pytest.approx(np.mean(areas), rel=1e-12)


def test_one_column_is_the_second_class():
    y, p = drawn(2)
    both = measure("classification", y, y, p)
    assert measure("classification", y, y, p[:, 1]) == pytest.approx(both)
    assert measure("classification", y, y, decision=p[:, 1])["roc_auc"] == both["roc_auc"]


def test_regression_agrees_with_scikit_learn():
    rng = np.random.default_rng(3)
    y = rng.normal(5, 2, 50)
    f = y + rng.normal(0, 1, 50)
    found = measure("regression", y, f)
    assert found == pytest.approx(
        {"rmse": sk.root_mean_squared_error(y, f), "mae": sk.mean_absolute_error(y, f), "r2": sk.r2_score(y, f)},
        rel=1e-12,
    )
    assert set(measure("regression", np.ones(4), f[:4])) == {"rmse", "mae"}  # r2 is not defined


def test_what_is_not_defined_has_no_entry():
    y = np.zeros(5, int)
    p = np.column_stack([np.full(5, 0.75), np.full(5, 0.25)])
    found = measure("classification", y, y, p, classes=np.array([0, 1]))
    assert "roc_auc" not in found and found["ece"] == pytest.approx(0.25)
    assert found["log_loss"] == pytest.approx(-np.log(0.75)) and found["brier"] == pytest.approx(2 * 0.25**2)


def test_a_certain_error_costs_what_scikit_learn_says():
    y, p = np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]])
    found = measure("classification", y, np.zeros(2, int), p)
    assert found["log_loss"] == pytest.approx(sk.log_loss(y, p), rel=1e-12) == pytest.approx(36.04 / 2, abs=0.01)
    assert found["brier"] == 1.0


def test_calibration_error_by_hand():
    """Thirty answers in fifteen bins of two: in each, one at odds with its probability."""
    confidence = np.repeat(np.linspace(0.5, 0.9, 15), 2)
    correct = np.tile([0, 1], 15)
    assert calibration_error(confidence, correct) == pytest.approx(np.mean(confidence) - 0.5)
    mean, gap, size = reliability(confidence, correct)
    assert mean == pytest.approx(confidence[::2]) and gap == pytest.approx(0.5 - mean) and set(size) == {2}


def test_calibration_error_of_a_calibrated_forecast_vanishes():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 200_000)
    assert calibration_error(confidence, rng.random(200_000) < confidence) < 0.006
    assert calibration_error(confidence, rng.random(200_000) < confidence - 0.1) == pytest.approx(0.1, abs=0.006)


@given(st.integers(0, 10_000), st.integers(3, 60), st.integers(2, 4))
def test_order_of_the_points_and_names_of_the_classes_do_not_matter(seed, n, n_classes):
    y, p = drawn(n_classes, max(n, 41), seed)
    p = np.round(p, 1) + 1e-3
    p /= p.sum(axis=1, keepdims=True)
    guess = p.argmax(axis=1)
    found = measure("classification", y, guess, p)
    order = np.random.default_rng(seed).permutation(len(y))
    assert measure("classification", y[order], guess[order], p[order]) == pytest.approx(found)
    if n_classes > 2:
        turned = measure("classification", n_classes - 1 - y, n_classes - 1 - guess, p[:, ::-1])
        del turned["ece"], found["ece"]  # where two classes tie at the top, the first one is the answer
        assert turned == pytest.approx(found)


@given(st.integers(0, 10_000), st.integers(2, 30))
def test_area_turns_over_with_the_scores(seed, n):
    rng = np.random.default_rng(seed)
    scores, positive = rng.integers(0, 4, n), np.arange(n) < rng.integers(1, n)
    assert roc_auc(scores, positive) == pytest.approx(1 - roc_auc(-scores, positive))
    assert roc_auc(scores, positive) == pytest.approx(sk.roc_auc_score(positive, scores))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"task": "ranking"}, "task must be"),
        ({"predicted": np.zeros(3)}, r"shape \(n,\)"),
        ({"probabilities": np.full((4, 3), 1 / 3)}, r"probabilities must have shape \(4, 2\)"),
        ({"probabilities": np.full((4, 2), 0.6)}, "add up to one"),
        ({"probabilities": np.array([[1.2, -0.2]] * 4)}, "nonnegative"),
        ({"probabilities": np.full((4, 2), np.nan)}, "finite"),
        ({"decision": np.array([0.0, 1.0, np.inf, 2.0])}, "decision must be finite"),
        ({"decision": np.zeros(4), "classes": np.array([1, 2])}, r"y_true holds \[0\]"),
        ({"task": "regression", "predicted": np.array([0.0, np.nan, 0.0, 0.0])}, "finite"),
    ],
)
def test_bad_input(change, message):
    good = {"task": "classification", "y_true": np.array([0, 1, 0, 1]), "predicted": np.array([0, 1, 1, 1])}
    with pytest.raises(ValueError, match=message):
        measure(**{**good, **change})


# --- representations


def features(n=40, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + 3.0, rng.integers(0, 3, n)


def test_alignment_agrees_with_the_criterion_and_rank_with_singular_values():
    F, y = features()
    found = representation(F @ F.T, y)
    one_hot = np.eye(3)[y]
    assert found["alignment"] == pytest.approx(centered_alignment(F @ F.T, one_hot @ one_hot.T), rel=1e-12)
    p = np.linalg.svd(F - F.mean(axis=0), compute_uv=False) ** 2
    p /= p.sum()
    assert found["effective_rank"] == pytest.approx(np.exp(-np.sum(p * np.log(p))), rel=1e-6)
    signs = np.where(y == 0, 1.0, -1.0)
    two = representation(F @ F.T, (y == 0).astype(int))["alignment"]
    assert two == pytest.approx(centered_alignment(F @ F.T, np.outer(signs, signs)), rel=1e-12)
    target = F[:, 0] ** 2
    regression = representation(F @ F.T, target, "regression")["alignment"]
    assert regression == pytest.approx(centered_alignment(F @ F.T, np.outer(target, target)), rel=1e-12)


def test_extremes_of_the_effective_rank():
    y = np.arange(8) % 2
    assert representation(np.eye(8), y)["effective_rank"] == pytest.approx(7.0)  # centring takes one direction
    assert representation(np.outer(y, y) + 4.0, y) == pytest.approx({"effective_rank": 1.0, "alignment": 1.0})
    assert representation(np.full((8, 8), 0.3), y) == {}
    assert set(representation(np.eye(8), np.ones(8))) == {"effective_rank"}


@given(st.integers(0, 10_000), st.floats(1e-3, 1e3), st.floats(0, 10))
def test_scale_and_added_constants_do_not_matter(seed, factor, constant):
    F, y = features(seed=seed)
    K = F @ F.T
    assert representation(factor * K + constant, y) == pytest.approx(representation(K, y), rel=1e-6)


@pytest.mark.parametrize(
    "gram, message",
    [
        (np.ones((3, 4)), "shape"),
        (np.array([[1.0, 0.0], [0.5, 1.0]]), "symmetric"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "finite"),
        (np.array([[0.0, 1.0], [1.0, 0.0]]), "positive semidefinite"),
    ],
)
def test_bad_gram(gram, message):
    with pytest.raises(ValueError, match=message):
        representation(gram, np.arange(len(gram)))
