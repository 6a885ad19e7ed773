r"""The convolutional layer and its backpropagation in NumPy, three times: slowly, cleverly, and as a matrix.

    loops      one multiplication and one addition at a time
    im2col     all windows as the rows of a matrix, then one matrix product
    toeplitz   the layer as the fully connected layer it is: a matrix that is mostly zero, and whose other
               entries are tied to few numbers

All three compute, for images x, filters W and biases b,

.. math:: y_{nf}(p) = b_f + \sum_{c, u} W_{fc}(u) \, x_{nc}(s p + d u - \text{padding}),

and, given the gradient :math:`\bar y` of a loss for y, those for x, W and b. That of the filters,

.. math:: \bar W_{fc}(u) = \sum_{n, p} \bar y_{nf}(p) \, x_{nc}(s p + d u - \text{padding}),

is again a cross-correlation, of the images with the gradient of the output. In the matrix view it is the
gradient of a fully connected layer, summed over tied entries: there is nothing else to backpropagation
through a convolution. Axes are torch's, (n, channels, rows, columns); everything is in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np
from scipy import sparse

from kernelopt.conv.geometry import Geometry


class Gradients(NamedTuple):
    """Gradients for the images, the filters and the biases, each of the shape of what it belongs to."""

    images: np.ndarray
    filters: np.ndarray
    bias: np.ndarray


# --- one multiplication at a time


def forward_loops(images: np.ndarray, filters: np.ndarray, bias: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return the outputs (n, filters, rows, columns)."""
    y = np.zeros(_output_shape(images, filters, geometry)) + bias[:, np.newaxis, np.newaxis]
    for n, (f, row, column, c, u, v, i, j) in _meetings(images, filters, geometry):
        y[n, f, row, column] += filters[f, c, u, v] * images[n, _channel(f, c, filters, geometry), i, j]
    return y


def backward_loops(images: np.ndarray, filters: np.ndarray, gradient: np.ndarray, geometry: Geometry) -> Gradients:
    """Return the gradients; `gradient` is that of the outputs. Every product of the way forward is met again."""
    dx, dW = np.zeros(images.shape), np.zeros(filters.shape)
    for n, (f, row, column, c, u, v, i, j) in _meetings(images, filters, geometry):
        channel = _channel(f, c, filters, geometry)
        dW[f, c, u, v] += gradient[n, f, row, column] * images[n, channel, i, j]
        dx[n, channel, i, j] += gradient[n, f, row, column] * filters[f, c, u, v]
    db = np.zeros(len(filters))
    for n, f, row, column in np.ndindex(gradient.shape):
        db[f] += gradient[n, f, row, column]
    return Gradients(dx, dW, db)


def _meetings(images: np.ndarray, filters: np.ndarray, geometry: Geometry):
    """Yield image, filter, output pixel, filter entry and input pixel wherever the last lies in the image."""
    n, _, h, w = images.shape
    (top, _), (left, _) = geometry.pads(h, w)
    (s, t), (d, e) = geometry.strides, geometry.dilation_rate
    rows, columns = geometry.output(h, w)
    for image, f, row, column in np.ndindex(n, len(filters), rows, columns):
        for c, u, v in np.ndindex(filters.shape[1:]):
            i, j = s * row + d * u - top, t * column + e * v - left
            if 0 <= i < h and 0 <= j < w:
                yield image, (f, row, column, c, u, v, i, j)


def _channel(f: int, c: int, filters: np.ndarray, geometry: Geometry) -> int:
    """Return the image's channel that channel c of filter f looks at."""
    per_group = len(filters) // geometry.groups
    return f // per_group * filters.shape[1] + c


# --- one matrix product


