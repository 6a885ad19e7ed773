"""The layer against the NumPy reference, its switches, penalties, projections and errors."""

import numpy as np
import pytest
import torch

from kernelopt.conv.banks import BANKS, make_bank
from kernelopt.conv.constraints import MaxNorm, MinMaxNorm, UnitNorm
from kernelopt.conv.conv2d import Conv2D, to_hwio, to_oihw
from kernelopt.conv.geometry import Geometry
from kernelopt.conv.initializers import TRUNCATED_STD, Constant, Orthogonal, VarianceScaling
from kernelopt.conv.reference import WAYS
from kernelopt.conv.regularizers import L1, L1L2, L2, OrthogonalRegularizer

IMAGES = np.random.default_rng(0).normal(size=(6, 4, 8, 7)).cumsum(axis=2)


@pytest.mark.parametrize(
    "geometry",
    [
        Geometry(3),
        Geometry(3, 2, "same"),
        Geometry((2, 5), (3, 1), "same", groups=2),
        Geometry((3, 2), 1, "same", (1, 3), 4),
        Geometry(2, 1, "valid", 2, 2),
    ],
    ids=str,
)
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_outputs_and_gradients_equal_the_loops(geometry, data_format):
    g = geometry
    layer = Conv2D(
        8, g.kernel_size, g.strides, g.padding, data_format, g.dilation_rate, g.groups, channels=4, seed=0,
        bias_initializer="random_normal",
    ).double()  # fmt: skip
    x = torch.from_numpy(IMAGES if data_format == "channels_first" else np.moveaxis(IMAGES, 1, -1).copy())
    x.requires_grad_()
    y = layer(x)
    filters, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    expected = WAYS["loops"][0](IMAGES, filters, bias, g)
    first = (0, 3, 1, 2) if data_format == "channels_last" else (0, 1, 2, 3)
    np.testing.assert_allclose(y.detach().permute(first), expected, atol=1e-12)
    gradient = np.random.default_rng(1).normal(size=expected.shape)
    (y.permute(first) * torch.from_numpy(gradient)).sum().backward()
    gradients = x.grad.permute(first), layer.weight.grad, layer.bias.grad
    for found, wanted in zip(gradients, WAYS["loops"][1](IMAGES, filters, gradient, g), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-10)


def test_same_padding_with_strides_is_not_torchs_symmetric_one():
    layer = Conv2D(2, 3, 2, "same", "channels_first", channels=4, seed=0).double()
    x = torch.from_numpy(IMAGES)
    symmetric = torch.nn.functional.conv2d(x, layer.weight, layer.bias, 2, 1)
    found = layer(x)
    assert found.shape == symmetric.shape == (6, 2, 4, 4)
    assert (found - symmetric).abs().max() > 0.1  # 8 rows: Keras pads below only


def test_kernels_change_their_order_and_back():
    kernel = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)  # rows, columns, channels, filters
    filters = to_oihw(kernel)
    assert filters.shape == (5, 4, 2, 3)
    for u, v, c, f in np.ndindex(kernel.shape):
        assert filters[f, c, u, v] == kernel[u, v, c, f]
    np.testing.assert_array_equal(to_hwio(filters), kernel)
    tensor = torch.from_numpy(kernel)
    np.testing.assert_array_equal(to_oihw(tensor), filters)
    np.testing.assert_array_equal(to_hwio(to_oihw(tensor)), kernel)


@pytest.mark.parametrize("use_bias", [True, False])
def test_weights_are_given_and_taken_in_kerass_order(use_bias):
    layer = Conv2D(6, (3, 2), channels=4, groups=2, use_bias=use_bias, seed=0)
    weights = layer.get_weights()
    assert [w.shape for w in weights] == [(3, 2, 2, 6), (6,)][: 1 + use_bias]
    assert weights[0][2, 1, 0, 5] == layer.weight[5, 0, 2, 1]
    weights[0][:] = 7  # a copy
    assert not (layer.weight == 7).any()
    layer.set_weights(weights)
    assert (layer.weight == 7).all() and layer.weight.is_contiguous()
    with pytest.raises(ValueError, match=r"found|weights have the shapes"):
        layer.set_weights(weights[:1] if use_bias else [*weights, np.zeros(6)])
    with pytest.raises(ValueError, match=r"expects \[\(3, 2, 2, 6\)"):
        layer.set_weights([weights[0].T, *weights[1:]])


