"""`MKLRegressor`: regression with a learned kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import _check_sample_weight

from kernelopt.convex import (
    Alignment,
    Certificate,
    Criterion,
    EpsilonSVR,
    KernelSet,
    LeastSquares,
    NuSVR,
    OneClass,
    Problem,
    Solution,
    SquaredLp,
)
from kernelopt.estimators.base import KernelMachine, Task
from kernelopt.estimators.choices import make_criterion


class MKLRegressor(RegressorMixin, KernelMachine):
    r"""Regression whose kernel is a learned combination of base kernels.

    Solves, to a certified duality gap of `tol`,

    .. math::
        \min_{\mu \in \mathcal{M}} R(\mu) + \omega(K(\mu)), \quad K(\mu) = \sum_k \mu_k K_k / s_k, \quad
        \omega(K) = \sum_c \min_{f, b} \tfrac12 \|f\|_K^2 + \sum_i w_i\, \ell(y_{ic} - f(x_i) - b)

    over the targets c, which share one kernel when there are several. It is jointly convex in the weights and the
    machines; the general loss is that of [kim2008]_.

    Parameters
    ----------
    kernels : str, list, callable or "precomputed", default="gaussian"
        The base kernels, as in `MKLClassifier`.
    criterion : str or Criterion, default="least_squares"
        The loss: "least_squares", :math:`\frac{1}{2 \lambda} r^2`; "epsilon_svr", :math:`C (|r| - \varepsilon)_+`, as
        ``SVR``; "nu_svr", which finds its own :math:`\varepsilon`, as ``NuSVR``; or an instance, such as
        ``kernelopt.convex.ConvexLoss(psi, lam)`` with any convex loss, whose own parameters count then.
    kernel_set : str or KernelSet, default="simplex"
        Which combinations are admitted, as in `MKLClassifier`; "radius" goes with "least_squares" only.
    p : float, default=2.0
        Norm of the sets "lp", "squared_lp" and "groups".
    lam : float, default=1.0
        Ridge of "least_squares"; nonnegative.
    C : float, default=1.0
        Weight of the *sum* of the losses of "epsilon_svr" and "nu_svr".
    epsilon : float, default=0.1
        Half width of the tube of "epsilon_svr", in units of y.
    nu : float, default=0.5
        Share of the samples outside the tube of "nu_svr" at most.
    normalize, solver, tol, max_iter, time_limit, n_jobs, random_state, verbose
        As in `MKLClassifier`.

    Attributes
    ----------
    weights_, kernel_names_, kernel_, certificate_, normalization_, kernels_, solver_, n_iter_, history_, n_features_in_
        As in `MKLClassifier`.
    support_ : ndarray of shape (n_support,)
        Indices of the samples with a coefficient among the rows given to fit (of equal rows, the first).
    dual_coef_ : ndarray of shape (n_targets, n_support)
        Their coefficients.
    intercept_ : ndarray of shape (n_targets,)
        Offsets.

    Notes
    -----
    The targets are centred before the problem is solved, which the intercept makes up for; `certificate_` is of the
    centred problem, whose value is the same. With one kernel and ``normalize=None``, "epsilon_svr" and "nu_svr" are
    the problems of ``sklearn.svm.SVR`` and ``NuSVR``, and ``LeastSquares(lam, intercept=False)`` is that of
    ``KernelRidge(alpha=lam)``. Rows that agree in X and in y are merged and their weights added.

    References
    ----------
    .. [kim2008] Kim, Zymnis, Magnani, Koh, Boyd. Learning the Kernel via Convex Optimization. ICASSP 2008.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> X, y = make_friedman1(100, random_state=0)
    >>> reg = MKLRegressor(kernels="per_feature", lam=0.1).fit(X, y)  # five of the ten features count
    >>> reg.certificate_.holds(1e-4), reg.score(X, y) > 0.9
    (True, True)
    """

    def __init__(
        self,
        kernels: str | Sequence[Any] | Callable = "gaussian",
        criterion: str | Criterion = "least_squares",
        kernel_set: str | KernelSet = "simplex",
        p: float = 2.0,
        lam: float = 1.0,
        C: float = 1.0,
        epsilon: float = 0.1,
        nu: float = 0.5,
        normalize: str | None = "variance",
        solver: Any = "auto",
        tol: float = 1e-4,
        max_iter: int = 1000,
        time_limit: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.kernels = kernels
        self.criterion = criterion
        self.kernel_set = kernel_set
        self.p = p
        self.lam = lam
        self.C = C
        self.epsilon = epsilon
        self.nu = nu
        self.normalize = normalize
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None):
        """Learn the kernel weights and the machine.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, d); with kernels="precomputed" a stack (n, n, M)
            Training samples.
        y : array of shape (n,) or (n, n_targets)
            Targets; several ones share the kernel.
        sample_weight : array of shape (n,), optional
            Nonnegative; a weight of two is the sample twice, a weight of zero its absence.

        Returns
        -------
        self
        """
        criterion = self._criterion()
        X_, y_, w = self._samples(X, y, sample_weight)
        self._finish(self._task(X_, y_, w, criterion, frame=X), criterion)
        return self

    def _samples(self, X, y, sample_weight):
        """Return X, y and the weights, validated."""
        self._check_limits()
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        X, y = self._validated(X, y, fitting=True, multi_output=True, y_numeric=True, min_samples=2)
        w = _check_sample_weight(sample_weight, X, dtype=float, ensure_non_negative=True)
        if not (w > 0).any():
            raise ValueError("sample_weight must be positive for at least one sample, found only zeros")
        return X, y, w

    def _task(self, X, y, w, criterion: Criterion, *, frame=None) -> Task:
        """Return what there is to solve for validated samples, with centred targets."""
        self._one_target = y.ndim == 1
        Y = np.asarray(y, dtype=float).reshape(len(y), -1)
        self._offset = np.zeros(Y.shape[1])
        if getattr(criterion, "intercept", True):
            self._offset = np.array([_mean(column[w > 0], w[w > 0]) for column in Y.T])
        return self._prepare(X, Y - self._offset, Y, w, criterion, frame=frame)

    def _finish(self, task: Task, criterion: Criterion, start: Solution | None = None) -> Solution:
        """Solve, and let the intercept make up for the centring."""
        solution = super()._finish(task, criterion, start)
        self.intercept_ = solution.intercept + self._offset
        return solution

    def predict(self, X, split=False):
        """Return the values at new points.

        Parameters
        ----------
        X : array of shape (n_new, d); with kernels="precomputed" a stack (n_new, n_train, M)
            New samples.
        split : bool
            Return the share of each kernel instead; with `intercept_` the shares add up to the whole.

        Returns
        -------
        ndarray of shape (n_new,) or (n_new, n_targets), as y had it at fit
            With `split`, (n_new, M) or (n_new, M, n_targets).
        """
        F = self._values(X, split=split)
        return F[..., 0] if self._one_target else F

    def _criterion(self) -> Criterion:
        known = {
            "least_squares": lambda: LeastSquares(lam=self.lam),
            "epsilon_svr": lambda: EpsilonSVR(C=self.C, epsilon=self.epsilon),
            "nu_svr": lambda: NuSVR(C=self.C, nu=self.nu),
        }
        return make_criterion(self.criterion, known, _for_values, "regression")

    def _answer(self, problem: Problem, start: Solution | None = None) -> Solution:
        """Put a price on no weight where all targets are equal: then the zero function is the answer."""
        if problem.Y.any() or not isinstance(problem.kernel_set, SquaredLp):
            return super()._answer(problem, start)
        zero = np.zeros(problem.Y.shape)
        blank = Certificate(np.inf, -np.inf, np.inf, problem.scale)
        return problem.certified(Solution(np.zeros(problem.kernels.n_kernels), zero, zero[0], zero, blank))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _for_values(criterion: Criterion) -> bool:
    return criterion.targets == "values" and not isinstance(criterion, OneClass | Alignment)


def _mean(y: np.ndarray, w: np.ndarray) -> float:
    """Return the weighted mean; of equal numbers that number itself, to the last bit."""
    return float(y[0]) if np.all(y == y[0]) else float(w @ y) / float(w.sum())
