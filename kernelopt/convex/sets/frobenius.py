"""Kernels priced by their Frobenius norm: the set of alignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from scipy import linalg

from kernelopt.convex.sets.base import KernelSet
from kernelopt.convex.sets.program import Smooth, WeightProgram
from kernelopt.convex.sets.psd_span import ROUNDING, into_cone

KEPT = 4  # balls whose products are kept at a time, for each stack of kernels
_PRODUCTS: WeakKeyDictionary[Any, dict] = WeakKeyDictionary()  # of kernels that are in use


@dataclass(frozen=True)
class FrobeniusBall(KernelSet):
    r"""Nonnegative weights priced by the norm of their kernel: :math:`R(\mu) = \tfrac12 \|K_c(\mu)\|_F^2`.

    With the criterion `Alignment` this is alignf [cortes2012]_: the direction of the optimum is that of the largest
    alignment, and :math:`\mu / \|\mu\|` the weights of the paper.

    Parameters
    ----------
    centered : bool
        Whether kernels are centred first.
    free_sign : bool
        Weights of any sign whose kernel is positive semidefinite (eq. (52) of [lanckriet2004]_) in place of
        nonnegative ones.
    sample_weight : array of shape (n,) or None
        What each sample counts.

    References
    ----------
    .. [cortes2012] Cortes, Mohri, Rostamizadeh. Algorithms for Learning Kernels Based on Centered Alignment.
       JMLR 13, 2012.
    .. [lanckriet2004] Lanckriet et al. Learning the Kernel Matrix with Semidefinite Programming. JMLR 5, 2004.
    """

    centered: bool = True
    free_sign: bool = False
    sample_weight: np.ndarray | None = None
    name = "frobenius"

    def inner_products(self, kernels) -> np.ndarray:
        """Return the inner products of the (centred) kernels: shape (M, M)."""
        known = _PRODUCTS.setdefault(kernels, {})
        key = self.centered, None if self.sample_weight is None else np.asarray(self.sample_weight).tobytes()
        if key not in known:  # M² n² multiplications, and every bound asks for them
            if len(known) >= KEPT:
                known.clear()
            flat = np.stack([self._counted(kernels.mix(e)).ravel() for e in np.eye(kernels.n_kernels)])
            known[key] = flat @ flat.T
        return known[key].copy()

    def _counted(self, K: np.ndarray) -> np.ndarray:
        """Return the (centred) kernel, each sample counted as often as its weight says."""
        w = np.ones(len(K)) if self.sample_weight is None else self.sample_weight
        if self.centered:
            mean = K @ w / w.sum()
            K = K - mean[:, None] - mean + (w @ mean / w.sum())
        root = np.sqrt(w)
        return root[:, None] * K * root

    def _centring(self, n: int) -> np.ndarray:
        w = np.ones(n) if self.sample_weight is None else self.sample_weight
        return np.sqrt(w)[:, None] * (np.eye(n) - (w[None] / w.sum() if self.centered else 0.0))

    def start(self, kernels):
        """Return weights that give each kernel the same norm."""
        norms = np.sqrt(np.diag(self.inner_products(kernels)))
        return 1 / (kernels.n_kernels * np.maximum(norms, 1e-300))

    def project(self, theta, kernels, witness=None):
        """Cut off negative weights, or move towards positive ones until no eigenvalue is negative."""
        unit = max(float(np.abs(theta).max()), 1e-300)
        if not self.free_sign:
            return np.maximum(theta, 0.0), max(0.0, float(-theta.min())) / unit
        size = float(np.abs(theta) @ kernels.traces)
        lacking = -float(linalg.eigvalsh(kernels.mix(theta), subset_by_index=[0, 0])[0])
        if lacking <= 4 * ROUNDING * size:  # what was moved up to ROUNDING stays where it is
            return theta, max(0.0, lacking) / max(size, 1e-300)
        start = self.start(kernels)
        inside = into_cone(theta, start * (unit / start.max()), kernels, ROUNDING * size)
        return inside, max(0.0, lacking) / max(size, 1e-300)

    def R(self, theta, kernels):
        """Return half the squared norm."""
        return 0.5 * float(theta @ self.inner_products(kernels) @ theta)

    def support(self, q, kernels, witness=None):
        r"""Return a bound from any u with :math:`M u \ge q` (u = witness, scaled until it is so).

        For then :math:`\theta^\top q - \tfrac12 \theta^\top M \theta \le
        \theta^\top M u - \tfrac12 \theta^\top M \theta \le \tfrac12 u^\top M u`. With free signs Z >= 0 takes
        up the difference, and is the witness.
        """
        M = self.inner_products(kernels)
        if self.free_sign:
            Z = np.zeros((kernels.n_samples,) * 2) if witness is None else np.asarray(witness)
            values, vectors = linalg.eigh((Z + Z.T) / 2)
            Z = (vectors * np.maximum(values, 0.0)) @ vectors.T
            for semidefinite in (Z, self._centring(len(Z)).T @ Z @ self._centring(len(Z))):
                target = q + kernels.inner(semidefinite)
                u, *_ = np.linalg.lstsq(M, target, rcond=1e-12)
                if np.abs(M @ u - target).max() <= 1e-9 * np.abs(target).max():  # centred away, weights are free
                    return 0.5 * float(u @ M @ u)
            return np.inf
        u = np.maximum(self._nonnegative(M, q) if witness is None else witness, 0.0)
        product = M @ u
        positive = q > 0
        if not positive.any():
            return 0.0
        if np.any(product[positive] <= 0):
            return np.inf
        factor = max(1.0, float(np.max(q[positive] / product[positive])))
        return 0.5 * factor**2 * float(u @ product)

    @staticmethod
    def _nonnegative(M: np.ndarray, q: np.ndarray) -> np.ndarray:
        from scipy.optimize import nnls

        values, vectors = linalg.eigh(M)
        keep = values > 1e-13 * values[-1]
        root = (vectors[:, keep] * np.sqrt(values[keep])).T
        return nnls(root, (vectors[:, keep] / np.sqrt(values[keep])).T @ q)[0]

    def program(self, kernels):
        """Return the orthant, or the semidefinite span, with its price."""
        M = self.inner_products(kernels)
        n = kernels.n_kernels
        price = Smooth(lambda y: M @ y, lambda y: M)
        return WeightProgram(
            self.start(kernels),
            not self.free_sign,
            np.zeros((0, n)),
            np.zeros(0),
            price=price,
            semidefinite=self.free_sign,
        )
