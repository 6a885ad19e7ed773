"""Every mixture of the kernels of a continuous family."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelopt.convex.sets.base import KernelSet
from kernelopt.convex.sets.simplex import Simplex
from kernelopt.kernels.continuous import FamilyKernels


@dataclass(frozen=True)
class Continuum(KernelSet):
    r"""Mixtures of a continuous family: :math:`K(\theta) = \int K_\omega \, d\theta(\omega)`, a probability measure.

    The closed convex hull of the family's kernels, of [micchelli2005]_. Here :math:`\theta` is a measure on finitely
    many atoms, an array of shape (r, 1 + p) with a weight and the parameters in each row: m + 1 atoms always
    suffice. The support function is

    .. math:: R^*(\tfrac12 V V^\top) = \tfrac12 \max_\omega \operatorname{tr} V^\top K_\omega V,

    so weights are optimal if and only if every atom attains that maximum. The certificate uses the family's upper
    bound of it, which is a proof over the whole domain for families that say so (`Family.proven`), and else the
    largest value that several starts have found: the certificate's `problem` then says "NOT proven". A problem over
    this set has `FamilyKernels` for kernels.

    Parameters
    ----------
    tol : float
        How far, relative, the bound may lie above the maximum.

    References
    ----------
    .. [micchelli2005] Micchelli, Pontil. Learning the Kernel Function via Regularization. JMLR 6, 2005.

    Examples
    --------
    >>> from kernelopt.kernels.continuous import GaussianFamily
    >>> kernels = FamilyKernels(GaussianFamily(0.01, 100.0), np.array([[0.0], [1.0]]))
    >>> V = np.array([[1.0], [-1.0]])
    >>> round(Continuum().support_at(V, kernels), 6)  # 1 - exp(-omega) at the end of the interval
    1.0
    """

    tol: float = 1e-10
    name = "continuum"

    def __post_init__(self):
        if not 0 < self.tol < 1:
            raise ValueError(f"tol must be between zero and one, found {self.tol!r}")

    def start(self, kernels):
        """Return equal weights on the list of the kernels."""
        omegas = family_of(kernels).omegas
        return measure(np.full(len(omegas), 1 / len(omegas)), omegas)

    def project(self, theta, kernels, witness=None):
        """Move the atoms into the domain and project the weights onto the simplex."""
        kernels = family_of(kernels)
        box = kernels.family.domain(kernels.X.shape[1])
        if theta.ndim != 2 or theta.shape[1] != 1 + len(box) or len(theta) == 0:
            raise ValueError(f"theta must have shape (atoms, {1 + len(box)}), weights first, found {theta.shape}")
        weights, violation = Simplex().project(theta[:, 0], kernels)
        omegas = np.clip(theta[:, 1:], box[:, 0], box[:, 1])
        outside = np.abs(omegas - theta[:, 1:]) / np.maximum(box[:, 1] - box[:, 0], 1e-300)
        return measure(weights, omegas), max(violation, float(outside.max(initial=0.0)))

    def matrix(self, theta, kernels):
        """Return the mixture on all points."""
        return family_of(kernels).at(theta[:, 1:]).mix(theta[:, 0])

    def apply(self, theta, V, kernels):
        """Return the mixture times V, one atom at a time."""
        return family_of(kernels).apply_at(theta[:, 0], theta[:, 1:], V)

    def support(self, q, kernels, witness=None):
        """Not defined: this set is no list of kernels; see `support_at`."""
        raise NotImplementedError("the continuum is asked about matrices: use support_at(V, kernels)")

    def support_at(self, V, kernels, q=None, witness=None):
        """Return half the bound of the maximum; parameters given as `witness` are among the starts of a search."""
        kernels = family_of(kernels)
        starts = None if witness is None else np.atleast_2d(witness)
        return 0.5 * kernels.maximise(V, self.tol, starts).bound

    def program(self, kernels):
        """Not defined: there are infinitely many weights."""
        raise NotImplementedError("the continuum has infinitely many weights: solve it by ColumnGeneration")


def measure(weights: np.ndarray, omegas: np.ndarray) -> np.ndarray:
    """Return a measure as an array: weights in the first column, parameters in the others."""
    return np.column_stack([weights, omegas])


def family_of(kernels) -> FamilyKernels:
    """Return the kernels, or raise an error that says what a continuum needs."""
    if not isinstance(kernels, FamilyKernels):
        raise TypeError(
            f"the kernel set 'continuum' takes a family on points, FamilyKernels(family, X), for kernels, found "
            f"{type(kernels).__name__}"
        )
    return kernels


def caratheodory(weights: np.ndarray, columns: np.ndarray) -> np.ndarray:
    r"""Return weights of the same sum and the same mixture of columns, at most ``len(columns) + 1`` of them positive.

    Along a vector of the null space of the columns with a row of ones beneath, nothing changes but the weights, until
    one of them is zero.

    Parameters
    ----------
    weights : array of shape (r,)
        Nonnegative.
    columns : array of shape (m, r)
        What is mixed.

    Examples
    --------
    >>> caratheodory(np.full(3, 1 / 3), np.array([[0.0, 1.0, 2.0]])).round(3)
    array([0.5, 0. , 0.5])
    """
    weights = np.array(weights, dtype=float)
    while True:
        active = np.flatnonzero(weights > 0)
        if len(active) <= len(columns) + 1:
            return weights
        part = columns[:, active]
        scale = np.abs(part).max() or 1.0
        null = np.linalg.svd(np.vstack([part / scale, np.ones(len(active))]))[2][-1]
        null = -null if null.max() < -null.min() else null
        ratio = np.divide(weights[active], null, out=np.full(len(active), np.inf), where=null > 1e-14)
        first = int(ratio.argmin())
        moved = np.maximum(weights[active] - ratio[first] * null, 0.0)
        moved[first] = 0.0
        weights[active] = moved
