"""Representations of fitted estimators, and of a network while it learns."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kernelopt import ConvNetClassifier, MKLClassifier
from kernelopt.conv.recorder import keeping_networks
from kernelopt.estimators.bridges import NetworkMKLClassifier
from kernelopt.evaluation.cell import run_cell
from kernelopt.evaluation.metrics import representation
from kernelopt.evaluation.protocol import Protocol
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.representations import of_estimator, of_gram, over_epochs
from kernelopt.evaluation.study import Cell
from kernelopt.kernels import Gaussian

from .jobs import make_job

DIGITS = load_digits()
X, y = DIGITS.images[:160] / 16, DIGITS.target[:160]
X_held, y_held = DIGITS.images[160:300] / 16, DIGITS.target[160:300]
NETWORK = ConvNetClassifier(filters=(4, 6), kernel_size=3, pool=2, epochs=12, random_state=3, threads=1)


@pytest.fixture(scope="module")
def trained():
    with keeping_networks() as kept:
        network = NETWORK.fit(X, y)
    return network, kept


def test_keeping_networks_changes_no_bit_of_the_training(trained):
    network, kept = trained
    alone = ConvNetClassifier(**NETWORK.get_params()).fit(X, y)
    for ours, theirs in zip(network.network_.parameters(), alone.network_.parameters(), strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy())
    assert network.history_ == alone.history_
    assert sorted(kept) == [0, 1, 2, 3, 4, 8]
    for epoch, copy in kept.items():
        filters = copy.filters[0].detach().cpu().numpy()
        assert np.array_equal(filters, network.filter_snapshots_[epoch])


def test_nothing_is_kept_outside():
    with keeping_networks() as kept:
        pass
    ConvNetClassifier(filters=2, pool=2, epochs=1, random_state=0).fit(X[:30], y[:30])
    assert kept == {}


def test_layers_and_curves_are_those_of_the_features(trained):
    network, kept = trained
    found = of_estimator(network, X_held, y_held)
    assert list(found) == ["layer 1", "layer 2", "outputs"]
    for name, layer in {"layer 1": 0, "layer 2": 1, "outputs": "head"}.items():
        F = network.features(X_held, layer)
        assert found[name] == pytest.approx(representation(F @ F.T, y_held))
    curves = over_epochs(network, kept, X_held, y_held)
    assert curves["epoch"] == [0, 1, 2, 3, 4, 8, 12]
    assert {name: values[-1] for name, values in curves["alignment"].items()} == pytest.approx(
        {name: values["alignment"] for name, values in found.items()}
    )
    assert curves["alignment"]["outputs"][0] is None  # the head starts at zero, whose kernel is constant
    assert curves["alignment"]["layer 2"][-1] > curves["alignment"]["layer 2"][0] + 0.02
    start = ConvNetClassifier(**{**NETWORK.get_params(), "trainable": False, "epochs": 1}).fit(X, y)
    F = start.features(X_held, 1)  # frozen, so still where the other one began
    assert curves["effective_rank"]["layer 2"][0] == pytest.approx(
        representation(F @ F.T, y_held)["effective_rank"],
        rel=1e-4,  # copies are kept in single precision
    )


def test_the_curve_ends_at_the_epoch_that_is_kept():
    with keeping_networks() as kept:
        stopped = ConvNetClassifier(
            filters=4, kernel_size=3, pool=2, epochs=40, learning_rate=0.3, early_stopping=True, n_iter_no_change=3,
            validation_fraction=0.3, random_state=0,
        ).fit(X, y)  # fmt: skip
    assert stopped.best_epoch_ < stopped.n_iter_
    curves = over_epochs(stopped, kept, X_held, y_held)
    assert curves["epoch"][-1] == stopped.best_epoch_ == max(curves["epoch"])
    assert curves["alignment"]["outputs"][-1] == pytest.approx(
        of_estimator(stopped, X_held, y_held)["outputs"]["alignment"]
    )


def test_kernels_in_a_pipeline():
    flat, held = X.reshape(160, -1), X_held.reshape(140, -1)
    pipeline = make_pipeline(StandardScaler(), MKLClassifier(kernels=[Gaussian(0.01), Gaussian(1.0)])).fit(flat, y)
    found = of_estimator(pipeline, held, y_held)
    assert len(found) == 3
    Z = pipeline[:-1].transform(held)
    kernels = [rbf_kernel(Z, gamma=gamma) for gamma in (0.01, 1.0)]
    assert list(found.values())[1:] == [pytest.approx(representation(K, y_held)) for K in kernels]
    assert found["learned kernel"] == pytest.approx(representation(pipeline[-1].kernel_(Z), y_held))


def test_the_bridge_shows_the_mean_of_its_halves():
    flat, held = X.reshape(160, -1), X_held.reshape(140, -1)
    network = ConvNetClassifier(filters=4, kernel_size=3, pool=2, epochs=2, image_shape=(8, 8), random_state=0)
    bridge = NetworkMKLClassifier(network, random_state=0).fit(flat, y)
    found = of_estimator(bridge, held, y_held)
    assert list(found) == ["learned kernel"]
    halves = []
    for network, machine in zip(bridge.networks_, bridge.machines_, strict=True):
        Z = np.hstack([held, *(network.features(held, layer) for layer in range(len(network.network_.layers)))])
        halves.append(representation(machine.kernel_(Z), y_held)["alignment"])
    assert found["learned kernel"]["alignment"] == pytest.approx(np.mean(halves))


def test_others_show_nothing_and_no_gram_matrix_is_left_out_with_a_warning():
    flat = X.reshape(160, -1)
    plain = LogisticRegression(max_iter=20, tol=0.1).fit(flat[:, :5], y)
    assert of_estimator(plain, flat[:, :5], y) == {} and over_epochs(plain, {}, flat[:, :5], y) is None

    class Odd:
        kernels = [Gaussian(1.0)]

        def __call__(self, X):
            return -rbf_kernel(X)

    plain.kernel_ = Odd()
    with pytest.warns(UserWarning, match="'learned kernel' was not measured: gram must be positive"):
        assert of_estimator(plain, flat, y) == {}


def test_a_kernel_known_on_the_test_points_only():
    K = rbf_kernel(X_held.reshape(140, -1), gamma=0.1)
    assert of_gram(K, y_held) == {"learned kernel": pytest.approx(representation(K, y_held))}
    assert of_gram(None, y_held) is None and of_gram(np.ones((140, 140)), y_held) is None
    many = rbf_kernel(DIGITS.data[:250] / 16)
    assert of_gram(many, DIGITS.target[:250])["learned kernel"] == pytest.approx(
        representation(many[:200, :200], DIGITS.target[:200])
    )
    with pytest.warns(UserWarning, match="positive"):
        assert of_gram(-K, y_held) is None


def test_cells_record_what_their_representations_are():
    """Of a network its layers and their epochs, of a semidefinite program its kernel on the test points."""
    protocol = Protocol(restarts=1)
    job = make_job(Cell("mnist-small", "cnn-learned", 40, 0), protocol=protocol)
    quick = replace(job.method, info=replace(job.method.info, grid={"learning_rate": (1e-2,)}))
    network = run_cell(replace(job, method=quick))
    assert network.status == "ok", network.error
    assert list(network.representations) == ["layer 1", "layer 2", "outputs"]
    history = network.representation_history
    assert history["epoch"][:6] == [0, 1, 2, 3, 4, 8]
    assert history["alignment"]["outputs"][-1] == pytest.approx(network.representations["outputs"]["alignment"])
    assert network.inits[0] == network.accuracy and len(network.inits) == 2
    kernel = run_cell(make_job(Cell("mnist-small", "uniform-kernel", 40, 0), protocol=protocol))
    assert kernel.inits == [kernel.accuracy] * 2
    assert len(kernel.representations) == 13
    assert Record.from_dict(json.loads(json.dumps(network.to_dict()))) == network
