"""Weights in groups: sparse between the groups, spread within."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.sets.base import KernelSet, project_to_simplex
from kernelopt.convex.sets.lp_ball import dual_norm, p_norm
from kernelopt.convex.sets.program import orthant


@dataclass(frozen=True)
class GroupBall(KernelSet):
    r"""Weights in groups: :math:`\mu \ge 0,\ \sum_g \|\mu_g\|_p \le 1`.

    One group is the lp ball, groups of one are the simplex, and in between whole groups of kernels (all widths on
    one feature, say) are taken up or left out together.

    Parameters
    ----------
    groups : tuple of hashable
        The group of each kernel.
    p : float
        Norm within a group; at least 1, finite.

    Examples
    --------
    >>> GroupBall(groups=("a", "a", "b"), p=2.0).support(np.array([3.0, 4.0, 1.0]), None)
    5.0
    """

    groups: tuple
    p: float = 2.0
    name = "groups"

    def __post_init__(self):
        object.__setattr__(self, "groups", tuple(self.groups))
        if not 1 <= self.p < np.inf:
            raise ValueError(f"p must be at least 1 and finite, found {self.p!r}")

    def members(self, M: int) -> list[np.ndarray]:
        """Return the indices of the kernels of each group."""
        if len(self.groups) != M:
            raise ValueError(f"groups must name the group of each of the {M} kernels, found {len(self.groups)} names")
        order = list(dict.fromkeys(self.groups))
        return [np.flatnonzero([g == name for g in self.groups]) for name in order]

    def _norms(self, theta) -> np.ndarray:
        return np.array([p_norm(theta[index], self.p) for index in self.members(len(theta))])

    def start(self, kernels):
        """Return equal norms for the groups, and equal weights within."""
        groups, out = self.members(kernels.n_kernels), np.empty(kernels.n_kernels)
        for index in groups:
            out[index] = len(index) ** (-1 / self.p) / len(groups)
        return out

    def project(self, theta, kernels, witness=None):
        """Cut off negative weights and shrink the groups' norms onto the simplex."""
        cut = np.maximum(theta, 0.0)
        norms = self._norms(cut)
        violation = max(0.0, float(-theta.min()), float(norms.sum()) - 1)
        if norms.sum() > 1:
            for index, old, new in zip(self.members(len(cut)), norms, project_to_simplex(norms), strict=True):
                cut[index] *= new / old if old > 0 else 0.0
        return cut, violation

    def support(self, q, kernels, witness=None):
        """Return the largest dual norm of a group, which is exact."""
        return max(dual_norm(q[index], self.p) for index in self.members(len(q)))

    def program(self, kernels):
        """Return the groups; without curvature in the norm it is the simplex."""
        M = kernels.n_kernels
        if self.p == 1:
            return orthant(self.start(kernels), equalities=np.ones((1, M)), total=np.ones(1))
        return orthant(self.start(kernels), groups=tuple(self.members(M)), p=self.p)
