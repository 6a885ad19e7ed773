"""The rules: nested paired training sets, choices on the training part, test data that choose nothing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelopt import datasets
from kernelopt.evaluation import methods
from kernelopt.evaluation.protocol import Protocol
from kernelopt.evaluation.splits import nested_order, rows
from kernelopt.evaluation.study import Cell, Study
from tests.evaluation.jobs import run_here


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.integers(1, 40), min_size=2, max_size=5), seed=st.integers(0, 1000))
def test_every_beginning_has_the_classes_proportions(counts, seed):
    y = np.repeat(np.arange(len(counts)), counts)
    order = nested_order(y, seed)
    assert sorted(order) == list(range(len(y)))
    for n in range(1, len(y) + 1):
        found = np.bincount(y[order[:n]], minlength=len(counts))
        assert np.abs(found - n * np.array(counts) / len(y)).max() < 1 + len(counts) / 2


def test_orders_differ_between_seeds_and_repeat_within_one():
    y = np.repeat([0, 1], 50)
    assert (nested_order(y, 1) == nested_order(y, 1)).all()
    assert (nested_order(y, 1) != nested_order(y, 2)).any()


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(1, 30), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_the_hold_out_part_is_stratified_and_leaves_every_class(counts, seed):
    y = np.repeat(np.arange(len(counts)), counts)
    trains, chooses = Protocol().validation_split(y, seed)
    assert sorted([*trains, *chooses]) == list(range(len(y)))
    assert set(y[trains]) == set(y)
    for c, count in enumerate(counts):
        assert (y[chooses] == c).sum() == min(round(0.25 * count), count - 1)


class Guess:
    """An estimator whose validation score, where every label is 1, is a function of its setting."""

    fitted = []

    def __init__(self, value):
        self.value = value

    def fit(self, X, y):
        Guess.fitted.append((self.value, len(y)))

    def share(self, X):
        return {1: 0.5, 2: 0.9, 3: 0.9}[self.value]

    def predict(self, X):
        return (np.arange(len(X)) < round(self.share(X) * len(X))).astype(int)


def test_choice_takes_the_best_and_ties_go_to_the_first():
    Guess.fitted = []
    y = np.ones(40, dtype=int)
    chosen, candidates = Protocol().choose(lambda seed, value: Guess(value), {"value": (1, 2, 3)}, np.eye(40), y, 0)
    assert chosen == {"value": 2} and [c["score"] for c in candidates] == [0.5, 0.9, 0.9]
    assert Guess.fitted == [(1, 30), (2, 30), (3, 30)]


def test_cross_validation_visits_every_sample_once_and_averages():
    y = np.repeat([0, 1], 20)
    splits = Protocol().splits(y, 0, n_folds=4)
    assert sorted(np.concatenate([j for _, j in splits])) == list(range(40))
    assert all(not set(i) & set(j) and (y[j] == 0).sum() == 5 for i, j in splits)

    class Counts(Guess):
        def share(self, X):
            return {1: 0.5, 2: float(X[0, 0])}[self.value]  # a lucky fold must not decide alone

    X, ones = np.zeros((40, 1)), np.ones(40, dtype=int)
    splits = Protocol().splits(ones, 0, n_folds=4)
    X[splits[0][1][0]] = 1.0
    chosen, candidates = Protocol().choose(lambda seed, value: Counts(value), {"value": (1, 2)}, X, ones, 0, n_folds=4)
    assert chosen == {"value": 1} and [c["score"] for c in candidates] == [0.5, 0.25]


def test_kernel_machines_choose_by_cross_validation():
    folds = {name: method.n_folds for name, method in methods.BY_NAME.items()}
    assert {name for name, n in folds.items() if n == methods.N_FOLDS} == {
        "single-kernel",
        "uniform-kernel",
        "learned-kernel",
        "sdp-kernel",
    }


def test_a_grid_of_one_costs_nothing():
    assert Protocol().choose(None, {"C": (1.0,)}, None, None, 0) == ({"C": 1.0}, [])


TUNED = ["single-kernel", "learned-kernel", "cnn-random"]


@pytest.mark.parametrize("method", TUNED)
@pytest.mark.parametrize("spoil", ["labels", "images"])
def test_test_data_choose_nothing(monkeypatch, method, spoil):
    """Other test labels or images: the same choices, scores, weights and filters, to the last bit."""
    real = datasets.load("mnist-small")
    rng = np.random.default_rng(0)
    changes = {
        "labels": {"y_test": rng.permutation(real.y_test)},
        "images": {"X_test": rng.integers(0, 255, real.X_test.shape).astype(np.uint8)},
    }
    cell = Cell("mnist-small", method, 40, 0)
    monkeypatch.setitem(methods.BY_NAME, method, quick(methods.BY_NAME[method]))
    honest, spoiled = run_here(cell, real), run_here(cell, replace(real, **changes[spoil]))
    assert honest.status == spoiled.status == "ok", (honest.error, spoiled.error)
    assert honest.accuracy != spoiled.accuracy
    for name in ("chosen", "candidates", "weights", "certificate", "gradient_norm", "history", "filters"):
        assert getattr(honest, name) == getattr(spoiled, name), name


def quick(method):
    """The same method on a smaller grid."""
    grid = {name: tuple(values)[:2] for name, values in method.info.grid.items()}
    return replace(method, info=replace(method.info, grid=grid))


def test_training_never_receives_test_images(monkeypatch):
    real = datasets.load("mnist-small")
    test_rows = {row.tobytes() for row in rows(real.X_test)}
    from kernelopt import MKLClassifier

    fit, seen = MKLClassifier.fit, []

    def spying(self, X, y, sample_weight=None):
        seen.append({row.tobytes() for row in X})
        return fit(self, X, y, sample_weight)

    monkeypatch.setattr(MKLClassifier, "fit", spying)
    assert run_here(Cell("mnist-small", "learned-kernel", 40, 0)).status == "ok"
    probabilities = 4  # as many folds as the rarest class has points
    assert len(seen) == 3 * 3 + 1 + probabilities and not any(given & test_rows for given in seen)


def test_no_method_of_the_contrast_is_transductive():
    assert not any(method.transductive for method in methods.ALL)


def test_network_versions_differ_in_filters_and_switch_alone():
    build = {name: m.build((28, 28), 0, learning_rate=1e-3) for name, m in methods.BY_NAME.items() if name[:3] == "cnn"}
    params = {name: est.get_params() for name, est in build.items()}
    keys = {k for p in params.values() for k in p if len({repr(q[k]) for q in params.values()}) > 1}
    assert keys == {"bank", "trainable"}
    differ = {k for k in keys if params["cnn-random"][k] != params["cnn-learned"][k]}
    assert differ == {"trainable"}
    assert {name: params[name]["trainable"] for name in params} == {
        "cnn-random": False,
        "cnn-gabor": False,
        "cnn-kmeans": False,
        "cnn-gabor-first": (False, True),
        "cnn-learned": True,
    }
    grids = {tuple(m.info.grid["learning_rate"]) for name, m in methods.BY_NAME.items() if name in params}
    assert len(grids) == 1


def test_frozen_and_learned_networks_start_from_the_same_filters():
    X = rows(datasets.load("mnist-small").X[:60])
    y = datasets.load("mnist-small").y[:60] % 2
    starts = {}
    for name in ("cnn-random", "cnn-learned"):
        network = methods.BY_NAME[name].build((28, 28), 3, learning_rate=1e-3).set_params(epochs=1).fit(X, y)
        starts[name] = network.filter_snapshots_[0]
        moved = np.abs(network.filters_ - starts[name]).max()
        assert (moved == 0) == (name == "cnn-random")
    np.testing.assert_array_equal(starts["cnn-random"], starts["cnn-learned"])


@pytest.mark.parametrize(
    "bad, message",
    [
        (dict(data=()), "data is empty"),
        (dict(methods=("b", "b")), "methods holds something twice"),
        (dict(seeds=(1, 1)), "seeds holds something twice"),
        (dict(sizes=(0,)), "positive"),
    ],
)
def test_bad_studies_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        Study(**{"data": ("a",), "methods": ("b",), "sizes": (10,), "seeds": (0,), **bad})


def test_cells_go_seed_by_seed_and_small_first():
    cells = Study(("d",), ("a", "b"), (20, 10), (0, 1)).cells()
    assert [(c.seed, c.size, c.method) for c in cells[:4]] == [
        (0, 10, "a"),
        (0, 10, "b"),
        (0, 20, "a"),
        (0, 20, "b"),
    ]
    assert len(set(cells)) == 8
