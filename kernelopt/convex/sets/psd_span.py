"""Combinations with weights of any sign that are positive semidefinite: semidefinite programming proper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from kernelopt.convex.sets.base import KernelSet
from kernelopt.convex.sets.program import WeightProgram

EPS = float(np.finfo(float).eps)
ROUNDING = 1e-12  # of the trace: what an eigenvalue may be negative by


@dataclass(frozen=True)
class PSDSpan(KernelSet):
    r"""The span of the kernels within the semidefinite cone.

    .. math:: K(\mu) = \sum_k \mu_k K_k \succeq 0, \qquad \operatorname{tr} K(\mu) = c,

    weights of any sign, the matrices over *all* points, training and unlabelled (Th. 16 of [lanckriet2004]_). The
    learned matrix says nothing about other points, unless the weights happen to be nonnegative.

    The support function is a semidefinite program. Its dual gives the bound: for any :math:`Z \succeq 0` and t with
    :math:`\langle K_k, Z \rangle + q_k = t \operatorname{tr} K_k` it is at most tc; the witness is Z, made to fit.

    Parameters
    ----------
    trace : float or None
        c; by default the mean of the kernels' traces (so that with one kernel the weight is one).

    References
    ----------
    .. [lanckriet2004] Lanckriet et al. Learning the Kernel Matrix with Semidefinite Programming. JMLR 5, 2004.
    """

    trace: float | None = None
    name = "psd_span"

    def __post_init__(self):
        if self.trace is not None and not 0 < self.trace < np.inf:
            raise ValueError(f"trace must be positive and finite, found {self.trace!r}")

    def budget(self, kernels) -> float:
        """Return c."""
        return float(kernels.traces.mean()) if self.trace is None else self.trace

    def start(self, kernels):
        """Return positive weights that give each kernel the same trace."""
        return self.budget(kernels) / (np.count_nonzero(kernels.traces) * kernels.shares) * (kernels.traces > 0)

    def project(self, theta, kernels, witness=None):
        """Scale to the trace, and move towards equal shares until no eigenvalue is negative beyond rounding."""
        c, centre = self.budget(kernels), self.start(kernels)
        trace = float(theta @ kernels.traces)
        violation = abs(trace / c - 1)
        if trace <= 0:
            return centre, violation
        theta = theta * (c / trace) if violation > 0 else theta
        violation = max(violation, _negative(kernels.mix(theta)) / c)
        cancelled = 10 * EPS * float(np.abs(theta) @ kernels.traces)  # the digits that large weights cost
        return into_cone(theta, centre, kernels, ROUNDING * c + cancelled), violation

    def support(self, q, kernels, witness=None):
        """Return t c for the witness, made to fit."""
        n, traces = kernels.n_samples, kernels.traces
        Z = np.zeros((n, n)) if witness is None else (witness + witness.T) / 2
        inner = kernels.inner(Z)
        # Move Z within the span of the kernels until <K_k, Z> + q_k = t tr K_k for all k ...
        T = kernels.orthonormal
        size = traces @ T
        t = float(size @ ((inner + q) @ T)) / float(size @ size)
        undone = t * traces - q - inner
        for _ in range(3):  # the second and third time against rounding
            Z = Z + kernels.mix(T @ (undone @ T))
            undone = t * traces - q - kernels.inner(Z)
        # ... what is left undone counts for no more than c times its norm, as |K(theta)| <= tr K(theta) = c ...
        unmet = float(np.linalg.norm(undone @ T))
        # ... and as <K_k, I> is the trace, each unit of I that makes Z semidefinite costs a unit of t.
        return self.budget(kernels) * (t + _negative(Z) + unmet)

    def program(self, kernels):
        """Return the semidefinite program."""
        rows = kernels.traces[None] / self.budget(kernels)
        return WeightProgram(self.start(kernels), False, rows, np.ones(1), semidefinite=True)


def into_cone(theta: np.ndarray, inside: np.ndarray, kernels, slack: float) -> np.ndarray:
    """Move weights towards those of a semidefinite matrix, until no eigenvalue is below minus `slack`."""

    def admitted(share: float) -> bool:
        K = kernels.mix((1 - share) * theta + share * inside)
        K[np.diag_indices_from(K)] += slack
        return _definite(K)

    if admitted(0.0):
        return theta
    low, high = 0.0, 1.0
    for _ in range(40):
        share = 0.5 * (low + high)
        low, high = (low, share) if admitted(share) else (share, high)
    return (1 - high) * theta + high * inside


def _definite(K: np.ndarray) -> bool:
    """Whether a matrix has a Cholesky factor, a tenth of the price of an eigenvalue."""
    try:
        linalg.cholesky(K, check_finite=False)
    except linalg.LinAlgError:
        return False
    return True


def _negative(K: np.ndarray) -> float:
    """Return how far the smallest eigenvalue is below zero."""
    return 0.0 if _definite(K) else max(0.0, -float(linalg.eigvalsh(K, subset_by_index=[0, 0])[0]))
