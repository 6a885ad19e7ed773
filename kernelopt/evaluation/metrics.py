"""What predictions and representations are measured by: numbers of one cell, made after every choice is fixed."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.stats import rankdata

from kernelopt.convex.criteria.alignment import alignment

Task = Literal["classification", "regression"]
ECE_BINS = 15
SUM_TOLERANCE = 1e-5  # of a row of probabilities: what single precision leaves
ROUNDING = 1e-8  # of the largest eigenvalue: what may lie below zero in a Gram matrix


def measure(
    task: Task,
    y_true: np.ndarray,
    predicted: np.ndarray,
    probabilities: np.ndarray | None = None,
    decision: np.ndarray | None = None,
    *,
    classes: np.ndarray | None = None,
) -> dict[str, float]:
    r"""Return the test metrics that these predictions allow.

    Classification: ``accuracy``, and ``error``, its complement. From probabilities :math:`p_{ik}` also

    - ``log_loss``, :math:`-\frac1n\sum_i \log p_{i y_i}`, where a probability below the machine epsilon of its type
      counts as that, as in scikit-learn: in double precision one point can cost 36.04 at most;
    - ``brier``, :math:`\frac1n\sum_i\sum_k (p_{ik} - 1[y_i = k])^2`, between 0 and 2 [brier1950]_;
    - ``ece``, the expected calibration error of the most probable class: the points are ranked by its probability
      and put into 15 bins of equal mass, equal probabilities together; the distance of a bin's mean probability from
      its share of right answers is averaged over the points [nixon2019]_.

    From the decision values, or without them from the probabilities, ``roc_auc``: the share of pairs of the two
    classes that are ordered right, a tie counting one half; with more classes the plain mean over the classes, each
    against the rest.

    Regression: ``rmse``, ``mae`` and ``r2``, the coefficient of determination :math:`1 - \sum_i (y_i - f_i)^2 /
    \sum_i (y_i - \bar y)^2`.

    A metric that is not defined has no entry: ``roc_auc`` of a single class, ``r2`` of constant targets, whatever
    needs probabilities that are not there.

    Parameters
    ----------
    task : {"classification", "regression"}
    y_true, predicted : arrays of shape (n,)
        Labels of any type, or numbers.
    probabilities : array of shape (n, n_classes), (n, 1) or (n,), optional
        One column per class; a single one is the probability of the second of two classes.
    decision : array of shape (n, n_classes), (n, 1) or (n,), optional
        Scores, larger for more likely classes; a single column is that of the second of two classes.
    classes : array of shape (n_classes,), optional
        The labels of the columns, as an estimator's ``classes_``; the sorted labels that occur, unless given.

    Returns
    -------
    dict of str to float
        Finite numbers.

    Raises
    ------
    ValueError
        An unknown task, arrays that do not match, numbers that are not finite, rows that are no probabilities, labels
        without a column.

    References
    ----------
    .. [brier1950] Brier. Verification of Forecasts Expressed in Terms of Probability. Monthly Weather Review, 1950.
    .. [nixon2019] Nixon, Dusenberry, Zhang, Jerfel, Tran. Measuring Calibration in Deep Learning. CVPR Workshops 2019.

    Examples
    --------
    >>> y = np.array([0, 0, 1, 1])
    >>> found = measure("classification", y, np.array([0, 1, 1, 1]), decision=np.array([-2.0, 1.0, 0.5, 3.0]))
    >>> found == {"accuracy": 0.75, "error": 0.25, "roc_auc": 0.75}
    True
    >>> measure("regression", np.array([0.0, 2.0]), np.array([1.0, 2.0]))["mae"]
    0.5
    """
    y_true, predicted = np.asarray(y_true), np.asarray(predicted)
    if y_true.ndim != 1 or not len(y_true) or predicted.shape != y_true.shape:
        raise ValueError(
            f"y_true and predicted must have one shape (n,) with n > 0, found {y_true.shape} and {predicted.shape}"
        )
    if task == "regression":
        return _regression(y_true, predicted)
    if task != "classification":
        raise ValueError(f"task must be 'classification' or 'regression', found {task!r}")
    correct = y_true == predicted
    found = {"accuracy": float(np.mean(correct)), "error": float(np.mean(~correct))}
    if probabilities is None and decision is None:
        return found
    labels = np.unique(np.concatenate([y_true, predicted])) if classes is None else np.asarray(classes)
    column = _columns(y_true, labels)
    scores = None
    if probabilities is not None:
        p = scores = _per_class(probabilities, "probabilities", len(y_true), len(labels))
        if (p < 0).any() or np.abs(p.sum(axis=1) - 1).max() > SUM_TOLERANCE:
            raise ValueError(
                f"probabilities must be nonnegative rows that add up to one, found entries from {p.min():.3g} and sums "
                f"from {p.sum(axis=1).min():.6g} to {p.sum(axis=1).max():.6g}. Pass scores as decision instead"
            )
        own = p[np.arange(len(p)), column]
        found["log_loss"] = float(-np.mean(np.log(np.maximum(own, np.finfo(p.dtype).eps))))
        found["brier"] = float(np.mean(np.sum((p - (column[:, None] == np.arange(p.shape[1]))) ** 2, axis=1)))
        found["ece"] = calibration_error(p.max(axis=1), p.argmax(axis=1) == column)
    if decision is not None:
        scores = _per_class(decision, "decision", len(y_true), len(labels))
    assert scores is not None
    areas = [roc_auc(scores[:, k], column == k) for k in ([1] if len(labels) == 2 else np.unique(column))]
    if len(np.unique(column)) > 1:
        found["roc_auc"] = float(np.mean(areas))
    return found


def calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = ECE_BINS) -> float:
    """Return the expected calibration error over bins of equal mass; equal confidences share a bin.

    Parameters
    ----------
    confidence : array of shape (n,)
        Probability that was given to the answer.
    correct : array of shape (n,)
        Whether it was right.
    bins : int
        How many; fewer where values are equal.

    Examples
    --------
    >>> round(calibration_error(np.array([0.9, 0.9, 0.6, 0.6]), np.array([1, 1, 1, 0])), 3)
    0.1
    """
    confidence, correct = np.asarray(confidence, float), np.asarray(correct, float)
    _, gap, size = reliability(confidence, correct, bins)
    return float(np.abs(gap) @ size / len(confidence))


def reliability(
    confidence: np.ndarray, correct: np.ndarray, bins: int = ECE_BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each bin's mean confidence, its share of right answers minus that, and its number of points.

    Examples
    --------
    >>> mean, gap, size = reliability(np.array([0.5, 0.5, 1.0, 1.0]), np.array([1, 0, 1, 1]), bins=2)
    >>> mean.tolist(), gap.tolist(), size.tolist()
    ([0.5, 1.0], [0.0, 0.0], [2, 2])
    """
    confidence, correct = np.asarray(confidence, float), np.asarray(correct, float)
    rank = np.searchsorted(np.sort(confidence), confidence)  # of the first with this value, so that ties stay together
    _, which = np.unique(bins * rank // len(confidence), return_inverse=True)
    size = np.bincount(which)
    mean = np.bincount(which, confidence) / size
    return mean, np.bincount(which, correct) / size - mean, size


def roc_auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve, by the rank sum of the positives; NaN if one class is missing.

    Examples
    --------
    >>> roc_auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    positive = np.asarray(positive, bool)
    n = int(positive.sum())
    m = len(positive) - n
    if not n or not m:
        return float("nan")
    return float((rankdata(scores)[positive].sum() - n * (n + 1) / 2) / (n * m))


def representation(gram: np.ndarray, y: np.ndarray, task: Task = "classification") -> dict[str, float]:
    r"""Return how well a kernel suits the targets, and how many directions it uses, on points that trained nothing.

    With :math:`K_c = HKH`, :math:`H = I - \frac1n 11^\top`, these are

    - ``alignment``, :math:`\langle K_c, L_c\rangle / (\|K_c\|_F \|L_c\|_F)`, the centred kernel-target alignment
      [cortes2012]_, where :math:`L_{ij} = 1[y_i = y_j]` for classes and :math:`y_i y_j` for numbers;
    - ``effective_rank``, :math:`\exp(-\sum_i p_i \log p_i)` with :math:`p` the eigenvalues of :math:`K_c` over their
      sum [roy2007]_: between 1 and n - 1.

    Both are diagnostics of a representation and no scores: among kernels of equal accuracy, neither need be equal.
    They depend on the number of points, so compare them on the same ones.

    Parameters
    ----------
    gram : array of shape (n, n)
        Of a representation's features F this is :math:`F F^\top`.
    y : array of shape (n,)
    task : {"classification", "regression"}

    Returns
    -------
    dict of str to float
        Empty for a constant kernel; without ``alignment`` if all targets are equal.

    Raises
    ------
    ValueError
        A matrix that is not square, finite, symmetric and, beyond rounding, positive semidefinite, or other than n
        targets.

    References
    ----------
    .. [cortes2012] Cortes, Mohri, Rostamizadeh. Algorithms for Learning Kernels Based on Centered Alignment. JMLR 2012.
    .. [roy2007] Roy, Vetterli. The Effective Rank: A Measure of Effective Dimensionality. EUSIPCO 2007.

    Examples
    --------
    >>> y = np.array([1, 1, 2, 2])
    >>> found = representation(np.equal.outer(y, y).astype(float), y)
    >>> round(found["alignment"], 12), round(found["effective_rank"], 12)
    (1.0, 1.0)
    """
    gram, y = np.asarray(gram, dtype=float), np.asarray(y)
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1] or y.shape != gram.shape[:1]:
        raise ValueError(f"gram must have shape (n, n) and y (n,), found {gram.shape} and {y.shape}")
    size = np.abs(gram).max(initial=0.0)
    if not np.isfinite(gram).all() or np.abs(gram - gram.T).max(initial=0.0) > ROUNDING * size:
        raise ValueError("gram must be finite and symmetric. Evaluate the kernel between the same points on both sides")
    K = _centred(gram)
    values = np.linalg.eigvalsh((K + K.T) / 2)
    if values.min(initial=0.0) < -ROUNDING * max(size * len(K), values.max(initial=0.0)):
        raise ValueError(
            f"gram must be positive semidefinite, found the eigenvalue {values.min():.3g} beside {values.max():.3g} "
            f"after centring. A kernel's Gram matrix is; a similarity's need not be"
        )
    if values.max(initial=0.0) <= 1e-12 * size * len(K):
        return {}
    p = values[values > 0] / values[values > 0].sum()  # what is left out is rounding, see above
    found = {"effective_rank": float(np.exp(-np.sum(p * np.log(p))))}
    target = np.equal.outer(y, y).astype(float) if task == "classification" else np.outer(y, y).astype(float)
    if len(np.unique(y)) > 1:
        found["alignment"] = alignment(K, _centred(target))
    return found


