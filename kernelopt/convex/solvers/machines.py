"""The machines inside the Newton method: one column of dual variables each, warm while the kernel moves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from kernelopt.compiled import say_once
from kernelopt.convex.criteria import Criterion, DualProgram
from kernelopt.convex.criteria.projections import balanced_box_projection
from kernelopt.convex.solvers.box_qp import HUGE, BoxQP, FreeSystem, as_box_qp
from kernelopt.convex.solvers.row_cache import RowCache
from kernelopt.convex.solvers.smo import by_libsvm, descend

LARGEST = 6000  # free variables of which the linear system is solved
TO_THE_WALL = 0.99


class Machine(ABC):
    r"""One column: :math:`s = V(a)` at the present kernel, where it is free, and how it bends with the kernel.

    ``g`` is the gradient :math:`K s + \ldots - p`; the outer method sets it afresh whenever s or the kernel has moved.
    """

    s: np.ndarray
    g: np.ndarray
    free: np.ndarray
    system: FreeSystem | None = None
    factorisations: int = 0  # Cholesky factors made so far
    exhausted: bool = False  # whether the last descent ended at its limit
    foreseen: np.ndarray | None = None  # where the free variables are expected to go

    @property
    def unit(self) -> float:
        """The size of what slopes are compared with."""
        return 1.0

    def begin(self, s: np.ndarray) -> None:
        """Begin at a feasible point."""
        self.s = np.array(s, dtype=float)

    @abstractmethod
    def set_values(self, Ks: np.ndarray) -> None:
        """Set the gradient, given K s."""

    @abstractmethod
    def violation(self) -> float:
        """Return by how much the conditions of the optimum are violated."""

    @abstractmethod
    def improve(self, cache: RowCache, tol: float, max_iter: int) -> None:
        """Move s towards the optimum at the kernel of the cache."""

    def foresee(self, change: np.ndarray) -> None:
        """Take note that K s will change by this: to first order the free variables answer with their system."""
        self.foreseen = None
        if self.system is not None and self.system.L is not None:
            self.foreseen = -self.system.solve(change[self.free])

    def curvature(self, P: np.ndarray) -> np.ndarray:
        r"""Return the second derivative of :math:`\omega` along kernels whose products K_k s are the rows of P."""
        if self.system is None or self.system.L is None:
            return np.zeros((len(P), len(P)))
        return self.system.curvature(P[:, self.free].T)


class BoxMachine(Machine):
    """A box QP: sequential minimal optimisation finds which variables are free, one linear system their values."""

    def __init__(self, qp: BoxQP):
        self.qp, self.s = qp, qp.start()
        self.free = np.arange(len(self.s))

    @property
    def unit(self):
        """The linear term's size, or where there is none that of the present values."""
        return float(np.abs(self.qp.p).max()) or float(np.abs(self.g).max()) or 1.0

    def set_values(self, Ks):
        """Set the gradient."""
        self.g = Ks + self.qp.d * self.s - self.qp.p

    def violation(self):
        """Return the largest difference of two slopes."""
        return self.qp.violation(self.s, self.g)

    def improve(self, cache, tol, max_iter):
        """Descend, then solve on the free variables."""
        qp = self.qp
        if not qp.unbounded:
            self.go_ahead(cache)
            walk = (qp, cache, self.s, self.g, tol)
            self.exhausted = not (descend(*walk, max_iter) if say_once() else by_libsvm(*walk))
        self.free, self.system = qp.free(self.s), None
        F = self.free
        if not len(qp.total) < len(F) <= LARGEST and not qp.unbounded:
            return
        self.factorisations += 1
        self.system = FreeSystem(cache.block(F), qp.d[F], qp.group[F], len(qp.total))
        if self.system.L is None:
            return
        step = -self.system.solve(qp.slope(self.s, self.g)[F])
        x = self.s[F]
        low, high = qp.lower[F], qp.upper[F]
        if qp.tube > 0:
            low, high = np.where(x > 0, 0.0, low), np.where(x < 0, 0.0, high)
        if np.isfinite(step).all() and np.all(x + step > low) and np.all(x + step < high):
            self.s[F] = x + step

    def go_ahead(self, cache):
        """Move the free variables to where they are expected, within their bounds and with their sums kept."""
        if self.foreseen is None:
            return
        qp, F, step = self.qp, self.free, self.foreseen
        self.foreseen = None
        reach = 2 * float(np.abs(step).max(initial=0.0))
        if not 0 < reach < HUGE:
            return
        x = self.s[F]
        low, high = np.maximum(qp.lower[F], x - reach), np.minimum(qp.upper[F], x + reach)
        if qp.tube > 0:
            low, high = np.where(x > 0, np.maximum(low, 0.0), low), np.where(x < 0, np.minimum(high, 0.0), high)
        new = np.empty(len(F))
        for g in range(len(qp.total)):
            at = np.flatnonzero(qp.group[F] == g)
            total = float((x[at] - low[at]).sum())
            moved = balanced_box_projection((x + step)[at] - low[at], np.ones(len(at)), (high - low)[at], total)
            new[at] = np.where(moved >= (high - low)[at], high[at], low[at] + moved)
        self.s[F] = new
        self.g += cache.apply(F, new - x)
        self.g[F] += qp.d[F] * (new - x)


