"""A small network trained twice from the same start: once with learned filters, once with frozen ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelopt.evaluation.statistics import crossed_interval

KERNEL_SIDE = 3  # nine products per output: few enough to read one by one
FILTERS = (8, 16)
RATE = 1e-2
BATCH = 64


@dataclass(frozen=True)
class Run:
    """One of the two runs, epoch by epoch, the start being epoch 0.

    Parameters
    ----------
    loss, accuracy, move : list of float
        As in `kernelopt.conv.recorder.Recorder`: on the training images, and the first filters' distance
        from the start.
    deep_move : list of float
        The same distance for the second layer's filters.
    test_accuracy : float
        Of the last epoch's network.
    gradient_norm : float
        Norm of the training loss's gradient at the end over that at the start, over what is trained.
    """

    loss: list[float]
    accuracy: list[float]
    move: list[float]
    deep_move: list[float]
    test_accuracy: float
    gradient_norm: float


@dataclass(frozen=True)
class Training:
    """Both runs, and what came of them.

    Parameters
    ----------
    n_images, n_test, epochs, steps, batch, rate : numbers
        Training and test images, passes, gradient steps, images per step, peak learning rate.
    learned, fixed : Run
    difference : dict
        Test accuracy, learned minus fixed: ``mean``, ``low`` and ``high`` of the 95 % interval for other test images.
    """

    n_images: int
    n_test: int
    epochs: int
    steps: int
    batch: int
    rate: float
    learned: Run
    fixed: Run
    difference: dict[str, float]


@dataclass(frozen=True)
class Filters:
    """The first layer of the learned run, epoch by epoch.

    Parameters
    ----------
    filters : list
        Per epoch and filter the nine entries, row by row.
    bias : list
        Per epoch one number per filter.
    answers : list
        Per epoch and filter what the next layer gets of one image (rectified, pooled), row by row.
    side, answer_side : int
        Rows of a filter and of an answer.
    """

    filters: list[list[list[float]]]
    bias: list[list[float]]
    answers: list[list[list[float]]]
    side: int
    answer_side: int


def train_twice(
    images: np.ndarray,
    labels: np.ndarray,
    test: tuple[np.ndarray, np.ndarray],
    n_classes: int,
    epochs: int,
    seed: int,
) -> tuple[Training, Any]:
    """Train the network with learned and with frozen filters.

    Parameters
    ----------
    images : array of shape (n, 1, h, w)
        Training images, pixels between 0 and 1.
    labels : array of shape (n,)
        Indices of their classes.
    test : pair of arrays
        Images and labels that are only counted at the end.
    n_classes, epochs, seed : int

    Returns
    -------
    Training
    Snapshots
        The learned network after every epoch.
    """
    learned, kept, right = _train(images, labels, test, n_classes, epochs, seed, trainable=True)
    fixed, _, right_fixed = _train(images, labels, test, n_classes, epochs, seed, trainable=False)
    difference = crossed_interval((right.astype(float) - right_fixed)[np.newaxis])
    record = Training(
        n_images=len(images),
        n_test=len(test[1]),
        epochs=epochs,
        steps=epochs * -(-len(images) // BATCH),
        batch=BATCH,
        rate=RATE,
        learned=learned,
        fixed=fixed,
        difference={"mean": difference.mean, "low": difference.low, "high": difference.high},
    )
    return record, kept


def first_layer(kept: Any, image: np.ndarray) -> Filters:
    """Return the first layer of the networks that were kept, and its answers to an image (1, h, w)."""
    from kernelopt.conv.trace import stages

    filters, bias, answers = [], [], []
    for epoch in sorted(kept.networks):
        network = kept.networks[epoch]
        W, _, pooled = stages(network, image)
        filters.append(W.reshape(len(W), -1).tolist())
        bias.append(network.convs[0].bias.tolist())
        answers.append([[float(f"{value:.3g}") for value in answer.ravel()] for answer in pooled])
    return Filters(filters, bias, answers, side=KERNEL_SIDE, answer_side=pooled.shape[-1])


def train_network(
    images: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    epochs: int,
    seed: int,
    *,
    bank: str = "random",
    trainable: bool,
) -> tuple[Any, Any]:
    """Return the snapshots and the outcome of a training run of the page's network, on one thread.

    Parameters
    ----------
    images, labels, n_classes, epochs, seed :
        As in `train_twice`.
    bank : str
        Start of both layers' kernels.
    trainable : bool
        Whether they are learned; the last, linear layer always is.

    Returns
    -------
    Snapshots
    Outcome
    """
    from kernelopt.conv.devices import reproducible
    from kernelopt.conv.layers import ConvLayer
    from kernelopt.conv.network import start_network
    from kernelopt.conv.recipe import Recipe
    from kernelopt.conv.snapshots import Snapshots
    from kernelopt.conv.training import train

    layers = [ConvLayer(n, KERNEL_SIDE, bank=bank, trainable=trainable, padding="valid") for n in FILTERS]
    recipe = Recipe(epochs=epochs, batch_size=BATCH, learning_rate=RATE)
    with reproducible(threads=1):
        network = start_network(layers, images, n_classes, seed)
        kept = Snapshots(network)
        outcome = train(network, images, labels, recipe, kept, seed)
    return kept, outcome


def _train(images, labels, test, n_classes, epochs, seed, *, trainable: bool):
    """Return a run, its snapshots and which test images it gets right."""
    kept, outcome = train_network(images, labels, n_classes, epochs, seed, trainable=trainable)
    right = kept.predict(epochs, test[0]) == test[1]
    second = [kept.networks[epoch].filters[1].numpy() for epoch in range(epochs + 1)]
    deep = [float(np.linalg.norm(W - second[0]) / np.linalg.norm(second[0])) for W in second]
    history = kept.history
    return (
        Run(
            loss=history["loss"],
            accuracy=history["accuracy"],
            move=history["filter_move"],
            deep_move=deep,
            test_accuracy=float(right.mean()),
            gradient_norm=outcome.gradient_norm,
        ),
        kept,
        right,
    )
