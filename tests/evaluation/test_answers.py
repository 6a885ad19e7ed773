"""What an estimator answers, however odd: predictions stand without bad outputs, and no answer is another class."""

import numpy as np
import pytest

from kernelopt.datasets import Dataset
from kernelopt.evaluation.cell import run_cell, score
from kernelopt.evaluation.metrics import measure
from kernelopt.evaluation.study import Cell, MethodSpec
from tests.evaluation.jobs import make_job

RNG = np.random.default_rng(3)
Y = np.tile(["no", "yes"], 30)
X = RNG.normal(size=(60, 2)) + 4.0 * (Y == "yes")[:, None]
DATA = Dataset("points", "classification", X, Y)


class Threshold:
    """Right on nearly all points; its outputs are what a function makes of the right ones."""

    decision = staticmethod(lambda f: f)
    probabilities = staticmethod(lambda p: p)
    answers = staticmethod(lambda codes: codes)

    def fit(self, X, y):
        self.classes_ = np.unique(y)

    def decision_function(self, X):
        return self.decision(X.sum(axis=1) - 4.0)

    def predict_proba(self, X):
        p = 1 / (1 + np.exp(4.0 - X.sum(axis=1)))
        return self.probabilities(np.column_stack([1 - p, p]))

    def predict(self, X):
        return self.answers((X.sum(axis=1) > 4.0).astype(int))


def record_of(**changes):
    estimator = type("Changed", (Threshold,), {name: staticmethod(change) for name, change in changes.items()})
    return run_cell(make_job(Cell("points", "m", 40, 0), DATA, method=MethodSpec("m", estimator=estimator)))


def test_one_column_of_decision_values_is_that_of_the_second_class():
    record, plain = record_of(decision=lambda f: f[:, None]), record_of()
    assert record.status == "ok", record.error
    assert record.metrics == plain.metrics and "roc_auc" in record.metrics
    y, p = np.array([0, 1, 1]), np.array([0.2, 0.7, 0.4])
    assert measure("classification", y, y, p[:, None]) == measure("classification", y, y, p)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p: np.full_like(p, np.nan), "must be finite"),
        (lambda p: 2 * p, "add up to one"),
        (lambda p: np.column_stack([p, np.zeros(len(p))]), "one column per class"),
        (lambda p: p.astype(str) + "x", "could not convert"),
    ],
)
def test_predictions_stand_without_probabilities_that_are_none(change, message):
    record, plain = record_of(probabilities=change), record_of()
    assert record.status == "ok", record.error
    assert message in record.provenance["no probabilities"]
    assert record.accuracy == plain.accuracy and record.metrics["roc_auc"] == plain.metrics["roc_auc"]
    assert "log_loss" in plain.metrics and "log_loss" not in record.metrics


def test_predictions_stand_without_decision_values_that_are_not_finite():
    record = record_of(decision=lambda f: np.where(f > 0, np.inf, f))
    assert record.status == "ok", record.error
    assert "must be finite" in record.provenance["no decision"] and "log_loss" in record.metrics


@pytest.mark.parametrize(
    "answers",
    [
        lambda codes: np.where(codes == 1, -1, codes),
        lambda codes: np.where(codes == 1, 0.5, codes),
        lambda codes: np.where(codes == 1, np.nan, codes),
        lambda codes: np.where(codes == 1, 2, codes),
        lambda codes: np.array([0 if code == 0 else None for code in codes]),
        lambda codes: np.array([0 if code == 0 else "yes" for code in codes], dtype=object),
    ],
)
def test_answers_that_are_no_code_are_wrong_and_never_another_class(answers):
    record, plain = record_of(answers=answers), record_of()
    assert record.status == "ok", record.error
    yes = np.array(plain.correct)  # nearly all are right, so what is lost are the answers "yes"
    assert plain.accuracy >= 0.9 and record.accuracy == pytest.approx(np.mean(record.correct))
    assert 0.2 <= record.accuracy <= 0.7 and (np.array(record.correct) <= yes).all()


def test_whole_floats_are_codes():
    assert record_of(answers=lambda codes: codes.astype(float)).correct == record_of().correct


def test_scores_of_other_starts_count_in_the_same_way():
    truth, classes = np.array(["a", "b", "b"]), np.array(["a", "b"])
    assert score(np.array([0, -1, 1]), truth, classes, "classification") == pytest.approx(2 / 3)
    assert score(np.array([0.0, 0.5, 1.0]), truth, classes, "classification") == pytest.approx(2 / 3)
    assert score(np.array([-1, 5]), np.array([-1, 5]), None, "classification") == 0.5  # -1 is no class that trained