def _centred(K: np.ndarray) -> np.ndarray:
    rows = K.mean(axis=0)
    return K - rows[None, :] - K.mean(axis=1)[:, None] + rows.mean()


def _regression(y: np.ndarray, f: np.ndarray) -> dict[str, float]:
    y, f = y.astype(float), f.astype(float)
    if not np.isfinite(y).all() or not np.isfinite(f).all():
        raise ValueError("y_true and predicted must be finite; a prediction that is not has no error")
    residual = y - f
    found = {"rmse": float(np.sqrt(np.mean(residual**2))), "mae": float(np.mean(np.abs(residual)))}
    total = float(np.sum((y - y.mean()) ** 2))
    if total > 0:
        found["r2"] = float(1 - np.sum(residual**2) / total)
    return found


def _columns(y: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the column of each label."""
    order = np.argsort(labels)
    place = np.minimum(np.searchsorted(labels, y, sorter=order), len(labels) - 1)
    column = order[place]
    unknown = np.unique(y[labels[column] != y])
    if len(unknown):
        raise ValueError(
            f"y_true holds {unknown.tolist()}, but the columns are for {labels.tolist()}. Train on every class, or "
            f"pass the right classes"
        )
    return column


def _per_class(given: np.ndarray, name: str, n: int, n_classes: int) -> np.ndarray:
    """Return one column per class; of two classes, a single column is the second's."""
    values = np.asarray(given)
    values = values if values.dtype.kind == "f" else values.astype(float)
    if values.shape in ((n,), (n, 1)) and n_classes == 2:
        values = values.ravel()
        values = np.column_stack([1 - values if name == "probabilities" else -values, values])
    if values.shape != (n, n_classes):
        raise ValueError(
            f"{name} must have shape {(n, n_classes)}, one column per class, found {np.shape(given)}. Pass classes= if "
            f"some of them do not occur in y_true"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite")
    return values
