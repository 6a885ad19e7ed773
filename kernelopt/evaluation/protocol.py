"""The rules every method plays by: which samples train, which choose, which are kept for the test.

Test labels are not an argument of anything here: choices are made on the training part alone. A transductive method
is given the inputs of the points it is to label when it is fitted; `transduce` is the only way to them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold

UNLABELLED = -1  # what marks a point without a label, as in sklearn.semi_supervised


def nested_order(y: np.ndarray, seed: int) -> np.ndarray:
    """Return a random order of the samples whose every beginning has the classes' proportions.

    Training sets of growing size are beginnings of this order, so that they are nested: the step from
    one size to the next adds samples and changes nothing else.

    Examples
    --------
    >>> y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> sorted(y[nested_order(y, seed=1)[:4]].tolist())
    [0, 0, 1, 1]
    """
    rng = np.random.default_rng([seed, 1])
    position = np.empty(len(y))
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        # The j-th of m members stands at (j + u)/m: spread evenly, the class's first place drawn by chance.
        position[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(position, kind="stable")


def transduce(estimator: Any, X: np.ndarray, y: np.ndarray, X_new: np.ndarray) -> np.ndarray:
    """Fit a transductive estimator on labelled and unlabelled points together; return the labels it gives the latter.

    Parameters
    ----------
    estimator : estimator
        Its ``fit`` takes -1 for "no label" and leaves a label for every row in ``transduction_``.
    X : array of shape (n, d)
        Labelled points.
    y : int array of shape (n,)
        Their labels; none of them -1.
    X_new : array of shape (m, d)
        Unlabelled points. There is no argument for their labels.

    Returns
    -------
    ndarray of shape (m,)

    Raises
    ------
    ValueError
        Labels that are not integers, or of which one is -1.
    TypeError
        An estimator without ``transduction_``.

    Examples
    --------
    >>> from sklearn.semi_supervised import LabelSpreading
    >>> X = np.array([[0.0], [0.1], [1.0], [1.1]])
    >>> transduce(LabelSpreading(), X[[0, 2]], np.array([3, 7]), X[[3, 1]]).tolist()
    [7, 3]
    """
    y = np.asarray(y)
    if y.dtype.kind not in "iu" or (y == UNLABELLED).any():
        found = f"{UNLABELLED} among them" if y.dtype.kind in "iu" else f"dtype {y.dtype}"
        raise ValueError(
            f"y must hold integer labels other than {UNLABELLED}, which marks a point without a label, found {found}. "
            f"Number the classes from 0"
        )
    marks = np.full(len(X_new), UNLABELLED)
    estimator.fit(np.concatenate([X, X_new]), np.concatenate([y.astype(marks.dtype), marks]))
    if not hasattr(estimator, "transduction_"):
        raise TypeError(
            f"a transductive method leaves a label for every row in transduction_, but {type(estimator).__name__} has "
            f"no such attribute after fit. Declare the method inductive, or use another estimator"
        )
    return np.asarray(estimator.transduction_)[len(X) :]


@dataclass(frozen=True)
class Protocol:
    """How a training set is used: a part of it that did not train chooses, then all of it trains.

    Parameters
    ----------
    validation_size : float
        Without folds, the part of the training set on which candidates are compared; the rest trains
        them. Either way the chosen candidate is trained again on everything, and ties go to the candidate
        listed first.
    threads : int
        Threads per cell, for every library.
    """

    validation_size: float = 0.25
    threads: int = 1

    def validation_split(self, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices that train and those that choose, stratified by class.

        Each class keeps at least one sample on the training side, so every class is known.
        """
        rng = np.random.default_rng([seed, 2])
        chooses = np.zeros(len(y), dtype=bool)
        for label in np.unique(y):
            members = rng.permutation(np.flatnonzero(y == label))
            chooses[members[: min(round(self.validation_size * len(members)), len(members) - 1)]] = True
        return np.flatnonzero(~chooses), np.flatnonzero(chooses)

    def splits(self, y: np.ndarray, seed: int, n_folds: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the stratified splits that choose: `n_folds` of cross-validation, or one hold-out for 0."""
        if n_folds == 0:
            return [self.validation_split(y, seed)]
        return list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(np.zeros(len(y)), y))

    def choose(
        self,
        make: Any,
        grid: Mapping[str, Sequence[Any]],
        X: np.ndarray,
        y: np.ndarray,
        seed: int,
        n_folds: int = 0,
        transductive: bool = False,
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the best setting of a grid on the training set, and every setting with its score.

        Parameters
        ----------
        make : callable
            ``make(seed, **setting)`` returns an estimator.
        grid : mapping of str to sequence
            Values of each hyper-parameter; all combinations are tried.
        X, y : arrays
            The training set.
        seed : int
            Of the splits and of the estimators.
        n_folds : int
            Folds of cross-validation; 0 for one hold-out part.
        transductive : bool
            Whether the inputs of the part that chooses are given to ``fit``, unlabelled. Test inputs never are.
        """
        settings = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
        if len(settings) == 1:
            return settings[0], []
        splits = self.splits(y, seed, n_folds)
        candidates: list[dict[str, Any]] = []
        for setting in settings:
            scores = [_score(make(seed, **setting), X[i], y[i], X[j], y[j], transductive) for i, j in splits]
            candidates.append({"params": setting, "score": float(np.mean(scores))})
        best = max(candidates, key=lambda candidate: candidate["score"])
        return best["params"], candidates


def _score(estimator: Any, X: np.ndarray, y: np.ndarray, X_held: np.ndarray, y_held: np.ndarray, transductive: bool):
    """Return the accuracy on held-out training points, whose labels are looked at after the fit only."""
    if transductive:
        return float(np.mean(transduce(estimator, X, y, X_held) == y_held))
    return estimator.fit(X, y).score(X_held, y_held)