@pytest.mark.parametrize("bank", BANKS)
def test_a_layer_starts_from_its_bank_fixed_or_not(bank):
    fixed, learned = (
        Conv2D(4, 3, channels=2, bank=bank, images=IMAGES[:, :2], trainable=trainable, seed=5)
        for trainable in (False, True)
    )
    expected = make_bank(bank, 4, 3, 2, IMAGES[:, :2], np.random.default_rng(5))
    np.testing.assert_allclose(fixed.weight.detach(), expected, atol=1e-6)
    assert torch.equal(fixed.weight, learned.weight) and torch.equal(fixed.bias, learned.bias)
    x = torch.from_numpy(IMAGES[:, :2].transpose(0, 2, 3, 1).astype(np.float32))
    learned(x).sum().backward()
    assert learned.weight.grad.abs().sum() > 0
    assert not fixed(x).requires_grad and fixed.weight.grad is None


def test_trainable_is_a_switch():
    layer = Conv2D(4, 3, channels=1, seed=0)
    assert layer.trainable
    layer.trainable = False
    assert not layer.weight.requires_grad and not layer.bias.requires_grad
    layer.trainable = True
    assert layer.trainable and layer.bias.requires_grad


def test_penalties_are_their_formulas():
    w = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 3, 2, 4)))
    W = w.numpy()
    assert float(L1(0.3)(w)) == pytest.approx(0.3 * np.abs(W).sum())
    assert float(L2(0.3)(w)) == pytest.approx(0.3 * (W**2).sum())
    assert float(L1L2(0.1, 0.2)(w)) == pytest.approx(0.1 * np.abs(W).sum() + 0.2 * (W**2).sum())
    V = W.reshape(18, 4) / np.linalg.norm(W.reshape(18, 4), axis=0)
    pairs = [abs(V[:, i] @ V[:, j]) for i in range(4) for j in range(i)]
    assert float(OrthogonalRegularizer(0.5, "columns")(w)) == pytest.approx(0.5 * np.mean(pairs))
    Q = torch.from_numpy(Orthogonal()((3, 3, 2, 4), seed=0))
    assert float(OrthogonalRegularizer(0.5, "columns")(Q)) == pytest.approx(0, abs=1e-12)
    assert float(OrthogonalRegularizer()(w[:1, :1, :1])) == 0, "one row has nothing to be orthogonal to"


def test_a_frozen_layer_costs_nothing_and_is_not_projected():
    options = {"kernel_regularizer": "l2", "bias_regularizer": "l1", "kernel_constraint": "non_neg"}
    layer = Conv2D(4, 3, channels=1, bias_initializer="ones", seed=0, **options)
    weight = layer.weight.detach().clone()
    expected = 0.01 * weight.square().sum() + 0.01 * 4
    assert layer.penalty().item() == pytest.approx(float(expected), rel=1e-5)
    layer.trainable = False
    layer.project()
    assert layer.penalty() == 0 and torch.equal(layer.weight, weight) and (weight < 0).any()
    layer.trainable = True
    layer.project()
    assert torch.equal(layer.weight, weight.clamp(min=0))


def test_an_activity_penalty_is_a_mean_over_images():
    layer = Conv2D(4, 3, channels=4, activity_regularizer=L1(0.5), data_format="channels_first", seed=0).double()
    y = layer(torch.from_numpy(IMAGES)).detach()
    assert float(layer.activity_penalty(y)) == pytest.approx(0.5 * np.abs(y.numpy()).sum() / 6)
    assert float(layer.activity_penalty(y.repeat(3, 1, 1, 1))) == pytest.approx(float(layer.activity_penalty(y)))


def test_projections_hold_what_they_promise_and_hold_still():
    layer = Conv2D(5, 3, channels=2, kernel_initializer="random_normal", seed=0).double()
    for constraint, low, high in [
        (UnitNorm((0, 1, 2)), 1, 1),
        (MaxNorm(0.2, (0, 1, 2)), 0, 0.2),
        (MinMaxNorm(0.1, 0.22, axis=(0, 1, 2)), 0.1, 0.22),
    ]:
        layer.kernel_constraint = constraint
        before = layer.weight.detach().clone()
        layer.project()
        norms = layer.weight.detach().flatten(1).norm(dim=1)
        assert norms.min() >= low - 1e-5 and norms.max() <= high + 1e-5
        cosines = torch.nn.functional.cosine_similarity(layer.weight.detach().flatten(1), before.flatten(1))
        np.testing.assert_allclose(cosines, 1, atol=1e-12)
        once = layer.weight.detach().clone()
        layer.project()
        np.testing.assert_allclose(layer.weight.detach(), once, rtol=1e-5)
    half = MinMaxNorm(0.0, 1.0, rate=0.5)(torch.full((4, 1), 1.0))  # norm 2: half way to 1
    assert float(half.norm()) == pytest.approx(1.5, rel=1e-6)


