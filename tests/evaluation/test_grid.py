"""The grid: every pair runs or says why not, and nothing is judged on what trained it."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from kernelopt import ConvNetClassifier, KernelStack
from kernelopt.datasets import Dataset
from kernelopt.evaluation import entries, grid
from kernelopt.evaluation.cell import run_cell
from kernelopt.evaluation.grid_parts import CrossFitted, FilterKernels, KernelFeatures, filter_bank
from kernelopt.evaluation.protocol import Protocol, transduce
from kernelopt.evaluation.study import Cell, MethodSpec, Study
from kernelopt.kernels import polynomial
from tests.evaluation.jobs import make_job, run_here


def digits(n=120):
    X, y = load_digits(return_X_y=True)
    keep = y < 3
    X, y = X[keep][:n] / 16, y[keep][:n]
    return Dataset("digits", "classification", X.reshape(-1, 8, 8), y, image_shape=(8, 8), sha256="digits")


RULES = Protocol(test_size=60)
QUICK = {"C": [1.0]}


@pytest.mark.parametrize("name", grid.names())
def test_every_pair_learns(name):
    """Far better than chance, a third, from 60 images; with a certificate where there is a convex problem."""
    setting = {"learning_rate": [1e-2]} if name == "learned-filters:linear-head" else QUICK
    spec = MethodSpec(name, grid=setting)
    record = run_here(Cell("digits", name, 60, 0), digits(), RULES, spec)
    assert record.status == "ok", record.provenance.get("traceback")
    assert record.accuracy > 0.8 and record.transductive == name.endswith(":sdp")
    if not name.endswith("linear-head"):
        assert record.certificate["gap"] <= 1e-4 and sum(record.weights.values()) == pytest.approx(1)
    if name.endswith(":uniform"):
        assert len(set(np.round(list(record.weights.values()), 9))) == 1


def test_the_budget_is_equal():
    methods = [grid.find(name) for name in grid.names()]
    assert {np.prod([len(v) for v in m.info.grid.values()]) for m in methods} == {3}
    assert len({m.info.name for m in methods}) == len({m.info.label for m in methods}) == 20


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("hand-made:sdp", {"task": "regression"}, "no sense for regression"),
        ("learned-filters:uniform", {"task": "regression"}, "for classes only"),
        ("random-filters:uniform", {"images": False}, "nothing to lay a filter on"),
        ("hand-made:magic", {}, "unknown combiner 'magic'; there are uniform, learned-weights"),
        ("drawn:uniform", {}, "unknown representation 'drawn'"),
    ],
)
def test_pairs_that_make_no_sense_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        grid.find(name, **options)


@pytest.mark.parametrize("combiner", ["uniform", "learned-weights", "linear-head"])
def test_numbers_are_predicted_too(combiner):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 2))
    y = X[:, 0] ** 2 + X[:, 1]
    spec = MethodSpec(f"hand-made:{combiner}")
    job = make_job(
        Cell("curve", spec.name, 60, 0), None, Protocol(test_size=30), spec, loader=lambda: (X, y), task="regression"
    )
    record = run_cell(replace(job, method=entries.resolve(spec, {}, None, "regression")))
    assert record.status == "ok", record.error
    assert record.metrics["r2"] > 0.95 and record.n_settings == 3


def test_words_stand_for_rows_columns_and_all():
    assert [m.name for m in Study(["d"], ["grid"]).methods] == grid.names()
    row, column = Study(["d"], ["learned-filters:*"]), Study(["d"], [MethodSpec("x", method="*:sdp")])
    assert [m.name for m in row.methods] == [n for n in grid.names() if n.startswith("learned-filters")]
    assert [m.name for m in column.methods] == [n for n in grid.names() if n.endswith("sdp")]
    with pytest.raises(ValueError, match="no method of the grid is called 'x\\*'"):
        Study(["d"], ["x*"])


# --- the parts


@pytest.mark.parametrize("transductive", [False, True])
def test_no_machine_is_given_points_that_trained_its_network(transductive):
    X, y = digits().X.reshape(-1, 64), digits().y
    fits = []

    class Spy(ConvNetClassifier):
        def fit(self, X, y):
            fits.append(("network", {row.tobytes() for row in X}, set(y)))
            return super().fit(X, y)

    class Machine:
        def __init__(self, kernels):
            self.kernels = kernels

        def fit(self, X, y):
            fits.append(("machine", {row.tobytes() for row, label in zip(X, y, strict=True) if label != -1}, set(y)))
            self.kernel_names_, self.weights_, self.certificate_ = ["k"], np.ones(1), type("C", (), {"gap": 0.0})
            self.kernel_ = type("K", (), {"kernels": []})
            return self

        def decision_function(self, X):
            return np.eye(3)[np.zeros(len(X), dtype=int)]

    network = Spy(filters=2, kernel_size=3, epochs=1, random_state=0)
    estimator = CrossFitted(network, Machine, transductive)
    if transductive:
        transduce(estimator, X[:60], y[:60], X[60:])
    else:
        estimator.fit(X[:60], y[:60])
    assert [kind for kind, *_ in fits] == ["network", "machine"] * 2
    for (_, trained, classes), (_, judged, _) in (fits[:2], fits[2:]):
        assert trained and judged and not trained & judged and classes == {0, 1, 2}
    everyone = {row.tobytes() for row in X[:60]}
    assert fits[0][1] | fits[1][1] == everyone == fits[2][1] | fits[3][1]


def test_nystroem_with_all_points_is_the_kernel_itself():
    X = np.random.default_rng(1).normal(size=(40, 3))
    new = np.random.default_rng(2).normal(size=(7, 3))
    features = KernelFeatures(lambda X: polynomial(X, degrees=(1, 2)), random_state=0).fit(X)
    kernels = features.kernels_
    K = np.mean([k(new, new) / np.mean(k.diag(X)) for k in kernels], axis=0)
    F = features.transform(new)
    np.testing.assert_allclose(F @ F.T, K, atol=1e-8 * np.abs(K).max())  # ten points span these kernels' features


def test_kernels_on_filters_see_what_the_bank_makes():
    X = digits().X.reshape(-1, 64)[:20]
    bank = filter_bank("gabor", 5, (8, 8), 0)
    kernels = FilterKernels([bank])(X)
    features = bank.fit_transform(X)
    distances = ((features[:, None] - features[None]) ** 2).sum(axis=2)
    stack = KernelStack.from_kernels(kernels, X)
    for kernel, K in zip(kernels, stack.leading, strict=True):
        np.testing.assert_allclose(K, np.exp(-kernel.kernel.gamma * distances), rtol=1e-8)
        np.testing.assert_allclose(kernel.diag(X), 1.0)
