"""The same training set again from another start: what of a result is the initialisation's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kernelopt.evaluation.protocol import fitted


def restarts(
    make: Callable[..., Any], setting: Mapping[str, Any], X: np.ndarray, y: np.ndarray, seed: int, n: int
) -> list[Any]:
    """Fit a chosen setting again on the same training points: with another seed, and the points in another order.

    Both are all that a learner's start can depend on. A convex learner has one optimum, so that its predictions stay
    as they are but for what its tolerance leaves open; a network ends elsewhere.

    Parameters
    ----------
    make : callable
        ``make(seed, **setting)`` returns an estimator.
    setting : mapping
        The hyper-parameters that were chosen; they are not chosen anew.
    X, y : arrays
        The training set.
    seed : int
        That of the cell; the new ones are drawn from it.
    n : int
        How many fits.

    Returns
    -------
    list of estimators

    Warns
    -----
    UserWarning
        If a fit fails, as a network that diverges may; it is then missing.

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> (again,) = restarts(lambda seed, C: SVC(C=C, random_state=seed), {"C": 1.0}, X, y, seed=0, n=1)
    >>> again.predict(X).tolist()
    [0, 0, 1, 1]
    """
    fits = []
    for which in range(n):
        rng = np.random.default_rng([seed, 3, which])
        order = rng.permutation(len(X))
        try:
            fits.append(fitted(make(int(rng.integers(2**31 - 1)), **setting), X[order], y[order]))
        except MemoryError:
            raise
        except Exception as error:  # the record's own fit stands without it
            warnings.warn(f"another start came to nothing: {type(error).__name__}: {error}", stacklevel=2)
    return fits
