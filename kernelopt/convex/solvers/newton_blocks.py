r"""The parts of the interior-point method: who maximises, who minimises, and what each adds to a Newton step.

The saddle point is written with barriers of one parameter :math:`\tau` for all inequalities. Maximisers (a column
of dual variables, the centre of the enclosing ball) know the kernel matrix through :math:`K(\theta)` and answer a
change of the weights by

.. math:: B\, dx + P\, d\theta = r,

with one Cholesky factor each. Eliminating them leaves a system of the size of the weights:
each contributes :math:`P^\top B^{-1} P` and :math:`P^\top B^{-1} r`.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from kernelopt.backend import NUMPY, Backend, Factor
from kernelopt.convex.criteria.program import DualProgram

HELD = np.array([2.0, 20.0, 200.0])  # times the largest entry of K: what makes up for a constant that was taken off


def steps_to_zero(values: np.ndarray, direction: np.ndarray) -> float:
    """Return the largest step at which positive values stay nonnegative."""
    falling = direction < 0
    return float(np.min(-values[falling] / direction[falling], initial=np.inf))


class Column:
    """One column of dual variables x with the multipliers of its bounds and of its rows."""

    dx: np.ndarray
    dz_low: np.ndarray
    dz_high: np.ndarray

    def __init__(self, program: DualProgram, size: float, where: Backend = NUMPY):
        self.program, self.where = program, where
        g = program
        self.fixed = bool(np.all(g.lower == g.upper))
        self.has_lower, self.has_upper = np.isfinite(g.lower), np.isfinite(g.upper)
        if self.fixed:
            self.x = g.lower.copy()
            return
        p_size = float(np.abs(g.p).max(initial=0.0))
        reach = min(g.unit, p_size / size if p_size > 0 else np.inf)
        reach = reach if np.isfinite(reach) else 1.0
        both = self.has_lower & self.has_upper
        self.x = np.where(self.has_lower, np.where(self.has_lower, g.lower, 0.0) + reach, 0.0)
        middle = 0.5 * (g.lower[both] + g.upper[both])
        self.x[both] = np.minimum(middle, g.lower[both] + reach)
        for row, total in zip(g.rows, g.total, strict=True):
            held = row > 0
            if total > 0 and both[held].all() and not g.lower[held].any():
                share = total / float(g.upper[held].sum())  # of each upper bound: what fills the row
                self.x[held] = min(share, 0.99) * g.upper[held]
        if not (self.has_lower | self.has_upper).any() and len(g.rows):
            self.x = np.linalg.lstsq(g.rows, g.total, rcond=None)[0]
        # The distances from the bounds are variables of their own: near a bound their difference has no digits left.
        self.low = np.where(self.has_lower, self.x - np.where(self.has_lower, g.lower, 0.0), 1.0)
        self.high = np.where(self.has_upper, np.where(self.has_upper, g.upper, 0.0) - self.x, 1.0)
        self.b = np.zeros(len(g.rows))
        self.z_low, self.z_high = np.zeros(len(self.x)), np.zeros(len(self.x))

    def warm(self, objective: float) -> None:
        """Set the multipliers so that all products with the slacks are alike."""
        if self.fixed:
            return
        share = objective / max(self.count, 1)
        self.z_low[self.has_lower] = share / self.low[self.has_lower]
        self.z_high[self.has_upper] = share / self.high[self.has_upper]

    @property
    def v(self) -> np.ndarray:
        """The coefficients on the samples."""
        return self.program.v(self.x)

    @property
    def count(self) -> int:
        """The number of products that are driven to zero."""
        return 0 if self.fixed else int(self.has_lower.sum() + self.has_upper.sum())

    def products_sum(self) -> float:
        """Return the sum of the products of slacks and multipliers."""
        return 0.0 if self.fixed else float(self.z_low @ self.low + self.z_high @ self.high)

    def prepare(self, K: np.ndarray, P: np.ndarray, extra: np.ndarray | float = 0.0) -> None:
        """Factor the Newton matrix at K(theta); P holds the products K_k v, shape (n, M), `extra` more curvature."""
        g = self.program
        self.P = P
        Kv = K @ self.v
        slope = g.p - g.d * self.x + (g.curve.slope(self.x) if g.curve else 0.0)
        self.residual = slope - g.back(Kv) - g.rows.T @ self.b + self.z_low - self.z_high
        self.row_residual = g.total - g.rows @ self.x + g.soft * self.b
        self.D = g.d + self.z_low / self.low + self.z_high / self.high
        if g.curve:
            self.D = self.D - g.curve.second(self.x)
        self.single = len(self.x) == g.n
        if self.single:
            self.G = self.D
        else:
            # Both parts of a sample may be free at once, and then only their difference counts: hold the sum a little.
            self.D = np.maximum(self.D, 1e-11 * float(np.mean(np.diagonal(K))))
            self.G = 1 / np.bincount(g.sample, 1 / self.D, minlength=g.n)
        B = K + extra + np.diag(self.G)
        self.held = np.zeros(len(g.rows))
        self.factor = self.definite(B, K)
        m = P.shape[1]
        answered = self.apply(np.column_stack([g.back(P), g.rows.T]))
        self.XP, self.XE = answered[0][:, :m], answered[0][:, m:]
        self.VP, self.VE = answered[1][:, :m], answered[1][:, m:]
        EXE = g.rows @ self.XE + np.diag(g.soft)
        self.inner = Factor(EXE) if len(g.rows) else None
        self.EXP = g.rows @ self.XP
        self.schur = P.T @ self.VP
        if self.inner is not None:
            self.schur = self.schur - (P.T @ self.VE) @ self.inner.solve(self.EXP)

    def definite(self, B: np.ndarray, K: np.ndarray) -> Factor:
        r"""Return the factor of B, to which squares of the rows are added where K is definite only where they vanish.

        A step meets an exact row, :math:`E\, dx = e - E x`, whatever else it does. So a multiple h of
        :math:`E^\top E\, dx` may stand on the left and of :math:`E^\top (e - E x)` on the right, and neither the step
        nor the multipliers change. (Not so with a soft row, nor with one that is no function of v.)
        """
        try:
            return Factor(B, self.where, patient=False)
        except linalg.LinAlgError:
            g = self.program
            rows = np.zeros((len(g.rows), g.n))
            rows[:, g.sample] = g.rows * g.sign
            exact = (g.soft == 0) & (rows[:, g.sample] * g.sign == g.rows).all(axis=1)
            held = rows.T @ (exact[:, None] * rows)
            for factor in HELD * float(np.abs(K).max()) if exact.any() else ():
                try:
                    found = Factor(B + factor * held, self.where, patient=False)
                except linalg.LinAlgError:
                    continue
                self.held = factor * exact
                return found
            return Factor(B, self.where)

    def apply(self, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return B⁻¹ r and its v, for the columns of r."""
        g = self.program
        if self.single:
            V = self.factor.solve((r.T * g.sign).T)
            return (V.T * g.sign).T, V
        scaled = (r.T * (g.sign / self.D)).T
        t = (np.stack([np.bincount(g.sample, c, minlength=g.n) for c in scaled.T], axis=1).T * self.G).T
        V = self.factor.solve(t)
        X = ((r - g.back(t - (V.T * self.G).T)).T / self.D).T
        return X, V

    def gradient(self, tau: float, correct: bool) -> np.ndarray:
        """Return P'B⁻¹r, what the column adds to the right-hand side of the weights, and keep B⁻¹r."""
        self.r_low = np.where(self.has_lower, tau - self.z_low * self.low, 0.0)
        self.r_high = np.where(self.has_upper, tau - self.z_high * self.high, 0.0)
        if correct:
            self.r_low = self.r_low - np.where(self.has_lower, self.dx * self.dz_low, 0.0)
            self.r_high = self.r_high + np.where(self.has_upper, self.dx * self.dz_high, 0.0)
        r = self.residual + self.r_low / self.low - self.r_high / self.high
        r = r + self.program.rows.T @ (self.held * self.row_residual)
        X, V = self.apply(r[:, None])
        self.X0, self.V0 = X[:, 0], V[:, 0]
        if self.inner is None:
            return self.P.T @ self.V0
        self.b0 = self.inner.solve(self.program.rows @ self.X0 - self.row_residual)
        return self.P.T @ (self.V0 - self.VE @ self.b0)

    def direct(self, dtheta: np.ndarray) -> None:
        """Set the direction that goes with a direction of the weights."""
        self.dx = self.X0 - self.XP @ dtheta
        self.db = np.zeros(0)
        if self.inner is not None:
            self.db = self.b0 - self.inner.solve(self.EXP @ dtheta)
            self.dx = self.dx - self.XE @ self.db
        self.dz_low = np.where(self.has_lower, (self.r_low - self.z_low * self.dx) / self.low, 0.0)
        self.dz_high = np.where(self.has_upper, (self.r_high + self.z_high * self.dx) / self.high, 0.0)

    def reach(self) -> float:
        """Return the largest step inside the bounds."""
        lo, hi = self.has_lower, self.has_upper
        return min(
            steps_to_zero(self.low[lo], self.dx[lo]),
            steps_to_zero(self.high[hi], -self.dx[hi]),
            steps_to_zero(self.z_low[lo], self.dz_low[lo]),
            steps_to_zero(self.z_high[hi], self.dz_high[hi]),
        )

    def products_after(self, step: float) -> float:
        """Return the sum of the products after a step."""
        low, high = self.low + step * self.dx, self.high - step * self.dx
        z_low, z_high = self.z_low + step * self.dz_low, self.z_high + step * self.dz_high
        return float(z_low[self.has_lower] @ low[self.has_lower] + z_high[self.has_upper] @ high[self.has_upper])

    def move(self, step: float) -> None:
        """Take the step."""
        self.x = self.x + step * self.dx
        self.low = np.where(self.has_lower, self.low + step * self.dx, 1.0)
        self.high = np.where(self.has_upper, self.high - step * self.dx, 1.0)
        self.b = self.b + step * self.db
        self.z_low, self.z_high = self.z_low + step * self.dz_low, self.z_high + step * self.dz_high


