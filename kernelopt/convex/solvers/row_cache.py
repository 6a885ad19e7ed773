"""Rows of the mixed kernel, made when they are asked for and kept while the weights stand."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from kernelopt.compiled import core
from kernelopt.kernels.rows import Kernels, StoredKernels, gather

WHOLE = 2**30  # bytes up to which all rows may be kept
AT_LEAST = 64  # rows


class RowCache:
    r"""Rows of :math:`K(\mu)`; old ones make room for new ones where not all fit.

    Parameters
    ----------
    kernels : Kernels
        Where the rows come from.
    limit : int
        Bytes it may take.
    """

    def __init__(self, kernels: Kernels, limit: int = WHOLE):
        self.kernels, n = kernels, kernels.n_samples
        room = max(AT_LEAST, limit // (n * kernels.dtype.itemsize))
        self.slot = np.full(n, -1, dtype=np.int64)  # where the row of each sample lies
        self.owner = np.full(min(n, room), -1, dtype=np.int64)  # whose row lies there
        self.used = 0  # rows of the table in use
        self.hand = 0  # the next to be given up when all are
        self.entries = 0  # read of the kernels so far
        self.direct: np.ndarray | None = None  # a matrix that holds all rows already
        self.stack: tuple | None = None  # what compiled loops may mix rows from by themselves

    @property
    def table(self) -> np.ndarray:
        """The rows."""
        return self._made if self.direct is None else self.direct

    @cached_property
    def _made(self) -> np.ndarray:
        """The rows, in memory that is taken when the first is made."""
        return np.empty((len(self.owner), self.kernels.n_samples), dtype=self.kernels.dtype)

    def reset(self, mu: np.ndarray) -> None:
        """Forget the rows, as the weights have changed."""
        self.mu, self.active = mu, np.flatnonzero(mu)
        self.slot[:] = -1
        self.used = self.hand = 0
        self.stack = self.direct = None
        self.diagonal = mu[self.active] @ self.kernels.diagonals[self.active]
        if isinstance(self.kernels, StoredKernels):
            weight = mu[self.active] / self.kernels.scale[self.active]
            alone = self.kernels.Ks[self.active[0]] if len(weight) == 1 and weight[0] == 1 else None
            if alone is not None and alone.flags.c_contiguous:
                self.direct, self.slot[:] = alone, np.arange(len(self.slot))  # one kernel as it is: no row is made
            else:
                self.stack = (self.kernels.Ks, self.active, weight)

    def fetch(self, index: np.ndarray, keep: int = -1) -> None:
        """Make rows and keep them; what was there of them, and the row `keep`, is not given up for the others."""
        there = self.slot[index]
        index, spared = index[there < 0], np.append(there[there >= 0], self.slot[keep] if keep >= 0 else -1)
        new = np.arange(self.used, min(self.used + len(index), len(self.owner)))
        if len(new) < len(index):
            # The oldest make room.
            lacking, slots = len(index) - len(new), len(self.owner)
            old = (self.hand + np.arange(min(slots, lacking + len(spared)))) % slots
            old = old[(old < self.used) & ~np.isin(old, spared)][:lacking]
            self.hand = (int(old[-1]) + 1) % slots
            self.slot[self.owner[old]] = -1
            new = np.concatenate([new, old])
        if len(index):
            self.kernels.rows(self.mu, index, self.table, new)
            self.owner[new], self.slot[index] = index, new
            self.used = max(self.used, int(new.max()) + 1)
            self.entries += len(self.active) * len(index) * self.kernels.n_samples

    def filled(self, used: int) -> None:
        """Take note of rows that compiled loops have made."""
        if used > self.used:
            made = np.flatnonzero(self.slot >= self.used)
            self.owner[self.slot[made]] = made
            self.entries += len(self.active) * (used - self.used) * self.kernels.n_samples
            self.used = used

    def block(self, index: np.ndarray) -> np.ndarray:
        """Return the square block of K(mu) on some samples."""
        step = len(self.owner)
        if len(index) <= step:
            self.fetch(index)
            return gather(self.table[None], self.slot[index], index, float)[0]
        out = np.empty((len(index), len(index)))
        for start in range(0, len(index), step):
            part = index[start : start + step]
            self.fetch(part)
            out[start : start + step] = gather(self.table[None], self.slot[part], index, float)[0]
        return out

    def apply(self, index: np.ndarray, coef: np.ndarray) -> np.ndarray:
        """Return the combination of rows with the given coefficients, shape (n,)."""
        out = np.zeros((1, 1, self.kernels.n_samples))
        for start in range(0, len(index), len(self.owner)):
            part = slice(start, start + len(self.owner))
            self.fetch(index[part])
            rows = self.slot[index[part]]
            if core is None:
                out[0, 0] += coef[part] @ self.table[rows]
            else:
                core.products(self.table[None], np.zeros(1, dtype=np.int64), rows, coef[part][:, None].copy(), out)
        return out[0, 0]
