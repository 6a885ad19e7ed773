"""Kernels kept as one stack on a device of torch's, for the solvers that work with whole matrices there."""

from __future__ import annotations

import numpy as np

from kernelopt.backend import Backend
from kernelopt.kernels.rows import Kernels


class DeviceKernels(Kernels):
    """M Gram matrices on a device; what is asked for comes back as NumPy's.

    Parameters
    ----------
    kernels : Kernels
        Where the matrices come from; one at a time is made in memory.
    where : Backend
        The device: M N^2 numbers in float64 are kept there.
    """

    def __init__(self, kernels: Kernels, where: Backend):
        self.source, self.where = kernels, where
        self.n_kernels, self.n_samples = kernels.n_kernels, kernels.n_samples
        self.description, self.dtype, self.diagonals = kernels.description, kernels.dtype, kernels.diagonals
        self.orthonormal = kernels.orthonormal
        self.stack = where.empty(self.n_kernels, self.n_samples, self.n_samples)
        for target, e in zip(self.stack, np.eye(self.n_kernels), strict=True):
            target[:] = where.put(kernels.mix(e))
        self.flat = self.stack.reshape(self.n_kernels, -1)

    def mix(self, mu: np.ndarray) -> np.ndarray:
        """Return K(mu) as a matrix."""
        return self.where.get(self.where.put(mu) @ self.flat).reshape(self.n_samples, self.n_samples)

    def rows(self, mu, index, out=None, slots=None):
        """Return rows of K(mu), shape (r, N)."""
        found = np.tensordot(mu, self.where.get(self.stack[:, index]), 1)
        if out is None:
            return found
        out[slots] = found
        return out

    def products(self, V: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        """Return K_k V for each kernel (of those in `which`), shape (M, N, k)."""
        stack = self.stack if which is None else self.stack[which]
        return self.where.get(stack @ self.where.put(V))

    def inner(self, Z: np.ndarray) -> np.ndarray:
        """Return <K_k, Z> for each kernel: shape (M,)."""
        return self.where.get(self.flat @ self.where.put(Z).reshape(-1))

    def take(self, index: np.ndarray) -> Kernels:
        """Return the kernels on some of the points."""
        return DeviceKernels(self.source.take(index), self.where)

    def select(self, which: np.ndarray) -> Kernels:
        """Return some of the kernels."""
        return DeviceKernels(self.source.select(which), self.where)
