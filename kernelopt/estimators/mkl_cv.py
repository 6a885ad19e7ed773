"""`MKLClassifierCV` and `MKLRegressorCV`: learned kernels whose weight of the losses is chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kernelopt.convex import Criterion, KernelSet
from kernelopt.estimators.folds import ByFolds
from kernelopt.estimators.mkl import MKLClassifier
from kernelopt.estimators.regression import MKLRegressor


class MKLClassifierCV(ByFolds, MKLClassifier):
    r"""`MKLClassifier` that chooses its C by cross-validation.

    In each fold the kernels, their normalisation and the Gram matrices are made once, of the fold's training samples
    alone, and the problem

    .. math::
        \min_{\mu \in \mathcal{M}} R(\mu) + \sum_c \min_{f, b} \tfrac12 \|f\|_{K(\mu)}^2
        + C \sum_i w_i\, \ell(y_{ic} (f(x_i) + b))

    is solved from the smallest C up, each solution begun at the one before and certified on its own (`mkl_path`). The
    C with the best mean of the held-out scores is then used on all samples.

    Parameters
    ----------
    Cs : int or array, default=6
        The candidates for C; an int stands for as many between 0.01 and 1000, equally spaced by their logarithms. A
        criterion that has a ridge gets :math:`\lambda = 1/C`.
    cv : int, splitter, iterable of (train, test) or None, default=None
        The folds; an int or None (five) stands for ``StratifiedKFold``, unshuffled.
    scoring : str, callable or None, default=None
        What is to be large on the held-out samples, as in scikit-learn; None is the accuracy.
    refit : bool, default=True
        Whether to fit on all samples in the end; without, there are scores but no predictions.
    kernels, criterion, kernel_set, p, normalize, solver, tol, max_iter, time_limit, class_weight, random_state, verbose
        As in `MKLClassifier`; "balanced" is balanced on each fold's training samples. A criterion without C
        ("nu_svm", "hard_margin") is refused. `tol`, `max_iter` and `time_limit` hold for each solution.
    n_jobs : int or None, default=None
        Processes over the folds; then threads for the last fit, as in `MKLClassifier`.

    Attributes
    ----------
    C_ : float
        The C that was chosen: of equal scores, the smallest.
    Cs_ : ndarray of shape (n_Cs,)
        The candidates, ascending.
    scores_ : ndarray of shape (n_folds, n_Cs)
        Scores on the held-out samples.
    weights_path_ : ndarray of shape (n_folds, n_Cs, M)
        Kernel weights.
    certificates_path_ : list of list of Certificate
        How far each fold's solution is from its optimum, by fold and C.
    weights_, kernel_names_, kernel_, certificate_, classes_, support_, dual_coef_, intercept_, normalization_, kernels_
        As in `MKLClassifier`, of the last fit; likewise solver_, n_iter_, history_, n_features_in_.

    Raises
    ------
    ValueError
        If a score is not a number, or if the number of kernels depends on the fold.

    Notes
    -----
    Scores and choice are those of ``GridSearchCV(MKLClassifier(), {"C": Cs})``, up to what `tol` leaves open. With
    `sample_weight` the scores are weighted too, as in ``sklearn.linear_model.LogisticRegressionCV``. No fold begins
    where another one ended, since that one has seen this one's held-out samples; along a path of C that would save
    nothing anyway (92 to 103 % of the time, on six problems with 7 to 65 kernels and 300 to 1,000 samples).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from kernelopt import MKLClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MKLClassifierCV(Cs=[0.01, 1.0, 100.0], cv=3).fit(X, y)
    >>> clf.C_, clf.scores_.shape, clf.weights_path_.shape[:2], clf.certificate_.holds(1e-4)
    (1.0, (3, 3), (3, 3), True)
    """

    plain_class = MKLClassifier
    default_scoring = "accuracy"

    def __init__(
        self,
        kernels: str | Sequence[Any] | Callable = "gaussian",
        criterion: str | Criterion = "hinge",
        kernel_set: str | KernelSet = "simplex",
        p: float = 2.0,
        Cs: int | Sequence[float] = 6,
        cv: Any = None,
        scoring: str | Callable | None = None,
        refit: bool = True,
        normalize: str | None = "variance",
        solver: Any = "auto",
        tol: float = 1e-4,
        max_iter: int = 1000,
        time_limit: float | None = None,
        class_weight: dict | str | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.kernels = kernels
        self.criterion = criterion
        self.kernel_set = kernel_set
        self.p = p
        self.Cs = Cs
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.normalize = normalize
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose


class MKLRegressorCV(ByFolds, MKLRegressor):
    r"""`MKLRegressor` that chooses its ridge lam, or its C, by cross-validation.

    In each fold the kernels, their normalisation and the Gram matrices are made once, of the fold's training samples
    alone, and the problem

    .. math::
        \min_{\mu \in \mathcal{M}} R(\mu) + \sum_c \min_{f, b} \tfrac12 \|f\|_{K(\mu)}^2
        + \sum_i w_i\, \ell(y_{ic} - f(x_i) - b)

    is solved from the largest :math:`\lambda` down, or from the smallest C up, each solution begun at the one before
    and certified on its own (`mkl_path`). The best by the mean of the held-out scores is then used on all samples.

    Parameters
    ----------
    lams : int or array, default=6
        The candidates for lam, where the criterion has it ("least_squares", ``ConvexLoss``); positive. An int stands
        for as many between 100 and 0.001, equally spaced by their logarithms.
    Cs : int or array, default=6
        The candidates for C, where the criterion has that ("epsilon_svr", "nu_svr"). An int stands for as many between
        0.01 and 1000; C has the units of y here, so scale y or pass values where it is far from one.
    cv : int, splitter, iterable of (train, test) or None, default=None
        The folds; an int or None (five) stands for ``KFold``, unshuffled.
    scoring : str, callable or None, default=None
        What is to be large on the held-out samples, as in scikit-learn; None is :math:`R^2`.
    refit : bool, default=True
        Whether to fit on all samples in the end; without, there are scores but no predictions.
    kernels, criterion, kernel_set, p, epsilon, nu, normalize, solver, tol, max_iter, time_limit, random_state, verbose
        As in `MKLRegressor`; `tol`, `max_iter` and `time_limit` hold for each solution.
    n_jobs : int or None, default=None
        Processes over the folds; then threads for the last fit, as in `MKLRegressor`.

    Attributes
    ----------
    lam_, C_ : float
        What was chosen, whichever the criterion has: of equal scores, the largest lam or the smallest C.
    lams_, Cs_ : ndarray of shape (n_candidates,)
        The candidates, lam descending, C ascending.
    scores_ : ndarray of shape (n_folds, n_candidates)
        Scores on the held-out samples.
    weights_path_ : ndarray of shape (n_folds, n_candidates, M)
        Kernel weights.
    certificates_path_ : list of list of Certificate
        How far each fold's solution is from its optimum, by fold and candidate.
    weights_, kernel_names_, kernel_, certificate_, support_, dual_coef_, intercept_, normalization_, kernels_
        As in `MKLRegressor`, of the last fit; likewise solver_, n_iter_, history_, n_features_in_.

    Raises
    ------
    ValueError
        If a score is not a number (:math:`R^2` of a single sample is none), or if the number of kernels depends on the
        fold.

    Notes
    -----
    Scores and choice are those of ``GridSearchCV(MKLRegressor(), {"lam": lams})``, up to what `tol` leaves open. With
    `sample_weight` the scores are weighted too, as in ``sklearn.linear_model.LassoCV``.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from kernelopt import MKLRegressorCV
    >>> X, y = make_friedman1(100, random_state=0)
    >>> reg = MKLRegressorCV(kernels="per_feature", lams=[100.0, 1.0, 0.01], cv=3).fit(X, y)
    >>> reg.lam_, reg.scores_.shape, reg.certificate_.holds(1e-4)
    (0.01, (3, 3), True)
    """

    plain_class = MKLRegressor
    default_scoring = "r2"

    def __init__(
        self,
        kernels: str | Sequence[Any] | Callable = "gaussian",
        criterion: str | Criterion = "least_squares",
        kernel_set: str | KernelSet = "simplex",
        p: float = 2.0,
        lams: int | Sequence[float] = 6,
        Cs: int | Sequence[float] = 6,
        epsilon: float = 0.1,
        nu: float = 0.5,
        cv: Any = None,
        scoring: str | Callable | None = None,
        refit: bool = True,
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
        self.lams = lams
        self.Cs = Cs
        self.epsilon = epsilon
        self.nu = nu
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.normalize = normalize
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
