"""Probabilities that never contradict predictions: one positive temperature, fitted on cross-fitted decision values."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax

FOLDS = 5
REACH = 12.0  # in logarithms: how far a temperature may be from the size of the decision values


def log_probabilities(F: np.ndarray, temperature: float) -> np.ndarray:
    """Return log-probabilities (n, n_classes) of decision values: (n,) for two classes, or (n, n_classes)."""
    T = F / temperature
    return np.column_stack([log_expit(-T), log_expit(T)]) if F.ndim == 1 else log_softmax(T, axis=1)


def probabilities(F: np.ndarray, winner: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities whose largest is, without a tie, that of the predicted class.

    Examples
    --------
    >>> probabilities(np.array([1e-300, 0.0]), np.array([1, 0]), 1.0).argmax(axis=1)  # both are one half, rounded
    array([1, 0])
    """
    P = np.exp(log_probabilities(F, temperature))
    rows = np.flatnonzero(P.argmax(axis=1) != winner)  # rounding has made a tie, which argmax gives to another
    P[rows, winner[rows]] = np.nextafter(P[rows].max(axis=1), 2.0)
    return P


def fit_temperature(F: np.ndarray, label: np.ndarray, w: np.ndarray) -> float:
    """Return the temperature with the smallest weighted log-loss; convex in its inverse.

    Examples
    --------
    >>> F, label = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0]), np.array([1, 1, 0, 0, 0, 1])
    >>> round(1 / fit_temperature(F, label, np.ones(6)), 4)  # right in two of three: log 2
    0.6931
    """
    size = float(np.sqrt(np.mean(np.square(F))))
    if size == 0:
        return 1.0

    def loss(log_inverse: float) -> float:
        return -float(w @ log_probabilities(F, size / np.exp(log_inverse))[np.arange(len(F)), label])

    found = minimize_scalar(loss, bounds=(-REACH, REACH), method="bounded", options={"xatol": 1e-10})
    return size / float(np.exp(found.x))


def folds(label: np.ndarray) -> np.ndarray:
    """Return the fold in which each sample is held out: its class dealt out in order; -1 for the only one of a class.

    Examples
    --------
    >>> folds(np.array([0, 0, 1, 0, 2, 2]))
    array([ 0,  1, -1,  2,  0,  1])
    """
    fold = np.full(len(label), -1)
    for c in np.unique(label):
        members = np.flatnonzero(label == c)
        if len(members) > 1:
            fold[members] = np.arange(len(members)) % FOLDS
    return fold


def cross_fitted_temperature(classifier, X: Any, label: np.ndarray, w: np.ndarray) -> float:
    """Return the temperature from decision values of machines that have not seen the samples they value.

    Each machine is trained with the classes at their full weights, so that C and nu mean the same as for the whole.
    Where no class has two samples, nothing can be held out and the temperature is one.

    Parameters
    ----------
    classifier : MKLClassifier
        Fitted; its kernels and parameters are those of the machines.
    X : array of shape (n, d), or KernelStack of shape (n, n, M)
        The distinct training samples.
    label, w : array of shape (n,)
        Their classes, as indices, and weights.
    """
    fold = folds(label)
    out: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    machine = classifier._plain().set_params(verbose=0)
    if classifier.kernels_ is not None and "kernels" in machine.get_params(deep=False):
        machine.set_params(kernels=classifier.kernels_)
    totals = np.bincount(label, weights=w)
    for k in range(fold.max() + 1):
        held = np.flatnonzero(fold == k)
        kept = np.where(fold == k, 0.0, w)
        kept *= (totals / np.bincount(label, weights=kept))[label]
        machine.fit(X, classifier.classes_[label], sample_weight=kept)
        out.append(machine.decision_function(X[held]))
        rows.append(held)
    if not out:
        return 1.0
    index = np.concatenate(rows)
    return fit_temperature(np.concatenate(out), label[index], w[index])
