"""The first layer under the microscope: one image's gradient place by place, and a crop as a matrix with ties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

CROP = 6  # pixels on a side: a matrix of 16 rows and 36 columns, which fits a screen


@dataclass(frozen=True)
class Backward:
    """What one training image says about the first layer's filters.

    Parameters
    ----------
    epoch : int
        After which the network was stopped. Not the start, whose head is zero and lets no gradient back.
    loss, probability : float
        Of the image: cross entropy, and the probability given to its class.
    filters, bias : list
        The layer's parameters then: per filter nine entries, and one number.
    places : list
        Per filter ``[row, column, gradient]`` wherever the gradient for the output is not zero.
    autograd : list
        Per filter the nine entries of the gradient, from torch's automatic differentiation of the whole network.
    bias_autograd : list
        Per filter that of the bias.
    side : int
        Rows and columns of the output.
    """

    epoch: int
    loss: float
    probability: float
    filters: list[list[float]]
    bias: list[float]
    places: list[list[list[float]]]
    autograd: list[list[float]]
    bias_autograd: list[float]
    side: int


@dataclass(frozen=True)
class Matrix:
    """The layer as a fully connected one: counts, and the crop of the image whose matrix is drawn.

    Parameters
    ----------
    filter, top, left, side : int
        Which filter, and where the crop is: the one whose outputs have the most nonzero gradients, of these the one
        with the largest spread of pixels.
    n_dense, n_nonzero, n_free : int
        Of the whole layer: entries of the matrix, of these not always zero, of these different.
    """

    filter: int
    top: int
    left: int
    side: int
    n_dense: int
    n_nonzero: int
    n_free: int


def look_back(network: Any, epoch: int, image: np.ndarray, label: int) -> Backward:
    """Return the gradient of one image (1, h, w) for the first layer of a network."""
    from kernelopt.conv.one_image import backpropagate

    back = backpropagate(network, image, label)
    W = network.filters[0].detach().numpy()
    places = []
    for gradient in back.output_gradient:
        rows, columns = np.nonzero(gradient)
        places.append([[int(i), int(j), float(gradient[i, j])] for i, j in zip(rows, columns, strict=True)])
    return Backward(
        epoch=epoch,
        loss=back.loss,
        probability=float(back.probabilities[label]),
        filters=W.reshape(len(W), -1).tolist(),
        bias=network.convs[0].bias.tolist(),
        places=places,
        autograd=back.filter_gradient.reshape(len(W), -1).tolist(),
        bias_autograd=back.bias_gradient.tolist(),
        side=back.outputs.shape[-1],
    )


def as_matrix(backward: Backward, image: np.ndarray) -> Matrix:
    """Return the counts of the layer and the crop to draw, for the image (1, h, w) of a gradient."""
    from kernelopt.conv.geometry import Geometry
    from kernelopt.conv.reference import Ties

    n_filters, n_entries = len(backward.filters), len(backward.filters[0])
    k = round(n_entries**0.5)
    ties = Ties.of(image.shape, (n_filters, 1, k, k), Geometry(k))
    span = CROP - k + 1
    best, found = None, (0, 0, 0)
    for f, places in enumerate(backward.places):
        active = np.zeros((backward.side, backward.side))
        for i, j, _ in places:
            active[int(i), int(j)] = 1
        for top in range(backward.side - span + 1):
            for left in range(backward.side - span + 1):
                spread = image[0, top : top + CROP, left : left + CROP].std()
                score = (active[top : top + span, left : left + span].sum(), spread)
                if best is None or score > best:
                    best, found = score, (f, top, left)
    return Matrix(*found, side=CROP, n_dense=ties.n_dense, n_nonzero=ties.n_nonzero, n_free=ties.n_free)
