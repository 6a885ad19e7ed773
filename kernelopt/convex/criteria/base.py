"""What a criterion must know: A, phi and V of the dual, the loss on the other side, and its dual as a program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from kernelopt.convex.criteria.program import DualProgram


class Criterion(ABC):
    r"""What makes a kernel good.

    .. math::
        \omega(K) = \max_{a \in A} \varphi(a) - \tfrac12 \langle K, V(a) V(a)^\top\rangle
                  = \min_{f, b} \tfrac12 \|f\|_K^2 + \mathrm{loss}(f, b).

    Everything is written for several columns at once (one-against-rest tasks, several targets): `Y`
    and `a` have shape (n, k), and the columns share the kernel. `w` holds one positive weight per
    sample, and a sample of weight two counts like the sample twice.
    """

    name: ClassVar[str]
    targets: ClassVar[str] = "labels"  # "labels" in {-1, 1}, or "values"
    smooth: ClassVar[bool] = False  # whether omega can only be posed with its own curve (no quadratic program)

    @abstractmethod
    def project(self, a: np.ndarray, Y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, float]:
        """Return a point of A near `a`, and how far `a` violates A (dimensionless)."""

    @abstractmethod
    def phi(self, a: np.ndarray, Y: np.ndarray, w: np.ndarray) -> float:
        """Return the concave part of the dual objective at a point of A."""

    def V(self, a: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return V(a), shape (n, k): the coefficients of the decision functions that go with a."""
        return a

    def inverse(self, V: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return the a with V(a) = V."""
        return V

    @abstractmethod
    def loss(self, F: np.ndarray, b: np.ndarray, Y: np.ndarray, w: np.ndarray) -> float:
        """Return the total loss of decision functions with values F, shape (n, k), and offsets b, shape (k,)."""

    @abstractmethod
    def best_intercept(self, F: np.ndarray, Y: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Return for each column the b that minimises the loss of F and b."""

    @abstractmethod
    def program(self, y: np.ndarray, w: np.ndarray) -> DualProgram:
        """Return the dual of one column as a program that a general solver can read."""

    def check(self, Y: np.ndarray, w: np.ndarray) -> None:  # noqa: B027 - most criteria have nothing to refuse
        """Raise a ValueError where these targets and weights leave A empty."""

    def rescale(self, F: np.ndarray, b: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, float]:
        """Return factors, shape (k,), that make decision functions admissible, and how far they were from it."""
        return np.ones(F.shape[1]), 0.0

    def scale(self, Y: np.ndarray, w: np.ndarray, size: float) -> float:
        """Return what counts as large for the objective: its value at the zero function.

        `size` is the mean of k(x, x), the unit for criteria whose loss at zero is zero or infinite.
        """
        return self.loss(np.zeros(Y.shape), np.zeros(Y.shape[1]), Y, w)


def columnwise(project, a: np.ndarray, *columns: np.ndarray) -> np.ndarray:
    """Apply a projection to each column of a."""
    return np.column_stack([project(a[:, c], *(m[:, c] for m in columns)) for c in range(a.shape[1])])
