"""Local maxima of a family's quadratic form from several starts: good ones, and no proof that there is none better."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from kernelopt.kernels.continuous.base import Maximum

NEAR = 1e-3  # shares of the domain within which two local maxima are one


def local_maxima(
    climb: Callable[[np.ndarray], tuple[float, np.ndarray]],
    exact: Callable[[np.ndarray], float],
    starts: np.ndarray,
    box: np.ndarray,
    steps: int = 25,
) -> Maximum:
    """Climb from each start by L-BFGS within a box.

    Parameters
    ----------
    climb : callable
        Value and gradient at parameters of shape (p,); may be of single precision.
    exact : callable
        The value in double precision.
    starts : array of shape (r, p)
        Where to begin.
    box : array of shape (p, 2)
        The domain.
    steps : int
        Steps of each climb at most.

    Examples
    --------
    >>> hill = lambda w: (float(np.cos(w[0])), -np.sin(w))
    >>> box = np.array([[-2.0, 8.0]])
    >>> found = local_maxima(hill, lambda w: hill(w)[0], np.array([[1.0], [5.0], [-1.0]]), box)
    >>> found.omegas.round(4).ravel() + 0.0, found.proven
    (array([6.2832, 0.    ]), False)
    """
    low, width = box[:, 0], box[:, 1] - box[:, 0]
    tops: list[np.ndarray] = []
    for start in starts:
        unit = (start - low) / width
        size = abs(climb(start)[0]) or 1.0

        def fall(z: np.ndarray, size: float = size) -> tuple[float, np.ndarray]:
            value, gradient = climb(low + width * z)
            return -value / size, -gradient * width / size

        found = minimize(
            fall, unit, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * len(low), options={"maxiter": steps}
        )
        top = np.clip(found.x, 0.0, 1.0)
        if all(np.abs(top - other).max() > NEAR for other in tops):
            tops.append(top)
    omegas = np.clip(low + width * np.array(tops), box[:, 0], box[:, 1])
    values = np.array([exact(omega) for omega in omegas])
    order = np.argsort(-values)
    return Maximum(float(values.max()), False, omegas[order], values[order])


def grid(box: np.ndarray, per_axis: int, most: int = 256) -> np.ndarray:
    """Return points spread over a box: a grid where it is not too large, else as many of Halton's sequence.

    Examples
    --------
    >>> grid(np.array([[0.0, 1.0]]), 3).ravel()
    array([0. , 0.5, 1. ])
    """
    p = len(box)
    if per_axis**p <= most:
        axes = np.meshgrid(*[np.linspace(0.0, 1.0, per_axis)] * p, indexing="ij")
        unit = np.stack([axis.ravel() for axis in axes], axis=1)
    else:
        from scipy.stats.qmc import Halton

        unit = Halton(p, scramble=False).random(most)
    return box[:, 0] + unit * (box[:, 1] - box[:, 0])


def spread(values: np.ndarray, omegas: np.ndarray, box: np.ndarray, count: int, apart: float) -> np.ndarray:
    """Return the best parameters, no two of them nearer than `apart` shares of the domain."""
    chosen: list[np.ndarray] = []
    width = box[:, 1] - box[:, 0]
    for k in np.argsort(-values):
        if all(np.abs((omegas[k] - other) / width).max() > apart for other in chosen):
            chosen.append(omegas[k])
        if len(chosen) == count:
            break
    return np.array(chosen)
