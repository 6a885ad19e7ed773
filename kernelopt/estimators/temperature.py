"""Temperature scaling: one number that makes probabilities as sure as they are right."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

BOUNDS = (1e-2, 1e2)


def best_temperature(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    r"""Return the temperature that makes the labels most likely, within [0.01, 100].

    .. math:: T = \arg\min_T \; -\sum_i w_i \log \mathrm{softmax}(z_i / T)_{y_i}

    convex in 1/T, so that the search along log T finds the only minimum. The samples must not be those that
    the logits were trained on, on which every network is surer than it should be.

    Parameters
    ----------
    logits : array of shape (n, n_classes)
    labels : integer array of shape (n,)
    weights : array of shape (n,), optional

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Weinberger: On calibration of modern neural networks. ICML 2017.

    Examples
    --------
    >>> logits = np.array([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])  # right three times of four
    >>> bool(np.isclose(best_temperature(logits, np.array([0, 0, 0, 1])), 2 / np.log(3), rtol=1e-5))
    True
    """

    def surprise(log_temperature: float) -> float:
        each = log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(labels)), labels]
        return -float(np.average(each, weights=weights))

    found = minimize_scalar(surprise, bounds=np.log(BOUNDS), method="bounded", options={"xatol": 1e-8})
    return float(np.exp(found.x))
