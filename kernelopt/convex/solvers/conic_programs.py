r"""The dual of a learned-kernel problem in cvxpy: what the criterion adds, and what the kernel set asks.

.. math:: \max_{a \in A} \; \varphi(a) - R^*(\tfrac12 V(a) V(a)^\top)

A criterion gives :math:`\varphi`, A and V; a set gives :math:`R^*` as the optimum of a minimisation: both go into
one maximisation, and the weights are the multipliers of the constraints that mention the kernels.
Everything is in units of its own: badly scaled kernels or a large C break conic solvers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cvxpy as cp
import numpy as np
from scipy import linalg, sparse

from kernelopt.convex import sets as s
from kernelopt.convex.criteria import ConvexLoss, Criterion, DualProgram, Huber, Logistic, Pinball
from kernelopt.convex.problem import Problem

CUT = 1e-12  # of the largest eigenvalue: directions that rounding explains


@dataclass(frozen=True, eq=False)
class Task:
    """A program for cvxpy, and how to read an answer off it.

    Parameters
    ----------
    program : cvxpy.Problem
    a, theta, witness : callables
        Called once the program has values.
    ray : cvxpy.Problem
        The program that finds a direction along which only the linear part of the dual moves, for `a` to read.
    """

    program: cp.Problem
    a: Callable[[], np.ndarray]
    theta: Callable[[], np.ndarray]
    witness: Callable[[], Any]
    ray: cp.Problem | None = None


@dataclass(frozen=True, eq=False)
class Price:
    """The support function of a set at V as a convex expression, in units of `Duals.gain`."""

    value: cp.Expression
    constraints: list[cp.Constraint]
    theta: Callable[[], np.ndarray]
    witness: Callable[[], Any] = lambda: None


class Duals:
    """The dual variables of all columns, for kernels whose typical entry is `size`.

    `V` is in units of `unit`, `phi` in units of `objective`; ``gain * R*(V V'/2)``, with kernels divided by
    `size`, is the price in the same units.
    """

    def __init__(self, problem: Problem, size: float):
        self.problem = problem
        self.programs = [quadratic(problem.criterion, y, problem.w) for y in problem.Y.T]
        limit, slope = magnitudes(self.programs)
        unit = min(limit, slope / size if slope > 0 else np.inf)
        self.unit = unit if 0 < unit < np.inf else 1.0
        curvature = max(float(np.max(g.d)) for g in self.programs)
        self.objective = self.unit * slope if slope > 0 else self.unit**2 * max(size, curvature)
        self.gain = self.unit**2 * size / self.objective
        self.z = [cp.Variable(len(g.p)) for g in self.programs]
        n = problem.n_train
        columns = [
            sparse.csr_array((g.sign, (g.sample, np.arange(len(g.sign)))), shape=(n, len(g.sign))) @ z
            for g, z in zip(self.programs, self.z, strict=True)
        ]
        self.V = cp.vstack(columns).T
        self.phi = cp.sum([self._phi(g, z) for g, z in zip(self.programs, self.z, strict=True)])
        self.constraints = [c for g, z in zip(self.programs, self.z, strict=True) for c in self._domain(g, z, 1.0)]

    def _phi(self, g: DualProgram, z: cp.Variable) -> cp.Expression:
        unit, objective, value = self.unit, self.objective, cp.Constant(0.0)
        if np.any(g.p):
            value = value + (unit / objective) * g.p @ z
        if np.any(g.d):
            value = value - 0.5 * cp.sum_squares(cp.multiply(unit * np.sqrt(g.d / objective), z))
        for row, total, soft in zip(g.rows, g.total, g.soft, strict=True):
            if soft > 0:
                value = value - 0.5 * cp.square(unit / np.sqrt(soft * objective) * (row @ z - total / unit))
        if isinstance(self.problem.criterion, Logistic):
            share = cp.multiply(unit / g.upper, z)
            value = value + cp.sum(cp.multiply(g.upper / objective, cp.entr(share) + cp.entr(1 - share)))
        return value

    def _domain(self, g: DualProgram, z: cp.Variable, whole: float) -> list[cp.Constraint]:
        """Return the bounds and the hard rows; with `whole` zero, their directions without end."""
        low, high, hard = np.isfinite(g.lower), np.isfinite(g.upper), g.soft == 0
        out = [g.rows[hard] @ z == whole * g.total[hard] / self.unit] if hard.any() else []
        out += [z[low] >= whole * g.lower[low] / self.unit] if low.any() else []
        return out + ([z[high] <= whole * g.upper[high] / self.unit] if high.any() else [])

    def form(self, L: np.ndarray) -> cp.Expression:
        """Return half the quadratic form of L L' at V; rows beyond the training points see zeros."""
        return 0.5 * cp.sum_squares(L[: self.problem.n_train].T @ self.V)

    def point(self) -> np.ndarray:
        """Return a, as the solver left it."""
        V = np.column_stack([g.v(self.unit * z.value) for g, z in zip(self.programs, self.z, strict=True)])
        return self.problem.criterion.inverse(V, self.problem.Y)

    def task(self, price: Price, factors: list[np.ndarray]) -> Task:
        """Return the whole program, for kernels with these factors."""
        program = cp.Problem(cp.Maximize(self.phi - self.gain * price.value), [*self.constraints, *price.constraints])
        ray = None
        if self.phi.is_affine():
            # No kernel of any set sees V where none of its kernels does. The norm, not its square: that would be small
            # long before V is.
            cone = [c for g, z in zip(self.programs, self.z, strict=True) for c in self._domain(g, z, 0.0)]
            seen = cp.vstack([L[: self.problem.n_train].T @ self.V for L in factors])
            ray = cp.Problem(cp.Minimize(cp.norm(seen, "fro")), [*cone, self.phi == 1.0])
        return Task(program, self.point, price.theta, price.witness, ray)


def quadratic(criterion: Criterion, y: np.ndarray, w: np.ndarray) -> DualProgram:
    """Return the dual of one column with its curve, where that is a quadratic one, written into p and d.

    A multiple of the hard rows is taken out of p, which changes the objective by a constant only: targets far from
    zero would leave no digits for their differences.
    """
    g = criterion.program(y, w)
    if isinstance(criterion, ConvexLoss) and isinstance(criterion.psi, Huber | Pinball):
        # -c psi*(y, -a/c) = y a - a²/(2c) for Huber, y a for the pinball loss, with c = w/(2 lam).
        g = replace(g, p=y, d=2 * criterion.lam / w if isinstance(criterion.psi, Huber) else g.d, curve=None)
    if g.curve is not None and not isinstance(criterion, Logistic):
        what = getattr(criterion, "psi", criterion)
        raise NotImplementedError(
            f"Conic knows the conjugates of Huber, Pinball and the logistic loss, found {what!r}; use InteriorPoint, "
            f"which asks a loss for its conjugate"
        )
    rows = g.rows[g.soft == 0]
    if len(rows):
        p = g.p - rows.T @ np.linalg.lstsq(rows.T, g.p, rcond=None)[0]
        g = replace(g, p=np.where(np.abs(p) > 1e-14 * np.abs(g.p).max(initial=0.0), p, 0.0))
    return g


def magnitudes(programs: list[DualProgram]) -> tuple[float, float]:
    """Return how large x can become whatever the kernel, and how steep the objective is at zero."""
    slope = max(float(np.abs(g.p).max()) for g in programs)
    limits = [np.inf]
    for g in programs:
        bounds = np.maximum(np.abs(g.lower), np.abs(g.upper))
        limits += [float(bounds.max()), g.unit]
        if slope > 0 and g.d.max() > 0:
            limits.append(slope / float(g.d.max()))
        if g.curve is not None:
            slope = max(slope, 1.0)  # log-odds
    return min(limit for limit in limits if limit > 0), slope


def balanced(problem: Problem) -> bool:
    """Whether the rows make every column of V sum to zero, so that only the centred kernels count."""

    def column(g: DualProgram) -> bool:
        hard = g.soft == 0
        share, *_ = np.linalg.lstsq(g.rows[hard].T, g.sign, rcond=None)
        fits = np.allclose(g.rows[hard].T @ share, g.sign, atol=1e-10)
        return bool(fits and abs(share @ g.total[hard]) <= 1e-10 * np.abs(g.total).max(initial=0.0))

    return all(column(problem.criterion.program(y, problem.w)) for y in problem.Y.T)


def centred(K: np.ndarray) -> np.ndarray:
    """Return HKH."""
    return K - K.mean(axis=0) - K.mean(axis=1)[:, None] + K.mean()


def factor(K: np.ndarray) -> np.ndarray:
    """Return L with K = L L', without directions that rounding explains; of a zero matrix, one column of zeros."""
    values, vectors = linalg.eigh((K + K.T) / 2)
    keep = values > max(CUT * float(values[-1]), 0.0)
    if not keep.any():
        return np.zeros((len(K), 1))
    return vectors[:, keep] * np.sqrt(values[keep])


def machine(problem: Problem, theta: np.ndarray) -> Task:
    """Return the problem with its kernel fixed: the quadratic program of one machine."""
    K = problem.train_matrix(theta)
    K = centred(K) if balanced(problem) else K
    size = mean_diagonal([K])
    duals, L = Duals(problem, size), factor(K / size)
    return duals.task(Price(duals.form(L), [], lambda: theta), [L])


def mean_diagonal(matrices) -> float:
    """Return the largest mean of a diagonal; one where all vanish."""
    return max(float(np.trace(K)) / len(K) for K in matrices) or 1.0


def learned(problem: Problem) -> Task:
    """Return the problem with its weights as multipliers."""
    kernel_set, kernels = problem.kernel_set, problem.kernels
    if isinstance(kernel_set, s.PSDSpan):
        return span(problem)
    if isinstance(kernel_set, s.BoundedBall):
        return bounded_ball(problem)
    inner = isinstance(kernel_set, s.RadiusBall)
    N = kernels.n_samples if inner else problem.n_train
    share = weight_units(problem)
    matrices = [weight * kernels.mix(e)[:N, :N] for weight, e in zip(share, np.eye(len(share)), strict=True)]
    matrices = [centred(K) for K in matrices] if balanced(problem) else matrices
    size = mean_diagonal(matrices)
    duals = Duals(problem, size)
    factors = [factor(K / size) for K in matrices]
    if inner:
        return duals.task(radius(duals, factors, share, size), factors)
    t = cp.Variable(len(factors), nonneg=True)
    cones = [duals.gain * duals.form(L) <= t[k] for k, L in enumerate(factors)]
    if isinstance(kernel_set, s.SquaredLp):
        # R* = |q|²/(2 lam), with q = objective t / share.
        value = (duals.objective / (2 * kernel_set.lam * share[0] ** 2)) * cp.square(norm(t, kernel_set.p))
    elif isinstance(kernel_set, s.GroupBall):
        value = cp.maximum(*(norm(t[list(index)], kernel_set.p) for index in kernel_set.members(len(share))), 0.0)
    elif isinstance(kernel_set, s.LpBall):
        value = norm(t, kernel_set.p)
    elif isinstance(kernel_set, s.Simplex | s.TraceBudget):
        value = norm(t, 1.0)
    elif isinstance(kernel_set, s.ChiSquareBall):
        nu = cp.Variable()
        value = nu + np.sqrt((1 + kernel_set.rho) / len(factors)) * cp.norm(cp.pos(t - nu), 2)
    else:
        raise NotImplementedError(f"Conic does not know the kernel set {kernel_set.name!r}")
    return duals.task(Price(value / duals.gain, cones, lambda: share * multipliers(cones)), factors)


def weight_units(problem: Problem) -> np.ndarray:
    """Return the unit of each weight: the most a kernel alone may have, or what its price suggests."""
    kernel_set, kernels = problem.kernel_set, problem.kernels
    if isinstance(kernel_set, s.TraceBudget | s.PSDSpan | s.RadiusBall):
        return kernels.n_kernels * kernel_set.start(kernels)
    if isinstance(kernel_set, s.SquaredLp):
        # At its optimum lam theta = q = size x²/2, with x the smaller of its limit and slope / (size theta).
        limit, slope = magnitudes([quadratic(problem.criterion, y, problem.w) for y in problem.Y.T])
        size = mean_diagonal([np.diag(d) for d in kernels.diagonals])
        unit = min(size * limit**2, (slope**2 * kernel_set.lam**2 / size) ** (1 / 3) if slope > 0 else np.inf)
        return np.full(kernels.n_kernels, unit / kernel_set.lam)
    return np.ones(kernels.n_kernels)


def norm(t: cp.Expression, p: float) -> cp.Expression:
    """Return the norm dual to the p-norm, of the nearest fraction: Clarabel stalls on power cones."""
    return cp.max(t) if p == 1 else cp.pnorm(t, p / (p - 1), max_denom=2**14)


def multipliers(cones: list[cp.Constraint]) -> np.ndarray:
    """Return the multipliers, without what rounding leaves below zero."""
    return np.array([max(float(np.ravel(c.dual_value)[0]), 0.0) for c in cones])


def radius(duals: Duals, factors: list[np.ndarray], share: np.ndarray, size: float) -> Price:
    r"""Return the price of a ball of radius one: :math:`\min_b \max_k q_k / r_k(b)`.

    With :math:`\beta = \nu b` the constraint :math:`q_k \le \nu r_k(b)` is convex:
    :math:`q_k + \beta^\top K_k \beta / \nu \le \sum_i \beta_i K_{k,ii}`, and the least :math:`\nu` is the price.
    """
    beta = cp.Variable(len(factors[0]), nonneg=True)
    nu = cp.sum(beta)
    cones = [
        duals.gain * (duals.form(L) + cp.quad_over_lin(L.T @ beta, nu)) <= duals.gain * np.sum(L**2, axis=1) @ beta
        for L in factors
    ]
    # A zero kernel may have any weight; it gets none.
    some = np.array([bool(np.any(L)) for L in factors])
    theta = lambda: np.where(some, share * multipliers(cones), 0.0)  # noqa: E731
    return Price(nu / size, cones, theta, lambda: np.maximum(beta.value, 0.0))


def span(problem: Problem) -> Task:
    r"""Return the program over the span of the kernels within the semidefinite cone.

    :math:`\max \{\langle K, N \rangle : K = \sum_k \mu_k K_k \succeq 0, \operatorname{tr} K = c\}` is at most c t for
    any :math:`X \succeq N` with :math:`\langle K_k, X \rangle = t \operatorname{tr} K_k` for all k, and equal to it
    for the best one. With :math:`N = \tfrac12 V V^\top` the condition :math:`X \succeq N` is linear in X and V.
    The weights are the multipliers of the equalities, and :math:`Z = X - N` the multiplier of :math:`K \succeq 0`.
    """
    kernels, share = problem.kernels, weight_units(problem)
    # Nothing outside the common range of the kernels is seen, and there no K of the span has an interior.
    values, vectors = linalg.eigh(kernels.mix(share))
    P = vectors[:, values > CUT * values[-1]]
    matrices = [weight * P.T @ kernels.mix(e) @ P for weight, e in zip(share, np.eye(len(share)), strict=True)]
    size = float(np.trace(matrices[0])) / kernels.n_samples
    duals, t = Duals(problem, size), cp.Variable()
    V = P[: problem.n_train].T @ duals.V
    X, above, _ = majorant(V)
    traces = [cp.sum(cp.multiply(K / size, X)) == t * (np.trace(K) / size) for K in matrices]
    trace = float(np.trace(matrices[0])) / size

    def theta() -> np.ndarray:
        mu = np.array([float(c.dual_value) for c in traces])
        return share * mu / mu.sum()

    def witness() -> np.ndarray:
        return duals.unit**2 * P @ (X.value - 0.5 * V.value @ V.value.T) @ P.T

    return duals.task(Price(trace * t, [*traces, above], theta, witness), [P @ factor(K / size) for K in matrices])


def bounded_ball(problem: Problem) -> Task:
    r"""Return the program over matrices near a given one.

    As in `span`, for any :math:`X \succeq N` and t, with :math:`W = X - t I`:
    :math:`\langle K, N \rangle \le \langle K_0, W \rangle + \rho \|W\|_F + t c`. The learned matrix is the
    multiplier of the matrix inequality.
    """
    ball, kernels = problem.kernel_set, problem.kernels
    assert isinstance(ball, s.BoundedBall)
    K0 = kernels.mix(np.ones(1))
    c = float(np.trace(K0)) if ball.trace is None else ball.trace
    size, N = c / len(K0), len(K0)
    duals, t = Duals(problem, size), cp.Variable()
    X, above, _ = majorant(np.eye(N)[:, : problem.n_train] @ duals.V)
    W = X - t * np.eye(N)
    price = cp.sum(cp.multiply(K0 / size, W)) + (ball.rho / size) * cp.norm(W, "fro") + (c / size) * t

    def theta() -> np.ndarray:
        K = np.asarray(above.dual_value)[:N, :N]
        return c * (K + K.T) / (2 * float(np.trace(K)))

    return duals.task(Price(price, [above], theta), [factor(K0 / size)])


def majorant(V: cp.Expression) -> tuple[cp.Variable, cp.Constraint, cp.Expression]:
    """Return X, the matrix inequality that says X >= V V'/2, and its left-hand side."""
    r, k = V.shape
    X = cp.Variable((r, r), symmetric=True)
    block = cp.bmat([[2 * X, V], [V.T, np.eye(k)]])
    return X, block >> 0, block


def frobenius(problem: Problem) -> Task:
    """Return the program of alignment, whose dual variables are one point: a quadratic program in the weights."""
    ball, kernels = problem.kernel_set, problem.kernels
    assert isinstance(ball, s.FrobeniusBall)
    a, _ = problem.criterion.project(np.zeros(problem.Y.shape), problem.Y, problem.w)
    q, M = problem.quadratics(problem.criterion.V(a, problem.Y)), ball.inner_products(kernels)
    unit = 1 / np.sqrt(np.maximum(np.diag(M), 1e-300))  # kernels of norm one
    q, M = q * unit, M * np.outer(unit, unit)
    size = float(np.abs(q).max()) or 1.0
    x, R = cp.Variable(len(q)), factor(M)
    objective = cp.Minimize(0.5 * cp.sum_squares(R.T @ x) - (q / size) @ x)
    if not ball.free_sign:
        return Task(
            cp.Problem(objective, [x >= 0]),
            lambda: a,
            lambda: size * unit * x.value,
            lambda: size * unit * np.maximum(x.value, 0.0),
        )
    values, vectors = linalg.eigh(kernels.mix(unit))
    P = vectors[:, values > CUT * values[-1]]
    matrices = [u * P.T @ kernels.mix(e) @ P for u, e in zip(unit, np.eye(len(unit)), strict=True)]
    inside = sum(x[k] * K for k, K in enumerate(matrices)) >> 0
    return Task(
        cp.Problem(objective, [inside]),
        lambda: a,
        lambda: size * unit * x.value,
        lambda: size * P @ np.asarray(inside.dual_value) @ P.T,
    )
