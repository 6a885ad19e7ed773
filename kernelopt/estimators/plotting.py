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
