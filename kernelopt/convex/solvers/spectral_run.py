"""The interior-point method over one semidefinite matrix that makes the kernel."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning

from kernelopt.backend import Factor
from kernelopt.convex.certificate import Certificate
from kernelopt.convex.criteria.program import stacked
from kernelopt.convex.problem import Problem
from kernelopt.convex.sets import Simplex, Tessellated
from kernelopt.convex.sets.tessellated import features
from kernelopt.convex.solvers.interior_run import JAMMED, SETTLE, TO_THE_WALL, Run
from kernelopt.convex.solvers.newton_blocks import Column
from kernelopt.kernels.rows import StoredKernels

if TYPE_CHECKING:
    from kernelopt.convex.solvers.interior_point import InteriorPoint

RIDGES = (0.0, 1e-15, 1e-13, 1e-11)
NEAR, SLOW = 1e-3, 3  # a relative gap, and steps in which it should at least have halved
FAR, STILL = 1e-1, 6  # the same for one that should have become smaller at all
ABSENT, ROUNDS = 1e-6, 4  # a share of the trace that is none; how often directions are added
STIFF = 1e3  # times the largest entry of K: curvature that is kept apart
TIRED = 8  # times polished without closing the gap: the digits have ended


class Spectrum:
    r"""The matrix P and the multiplier of what bounds its form (HKM direction).

    .. math::
        \max_v \min_{P \succeq 0,\ \operatorname{tr} P = c} \varphi(v) - \langle P, G(v) \rangle:
        \qquad S = \lambda I - G(v) \succeq 0, \quad P S = \tau I, \quad \operatorname{tr} P = c.

    With :math:`H_i = \partial G / \partial v_i` and :math:`E(X) = \operatorname{sym}(P X S^{-1})`, eliminating P, S and
    :math:`\lambda` from a Newton step leaves on v the curvature
    :math:`\langle H_i, E(H_j) \rangle - e_i e_j / f` with :math:`e_i = \langle H_i, E(I) \rangle` and
    :math:`f = \operatorname{tr} E(I)`, and a push. As :math:`\langle X, E(Y) \rangle = \langle R X L, R Y L \rangle`
    for :math:`P = L L^\top` and :math:`S^{-1} = R^\top R`, that is the Gram matrix of the :math:`R H_i L` with
    their parts along :math:`R L` taken off: nothing of the size of a kernel per parameter of P is made.
    """

    dP: np.ndarray
    dS: np.ndarray

    def __init__(self, m: int, trace: float):
        self.trace = trace
        self.P = np.eye(m) * (trace / m)

    def warm(self, G: np.ndarray, objective: float) -> None:
        """Take S so far inside that its product with P has the size of the objective."""
        self.lam = float(linalg.eigvalsh(G)[-1]) + objective / self.trace
        self.S = self.lam * np.eye(len(G)) - G

    @property
    def count(self) -> int:
        """The number of eigenvalues that are driven to zero in pairs."""
        return len(self.P)

    def products_sum(self) -> float:
        """Return the inner product of P and S."""
        return float(np.sum(self.P * self.S))

    def prepare(self, G: np.ndarray, H: np.ndarray) -> np.ndarray:
        """Return a root of the curvature, W with W W', for the form G at v and its slopes H (n, m, m)."""
        m, n = len(G), len(H)
        self.L, self.R = factor(self.P), linalg.lapack.dtrtri(factor(self.S), lower=1)[0]
        self.inverse, self.H = self.R.T @ self.R, H.reshape(n, -1)
        self.off = self.lam * np.eye(m) - G - self.S
        W = (self.R @ H @ self.L).reshape(n, -1)
        along = (self.R @ self.L).ravel()
        self.f = float(along @ along)
        self.e = W @ along
        return W - np.outer(self.e / self.f, along)

    def turned(self, X: np.ndarray) -> np.ndarray:
        """Return E(X)."""
        whole = self.P @ X @ self.inverse
        return 0.5 * (whole + whole.T)

    def push(self, tau: float, correct: bool) -> np.ndarray:
        """Return what the slope along v loses by where P is going for this barrier parameter."""
        self.target = tau * self.inverse - self.P - self.turned(self.off)
        if correct:
            twist = self.dP @ self.dS @ self.inverse
            self.target = self.target - 0.5 * (twist + twist.T)
        self.short = float(np.trace(self.target)) + float(np.trace(self.P)) - self.trace
        return self.H @ self.target.ravel() - self.e * (self.short / self.f)

    def direct(self, dv: np.ndarray) -> None:
        """Set the direction that goes with one of v."""
        self.dlam = (self.short + float(self.e @ dv)) / self.f
        turn = (dv @ self.H).reshape(self.P.shape)
        self.dS = self.dlam * np.eye(len(turn)) - turn + self.off
        self.dP = self.target - self.turned(self.dlam * np.eye(len(turn)) - turn)

    def reach(self) -> float:
        """Return the largest step inside both cones."""
        inverse = linalg.lapack.dtrtri(self.L, lower=1)[0]
        return min(_reach(inverse, self.dP), _reach(self.R, self.dS))

    def products_after(self, step: float) -> float:
        """Return the inner product after a step."""
        return float(np.sum((self.P + step * self.dP) * (self.S + step * self.dS)))

    def move(self, step: float) -> None:
        """Take the step."""
        self.P, self.S = self.P + step * self.dP, self.S + step * self.dS
        self.lam += step * self.dlam


