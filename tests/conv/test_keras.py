"""Layers against Keras on its torch backend: outputs, gradients, penalties, projections, starts, steps, refusals.

Keras is no dependency: ``pip install keras`` runs these tests, which are skipped without it.
"""

import os
import tempfile
from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from kernelopt.conv.activations import ACTIVATIONS
from kernelopt.conv.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from kernelopt.conv.conv2d import Conv2D, to_hwio
from kernelopt.conv.initializers import INITIALIZERS, STFT, VarianceScaling, make_initializer
from kernelopt.conv.regularizers import L1, L1L2, L2, OrthogonalRegularizer

os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("KERAS_HOME", tempfile.mkdtemp())
keras = pytest.importorskip("keras", reason="the oracle keras is not installed (pip install keras)")
if keras.backend.backend() != "torch":
    pytest.skip("keras runs on another backend than torch", allow_module_level=True)

# Keras's own, with NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

CONFIGURATIONS = [
    {"kernel_size": k, "strides": s, "dilation_rate": d, "padding": padding, "groups": groups, "layout": layout}
    for k, (s, d), padding, groups, layout in product(
        [1, 2, 3, (3, 2), (2, 5)],
        [(1, 1), (2, 1), ((1, 3), 1), (1, 2)],
        ["valid", "same"],
        [1, 2, 4],
        ["channels_last", "channels_first"],
    )
]
KERNEL = np.random.default_rng(3).normal(size=(3, 3, 4, 8)).astype(np.float32)


def images(layout, n=3, h=9, w=10, c=4):
    x = np.random.default_rng(0).normal(size=(n, h, w, c)).astype(np.float32)
    return x if layout == "channels_last" else np.moveaxis(x, -1, 1).copy()


def theirs_and_ours(filters=8, channels=4, layout="channels_last", **options):
    """A Keras layer with weights of its own, biases included, and ours with the same ones."""
    theirs = keras.layers.Conv2D(filters, data_format=layout, **options)
    theirs.build(images(layout, c=channels).shape)
    rng = np.random.default_rng(1)
    theirs.set_weights([rng.normal(size=w.shape) / 3 for w in theirs.get_weights()])
    ours = Conv2D(filters, data_format=layout, channels=channels, **options)
    ours.set_weights(theirs.get_weights())
    return theirs, ours


def numpy(tensor):
    return tensor.detach().cpu().numpy()


def test_there_are_enough_configurations():
    assert len(CONFIGURATIONS) >= 96


@pytest.mark.parametrize("options", CONFIGURATIONS, ids=lambda o: "-".join(map(str, o.values())))
def test_outputs_and_gradients_are_those_of_keras(options):
    theirs, ours = theirs_and_ours(activation="tanh", **options)
    x = images(options["layout"])
    mine, other = ours(torch.from_numpy(x)), theirs(x)
    np.testing.assert_allclose(numpy(mine), numpy(other), atol=2e-6)
    r = torch.from_numpy(np.random.default_rng(2).normal(size=mine.shape).astype(np.float32))
    (mine * r).sum().backward()
    (other * r).sum().backward()
    gradients = numpy(to_hwio(ours.weight.grad)), numpy(ours.bias.grad)
    for found, expected in zip(gradients, (v.value.grad for v in theirs.trainable_variables), strict=True):
        scale = float(expected.abs().max())
        np.testing.assert_allclose(found, numpy(expected), atol=1e-5 * scale)


@pytest.mark.parametrize("use_bias", [True, False])
def test_weights_go_to_keras_and_come_back(use_bias):
    ours = Conv2D(6, (3, 2), channels=4, groups=2, use_bias=use_bias, seed=0)
    theirs = keras.layers.Conv2D(6, (3, 2), groups=2, use_bias=use_bias)
    theirs.build((None, 9, 10, 4))
    theirs.set_weights(ours.get_weights())
    x = images("channels_last")
    np.testing.assert_allclose(numpy(theirs(x)), numpy(ours(torch.from_numpy(x))), atol=2e-6)
    back = Conv2D(6, (3, 2), channels=4, groups=2, use_bias=use_bias, seed=1)
    back.set_weights(theirs.get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(back.get_weights(), ours.get_weights(), strict=True))


