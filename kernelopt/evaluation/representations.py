"""How well each representation of a fitted estimator suits the targets: its kernels, its layers, and these over epochs.

Everything is measured afterwards, on points that took no part in the fit.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kernelopt.evaluation.metrics import Task, representation
from kernelopt.kernels.stack import KernelStack

POINTS = 200  # at most so many, the first ones, so that cells are compared on the same
LEARNED = "learned kernel"
Representations = dict[str, dict[str, float]]  # alignment and effective rank, by name


def of_estimator(trained: Any, X: np.ndarray, y: np.ndarray, task: Task = "classification") -> Representations:
    """Return alignment and effective rank of every representation that an estimator shows.

    Parameters
    ----------
    trained : estimator or pipeline
        Of one with ``kernel_``, the learned kernel and each base kernel; of a network, the linear kernel of each
        layer's outputs; of a `NetworkMKLClassifier` the learned kernel, as the mean over its two halves. Any other
        shows none.
    X : array of shape (n, d)
        Points that did not train; the first 200 count.
    y : array of shape (n,)
        Their labels or targets.
    task : {"classification", "regression"}

    Returns
    -------
    dict of str to dict
        By name of the representation, see `kernelopt.evaluation.metrics.representation`.

    Warns
    -----
    UserWarning
        If a matrix is no Gram matrix of these points; it is then left out.

    Examples
    --------
    >>> from kernelopt import MKLClassifier
    >>> X, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    >>> found = of_estimator(MKLClassifier(kernels=["linear", "rbf"]).fit(X, y), X, y)
    >>> list(found)
    ['learned kernel', 'linear_kernel', 'rbf_kernel']
    """
    trained, X = _unwrapped(trained, X[:POINTS])
    grams = (
        _halves(trained, X) if hasattr(trained, "machines_") and hasattr(trained, "networks_") else _grams(trained, X)
    )
    found: dict[str, list[dict[str, float]]] = {}
    for name, gram in grams:
        try:
            measured = representation(_symmetric(gram), y[: len(X)], task)
        except ValueError as error:
            warnings.warn(f"the representation {name!r} was not measured: {error}", stacklevel=2)
        else:
            found.setdefault(name, []).append(measured)
    return {name: mean for name, parts in found.items() if (mean := _mean(parts))}


def of_gram(gram: np.ndarray | None, y: np.ndarray, task: Task = "classification") -> Representations | None:
    """Return the same of a learned kernel that is known on the test points only, as a transductive one is.

    Parameters
    ----------
    gram : array of shape (n, n), or None
        Between the test points; the first 200 count. None where there is none, and then None is returned.
    y : array of shape (n,)
    task : {"classification", "regression"}

    Examples
    --------
    >>> found = of_gram(np.eye(4), np.array([0, 0, 1, 1]))
    >>> round(found["learned kernel"]["effective_rank"], 6)
    3.0
    """
    if gram is None:
        return None
    n = min(len(gram), POINTS)
    try:
        found = representation(_symmetric(gram[:n, :n]), y[:n], task)
    except ValueError as error:
        warnings.warn(f"the representation {LEARNED!r} was not measured: {error}", stacklevel=2)
        return None
    return {LEARNED: found} if found else None


def over_epochs(
    trained: Any, kept: Mapping[int, Any], X: np.ndarray, y: np.ndarray, task: Task = "classification"
) -> dict[str, Any] | None:
    """Return how each layer's alignment and effective rank went while a network was trained.

    Parameters
    ----------
    trained : estimator or pipeline
        A fitted network; None is returned for any other.
    kept : mapping of int to ConvNet
        Its copies, from `kernelopt.conv.recorder.keeping_networks`.
    X, y, task
        As in `of_estimator`.

    Returns
    -------
    dict or None
        ``epoch``, a list, and under ``alignment`` and ``effective_rank`` a list of the same length for each layer,
        with None where it is not defined. The last epoch is that of the fitted network.
    """
    trained, X = _unwrapped(trained, X[:POINTS])
    if not _is_network(trained) or not kept:
        return None
    epochs = sorted(epoch for epoch in kept if epoch < trained.best_epoch_) + [trained.best_epoch_]
    curves: dict[str, Any] = {"epoch": epochs, "alignment": {}, "effective_rank": {}}
    for epoch in epochs:
        then = copy.copy(trained)
        if epoch < trained.best_epoch_:
            then.network_ = copy.deepcopy(kept[epoch]).to("cpu").requires_grad_(False)
        measured = of_estimator(then, X, y, task)
        for layer in _layers(trained):
            for quantity in ("alignment", "effective_rank"):
                curves[quantity].setdefault(layer, []).append(measured.get(layer, {}).get(quantity))
    return curves


def _grams(trained: Any, X: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    if _is_network(trained):
        outputs = trained.layer_outputs(X)
        for name, layer in _layers(trained).items():
            features = outputs[layer].astype(float)
            yield name, features @ features.T
    kernel: Any = getattr(trained, "kernel_", None)
    if getattr(kernel, "kernels", None) is not None:
        yield LEARNED, kernel(X)
        stack = KernelStack.from_kernels(kernel.kernels, X)
        if len(stack.names) > 1:
            yield from zip(stack.names, stack.leading, strict=True)


def _halves(trained: Any, X: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    for network, machine in zip(trained.networks_, trained.machines_, strict=True):
        layers = range(len(network.network_.layers))
        yield LEARNED, machine.kernel_(np.hstack([X, *(network.features(X, layer) for layer in layers)]))


def _is_network(trained: Any) -> bool:
    return hasattr(trained, "network_") and hasattr(trained, "layer_outputs")


def _layers(network: Any) -> dict[str, str]:
    """Return how each layer is called here, and how the estimator calls it."""
    return {f"layer {i + 1}": f"conv{i}" for i in range(len(network.network_.layers))} | {"outputs": "head"}


def _unwrapped(trained: Any, X: np.ndarray) -> tuple[Any, np.ndarray]:
    """Return a pipeline's last step with the inputs that reach it."""
    if not hasattr(trained, "steps"):
        return trained, X
    return trained[-1], trained[:-1].transform(X) if len(trained) > 1 else X


def _symmetric(K: np.ndarray) -> np.ndarray:
    return (K + K.T) / 2 if np.allclose(K, K.T, rtol=1e-8, atol=1e-8 * np.abs(K).max(initial=0.0)) else K


def _mean(parts: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([part[name] for part in parts])) for name in parts[0] if all(name in p for p in parts)}
