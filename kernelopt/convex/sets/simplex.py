"""Convex combinations of kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.sets.base import KernelSet


@dataclass(frozen=True)
class Simplex(KernelSet):
    r"""Convex combinations: :math:`\mu \ge 0,\ \mathbf{1}^\top \mu = 1`, at no price.

    The support function is the maximum of the q, reached at a vertex, which is why few kernels keep weight.
    On kernels divided by their traces this is the trace budget of [lanckriet2004]_ with c = 1.

    References
    ----------
    .. [lanckriet2004] Lanckriet et al. Learning the Kernel Matrix with Semidefinite Programming. JMLR 5, 2004.

    Examples
    --------
    >>> Simplex().support(np.array([1.0, 3.0]))
    3.0
    """

    name = "simplex"

    def start(self, M):
        """Return equal weights."""
        return np.full(M, 1 / M)

    def project(self, theta):
        """Project in the Euclidean norm, by sorting."""
        violation = max(0.0, float(-theta.min()), abs(float(theta.sum()) - 1))
        if violation == 0.0:
            return theta, 0.0
        descending = np.sort(theta)[::-1]
        excess = (np.cumsum(descending) - 1) / np.arange(1, len(theta) + 1)
        return np.maximum(theta - excess[descending > excess][-1], 0.0), violation

    def R(self, theta):
        """Return zero."""
        return 0.0

    def support(self, q):
        """Return the largest q, which is exact."""
        return float(np.max(q))
