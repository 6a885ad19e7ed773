"""A primal-dual interior-point method for every criterion and every set of finitely many kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kernelopt.convex.problem import Problem, Solution
from kernelopt.convex.sets import BoundedBall, Tessellated
from kernelopt.convex.solvers.interior_run import Run
from kernelopt.convex.solvers.span_block import Span
from kernelopt.convex.solvers.spectral_run import SpectralRun
from kernelopt.errors import ProblemTooLargeError

MATRICES, STACKS, BALL, FORM = 6.0, 3.2, (18.0, 8.0), (6.0, 8.0)  # what a run takes at its peak, measured


@dataclass(frozen=True)
class InteriorPoint:
    r"""Newton's method on the saddle point itself, weights and dual variables together.

    All inequalities (bounds of the dual variables, signs of the weights, norm balls, the semidefinite cone, the
    enclosing ball) get barriers with one parameter, which Mehrotra's predictor and corrector drive to zero. A step
    costs one Cholesky factor of the mixed kernel per column of the dual (one more for a semidefinite or a radius
    constraint) and one system of the size of the weights, whose matrix for :math:`K(\mu) \succeq 0` is
    :math:`\operatorname{tr}(K_j K^{-1} K_k Z)` (the HKM direction). The number of steps hardly depends on C,
    duplicates or scaling: between ten and thirty.

    Parameters
    ----------
    tol : float
        Relative duality gap at which it stops.
    max_iter : int
        Newton steps; past it a `ConvergenceWarning` is given.
    time_limit : float or None
        Seconds; looked at between steps.
    verbose : int
        1 prints a line per step.
    device : str or None
        Where dense linear algebra runs in float64: None is NumPy; "cpu", "cuda", "cuda:1", ... are torch's. The stack
        of kernels, the Cholesky factors and the products for :math:`K(\mu) \succeq 0` are on the device then, the
        certificate is computed in NumPy.
    memory_limit : float
        Bytes that a run may take; a problem that needs more is refused before anything is built.

    Raises
    ------
    UnboundedError
        A hard margin where nothing separates the classes.
    ProblemTooLargeError
        With the estimate, see Notes.
    MissingExtraError, ValueError
        A device without torch; a device that is not there, and which ones are.

    Notes
    -----
    Beside the kernels a run on N points takes some seven matrices of N² numbers, and one more per column of targets;
    weights of any sign take three stacks of all M kernels for a moment and then two (a `CutSpan` none); a `BoundedBall`
    takes eighteen matrices, and eight of (N k)² numbers for k columns.

    Examples
    --------
    >>> import numpy as np
    >>> from kernelopt.convex import Hinge, PSDSpan
    >>> y = np.array([1.0, 1.0, -1.0, -1.0])
    >>> task = Problem.of([np.eye(4) + np.outer(y, y), np.eye(4)], y, Hinge(C=1.0), PSDSpan())
    >>> solution = InteriorPoint(tol=1e-6).solve(task)  # 5 yy' / 2, where all else has been taken off
    >>> solution.theta.round(3), solution.certificate.holds(1e-6)
    (array([ 1.5, -1.5]), True)
    """

    span_block: ClassVar[type[Span]] = Span
    tol: float = 1e-6
    max_iter: int = 200
    time_limit: float | None = None
    verbose: int = 0
    device: str | None = None
    memory_limit: float = 8e9

    def solve(self, problem: Problem, start: Solution | None = None) -> Solution:
        """Return the best certified point; `start` is ignored, as interior points cannot begin near a bound."""
        self.check_size(problem)
        run = SpectralRun if isinstance(problem.kernel_set, Tessellated) else Run
        return run(self, problem).solution()

    def check_size(self, problem: Problem) -> None:
        """Raise an error where a run would take too much memory."""
        need = self.memory(problem)
        if need > self.memory_limit:
            raise ProblemTooLargeError(
                f"{type(self).__name__} would need about {need / 1e9:.1f} GB for {problem.description} "
                f"(memory_limit {self.memory_limit / 1e9:.1f} GB); take fewer samples or kernels, or raise memory_limit"
            )

    def memory(self, problem: Problem) -> float:
        """Return about how many bytes a run takes beside the kernels."""
        kernels, kernel_set, k = problem.kernels, problem.kernel_set, problem.Y.shape[1]
        N, M = kernels.n_samples, kernels.n_kernels
        if isinstance(kernel_set, BoundedBall):
            return 8.0 * (BALL[0] * N**2 + BALL[1] * (N * k) ** 2)
        if isinstance(kernel_set, Tessellated):
            return 8.0 * (FORM[0] * N * k * M**2 + FORM[1] * (N * k) ** 2)
        matrices = MATRICES + k + (M if self.device else 0)
        if not kernel_set.fixed and kernel_set.program(kernels).semidefinite:
            matrices = max(STACKS * M, self.span_block.matrices_of(M) + matrices)
        return 8.0 * (matrices * N**2 + 8 * M * N * k)
