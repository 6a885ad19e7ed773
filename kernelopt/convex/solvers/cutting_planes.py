"""What to do at a kink: the planes below omega that have been collected, over a simplex."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from kernelopt.convex.problem import Problem

KEPT, ROOM = 60, 2**25  # planes, and bytes that their a's may take


class CuttingPlanes:
    r"""The model :math:`\max_j \varphi(a_j) - \sum_k \mu_k q_{jk} \le \omega(K(\mu))` of the a's found so far."""

    def __init__(self, problem: Problem):
        self.problem = problem
        self.clear()

    def clear(self) -> None:
        """Forget the planes."""
        self.planes: list[tuple[float, np.ndarray, np.ndarray]] = []

    def add(self, phi: float, q: np.ndarray, a: np.ndarray) -> None:
        """Keep the plane of one a; q belongs to the working set."""
        kept = int(np.clip(ROOM // a.nbytes, 8, KEPT))
        self.planes = [*self.planes[-kept + 1 :], (phi, q, a)]

    def _data(self) -> tuple[np.ndarray, np.ndarray, float]:
        phi, q = np.array([p[0] for p in self.planes]), np.array([p[1] for p in self.planes])
        return phi, q, max(float(np.abs(phi).max()), float(np.abs(q).max()), 1e-300)

    def weights(self, mu: np.ndarray, W: np.ndarray, row: np.ndarray, radius: float) -> np.ndarray:
        """Minimise the model over r'mu = 1, with shares within `radius` of the given ones."""
        phi, q, unit = self._data()
        share = row[W] * mu[W]
        result = linprog(
            np.append(np.zeros(len(W)), 1.0),
            A_ub=np.column_stack([-q / (unit * row[W]), -np.ones(len(q))]),
            b_ub=-phi / unit,
            A_eq=np.append(np.ones(len(W)), 0.0)[None],
            b_eq=[1.0],
            bounds=[(max(0.0, m - radius), min(1.0, m + radius)) for m in share] + [(None, None)],
            method="highs",
        )
        if result.x is None:
            return mu
        out, share = np.zeros_like(mu), np.maximum(result.x[:-1], 0.0)
        out[W] = share / share.sum() / row[W]
        return out

    def combine(self, W: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Return the convex combination of the a's whose plane gives the best lower bound: the model's multipliers."""
        phi, q, unit = self._data()
        result = linprog(
            np.append(-phi / unit, 1.0),
            A_ub=np.column_stack([(q / row[W]).T / unit, -np.ones(len(W))]),
            b_ub=np.zeros(len(W)),
            A_eq=np.append(np.ones(len(q)), 0.0)[None],
            b_eq=[1.0],
            method="highs",
        )
        if result.x is None:
            return self.planes[-1][2]
        share = np.maximum(result.x[:-1], 0.0)
        return sum(t * plane[2] for t, plane in zip(share / share.sum(), self.planes, strict=True) if t > 0)
