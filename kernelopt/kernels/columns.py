"""Kernels on some of the columns: how the columns are chosen, and what a user called the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from kernelopt.kernels.algebra import Composite
from kernelopt.kernels.base import Gaussian
from kernelopt.kernels.interface import KernelLike, evaluate, kernel_diag, kernel_name


@dataclass(frozen=True)
class OnColumns(Composite):
    """A kernel that sees some of the columns only.

    Parameters
    ----------
    kernel : callable
        Any kernel ``k(X, Z)``.
    columns : tuple of int
        The columns it sees.
    label : str
        What the columns are, for the name.

    Examples
    --------
    >>> from kernelopt.kernels import Linear
    >>> k = OnColumns(Linear(), (0, 2), "ends")
    >>> X = np.array([[1.0, 50.0, 2.0], [3.0, 60.0, 1.0]])
    >>> k.name, k(X, X)
    ('linear on ends', array([[ 5.,  5.],
           [ 5., 10.]]))
    """

    kernel: KernelLike
    columns: tuple[int, ...]
    label: str = "columns"

    @property
    def name(self) -> str:
        """Short name, used where weights are shown."""
        return f"{kernel_name(self.kernel)} on {self.label}"

    def inner(self) -> Sequence[KernelLike]:
        """Return the kernel."""
        return (self.kernel,)

    def select(self, X):
        """Return the columns of X that this kernel sees."""
        return X[:, list(self.columns)]

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        A = self.select(X)
        return evaluate(self.kernel, A, A if Z is X else self.select(Z))

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return kernel_diag(self.kernel, self.select(X))


@dataclass(frozen=True)
class Named(Composite):
    """A kernel under the name that its user gave it.

    Parameters
    ----------
    name : str
        The name.
    kernel : callable
        The kernel.

    Examples
    --------
    >>> from kernelopt.kernels import Linear
    >>> Named("baseline", Linear()).name
    'baseline'
    """

    name: str
    kernel: KernelLike

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"the name of a kernel must be a string that is not empty, found {self.name!r}")

    def inner(self) -> Sequence[KernelLike]:
        """Return the kernel."""
        return (self.kernel,)

    def __call__(self, X, Z) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        return evaluate(self.kernel, X, Z)

    def diag(self, X) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return kernel_diag(self.kernel, X)


def column_indices(
    columns: Any, n_features: int, feature_names: Sequence[str] | None = None, *, what: str = "columns"
) -> tuple[int, ...]:
    """Return the indices of the columns that a user chose, as ``ColumnTransformer`` reads them.

    Parameters
    ----------
    columns : int, str, sequence of either, slice of either, or boolean mask
        A slice of names includes its end. Negative integers count from the end.
    n_features : int
        Number of columns there are.
    feature_names : sequence of str, optional
        Their names, needed where columns are chosen by name.
    what : str
        What to call the choice in an error.

    Examples
    --------
    >>> column_indices(["age", "sex"], 3, ["sex", "height", "age"])
    (2, 0)
    >>> column_indices(slice("sex", "height"), 3, ["sex", "height", "age"]), column_indices(-1, 3)
    ((0, 1), (2,))
    """
    names = None if feature_names is None else list(feature_names)
    if isinstance(columns, slice):
        found = list(range(n_features)[_by_position(columns, names, what)])
    else:
        try:
            chosen: list[Any] = [columns] if _is_index(columns) or isinstance(columns, str) else list(columns)
        except TypeError:
            raise _unreadable(what, columns) from None
        if all(isinstance(c, bool | np.bool_) for c in chosen) and chosen:
            if len(chosen) != n_features:
                raise ValueError(f"{what}: a mask of {len(chosen)} entries, but X has {n_features} columns")
            found = [int(j) for j in np.flatnonzero(chosen)]
        elif all(isinstance(c, str) for c in chosen):
            found = [_position(c, names, what) for c in chosen]
        elif all(map(_is_index, chosen)):
            outside = [int(c) for c in chosen if not -n_features <= c < n_features]
            if outside:
                raise ValueError(f"{what}: no column {', '.join(map(str, outside))}; X has {n_features} columns")
            found = [int(c) % n_features for c in chosen]
        else:
            raise _unreadable(what, columns)
    if not found:
        raise ValueError(f"{what}: {columns!r} chooses none of the {n_features} columns; a kernel needs at least one")
    return tuple(found)


def _is_index(thing: Any) -> bool:
    return isinstance(thing, Integral) and not isinstance(thing, bool)


def _by_position(columns: slice, names: list[str] | None, what: str) -> slice:
    """Return a slice of positions for one of names, whose end is included."""
    ends = [end for end in (columns.start, columns.stop) if end is not None]
    if not any(isinstance(end, str) for end in ends):
        return columns
    if not all(isinstance(end, str) for end in ends) or columns.step not in (None, 1):
        raise _unreadable(what, columns)
    start = None if columns.start is None else _position(columns.start, names, what)
    stop = None if columns.stop is None else _position(columns.stop, names, what) + 1
    return slice(start, stop)


def _position(name: str, names: list[str] | None, what: str) -> int:
    if names is None:
        raise ValueError(
            f"{what}: the column {name!r} is chosen by name, but X has no column names. Pass a data frame whose column "
            f"names are strings, or choose by index"
        )
    if names.count(name) != 1:
        times = "no column" if name not in names else f"{names.count(name)} columns"
        raise ValueError(f"{what}: X has {times} called {name!r}; its columns are {', '.join(map(repr, names[:20]))}")
    return names.index(name)


def _unreadable(what: str, columns: Any) -> ValueError:
    return ValueError(
        f"{what}: columns must be an int, a str, a list or slice of either, a boolean mask, or a function of X that "
        f"returns one of these, found {columns!r}"
    )


def as_gaussian(kernel: KernelLike) -> tuple[Gaussian | None, tuple[int, ...] | None]:
    """Return the Gaussian that a kernel is, and the columns it sees (None for all); (None, None) for others."""
    if isinstance(kernel, Named):
        kernel = kernel.kernel
    if isinstance(kernel, OnColumns) and isinstance(kernel.kernel, Gaussian):
        return kernel.kernel, kernel.columns
    return (kernel, None) if isinstance(kernel, Gaussian) else (None, None)
