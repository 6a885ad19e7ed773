"""Ridge regression with a given kernel, its ridge chosen by generalised cross-validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

GRID = np.logspace(-6, 2, 97)  # multiples of the mean of the diagonal


@dataclass(frozen=True, eq=False)
class Ridge:
    """A ridge, the coefficients (n, k) and the offsets (k,) that go with it, and the score of each ridge tried."""

    lam: float
    beta: np.ndarray
    intercept: np.ndarray
    scores: np.ndarray


def gcv_ridge(K: np.ndarray, Y: np.ndarray, w: np.ndarray, intercept: bool = True) -> Ridge:
    r"""Return the ridge with the least generalised cross-validation score, and its machine.

    .. math::
        \mathrm{GCV}(\lambda) = \frac{W \sum_i w_i (y_i - f_\lambda(x_i) - b_\lambda)^2}{(W - \mathrm{df}_\lambda)^2},
        \qquad W = \sum_i w_i,

    over a grid of :math:`\lambda`, where :math:`f_\lambda, b_\lambda` minimise
    :math:`\tfrac12 \|f\|_K^2 + \tfrac1{2 \lambda} \sum_i w_i (y_i - f(x_i) - b)^2` and :math:`\mathrm{df}` is the trace
    of the map from targets to fitted values. One eigendecomposition gives all of them.

    Parameters
    ----------
    K : array of shape (n, n)
        The kernel.
    Y : array of shape (n, k)
        Targets, which share the ridge.
    w : array of shape (n,)
        Weights; a weight of two is the sample twice.
    intercept : bool
        Whether there is a b.

    Examples
    --------
    >>> x = np.linspace(0, 3, 40)
    >>> noisy = np.sin(2 * x) + 0.1 * np.random.default_rng(0).normal(size=40)
    >>> fit = gcv_ridge(np.exp(-np.subtract.outer(x, x) ** 2), noisy[:, None], np.ones(40))
    >>> bool(1e-4 < fit.lam < 1.0)
    True
    """
    root = np.sqrt(w)
    scaled = root[:, None] * K * root
    unit = root / np.linalg.norm(root)
    targets = root[:, None] * Y
    if intercept:  # on what is orthogonal to the offset
        product = scaled @ unit
        scaled = scaled - np.outer(unit, product) - np.outer(product, unit) + (unit @ product) * np.outer(unit, unit)
        targets = targets - np.outer(unit, unit @ targets)
    values, Q = linalg.eigh(scaled, driver="evd")
    values, coordinates = np.maximum(values, 0.0), Q.T @ targets
    lams = GRID * max(float(np.mean(np.diag(K))), 1e-300)
    total, power = float(w.sum()), (coordinates**2).sum(axis=1)
    left = lams[:, None] / (values + lams[:, None])
    freedom = (1 - left).sum(axis=1) + intercept
    residual = left**2 @ power
    room = total - freedom
    scores = np.where(room > 0, total * residual / np.maximum(room, 1e-300) ** 2, np.inf)
    lam = float(lams[np.argmin(scores)])
    beta = root[:, None] * (Q @ (coordinates / (values + lam)[:, None]))
    if intercept:
        beta -= np.outer(w, beta.sum(axis=0)) / total
        offset = w @ (Y - K @ beta) / total
    else:
        offset = np.zeros(Y.shape[1])
    return Ridge(lam, beta, offset, scores)


def ridge_machine(K: np.ndarray, Y: np.ndarray, w: np.ndarray, lam: float, intercept: bool = True) -> Ridge:
    r"""Return the machine of a given positive ridge: the same problem, with nothing to choose.

    Examples
    --------
    >>> fit = ridge_machine(np.eye(2), np.array([[1.0], [3.0]]), np.ones(2), 1.0)
    >>> fit.beta.ravel(), fit.intercept
    (array([-0.5,  0.5]), array([2.]))
    """
    factor = linalg.cho_factor(K + np.diag(lam / w), lower=True)
    beta = linalg.cho_solve(factor, Y)
    if not intercept:
        return Ridge(lam, beta, np.zeros(Y.shape[1]), np.empty(0))
    u = linalg.cho_solve(factor, np.ones(len(K)))
    offset = beta.sum(axis=0) / u.sum()
    return Ridge(lam, beta - np.outer(u, offset), offset, np.empty(0))
