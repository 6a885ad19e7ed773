"""Stored kernels on a device of torch's: what solvers ask is answered there, and comes back as NumPy float64."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from kernelopt.backend import TorchBackend
from kernelopt.kernels.rows import Kernels

BLOCK = 2**27  # bytes of double precision that single entries are widened to at once


@dataclass(frozen=True, eq=False)
class TorchKernels(Kernels):
    """M Gram matrices on a device, divided by one number each; sums are double precision also of single entries.

    Parameters
    ----------
    Ks : torch tensor of shape (M, n, n)
        The matrices, float64 or float32, on the device; `of` puts arrays there.
    scale : array of shape (M,)
        Divisors; an infinite one makes its kernel zero.
    where : kernelopt.backend.TorchBackend
        The device.

    Examples
    --------
    >>> kernels = TorchKernels.of(np.stack([np.eye(2), np.ones((2, 2))]), "cpu")
    >>> kernels.rows(np.array([1.0, 0.5]), np.array([0]))
    array([[1.5, 0.5]])
    >>> kernels.description
    '2 kernels, 2 samples, float64 on cpu'
    """

    Ks: Any
    scale: np.ndarray
    where: TorchBackend

    @classmethod
    def of(cls, Ks: np.ndarray, device: str = "cuda", dtype: Any = None, scale: Any = None) -> TorchKernels:
        """Put matrices on a device, one after the other, so that no second copy is made on this side.

        Parameters
        ----------
        Ks : array of shape (M, n, n)
            The matrices; a memory map is read once.
        device : str
            "cuda", "cuda:1", "cpu", ...: a device that knows float64.
        dtype : float64, float32 or None
            Of the entries there; None keeps single precision single and makes everything else double.
        scale : array of shape (M,), optional
            Divisors, one unless given.

        Raises
        ------
        MissingExtraError
            Without torch.
        ValueError
            No such device, or no such shape or type.
        """
        dtype = np.dtype((np.float32 if Ks.dtype == np.float32 else np.float64) if dtype is None else dtype)
        if dtype not in (np.float64, np.float32):
            raise ValueError(f"dtype must be float64 or float32, found {dtype}")
        if Ks.ndim != 3 or Ks.shape[1] != Ks.shape[2]:
            raise ValueError(f"Ks must have shape (M, n, n), found {Ks.shape}")
        where = TorchBackend(device)
        there = where.torch.empty(Ks.shape, dtype=getattr(where.torch, dtype.name), device=device)
        for k, K in enumerate(Ks):
            there[k] = where.torch.from_numpy(np.array(K, dtype=dtype, order="C"))
        return cls(there, np.ones(len(Ks)) if scale is None else np.asarray(scale, dtype=float), where)

    @property
    def n_kernels(self) -> int:  # type: ignore[override]
        """M."""
        return int(self.Ks.shape[0])

    @property
    def n_samples(self) -> int:  # type: ignore[override]
        """N."""
        return int(self.Ks.shape[2])

    @property
    def dtype(self) -> np.dtype:  # type: ignore[override]
        """Type of the entries."""
        return np.dtype(str(self.Ks.dtype).removeprefix("torch."))

    @cached_property
    def description(self) -> str:  # type: ignore[override]
        """What is solved exactly: number of kernels, samples, precision and device."""
        return f"{self.n_kernels} kernels, {self.n_samples} samples, {self.dtype} on {self.where.name}"

    @cached_property
    def diagonals(self) -> np.ndarray:  # type: ignore[override]
        """The k(x, x): shape (M, n)."""
        return self.where.get(self.Ks.diagonal(dim1=1, dim2=2).double()) / self.scale[:, None]

    def rows(self, mu, index, out=None, slots=None):
        """Return rows of K(mu), shape (r, n), in blocks that the device adds up in double precision."""
        index = np.asarray(index, dtype=np.int64)
        if out is None:
            out, slots = np.empty((len(index), self.n_samples)), np.arange(len(index))
        for part in self._parts(len(index)):
            out[slots[part]] = self.where.get(self._mixed(mu, index[part]))
        return out

    def products(self, V, which=None):
        """Return K_k V for each kernel, shape (M, n, columns of V)."""
        which = np.arange(self.n_kernels) if which is None else np.asarray(which, dtype=np.int64)
        out = np.empty((len(which), self.n_samples, V.shape[1]))
        for target, P in zip(out, self._products(V, which), strict=True):
            target[:] = self.where.get(P)
        return out / self.scale[which, None, None]

    def quadratics(self, V, which=None):
        """Return half the quadratic forms; only these leave the device."""
        which = np.arange(self.n_kernels) if which is None else np.asarray(which, dtype=np.int64)
        if not len(which):
            return np.zeros(0)
        there = self.where.put(V)
        values = self.where.torch.stack([(there * P).sum() for P in self._products(V, which)])
        return 0.5 * self.where.get(values) / self.scale[which]

    def apply(self, mu, V):
        """Return K(mu) V, shape (n, k)."""
        total = self.where.torch.zeros(V.shape, dtype=self.where.torch.float64, device=self.where.name)
        active = np.flatnonzero(mu)
        for weight, P in zip(np.asarray(mu)[active] / self.scale[active], self._products(V, active), strict=True):
            total += float(weight) * P
        return self.where.get(total)

    def inner(self, Z):
        """Return <K_k, Z> for each kernel: shape (M,)."""
        there = self.where.put(Z)
        values = [sum(float((K[p].double() * there[p]).sum()) for p in self._parts(self.n_samples)) for K in self.Ks]
        return np.array(values) / self.scale

    def take(self, index):
        """Return the kernels on some of the points, copied on the device."""
        there = self._index(np.arange(self.n_samples)[index])
        small = [K.index_select(0, there).index_select(1, there) for K in self.Ks]
        return replace(self, Ks=self.where.torch.stack(small))

    def select(self, which):
        """Return some of the kernels."""
        which = np.arange(self.n_kernels)[which]
        return replace(self, Ks=self.Ks[self._index(which)], scale=self.scale[which])

    def _index(self, index) -> Any:
        return self.where.torch.as_tensor(np.ascontiguousarray(index, dtype=np.int64), device=self.where.name)

    def _parts(self, count: int):
        """Yield slices of rows that may be widened at once."""
        step = max(1, BLOCK // (8 * self.n_samples))
        return (slice(start, start + step) for start in range(0, count, step))

    def _mixed(self, mu, index) -> Any:
        there, torch = self._index(index), self.where.torch
        total = torch.zeros((len(index), self.n_samples), dtype=torch.float64, device=self.where.name)
        for k in np.flatnonzero(mu):
            total.add_(self.Ks[k].index_select(0, there).double(), alpha=float(mu[k] / self.scale[k]))
        return total

    def _products(self, V, which):
        """Yield K_k V on the device, without the divisor; rows where V is zero are not read."""
        rows = np.flatnonzero(np.any(V != 0, axis=1))
        there, coef = self._index(rows), self.where.put(V[rows])
        torch, whole = self.where.torch, len(rows) == self.n_samples
        for k in which:
            P = torch.zeros((self.n_samples, V.shape[1]), dtype=torch.float64, device=self.where.name)
            for part in self._parts(len(rows)):
                K = self.Ks[k, part] if whole else self.Ks[k].index_select(0, there[part])
                P.addmm_(K.double().T, coef[part])
            yield P
