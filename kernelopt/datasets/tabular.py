"""A table with a header, from CSV text to numbers: the one encoding of all tabular sets."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection

import numpy as np

from kernelopt.datasets.errors import DatasetCorruptError

LABEL = "target"


def read_table(
    data: bytes, what: str, identifiers: Collection[str] = ()
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    r"""Return features, labels and feature names of a CSV file.

    A column in which every cell that is not empty is a number stays one column of numbers, with
    NaN where the cell is empty. Any other column becomes one indicator per value, in sorted order,
    named ``column=value``; an empty cell is NaN in all of them. Nothing is imputed.

    Parameters
    ----------
    data : bytes
        The file: a header, rows of equal length, the label in the last column, ``target``.
    what : str
        Name of the file, for messages.
    identifiers : collection of str
        Columns that name the sample instead of describing it; they are left out.

    Returns
    -------
    X : ndarray of float64, shape (n, d)
    y : ndarray of str, shape (n,)
    feature_names : tuple of str, length d

    Raises
    ------
    DatasetCorruptError
        If the header is wrong, or a row has another number of cells.

    Examples
    --------
    >>> X, y, names = read_table(b"size,sex,target\n1.5,M,yes\n,F,no\n", "two rows")
    >>> names
    ('size', 'sex=F', 'sex=M')
    >>> X
    array([[1.5, 0. , 1. ],
           [nan, 1. , 0. ]])
    >>> y.tolist()
    ['yes', 'no']
    """
    try:
        header, *rows = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise DatasetCorruptError(f"{what} is not a CSV file with a header: {error}") from error
    if len(header) < 2 or header[-1] != LABEL or len(set(header)) < len(header):
        raise DatasetCorruptError(
            f"{what} must have distinct columns with {LABEL!r} as the last one; its header is {','.join(header)[:200]}"
        )
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise DatasetCorruptError(f"{what}, row {number} has {len(row)} cells; the header has {len(header)}")
    if not rows:
        raise DatasetCorruptError(f"{what} has a header but no rows")
    *features, labels = zip(*rows, strict=True)
    columns: dict[str, np.ndarray] = {}
    for name, cells in zip(header, features, strict=False):
        if name not in identifiers:
            columns |= _encode(name, cells)
    return np.column_stack(list(columns.values())), np.array(labels), tuple(columns)


def _encode(name: str, cells: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        return {name: np.array([float(cell) if cell else np.nan for cell in cells])}
    except ValueError:
        text = np.array(cells)
        missing = text == ""
        return {f"{name}={value}": np.where(missing, np.nan, text == value) for value in sorted(set(cells) - {""})}
