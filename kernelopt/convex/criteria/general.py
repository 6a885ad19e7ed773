"""Any convex loss: the problem of Kim et al. (2008)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kernelopt.convex.criteria.base import Criterion, columnwise
from kernelopt.convex.criteria.piecewise import slope_root
from kernelopt.convex.criteria.program import Curve, box
from kernelopt.convex.criteria.projections import balance_violation, balanced_box_projection, box_violation


class Loss(Protocol):
    r"""A convex loss :math:`\psi(y, z)` of a prediction z, and its conjugate in z, both entry by entry.

    ``domain(y)`` gives the interval :math:`[l, u]` of slopes; ``conjugate(y, s)``, with its first two derivatives
    ``conjugate_slope`` and ``conjugate_second``, is asked for inside it only.
    """

    def value(self, y: np.ndarray, z: np.ndarray) -> np.ndarray: ...  # noqa: D102
    def slope(self, y: np.ndarray, z: np.ndarray) -> np.ndarray: ...  # noqa: D102
    def domain(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...  # noqa: D102
    def conjugate(self, y: np.ndarray, s: np.ndarray) -> np.ndarray: ...  # noqa: D102
    def conjugate_slope(self, y: np.ndarray, s: np.ndarray) -> np.ndarray: ...  # noqa: D102
    def conjugate_second(self, y: np.ndarray, s: np.ndarray) -> np.ndarray: ...  # noqa: D102


@dataclass(frozen=True)
class Huber:
    r"""Quadratic near the target and linear far from it: robust regression.

    .. math:: \psi(y, z) = \tfrac12 r^2 \;(|r| \le \delta), \quad \delta |r| - \tfrac12 \delta^2 \;(|r| > \delta),
              \qquad r = z - y.

    Parameters
    ----------
    delta : float
        Where it becomes linear, in units of y.
    """

    delta: float = 1.0

    def __post_init__(self):
        if not 0 < self.delta < np.inf:
            raise ValueError(f"delta must be positive and finite, found {self.delta!r}")

    def value(self, y, z):
        """Return the loss."""
        r = np.abs(z - y)
        return np.where(r <= self.delta, 0.5 * r**2, self.delta * (r - 0.5 * self.delta))

    def slope(self, y, z):
        """Return the derivative in z."""
        return np.clip(z - y, -self.delta, self.delta)

    def domain(self, y):
        """Return [-delta, delta]."""
        return np.full(np.shape(y), -self.delta), np.full(np.shape(y), self.delta)

    def conjugate(self, y, s):
        """Return y s + s²/2."""
        return y * s + 0.5 * s**2

    def conjugate_slope(self, y, s):
        """Return y + s."""
        return y + s

    def conjugate_second(self, y, s):
        """Return one."""
        return np.ones_like(s)


@dataclass(frozen=True)
class Pinball:
    r"""The loss of quantile regression: :math:`\psi(y, z) = \tau (y - z)_+ + (1 - \tau)(z - y)_+`.

    Parameters
    ----------
    tau : float
        The quantile, in (0, 1); one half gives half the absolute error.
    """

    tau: float = 0.5

    def __post_init__(self):
        if not 0 < self.tau < 1:
            raise ValueError(f"tau must be in (0, 1), found {self.tau!r}")

    def value(self, y, z):
        """Return the loss."""
        return np.maximum(self.tau * (y - z), (1 - self.tau) * (z - y))

    def slope(self, y, z):
        """Return a subgradient in z."""
        return np.where(z > y, 1 - self.tau, -self.tau)

    def domain(self, y):
        """Return [-tau, 1 - tau]."""
        return np.full(np.shape(y), -self.tau), np.full(np.shape(y), 1 - self.tau)

    def conjugate(self, y, s):
        """Return y s."""
        return y * s

    def conjugate_slope(self, y, s):
        """Return y."""
        return y + 0.0 * s

    def conjugate_second(self, y, s):
        """Return zero."""
        return np.zeros_like(s)


@dataclass(frozen=True)
class ConvexLoss(Criterion):
    r"""Regularised empirical risk with any convex loss.

    .. math::
        \omega(K) = \min_{z, b} \tfrac12 z^\top K^\dagger z + \frac{1}{2 \lambda} \sum_i w_i\, \psi(y_i, z_i + b)
          = \max_{\mathbf{1}^\top a = 0} -\sum_i c_i\, \psi^*\!\left(y_i, -\frac{a_i}{c_i}\right) - \tfrac12 a^\top K a,
        \qquad c = \frac{w}{2 \lambda},

    which is :math:`1 / (2 \lambda)` times the objective :math:`\sum_i \psi(y_i, z_i + b) + \lambda z^\top K^\dagger z`
    of [kim2008]_.

    Parameters
    ----------
    psi : Loss
        `Huber`, `Pinball`, or an object of your own with the methods of `Loss`.
    lam : float
        Weight of the norm; positive.

    References
    ----------
    .. [kim2008] Kim, Zymnis, Magnani, Koh, Boyd. Learning the Kernel via Convex Optimization. ICASSP 2008.
    """

    psi: Loss = Huber()
    lam: float = 1.0
    name = "convex_loss"
    targets = "values"
    smooth = True

    def __post_init__(self):
        if not 0 < self.lam < np.inf:
            raise ValueError(f"lam must be positive and finite, found {self.lam!r}")

    def _c(self, w):
        return w / (2 * self.lam)

    def project(self, a, Y, w):
        """Project onto the slopes the loss can have, cut with the balance."""
        c = self._c(w)[:, None]
        low, high = self.psi.domain(Y)
        low, high = -c * high, -c * low  # bounds of a
        off = balance_violation(a.sum(axis=0), a, float(c.max()))
        off = max(off, box_violation(a, low, high, float(c.max())))
        if off == 0.0:
            return a, 0.0
        closed = np.isfinite(low)
        if not (closed | np.isfinite(high)).all():
            return a - a.mean(axis=0), off
        # Count from the bound that there is, upwards or downwards.
        start, sign = np.where(closed, low, high), np.where(closed, 1.0, -1.0)
        moved = columnwise(
            lambda column, at, s, u: balanced_box_projection(s * (column - at), s, u, -float(at.sum())),
            a, start, sign, high - low,
        )  # fmt: skip
        return start + sign * moved, off

    def phi(self, a, Y, w):
        """Return minus the conjugates."""
        c = self._c(w)[:, None]
        return -float(np.sum(c * self.psi.conjugate(Y, -a / c)))

    def loss(self, F, b, Y, w):
        """Return the weighted sum of the losses over 2 lam."""
        return float(np.sum(self._c(w)[:, None] * self.psi.value(Y, F + b)))

    def best_intercept(self, F, Y, w):
        """Find where the slope in b changes its sign."""
        out = []
        for f, y in zip(F.T, Y.T, strict=True):

            def slope(b: float, f=f, y=y) -> float:
                return float(w @ self.psi.slope(y, f + b))

            out.append(slope_root(slope, float((y - f).min()) - 1, float((y - f).max()) + 1))
        return np.array(out)

    def program(self, y, w):
        """Return the dual of one column."""
        n, c = len(y), self._c(w)
        low, high = self.psi.domain(y)
        curve = Curve(
            lambda x: -c * self.psi.conjugate(y, -x / c),
            lambda x: self.psi.conjugate_slope(y, -x / c),
            lambda x: -self.psi.conjugate_second(y, -x / c) / c,
        )
        return box(
            np.ones(n), np.zeros(n), -c * low, np.ones((1, n)), lower=-c * high, curve=curve, unit=float(c.mean())
        )