def im2col(images: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return all windows of padded images as a view (n, channels, rows, columns, kernel rows, kernel columns).

    Examples
    --------
    >>> im2col(np.arange(9.0).reshape(1, 1, 3, 3), Geometry(2))[0, 0, 1, 0]
    array([[3., 4.],
           [6., 7.]])
    """
    h, w = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), *geometry.pads(h, w)))
    (k, m), (s, t), (d, e) = geometry.kernel_size, geometry.strides, geometry.dilation_rate
    rows, columns = geometry.output(h, w)
    reach = (d * (k - 1) + 1, e * (m - 1) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(2, 3))
    return windows[:, :, : s * rows : s, : t * columns : t, ::d, ::e]


def forward_im2col(images: np.ndarray, filters: np.ndarray, bias: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return the outputs (n, filters, rows, columns)."""
    shape = _output_shape(images, filters, geometry)
    windows, grouped = _split(im2col(images, geometry), filters, geometry)
    y = np.einsum("ngcpquv,gfcuv->ngfpq", windows, grouped, optimize=True)
    return y.reshape(shape) + bias[:, np.newaxis, np.newaxis]


def backward_im2col(images: np.ndarray, filters: np.ndarray, gradient: np.ndarray, geometry: Geometry) -> Gradients:
    """Return the gradients; `gradient` is that of the outputs."""
    windows, grouped = _split(im2col(images, geometry), filters, geometry)
    dy = gradient.reshape(len(gradient), geometry.groups, -1, *gradient.shape[2:])
    dW = np.einsum("ngcpquv,ngfpq->gfcuv", windows, dy, optimize=True).reshape(filters.shape)
    spread = np.einsum("gfcuv,ngfpq->ngcpquv", grouped, dy, optimize=True)
    # each window gives back what it took: im2col is linear, and this is its transpose
    h, w = images.shape[2:]
    (top, bottom), (left, right) = geometry.pads(h, w)
    padded = np.zeros((*images.shape[:2], h + top + bottom, w + left + right))
    spread = spread.reshape(*images.shape[:2], *spread.shape[3:])
    (s, t), (d, e) = geometry.strides, geometry.dilation_rate
    rows, columns = gradient.shape[2:]
    for u, v in np.ndindex(filters.shape[2:]):
        padded[:, :, d * u :, e * v :][:, :, : s * rows : s, : t * columns : t] += spread[..., u, v]
    return Gradients(padded[:, :, top : top + h, left : left + w], dW, gradient.sum(axis=(0, 2, 3)))


def _split(windows: np.ndarray, filters: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Return windows (n, g, c, p, q, u, v) and filters (g, f, c, u, v), by groups."""
    groups = geometry.groups
    return (
        windows.reshape(len(windows), groups, -1, *windows.shape[2:]),
        filters.reshape(groups, -1, *filters.shape[1:]),
    )


# --- a fully connected layer with tied entries


@dataclass(frozen=True)
class Ties:
    """Which entries of the fully connected layer's matrix are tied to which number of the filters.

    Entry (`row`, `column`) of the matrix is ``filters.flat[number]``; all others are zero, and stay so.

    Parameters
    ----------
    row, column, number : integer arrays of shape (n_nonzero,)
    shape : tuple of int
        Of the matrix: outputs of one image, inputs of one image.
    n_free : int
        Number of entries of the filters.

    Examples
    --------
    Three filters of size 3 on an 8 x 8 image: 27 numbers instead of 6,912.

    >>> ties = Ties.of((1, 8, 8), (3, 1, 3, 3), Geometry(3))
    >>> ties.n_free, ties.n_nonzero, ties.n_dense
    (27, 972, 6912)
    """

    row: np.ndarray
    column: np.ndarray
    number: np.ndarray
    shape: tuple[int, int]
    n_free: int

    @classmethod
    def of(cls, image_shape: tuple[int, ...], filters_shape: tuple[int, ...], geometry: Geometry) -> Ties:
        """Return the ties for images (channels, rows, columns) and filters of these shapes."""
        inputs = np.arange(1, prod(image_shape) + 1).reshape(1, *image_shape)  # 0 marks the padding
        numbers = np.arange(prod(filters_shape)).reshape(filters_shape)
        columns, grouped = _split(im2col(inputs, geometry), numbers, geometry)
        columns = columns[0, :, np.newaxis]  # (g, 1, c, p, q, u, v)
        grouped = grouped[:, :, :, np.newaxis, np.newaxis]  # (g, f, c, 1, 1, u, v)
        rows, cols = columns.shape[3:5]
        n_outputs = filters_shape[0] * rows * cols
        outputs = np.arange(n_outputs).reshape(geometry.groups, -1, 1, rows, cols, 1, 1)
        row, column, number = (a.ravel() for a in np.broadcast_arrays(outputs, columns, grouped))
        inside = column > 0
        return cls(row[inside], column[inside] - 1, number[inside], (n_outputs, prod(image_shape)), prod(filters_shape))

    @property
    def n_nonzero(self) -> int:
        """Number of multiplications for one image."""
        return len(self.row)

    @property
    def n_dense(self) -> int:
        """Number of entries, all free in a fully connected layer between the same pixels."""
        return self.shape[0] * self.shape[1]

    def matrix(self, filters: np.ndarray) -> sparse.csr_array:
        """Return the layer as a matrix (outputs, inputs), both read in the order (channel, row, column)."""
        return sparse.coo_array((filters.ravel()[self.number], (self.row, self.column)), shape=self.shape).tocsr()

    def untie(self, dense: np.ndarray) -> np.ndarray:
        """Return, for each number of the filters, the sum of a matrix (outputs, inputs) over its entries."""
        return np.bincount(self.number, dense[self.row, self.column], minlength=self.n_free)


def forward_toeplitz(images: np.ndarray, filters: np.ndarray, bias: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return the outputs (n, filters, rows, columns)."""
    shape = _output_shape(images, filters, geometry)
    T = Ties.of(images.shape[1:], filters.shape, geometry).matrix(filters)
    return (images.reshape(len(images), -1) @ T.T).reshape(shape) + bias[:, np.newaxis, np.newaxis]


def backward_toeplitz(images: np.ndarray, filters: np.ndarray, gradient: np.ndarray, geometry: Geometry) -> Gradients:
    """Return the gradients; `gradient` is that of the outputs. The first two lines are any dense layer's."""
    ties = Ties.of(images.shape[1:], filters.shape, geometry)
    dy, x = gradient.reshape(len(images), -1), images.reshape(len(images), -1)
    dx, dense = dy @ ties.matrix(filters), dy.T @ x
    return Gradients(dx.reshape(images.shape), ties.untie(dense).reshape(filters.shape), gradient.sum(axis=(0, 2, 3)))


WAYS: dict[str, tuple[Callable[..., np.ndarray], Callable[..., Gradients]]] = {
    "loops": (forward_loops, backward_loops),
    "im2col": (forward_im2col, backward_im2col),
    "toeplitz": (forward_toeplitz, backward_toeplitz),
}


def _output_shape(images: np.ndarray, filters: np.ndarray, geometry: Geometry) -> tuple[int, ...]:
    return len(images), len(filters), *geometry.output(*images.shape[2:])
