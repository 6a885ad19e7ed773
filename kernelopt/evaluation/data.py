"""The data sets of a study: by name or by loader, always as one record with a digest of its content."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kernelopt.datasets import Dataset, load
from kernelopt.datasets.loading import values_digest
from kernelopt.evaluation.specs import find_object
from kernelopt.evaluation.study import DataSpec


def read(spec: DataSpec, data_home: str | None = None) -> Dataset:
    """Return a study's data set, with a task and without missing cells.

    Parameters
    ----------
    spec : DataSpec
        Which one.
    data_home : path, optional
        Folder with data sets that are not packaged.

    Raises
    ------
    ValueError
        No such data set, a loader that returns something else, missing cells, or arrays that do not fit.

    Examples
    --------
    >>> read(DataSpec("toy", loader=lambda: (np.eye(4), [0.0, 1.0, 2.0, 3.0]))).task
    'regression'
    """
    dataset = load(spec.source or spec.name, data_home=data_home) if spec.loader is None else _called(spec)
    if dataset.task == "images" and spec.task is None:
        raise ValueError(f"data set {spec.name!r} holds pictures without classes; there is nothing to predict")
    task = spec.task or dataset.task
    _check_complete(spec, dataset)
    if task == "regression":
        tests = None if dataset.y_test is None else _numbers(spec, dataset.y_test)
        dataset = replace(dataset, y=_numbers(spec, dataset.y), y_test=tests)
    if spec.missing == "drop":
        dataset = dataset.drop_missing()
    elif _has_missing(dataset.X) or _has_missing(dataset.X_test):
        raise ValueError(
            f"data set {spec.name!r} has missing cells, which nothing here imputes. Use missing = 'drop' to leave "
            f"their rows out"
        )
    return replace(dataset, name=spec.name, task=task)


def _called(spec: DataSpec) -> Dataset:
    where = f"the loader of data {spec.name!r}"
    loader: Any = find_object(spec.loader, where) if isinstance(spec.loader, str) else spec.loader
    found = loader()
    if isinstance(found, Dataset):
        # what it says of its content may be that of other content, from which its arrays were made
        return replace(found, sha256=_digest(found.X, found.y, found.X_test, found.y_test))
    if not isinstance(found, tuple) or len(found) not in (2, 4):
        raise ValueError(
            f"{where} must return X, y, or X, y, X_test, y_test, or a Dataset; found {type(found).__name__}"
        )
    X, y = np.asarray(found[0]), np.asarray(found[1])
    X_test, y_test = (np.asarray(found[2]), np.asarray(found[3])) if len(found) == 4 else (None, None)
    for points, labels, part in ((X, y, ""), (X_test, y_test, "_test")):
        if points is not None and labels is not None and (points.ndim < 2 or labels.shape != points.shape[:1]):
            raise ValueError(f"{where}: X{part} {points.shape} and y{part} {labels.shape} must be (n, d) and (n,)")
    return Dataset(
        name=spec.name,
        task=spec.task or ("regression" if y.dtype.kind == "f" else "classification"),
        X=X,
        y=y,
        X_test=X_test,
        y_test=y_test,
        image_shape=X.shape[1:] if X.ndim > 2 else None,
        sha256=_digest(X, y, X_test, y_test),
        where="a loader",
    )


def _digest(*arrays: np.ndarray | None) -> str:
    return values_digest(*(a if a is None or a.dtype.kind in "biuf" else a.astype(str).ravel() for a in arrays))


def _check_complete(spec: DataSpec, dataset: Dataset) -> None:
    """Refuse missing labels, labels that cannot be put in an order, and missing values among objects."""
    for part, labels, points in (("", dataset.y, dataset.X), ("_test", dataset.y_test, dataset.X_test)):
        if labels is not None and _n_missing(labels):
            raise ValueError(
                f"data set {spec.name!r}: y{part} has {_n_missing(labels)} missing values (None or NaN). Leave their "
                f"rows out"
            )
        if labels is not None and labels.dtype.kind == "O" and len({type(label) for label in labels}) > 1:
            kinds = ", ".join(sorted({type(label).__name__ for label in labels}))
            raise ValueError(f"data set {spec.name!r}: y{part} mixes {kinds}. Give labels of one type")
        if points is not None and points.dtype.kind == "O" and _n_missing(points):
            raise ValueError(
                f"data set {spec.name!r}: X{part} holds objects, {_n_missing(points)} of them missing values (None or "
                f"NaN). Give an array of floats with NaN for them and missing = 'drop', or leave their rows out"
            )


def _n_missing(values: np.ndarray) -> int:
    if values.dtype.kind == "O":
        return sum(value is None or value != value for value in values.ravel())
    return int(np.isnan(values).sum()) if values.dtype.kind == "f" else 0


def _has_missing(X: np.ndarray | None) -> bool:
    return X is not None and X.dtype.kind == "f" and bool(np.isnan(X).any())


def _numbers(spec: DataSpec, y: np.ndarray) -> np.ndarray:
    try:
        return y.astype(float)
    except ValueError as error:
        raise ValueError(f"data set {spec.name!r} is no regression: its y holds {y[0]!r}") from error
