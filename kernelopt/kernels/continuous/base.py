"""What a family of kernels with continuous parameters must know: its domain, its kernels, and where V'KV is largest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kernelopt.kernels.base import Proven


@dataclass(frozen=True, eq=False)
class Maximum:
    r"""Where :math:`T(\omega) = \operatorname{tr} V^\top K_\omega V` is large over a family, and a bound of it.

    Parameters
    ----------
    bound : float
        At least the maximum where `proven`; else the largest value that was found.
    proven : bool
        Whether `bound` holds for every :math:`\omega` of the domain.
    omegas : array of shape (r, p)
        Local maxima, the largest first.
    values : array of shape (r,)
        T there.
    """

    bound: float
    proven: bool
    omegas: np.ndarray
    values: np.ndarray


class Family(ABC):
    r"""Kernels :math:`k_\omega`, continuous in a parameter :math:`\omega` from a box.

    A frozen dataclass that gives `domain`, `matrix`, `value_and_gradient` and `maximise`. What can be known of the
    points beforehand (distances, say) is made once by `prepare`, and comes back to `gram`, `value_and_gradient` and
    `maximise` as `points`.
    """

    name: ClassVar[str]
    proven: ClassVar[bool] = False  # whether `maximise` bounds T over the whole domain

    @abstractmethod
    def domain(self, n_features: int) -> np.ndarray:
        """Return the lower and upper bound of each parameter, shape (p, 2)."""

    @abstractmethod
    def matrix(self, omega: np.ndarray, X: np.ndarray, Z: np.ndarray) -> np.ndarray:
        """Return k(x, z) at `omega` for the rows of X and Z."""

    @abstractmethod
    def value_and_gradient(self, omega: np.ndarray, V: np.ndarray, points: Any) -> tuple[float, np.ndarray]:
        """Return T and its gradient, shape (p,), for coefficients V of shape (n, k)."""

    @abstractmethod
    def maximise(self, V: np.ndarray, points: Any, tol: float, starts: np.ndarray | None = None) -> Maximum:
        """Return the local maxima of T, with a bound within `tol`, relative, of the largest where it is proven."""

    def fitted(self, X: np.ndarray, sample_weight=None) -> Family:
        """Return the family with the bounds that were left open set from the training points."""
        return self

    def start(self, n_features: int) -> np.ndarray:
        """Return parameters to begin with, shape (r, p): the middle of the domain."""
        return self.domain(n_features).mean(axis=1)[None]

    def prepare(self, X: np.ndarray) -> Any:
        """Return what `gram` and `maximise` want to know of the points."""
        return X

    def gram(self, omega: np.ndarray, points: Any) -> np.ndarray:
        """Return the Gram matrix on prepared points."""
        return self.matrix(omega, points, points)

    def diag(self, omega: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Return k(x, x) for each row of X; one, unless a family says otherwise."""
        return np.ones(len(X))

    def distance(self, omegas: np.ndarray, omega: np.ndarray, n_features: int) -> np.ndarray:
        """Return how far parameters, shape (r, p), are from one: in shares of the domain."""
        low, high = self.domain(n_features).T
        return np.abs((omegas - omega) / (high - low)).max(axis=1, initial=0.0)

    def middle(self, omegas: np.ndarray, weights: np.ndarray, n_features: int) -> np.ndarray:
        """Return the weighted mean of parameters that are near each other."""
        return weights @ omegas / weights.sum()

    def label(self, omega: np.ndarray) -> str:
        """Return what to call the kernel at `omega` where weights are shown."""
        return f"{self.name} ω=({', '.join(format(w, '.3g') for w in omega)})"


@dataclass(frozen=True, eq=False)
class Atom(Proven):
    """One kernel of a family.

    Parameters
    ----------
    family : Family
        The family.
    omega : array of shape (p,)
        Its parameters.

    Examples
    --------
    >>> from kernelopt.kernels.continuous import GaussianFamily
    >>> Atom(GaussianFamily(0.1, 10.0), np.array([0.5]))(np.array([[0.0], [1.0]]), np.array([[0.0]])).round(4)
    array([[1.    ],
           [0.6065]])
    """

    family: Family
    omega: np.ndarray

    @property
    def name(self) -> str:
        """Short name, used where weights are shown."""
        return self.family.label(self.omega)

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        return self.family.matrix(self.omega, np.asarray(X, dtype=float), np.asarray(Z, dtype=float))

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return self.family.diag(self.omega, np.asarray(X, dtype=float))


def interval(name: str, low: Any, high: Any, *, zero: bool = False) -> None:
    """Raise a ValueError unless low < high are finite and positive (low may be zero where `zero`), or None."""
    if low is None and high is None:
        return
    if low is None or high is None:
        raise ValueError(f"low and high of {name} must both be numbers or both None, found {low!r} and {high!r}")
    if not ((0 <= low if zero else 0 < low) and low < high < np.inf):
        least = "nonnegative" if zero else "positive"
        raise ValueError(f"{name} must have {least} low < high, both finite, found low={low!r} and high={high!r}")
