"""What a criterion must know: the constraints on a, phi, V, and the loss on the other side."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class Criterion(ABC):
    r"""What makes a kernel good: :math:`\omega(K) = \max_{a \in A} \varphi(a) - \tfrac12 \langle K, V V^\top\rangle`.

    Everything is written for several one-against-rest columns at once: targets `Y` and `a` have
    shape (n, k), and the columns share the kernel. `w` holds one weight per sample.
    """

    name: str

    @abstractmethod
    def upper(self, w: np.ndarray) -> np.ndarray:
        """Return the upper bound of each a_i: shape (n,)."""

    @abstractmethod
    def project(self, a: np.ndarray, Y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the nearest point of A, and how far `a` violates A (dimensionless)."""

    @abstractmethod
    def phi(self, a: np.ndarray) -> float:
        """Return the concave part of the dual objective."""

    @abstractmethod
    def V(self, a: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return V(a), shape (n, k), linear in a."""

    @abstractmethod
    def loss(self, F: np.ndarray, Y: np.ndarray, w: np.ndarray) -> float:
        """Return the total loss of the values F of the decision function, shape (n, k)."""

    @abstractmethod
    def best_intercept(self, F: np.ndarray, Y: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Return for each column the b that minimises the loss of F + b."""
