"""`KernelStack`: many Gram matrices as one array-like that scikit-learn can split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

from kernelopt.kernels.base import Gaussian, OnColumns, as_kernel, kernel_diag, kernel_name


class KernelStack:
    """Gram matrices of M kernels between n points and n_train training points.

    The shape is ``(n, n_train, M)``, kernel last, because scikit-learn's splitters index rows and
    then columns: ``stack[np.ix_(test, train)]`` is the stack between test and training points, and
    cross-validation, pipelines and grid search work unchanged. The *memory* is kernel by kernel:
    `leading` of shape (M, n, n_train) holds whole matrices, which is how solvers read them.

    Parameters
    ----------
    Ks : array of shape (M, n, n_train)
        The matrices, kernel first. Not copied.
    names : sequence of str, optional
        One name per kernel, all different.
    diag : array of shape (M, n), optional
        k(x, x) of the n row points; needed to normalise spherically where rows are not the
        training points. Taken from the matrices where they are square.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(4, 2))
    >>> stack = KernelStack.from_kernels(["linear", "rbf"], X)
    >>> stack.shape, stack[np.ix_([0, 1, 2], [0, 1])].shape, stack.names
    ((4, 4, 2), (3, 2, 2), ('linear_kernel', 'rbf_kernel'))
    """

    ndim = 3

    def __init__(self, Ks, *, names: Iterable[str] | None = None, diag: np.ndarray | None = None):
        Ks = np.asarray(Ks) if not isinstance(Ks, np.ndarray) else Ks
        if Ks.ndim != 3:
            raise ValueError(f"Ks must have shape (M, n, n_train), found {Ks.shape}")
        if len(Ks) == 0:
            raise ValueError("Ks holds no kernel; pass at least one")
        self.leading = Ks
        self.names = tuple(f"kernel {k}" for k in range(len(Ks))) if names is None else tuple(map(str, names))
        if len(self.names) != len(Ks):
            raise ValueError(f"names has {len(self.names)} entries for {len(Ks)} kernels")
        if len(set(self.names)) != len(self.names):
            double = sorted({name for name in self.names if self.names.count(name) > 1})
            raise ValueError(f"names must differ, found more than once: {', '.join(double)}")
        if diag is None and Ks.shape[1] == Ks.shape[2]:
            diag = np.einsum("kii->ki", Ks)
        if diag is not None and np.shape(diag) != Ks.shape[:2]:
            raise ValueError(f"diag must have shape {Ks.shape[:2]}, found {np.shape(diag)}")
        self.diag = diag

    @classmethod
    def from_leading(cls, Ks, names: Iterable[str] | None = None) -> KernelStack:
        """Make a stack of an array (M, n, n_train) or of a list of M matrices."""
        if not isinstance(Ks, np.ndarray):
            matrices = [np.asarray(K) for K in Ks]
            shapes = {K.shape for K in matrices}
            if len(shapes) > 1:
                raise ValueError(f"the matrices of a stack must have one shape, found {sorted(shapes)}")
            Ks = np.stack(matrices) if matrices else np.empty((0, 0, 0))
        return cls(Ks, names=names)

    @classmethod
    def from_trailing(cls, array, names: Iterable[str] | None = None) -> KernelStack:
        """Make a stack of an array (n, n_train, M), kernel last."""
        array = np.asarray(array)
        if array.ndim != 3:
            raise ValueError(f"a stack must have shape (n, n_train, M), found {array.shape}")
        return cls(np.moveaxis(array, -1, 0), names=names)

    @classmethod
    def from_kernels(cls, kernels: Sequence[Any], X, Z=None, *, diag: bool = False) -> KernelStack:
        """Evaluate kernels between the rows of X and those of Z (of X, when Z is None).

        Squared distances are computed once for consecutive Gaussian kernels on the same columns.
        With `diag`, k(x, x) of the rows is kept too, for spherical normalisation.
        """
        square = Z is None
        Z = X if square else Z
        kernels = [as_kernel(k) for k in kernels]
        if not kernels:
            raise ValueError("kernels is empty; pass at least one kernel")
        n, n_train = np.shape(X)[0], np.shape(Z)[0]
        Ks = np.empty((len(kernels), n, n_train))
        distances: dict[Any, np.ndarray] = {}
        for k, kernel in enumerate(kernels):
            inner = kernel.kernel if isinstance(kernel, OnColumns) else kernel
            if isinstance(inner, Gaussian):
                columns = kernel.columns if isinstance(kernel, OnColumns) else None
                if columns not in distances:
                    A = kernel.select(X) if isinstance(kernel, OnColumns) else X
                    B = A if square else kernel.select(Z) if isinstance(kernel, OnColumns) else Z
                    distances = {columns: euclidean_distances(A, B, squared=True)}
                Ks[k] = inner.of_squared_distances(distances[columns])
                continue
            K = np.asarray(kernel(X, Z))
            if K.shape != (n, n_train):
                raise ValueError(
                    f"kernel {kernel_name(kernel)!r} returned shape {K.shape} for {n} and {n_train} points; "
                    f"k(X, Z) must return ({n}, {n_train})"
                )
            Ks[k] = K
        if not np.isfinite(Ks).all():
            bad = next(k for k in range(len(Ks)) if not np.isfinite(Ks[k]).all())
            raise ValueError(f"kernel {kernel_name(kernels[bad])!r} returned NaN or infinity")
        own = np.stack([kernel_diag(k, X) for k in kernels]) if diag and not square else None
        return cls(Ks, names=unique_names(kernels), diag=own)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, n_train, M)."""
        M, n, n_train = self.leading.shape
        return n, n_train, M

    @property
    def dtype(self) -> np.dtype:
        """Type of the entries."""
        return self.leading.dtype

    @property
    def n_kernels(self) -> int:
        """M."""
        return len(self.leading)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"KernelStack(shape={self.shape}, dtype={self.dtype})"

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(np.moveaxis(self.leading, 0, -1), dtype=dtype, copy=copy)

    def __getitem__(self, key) -> KernelStack:
        """Index rows, or rows and training points; the kernels stay together."""
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        if columns is Ellipsis:
            columns = slice(None)
        if isinstance(rows, np.ndarray) and rows.ndim == 2:  # as np.ix_ gives it
            rows, columns = rows.ravel(), np.ravel(columns)
        n = len(self)
        rows = np.arange(n)[rows]
        if np.ndim(rows) != 1:
            raise IndexError("a KernelStack is indexed by a slice, a mask or an array of rows, not by a single row")
        columns = np.arange(self.shape[1])[columns]
        diag = None if self.diag is None else self.diag[:, rows]
        return KernelStack(self.leading[np.ix_(np.arange(self.n_kernels), rows, columns)], names=self.names, diag=diag)

    def select(self, kernels: Sequence[int] | np.ndarray) -> KernelStack:
        """Return the stack of some of the kernels."""
        index = list(kernels)
        diag = None if self.diag is None else self.diag[index]
        return KernelStack(self.leading[index], names=[self.names[k] for k in index], diag=diag)


def as_stack(X) -> KernelStack:
    """Return X as a `KernelStack`: itself, a trailing 3-D array, a list of matrices, or one matrix."""
    if isinstance(X, KernelStack):
        return X
    if isinstance(X, list | tuple) and len(X) > 0 and all(np.ndim(K) == 2 for K in X):
        return KernelStack.from_leading(X)
    if np.ndim(X) == 2:
        return KernelStack(np.asarray(X)[None])
    return KernelStack.from_trailing(X)


def unique_names(kernels: Sequence[Any]) -> list[str]:
    """Return one name per kernel; equal names are numbered."""
    names = [kernel_name(k) for k in kernels]
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if names.count(name) == 1 else f"{name} #{seen[name]}")
    return out
