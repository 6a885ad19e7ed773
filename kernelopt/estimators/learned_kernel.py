"""The learned kernel as a function of new points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelopt.kernels import KernelStack, Normalization, as_stack, kernel_diag
from kernelopt.kernels.rows import StoredKernels


@dataclass(frozen=True, eq=False)
class LearnedKernel:
    """``k(X, Z)``, the weighted sum of normalised base kernels; usable wherever a kernel is.

    Parameters
    ----------
    kernels : sequence of callable, or None
        Base kernels; None when stacks are precomputed, and then a call takes a stack
        (n_new, n_train, M) and no Z.
    weights : array of shape (M,)
        Weight of each normalised kernel.
    normalization : Normalization
        What is done to each kernel, as measured on the training points.
    points : array, optional
        The training points that the normalisation was measured on: rows of features, read only if it centres; for
        precomputed stacks the indices of their columns, all by default.

    Examples
    --------
    >>> from kernelopt.kernels import Gaussian, Linear
    >>> X = np.array([[0.0], [2.0]])
    >>> stack = KernelStack.from_kernels([Linear(), Gaussian(1.0)], X)
    >>> k = LearnedKernel([Linear(), Gaussian(1.0)], np.array([1.0, 0.0]), Normalization.fit(stack, "trace"))
    >>> k(X), len(k.parts(X))
    (array([[0., 0.],
           [0., 2.]]), 1)
    """

    kernels: Sequence[Any] | None
    weights: np.ndarray
    normalization: Normalization
    points: Any = None

    @property
    def active(self) -> np.ndarray:
        """Indices of the kernels with weight; the others are never evaluated."""
        return np.flatnonzero(self.weights)

    def __call__(self, X, Z=None, *, index=None) -> np.ndarray:
        """Return the kernel between the rows of X and Z (of X, when Z is None), or of a precomputed stack.

        Parameters
        ----------
        X : array of shape (n, d), or stack of shape (n, n_train, M) when precomputed
            Points, or their kernels with the training points.
        Z : array of shape (n_z, d), optional
            Points; none when precomputed.
        index : array of int, optional
            Which of the training points the rows of Z are; when precomputed, which are wanted.

        Returns
        -------
        ndarray of shape (n, n_z)
        """
        return self.normalized(X, Z, index=index).mix(self.weights[self.active])

    def parts(self, X, Z=None, *, index=None) -> list[np.ndarray]:
        """Return the share of each `active` kernel, weight included: they add up to what a call returns."""
        made = self.normalized(X, Z, index=index)
        shares = self.weights[self.active] / made.scale
        return [share * K for share, K in zip(shares, made.Ks, strict=True)]

    def normalized(self, X, Z=None, *, index=None) -> StoredKernels:
        """Return the `active` kernels, normalised but not weighted, between the points that a call takes."""
        active = self.active
        normalization = self.normalization.select(active)
        known = normalization.profile
        if known is not None and index is not None:
            known = known[:, index]
        if self.kernels is None:
            if Z is not None:
                raise ValueError("kernels are precomputed: pass a stack X between new and training points, and no Z")
            stack = as_stack(X).select(active)
            points = np.arange(stack.shape[1]) if self.points is None else self.points
            rows = normalization.measure(stack[:, points] if normalization.method == "center" else stack)
            return normalization.apply(stack[:, points if index is None else points[index]], rows=rows, columns=known)
        stack = KernelStack.from_kernels([self.kernels[k] for k in active], X, Z)
        rows = self._measure(X)
        columns = rows if Z is None else known if index is not None else self._measure(Z)
        return normalization.apply(stack, rows=rows, columns=columns)

    def _measure(self, X) -> np.ndarray | None:
        """Return what the normalisation needs to know of points: k(x, x), or the means over its own points."""
        assert self.kernels is not None
        active = [self.kernels[k] for k in self.active]
        if self.normalization.method == "spherical":
            return self.normalization.select(self.active).of_diagonal([kernel_diag(k, X) for k in active])
        if self.normalization.method == "center":
            return self.normalization.select(self.active).measure(KernelStack.from_kernels(active, X, self.points))
        return None
