"""The gradient of one image, against finite differences of the whole network; snapshots that leave training alone."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kernelopt.conv.geometry import Geometry
from kernelopt.conv.layers import ConvLayer
from kernelopt.conv.network import start_network
from kernelopt.conv.one_image import backpropagate
from kernelopt.conv.recipe import Recipe
from kernelopt.conv.recorder import Recorder
from kernelopt.conv.reference import backward_loops, forward_loops
from kernelopt.conv.snapshots import Snapshots
from kernelopt.conv.training import train

LAYERS = [ConvLayer(3, 3, padding="valid"), ConvLayer(4, 2, padding="valid")]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(30, 2, 9, 9)).astype("float32")


@pytest.fixture(scope="module")
def kept(images):
    network = start_network(LAYERS, images, n_classes=3, seed=0)
    kept = Snapshots(network)
    train(network, images, np.arange(30) % 3, Recipe(epochs=4, batch_size=10), kept, seed=0)
    return kept


def loss_of(network, image, label):
    with torch.no_grad():
        return F.cross_entropy(network(torch.from_numpy(image.astype(float))[None]), torch.tensor([label])).item()


@pytest.mark.parametrize("epoch", [1, 4])
def test_gradients_are_those_of_finite_differences(kept, images, epoch):
    network, step = kept.networks[epoch], 1e-6
    back = backpropagate(network, images[5], 2)
    assert back.loss == pytest.approx(loss_of(network, images[5], 2), abs=1e-12)
    assert back.probabilities[2] == pytest.approx(np.exp(-back.loss))
    for index in [(0, 0, 0, 0), (1, 1, 2, 1), (2, 0, 1, 2)]:
        moved = []
        for sign in (1, -1):
            other = copy.deepcopy(network)
            other.filters[0][index] += sign * step
            moved.append(loss_of(other, images[5], 2))
        assert back.filter_gradient[index] == pytest.approx((moved[0] - moved[1]) / (2 * step), abs=1e-7)


def test_outputs_and_gradients_are_the_reference_layers(kept, images):
    network, image = kept.networks[2], images[7].astype(float)[None]
    back = backpropagate(network, images[7], 0)
    W, b = network.filters[0].numpy(), network.convs[0].bias.numpy()
    np.testing.assert_allclose(back.outputs, forward_loops(image, W, b, Geometry(3))[0], atol=1e-10)
    _, dW, db = backward_loops(image, W, back.output_gradient[None], Geometry(3))
    np.testing.assert_allclose(back.filter_gradient, dW, atol=1e-12)
    np.testing.assert_allclose(back.bias_gradient, db, atol=1e-12)
    assert np.abs(dW).max() > 1e-4


def test_the_network_is_left_alone(kept, images):
    network = kept.networks[3]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    backpropagate(network, images[0], 1)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_that_is_no_output_is_refused(kept, images, label):
    with pytest.raises(ValueError, match=f"label={label}, but expected one of 0, ..., 2"):
        backpropagate(kept.networks[0], images[0], label)


def test_snapshots_do_not_change_a_bit_of_training(kept, images):
    network = start_network(LAYERS, images, n_classes=3, seed=0)
    recorder = Recorder()
    train(network, images, np.arange(30) % 3, Recipe(epochs=4, batch_size=10), recorder, seed=0)
    assert recorder.history == kept.history
    assert sorted(kept.networks) == [0, 1, 2, 3, 4]
    for mine, theirs in zip(network.parameters(), kept.networks[4].parameters(), strict=True):
        assert torch.equal(mine.double(), theirs)


def test_predictions_are_the_most_probable_and_features_feed_the_head(kept, images):
    network = kept.networks[4]
    p = kept.probabilities(4, images)
    assert np.array_equal(kept.predict(4, images), p.argmax(axis=1))
    logits = kept.features(4, images) @ network.head.weight.numpy().T + network.head.bias.numpy()
    np.testing.assert_allclose(p, torch.softmax(torch.from_numpy(logits), dim=1).numpy(), atol=1e-12)
