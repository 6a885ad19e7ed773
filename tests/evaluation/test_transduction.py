"""Transductive methods: the inputs of test points reach their fit and nothing else does; labels reach no fit at all."""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
from dataclasses import asdict, replace

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold
from sklearn.semi_supervised import LabelSpreading

import kernelopt
from kernelopt import SDPKernelClassifier, _contrast, datasets
from kernelopt.cli import main
from kernelopt.evaluation import data as reading
from kernelopt.evaluation import methods, plan
from kernelopt.evaluation.cell import fingerprint
from kernelopt.evaluation.protocol import Protocol, transduce
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.splits import nested_order, rows
from kernelopt.evaluation.store import Store
from kernelopt.evaluation.study import Cell, MethodInfo, Study
from kernelopt.evaluation.table import table
from tests.evaluation.jobs import make_job, run_here

FITTED = ("chosen", "candidates", "weights", "certificate", "gradient_norm", "history", "filters")
SIZE, IMAGES = 40, 60


class Nearest:
    """Labels every row like its nearest labelled one, by the distance of a power; keeps all that reaches its fit."""

    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def __init__(self, power):
        self.power = power

    def fit(self, X, y):
        Nearest.seen.append((X.copy(), y.copy()))
        self.X, self.y = X[y != -1], y[y != -1]
        self.transduction_ = self.predict(X)
        self.kernel_names_, self.weights_ = ["sum of all inputs", "sum of all labels"], [X.sum(), y.sum()]
        return self

    def predict(self, X):
        return self.y[[np.argmin((np.abs(self.X - x) ** self.power).sum(axis=1)) for x in X]]

    def score(self, X, y):
        return float((self.predict(X) == y).mean())


def declare(monkeypatch, build, grid, *, transductive, n_folds=0):
    info = MethodInfo("probe", "Probe", "convex", "", "", grid)
    method = methods.Method(info, build, transductive=transductive, n_folds=n_folds)
    monkeypatch.setitem(methods.BY_NAME, "probe", method)
    return method


@pytest.fixture
def run():
    """Run a cell on data with some arrays changed; with few test images, so that it is quick."""
    real = datasets.load("mnist-small")
    small = replace(real, X_test=real.X_test[:IMAGES], y_test=real.y_test[:IMAGES])

    def run(method, **changes):
        Nearest.seen = []
        record = run_here(Cell("mnist-small", method, SIZE, 0), replace(small, **changes))
        assert record.status == "ok", record.error
        return record

    run.data = small
    return run


@pytest.fixture
def quick(monkeypatch):
    """The semidefinite program with two values of C to choose from, on one hold-out part."""
    method = methods.BY_NAME["sdp-kernel"]
    fewer = replace(method, info=replace(method.info, grid={"C": (1.0, 10.0)}), n_folds=0)
    monkeypatch.setitem(methods.BY_NAME, "sdp-kernel", fewer)


def poisons(data):
    rng = np.random.default_rng(0)
    return {
        "permuted labels": {"y_test": rng.permutation(data.y_test)},
        "one label for all": {"y_test": np.zeros_like(data.y_test)},
        "no labels": {"y_test": np.full_like(data.y_test, -1)},
    }


@pytest.mark.parametrize("spoil", poisons(datasets.load("mnist-small")))
def test_test_labels_reach_no_fit_choice_or_prediction(run, quick, monkeypatch, spoil):
    """Whatever the test labels are: the same inputs of every fit, and the same answers, to the last bit."""
    fit, calls = SDPKernelClassifier.fit, []

    def spying(self, X, y, sample_weight=None):
        given = X.tobytes(), y.tobytes()
        fit(self, X, y, sample_weight)
        calls.append((*given, self.transduction_.tobytes(), self.kernel_matrix_.tobytes(), self.C))
        return self

    monkeypatch.setattr(SDPKernelClassifier, "fit", spying)
    honest = run("sdp-kernel")
    first, calls = calls, []
    spoiled = run("sdp-kernel", **poisons(run.data)[spoil])
    assert len(first) == 2 + 1 and calls == first
    assert honest.correct != spoiled.correct
    for name in FITTED:
        assert getattr(honest, name) == getattr(spoiled, name), name


