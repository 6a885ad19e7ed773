"""Backpropagation: one loop that moves whatever is trainable in a network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import cast

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_scalar

from kernelopt.conv.network import ConvNet, in_batches
from kernelopt.conv.recorder import Recorder
from kernelopt.errors import missing_extra

try:
    import torch
    from torch.nn import functional as F
except ImportError as error:
    raise missing_extra("torch", "conv") from error


CHANNELS_LAST = torch.channels_last  # the layout in which the CPU convolves fastest: ten times for one channel


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: AdamW on the cross entropy, with a one-cycle learning rate.

    Parameters
    ----------
    epochs : int
        Passes over the training images.
    batch_size : int
        Images per step, at most; an epoch's batches are equal in size up to one.
    learning_rate : float
        Peak of the schedule, see :func:`one_cycle`.
    weight_decay : float
        Each step first shrinks weights by this times the learning rate.
    label_smoothing : float
        Share of the target spread evenly over all classes, in [0, 1).
    reuse_frozen : bool
        Compute the outputs of the layers before the first trainable one once, not in every epoch. The
        results are the same up to rounding; False is there to show it.

    Raises
    ------
    TypeError, ValueError
        If a number has another type or lies outside its range.

    References
    ----------
    I. Loshchilov, F. Hutter: Decoupled weight decay regularization. ICLR 2019.

    Examples
    --------
    >>> Recipe(epochs=10).batch_size
    64
    """

    epochs: int
    batch_size: int = 64
    learning_rate: float = 1e-2
    weight_decay: float = 0.1
    label_smoothing: float = 0.0
    reuse_frozen: bool = True

    def __post_init__(self):
        check_scalar(self.epochs, "epochs", Integral, min_val=1)
        check_scalar(self.batch_size, "batch_size", Integral, min_val=1)
        check_scalar(self.learning_rate, "learning_rate", Real, min_val=0, include_boundaries="neither")
        check_scalar(self.weight_decay, "weight_decay", Real, min_val=0)
        check_scalar(self.label_smoothing, "label_smoothing", Real, min_val=0, max_val=1, include_boundaries="left")


@dataclass(frozen=True)
class Outcome:
    """How a training run ended.

    `gradient_norm` is that of the full training loss over all trainable parameters at the end, divided
    by its value at the start: how far the run is from a stationary point. It is no bound on the
    distance to the best loss; for a network with hidden layers none is known.
    """

    n_epochs: int
    gradient_norm: float


def train(
    network: ConvNet,
    images: np.ndarray,
    labels: np.ndarray,
    recipe: Recipe,
    recorder: Recorder,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable = iter,
) -> Outcome:
    """Move the trainable parameters of `network`, in place, towards a smaller loss on the images.

    An interrupt from the keyboard ends the training early, with a ConvergenceWarning; the network keeps
    what it has learned.

    Parameters
    ----------
    network : ConvNet
    images : array of shape (n, c, h, w)
    labels : integer array of shape (n,)
        In 0, ..., n_classes - 1.
    recipe : Recipe
    recorder : Recorder
    seed : int
        Of the order of the images, and of nothing else.
    device : torch.device or str
        The network and all images are moved there; the network stays there.
    progress : callable
        Wraps the iterable of epochs, to show a progress bar.

    Returns
    -------
    Outcome

    Raises
    ------
    FloatingPointError
        If the loss is no longer finite.
    """
    network.to(device)
    targets = torch.from_numpy(labels).to(device)
    first = network.n_frozen if recipe.reuse_frozen else 0
    x = torch.from_numpy(images).to(device, memory_format=CHANNELS_LAST)
    inputs = in_batches(lambda batch: network.maps(batch, stop=first), x) if first else x
    n_batches = math.ceil(len(inputs) / recipe.batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1.0, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: recipe.learning_rate * one_cycle((step + 0.5) / (recipe.epochs * n_batches))
    )

    def step() -> None:
        optimizer.step()
        network.project()
        schedule.step()

    def sweep(order: torch.Tensor, after_batch: Callable[[], None]) -> tuple[float, float, float]:
        batches = order.to(device).tensor_split(n_batches)
        return _sweep(network, inputs, targets, batches, recipe, first, after_batch)

    everything = torch.arange(len(inputs))
    shuffle = torch.Generator().manual_seed(seed)
    start = sweep(everything, after_batch=_nothing)
    recorder.record(0, *start, first_filters(network))
    epoch = 0
    try:
        for epoch in progress(range(1, recipe.epochs + 1)):
            numbers = sweep(torch.randperm(len(inputs), generator=shuffle), after_batch=step)
            _check_finite(numbers[0], recipe)
            recorder.record(epoch, *numbers, first_filters(network))
    except KeyboardInterrupt:
        message = f"training was interrupted in epoch {epoch} of {recipe.epochs}; the network is as it was then"
        warnings.warn(message, ConvergenceWarning, stacklevel=2)
    end = sweep(everything, after_batch=_nothing)
    _check_finite(end[0], recipe)
    network.zero_grad()
    return Outcome(recorder.history["epoch"][-1], gradient_norm=end[2] / start[2] if start[2] > 0 else 0.0)


def _sweep(
    network: ConvNet,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    batches: Sequence[torch.Tensor],
    recipe: Recipe,
    first: int,
    after_batch: Callable[[], None],
) -> tuple[float, float, float]:
    """Visit the batches; return the mean loss, the accuracy and the norm of the mean gradient."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    gradients = [torch.zeros_like(parameter) for parameter in parameters]
    loss_sum = torch.zeros((), device=labels.device)
    hits = torch.zeros((), device=labels.device)
    for batch in batches:
        costs: list[torch.Tensor] = []
        logits = network(inputs[batch], first, costs)
        loss = F.cross_entropy(logits, labels[batch], label_smoothing=recipe.label_smoothing)
        loss = loss + sum(costs) + network.penalty()
        network.zero_grad()
        loss.backward()
        for gradient, parameter in zip(gradients, parameters, strict=True):
            gradient.add_(cast(torch.Tensor, parameter.grad), alpha=len(batch) / len(labels))
        loss_sum += loss.detach() * len(batch)
        hits += (logits.detach().argmax(dim=1) == labels[batch]).sum()
        after_batch()
    norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    return float(loss_sum) / len(labels), float(hits) / len(labels), float(norm)


def _check_finite(loss: float, recipe: Recipe) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the training loss became {loss} with learning_rate={recipe.learning_rate}. Use a smaller learning_rate."
        )


def _nothing() -> None:
    """Leave the network alone: a sweep without steps measures the full gradient."""


def one_cycle(progress: float, warm_up: float = 0.2) -> float:
    """Return the share of the peak learning rate: up a line, then down half a cosine to zero.

    Examples
    --------
    >>> [round(one_cycle(t), 2) for t in (0.1, 0.2, 0.6, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm_up) / (1 - warm_up))))


def auto_epochs(n_images: int, batch_size: int, least_steps: int = 300, least_epochs: int = 10) -> int:
    """Return enough epochs for `least_steps` gradient steps, and never fewer than `least_epochs`.

    Examples
    --------
    >>> auto_epochs(200, 64), auto_epochs(2000, 64), auto_epochs(60000, 64)
    (75, 10, 10)
    """
    return max(least_epochs, math.ceil(least_steps / math.ceil(n_images / batch_size)))


def first_filters(network: ConvNet) -> np.ndarray:
    """Return a copy of the first layer's filters, (F, c, k, k)."""
    return network.filters[0].detach().cpu().numpy().copy()
