"""Rank-one kernels that span a space of Gram matrices."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import linalg

from kernelopt.kernels.stack import KernelStack
from kernelopt.kernels.validation import check_gram


def eigenvector_kernels(K, n_components: int | None = None, names: Iterable[str] | None = None) -> KernelStack:
    r"""Return the rank-one kernels :math:`v_i v_i^\top` of the eigenvectors of a Gram matrix.

    The eigenvectors are orthonormal, so the weights are the eigenvalues of what they combine to:

    .. math:: K(\mu) = \sum_i \mu_i v_i v_i^\top \succeq 0 \iff \mu \ge 0.

    Learning nonnegative weights over them is therefore learning over *all* positive semidefinite matrices
    that share the eigenvectors of K, and the semidefinite program becomes a quadratic one [lanckriet2004]_. K is over
    training and unlabelled points together: such a kernel has no value at any other point.

    Parameters
    ----------
    K : array of shape (n, n)
        Gram matrix on training and unlabelled points.
    n_components : int, optional
        How many, largest eigenvalues first. By default all whose eigenvalue is more than rounding.
    names : iterable of str, optional
        One name per kernel; "eigenvector 1" and so on by default.

    Returns
    -------
    KernelStack of shape (n, n, n_components)
        Each kernel has trace one. Memory is n² numbers per kernel.

    Raises
    ------
    ValueError
        If K is not a Gram matrix (`NotPSDError`), or has fewer eigenvectors than asked for.

    References
    ----------
    .. [lanckriet2004] Lanckriet, Cristianini, Bartlett, El Ghaoui, Jordan. Learning the Kernel Matrix with
       Semidefinite Programming. JMLR 5, 2004.

    Examples
    --------
    >>> K = np.diag([1.0, 4.0, 0.0])
    >>> stack = eigenvector_kernels(K)
    >>> stack.shape, stack.names, np.diagonal(stack.leading[0]).tolist()
    ((3, 3, 2), ('eigenvector 1', 'eigenvector 2'), [0.0, 1.0, 0.0])
    """
    K = np.asarray(check_gram(K, "K"), dtype=float)
    values, vectors = linalg.eigh(K, driver="evd")
    values, vectors = values[::-1], vectors[:, ::-1]
    rank = int(np.count_nonzero(values > len(K) * np.finfo(float).eps * values[0]))
    if n_components is None:
        n_components = rank
    if rank == 0:
        raise ValueError("K is zero, and has no eigenvector to make a kernel of")
    if not 1 <= n_components <= rank:
        raise ValueError(f"n_components must be between 1 and {rank}, the rank of K, found {n_components!r}")
    V = vectors[:, :n_components].T
    names = [f"eigenvector {i}" for i in range(1, n_components + 1)] if names is None else names
    return KernelStack(V[:, :, None] * V[:, None, :], names=names)
