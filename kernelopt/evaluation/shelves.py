"""Folders of shared Gram matrices, one per split, for as long as a study needs them."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from kernelopt.evaluation.claims import is_alive
from kernelopt.evaluation.study import Cell
from kernelopt.kernels.shelf import PREFIX as OF_A_CELL

PREFIX = "kernelopt-shelves-"


class Shelves:
    """One folder per data set, size and seed, removed with the last of its cells.

    Parameters
    ----------
    cells : iterable of Cell
        Those that will be run.
    """

    def __init__(self, cells: Iterable[Cell]):
        sweep()
        self._left = Counter(map(_split, cells))
        self.root = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))

    def folder(self, cell: Cell) -> str:
        """Return the folder of a cell's split, made when missing."""
        # a digest, because a data set's name may be longer than a file's, or hold what a file's may not
        folder = self.root / hashlib.sha256(repr(_split(cell)).encode()).hexdigest()
        folder.mkdir(exist_ok=True)
        return str(folder)

    def finish(self, cell: Cell) -> None:
        """Count a cell that needs its folder no more."""
        self._left[_split(cell)] -= 1
        if self._left[_split(cell)] <= 0:
            shutil.rmtree(self.folder(cell), ignore_errors=True)

    def close(self) -> None:
        """Remove all."""
        shutil.rmtree(self.root, ignore_errors=True)


def sweep() -> None:
    """Remove what killed runs of this machine left behind."""
    for prefix in (PREFIX, OF_A_CELL):
        for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
            pid = folder.name.removeprefix(prefix).split("-")[0]
            if pid.isdigit() and not is_alive(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


def _split(cell: Cell) -> tuple[str, int, int]:
    return cell.dataset, cell.size, cell.seed
