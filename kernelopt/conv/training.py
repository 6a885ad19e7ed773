"""Backpropagation: one loop that moves whatever is trainable in a network."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from kernelopt.conv.checkpoints import Checkpoint
from kernelopt.conv.network import ConvNet
from kernelopt.conv.optimizers import set_state, state_tensors
from kernelopt.conv.recipe import Recipe
from kernelopt.conv.recorder import Recorder, keep_network
from kernelopt.conv.run import Numbers, Run
from kernelopt.conv.validation import Samples, Watch
from kernelopt.errors import missing_extra

try:
    import torch
except ImportError as error:
    raise missing_extra("torch", "conv") from error


@dataclass(frozen=True)
class Outcome:
    """How a training run ended.

    `gradient_norm` is that of the full training loss over all trainable parameters at the end, divided
    by its value at the start: how far the run is from a stationary point. It is no bound on the
    distance to the best loss; for a network with hidden layers none is known. Both are measured on a
    random part of the samples where there are more than ``kernelopt.conv.run.MEASURED``.

    `validation` holds the curves of a :class:`~kernelopt.conv.validation.Watch`, if there was one;
    `best_epoch` is the epoch whose weights the network has.
    """

    n_epochs: int
    gradient_norm: float
    best_epoch: int = 0
    validation: dict[str, list[float]] = field(default_factory=dict)


def train(
    network: ConvNet,
    images: np.ndarray,
    labels: np.ndarray,
    recipe: Recipe,
    recorder: Recorder,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable = iter,
    *,
    weights: np.ndarray | None = None,
    validation: Samples | None = None,
    checkpoint: Checkpoint | None = None,
) -> Outcome:
    """Move the trainable parameters of `network`, in place, towards a smaller loss on the images.

    An interrupt from the keyboard ends the training early, with a ConvergenceWarning; the network keeps
    what it has learned.

    Parameters
    ----------
    network : ConvNet
    images : array of shape (n, c, h, w)
    labels : array
        Integers (n,) in 0, ..., n_classes - 1 for the cross entropy, numbers (n, n_outputs) for the squared error.
    recipe : Recipe
    recorder : Recorder
    seed : int
        Of the order of the images and of their augmentation, which have a generator each.
    device : torch.device or str
        The network and all images are moved there; the network stays there.
    progress : callable
        Wraps the iterable of epochs, to show a progress bar.
    weights : array of shape (n,), optional
        Of the samples, with mean one.
    validation : Samples, optional
        Evaluated after every epoch; they choose the epoch if the recipe has a patience.
    checkpoint : Checkpoint, optional
        Written after every epoch. If the file exists, training goes on from it, to the same bits as without a break.

    Returns
    -------
    Outcome

    Raises
    ------
    FloatingPointError
        If the loss is no longer finite.
    """
    run = Run(network, Samples(images, labels, weights), recipe, seed, device)
    watch = None if validation is None else Watch(validation, run.objective, recipe.patience, device)
    saved = None if checkpoint is None else checkpoint.load()
    if saved is None:
        start = run.measure()
        recorder.record(0, *start, first_filters(network))
        keep_network(0, network)
        if watch is not None:
            watch.look(network)
    else:
        start = _restore(*saved, run, recorder, watch)
    begun = epoch = recorder.history["epoch"][-1]
    try:
        for epoch in progress(range(begun + 1, recipe.epochs + 1)):
            if watch is not None and watch.over:
                break
            numbers = run.epoch(epoch)
            check_finite(numbers[0], recipe)
            recorder.record(epoch, *numbers, first_filters(network))
            keep_network(epoch, network)
            if watch is not None:
                watch.look(network)
            if checkpoint is not None and run.team.rank == 0:
                checkpoint.save(*_state(run, recorder, watch, start))
    except KeyboardInterrupt:
        message = f"training was interrupted in epoch {epoch} of {recipe.epochs}; the network is as it was then"
        warnings.warn(message, ConvergenceWarning, stacklevel=2)
    if watch is not None:
        watch.go_back(network)
    end = run.measure()
    check_finite(end[0], recipe)
    network.zero_grad()
    n_epochs = recorder.history["epoch"][-1]
    return Outcome(
        n_epochs,
        gradient_norm=end[2] / start[2] if start[2] > 0 else 0.0,
        best_epoch=n_epochs if watch is None or recipe.patience is None else watch.best_epoch,
        validation={} if watch is None else watch.history,
    )


def _state(run: Run, recorder: Recorder, watch: Watch | None, start: Numbers) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return all that the rest of a run depends on, as tensors and as facts for JSON."""
    tensors = {f"network.{name}": value for name, value in run.network.state_dict().items()}
    tensors |= {f"optimizer.{name}": value for name, value in state_tensors(run.optimizers).items()}
    tensors |= {"shuffle": run.shuffle.get_state(), "variation": run.variation.get_state()}
    tensors |= {"filters": torch.from_numpy(np.stack(recorder.filters))}
    facts: dict[str, Any] = {"start": start, "history": recorder.history}
    if watch is not None:
        tensors |= {f"best.{name}": value for name, value in watch.best.items()}
        facts["validation"] = watch.history
    return tensors, facts


def _restore(
    tensors: Mapping[str, torch.Tensor], facts: dict[str, Any], run: Run, recorder: Recorder, watch: Watch | None
) -> Numbers:
    """Put a run back into a state, and return the numbers of its start."""

    def part(prefix: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    run.network.load_state_dict(part("network."))
    set_state(run.optimizers, part("optimizer."))
    run.shuffle.set_state(tensors["shuffle"])
    run.variation.set_state(tensors["variation"])
    recorder.history, recorder.filters = facts["history"], list(tensors["filters"].numpy())
    if watch is not None:
        watch.history = facts["validation"]
        watch.best = {name: value.to(run.device) for name, value in part("best.").items()}
    return tuple(facts["start"])


def check_finite(loss: float, recipe: Recipe) -> None:
    """Raise if training has diverged."""
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the training loss became {loss} with learning_rate={recipe.learning_rate}. Use a smaller learning_rate."
        )


def first_filters(network: ConvNet) -> np.ndarray:
    """Return a copy of the first layer's filters, (F, c, k, k)."""
    return network.filters[0].detach().cpu().numpy().copy()


def as_tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Return arrays as tensors, by the same names."""
    return {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}


def thawed(network: ConvNet) -> ConvNet:
    """Return a copy of a trained network in float32, ready to be trained further."""
    network = copy.deepcopy(network).float()
    network.convs.to(memory_format=torch.channels_last)
    for conv, layer in zip(network.convs, network.layers, strict=True):
        conv.requires_grad_(bool(layer.trainable))
    network.head.requires_grad_(True)
    return network
