"""Squared loss over kernels of low rank: a group lasso, handed to a library that does nothing else."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning

from kernelopt.convex.certificate import Certificate
from kernelopt.convex.criteria import LeastSquares
from kernelopt.convex.problem import Problem, Solution
from kernelopt.convex.sets import SquaredLp
from kernelopt.convex.solvers.weight_model import budget_row
from kernelopt.errors import missing_extra
from kernelopt.kernels.lowrank import LowRankKernels

GUESS = 0.2  # of the penalty at which all weights vanish: where the search begins
LOOSE = 1e-2  # relative error of the first group lassos
FLAT = 1e-13  # share of a factor that is rounding
EPOCHS = 2000  # of coordinate descent on a working set, at most


@dataclass(frozen=True)
class GroupLasso:
    r"""Least squares over kernels of low rank, as group lassos whose penalty is found on the way.

    With :math:`K_k = L_k L_k^\top` every function is :math:`\sum_k L_k w_k`, and the square of its norm in
    :math:`K(\mu)` the least :math:`\sum_k \|w_k\|^2 / \mu_k`. Minimising over the weights first leaves

    .. math::
        \min_{w, b} \; \frac{1}{2 \lambda} \Bigl\|y - \sum_k L_k w_k - b\Bigr\|^2 + h(s),
        \qquad s = \sum_k d_k \, \|w_k\|.

    Weights with :math:`\sum_k d_k^2 \mu_k = 1` (:math:`d_k = 1` for the simplex and the 1-ball, :math:`d_k^2` the
    share of the trace for the trace budget) give :math:`h(s) = \tfrac12 s^2` and :math:`\mu_k = \|w_k\| / (d_k s)`.
    Weights at the price :math:`\tfrac\nu2 (\sum_k \mu_k)^2` have the sum t with :math:`t^3 = s^2 / (2 \nu)`, and give
    :math:`h(s) = \tfrac32 (\nu s^4 / 4)^{1/3}` and :math:`\mu_k = t \|w_k\| / s`. The first is the squared group lasso
    of [bach2008]_, who has :math:`\frac{1}{2n} \|\cdot\|^2 + \frac{\rho}{2} s^2`: this objective times
    :math:`\lambda / n`, with :math:`\rho = \lambda / n`.

    With the slope :math:`\alpha = h'(s)` at the optimum it is an ordinary group lasso of penalty :math:`\alpha s`. Its
    s falls while :math:`\alpha` rises, so :math:`h'(s) = \alpha` is found by a bracketed secant, each group lasso begun
    at the last one. The weights are then taken at their word: ridge regression at :math:`K(\mu)` gives beta = a, and
    `Problem.certify` the proof.

    One target, and `LowRankKernels`, of whose factors one more copy is made. The group lassos are skglm's (working
    sets, coordinate descent with Anderson's extrapolation, without which factors with a falling spectrum take forever).
    It compiles for some ten seconds in each process, and pays where the ranks are far below the number of samples;
    elsewhere `WorkingSetNewton` is faster.

    Parameters
    ----------
    tol : float
        Relative duality gap at which it stops.
    max_iter : int
        Group lassos; past it a `ConvergenceWarning` is given.
    time_limit : float or None
        Seconds; looked at between group lassos.
    verbose : int
        1 prints a line per group lasso.

    Raises
    ------
    NotImplementedError
        Another problem; the message says which are taken.
    MissingExtraError
        Without skglm.

    References
    ----------
    .. [bach2008] Bach. Consistency of the Group Lasso and Multiple Kernel Learning. JMLR 9, 2008.

    Examples
    --------
    >>> from kernelopt.convex import Hinge, LeastSquares, Simplex
    >>> kernels = LowRankKernels((np.eye(2), np.ones((2, 1))))
    >>> Y, w = np.array([[1.0], [-1.0]]), np.ones(2)
    >>> [GroupLasso.takes(Problem(kernels, Y, criterion, Simplex(), w)) for criterion in (LeastSquares(), Hinge())]
    [True, False]
    """

    tol: float = 1e-6
    max_iter: int = 50
    time_limit: float | None = None
    verbose: int = 0

    def solve(self, problem: Problem, start: Solution | None = None) -> Solution:
        """Return the best certified point.

        Parameters
        ----------
        problem : Problem
            What is to be solved.
        start : Solution, optional
            Of a problem nearby (another ridge): where to begin.
        """
        if not self.takes(problem):
            raise NotImplementedError(
                f"GroupLasso takes least_squares with a ridge and one target over LowRankKernels, with a simplex, a "
                f"trace budget, or lp or squared_lp with p=1, found {problem.description}; use WorkingSetNewton"
            )
        return _Run(self, problem, start).solution()

    @staticmethod
    def takes(problem: Problem) -> bool:
        """Whether this is one of the problems it solves."""
        loss, kernels = problem.criterion, problem.kernels
        if not (isinstance(loss, LeastSquares) and loss.lam > 0 and isinstance(kernels, LowRankKernels)):
            return False
        return problem.Y.shape[1] == 1 and _budget(problem) is not None


def _budget(problem: Problem) -> np.ndarray | None:
    """Return c, or None for another set."""
    if isinstance(problem.kernel_set, SquaredLp):
        return np.ones(problem.kernels.n_kernels) if problem.kernel_set.p == 1 else None
    return budget_row(problem.kernel_set.program(problem.kernels))


class _Run:
    """One run: the regression in centred, weighted coordinates, and the best point so far."""

    def __init__(self, solver: GroupLasso, problem: Problem, start: Solution | None):
        self.solver, self.problem, self.clock = solver, problem, time.perf_counter()
        kernels, criterion, c = problem.kernels, problem.criterion, _budget(problem)
        assert isinstance(kernels, LowRankKernels) and isinstance(criterion, LeastSquares) and c is not None
        self.c, self.lam = c, criterion.lam
        self.root_w = np.sqrt(problem.w)
        blocks = [L[: problem.n_train] for L in kernels.factors]
        sizes = [L.shape[1] if self.varies(L) else 0 for L in blocks]
        self.ends = np.cumsum([0, *sizes])
        # Columns in one piece each, as coordinate descent reads them.
        self.X = np.empty((problem.n_train, self.ends[-1]), order="F")
        for k, L in enumerate(blocks):
            if sizes[k]:
                self.X[:, self.group(k)] = self.coordinates(L) / np.sqrt(c[k])
        self.y = self.coordinates(problem.Y)[:, 0]
        self.w = np.zeros(self.ends[-1])
        self.history: list[dict[str, Any]] = []
        self.best: Solution | None = None
        slopes = self.norms(self.X.T @ self.y) / self.lam
        self.high = float(slopes.max())  # the penalty at which all weights vanish
        self.alpha = GUESS * self.high
        if start is not None and start.theta.shape == c.shape and start.a.shape == problem.Y.shape:
            slopes = self.norms(self.X.T @ (start.a[:, 0] / self.root_w))
            self.alpha = min(float(slopes.max()), 0.99 * self.high)
            self.w = np.repeat(start.theta * c, sizes) * (self.X.T @ (start.a[:, 0] / self.root_w))

    def group(self, k: int) -> slice:
        return slice(self.ends[k], self.ends[k + 1])

    def norms(self, w: np.ndarray) -> np.ndarray:
        """Return the norm of each group."""
        return np.array([float(np.linalg.norm(w[self.group(k)])) for k in range(len(self.c))])

    def coordinates(self, A: np.ndarray) -> np.ndarray:
        """Return A less its mean, where an intercept takes that, in the coordinates where all samples weigh one."""
        w = self.problem.w
        A = A - w @ A / w.sum() if self.problem.criterion.intercept else A  # type: ignore[attr-defined]
        return self.root_w[:, None] * A

    def varies(self, L: np.ndarray) -> bool:
        """Whether a kernel says anything beyond what the intercept takes, and rounding."""
        return float(np.linalg.norm(self.coordinates(L))) > FLAT * float(np.linalg.norm(self.root_w[:, None] * L))

    def slope(self, s: float) -> float:
        """Return h'(s)."""
        kernel_set = self.problem.kernel_set
        return (2 * kernel_set.lam * s) ** (1 / 3) if isinstance(kernel_set, SquaredLp) else s

    def weights(self, norms: np.ndarray) -> np.ndarray:
        """Return the best mu for the norms of the w_k (times the roots of c)."""
        kernel_set, s = self.problem.kernel_set, float(norms.sum())
        if isinstance(kernel_set, SquaredLp):
            return norms * (s**2 / (2 * kernel_set.lam)) ** (1 / 3) / s if s > 0 else norms
        return norms / (self.c * s) if s > 0 else kernel_set.start(self.problem.kernels)

    def solution(self) -> Solution:
        stopped: str | None
        try:
            stopped = self.search()
        except KeyboardInterrupt:
            if self.best is None:
                raise
            stopped = "interrupted"
        assert self.best is not None
        certificate = self.best.certificate
        if stopped:
            warnings.warn(
                f"{stopped} with a relative duality gap of {certificate.gap:.1e} (tol={self.solver.tol:g}) after "
                f"{len(self.history)} group lassos on {self.problem.description}",
                ConvergenceWarning,
                stacklevel=4,
            )
        return self.best

    def search(self) -> str | None:
        """Find the penalty that is the slope of h at its own answer; return why it stopped otherwise."""
        if self.high == 0:  # no kernel explains anything
            return None if self.record(self.weights(np.zeros(len(self.c)))) else "no kernel meets the target"
        low, high, last, error, finest = 0.0, self.high, None, LOOSE, 0.01 * self.solver.tol
        for _ in range(self.solver.max_iter):
            self.lasso(error)
            norms = self.norms(self.w)
            if self.record(self.weights(norms)):
                return None
            if self.out_of_time():
                return "time_limit was reached"
            slope = self.slope(float(norms.sum()))
            low, high = (self.alpha, high) if slope > self.alpha else (low, self.alpha)
            point = (np.log(self.alpha), np.log(max(slope, 1e-3 * self.alpha) / self.alpha))
            new = _root(last, point)
            if not low < new < high:
                new = np.sqrt(self.alpha * min(max(slope, low, 0.01 * self.alpha), high))
            if not low < new < high:  # the group lassos were not exact enough to tell
                if error <= finest:
                    return "the group lassos do not become more exact"
                new, low, high = self.alpha, 0.0, self.high
            last, self.alpha = point, float(new)
            error = max(finest, min(0.1 * abs(point[1]), 0.3 * error))
        return "max_iter was reached"

    def lasso(self, error: float) -> None:
        """Solve the group lasso at the present penalty, to a relative error of its conditions."""
        try:
            import skglm
        except ImportError as failed:
            raise missing_extra("skglm", "lowrank") from failed
        penalty = self.alpha * self.lam / len(self.y)
        model = skglm.GroupLasso(
            [int(r) for r in np.diff(self.ends) if r],
            alpha=penalty,
            tol=error * penalty,
            max_epochs=EPOCHS,
            fit_intercept=False,
            warm_start=True,
        )
        model.coef_ = self.w
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the certificate says how good it is
            self.w = model.fit(self.X, self.y).coef_

    def record(self, theta: np.ndarray) -> bool:
        """Solve the ridge regression at the weights, and keep it where its proof is better; say whether it holds."""
        problem = self.problem
        theta, _ = problem.kernel_set.project(theta, problem.kernels)
        active = int(np.count_nonzero(theta))
        used = np.repeat(theta * self.c, np.diff(self.ends))
        Z = self.X[:, used > 0] * np.sqrt(used[used > 0])
        beta = (self.root_w * ridge(Z, self.y, self.lam))[:, None]
        b = problem.criterion.best_intercept(problem.values(theta, beta), problem.Y, problem.w)
        blank = Certificate(np.inf, -np.inf, np.inf, problem.scale)
        found = problem.certified(Solution(theta, beta, b, beta, blank))
        if self.best is None or not found.certificate.gap >= self.best.certificate.gap:
            self.best = found
        seconds, certificate = time.perf_counter() - self.clock, found.certificate
        self.history.append(
            {
                "seconds": seconds,
                "primal": certificate.primal,
                "dual": certificate.dual,
                "gap": certificate.gap,
                "active": active,
                "penalty": self.alpha,
            }
        )
        self.best = replace(self.best, n_iter=len(self.history), history=self.history)
        if self.solver.verbose:
            print(
                f"{len(self.history):4d}  {seconds:8.2f} s  primal {certificate.primal:.8g}  dual "
                f"{certificate.dual:.8g}  gap {certificate.gap:.1e}  kernels {active}  penalty {self.alpha:.6g}"
            )
        return certificate.holds(self.solver.tol)

    def out_of_time(self) -> bool:
        limit = self.solver.time_limit
        return limit is not None and time.perf_counter() - self.clock > limit


def _root(last: tuple[float, float] | None, point: tuple[float, float]) -> float:
    """Return where the line through two points of (log penalty, log ratio) vanishes; NaN where it does not fall."""
    if last is None or not (last[1] - point[1]) * (last[0] - point[0]) < 0:
        return np.nan
    return float(np.exp(point[0] - point[1] * (last[0] - point[0]) / (last[1] - point[1])))


def ridge(Z: np.ndarray, y: np.ndarray, lam: float) -> np.ndarray:
    r"""Return :math:`(Z Z^\top + \lambda I)^{-1} y`, by the smaller of the two Gram matrices.

    Examples
    --------
    >>> ridge(np.ones((2, 1)), np.array([1.0, 3.0]), 2.0)
    array([0., 1.])
    """
    n, r = Z.shape
    if r >= n:
        return linalg.solve(Z @ Z.T + lam * np.eye(n), y, assume_a="pos", check_finite=False)
    inner = linalg.solve(Z.T @ Z + lam * np.eye(r), Z.T @ y, assume_a="pos", check_finite=False)
    return (y - Z @ inner) / lam
