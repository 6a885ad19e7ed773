"""What a kernel set must know: its weights, its price, and bounds of its support function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from kernelopt.convex.sets.program import WeightProgram
from kernelopt.kernels.rows import Kernels


class KernelSet(ABC):
    r"""Which kernels are admitted: :math:`K(\theta) = \sum_k \theta_k K_k` with a convex price :math:`R(\theta)`.

    `q` stands for the numbers :math:`\tfrac12 \langle K_k, V V^\top \rangle`, one per kernel. Where the support
    function is itself the optimum of a program, `witness` is a feasible point of that program's dual (of any
    quality: the bound stays a bound).
    """

    name: ClassVar[str]

    @property
    def fixed(self) -> bool:
        """Whether the best weights are known beforehand: `start`."""
        return False

    @abstractmethod
    def start(self, kernels: Kernels) -> np.ndarray:
        """Return the weights a solver begins with: no kernel preferred."""

    @abstractmethod
    def project(self, theta: np.ndarray, kernels: Kernels, witness: Any = None) -> tuple[np.ndarray, float]:
        """Return admitted weights near `theta`, and how far `theta` violates the set (dimensionless)."""

    def R(self, theta: np.ndarray, kernels: Kernels) -> float:
        """Return the price of the weights; zero unless a set says otherwise."""
        return 0.0

    @abstractmethod
    def support(self, q: np.ndarray, kernels: Kernels, witness: Any = None) -> float:
        r"""Return an upper bound of :math:`R^* = \sup_\theta \theta^\top q - R(\theta)`."""

    def matrix(self, theta: np.ndarray, kernels: Kernels) -> np.ndarray:
        """Return K(theta) on all points."""
        return kernels.mix(theta)

    def apply(self, theta: np.ndarray, V: np.ndarray, kernels: Kernels) -> np.ndarray:
        """Return K(theta) V, shape (N, k), without the matrix."""
        return kernels.apply(theta, V)

    def support_at(self, V: np.ndarray, kernels: Kernels, q: np.ndarray | None = None, witness: Any = None) -> float:
        r"""Return an upper bound of :math:`R^*(\tfrac12 V V^\top)`, for V on all points; q where it is known."""
        if q is None:
            q = kernels.quadratics(V)
        return self.support(q, kernels, witness)

    @abstractmethod
    def program(self, kernels: Kernels) -> WeightProgram:
        """Return the set as a program that a general solver can read."""


def project_to_simplex(theta: np.ndarray) -> np.ndarray:
    """Return the nearest point with theta >= 0 and sum one, by sorting.

    Examples
    --------
    >>> project_to_simplex(np.array([1.0, 0.5]))
    array([0.75, 0.25])
    """
    descending = np.sort(theta)[::-1]
    excess = (np.cumsum(descending) - 1) / np.arange(1, len(theta) + 1)
    return np.maximum(theta - excess[descending > excess][-1], 0.0)
