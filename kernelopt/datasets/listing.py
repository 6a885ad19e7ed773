"""What data sets there are, which are on this machine, and how to get the rest."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kernelopt.datasets.catalog import entries
from kernelopt.datasets.store import commands, locate


@dataclass(frozen=True)
class Row:
    """One line of the list of data sets.

    Parameters
    ----------
    name : str
        The name to load it by.
    task : str
        As in the record.
    n, n_test : int, int or None
        Rows, and rows of the official test part.
    shape : tuple of int
        Shape of one row of ``X``: features, or an image.
    classes : int or None
        Number of classes.
    licence : str
        Terms of the data.
    status : {"packaged", "found", "absent"}
        Whether kernelopt brings it, it was found, or has to be fetched.
    where : str
        "packaged", the path it was found at, or the commands that fetch it, joined by " && ".
    """

    name: str
    task: str
    n: int
    n_test: int | None
    shape: tuple[int, ...]
    classes: int | None
    licence: str
    status: Literal["packaged", "found", "absent"]
    where: str


def describe(data_home: str | os.PathLike[str] | None = None) -> list[Row]:
    """Return what is known of every data set; no file is opened, so it is quick.

    Parameters
    ----------
    data_home : path or None
        As in `load`.

    Returns
    -------
    list of Row

    Examples
    --------
    >>> from kernelopt import datasets
    >>> row = datasets.describe()[0]
    >>> row.name, row.n, row.shape, row.classes, row.where
    ('breast_cancer_original', 699, (9,), 2, 'packaged')
    """
    rows = []
    for entry in entries().values():
        status: Literal["packaged", "found", "absent"]
        if entry.packaged:
            status, where = "packaged", "packaged"
        elif location := locate(entry, data_home):
            status, where = "found", str(location.where)
        else:
            status, where = "absent", " && ".join(commands(entry, data_home))
        classes = None if entry.classes is None else len(entry.classes)
        rows.append(
            Row(
                entry.name,
                entry.task,
                entry.rows,
                entry.rows_test,
                entry.shape,
                classes,
                entry.licence,
                status,
                where,
            )
        )
    return rows


def table(rows: Iterable[Row]) -> str:
    """Return the list of data sets as text, with the commands for what is absent below it.

    Parameters
    ----------
    rows : iterable of Row
        What `describe` returned.

    Returns
    -------
    str

    Examples
    --------
    >>> from kernelopt import datasets
    >>> print(datasets.table(datasets.describe()[:2]))
    name                      rows  shape  classes  licence               where
    breast_cancer_original     699      9        2  CC BY 4.0 (UCI ...)   packaged
    breast_cancer_diagnostic   569     30        2  CC BY 4.0 (UCI ...)   packaged
    """
    rows = list(rows)
    cells = [("name", "rows", "shape", "classes", "licence", "where")]
    for row in rows:
        n = f"{row.n}" if row.n_test is None else f"{row.n}+{row.n_test}"
        shape = "x".join(map(str, row.shape))
        where = "to fetch" if row.status == "absent" else row.where
        cells.append((row.name, n, shape, str(row.classes or "-"), row.licence, where))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    align = "<>>><<"
    lines = [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(line, align, widths, strict=True)).rstrip()
        for line in cells
    ]
    absent = [row for row in rows if row.status == "absent"]
    if absent:
        lines += ["", "To fetch the rest (set KERNELOPT_DATA to the folder they are in):"]
        lines += [f"  {row.name}: {row.where}" for row in absent]
    return "\n".join(lines)
