"""Families: plain functions that look at the training inputs and return a list of kernels.

Each takes ``(X, sample_weight=None)`` and options; fix options with `functools.partial` and pass the
result as an estimator's `kernels`. One that has a parameter `feature_names` is given the names of X's columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse

from kernelopt.kernels.algebra import Kernel
from kernelopt.kernels.base import Gaussian, Polynomial
from kernelopt.kernels.columns import OnColumns

WIDTHS = tuple(4.0**j for j in range(-3, 4))


def scale_gamma(X, sample_weight=None) -> float:
    r"""Return :math:`1 / (d \operatorname{Var}(X))`: scikit-learn's ``gamma="scale"``, with weights.

    Over all entries of X; 1 where X is constant.

    Examples
    --------
    >>> scale_gamma(np.array([[0.0, 2.0], [2.0, 0.0]]))
    0.5
    """
    n, d = X.shape
    p = np.full(n, 1 / n) if sample_weight is None else np.asarray(sample_weight, float) / np.sum(sample_weight)
    if sparse.issparse(X):
        mean = float(p @ np.ravel(X.sum(axis=1))) / d
        variance = float(p @ np.ravel(X.multiply(X).sum(axis=1))) / d - mean**2
    else:
        mean = float(p @ X.sum(axis=1)) / d
        variance = float(p @ ((X - mean) ** 2).sum(axis=1)) / d
    return 1.0 / (d * variance) if variance > 0 else 1.0


def gaussian(X, sample_weight=None, *, factors: Sequence[float] = WIDTHS) -> list[Kernel]:
    """Gaussian kernels whose gammas are `factors` times s, the `scale_gamma` of X.

    Examples
    --------
    >>> [k.name for k in gaussian(np.eye(3), factors=(0.25, 1, 4))]
    ['gaussian γ=s/4', 'gaussian γ=s', 'gaussian γ=4s']
    """
    s = scale_gamma(X, sample_weight)
    return [Gaussian(float(factor) * s, _multiple_of_s(float(factor))) for factor in factors]


def _multiple_of_s(factor: float) -> str:
    if factor == 1:
        return "s"
    return f"{factor:g}s" if factor > 1 else f"s/{1 / factor:g}"


def polynomial(X, sample_weight=None, *, degrees: Sequence[int] = (1, 2, 3)) -> list[Kernel]:
    """Polynomial kernels of several degrees on inner products scaled by `scale_gamma`.

    Examples
    --------
    >>> [k.name for k in polynomial(np.eye(3))]
    ['polynomial d=1', 'polynomial d=2', 'polynomial d=3']
    """
    gamma = scale_gamma(X, sample_weight)
    return [Polynomial(degree, gamma) for degree in degrees]


def mixed(X, sample_weight=None) -> list[Kernel]:
    """Linear, quadratic and cubic kernels beside the Gaussians."""
    return [*polynomial(X, sample_weight), *gaussian(X, sample_weight)]


def per_feature(
    X, sample_weight=None, *, feature_names: Sequence[str] | None = None, factors: Sequence[float] = (1.0,)
) -> list[Kernel]:
    """Gaussian kernels on each single feature, beside those on all of them.

    Examples
    --------
    >>> [k.name for k in per_feature(np.eye(2), feature_names=["age", "height"])]
    ['gaussian γ=s', 'gaussian γ=s on age', 'gaussian γ=s on height']
    """
    labels = [f"feature {j}" for j in range(X.shape[1])] if feature_names is None else feature_names
    groups = {label: (j,) for j, label in enumerate(labels)}
    return [
        *gaussian(X, sample_weight, factors=factors),
        *per_group(X, sample_weight, groups=groups, factors=factors),
    ]


def per_group(
    X, sample_weight=None, *, groups: Mapping[str, Sequence[int] | np.ndarray], factors: Sequence[float] = (1.0,)
) -> list[Kernel]:
    """Gaussian kernels on each named group of columns, each with the scale of its own columns."""
    out: list[Kernel] = []
    for label, columns in groups.items():
        columns = tuple(int(j) for j in columns)
        out += [OnColumns(k, columns, label) for k in gaussian(X[:, list(columns)], sample_weight, factors=factors)]
    return out


def image_patches(
    X, sample_weight=None, *, image_shape: tuple[int, int], grid: int = 2, factors: Sequence[float] = (1.0,)
) -> list[Kernel]:
    """Gaussian kernels on the cells of a ``grid × grid`` partition of the image.

    X holds flattened images of `image_shape` (height, width), row by row.

    Examples
    --------
    >>> X = np.random.default_rng(0).random((5, 16))
    >>> [k.label for k in image_patches(X, image_shape=(4, 4))]
    ['patch (0, 0)', 'patch (0, 1)', 'patch (1, 0)', 'patch (1, 1)']
    """
    height, width = image_shape
    if height * width != X.shape[1]:
        raise ValueError(f"image_shape {image_shape} has {height * width} pixels, but X has {X.shape[1]} columns")
    pixels = np.arange(height * width).reshape(height, width)
    cells = {
        f"patch ({i}, {j})": cell.ravel()
        for i, band in enumerate(np.array_split(pixels, grid, axis=0))
        for j, cell in enumerate(np.array_split(band, grid, axis=1))
    }
    return per_group(X, sample_weight, groups=cells, factors=factors)


FAMILIES = {"gaussian": gaussian, "polynomial": polynomial, "mixed": mixed, "per_feature": per_feature}
