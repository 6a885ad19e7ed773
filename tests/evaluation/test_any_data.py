"""Data of every kind: splits, scales, loaders, labels of any type, regression; what does not fit is refused."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler
from sklearn.svm import SVC

from kernelopt import datasets
from kernelopt.datasets import Dataset
from kernelopt.evaluation import DataSpec, MethodSpec, Protocol, Record, Store, Study, run
from kernelopt.evaluation.cell import run_cell
from kernelopt.evaluation.data import read
from kernelopt.evaluation.plan import make_plan
from kernelopt.evaluation.splits import make_split, n_training, scaling
from kernelopt.evaluation.study import Cell

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3)) * [1.0, 10.0, 0.0] + [0.0, 5.0, 2.0]
LABELS = np.repeat(["no", "yes"], [30, 20])


def points(y=LABELS, **more):
    return Dataset("points", "classification", X, y, sha256="points", **more)


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 40), seed=st.integers(0, 999), stratify=st.booleans())
def test_random_splits_part_the_points_and_are_nested(size, seed, stratify):
    data = Dataset("rows", "classification", np.arange(50.0)[:, None], LABELS)
    small, whole = (make_split(data, n, seed, "random", 10, stratify) for n in (size, 40))
    rows = lambda part: set(part[:, 0])  # noqa: E731
    assert rows(whole.X) | rows(whole.X_test) == set(range(50)) and not rows(whole.X) & rows(whole.X_test)
    np.testing.assert_array_equal(small.X, whole.X[:size])
    np.testing.assert_array_equal(small.X_test, whole.X_test)
    np.testing.assert_array_equal(whole.y, LABELS[whole.X[:, 0].astype(int)])
    if stratify:
        assert abs((whole.y_test == "yes").sum() - 4) <= 1


def test_seeds_draw_other_splits_and_sizes_are_fractions_or_numbers():
    one, two = (make_split(points(), 40, seed, "random", 10, None) for seed in (0, 1))
    assert (one.X != two.X).any()
    assert n_training(points(), "random", 0.2) == 40 and n_training(points(), None, 7) == 43
    official = points(X_test=X[:5], y_test=LABELS[:5])
    assert n_training(official, None, 7) == 50 and n_training(official, "random", 7) == 43
    with pytest.raises(ValueError, match="no official test part"):
        n_training(points(), "official", 0.2)
    with pytest.raises(ValueError, match="makes 50 test points of the 50"):
        n_training(points(), "random", 50)


@pytest.mark.parametrize(
    "scale, reference",
    [("standardize", StandardScaler()), ("range", MinMaxScaler()), ("unit", Normalizer())],
)
def test_scales_are_those_of_scikit_learn_fitted_on_what_trains(scale, reference):
    train, test = X[:30], X[30:]
    expected = reference.fit(train).transform(test)
    np.testing.assert_allclose(scaling(scale, train)(test), expected, atol=1e-12)


def test_pixels_stored_as_bytes_become_fractions_and_other_numbers_stay():
    images = np.array([[[0, 255], [51, 102]]], dtype=np.uint8)
    for scale in (None, "bytes"):
        np.testing.assert_array_equal(scaling(scale, images)(images), [[0, 1, 0.2, 0.4]])
    np.testing.assert_array_equal(scaling("none", images)(images), [[0, 255, 51, 102]])
    np.testing.assert_array_equal(scaling(None, X)(X), X)


@pytest.mark.parametrize(
    "y", [LABELS, np.where(LABELS == "yes", 1, -1), (LABELS == "yes").astype(int) + 5, LABELS == "yes"]
)
def test_labels_of_any_type_are_predicted_as_they_are(y):
    loader = lambda: (X + 3 * (LABELS == "yes")[:, None], y)  # noqa: E731
    study = Study([DataSpec("p", loader=loader)], [MethodSpec("m", estimator=SVC)], seeds=1)
    (job,) = make_plan(study).jobs.values()
    record = run_cell(job)
    assert record.status == "ok", record.error
    assert record.accuracy > 0.9 and record.metrics["roc_auc"] > 0.9 and record.n_train == 40 and record.n_test == 10


def test_a_record_is_what_the_estimator_says_itself():
    """Classification and regression, against scikit-learn by hand."""
    data = read(DataSpec("sonar"))
    record = run_cell(job_of(DataSpec("sonar"), MethodSpec("m", estimator=LogisticRegression(max_iter=500)), 3))
    split = make_split(data, 166, 3, "random", 0.2, None)
    clf = LogisticRegression(max_iter=500).fit(split.X, split.y)
    assert record.correct == (clf.predict(split.X_test) == split.y_test).astype(int).tolist()
    assert record.split == "random" and record.task == "classification" and record.errors == []
    y = X @ [1.0, 2.0, 3.0] + RNG.normal(size=50)
    spec = DataSpec("line", loader=lambda: (X, y))
    record = run_cell(job_of(spec, MethodSpec("m", estimator=LinearRegression), 3))
    split = make_split(read(spec), 40, 3, "random", 0.2, None)
    residual = LinearRegression().fit(split.X, split.y).predict(split.X_test) - split.y_test
    assert record.errors == pytest.approx(residual**2) and record.correct == []
    assert record.metrics["rmse"] == pytest.approx(np.sqrt(np.mean(residual**2))) and np.isnan(record.accuracy)


def job_of(data, method, seed):
    (job,) = make_plan(Study((data,), (method,), seeds=(seed,))).jobs.values()
    return job


def test_a_class_that_did_not_train_is_a_wrong_answer_and_not_an_error():
    y = np.array(["a", "b"] * 24 + ["c", "c"])
    data = (X[:48], y[:48], X[46:], y[46:])
    spec = DataSpec("p", loader=lambda: data)
    record = run_cell(job_of(spec, MethodSpec("m", estimator=LogisticRegression), 0))
    assert record.status == "ok" and record.correct[2:] == [0, 0] and "log_loss" not in record.metrics


@pytest.mark.parametrize(
    "estimator, message",
    [
        (SimpleNamespace(fit=lambda X, y: None, predict=lambda X: X), r"predict returned shape \(10, 3\) for 10"),
        (SimpleNamespace(fit=lambda X, y: None, predict=lambda X: np.zeros(3)), r"predict returned shape \(3,\)"),
        (SimpleNamespace(fit=lambda X, y: None), "has no attribute 'predict'"),
        (lambda: DummyClassifier(strategy="magic"), "strategy"),
    ],
)
def test_what_an_estimator_gets_wrong_is_recorded(estimator, message):
    maker = (lambda: estimator) if isinstance(estimator, SimpleNamespace) else estimator
    record = run_cell(job_of(DataSpec("p", loader=lambda: (X, LABELS)), MethodSpec("m", estimator=maker), 0))
    assert record.status == "failed" and re.search(message, record.error), record.error
    assert record.provenance["traceback"]


@pytest.mark.parametrize(
    "spec, message",
    [
        (DataSpec("breast_cancer_original"), "has missing cells.*missing = 'drop'"),
        (DataSpec("textures"), "pictures without classes"),
        (DataSpec("no-such-set"), "no data set"),
        (DataSpec("p", loader=lambda: X), "must return X, y"),
        (DataSpec("p", loader=lambda: (X, LABELS[:9])), r"\(50, 3\) and y \(9,\) must be"),
        (DataSpec("p", loader=lambda: (X, LABELS), task="regression"), "is no regression"),
        (DataSpec("p", loader="no_module:f"), "cannot be imported"),
        (DataSpec("p", loader=lambda: (X, [None, *LABELS[1:]])), "y has 1 missing values .None or NaN."),
        (DataSpec("p", loader=lambda: (X, np.append(X[1:, 0], np.nan))), "y has 1 missing values"),
        (DataSpec("p", loader=lambda: (X, np.array([1, *LABELS[1:]], object))), "y mixes int, str"),
        (DataSpec("p", loader=lambda: (X, LABELS, X[:2], ["no", None])), "y_test has 1 missing values"),
        (DataSpec("p", loader=lambda: (np.where(X == X[0], None, X), LABELS)), "X holds objects, .* missing values"),
        (DataSpec("p", loader=lambda: (X, np.zeros(50, dtype=int))), "one class only"),
        (DataSpec("p", loader=lambda: (X, LABELS), sizes=(41,)), "size 41 exceeds the 40 training points"),
        (DataSpec("p", loader=lambda: (X, LABELS), sizes=(7,)), "size 7 is too small for 2 classes"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_anything_runs(spec, message):
    with pytest.raises(ValueError, match=message):
        make_plan(Study((spec,), (MethodSpec("m", estimator=SVC),), seeds=1))


@pytest.mark.parametrize(
    "method, y, message",
    [
        (MethodSpec("cnn-learned"), LABELS, "grey images are needed"),
        (MethodSpec("learned-kernel"), X[:, 0], "does classification, but 'p' is a regression"),
        (MethodSpec("t", estimator=SVC, transductive=True), X[:, 0], "is transductive"),
        (MethodSpec("random-filters:uniform"), LABELS, "nothing to lay a filter on"),
    ],
)
def test_methods_that_cannot_do_the_data_are_refused(method, y, message):
    with pytest.raises(ValueError, match=message):
        make_plan(Study((DataSpec("p", loader=lambda: (X, y)),), (method,), seeds=1))


def test_rows_with_missing_cells_may_be_left_out():
    spec = DataSpec("breast_cancer_original", missing="drop")
    assert len(read(spec).X) == 683 == len(datasets.load("breast_cancer_original").drop_missing().X)


def test_each_data_set_may_have_its_sizes_and_its_values():
    data = [DataSpec("sonar", sizes=(60,), values={"g": 0.5}), DataSpec("heart_statlog", values={"g": 0.25})]
    study = Study(data, [MethodSpec("m", estimator=SVC, params={"gamma": "$g"})], seeds=1)
    plan = make_plan(study)
    assert [cell.size for cell in plan.jobs] == [60, 216]
    assert [job.method.build((), 0).gamma for job in plan.jobs.values()] == [0.5, 0.25]
    with pytest.raises(ValueError, match="no sizes for heart_statlog"):
        study.cells()


def test_data_that_change_between_processes_are_not_used():
    changing = iter(range(9))
    spec = DataSpec("p", loader=lambda: (X + next(changing), LABELS))
    record = run_cell(job_of(spec, MethodSpec("m", estimator=SVC), 0))
    assert record.status == "failed" and "is not what it was" in record.error


def test_all_that_a_record_depends_on_makes_another_cell():
    base = dict(data=DataSpec("sonar"), method=MethodSpec("m", estimator=SVC), rules=Protocol())
    changed = [
        {},
        {"data": DataSpec("sonar", scale="unit")},
        {"method": MethodSpec("m", estimator=SVC, params={"C": 2.0})},
        {"method": MethodSpec("m", estimator=SVC, grid={"C": [2.0]})},
        {"method": MethodSpec("m", estimator=LogisticRegression)},
        {"method": MethodSpec("m", estimator=SVC, record={"n": "n_features_in_"})},
        {"rules": Protocol(test_size=0.3)},
        {"rules": Protocol(stratify=True)},
        {"rules": Protocol(folds=2)},
        {"rules": Protocol(budget=4)},
    ]
    keys = []
    for change in changed:
        parts = base | change
        study = Study((parts["data"],), (parts["method"],), seeds=1, protocol=parts["rules"])
        keys += make_plan(study).keys.values()
    assert len(set(keys)) == len(changed)


def test_a_run_returns_what_a_second_one_reads(tmp_path):
    method = MethodSpec("m", estimator=SVC, record={"none": lambda fitted: float("nan")}, grid={"C": (1.0, 2.0)})
    study = Study((DataSpec("sonar"),), (method,), seeds=1)
    first, second = (run(study, Store(tmp_path / "r"), n_jobs=1, progress=lambda line: None) for _ in range(2))
    assert first == second and first[0].values == {"none": None}


def test_old_records_have_the_defaults_of_new_fields():
    old = {"dataset": "d", "method": "m", "size": 10, "seed": 0, "accuracy": 0.5, "correct": [1, 0]}
    assert Record.from_dict(old) == Record("d", "m", 10, 0, accuracy=0.5, correct=[1, 0])
    assert Cell("d", "m", 10, 0).label == "d · m · n=10 · seed 0"
