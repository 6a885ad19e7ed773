"""Tessellated kernels: one matrix, positive semidefinite with a given trace, is what is learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from kernelopt.convex.sets.base import KernelSet, project_to_simplex
from kernelopt.convex.sets.program import WeightProgram
from kernelopt.kernels.tessellated import TessellatedKernels


@dataclass(frozen=True)
class Tessellated(KernelSet):
    r"""Kernels that are quadratic forms of features of indicators [colbert2020]_.

    .. math:: K(P)_{ij} = \int N(z, x_i)^\top P N(z, x_j)\, dz, \qquad P \succeq 0, \quad \operatorname{tr} P \le c,

    with the N of `kernelopt.kernels.Tessellation`; the problem's kernels are `kernelopt.kernels.TessellatedKernels`,
    and :math:`\theta` is P itself. Unlike a matrix per data set, P gives the kernel at all points.

    K is linear in P, so :math:`\tfrac12 \langle K(P), V V^\top \rangle = \langle P, G \rangle` with

    .. math::
        G = \tfrac12 \sum_c \int \Bigl(\sum_i V_{ic} N(z, x_i)\Bigr) \Bigl(\sum_i V_{ic} N(z, x_i)\Bigr)^\top dz
        \succeq 0,

    a matrix of the size of P however many points there are, and the support function is c times its largest
    eigenvalue u'Gu, reached at P = c u u'. That is exact, and no witness is needed.

    Parameters
    ----------
    trace : float
        c; positive.

    References
    ----------
    .. [colbert2020] Colbert, Peet. A Convex Parametrization of a New Class of Universal Kernel Functions. JMLR 21,
       2020.
    """

    trace: float = 1.0
    name = "tessellated"

    def __post_init__(self):
        if not 0 < self.trace < np.inf:
            raise ValueError(f"trace must be positive and finite, found {self.trace!r}")

    def start(self, kernels):
        """Return the multiple of the identity: no direction of the features preferred."""
        m = features(kernels).n_kernels
        return np.eye(m) * (self.trace / m)

    def project(self, theta, kernels, witness=None):
        """Return the nearest admitted matrix, by its eigenvalues."""
        P = (theta + theta.T) / 2
        values, vectors = linalg.eigh(P, driver="evd")
        violation = max(0.0, -float(values[0]) / self.trace, float(values.sum()) / self.trace - 1)
        violation = max(violation, float(np.abs(theta - P).max()) / self.trace)
        if violation < 1e-15:
            return P, 0.0
        kept = np.maximum(values, 0.0)
        if kept.sum() > self.trace:
            kept = self.trace * project_to_simplex(values / self.trace)
        return (vectors * kept) @ vectors.T, violation

    def matrix(self, theta, kernels):
        """Return K(P)."""
        return features(kernels).matrix(theta)

    def apply(self, theta, V, kernels):
        """Return K(P) V."""
        return features(kernels).matrix(theta) @ V

    def best(self, V: np.ndarray, kernels) -> np.ndarray:
        r"""Return the P at which :math:`\langle K(P), V V^\top \rangle` is largest."""
        u = linalg.eigh(features(kernels).form(V), driver="evd")[1][:, -1]
        return self.trace * np.outer(u, u)

    def support(self, q, kernels, witness=None):
        """Not defined: the numbers of single kernels do not say it; see `support_at`."""
        raise NotImplementedError("tessellated kernels are asked about matrices: use support_at(V, kernels)")

    def support_at(self, V, kernels, q=None, witness=None):
        """Return the largest eigenvalue, which is exact."""
        return self.trace * max(0.0, float(linalg.eigvalsh(features(kernels).form(V))[-1]))

    def program(self, kernels) -> WeightProgram:
        """Not defined: P is no vector of weights; the interior-point method has a block of its own for it."""
        raise NotImplementedError("the set of tessellated kernels is no set of weights; use InteriorPoint")


def features(kernels) -> TessellatedKernels:
    """Return the kernels, or say what they should be."""
    if not isinstance(kernels, TessellatedKernels):
        raise ValueError(
            f"kernel set 'tessellated' takes kernelopt.kernels.TessellatedKernels (a box and points), found "
            f"{type(kernels).__name__}"
        )
    return kernels
