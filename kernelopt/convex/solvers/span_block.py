"""The semidefinite cone in the interior-point method, for combinations of kernels with weights of any sign."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from kernelopt.backend import NUMPY, Backend

CUT = 1e-12  # of the largest eigenvalue of the sum: what does not count as its range
RIDGES = (0.0, 1e-14, 1e-12, 1e-10, 1e-8)


class Span:
    r"""The semidefinite constraint on the common range of the kernels, with its multiplier Z (HKM direction).

    The matrix that it adds to the Newton system of the weights has the entries

    .. math:: \operatorname{tr}(A_j X^{-1} A_k Z) = \langle L^{-1} A_j S, L^{-1} A_k S \rangle,
              \qquad X = L L^\top, \quad Z = S S^\top,

    so two triangular products per kernel make it, the price of one matrix product.

    Weights of any sign may use any basis of the kernels' span: an orthonormal one here (the columns of `combinations`
    hold it), since kernels that are nearly alike would leave the Newton matrix no digits.

    Two stacks are kept, of M r² numbers each for M kernels whose sum has rank r.

    Parameters
    ----------
    kernels : StoredKernels
        The kernels.
    where : Backend
        The device that holds the stacks.
    """

    dX: Any
    dZ: Any

    def __init__(self, kernels, where: Backend = NUMPY):
        self.where, self.combinations = where, kernels.orthonormal
        self.basis = self.range(kernels)
        M, r = self.combinations.shape[1], kernels.n_samples if self.basis is None else self.basis.shape[1]
        self.matrices, self.work = where.empty(M, r, r), where.empty(M, r, r)
        for target, e in zip(self.matrices, self.combinations.T, strict=True):
            target[:] = self.reduced(where.put(kernels.mix(e)))
        self.flat, self.work_flat = self.matrices.reshape(M, -1), self.work.reshape(M, -1)

    @staticmethod
    def matrices_of(M: int) -> float:
        """Return the number of matrices of the kernels' size that an instance takes."""
        return 2.0 * M + 12

    def range(self, kernels) -> Any:
        """Return an orthonormal basis of the range of the kernels' sum: nothing is definite outside; None for all."""
        total = kernels.mix(1 / np.maximum(kernels.traces, 1e-300))
        values, vectors = self.where.eigh(self.where.put(total))
        outside = int(np.sum(values <= CUT * values[-1]))
        return vectors[:, outside:] if outside else None

    def reduced(self, A: Any) -> Any:
        """Return an own array in the basis."""
        if self.basis is None:
            return A
        A = self.basis.T @ (A @ self.basis)
        return 0.5 * (A + A.T)

    def mix(self, y: np.ndarray) -> Any:
        """Return the combination of the reduced matrices."""
        return (self.where.put(y) @ self.flat).reshape(self.matrices.shape[1:])

    def inners(self, A: Any) -> np.ndarray:
        """Return the inner products of the reduced matrices with a matrix."""
        return self.where.get(self.flat @ A.reshape(-1))

    def warm(self, y: np.ndarray, objective: float) -> None:
        """Start with a multiple of the identity: dual feasible at some trace, while X⁻¹ would be far from that."""
        X = self.where.get(self.mix(y))
        self.Z = self.where.put(np.eye(len(X)) * (objective / float(np.trace(X))))

    @property
    def count(self) -> int:
        """The number of eigenvalues."""
        return self.matrices.shape[1]

    @property
    def witness(self) -> np.ndarray:
        """Z on all points."""
        return self.where.get(self.Z if self.basis is None else self.basis @ self.Z @ self.basis.T)

    def products_sum(self) -> float:
        """Return the inner product with the multiplier."""
        return float((self.X * self.Z).sum())

    def factor(self, A: Any) -> Any:
        """Return the lower Cholesky factor, with a ridge at the level of rounding where one is needed."""
        size = float(abs(A.diagonal()).mean()) or 1.0
        for ridge in RIDGES:
            try:
                return self.where.cholesky(A + ridge * size * self.identity if ridge else A)
            except linalg.LinAlgError:
                continue
        raise linalg.LinAlgError("a matrix of the semidefinite constraint is not positive definite")

    def prepare(self, y: np.ndarray) -> None:
        """Make the matrix that the constraint adds to the Newton system of the weights."""
        where = self.where
        self.X, self.identity = self.mix(y), where.put(np.eye(self.count))
        self.S = self.factor(self.Z)
        self.L_inverse, self.S_inverse = where.inverse(self.factor(self.X)), where.inverse(self.S)
        self.X_inverse = self.L_inverse.T @ self.L_inverse
        where.between(self.L_inverse, self.matrices, self.S, self.work)
        self.schur = where.get(self.work_flat @ self.work_flat.T)
        self.inner = self.inners(self.Z)

    def gradient(self, tau: float, correct: bool) -> np.ndarray:
        """Return what the constraint adds to the right-hand side of the weights, beside `inner`."""
        self.target = tau * self.X_inverse - self.Z
        if correct:
            twist = self.X_inverse @ (self.dX @ self.dZ)
            self.target = self.target - 0.5 * (twist + twist.T)
        return self.inners(self.target)

    def direct(self, dy: np.ndarray) -> None:
        """Set the direction that goes with a direction of the weights."""
        where = self.where
        self.dX = self.mix(dy)
        between = (where.put(dy) @ self.work_flat).reshape(self.X.shape).T
        twist = self.L_inverse.T @ (between @ self.S.T)
        self.dZ = self.target - 0.5 * (twist + twist.T)

    def reach(self) -> float:
        """Return the largest step inside both cones."""
        return min(self.step(self.L_inverse, self.dX), self.step(self.S_inverse, self.dZ))

    def step(self, inverse: Any, direction: Any) -> float:
        """Return the largest step along a direction that stays semidefinite, given the inverse Cholesky factor."""
        whole = inverse @ direction @ inverse.T
        smallest = self.where.smallest(0.5 * (whole + whole.T))
        return -1 / smallest if smallest < 0 else np.inf

    def guard(self, step: float, y: np.ndarray, dy: np.ndarray, tau: float) -> float:
        """Return a step that also heeds what the barrier does not know of: nothing here."""
        return step

    def grow(self, y: np.ndarray) -> bool:
        """Let the barrier know what shortened a step; return whether it knows more now."""
        return False

    def products_after(self, step: float) -> float:
        """Return the inner product after a step."""
        return float(((self.X + step * self.dX) * (self.Z + step * self.dZ)).sum())

    def move(self, step: float) -> None:
        """Take the step."""
        self.Z = self.Z + step * self.dZ
