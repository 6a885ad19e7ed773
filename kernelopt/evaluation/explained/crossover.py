"""From how many images on do learned kernels pay? The page's own network, learned and frozen, at several sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from kernelopt.datasets import Dataset
from kernelopt.evaluation.explained.training import BATCH, train_network
from kernelopt.evaluation.provenance import provenance
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.splits import nested_order

VERSIONS = {"learned": ("random", True), "random": ("random", False), "gabor": ("gabor", False)}
SIZES = (100, 500, 2000, 4500)
SEEDS = 5
PASSES, STEPS = 12, 300  # at least so many, of each


def epochs_for(n: int) -> int:
    """Return the passes over n images: at least 12, and at least 300 steps.

    >>> epochs_for(100), epochs_for(2000)
    (150, 12)
    """
    return max(PASSES, math.ceil(STEPS / math.ceil(n / BATCH)))


def run_cell(dataset: Dataset, version: str, size: int, seed: int) -> Record:
    """Train one version of the network on one training set, and test it once.

    Parameters
    ----------
    dataset : Dataset
        Square grey images in classes, with a test part.
    version : str
        A name in ``VERSIONS``: the start of both layers' kernels, and whether they are learned.
    size, seed : int
        Training images, the same for all versions of a seed; seed of the images, the start and the order.

    Returns
    -------
    Record
        With accuracy and, image by image, what was right.
    """
    bank, trainable = VERSIONS[version]
    chosen = nested_order(dataset.y, seed)[:size]
    images = (dataset.X[chosen] / 255).astype(np.float32)[:, np.newaxis]
    classes, labels = np.unique(dataset.y[chosen], return_inverse=True)
    kept, _ = train_network(images, labels, len(classes), epochs_for(size), seed, bank=bank, trainable=trainable)
    test = (np.asarray(dataset.X_test) / 255).astype(np.float32)[:, np.newaxis]
    right = classes[kept.predict(epochs_for(size), test)] == dataset.y_test
    return Record(
        dataset.name,
        version,
        size,
        seed,
        accuracy=float(right.mean()),
        correct=right.astype(int).tolist(),
        provenance=dict(provenance()),
    )


def run_crossover(
    dataset: Dataset,
    sizes: Sequence[int] = SIZES,
    seeds: Sequence[int] = tuple(range(SEEDS)),
    progress: Callable[[str], None] | None = None,
) -> list[Record]:
    """Return the cells of all versions at these sizes and seeds; some 80 seconds on one processor by default."""
    records = []
    for size in sizes:
        for seed in seeds:
            for version in VERSIONS:
                record = run_cell(dataset, version, size, seed)
                records.append(record)
                if progress is not None:
                    progress(f"{version}, {size} images, seed {seed}: accuracy {record.accuracy:.3f}")
    return records
