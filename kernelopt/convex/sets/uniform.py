"""The average kernel: a set of one point, the baseline every learned kernel is measured against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.sets.base import KernelSet


@dataclass(frozen=True)
class Uniform(KernelSet):
    r"""The single combination :math:`\mu_k = 1/M`: nothing is learned but the machine.

    Examples
    --------
    >>> Uniform().support(np.array([1.0, 3.0]))
    2.0
    """

    name = "uniform"

    def start(self, M):
        """Return equal weights."""
        return np.full(M, 1 / M)

    def project(self, theta):
        """Return equal weights, whatever was given."""
        equal = self.start(len(theta))
        return equal, float(np.abs(theta - equal).max())

    def R(self, theta):
        """Return zero."""
        return 0.0

    def support(self, q):
        """Return the mean of q, which is exact."""
        return float(np.mean(q))
