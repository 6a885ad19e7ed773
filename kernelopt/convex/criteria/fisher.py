"""The kernel Fisher discriminant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.criteria.base import Criterion
from kernelopt.convex.criteria.program import box


@dataclass(frozen=True)
class KernelFisher(Criterion):
    r"""Fisher's ratio of the distance of the class means to the spread within the classes, in feature space.

    [kim2006]_ maximises, over the direction and over the kernel,

    .. math::
        F^*(K) = \max_{f} \frac{(m_+ - m_-)^2}{s_+^2 + s_-^2 + \lambda \|f\|_K^2},

    with :math:`m_\pm, s_\pm^2` the means and variances of f over the classes. It is concave in K, and here
    :math:`\omega = -F^*` is minimised. With :math:`p_i` a sample's share of its class's weight,

    .. math::
        \omega(K) = \min_f \tfrac12 \|f\|_K^2 - \sqrt{2/\lambda}\,(m_+ - m_-) + \tfrac{1}{2\lambda}(s_+^2 + s_-^2)
        = \max_a 2 - \tfrac{\lambda}{2} \sum_i \frac{a_i^2}{p_i} - \tfrac12 a^\top K a
        \;\text{ s.t. } \sum_{y_i = \pm 1} a_i = \pm\sqrt{2/\lambda}.

    The paper's affine form :math:`V(u) = \sqrt{2/\lambda}(a_0 - J u)`, :math:`\varphi = -\|u\|^2` is this one: V runs
    over all vectors with these two class sums, and the shortest u that reaches one is its deviation from
    :math:`\pm\sqrt{2/\lambda}\, p`.

    Parameters
    ----------
    lam : float
        Weight of the norm of the direction; positive. Published experiments use 1e-8.

    References
    ----------
    .. [kim2006] Kim, Magnani, Boyd. Optimal Kernel Selection in Kernel Fisher Discriminant Analysis. ICML 2006.
    """

    lam: float = 1e-3
    name = "fisher"

    def __post_init__(self):
        if not 0 < self.lam < np.inf:
            raise ValueError(f"lam must be positive and finite, found {self.lam!r}")

    @property
    def _sum(self) -> float:
        return float(np.sqrt(2 / self.lam))

    def check(self, Y, w):
        """Refuse a column that holds one class only."""
        if (np.abs(Y.sum(axis=0)) == len(Y)).any():
            raise ValueError("y must hold both classes in each column: there are no two means to compare")

    def project(self, a, Y, w):
        """Spread what is missing in each class sum over the class, by its shares."""
        out, off = a.copy(), 0.0
        for c, y in enumerate(Y.T):
            p = _shares(y, w)
            for sign in (1.0, -1.0):
                side = y == sign
                missing = sign * self._sum - float(a[side, c].sum())
                off = max(off, abs(missing) / self._sum)
                out[side, c] += missing * p[side]
        return out, off

    def phi(self, a, Y, w):
        """Return two per column less the weighted squares of a."""
        shares = np.column_stack([_shares(y, w) for y in Y.T])
        return float(2 * a.shape[1] - 0.5 * self.lam * np.sum(a**2 / shares))

    def loss(self, F, b, Y, w):
        """Return the loss, which no offset changes."""
        total = 0.0
        for f, y in zip(F.T, Y.T, strict=True):
            p = _shares(y, w)
            means = [float(p[y == s] @ f[y == s]) for s in (1.0, -1.0)]
            spread = sum(float(p[y == s] @ (f[y == s] - m) ** 2) for s, m in zip((1.0, -1.0), means, strict=True))
            total += -self._sum * (means[0] - means[1]) + spread / (2 * self.lam)
        return total

    def best_intercept(self, F, Y, w):
        """Put the threshold midway between the projected class means."""
        out = []
        for f, y in zip(F.T, Y.T, strict=True):
            p = _shares(y, w)
            out.append(-0.5 * float(p @ f))
        return np.array(out)

    def scale(self, Y, w, size):
        """Return the size of the loss for a direction as long as the class means are apart."""
        return size / self.lam * Y.shape[1]

    def program(self, y, w):
        """Return the dual of one column."""
        p, rows = _shares(y, w), np.array([y > 0, y < 0], dtype=float)
        total = self._sum * np.array([1.0, -1.0])
        n = len(y)
        return box(
            np.ones(n), np.zeros(n), np.inf, rows, lower=-np.inf, d=self.lam / p, total=total,
            intercept=0.0, unit=self._sum / n, constant=2.0,
        )  # fmt: skip


def _shares(y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return each sample's share of the weight of its class."""
    return w / np.where(y > 0, w[y > 0].sum(), w[y < 0].sum())
