"""The NumPy reference against itself, torch, finite differences and the counts known by hand."""

from itertools import product

import numpy as np
import pytest
import torch

from kernelopt.conv.geometry import Geometry
from kernelopt.conv.reference import WAYS, Ties, im2col

GEOMETRIES = [
    Geometry(kernel_size, strides, padding, dilation_rate, groups)
    for kernel_size, (strides, dilation_rate), padding, groups in product(
        [1, 2, 3, (3, 2), (2, 4)], [(1, 1), (2, 1), ((3, 1), 1), (1, 2), (1, (1, 3))], ["valid", "same"], [1, 2, 4]
    )
]


def case(geometry, seed=0):
    """Images of 7 x 10 pixels with four channels, four filters, biases and a gradient of the outputs."""
    rng = np.random.default_rng(seed)
    shape = geometry.kernel_shape(4, 4)
    images, filters, bias = rng.normal(size=(2, 4, 7, 10)), rng.normal(size=shape), rng.normal(size=4)
    return images, filters, bias, rng.normal(size=(2, 4, *geometry.output(7, 10)))


def test_there_are_more_than_a_hundred_combinations():
    assert len(set(GEOMETRIES)) > 128


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_im2col_and_toeplitz_equal_torch_and_autograd(geometry):
    images, filters, bias, gradient = case(geometry)
    x, W, b = (torch.from_numpy(a.copy()).requires_grad_() for a in (images, filters, bias))
    (top, bottom), (left, right) = geometry.pads(7, 10)
    y = torch.nn.functional.conv2d(
        torch.nn.functional.pad(x, (left, right, top, bottom)),
        W,
        b,
        geometry.strides,
        0,
        geometry.dilation_rate,
        geometry.groups,
    )
    y.backward(torch.from_numpy(gradient))
    for way in ("im2col", "toeplitz"):
        forward, backward = WAYS[way]
        np.testing.assert_allclose(forward(images, filters, bias, geometry), y.detach(), atol=1e-12)
        for found, expected in zip(backward(images, filters, gradient, geometry), (x, W, b), strict=True):
            np.testing.assert_allclose(found, expected.grad, atol=1e-12)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_loops_equal_the_matrix(geometry):
    images, filters, bias, gradient = case(geometry)
    images, gradient = images[:1], gradient[:1]  # loops are slow
    (forward, backward), (other_forward, other_backward) = WAYS["loops"], WAYS["toeplitz"]
    np.testing.assert_allclose(
        forward(images, filters, bias, geometry), other_forward(images, filters, bias, geometry), atol=1e-12
    )
    pairs = zip(
        backward(images, filters, gradient, geometry), other_backward(images, filters, gradient, geometry), strict=True
    )
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_gradients_equal_finite_differences(geometry):
    """Of a loss that is not linear, half the sum of squares, in a random direction of all arguments at once."""
    images, filters, bias, _ = case(geometry)
    forward, backward = WAYS["im2col"]
    rng = np.random.default_rng(1)
    directions = [rng.normal(size=a.shape) for a in (images, filters, bias)]

    def loss(step):
        moved = (a + step * d for a, d in zip((images, filters, bias), directions, strict=True))
        return 0.5 * np.sum(forward(*moved, geometry) ** 2)

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    gradients = backward(images, filters, forward(images, filters, bias, geometry), geometry)
    expected = sum(np.sum(g * d) for g, d in zip(gradients, directions, strict=True))
    assert slope == pytest.approx(expected, rel=1e-7)


def test_a_filters_gradient_is_the_cross_correlation_of_image_and_output_gradient():
    """The gradient of the output slides over the image as a filter does."""
    images, filters, _, gradient = case(Geometry(3))
    dW = WAYS["im2col"][1](images, filters, gradient, Geometry(3)).filters
    swapped = WAYS["loops"][0](
        images.swapaxes(0, 1), gradient.swapaxes(0, 1), np.zeros(4), Geometry(gradient.shape[2:])
    )
    np.testing.assert_allclose(dW, swapped.swapaxes(0, 1), atol=1e-12)


