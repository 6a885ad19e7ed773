import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score

from kernelopt.conv.devices import reproducible
from kernelopt.conv.layers import build_layers
from kernelopt.conv.network import start_network
from kernelopt.conv.objectives import CrossEntropy, SquaredError
from kernelopt.conv.recipe import Recipe
from kernelopt.conv.training import Run
from kernelopt.conv.validation import Samples

rng = np.random.default_rng(0)
N = 40
LOGITS, LABELS = rng.normal(size=(N, 3)), rng.integers(3, size=N)
COPIES = rng.integers(1, 5, size=N)
WEIGHTS = COPIES / COPIES.mean()


def tensors(*arrays):
    return tuple(torch.from_numpy(np.asarray(array)) for array in arrays)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_cross_entropy_and_accuracy_are_scikit_learns(weights):
    w = None if weights is None else torch.from_numpy(weights)
    logits, labels = tensors(LOGITS, LABELS)
    P = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    loss = CrossEntropy().loss(logits, labels, w)
    assert float(loss) == pytest.approx(log_loss(LABELS, P, sample_weight=weights), rel=1e-12)
    score = CrossEntropy().score(logits, labels, w) / N
    assert float(score) == pytest.approx(accuracy_score(LABELS, LOGITS.argmax(axis=1), sample_weight=weights))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_squared_error_and_r2_are_scikit_learns(weights):
    w = None if weights is None else torch.from_numpy(weights)
    y = rng.normal(size=(N, 2))
    y -= np.average(y, axis=0, weights=weights)
    y /= np.sqrt(np.average(y**2, axis=0, weights=weights))
    outputs = y + 0.3 * rng.normal(size=(N, 2))
    z, t = tensors(outputs, y)
    assert float(SquaredError().loss(z, t, w)) == pytest.approx(mean_squared_error(y, outputs, sample_weight=weights))
    assert float(SquaredError().score(z, t, w)) / N == pytest.approx(r2_score(y, outputs, sample_weight=weights))


def test_smoothed_labels_spread_their_share():
    logits, labels = tensors(LOGITS, LABELS)
    target = 0.8 * np.eye(3)[LABELS] + 0.2 / 3
    each = -(target * np.log(np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True))).sum(axis=1)
    assert float(CrossEntropy(0.2).loss(logits, labels, None)) == pytest.approx(each.mean(), rel=1e-12)
    found = CrossEntropy(0.2).loss(logits, labels, torch.from_numpy(WEIGHTS))
    assert float(found) == pytest.approx(np.average(each, weights=WEIGHTS), rel=1e-12)


@pytest.mark.parametrize("batch_size", [N, 7])
def test_a_weight_of_k_counts_like_k_copies_in_loss_score_and_gradient(batch_size):
    images = rng.normal(size=(N, 1, 6, 6)).astype(np.float32)
    network = start_network(build_layers(filters=(3, 4), kernel_size=3), images, 3, seed=0)
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(rng.normal(size=network.head.weight.shape)))

    def measured(samples):
        with reproducible(1):
            run = Run(network, samples, Recipe(epochs=1, batch_size=batch_size), seed=0, device="cpu")
            numbers = run.measure()
            gradients = [parameter.grad.clone() for parameter in network.parameters()]
        return numbers, gradients

    weighted, _ = measured(Samples(images, LABELS, WEIGHTS))
    repeated, _ = measured(Samples(np.repeat(images, COPIES, axis=0), np.repeat(LABELS, COPIES)))
    plain, _ = measured(Samples(images, LABELS))
    np.testing.assert_allclose(weighted, repeated, rtol=1e-5)
    assert abs(weighted[0] - plain[0]) > 1e-2
