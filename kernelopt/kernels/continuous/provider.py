"""A continuous family on points, as problems and solvers see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from kernelopt.kernels.continuous.base import Family, Maximum
from kernelopt.kernels.rows import Kernels, StoredKernels


@dataclass(frozen=True, eq=False)
class FamilyKernels(Kernels):
    r"""A family on the rows of X. As a list of kernels it holds those at `omegas`.

    Parameters
    ----------
    family : Family
        The family, with its bounds known.
    X : array of shape (n, d)
        The points.
    omegas : array of shape (r, p), optional
        Which of its kernels make the list; those it begins with, by default.

    Examples
    --------
    >>> from kernelopt.kernels.continuous import GaussianFamily
    >>> kernels = FamilyKernels(GaussianFamily(0.01, 100.0), np.array([[0.0], [1.0]]))
    >>> kernels.description
    'the gaussian family, maximum proven over the continuum, 2 samples, float64'
    >>> kernels.at(np.array([[0.5]])).mix(np.ones(1)).round(4)
    array([[1.    , 0.6065],
           [0.6065, 1.    ]])
    """

    family: Family
    X: np.ndarray
    omegas: Any = None

    def __post_init__(self):
        X = np.ascontiguousarray(self.X, dtype=float)
        if X.ndim != 2 or not np.isfinite(X).all():
            raise ValueError(f"X must be a finite array of shape (n, d), found shape {X.shape}")
        p = len(self.family.domain(X.shape[1]))
        omegas = self.family.start(X.shape[1]) if self.omegas is None else np.asarray(self.omegas, dtype=float)
        if omegas.ndim != 2 or omegas.shape[1] != p:
            raise ValueError(f"omegas must have shape (any, {p}) for the {self.family.name} family: {omegas.shape}")
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "omegas", omegas)
        object.__setattr__(self, "dtype", np.dtype(float))

    @property
    def n_kernels(self) -> int:  # type: ignore[override]
        """How many are in the list."""
        return len(self.omegas)

    @property
    def n_samples(self) -> int:  # type: ignore[override]
        """N."""
        return len(self.X)

    @property
    def description(self) -> str:  # type: ignore[override]
        """Which problem a certificate proves, or does not."""
        how = "maximum proven over the continuum" if self.family.proven else "maximum by multi-start, NOT proven"
        return f"the {self.family.name} family, {how}, {self.n_samples} samples, float64"

    @cached_property
    def points(self) -> Any:
        """What the family wants to know of the points."""
        return self.family.prepare(self.X)

    @cached_property
    def diagonals(self) -> np.ndarray:  # type: ignore[override]
        """The k(x, x): shape (r, n)."""
        return np.stack([self.family.diag(omega, self.X) for omega in self.omegas])

    def grams(self, omegas: np.ndarray) -> np.ndarray:
        """Return the Gram matrices at parameters, shape (r, n, n)."""
        out = np.empty((len(omegas), self.n_samples, self.n_samples))
        for K, omega in zip(out, omegas, strict=True):
            K[...] = self.family.gram(omega, self.points)
        return out

    def at(self, omegas: np.ndarray) -> StoredKernels:
        """Return the kernels at some parameters as matrices."""
        return StoredKernels.of(self.grams(omegas))

    def apply_at(self, weights: np.ndarray, omegas: np.ndarray, V: np.ndarray) -> np.ndarray:
        """Return the weighted sum of the kernels at some parameters times V, one matrix at a time."""
        out = np.zeros(V.shape)
        for weight, omega in zip(weights, omegas, strict=True):
            if weight != 0:
                out += weight * (self.family.gram(omega, self.points) @ V)
        return out

    def maximise(self, V: np.ndarray, tol: float, starts: np.ndarray | None = None) -> Maximum:
        r"""Return where :math:`\operatorname{tr} V^\top K_\omega V` is large."""
        return self.family.maximise(V, self.points, tol, starts)

    def rows(self, mu, index, out=None, slots=None):
        """Return rows of the mixture of the list."""
        total = np.zeros((len(index), self.n_samples))
        for weight, omega in zip(mu, self.omegas, strict=True):
            if weight != 0:
                total += weight * self.family.matrix(omega, self.X[index], self.X)
        if out is None:
            return total
        out[slots] = total
        return out

    def products(self, V, which=None):
        """Return K_k V for each kernel of the list (of those in `which`)."""
        omegas = self.omegas if which is None else self.omegas[which]
        return np.stack([self.family.gram(omega, self.points) @ V for omega in omegas])

    def take(self, index):
        """Return the family on some of the points."""
        return replace(self, X=self.X[index])

    def select(self, which):
        """Return some of the kernels of the list."""
        return replace(self, omegas=self.omegas[which])
