"""What a user passes as `kernels`, turned into a list of kernels."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sklearn.gaussian_process.kernels import Kernel as SklearnKernel

from kernelopt.kernels.algebra import Kernel
from kernelopt.kernels.columns import Named, OnColumns, column_indices
from kernelopt.kernels.families import FAMILIES
from kernelopt.kernels.interface import KernelLike, as_kernel


def resolve(
    kernels: Any, X, feature_names: Sequence[str] | None = None, sample_weight=None, *, frame: Any = None
) -> list[KernelLike]:
    """Return the list of base kernels that `kernels` describes.

    Parameters
    ----------
    kernels : str, list or callable
        - the name of a family: "gaussian", "polynomial", "mixed", "per_feature";
        - a list. Its items are callables ``k(X, Z)``, names of scikit-learn's pairwise kernels, Gaussian-process
          kernels of scikit-learn, pairs ``(name, kernel)`` of a name and any of those, or triples
          ``(name, kernel, columns)`` where the kernel sees some columns only, chosen as in ``ColumnTransformer``: an
          int, a str, a list or slice of either, a boolean mask, or a function of X that returns one of these, as
          ``sklearn.compose.make_column_selector`` makes;
        - a function ``X -> list`` of such; it may have parameters `sample_weight` and `feature_names`.
    X : array or sparse matrix of shape (n, d)
        Training points, from which a family takes its scales.
    feature_names : sequence of str, optional
        Names of the columns of X, as an estimator's `feature_names_in_`.
    sample_weight : array of shape (n,), optional
        Given to families that take it.
    frame : optional
        X as its user passed it, before validation: what functions that choose columns see. X by default.

    Returns
    -------
    list of callable

    Raises
    ------
    ValueError
        If `kernels` is none of these, if a column does not exist or is named where X has no names, or if two kernels
        were given one name.

    Examples
    --------
    >>> import numpy as np
    >>> from kernelopt.kernels import Gaussian, kernel_name
    >>> items = [("shape", Gaussian(1.0), ["width", "height"]), ("all", "linear"), "rbf"]
    >>> found = resolve(items, np.eye(3), ["width", "age", "height"])
    >>> [kernel_name(k) for k in found], found[0].kernel.columns
    (['shape', 'all', 'rbf_kernel'], (0, 2))
    """
    made = [
        _kernel(item, f"kernels[{k}]", X, feature_names, X if frame is None else frame)
        for k, item in enumerate(_items(kernels, X, feature_names, sample_weight))
    ]
    if not made:
        raise ValueError("kernels is empty; pass at least one kernel")
    given = [kernel.name for kernel in made if isinstance(kernel, Named)]
    double = sorted({name for name in given if given.count(name) > 1})
    if double:
        raise ValueError(
            f"kernels gives one name to several kernels: {', '.join(map(repr, double))}; names must differ"
        )
    return made


def _items(kernels: Any, X, feature_names, sample_weight) -> Iterable[Any]:
    """Return the items of the list that was given, or that a family makes."""
    if isinstance(kernels, str):
        if kernels not in FAMILIES:
            known = ", ".join(map(repr, (*FAMILIES, "precomputed")))
            raise ValueError(f"kernels must be one of {known}, a list or a function, found {kernels!r}")
        kernels = FAMILIES[kernels]
    if isinstance(kernels, Kernel | SklearnKernel):
        raise ValueError(f"kernels must be a list, even of one kernel: [{kernels!r}]")
    if callable(kernels):
        kernels = _made_by(kernels, X, {"sample_weight": sample_weight, "feature_names": feature_names})
    if not isinstance(kernels, Iterable) or hasattr(kernels, "dtype"):
        raise ValueError(
            f"kernels must be the name of a family, a list, or a function that returns a list of kernels, "
            f"found {type(kernels).__name__}"
        )
    return kernels


def _made_by(family: Callable, X, options: dict[str, Any]) -> Any:
    parameters = inspect.signature(family).parameters
    options = {name: value for name, value in options.items() if name in parameters}
    try:
        inspect.signature(family).bind(X, **options)
    except TypeError as error:
        raise ValueError(
            f"kernels={family!r} cannot be called as a family X -> list of kernels: {error}. A kernel k(X, Z) goes "
            f"into a list: kernels=[...]"
        ) from None
    made = family(X, **options)
    if hasattr(made, "dtype") or isinstance(made, str):
        raise ValueError(
            f"kernels={family!r} returned {type(made).__name__} where a family returns a list of kernels. A kernel "
            f"k(X, Z) goes into a list: kernels=[...]"
        )
    return made


def _kernel(item: Any, where: str, X, feature_names, frame) -> KernelLike:
    if not isinstance(item, tuple):
        return _as_kernel(item, where)
    if len(item) not in (2, 3) or not isinstance(item[0], str):
        raise ValueError(f"{where} must be (name, kernel) or (name, kernel, columns), found {item!r}")
    name, kernel = item[0], _as_kernel(item[1], f"{where} ({item[0]!r})")
    if len(item) == 3:
        columns = item[2](frame) if callable(item[2]) else item[2]
        indices = column_indices(columns, X.shape[1], feature_names, what=f"{where} ({name!r})")
        kernel = OnColumns(kernel, indices, name)
    return Named(name, kernel)


def _as_kernel(kernel: Any, where: str) -> KernelLike:
    try:
        return as_kernel(kernel)
    except ValueError as error:
        hint = f"; a family goes alone: kernels={kernel!r}" if isinstance(kernel, str) and kernel in FAMILIES else ""
        raise ValueError(f"{where}: {error}{hint}") from None
