"""A training run kept whole: a copy of the network after every epoch, to be questioned afterwards."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from kernelopt.conv.network import ConvNet, in_batches
from kernelopt.conv.recorder import Recorder
from kernelopt.errors import missing_extra

try:
    import torch
except ImportError as error:
    raise missing_extra("torch", "conv") from error


class Snapshots(Recorder):
    """Recorder that also copies the network after every epoch, for networks that are small.

    Give it to :func:`~kernelopt.conv.training.train` in place of a :class:`~kernelopt.conv.recorder.Recorder`. It
    draws nothing at random and touches no weight, so training computes the same bits with and without it.

    Parameters
    ----------
    network : ConvNet
        The one that is trained.

    Attributes
    ----------
    networks : dict of int to ConvNet
        Copies by epoch, in float64, the start being epoch 0.

    Examples
    --------
    >>> from kernelopt.conv.layers import ConvLayer
    >>> from kernelopt.conv.network import start_network
    >>> from kernelopt.conv.training import Recipe, train
    >>> images = np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype("float32")
    >>> network = start_network([ConvLayer(4, 3)], images, n_classes=2, seed=0)
    >>> kept = Snapshots(network)
    >>> _ = train(network, images, np.arange(20) % 2, Recipe(epochs=3), kept, seed=0)
    >>> sorted(kept.networks), kept.features(0, images).shape
    ([0, 1, 2, 3], (20, 64))
    """

    def __init__(self, network: ConvNet):
        super().__init__()
        self.network = network
        self.networks: dict[int, ConvNet] = {}

    def record(self, epoch: int, *args: Any, **kwargs: Any) -> None:
        """Append one epoch, as a Recorder does, and copy the network."""
        super().record(epoch, *args, **kwargs)
        self.networks[epoch] = copy.deepcopy(self.network).double().requires_grad_(False)

    def features(self, epoch: int, images: np.ndarray) -> np.ndarray:
        """Return the outputs of the last convolutional layer, which the linear head reads, (n, d)."""
        network = self.networks[epoch]
        return in_batches(lambda x: network.maps(x).flatten(1), _doubles(images)).numpy()

    def probabilities(self, epoch: int, images: np.ndarray) -> np.ndarray:
        """Return the softmax of the outputs, (n, n_outputs)."""
        return torch.softmax(in_batches(self.networks[epoch], _doubles(images)), dim=1).numpy()

    def predict(self, epoch: int, images: np.ndarray) -> np.ndarray:
        """Return the index of the largest output for each image, (n,)."""
        return in_batches(self.networks[epoch], _doubles(images)).argmax(dim=1).numpy()


def _doubles(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(images, dtype=np.float64))
