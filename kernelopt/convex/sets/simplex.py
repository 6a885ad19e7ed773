"""Convex combinations of kernels, with the weights or the trace as their budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.sets.base import KernelSet, project_to_simplex
from kernelopt.convex.sets.program import orthant


@dataclass(frozen=True)
class Simplex(KernelSet):
    r"""Convex combinations: :math:`\mu \ge 0,\ \mathbf{1}^\top \mu = 1`, at no price.

    The support function is the maximum of the q, reached at a vertex, which is why few kernels keep weight.

    Examples
    --------
    >>> Simplex().support(np.array([1.0, 3.0]), None)
    3.0
    """

    name = "simplex"

    def start(self, kernels):
        """Return equal weights."""
        return np.full(kernels.n_kernels, 1 / kernels.n_kernels)

    def project(self, theta, kernels, witness=None):
        """Project in the Euclidean norm, by sorting."""
        violation = max(0.0, float(-theta.min()), abs(float(theta.sum()) - 1))
        return (theta, 0.0) if violation == 0.0 else (project_to_simplex(theta), violation)

    def support(self, q, kernels, witness=None):
        """Return the largest q, which is exact."""
        return float(np.max(q))

    def program(self, kernels):
        """Return the simplex."""
        return orthant(self.start(kernels), equalities=np.ones((1, kernels.n_kernels)), total=np.ones(1))


@dataclass(frozen=True)
class TraceBudget(KernelSet):
    r"""Combinations whose trace is given: :math:`\mu \ge 0,\ \sum_k \mu_k \operatorname{tr} K_k = c`.

    The set :math:`\mathcal{K}_c^+` of [lanckriet2004]_ (Th. 17), with traces over all points, training and unlabelled.

    Parameters
    ----------
    c : float or None
        The trace; by default that of the sum of the kernels, as in the paper's tables.

    References
    ----------
    .. [lanckriet2004] Lanckriet et al. Learning the Kernel Matrix with Semidefinite Programming. JMLR 5, 2004.
    """

    c: float | None = None
    name = "trace"

    def __post_init__(self):
        if self.c is not None and not 0 < self.c < np.inf:
            raise ValueError(f"c must be positive and finite, found {self.c!r}")

    def _budget(self, kernels) -> float:
        return float(kernels.traces.sum()) if self.c is None else self.c

    def start(self, kernels):
        """Return the weights that give each kernel the same trace."""
        return self._budget(kernels) / (kernels.n_kernels * kernels.shares)

    def project(self, theta, kernels, witness=None):
        """Project the shares of the trace onto the simplex."""
        shares = theta * kernels.shares / self._budget(kernels)
        shares, violation = Simplex().project(shares, kernels)
        return (theta, 0.0) if violation == 0.0 else (shares * self._budget(kernels) / kernels.shares, violation)

    def support(self, q, kernels, witness=None):
        """Return the largest q per trace times the budget, which is exact."""
        return self._budget(kernels) * float(np.max(q / kernels.shares))

    def program(self, kernels):
        """Return the simplex of traces."""
        rows = kernels.shares[None] / self._budget(kernels)
        return orthant(self.start(kernels), equalities=rows, total=np.ones(1))
