"""Base kernels: callables ``k(X, Z) -> array`` of shape (len(X), len(Z))."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances, linear_kernel, polynomial_kernel
from sklearn.utils.extmath import row_norms

from kernelopt.kernels.algebra import Kernel


class Proven(Kernel):
    """A kernel that is positive semidefinite by construction."""

    def proven_psd(self) -> bool:
        """Return True."""
        return True


@dataclass(frozen=True)
class Gaussian(Proven):
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
        """Return k(x, z) for the rows of X and Z; symmetric to the last bit where they are the same."""
        D = euclidean_distances(X, Z, squared=True)
        return self.of_squared_distances(0.5 * (D + D.T) if Z is X else D)

    def of_squared_distances(self, D: np.ndarray) -> np.ndarray:
        """Return the kernel where the squared distances are known already."""
        K = np.multiply(D, -self.gamma)
        return np.exp(K, out=K)

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return np.ones(np.shape(X)[0])


@dataclass(frozen=True)
class Polynomial(Proven):
    r"""Polynomial kernel :math:`k(x, z) = (\gamma x^\top z + c_0)^d`.

    Positive semidefinite for integer `degree`, `gamma` > 0 and `coef0` >= 0, which is checked.

    Parameters
    ----------
    degree : int
        The exponent d.
    gamma, coef0 : float
        Scale of the inner product and offset :math:`c_0`.

    Examples
    --------
    >>> Polynomial(2, gamma=1.0, coef0=1.0)([[1.0, 2.0]], [[3.0, 0.0]])
    array([[16.]])
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
class Linear(Proven):
    """Linear kernel: the inner product of x and z.

    Examples
    --------
    >>> Linear()([[1.0, 2.0]], [[3.0, 4.0]])
    array([[11.]])
    """

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
class White(Proven):
    r"""The identity on the training points, zero elsewhere: its weight is a ridge that is learned.

    With it among the kernels, the hard margin is the 2-norm soft margin whose C is chosen automatically: equation (47)
    of [lanckriet2004]_. It is the identity where both arguments are the *same object*, and zero anywhere
    else, so a prediction leaves it out even at a new point that equals a training point.

    Where equal training points are merged and counted by weights, a point of weight w stands for w independent copies:
    `KernelStack.from_kernels` divides the identity's entry by w when it is told the weights.

    References
    ----------
    .. [lanckriet2004] Lanckriet, Cristianini, Bartlett, El Ghaoui, Jordan. Learning the Kernel Matrix with
       Semidefinite Programming. JMLR 5, 2004.

    Examples
    --------
    >>> k, X = White(), np.zeros((2, 1))
    >>> k(X, X), k(X.copy(), X)
    (array([[1., 0.],
           [0., 1.]]), array([[0., 0.],
           [0., 0.]]))
    """

    @property
    def name(self) -> str:
        """Short name, used where weights are shown."""
        return "white"

    def __call__(self, X, Z) -> np.ndarray:
        """Return the identity where Z is X, the same object, and zeros otherwise."""
        n = np.shape(X)[0]
        return np.eye(n) if Z is X else np.zeros((n, np.shape(Z)[0]))

    def diag(self, X) -> np.ndarray:
        """Return ones."""
        return np.ones(np.shape(X)[0])

    def has_white(self) -> bool:
        """Return True."""
        return True


def white() -> White:
    """Return the kernel that is the identity on training points and zero elsewhere; see `White`."""
    return White()
