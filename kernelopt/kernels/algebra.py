"""Sums, products, powers and multiples of kernels are kernels: `Kernel` gives them their operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from kernelopt.kernels.interface import (
    KernelLike,
    as_kernel,
    evaluate,
    has_white,
    is_proven_psd,
    kernel_diag,
    kernel_name,
)


class Kernel:
    """What kernelopt's own kernels share: ``+``, ``*`` and ``**``.

    The other operand may be any kernel that `as_kernel` takes, or a number: ``k + 1`` adds the constant kernel, and
    ``2 * k`` is a multiple. With a kernel of scikit-learn on the *left* of a sum scikit-learn's own operator
    would answer: write kernelopt's kernel first.

    A subclass gives ``__call__(X, Z)`` and `name`, and may give `diag`. It counts as unproven (see
    `is_proven_psd`) unless it says otherwise.

    Examples
    --------
    >>> from kernelopt.kernels import Gaussian, Linear
    >>> k = 2 * Gaussian(1.0) * (Linear() + 1) ** 2
    >>> k.name, k([[0.0, 1.0]], [[0.0, 1.0]])
    ('2 × gaussian γ=1 × (linear + 1)^2', array([[8.]]))
    """

    __array_ufunc__ = None  # np.float64(2) * kernel comes here and is not spread over an array

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        raise NotImplementedError

    def proven_psd(self) -> bool:
        """Whether it is positive semidefinite by construction."""
        return False

    def has_white(self) -> bool:
        """Whether it tells a point from its copies."""
        return False

    def __add__(self, other):
        return _sum(self, other)

    def __radd__(self, other):
        return _sum(other, self)

    def __mul__(self, other):
        return _product(self, other)

    def __rmul__(self, other):
        return _product(other, self)

    def __pow__(self, exponent):
        return self if exponent == 1 else Power(self, exponent)


class Composite(Kernel):
    """A kernel made of others by an operation that keeps them positive semidefinite."""

    def inner(self) -> Sequence[KernelLike]:
        """Return the kernels it is made of."""
        raise NotImplementedError

    def proven_psd(self) -> bool:
        """Whether all it is made of is."""
        return all(map(is_proven_psd, self.inner()))

    def has_white(self) -> bool:
        """Whether anything it is made of does."""
        return any(map(has_white, self.inner()))


@dataclass(frozen=True)
class Constant(Kernel):
    """The kernel with one value everywhere.

    Parameters
    ----------
    value : float
        Nonnegative.

    Examples
    --------
    >>> Constant(3.0)([[1.0], [2.0]], [[5.0]])
    array([[3.],
           [3.]])
    """

    value: float

    def __post_init__(self):
        if not 0 <= self.value < np.inf:
            raise ValueError(f"a constant kernel must be nonnegative and finite to be a kernel, found {self.value!r}")

    @property
    def name(self) -> str:
        """The number."""
        return f"{self.value:g}"

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        return np.full((np.shape(X)[0], np.shape(Z)[0]), float(self.value))

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return np.full(np.shape(X)[0], float(self.value))

    def proven_psd(self) -> bool:
        """Return True."""
        return True


@dataclass(frozen=True)
class Sum(Composite):
    """k₁(x, z) + k₂(x, z) + …; written ``k1 + k2``.

    Parameters
    ----------
    kernels : tuple of callable
        The terms.

    Examples
    --------
    >>> from kernelopt.kernels import Gaussian, Linear
    >>> (Gaussian(1.0) + Linear() + Constant(1.0)).name
    'gaussian γ=1 + linear + 1'
    """

    kernels: tuple[KernelLike, ...]

    @property
    def name(self) -> str:
        """The names with plus signs between."""
        return " + ".join(map(kernel_name, self.kernels))

    def inner(self) -> Sequence[KernelLike]:
        """Return the terms."""
        return self.kernels

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        return sum((evaluate(k, X, Z) for k in self.kernels[1:]), evaluate(self.kernels[0], X, Z))

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return np.sum([kernel_diag(k, X) for k in self.kernels], axis=0)


@dataclass(frozen=True)
class Product(Composite):
    """k₁(x, z) · k₂(x, z) · …; written ``k1 * k2``. Positive semidefinite by Schur's theorem.

    Parameters
    ----------
    kernels : tuple of callable
        The factors.

    Examples
    --------
    >>> from kernelopt.kernels import Gaussian, Linear
    >>> (Gaussian(1.0) * (Linear() + 1)).name
    'gaussian γ=1 × (linear + 1)'
    """

    kernels: tuple[KernelLike, ...]

    @property
    def name(self) -> str:
        """The names with multiplication signs between."""
        return " × ".join(map(_in_product, self.kernels))

    def inner(self) -> Sequence[KernelLike]:
        """Return the factors."""
        return self.kernels

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        K = evaluate(self.kernels[0], X, Z)
        for kernel in self.kernels[1:]:
            K = K * evaluate(kernel, X, Z)
        return K

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return np.prod([kernel_diag(k, X) for k in self.kernels], axis=0)


@dataclass(frozen=True)
class Scaled(Composite):
    """A positive multiple c·k(x, z); written ``c * k``.

    Normalisation divides it out of a kernel that stands alone; inside a sum it sets the shares.

    Parameters
    ----------
    kernel : callable
        k.
    factor : float
        c, positive.

    Examples
    --------
    >>> from kernelopt.kernels import Linear
    >>> (0.5 * Linear())([[4.0]], [[3.0]])
    array([[6.]])
    """

    kernel: KernelLike
    factor: float

    def __post_init__(self):
        if not 0 < self.factor < np.inf:
            raise ValueError(
                f"a multiple of a kernel must have a positive, finite factor to be a kernel, found {self.factor!r} "
                f"times {kernel_name(self.kernel)!r}"
            )

    @property
    def name(self) -> str:
        """The factor, then the name."""
        return f"{self.factor:g} × {_in_product(self.kernel)}"

    def inner(self) -> Sequence[KernelLike]:
        """Return the kernel."""
        return (self.kernel,)

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        return self.factor * evaluate(self.kernel, X, Z)

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return self.factor * kernel_diag(self.kernel, X)


@dataclass(frozen=True)
class Power(Composite):
    """k(x, z) to a positive integer power; written ``k ** d``. Other powers need not be kernels.

    Parameters
    ----------
    kernel : callable
        k.
    exponent : int
        d, at least one.

    Examples
    --------
    >>> from kernelopt.kernels import Linear, Polynomial
    >>> X = [[1.0, 2.0], [3.0, 4.0]]
    >>> bool(((((Linear() + 1) ** 3)(X, X)) == Polynomial(3)(X, X)).all())
    True
    """

    kernel: KernelLike
    exponent: int

    def __post_init__(self):
        if not isinstance(self.exponent, Integral) or self.exponent < 1:
            raise ValueError(
                f"the power of a kernel must be a positive integer to be a kernel, found {self.exponent!r}"
            )

    @property
    def name(self) -> str:
        """The name, then the exponent."""
        name = kernel_name(self.kernel)
        return f"({name})^{self.exponent}" if " " in name else f"{name}^{self.exponent}"

    def inner(self) -> Sequence[KernelLike]:
        """Return the kernel."""
        return (self.kernel,)

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        return evaluate(self.kernel, X, Z) ** self.exponent

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return kernel_diag(self.kernel, X) ** self.exponent


def _in_product(kernel: KernelLike) -> str:
    name = kernel_name(kernel)
    return f"({name})" if isinstance(kernel, Sum) else name


def _is_operand(thing: Any) -> bool:
    return callable(thing) or isinstance(thing, str)


def _sum(*terms: Any):
    kernels: list[KernelLike] = []
    for term in terms:
        if isinstance(term, Real):
            if term == 0:  # where the built-in sum() starts
                continue
            term = Constant(float(term))
        elif not _is_operand(term):
            return NotImplemented
        kernels += term.kernels if isinstance(term, Sum) else [as_kernel(term)]
    return kernels[0] if len(kernels) == 1 else Sum(tuple(kernels))


def _product(*factors: Any):
    kernels: list[KernelLike] = []
    scale, scaled = 1.0, False
    for factor in factors:
        if isinstance(factor, Real):
            scale, scaled = scale * float(factor), True
            continue
        if not _is_operand(factor):
            return NotImplemented
        if isinstance(factor, Scaled):
            scale, scaled, factor = scale * factor.factor, True, factor.kernel
        kernels += factor.kernels if isinstance(factor, Product) else [as_kernel(factor)]
    product = kernels[0] if len(kernels) == 1 else Product(tuple(kernels))
    return Scaled(product, scale) if scaled else product