@pytest.mark.parametrize("transductive", [False, True])
@pytest.mark.parametrize("n_folds", [0, 3])
def test_test_inputs_reach_the_fit_of_a_transductive_method_alone(run, monkeypatch, transductive, n_folds):
    """The same estimator, declared one way and the other, on honest test images and on poisoned ones."""
    declare(
        monkeypatch,
        lambda shape, seed, power: Nearest(power),
        {"power": (0.5, 2.0)},
        transductive=transductive,
        n_folds=n_folds,
    )
    tests = rows(run.data.X_test)
    poison = np.random.default_rng(1).integers(0, 255, run.data.X_test.shape).astype(np.uint8)
    honest, seen = run("probe"), Nearest.seen
    spoiled, seen_spoiled = run("probe", X_test=poison), Nearest.seen
    assert honest.transductive is spoiled.transductive is transductive
    assert len(seen) == 2 * max(n_folds, 1) + 1
    assert (honest.chosen, honest.candidates) == (spoiled.chosen, spoiled.candidates)
    for (X, y), (Z, z) in zip(seen[:-1], seen_spoiled[:-1], strict=True):  # while choosing
        np.testing.assert_array_equal(X, Z)
        np.testing.assert_array_equal(y, z)
        assert not {row.tobytes() for row in X} & {row.tobytes() for row in tests}
    (X, y), (Z, z) = seen[-1], seen_spoiled[-1]
    np.testing.assert_array_equal(y, z)
    np.testing.assert_array_equal(X[:SIZE], Z[:SIZE])
    if transductive:
        np.testing.assert_array_equal(X[SIZE:], tests)
        np.testing.assert_array_equal(Z[SIZE:], rows(poison))
        assert (y[SIZE:] == -1).all() and (y[:SIZE] >= 0).all() and len(y) == SIZE + IMAGES
        assert honest.weights["sum of all inputs"] != spoiled.weights["sum of all inputs"]
    else:
        assert len(X) == len(Z) == SIZE
        assert honest.weights == spoiled.weights


def test_poisoned_test_inputs_change_what_the_semidefinite_program_learns_and_not_what_it_chooses(run, quick):
    honest = run("sdp-kernel")
    spoiled = run("sdp-kernel", X_test=255 - run.data.X_test)
    assert honest.transductive and spoiled.transductive
    assert (honest.chosen, honest.candidates) == (spoiled.chosen, spoiled.candidates)
    assert honest.weights != spoiled.weights
    assert honest.certificate["gap"] <= 1e-4 and abs(sum(honest.weights.values()) - 1) < 1e-9


def test_a_cell_is_what_the_estimator_says_of_training_and_test_images_together(run, quick):
    record = run("sdp-kernel")
    data = run.data
    order = nested_order(data.y, 0)[:SIZE]
    images = np.concatenate([data.X[order], data.X_test]).reshape(SIZE + IMAGES, -1) / 255
    labels = data.y[order].tolist() + [-1] * IMAGES
    kernels = lambda X, w=None: methods.image_kernels(X, w, image_shape=(28, 28))  # noqa: E731
    clf = SDPKernelClassifier(kernels=kernels, C=record.chosen["C"]).fit(images, labels)
    assert record.correct == (clf.transduction_[SIZE:] == data.y_test).astype(int).tolist()
    assert list(record.weights.values()) == clf.weights_.tolist()


