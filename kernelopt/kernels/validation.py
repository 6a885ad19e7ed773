"""The gates a Gram matrix passes before a solver sees it: finite, symmetric, positive semidefinite."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from kernelopt.errors import NotPSDError


def check_gram(K: np.ndarray, name: str = "K") -> np.ndarray:
    """Return K, symmetric to the last bit, or raise an error that says what is wrong with it.

    What rounding explains is accepted: a negative eigenvalue or an asymmetry of some machine
    epsilons times n times the trace. Nothing larger is repaired.

    Parameters
    ----------
    K : array of shape (n, n)
        Candidate Gram matrix.
    name : str
        What to call it in an error.

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
    kernelopt.errors.NotPSDError: K of shape (2, 2) is not positive semidefinite: smallest eigenvalue -1.0e+00, ...
    """
    K = np.asarray(K)
    if K.ndim != 2 or K.shape[0] != K.shape[1]:
        raise ValueError(f"{name} must be a square matrix, found shape {K.shape}")
    if not np.isfinite(K).all():
        raise ValueError(f"{name} contains NaN or infinity; a Gram matrix must be finite")
    eps = _precision(K)
    size = float(np.abs(K).max(initial=0.0))
    asymmetry = float(np.abs(K - K.T).max(initial=0.0))
    if asymmetry > 100 * eps * size:
        raise NotPSDError(
            f"{name} of shape {K.shape} is not symmetric: entries differ from their mirror images by up to "
            f"{asymmetry:.1e}, but rounding explains only {100 * eps * size:.1e}. Pass a kernel with k(x, z) = k(z, x)."
        )
    if asymmetry > 0:
        K = (K + K.T) / 2
    # Scaled to a unit largest entry, so that entries near 1e±300 neither overflow nor vanish.
    unit = K / size if size > 0 else K
    slack = 10 * eps * len(K) * max(float(np.trace(unit, dtype=float)), eps)
    if not _positive_definite(unit, slack):
        smallest = float(linalg.eigvalsh(unit.astype(float), subset_by_index=[0, 0])[0])
        if smallest < -slack:
            raise NotPSDError(
                f"{name} of shape {K.shape} is not positive semidefinite: smallest eigenvalue "
                f"{smallest * size:.1e}, but rounding explains only {-slack * size:.1e}. "
                f"Use a positive semidefinite kernel."
            )
    return K


def _precision(K: np.ndarray) -> float:
    """Return the machine epsilon of the entries: single precision counts, in whatever type it is kept."""
    single = K.dtype == np.float32 or np.array_equal(K, K.astype(np.float32))
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
