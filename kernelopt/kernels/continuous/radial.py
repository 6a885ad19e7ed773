"""Radial families with one parameter: Gaussian bandwidths and Matérn lengths."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.polynomial import Polynomial as Series
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import euclidean_distances

from kernelopt.kernels.continuous.base import Family, Maximum, interval
from kernelopt.kernels.continuous.branch_and_bound import Profile, Spectrum, certified_maximum
from kernelopt.kernels.families import scale_gamma

REACH = 100.0  # the default domain ends at this multiple of the usual bandwidth, and at its inverse


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances (or their squares) between the training points, as a radial family reads them."""

    D: np.ndarray

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the pairs i < j."""
        return np.triu_indices(len(self.D), 1)

    @cached_property
    def spectrum(self) -> Spectrum:
        """The distances of the pairs, sorted into bins."""
        return Spectrum.of(self.D[self.pairs])


class RadialFamily(Family):
    r"""Kernels :math:`k_\omega(x, z) = \gamma(\omega\, \delta(x, z))` for :math:`\gamma(t) = P(t) e^{-t}`, decreasing.

    Then T is a difference of two decreasing sums, and its maximum over an interval of :math:`\omega` is found by branch
    and bound, with a proof: see `kernelopt.kernels.continuous.branch_and_bound.certified_maximum`.
    """

    proven = True
    low: float | None
    high: float | None
    squared: ClassVar[bool]

    @property
    def profile(self) -> Profile:
        r""":math:`\gamma`."""
        raise NotImplementedError

    def domain(self, n_features):
        """Return the interval."""
        if self.low is None or self.high is None:
            raise ValueError(f"the domain of the {self.name} family is not known yet: give low and high, or use fitted")
        return np.array([[self.low, self.high]])

    def fitted(self, X, sample_weight=None):
        """Return the family from 1/100 to 100 times the usual bandwidth, `scale_gamma`, unless bounds were given."""
        if self.low is not None:
            return self
        usual = scale_gamma(X, sample_weight)
        usual = usual if self.squared else float(np.sqrt(2 * usual))
        reach = REACH if self.squared else np.sqrt(REACH)
        return replace(self, low=usual / reach, high=usual * reach)  # type: ignore[type-var]

    def start(self, n_features):
        """Return three widths, evenly spaced in the logarithm."""
        low, high = self.domain(n_features)[0]
        low = max(low, 1e-4 * high)
        return np.exp(np.log(low) + np.array([[0.25], [0.5], [0.75]]) * np.log(high / low))

    def matrix(self, omega, X, Z):
        """Return the kernel between the rows of X and Z."""
        return self.profile(float(omega[0]) * self._delta(X, Z))

    def _delta(self, X, Z) -> np.ndarray:
        if not self.squared:
            return cdist(X, Z)  # a root of what rounding leaves of a square would be no small number
        return euclidean_distances(X, None if Z is X else Z, squared=True)

    def prepare(self, X):
        """Return the distances between the points."""
        return Distances(self._delta(X, X))

    def gram(self, omega, points):
        """Return the Gram matrix from the distances."""
        return self.profile(float(omega[0]) * points.D)

    def value_and_gradient(self, omega, V, points):
        """Return T and its derivative."""
        z = float(omega[0]) * points.D
        value = float(np.sum(V * (self.profile(z) @ V)))
        slope = float(np.sum(V * (self.profile.slope(z) * points.D @ V)))
        return value, np.array([slope])

    def maximise(self, V, points, tol, starts=None):
        """Return the local maxima of T and a proven bound of the largest."""
        low, high = self.domain(0)[0]
        weights = 2.0 * (V @ V.T)[points.pairs]
        found = certified_maximum(self.profile, points.spectrum, weights, float(np.sum(V * V)), low, high, tol)
        return Maximum(found.bound, True, found.omegas[:, None], found.values)

    def distance(self, omegas, omega, n_features):
        """Return differences of the logarithm; zero is far from everything else."""
        floor = 1e-12 * float(self.domain(n_features)[0, 1])
        return np.abs(np.log(np.maximum(omegas[:, 0], floor) / max(float(omega[0]), floor)))

    def middle(self, omegas, weights, n_features):
        """Return the weighted geometric mean."""
        if (omegas == 0).any():
            return weights @ omegas / weights.sum()
        return np.exp(weights @ np.log(omegas) / weights.sum())

    def label(self, omega):
        """Return the name with the parameter."""
        return f"{self.name} ω={float(omega[0]):.3g}"


@dataclass(frozen=True)
class GaussianFamily(RadialFamily):
    r"""Gaussian kernels of every bandwidth: :math:`k_\omega(x, z) = e^{-\omega \|x - z\|^2},\ \omega \in [a, b]`.

    At :math:`\omega = 0` it is the constant kernel, and for :math:`\omega \to \infty` the identity.

    Parameters
    ----------
    low, high : float or None
        a and b; None takes them from the training points, 1/100 and 100 times their `scale_gamma`.

    References
    ----------
    .. [micchelli2005] Micchelli, Pontil. Learning the Kernel Function via Regularization. JMLR 6, 2005.

    Examples
    --------
    >>> family, X = GaussianFamily(0.1, 10.0), np.array([[0.0], [1.0], [3.0]])
    >>> found = family.maximise(np.array([[1.0], [-2.0], [1.0]]), family.prepare(X), tol=1e-8)
    >>> found.omegas.round(3), bool(found.bound <= found.values[0] * (1 + 1e-8))  # the bound holds between all points
    (array([[10.]]), True)
    """

    low: float | None = None
    high: float | None = None
    name = "gaussian"
    squared = True

    def __post_init__(self):
        interval("GaussianFamily", self.low, self.high, zero=True)

    @property
    def profile(self):
        """The exponential."""
        return EXPONENTIAL


@dataclass(frozen=True)
class MaternFamily(RadialFamily):
    r"""Matérn kernels of every length: :math:`k_\omega(x, z) = P_\nu(\omega r)\, e^{-\omega r},\ r = \|x - z\|`.

    :math:`P_{1/2} = 1`, :math:`P_{3/2}(t) = 1 + t`, :math:`P_{5/2}(t) = 1 + t + t^2/3`, and
    :math:`\omega = \sqrt{2 \nu} / \ell` for the length :math:`\ell` of ``sklearn.gaussian_process.kernels.Matern``.

    Parameters
    ----------
    nu : {0.5, 1.5, 2.5}
        Smoothness.
    low, high : float or None
        Ends of the interval; None takes them from the training points.

    Examples
    --------
    >>> MaternFamily(1.5, 0.1, 10.0).matrix(np.array([2.0]), np.zeros((1, 1)), np.array([[0.5]])).round(4)
    array([[0.7358]])
    """

    nu: float = 1.5
    low: float | None = None
    high: float | None = None
    name = "matern"
    squared = False

    def __post_init__(self):
        if self.nu not in MATERN:
            raise ValueError(f"nu must be 0.5, 1.5 or 2.5, found {self.nu!r}")
        interval("MaternFamily", self.low, self.high, zero=True)

    @property
    def profile(self):
        """The polynomial times the exponential."""
        return MATERN[self.nu]


EXPONENTIAL = Profile(Series([1.0]))
MATERN = {0.5: EXPONENTIAL, 1.5: Profile(Series([1.0, 1.0])), 2.5: Profile(Series([1.0, 1.0, 1.0 / 3.0]))}