def test_variances_are_those_of_the_formulas():
    """fan in 3*3*40, fan out 3*3*60; a normal truncated at two deviations has .8796 of its deviation."""
    assert TRUNCATED_STD == pytest.approx(0.87962566103423978, abs=1e-12)
    shape = (3, 3, 40, 60)
    for mode, n in {"fan_in": 360, "fan_out": 540, "fan_avg": 450}.items():
        for distribution in ("truncated_normal", "untruncated_normal", "uniform"):
            W = VarianceScaling(2.0, mode, distribution)(shape, seed=0)
            assert W.std() == pytest.approx((2 / n) ** 0.5, rel=0.02)
            assert abs(W.mean()) < 4 * W.std() / W.size**0.5
    limit = (6 / (9 * 40 + 9 * 60)) ** 0.5
    default = Conv2D(60, 3, channels=40, seed=0)
    assert limit * 0.999 < default.weight.abs().max() <= limit and not default.bias.any()


def test_orthogonal_starts_are_orthonormal_and_uniformly_distributed():
    for shape in [(3, 3, 2, 8), (1, 1, 3, 8)]:
        Q = Orthogonal(2.0)(shape, seed=0).reshape(-1, 8)
        small = Q.T @ Q if len(Q) >= 8 else Q @ Q.T
        np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)
    corners = np.array([Orthogonal()((2, 2), seed=seed)[0, 0] for seed in range(400)])
    assert abs(corners.mean()) < 0.12, "without fixing the signs of R they would all be negative"


def test_a_layer_is_a_function_of_its_seed_and_leaves_torchs_generator_alone():
    before = torch.random.get_rng_state()
    first, again, other = (Conv2D(4, 3, channels=2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.weight, again.weight) and not torch.equal(first.weight, other.weight)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"filters": 0}, "filters=0"),
        ({"filters": 2.0}, "filters=2.0"),
        ({"channels": 0}, "channels=0"),
        ({"groups": 3}, "groups=3 does not divide filters=8"),
        ({"groups": 8}, "groups=8 does not divide channels=4"),
        ({"strides": 2, "dilation_rate": 2}, "one of them must be 1"),
        ({"padding": "causal"}, "padding='causal'"),
        ({"data_format": "NCHW"}, "data_format='NCHW'"),
        ({"activation": "rectify"}, "activation='rectify'"),
        ({"kernel_initializer": "he"}, "kernel_initializer='he'"),
        ({"kernel_initializer": "identity"}, "'identity' makes weights with two axes"),
        (
            {"kernel_initializer": lambda shape, seed: np.zeros(3)},
            r"kernel_initializer returned weights of shape \(3,\)",
        ),
        ({"kernel_initializer": Constant(np.nan)}, "expected finite ones of"),
        ({"bias_initializer": "orthogonal"}, "at least two axes"),
        ({"kernel_regularizer": "l3"}, "kernel_regularizer='l3'"),
        ({"bias_regularizer": 0.1}, "bias_regularizer=0.1"),
        ({"activity_regularizer": "l0"}, "activity_regularizer='l0'"),
        ({"kernel_constraint": "unit"}, "kernel_constraint='unit'"),
        ({"bias_constraint": "unit"}, "bias_constraint='unit'"),
        ({"bank": "haar"}, "bank='haar'"),
        ({"bank": "gabor", "kernel_size": (3, 5)}, r"square filters, but found kernel_size=\(3, 5\)"),
        ({"bank": "kmeans"}, "pass training images"),
    ],
)
def test_bad_arguments_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        Conv2D(**{"filters": 8, "kernel_size": 3, "channels": 4} | options)


def test_bad_images_are_refused():
    layer = Conv2D(8, 3, channels=4, seed=0)
    with pytest.raises(ValueError, match="3 channels, but the layer has 4"):
        layer(torch.zeros(2, 8, 8, 3))
    with pytest.raises(ValueError, match="expected four axes, channels_last"):
        layer(torch.zeros(8, 8, 4))
    with pytest.raises(ValueError, match="does not fit into images of 2 x 8"):
        layer(torch.zeros(1, 2, 8, 4))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: L2(-1.0), "l2=-1.0"),
        (lambda: L1(float("nan")), "l1=nan"),
        (lambda: OrthogonalRegularizer(mode="filters"), "mode='filters'"),
        (lambda: MinMaxNorm(2.0, 1.0), "min_value=2.0"),
        (lambda: MinMaxNorm(rate=0.0), "rate=0.0"),
        (lambda: MaxNorm(-1.0), "max_value=-1.0"),
        (lambda: VarianceScaling(0.0), "scale=0.0"),
        (lambda: VarianceScaling(mode="in"), "mode='in'"),
        (lambda: VarianceScaling(distribution="normal"), "distribution='normal'"),
    ],
)
def test_bad_values_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()
