"""A finite list of kernels in the form of a family, to stand beside a continuum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelopt.kernels.continuous.base import Family, Maximum
from kernelopt.kernels.interface import as_kernel, evaluate, has_white, kernel_diag, kernel_name


@dataclass(frozen=True)
class ListFamily(Family):
    """Finitely many kernels, with their number for a parameter.

    With `UnionFamily` they join a continuum: ``UnionFamily((ARDFamily(), ListFamily((Linear(),))))``.

    Parameters
    ----------
    kernels : sequence of kernels
        As `kernelopt.kernels.as_kernel` takes them; none may tell a point from its copies.

    Examples
    --------
    >>> from kernelopt.kernels import Linear, Polynomial
    >>> both = ListFamily((Linear(), Polynomial(2)))
    >>> both.maximise(np.ones((1, 1)), both.prepare(np.array([[2.0]])), 1e-8).omegas.ravel()  # 25 and 4
    array([1., 0.])
    """

    kernels: Sequence[Any]
    name = "list"
    proven = True

    def __post_init__(self):
        if len(self.kernels) == 0:
            raise ValueError("kernels must hold at least one kernel")
        white = [kernel_name(k) for k in map(as_kernel, self.kernels) if has_white(k)]
        if white:
            raise ValueError(
                f"kernels that tell a point from its copies are no functions of points: {', '.join(white)}"
            )

    def domain(self, n_features):
        """Return the range of the numbers."""
        return np.array([[0.0, len(self.kernels) - 1.0]])

    def start(self, n_features):
        """Return all of them."""
        return np.arange(float(len(self.kernels)))[:, None]

    def _kernel(self, omega):
        return as_kernel(self.kernels[int(np.clip(np.rint(omega[0]), 0, len(self.kernels) - 1))])

    def matrix(self, omega, X, Z):
        """Return the kernel between the rows of X and Z."""
        return evaluate(self._kernel(omega), X, Z).astype(float)

    def diag(self, omega, X):
        """Return k(x, x)."""
        return kernel_diag(self._kernel(omega), X)

    def prepare(self, X):
        """Return the Gram matrices."""
        return np.stack([self.matrix(omega, X, X) for omega in self.start(0)])

    def gram(self, omega, points):
        """Return one of the Gram matrices."""
        return points[int(np.rint(omega[0]))]

    def value_and_gradient(self, omega, V, points):
        """Return T; there is nothing to move along."""
        return float(np.sum(V * (self.gram(omega, points) @ V))), np.zeros(1)

    def maximise(self, V, points, tol, starts=None):
        """Return all kernels, the best first."""
        values = np.einsum("ic,kic->k", V, points @ V)
        order = np.argsort(-values, kind="stable")
        return Maximum(float(values.max()), True, order[:, None].astype(float), values[order])

    def distance(self, omegas, omega, n_features):
        """Return zero for the same kernel, infinity for another."""
        return np.where(np.rint(omegas[:, 0]) == np.rint(omega[0]), 0.0, np.inf)

    def label(self, omega):
        """Return the kernel's own name."""
        return kernel_name(self._kernel(omega))
