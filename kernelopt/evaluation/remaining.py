"""How long a study still takes, from what finished cells took."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.study import Cell

SPENT = ("tune_seconds", "fit_seconds", "predict_seconds", "measure_seconds")


class Remaining:
    """Remaining time, from what finished cells of the same method and size took.

    A cell without a finished twin is guessed from the method's nearest size, growing like the size to the
    power 3/4 (networks take a least number of steps, kernels grow faster), or from all finished cells.
    """

    def __init__(self, todo: Sequence[Cell], n_jobs: int):
        self.todo, self.n_jobs = list(todo), max(1, n_jobs)
        self.taken: dict[tuple[str, int], list[float]] = {}

    def after(self, cell: Cell, record: Record) -> str:
        """Count a finished cell; return what is left as text."""
        self.todo.remove(cell)
        spent = sum(record.cost.get(name, 0.0) for name in SPENT)
        self.taken.setdefault((cell.method, cell.size), []).append(spent)
        seconds = sum(self._guess(left) for left in self.todo) / self.n_jobs
        return f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"

    def _guess(self, cell: Cell) -> float:
        sizes = [size for method, size in self.taken if method == cell.method]
        if sizes:
            nearest = min(sizes, key=lambda size: abs(np.log(size / cell.size)))
            return float(np.mean(self.taken[cell.method, nearest])) * (cell.size / nearest) ** 0.75
        rates = [np.mean(times) / size**0.75 for (_, size), times in self.taken.items()]
        return float(np.mean(rates)) * cell.size**0.75