def test_free_numbers_against_those_of_a_fully_connected_layer():
    ties = Ties.of((1, 8, 8), (3, 1, 3, 3), Geometry(3))
    assert (ties.n_free, ties.n_nonzero, ties.n_dense) == (27, 972, 6912)
    assert ties.shape == (3 * 36, 64) and ties.n_nonzero / ties.n_dense == pytest.approx(0.14, abs=0.001)
    np.testing.assert_array_equal(np.bincount(ties.number), 36)  # each number is used at each output pixel


@pytest.mark.parametrize("geometry", [Geometry(3, 2, "same"), Geometry(2, 1, "valid", 2, 2)], ids=str)
def test_the_matrix_has_the_answers_to_single_pixels_as_columns(geometry):
    _, filters, _, _ = case(geometry)
    pixels = np.eye(4 * 7 * 10).reshape(-1, 4, 7, 10)
    columns = WAYS["loops"][0](pixels, filters, np.zeros(4), geometry).reshape(len(pixels), -1).T
    ties = Ties.of((4, 7, 10), filters.shape, geometry)
    np.testing.assert_array_equal(ties.matrix(filters).toarray(), columns)
    # untying is the transpose of tying
    dense = np.random.default_rng(0).normal(size=ties.shape)
    assert np.sum(ties.untie(dense) * filters.ravel()) == pytest.approx(np.sum(dense * columns))


def test_windows_follow_strides_and_dilation():
    image = np.arange(25.0).reshape(1, 1, 5, 5)
    np.testing.assert_array_equal(im2col(image, Geometry(2, strides=3))[0, 0, 1, 0], [[15, 16], [20, 21]])
    np.testing.assert_array_equal(im2col(image, Geometry(2, dilation_rate=3))[0, 0, 1, 0], [[5, 8], [20, 23]])


def test_same_padding_is_kerass():
    """8 pixels, size 3, stride 2: one zero after, none before. A symmetric padding gives other numbers."""
    geometry = Geometry(3, strides=2, padding="same")
    assert geometry.pads(8, 9) == ((0, 1), (1, 1)) and geometry.output(8, 9) == (4, 5)
    assert Geometry(4, padding="same").pads(8, 8) == ((1, 2), (1, 2))
    assert Geometry(1, strides=3, padding="same").pads(8, 8) == ((0, 0), (0, 0))
    assert Geometry(3, padding="same", dilation_rate=2).pads(8, 8) == ((2, 2), (2, 2))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"kernel_size": 0}, "kernel_size=0"),
        ({"kernel_size": (3, 3, 3)}, r"kernel_size=\(3, 3, 3\)"),
        ({"kernel_size": 2.5}, "kernel_size=2.5"),
        ({"kernel_size": True}, "kernel_size=True"),
        ({"kernel_size": 3, "strides": (2, 0)}, r"strides=\(2, 0\)"),
        ({"kernel_size": 3, "dilation_rate": -1}, "dilation_rate=-1"),
        ({"kernel_size": 3, "padding": "causal"}, "padding='causal'"),
        ({"kernel_size": 3, "groups": 0}, "groups=0"),
        ({"kernel_size": 3, "strides": (1, 2), "dilation_rate": (2, 1)}, "one of them must be 1"),
    ],
)
def test_bad_geometries_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        Geometry(**options)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit into images of 4 x 9"):
        Geometry(5).output(4, 9)
    with pytest.raises(ValueError, match="groups=2 does not divide channels=3"):
        Geometry(3, groups=2).kernel_shape(4, 3)
    with pytest.raises(ValueError, match="groups=2 does not divide filters=3"):
        Geometry(3, groups=2).kernel_shape(3, 4)
    with pytest.raises(ValueError, match="filters=0"):
        Geometry(3).kernel_shape(0, 4)
