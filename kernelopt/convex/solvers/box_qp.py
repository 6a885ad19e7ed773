"""One machine at a fixed kernel, in the one form of all losses with bounds and a sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import blas, lapack

from kernelopt.convex.criteria import Criterion, DualProgram

HUGE = 1e300  # stands for infinity, which compiled loops do not know


@dataclass(frozen=True, eq=False)
class BoxQP:
    r"""A quadratic program with bounds and fixed sums, waiting for its kernel.

    .. math::
        \min_s \; \tfrac12 s^\top (K + \operatorname{diag} d) s - p^\top s + \varepsilon \|s\|_1
        \quad\text{s.t.}\quad l \le s \le u, \quad \sum_{i \in g} s_i = e_g \text{ for each group } g.

    The dual of the C- and 2-norm support vector machine (:math:`s = y \circ a`), of the :math:`\nu`- and one-class
    machines, of support vector regression, and (no bounds) of least squares and Fisher's discriminant.

    Parameters
    ----------
    p, d, lower, upper : arrays of shape (n,)
        Linear and quadratic terms, bounds; bounds beyond 1e300 stand for none.
    group : array of int, shape (n,)
        Which sum a variable belongs to.
    total : array of shape (g,)
        The sums e; none where nothing is fixed.
    tube : float
        :math:`\varepsilon \ge 0`.
    """

    p: np.ndarray
    d: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    group: np.ndarray
    total: np.ndarray
    tube: float = 0.0

    @property
    def unbounded(self) -> bool:
        """Whether there is no bound and no kink: one linear system then holds the answer."""
        return self.tube == 0 and bool(np.all(self.lower <= -HUGE) and np.all(self.upper >= HUGE))

    def start(self) -> np.ndarray:
        """Return a feasible point with few nonzeros: each sum is filled up from its first variables on."""
        s = np.clip(0.0, self.lower, self.upper)
        for g, total in enumerate(self.total):
            members = np.flatnonzero(self.group == g)
            missing = total - float(s[members].sum())
            if missing == 0:
                continue
            room = (self.upper if missing > 0 else self.lower)[members] - s[members]
            if np.abs(room).max() >= HUGE:  # no bounds to fill: shared out evenly
                s[members] += missing / len(members)
                continue
            before = np.concatenate([[0.0], np.cumsum(np.abs(room))[:-1]])
            s[members] += np.sign(missing) * np.clip(abs(missing) - before, 0.0, np.abs(room))
        return s

    def free(self, s: np.ndarray) -> np.ndarray:
        """Return the variables that may move both ways with the objective smooth."""
        inside = (s > self.lower) & (s < self.upper)
        return np.flatnonzero(inside & (s != 0) if self.tube > 0 else inside)

    def slope(self, s: np.ndarray, g: np.ndarray) -> np.ndarray:
        """Return the gradient with the tube's share, where s is not zero."""
        return g + self.tube * np.sign(s)

    def violation(self, s: np.ndarray, g: np.ndarray) -> float:
        """Return by how much the best pair's slopes differ: zero at the optimum."""
        e = self.tube
        if not len(self.total):  # nothing is fixed: each slope must vanish
            return float(np.abs(g).max())
        up = np.where(s < self.upper, g + np.where(s >= 0, e, -e), np.inf)
        down = np.where(s > self.lower, g + np.where(s > 0, e, -e), -np.inf)
        if len(self.total) == 1:
            return max(0.0, float(down.max() - up.min()))
        groups = [self.group == k for k in range(len(self.total))]
        return max([0.0, *(float(down[k].max() - up[k].min()) for k in groups)])


def as_box_qp(criterion: Criterion, y: np.ndarray, w: np.ndarray) -> BoxQP | None:
    """Return a criterion's dual for one column as a box QP, or None where it is none."""
    program = criterion.program(y, w)
    infinite = np.isinf(program.upper) & np.isinf(program.lower)
    bounded = np.isfinite(program.upper) & np.isfinite(program.lower)
    if program.curve or program.soft.any() or not np.all(bounded | infinite | (program.d > 0)):
        return None  # an entropy, a penalised balance, or a maximum that may be infinite
    if np.array_equal(program.lower, program.upper):
        return None
    if len(program.sample) == 2 * program.n:
        return _tube(program)
    sign = program.sign
    bounds = np.stack([sign * program.lower, sign * program.upper])
    group, total = _groups(program.rows * sign, program.total)
    if group is None or (len(total) == 0 and not infinite.all()):
        return None
    lower, upper = np.clip(bounds.min(axis=0), -HUGE, HUGE), np.clip(bounds.max(axis=0), -HUGE, HUGE)
    return BoxQP(sign * program.p, program.d + 0.0, lower, upper, group, total)


