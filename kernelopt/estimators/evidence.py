"""Polishing a learned mixture of a family's kernels by the marginal likelihood, which is not convex."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg
from scipy.optimize import minimize

from kernelopt.kernels.continuous import Family

STEPS = 50  # of L-BFGS; each costs the cube of the number of samples
SMALLEST = 1e-4  # of a parameter on a logarithmic scale, as a share of its upper bound
LOWEST = 1e-8  # of weights and ridge, beside a largest weight of about one


@dataclass(frozen=True, eq=False)
class Polished:
    """Weights (m,) that add up to one, parameters (m, p), the ridge, negative log likelihoods before and after."""

    weights: np.ndarray
    omegas: np.ndarray
    lam: float
    before: float
    after: float


@dataclass(frozen=True, eq=False)
class Evidence:
    r"""Restricted likelihood of a Gaussian process with a mixture of a family's kernels, its scale profiled out.

    Targets of variance :math:`\tau (K_\theta + \lambda D_w^{-1})` about an unknown mean, with :math:`C = K_\theta +
    \lambda D_w^{-1}`, :math:`K_\theta = \sum_k \theta_k K_{\omega_k}` and :math:`W = \sum_i w_i`, have, the best
    :math:`\tau` for each target put in, the negative log likelihood

    .. math::
        \tfrac{W - 1}{2} \sum_c \log y_c^\top P y_c + \tfrac{k}{2} \Bigl( \log |C| + \log \mathbf{1}^\top C^{-1}
        \mathbf{1} + \sum_i (w_i - 1) \log \lambda \Bigr),
        \qquad P = C^{-1} - \frac{C^{-1} \mathbf{1} \mathbf{1}^\top C^{-1}}{\mathbf{1}^\top C^{-1} \mathbf{1}},

    up to a constant [rasmussen2006]_. Without an offset P is :math:`C^{-1}`, and W stands for W - 1. A weight of two
    is the sample twice.

    Parameters
    ----------
    family : Family
        The family, its domain known.
    points : array of shape (n, d)
        The samples.
    Y : array of shape (n, k)
        Targets, none of them constant.
    w : array of shape (n,)
        Weights, positive.
    intercept : bool
        Whether there is an unknown mean.

    References
    ----------
    .. [rasmussen2006] Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006, section 5.4.1
       and, for the mean, 2.7.

    Examples
    --------
    >>> from kernelopt.kernels.continuous import GaussianFamily
    >>> x = np.linspace(0, 3, 30)[:, None]
    >>> evidence = Evidence(GaussianFamily(0.01, 10.0), x, np.sin(2 * x) + 0.01 * np.cos(40 * x), np.ones(30))
    >>> good, bad = (evidence(np.ones(1), np.array([[omega]]), 1e-3)[0] for omega in (0.5, 10.0))
    >>> bool(good < bad)
    True
    """

    family: Family
    points: np.ndarray
    Y: np.ndarray
    w: np.ndarray
    intercept: bool = True

    def __post_init__(self):
        object.__setattr__(self, "_prepared", self.family.prepare(self.points))
        # Their size is a constant of the likelihood, and squares of tiny or huge numbers are none.
        object.__setattr__(self, "Y", self.Y / np.abs(self.Y).max(axis=0))

    def __call__(self, weights: np.ndarray, omegas: np.ndarray, lam: float) -> tuple[float, Any]:
        """Return the value, and its derivatives by weights, parameters and ridge.

        Raises
        ------
        numpy.linalg.LinAlgError
            The kernel with its ridge is not positive definite to rounding.
        """
        prepared: Any = self._prepared  # type: ignore[attr-defined]
        n, k = self.Y.shape
        C = np.zeros((n, n))
        for weight, omega in zip(weights, omegas, strict=True):
            C += weight * self.family.gram(omega, prepared)
        C[np.diag_indices(n)] += lam / self.w
        L = linalg.cholesky(C, lower=True)
        root = linalg.solve_triangular(L, np.eye(n), lower=True).T  # C^-1 = root root'
        A = root @ (root.T @ self.Y)
        freedom = float(self.w.sum()) - self.intercept
        value = k * float(np.log(np.diag(L)).sum() + 0.5 * (self.w - 1).sum() * np.log(lam))
        minus = np.zeros((n, 0))
        if self.intercept:
            u = root @ root.sum(axis=0)
            level = float(u.sum())
            A -= np.outer(u, u @ self.Y) / level
            value += 0.5 * k * np.log(level)
            minus = np.sqrt(k / level) * u[:, None]
        q = np.einsum("ic,ic->c", self.Y, A)
        value += 0.5 * freedom * float(np.log(q).sum())
        # The derivative by C is half of plus plus' - minus minus'.
        plus, minus = np.sqrt(k) * root, np.hstack([minus, A * np.sqrt(freedom / q)])
        by_weight, by_omega = np.empty(len(weights)), np.empty_like(omegas)
        for j, omega in enumerate(omegas):
            up, rise = self.family.value_and_gradient(omega, plus, prepared)
            down, fall = self.family.value_and_gradient(omega, minus, prepared)
            by_weight[j], by_omega[j] = 0.5 * (up - down), 0.5 * weights[j] * (rise - fall)
        diagonal = 0.5 * ((plus**2).sum(axis=1) - (minus**2).sum(axis=1)) / self.w
        by_lam = float(diagonal.sum()) + 0.5 * k * float((self.w - 1).sum()) / lam
        return value, (by_weight, by_omega, by_lam)

    def polish(self, weights, omegas, lam: float, steps: int = STEPS, time_limit: float | None = None) -> Polished:
        """Return the local maximum of the likelihood that L-BFGS finds from here, within the family's domain.

        Parameters
        ----------
        weights, omegas : arrays of shape (m,) and (m, p)
            Where to begin; weights add up to one.
        lam : float
            The ridge to begin with.
        steps : int
            Steps at most.
        time_limit : float, optional
            Seconds, after which the point at hand is returned.
        """
        weights, omegas = np.asarray(weights, dtype=float), np.asarray(omegas, dtype=float)
        box, m = self.family.domain(self.points.shape[1]), len(weights)
        scale = _Scale(box, free=np.any(omegas != 0, axis=0))
        until = np.inf if time_limit is None else time.monotonic() + time_limit

        def value(z):
            try:
                found, (by_weight, by_omega, by_lam) = self(np.exp(z[:m]), scale.omegas(z[m + 1 :], m), np.exp(z[m]))
            except linalg.LinAlgError:  # L-BFGS turns back
                return np.inf, np.zeros_like(z)
            slopes = np.append(by_weight, by_lam) * np.exp(z[: m + 1])
            return found, np.concatenate([slopes, scale.slopes(z[m + 1 :], by_omega)])

        def watch(intermediate_result):
            if time.monotonic() > until:
                raise StopIteration

        begin = np.concatenate([np.log(np.maximum(np.append(weights, lam), LOWEST)), scale.units(omegas)])
        # The likelihood knows the ratio of ridge and weights only, so that weights need not grow.
        bounds = [(np.log(LOWEST), 0.0)] * m + [(np.log(LOWEST), -np.log(LOWEST))] + scale.bounds * m
        options = {"maxiter": steps, "maxcor": 30}
        found = minimize(value, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=options, callback=watch)
        mu, total = np.exp(found.x[:m]), float(np.exp(found.x[:m]).sum())
        at, ridge = scale.omegas(found.x[m + 1 :], m), float(np.exp(found.x[m])) / total
        return Polished(mu / total, at, ridge, float(value(begin)[0]), float(found.fun))


class _Scale:
    """Parameters on scales on which a step of one means much or little alike: logarithms where they are of one sign.

    A parameter that no kernel uses, such as the width of a feature that does not count, stays zero.
    """

    def __init__(self, box: np.ndarray, free: np.ndarray):
        self.low, self.high, self.free = box[free, 0], box[free, 1], free
        self.log = self.low >= 0
        self.least = np.where(self.log, np.maximum(self.low, SMALLEST * self.high), self.low)
        self.bounds = [
            (float(np.log(least)), float(np.log(high))) if log else (float(least), float(high))
            for least, high, log in zip(self.least, self.high, self.log, strict=True)
        ]

    def units(self, omegas: np.ndarray) -> np.ndarray:
        inside = np.clip(omegas[:, self.free], self.least, self.high)
        return np.where(self.log, np.log(np.where(self.log, inside, 1.0)), inside).ravel()

    def omegas(self, units: np.ndarray, m: int) -> np.ndarray:
        units = units.reshape(m, -1)
        found = np.zeros((m, len(self.free)))
        found[:, self.free] = np.clip(
            np.where(self.log, np.exp(np.where(self.log, units, 0.0)), units), self.least, self.high
        )
        return found

    def slopes(self, units: np.ndarray, by_omega: np.ndarray) -> np.ndarray:
        at = self.omegas(units, len(by_omega))[:, self.free]
        return (by_omega[:, self.free] * np.where(self.log, at, 1.0)).ravel()
