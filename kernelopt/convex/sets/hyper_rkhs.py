r"""Slices of a hyperkernel, priced by the norm of the learned kernel in the hyper-RKHS.

Three problems go by the name of learning with hyperkernels: weights that are not negative at the price of the norm
(`HyperNorm`, the one [ong2005]_ solve), at half its square (`HyperSquared`), and weights of any sign with
:math:`K \succeq 0` at half the square (`HyperSpan`).

References
----------
.. [ong2005] Ong, Smola, Williamson. Learning the Kernel with Hyperkernels. JMLR 6, 2005.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.optimize import nnls

from kernelopt.convex.sets.base import KernelSet, project_to_simplex
from kernelopt.convex.sets.program import Smooth, orthant

EPS = float(np.finfo(float).eps)
STEPS = 60  # of the search for the multiplier of the sum


class _Hyper(KernelSet):
    """What the three sets share: the Gram matrix of the pairs, the price's factor, and the scale."""

    gram: np.ndarray
    lam: float
    c: float | None

    def __post_init__(self):
        M = np.asarray(self.gram, dtype=float)
        object.__setattr__(self, "gram", M)
        if M.ndim != 2 or M.shape[0] != M.shape[1] or not np.isfinite(M).all() or not np.allclose(M, M.T):
            raise ValueError(f"gram must be a symmetric matrix, the hyperkernel between pairs, found shape {M.shape}")
        if not 0 < self.lam < np.inf:
            raise ValueError(f"lam must be positive and finite, found {self.lam!r}")
        if self.c is not None and not 0 < self.c < np.inf:
            raise ValueError(f"c must be positive and finite, found {self.c!r}")
        try:
            object.__setattr__(self, "_factor", linalg.cholesky(M))  # R with R'R = gram
        except linalg.LinAlgError:
            raise ValueError(
                "gram must be positive definite: take pairs that are pivots of a Cholesky factor (hyper_pivots)"
            ) from None

    @property
    def R_factor(self) -> np.ndarray:
        r"""R, upper triangular, with :math:`R^\top R` the Gram matrix of the pairs."""
        return self._factor  # type: ignore[attr-defined]

    def check_kernels(self, kernels) -> None:
        """Raise a ValueError unless there is one kernel per pair."""
        if kernels.n_kernels != len(self.gram):
            raise ValueError(f"gram is that of {len(self.gram)} pairs, but there are {kernels.n_kernels} kernels")

    @property
    def fixed(self) -> bool:
        """Whether there is one pair, and its weight given."""
        return len(self.gram) == 1 and self.c is not None

    def norm(self, theta: np.ndarray) -> float:
        r"""Return :math:`\|R \theta\|`, the norm of the learned kernel in the hyper-RKHS."""
        return float(np.linalg.norm(self.R_factor @ theta))

    def start(self, kernels):
        """Return equal weights that add up to c (to one, without)."""
        self.check_kernels(kernels)
        return np.full(kernels.n_kernels, (self.c or 1.0) / kernels.n_kernels)

    def project(self, theta, kernels, witness=None):
        """Project onto the simplex of sum c, or cut off negative weights."""
        if self.c is None:
            unit = max(float(np.abs(theta).max()), 1e-300)
            return np.maximum(theta, 0.0), max(0.0, float(-theta.min())) / unit
        share = theta / self.c
        violation = max(0.0, float(-share.min()), abs(float(share.sum()) - 1))
        return (theta, 0.0) if violation == 0.0 else (self.c * project_to_simplex(share), violation)

    @abstractmethod
    def price(self) -> Smooth:
        """Return R with its derivatives."""

    def program(self, kernels):
        """Return the simplex or the orthant, with the price."""
        self.check_kernels(kernels)
        rows = {} if self.c is None else {"equalities": np.full((1, len(self.gram)), 1 / self.c), "total": np.ones(1)}
        return orthant(self.start(kernels), price=self.price(), **rows)

    def _search(self, q, fall: float, excess, multiplier, bound) -> float:
        r"""Return the best bound on the way to the t at which `excess` vanishes for the z of :math:`q - t \mathbf{1}`.

        `excess` decreases in t, which lies between max q - `fall` and max q. On the present support of z its root has a
        formula, `multiplier`, of :math:`\mathbf{1}^\top G^{-1} \mathbf{1}`, :math:`\mathbf{1}^\top G^{-1} q` and
        :math:`q^\top G^{-1} q`.
        """
        q = np.asarray(q, dtype=float)
        high = float(q.max())
        low, t, best = high - fall, high - 0.5 * fall, np.inf
        for _ in range(STEPS):
            z = self._nonnegative(q - t)
            best, over = min(best, bound(z)), excess(z)
            low, high = (t, high) if over > 0 else (low, t)
            active = np.flatnonzero(z)
            root = 0.5 * (low + high)
            if len(active):
                sides = np.column_stack([q[active], np.ones(len(active))])
                first, ones = linalg.solve(self.gram[np.ix_(active, active)], sides, assume_a="pos").T
                found = float(multiplier(ones.sum(), first.sum(), q[active] @ first))
                if abs(found - t) <= 4 * EPS * max(abs(found), abs(t)):
                    break
                root = found if low < found < high else root
            if high - low <= EPS * max(abs(low), abs(high)):
                break
            t = root
        return best

    def _nonnegative(self, q: np.ndarray) -> np.ndarray:
        r"""Maximise :math:`q^\top z - \tfrac12 z^\top \mathrm{gram}\, z` over z >= 0."""
        R = self.R_factor
        size = float(np.abs(q).max()) or 1.0
        target = linalg.solve_triangular(R, q / size, trans="T")
        try:
            z = size * nnls(R, target, maxiter=30 * len(q))[0]
        except RuntimeError:  # it cycles where rounding rules; any z gives a bound
            return np.maximum(linalg.cho_solve((R, False), q), 0.0)
        active = np.flatnonzero(z)
        if len(active):  # once more on its own support, to the last digits
            exact = linalg.solve(self.gram[np.ix_(active, active)], q[active], assume_a="pos")
            if (exact >= 0).all():
                z[active] = exact
        return z


