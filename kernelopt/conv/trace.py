"""A training run under the microscope: every layer's filters, gradients and outputs, in one file without pickle."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from kernelopt.conv.gabor_fit import nearest_gabor
from kernelopt.conv.network import ConvNet
from kernelopt.conv.recorder import Recorder
from kernelopt.errors import missing_extra

try:
    import torch
    from torch.func import functional_call
    from torch.nn import functional as F
except ImportError as error:
    raise missing_extra("torch", "conv") from error

VERSION = 1  # of the file
MOST_CHANNELS = 4  # of filters compared with Gabor filters: colours, not maps; a wide layer would take a minute


class Trace(Recorder):
    r"""Recorder that also looks into every layer, with images of its own.

    Give it to :func:`~kernelopt.conv.training.train` in place of a :class:`~kernelopt.conv.recorder.Recorder`.
    After each chosen epoch it evaluates the network on the probe images. It works on copies of the weights and
    draws nothing at random, so that training computes the same bits with and without it.

    `arrays` then holds, for T epochs and L layers (numbered i = 0, ..., L - 1):

    - epoch (T,); loss (T,), the mean loss on the probe images, without penalties;
    - filters_i (T, F, c, k, k), and gradients_i of the same shape, the gradient of that loss, which frozen
      layers have too: it says where they would go;
    - activations_i (T, F, h, w), outputs of the layer before pooling, for the first probe image;
    - gradient_norm (T, L), the norm of gradients_i; movement (T, L), :math:`\|W - W_0\|_F / \|W_0\|_F`, where
      :math:`W_0` are the filters when the trace was made; the norm itself if they are zero;
    - dead (T, L), the number of filters whose output is zero at every pixel of every probe image;
    - gabor_i (T, F), R² of the nearest Gabor filter, only of layers whose filters are square, of size at least 3,
      and have at most 4 channels, which the first layer's have on grey and colour images, see
      :func:`~kernelopt.conv.gabor_fit.nearest_gabor`;
    - history_NAME, what the Recorder keeps, of every epoch.

    Training that goes on from a checkpoint is looked at from there on, and at its end if none of the chosen epochs
    is left.

    Parameters
    ----------
    network : ConvNet
        The one that is trained, at its start.
    images : array of shape (n, c, h, w)
        Probe images as the network sees them: some of the training images, never of the test images.
    labels : array of shape (n,)
        Targets of `loss`.
    epochs : collection of int, optional
        Those to look at, as from :func:`~kernelopt.conv.recorder.thinned`; by default all.
    loss : callable
        Mean loss of outputs (n, n_outputs) and labels (n,).

    Raises
    ------
    ValueError
        If there is no image, or not one label per image.

    Examples
    --------
    >>> from kernelopt.conv.layers import ConvLayer
    >>> from kernelopt.conv.network import start_network
    >>> from kernelopt.conv.training import Recipe, train
    >>> images = np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype("float32")
    >>> labels = np.arange(20) % 2
    >>> network = start_network([ConvLayer(4, 3)], images, n_classes=2, seed=0)
    >>> trace = Trace(network, images[:10], labels[:10])
    >>> _ = train(network, images, labels, Recipe(epochs=3), trace, seed=0)
    >>> trace.arrays()["filters_0"].shape
    (4, 4, 1, 3, 3)
    """

    def __init__(
        self,
        network: ConvNet,
        images: np.ndarray,
        labels: np.ndarray,
        epochs: Collection[int] | None = None,
        loss: Callable = F.cross_entropy,
    ):
        super().__init__()
        if len(images) == 0 or len(labels) != len(images):
            raise ValueError(
                f"images has {len(images)} and labels has {len(labels)} entries, but expected one label per image, "
                "and at least one."
            )
        self.network, self.loss, self.epochs = network, loss, epochs
        self._images, self._labels = torch.from_numpy(np.array(images)), as_targets(labels)
        self._start = [_array(W).astype(np.float64) for W in network.filters]
        self._looks: list[dict[str, np.ndarray]] = []

    def record(self, epoch: int, *args: Any, **kwargs: Any) -> None:
        """Append one epoch, as a Recorder does, and look into the network if it is one of those chosen."""
        super().record(epoch, *args, **kwargs)
        if self.epochs is None or epoch in self.epochs:
            self._look(epoch)

    def finish(self, epoch: int) -> None:
        """Look into the network, which is that after `epoch`, if no look was taken at any epoch before.

        So it is where training went on from a checkpoint behind the last of the chosen epochs.
        """
        if not self._looks:
            self._look(epoch)

    def _look(self, epoch: int) -> None:
        self._looks.append({"epoch": np.array(epoch)} | look(self.network, self._images, self._labels, self.loss))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what was recorded, by name.

        Raises
        ------
        ValueError
            If nothing was recorded yet.
        """
        if not self._looks:
            raise ValueError("nothing is recorded yet: pass the trace to train, and epochs that it reaches.")
        found = {name: np.stack([seen[name] for seen in self._looks]) for name in self._looks[0]}
        layers = range(len(self.network.layers))
        found["movement"] = np.stack([_movement(found[f"filters_{i}"], self._start[i]) for i in layers], axis=1)
        for i in layers:
            filters = found[f"filters_{i}"]
            if filters.shape[3] == filters.shape[4] >= 3 and filters.shape[2] <= MOST_CHANNELS:
                found[f"gabor_{i}"] = np.stack([nearest_gabor(W).r2 for W in filters])
        for name, values in self.history.items():
            found[f"history_{name}"] = np.array(values, dtype=np.float64)
        return found

    def save(self, path: str | Path) -> None:
        """Write the arrays into one compressed ``.npz`` file, which :func:`read_trace` reads."""
        with open(path, "wb") as file:  # a name would be given the ending .npz if it has another
            np.savez_compressed(file, allow_pickle=False, version=np.array(VERSION), **self.arrays())


