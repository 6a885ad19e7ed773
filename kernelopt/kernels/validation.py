"""The gates a Gram matrix passes before a solver sees it: finite, symmetric, positive semidefinite."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from kernelopt.errors import NotPSDError

DROWNED = 1e6  # times the entries of a matrix: a constant beside which they are rounding


def check_gram(K: np.ndarray, name: str = "K", *, up_to_constant: bool = False) -> np.ndarray:
    r"""Return K, symmetric to the last bit, or raise an error that says what is wrong with it.

    What rounding explains is accepted: a negative eigenvalue or an asymmetry of some machine
    epsilons times n times the trace (for a matrix of integer type: n units, since its entries were
    rounded to one). Nothing larger is repaired.

    Parameters
    ----------
    K : array of shape (n, n)
        Candidate Gram matrix.
    name : str
        What to call it in an error.
    up_to_constant : bool
        Ask only that :math:`v^\top K v \ge 0` where :math:`1^\top v = 0` (conditionally positive
        semidefinite, as :math:`-\|x - z\|^2` is): enough for a machine with an intercept, which sees
        no other v.

    Raises
    ------
    ValueError
        Not two-dimensional, not square, or not finite.
    NotPSDError
        Not symmetric, or with an eigenvalue below what rounding explains.

    Examples
    --------
    >>> check_gram(np.array([[1.0, 2.0], [2.0, 1.0]]))
    Traceback (most recent call last):
    ...
    kernelopt.errors.NotPSDError: K of shape (2, 2) is not positive semidefinite: ...
    """
    K = np.asarray(K)
    if K.ndim != 2 or K.shape[0] != K.shape[1]:
        raise ValueError(f"{name} must be a square matrix, found shape {K.shape}")
    if not np.isfinite(K).all():
        raise ValueError(f"{name} contains NaN or infinity; a Gram matrix must be finite")
    size = float(np.abs(K).max(initial=0.0))
    if size == 0.0:
        return K
    # In units of the largest entry, so that entries near 1e300 or 1e-300 neither overflow nor vanish.
    error, unit = _entry_error(K, size), K / size
    asymmetry = float(np.abs(unit - unit.T).max())
    if asymmetry > 100 * error:
        raise NotPSDError(
            f"{name} of shape {K.shape} is not symmetric: entries differ from their mirror images by up to "
            f"{asymmetry * size:.1e}, but rounding explains only {100 * error * size:.1e}. "
            f"Pass a kernel with k(x, z) = k(z, x)."
        )
    if asymmetry > 0:
        K = (K + K.T) / 2
        unit = K / size
    if up_to_constant:
        unit = unit - unit.mean(axis=0) - unit.mean(axis=1)[:, None] + unit.mean()
    integral = np.issubdtype(K.dtype, np.integer)
    slack = len(K) / size if integral else 10 * error * len(K) * max(float(np.trace(unit, dtype=float)), 1.0)
    if not _positive_definite(unit, slack):
        smallest = float(linalg.eigvalsh(unit.astype(float), subset_by_index=[0, 0])[0])
        if smallest < -slack:
            raise NotPSDError(
                f"{name} of shape {K.shape} is not {'conditionally ' * up_to_constant}positive semidefinite: "
                f"smallest eigenvalue {smallest * size:.1e}, but rounding explains only {-slack * size:.1e}. "
                f"Use a positive semidefinite kernel."
            )
    return K


def missing_constant(K: np.ndarray, name: str = "K") -> float:
    r"""Return the least :math:`c \ge 0` for which :math:`K + c\,\mathbf{1}\mathbf{1}^\top` is a Gram matrix.

    Zero for a Gram matrix; the error of `check_gram` where there is none.

    Examples
    --------
    >>> round(missing_constant(np.array([[2.0, -3.0], [-3.0, 2.0]])), 12)
    0.5
    """
    try:
        check_gram(K, name)
        return 0.0
    except NotPSDError as refused:
        error = refused
    try:
        K = check_gram(K, name, up_to_constant=True)
    except NotPSDError:
        raise error from None
    n, size = len(K), float(np.abs(K).max())
    # In the basis (1/sqrt n, P), with P any basis of the vectors that sum to zero: the Schur complement of P'KP.
    basis = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, 1:]]))[0]
    M = basis.T @ (K / size) @ basis
    values, vectors = linalg.eigh(M[1:, 1:], driver="evd")
    keep = values > 1e-12 * n  # of the entries, which are of size one
    lacking = float(np.sum((vectors[:, keep].T @ M[1:, 0]) ** 2 / values[keep])) - float(M[0, 0])
    constant = max(0.0, lacking) * size / n
    # What rounding explains is in proportion to the entries before and after.
    slack = 10 * _entry_error(K, size) * n * (float(np.abs(np.diagonal(K)).sum()) / size + n * constant / size)
    if constant > DROWNED * size or not _positive_definite((K + constant) / size, slack):
        raise error
    return constant


def _entry_error(K: np.ndarray, size: float) -> float:
    """Return the relative precision of the entries; single precision counts, in whatever type it is kept."""
    single = K.dtype == np.float32 or (size < 3e38 and np.array_equal(K, K.astype(np.float32)))
    return float(np.finfo(np.float32 if single else np.float64).eps)


def _positive_definite(K: np.ndarray, shift: float) -> bool:
    """Whether K + shift·I has a Cholesky factor: a tenth of the price of its eigenvalues."""
    A = np.array(K, dtype=float, order="F")
    A[np.diag_indices_from(A)] += shift
    try:
        linalg.cholesky(A, lower=True, overwrite_a=True, check_finite=False)
    except linalg.LinAlgError:
        return False
    return True
