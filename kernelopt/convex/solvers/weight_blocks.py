"""The minimiser in the interior-point method: the weights, with what bounds them."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from kernelopt.backend import Factor
from kernelopt.convex.sets import WeightProgram
from kernelopt.convex.solvers.newton_blocks import steps_to_zero
from kernelopt.convex.solvers.span_block import Span


class Weights:
    r"""Weights as variables: signs, equalities, norms of groups, a smooth price, and perhaps the semidefinite cone.

    With the maximisers eliminated (C and g are the sums of their :math:`P^\top B^{-1} P` and
    :math:`P^\top B^{-1} r`) a step solves :math:`(H + C)\, d\theta + A^\top d\nu = g - \text{gradient}`. A ball
    :math:`\sum_g \|\theta_g\|_p \le 1` brings one more variable t per group, with :math:`\mathbf{1}^\top t = 1` and

    .. math:: h_g = \tfrac1p \Big( \sum_{k \in g} \theta_k^p\, t_g^{1-p} - t_g \Big) \le 0,

    the form in which the barriers of :math:`h_g` and of :math:`t_g` together stay well behaved while a whole group
    leaves (for p = 2 they are the barrier of the second-order cone).

    With a span the weights are :math:`\theta = T y` for its combinations T, and everything here is in terms of y.
    """

    dy: np.ndarray
    ds: np.ndarray
    dslack: np.ndarray
    dz: np.ndarray

    def __init__(self, program: WeightProgram, span: Span | None):
        self.program, self.span, self.groups = program, span, program.groups
        self.T = np.eye(len(program.start)) if span is None else span.combinations
        G, self.M = len(self.groups), self.T.shape[1]
        self.A = np.hstack([program.equalities @ self.T, np.zeros((len(program.total), G))])
        self.total = program.total
        if G:
            self.A = np.vstack([self.A, np.append(np.zeros(self.M), np.ones(G))])
            self.total = np.append(self.total, program.size)
        start = program.start * (0.9 if G else 1.0) if span is None else np.linalg.lstsq(self.T, program.start)[0]
        self.y = np.append(start, np.full(G, program.size / max(G, 1)))
        self.nu = np.zeros(len(self.total))
        self.slack = -self.norms()[0]

    @property
    def theta(self) -> np.ndarray:
        """The weights."""
        return self.T @ self.y[: self.M]

    def norms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return h, its Jacobian, and the Hessian of the sum of z h for the present multipliers z."""
        M, G, p, m = self.M, len(self.groups), self.program.p, len(self.y)
        h, J, H = np.empty(G), np.zeros((G, m)), np.zeros((m, m))
        for g, index in enumerate(self.groups):
            t = self.y[M + g]
            u = self.y[index] / t
            power = float(np.sum(u**p))
            h[g] = (power - 1) * t / p
            J[g, index], J[g, M + g] = u ** (p - 1), ((1 - p) * power - 1) / p
            if hasattr(self, "z"):
                bend = self.z[g] * (p - 1) / t
                H[index, index] = bend * u ** (p - 2)
                H[index, M + g] = H[M + g, index] = -bend * u ** (p - 1)
                H[M + g, M + g] = bend * power
        return h, J, H

    def warm(self, objective: float) -> None:
        """Set the multipliers so that all products with what they multiply are alike."""
        self.s = objective / (len(self.y) * self.y) if self.program.nonnegative else np.zeros_like(self.y)
        self.z = objective / (max(len(self.slack), 1) * self.slack)
        if self.span is not None:
            self.span.warm(self.y, objective)

    @property
    def count(self) -> int:
        """The number of products that are driven to zero."""
        span = self.span.count if self.span else 0
        return len(self.y) * self.program.nonnegative + len(self.slack) + span

    def products_sum(self) -> float:
        """Return the sum of the products of slacks and multipliers."""
        return float(self.s @ self.y + self.z @ self.slack) + (self.span.products_sum() if self.span else 0.0)

    def prepare(self, q: np.ndarray, C: np.ndarray) -> None:
        """Factor the Newton matrix, given what the maximisers add to the slope (less) and to the curvature."""
        g, M = self.program, self.M
        h, self.J, H = self.norms()
        self.off = -h - self.slack
        self.gradient = self.A.T @ self.nu - self.s + self.J.T @ self.z
        self.gradient[:M] -= q
        H = H + self.J.T @ ((self.z / self.slack)[:, None] * self.J)
        H[:M, :M] += C
        if g.nonnegative:
            H[np.diag_indices_from(H)] += self.s / self.y
        if g.price:
            self.gradient[:M] += self.T.T @ g.price.gradient(self.theta)
            H[:M, :M] += self.T.T @ g.price.hessian(self.theta) @ self.T
        if self.span is not None:
            self.span.prepare(self.y)
            self.gradient[:M] -= self.span.inner
            H[:M, :M] += self.span.schur
        self.row_residual = self.total - self.A @ self.y
        # Where H lacks a direction an equality fixes it: A'A may be added to H, as A dy is known.
        self.shift = float(np.trace(H)) / (float(np.sum(self.A**2)) or 1.0)
        self.factor = Factor(0.5 * (H + H.T) + self.shift * (self.A.T @ self.A))
        self.HA = self.factor.solve(self.A.T)
        self.schur = self.A @ self.HA

    def direct(self, answer: np.ndarray, tau: float, correct: bool) -> np.ndarray:
        """Set the direction, given what the maximisers add to the right-hand side; return that of the weights."""
        nonnegative = self.program.nonnegative
        r, M = -self.gradient, self.M
        r[:M] += answer
        self.r_s = np.zeros_like(self.y)
        if nonnegative:
            self.r_s = tau - self.s * self.y - (self.dy * self.ds if correct else 0.0)
            r = r + self.r_s / self.y
        self.r_z = tau - self.z * self.slack - (self.dz * self.dslack if correct else 0.0)
        r = r - self.J.T @ ((self.r_z - self.z * self.off) / self.slack)
        if self.span is not None:
            r[:M] += self.span.gradient(tau, correct)
        x = self.factor.solve(r + self.shift * (self.A.T @ self.row_residual))
        self.dnu = np.zeros(0)
        if len(self.total):
            self.dnu = linalg.solve(self.schur, self.A @ x - self.row_residual)
            x = x - self.HA @ self.dnu
        self.dy = x
        self.ds = (self.r_s - self.s * x) / self.y if nonnegative else np.zeros_like(x)
        self.dslack = self.off - self.J @ x
        self.dz = (self.r_z - self.z * self.dslack) / self.slack
        if self.span is not None:
            self.span.direct(x[:M])
        return x[:M]

    def reach(self) -> float:
        """Return the largest step inside the bounds."""
        out = min(
            steps_to_zero(self.slack, self.dslack),
            steps_to_zero(self.z, self.dz),
            self.span.reach() if self.span else np.inf,
        )
        if self.program.nonnegative:
            out = min(out, steps_to_zero(self.y, self.dy), steps_to_zero(self.s, self.ds))
        return out

    def products_after(self, step: float) -> float:
        """Return the sum of the products after a step."""
        signs = float((self.y + step * self.dy) @ (self.s + step * self.ds))
        norms = float((self.slack + step * self.dslack) @ (self.z + step * self.dz))
        return signs + norms + (self.span.products_after(step) if self.span else 0.0)

    def move(self, step: float) -> None:
        """Take the step."""
        self.y, self.nu = self.y + step * self.dy, self.nu + step * self.dnu
        self.s, self.z = self.s + step * self.ds, self.z + step * self.dz
        self.slack = self.slack + step * self.dslack
        if self.span is not None:
            self.span.move(step)
