"""Factors L with K ~ L L': pivoted Cholesky, Nystroem's landmarks, random Fourier features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import linalg
from sklearn.utils.extmath import safe_sparse_dot

from kernelopt.errors import NotPSDError

EPS = float(np.finfo(float).eps)
RANK = 64  # columns for which there is room at first
SAME = 1e-6  # of the largest entry: by how much a diagonal and a column may differ through rounding


def pivoted_cholesky(
    column: Callable[[int], np.ndarray], diagonal: np.ndarray, tol: float = 1e-6, max_rank: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the first columns of a Cholesky factor, the largest pivot first, and the diagonal they leave.

    After r steps :math:`K - L L^\top` is the Schur complement of the pivots: positive semidefinite, zero in their rows,
    and of trace :math:`\sum_i r_i` with r the diagonal that is left. It stops when that is at most `tol` times the
    trace of K, or at the precision of the entries. Only the columns of the pivots are ever asked for: n r entries of
    K, and :math:`n r^2` operations.

    Parameters
    ----------
    column : callable
        ``column(i)`` is column i of K, shape (n,).
    diagonal : array of shape (n,)
        The diagonal of K.
    tol : float
        Share of the trace that may be left, at least zero.
    max_rank : int, optional
        Columns at most.

    Returns
    -------
    L : array of shape (n, r)
        The factor.
    left : array of shape (n,)
        The diagonal of :math:`K - L L^\top`, not negative.

    Raises
    ------
    ValueError
        A column and the diagonal contradict each other.
    NotPSDError
        The diagonal that is left falls below zero; where columns are never asked for, nothing is seen.

    References
    ----------
    Fine, Scheinberg. Efficient SVM Training Using Low-Rank Kernel Representations. JMLR 2, 2001.

    Examples
    --------
    >>> K = np.array([[4.0, 2.0], [2.0, 1.0]])
    >>> pivoted_cholesky(lambda i: K[:, i], np.diagonal(K))
    (array([[2.],
           [1.]]), array([0., 0.]))
    """
    rows, left, _ = cholesky_rows(column, diagonal, tol, max_rank)
    return np.ascontiguousarray(rows.T), left


def cholesky_rows(
    column: Callable[[int], np.ndarray], diagonal: np.ndarray, tol: float = 1e-6, max_rank: int | None = None
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Do what `pivoted_cholesky` does; return L' as it lies in memory, the diagonal that is left, and the pivots.

    Examples
    --------
    >>> K = np.array([[1.0, 2.0], [2.0, 4.0]])
    >>> cholesky_rows(lambda i: K[:, i], np.diagonal(K))
    (array([[1., 2.]]), array([0., 0.]), [1])
    """
    if not 0 <= tol < 1:
        raise ValueError(f"tol must be at least zero and below one, found {tol!r}")
    left = np.array(diagonal, dtype=float)
    n, trace, largest = len(left), float(left.sum()), float(left.max(initial=0.0))
    floor = n * EPS * largest  # of an entry: below it is rounding
    limit = n if max_rank is None else min(n, max_rank)
    rows = np.empty((min(limit, RANK), n))  # L', so that a new column of L lies in one piece
    pivots: list[int] = []
    for r in range(limit + 1):
        if float(left.min(initial=0.0)) < -10 * floor:
            raise NotPSDError(
                f"the kernel is not positive semidefinite: after {r} pivots an entry of the diagonal is "
                f"{left.min():.1e}, but rounding explains only {-10 * floor:.1e}. Use a positive semidefinite kernel"
            )
        left = np.maximum(left, 0.0)
        pivot = int(np.argmax(left))
        if r == limit or left[pivot] <= floor or float(left.sum()) <= tol * trace:
            break
        new = np.asarray(column(pivot), dtype=float)
        differ = abs(float(new[pivot]) - float(diagonal[pivot]))
        if not differ <= SAME * largest:
            raise ValueError(
                f"column {pivot} of the kernel has {float(new[pivot]):.6g} where its diagonal has "
                f"{float(diagonal[pivot]):.6g}; a kernel must have one value for a pair of points"
            )
        floor = max(floor, 10 * differ)  # this shows how exact the entries are
        if r == len(rows):
            rows = np.concatenate([rows, np.empty((min(r, limit - r), n))])
        new = new - rows[:r, pivot] @ rows[:r]
        new[pivot], new[pivots] = left[pivot], 0.0  # as in exact arithmetic
        rows[r] = new / np.sqrt(left[pivot])
        left -= rows[r] ** 2
        pivots.append(pivot)
        left[pivots] = 0.0
    return rows[:r], left, pivots


def nystroem(
    cross: np.ndarray, landmarks: np.ndarray, diagonal: np.ndarray, cut: float = 1e-12
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return :math:`L = K_{\cdot S} W^{-1/2}`, :math:`W = K_{SS}`, and the diagonal of :math:`K - L L^\top`.

    The pseudoinverse of W leaves out eigenvalues below `cut` times the largest. :math:`L L^\top` is K between two
    copies of an orthogonal projection in feature space, so :math:`K - L L^\top` is positive semidefinite.

    Parameters
    ----------
    cross : array of shape (n, r)
        Columns of K.
    landmarks : array of shape (r,)
        Which they are.
    diagonal : array of shape (n,)
        The diagonal of K.

    References
    ----------
    Williams, Seeger. Using the Nystroem Method to Speed Up Kernel Machines. NIPS 13, 2000.

    Examples
    --------
    >>> L, left = nystroem(np.array([[4.0], [2.0]]), np.array([0]), np.array([4.0, 2.0]))
    >>> L @ L.T, left
    (array([[4., 2.],
           [2., 1.]]), array([0., 1.]))
    """
    W = cross[landmarks]
    values, vectors = linalg.eigh((W + W.T) / 2)
    keep = values > max(cut * float(values[-1]), 0.0)
    L = cross @ (vectors[:, keep] / np.sqrt(values[keep]))
    return L, np.maximum(diagonal - np.einsum("ir,ir->i", L, L), 0.0)


def fourier_features(X, gamma: float, rank: int, rng: np.random.Generator) -> np.ndarray:
    r"""Return random features whose inner products have the mean :math:`\exp(-\gamma \|x - z\|^2)`.

    .. math::
        L_{x \cdot} = \sqrt{2 / r} \, (\cos \omega_j^\top x, \sin \omega_j^\top x)_{j \le r/2},
        \qquad \omega_j \sim N(0, 2 \gamma I).

    Every row has norm one, as the kernel does.

    Parameters
    ----------
    X : array or sparse matrix of shape (n, d)
        The points.
    gamma : float
        Of the kernel.
    rank : int
        Columns of L; even.
    rng : numpy.random.Generator
        Draws the frequencies.

    References
    ----------
    Rahimi, Recht. Random Features for Large-Scale Kernel Machines. NIPS 20, 2007.

    Examples
    --------
    >>> L = fourier_features(np.zeros((1, 3)), 0.5, 4, np.random.default_rng(0))
    >>> L
    array([[0.70710678, 0.70710678, 0.        , 0.        ]])
    """
    if rank < 2 or rank % 2:
        raise ValueError(f"rank must be even and at least 2, a cosine and a sine per frequency, found {rank!r}")
    frequencies = np.sqrt(2 * gamma) * rng.standard_normal((np.shape(X)[1], rank // 2))
    angles = np.asarray(safe_sparse_dot(X, frequencies, dense_output=True))
    return np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(rank // 2)
