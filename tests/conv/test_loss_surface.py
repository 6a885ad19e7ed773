import copy

import numpy as np
import pytest
import torch

from kernelopt.conv.layers import build_layers
from kernelopt.conv.loss_surface import filter_normalised, loss_surface
from kernelopt.conv.network import start_network

rng = np.random.default_rng(0)
IMAGES = rng.normal(size=(20, 1, 8, 8)).astype(np.float32)
LABELS = rng.integers(3, size=20)


@pytest.fixture(scope="module")
def network():
    network = start_network(build_layers(filters=(4, 5), kernel_size=3, trainable=(True, False)), IMAGES, 3, 0)
    for parameter in network.head.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(0))
    return network.double()


def loss(network):
    with torch.no_grad():
        return float(
            torch.nn.functional.cross_entropy(network(torch.from_numpy(IMAGES).double()), torch.tensor(LABELS))
        )


def moved(network, a, first, b, second):
    other = copy.deepcopy(network)
    with torch.no_grad():
        for name in first:
            other.get_parameter(name).add_(a * first[name] + b * second[name])
    return other


def test_centre_axes_and_corners_are_losses_of_real_networks(network):
    before = copy.deepcopy(network.state_dict())
    surface = loss_surface(network, IMAGES, LABELS, extent=0.8, n_points=5, seed=3)
    np.testing.assert_allclose(surface.steps, [-0.8, -0.4, 0, 0.4, 0.8])
    assert surface.losses[2, 2] == pytest.approx(loss(network), rel=1e-12)
    for i, j in [(0, 2), (1, 2), (3, 2), (4, 2), (2, 0), (2, 1), (2, 3), (2, 4), (0, 0), (0, 4), (4, 0), (4, 4)]:
        there = moved(network, surface.steps[i], surface.first, surface.steps[j], surface.second)
        assert surface.losses[i, j] == pytest.approx(loss(there), rel=1e-10), (i, j)
    assert len(np.unique(surface.losses.round(8))) == 25
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_slopes_at_the_centre_are_those_of_backpropagation(network):
    surface = loss_surface(network, IMAGES, LABELS, extent=1e-5, n_points=3)
    other = copy.deepcopy(network)
    torch.nn.functional.cross_entropy(other(torch.from_numpy(IMAGES).double()), torch.tensor(LABELS)).backward()
    for direction, (above, below) in [
        (surface.first, (surface.losses[2, 1], surface.losses[0, 1])),
        (surface.second, (surface.losses[1, 2], surface.losses[1, 0])),
    ]:
        slope = sum(float((other.get_parameter(name).grad * d).sum()) for name, d in direction.items())
        assert (above - below) / 2e-5 == pytest.approx(slope, rel=1e-5)


def test_each_filter_of_a_direction_has_the_length_of_the_network_s(network):
    direction = filter_normalised(network, 0)
    assert set(direction) == {"convs.0.weight", "head.weight"}, "the second layer is frozen, biases stay"
    for name, d in direction.items():
        weight = network.get_parameter(name).detach()
        np.testing.assert_allclose(d.flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1), rtol=1e-12)
        cosines = (d.flatten(1) * weight.flatten(1)).sum(1) / weight.flatten(1).square().sum(1)
        assert cosines.abs().max() < 0.99
    other = filter_normalised(network, 1)
    assert not torch.allclose(direction["head.weight"], other["head.weight"])


def test_the_surface_does_not_see_a_scale_that_the_network_does_not_see(network):
    scaled = copy.deepcopy(network)
    with torch.no_grad():
        scaled.convs[0].weight *= 10
        scaled.convs[0].bias *= 10
        scaled.convs[1].weight /= 10
    here, there = (loss_surface(a, IMAGES, LABELS, n_points=3).losses for a in (network, scaled))
    np.testing.assert_allclose(here, there, rtol=1e-10)


def test_wrong_numbers_are_refused_by_name(network):
    for options, message in [({"n_points": 4}, "n_points=4"), ({"n_points": 1}, "n_points"), ({"extent": 0}, "extent")]:
        with pytest.raises(ValueError, match=message):
            loss_surface(network, IMAGES, LABELS, **options)
