"""Kernels whose points lie in a ball of radius one: radius/margin learning made convex."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.sets.base import KernelSet
from kernelopt.convex.sets.program import orthant


@dataclass(frozen=True)
class RadiusBall(KernelSet):
    r"""Combinations whose smallest enclosing ball has radius at most one: :math:`\mu \ge 0,\ R^2(K(\mu)) \le 1`.

    .. math:: R^2(K) = \max_{b \ge 0,\; \mathbf{1}^\top b = 1} \textstyle\sum_i b_i K_{ii} - b^\top K b

    is a maximum of functions that are linear in K, so the set is convex. Since
    :math:`\omega(sK) = \omega(K)/s` for the hard margin and :math:`R^2(sK) = s R^2(K)`, the hard margin over this set
    is the ratio of radius and margin that bounds the error of a support vector machine, which is not convex as
    it is usually written.

    The support function is :math:`\min_b \max_k q_k / r_k(b)`, with
    :math:`r_k(b) = \sum_i b_i (K_k)_{ii} - b^\top K_k b`; any b in the simplex gives an upper bound, and the witness
    is such a b.
    """

    name = "radius"

    def start(self, kernels):
        """Return equal shares of a ball whose radius is at most one."""
        spread = np.array([self.spread(e, kernels, None)[1] for e in np.eye(kernels.n_kernels)])
        return 1 / (len(spread) * np.maximum(spread, 1e-6 * spread.max()))  # a constant kernel has no spread

    def spread(self, theta, kernels, b) -> tuple[float, float]:
        """Return a lower and an upper bound of the squared radius, from the weights b of a centre."""
        b = _simplex(b, kernels.n_samples)
        K = kernels.mix(theta)
        Kb, diag = K @ b, np.diagonal(K)
        inner = float(b @ Kb)
        return float(b @ diag) - inner, float(np.max(diag - 2 * Kb)) + inner

    def project(self, theta, kernels, witness=None):
        """Cut off negative weights and shrink by the radius around the witness's centre."""
        cut = np.maximum(theta, 0.0)
        radius = self.spread(cut, kernels, witness)[1]
        return cut / max(1.0, radius), max(0.0, float(-theta.min()) / max(float(cut.max()), 1e-300), radius - 1)

    def support(self, q, kernels, witness=None):
        """Return the bound that the witness gives."""
        b = _simplex(witness, kernels.n_samples)
        r = kernels.diagonals @ b - np.einsum("i,ki->k", b, kernels.products(b[:, None])[:, :, 0])
        if np.any((r <= 0) & (q > 0)):
            return np.inf
        return float(np.max(np.divide(q, r, out=np.zeros_like(q), where=q > 0)))

    def program(self, kernels):
        """Return the orthant with the radius bounded."""
        return orthant(0.9 * self.start(kernels), radius=True)


def _simplex(b, n: int) -> np.ndarray:
    """Return b as nonnegative numbers that add up to one; equal ones where none is given or left."""
    b = np.zeros(n) if b is None else np.maximum(np.asarray(b, dtype=float), 0.0)
    return b / b.sum() if b.sum() > 0 else np.full(n, 1 / n)
