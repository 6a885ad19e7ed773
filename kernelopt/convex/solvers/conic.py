"""The conic reference: any finite pair through cvxpy, for checking and for a few hundred samples."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from kernelopt.convex.certificate import Certificate
from kernelopt.convex.criteria import Hinge
from kernelopt.convex.problem import Problem, Solution
from kernelopt.convex.sets import Simplex, Uniform
from kernelopt.errors import ProblemTooLargeError, SolverError

UNSOLVED = Certificate(np.inf, -np.inf, np.inf, 1.0)


@dataclass(frozen=True)
class Conic:
    r"""Second-order cone program of the dual, solved by Clarabel.

    With factors :math:`L_k L_k^\top` of the centred :math:`K_k` (which is all a balanced V(a) sees) it
    maximises :math:`\varphi(a) - t` subject to :math:`\tfrac12 \|L_k^\top V(a)\|_F^2 \le t` for each kernel and a
    in A. The weights are the multipliers of those constraints (eq. (39) of [lanckriet2004]_, halved).

    Parameters
    ----------
    time_limit : float or None
        Seconds given to the solver.
    memory_limit : float
        Bytes the factors may take; larger problems are refused before they are built.
    verbose : bool
        Print the solver's log.

    Raises
    ------
    ProblemTooLargeError
        With the estimate, before anything is built.
    SolverError
        The solver stopped without a usable point.

    References
    ----------
    .. [lanckriet2004] Lanckriet et al. Learning the Kernel Matrix with Semidefinite Programming. JMLR 5, 2004.
    """

    time_limit: float | None = None
    memory_limit: float = 4e9
    verbose: bool = False

    def solve(self, problem: Problem) -> Solution:
        """Return Clarabel's point, scaled back, with its certificate."""
        import cvxpy as cp

        if not isinstance(problem.criterion, Hinge) or not isinstance(problem.kernel_set, Simplex | Uniform):
            raise NotImplementedError(f"Conic solves hinge on simplex or uniform, found {problem.description}")
        n, k = problem.Y.shape
        M = problem.kernels.n_kernels
        estimate = 40.0 * M * n * n * k  # dense factors, cvxpy's copies and the solver's, in bytes
        if estimate > self.memory_limit:
            raise ProblemTooLargeError(
                f"the conic program of {problem.description} would need about {estimate / 1e9:.1f} GB "
                f"(limit {self.memory_limit / 1e9:.1f} GB); use WorkingSetNewton, or raise memory_limit"
            )
        # Kernels of unit size, and a in units in which both the box and the margin are moderate:
        # badly scaled data break interior-point solvers.
        upper = problem.criterion.upper(problem.w)
        matrices = [problem.kernels.mix(row) for row in np.eye(M)]
        size = max(float(np.trace(K)) / n for K in matrices) or 1.0
        unit = min(float(upper.max()), 1.0 / size)
        factors = [_factor(K / size) for K in matrices]
        a, t = cp.Variable((n, k)), cp.Variable()
        balance = [problem.Y[:, c] @ a[:, c] == 0 for c in range(k)]
        forms = [0.5 * unit * size * cp.sum_squares(L.T @ cp.multiply(problem.Y, a)) for L in factors if L.shape[1]]
        uniform = isinstance(problem.kernel_set, Uniform)
        cones = [sum(forms) / M <= t] if uniform else [form <= t for form in forms]
        box = [a >= 0, a <= (upper / unit)[:, None] @ np.ones((1, k)), t >= 0]
        program = cp.Problem(cp.Maximize(cp.sum(a) - t), [*cones, *balance, *box])
        options = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
        if self.time_limit is not None:
            options["time_limit"] = float(self.time_limit)
        try:
            with warnings.catch_warnings():
                # "Solution may be inaccurate": how inaccurate is what the certificate says.
                warnings.simplefilter("ignore", UserWarning)
                program.solve(solver=cp.CLARABEL, verbose=self.verbose, **options)
        except cp.SolverError as error:
            raise SolverError(f"Clarabel failed on {problem.description}: {error}") from error
        if a.value is None or program.status not in ("optimal", "optimal_inaccurate", "user_limit"):
            raise SolverError(f"Clarabel stopped without a point on {problem.description}: {program.status}")
        theta = problem.kernel_set.start(problem.kernels)
        if not uniform:
            mu = np.zeros(M)
            mu[[L.shape[1] > 0 for L in factors]] = [max(float(np.ravel(c.dual_value)[0]), 0.0) for c in cones]
            theta = mu / mu.sum() if mu.sum() > 0 else theta
        solved = unit * np.asarray(a.value).reshape(n, k)
        feasible, _ = problem.criterion.project(solved, problem.Y, problem.w)
        beta = problem.criterion.V(feasible, problem.Y)
        intercept = problem.criterion.best_intercept(problem.kernels.mix(theta) @ beta, problem.Y, problem.w)
        iterations = int(program.solver_stats.num_iters or 0)
        return problem.certified(Solution(theta, beta, intercept, feasible, UNSOLVED, iterations))


def _factor(K: np.ndarray) -> np.ndarray:
    """Return L with v'Kv = |L'v|² for balanced v, without directions that rounding explains."""
    K = K - K.mean(axis=0) - K.mean(axis=1)[:, None] + K.mean()
    values, vectors = linalg.eigh((K + K.T) / 2)
    keep = values > 1e-12 * max(float(values[-1]), 0.0)
    return vectors[:, keep] * np.sqrt(values[keep])