@dataclass(frozen=True, eq=False)
class HyperNorm(_Hyper):
    r"""Nonnegative weights of given sum, at the price of the norm: the problem that [ong2005]_ solve.

    .. math:: \beta \ge 0, \quad \mathbf{1}^\top \beta = c, \qquad
              R(\beta) = \tfrac{\lambda}{2} \sqrt{\beta^\top \underline K \beta}

    Slices with nonnegative weights are a kernel everywhere. The support function is

    .. math:: R^*(q) = \min_{\|u\| \le \lambda/2} c \max_j (q - R^\top u)_j, \qquad R^\top R = \underline K,

    and any u gives an upper bound. The best one is :math:`\tfrac\lambda2 R z / \|R z\|` for the z >= 0 that
    maximises :math:`(q - t \mathbf{1})^\top z - \tfrac12 z^\top \underline K z`, at the t where its norm is
    :math:`\lambda / 2`: nonnegative least squares inside of a search for t.

    Parameters
    ----------
    gram : array of shape (p, p)
        :math:`\underline K`, the hyperkernel between the pairs whose slices are the kernels; positive definite.
    lam : float
        :math:`\lambda_Q`; positive.
    c : float
        The scale. Without it the one-class and nu-machines have no optimum but zero or minus infinity, since their
        objective and the norm both scale with the kernel; so it must be given.

    References
    ----------
    .. [ong2005] Ong, Smola, Williamson. Learning the Kernel with Hyperkernels. JMLR 6, 2005.

    Examples
    --------
    >>> HyperNorm(np.eye(2), lam=2.0, c=1.0).support(np.array([3.0, 0.0]), None)  # beta = (1, 0)
    2.0
    """

    gram: np.ndarray
    lam: float = 1.0
    c: float | None = 1.0
    name = "hyper_norm"

    def __post_init__(self):
        if self.c is None:
            raise ValueError(
                "HyperNorm needs the scale c: objective and norm scale alike with the kernel in the one-class and "
                "nu-machines, whose optimum is zero or minus infinity without it. Pass c=1.0, or take HyperSquared"
            )
        super().__post_init__()

    def R(self, theta, kernels):
        """Return half of lam times the norm."""
        return 0.5 * self.lam * self.norm(theta)

    def support(self, q, kernels, witness=None):
        """Return the bound of the best u, found by a search that nothing depends on but the quality."""
        assert self.c is not None
        c, radius = self.c, 0.5 * self.lam

        def bound(z):
            norm = self.norm(z)
            return c * float(np.max(q - radius / norm * (self.gram @ z))) if norm > 0 else np.inf

        def multiplier(a, b, e):  # e - 2 b t + a t² = radius²
            return (b - np.sqrt(np.maximum(b**2 - a * (e - radius**2), 0.0))) / a

        # No u lowers an entry by more than radius times the norm of its column.
        fall = radius * float(np.sqrt(np.diagonal(self.gram).max()))
        return min(c * float(np.max(q)), self._search(q, fall, lambda z: self.norm(z) - radius, multiplier, bound))

    def price(self):
        """Return the norm, smooth where the weights are not all zero."""
        M, half = self.gram, 0.5 * self.lam

        def gradient(y):
            return half * (M @ y) / max(self.norm(y), 1e-300)

        def hessian(y):
            size = max(self.norm(y), 1e-300)
            g = (M @ y) / size
            return half * (M - np.outer(g, g)) / size

        return Smooth(gradient, hessian)


