"""What classifier and regressor over a continuous family share: a family in place of a list of kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from kernelopt.convex import Continuum, Criterion, Problem, Solution
from kernelopt.convex.pairs import check_pair
from kernelopt.convex.solvers import ColumnGeneration
from kernelopt.estimators.base import KernelMachine, Task
from kernelopt.estimators.duplicates import merge
from kernelopt.estimators.learned_kernel import LearnedKernel
from kernelopt.kernels import Normalization
from kernelopt.kernels.continuous import (
    ARDFamily,
    Atom,
    Family,
    FamilyKernels,
    GaussianFamily,
    MaternFamily,
    PolynomialFamily,
    TrigonometricFamily,
)

FAMILIES: dict[str, Callable[[], Family]] = {
    "gaussian": GaussianFamily,
    "ard": ARDFamily,
    "matern": MaternFamily,
    "polynomial": PolynomialFamily,
    "trigonometric": TrigonometricFamily,
}


class ContinuousMachine(KernelMachine):
    """Base of the two: `fit` of the machines over lists of kernels, with a problem over a family."""

    family: Any
    _precomputed = False
    normalize = None

    def _validated(self, X, y=None, *, fitting: bool, multi_output=False, y_numeric=False, min_samples: int = 1):
        options: dict[str, Any] = dict(dtype=np.float64, reset=fitting, ensure_min_samples=min_samples)
        if y is None:
            return validate_data(self, X, **options), None
        return validate_data(self, X, y, multi_output=multi_output, y_numeric=y_numeric, **options)

    def _prepare(self, X, Y, keys, w, criterion: Criterion, *, factor=None, frame=None) -> Task:
        """Return the problem over the family on the distinct samples."""
        check_pair(criterion, Continuum())
        merged = merge(X, keys, w)
        points = X[merged.first]
        self.family_ = make_family(self.family).fitted(points, merged.weight)
        weight = merged.weight if factor is None else merged.weight * factor[merged.first]
        kernels = FamilyKernels(self.family_, points)
        stack: Any = kernels
        return Task(X, merged, stack, Problem(kernels, Y[merged.first], criterion, Continuum(), weight))

    def _solve(self, problem: Problem, start: Solution | None = None) -> Solution:
        if isinstance(self.solver, str) and self.solver == "auto":
            self.solver_ = ColumnGeneration(self.tol, self.max_iter, self.time_limit, self.n_jobs, self.verbose)
        elif hasattr(self.solver, "solve"):
            self.solver_ = self.solver
        else:
            raise ValueError(f"solver must be 'auto' or an object with solve(problem), found {self.solver!r}")
        return self._answer(problem, start)

    def _keep(self, X, merged, stack, solution: Solution) -> None:
        """Set the attributes that a solution gives."""
        self.weights_, self.atoms_ = solution.theta[:, 0], solution.theta[:, 1:]
        self.kernels_ = [Atom(self.family_, omega) for omega in self.atoms_]
        self.kernel_names_ = [self.family_.label(omega) for omega in self.atoms_]
        self.normalization_ = Normalization(None, np.ones(len(self.weights_)), merged.weight / merged.weight.sum())
        self.kernel_ = LearnedKernel(self.kernels_, self.weights_, self.normalization_)
        self.certificate_, self.history_ = solution.certificate, solution.history
        self.n_iter_ = max(1, solution.n_iter)
        self.intercept_ = solution.intercept
        support = np.flatnonzero(np.any(solution.beta != 0, axis=1))
        self.support_ = merged.first[support]
        self.dual_coef_ = solution.beta[support].T
        self._support, self._support_X = support, X[self.support_]

    def _keep_dual(self, task: Task, solution: Solution, criterion: Criterion) -> None:
        """Keep what the optimality function is made of."""
        V = criterion.V(criterion.project(solution.a, task.problem.Y, task.problem.w)[0], task.problem.Y)
        used = np.flatnonzero(np.any(V != 0, axis=1))
        self._dual, self._dual_X = V[used], task.X[task.merged.first[used]]
        self.certified_weights_, self.certified_atoms_ = solution.theta[:, 0], solution.theta[:, 1:]

    def optimality(self, omegas=None) -> np.ndarray:
        r"""Return the optimality function at parameters, in units of its mean over the atoms.

        :math:`T(\omega) / \sum_k \theta_k T(\omega_k)` with :math:`T(\omega) = \operatorname{tr} V^\top K_\omega V` at
        the dual solution. The weights are optimal if and only if it is nowhere above one, and then it is one at
        each atom.

        Parameters
        ----------
        omegas : array of shape (r, p), optional
            Parameters of the family; the atoms that `certificate_` is about by default.

        Returns
        -------
        ndarray of shape (r,)
        """
        check_is_fitted(self)
        kernels = FamilyKernels(self.family_, self._dual_X) if len(self._dual) else None
        omegas = self.certified_atoms_ if omegas is None else np.asarray(omegas, dtype=float)
        if omegas.ndim != 2 or omegas.shape[1] != self.atoms_.shape[1]:
            raise ValueError(f"omegas must have shape (any, {self.atoms_.shape[1]}), found {omegas.shape}")
        if kernels is None:
            return np.zeros(len(omegas))

        def T(at: np.ndarray) -> np.ndarray:
            return np.array([float(np.sum(self._dual * kernels.apply_at(np.ones(1), w[None], self._dual))) for w in at])

        level = float(self.certified_weights_ @ T(self.certified_atoms_))
        return T(omegas) / (level if level > 0 else 1.0)

    def plot_optimality(self, ax=None, n_points: int = 300):
        """Draw the optimality function over a family with one parameter, the atoms marked; return matplotlib's axes.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.
        n_points : int
            How finely.
        """
        check_is_fitted(self)
        box = self.family_.domain(self.n_features_in_)
        if len(box) != 1:
            raise ValueError(
                f"the {self.family_.name} family has {len(box)} parameters, and a picture shows one; ask "
                f"optimality(omegas) along a line of them"
            )
        from kernelopt.estimators.plotting import plot_optimality

        low, high = box[0]
        logarithmic = low > 0 and high / low > 20
        grid = np.geomspace(low, high, n_points) if logarithmic else np.linspace(low, high, n_points)
        grid = np.union1d(grid, self.certified_atoms_[:, 0])
        values, touching = self.optimality(grid[:, None]), self.optimality()
        return plot_optimality(grid, values, self.certified_atoms_[:, 0], touching, self.family_.name, logarithmic, ax)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags


def make_family(family: Any) -> Family:
    """Return the family that a name means; an instance stays."""
    if isinstance(family, str) and family in FAMILIES:
        return FAMILIES[family]()
    if isinstance(family, Family):
        return family
    known = ", ".join(map(repr, FAMILIES))
    raise ValueError(f"family must be one of {known}, or a Family of kernelopt.kernels.continuous, found {family!r}")
