"""Where the Newton method stands: machines, and their products with a working set of kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kernelopt.convex.problem import Problem
from kernelopt.convex.solvers.machines import Machine, machine_for
from kernelopt.convex.solvers.row_cache import RowCache
from kernelopt.kernels.rows import StoredKernels

STEPS = 100_000  # of one descent, at least
TIGHTEST = 1e-13
EARLY = 1e-3  # what the first descent aims at, in the machine's units


@dataclass(frozen=True, eq=False)
class Point:
    """The machines at one vector of weights: numbers only, for the machines move on."""

    mu: np.ndarray
    s: np.ndarray
    a: np.ndarray  # the admitted point nearest to s
    intercept: np.ndarray
    q: np.ndarray  # quadratic forms, of the working set
    phi: float
    primal: float
    inner: float  # the machines' own duality gap at these weights


class State:
    r"""The machines of all columns, warm, and the products :math:`K_k s` that follow them for k in the working set."""

    def __init__(self, problem: Problem, cache_bytes: int, out_of_time: Callable[[], bool]):
        self.problem, self.out_of_time = problem, out_of_time
        makers = [machine_for(problem.criterion, y, problem.w) for y in problem.Y.T]
        self.machines: list[Machine] = [make() for make in makers if make is not None]
        self.cache = RowCache(problem.kernels, cache_bytes)
        self.W = np.arange(problem.kernels.n_kernels)
        self.products = np.zeros((0, len(self.machines), problem.kernels.n_samples))
        self.stored = isinstance(problem.kernels, StoredKernels)
        self.exhausted = 0  # times in a row that a descent ended at its limit
        self.tol = 1e-2  # of the machines' conditions, in their units
        self._entries = 0.0

    @property
    def s(self) -> np.ndarray:
        """The machines' coefficients, shape (n, k)."""
        return np.column_stack([machine.s for machine in self.machines])

    @property
    def entries(self) -> float:
        """How many entries of the kernels have been read."""
        return self._entries + self.cache.entries

    @property
    def kinked(self) -> bool:
        """Whether no variable is free, so that omega has no curvature here."""
        return not any(machine.system for machine in self.machines)

    def tighten(self, factor: float = 0.1) -> None:
        """Ask more of the machines from now on."""
        self.tol = max(factor * self.tol, TIGHTEST)

    def count(self, kernels: int, rows: int, share: float = 1.0) -> None:
        """Take note of entries read."""
        self._entries += share * kernels * rows * self.problem.kernels.n_samples

    def warm(self, beta: np.ndarray) -> None:
        """Begin the machines at coefficients made feasible."""
        criterion, Y = self.problem.criterion, self.problem.Y
        a, _ = criterion.project(criterion.inverse(np.asarray(beta, dtype=float), Y), Y, self.problem.w)
        for machine, s in zip(self.machines, criterion.V(a, Y).T, strict=True):
            machine.begin(s)

    def work_on(self, W: np.ndarray) -> None:
        """Set the working set; products of kernels that stay in it are kept."""
        known = {int(k): at for at, k in enumerate(self.W[: len(self.products)])}
        products = np.zeros((len(W), len(self.machines), self.problem.kernels.n_samples))
        new = [at for at, k in enumerate(W) if int(k) not in known]
        for at, k in enumerate(W):
            if int(k) in known:
                products[at] = self.products[known[int(k)]]
        self.W, self.products = W, products
        s = self.s
        if new and s.any():
            products[new] = np.swapaxes(self.problem.kernels.products(s, W[new]), 1, 2)
            self.count(len(new), int(np.count_nonzero(s.any(axis=1))))

    def set_values(self, mu: np.ndarray) -> None:
        """Tell the machines K(mu) s."""
        for machine, Ks in zip(self.machines, np.tensordot(mu[self.W], self.products, 1), strict=True):
            machine.set_values(Ks)

    def follow(self, old: np.ndarray) -> None:
        """Bring the products up to date with the coefficients that changed."""
        change = self.s - old
        moved = int(np.count_nonzero(change.any(axis=1)))
        if moved:
            self.products += np.swapaxes(self.problem.kernels.products(change, self.W), 1, 2)
            self.count(len(self.W), moved)

    def refresh(self) -> None:
        """Make the products of the working set afresh: increments drift."""
        s = self.s
        self.products = np.ascontiguousarray(np.swapaxes(self.problem.kernels.products(s, self.W), 1, 2))
        self.count(len(self.W), int(np.count_nonzero(s.any(axis=1))))

    def settle(self, mu: np.ndarray) -> Point:
        """Improve the machines at mu until their conditions hold to the present tolerance."""
        problem = self.problem
        self.set_values(mu)
        before = np.inf
        for attempt in range(8):
            unit, old = max(machine.unit for machine in self.machines), self.s
            tol = self.tol * unit
            # Which variables are free shows early, and their system is exact: a long descent is for what it cannot do.
            # A second attempt costs products, though, which are dear where kernels are made on the fly.
            aim = max(tol, EARLY * unit) if attempt == 0 and self.stored else tol
            for machine in self.machines:
                machine.improve(self.cache, aim, max(STEPS, 50 * len(old)))
            self.follow(old)
            self.set_values(mu)
            after = max(machine.violation() for machine in self.machines)
            if after <= 2 * tol or after > 0.5 * before or self.out_of_time():
                break
            before = after
        self.exhausted = self.exhausted + 1 if any(machine.exhausted for machine in self.machines) else 0
        criterion, Y, w, s = problem.criterion, problem.Y, problem.w, self.s
        a, _ = criterion.project(criterion.inverse(s, Y), Y, w)
        F = np.tensordot(mu[self.W], self.products, 1).T
        b = criterion.best_intercept(F, Y, w)
        q = 0.5 * np.einsum("nk,wkn->w", s, self.products)
        norm, phi = float(mu[self.W] @ q), criterion.phi(a, Y, w)
        loss = criterion.loss(F, b, Y, w)
        primal = problem.kernel_set.R(mu, problem.kernels) + norm + loss
        return Point(mu, s, a, b, q, phi, primal, max(norm + loss - (phi - norm), 0.0))

    def evaluate(self, mu: np.ndarray, tol: float, owed: Callable[[Point], float]) -> Point:
        """Settle at new weights, as exactly as is worth while.

        `owed` says how much of the gap the weights owe at a point: a tenth of it (or of `tol`, relative) is what the
        machines may owe themselves.
        """
        self.cache.reset(mu)
        point = self.settle(mu)
        for _ in range(12):
            enough = 0.1 * max(owed(point), tol * abs(point.primal))
            if point.inner <= enough or self.tol <= TIGHTEST or self.out_of_time():
                break
            self.tighten(float(np.clip(0.5 * enough / point.inner, 1e-3, 0.3)))
            before, point = point.inner, self.settle(mu)
            if point.inner > 0.9 * before and self.tol < 1e-10:
                break
        return point

    def curvature(self) -> np.ndarray:
        """Return the second derivative of omega along the working set."""
        return sum(m.curvature(self.products[:, c]) for c, m in enumerate(self.machines))  # type: ignore[return-value]

    def foresee(self, change: np.ndarray) -> None:
        """Tell the machines how the weights are about to move."""
        for machine, dKs in zip(self.machines, np.tensordot(change[self.W], self.products, 1), strict=True):
            machine.foresee(dKs)
