"""Kernel matrices near a given one: the matrix itself is learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.optimize import brentq

from kernelopt.convex.sets.base import KernelSet, project_to_simplex
from kernelopt.convex.sets.program import WeightProgram


@dataclass(frozen=True)
class BoundedBall(KernelSet):
    r"""Matrices in a ball around a given kernel.

    .. math:: K \succeq 0, \qquad \|K - K_0\|_F \le \rho, \qquad \operatorname{tr} K = c

    over all points, training and unlabelled (with a parameter for each pair of points, it says nothing about others).
    Here :math:`\theta` is K itself, and :math:`K_0` the only kernel of the problem.

    A linear function :math:`\langle K, N \rangle` is largest at the nearest point of :math:`K_0 + N/\sigma` on the
    spectahedron (semidefinite with trace c: eigenvalues projected onto a simplex), for the :math:`\sigma` at which the
    ball is touched. For any :math:`Z \succeq 0` and t it is at most
    :math:`\langle K_0, W \rangle + \rho \|W\|_F + t c` with :math:`W = N + Z - t I`, and that is the bound of the
    certificate.

    Parameters
    ----------
    rho : float
        Radius :math:`\rho`, in the Frobenius norm; positive.
    trace : float or None
        c; by default that of :math:`K_0`.
    """

    rho: float = 1.0
    trace: float | None = None
    name = "bounded_ball"

    def __post_init__(self):
        if not 0 < self.rho < np.inf:
            raise ValueError(f"rho must be positive and finite, found {self.rho!r}")

    def _given(self, kernels) -> tuple[np.ndarray, float]:
        if kernels.n_kernels != 1:
            raise ValueError(f"kernel set 'bounded_ball' takes one kernel, its centre, found {kernels.n_kernels}")
        K0 = kernels.mix(np.ones(1))
        return K0, float(np.trace(K0)) if self.trace is None else self.trace

    def start(self, kernels):
        """Return the point nearest to the given kernel."""
        K0, c = self._given(kernels)
        K = spectahedron(K0, c)[0]
        if np.linalg.norm(K - K0) > self.rho * (1 + 1e-9):
            raise ValueError(
                f"the ball is empty: the nearest positive semidefinite matrix of trace {c:.3g} is "
                f"{np.linalg.norm(K - K0):.3g} away from the kernel, and rho is {self.rho:.3g}; raise rho"
            )
        return K

    def matrix(self, theta, kernels):
        """Return the matrix itself."""
        return theta

    def apply(self, theta, V, kernels):
        """Return the matrix times V."""
        return theta @ V

    def project(self, theta, kernels, witness=None):
        """Project onto the spectahedron, then draw towards the centre as far as the ball asks."""
        K0, c = self._given(kernels)
        theta = (theta + theta.T) / 2
        smallest = float(linalg.eigvalsh(theta, subset_by_index=[0, 0])[0])
        far = float(np.linalg.norm(theta - K0))
        violation = max(-smallest / c, abs(float(np.trace(theta)) / c - 1), far / self.rho - 1, 0.0)
        if violation < 1e-12:
            return theta, violation
        K, centre = spectahedron(theta, c)[0], self.start(kernels)
        if np.linalg.norm(K - K0) > self.rho:
            inside = float(np.linalg.norm(centre - K0))
            share = 1.0 if inside >= self.rho else _share(K - K0, centre - K0, self.rho)
            K = K + share * (centre - K)
        return K, violation

    def support(self, q, kernels, witness=None):
        """Not defined: this set is no combination of kernels; see `support_at`."""
        raise NotImplementedError("the bounded ball is asked about matrices: use support_at(V, kernels)")

    def respond(self, V: np.ndarray, kernels) -> Response:
        """Return the K of the set that is largest along V V'/2, how large, and how it turns with V."""
        K0, c = self._given(kernels)
        N = 0.5 * V @ V.T
        size = float(np.linalg.norm(N))
        if size == 0:
            return Response(self.start(kernels), 0.0, K0, np.zeros(len(K0)), np.eye(len(K0)), 1.0)

        def outside(log_sigma: float) -> float:
            return float(np.linalg.norm(spectahedron(K0 + N / np.exp(log_sigma), c)[0] - K0)) - self.rho

        # Between these the ball is touched: a step of N/sigma moves the matrix by at most size/sigma.
        high = np.log(size / self.rho) + 1.0
        low = np.log(size / max(c, self.rho)) - 20.0
        if outside(low) <= 0:
            log_sigma = low  # the ball holds the whole face: the trace alone decides
        elif outside(high) >= 0:
            log_sigma = high  # the centre is as far from the spectahedron as rho allows
        else:
            log_sigma = float(brentq(outside, low, high, xtol=1e-13, rtol=1e-14))
        sigma = float(np.exp(log_sigma))
        K, Z, t, values, vectors = spectahedron(K0 + N / sigma, c)
        W = N + sigma * Z - sigma * t * np.eye(len(N))
        bound = float(np.sum(K0 * W)) + self.rho * float(np.linalg.norm(W)) + sigma * t * c
        free = c * float(linalg.eigvalsh(N, subset_by_index=[len(N) - 1, len(N) - 1])[0])  # without the ball
        return Response(K, min(bound, free), K0, values - t, vectors, sigma)

    def support_at(self, V, kernels, q=None, witness=None):
        """Return the upper bound."""
        return self.respond(V, kernels).bound

    def program(self, kernels) -> WeightProgram:
        """Not defined: the interior-point method asks for `respond`."""
        raise NotImplementedError("the bounded ball is no set of weights; it responds to V")


