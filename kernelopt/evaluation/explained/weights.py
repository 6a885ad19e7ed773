"""The other meaning: the weights of a sum of kernels, learned by convex optimisation, watched step by step."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from kernelopt.convex.criteria.alignment import centered_alignment
from kernelopt.evaluation.methods import image_kernels
from kernelopt.evaluation.statistics import crossed_interval

C = 10.0
DIGITS = 5  # significant, of the Gram matrices that are kept


@dataclass(frozen=True)
class KernelRun:
    """The solver's way from equal weights to the optimum; every step is a fit that was stopped there.

    Parameters
    ----------
    names : list of str
        The base kernels.
    weights : list
        Per step one weight per kernel; they add up to one.
    primal, dual : list of float
        Per step two bounds: what the best machine and weights cost lies between them. The primal bound is what these
        weights achieve with the best machine found so far.
    alignment : list of float
        Per step the centred alignment of the shown Gram matrix with the labels.
    grams : list
        Per base kernel, normalised on the training images, its Gram matrix on the shown images: the upper triangle
        with its diagonal, row by row.
    test_accuracy, uniform_test_accuracy : float
        Of the learned weights and of equal ones, each with its own support vector machine.
    difference : dict
        Learned minus equal: ``mean``, ``low``, ``high`` of the 95 % interval for other test images.
    """

    names: list[str]
    n_images: int
    C: float
    tol: float
    weights: list[list[float]]
    primal: list[float]
    dual: list[float]
    alignment: list[float]
    grams: list[list[float]]
    test_accuracy: float
    uniform_test_accuracy: float
    difference: dict[str, float]


def learn_weights(
    X: np.ndarray, y: np.ndarray, shown: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], side: int
) -> tuple[KernelRun, Any]:
    """Learn the weights of twelve image kernels, stopping after every step of the interior-point method.

    Parameters
    ----------
    X, y : arrays of shape (n, d), (n,)
        Training images, flattened, pixels between 0 and 1, and their labels.
    shown : pair of arrays
        Images whose Gram matrices are kept, and their labels; not among X.
    test : pair of arrays
        Images and labels that are only counted at the end.
    side : int
        Rows of an image.

    Returns
    -------
    KernelRun
    MKLClassifier
        The one that was not stopped.
    """
    from kernelopt.estimators.mkl import MKLClassifier

    kernels = partial(image_kernels, image_shape=(side, X.shape[1] // side))
    machine = partial(MKLClassifier, kernels=kernels, C=C)
    final = machine(solver="interior_point").fit(X, y)
    steps = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # being stopped is the point
        for k in range(1, final.n_iter_):
            steps.append(machine(solver="interior_point", max_iter=k).fit(X, y))
    steps.append(final)
    bases = base_grams(final, shown[0])
    same = np.equal.outer(shown[1], shown[1]).astype(float)
    grams = [np.tensordot(step.weights_, bases, axes=1) for step in steps]
    uniform = machine(kernel_set="uniform").fit(X, y)
    right, right_uniform = (clf.predict(test[0]) == test[1] for clf in (final, uniform))
    difference = crossed_interval((right.astype(float) - right_uniform)[np.newaxis])
    record = KernelRun(
        names=list(final.kernel_names_),
        n_images=len(X),
        C=C,
        tol=final.tol,
        weights=[step.weights_.tolist() for step in steps],
        primal=[float(step.certificate_.primal) for step in steps],
        dual=[float(step.certificate_.dual) for step in steps],
        alignment=[centered_alignment(K, same) for K in grams],
        grams=[triangle(K) for K in bases],
        test_accuracy=float(right.mean()),
        uniform_test_accuracy=float(right_uniform.mean()),
        difference={"mean": difference.mean, "low": difference.low, "high": difference.high},
    )
    return record, final


def base_grams(machine: Any, X: np.ndarray) -> np.ndarray:
    """Return the base kernels of a fitted machine on X, normalised as it measured, (M, n, n)."""
    return np.stack([k(X, X) / s for k, s in zip(machine.kernels_, machine.normalization_.scale, strict=True)])


def triangle(K: np.ndarray) -> list[float]:
    """Return the upper triangle of a symmetric matrix with its diagonal, row by row, to five significant digits.

    Examples
    --------
    >>> triangle(np.array([[1.0, 0.5], [0.5, 2.0]]))
    [1.0, 0.5, 2.0]
    """
    return [float(f"{value:.{DIGITS}g}") for value in K[np.triu_indices(len(K))]]