class SmoothMachine(Machine):
    """A smooth concave dual inside open bounds (logistic): Newton's method on all variables."""

    def __init__(self, program: DualProgram):
        self.program, self.sign = program, program.sign
        n = len(program.sample)
        self.free = np.arange(n)
        # Inside the bounds, with the balance kept: each sign has the same share of what it can hold.
        width = program.upper - program.lower
        held = [float(width[self.sign == e].sum()) for e in (1.0, -1.0)]
        share = 0.5 * min(held) / np.where(self.sign > 0, held[0], held[1])
        self.s = self.sign * (program.lower + share * width)

    def begin(self, s):
        """Begin near a feasible point, off the bounds."""
        width = self.program.upper - self.program.lower
        x = np.clip(self.sign * s, self.program.lower + 1e-9 * width, self.program.upper - 1e-9 * width)
        if abs(float(self.sign @ x)) <= 1e-12 * float(np.abs(x).sum()):
            self.s = self.sign * x

    def set_values(self, Ks):
        """Set the gradient of what is minimised."""
        self.Ks = Ks
        self.g = self.gradient(self.s, Ks)

    def gradient(self, s, Ks):
        """Return the gradient with respect to s."""
        x = self.sign * s
        curve = self.program.curve
        assert curve is not None
        return Ks - self.sign * (self.program.p - self.program.d * x + curve.slope(x))

    def violation(self):
        """Return the largest deviation from a common slope."""
        return float(np.abs(self.g - np.mean(self.g)).max())

    def improve(self, cache, tol, max_iter):
        """Take Newton steps, damped so that they stay inside and the slope along them stays downhill."""
        K, program = cache.block(self.free), self.program
        curve = program.curve
        assert curve is not None
        group = np.zeros(len(self.s), dtype=np.int64)
        for _ in range(50):
            x = self.sign * self.s
            self.factorisations += 1
            self.system = FreeSystem(K.copy(), program.d - curve.second(x), group, len(program.total))
            if self.violation() <= tol or self.system.L is None:
                return
            step = -self.system.solve(self.g)
            dx = self.sign * step
            room = np.where(
                dx > 0, (program.upper - x) / np.maximum(dx, 1e-300), (program.lower - x) / np.minimum(dx, -1e-300)
            )
            t = min(1.0, TO_THE_WALL * float(room.min()))
            Kstep, downhill = K @ step, float(self.g @ step)
            for _ in range(30):
                g = self.gradient(self.s + t * step, self.Ks + t * Kstep)
                if float(g @ step) <= 0.5 * abs(downhill):
                    break
                t *= 0.5
            if t * float(np.abs(step).max()) <= 1e-16 * float(np.abs(self.s).max()):
                return
            self.s, self.Ks, self.g = self.s + t * step, self.Ks + t * Kstep, g


def machine_for(criterion: Criterion, y: np.ndarray, w: np.ndarray) -> Callable[[], Machine] | None:
    """Return what makes the machine of one column, or None where the criterion has none here."""
    qp = as_box_qp(criterion, y, w)
    if qp is not None:
        return lambda: BoxMachine(qp)
    program = criterion.program(y, w)
    one_sum = (
        len(program.total) == 1 and not program.total.any() and np.array_equal(np.abs(program.rows[0]), program.sign**2)
    )
    bounded = bool(np.isfinite(program.lower).all() and np.isfinite(program.upper).all())
    if program.curve and criterion.name == "logistic" and one_sum and bounded:
        return lambda: SmoothMachine(program)
    return None
