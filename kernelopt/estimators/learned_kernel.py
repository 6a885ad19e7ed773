"""The learned kernel as a function of new points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelopt.kernels import KernelStack, Normalization, as_stack, spherical
from kernelopt.kernels.base import kernel_diag


@dataclass(frozen=True, eq=False)
class LearnedKernel:
    """``k(X, Z)``, the weighted sum of normalised base kernels; usable wherever a kernel is.

    Parameters
    ----------
    kernels : sequence of callable, or None
        Base kernels; None when stacks are precomputed, and then a call takes a stack
        (n_new, n_train, M).
    weights : array of shape (M,)
        Weight of each normalised kernel.
    normalization : Normalization
        What each kernel is divided by, as measured on the training points.
    """

    kernels: Sequence[Any] | None
    weights: np.ndarray
    normalization: Normalization

    @property
    def active(self) -> np.ndarray:
        """Indices of the kernels with weight; the others are never evaluated."""
        return np.flatnonzero(self.weights)

    def __call__(self, X, Z=None) -> np.ndarray:
        """Return the kernel between the rows of X and Z (of X, when Z is None), or of a precomputed stack."""
        round_ = self.normalization.method == "spherical"
        if self.kernels is None:
            root = self.normalization.train_root
            return self.combine(as_stack(X).select(self.active), None if root is None else root[self.active])
        active = [self.kernels[k] for k in self.active]
        stack = KernelStack.from_kernels(active, X, Z, diag=round_)
        return self.combine(stack, np.sqrt([kernel_diag(k, X if Z is None else Z) for k in active]) if round_ else None)

    def combine(self, stack: KernelStack, train_root: np.ndarray | None) -> np.ndarray:
        """Return the weighted sum over a stack of the active kernels."""
        if train_root is not None:
            stack = spherical(stack, train_root)
        shares = self.weights[self.active] / self.normalization.scale[self.active]
        K = np.zeros(stack.leading.shape[1:])
        for share, matrix in zip(shares, stack.leading, strict=True):
            K += share * matrix
        return K
