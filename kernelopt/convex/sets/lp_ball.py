"""Weights in a ball of an lp norm, or priced by its square."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.sets.base import KernelSet
from kernelopt.convex.sets.program import Smooth, orthant


def p_norm(values: np.ndarray, p: float) -> float:
    """Return the p-norm; in units of the largest entry, since powers of a large p over- or underflow."""
    largest = float(np.abs(values).max(initial=0.0))
    return largest * float(np.linalg.norm(values / largest, p)) if largest > 0 else 0.0


def dual_norm(q: np.ndarray, p: float) -> float:
    r"""Return :math:`\|q_+\|_{p^*}` with :math:`1/p + 1/p^* = 1`: the support function of the lp ball in the orthant.

    Examples
    --------
    >>> dual_norm(np.array([1e-9, 1e-9]), 1.001) >= 1e-9  # a power of 1001 alone would give zero
    True
    """
    return p_norm(np.maximum(q, 0.0), np.inf if p == 1 else 1.0 if np.isinf(p) else p / (p - 1))


def norm_hessian(theta: np.ndarray, p: float) -> np.ndarray:
    """Return the Hessian of the p-norm at a positive point."""
    norm = p_norm(theta, p)
    unit = theta / norm
    g = unit ** (p - 1)
    return (p - 1) / norm * (np.diag(unit ** (p - 2)) - np.outer(g, g))


@dataclass(frozen=True)
class LpBall(KernelSet):
    r"""Weights in a ball: :math:`\mu \ge 0,\ \|\mu\|_p \le 1` [kloft2011]_.

    p = 1 is the simplex (sparse weights), larger p spread the weight; at the optimum
    :math:`\mu_k \propto q_k^{1/(p-1)}`, so every useful kernel keeps some.

    Parameters
    ----------
    p : float
        At least 1, infinity allowed (all weights equal one).

    References
    ----------
    .. [kloft2011] Kloft, Brefeld, Sonnenburg, Zien. lp-Norm Multiple Kernel Learning. JMLR 12, 2011.

    Examples
    --------
    >>> LpBall(p=2.0).support(np.array([3.0, 4.0]), None)
    5.0
    """

    p: float = 2.0
    name = "lp"

    def __post_init__(self):
        if not self.p >= 1:
            raise ValueError(f"p must be at least 1, found {self.p!r}")

    @property
    def fixed(self) -> bool:
        """Whether all weights are one: more of a kernel never hurts, and p = inf bounds each weight alone."""
        return bool(np.isinf(self.p))

    def start(self, kernels):
        """Return equal weights of norm one."""
        return np.full(kernels.n_kernels, float(kernels.n_kernels) ** (-1 / self.p))

    def project(self, theta, kernels, witness=None):
        """Cut off negative weights and shrink what is too long."""
        cut = np.maximum(theta, 0.0)
        norm = p_norm(cut, self.p)
        return cut / max(1.0, norm), max(0.0, float(-theta.min()), norm - 1)

    def support(self, q, kernels, witness=None):
        """Return the dual norm, which is exact."""
        return dual_norm(q, self.p)

    def program(self, kernels):
        """Return the ball: the simplex for p = 1, a single group otherwise."""
        M = kernels.n_kernels
        if self.p == 1:
            return orthant(self.start(kernels), equalities=np.ones((1, M)), total=np.ones(1))
        return orthant(self.start(kernels), groups=(np.arange(M),), p=self.p)


@dataclass(frozen=True)
class SquaredLp(KernelSet):
    r"""Weights at a price: :math:`\mu \ge 0,\ R(\mu) = \tfrac{\lambda}{2} \|\mu\|_p^2` [vishwanathan2010]_.

    The total weight is learned too: :math:`R^* = \|q\|_{p^*}^2 / (2 \lambda)`.

    Parameters
    ----------
    p : float
        At least 1, finite.
    lam : float
        Price; positive.

    References
    ----------
    .. [vishwanathan2010] Vishwanathan, Sun, Theera-Ampornpunt, Varma. Multiple Kernel Learning and the SMO Algorithm.
       NIPS 2010.

    Examples
    --------
    >>> SquaredLp(p=2.0, lam=2.0).support(np.array([3.0, 4.0]), None)
    6.25
    """

    p: float = 2.0
    lam: float = 1.0
    name = "squared_lp"

    def __post_init__(self):
        if not 1 <= self.p < np.inf:
            raise ValueError(f"p must be at least 1 and finite, found {self.p!r}")
        if not 0 < self.lam < np.inf:
            raise ValueError(f"lam must be positive and finite, found {self.lam!r}")

    def start(self, kernels):
        """Return equal weights of norm one."""
        return np.full(kernels.n_kernels, float(kernels.n_kernels) ** (-1 / self.p))

    def project(self, theta, kernels, witness=None):
        """Cut off negative weights."""
        unit = max(float(np.abs(theta).max()), 1e-300)
        return np.maximum(theta, 0.0), max(0.0, float(-theta.min())) / unit

    def R(self, theta, kernels):
        """Return half of lam times the squared norm."""
        return 0.5 * self.lam * p_norm(theta, self.p) ** 2

    def support(self, q, kernels, witness=None):
        """Return the conjugate, which is exact."""
        return dual_norm(q, self.p) ** 2 / (2 * self.lam)

    def program(self, kernels):
        """Return the orthant with its price."""
        p, lam = self.p, self.lam

        def gradient(y):
            norm = p_norm(y, p)
            return lam * norm * (y / (norm or 1.0)) ** (p - 1)  # zero at zero

        def hessian(y):
            norm = p_norm(y, p)
            g = (y / norm) ** (p - 1)
            return lam * (np.outer(g, g) + norm * norm_hessian(y, p))

        return orthant(self.start(kernels), price=Smooth(gradient, hessian))
