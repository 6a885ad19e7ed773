"""A learned-kernel problem: a criterion minimised over a kernel set, on data; and the proof of an answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from kernelopt.convex.certificate import Certificate
from kernelopt.convex.criteria import Criterion
from kernelopt.convex.pairs import check_pair, sees_balanced_only
from kernelopt.convex.sets import KernelSet
from kernelopt.kernels import check_gram
from kernelopt.kernels.rows import Kernels, StoredKernels


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
    witness : array or None
        Where the set's support function is a program of its own: the dual point that bounds it.
    """

    theta: np.ndarray
    beta: np.ndarray
    intercept: np.ndarray
    a: np.ndarray
    certificate: Certificate
    n_iter: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    witness: Any = None


@dataclass(frozen=True, eq=False)
class Problem:
    r"""Minimise :math:`R(\theta) + \omega(K(\theta))` over a kernel set.

    Parameters
    ----------
    kernels : Kernels
        The M Gram matrices on N >= n points: the n training points, then the unlabelled ones (transduction).
    Y : array of shape (n, k)
        Targets: -1 and 1, one column per binary task, or values, as the criterion asks; the columns share the kernel.
    criterion : Criterion
        What makes a kernel good.
    kernel_set : KernelSet
        Which combinations are admitted.
    w : array of shape (n,)
        Positive sample weights.
    """

    kernels: Kernels
    Y: np.ndarray
    criterion: Criterion
    kernel_set: KernelSet
    w: np.ndarray

    @classmethod
    def of(cls, Ks, y, criterion: Criterion, kernel_set: KernelSet, sample_weight=None, scale=None) -> Problem:
        """Make a problem of plain arrays: Ks (M, N, N), or a row provider, y of shape (n,) or (n, k) with n <= N.

        The matrices pass `kernelopt.kernels.check_gram` (up to a constant where the criterion has an intercept,
        which absorbs it, and no set looks at more).

        Examples
        --------
        >>> from kernelopt.convex import Hinge, Simplex
        >>> Problem.of([np.eye(2), np.ones((2, 2))], [1, -1], Hinge(C=1.0), Simplex()).description
        'hinge on simplex, 2 kernels, 2 samples, float64'
        """
        check_pair(criterion, kernel_set)
        kernels = Ks if isinstance(Ks, Kernels) else _checked(Ks, scale, sees_balanced_only(criterion, kernel_set))
        Y = np.asarray(y, dtype=float)
        Y = Y[:, None] if Y.ndim == 1 else Y
        if Y.ndim != 2 or not 0 < len(Y) <= kernels.n_samples:
            raise ValueError(
                f"y must have at most {kernels.n_samples} entries, one per row of the kernels, found {Y.shape}"
            )
        if not np.isfinite(Y).all():
            raise ValueError("y must be finite")
        if criterion.targets == "labels" and not np.isin(Y, (-1.0, 1.0)).all():
            raise ValueError("y must hold -1 and 1 only")
        w = np.ones(len(Y)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        if w.shape != (len(Y),) or not (np.isfinite(w) & (w > 0)).all():
            raise ValueError("sample_weight must hold one positive number per sample; drop samples of weight zero")
        criterion.check(Y, w)
        return cls(kernels, Y, criterion, kernel_set, w)

    @property
    def n_train(self) -> int:
        """How many of the points are training points."""
        return len(self.Y)

    @property
    def description(self) -> str:
        """What a certificate of this problem proves."""
        tasks = "" if self.Y.shape[1] == 1 else f", {self.Y.shape[1]} tasks"
        extra = self.kernels.n_samples - self.n_train
        points = f", {extra} of them unlabelled" if extra else ""
        return f"{self.criterion.name} on {self.kernel_set.name}, {self.kernels.description}{points}{tasks}"

    @cached_property
    def scale(self) -> float:
        """What counts as large: the objective of the zero function."""
        size = float(np.mean(self.kernels.diagonals))
        return self.criterion.scale(self.Y, self.w, size if size > 0 else 1.0)

    def train_matrix(self, theta: np.ndarray) -> np.ndarray:
        """Return K(theta) on the training points."""
        return self.kernel_set.matrix(theta, self.kernels)[: self.n_train, : self.n_train]

    def values(self, theta: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Return K(theta) beta on the training points, shape (n, k)."""
        return self.kernel_set.apply(theta, self.padded(beta), self.kernels)[: self.n_train]

    def products(self, V: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        """Return K_k V on the training points, shape (M, n, k), for coefficients V on the training points."""
        return self.kernels.products(self.padded(V), which)[:, : self.n_train]

    def padded(self, V: np.ndarray) -> np.ndarray:
        """Return V with zeros on the unlabelled points."""
        extra = self.kernels.n_samples - self.n_train
        return np.vstack([V, np.zeros((extra, V.shape[1]))]) if extra else V

    def quadratics(self, V: np.ndarray, products: np.ndarray | None = None) -> np.ndarray:
        r"""Return :math:`\tfrac12 \langle K_k, V V^\top \rangle` for each kernel."""
        products = self.products(V) if products is None else products
        return 0.5 * np.einsum("ic,kic->k", V, products)

    def primal(self, theta: np.ndarray, beta: np.ndarray, intercept: np.ndarray) -> float:
        """Return the objective of a decision function: an upper bound of the optimum at admitted weights.

        Where the criterion admits only functions of a certain size (a margin of one), it is that of the multiple which
        is admitted.
        """
        F = self.values(theta, beta)
        factors, _ = self.criterion.rescale(F, intercept, self.Y)
        if not np.isfinite(factors).all():
            return np.inf
        norm = 0.5 * float(np.sum(factors**2 * np.sum(beta * F, axis=0)))
        loss = self.criterion.loss(factors * F, factors * intercept, self.Y, self.w)
        return self.kernel_set.R(theta, self.kernels) + norm + loss

    def dual(self, a: np.ndarray, witness: Any = None, q: np.ndarray | None = None) -> float:
        """Return a lower bound of the optimum from any feasible a."""
        V = self.padded(self.criterion.V(a, self.Y))
        return self.criterion.phi(a, self.Y, self.w) - self.kernel_set.support_at(V, self.kernels, q, witness)

    def certify(self, solution: Solution, seen: dict[str, np.ndarray] | None = None) -> Certificate:
        """Prove a solution from its numbers alone: both bounds at projections, products made afresh.

        The quadratic forms of all kernels, which it has to make, are left in `seen` under "q" for a solver whose
        proof does not hold yet.
        """
        points = [solution.theta, solution.beta, solution.intercept, solution.a]
        points += [] if solution.witness is None else [solution.witness]
        if not all(np.isfinite(point).all() for point in points):
            return Certificate(np.inf, -np.inf, np.inf, self.scale, self.description)
        theta, outside = self.kernel_set.project(np.asarray(solution.theta, float), self.kernels, solution.witness)
        a, violation = self.criterion.project(np.asarray(solution.a, dtype=float), self.Y, self.w)
        F = self.values(theta, solution.beta)
        _, lacking = self.criterion.rescale(F, solution.intercept, self.Y)
        primal = self.primal(theta, solution.beta, solution.intercept)
        q = None
        if seen is not None:
            q = seen["q"] = self.kernels.quadratics(self.padded(self.criterion.V(a, self.Y)))
        dual = self.dual(a, solution.witness, q)
        return Certificate(primal, dual, max(outside, violation, lacking), self.scale, self.description)

    def certified(self, solution: Solution) -> Solution:
        """Return the solution with its certificate filled in."""
        return replace(solution, certificate=self.certify(solution))

    def take(self, index: np.ndarray) -> Problem:
        """Return the problem on some of the samples, whose weights stand for those of all."""
        w = self.w[index] * (self.w.sum() / self.w[index].sum())
        return replace(self, kernels=self.kernels.take(index), Y=self.Y[index], w=w)


def _checked(Ks, scale, up_to_constant: bool) -> StoredKernels:
    """Return matrices that passed `check_gram`; a stack that passed as it is need not be copied."""
    given = list(Ks)
    checked = [check_gram(K, f"Ks[{k}]", up_to_constant=up_to_constant) for k, K in enumerate(given)]
    same = isinstance(Ks, np.ndarray) and all(new is old for new, old in zip(checked, given, strict=True))
    return StoredKernels.of(Ks if same else checked, scale)
