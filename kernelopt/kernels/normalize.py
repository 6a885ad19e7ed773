"""Normalisation of kernels: fitted on the training points, applied unchanged to new ones."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from kernelopt.kernels.stack import KernelStack

METHODS = ("variance", "trace", "spherical", None)


@dataclass(frozen=True, eq=False)
class Normalization:
    r"""What divides each kernel, remembered from the training points.

    With weights p (adding up to one) on the training points:

    ============  ==============================================================================
    variance      :math:`\sum_i p_i K_{ii} - p^\top K p`, the variance in feature space [kloft2011]_
    trace         :math:`\sum_i p_i K_{ii}`
    spherical     :math:`\sqrt{k(x, x)\, k(z, z)}`, entry by entry
    None          nothing
    ============  ==============================================================================

    Parameters
    ----------
    method : {"variance", "trace", "spherical", None}
        Which.
    scale : array of shape (M,)
        Divisor of each kernel; ``inf`` for a kernel that is constant on the training points and so
        has nothing to learn from (with "variance"), or zero.
    train_root : array of shape (M, n_train), or None
        :math:`\sqrt{k(z, z)}` of the training points, for "spherical".

    References
    ----------
    .. [kloft2011] Kloft, Brefeld, Sonnenburg, Zien. lp-Norm Multiple Kernel Learning. JMLR 12, 2011.
    """

    method: str | None
    scale: np.ndarray
    train_root: np.ndarray | None = None

    @classmethod
    def fit(cls, stack: KernelStack, method: str | None, sample_weight=None) -> Normalization:
        """Measure the divisors on a square training stack.

        Examples
        --------
        >>> stack = KernelStack.from_leading([np.diag([1.0, 3.0])])
        >>> Normalization.fit(stack, "trace").scale
        array([2.])
        """
        if method not in METHODS:
            raise ValueError(f"normalize must be one of {METHODS}, found {method!r}")
        n, _, M = stack.shape
        p = np.full(n, 1 / n) if sample_weight is None else np.asarray(sample_weight, float) / np.sum(sample_weight)
        diag = np.asarray(stack.diag, dtype=float)
        # In units of each kernel's largest entry: no overflow at 1e300, no underflow at 1e-300.
        size = np.array([max(float(K.max()), -float(K.min())) for K in stack.leading])
        size[size == 0] = 1.0
        share = (diag / size[:, None]) @ p
        if method in ("trace", "spherical") and (share < 0).any():
            negative = ", ".join(np.array(stack.names)[share < 0])
            raise ValueError(
                f"normalize={method!r} needs k(x, x) >= 0, which fails for: {negative}; choose normalize='variance'"
            )
        if method == "variance":
            spread = share - np.array([p @ (K / s) @ p for K, s in zip(stack.leading, size, strict=True)])
            share = np.where(spread > 1e-12, spread, 0.0)
        flat = share == 0 if method in ("trace", "variance") else ~np.any(stack.leading, axis=(1, 2))
        if flat.any():
            names = ", ".join(np.array(stack.names)[flat])
            if flat.all():
                raise ValueError(f"every kernel is constant or zero on the training points: {names}")
            warnings.warn(
                f"constant or zero on the training points, so without use and left out: {names}", stacklevel=3
            )
        scale = share * size if method in ("trace", "variance") else np.ones(M)
        return cls(method, np.where(flat, np.inf, scale), np.sqrt(diag) if method == "spherical" else None)


def spherical(stack: KernelStack, train_root: np.ndarray) -> KernelStack:
    r"""Return the stack with each entry divided by :math:`\sqrt{k(x, x)\, k(z, z)}`.

    Parameters
    ----------
    stack : KernelStack
        Kernels between any points and training points.
    train_root : array of shape (M, n_train)
        :math:`\sqrt{k(z, z)}` of the training points.
    """
    if stack.diag is None:
        raise ValueError(
            "normalize='spherical' needs k(x, x) of the new points, which a bare array does not hold; "
            "pass KernelStack(..., diag=...), or choose normalize='variance' or 'trace'"
        )
    row_root = np.sqrt(np.asarray(stack.diag, dtype=float))
    Ks = np.zeros(stack.leading.shape)
    for K, row, column, out in zip(stack.leading, row_root, train_root, Ks, strict=True):
        roots = np.outer(row, column)
        np.divide(K, roots, out=out, where=roots > 0)
    return KernelStack(Ks, names=stack.names)
