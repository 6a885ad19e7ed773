"""Pictures of fitted estimators; matplotlib is imported when one is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kernelopt.errors import missing_extra


def plot_weights(weights: np.ndarray, names: Sequence[str], ax=None):
    """Draw one bar per kernel, first kernel on top; return the axes."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise missing_extra("matplotlib", "report") from None
    if ax is None:
        _, ax = pyplot.subplots(figsize=(6.0, 1.0 + 0.25 * len(weights)), layout="constrained")
    where = np.arange(len(weights))
    ax.barh(where, weights)
    ax.set_yticks(where, names)
    ax.invert_yaxis()
    ax.set_xlabel("weight of the normalised kernel")
    return ax


def plot_optimality(
    omegas: np.ndarray,
    values: np.ndarray,
    atoms: np.ndarray,
    touching: np.ndarray,
    name: str,
    logarithmic: bool,
    ax=None,
):
    """Draw the optimality function over the parameter of a family, and the atoms where it touches one."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise missing_extra("matplotlib", "report") from None
    if ax is None:
        _, ax = pyplot.subplots(figsize=(6.0, 3.5), layout="constrained")
    ax.axhline(1.0, color="0.7", linewidth=1.0)
    ax.plot(omegas, values)
    ax.plot(atoms, touching, "o")
    if logarithmic:
        ax.set_xscale("log")
    ax.set_xlabel(f"ω of the {name} family")
    ax.set_ylabel("T(ω) over its mean at the atoms")
    return ax


def plot_filters(filters: np.ndarray, ax=None):
    """Draw filters (F, c, rows, columns) side by side, one row of tiles per channel where there are several.

    All share one colour scale, symmetric about zero. The axes are returned.
    """
    try:
        from matplotlib import pyplot
    except ImportError:
        raise missing_extra("matplotlib", "report") from None
    n_filters, n_channels, rows, columns = filters.shape
    per_row = n_filters if n_channels > 1 else min(n_filters, 8)
    tiles = filters.transpose(1, 0, 2, 3).reshape(-1, rows, columns)  # channel by channel
    n_rows = -(-len(tiles) // per_row)
    picture = np.full((n_rows * (rows + 1) - 1, per_row * (columns + 1) - 1), np.nan)
    for i, tile in enumerate(tiles):
        top, left = i // per_row * (rows + 1), i % per_row * (columns + 1)
        picture[top : top + rows, left : left + columns] = tile
    if ax is None:
        _, ax = pyplot.subplots(figsize=(0.7 * per_row + 1.0, 0.7 * n_rows + 0.3), layout="constrained")
    scale = float(np.abs(filters).max()) or 1.0
    image = ax.imshow(picture, cmap="RdBu_r", vmin=-scale, vmax=scale, interpolation="nearest")
    ax.figure.colorbar(image, ax=ax)
    ax.set_axis_off()
    return ax
