r"""The problems of a hyperkernel in cvxpy, in three forms that check each other.

"cones" is the dual over second-order cones, after Tsang and Kwok (2006):

.. math:: \max \varphi(a) - c \tau - \dots \quad\text{s.t.}\quad \tfrac12 v^\top K_j v - (R^\top u)_j \le \tau,

"sdp" the semidefinite program of Ong, Smola and Williamson (2005), corollary 13 and (27)-(32), and "primal" the
same with the matrix fraction as a sum over slices,
:math:`w^\top (\sum_j \beta_j K_j)^{-1} w = \min \{\sum_j \|v_j\|^2 / \beta_j : \sum_j L_j v_j = w\}`.
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np
from scipy import linalg

from kernelopt.convex import sets as s
from kernelopt.convex.criteria import DualProgram
from kernelopt.convex.problem import Problem
from kernelopt.convex.solvers.conic_programs import (
    CUT,
    Duals,
    Price,
    Task,
    balanced,
    centred,
    factor,
    magnitudes,
    majorant,
    mean_diagonal,
    multipliers,
    quadratic,
)


def unit_of(problem: Problem) -> float:
    """Return the unit of the weights: their sum, or what their price suggests (as for squared lp norms)."""
    kernel_set, kernels = problem.kernel_set, problem.kernels
    assert isinstance(kernel_set, s.HyperNorm | s.HyperSquared)
    if kernel_set.c is not None:
        return kernel_set.c
    lam = kernel_set.lam * float(np.mean(np.diagonal(kernel_set.gram)))
    limit, slope = magnitudes([quadratic(problem.criterion, y, problem.w) for y in problem.Y.T])
    size = mean_diagonal([np.diag(d) for d in kernels.diagonals])
    return min(size * limit**2, (slope**2 * lam**2 / size) ** (1 / 3) if slope > 0 else np.inf) / lam


def cones(problem: Problem) -> Task:
    """Return the dual over second-order cones; over the semidefinite cone for weights of any sign."""
    kernel_set, kernels = problem.kernel_set, problem.kernels
    assert isinstance(kernel_set, s.HyperNorm | s.HyperSquared)
    kernel_set.check_kernels(kernels)
    if isinstance(kernel_set, s.HyperSpan):
        return span(problem)
    unit, n = unit_of(problem), problem.n_train
    matrices = [unit * kernels.mix(e)[:n, :n] for e in np.eye(kernels.n_kernels)]
    matrices = [centred(K) for K in matrices] if balanced(problem) else matrices
    size = mean_diagonal(matrices)
    duals = Duals(problem, size)
    factors = [factor(K / size) for K in matrices]
    t, v = cp.Variable(len(factors), nonneg=True), cp.Variable(len(factors))
    limits = [duals.gain * duals.form(L) <= t[k] for k, L in enumerate(factors)]
    shift = kernel_set.R_factor.T @ v  # R'u, in units of its own
    more: list[cp.Constraint] = []
    if isinstance(kernel_set, s.HyperNorm):
        more = [cp.norm(v) <= 1]
        value = cp.max(t - (unit * kernel_set.lam / (2 * duals.objective)) * shift)
    elif kernel_set.c is None:
        more = [t <= unit * np.sqrt(2 * kernel_set.lam / duals.objective) * shift]
        value = cp.sum_squares(v)
    else:
        scale = kernel_set.lam * unit**2 / duals.objective
        square = cp.Variable()  # in a cone of its own: with a quadratic objective Clarabel finds wrong certificates
        more = [cp.sum_squares(v) <= square]
        value = cp.max(t - scale * shift) + 0.5 * scale * square
    return duals.task(Price(value / duals.gain, [*limits, *more], lambda: unit * multipliers(limits)), factors)


def span(problem: Problem) -> Task:
    r"""Return the dual over the semidefinite cone, as `conic_programs.span`, with the price in place of the trace.

    :math:`R^* = \min c \nu + \|\langle K_j, X \rangle - \nu\|^2_{G^{-1}} / (2 \lambda)` over
    :math:`X \succeq \tfrac12 V V^\top`, G the Gram matrix of the pairs.
    """
    kernel_set, kernels = problem.kernel_set, problem.kernels
    assert isinstance(kernel_set, s.HyperSpan)
    unit, M = unit_of(problem), kernels.n_kernels
    values, vectors = linalg.eigh(kernels.mix(np.full(M, unit)), driver="evd")
    P = vectors[:, values > CUT * values[-1]]
    matrices = [unit * P.T @ kernels.mix(e) @ P for e in np.eye(M)]
    size = float(np.trace(matrices[0])) / kernels.n_samples
    duals, nu = Duals(problem, size), cp.Variable()
    V = P[: problem.n_train].T @ duals.V
    X, above, _ = majorant(V)
    rest = cp.hstack([cp.sum(cp.multiply(K / size, X)) for K in matrices]) - nu
    inverse = linalg.solve_triangular(kernel_set.R_factor, np.eye(M), trans="T")
    scale = duals.objective * duals.gain / (kernel_set.lam * unit)
    value = (scale / (2 * unit)) * cp.sum_squares(inverse @ rest)
    more = [nu == 0] if kernel_set.c is None else []
    if kernel_set.c is not None:
        value = value + (kernel_set.c / unit) * nu

    def theta() -> np.ndarray:
        return scale * linalg.cho_solve((kernel_set.R_factor, False), np.asarray(rest.value))

    def witness() -> np.ndarray:
        return duals.unit**2 * P @ (X.value - 0.5 * V.value @ V.value.T) @ P.T

    return duals.task(Price(value, [above, *more], theta, witness), [P @ factor(K / size) for K in matrices])


def primal(problem: Problem, form: str) -> Task:
    r"""Return the problem in the weights and the multipliers of the dual's bounds and rows.

    With the dual of each column as :math:`\max p^\top x - \tfrac12 x^\top D x - \tfrac12 v^\top K v`, v = Sx, over
    :math:`l \le x \le u`, :math:`E x = e`,

    .. math::
        \min \tfrac12 t + u^\top \xi - l^\top \eta + e^\top b + R(\beta) \quad\text{s.t.}\quad
        S^\top w = p + \eta - \xi - E^\top b, \quad
        \begin{pmatrix} K(\beta) + D & w \\ w^\top & t \end{pmatrix} \succeq 0, \quad \xi, \eta \ge 0.

    Criteria give p, D, l, u, E, e: for the hinge these are (27), for the others (28)-(32), with the printed errors
    mended; the two halves of a regression's x share w, so the block is never singular by construction.
    """
    kernel_set, kernels, n = problem.kernel_set, problem.kernels, problem.n_train
    assert isinstance(kernel_set, s.HyperNorm | s.HyperSquared)
    kernel_set.check_kernels(kernels)
    free = isinstance(kernel_set, s.HyperSpan)
    if free and form == "primal":
        raise ValueError("the primal form sums over slices with nonnegative weights; use form='sdp' for free signs")
    Ks = [kernels.mix(e) for e in np.eye(kernels.n_kernels)]
    beta = cp.Variable(len(Ks), nonneg=not free)
    K = sum(beta[k] * matrix for k, matrix in enumerate(Ks))
    root = kernel_set.R_factor @ beta
    half = 0.5 * kernel_set.lam
    objective = half * (cp.norm(root) if isinstance(kernel_set, s.HyperNorm) else cp.sum_squares(root))
    constraints = [] if kernel_set.c is None else [cp.sum(beta) == kernel_set.c]
    constraints += [K >> 0] if free else []
    links = []
    for program in (quadratic_program(problem, y) for y in problem.Y.T):
        value, link, more, ridge, w = column(program)
        links.append((program, link))
        if form == "sdp":
            t = cp.Variable()
            block = cp.bmat([[K[:n, :n] + ridge, w[:, None]], [w[None], cp.reshape(t, (1, 1), order="C")]])
            constraints.append(0.5 * (block + block.T) >> 0)
        else:
            parts = [factor(matrix[:n, :n]) for matrix in Ks]
            v = [cp.Variable(L.shape[1]) for L in parts]
            t = cp.sum([cp.quad_over_lin(piece, beta[k]) for k, piece in enumerate(v)])
            total = sum(L @ piece for L, piece in zip(parts, v, strict=True))
            if np.any(ridge):
                L = factor(ridge)
                rest = cp.Variable(L.shape[1])
                t, total = t + cp.sum_squares(rest), total + L @ rest
            constraints.append(total == w)
        objective = objective + 0.5 * t + value
        constraints += [link, *more]

    def a() -> np.ndarray:
        V = np.column_stack([g.v(-np.asarray(link.dual_value)) for g, link in links])
        return problem.criterion.inverse(V, problem.Y)

    return Task(cp.Problem(cp.Minimize(objective), constraints), a, lambda: np.asarray(beta.value), lambda: None)


def quadratic_program(problem: Problem, y: np.ndarray) -> DualProgram:
    """Return the dual of one column, if it is a quadratic program."""
    g = quadratic(problem.criterion, y, problem.w)
    if g.curve is not None:
        raise NotImplementedError(f"no semidefinite form is known of {problem.criterion.name!r}; use form='cones'")
    return g


def column(g: DualProgram):
    """Return value, link to w, further constraints, ridge, and w of one column."""
    N, n = len(g.p), g.n
    hard, low, high = g.soft == 0, np.isfinite(g.lower), np.isfinite(g.upper)
    S = np.zeros((n, N))
    S[g.sample, np.arange(N)] = g.sign
    w, xi, eta = cp.Variable(n), cp.Variable(N, nonneg=True), cp.Variable(N, nonneg=True)
    z, value = g.p + eta - xi, cp.Constant(g.constant)
    more = [xi[~high] == 0] if (~high).any() else []
    more += [eta[~low] == 0] if (~low).any() else []
    if high.any():
        value = value + g.upper[high] @ xi[high]
    if low.any():
        value = value - g.lower[low] @ eta[low]
    if hard.any():
        b = cp.Variable(int(hard.sum()))
        z, value = z - g.rows[hard].T @ b, value + g.total[hard] @ b
    ridge = np.zeros((n, n))
    if np.any(g.d) or not hard.all():
        assert n == N and not np.any(g.total[~hard])
        rows = g.rows[~hard] * g.sign
        ridge = np.diag(g.d) + rows.T @ (rows / g.soft[~hard, None])
    return value, S.T @ w == z, more, ridge, w
