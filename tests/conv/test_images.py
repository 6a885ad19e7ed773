import numpy as np
import pytest

from kernelopt import FilterBank
from kernelopt.conv.images import as_images, windows

COLOUR = np.arange(2 * 3 * 4 * 5, dtype=float).reshape(2, 3, 4, 5)  # n, c, h, w


def test_every_form_of_the_same_images_is_equal():
    last = np.moveaxis(COLOUR, 1, -1)
    forms = [
        as_images(COLOUR, image_format="channels_first"),
        as_images(last, image_format="channels_last"),
        as_images(COLOUR.reshape(2, -1), (3, 4, 5), "channels_first"),
        as_images(last.reshape(2, -1), (4, 5, 3), "channels_last"),
    ]
    for images in forms:
        np.testing.assert_array_equal(images, COLOUR)
        assert images.dtype == np.float32


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("sides", [(8, 8), (32, 32), (9, 200)])
def test_lengths_tell_where_channels_are(channels, sides):
    images = np.random.default_rng(0).normal(size=(2, channels, *sides)).astype(np.float32)
    np.testing.assert_array_equal(as_images(images), images)
    np.testing.assert_array_equal(as_images(np.moveaxis(images, 1, -1)), images)
    np.testing.assert_array_equal(as_images(np.moveaxis(images, 1, -1).reshape(2, -1), (*sides, channels)), images)


@pytest.mark.parametrize("shape", [(3, 32, 4), (3, 7, 32), (2, 32, 32), (32, 3, 32), (7, 7, 3), (3, 3, 3), (32, 32, 5)])
def test_where_lengths_do_not_tell_it_is_asked(shape):
    with pytest.raises(ValueError, match="image_format='auto' cannot tell"):
        as_images(np.zeros((2, *shape)))


@pytest.mark.parametrize("last", [False, True])
def test_an_estimator_fitted_on_colour_images_takes_their_rows(last):
    images = np.random.default_rng(0).normal(size=(6, 3, 9, 8))
    given = np.moveaxis(images, 1, -1) if last else images
    bank = FilterBank("gabor", 2, 3).fit(given)
    assert bank.image_shape_ == (3, 9, 8) and bank.image_format_ == ("channels_last" if last else "channels_first")
    expected = FilterBank("gabor", 2, 3, image_format="channels_first").fit_transform(images)
    np.testing.assert_array_equal(bank.transform(given), expected)
    np.testing.assert_array_equal(bank.transform(given.reshape(6, -1)), expected)


@pytest.mark.parametrize("length, shape", [(64, (1, 8, 8)), (7, (1, 1, 7)), (1, (1, 1, 1))])
def test_rows_are_square_images_or_lines(length, shape):
    assert as_images(np.zeros((3, length))).shape == (3, *shape)


def test_values_are_not_rescaled_whatever_their_type():
    pixels = np.full((1, 2, 2), 255, dtype=np.uint8)
    np.testing.assert_array_equal(as_images(pixels), as_images(pixels.astype(float)))
    assert as_images(pixels).max() == 255


@pytest.mark.parametrize(
    "X, options, message",
    [
        (COLOUR, {}, "image_format"),
        (COLOUR.reshape(2, 60), {"image_shape": (4, 5, 3)}, "image_format"),
        (COLOUR.reshape(2, 60), {"image_shape": (8, 8)}, "image_shape"),
        (COLOUR[:, 0], {"image_shape": (5, 4)}, "image_shape"),
        (COLOUR[:, 0], {"image_shape": "square"}, "image_shape"),
        (COLOUR[:, 0], {"image_shape": 20}, "image_shape=20"),
        (COLOUR[:, 0], {"image_shape": (-4, -5)}, "positive integers"),
        (COLOUR[:, 0], {"image_shape": (4.5, 5)}, "positive integers"),
        (COLOUR[:, 0], {"image_format": "NCHW"}, "image_format"),
        (COLOUR[None], {"image_format": "channels_first"}, "must have shape"),
        (np.full((2, 4), np.nan), {}, "NaN"),
        (np.full((2, 4), 1e300), {}, "too large"),
        (np.zeros(4), {}, "Reshape your data"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_bad_images_are_refused_by_name(X, options, message):
    with pytest.raises(ValueError, match=message):
        as_images(X, **options)


@pytest.mark.parametrize("kernel_size, first", [(3, [[0, 0, 0], [0, 1, 2], [0, 4, 5]]), (2, [[1, 2], [4, 5]])])
def test_windows_pad_like_keras(kernel_size, first):
    images = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    view = windows(images, kernel_size)
    assert view.shape == (1, 1, 3, 3, kernel_size, kernel_size)
    np.testing.assert_array_equal(view[0, 0, 0, 0], first)