def test_the_defaults_are_those_of_keras():
    import inspect

    mine = inspect.signature(Conv2D).parameters
    other = inspect.signature(keras.layers.Conv2D.__init__).parameters
    shared = [name for name in other if name not in ("self", "kwargs")]
    assert [name for name in mine if name in shared] == shared, "the same names in the same order"
    different = {name for name in shared if mine[name].default != other[name].default}
    assert different == {"strides", "dilation_rate", "data_format"}  # 1 for (1, 1); None for what a file says
    assert keras.backend.image_data_format() == "channels_last"


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_those_of_keras(name):
    theirs, ours = theirs_and_ours(kernel_size=3, activation=name)
    x = 2 * images("channels_last")
    np.testing.assert_allclose(numpy(ours(torch.from_numpy(x))), numpy(theirs(x)), atol=1e-5, rtol=1e-5)


REGULARIZERS = [
    (L1(0.3), keras.regularizers.L1(0.3)),
    (L2(0.2), keras.regularizers.L2(0.2)),
    (L1L2(0.3, 0.2), keras.regularizers.L1L2(0.3, 0.2)),
    ("l1", "l1"),
    ("l2", "l2"),
]


@pytest.mark.parametrize("ours, theirs", REGULARIZERS, ids=repr)
def test_penalties_are_the_losses_of_keras(ours, theirs):
    names = ("kernel_regularizer", "bias_regularizer", "activity_regularizer")
    layer, _ = theirs_and_ours(kernel_size=3, **dict.fromkeys(names, theirs))
    mine = Conv2D(8, 3, channels=4, **dict.fromkeys(names, ours))
    mine.set_weights(layer.get_weights())
    x = images("channels_last")
    layer(x)
    found = mine.penalty() + mine.activity_penalty(mine(torch.from_numpy(x)))
    assert found.item() == pytest.approx(sum(layer.losses).item(), rel=1e-5)
    layer.trainable = mine.trainable = False
    layer(x)
    found = mine.penalty() + mine.activity_penalty(mine(torch.from_numpy(x)))
    assert found.item() == pytest.approx(sum(layer.losses).item(), rel=1e-5)


@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_the_orthogonal_penalty_is_that_of_keras_on_the_kernel_as_a_matrix(mode):
    matrix = torch.from_numpy(KERNEL.reshape(36, 8))
    expected = float(keras.regularizers.OrthogonalRegularizer(0.7, mode)(matrix))
    for w in (matrix, torch.from_numpy(KERNEL)):
        assert float(OrthogonalRegularizer(0.7, mode)(w)) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="rank 2"):
        keras.regularizers.OrthogonalRegularizer(0.7, mode)(torch.from_numpy(KERNEL))


CONSTRAINTS = [
    (NonNeg(), keras.constraints.NonNeg()),
    (UnitNorm(), keras.constraints.UnitNorm()),
    (UnitNorm((0, 1, 2)), keras.constraints.UnitNorm((0, 1, 2))),
    (MaxNorm(), keras.constraints.MaxNorm()),
    (MaxNorm(1.5, (0, 1)), keras.constraints.MaxNorm(1.5, (0, 1))),
    (MinMaxNorm(), keras.constraints.MinMaxNorm()),
    (MinMaxNorm(5.5, 6.0, 0.3, (0, 1, 2)), keras.constraints.MinMaxNorm(5.5, 6.0, 0.3, (0, 1, 2))),
]


@pytest.mark.parametrize("ours, theirs", CONSTRAINTS, ids=lambda c: repr(c) if isinstance(c, NonNeg) else None)
def test_projections_are_those_of_keras(ours, theirs):
    found, expected = ours(torch.from_numpy(KERNEL)), theirs(torch.from_numpy(KERNEL))
    np.testing.assert_allclose(numpy(found), numpy(expected), rtol=1e-6, atol=1e-7)
    assert not np.allclose(numpy(found), KERNEL)


