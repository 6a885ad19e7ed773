"""The same training set again from another start: what of a result is the initialisation's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

RESTARTS = 1  # beside the fit that a record is of; over the seeds of a study that makes one pair per split


def restarts(
    make: Callable[..., Any], setting: Mapping[str, Any], X: np.ndarray, y: np.ndarray, seed: int, n: int = RESTARTS
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

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    >>> (again,) = restarts(lambda seed, C: SVC(C=C, random_state=seed), {"C": 1.0}, X, y, seed=0)
    >>> again.predict(X).tolist()
    [0, 0, 1, 1]
    """
    fits = []
    for which in range(n):
        rng = np.random.default_rng([seed, 3, which])
        order = rng.permutation(len(X))
        fits.append(make(int(rng.integers(2**31 - 1)), **setting).fit(X[order], y[order]))
    return fits
