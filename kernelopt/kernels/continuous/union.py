"""Several families at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernelopt.kernels.continuous.base import Family, Maximum


@dataclass(frozen=True)
class UnionFamily(Family):
    """Several families at once: the first parameter says which, the others are that family's, then zeros.

    Parameters
    ----------
    families : tuple of Family
        The families.

    Examples
    --------
    >>> from kernelopt.kernels.continuous import GaussianFamily, PolynomialFamily
    >>> both = UnionFamily((GaussianFamily(0.1, 10.0), PolynomialFamily(2, 1.0)))
    >>> both.matrix(np.array([1.0, 0.5]), np.array([[1.0]]), np.array([[3.0]]))
    array([[4.]])
    """

    families: tuple[Family, ...]
    name = "union"

    def __post_init__(self):
        if not self.families:
            raise ValueError("families must hold at least one family")

    @property
    def proven(self) -> bool:  # type: ignore[override]
        """Whether the maximum of each is."""
        return all(family.proven for family in self.families)

    def domain(self, n_features):
        """Return the smallest box around all of them."""
        boxes = [family.domain(n_features) for family in self.families]
        out = np.zeros((1 + max(map(len, boxes)), 2))
        out[0, 1] = len(self.families) - 1
        for box in boxes:
            out[1 : 1 + len(box), 0] = np.minimum(out[1 : 1 + len(box), 0], box[:, 0])
            out[1 : 1 + len(box), 1] = np.maximum(out[1 : 1 + len(box), 1], box[:, 1])
        return out

    def part(self, omega: np.ndarray, n_features: int) -> tuple[int, np.ndarray]:
        """Return which family parameters belong to, and its own parameters, in its domain."""
        k = int(np.clip(np.rint(omega[0]), 0, len(self.families) - 1))
        box = self.families[k].domain(n_features)
        return k, np.clip(omega[1 : 1 + len(box)], box[:, 0], box[:, 1])

    def fitted(self, X, sample_weight=None):
        """Return the union of the fitted families."""
        return replace(self, families=tuple(family.fitted(X, sample_weight) for family in self.families))

    def _joined(self, parts: list[np.ndarray], n_features: int) -> np.ndarray:
        out = np.zeros((sum(map(len, parts)), len(self.domain(n_features))))
        at = 0
        for k, part in enumerate(parts):
            out[at : at + len(part), 0] = k
            out[at : at + len(part), 1 : 1 + part.shape[1]] = part
            at += len(part)
        return out

    def start(self, n_features):
        """Return the starts of each."""
        return self._joined([family.start(n_features) for family in self.families], n_features)

    def prepare(self, X):
        """Return what each wants to know of the points, and the number of features."""
        return X.shape[1], [family.prepare(X) for family in self.families]

    def matrix(self, omega, X, Z):
        """Return the kernel between the rows of X and Z."""
        k, own = self.part(omega, X.shape[1])
        return self.families[k].matrix(own, X, Z)

    def diag(self, omega, X):
        """Return k(x, x)."""
        k, own = self.part(omega, X.shape[1])
        return self.families[k].diag(own, X)

    def gram(self, omega, points):
        """Return the Gram matrix on prepared points."""
        k, own = self.part(omega, points[0])
        return self.families[k].gram(own, points[1][k])

    def value_and_gradient(self, omega, V, points):
        """Return T and its gradient, which is zero in what says the family."""
        k, own = self.part(omega, points[0])
        value, slope = self.families[k].value_and_gradient(own, V, points[1][k])
        out = np.zeros(len(omega))
        out[1 : 1 + len(slope)] = slope
        return value, out

    def maximise(self, V, points, tol, starts=None):
        """Return the largest of the maxima of all."""
        d, prepared = points
        found = []
        for k, (family, own) in enumerate(zip(self.families, prepared, strict=True)):
            mine: Any = None
            if starts is not None and len(starts):
                mine = np.array([self.part(omega, d)[1] for omega in starts if self.part(omega, d)[0] == k])
            found.append(family.maximise(V, own, tol, mine))
        omegas = self._joined([maximum.omegas for maximum in found], d)
        values = np.concatenate([maximum.values for maximum in found])
        order = np.argsort(-values)
        return Maximum(max(m.bound for m in found), self.proven, omegas[order], values[order])

    def distance(self, omegas, omega, n_features):
        """Return the distance within a family; kernels of different ones are far apart."""
        k, own = self.part(omega, n_features)
        out = np.full(len(omegas), np.inf)
        for i, other in enumerate(omegas):
            j, part = self.part(other, n_features)
            if j == k:
                out[i] = self.families[k].distance(part[None], own, n_features)[0]
        return out

    def middle(self, omegas, weights, n_features):
        """Return the mean within the family."""
        k, _ = self.part(omegas[0], n_features)
        own = self.families[k].middle(
            np.stack([self.part(omega, n_features)[1] for omega in omegas]), weights, n_features
        )
        return np.concatenate([[k], own, np.zeros(omegas.shape[1] - 1 - len(own))])

    def label(self, omega):
        """Return the label of the family's kernel, without the zeros at the end, which fill up."""
        own = np.trim_zeros(omega[1:], "b")
        return self.families[int(omega[0])].label(own if len(own) else np.zeros(1))
