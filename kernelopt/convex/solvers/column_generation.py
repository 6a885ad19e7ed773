"""Fully corrective column generation over a continuous family of kernels."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from kernelopt.convex.certificate import Certificate
from kernelopt.convex.problem import Problem, Solution
from kernelopt.convex.sets import Simplex
from kernelopt.convex.sets.continuum import Continuum, caratheodory, family_of, measure
from kernelopt.convex.solvers.working_set_newton import WorkingSetNewton
from kernelopt.kernels.continuous import Maximum
from kernelopt.kernels.rows import StoredKernels

RADII = (0.3, 0.1, 0.03, 0.01, 1e-3)  # within which atoms are merged, where the proof survives it
SAME = 1e-7  # distance below which a new atom is no new atom
FINEST = 1e-11  # accuracy of the weights past which nothing is gained
PATIENCE = 30  # rounds without progress after which more of them are pointless
ADDED = 3  # kernels that join at once where the maxima are only sought


@dataclass(frozen=True)
class ColumnGeneration:
    r"""Fully corrective column generation: the best weights of some kernels, then the kernels that beat them.

    Each round solves the finite problem over the atoms it has (`WorkingSetNewton`, started at the last answer), which
    gives dual variables a, and asks the family where :math:`T(\omega) = \operatorname{tr} V^\top K_\omega V` is largest
    at :math:`V = V(a)`. With :math:`\bar T` the family's upper bound,

    .. math:: \varphi(a) - \tfrac12 \bar T \;\le\; \text{optimum} \;\le\; \text{value of the atoms},

    and where the two do not meet to `tol`, the local maxima above the value of the atoms join them. Atoms without
    weight leave. At the end atoms that are near each other are merged, as far as the proof survives it, and
    Carathéodory's theorem leaves at most one more atom than there are samples (times tasks).

    It is the greedy method of Argyriou, Micchelli and Pontil with its line search replaced by the exact optimum over
    all atoms, and infinite kernel learning [gehler2008]_ with a proof.

    Parameters
    ----------
    tol : float
        Relative duality gap at which it stops.
    max_iter : int
        Rounds; past it a `ConvergenceWarning` is given.
    time_limit : float or None
        Seconds; past it a `ConvergenceWarning` is given.
    n_jobs : int or None
        Threads over the atoms; None means one.
    verbose : int
        1 prints a line per round.

    References
    ----------
    .. [gehler2008] Gehler, Nowozin. Infinite Kernel Learning. Max Planck Institute TR-178, 2008.

    Examples
    --------
    >>> from kernelopt.convex import Continuum, LeastSquares
    >>> from kernelopt.kernels.continuous import FamilyKernels, GaussianFamily
    >>> X = np.linspace(0, 3, 20)[:, None]
    >>> kernels = FamilyKernels(GaussianFamily(0.01, 100.0), X)
    >>> task = Problem.of(kernels, np.sin(5 * X[:, 0]), LeastSquares(lam=0.1), Continuum())
    >>> solution = ColumnGeneration(tol=1e-6).solve(task)
    >>> solution.theta.shape, solution.certificate.holds(1e-6)
    ((1, 2), True)
    """

    tol: float = 1e-4
    max_iter: int = 1000
    time_limit: float | None = None
    n_jobs: int | None = None
    verbose: int = 0

    def solve(self, problem: Problem, start: Solution | None = None) -> Solution:
        """Return the best certified measure.

        Parameters
        ----------
        problem : Problem
            What is to be solved: over a `Continuum`.
        start : Solution, optional
            Of a problem nearby, whose atoms are those it begins with.
        """
        if not self.takes(problem):
            raise NotImplementedError(
                f"ColumnGeneration takes a Continuum with a criterion whose dual is a box QP or smooth, found "
                f"{problem.description}"
            )
        return _Run(self, problem).solution(start)

    @staticmethod
    def takes(problem: Problem) -> bool:
        """Whether this is one of the problems it solves."""
        if not isinstance(problem.kernel_set, Continuum):
            return False
        few = family_of(problem.kernels)
        return WorkingSetNewton.takes(replace(problem, kernels=few, kernel_set=Simplex()))


class _Run:
    """One run: the atoms, the best measure, and the best bounds."""

    def __init__(self, solver: ColumnGeneration, problem: Problem):
        self.solver, self.problem, self.clock = solver, problem, time.perf_counter()
        self.kernels = family_of(problem.kernels)
        self.proven = self.kernels.family.proven
        self.history: list[dict[str, Any]] = []
        self.accuracy = 1e-3
        self.dual, self.a = -np.inf, np.zeros(problem.Y.shape)
        self.found: Maximum | None = None

    def solution(self, start: Solution | None) -> Solution:
        """Run, merge, reduce and prove; warn where the proof falls short."""
        stopped = self.iterate(start)
        self.merge()
        best = self.best
        weights = self.reduce(best)
        keep = weights > 0
        order = np.argsort(-weights[keep], kind="stable")
        theta = measure(weights[keep][order], self.omegas[keep][order])
        seen = None if self.proven else np.concatenate([self.omegas, self.peaks])
        blank = Certificate(np.inf, -np.inf, np.inf, self.problem.scale)
        answer = Solution(theta, best.beta, best.intercept, self.a, blank, len(self.history), self.history, seen)
        answer = self.problem.certified(answer)
        if stopped:
            warnings.warn(
                f"{stopped} with a relative duality gap of {answer.certificate.gap:.1e} (tol={self.solver.tol:g}) "
                f"after {len(self.history)} rounds on {self.problem.description}",
                ConvergenceWarning,
                stacklevel=3,
            )
        return answer

    def iterate(self, start: Solution | None) -> str | None:
        """Add atoms until the gap closes; return why it stopped otherwise."""
        given = None if start is None else np.asarray(start.theta, dtype=float)
        if given is not None and given.ndim == 2 and given.shape[1] == 1 + self.kernels.omegas.shape[1]:
            self.omegas = self.problem.kernel_set.project(given, self.kernels)[0][:, 1:]
        else:
            self.omegas = self.kernels.omegas
        self.Ks = self.kernels.grams(self.omegas)
        best = self.master(None)
        while True:
            self.best = best
            keep = best.theta > 0
            self.omegas, self.Ks = self.omegas[keep], self.Ks[keep]
            self.best = replace(best, theta=best.theta[keep])
            gap = self.look()
            if gap <= 0.5 * self.solver.tol:
                return None
            if self.out_of_time():
                return "time_limit was reached"
            if len(self.history) >= self.solver.max_iter:
                return "max_iter was reached"
            if len(self.history) > PATIENCE and gap > 0.9 * self.history[-PATIENCE]["gap"]:
                return None if gap <= self.solver.tol else f"the bounds stood still for {PATIENCE} rounds"
            fresh = self.fresh()
            if len(fresh) == 0:
                if gap <= 0.9 * self.solver.tol:
                    return None
                if self.accuracy <= FINEST:
                    return None if gap <= self.solver.tol else "no kernel was left to add"
                self.accuracy = max(FINEST, 1e-2 * self.accuracy)
            else:
                self.accuracy = min(self.accuracy, max(0.1 * self.solver.tol, min(1e-3, 0.03 * gap)))
            self.omegas = np.concatenate([self.omegas, fresh])
            self.Ks = np.concatenate([self.Ks, self.kernels.grams(fresh)])
            best = self.master(self.best)

    def master(self, start: Solution | None) -> Solution:
        """Return the best weights of the atoms."""
        problem = replace(self.problem, kernels=StoredKernels.of(self.Ks), kernel_set=Simplex())
        solver = WorkingSetNewton(max(self.accuracy, FINEST), n_jobs=self.solver.n_jobs)
        if start is not None:
            theta = np.zeros(len(self.Ks))
            theta[: len(start.theta)] = start.theta
            start = replace(start, theta=theta)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return solver.solve(problem, start)

    def look(self) -> float:
        """Bound the maximum at the present dual variables, note where the run stands, and return the gap."""
        problem, best = self.problem, self.best
        a, _ = problem.criterion.project(best.a, problem.Y, problem.w)
        V = problem.criterion.V(a, problem.Y)
        exact = 0.5 * float(best.theta @ self.quadratics(V))
        scale = 0.1 * self.solver.tol * max(abs(best.certificate.primal), 1e-300) / max(exact, 1e-300)
        tol = float(np.clip(scale, problem.kernel_set.tol, 1e-3))  # type: ignore[attr-defined]
        self.found = self.kernels.maximise(V, tol, self.omegas)
        self.level = 2 * exact
        bound = max(self.found.bound, float(self.quadratics(V).max()))
        dual = problem.criterion.phi(a, problem.Y, problem.w) - 0.5 * bound
        if dual > self.dual or not self.proven:  # what is not proven of the past is not held against the present
            self.dual, self.a, self.peaks = dual, a, self.found.omegas
        gap = Certificate(best.certificate.primal, self.dual, 0.0, problem.scale).gap
        entry = {
            "seconds": time.perf_counter() - self.clock,
            "primal": best.certificate.primal,
            "dual": self.dual,
            "gap": gap,
            "active": len(best.theta),
        }
        self.history.append(entry)
        if self.solver.verbose:
            print(
                f"{len(self.history):4d}  {entry['seconds']:8.2f} s  primal {entry['primal']:.8g}  "
                f"dual {self.dual:.8g}  gap {gap:.1e}  atoms {len(best.theta)}"
            )
        return gap

    def quadratics(self, V: np.ndarray) -> np.ndarray:
        """Return T at the atoms."""
        return np.einsum("ic,kic->k", V, np.stack([K @ V for K in self.Ks]))

    def fresh(self) -> np.ndarray:
        """Return the maxima that beat the atoms and are none of them."""
        assert self.found is not None
        d = self.kernels.X.shape[1]
        gain = 0.2 * self.solver.tol * abs(self.best.certificate.primal)  # less is no part of the gap worth a kernel
        above = self.found.values > self.level + gain
        new = [
            omega
            for omega in self.found.omegas[above]
            if self.kernels.family.distance(self.omegas, omega, d).min() > SAME
        ]
        return np.array(new[: None if self.proven else ADDED]).reshape(-1, self.omegas.shape[1])

    def merge(self) -> None:
        """Put one atom in the place of several near each other, as far as the gap stays below `tol`."""
        family, d = self.kernels.family, self.kernels.X.shape[1]
        for radius in RADII:
            omegas, weights = self.omegas, self.best.theta
            clusters: list[np.ndarray] = []
            left = np.argsort(-weights)
            while len(left):
                near = family.distance(omegas[left], omegas[left[0]], d) <= radius
                clusters.append(left[near])
                left = left[~near]
            if len(clusters) == len(omegas):
                continue
            old = self.omegas, self.Ks, self.best, self.accuracy
            self.omegas = np.stack([family.middle(omegas[c], weights[c], d) for c in clusters])
            self.Ks = self.kernels.grams(self.omegas)
            self.accuracy = 0.1 * self.solver.tol
            merged = self.master(replace(self.best, theta=np.array([weights[c].sum() for c in clusters])))
            keep = merged.theta > 0
            V = self.problem.criterion.V(self.a, self.problem.Y)
            rise = 0.0 if self.proven else max(0.0, float(self.quadratics(V).max()) - self.bound_at(V))
            gap = Certificate(merged.certificate.primal, self.dual - 0.5 * rise, 0.0, self.problem.scale).gap
            if gap <= 0.9 * self.solver.tol:
                self.best = replace(merged, theta=merged.theta[keep])
                self.omegas, self.Ks = self.omegas[keep], self.Ks[keep]
                return
            self.omegas, self.Ks, self.best, self.accuracy = old

    def bound_at(self, V: np.ndarray) -> float:
        """Return the bound of the maximum that the lower bound was made with."""
        phi = self.problem.criterion.phi(self.a, self.problem.Y, self.problem.w)
        return 2 * (phi - self.dual)

    def reduce(self, best: Solution) -> np.ndarray:
        """Return weights on as few atoms as Carathéodory's theorem promises, with the same decision functions."""
        if len(best.theta) <= best.beta.size + 1:
            return best.theta
        columns = np.stack([(K @ best.beta).ravel() for K in self.Ks], axis=1)
        return caratheodory(best.theta, columns)

    def out_of_time(self) -> bool:
        """Whether time_limit is over."""
        limit = self.solver.time_limit
        return limit is not None and time.perf_counter() - self.clock > limit