def test_held_out_parts_of_the_training_set_stand_in_for_the_test_images():
    """Scores against scikit-learn's own transductive estimator and splitter, fold by fold."""
    data = datasets.load("mnist-small")
    X, y = rows(data.X[:90]), data.y[:90] % 3
    grid = {"gamma": (0.01, 0.1, 1.0)}
    chosen, candidates = Protocol().choose(
        lambda seed, gamma: LabelSpreading(gamma=gamma), grid, X, y, 4, n_folds=3, transductive=True
    )
    expected = []
    for gamma in grid["gamma"]:
        scores = []
        for _, held in StratifiedKFold(3, shuffle=True, random_state=4).split(X, y):
            marked = y.copy()
            marked[held] = -1
            scores.append(np.mean(LabelSpreading(gamma=gamma).fit(X, marked).transduction_[held] == y[held]))
        expected.append(np.mean(scores))
    assert len(set(expected)) == 3
    assert [c["score"] for c in candidates] == pytest.approx(expected, abs=1e-12)
    assert chosen == {"gamma": grid["gamma"][int(np.argmax(expected))]}


@pytest.mark.parametrize(
    "y, estimator, error, message",
    [
        (np.array([0, 1, -1]), Nearest(2.0), ValueError, "-1 among them"),
        (np.array(["a", "b", "a"]), Nearest(2.0), ValueError, "dtype <U1"),
        (np.array([0.0, 1.0, 0.5]), Nearest(2.0), ValueError, "dtype float64"),
        (np.array([0, 1, 1]), type("Inductive", (), {"fit": lambda self, X, y: self})(), TypeError, "transduction_"),
    ],
)
def test_what_cannot_be_transduced_is_refused(y, estimator, error, message):
    with pytest.raises(error, match=message):
        transduce(estimator, np.eye(3), y, np.eye(3)[:1])


def test_labels_of_an_unsigned_type_are_not_wrapped_around():
    estimator = Nearest(2.0)
    found = transduce(estimator, np.eye(3), np.array([0, 1, 255], dtype=np.uint8), 0.9 * np.eye(3))
    assert found.tolist() == [0, 1, 255]
    assert Nearest.seen[-1][1].tolist() == [0, 1, 255, -1, -1, -1]


# --- records


def test_failed_cells_are_marked_too(monkeypatch):
    declare(monkeypatch, lambda shape, seed: 1 / 0, {}, transductive=True)
    record = run_here(Cell("mnist-small", "probe", SIZE, 0))
    assert record.status == "failed" and record.transductive


