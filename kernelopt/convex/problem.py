"""A learned-kernel problem: a criterion minimised over a kernel set, on data; and the proof of an answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kernelopt.convex.certificate import Certificate
from kernelopt.convex.criteria import Criterion
from kernelopt.convex.sets import KernelSet
from kernelopt.kernels import check_gram
from kernelopt.kernels.rows import StoredKernels


@dataclass(frozen=True, eq=False)
class Solution:
    """What every solver returns.

    Parameters
    ----------
    theta : array of shape (M,)
        Kernel weights.
    beta : array of shape (n, k)
        Coefficients of the decision functions ``K(theta) beta + intercept``.
    intercept : array of shape (k,)
        Offsets.
    a : array of shape (n, k)
        Dual variables; apart from `beta`, since the best lower bound may come from another point.
    certificate : Certificate
        How far this is from the optimum, as `Problem.certify` says.
    n_iter : int
        Outer iterations.
    history : list of dict
        Per outer iteration: seconds, primal, dual, gap, active kernels.
    """

    theta: np.ndarray
    beta: np.ndarray
    intercept: np.ndarray
    a: np.ndarray
    certificate: Certificate
    n_iter: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Problem:
    r"""Minimise :math:`R(\theta) + \omega(K(\theta))` over a kernel set.

    Parameters
    ----------
    kernels : StoredKernels
        The M Gram matrices on the n training points.
    Y : array of shape (n, k)
        Targets in {-1, 1}, one column per binary task; the tasks share the kernel.
    criterion : Criterion
        What makes a kernel good.
    kernel_set : KernelSet
        Which combinations are admitted.
    w : array of shape (n,)
        Positive sample weights.
    """

    kernels: StoredKernels
    Y: np.ndarray
    criterion: Criterion
    kernel_set: KernelSet
    w: np.ndarray

    @classmethod
    def of(cls, Ks, y, criterion: Criterion, kernel_set: KernelSet, sample_weight=None, scale=None) -> Problem:
        """Make a problem of plain arrays: Ks (M, n, n), y of shape (n,) or (n, k) in {-1, 1}.

        The matrices pass `kernelopt.kernels.check_gram` (up to a constant, which the intercept absorbs).

        Examples
        --------
        >>> from kernelopt.convex import Hinge, Simplex
        >>> Problem.of([np.eye(2), np.ones((2, 2))], [1, -1], Hinge(C=1.0), Simplex()).description
        'hinge on simplex, 2 kernels, 2 samples, float64'
        """
        checked = [check_gram(K, f"Ks[{k}]", up_to_constant=True) for k, K in enumerate(Ks)]
        kernels = StoredKernels.of(checked, scale)
        Y = np.asarray(y, dtype=float).reshape(kernels.n_samples, -1)
        if not np.isin(Y, (-1.0, 1.0)).all():
            raise ValueError("y must hold -1 and 1 only")
        w = np.ones(len(Y)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        if w.shape != (len(Y),) or not (np.isfinite(w) & (w > 0)).all():
            raise ValueError("sample_weight must hold one positive number per sample; drop samples of weight zero")
        return cls(kernels, Y, criterion, kernel_set, w)

    @property
    def description(self) -> str:
        """What a certificate of this problem proves."""
        tasks = "" if self.Y.shape[1] == 1 else f", {self.Y.shape[1]} tasks"
        return f"{self.criterion.name} on {self.kernel_set.name}, {self.kernels.description}{tasks}"

    @property
    def scale(self) -> float:
        """The objective of the zero function."""
        return self.criterion.loss(np.zeros(self.Y.shape), self.Y, self.w)

    def quadratics(self, V: np.ndarray, products: np.ndarray | None = None) -> np.ndarray:
        r"""Return :math:`\tfrac12 \langle K_k, V V^\top \rangle` for each kernel."""
        products = self.kernels.products(V) if products is None else products
        return 0.5 * np.einsum("ic,kic->k", V, products)

    def primal(self, theta: np.ndarray, beta: np.ndarray, intercept: np.ndarray) -> float:
        """Return the objective of a decision function: an upper bound of the optimum at admitted weights."""
        F = self.kernels.mix(theta) @ beta
        norm = 0.5 * float(np.sum(beta * F))
        return self.kernel_set.R(theta) + norm + self.criterion.loss(F + intercept, self.Y, self.w)

    def dual(self, a: np.ndarray) -> float:
        """Return a lower bound of the optimum from any feasible a."""
        return self.criterion.phi(a) - self.kernel_set.support(self.quadratics(self.criterion.V(a, self.Y)))

    def certify(self, solution: Solution) -> Certificate:
        """Prove a solution from its numbers alone: both bounds at projections, products made afresh."""
        points = (solution.theta, solution.beta, solution.intercept, solution.a)
        if not all(np.isfinite(point).all() for point in points):
            return Certificate(np.inf, -np.inf, np.inf, self.scale, self.description)
        theta, outside = self.kernel_set.project(np.asarray(solution.theta, dtype=float))
        a, violation = self.criterion.project(np.asarray(solution.a, dtype=float), self.Y, self.w)
        primal = self.primal(theta, solution.beta, solution.intercept)
        return Certificate(primal, self.dual(a), max(outside, violation), self.scale, self.description)

    def certified(self, solution: Solution) -> Solution:
        """Return the solution with its certificate filled in."""
        return replace(solution, certificate=self.certify(solution))

    def every(self, step: int) -> Problem:
        """Return the problem on every `step`-th sample, each counting `step` times."""
        return replace(self, kernels=self.kernels.every(step), Y=self.Y[::step], w=step * self.w[::step])