@pytest.mark.parametrize("ours, theirs", CONSTRAINTS, ids=lambda c: repr(c) if isinstance(c, NonNeg) else None)
def test_steps_with_penalties_and_projections_are_those_of_keras(ours, theirs):
    """Three steps of gradient descent: the loss, the penalties, then the projection."""
    layer, _ = theirs_and_ours(
        kernel_size=3,
        activation="tanh",
        kernel_constraint=theirs,
        bias_constraint=keras.constraints.NonNeg(),
        kernel_regularizer=keras.regularizers.L2(0.1),
        activity_regularizer=keras.regularizers.L1(0.01),
    )
    mine = Conv2D(
        8,
        3,
        activation="tanh",
        kernel_constraint=ours,
        bias_constraint="non_neg",
        kernel_regularizer=L2(0.1),
        activity_regularizer=L1(0.01),
        channels=4,
    )
    mine.set_weights(layer.get_weights())
    x = images("channels_last")
    y = np.random.default_rng(5).normal(size=numpy(layer(x)).shape).astype(np.float32)
    model = keras.Sequential([keras.Input((9, 10, 4)), layer])
    model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
    optimizer = torch.optim.SGD(mine.parameters(), 0.5)
    for _ in range(3):
        model.train_on_batch(x, y)
        outputs = mine(torch.from_numpy(x))
        loss = (outputs - torch.from_numpy(y)).square().mean() + mine.penalty() + mine.activity_penalty(outputs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mine.project()
    for found, expected in zip(mine.get_weights(), layer.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)


SHAPES = {"identity": (5, 7), "stft": (16, 1, 9)}


def test_all_initializers_of_keras_are_there():
    names = {
        cls.__name__.lower()
        for cls in vars(keras.initializers).values()
        if isinstance(cls, type) and cls is not keras.initializers.Initializer
    }
    assert {name.replace("_", "") for name in INITIALIZERS} == names and len(INITIALIZERS) == 16


@pytest.mark.parametrize("name", INITIALIZERS)
def test_starts_have_the_distribution_of_keras(name):
    shape = SHAPES.get(name, (5, 4, 20, 30))
    theirs = keras.initializers.Constant(0.0) if name == "constant" else keras.initializers.get(name)
    if hasattr(theirs, "seed"):
        theirs = type(theirs)(seed=1)
    found, expected = make_initializer(name)(shape, seed=0), numpy(theirs(shape))
    assert found.shape == expected.shape
    if not hasattr(theirs, "seed"):
        np.testing.assert_allclose(found, expected, atol=1e-6)
        return
    assert found.std() == pytest.approx(expected.std(), rel=0.02)
    assert abs(found).max() == pytest.approx(abs(expected).max(), rel=0.3)
    assert ks_2samp(found.ravel(), expected.ravel()).pvalue > 1e-3


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["truncated_normal", "untruncated_normal", "uniform"])
def test_variance_scaling_has_the_distribution_of_keras(mode, distribution):
    theirs = keras.initializers.VarianceScaling(1.7, mode, distribution, seed=2)
    found = VarianceScaling(1.7, mode, distribution)((5, 4, 20, 30), 3).ravel()
    assert ks_2samp(found, numpy(theirs((5, 4, 20, 30))).ravel()).pvalue > 1e-3


@pytest.mark.parametrize("side, window, scaling", [("imag", "hann", "spectrum"), ("real", None, None)])
def test_short_time_fourier_starts_are_those_of_keras(side, window, scaling):
    theirs = keras.initializers.STFT(side, window, scaling, periodic=True)
    found = STFT(side, window, scaling, periodic=True)((16, 1, 9))
    np.testing.assert_allclose(found, numpy(theirs((16, 1, 9))), atol=2e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"filters": 0},
        {"filters": -2},
        {"kernel_size": 0},
        {"kernel_size": (3, 3, 3)},
        {"strides": 0},
        {"strides": (1, 2, 1)},
        {"dilation_rate": 0},
        {"strides": 2, "dilation_rate": 2},
        {"strides": (1, 2), "dilation_rate": (2, 1)},
        {"padding": "causal"},
        {"padding": "full"},
        {"data_format": "channels"},
        {"groups": 0},
        {"groups": 3},
        {"filters": 6, "groups": 3},
        {"activation": "rectify"},
        {"kernel_initializer": "he"},
        {"kernel_initializer": "identity"},
        {"kernel_initializer": "stft"},
        {"bias_initializer": "orthogonal"},
        {"kernel_regularizer": "l3"},
        {"kernel_constraint": "unit"},
        {"kernel_size": 11},
        {"kernel_size": 6, "dilation_rate": 2},
    ],
    ids=str,
)
def test_what_keras_refuses_is_refused(options):
    options = {"filters": 8, "kernel_size": 3} | options
    x = images("channels_last")
    with pytest.raises(ValueError):
        keras.layers.Conv2D(**options)(x)
    with pytest.raises(ValueError):
        Conv2D(channels=4, **options)(torch.from_numpy(x))
