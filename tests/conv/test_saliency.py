import numpy as np
import pytest
import torch

from kernelopt.conv.devices import reproducible
from kernelopt.conv.layers import ConvLayer, build_layers
from kernelopt.conv.network import ConvNet, start_network
from kernelopt.conv.recorder import Recorder
from kernelopt.conv.saliency import (
    grad_cam,
    heat,
    input_gradient,
    integrated_gradients,
    randomisation_check,
    randomised,
)
from kernelopt.conv.training import Recipe, train


@pytest.fixture(scope="module")
def data():
    """Images with a bright bar, upright or lying, anywhere: what counts is where the bar is."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=120)
    images = 0.3 * rng.normal(size=(120, 2, 10, 10))
    for image, label, (i, j) in zip(images, labels, rng.integers(0, 6, size=(120, 2)), strict=True):
        image[0][(slice(i, i + 5), slice(j + 2, j + 3)) if label else (slice(i + 2, i + 3), slice(j, j + 5))] += 2
    return images.astype(np.float32), labels


@pytest.fixture(scope="module")
def network(data):
    images, labels = data
    with reproducible(1):
        network = start_network(build_layers(filters=(6, 8), kernel_size=3), images, 2, 0)
        train(network, images, labels, Recipe(epochs=15, batch_size=16), Recorder(), 0)
    return network.double().requires_grad_(False)


METHODS = {
    "gradient": input_gradient,
    "integrated": lambda network, images, targets: integrated_gradients(network, images, targets, n_steps=8).values,
    "grad-cam": grad_cam,
}


def test_the_gradient_equals_finite_differences(network, data):
    images, targets = data[0][:3].astype(float), np.array([0, 1, 1])
    found = input_gradient(network, images, targets)
    direction = np.random.default_rng(1).normal(size=images.shape)
    above, below = (network(torch.from_numpy(images + step * direction)).numpy() for step in (1e-6, -1e-6))
    slope = (above - below)[np.arange(3), targets] / 2e-6
    np.testing.assert_allclose((found * direction).sum(axis=(1, 2, 3)), slope, rtol=1e-5)


def test_default_targets_are_the_predictions(network, data):
    images = data[0][:20]
    predicted = network(torch.from_numpy(images).double()).argmax(dim=1).numpy()
    assert set(predicted) == {0, 1}
    for method in METHODS.values():
        np.testing.assert_array_equal(method(network, images, None), method(network, images, predicted))
        assert not np.allclose(method(network, images, 1 - predicted), method(network, images, predicted))


def test_integrated_gradients_are_complete_and_their_gap_says_by_how_much_not(network, data):
    images, targets, baseline = data[0][:6].astype(float), np.array([0, 1] * 3), data[0][6].astype(float)
    outputs = [network(torch.from_numpy(x)).numpy() for x in (images, baseline[None])]
    rise = outputs[0][np.arange(6), targets] - outputs[1][0, targets]
    coarse, fine = (integrated_gradients(network, images, targets, baseline, n) for n in (4, 1000))
    assert np.abs(rise).min() > 0.1
    np.testing.assert_allclose(fine.values.sum(axis=(1, 2, 3)), rise, rtol=2e-3, atol=2e-3)
    assert np.abs(fine.gap).max() < 0.1 * np.abs(coarse.gap).max()
    for attributions in (coarse, fine):
        np.testing.assert_allclose(attributions.gap, attributions.values.sum(axis=(1, 2, 3)) - rise, atol=1e-10)


def test_of_a_linear_network_integrated_gradients_are_pixel_times_slope(data):
    linear = ConvNet([ConvLayer(3, 3, pool=1, activation=None)], (2, 10, 10), 2).double()
    for parameter in linear.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(0))
    x = data[0][:4].astype(float)
    found = integrated_gradients(linear, x, baseline=1.0, n_steps=1)
    np.testing.assert_allclose(found.values, (x - 1) * input_gradient(linear, x), rtol=1e-10)
    np.testing.assert_allclose(found.gap, 0, atol=1e-10)


@pytest.mark.parametrize("layer", [0, 1])
def test_grad_cam_equals_its_formula(network, data, layer):
    x = torch.from_numpy(data[0][:4]).double()
    maps = network.correlate(layer, network.maps(x, stop=layer)).relu().requires_grad_()
    pooled = torch.nn.functional.max_pool2d(maps, 2)
    outputs = network.head(network.maps(pooled, layer + 1).flatten(1))
    found = grad_cam(network, data[0][:4], np.array([1, 0, 1, 0]), layer)
    for i, target in enumerate((1, 0, 1, 0)):
        (slope,) = torch.autograd.grad(outputs[i, target], maps, retain_graph=True)
        weighted = sum(slope[i, f].mean() * maps[i, f] for f in range(maps.shape[1])).relu()
        expected = torch.nn.functional.interpolate(weighted[None, None], (10, 10), mode="bilinear")[0, 0]
        np.testing.assert_allclose(found[i], expected.detach(), atol=1e-12)
    assert found.shape == (4, 10, 10) and found.max() > 0


def test_maps_point_at_the_bar(network, data):
    images, labels = data
    bar = images[:, 0] > 1.2
    for name in ("gradient", "integrated"):
        shown = heat(METHODS[name](network, images, labels))
        assert shown[bar].mean() > 2 * shown[~bar].mean(), name


def test_the_check_lets_learned_maps_pass_and_catches_a_map_that_ignores_the_network(network, data):
    images = data[0][:40]
    mean = {}
    # integrated gradients keep the factor x - x', which no loss of weights removes: here it is divided out
    slopes = {"slopes": lambda network, images, targets: METHODS["integrated"](network, images, targets) / images}
    for name, method in (METHODS | slopes).items():
        check = randomisation_check(method, network, images)
        assert check.blocks == ("head", "layer 1", "layer 0") and check.correlations.shape == (3, 40)
        mean[name] = check.correlations[-1].mean()
    assert max(mean["gradient"], mean["grad-cam"], mean["slopes"]) < 0.4, mean
    assert mean["slopes"] + 0.1 < mean["integrated"] < 0.8, mean
    edges = randomisation_check(lambda network, images, targets: np.diff(images, axis=3), network, images)
    np.testing.assert_allclose(edges.correlations, 1)


def test_blocks_lose_their_weights_from_the_head_downwards(network):
    for n_blocks, lost in ((0, set()), (1, {"head"}), (2, {"head", "convs.1"}), (None, {"head", "convs.0", "convs.1"})):
        other = randomised(network, 3, n_blocks)
        changed = {
            name.rsplit(".", 1)[0]
            for name, value in network.state_dict().items()
            if not torch.equal(value, other.state_dict()[name])
        }
        assert changed == lost
    sizes = [float(a.filters[1].square().mean()) for a in (network, randomised(network, 3))]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.3)
    assert torch.equal(randomised(network, 3, 1).head.weight, randomised(network, 3).head.weight)
    started = start_network(network.layers[:1], np.ones((2, 2, 10, 10), np.float32), 2, seed=3)
    torch.nn.init.zeros_(started.head.weight)
    redrawn = randomised(started, 3).filters[0].detach().flatten()
    assert abs(np.corrcoef(redrawn, started.filters[0].detach().flatten())[0, 1]) < 0.5, "the seed brings nothing back"
    assert not torch.equal(randomised(network, 4, 1).head.weight, randomised(network, 3).head.weight)


def test_the_network_is_left_alone(data):
    network = start_network(build_layers(filters=(3, 4), kernel_size=3), data[0], 2, 0)
    torch.nn.init.ones_(network.head.weight)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for method in METHODS.values():
        randomisation_check(method, network, data[0][:4])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    "targets", [np.array([0, 2]), np.array([0, -1]), np.array([0]), np.array([0.0, 1.0])], ids=lambda t: str(t)
)
def test_bad_targets_are_refused(network, data, targets):
    with pytest.raises(ValueError, match=r"targets .* 2 integers in \[0, 2\)"):
        input_gradient(network, data[0][:2], targets)


def test_bad_layers_and_steps_are_refused(network, data):
    with pytest.raises(ValueError, match="layer=-1"):
        grad_cam(network, data[0][:2], layer=-1)
    with pytest.raises(ValueError, match="n_steps"):
        integrated_gradients(network, data[0][:2], n_steps=0)


@pytest.mark.filterwarnings("ignore::UserWarning")  # captum: the inputs are made to require gradients
def test_captum_finds_the_same(network, data):
    attr = pytest.importorskip("captum.attr", reason="captum is not installed: saliency has no second source here")
    x, targets = torch.from_numpy(data[0][:5]).double(), torch.tensor([0, 1, 0, 1, 1])
    t = targets.numpy()

    saliency = attr.Saliency(network).attribute(x, target=targets, abs=False)
    np.testing.assert_allclose(input_gradient(network, x.numpy(), t), saliency, atol=1e-12)

    oracle = attr.IntegratedGradients(network)
    steps = 16  # a power of two: captum keeps step sizes in float32
    values, gap = oracle.attribute(
        x, -1.0, targets, n_steps=steps, method="riemann_middle", return_convergence_delta=True
    )
    found = integrated_gradients(network, x.numpy(), t, -1.0, n_steps=steps)
    np.testing.assert_allclose(found.values, values, atol=1e-10)
    np.testing.assert_allclose(found.gap, gap, atol=1e-10)

    class InTwo(torch.nn.Module):  # captum looks at the output of a module
        def __init__(self, layer):
            super().__init__()
            self.layer, self.seen = layer, torch.nn.Identity()

        def forward(self, x):
            y = self.seen(network.correlate(self.layer, network.maps(x, stop=self.layer)).relu())
            return network(torch.nn.functional.max_pool2d(y, 2), self.layer + 1)

    for layer in (0, 1):
        model = InTwo(layer)
        small = attr.LayerGradCam(model, model.seen).attribute(x.requires_grad_(), targets, relu_attributions=True)
        expected = attr.LayerAttribution.interpolate(small, (10, 10), "bilinear")[:, 0].detach()
        np.testing.assert_allclose(grad_cam(network, x.detach().numpy(), t, layer), expected, atol=1e-12)
