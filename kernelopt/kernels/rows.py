"""Row providers: what a solver may ask of a list of kernels, wherever their entries live."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.exceptions import EfficiencyWarning

from kernelopt.compiled import core

NOTICED = 2**26  # bytes from which a copy in another memory order is worth a word
REFUSED = 2**33  # bytes from which it is not made


class Kernels(ABC):
    r"""M kernels on N points, as solvers see them: rows of mixtures, products and quadratic forms.

    A provider says `rows`, `products` and `diagonals`; the rest follows, and may be overridden where there is a
    faster way. No method but `mix` returns anything of the size of a Gram matrix.
    """

    n_kernels: int
    n_samples: int
    description: str  # what is solved exactly: number of kernels, samples and precision
    dtype: np.dtype  # in which precision rows are best kept
    diagonals: np.ndarray  # k(x, x), shape (M, N)

    @abstractmethod
    def rows(self, mu: np.ndarray, index: np.ndarray, out: np.ndarray | None = None, slots=None) -> np.ndarray:
        r"""Return rows of :math:`K(\mu) = \sum_k \mu_k K_k`, shape (r, N); kernels with weight zero are not read.

        With `out`, shape (any, N), they are written to its rows `slots`.
        """

    @abstractmethod
    def products(self, V: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        """Return K_k V for each kernel (of those in `which`), shape (M, N, k). Zero rows of V are not read."""

    @abstractmethod
    def take(self, index: np.ndarray) -> Kernels:
        """Return the kernels on some of the points."""

    @abstractmethod
    def select(self, which: np.ndarray) -> Kernels:
        """Return some of the kernels."""

    def quadratics(self, V: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        r"""Return :math:`\tfrac12 \langle K_k, V V^\top \rangle` for each kernel (of those in `which`)."""
        return 0.5 * np.einsum("ic,kic->k", V, self.products(V, which))

    def apply(self, mu: np.ndarray, V: np.ndarray) -> np.ndarray:
        """Return K(mu) V, shape (N, k)."""
        active = np.flatnonzero(mu)
        return np.tensordot(mu[active], self.products(V, active), 1) if len(active) else np.zeros(V.shape)

    def mix(self, mu: np.ndarray) -> np.ndarray:
        """Return K(mu) as a matrix."""
        return self.rows(mu, np.arange(self.n_samples))

    def stored(self) -> StoredKernels:
        """Return the kernels as matrices."""
        Ks = np.empty((self.n_kernels, self.n_samples, self.n_samples), dtype=self.dtype)
        for K, e in zip(Ks, np.eye(self.n_kernels), strict=True):
            K[...] = self.mix(e)
        return StoredKernels.of(Ks)

    def inner(self, Z: np.ndarray) -> np.ndarray:
        """Return <K_k, Z> for each kernel: shape (M,)."""
        return np.array([float(np.vdot(self.mix(e), Z)) for e in np.eye(self.n_kernels)])

    @cached_property
    def traces(self) -> np.ndarray:
        """The traces, shape (M,)."""
        return self.diagonals.sum(axis=1)

    @cached_property
    def shares(self) -> np.ndarray:
        """The traces, with the mean of the others in place of zeros: what a unit of weight costs of a trace."""
        return np.where(self.traces > 0, self.traces, self.traces[self.traces > 0].mean())

    @cached_property
    def orthonormal(self) -> np.ndarray:
        """Combinations of the kernels that are orthonormal as matrices: shape (M, rank), one per column.

        By QR and SVD of the entries, not from inner products: squaring would hide what distinguishes kernels nearly
        alike.
        """
        M, n = self.n_kernels, self.n_samples
        R, unit = np.zeros((0, M)), np.eye(M)
        step = max(1, 2**20 // (M * n))
        for start in range(0, n, step):  # only R is kept, and a few rows at a time are made
            index = np.arange(start, min(start + step, n))
            flat = np.stack([self.rows(e, index).ravel() for e in unit], axis=1)
            R = np.asarray(np.linalg.qr(np.vstack([R, flat]), mode="r"))
        norms = np.maximum(np.linalg.norm(R, axis=0), 1e-300)
        _, sizes, axes = np.linalg.svd(R / norms)
        keep = sizes > 1e-13 * sizes[0]
        return axes[keep].T / sizes[keep] / norms[:, None]


def gather(Ks: np.ndarray, rows: np.ndarray, columns: np.ndarray, dtype: Any = None) -> np.ndarray:
    """Return Ks[:, rows][:, :, columns], shape (M, r, c), without anything larger on the way."""
    rows, columns = np.ascontiguousarray(rows, dtype=np.int64), np.ascontiguousarray(columns, dtype=np.int64)
    out = np.empty((len(Ks), len(rows), len(columns)), dtype=dtype or Ks.dtype)
    if core is None:
        for part, K in zip(out, Ks, strict=True):
            part[...] = K[rows[:, None], columns]
    else:
        core.gather(Ks, rows, columns, out)
    return out


@dataclass(frozen=True, eq=False)
class StoredKernels(Kernels):
    """M Gram matrices held in memory (or in a memory map), divided by one number each.

    The division is done on the results, so that a stack is never copied to be normalised. Sums are double precision
    also where the entries are single.

    Parameters
    ----------
    Ks : array of shape (M, n, n)
        The matrices as given, float64 or float32, rows contiguous. In another memory order they are copied once
        (with an `EfficiencyWarning` above 64 MB), and refused above 8 GB.
    scale : array of shape (M,)
        Divisors; an infinite one makes its kernel zero.
    threads : int
        Threads that share the kernels, or the rows.

    Examples
    --------
    >>> kernels = StoredKernels.of([np.eye(2), np.ones((2, 2))])
    >>> kernels.rows(np.array([1.0, 0.5]), np.array([0]))
    array([[1.5, 0.5]])
    >>> kernels.quadratics(np.array([[1.0], [1.0]]))
    array([1., 2.])
    """

    Ks: np.ndarray
    scale: np.ndarray
    threads: int = 1

    def __post_init__(self):
        Ks = self.Ks
        if Ks.dtype not in (np.float64, np.float32) or not Ks.dtype.isnative:
            Ks = Ks.astype(float)
        if not Ks.flags.aligned or (Ks.shape[2] > 1 and Ks.strides[2] != Ks.itemsize):
            if Ks.nbytes > REFUSED:
                raise ValueError(
                    f"the kernels lie entry by entry in memory, {Ks.nbytes / 1e9:.0f} GB, and solvers read whole "
                    f"rows; store them kernel by kernel, as an array Ks of shape (M, n, n) in C order gives, and "
                    f"pass KernelStack.from_leading(Ks)"
                )
            if Ks.nbytes > NOTICED:
                warnings.warn(
                    f"the kernels lie entry by entry in memory and are copied, {Ks.nbytes / 1e9:.2f} GB; store them "
                    f"kernel by kernel and pass KernelStack.from_leading(Ks) to save time and space",
                    EfficiencyWarning,
                    stacklevel=3,
                )
            Ks = np.ascontiguousarray(Ks)
        object.__setattr__(self, "Ks", Ks)

    @classmethod
    def of(cls, Ks, scale=None) -> StoredKernels:
        """Wrap an array (M, n, n), with unit scale unless one is given."""
        Ks = np.asarray(Ks)
        return cls(Ks, np.ones(len(Ks)) if scale is None else np.asarray(scale, dtype=float))

    @property
    def n_kernels(self) -> int:  # type: ignore[override]
        """M."""
        return len(self.Ks)

    @property
    def n_samples(self) -> int:  # type: ignore[override]
        """N."""
        return self.Ks.shape[2]

    @property
    def dtype(self) -> np.dtype:  # type: ignore[override]
        """Type of the entries."""
        return self.Ks.dtype

    @cached_property
    def description(self) -> str:  # type: ignore[override]
        """What is solved exactly: number of kernels, samples and precision."""
        return f"{self.n_kernels} kernels, {self.n_samples} samples, {self.Ks.dtype}"

    @cached_property
    def diagonals(self) -> np.ndarray:  # type: ignore[override]
        """The k(x, x): shape (M, n)."""
        return np.einsum("kii->ki", self.Ks).astype(float) / self.scale[:, None]

    def inner(self, Z: np.ndarray) -> np.ndarray:
        """Return <K_k, Z> for each kernel: shape (M,)."""
        return np.array([float(np.vdot(K, Z)) for K in self.Ks]) / self.scale

    def rows(self, mu, index, out=None, slots=None):
        """Return rows of K(mu), shape (r, n)."""
        index = np.ascontiguousarray(index, dtype=np.int64)
        if out is None:
            out, slots = np.empty((len(index), self.n_samples)), np.arange(len(index))
        active = np.flatnonzero(mu)
        weight = np.asarray(mu, dtype=float)[active] / self.scale[active]
        if core is None:
            total = np.zeros((len(index), self.n_samples))
            for w, k in zip(weight, active, strict=True):
                total += w * self.Ks[k, index]
            out[slots] = total
            return out

        def part(t: slice) -> None:
            core.mix(self.Ks, active, weight, index[t], np.ascontiguousarray(slots[t]), out)

        self.share(part, len(index))
        return out

    def mix(self, mu):
        """Return K(mu) as a matrix; at new points it has a row for each of them."""
        return self.rows(mu, np.arange(self.Ks.shape[1]))

    def products(self, V, which=None):
        """Return K_k V for each kernel, shape (M, n, columns of V)."""
        which = np.arange(self.n_kernels) if which is None else np.ascontiguousarray(which, dtype=np.int64)
        rows = np.flatnonzero(np.any(V != 0, axis=1))
        out = np.zeros((len(which), V.shape[1], self.n_samples))
        coef = np.ascontiguousarray(V[rows], dtype=float)
        if core is None:
            for at, k in enumerate(which):
                out[at] = coef.T @ self.Ks[k, rows]
        else:
            self.share(lambda a: core.products(self.Ks, which[a], rows, coef, out[a]), len(which))
        return np.swapaxes(out / self.scale[which, None, None], 1, 2)

    def quadratics(self, V, which=None):
        """Return half the quadratic forms, from the upper triangle of the rows that count."""
        which = np.arange(self.n_kernels) if which is None else np.ascontiguousarray(which, dtype=np.int64)
        if core is None:
            return super().quadratics(V, which)
        rows, s = np.flatnonzero(np.any(V != 0, axis=1)), np.ascontiguousarray(V.T, dtype=float)
        out = np.zeros(len(which))
        self.share(lambda a: core.quadratics(self.Ks, which[a], rows, s, out[a]), len(which))
        return 0.5 * out / self.scale[which]

    def share(self, part: Callable[[slice], None], count: int) -> None:
        """Do a task of `count` like pieces on the threads."""
        workers = min(self.threads, count)
        if workers <= 1:
            part(slice(0, count))
            return
        edges = np.linspace(0, count, workers + 1).astype(int)
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(part, [slice(a, b) for a, b in zip(edges, edges[1:], strict=False)]))

    def take(self, index):
        """Return the kernels on some of the points, copied: (m / n)² of the whole."""
        return replace(self, Ks=gather(self.Ks, index, index))

    def select(self, which):
        """Return some of the kernels."""
        return replace(self, Ks=self.Ks[which], scale=self.scale[which])
