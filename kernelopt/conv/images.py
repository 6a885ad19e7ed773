"""Images as one array (n, channels, height, width), from the forms in which people hold them."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np
from sklearn.utils.validation import check_array, validate_data

FORMATS = ("auto", "channels_first", "channels_last")
CHANNELS = (1, 3, 4)  # grey, colour, colour with transparency
LEAST_SIDE = 8  # of an image whose channel axis is told by its length


def as_images(X: np.ndarray, image_shape: str | Sequence[int] = "auto", image_format: str = "auto") -> np.ndarray:
    """Return `X` as images of shape (n, channels, height, width) in float32.

    Values are never rescaled: pixels in 0..255 stay in 0..255, whatever their type. Whoever needs
    standardised pixels learns the scale from training images and applies it to all others.

    Parameters
    ----------
    X : array of shape (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d)
        Grey images, colour images, or images flattened to rows. A row is its image read in
        the order of `image_format`.
    image_shape : "auto" or tuple
        One image: (h, w), or (h, w, c) / (c, h, w) as `image_format` says. With "auto", rows of
        a square length d are square grey images and all other rows are images of size 1 x d.
    image_format : {"auto", "channels_first", "channels_last"}
        Where the channels are. "auto" tells by the lengths where only one reading makes sense: 1, 3 or 4 channels at
        one end and sides of at least 8 pixels. Otherwise it must be given, since a guess could be wrong unseen.

    Returns
    -------
    array of shape (n, c, h, w)

    Raises
    ------
    ValueError
        If the axes are ambiguous or do not agree with `image_shape`, or a value is not finite.

    Examples
    --------
    >>> as_images(np.zeros((5, 64))).shape
    (5, 1, 8, 8)
    >>> as_images(np.zeros((5, 8, 6, 3)), image_format="channels_last").shape
    (5, 3, 8, 6)
    """
    X = check_array(X, dtype=np.float32, allow_nd=True, input_name="X")
    shape = _one_image_shape(X.shape, image_shape, image_format)
    X = X.reshape(len(X), *shape)
    if len(shape) == 2:
        return X[:, np.newaxis]
    return X if told_format(shape, image_format) == "channels_first" else np.moveaxis(X, -1, 1)


def validate_images(estimator, X, y="no_validation", *, reset: bool, **checks):
    """Check the `X` (and `y`) given to a scikit-learn estimator and return them with `X` as images.

    Works like :func:`sklearn.utils.validation.validate_data`, for images. With ``reset=True``
    the shape of the images, (c, h, w), is kept as ``estimator.image_shape_``, and where the channels were as
    ``estimator.image_format_``; with ``reset=False``
    other images must have that shape. An estimator fitted on images also accepts their rows, and
    conversely: ``n_features_in_`` counts the values of an image.

    Parameters
    ----------
    estimator : estimator with parameters `image_shape` and `image_format`
    X : array-like
    y : array-like, optional
        Labels; None is an error for estimators that need them.
    reset : bool
        True in fit.
    **checks
        For `y`, as of :func:`sklearn.utils.validation.validate_data`: `y_numeric`, `multi_output`.

    Returns
    -------
    images of shape (n, c, h, w), or the pair (images, y)
    """
    image_shape, image_format = estimator.image_shape, estimator.image_format
    n_axes = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
    if n_axes > 2:  # scikit-learn counts the features of rows, so images are validated as rows
        X = check_array(X, dtype=np.float32, allow_nd=True, input_name="X")
        shape = _one_image_shape(X.shape, image_shape, image_format)
        X = X.reshape(len(X), -1)
    checked = validate_data(estimator, X, y, reset=reset, dtype=np.float32, **checks)
    rows, labels = checked if isinstance(checked, tuple) else (checked, None)
    if n_axes <= 2:
        known = image_shape if reset or image_shape != "auto" else _outer_shape(estimator)
        shape = _one_image_shape(rows.shape, known, image_format)
    images = as_images(rows, shape, image_format)
    if reset:
        estimator.image_shape_, estimator.image_format_ = images.shape[1:], told_format(shape, image_format)
    elif images.shape[1:] != estimator.image_shape_:
        raise ValueError(
            f"X holds images of shape (channels, height, width) = {images.shape[1:]}, but "
            f"{type(estimator).__name__} was fitted on images of shape {estimator.image_shape_}."
        )
    return images if labels is None else (images, labels)


def windows(images: np.ndarray, kernel_size: int) -> np.ndarray:
    """Return the window around every pixel of zero-padded images: the operands of a "same" convolution.

    An even window reaches one pixel further down and right than up and left, as in Keras and torch.

    Parameters
    ----------
    images : array of shape (n, c, h, w)
    kernel_size : int

    Returns
    -------
    read-only view of shape (n, c, h, w, kernel_size, kernel_size)

    Examples
    --------
    >>> windows(np.ones((1, 1, 4, 4)), 3)[0, 0, 0, 0]
    array([[0., 0., 0.],
           [0., 1., 1.],
           [0., 1., 1.]])
    """
    pad = ((kernel_size - 1) // 2, kernel_size // 2)
    padded = np.pad(images, ((0, 0), (0, 0), pad, pad))
    return np.lib.stride_tricks.sliding_window_view(padded, (kernel_size, kernel_size), axis=(2, 3))


def _one_image_shape(shape: tuple[int, ...], image_shape, image_format: str) -> tuple[int, ...]:
    """Return the shape of one image of an array of the given shape, with two or three axes."""
    if image_format not in FORMATS:
        raise ValueError(f"image_format={image_format!r}, but expected one of {FORMATS}.")
    if isinstance(image_shape, str):
        if image_shape != "auto":
            raise ValueError(f"image_shape={image_shape!r}, but expected 'auto' or a tuple such as (28, 28).")
        found = shape[1:] if len(shape) > 2 else _square_or_line(shape[1])
    else:
        found = _as_sides(image_shape)
        if math.prod(found) != math.prod(shape[1:]) or len(shape) > 2 and found != shape[1:]:
            raise ValueError(
                f"image_shape={found} does not describe X of shape {shape}: expected "
                f"{shape[1:] if len(shape) > 2 else f'a shape with {shape[1]} values'}."
            )
    if len(found) not in (2, 3):
        raise ValueError(
            f"an image has 2 axes, or 3 with channels, but found the shape {found}: X must have shape "
            "(n, h, w), (n, h, w, c), (n, c, h, w) or (n, d)."
        )
    told_format(found, image_format)
    return found


def told_format(shape: tuple[int, ...], image_format: str) -> str:
    """Return where the channels of images of this shape are; "auto" for images that have no such axis.

    Raises
    ------
    ValueError
        If the format is "auto" and the lengths of the axes do not tell.

    Examples
    --------
    >>> told_format((32, 32, 3), "auto"), told_format((3, 32, 32), "auto")
    ('channels_last', 'channels_first')
    """
    if len(shape) != 3 or image_format != "auto":
        return image_format
    readings = {"channels_first": (shape[0], shape[1:]), "channels_last": (shape[2], shape[:2])}
    fit = [name for name, (c, sides) in readings.items() if c in CHANNELS and min(sides) >= LEAST_SIDE]
    if not fit:  # both cannot fit: an axis is a side in one reading and the channels in the other
        raise ValueError(
            f"images of shape {shape} have a channel axis, but image_format='auto' cannot tell which. Pass "
            "image_format='channels_last' or image_format='channels_first'."
        )
    return fit[0]


def _as_sides(image_shape) -> tuple[int, ...]:
    try:
        sides = tuple(operator.index(side) for side in image_shape)
    except TypeError:
        sides = ()
    if not sides or min(sides) < 1:
        raise ValueError(f"image_shape={image_shape!r}, but expected 'auto' or positive integers such as (28, 28).")
    return sides


def _square_or_line(length: int) -> tuple[int, int]:
    side = math.isqrt(length)
    return (side, side) if side * side == length else (1, length)


def _outer_shape(estimator) -> tuple[int, ...]:
    """Return the fitted image shape as the user writes it."""
    c, h, w = estimator.image_shape_
    return {"auto": (h, w), "channels_first": (c, h, w), "channels_last": (h, w, c)}[estimator.image_format_]