def read_trace(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file that :meth:`Trace.save` wrote; nothing in it is run.

    Raises
    ------
    ValueError
        If the file is no such trace, or one of another version.
    """
    with np.load(path, allow_pickle=False) as file:
        found = {name: file[name] for name in file.files} if hasattr(file, "files") else {}
    version = found.pop("version", None)
    if version is None or version != VERSION:
        raise ValueError(f"{path} has version {version}, but expected a trace of version {VERSION}, from Trace.save.")
    return found


def as_targets(labels: np.ndarray) -> torch.Tensor:
    """Return labels as torch's losses want them: integers of 64 bits, numbers of 32.

    Examples
    --------
    >>> as_targets(np.array([3, 1], dtype=np.uint8)), as_targets(np.array([[0.5]]))
    (tensor([3, 1]), tensor([[0.5000]]))
    """
    labels = np.array(labels)
    return torch.from_numpy(labels.astype(np.int64 if labels.dtype.kind in "iub" else np.float32))


def look(
    network: ConvNet, images: torch.Tensor, labels: torch.Tensor, loss: Callable = F.cross_entropy
) -> dict[str, np.ndarray]:
    """Return one epoch's arrays, as in :class:`Trace`, without touching the network."""
    place = network.filters[0]
    x, y = images.to(place), labels.to(place.device)
    copies = {name: value.detach().clone().requires_grad_() for name, value in network.named_parameters()}
    with torch.enable_grad():
        value = loss(functional_call(network, copies, (x,)), y)
    names = [f"convs.{i}.weight" for i in range(len(network.layers))]
    gradients = torch.autograd.grad(value, [copies[name] for name in names])
    found = {"loss": _array(value), "gradient_norm": np.array([float(gradient.norm()) for gradient in gradients])}
    dead = []
    with torch.no_grad():
        for i, (name, gradient) in enumerate(zip(names, gradients, strict=True)):
            outputs = network.convs[i](x)
            dead.append(int((outputs == 0).all(dim=3).all(dim=2).all(dim=0).sum()))
            found |= {
                f"filters_{i}": _array(copies[name]),
                f"gradients_{i}": _array(gradient),
                f"activations_{i}": _array(outputs[0]),
            }
            x = network.maps(x, i, i + 1)
    return found | {"dead": np.array(dead)}


def stages(network: ConvNet, image: np.ndarray, layer: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a layer's filters (F, c, k, k) and, of one image (c, h, w), their activations and pooled maps (F, h, w).

    Raises
    ------
    ValueError
        If there is no such layer.
    """
    if layer not in range(len(network.layers)):
        raise ValueError(f"layer={layer!r}, but expected one of 0, ..., {len(network.layers) - 1}.")
    with torch.no_grad():
        x = network.maps(torch.from_numpy(np.array(image)[np.newaxis]).to(network.filters[0]), stop=layer)
        activations, pooled = network.convs[layer](x), network.maps(x, layer, layer + 1)
    return _array(network.filters[layer]), _array(activations[0]), _array(pooled[0])


def _movement(filters: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return how far each epoch's filters are from their start, in units of the norm of the latter."""
    norm = np.linalg.norm(start)
    return np.linalg.norm((filters - start).reshape(len(filters), -1), axis=1) / (norm if norm > 0 else 1.0)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return np.array(tensor.detach().cpu().numpy(), order="C")
