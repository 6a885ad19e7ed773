"""`KernelStack`: many Gram matrices as one array-like that scikit-learn can split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import euclidean_distances

from kernelopt.kernels.columns import Named, as_gaussian
from kernelopt.kernels.interface import as_kernel, evaluate, has_white, kernel_diag, kernel_name
from kernelopt.kernels.shelf import current_shelf

SHOWN = 6  # names in a repr


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
        training points. Taken from the matrices where they are square and symmetric.

    Notes
    -----
    In cross-validation, grid search and pipelines a bare *list* of matrices or an array with the kernel first fails,
    before any estimator sees it ("inconsistent numbers of samples"): scikit-learn would split it by its first
    axis. Wrap it: ``KernelStack.from_leading(matrices)``. A plain array with the kernel last works as well.
    A pipeline takes from its first step whether columns are to be split too, so that step must be the estimator.

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
        if Ks.dtype.kind not in "biuf":
            raise ValueError(f"the entries of a stack must be real numbers, found type {Ks.dtype}")
        self.leading = Ks
        self.names = tuple(f"kernel {k}" for k in range(len(Ks))) if names is None else tuple(map(str, names))
        if len(self.names) != len(Ks):
            raise ValueError(f"names has {len(self.names)} entries for {len(Ks)} kernels")
        if len(set(self.names)) != len(self.names):
            double = sorted({name for name in self.names if self.names.count(name) > 1})
            raise ValueError(f"names must differ, found more than once: {', '.join(double)}")
        if diag is not None and np.shape(diag) != Ks.shape[:2]:
            raise ValueError(f"diag must have shape {Ks.shape[:2]}, found {np.shape(diag)}")
        self._diag = diag

    @classmethod
    def from_leading(cls, Ks, names: Iterable[str] | None = None) -> KernelStack:
        """Make a stack of an array (M, n, n_train) or of a list of M matrices."""
        if not isinstance(Ks, np.ndarray):
            Ks = list(Ks)
            if any(map(sparse.issparse, Ks)):
                raise ValueError("the matrices of a stack must be dense, found a sparse one; pass K.toarray()")
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
    def from_kernels(cls, kernels: Sequence[Any], X, Z=None, *, diag: bool = False, sample_weight=None) -> KernelStack:
        """Evaluate kernels between the rows of X and those of Z (of X, when Z is None).

        Squared distances are computed once for consecutive Gaussian kernels on the same columns.

        Parameters
        ----------
        kernels : sequence
            As `as_kernel` takes them.
        X, Z : array or sparse matrix of shape (n, d) and (n_train, d)
            Points.
        diag : bool
            Keep k(x, x) of the rows too, for spherical normalisation.
        sample_weight : array of shape (n,), optional
            Without Z: how many copies each point stands for. Only kernels that tell a point from its copies, as `White`
            does, depend on it.

        Raises
        ------
        ValueError
            If a kernel fails, or returns another shape, NaN or infinity; the error names the kernel.
        """
        square = Z is None
        Z = X if square else Z
        kernels = [as_kernel(k) for k in kernels]
        if not kernels:
            raise ValueError("kernels is empty; pass at least one kernel")
        Ks = np.empty((len(kernels), np.shape(X)[0], np.shape(Z)[0]))
        own = [kernel_diag(k, X) for k in kernels] if diag and not square else None
        distances: dict[Any, np.ndarray] = {}
        shelf = current_shelf() if square else None
        for k, kernel in enumerate(kernels):
            place = None if shelf is None else shelf.place(kernel, X)
            kept = None if shelf is None else shelf.read(place)
            if kept is not None:
                Ks[k] = kept
                continue
            width, columns = as_gaussian(kernel)
            if width is None:
                Ks[k] = evaluate(kernel, X, Z)
            else:
                if columns not in distances:
                    A = X if columns is None else X[:, list(columns)]
                    B = A if square else Z if columns is None else Z[:, list(columns)]
                    distances = {columns: euclidean_distances(A, B, squared=True)}
                Ks[k] = width.of_squared_distances(distances[columns])
            if not np.isfinite(Ks[k]).all():
                raise ValueError(f"kernel {kernel_name(kernel)!r} returned NaN or infinity")
            if shelf is not None:
                shelf.write(place, Ks[k])
        if square and sample_weight is not None and any(map(has_white, kernels)):
            own = [np.diagonal(K).copy() for K in Ks]  # apart from the matrices, whose diagonals are means over copies
            for k in filter(lambda k: has_white(kernels[k]), range(len(kernels))):
                # The mean over pairs of w copies: k(x, x) on one in w of them, the value at another point on the rest.
                between = np.diagonal(evaluate(kernels[k], X, X.copy()))
                np.fill_diagonal(Ks[k], between + (own[k] - between) / np.asarray(sample_weight, dtype=float))
        return cls(Ks, names=unique_names(kernels), diag=None if own is None else np.stack(own))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, n_train, M)."""
        M, n, n_train = self.leading.shape
        return n, n_train, M

    @cached_property
    def diag(self) -> np.ndarray | None:
        """k(x, x) of the row points, shape (M, n); None where it is not known.

        Square is not enough to take it from the matrices: as many new points as training points are square too.
        """
        if self._diag is not None:
            return self._diag
        if self.shape[0] != self.shape[1] or not all(map(_looks_symmetric, self.leading)):
            return None
        return np.einsum("kii->ki", self.leading)

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
        more = ", ..." if len(self.names) > SHOWN else ""
        names = ", ".join(map(repr, self.names[:SHOWN])) + more
        return f"KernelStack(shape={self.shape}, dtype={self.dtype}, names=[{names}])"

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


