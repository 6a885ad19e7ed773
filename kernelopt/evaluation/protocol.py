"""The rules every method plays by: how test points are set apart, and how the rest trains and chooses.

Test labels are not an argument of anything here: choices are made on the training part alone. A transductive method
is given the inputs of the points it is to label when it is fitted; `transduce` is the only way to them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

UNLABELLED = -1  # what marks a point without a label, as in sklearn.semi_supervised


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
    """How points are set apart for the test, and how the training set chooses, before all of it trains.

    Parameters
    ----------
    split : {"official", "random"}, optional
        Where test points come from: a data set's own test part, or a draw by the cell's seed. Official wherever
        there is such a part, unless given.
    test_size : float or int
        Of a random split: a fraction of the points, or their number.
    stratify : bool, optional
        Whether training and test sets have the classes' proportions. Those of an official part do and random ones
        do not, unless given.
    folds : int, optional
        Folds of the cross-validation that chooses; 0 for one hold-out part. Each method's own number (3, or 0 for the
        library's networks, whose fits are dear), unless given.
    validation_size : float
        Without folds, the part of the training set on which candidates are compared; the rest trains
        them. Either way the chosen candidate is trained again on everything, and ties go to the candidate
        listed first.
    budget : int, optional
        The most settings that a method may try, the same for all; a larger grid is an error, or is drawn from.
    search : {"grid", "random"}
        Whether all settings are tried, or `budget` of them, drawn by the seed without repetition.
    threads : int
        Threads per cell, for every library.
    restarts : int
        How often the chosen setting is fitted again from another start on the same training set, see
        `kernelopt.evaluation.initialisations.restarts`.
    """

    split: Literal["official", "random"] | None = None
    test_size: float | int = 0.2
    stratify: bool | None = None
    folds: int | None = None
    validation_size: float = 0.25
    budget: int | None = None
    search: Literal["grid", "random"] = "grid"
    threads: int = 1
    restarts: int = 0

    def __post_init__(self):
        _check(self.split in (None, "official", "random"), "split", "'official' or 'random'", self.split)
        whole = isinstance(self.test_size, int) and not isinstance(self.test_size, bool)
        fraction = isinstance(self.test_size, float) and 0 < self.test_size < 1
        found = self.test_size
        _check(whole and found > 0 or fraction, "test_size", "a fraction or a positive whole number", found)
        _check(self.stratify in (None, True, False), "stratify", "true or false", self.stratify)
        _check(_whole(self.folds, 0) and self.folds != 1, "folds", "0 or at least 2", self.folds)
        size = self.validation_size
        _check(isinstance(size, float) and 0 < size < 1, "validation_size", "a fraction", size)
        _check(_whole(self.budget, 1), "budget", "a positive whole number", self.budget)
        _check(self.search in ("grid", "random"), "search", "'grid' or 'random'", self.search)
        _check(self.threads is not None and _whole(self.threads, 1), "threads", "a positive whole number", self.threads)
        found = self.restarts
        _check(found is not None and _whole(found, 0), "restarts", "a whole number", found)
        if self.search == "random" and self.budget is None:
            raise ValueError("protocol: search = 'random' needs a budget, the number of settings to draw")

    def validation_split(self, y: np.ndarray, seed: int, task: str = "classification") -> tuple[np.ndarray, np.ndarray]:
        """Return the indices that train and those that choose, stratified by class.

        Each class keeps at least one sample on the training side, so every class is known. Of a regression all
        points count as one class.
        """
        rng = np.random.default_rng([seed, 2])
        chooses = np.zeros(len(y), dtype=bool)
        strata = np.zeros(len(y)) if task == "regression" else y
        for label in np.unique(strata):
            members = rng.permutation(np.flatnonzero(strata == label))
            chooses[members[: min(round(self.validation_size * len(members)), len(members) - 1)]] = True
        return np.flatnonzero(~chooses), np.flatnonzero(chooses)

    def splits(
        self, y: np.ndarray, seed: int, n_folds: int = 0, task: str = "classification"
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the splits that choose: `n_folds` of cross-validation, or one hold-out for 0; stratified by class."""
        if n_folds == 0:
            return [self.validation_split(y, seed, task)]
        kind = KFold if task == "regression" else StratifiedKFold
        return list(kind(n_folds, shuffle=True, random_state=seed).split(np.zeros(len(y)), y))

    def settings(self, grid: Mapping[str, Sequence[Any]], seed: int) -> list[dict[str, Any]]:
        """Return the settings of a grid that are tried: all combinations, or as many as the budget, drawn by the seed.

        Raises
        ------
        ValueError
            The grid is larger than the budget, and is to be tried whole.

        Examples
        --------
        >>> len(Protocol(budget=2, search="random").settings({"C": [1, 10, 100]}, seed=0))
        2
        """
        found = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
        if self.budget is None or len(found) <= self.budget:
            return found
        if self.search == "grid":
            raise ValueError(
                f"the grid over {', '.join(grid)} has {len(found)} settings, the budget is {self.budget}. Make the "
                f"grid smaller, or the budget larger for every method, or draw from the grid with search = 'random'"
            )
        drawn = np.random.default_rng([seed, 3]).choice(len(found), self.budget, replace=False)
        return [found[i] for i in sorted(drawn)]

    def choose(
        self,
        make: Any,
        grid: Mapping[str, Sequence[Any]],
        X: np.ndarray,
        y: np.ndarray,
        seed: int,
        n_folds: int = 0,
        transductive: bool = False,
        task: str = "classification",
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the best setting of a grid on the training set, and every setting with its score.

        The score is the mean over the splits of the accuracy, or of minus the mean squared error. A setting that
        fails says so in its ``error`` and cannot win.

        Parameters
        ----------
        make : callable
            ``make(seed, **setting)`` returns an estimator.
        grid : mapping of str to sequence
            Values of each hyper-parameter; all combinations are tried, or `budget` of them.
        X, y : arrays
            The training set.
        seed : int
            Of the splits and of the estimators.
        n_folds : int
            Folds of cross-validation; 0 for one hold-out part.
        transductive : bool
            Whether the inputs of the part that chooses are given to ``fit``, unlabelled. Test inputs never are.
        task : {"classification", "regression"}
            What the score is.

        Raises
        ------
        Exception
            The first setting's error, where every setting failed.
        """
        settings = self.settings(grid, seed)
        if len(settings) == 1:
            return settings[0], []
        splits = self.splits(y, seed, n_folds, task)
        candidates: list[dict[str, Any]] = []
        errors: list[Exception] = []
        for setting in settings:
            try:
                scores = [score(make(seed, **setting), X[i], y[i], X[j], y[j], transductive, task) for i, j in splits]
            except MemoryError:
                raise  # the limit is the cell's, not the setting's
            except Exception as error:
                errors.append(error)
                candidates.append({"params": setting, "score": None, "error": f"{type(error).__name__}: {error}"})
            else:
                candidates.append({"params": setting, "score": float(np.mean(scores))})
        scored = [candidate for candidate in candidates if candidate["score"] is not None]
        if not scored:
            raise errors[0]
        return max(scored, key=lambda candidate: candidate["score"])["params"], candidates


def score(
    estimator: Any,
    X: np.ndarray,
    y: np.ndarray,
    X_held: np.ndarray,
    y_held: np.ndarray,
    transductive: bool = False,
    task: str = "classification",
) -> float:
    """Return the score on held-out training points, whose labels are looked at after the fit only."""
    if transductive:
        return float(np.mean(transduce(estimator, X, y, X_held) == y_held))
    predicted = np.asarray(fitted(estimator, X, y).predict(X_held))
    if predicted.shape != y_held.shape:
        raise ValueError(f"predict returned shape {predicted.shape} for {len(y_held)} points")
    value = np.mean(predicted == y_held) if task == "classification" else -np.mean((predicted - y_held) ** 2)
    if not np.isfinite(value):
        raise ValueError("the predictions are not finite")
    return float(value)


def fitted(estimator: Any, X: np.ndarray, y: np.ndarray) -> Any:
    """Return the estimator, fitted; also one whose ``fit`` returns nothing."""
    returned = estimator.fit(X, y)
    return estimator if returned is None else returned


def _whole(value: Any, least: int) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= least)


def _check(holds: bool, name: str, expected: str, found: Any) -> None:
    if not holds:
        raise ValueError(f"protocol: {name} must be {expected}, found {found!r}")