class Centre:
    r"""The centre of the smallest enclosing ball, as a maximiser.

    .. math:: \max_{\beta \ge 0} \; \beta^\top \operatorname{diag} K - \beta^\top K \beta / \nu - \nu,
              \qquad \nu = \mathbf{1}^\top \beta,

    is the Lagrangian of :math:`R^2(K) \le 1`, and the centre has the weights :math:`\beta / \nu`.
    """

    fixed = False
    dx: np.ndarray
    dz: np.ndarray

    def __init__(self, n: int, where: Backend = NUMPY):
        self.where = where
        self.beta, self.z = np.full(n, 1.0 / n), np.zeros(n)

    def warm(self, objective: float) -> None:
        """Give the multiplier of the constraint the size of the objective."""
        n = len(self.beta)
        self.beta = np.full(n, objective / n)
        self.z = np.full(n, 1.0)

    @property
    def count(self) -> int:
        """The number of products that are driven to zero."""
        return len(self.beta)

    def products_sum(self) -> float:
        """Return the sum of the products of weights and multipliers."""
        return float(self.beta @ self.z)

    @property
    def weights(self) -> np.ndarray:
        """The weights of the centre."""
        return self.beta / self.beta.sum()

    def prepare(self, K: np.ndarray, diagonals: np.ndarray, products: np.ndarray) -> None:
        """Factor the Newton matrix; `products` holds K_k b, shape (M, n)."""
        nu, b = float(self.beta.sum()), self.weights
        Kb = K @ b
        inner = float(b @ Kb)
        inners = products @ b
        self.residual = np.diagonal(K) - 2 * Kb + inner - 1 + self.z
        self.P = -(diagonals - 2 * products + inners[:, None]).T
        self.price = diagonals @ self.beta - nu * inners  # what the constraint adds to the slope of each weight
        B = (2 / nu) * (K - Kb[:, None] - Kb[None, :] + inner)
        B[np.diag_indices_from(B)] += self.z / self.beta
        self.factor = Factor(B, self.where)
        self.XP = self.factor.solve(self.P)
        self.schur = self.P.T @ self.XP

    def gradient(self, tau: float, correct: bool) -> np.ndarray:
        """Return what the centre adds to the right-hand side of the weights."""
        self.r = tau - self.beta * self.z - (self.dx * self.dz if correct else 0.0)
        self.X0 = self.factor.solve(self.residual + self.r / self.beta)
        return self.P.T @ self.X0

    def direct(self, dtheta: np.ndarray) -> None:
        """Set the direction that goes with a direction of the weights."""
        self.dx = self.X0 - self.XP @ dtheta
        self.dz = (self.r - self.z * self.dx) / self.beta

    def reach(self) -> float:
        """Return the largest step inside the bounds."""
        return min(steps_to_zero(self.beta, self.dx), steps_to_zero(self.z, self.dz))

    def products_after(self, step: float) -> float:
        """Return the sum of the products after a step."""
        return float((self.beta + step * self.dx) @ (self.z + step * self.dz))

    def move(self, step: float) -> None:
        """Take the step."""
        self.beta, self.z = self.beta + step * self.dx, self.z + step * self.dz
