"""What every kernel offers, whoever wrote it: values, a name, a diagonal, and whether it is proven to be one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.gaussian_process import kernels as gaussian_process
from sklearn.metrics.pairwise import PAIRWISE_KERNEL_FUNCTIONS

KernelLike = Callable[[Any, Any], np.ndarray]


@dataclass(frozen=True)
class GaussianProcessKernel:
    """A Gaussian-process kernel object of scikit-learn, read as a kernel between points.

    scikit-learn counts the noise of a ``WhiteKernel`` in ``k(X)`` but not in ``k(X, X)``. Here the noise
    counts where both arguments are the same object, as it does for `White`, so that matrix and diagonal agree.

    Parameters
    ----------
    kernel : sklearn.gaussian_process.kernels.Kernel
        The object; its hyperparameters are used as they are and never optimised.

    Examples
    --------
    >>> from sklearn.gaussian_process.kernels import RBF, WhiteKernel
    >>> k, X = GaussianProcessKernel(RBF(1.0) + WhiteKernel(0.5)), np.zeros((1, 2))
    >>> k(X, X), k(X, X.copy()), k.diag(X)
    (array([[1.5]]), array([[1.]]), array([1.5]))
    """

    kernel: gaussian_process.Kernel

    def __post_init__(self):
        for part in self.inside():
            if isinstance(part, gaussian_process.ConstantKernel) and not isinstance(part.constant_value, Real):
                raise ValueError(
                    f"a kernel of scikit-learn that stands left of another in a sum or product takes it for a number, "
                    f"found {part.constant_value!r} there. Write kernelopt's kernel first: Gaussian(1.0) + RBF()"
                )

    def inside(self) -> list[Any]:
        """Return the kernel and all it is made of."""
        return [self.kernel, *self.kernel.get_params(deep=True).values()]

    @property
    def name(self) -> str:
        """The kernel as scikit-learn prints it."""
        return str(self.kernel)

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        return self.kernel(X) if Z is X else self.kernel(X, Z)

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return self.kernel.diag(X)

    def proven_psd(self) -> bool:
        """Return False: the object may hold anything."""
        return False

    def has_white(self) -> bool:
        """Whether a noise kernel is somewhere inside."""
        return any(isinstance(part, gaussian_process.WhiteKernel) for part in self.inside())


def as_kernel(kernel: Any) -> KernelLike:
    """Return a kernel as a callable ``k(X, Z)``.

    A callable stays, a scikit-learn pairwise name is looked up, and a Gaussian-process kernel object of
    scikit-learn is wrapped in `GaussianProcessKernel`.

    Examples
    --------
    >>> as_kernel("linear")([[1.0, 2.0]], [[3.0, 4.0]])
    array([[11.]])
    """
    if isinstance(kernel, gaussian_process.Kernel):
        return GaussianProcessKernel(kernel)
    if callable(kernel) and not isinstance(kernel, type):
        return kernel
    if isinstance(kernel, str) and kernel in PAIRWISE_KERNEL_FUNCTIONS:
        return PAIRWISE_KERNEL_FUNCTIONS[kernel]
    found = (
        f"the class {kernel.__name__}; make one, {kernel.__name__}(...)" if isinstance(kernel, type) else f"{kernel!r}"
    )
    known = ", ".join(sorted(PAIRWISE_KERNEL_FUNCTIONS))
    raise ValueError(
        f"a kernel must be a callable k(X, Z), a Gaussian-process kernel or one of scikit-learn's pairwise kernels "
        f"({known}), found {found}"
    )


def kernel_name(kernel: Any) -> str:
    """Return a short name of any kernel.

    Examples
    --------
    >>> from sklearn.metrics.pairwise import rbf_kernel
    >>> kernel_name(rbf_kernel), kernel_name(partial(rbf_kernel, gamma=2.0))
    ('rbf_kernel', 'rbf_kernel(gamma=2.0)')
    """
    if isinstance(kernel, partial):
        options = [*map(repr, kernel.args), *(f"{key}={value!r}" for key, value in kernel.keywords.items())]
        return f"{kernel_name(kernel.func)}({', '.join(options)})"
    name = getattr(kernel, "name", None) or getattr(kernel, "__name__", None)
    return str(name if isinstance(name, str) else kernel)


def kernel_diag(kernel: KernelLike, X) -> np.ndarray:
    """Return k(x, x) for each row of X, by the kernel's own `diag` where it has one."""
    diag = getattr(kernel, "diag", None)
    if diag is not None:
        return np.asarray(diag(X), dtype=float)
    return np.array([float(evaluate(kernel, X[i : i + 1], X[i : i + 1])[0, 0]) for i in range(np.shape(X)[0])])


def is_proven_psd(kernel: Any) -> bool:
    """Whether a kernel is positive semidefinite by construction, so that its Grams need no eigenvalue check.

    True for kernelopt's own kernels and for whatever sums, products, powers, positive multiples, names and columns
    make of them; False for anything else, which proves nothing against it.

    Examples
    --------
    >>> from kernelopt.kernels import Gaussian, Linear
    >>> is_proven_psd(2 * Gaussian(1.0) + Linear()), is_proven_psd(Linear() * (lambda X, Z: X @ Z.T))
    (True, False)
    """
    proven = getattr(kernel, "proven_psd", None)
    return proven is not None and proven()


def has_white(kernel: Any) -> bool:
    """Whether a kernel tells a point from its copies, as `White` and all that contains it do."""
    white = getattr(kernel, "has_white", None)
    return white is not None and white()


class KernelCallError(ValueError):
    """A kernel failed on, or returned something that is no Gram matrix of, the points it was given."""


def evaluate(kernel: KernelLike, X, Z) -> np.ndarray:
    """Return k(X, Z) as a dense real array (len(X), len(Z)), or raise an error that names the kernel."""
    try:
        K = kernel(X, Z)
    except KernelCallError:
        raise  # names the inner kernel that failed
    except Exception as error:
        if not sparse.issparse(X):
            raise
        raise KernelCallError(
            f"kernel {kernel_name(kernel)!r} failed on sparse X ({type(error).__name__}: {error}). Pass X.toarray(), "
            f"or a kernel that reads sparse matrices, as Gaussian, Polynomial, Linear and OnColumns do"
        ) from error
    K = sparse.csr_array(K).toarray() if sparse.issparse(K) else np.asarray(K)
    expected = np.shape(X)[0], np.shape(Z)[0]
    if K.dtype.kind not in "biuf":
        raise KernelCallError(
            f"kernel {kernel_name(kernel)!r} returned entries of type {K.dtype}, which must be real numbers"
        )
    if K.shape != expected:
        raise KernelCallError(
            f"kernel {kernel_name(kernel)!r} returned shape {K.shape} for {expected[0]} and {expected[1]} points; "
            f"k(X, Z) must return {expected}"
        )
    return K
