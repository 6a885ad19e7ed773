import numpy as np
import pytest
import torch

from kernelopt.conv.banks import make_bank
from kernelopt.conv.initializers import Constant, VarianceScaling
from kernelopt.conv.layers import ConvLayer, build_layers
from kernelopt.conv.network import ConvNet, in_batches, start_network
from kernelopt.conv.reference import forward_im2col
from kernelopt.conv.regularizers import L1, L2

IMAGES = np.random.default_rng(0).normal(size=(40, 2, 7, 6)).cumsum(axis=2).astype(np.float32)


def fill(network, seed=0):
    """Give every parameter, biases and head included, a random value."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) / 3)
    return network


def naive_layer(x, W, b, pool):
    """One layer by loops over images, filters, pixels and filter entries."""
    n, c, h, w = x.shape
    k = W.shape[-1]
    before = (k - 1) // 2
    y = np.zeros((n, len(W), h, w))
    for i, f, row, column in np.ndindex(y.shape):
        y[i, f, row, column] = b[f]
        for channel, u, v in np.ndindex(c, k, k):
            r, s = row + u - before, column + v - before
            if 0 <= r < h and 0 <= s < w:
                y[i, f, row, column] += W[f, channel, u, v] * x[i, channel, r, s]
    y = np.maximum(y, 0)
    out = np.zeros((n, len(W), h // pool, w // pool))
    for row, column in np.ndindex(out.shape[2:]):
        out[:, :, row, column] = y[:, :, row * pool :][:, :, :pool, column * pool :][..., :pool].max(axis=(2, 3))
    return out


@pytest.mark.parametrize("kernel_size, pool", [(3, 2), (2, 1), (4, 3), (5, 2)])
def test_a_layer_equals_the_loops(kernel_size, pool):
    network = fill(ConvNet([ConvLayer(3, kernel_size, pool=pool)], IMAGES.shape[1:], 2).double())
    x = torch.from_numpy(IMAGES[:2]).double()
    W, b = (p.detach().numpy() for p in (network.filters[0], network.convs[0].bias))
    expected = naive_layer(x.numpy(), W, b, pool)
    np.testing.assert_allclose(network.maps(x).detach(), expected, atol=1e-12)
    logits = expected.reshape(2, -1) @ network.head.weight.detach().numpy().T + network.head.bias.detach().numpy()
    np.testing.assert_allclose(network(x).detach(), logits, atol=1e-12)


def test_gradient_of_the_loss_equals_finite_differences():
    network = fill(ConvNet(build_layers(filters=(2, 3), kernel_size=3), (2, 7, 6), 3).double())
    x, labels = torch.from_numpy(IMAGES[:5]).double(), torch.tensor([0, 1, 2, 0, 1])

    def loss():
        return torch.nn.functional.cross_entropy(network(x), labels)

    loss().backward()
    rng = np.random.default_rng(0)
    for parameter in network.parameters():
        direction = torch.from_numpy(rng.normal(size=tuple(parameter.shape)))
        step = 1e-6
        with torch.no_grad():
            parameter += step * direction
            above = loss()
            parameter -= 2 * step * direction
            below = loss()
            parameter += step * direction
        slope = float(above - below) / (2 * step)
        assert slope == pytest.approx(float((parameter.grad * direction).sum()), rel=1e-5, abs=1e-8)


def test_sides_shorter_than_the_pool_are_not_pooled():
    network = ConvNet(build_layers(filters=(2, 3), kernel_size=5), (1, 1, 3), 2)
    assert network.pools == [(1, 2), (1, 1)]
    assert network(torch.zeros(4, 1, 1, 3)).shape == (4, 2)


@pytest.mark.parametrize("bank", ["random", "gabor", "kmeans"])
def test_the_start_does_not_depend_on_what_is_trainable(bank):
    options = {"filters": (4, 5), "kernel_size": 3, "bank": bank}
    starts = [
        start_network(build_layers(trainable=trainable, **options), IMAGES, 3, seed=7).state_dict()
        for trainable in (True, False, (False, True), (True, False))
    ]
    for other in starts[1:]:
        for name, value in starts[0].items():
            assert torch.equal(value, other[name]), name


def test_the_start_is_the_bank_up_to_one_positive_scale_per_filter_that_makes_unit_variance():
    network = start_network(build_layers(filters=(4, 6), kernel_size=3, bank="kmeans"), IMAGES, 3, seed=7)
    x = torch.from_numpy(IMAGES)
    for i in range(2):
        spread = network.correlate(i, x).detach().std(dim=(0, 2, 3), correction=0)
        np.testing.assert_allclose(spread, 1, atol=1e-4)
        W = network.filters[i].detach().flatten(1).numpy()
        x = network.maps(x, i, i + 1).detach()
    chosen = np.random.default_rng(7).permutation(len(IMAGES))
    first = make_bank("kmeans", 4, 3, 2, IMAGES[chosen], random_state=[7, 0])
    inputs = network.maps(torch.from_numpy(IMAGES[chosen]), 0, 1).detach().numpy()
    second = make_bank("kmeans", 6, 3, 4, inputs, random_state=[7, 1]).reshape(6, -1)
    np.testing.assert_allclose(W / np.linalg.norm(W, axis=1, keepdims=True), second, atol=1e-5)
    W = network.filters[0].detach().flatten(1).numpy()
    np.testing.assert_allclose(W / np.linalg.norm(W, axis=1, keepdims=True), first.reshape(4, -1), atol=1e-5)
    assert all(not p.any() for name, p in network.named_parameters() if "bias" in name or "head" in name)


def test_blank_images_leave_the_filters_finite():
    network = start_network([ConvLayer(4, 3)], np.zeros((5, 1, 6, 6)), 2, seed=0)
    assert torch.isfinite(network.filters[0]).all() and network.filters[0].any()


def test_building_a_network_leaves_the_global_random_state_alone():
    before = torch.random.get_rng_state()
    start_network([ConvLayer(4, 3)], IMAGES, 3, seed=0)
    assert torch.equal(before, torch.random.get_rng_state())


def test_batches_do_not_change_results():
    network = fill(ConvNet([ConvLayer(3, 3)], IMAGES.shape[1:], 2).double())
    x = torch.from_numpy(IMAGES).double()
    np.testing.assert_allclose(in_batches(network, x, 7), network(x).detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"filters": (4, 5), "kernel_size": (3, 3, 3)}, "filters has 2, kernel_size has 3"),
        ({"filters": (), "kernel_size": 3}, "filters has 0"),
        ({"filters": 0, "kernel_size": 3}, "filters=0"),
        ({"filters": 4, "kernel_size": 2.5}, "kernel_size=2.5"),
        ({"filters": 4, "kernel_size": 3, "pool": True}, "pool=True"),
        ({"filters": 4, "kernel_size": 3, "bank": "haar"}, "bank='haar'"),
        ({"filters": 4, "kernel_size": 3, "trainable": "no"}, "trainable='no'"),
        ({"filters": 4, "kernel_size": 3, "use_bias": 1}, "use_bias=1"),
        ({"filters": 4, "kernel_size": 3, "strides": 2, "dilation_rate": 2}, "one of them must be 1"),
        ({"filters": 4, "kernel_size": 3, "padding": "full"}, "padding='full'"),
        ({"filters": 4, "kernel_size": 3, "kernel_initializer": "he"}, "kernel_initializer='he'"),
        ({"filters": 4, "kernel_size": 3, "bias_initializer": 0.1}, "bias_initializer=0.1"),
        ({"filters": 4, "kernel_size": 3, "activity_regularizer": "l3"}, "activity_regularizer='l3'"),
        ({"filters": 4, "kernel_size": 3, "bias_constraint": "positive"}, "bias_constraint='positive'"),
    ],
)
def test_bad_layers_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        build_layers(**options)


def test_layers_with_all_of_kerass_options_equal_the_reference():
    layers = [
        ConvLayer(4, (3, 2), pool=1, strides=(2, 1), groups=2, activation="tanh", kernel_initializer="he_normal"),
        ConvLayer(6, 2, pool=2, padding="valid", dilation_rate=(1, 2), use_bias=False, activation=None),
    ]
    network = fill(ConvNet(layers, IMAGES.shape[1:], 2).double())
    x = IMAGES.astype(float)
    W = [w.detach().numpy() for w in network.filters]
    y = np.tanh(forward_im2col(x, W[0], network.convs[0].bias.detach().numpy(), layers[0].geometry))
    y = forward_im2col(y, W[1], np.zeros(6), layers[1].geometry)
    assert y.shape == (40, 6, 3, 4)
    y = y[:, :, :2].reshape(40, 6, 1, 2, 2, 2).max(axis=(3, 5))
    np.testing.assert_allclose(network.maps(torch.from_numpy(x)).detach(), y, atol=1e-12)
    assert network(torch.from_numpy(x)).shape == (40, 2)


def test_initializers_replace_bank_and_scaling():
    layers = [ConvLayer(4, (3, 2), kernel_initializer=VarianceScaling(), bias_initializer=Constant(0.5))]
    network = start_network(layers, IMAGES, 3, seed=7)
    W = VarianceScaling()((3, 2, 2, 4), np.random.default_rng([7, 0]))
    np.testing.assert_allclose(network.filters[0].detach(), W.transpose(3, 2, 0, 1), atol=1e-7)
    assert (network.convs[0].bias == 0.5).all()
    with pytest.raises(ValueError, match="Pass a kernel_initializer"):
        ConvLayer(4, (3, 2))


def test_costs_are_those_of_what_training_can_change():
    layers = [
        ConvLayer(3, 3, trainable=False, activity_regularizer=L1(1.0), kernel_regularizer=L2(1.0)),
        ConvLayer(4, 3, kernel_regularizer=L2(0.5), bias_regularizer=L1(0.1), activity_regularizer=L1(0.2)),
        ConvLayer(2, 3, trainable=False, activity_regularizer=L2(0.3)),
    ]
    network = fill(ConvNet(layers, IMAGES.shape[1:], 2).double())
    x, costs = torch.from_numpy(IMAGES).double(), []
    network(x, costs=costs)
    second = network.correlate(1, network.maps(x, stop=1)).relu()
    third = network.correlate(2, network.maps(x, stop=2)).relu()
    expected = [0.2 * second.abs().sum() / 40, 0.3 * third.square().sum() / 40]
    np.testing.assert_allclose([c.item() for c in costs], [e.item() for e in expected], rtol=1e-12)
    weights = 0.5 * network.filters[1].square().sum() + 0.1 * network.convs[1].bias.abs().sum()
    assert network.penalty().item() == pytest.approx(weights.item())
    plain = [ConvLayer(a.filters, 3, trainable=a.trainable) for a in layers]
    twin = ConvNet(plain, IMAGES.shape[1:], 2).double()
    twin.load_state_dict(network.state_dict())
    np.testing.assert_allclose(twin(x).detach(), network(x).detach(), atol=1e-12)  # costs change no output


def test_a_layer_shows_what_differs_from_the_defaults():
    assert repr(ConvLayer(4, 3)) == "ConvLayer(filters=4, kernel_size=3)"
    assert repr(ConvLayer(4, 3, strides=2, use_bias=False)).endswith("strides=2, use_bias=False)")
