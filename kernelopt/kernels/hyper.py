r"""Hyperkernels: kernels on pairs of points, whose slices are kernels on points.

A hyperkernel :math:`\underline k((x, x'), (y, y'))` is a kernel on pairs that does not change when the points of a pair
are exchanged. Fixing the first pair gives a *slice*, a function of (y, y') which must itself be a kernel; nonnegative
combinations of slices are what is learned [ong2005]_.

Every hyperkernel here depends on a pair through a few numbers only, its *features* (a similarity, one similarity
per column, a midpoint and a difference). So pairs are handled as arrays of features, and nothing of the size of all
pairs against all pairs is ever made.

References
----------
.. [ong2005] Ong, Smola, Williamson. Learning the Kernel with Hyperkernels. JMLR 6, 2005.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from kernelopt.kernels.interface import as_kernel, evaluate

BLOCK = 2**14  # pairs that are worked on at once: what fits into a processor's cache


class Hyperkernel(ABC):
    """A kernel on pairs of points, through features of each pair.

    A subclass says `layers` and `between`. Where `proven` is false, nothing but a check of each slice tells whether it
    is a kernel.
    """

    proven: ClassVar[bool] = True

    @abstractmethod
    def layers(self, X: np.ndarray, Z: np.ndarray) -> Iterator[np.ndarray]:
        """Yield each feature of the pairs (x, z) of a row of X and one of Z: arrays of shape (n, m)."""

    @abstractmethod
    def between(self, F: np.ndarray, G: np.ndarray) -> np.ndarray:
        """Return the hyperkernel between pairs with features F and G, shapes (r, ...), that broadcast."""

    def features(self, X, Z=None) -> np.ndarray:
        """Return the features of all pairs of a row of X and one of Z (of X, when Z is None): shape (r, n, m)."""
        return np.stack(list(self.layers(X, X if Z is None else Z)))

    def pairs(self, X) -> np.ndarray:
        """Return the features of the pairs (i, j), i >= j, of rows of X: shape (r, n (n + 1) / 2)."""
        lower = np.tril_indices(len(X))
        return np.stack([layer[lower] for layer in self.layers(X, X)])

    def at(self, F: np.ndarray, pair: np.ndarray) -> np.ndarray:
        """Return the hyperkernel between pairs F, shape (r, ...), and a single one, shape (r,): the shape of a layer.

        In blocks that fit into a processor's cache.
        """
        flat = F.reshape(len(F), -1)
        out, pair = np.empty(flat.shape[1]), pair[:, None]
        for start in range(0, len(out), BLOCK):
            out[start : start + BLOCK] = self.between(flat[:, start : start + BLOCK], pair)
        return out.reshape(F.shape[1:])

    def slice(self, pair: np.ndarray, X, Z=None) -> np.ndarray:
        """Return the slice of a pair, given by its features, between the rows of X and Z: a kernel matrix."""
        return self.at(self.features(X, Z), pair)


class Similarity(Hyperkernel):
    """A hyperkernel of the similarity k(x, x') of a pair, which a kernel measures."""

    kernel: Any
    largest: ClassVar[float] = 1.0  # that k may be
    attained: ClassVar[bool] = True

    def layers(self, X, Z):
        """Yield k(x, z), checked."""
        K = np.asarray(evaluate(as_kernel(self.kernel), X, Z), dtype=float)
        yield self.admitted(0.5 * (K + K.T) if Z is X else K)

    def admitted(self, K: np.ndarray) -> np.ndarray:
        """Return similarities, or say that they leave the range in which this is a hyperkernel."""
        low, high = float(K.min(initial=0.0)), float(K.max(initial=0.0))
        if low < 0:
            raise ValueError(
                f"the kernel of a hyperkernel must not be negative, found {low:.3g}: odd powers of it would make "
                f"slices that are no kernels. Take a Gaussian, or a polynomial of even degree"
            )
        limit = self.limit
        rounding = 1e-12 * limit if np.isfinite(limit) else 0.0
        if high > limit + rounding or (high >= limit and not self.attained):
            sign = "at most" if self.attained else "below"
            raise ValueError(
                f"the kernel of this hyperkernel must be {sign} {limit:g}, the root of its radius of convergence, "
                f"found {high:.6g}; scale the kernel down"
            )
        return np.minimum(K, limit)

    @property
    def limit(self) -> float:
        """What k may be at most."""
        return self.largest
