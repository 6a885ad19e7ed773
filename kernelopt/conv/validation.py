"""A validation part of the training set: its loss after every epoch, and when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kernelopt.conv.network import ConvNet, in_batches
from kernelopt.conv.objectives import Objective
from kernelopt.errors import missing_extra

try:
    import torch
except ImportError as error:
    raise missing_extra("torch", "conv") from error


@dataclass(frozen=True, eq=False)
class Samples:
    """Images (n, c, h, w), targets (n,) or (n, n_outputs), and weights (n,) of mean one, or None for all one."""

    images: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None = None

    def on(self, device: torch.device | str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return the three as tensors on a device, images channels last: there the CPU convolves fastest."""
        images = torch.from_numpy(self.images).to(device, memory_format=torch.channels_last)
        weights = None if self.weights is None else torch.from_numpy(self.weights.astype(np.float32)).to(device)
        return images, torch.from_numpy(self.targets).to(device), weights


class Watch:
    """Looks at validation samples after each epoch, and remembers the best network.

    Parameters
    ----------
    samples : Samples
    objective : Objective
    patience : int or None
        Stop after so many epochs without a new best loss; None never to stop, nor to go back.
    device : torch.device or str

    Attributes
    ----------
    history : dict of lists
        validation_loss and validation_score, of epoch 0 and every later one.
    best_epoch : int
    """

    def __init__(self, samples: Samples, objective: Objective, patience: int | None, device: torch.device | str):
        self.images, self.targets, self.weights = samples.on(device)
        self.objective, self.patience = objective, patience
        self.history: dict[str, list[float]] = {"validation_loss": [], "validation_score": []}
        self.best: dict[str, torch.Tensor] = {}

    @property
    def best_epoch(self) -> int:
        """The epoch of the smallest loss, the first if there are several."""
        return int(np.argmin(np.nan_to_num(self.history["validation_loss"], nan=math.inf)))

    @property
    def over(self) -> bool:
        """Whether to stop."""
        epoch = len(self.history["validation_loss"]) - 1
        return self.patience is not None and epoch - self.best_epoch >= self.patience

    def look(self, network: ConvNet) -> None:
        """Evaluate the network as it is after an epoch."""
        outputs = in_batches(network, self.images)
        self.history["validation_loss"].append(float(self.objective.loss(outputs, self.targets, self.weights)))
        score = self.objective.score(outputs, self.targets, self.weights)
        self.history["validation_score"].append(float(score) / len(outputs))
        if self.patience is not None and self.best_epoch == len(self.history["validation_loss"]) - 1:
            self.best = {name: value.detach().clone() for name, value in network.state_dict().items()}

    def go_back(self, network: ConvNet) -> None:
        """Give the network the weights of the best epoch, if there is a patience."""
        if self.best:
            network.load_state_dict(self.best)
