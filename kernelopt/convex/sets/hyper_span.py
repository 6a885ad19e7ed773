"""Slices of a hyperkernel with weights of any sign, within the semidefinite cone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from kernelopt.convex.sets.hyper_rkhs import HyperSquared
from kernelopt.convex.sets.program import WeightProgram
from kernelopt.convex.sets.psd_span import EPS, ROUNDING, _negative, into_cone


@dataclass(frozen=True, eq=False)
class HyperSpan(HyperSquared):
    r"""Weights of any sign with a semidefinite matrix, at half the squared norm: semidefinite programming proper.

    .. math:: K(\beta) = \sum_j \beta_j K_j \succeq 0, \quad (\mathbf{1}^\top \beta = c), \qquad
              R(\beta) = \tfrac{\lambda}{2} \beta^\top \underline K \beta

    What [ong2005]_ avoid: the matrix is semidefinite on the points it was learned on, and the function need be no
    kernel elsewhere. For any :math:`Z \succeq 0` and :math:`\nu`, with :math:`r = q + (\langle K_j, Z \rangle)_j - \nu
    \mathbf{1}`,

    .. math:: R^*(q) \le c \nu + \frac{1}{2 \lambda} r^\top \underline K^{-1} r,

    with equality for the best ones (:math:`\nu = 0` without c). The witness is Z, the best :math:`\nu` a formula.

    Parameters
    ----------
    gram : array of shape (p, p)
        The hyperkernel between the pairs whose slices are the kernels; positive definite.
    lam : float
        :math:`\lambda_Q`; positive.
    c : float or None
        The sum of the weights; None learns it.

    References
    ----------
    .. [ong2005] Ong, Smola, Williamson. Learning the Kernel with Hyperkernels. JMLR 6, 2005.
    """

    gram: np.ndarray
    lam: float = 1.0
    c: float | None = None
    name = "hyper_span"

    def project(self, theta, kernels, witness=None):
        """Scale to the sum, and move towards equal weights until no eigenvalue is negative beyond rounding."""
        centre, violation = self.start(kernels), 0.0
        if self.c is not None:
            total = float(theta.sum()) / self.c
            violation = abs(total - 1)
            theta = theta / total if 0.5 < total < 2 else theta + (1 - total) * centre
        size = float(np.abs(theta) @ kernels.traces) or float(centre @ kernels.traces)
        violation = max(violation, _negative(kernels.mix(theta)) / size)
        for _ in range(9):  # what is forgiven shrinks with the weights
            before = theta
            cancelled = 10 * EPS * float(np.abs(theta) @ kernels.traces)
            theta = into_cone(theta, centre, kernels, ROUNDING * abs(float(theta @ kernels.traces)) + cancelled)
            if theta is before:
                break
        return theta, violation

    def support(self, q, kernels, witness=None):
        """Return the bound that the witness gives."""
        if witness is None:
            return self._bound(q)
        Z = (witness + witness.T) / 2
        return self._bound(q + kernels.inner(Z) + _negative(Z) * kernels.traces)

    def _bound(self, r: np.ndarray) -> float:
        """Return the bound at the best multiplier of the sum."""
        half = linalg.solve_triangular(self.R_factor, r, trans="T")
        if self.c is None:
            return float(half @ half) / (2 * self.lam)
        ones = linalg.solve_triangular(self.R_factor, np.ones(len(r)), trans="T")
        nu = (float(ones @ half) - self.lam * self.c) / float(ones @ ones)
        rest = half - nu * ones
        return self.c * nu + float(rest @ rest) / (2 * self.lam)

    def program(self, kernels) -> WeightProgram:
        """Return the semidefinite program."""
        self.check_kernels(kernels)
        rows = np.zeros((0, len(self.gram))) if self.c is None else np.full((1, len(self.gram)), 1 / self.c)
        return WeightProgram(
            self.start(kernels), False, rows, np.ones(len(rows)), price=self.price(), semidefinite=True
        )
