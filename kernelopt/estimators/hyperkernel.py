"""`HyperkernelClassifier`, `HyperkernelRegressor`, `HyperkernelOneClass`: a kernel learned from all pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils.validation import _check_sample_weight

from kernelopt.convex import Criterion, OneClass
from kernelopt.estimators.hyper_base import HyperMachine
from kernelopt.estimators.mkl import MKLClassifier
from kernelopt.estimators.regression import MKLRegressor
from kernelopt.kernels import Hyperkernel


class HyperkernelClassifier(HyperMachine, MKLClassifier):
    r"""Support vector machine whose kernel is learned from a hyperkernel [ong2005]_.

    A hyperkernel :math:`\underline k` is a kernel on pairs of samples. The learned kernel is a combination of its
    slices at pairs of training samples, priced by its norm in the space that the hyperkernel spans:

    .. math::
        \min_{\beta \ge 0,\; \mathbf{1}^\top \beta = c} \; \tfrac{\lambda_Q}{2} \sqrt{\beta^\top \underline K \beta}
        + \omega\Bigl(\sum_j \beta_j K_j\Bigr), \qquad (K_j)_{xz} = \underline k((x_j, x_j'), (x, z)),

    with the pairs chosen by pivoted Cholesky of the hyperkernel on all pairs, and to a certified duality gap of `tol`.

    Parameters
    ----------
    hyperkernel : {"gaussian_harmonic", "ard", "gaussian", "wishart"} or Hyperkernel, default="gaussian_harmonic"
        Of one width, of one width per column (the paper's experiments), of distance and place, of covariances; or an
        instance from `kernelopt.kernels`, whose own parameters count then.
    criterion : str or Criterion, default="hinge"
        What makes a kernel good, as in `MKLClassifier`.
    C : float, default=1.0
        Weight of the *sum* of the losses; the paper's :math:`C/m`, m samples.
    nu : float, default=0.5
        Share of margin errors of "nu_svm".
    lam_q : float, default=1.0
        :math:`\lambda_Q`; positive.
    lam_h : float, default=0.6
        :math:`\lambda_h` of the harmonic hyperkernels: the paper's value.
    norm : {"norm", "squared", "free"}, default="norm"
        Which of three problems: nonnegative weights at the price of the norm (the paper's); at half its square; or
        weights of any sign with a positive semidefinite matrix, at half the square (warns where a weight is negative:
        the function need be no kernel at new points).
    c : float or None, default=1.0
        The sum of the weights. None, not with "norm", learns it.
    widths : {"paper", "literal"}, default="paper"
        How the inverse squared width :math:`\gamma` of a column, or of all of them, follows from the 90 % quantile q of
        the differences between samples: :math:`1 / (5 q)^2`, which reproduces the published errors, or
        :math:`50 q`, as the paper's words read.
    rank : int or None, default=60
        Pivots at most.
    rank_tol : float, default=1e-6
        Share of the trace of the hyperkernel on all pairs that the pivots may leave out.
    solver, tol, max_iter, time_limit, class_weight, n_jobs, random_state, verbose
        As in `MKLClassifier`.

    Attributes
    ----------
    weights_ : ndarray of shape (p,)
        :math:`\beta`.
    n_slices_ : int
        How many slices carry more than a millionth of the weight. Collapse onto one is common: then the machine is
        one with a fixed kernel, and nothing was learned but which.
    best_slice_, best_slice_objective_ : int, float
        The slice that does best alone with the same total weight ("free" without `c`: the same trace), and its
        objective, to compare with ``certificate_.primal``: what learning has brought.
    pivots_ : ndarray of shape (p, 2)
        The pairs, as rows given to fit.
    pair_gram_ : ndarray of shape (p, p)
        :math:`\underline K` between the pivots.
    left_out_ : float
        Share of the trace of the hyperkernel on all pairs that the pivots leave out. The certificate is of the problem
        on the pivots.
    hyperkernel_ : Hyperkernel
        With its widths.
    kernels_, kernel_names_, kernel_, certificate_, classes_, support_, dual_coef_, intercept_, solver_, n_iter_
        As in `MKLClassifier`; the kernels are the slices.

    Notes
    -----
    Predictions evaluate the slices with weight between new samples and support vectors; of the other pivots and of
    other pairs nothing is needed. Training takes n² numbers per pivot; sparse input is made dense. The
    widths of "paper" are wide, so the losses need a large weight: the paper has C = 100.

    References
    ----------
    .. [ong2005] Ong, Smola, Williamson. Learning the Kernel with Hyperkernels. JMLR 6, 2005.

    Examples
    --------
    >>> from sklearn.datasets import make_circles
    >>> from kernelopt import HyperkernelClassifier
    >>> X, y = make_circles(100, noise=0.1, factor=0.4, random_state=0)
    >>> clf = HyperkernelClassifier(C=100.0).fit(X, y)
    >>> clf.certificate_.holds(1e-4), clf.score(X, y) > 0.95, clf.n_slices_ >= 1
    (True, True, True)
    """

    def __init__(
        self,
        hyperkernel: str | Hyperkernel = "gaussian_harmonic",
        criterion: str | Criterion = "hinge",
        C: float = 1.0,
        nu: float = 0.5,
        lam_q: float = 1.0,
        lam_h: float = 0.6,
        norm: str = "norm",
        c: float | None = 1.0,
        widths: str = "paper",
        rank: int | None = 60,
        rank_tol: float = 1e-6,
        solver: Any = "auto",
        tol: float = 1e-4,
        max_iter: int = 1000,
        time_limit: float | None = None,
        class_weight: dict | str | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.hyperkernel = hyperkernel
        self.criterion = criterion
        self.C = C
        self.nu = nu
        self.lam_q = lam_q
        self.lam_h = lam_h
        self.norm = norm
        self.c = c
        self.widths = widths
        self.rank = rank
        self.rank_tol = rank_tol
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose


class HyperkernelRegressor(HyperMachine, MKLRegressor):
    r"""Regression whose kernel is learned from a hyperkernel [ong2005]_.

    As `HyperkernelClassifier`, with the losses of `MKLRegressor`.

    Parameters
    ----------
    hyperkernel, lam_q, lam_h, norm, c, widths, rank, rank_tol
        As in `HyperkernelClassifier`. The paper takes the standard deviation of the targets for c, with "nu_svr".
    criterion, lam, C, epsilon, nu, solver, tol, max_iter, time_limit, n_jobs, random_state, verbose
        As in `MKLRegressor`.

    Attributes
    ----------
    weights_, n_slices_, best_slice_, best_slice_objective_, pivots_, pair_gram_, left_out_, hyperkernel_
        As in `HyperkernelClassifier`.
    kernels_, kernel_names_, kernel_, certificate_, support_, dual_coef_, intercept_, solver_, n_iter_
        As in `MKLRegressor`; the kernels are the slices.

    References
    ----------
    .. [ong2005] Ong, Smola, Williamson. Learning the Kernel with Hyperkernels. JMLR 6, 2005.

    Examples
    --------
    >>> X = np.linspace(0, 6, 60)[:, None]
    >>> reg = HyperkernelRegressor(lam=1e-4).fit(X, np.sin(X[:, 0]))
    >>> reg.certificate_.holds(1e-4), reg.score(X, np.sin(X[:, 0])) > 0.99
    (True, True)
    """

    def __init__(
        self,
        hyperkernel: str | Hyperkernel = "gaussian_harmonic",
        criterion: str | Criterion = "least_squares",
        lam: float = 1.0,
        C: float = 1.0,
        epsilon: float = 0.1,
        nu: float = 0.5,
        lam_q: float = 1.0,
        lam_h: float = 0.6,
        norm: str = "norm",
        c: float | None = 1.0,
        widths: str = "paper",
        rank: int | None = 60,
        rank_tol: float = 1e-6,
        solver: Any = "auto",
        tol: float = 1e-4,
        max_iter: int = 1000,
        time_limit: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.hyperkernel = hyperkernel
        self.criterion = criterion
        self.lam = lam
        self.C = C
        self.epsilon = epsilon
        self.nu = nu
        self.lam_q = lam_q
        self.lam_h = lam_h
        self.norm = norm
        self.c = c
        self.widths = widths
        self.rank = rank
        self.rank_tol = rank_tol
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose


class HyperkernelOneClass(OutlierMixin, HyperMachine):
    r"""One-class support vector machine whose kernel is learned from a hyperkernel [ong2005]_.

    Without the scale `c` the problem of the paper has no optimum but zero or minus infinity, so "norm" refuses
    ``c=None``; and since the objective falls with every entry of the kernel, the widest slice is favoured.

    Parameters
    ----------
    hyperkernel, lam_q, lam_h, c, widths, rank, rank_tol
        As in `HyperkernelClassifier`.
    nu : float, default=0.5
        In (0, 1]: at most this share of the samples is left outside.
    norm : {"norm", "squared"}, default="norm"
        Which problem, as in `HyperkernelClassifier`.
    solver, tol, max_iter, time_limit, n_jobs, random_state, verbose
        As in `MKLOneClass`.

    Attributes
    ----------
    weights_, n_slices_, best_slice_, best_slice_objective_, pivots_, pair_gram_, left_out_, hyperkernel_
        As in `HyperkernelClassifier`.
    offset_ : float
        ``decision_function = score_samples - offset_``.
    kernels_, kernel_names_, kernel_, certificate_, support_, dual_coef_, intercept_, solver_, n_iter_
        As in `MKLOneClass`; the kernels are the slices.

    References
    ----------
    .. [ong2005] Ong, Smola, Williamson. Learning the Kernel with Hyperkernels. JMLR 6, 2005.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> detector = HyperkernelOneClass(nu=0.1).fit(X)
    >>> detector.predict([[0.0, 0.0], [9.0, 9.0]])
    array([ 1, -1])
    """

    def __init__(
        self,
        hyperkernel: str | Hyperkernel = "gaussian_harmonic",
        nu: float = 0.5,
        lam_q: float = 1.0,
        lam_h: float = 0.6,
        norm: str = "norm",
        c: float | None = 1.0,
        widths: str = "paper",
        rank: int | None = 60,
        rank_tol: float = 1e-6,
        solver: Any = "auto",
        tol: float = 1e-4,
        max_iter: int = 1000,
        time_limit: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.hyperkernel = hyperkernel
        self.nu = nu
        self.lam_q = lam_q
        self.lam_h = lam_h
        self.norm = norm
        self.c = c
        self.widths = widths
        self.rank = rank
        self.rank_tol = rank_tol
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, sample_weight=None):
        """Learn the kernel weights and the region.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, d)
            Training samples.
        y : ignored
            Present for scikit-learn.
        sample_weight : array of shape (n,), optional
            Nonnegative; a weight of two is the sample twice, a weight of zero its absence.

        Returns
        -------
        self
        """
        self._check_limits()
        criterion = OneClass(nu=self.nu)
        X, _ = self._validated(X, fitting=True)
        w = _check_sample_weight(sample_weight, X, dtype=float, ensure_non_negative=True)
        if not (w > 0).any():
            raise ValueError("sample_weight must be positive for at least one sample, found only zeros")
        same = np.zeros((X.shape[0], 1))
        self._learn(X, same, same, w, criterion)
        self.offset_ = -float(self.intercept_[0])
        return self

    def score_samples(self, X):
        """Return the values of f, high inside.

        Parameters
        ----------
        X : array of shape (n_new, d)
            New samples.

        Returns
        -------
        ndarray of shape (n_new,)
        """
        return self._values(X)[:, 0] + self.offset_

    def decision_function(self, X):
        """Return ``score_samples(X) - offset_``: negative outside."""
        return self._values(X)[:, 0]

    def predict(self, X):
        """Return 1 for samples inside, -1 for those outside."""
        return np.where(self.decision_function(X) < 0, -1, 1)
