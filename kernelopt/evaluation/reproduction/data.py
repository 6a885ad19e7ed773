"""Data sets as the papers have them, where that is not how they come: a part, other classes, a target with noise.

Each function is a study's ``loader``: it returns the same in every process.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kernelopt.datasets import load

POOL, TEST = 5000, 1000  # points that training sets are drawn from, and that errors are measured on


def two_norm() -> tuple[np.ndarray, np.ndarray]:
    """Return Breiman's 2-norm with so much of its second class left out that 55 % are of the first.

    [lanckriet2004] has one sample of it, of a size that it does not state: 330 points of which 55 % are of one class
    fit its figures for a kernel matrix close to the identity, which depend on nothing else.
    """
    data = load("twonorm")
    X, y = np.asarray(data.X, dtype=float), np.unique(data.y, return_inverse=True)[1]
    first, second = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
    chosen = np.sort(np.concatenate([first, second[: round(len(first) * 0.45 / 0.55)]]))
    return X[chosen], y[chosen]


def glass_windows() -> tuple[np.ndarray, np.ndarray]:
    """Return glass with two classes: windows, of buildings or vehicles, or not."""
    data = load("glass")
    return np.asarray(data.X, dtype=float), np.isin(data.y, ["1", "2", "3", "4"]).astype(int)


def thyroid_normal() -> tuple[np.ndarray, np.ndarray]:
    """Return the new thyroid data with two classes: normal or not."""
    data = load("thyroid_new")
    return np.asarray(data.X, dtype=float), (np.asarray(data.y) == "1").astype(int)


def bumps(x: np.ndarray) -> np.ndarray:
    """Return the target of experiment 1 of [micchelli2005]."""
    peak, dips = 4 * np.pi / 3, (np.pi / 2, 3 * np.pi / 2)
    return (x + 2 * (np.exp(-8 * (peak - x) ** 2) - sum(np.exp(-8 * (dip - x) ** 2) for dip in dips))) / 10


def waves(x: np.ndarray) -> np.ndarray:
    """Return the target of experiment 2 of [micchelli2005]."""
    return np.sin(x) + 0.5 * np.sin(3 * x)


def micchelli_bumps() -> tuple[np.ndarray, ...]:
    """Return points of experiment 1 with noise uniform on ±0.02, and others without noise."""
    return _noisy(bumps, 0.02)


def micchelli_waves() -> tuple[np.ndarray, ...]:
    """Return points of experiment 2 with noise uniform on ±0.2, and others without noise."""
    return _noisy(waves, 0.2)


class Sine:
    """The kernel sin(l x) sin(l t) of a frequency l, on one column."""

    def __init__(self, frequency: float):
        self.frequency = frequency
        self.name = f"sine {frequency:g}"

    def __call__(self, X, Z):
        """Return the kernel between the rows of X and Z."""
        return np.sin(self.frequency * np.asarray(X)) @ np.sin(self.frequency * np.asarray(Z)).T

    def __repr__(self):
        return f"Sine({self.frequency:g})"


def _noisy(target: Callable[[np.ndarray], np.ndarray], noise: float) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    x, x_test = rng.uniform(0, 2 * np.pi, POOL), rng.uniform(0, 2 * np.pi, TEST)
    return x[:, None], target(x) + rng.uniform(-noise, noise, POOL), x_test[:, None], target(x_test)
