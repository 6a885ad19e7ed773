"""Row providers: what a solver may ask of a list of kernels, wherever their entries live."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class StoredKernels:
    """M Gram matrices held in memory (or in a memory map), divided by one number each.

    The division is done on the results, so that a stack is never copied to be normalised.

    Parameters
    ----------
    Ks : array of shape (M, n, n)
        The matrices as given.
    scale : array of shape (M,)
        Divisors; an infinite one makes its kernel zero.
    """

    Ks: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, Ks, scale=None) -> StoredKernels:
        """Wrap an array (M, n, n), with unit scale unless one is given."""
        Ks = np.asarray(Ks)
        return cls(Ks, np.ones(len(Ks)) if scale is None else np.asarray(scale, dtype=float))

    @property
    def n_kernels(self) -> int:
        """M."""
        return len(self.Ks)

    @property
    def n_samples(self) -> int:
        """N."""
        return self.Ks.shape[1]

    @cached_property
    def description(self) -> str:
        """What is solved exactly: number of kernels, samples and precision."""
        return f"{self.n_kernels} kernels, {self.n_samples} samples, {self.Ks.dtype}"

    @cached_property
    def diagonals(self) -> np.ndarray:
        """The k(x, x): shape (M, n)."""
        return np.einsum("kii->ki", self.Ks).astype(float) / self.scale[:, None]

    @cached_property
    def traces(self) -> np.ndarray:
        """The traces, shape (M,)."""
        return self.diagonals.sum(axis=1)

    @cached_property
    def shares(self) -> np.ndarray:
        """The traces, with the mean of the others in place of zeros: what a unit of weight costs of a trace."""
        return np.where(self.traces > 0, self.traces, self.traces[self.traces > 0].mean())

    @cached_property
    def gram(self) -> np.ndarray:
        """The inner products of the kernels with each other, shape (M, M)."""
        return np.stack([self.inner(self.mix(e)) for e in np.eye(self.n_kernels)])

    @cached_property
    def orthonormal(self) -> np.ndarray:
        """Combinations of the kernels that are orthonormal as matrices: shape (M, rank), one per column.

        By QR and SVD of the entries, not from `gram`: squaring would hide what distinguishes kernels nearly alike.
        """
        flat = np.stack([self.mix(e).ravel() for e in np.eye(self.n_kernels)], axis=1)
        norms = np.maximum(np.linalg.norm(flat, axis=0), 1e-300)
        _, sizes, axes = np.linalg.svd(np.linalg.qr(flat / norms, mode="r"))
        keep = sizes > 1e-13 * sizes[0]
        return axes[keep].T / sizes[keep] / norms[:, None]

    def inner(self, Z: np.ndarray) -> np.ndarray:
        """Return <K_k, Z> for each kernel: shape (M,)."""
        return np.array([float(np.sum(K * Z)) for K in self.Ks]) / self.scale

    def mix(self, mu: np.ndarray) -> np.ndarray:
        """Return K(mu), the sum of mu_k K_k; kernels with weight zero are not read."""
        K = np.zeros(self.Ks.shape[1:])
        for k in np.flatnonzero(mu):
            K += (mu[k] / self.scale[k]) * self.Ks[k]
        return K

    def products(self, V: np.ndarray) -> np.ndarray:
        """Return K_k V for each kernel: shape (M, n, columns of V). Zero rows of V are not read."""
        support = np.flatnonzero(np.any(V != 0, axis=1))
        out = np.empty((self.n_kernels, *V.shape))
        dense = 2 * len(support) > len(V)
        for k, K in enumerate(self.Ks):
            out[k] = (K @ V if dense else K[:, support] @ V[support]) / self.scale[k]
        return out

    def every(self, step: int) -> StoredKernels:
        """Return the kernels on every `step`-th sample, without a copy."""
        return StoredKernels(self.Ks[:, ::step, ::step], self.scale)
