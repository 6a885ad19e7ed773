"""What is written beside a page: its figures as SVG and PNG, its tables as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kernelopt.pages.figures.gallery import gallery
from kernelopt.pages.figures.raster import png
from kernelopt.pages.figures.standalone import standalone
from kernelopt.pages.summary import Results
from kernelopt.pages.tables import tables
from kernelopt.pages.writing import put


def folder_of(page: Path) -> Path:
    """Return the folder of a page's figures and tables.

    >>> folder_of(Path("results/report.html")).as_posix()
    'results/report-files'
    """
    return page.with_name(f"{page.stem}-files")


def write(
    folder: Path,
    arranged: Sequence[Results],
    views: Sequence[Mapping[str, Any]],
    rankings: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Write all figures and tables to a folder, made if missing; return their names. Other files are left alone."""
    folder.mkdir(exist_ok=True)
    names = []
    for name, text in tables(arranged).items():
        names.append(put(folder / f"{name}.csv", text.encode()).name)
    for name, drawing in gallery(views, rankings).items():
        text = standalone(drawing)
        names.append(put(folder / f"{name}.svg", text.encode()).name)
        names.append(put(folder / f"{name}.png", png(text)).name)
    return names