def factor(A: np.ndarray) -> np.ndarray:
    """Return the lower Cholesky factor, with a ridge at the level of rounding where one is needed."""
    size = float(np.trace(A)) / len(A)
    for ridge in RIDGES:
        try:
            return linalg.cholesky(A + ridge * size * np.eye(len(A)) if ridge else A, lower=True)
        except linalg.LinAlgError:
            continue
    raise linalg.LinAlgError("a matrix of the semidefinite constraint is not positive definite")


def _reach(inverse: np.ndarray, direction: np.ndarray) -> float:
    """Return the largest step along a direction that stays semidefinite, given the inverse Cholesky factor."""
    whole = inverse @ direction @ inverse.T
    smallest = float(linalg.eigvalsh(0.5 * (whole + whole.T), subset_by_index=[0, 0])[0])
    return -1 / smallest if smallest < 0 else np.inf


class StiffColumn(Column):
    r"""A column with more curvature :math:`W W^\top`, some of which is larger than all else by many digits.

    In the sum with the kernel it would take the digits of the other directions. So its large part
    :math:`U \Sigma U^\top` is no part of the matrix that is factored, but treated like penalties on
    :math:`U^\top v`.
    """

    def brace(self, K: np.ndarray, W: np.ndarray) -> None:
        """Prepare for the kernel matrix K and the root W."""
        limit = STIFF * float(np.abs(K).max())
        self.sizes, self.U = linalg.eigh(W @ W.T, subset_by_value=(limit, np.inf))
        mild = W - self.U @ (self.U.T @ W)
        self.prepare(K, np.zeros((len(K), 0)), mild @ mild.T)

    def apply(self, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return B⁻¹ r and its v; of two parts of a sample, the freer one makes up what rounding keeps from v."""
        X, V = super().apply(r)
        if not self.single:
            g = self.program
            by_freedom = np.lexsort((self.D, g.sample))
            free = by_freedom[np.searchsorted(g.sample[by_freedom], np.arange(g.n))]
            X[free] += g.sign[free, None] * (V - np.stack([g.v(x) for x in X.T], axis=1))
        return X, V

    def definite(self, B: np.ndarray, K: np.ndarray) -> Any:
        """Return what solves systems with the whole matrix."""
        factor = super().definite(B, K)
        return factor if not len(self.sizes) else Braced(factor, self.U, self.sizes)


class Braced:
    r"""The inverse of :math:`B + U \Sigma U^\top`, from a factor of B."""

    def __init__(self, factor: Any, U: np.ndarray, sizes: np.ndarray):
        self.factor, self.BU = factor, factor.solve(U)
        self.U, self.inner = U, Factor(U.T @ self.BU + np.diag(1 / sizes))

    def solve(self, r: np.ndarray) -> np.ndarray:
        """Return the solution."""
        x = self.factor.solve(r)
        return x - self.BU @ self.inner.solve(self.U.T @ x)


class SpectralRun(Run):
    """One run over tessellated kernels: all columns of the dual as one, and P."""

    def __init__(self, solver: InteriorPoint, problem: Problem):
        self.solver, self.whole, self.problem, self.clock = solver, problem, problem, time.perf_counter()
        kernel_set, kernels = problem.kernel_set, features(problem.kernels)
        self.kernels = kernels
        assert isinstance(kernel_set, Tessellated)
        if solver.device is not None or kernels.n_samples != problem.n_train:
            raise ValueError(
                f"tessellated kernels are learned in NumPy from the training points alone, found device="
                f"{solver.device!r} and {kernels.n_samples} points of which {problem.n_train} have a target; leave "
                f"device out and pass the kernels on the training points (P gives them at all others)"
            )
        self.ball = self.span = self.centre = self.weights = None
        self.theta = kernel_set.start(kernels)
        K = kernel_set.matrix(self.theta, kernels)
        size = max(float(np.trace(K)) / len(K) - float(K.mean()), 1e-3 * float(np.trace(K)) / len(K)) or 1.0
        programs = [problem.criterion.program(y, problem.w) for y in problem.Y.T]
        self.column = StiffColumn(programs[0] if len(programs) == 1 else stacked(programs), size)
        self.columns = [self.column]
        self.spectrum: Any = None  # a `Spectrum`, once the dual point has settled
        self.last, self.polished = 1.0, 0
        self.best, self.witness, self.history = None, None, []
        self.dual, self.a = -np.inf, np.zeros(problem.Y.shape)
        self.settle(K)
        self.spectrum = Spectrum(len(self.theta), kernel_set.trace)
        self.spectrum.warm(kernels.form(self.V()), self.objective(K) or 1.0)

    def settle(self, K: np.ndarray) -> None:
        """Bring the dual point near its best for the first P, so that all multipliers start at their size."""
        column, whole = self.column, self.repeated(K)
        column.warm(self.objective(K) or 1.0)
        for _ in range(SETTLE):
            try:
                column.brace(whole, np.zeros((len(whole), 1)))
                self.residual = column.residual
                self.newton(np.zeros(0))
            except (linalg.LinAlgError, ValueError):
                break  # any start will do
            if self.last > JAMMED and column.products_sum() <= 0.1 * self.objective(K):
                break
        self.last = 1.0

    def repeated(self, K: np.ndarray) -> np.ndarray:
        """Return the kernel matrix of all columns as one."""
        k = self.problem.Y.shape[1]
        return np.kron(np.eye(k), K) if k > 1 else K

    @property
    def blocks(self) -> list[Any]:
        """All that moves."""
        return [self.column] if self.spectrum is None else [self.column, self.spectrum]

    def objective(self, K: np.ndarray) -> float:
        """Return the size of the objective at the present dual point."""
        V = self.V()
        return max(float(np.sum(V * (K @ V))), float(np.abs(self.column.program.p) @ np.abs(self.column.x)))

    def step(self) -> str | None:
        """Take one Newton step; return None when the gap has closed, a reason to stop, or "" to go on."""
        kernels, V = self.kernels, self.V()
        self.theta = self.spectrum.P
        gap = self.record(V)
        slow = self.since(SLOW) > 0.5 and gap < NEAR or self.since(STILL) > 0.99 and gap < FAR
        if slow and self.left() > 0:
            gap, self.polished = self.polish(), self.polished + 1
        stopped = self.stopped(gap)
        if stopped != "":
            return stopped
        if self.polished == TIRED:
            return "rounding keeps the bounds apart"
        try:
            W = self.spectrum.prepare(kernels.form(V), kernels.slopes(V))
            self.column.brace(self.repeated(kernels.matrix(self.theta)), W)
            self.residual = self.column.residual
            self.newton(np.zeros(0))
        except (linalg.LinAlgError, ValueError) as error:
            return f"rounding stopped the method ({error})"
        return ""

    def left(self) -> float:
        """Return the seconds that are left."""
        limit = self.solver.time_limit
        return np.inf if limit is None else limit - (time.perf_counter() - self.clock)

    def since(self, steps: int) -> float:
        """Return what is left of the gap of some steps ago."""
        known = self.history
        return float(known[-1]["gap"] / known[-steps]["gap"]) if len(known) > steps else 0.0

    def polish(self) -> float:
        """Learn a convex combination of few directions, those of P and the best ones, to all digits; return the gap.

        Near the optimum the last digits of P are lost in the difference of P and the inverse of S, and with them those
        of the margins. As atoms of a simplex its eigenvectors have no such trouble, and there are few of them.
        """
        problem, trace = self.problem, self.spectrum.trace
        values, vectors = linalg.eigh(self.theta, driver="evd")
        atoms = [u for value, u in zip(values, vectors.T, strict=True) if value > ABSENT * trace]
        a, gap = self.a, float(self.history[-1]["gap"])
        for _ in range(ROUNDS):
            if (left := self.left()) <= 0:
                break
            limit = left if left < np.inf else None
            quiet = replace(self.solver, tol=0.1 * self.solver.tol, verbose=0, time_limit=limit)
            best = linalg.eigh(self.kernels.form(problem.criterion.V(a, problem.Y)), driver="evd")[1][:, -len(atoms) :]
            atoms = [*atoms, *best.T]
            Ks = trace * replace(self.kernels, U=np.stack(atoms, axis=1)).stored().Ks
            master = replace(problem, kernels=StoredKernels.of(Ks), kernel_set=Simplex())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # the bounds say what came of it
                found = Run(quiet, master).solution()
            P = trace * sum(t * np.outer(u, u) for t, u in zip(found.theta, atoms, strict=True))
            atoms, a = [u for t, u in zip(found.theta, atoms, strict=True) if t > ABSENT], found.a
            primal, dual = problem.primal(P, found.beta, found.intercept), problem.dual(a)
            if self.best is None or primal < self.best[0]:
                self.best = (primal, P, found.beta, found.intercept)
            if dual > self.dual:
                self.dual, self.a = dual, a
            gap = Certificate(self.best[0], self.dual, 0.0, problem.scale).gap
            self.history[-1].update(primal=self.best[0], dual=self.dual, gap=gap)
            if gap <= 0.9 * self.solver.tol:
                break
        return gap

    def direction(self, tau: float, correct: bool) -> float:
        """Set the direction of both blocks for a barrier parameter; return how far it can go."""
        column, spectrum = self.column, self.spectrum
        if spectrum is not None:
            column.residual = self.residual - column.program.back(spectrum.push(tau, correct))
        column.gradient(tau, correct)
        column.direct(np.zeros(0))
        if spectrum is not None:
            spectrum.direct(column.program.v(column.dx))
        return min([1.0 / TO_THE_WALL, *(block.reach() for block in self.blocks)])