@dataclass(frozen=True, eq=False)
class HyperSquared(_Hyper):
    r"""Nonnegative weights at half the squared norm, of any sum or of a given one.

    .. math:: \beta \ge 0, \quad (\mathbf{1}^\top \beta = c), \qquad
              R(\beta) = \tfrac{\lambda}{2} \beta^\top \underline K \beta

    The regularised quality functional as [ong2005]_ define it. The support function is
    :math:`\min_u \|u\|^2 / (2 \lambda) + c \max_j (q - R^\top u)_j`, or, without c, the minimum of the first term over
    the u with :math:`R^\top u \ge q`.

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

    Examples
    --------
    >>> HyperSquared(np.eye(2), lam=2.0).support(np.array([3.0, 4.0]), None)
    6.25
    """

    gram: np.ndarray
    lam: float = 1.0
    c: float | None = None
    name = "hyper_squared"

    def R(self, theta, kernels):
        """Return half of lam times the squared norm."""
        return 0.5 * self.lam * self.norm(theta) ** 2

    def support(self, q, kernels, witness=None):
        """Return the bound of the u that nonnegative least squares find, made to fit."""
        q = np.asarray(q, dtype=float)
        if self.c is None:
            z = self._nonnegative(q)
            short = max(float(np.max(q - self.gram @ z)), 0.0)
            # u = R z, and what it lacks in an entry is made up for by the u that adds one to all of them.
            z = z + short * linalg.cho_solve((self.R_factor, False), np.ones(len(q)))
            return self.norm(z) ** 2 / (2 * self.lam)
        c, total = self.c, self.lam * self.c

        def bound(z):
            return c * float(np.max(q - self.gram @ z)) + self.norm(z) ** 2 / (2 * self.lam)

        fall = total * float(np.diagonal(self.gram).max())
        return self._search(q, fall, lambda z: float(z.sum()) - total, lambda a, b, e: (b - total) / a, bound)

    def price(self):
        """Return the quadratic form."""
        M, lam = self.gram, self.lam
        return Smooth(lambda y: lam * (M @ y), lambda y: lam * M)