def as_stack(X, n_samples: int | None = None) -> KernelStack:
    """Return X as a `KernelStack`: itself, an array with the kernel last, a list of matrices, or one matrix.

    Parameters
    ----------
    X : KernelStack, array of shape (n, n_train, M) or (n, n_train), or list of arrays of shape (n, n_train)
        Gram matrices.
    n_samples : int, optional
        At fit: how many samples y has. The stack must be square then, with as many rows and columns.

    Raises
    ------
    ValueError
        If X is none of these or has other rows.
    """
    if sparse.issparse(X):
        raise ValueError("a precomputed kernel must be a dense matrix, found a sparse one; pass X.toarray()")
    listed = isinstance(X, list | tuple) and any(_is_matrix(K) for K in X)
    if isinstance(X, KernelStack):
        stack = X
    elif listed:
        stack = KernelStack.from_leading(X)
    else:
        X = np.asarray(X)
        stack = KernelStack(X[None]) if X.ndim == 2 else KernelStack.from_trailing(X)
    n, n_train, M = stack.shape
    if n_samples is None or n == n_train == n_samples:
        return stack
    if listed:
        advice = (
            f"a list of {M} matrices. Where cross-validation split the list, it split by matrix and not by sample; "
            f"pass KernelStack.from_leading(matrices)"
        )
    elif n_train == M == n_samples:
        advice = "so the kernel comes first, and must come last. Pass KernelStack.from_leading(X)"
    else:
        advice = (
            "and k(x, z) of all training points with each other is needed. Cross-validation splits the columns too "
            "only where the estimator, and not another step, comes first in a pipeline"
        )
    raise ValueError(
        f"a precomputed stack must be square at fit, of shape (n, n, M) with n = {n_samples} samples as y has; "
        f"found {stack.shape}, {advice}"
    )


def _is_matrix(K: Any) -> bool:
    return sparse.issparse(K) or (isinstance(K, np.ndarray) and K.ndim == 2)


def _looks_symmetric(K: np.ndarray) -> bool:
    step = max(1, len(K) // 64)  # some rows against their columns: no block between different points passes
    rows, columns = K[::step], K[:, ::step].T
    return float(np.abs(rows - columns).max()) <= 1e-6 * float(np.abs(rows).max())


def unique_names(kernels: Sequence[Any]) -> list[str]:
    """Return one name per kernel; equal names are numbered, but those a user gave stay as they are."""
    names = [kernel_name(k) for k in kernels]
    taken = {name for name, kernel in zip(names, kernels, strict=True) if isinstance(kernel, Named)}
    out = []
    for name, kernel in zip(names, kernels, strict=True):
        if not isinstance(kernel, Named) and (names.count(name) > 1 or name in taken):
            name = next(f"{name} #{i}" for i in range(1, len(names) + 2) if f"{name} #{i}" not in taken)
            taken.add(name)
        out.append(name)
    return out
