"""From a name to a record: locate, read, check the digests, assemble."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kernelopt.datasets.catalog import Entry, find
from kernelopt.datasets.errors import DatasetCorruptError
from kernelopt.datasets.formats import read_cifar_batch, read_esl, read_idx, read_npz, read_svhn
from kernelopt.datasets.record import Dataset
from kernelopt.datasets.store import Location, locate, not_found
from kernelopt.datasets.tabular import read_table


def load(name: str, data_home: str | os.PathLike[str] | None = None) -> Dataset:
    """Return a data set by name; nothing is ever downloaded.

    The sets of the papers, small MNIST and Fashion-MNIST, and three textures are packaged.
    The others are read from files that you put, in their official formats, into `data_home`,
    a folder named by the environment variable KERNELOPT_DATA, or Debian's /usr/share/datasets,
    searched in this order. What is read is checked against a known SHA-256 digest every time.

    Parameters
    ----------
    name : str
        One of `kernelopt.datasets.names`; case, ``-`` and ``_`` do not matter.
    data_home : path or None
        Folder with your data sets, each in a folder of its own; unused for what is packaged.

    Returns
    -------
    Dataset
        A set with an official split has it in ``X, y`` and ``X_test, y_test``.

    Raises
    ------
    ValueError
        If no data set has this name.
    DatasetNotFoundError
        A FileNotFoundError that gives the command to get the set.
    DatasetCorruptError
        A ValueError: a file is damaged, or is not the one its name says.

    Notes
    -----
    The digests are of the uncompressed files. Those of USPS, Pima and Boston housing are of the
    numbers read, because copies differ in how they write them. Those of CIFAR-10 and SVHN are the
    ones that other projects publish for the official files, not tried on the files by us; all others
    were computed from the copies that `source` names.

    Examples
    --------
    >>> from kernelopt import datasets
    >>> sonar = datasets.load("sonar")
    >>> sonar.X.shape, sonar.y[:2].tolist(), sonar.licence
    ((208, 60), ['R', 'R'], 'CC BY 4.0 (UCI Machine Learning Repository)')
    >>> digits = datasets.load("mnist-small")
    >>> digits.X.shape, digits.X_test.shape, digits.image_shape
    ((5000, 28, 28), (1000, 28, 28), (28, 28))
    """
    entry = find(name)
    location = locate(entry, data_home)
    if location is None:
        raise not_found(entry, data_home)
    return read(location)


def read(location: Location) -> Dataset:
    """Return the data set at a location, checked against the digests of its entry.

    Parameters
    ----------
    location : Location
        What `locate` returned.

    Returns
    -------
    Dataset
    """
    entry = location.entry
    contents = location.read()
    digests = [_checked(location, i, content) for i, content in enumerate(contents)]
    arrays = _ASSEMBLE[entry.format](entry, contents)
    if entry.values_sha256 is not None:
        digests = [values_digest(arrays.X, arrays.y, arrays.X_test, arrays.y_test)]
        if digests[0] != entry.values_sha256:
            raise _mismatch(location, str(location.where), "its values", digests[0], entry.values_sha256)
    missing = "no cell is missing"
    if entry.missing_cells:
        missing = (
            f"{entry.missing_cells} empty cells in {entry.rows_with_missing} rows are NaN; "
            "nothing is imputed, drop_missing() removes the rows"
        )
    return Dataset(
        name=entry.name,
        task=entry.task,
        X=arrays.X,
        y=arrays.y,
        X_test=arrays.X_test,
        y_test=arrays.y_test,
        feature_names=arrays.feature_names,
        image_shape=entry.image_shape,
        class_names=None if entry.classes is None else tuple(entry.classes),
        missing=missing,
        notes=entry.notes,
        source=entry.source,
        licence=entry.licence,
        citation=entry.citation,
        sha256=digests[0] if len(digests) == 1 else _sha256("\n".join(digests).encode()),
        where="packaged" if entry.packaged else str(location.where),
    )


def values_digest(*arrays: np.ndarray | None) -> str:
    """Return a digest of numbers and labels that does not depend on how a file wrote them.

    Parameters
    ----------
    *arrays : ndarray or None
        Numbers are digested as little-endian float64, text as lines of UTF-8.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> import numpy as np
    >>> values_digest(np.array([1, 2])) == values_digest(np.array([1.0, 2.0]), None)
    True
    """
    digest = hashlib.sha256()
    for array in arrays:
        if array is not None:
            if array.dtype.kind == "U":
                digest.update("\n".join(array).encode())
            else:
                digest.update((np.ascontiguousarray(array, "<f8") + 0.0).tobytes())  # -0.0 becomes 0.0
    return digest.hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _checked(location: Location, index: int, content: bytes) -> str:
    """Return the digest of one part; refuse a part that has another than it should."""
    part = location.entry.parts[index]
    found = _sha256(content)
    if part.sha256 is not None and found != part.sha256:
        path = str(location.files[index]) if location.files else f"{location.where}: {part.name}"
        what = f"its {len(content)} bytes (expected: {part.size})"
        raise _mismatch(location, path, what, found, part.sha256)
    return found


def _mismatch(location: Location, path: str, what: str, found: str, expected: str) -> DatasetCorruptError:
    entry = location.entry
    cure = (
        "Reinstall kernelopt."
        if entry.packaged
        else f"Fetch it again; if it belongs to another data set, give {entry.name!r} a folder of its own: "
        f"{entry.folders[0] or entry.name}/."
    )
    return DatasetCorruptError(
        f"{path} is not the file of {entry.name!r}: the sha256 of {what} is {found}, expected {expected}. {cure}"
    )


@dataclass(frozen=True)
class _Arrays:
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    feature_names: tuple[str, ...] | None = None


def _from_csv(entry: Entry, contents: Sequence[bytes]) -> _Arrays:
    X, y, feature_names = read_table(contents[0], entry.parts[0].name, entry.identifiers)
    return _Arrays(X, y.astype(np.float64) if entry.task == "regression" else y, feature_names=feature_names)


def _from_npz(entry: Entry, contents: Sequence[bytes]) -> _Arrays:
    arrays = read_npz(contents[0], entry.parts[0].name)
    X, y, X_test, y_test = (arrays[name] for name in ("X_train", "y_train", "X_test", "y_test"))
    return _Arrays(X, y.astype(np.int64), X_test, y_test.astype(np.int64))


def _from_pictures(entry: Entry, contents: Sequence[bytes]) -> _Arrays:
    arrays = read_npz(contents[0], entry.parts[0].name)
    classes = tuple(entry.classes or ())
    return _Arrays(np.stack([arrays[name] for name in classes]), np.arange(len(classes)))


def _from_idx(entry: Entry, contents: Sequence[bytes]) -> _Arrays:
    X, y, X_test, y_test = (read_idx(c, part.name) for c, part in zip(contents, entry.parts, strict=True))
    for images, labels in ((X, y), (X_test, y_test)):
        if labels.ndim != 1 or len(images) != len(labels):
            raise DatasetCorruptError(
                f"{entry.name!r} has images of shape {images.shape} but labels of shape {labels.shape}"
            )
    return _Arrays(X, y.astype(np.int64), X_test, y_test.astype(np.int64))


def _from_batches(reader: Callable[[bytes, str], tuple[np.ndarray, np.ndarray]]):
    """Return the assembler of files that each hold images and labels, the last of them the test part."""

    def assemble(entry: Entry, contents: Sequence[bytes]) -> _Arrays:
        *train, test = (reader(c, part.name) for c, part in zip(contents, entry.parts, strict=True))
        X, y = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
        return _Arrays(X, y, *test)

    return assemble


_ASSEMBLE: dict[str, Callable[[Entry, Sequence[bytes]], _Arrays]] = {
    "csv": _from_csv,
    "npz": _from_npz,
    "pictures": _from_pictures,
    "idx": _from_idx,
    "cifar": _from_batches(read_cifar_batch),
    "esl": _from_batches(read_esl),
    "svhn": _from_batches(read_svhn),
}
