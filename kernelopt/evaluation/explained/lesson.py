"""The whole record of ``kernelopt explain``: what is run, on which images, and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kernelopt.evaluation.explained.layer import Backward, Matrix, as_matrix, look_back
from kernelopt.evaluation.explained.meeting import Meeting, feature_kernels
from kernelopt.evaluation.explained.training import Filters, Training, first_layer, train_twice
from kernelopt.evaluation.explained.weights import KernelRun, learn_weights
from kernelopt.evaluation.provenance import provenance
from kernelopt.evaluation.splits import nested_order

VERSION = 1


@dataclass(frozen=True)
class Plan:
    """How much is run.

    Parameters
    ----------
    n_network, n_machine : int
        Training images of the network, and of the kernel machine, which takes the first of them.
    epochs : int
        Passes of the network over its images.
    per_class : int
        Images of each class whose Gram matrices are shown; neither learner is trained on them.
    """

    n_network: int = 2000
    n_machine: int = 300
    epochs: int = 12
    per_class: int = 5


QUICK = Plan(n_network=300, n_machine=60, epochs=3, per_class=3)


@dataclass(frozen=True)
class Lesson:
    """Everything the page shows, as plain values.

    Parameters
    ----------
    dataset, classes, seed, side :
        Name of the data set, names of its classes, seed of all draws, rows (and columns) of an image.
    image, label, position :
        Pixels (two hexadecimal digits each, row by row) and class of the exhibited training image, and its place in
        the data set. It is the one of the last class whose probability after the first epoch is closest to one half:
        there is something to learn from it.
    shown, shown_labels :
        Pixels and classes of the images of the Gram matrices, sorted by class.
    training, filters, backward, matrix, weights, meeting :
        What was run; see the modules beside this one.
    """

    dataset: str
    classes: list[str]
    seed: int
    side: int
    image: str
    label: int
    position: int
    shown: list[str]
    shown_labels: list[int]
    training: Training
    filters: Filters
    backward: Backward
    matrix: Matrix
    weights: KernelRun
    meeting: Meeting
    provenance: dict[str, str]
    version: int = VERSION

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values, ready for JSON."""
        return asdict(self)


def make_lesson(
    data: str = "fashion-mnist-small",
    seed: int = 0,
    plan: Plan | None = None,
    data_home: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Lesson:
    """Train a network, its frozen twin and a learned kernel, and keep what there is to see.

    Parameters
    ----------
    data : str
        A data set of square grey images with an official test part.
    seed : int
        Of the choice of images, the filters' start and the order of training.
    plan : Plan, optional
        How much is run; about fifteen seconds on one processor, unless given.
    data_home : path, optional
        Folder with data sets that are not packaged.
    progress : callable, optional
        Gets one line per part.

    Returns
    -------
    Lesson
        The same arguments give the same record on the same machine.

    Raises
    ------
    ValueError
        If the data are no such images, or too few for the plan.
    """
    from kernelopt.datasets import load

    plan = Plan() if plan is None else plan
    say = progress or (lambda line: None)
    dataset = load(data, data_home=data_home)
    _check(dataset, data, plan)
    classes, y = np.unique(dataset.y, return_inverse=True)
    names, pixels, side = list(dataset.class_names or ()), dataset.X, dataset.X.shape[1]
    test = _scaled(np.asarray(dataset.X_test)), np.searchsorted(classes, np.asarray(dataset.y_test))
    order = nested_order(y, seed)
    chosen, rest = order[: plan.n_network], order[plan.n_network :]
    held = np.concatenate([rest[y[rest] == label][: plan.per_class] for label in range(len(classes))])
    images = _scaled(pixels)

    say(f"training the network twice on {plan.n_network} images, {plan.epochs} epochs each")
    training, kept = train_twice(images[chosen], y[chosen], test, len(classes), plan.epochs, seed)
    last = chosen[y[chosen] == len(classes) - 1]
    position = int(last[np.argmin(np.abs(kept.probabilities(1, images[last])[:, -1] - 0.5))])
    image = pixels[position][np.newaxis] / 255
    backward = look_back(kept.networks[1], 1, image, int(y[position]))
    say(f"learning the weights of twelve kernels on {plan.n_machine} images, stopping after every step")
    few = chosen[: plan.n_machine]
    shown, counted = (_flat(pixels[held]), y[held]), (_flat(np.asarray(dataset.X_test)), test[1])
    weights, _ = learn_weights(_flat(pixels[few]), y[few], shown, counted, side)
    say("comparing the kernels that the network's features make")
    return Lesson(
        dataset=data,
        classes=[names[c] for c in classes],
        seed=seed,
        side=side,
        image=pixels[position].tobytes().hex(),
        label=int(y[position]),
        position=position,
        shown=[pixels[i].tobytes().hex() for i in held],
        shown_labels=y[held].tolist(),
        training=training,
        filters=first_layer(kept, image),
        backward=backward,
        matrix=as_matrix(backward, image),
        weights=weights,
        meeting=feature_kernels(kept, images[held], y[held]),
        provenance=dict(provenance()),
    )


def _scaled(images: np.ndarray) -> np.ndarray:
    """Return images (n, h, h) of bytes as (n, 1, h, h), between 0 and 1."""
    return (images / 255).astype(np.float32)[:, np.newaxis]


def _flat(images: np.ndarray) -> np.ndarray:
    """Return images (n, h, h) of bytes as rows, between 0 and 1."""
    return images.reshape(len(images), -1) / 255


def _check(dataset: Any, name: str, plan: Plan) -> None:
    shape = dataset.X.shape
    square = len(shape) == 3 and shape[1] == shape[2]
    if dataset.X_test is None or not dataset.class_names or not square or dataset.X.dtype != np.uint8:
        raise ValueError(
            f"data={name!r} holds an array of shape {shape} and type {dataset.X.dtype}, but the exhibits need "
            f"square grey images in classes, (n, h, h) in bytes, with a test part. Take fashion-mnist-small or "
            f"mnist-small."
        )
    needed = plan.n_network + plan.per_class * len(np.unique(dataset.y))
    if shape[0] < needed:
        raise ValueError(f"data={name!r} has {shape[0]} training images, but the lesson needs at least {needed}.")
