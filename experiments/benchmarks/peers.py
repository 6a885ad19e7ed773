"""Other libraries for multiple kernel learning, where they are installed.

Neither solves the problem of the table: they are here for what their answers cost. Where weights and a support vector
machine come out, the certificate says what these are worth on our problem; nothing tunes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.svm import SVC

from kernelopt.convex import Certificate, Hinge, Problem, Solution
from kernelopt.kernels.rows import StoredKernels


def stack_of(problem: Problem) -> np.ndarray:
    """Return the matrices of a problem over stored kernels, shape (M, n, n), as they are: our cases have unit scale."""
    if not isinstance(problem.kernels, StoredKernels):
        raise NotImplementedError(f"other libraries take stored kernels only, found {problem.description}")
    return problem.kernels.Ks


@dataclass(frozen=True)
class MKLpy:
    """An algorithm of MKLpy, with scikit-learn's SVC at the problem's C as its learner.

    Parameters
    ----------
    algorithm : str
        A class of ``MKLpy.algorithms``: AverageMKL (weights all equal), EasyMKL, GRAM, ...

    References
    ----------
    Lauriola, Aiolli. MKLpy: a Python-Based Framework for Multiple Kernel Learning. arXiv 2007.09982, 2020.
    """

    algorithm: str = "AverageMKL"

    def solve(self, problem: Problem) -> Solution:
        """Return its weights and its machine, as a point of our problem."""
        from MKLpy import algorithms  # type: ignore[import-not-found]

        criterion, y = problem.criterion, problem.Y[:, 0]
        assert isinstance(criterion, Hinge)
        learner = SVC(C=criterion.C, kernel="precomputed")
        fitted = getattr(algorithms, self.algorithm)(learner=learner).fit(list(stack_of(problem)), y)
        a = np.zeros((len(y), 1))
        a[fitted.learner.support_, 0] = np.abs(fitted.learner.dual_coef_[0])
        mu = np.asarray(fitted.solution.weights, dtype=float)
        V = criterion.V(a, problem.Y)
        blank = Certificate(np.inf, -np.inf, np.inf, problem.scale)
        return Solution(mu / mu.sum(), V, np.array([fitted.learner.intercept_[0]]), a, blank)


@dataclass(frozen=True)
class Himalaya:
    """Ridge regression on the labels over several kernels, log-weights by gradient descent on cross-validation.

    References
    ----------
    Dupré la Tour, Eickenberg, Nunez-Elizalde, Gallant. Feature-space selection with banded ridge regression.
    NeuroImage 264, 2022.
    """

    def solve(self, problem: Problem) -> None:
        """Fit; there is no point of our problem to return."""
        from himalaya.kernel_ridge import MultipleKernelRidgeCV  # type: ignore[import-not-found]

        model = MultipleKernelRidgeCV(kernels="precomputed", solver="hyper_gradient", random_state=0)
        model.fit(stack_of(problem), problem.Y)