def test_records_stored_before_there_was_the_field_are_inductive(tmp_path):
    store = Store(tmp_path / "s.sqlite")
    values = asdict(Record("d", "m", 10, 0, accuracy=0.5, correct=[1, 0]))
    del values["transductive"]
    with sqlite3.connect(store.path) as db:
        row = ("old", "d", "m", 10, 0, "ok", json.dumps(values))
        db.execute("INSERT INTO cells VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    assert store.get("old") == Record("d", "m", 10, 0, accuracy=0.5, correct=[1, 0], transductive=False)
    store.put("new", Record("d", "m", 10, 1, transductive=True))
    assert store.get("new").transductive is True


def test_records_of_inductive_methods_are_found_again(monkeypatch):
    """The digest of an inductive cell says nothing of transduction; that of a transductive one does."""
    data, method = datasets.load("mnist-small"), methods.BY_NAME["learned-kernel"]
    cell = Cell("mnist-small", "learned-kernel", 40, 0)
    content = {
        "cell": {"dataset": "mnist-small", "method": "learned-kernel", "size": 40, "seed": 0},
        "data": data.sha256,
        "method": [method.version, {"C": [1.0, 10.0, 100.0]}, 3],
        "protocol": {"validation_size": 0.25, "threads": 1},
        "kernelopt": kernelopt.__version__,
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    assert fingerprint(make_job(cell), data) == digest
    monkeypatch.setitem(methods.BY_NAME, "learned-kernel", replace(method, transductive=True))
    assert fingerprint(make_job(cell), data) != digest


def test_the_table_marks_them():
    records = [Record("d", "a", 10, 0, transductive=True), Record("d", "b", 10, 0)]
    rows = list(csv.DictReader(table(records).splitlines()))
    assert [row["transductive"] for row in rows] == ["True", "False"]


# --- the catalogue and the command line


def test_the_default_study_has_none_and_every_one_is_there_by_name(monkeypatch, tmp_path, capsys):
    studies = []
    monkeypatch.setattr(_contrast, "run", lambda study, *args, **kwargs: studies.append(study) or [])
    kernelopt.contrast(store=tmp_path / "r.sqlite")
    assert [m.name for m in studies[0].methods] == [method.info.name for method in methods.ALL]
    assert not {method.info.name for method in methods.ON_REQUEST} & {m.name for m in studies[0].methods}
    assert [m.info.name for m in methods.BY_NAME.values() if m.transductive] == ["sdp-kernel"]
    names = [method.info.name for method in methods.ON_REQUEST]
    assert methods.find(names) == list(methods.ON_REQUEST)
    with pytest.raises(SystemExit):
        main(["contrast", "--help"])
    assert all(name in capsys.readouterr().out for name in names)


def test_a_study_with_one_runs_from_the_command_line(quick, monkeypatch, tmp_path):
    """A page and a table that mark it, and no difference between the two kinds."""
    real = datasets.load("mnist-small")
    small = replace(real, X_test=real.X_test[:IMAGES], y_test=real.y_test[:IMAGES])
    monkeypatch.setattr(reading, "load", lambda *args, **kwargs: small)
    page = tmp_path / "report.html"
    words = ["--data", "mnist-small", "--sizes", "40", "--seeds", "1", "--jobs", "1", "-o", str(page)]
    assert main(["contrast", *words, "--methods", "sdp-kernel", "uniform-kernel"]) == 0
    rows = list(csv.DictReader((tmp_path / "report.csv").read_text().splitlines()))
    assert {row["method"]: row["transductive"] for row in rows} == {"sdp-kernel": "True", "uniform-kernel": "False"}
    text = page.read_text(encoding="utf-8")
    assert "Semidefinite kernel (transductive)" in text and "<dt>Transduction</dt>" in text
    assert "data-difference" not in text.split("<script>")[0]


def test_the_rules_speak_of_transduction_only_where_there_is_some():
    assert _contrast.describe_transduction(methods.ALL) == {}
    (text,) = _contrast.describe_transduction([*methods.ALL, *methods.ON_REQUEST]).values()
    assert text.startswith("Semidefinite kernel: fitted on the training images and the test images")


def test_sizes_that_the_semidefinite_program_cannot_do_are_refused_before_anything_runs(tmp_path, capsys, monkeypatch):
    data = datasets.load("mnist-small")
    study = Study(("mnist-small",), ("learned-kernel", "sdp-kernel"), (40, 200), (0,))
    assert len(plan.make_plan(study).jobs) == 4
    with pytest.raises(ValueError, match=r"at most 1200, but size 201 .* make 1201. Use sizes up to 200, or leave"):
        plan.make_plan(replace(study, sizes=(40, 201)))
    plan.make_plan(replace(study, sizes=(2000,), methods=("learned-kernel",)))
    assert main(["contrast", "--methods", "sdp-kernel", "-o", str(tmp_path / "r.html")]) == 1
    assert "'sdp-kernel'" in capsys.readouterr().err and not (tmp_path / "r.html").exists()
    crowded = replace(
        data, X_test=np.concatenate([data.X_test, data.X_test]), y_test=np.concatenate([data.y_test, data.y_test])
    )
    monkeypatch.setattr(reading, "load", lambda *args, **kwargs: crowded)
    with pytest.raises(ValueError, match="2000 test images .* Use data with fewer test images, or leave"):
        plan.make_plan(replace(study, sizes=(40,)))
