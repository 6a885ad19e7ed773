"""Base kernels: callables ``k(X, Z) -> array`` of shape (len(X), len(Z))."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics.pairwise import (
    PAIRWISE_KERNEL_FUNCTIONS,
    euclidean_distances,
    linear_kernel,
    polynomial_kernel,
)
from sklearn.utils.extmath import row_norms

Kernel = Callable[[Any, Any], np.ndarray]


@dataclass(frozen=True)
class Gaussian:
    r"""Gaussian kernel :math:`k(x, z) = \exp(-\gamma \|x - z\|^2)`.

    Parameters
    ----------
    gamma : float
        Inverse squared width; positive. scikit-learn's ``gamma``.
    label : str
        What to call the width where weights are shown; its number, unless given.

    Examples
    --------
    >>> Gaussian(0.5)([[0.0], [1.0]], [[0.0]]).round(4)
    array([[1.    ],
           [0.6065]])
    """

    gamma: float
    label: str = ""

    def __post_init__(self):
        if not 0 < self.gamma < np.inf:
            raise ValueError(f"gamma must be positive and finite, found {self.gamma!r}")

    @property
    def name(self) -> str:
        """Short name, used where weights are shown."""
        return f"gaussian γ={self.label or format(self.gamma, '.3g')}"

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        return self.of_squared_distances(euclidean_distances(X, Z, squared=True))

    def of_squared_distances(self, D: np.ndarray) -> np.ndarray:
        """Return the kernel where the squared distances are known already."""
        K = np.multiply(D, -self.gamma)
        return np.exp(K, out=K)

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return np.ones(np.shape(X)[0])


@dataclass(frozen=True)
class Polynomial:
    r"""Polynomial kernel :math:`k(x, z) = (\gamma x^\top z + c_0)^d`.

    Positive semidefinite for integer `degree`, `gamma` > 0 and `coef0` >= 0, which is checked.

    Parameters
    ----------
    degree : int
        The exponent d.
    gamma, coef0 : float
        Scale of the inner product and offset :math:`c_0`.
    """

    degree: int = 2
    gamma: float = 1.0
    coef0: float = 1.0

    def __post_init__(self):
        if self.degree != int(self.degree) or self.degree < 1:
            raise ValueError(f"degree must be a positive integer, found {self.degree!r}")
        if not 0 < self.gamma < np.inf or not 0 <= self.coef0 < np.inf:
            raise ValueError(
                f"gamma must be positive and coef0 nonnegative for the kernel to be positive semidefinite, "
                f"found gamma={self.gamma!r}, coef0={self.coef0!r}"
            )

    @property
    def name(self) -> str:
        """Short name, used where weights are shown."""
        return f"polynomial d={self.degree}"

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        return polynomial_kernel(X, Z, degree=self.degree, gamma=self.gamma, coef0=self.coef0)

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return (self.gamma * row_norms(X, squared=True) + self.coef0) ** self.degree


@dataclass(frozen=True)
class Linear:
    """Linear kernel: the inner product of x and z."""

    @property
    def name(self) -> str:
        """Short name, used where weights are shown."""
        return "linear"

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        return linear_kernel(X, Z)

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return row_norms(X, squared=True)


@dataclass(frozen=True)
class OnColumns:
    """A kernel that sees some of the columns only.

    Parameters
    ----------
    kernel : callable
        Any kernel ``k(X, Z)``.
    columns : tuple of int
        The columns it sees.
    label : str
        What the columns are, for the name.
    """

    kernel: Kernel
    columns: tuple[int, ...]
    label: str = "columns"

    @property
    def name(self) -> str:
        """Short name, used where weights are shown."""
        return f"{kernel_name(self.kernel)} on {self.label}"

    def select(self, X):
        """Return the columns of X that this kernel sees."""
        return X[:, list(self.columns)]

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        A = self.select(X)
        return self.kernel(A, A if Z is X else self.select(Z))

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return kernel_diag(self.kernel, self.select(X))


def as_kernel(kernel: Any) -> Kernel:
    """Return a kernel as a callable: a callable stays, a scikit-learn pairwise name is looked up.

    scikit-learn's Gaussian-process kernel objects are callables already.

    Examples
    --------
    >>> as_kernel("linear")([[1.0, 2.0]], [[3.0, 4.0]])
    array([[11.]])
    """
    if callable(kernel):
        return kernel
    if isinstance(kernel, str) and kernel in PAIRWISE_KERNEL_FUNCTIONS:
        return PAIRWISE_KERNEL_FUNCTIONS[kernel]
    known = ", ".join(sorted(PAIRWISE_KERNEL_FUNCTIONS))
    raise ValueError(
        f"a kernel must be a callable k(X, Z) or one of scikit-learn's pairwise kernels ({known}), found {kernel!r}"
    )


def kernel_name(kernel: Any) -> str:
    """Return a short name of any kernel."""
    name = getattr(kernel, "name", None) or getattr(kernel, "__name__", None)
    return str(name if isinstance(name, str) else kernel)


def kernel_diag(kernel: Kernel, X) -> np.ndarray:
    """Return k(x, x) for each row of X, by the kernel's own `diag` where it has one."""
    diag = getattr(kernel, "diag", None)
    if diag is not None:
        return np.asarray(diag(X), dtype=float)
    return np.array([float(np.ravel(kernel(X[i : i + 1], X[i : i + 1]))[0]) for i in range(np.shape(X)[0])])
