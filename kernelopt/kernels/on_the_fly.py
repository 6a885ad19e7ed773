"""Kernels made when they are asked for, from the points: nothing of the size of a stack of matrices ever exists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.utils.extmath import row_norms, safe_sparse_dot

from kernelopt.compiled import core
from kernelopt.kernels.columns import as_gaussian
from kernelopt.kernels.interface import evaluate, has_white, kernel_diag, kernel_name
from kernelopt.kernels.rows import Kernels
from kernelopt.kernels.stack import unique_names

NARROW = 32  # columns
BLOCK = 2**18  # entries made at once: few enough to stay in a cache


@dataclass(frozen=True, eq=False)
class OnTheFly(Kernels):
    r"""M kernels on the rows of X, evaluated row by row whenever a solver asks.

    Gaussian kernels on the same columns share their squared distances, and their exponentials run at the width of the
    processor: in single precision faster than stored doubles are read. Other kernels are called on blocks of rows.

    Parameters
    ----------
    kernels : sequence of callable
        Base kernels; none may hold `White`, which is no function of two points.
    X : array or sparse matrix of shape (n, d)
        The points.
    scale : array of shape (M,)
        Divisors; an infinite one makes its kernel zero.
    dtype : float64 or float32
        float32 makes the entries of Gaussian kernels to 1e-7 of one; sums are double precision all the same.
    threads : int
        Threads that share the rows.

    Examples
    --------
    >>> from kernelopt.kernels import Gaussian
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> kernels = OnTheFly.of([Gaussian(1.0), Gaussian(0.1)], X)
    >>> kernels.rows(np.array([1.0, 0.0]), np.array([0])).round(4)
    array([[1.    , 0.3679, 0.0183]])
    """

    kernels: Sequence[Any]
    X: Any
    scale: np.ndarray
    dtype: Any = np.dtype(np.float64)
    threads: int = 1

    @classmethod
    def of(cls, kernels: Sequence[Any], X, scale=None, dtype: Any = np.float64, threads: int = 1) -> OnTheFly:
        """Wrap kernels on points, with unit scale unless one is given."""
        white = [kernel_name(k) for k in kernels if has_white(k)]
        if white:
            raise ValueError(f"kernels that tell a point from its copies cannot be made row by row: {', '.join(white)}")
        if np.dtype(dtype) not in (np.float64, np.float32):
            raise ValueError(f"dtype must be float64 or float32, found {dtype!r}")
        scale = np.ones(len(kernels)) if scale is None else np.asarray(scale, dtype=float)
        return cls(tuple(kernels), X, scale, np.dtype(dtype), threads)

    @property
    def n_kernels(self) -> int:  # type: ignore[override]
        """M."""
        return len(self.kernels)

    @property
    def n_samples(self) -> int:  # type: ignore[override]
        """N."""
        return self.X.shape[0]

    @property
    def description(self) -> str:  # type: ignore[override]
        """What is solved exactly: number of kernels, samples and precision."""
        return f"{self.n_kernels} kernels, {self.n_samples} samples, on the fly in {self.dtype}"

    @property
    def names(self) -> list[str]:
        """One name per kernel."""
        return unique_names(self.kernels)

    @cached_property
    def diagonals(self) -> np.ndarray:  # type: ignore[override]
        """The k(x, x): shape (M, n)."""
        return np.stack([kernel_diag(k, self.X) for k in self.kernels]) / self.scale[:, None]

    @cached_property
    def families(self) -> list[_Family]:
        """The kernels, gathered by what their members share."""
        groups: dict[Any, list[int]] = {}
        for k, kernel in enumerate(self.kernels):
            gaussian, columns = as_gaussian(kernel)
            groups.setdefault(("gaussian", columns) if gaussian is not None else k, []).append(k)
        return [_Family.of(self, key, np.array(members)) for key, members in groups.items()]

    def _parts(self, which: np.ndarray) -> Iterator[tuple[_Family, np.ndarray, np.ndarray]]:
        """Yield each family with its members among `which`: where they stand in it, and where in `which`."""
        places = np.full(self.n_kernels, -1)
        places[which] = np.arange(len(which))
        for family in self.families:
            place = places[family.members]
            inside = np.flatnonzero(place >= 0)
            if len(inside):
                yield family, inside, place[inside]

    def _over_blocks(self, rows: np.ndarray, columns: int, task: Callable[[slice, Any], None], make=lambda: None):
        """Do a task on blocks of the rows, adding to what `make` makes, one for each thread; return these."""
        step = max(1, BLOCK // max(columns, 1))
        edges = np.linspace(0, len(rows), min(self.threads, max(len(rows), 1)) + 1).astype(int)

        def part(first: int, last: int) -> Any:
            total = make()
            for at in range(first, last, step):
                task(slice(at, min(at + step, last)), total)
            return total

        if len(edges) == 2:
            return [part(0, len(rows))]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(part, edges, edges[1:]))

    def rows(self, mu, index, out=None, slots=None):
        """Return rows of K(mu), shape (r, n)."""
        index = np.ascontiguousarray(index, dtype=np.int64)
        if out is None:
            out, slots = np.empty((len(index), self.n_samples)), np.arange(len(index))
        active = np.flatnonzero(mu)
        weight = np.asarray(mu, dtype=float)[active] / self.scale[active]

        def block(t: slice, _: None) -> None:
            total = np.zeros((len(index[t]), self.n_samples), dtype=self.dtype)
            for family, inside, place in self._parts(active):
                family.mix(index[t], inside, weight[place], total)
            out[slots[t]] = total

        self._over_blocks(index, self.n_samples, block)
        return out

    def products(self, V, which=None):
        """Return K_k V for each kernel, shape (M, n, columns of V)."""
        which = np.arange(self.n_kernels) if which is None else np.asarray(which, dtype=np.int64)
        if len(np.unique(which)) < len(which):
            which, again = np.unique(which, return_inverse=True)
            return self.products(V, which)[again]
        rows = np.flatnonzero(np.any(V != 0, axis=1))
        coef = np.ascontiguousarray(V[rows], dtype=float)

        def block(t: slice, out: np.ndarray) -> None:
            for family, inside, place in self._parts(which):
                sums = np.zeros((len(inside), V.shape[1], self.n_samples))
                family.products(rows[t], inside, np.ascontiguousarray(coef[t]), sums)
                out[place] += sums

        shape = (len(which), V.shape[1], self.n_samples)
        out = sum(self._over_blocks(rows, self.n_samples, block, lambda: np.zeros(shape)))
        return np.swapaxes(out / self.scale[which, None, None], 1, 2)

    def quadratics(self, V, which=None):
        """Return half the quadratic forms: of the points that count alone, each pair once."""
        which = np.arange(self.n_kernels) if which is None else np.asarray(which, dtype=np.int64)
        if len(np.unique(which)) < len(which):
            which, again = np.unique(which, return_inverse=True)
            return self.quadratics(V, which)[again]
        support = np.flatnonzero(np.any(V != 0, axis=1))
        if len(support) == 0:
            return np.zeros(len(which))
        small, s = self.take(support), np.ascontiguousarray(V[support].T, dtype=float)
        rows = np.arange(len(support))

        def block(t: slice, out: np.ndarray) -> None:
            for family, inside, place in small._parts(which):
                out[place] += family.quadratics(rows[t], inside, s)

        total = sum(small._over_blocks(rows, len(support), block, lambda: np.zeros(len(which))))
        return 0.5 * total / self.scale[which]

    def take(self, index):
        """Return the kernels on some of the points."""
        return replace(self, X=self.X[index])

    def select(self, which):
        """Return some of the kernels."""
        return replace(self, kernels=tuple(self.kernels[k] for k in which), scale=self.scale[which])


class _Family:
    """Kernels whose rows are made together; here one kernel of any kind, called on a block of rows."""

    def __init__(self, provider: OnTheFly, members: np.ndarray):
        self.members, self.X = members, provider.X
        self.kernel = provider.kernels[members[0]]

    @staticmethod
    def of(provider: OnTheFly, key: Any, members: np.ndarray) -> _Family:
        return _GaussianFamily(provider, key[1], members) if isinstance(key, tuple) else _Family(provider, members)

    def block(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(evaluate(self.kernel, self.X[rows], self.X), dtype=float)

    def mix(self, rows, inside, weight, out) -> None:
        out += (weight[0] * self.block(rows)).astype(out.dtype, copy=False)

    def products(self, rows, inside, coef, out) -> None:
        out[0] += coef.T @ self.block(rows)

    def quadratics(self, rows, inside, s) -> np.ndarray:
        return np.array([float(np.sum((s[:, rows] @ self.block(rows)) * s))])


class _GaussianFamily(_Family):
    """Gaussian kernels of several widths on the same columns."""

    def __init__(self, provider: OnTheFly, columns: tuple[int, ...] | None, members: np.ndarray):
        super().__init__(provider, members)
        X = provider.X if columns is None else provider.X[:, list(columns)]
        self.X = X if columns is None or hasattr(X, "tocsr") else np.ascontiguousarray(X)
        self.norms, self.dtype = row_norms(self.X, squared=True), provider.dtype
        # Few columns: differences, feature by feature. Many: inner products, which BLAS does best.
        narrow = core is not None and not hasattr(X, "tocsr") and self.X.shape[1] <= NARROW
        self.features = np.ascontiguousarray(self.X.T, dtype=float) if narrow else None
        self.gamma = np.array([g.gamma for k in members if (g := as_gaussian(provider.kernels[k])[0]) is not None])

    def distances(self, rows: np.ndarray, first: int = 0) -> np.ndarray:
        """Return squared distances of some points from all from `first` on, shape (r, n - first)."""
        if self.features is not None:
            out = np.empty((len(rows), len(self.norms) - first), dtype=self.dtype)
            core.distances(self.features, rows, first, out)
            return out
        D = safe_sparse_dot(self.X[rows], self.X[first:].T, dense_output=True)
        D *= -2
        D += self.norms[rows, None]
        D += self.norms[first:]
        np.maximum(D, 0.0, out=D)
        own = rows >= first
        D[np.flatnonzero(own), rows[own] - first] = 0.0  # a point is no distance from itself
        return D.astype(self.dtype, copy=False)

    def mix(self, rows, inside, weight, out) -> None:
        D, gamma = self.distances(rows), self.gamma[inside]
        if core is not None:
            core.gaussian_mix(D, gamma, np.ascontiguousarray(weight), out)
            return
        for g, w in zip(gamma, weight, strict=True):
            out += w * np.exp(-g * D)

    def products(self, rows, inside, coef, out) -> None:
        D, gamma = self.distances(rows), self.gamma[inside]
        if core is not None:
            core.gaussian_products(D, gamma, coef, out)
            return
        for g, part in zip(gamma, out, strict=True):
            part += coef.T @ np.exp(-g * D)

    def quadratics(self, rows, inside, s) -> np.ndarray:
        first, gamma, out = int(rows[0]), self.gamma[inside], np.zeros(len(inside))
        D = self.distances(rows, first)
        later = np.ascontiguousarray(s[:, first:])
        if core is not None:
            core.gaussian_quadratics(D, gamma, rows - first, later, out)
            return out
        above = np.arange(later.shape[1]) > (rows - first)[:, None]
        for at, g in enumerate(gamma):
            pairs = np.einsum("cr,rn,cn->", s[:, rows], np.where(above, np.exp(-g * D), 0.0), later)
            out[at] = 2 * pairs + float(np.sum(s[:, rows] ** 2))
        return out