@dataclass(frozen=True, eq=False)
class Response:
    r"""The best matrix for given dual variables, and the second derivative of :math:`V \mapsto R^*(\tfrac12 V V^\top)`.

    Parameters
    ----------
    K : array of shape (N, N)
        The maximiser.
    bound : float
        An upper bound of the maximum.
    centre : array of shape (N, N)
        :math:`K_0`.
    values, vectors : arrays of shape (N,) and (N, N)
        Eigenvalues, less t, and eigenvectors of what is projected.
    sigma : float
        Multiplier of the ball.
    """

    K: np.ndarray
    bound: float
    centre: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    sigma: float

    def curvature(self, V: np.ndarray) -> np.ndarray:
        r"""Return what the turning of K adds to the Hessian, for the columns of V one after the other.

        With :math:`H = \tfrac12 (V\,dV^\top + dV\,V^\top)` and L the derivative of the projection onto the cone it is
        :math:`\langle H, L H \rangle / \sigma`, less what lies in L's metric along the identity (the trace is held)
        and along :math:`K - K_0` (the ball is).
        """
        f = np.maximum(self.values, 0.0)
        gap = self.values[:, None] - self.values[None, :]
        same = np.abs(gap) <= 1e-12 * float(np.abs(self.values).max() or 1.0)
        Omega = np.where(same, (self.values[:, None] > 0) * 1.0, (f[:, None] - f[None, :]) / np.where(same, 1.0, gap))
        Q = self.vectors
        T, D = Q.T @ V, Q.T @ (self.K - self.centre) @ Q
        n, k = T.shape
        H = np.empty((k, n, k, n))
        for c in range(k):
            for e in range(k):
                H[c, :, e, :] = 0.5 * (np.diag(Omega @ (T[:, c] * T[:, e])) + np.outer(T[:, e], T[:, c]) * Omega)
        H = H.reshape(k * n, k * n)
        held = np.column_stack([(np.diagonal(Omega)[:, None] * T).T.ravel(), ((Omega * D) @ T).T.ravel()])
        identity = np.eye(n)
        gram = np.array([[float(np.sum(Omega * A * B)) for B in (identity, D)] for A in (identity, D)])
        H = H - held @ np.linalg.pinv(gram, rcond=1e-13, hermitian=True) @ held.T
        turn = np.kron(np.eye(k), Q)
        return turn @ H @ turn.T / self.sigma


def spectahedron(A: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray, float, np.ndarray, np.ndarray]:
    """Return the nearest K >= 0 of trace c, with Z >= 0 and t such that K = A + Z - t I, and A's eigenvectors.

    Examples
    --------
    >>> spectahedron(np.diag([3.0, -1.0]), 2.0)[0]
    array([[2., 0.],
           [0., 0.]])
    """
    values, vectors = linalg.eigh((A + A.T) / 2, driver="evd")
    kept = c * project_to_simplex(values / c)
    t = float(np.max(values - kept))  # the same on all that are kept
    negative = np.maximum(t - values, 0.0) * (kept == 0)
    return (vectors * kept) @ vectors.T, (vectors * negative) @ vectors.T, t, values, vectors


def _share(outer: np.ndarray, inner: np.ndarray, rho: float) -> float:
    """Return the share s in [0, 1] at which outer + s (inner - outer) has norm rho."""
    step = inner - outer
    a, b, c = float(np.sum(step**2)), float(np.sum(outer * step)), float(np.sum(outer**2)) - rho**2
    return min(1.0, (-b - np.sqrt(max(b * b - a * c, 0.0))) / a * (1 + 1e-12))
