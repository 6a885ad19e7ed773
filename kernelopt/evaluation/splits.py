"""Which points train and which are kept for the test; and what is done to the inputs, fitted on those that train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kernelopt.datasets import Dataset


def nested_order(y: np.ndarray, seed: int) -> np.ndarray:
    """Return a random order of the samples whose every beginning has the classes' proportions.

    Training sets of growing size are beginnings of this order, so that they are nested: the step from
    one size to the next adds samples and changes nothing else.

    Examples
    --------
    >>> y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> sorted(y[nested_order(y, seed=1)[:4]].tolist())
    [0, 0, 1, 1]
    """
    rng = np.random.default_rng([seed, 1])
    position = np.empty(len(y))
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        # The j-th of m members stands at (j + u)/m: spread evenly, the class's first place drawn by chance.
        position[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(position, kind="stable")


@dataclass(frozen=True, eq=False)
class Split:
    """One training set and one test set.

    Parameters
    ----------
    X, y : arrays of shape (n, ...) and (n,)
        What trains and chooses.
    X_test, y_test : arrays of shape (m, ...) and (m,)
        What is predicted, and the labels that are looked at when all predictions are made.
    """

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def is_official(dataset: Dataset, split: str | None) -> bool:
    """Return whether a data set's own test part is used: as `split` says, or wherever there is one.

    Raises
    ------
    ValueError
        The official test part is asked for, and there is none.
    """
    if split == "official" and dataset.X_test is None:
        raise ValueError(
            f"data set {dataset.name!r} has no official test part, which split = 'official' asks for. Use 'random'"
        )
    return dataset.X_test is not None if split is None else split == "official"


def n_training(dataset: Dataset, split: str | None, test_size: float | int) -> int:
    """Return the size of the whole training part.

    Raises
    ------
    ValueError
        No point is left for one of the parts.
    """
    n = len(dataset.X)
    if is_official(dataset, split):
        return n
    n_test = test_size if isinstance(test_size, int) else round(test_size * n)
    if not 0 < n_test < n:
        raise ValueError(
            f"test_size {test_size} makes {n_test} test points of the {n} of {dataset.name!r}; both parts need some"
        )
    return n - n_test


def make_split(
    dataset: Dataset, size: int, seed: int, split: str | None, test_size: float | int, stratify: bool | None
) -> Split:
    """Return the training set of a size and the test set of a seed.

    An official test part is the same for every seed. A random one is drawn by the seed, before the size is looked
    at, so that training sets of all sizes are nested and tested on the same points. Parts of a regression are
    never stratified; those of an official training part are, unless `stratify` is False.
    """
    official = is_official(dataset, split)
    stratified = dataset.task != "regression" and (official if stratify is None else stratify)
    n = n_training(dataset, split, test_size)
    order = (
        nested_order(dataset.y, seed) if stratified else np.random.default_rng([seed, 1]).permutation(len(dataset.y))
    )
    train = order[:size]
    if official:
        assert dataset.X_test is not None and dataset.y_test is not None
        return Split(dataset.X[train], dataset.y[train], dataset.X_test, dataset.y_test)
    test = order[n:]
    return Split(dataset.X[train], dataset.y[train], dataset.X[test], dataset.y[test])


def rows(points: np.ndarray) -> np.ndarray:
    """Return points as flattened float rows; pixels stored as bytes become numbers between 0 and 1."""
    scale = 255.0 if points.dtype == np.uint8 else 1.0
    return points.reshape(len(points), -1) / scale


def scaling(scale: str | None, X: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that makes rows of points, with what it has to measure measured on X.

    Parameters
    ----------
    scale : {None, "none", "bytes", "standardize", "range", "unit"}
        See `DataSpec`. A column that is constant on X is shifted to zero and not divided.
    X : array of shape (n, ...)
        The points that train.

    Examples
    --------
    >>> standardize = scaling("standardize", np.array([[0.0, 5.0], [2.0, 5.0]]))
    >>> standardize(np.array([[3.0, 6.0]])).tolist()
    [[2.0, 1.0]]
    """
    if scale is None:
        return rows
    flat = _flat(X)
    if scale == "bytes":
        return lambda Z: _flat(Z) / 255.0
    if scale == "unit":
        return lambda Z: _flat(Z) / _nonzero(np.linalg.norm(_flat(Z), axis=1, keepdims=True))
    if scale == "standardize":
        constant = np.ptp(flat, axis=0) == 0.0  # whose standard deviation may be that of rounding
        mean = np.where(constant, flat[0], flat.mean(axis=0))
        spread = np.where(constant, 1.0, _nonzero(flat.std(axis=0)))
        return lambda Z: (_flat(Z) - mean) / spread
    if scale == "range":
        low = flat.min(axis=0)
        spread = _nonzero(flat.max(axis=0) - low)
        return lambda Z: (_flat(Z) - low) / spread
    return _flat


def _flat(points: np.ndarray) -> np.ndarray:
    return points.reshape(len(points), -1).astype(float)


def _nonzero(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, 1.0)
