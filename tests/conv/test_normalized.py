import numpy as np
import pytest
import torch

from kernelopt.conv.conv2d import Conv2D
from kernelopt.conv.devices import reproducible
from kernelopt.conv.layers import ConvLayer
from kernelopt.conv.network import start_network
from kernelopt.conv.normalized import EPSILON, MOMENTUM, NormalizedConv2D
from kernelopt.conv.recorder import Recorder
from kernelopt.conv.run import Run
from kernelopt.conv.trace import Trace
from kernelopt.conv.training import Recipe, train
from kernelopt.conv.validation import Samples

rng = np.random.default_rng(0)
IMAGES = rng.normal(3, 2, size=(40, 2, 8, 8)).astype(np.float32)
LABELS = rng.integers(3, size=40)
LAYERS = [ConvLayer(5, 3, normalization="batch"), ConvLayer(6, 3, normalization="batch", activation="gelu")]


def make(**options):
    options = {"data_format": "channels_first", "channels": 2, "seed": 0} | options
    return NormalizedConv2D(4, 3, bias_initializer="ones", **options)


def responses(layer, images):
    """Responses by the layer that does not normalise, without its bias, in float64."""
    plain = Conv2D(4, 3, data_format="channels_first", channels=2, use_bias=False)
    plain.weight = torch.nn.Parameter(layer.weight.detach())
    return plain(torch.from_numpy(images)).detach().double().numpy()


def test_while_training_responses_are_normalised_by_the_moments_of_the_batch():
    layer = make().train()
    r = responses(layer, IMAGES)
    mean, var = r.mean(axis=(0, 2, 3)), r.var(axis=(0, 2, 3))
    expected = 1 + (r - mean[:, None, None]) / np.sqrt(var + EPSILON)[:, None, None]
    np.testing.assert_allclose(layer(torch.from_numpy(IMAGES)).detach(), expected, atol=1e-5)
    np.testing.assert_allclose(layer.running_mean, MOMENTUM * mean, rtol=1e-5)
    m = r[:, 0].size
    np.testing.assert_allclose(layer.running_var, 1 - MOMENTUM + MOMENTUM * var * m / (m - 1), rtol=1e-5)


def test_a_batch_of_one_value_per_filter_is_normalised_by_the_running_moments():
    layer = make(padding="valid").train()
    one = IMAGES[:1, :, :3, :3]
    expected = make(padding="valid").eval()(torch.from_numpy(one)).detach()
    assert expected.shape == (1, 4, 1, 1)
    torch.testing.assert_close(layer(torch.from_numpy(one)).detach(), expected, rtol=0, atol=0)
    assert not layer.running_mean.any() and bool((layer.running_var == 1).all())
    layer(torch.from_numpy(IMAGES[:2, :, :3, :3]))
    assert layer.running_mean.any(), "two values have moments"


@pytest.mark.parametrize("frozen", [False, True])
def test_otherwise_by_running_moments_that_stay(frozen):
    layer = make(trainable=not frozen).train(frozen)
    layer.look(torch.from_numpy(IMAGES))
    before = layer.running_mean.clone(), layer.running_var.clone()
    r = responses(layer, IMAGES)
    mean, var = r.mean(axis=(0, 2, 3)), r.var(axis=(0, 2, 3))
    part = IMAGES[:3]
    expected = 1 + (r[:3] - mean[:, None, None]) / np.sqrt(var + EPSILON)[:, None, None]
    np.testing.assert_allclose(layer(torch.from_numpy(part)).detach(), expected, atol=1e-5)
    assert torch.equal(layer.running_mean, before[0]) and torch.equal(layer.running_var, before[1])


def test_the_start_has_the_moments_of_its_images():
    network = start_network(LAYERS, IMAGES, 3, 0)
    first = network.correlate(0, torch.from_numpy(IMAGES)).detach()
    np.testing.assert_allclose(first.mean(dim=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(first.std(dim=(0, 2, 3), correction=0), 1, atol=1e-4)


def test_measuring_moves_nothing_and_an_epoch_moves_weights_and_moments():
    with reproducible(1):
        network = start_network(LAYERS, IMAGES, 3, 0)
        run = Run(network, Samples(IMAGES, LABELS), Recipe(epochs=2, batch_size=10), 0, "cpu")
        before = {name: value.clone() for name, value in network.state_dict().items()}
        first, again = run.measure(), run.measure()
        assert first == again
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
        run.epoch(1)
    assert not any(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.training


def test_a_trace_moves_no_moment():
    def trained(make_recorder):
        with reproducible(1):
            network = start_network(LAYERS, IMAGES, 3, 0)
            train(network, IMAGES, LABELS, Recipe(epochs=3, batch_size=10), make_recorder(network), 0)
        return network.state_dict()

    plain = trained(lambda network: Recorder())
    traced = trained(lambda network: Trace(network, IMAGES[:9], LABELS[:9]))
    assert all(torch.equal(value, traced[name]) for name, value in plain.items())


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(ValueError, match="normalization='layer'"):
        ConvLayer(4, 3, normalization="layer")
