"""What a fitted estimator can show: weights, certificate, training curves, filters, outputs, its kernel."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from typing import Any

import numpy as np

from kernelopt.conv.recorder import thinned
from kernelopt.convex.certificate import Certificate
from kernelopt.evaluation.metrics import Task, measure, representation

GRAM_POINTS = 500  # test points on which a representation is measured: the first ones


def of_fit(trained: Any) -> dict[str, Any]:
    """Return weights, certificate, training curves and filters, whichever there are, of an estimator or a pipeline."""
    trained = _last(trained)
    found: dict[str, Any] = {}
    if hasattr(trained, "weights_") and hasattr(trained, "kernel_names_"):
        weights = zip(trained.kernel_names_, trained.weights_, strict=True)
        found["weights"] = {name: float(weight) for name, weight in weights}
    certificate = getattr(trained, "certificate_", None)
    if isinstance(certificate, Certificate):
        found["certificate"] = {**asdict(certificate), "gap": certificate.gap}
    if hasattr(trained, "gradient_norm_") and hasattr(trained, "filter_snapshots_"):
        found["gradient_norm"] = float(trained.gradient_norm_)
        found["history"] = {name: [float(x) for x in values] for name, values in trained.history_.items()}
        epochs = thinned(trained.n_iter_) if trained.n_iter_ else [0]
        snapshots = np.asarray(trained.filter_snapshots_)[epochs][:, :, 0]
        found["filters"] = {
            "shape": list(snapshots.shape[1:]),
            "epochs": epochs,
            "values": snapshots.reshape(len(snapshots), -1).astype(float).round(4).tolist(),
        }
    return found


def outputs(trained: Any, X_test: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return probabilities and decision values on test points, where there are some, and why one is missing."""
    found, notes = {}, {}
    for name, method in (("probabilities", "predict_proba"), ("decision", "decision_function")):
        if not hasattr(trained, method):
            continue
        try:
            found[name] = np.asarray(getattr(trained, method)(X_test))
        except MemoryError:
            raise
        except Exception as error:  # the predictions stand without it, and the record says so
            notes[f"no {name}"] = f"{type(error).__name__}: {error}"
    if "decision" in found and not _is_per_class(found["decision"], trained, len(X_test)):
        notes["no decision"] = f"shape {found.pop('decision').shape} has not one column per class"
    return found, notes


def measure_outputs(
    truth: np.ndarray, predicted: np.ndarray, outputs: dict[str, np.ndarray], columns: np.ndarray | None
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the metrics of predictions with those outputs that can be measured, and why another cannot.

    The predictions stand without them: what is not finite, adds up to something else than one, or has other columns
    than the classes, is left out and noted.
    """
    usable, notes = {}, {}
    for name, values in outputs.items():
        try:
            measure("classification", truth, predicted, classes=columns, **{name: values})
            usable[name] = values
        except (ValueError, TypeError) as error:
            notes[f"no {name}"] = f"{type(error).__name__}: {error}"
    return measure("classification", truth, predicted, classes=columns, **usable), notes


def kernel_on(trained: Any, X_test: np.ndarray, transductive: bool) -> np.ndarray | None:
    """Return the learned kernel on the first test points; None of an estimator that shows none."""
    try:
        return _kernel_on(trained, X_test, transductive)
    except MemoryError:
        raise
    except Exception as error:  # the predictions stand without it, and the record says so
        warnings.warn(f"the learned kernel cannot be shown: {type(error).__name__}: {error}", stacklevel=2)
        return None


def _kernel_on(trained: Any, X_test: np.ndarray, transductive: bool) -> np.ndarray | None:
    if transductive:
        K = getattr(trained, "kernel_matrix_", None)
        return None if K is None else K[-len(X_test) :, -len(X_test) :][:GRAM_POINTS, :GRAM_POINTS]
    X = X_test[:GRAM_POINTS]
    if hasattr(trained, "steps"):
        X = trained[:-1].transform(X) if len(trained) > 1 else X
    trained = _last(trained)
    kernel: Any = getattr(trained, "kernel_", None)
    if getattr(kernel, "kernels", None) is not None:
        return kernel(X)
    if hasattr(trained, "network_") and hasattr(trained, "features"):
        F = trained.features(X)
        return F @ F.T
    return None


def measure_gram(gram: np.ndarray | None, y: np.ndarray, task: Task) -> dict[str, float]:
    """Return the alignment and the effective rank of a kernel on test points; nothing of one that has none."""
    if gram is None:
        return {}
    try:
        return representation((gram + gram.T) / 2, y[: len(gram)], task)
    except ValueError as error:
        warnings.warn(f"the representation was not measured: {error}", stacklevel=2)
        return {}


def _last(trained: Any) -> Any:
    return trained[-1] if hasattr(trained, "steps") else trained


def _is_per_class(decision: np.ndarray, trained: Any, n: int) -> bool:
    classes = getattr(trained, "classes_", ())
    return decision.shape == (n, len(classes)) or (len(classes) == 2 and decision.shape in ((n,), (n, 1)))
