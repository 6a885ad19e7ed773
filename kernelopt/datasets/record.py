"""The value that loading a data set returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Task = Literal["classification", "regression", "images"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A data set with all that is needed to use and to cite it; its arrays are read-only.

    Parameters
    ----------
    name : str
        The name it is loaded by.
    task : {"classification", "regression", "images"}
        What `y` is: classes, numbers, or merely which picture is which.
    X : ndarray, shape (n, ...)
        Features as float64, shape (n, d), or images: uint8 as published (USPS: float64
        in [-1, 1]), with the colour channels last.
    y : ndarray, shape (n,)
        Class names (str) of a table, class numbers (int64, indices into `class_names`) of images,
        or float64 for regression.
    X_test, y_test : ndarray or None
        The official test part; None where a set has no official split.
    feature_names : tuple of str or None
        Names of the columns of `X`; ``column=value`` is an indicator. None for images.
    image_shape : tuple of int or None
        Shape of one image: ``X.reshape(len(X), *image_shape)`` always works. None if not images.
    class_names : tuple of str or None
        The classes; None for regression.
    missing : str
        What became of missing cells.
    notes : str
        What a user of this set should know.
    source, licence, citation : str
        Where the copy comes from, on which terms, and what to cite.
    sha256 : str
        Digest of the content that was read; with several files, of their digests.
    where : str
        The file or folder it was read from, or "packaged".

    Examples
    --------
    >>> from kernelopt import datasets
    >>> sonar = datasets.load("sonar")
    >>> sonar
    Dataset('sonar': classification, X (208, 60), classes M, R)
    >>> sonar.X.flags.writeable
    False
    """

    name: str
    task: Task
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    feature_names: tuple[str, ...] | None = None
    image_shape: tuple[int, ...] | None = None
    class_names: tuple[str, ...] | None = None
    missing: str = ""
    notes: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""
    sha256: str = ""
    where: str = ""

    def __post_init__(self) -> None:
        for name in ("X", "y", "X_test", "y_test"):
            array = getattr(self, name)
            if array is not None:
                locked = array.view()
                locked.setflags(write=False)
                object.__setattr__(self, name, locked)

    def __repr__(self) -> str:
        test = "" if self.X_test is None else f" + test {self.X_test.shape}"
        classes = "" if self.class_names is None else f", classes {', '.join(self.class_names)}"
        return f"Dataset({self.name!r}: {self.task}, X {self.X.shape}{test}{classes})"

    def drop_missing(self) -> Dataset:
        """Return the record without the rows that have a missing cell.

        Returns
        -------
        Dataset

        Examples
        --------
        >>> from kernelopt import datasets
        >>> cancer = datasets.load("breast_cancer_original")
        >>> len(cancer.X), len(cancer.drop_missing().X)
        (699, 683)
        """
        X, y = _complete(self.X, self.y)
        if self.X_test is None or self.y_test is None:
            kept = replace(self, X=X, y=y)
        else:
            X_test, y_test = _complete(self.X_test, self.y_test)
            kept = replace(self, X=X, y=y, X_test=X_test, y_test=y_test)
        dropped = len(self.X) - len(X)
        return replace(kept, missing=f"{dropped} rows with a missing cell were dropped") if dropped else kept


def _complete(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if X.dtype.kind != "f":
        return X, y
    complete = ~np.isnan(X).reshape(len(X), -1).any(axis=1)
    return X[complete], y[complete]
