"""What a kernel set must know: its weights, its regulariser, and bounds of its support function."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class KernelSet(ABC):
    r"""Which kernels are admitted: :math:`K(\theta) = \sum_k \theta_k K_k` with a convex price :math:`R(\theta)`.

    `q` stands for the numbers :math:`\tfrac12 \langle K_k, V V^\top \rangle`, one per kernel.
    """

    name: str

    @abstractmethod
    def start(self, M: int) -> np.ndarray:
        """Return the weights a solver begins with: no kernel preferred."""

    @abstractmethod
    def project(self, theta: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the nearest admitted weights, and how far `theta` violates the set (dimensionless)."""

    @abstractmethod
    def R(self, theta: np.ndarray) -> float:
        """Return the price of the weights."""

    @abstractmethod
    def support(self, q: np.ndarray) -> float:
        r"""Return an upper bound of :math:`R^* = \sup_\theta \theta^\top q - R(\theta)`."""
