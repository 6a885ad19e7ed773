"""Convex combinations that stay near the plain average: the set of reweighted random features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.sets.base import KernelSet, project_to_simplex
from kernelopt.convex.sets.program import orthant


@dataclass(frozen=True)
class ChiSquareBall(KernelSet):
    r"""Distributions over M kernels whose :math:`\chi^2` divergence from the uniform one is bounded [sinha2016]_.

    .. math::
        q \ge 0, \quad \mathbf{1}^\top q = 1, \quad
        D_{\chi^2}(q \,\|\, \tfrac1M \mathbf{1}) = \sum_k \frac{(q_k - 1/M)^2}{1/M} = M \|q\|_2^2 - 1 \le \rho.

    Between the plain average (:math:`\rho = 0`) and the whole simplex (:math:`\rho \ge M - 1`). With one kernel
    :math:`\phi_k \phi_k^\top` per random feature and the criterion `Alignment` it is the program of the paper,

    .. math:: \max_q \sum_k q_k\, (\phi_k^\top y)^2,

    which `best` solves in the time of a sort.

    The support function at s: for any :math:`\nu`, with :math:`p = (s - \nu)_+`,
    :math:`q^\top s = \nu + q^\top (s - \nu) \le \nu + \|q\| \|p\| \le \nu + \sqrt{(1 + \rho) / M}\, \|p\|`, with
    equality at :math:`q = p / \mathbf{1}^\top p` where that lies on the sphere.

    Parameters
    ----------
    rho : float
        :math:`\rho`; nonnegative; numbers printed elsewhere may have another scale.

    References
    ----------
    .. [sinha2016] Sinha, Duchi. Learning Kernels with Random Features. NIPS 29, 2016.

    Examples
    --------
    >>> ChiSquareBall(rho=0.5).best(np.array([3.0, 1.0, 0.0])).round(3)
    array([0.648, 0.27 , 0.081])
    """

    rho: float = 1.0
    name = "chi_square"

    def __post_init__(self):
        if not 0 <= self.rho < np.inf:
            raise ValueError(f"rho must be nonnegative and finite, found {self.rho!r}")

    @property
    def fixed(self):
        """Whether only the average is admitted."""
        return self.rho == 0

    def start(self, kernels):
        """Return equal weights."""
        return np.full(kernels.n_kernels, 1 / kernels.n_kernels)

    def project(self, theta, kernels, witness=None):
        """Project onto the simplex, then draw towards the average as far as the ball asks."""
        M = len(theta)
        long = np.sqrt(M / (1 + self.rho)) * float(np.linalg.norm(theta)) - 1
        violation = max(0.0, float(-theta.min()), abs(float(theta.sum()) - 1), long)
        if violation < 1e-15:
            return theta, 0.0
        q = project_to_simplex(theta)
        off = q - 1 / M
        reach = np.sqrt(self.rho / M) / max(float(np.linalg.norm(off)), 1e-300)
        return (q if reach >= 1 else 1 / M + reach * off), violation

    def best(self, s: np.ndarray) -> np.ndarray:
        r"""Return the q of the set at which :math:`q^\top s` is largest, in the time of a sort.

        It is :math:`(s - \nu)_+` over its sum. With mean m and variance v of the j largest s, those that exceed
        :math:`\nu`, the sphere is met at :math:`m - \nu = \sqrt{v / c}` with :math:`c = (1 + \rho) j / M - 1`.
        """
        _, mean, spread, slack = self._above(s)
        if spread == 0 or slack == 0:  # all that count are equal; or only the average is admitted
            q = (s >= mean if slack > 0 else np.ones(len(s))).astype(float)
        else:
            q = np.maximum(1 + (s - mean) * (np.sqrt(slack) / np.sqrt(spread)), 0.0)
        return self.project(q / q.sum(), None)[0]

    def _above(self, s: np.ndarray) -> tuple[int, float, float, float]:
        """Return how many of the largest s count, their mean and variance, and c."""
        M, ordered = len(s), np.sort(s)[::-1]
        j = np.arange(1, M + 1)
        shifted = ordered - ordered[0]  # large numbers nearly alike keep the digits of their differences
        mean = np.cumsum(shifted) / j
        spread = np.maximum(np.cumsum(shifted**2) / j - mean**2, 0.0)
        slack = (self.rho * j - (M - j)) / M
        may = np.flatnonzero(slack >= 0)
        next_ = np.append(shifted[1:], -np.inf)[may]
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            nu = mean[may] - np.sqrt(spread[may]) / np.sqrt(slack[may])
        chosen = may[np.flatnonzero((nu >= next_) | (next_ == -np.inf))[0]]
        return int(j[chosen]), float(ordered[0] + mean[chosen]), float(spread[chosen]), float(slack[chosen])

    def support(self, q, kernels, witness=None):
        r"""Return :math:`m + \sqrt{v c}`, the bound at the best threshold, which is exact."""
        _, mean, spread, slack = self._above(q)
        return min(float(np.max(q)), mean + np.sqrt(spread) * np.sqrt(slack))

    def program(self, kernels):
        """Return the simplex within a ball."""
        M = kernels.n_kernels
        whole = (np.arange(M),)
        size = float(np.sqrt((1 + self.rho) / M))
        return orthant(
            self.start(kernels), equalities=np.ones((1, M)), total=np.ones(1), groups=whole, p=2.0, size=size
        )
