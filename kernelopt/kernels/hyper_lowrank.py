"""Pivots among all pairs of points, and the slices that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelopt.kernels.factors import cholesky_rows
from kernelopt.kernels.hyper import Hyperkernel


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice of a hyperkernel, a kernel on points.

    Parameters
    ----------
    hyperkernel : Hyperkernel
        Which one.
    features : array of shape (r,)
        What it needs to know of the pair that is held fixed.
    name : str
        What to call it where weights are shown.

    Examples
    --------
    >>> from kernelopt.kernels import GaussianHarmonic
    >>> Slice(GaussianHarmonic(1.0, 0.5), np.array([1.0]), "pair 0, 0")(np.array([[0.0], [9.0]])).round(3)
    array([[1. , 0.5],
           [0.5, 1. ]])
    """

    hyperkernel: Hyperkernel
    features: np.ndarray
    name: str = "slice"

    def __call__(self, X, Z=None) -> np.ndarray:
        """Return the kernel between the rows of X and Z."""
        return self.hyperkernel.slice(self.features, np.asarray(X, float), None if Z is None else np.asarray(Z, float))

    def proven_psd(self) -> bool:
        """Whether no check is needed."""
        return self.hyperkernel.proven


@dataclass(frozen=True, eq=False)
class HyperPivots:
    r"""The pairs on which a low-rank hyperkernel stands, their Gram matrix, and their slices on the points.

    Parameters
    ----------
    pairs : array of shape (p, 2)
        Which points each pivot is made of.
    features : array of shape (r, p)
        What the hyperkernel needs to know of them.
    gram : array of shape (p, p)
        The hyperkernel between the pivots.
    slices : array of shape (p, n, n)
        Their slices on the points.
    left : float
        Share of the trace of the Gram matrix on all pairs that the pivots leave out.
    """

    pairs: np.ndarray
    features: np.ndarray
    gram: np.ndarray
    slices: np.ndarray
    left: float


def hyper_pivots(hyperkernel: Hyperkernel, X: Any, tol: float = 1e-6, max_rank: int | None = None) -> HyperPivots:
    r"""Choose pairs by pivoted Cholesky of the Gram matrix on all pairs, which is never made.

    Since (i, j) and (j, i) are one pair, n (n + 1) / 2 of them are looked at: p columns of that length are made, one
    for each pivot, and they are the slices of the pivots as well. Takes :math:`n^2 p` numbers and :math:`n^2 p^2 / 2`
    operations.

    Parameters
    ----------
    hyperkernel : Hyperkernel
        On what.
    X : array of shape (n, d)
        The points.
    tol : float
        Share of the trace that may be left out.
    max_rank : int, optional
        Pivots at most.

    Returns
    -------
    HyperPivots

    Examples
    --------
    >>> from kernelopt.kernels import GaussianHarmonic
    >>> X = np.random.default_rng(0).normal(size=(30, 2))
    >>> found = hyper_pivots(GaussianHarmonic(0.5, 0.6), X)
    >>> found.slices.shape, bool(found.left <= 1e-6)
    ((6, 30, 30), True)
    """
    X = np.asarray(X, dtype=float)
    n, F = len(X), hyperkernel.pairs(X)
    limit = F.shape[1] if max_rank is None else min(max_rank, F.shape[1])
    rows, columns = np.tril_indices(n)
    lower, slices = rows * n + columns, np.empty((min(limit, 64), n, n))
    made = 0

    def column(pivot: int) -> np.ndarray:
        nonlocal slices, made
        if made == len(slices):
            slices = np.concatenate([slices, np.empty((min(made, limit - made), n, n))])
        values = hyperkernel.at(F, F[:, pivot])
        slices[made].ravel()[lower] = values
        _mirror(slices[made])
        made += 1
        return values

    diagonal = hyperkernel.between(F, F)
    _, left, pivots = cholesky_rows(column, diagonal, tol, limit)
    chosen, pairs = F[:, pivots], np.column_stack([rows[pivots], columns[pivots]])
    gram = hyperkernel.between(chosen[:, :, None], chosen[:, None, :])
    share = float(left.sum() / max(float(diagonal.sum()), 1e-300))
    return HyperPivots(pairs, chosen, 0.5 * (gram + gram.T), slices[:made], share)


def _mirror(K: np.ndarray) -> None:
    """Copy the lower triangle onto the upper one, in tiles that fit into a processor's cache."""
    step = 128
    for i in range(0, len(K), step):
        for j in range(0, i, step):
            K[j : j + step, i : i + step] = K[i : i + step, j : j + step].T
        tile = np.tril(K[i : i + step, i : i + step])
        K[i : i + step, i : i + step] = tile + np.tril(tile, -1).T
