"""The average kernel: a set of one point, the baseline every learned kernel is measured against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.sets.base import KernelSet
from kernelopt.convex.sets.program import orthant


@dataclass(frozen=True)
class Uniform(KernelSet):
    r"""The single combination :math:`\mu_k = 1/M`: nothing is learned but the machine.

    Examples
    --------
    >>> Uniform().support(np.array([1.0, 3.0]), None)
    2.0
    """

    name = "uniform"

    @property
    def fixed(self) -> bool:
        """Return true: there is only one point."""
        return True

    def start(self, kernels):
        """Return equal weights."""
        return np.full(kernels.n_kernels, 1 / kernels.n_kernels)

    def project(self, theta, kernels, witness=None):
        """Return equal weights, whatever was given."""
        equal = np.full(len(theta), 1 / len(theta))
        return equal, float(np.abs(theta - equal).max())

    def support(self, q, kernels, witness=None):
        """Return the mean of q, which is exact."""
        return float(np.mean(q))

    def program(self, kernels):
        """Return the point."""
        M = kernels.n_kernels
        return orthant(self.start(kernels), equalities=np.eye(M), total=np.full(M, 1 / M))
