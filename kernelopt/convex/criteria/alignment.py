"""Alignment of a kernel with the labels, as a criterion and as a number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.criteria.base import Criterion
from kernelopt.convex.criteria.program import box


@dataclass(frozen=True)
class Alignment(Criterion):
    r"""Alignment with the labels: a criterion that is linear in the kernel.

    .. math::
        \omega(K) = -\langle K_c, y y^\top \rangle

    (summed over the columns; :math:`K_c` is the centred kernel). A holds one point, :math:`V = \sqrt2\, y_c`. With
    the set `FrobeniusBall` it is alignf of [cortes2012]_; uncentred, equation (52) of [lanckriet2004]_. It trains no
    machine.

    Parameters
    ----------
    centered : bool
        Whether kernels are centred, which is what makes it work on unbalanced classes [cortes2012]_.

    References
    ----------
    .. [cortes2012] Cortes, Mohri, Rostamizadeh. Algorithms for Learning Kernels Based on Centered Alignment.
       JMLR 13, 2012.
    .. [lanckriet2004] Lanckriet et al. Learning the Kernel Matrix with Semidefinite Programming. JMLR 5, 2004.
    """

    centered: bool = True
    name = "alignment"
    targets = "values"

    def target(self, Y: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Return V, the only point of A: each sample counts with its weight."""
        mean = w @ Y / w.sum() if self.centered else np.zeros(Y.shape[1])
        return np.sqrt(2.0) * w[:, None] * (Y - mean)

    def project(self, a, Y, w):
        """Return the only point."""
        point = self.target(Y, w)
        return point, float(np.abs(a - point).max()) / float(np.abs(point).max() or 1.0)

    def phi(self, a, Y, w):
        """Return zero."""
        return 0.0

    def loss(self, F, b, Y, w):
        """Return minus the inner product of f with V."""
        return -float(np.sum(self.target(Y, w) * F))

    def best_intercept(self, F, Y, w):
        """Return zero: nothing is predicted."""
        return np.zeros(Y.shape[1])

    def scale(self, Y, w, size):
        """Return the alignment of a kernel of that size with itself."""
        return size * float(np.sum(self.target(Y, w) ** 2))

    def program(self, y, w):
        """Return the dual of one column, a single point."""
        point = self.target(y[:, None], w)[:, 0]
        n = len(y)
        return box(np.ones(n), np.zeros(n), point, np.zeros((0, n)), lower=point)


def alignment(K: np.ndarray, L: np.ndarray) -> float:
    r"""Return :math:`\langle K, L \rangle / (\|K\|_F \|L\|_F)`, the alignment of [cristianini2001]_.

    References
    ----------
    .. [cristianini2001] Cristianini, Shawe-Taylor, Elisseeff, Kandola. On Kernel-Target Alignment. NIPS 2001.

    Examples
    --------
    >>> round(alignment(np.eye(2), np.ones((2, 2))), 3)
    0.707
    """
    K, L = np.asarray(K, dtype=float), np.asarray(L, dtype=float)
    norms = np.linalg.norm(K) * np.linalg.norm(L)
    if norms == 0:
        raise ValueError("the alignment with a zero matrix is not defined; leave out kernels that are constant or zero")
    return float(np.sum(K * L) / norms)


def centered_alignment(K: np.ndarray, L: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Return the alignment of the two matrices after centring, which no added constant changes.

    Examples
    --------
    >>> y = np.array([1.0, 1.0, -1.0])
    >>> round(centered_alignment(np.outer(y, y) + 5.0, np.outer(y, y)), 12)
    1.0
    """
    n = len(K)
    p = np.full(n, 1 / n) if sample_weight is None else np.asarray(sample_weight, float) / np.sum(sample_weight)
    H = np.eye(n) - p[None, :]
    root = np.sqrt(n * p)
    centered = []
    for M in (np.asarray(K, float), np.asarray(L, float)):
        C = (H @ M @ H.T) * np.outer(root, root)
        centered.append(C if np.linalg.norm(C) > 1e-13 * n * np.linalg.norm(M) else np.zeros_like(C))  # a constant
    return alignment(*centered)