def _tube(program: DualProgram) -> BoxQP | None:
    """Join the two parts of each sample: the price that both share is the width of the tube."""
    n, p, u = program.n, program.p, program.upper
    joined = np.array_equal(program.sample, np.tile(np.arange(n), 2)) and np.array_equal(u[:n], u[n:])
    if not joined or len(program.rows) != 1 or program.lower.any() or program.d.any():
        return None
    tube = -0.5 * (p[:n] + p[n:])
    group = np.zeros(n, dtype=np.int64)
    return BoxQP(0.5 * (p[:n] - p[n:]), np.zeros(n), -u[:n], u[:n], group, program.total + 0.0, float(tube.mean()))


def _groups(rows: np.ndarray, total: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the group of each variable and the sums, where the rows are sums over disjoint groups of all."""
    if len(rows) == 0:
        return np.zeros(rows.shape[1], dtype=np.int64), total
    signs = np.array([np.sign(row[row != 0][0]) if row.any() else 0.0 for row in rows])
    if (signs == 0).any() or not np.array_equal(np.sum(rows * signs[:, None], axis=0), np.ones(rows.shape[1])):
        return None, total
    return np.argmax(np.abs(rows), axis=0).astype(np.int64), total * signs


class FreeSystem:
    r"""The linear system on the free variables F, and the derivative of the solution with respect to the kernel.

    With E the indicator of the groups on F, and :math:`\Pi` the inverse of :math:`K_{FF} + D` on the vectors whose
    sums vanish,

    .. math:: \Pi = B^{-1} - B^{-1} E (E^\top B^{-1} E)^{-1} E^\top B^{-1}, \qquad B = P (K_{FF} + D) P + c\, E E^\top,

    for any c, with P taking the mean of each group away: a kernel need be definite only where the sums vanish.

    Parameters
    ----------
    K : array of shape (f, f)
        The kernel on the free variables; overwritten, for the factor is as large.
    d, group : arrays of shape (f,)
        Quadratic terms, and which sum a variable belongs to.
    n_groups : int
        How many sums there are.
    """

    def __init__(self, K: np.ndarray, d: np.ndarray, group: np.ndarray, n_groups: int):
        E = (group[:, None] == np.arange(n_groups)).astype(float)
        E = E[:, E.any(axis=0)]
        A = K if K.flags.f_contiguous else K.T  # symmetric, and this is the order of LAPACK
        diagonal, size = np.diagonal(A) + d, 0.0
        self.L: np.ndarray | None = None  # in the lower triangle; the upper one holds what is left of K
        for ridge in (0.0, 1e-12, 1e-9, 1e-6):
            if ridge:  # the failed attempt has spoiled the lower triangle
                for i in range(1, len(A)):
                    A[i, :i] = A[:i, i]
            np.fill_diagonal(A, diagonal + ridge * size)
            A, size = _centred(A, E)
            A, failed = lapack.dpotrf(A, lower=1, clean=0, overwrite_a=1)
            if not failed:
                self.L, self.G = A, lapack.dtrtrs(A, E, lower=1)[0]
                S = self.G.T @ self.G
                self.S = 1 / S if len(S) == 1 else np.linalg.pinv(S, hermitian=True) if len(S) else S
                break

    def _half(self, A: np.ndarray) -> np.ndarray:
        return lapack.dtrtrs(self.L, A, lower=1)[0]

    def solve(self, r: np.ndarray) -> np.ndarray:
        r"""Return :math:`\Pi r`."""
        h = self._half(r)
        h = h - self.G @ (self.S @ (self.G.T @ h))
        return lapack.dtrtrs(self.L, h, lower=1, trans=1)[0]

    def curvature(self, A: np.ndarray) -> np.ndarray:
        r"""Return :math:`A^\top \Pi A` for the columns of A."""
        h = self._half(A)
        h = h - self.G @ (self.S @ (self.G.T @ h))  # before the square, or a large constant in A would eat the digits
        return h.T @ h


def _centred(A: np.ndarray, E: np.ndarray) -> tuple[np.ndarray, float]:
    """Return P A P + c E E' in the lower triangle of A, and c, the size of P A P."""
    if not E.shape[1]:
        return A, float(np.mean(np.abs(np.diagonal(A))))
    means = E / E.sum(axis=0)
    M = A @ means
    S = means.T @ M
    size = float(np.mean(np.abs(np.diagonal(A) - np.sum(E * (2 * M - E @ S), axis=1)))) or 1.0
    U = M - 0.5 * E @ (S + size * np.eye(len(S)))
    return blas.dsyr2k(-1.0, E, U, beta=1.0, c=A, lower=1, overwrite_c=1), size
