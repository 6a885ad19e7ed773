"""The problem as cvxpy users write it: a second-order cone program, for any solver that cvxpy knows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelopt.convex import Certificate, Hinge, Problem, Simplex, Solution

# cvxpy's name of each solver with second-order cones -> the module that must be there
SOLVERS = {
    "CLARABEL": "clarabel",
    "SCS": "scs",
    "ECOS": "ecos",
    "CVXOPT": "cvxopt",
    "QOCO": "qoco",
    "MOSEK": "mosek",
    "GUROBI": "gurobipy",
    "COPT": "coptpy",
    "XPRESS": "xpress",
    "CPLEX": "cplex",
}

# share of the gap asked for that each is given as its tolerance: what it took for the certificate to follow
SHARES = {"CLARABEL": 1e-3, "SCS": 0.1}


def options(solver: str, tol: float, seconds: float | None) -> dict[str, Any]:
    """Return what each solver calls its tolerances and its time limit; its defaults where it is not listed."""
    limit = {} if seconds is None else {"CLARABEL": {"time_limit": seconds}, "SCS": {"time_limit_secs": seconds}}
    tolerances = {
        "CLARABEL": ("tol_gap_abs", "tol_gap_rel", "tol_feas"),
        "SCS": ("eps_abs", "eps_rel"),
        "ECOS": ("abstol", "reltol", "feastol"),
        "CVXOPT": ("abstol", "reltol", "feastol"),
        "QOCO": ("abstol", "reltol"),
    }
    extra = {"SCS": {"max_iters": 1_000_000}}
    return dict.fromkeys(tolerances.get(solver, ()), tol) | extra.get(solver, {}) | limit.get(solver, {})


def factor(K: np.ndarray) -> np.ndarray:
    """Return L with K = L L', of as many columns as there are eigenvalues beyond rounding."""
    values, vectors = np.linalg.eigh(K)
    keep = values > 1e-10 * values[-1]
    return vectors[:, keep] * np.sqrt(values[keep])


@dataclass(frozen=True)
class ConeProgram:
    r"""Equation (39) of [lanckriet2004]_, twice our objective, through cvxpy.

    .. math:: \max_{a, s}\; 2\, \mathbf{1}^\top a - s^2 \quad\text{s.t.}\quad
              \|L_k^\top (y \circ a)\| \le s,\; 0 \le a \le C w,\; y^\top a = 0

    with :math:`K_k = L_k L_k^\top`. The multipliers of the cones, normalised, are the weights. Written without the
    library's own program, so that each checks the other.

    Parameters
    ----------
    solver : str
        As cvxpy calls it.
    tol : float
        The gap asked for. The tolerances given to the solver are smaller (`SHARES`), since the weights are
        multipliers, known only half as well as the objective.
    time_limit : float or None
        Seconds, for solvers that take a limit.

    References
    ----------
    .. [lanckriet2004] Lanckriet et al. Learning the Kernel Matrix with Semidefinite Programming. JMLR 5, 2004.

    Examples
    --------
    >>> y = np.array([1.0, 1.0, -1.0, -1.0])
    >>> task = Problem.of([np.outer(y, y), np.eye(4)], y, Hinge(C=1.0), Simplex())
    >>> solution = ConeProgram("CLARABEL").solve(task)
    >>> solution.theta.round(4), solution.certificate.holds(1e-6)
    (array([1., 0.]), True)
    """

    solver: str = "CLARABEL"
    tol: float = 1e-6
    time_limit: float | None = None

    def solve(self, problem: Problem) -> Solution:
        """Return the solver's point, projected, with its certificate."""
        import cvxpy as cp

        criterion, kernels, y = problem.criterion, problem.kernels, problem.Y[:, 0]
        one_column = problem.Y.shape[1] == 1 and kernels.n_samples == problem.n_train
        if not (isinstance(criterion, Hinge) and isinstance(problem.kernel_set, Simplex) and one_column):
            raise NotImplementedError(f"ConeProgram solves hinge on simplex, one column, found {problem.description}")
        a, s = cp.Variable(len(y)), cp.Variable()
        v = cp.multiply(y, a)
        cones = [cp.SOC(s, factor(kernels.mix(e)).T @ v) for e in np.eye(kernels.n_kernels)]
        box = [a >= 0, a <= criterion.upper(problem.w), y @ a == 0]
        program = cp.Problem(cp.Maximize(2 * cp.sum(a) - cp.square(s)), [*cones, *box])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "solution may be inaccurate": the certificate says how much
            program.solve(
                solver=self.solver, **options(self.solver, SHARES.get(self.solver, 0.01) * self.tol, self.time_limit)
            )
        if a.value is None:
            raise RuntimeError(f"{self.solver} found no point: {program.status}")
        multipliers = np.maximum([float(np.ravel(cone.dual_value[0])[0]) for cone in cones], 0.0)
        mu, _ = problem.kernel_set.project(multipliers / multipliers.sum(), kernels)
        dual, _ = criterion.project(np.asarray(a.value)[:, None], problem.Y, problem.w)
        V = criterion.V(dual, problem.Y)
        b = criterion.best_intercept(problem.train_matrix(mu) @ V, problem.Y, problem.w)
        blank = Certificate(np.inf, -np.inf, np.inf, problem.scale)
        steps = int(getattr(program.solver_stats, "num_iters", 0) or 0)
        return problem.certified(Solution(mu, V, b, dual, blank, steps))
