"""Where the two meanings meet: the kernel that a network's learned filters make, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelopt.conv.recorder import thinned
from kernelopt.convex.criteria.alignment import centered_alignment
from kernelopt.evaluation.explained.weights import triangle

FRAMES = 9


@dataclass(frozen=True)
class Meeting:
    r"""Gram matrices of a network's features on images it was not trained on.

    Parameters
    ----------
    epochs : list of int
        Those that are kept.
    grams : list
        Per epoch the cosines :math:`\varphi(x)^\top \varphi(z) / (\|\varphi(x)\| \|\varphi(z)\|)` of the last
        convolutional layer's outputs: the upper triangle with its diagonal, row by row.
    alignment : list of float
        Per epoch the centred alignment with the labels.
    """

    epochs: list[int]
    grams: list[list[float]]
    alignment: list[float]


def feature_kernels(kept: Any, images: np.ndarray, labels: np.ndarray) -> Meeting:
    """Return the Gram matrices of the networks that were kept, on images (n, 1, h, w) sorted by label."""
    same = np.equal.outer(labels, labels).astype(float)
    epochs = thinned(max(kept.networks), FRAMES)
    grams = []
    for epoch in epochs:
        phi = kept.features(epoch, images)
        norms = np.linalg.norm(phi, axis=1)
        grams.append(phi @ phi.T / np.outer(norms, norms))
    return Meeting(
        epochs=epochs,
        grams=[triangle(K) for K in grams],
        alignment=[centered_alignment(K, same) for K in grams],
    )
