"""The proof an answer carries: an upper and a lower bound of the optimum, both made outside the solver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EPS = float(np.finfo(float).eps)
ROUNDING = 1e-9  # relative; what evaluating both bounds in float64 may lose at a few thousand samples


@dataclass(frozen=True)
class Certificate:
    """Proof of how far an answer is from the optimum: ``dual <= optimum <= primal``.

    Parameters
    ----------
    primal, dual : float
        Upper and lower bound of the optimal value.
    infeasibility : float
        Largest dimensionless violation of the points that were given (box over C, balance over
        the 1-norm of a, weights outside their set); both bounds are evaluated at the projections.
    scale : float
        The objective of the zero function: what counts as large.
    problem : str
        Which problem is proven: criterion, set, number of kernels, precision.

    Examples
    --------
    >>> c = Certificate(primal=1.0, dual=0.999, infeasibility=0.0, scale=10.0)
    >>> round(c.gap, 6), c.holds(1e-2), c.holds(1e-4)
    (0.001, True, False)
    """

    primal: float
    dual: float
    infeasibility: float
    scale: float
    problem: str = ""

    @property
    def gap(self) -> float:
        """``(primal - dual) / max(|primal|, |dual|, 100 eps * scale)``; negative beyond rounding means a bug.

        Bounds are differences of terms of size `scale`: what is smaller than their rounding is zero.
        """
        if not (np.isfinite(self.primal) and np.isfinite(self.dual)):
            return float("nan")
        size = max(abs(self.primal), abs(self.dual), 100 * EPS * self.scale)
        return (self.primal - self.dual) / size if size > 0 else 0.0

    def holds(self, tol: float) -> bool:
        """Whether the answer is proven to `tol`; false on NaN and on bounds that cross."""
        return bool(self.infeasibility <= tol and -ROUNDING <= self.gap <= tol)
