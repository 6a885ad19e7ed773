"""What is known of every data set before a file is opened: the manifest, typed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kernelopt.datasets.record import Task

PACKAGED = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Part:
    """One file of a data set.

    Parameters
    ----------
    name : str
        Its name, uncompressed; ``name.gz`` is read as well.
    size : int
        Bytes of its content, or the most that are read where `sha256` is None.
    sha256 : str or None
        Digest of its content. None if the text may be formatted in more than one way:
        then `Entry.values_sha256` is what is checked.
    """

    name: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class Entry:
    """One data set of the manifest.

    Parameters
    ----------
    name : str
        The name it is loaded by.
    format : str
        Which reader understands its parts: csv, npz, pictures, idx, cifar, esl or svhn.
    parts : tuple of Part
        Its files, in the order the reader wants.
    task, rows, rows_test, shape, missing_cells, rows_with_missing
        What a load must give; `shape` is that of one row of ``X``.
    classes : mapping of str to int, or None
        Class names to counts in the training part, in the order of the class numbers.
    packaged : bool
        Whether kernelopt brings it.
    folders : tuple of str
        Folders of a data home in which it is looked for, in order; "" is the home itself.
    archives : tuple of str
        Patterns of archives that may hold the parts.
    refused : tuple of str
        Names of pickled versions, which are recognised but never opened.
    get : tuple of str
        The commands that fetch it into the current folder.
    identifiers : tuple of str
        Columns left out because they name the sample.
    values_sha256 : str or None
        Digest of the values read, for parts without a digest of their own.
    source, licence, citation, notes, image_shape
        As in the record.
    """

    name: str
    format: str
    parts: tuple[Part, ...]
    task: Task
    rows: int
    shape: tuple[int, ...]
    source: str
    licence: str
    citation: str
    classes: Mapping[str, int] | None = None
    rows_test: int | None = None
    missing_cells: int = 0
    rows_with_missing: int = 0
    image_shape: tuple[int, ...] | None = None
    packaged: bool = False
    folders: tuple[str, ...] = ("",)
    archives: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    get: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    values_sha256: str | None = None
    notes: str = ""

    @classmethod
    def from_json(cls, name: str, value: Mapping[str, Any]) -> Entry:
        """Return the entry of a manifest's object; an unknown key is an error."""
        parts = tuple(Part(**part) for part in value["parts"])
        rest: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in value.items() if key != "parts"
        }
        return cls(name=name, parts=parts, **rest)


@cache
def entries() -> Mapping[str, Entry]:
    """Return all entries by name, in the manifest's order."""
    manifest = json.loads((PACKAGED / "manifest.json").read_text(encoding="utf-8"))
    return {name: Entry.from_json(name, value) for name, value in manifest.items()}


def names() -> tuple[str, ...]:
    """Return the names that `load` knows, packaged or not.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from kernelopt import datasets
    >>> {"sonar", "fashion-mnist-small", "cifar10"} <= set(datasets.names())
    True
    """
    return tuple(entries())


def find(name: str) -> Entry:
    """Return the entry of a name, in which case, ``-`` and ``_`` do not matter.

    Parameters
    ----------
    name : str
        For example ``"fashion_mnist_small"`` or ``"CIFAR-10"``.

    Returns
    -------
    Entry

    Raises
    ------
    ValueError
        If there is no such data set; the message lists close matches.
    """
    if not isinstance(name, str):
        raise ValueError(f"name must be a str, got {name!r}; the data sets are: {', '.join(names())}")
    plain = {_plain(known): known for known in names()}
    if _plain(name) in plain:
        return entries()[plain[_plain(name)]]
    close = [plain[match] for match in difflib.get_close_matches(_plain(name), plain, n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are: {', '.join(names())}"
    raise ValueError(f"name={name!r} is no data set of kernelopt; {hint}")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
