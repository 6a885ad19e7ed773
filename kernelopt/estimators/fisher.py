"""`KernelFisherClassifier`: Fisher's discriminant, with the kernel that makes it largest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from kernelopt.convex import Criterion, GroupBall, KernelFisher, KernelSet, LeastSquares, Problem, Solution
from kernelopt.estimators.base import KernelMachine
from kernelopt.estimators.mkl import winner
from kernelopt.kernels import Gaussian
from kernelopt.kernels.rows import StoredKernels

FORMS = ("kim", "ye")


def kim_gaussians(X) -> list[Gaussian]:
    r"""Return ten Gaussians :math:`\exp(-\|x - z\|^2 / \sigma^2)`, sigma from 0.1 to 100 in thirds of a decade.

    The widths of [kim2006]_ as [ye2008]_ lists them (with 4.46 where the sequence has 4.64); whether its exponent has a
    two under the sigma could not be checked. For features of unit variance. Pass the function itself:
    ``kernels=kim_gaussians, normalize=None``.

    Examples
    --------
    >>> [k.name for k in kim_gaussians(None)][:4]
    ['gaussian γ=100', 'gaussian γ=21.5', 'gaussian γ=4.64', 'gaussian γ=1']
    """
    return [Gaussian(float(sigma) ** -2) for sigma in np.logspace(-1, 2, 10)]


class KernelFisherClassifier(ClassifierMixin, KernelMachine):
    r"""Kernel Fisher discriminant whose kernel is a learned combination of base kernels.

    With :math:`m_\pm, s_\pm^2` the means and variances of f over the two classes, of weights :math:`n_\pm`, it finds
    the f and the kernel, of all admitted, that reach to a certified gap of `tol` the largest

    .. math::
        F_{\mathrm{kim}} = \frac{(m_+ - m_-)^2}{s_+^2 + s_-^2 + \lambda \|f\|_K^2}, \qquad
        F_{\mathrm{ye}} = \frac{(m_+ - m_-)^2}{n_+ s_+^2 + n_- s_-^2 + \lambda \|f\|_K^2}.

    The first is the ratio of [kim2006]_, concave in the kernel. The second, of [ye2008]_, is least squares: the kernel
    and f with the smallest :math:`\tfrac12 \|f\|_K^2 + \tfrac{1}{2\lambda} \sum_i (y_i - f(x_i) - b)^2` for the
    targets :math:`y = n/n_+` and :math:`-n/n_-`. With several classes the sum over all one-against-rest tasks counts,
    which then share one kernel.

    Parameters
    ----------
    kernels : str, list, callable or "precomputed", default="gaussian"
        The base kernels, as in `MKLClassifier`. The ten Gaussians of the papers are
        `kernelopt.estimators.fisher.kim_gaussians`.
    lam : float or "learn", default=1e-3
        :math:`\lambda`, positive. "learn" chooses it with the weights, for the form "ye" only: the identity joins the
        kernels, and its weight is `lam_`. ([kim2006]_'s ratio only grows as lam shrinks, so there is nothing to learn.)
    form : {"kim", "ye"}, default="kim"
        Which ratio.
    kernel_set : str or KernelSet, default="simplex"
        Which combinations are admitted, as in `MKLClassifier`.
    p : float, default=2.0
        Norm of the sets "lp", "squared_lp" and "groups".
    normalize : {"variance", "center", "trace", "spherical", None}, default="variance"
        What is done to each kernel. "variance" divides by the trace of the centred kernel, as [ye2008]_ does: the
        ratio sees no more of a kernel than its centred part, so what else is in it should not count.
    solver, tol, max_iter, time_limit, n_jobs, random_state, verbose
        As in `MKLClassifier`.

    Attributes
    ----------
    weights_ : ndarray of shape (M,)
        Weights of the normalised kernels. On the simplex they add up to one, with the weight of the identity where
        lam was learned.
    lam_ : float
        :math:`\lambda`, given or learned.
    discriminant_ratio_ : ndarray of shape (n_tasks,)
        The ratio of the chosen form that the direction of each task reaches on the training points.
    certificate_ : Certificate
        Of the convex problem: minus the sum of the ratios for "kim", the least-squares objective for "ye".
    classes_ : ndarray of shape (n_classes,)
        Labels of the samples with positive weight.
    kernel_names_, kernel_, normalization_, kernels_, support_, dual_coef_, intercept_, solver_, n_iter_, history_, \
n_features_in_
        As in `MKLClassifier`.

    Notes
    -----
    A discriminant has a direction only. Here, in both forms, it is scaled and shifted so that the two projected class
    means are at -1 and 1, and the threshold is halfway between them, whatever the sizes of the classes; this also makes
    the one-against-rest tasks comparable.

    References
    ----------
    .. [kim2006] Kim, Magnani, Boyd. Optimal Kernel Selection in Kernel Fisher Discriminant Analysis. ICML 2006.
    .. [ye2008] Ye, Ji, Chen. Multi-class Discriminant Kernel Learning via Convex Programming. JMLR 9, 2008.

    Examples
    --------
    >>> from sklearn.datasets import make_circles
    >>> from kernelopt import KernelFisherClassifier
    >>> X, y = make_circles(100, noise=0.1, factor=0.4, random_state=0)
    >>> clf = KernelFisherClassifier(kernels=["linear", "rbf"]).fit(X, y)
    >>> clf.weights_.round(2), clf.certificate_.holds(1e-4), clf.score(X, y)
    (array([0., 1.]), True, 1.0)
    """

    def __init__(
        self,
        kernels: str | Sequence[Any] | Callable = "gaussian",
        lam: float | str = 1e-3,
        form: str = "kim",
        kernel_set: str | KernelSet = "simplex",
        p: float = 2.0,
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
        self.lam = lam
        self.form = form
        self.kernel_set = kernel_set
        self.p = p
        self.normalize = normalize
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None):
        """Learn the kernel weights and the directions.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, d); with kernels="precomputed" a stack (n, n, M)
            Training samples.
        y : array of shape (n,)
            Labels of any type.
        sample_weight : array of shape (n,), optional
            Nonnegative; a weight of two is the sample twice, a weight of zero its absence.

        Returns
        -------
        self
        """
        self._check_limits()
        criterion = self._criterion()
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        frame = X
        X, y = self._validated(X, y, fitting=True)
        check_classification_targets(y)
        w = _check_sample_weight(sample_weight, y, dtype=float, ensure_non_negative=True)
        present = w > 0
        self.classes_ = np.unique(y[present])
        if len(self.classes_) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: found {len(self.classes_)} class(es) "
                f"among the {np.count_nonzero(present)} samples of positive weight, and at least two are needed"
            )
        label = np.searchsorted(self.classes_, np.where(present, y, self.classes_[0]))
        columns = [1] if len(self.classes_) == 2 else range(len(self.classes_))
        side = label[:, None] == np.array(columns)
        Y = np.where(side, 1.0, -1.0)
        if self.form == "ye":
            share = np.where(side, w @ side, w @ ~side) / w.sum()
            Y = Y / share
        self._learn(X, Y, label, w, criterion, frame=frame)
        return self

    def decision_function(self, X, split=False):
        """Return the projections: 1 and -1 are the means of the classes they part, 0 is halfway.

        Parameters
        ----------
        X : array of shape (n_new, d); with kernels="precomputed" a stack (n_new, n_train, M)
            New samples.
        split : bool
            Return the share of each kernel instead; with `intercept_` the shares add up to the whole.

        Returns
        -------
        ndarray of shape (n_new,) for two classes, else (n_new, n_classes)
            With `split`, (n_new, M) or (n_new, M, n_classes).
        """
        F = self._values(X, split=split)
        return F[..., 0] if len(self.classes_) == 2 else F

    def predict(self, X):
        """Return the label of each new sample: the task with the largest value wins."""
        F = self.decision_function(X)
        return self.classes_[winner(F)]

    def _criterion(self) -> Criterion:
        if self.form not in FORMS:
            raise ValueError(f"form must be one of {', '.join(map(repr, FORMS))}, found {self.form!r}")
        if isinstance(self.lam, str):
            if self.lam != "learn":
                raise ValueError(f"lam must be a positive number or 'learn', found {self.lam!r}")
            if self.form != "ye":
                raise ValueError(
                    "lam='learn' needs form='ye': the ratio of form='kim' only grows as lam shrinks, so its best lam "
                    "would be zero. Pass a number, or form='ye'"
                )
            return LeastSquares(lam=0.0)
        criterion = KernelFisher(lam=self.lam)  # refuses a bad lam for both forms
        return criterion if self.form == "kim" else LeastSquares(lam=self.lam)

    def _answer(self, problem: Problem, start: Solution | None = None) -> Solution:
        """Solve, and turn the answer into directions whose class means are at -1 and 1."""
        learn = self.lam == "learn"
        solution = super()._answer(self._with_identity(problem) if learn else problem, start)
        theta = solution.theta[: problem.kernels.n_kernels]
        self.lam_ = float(solution.theta[-1] / self._identity_scale(problem.w)) if learn else float(self.lam)
        K = problem.train_matrix(theta)
        F = K @ solution.beta
        beta, intercept = np.zeros_like(solution.beta), np.empty(F.shape[1])
        self.discriminant_ratio_ = np.zeros(F.shape[1])
        for c, f in enumerate(F.T):
            up, down = (_Class.of(f[s], problem.w[s]) for s in (problem.Y[:, c] > 0, problem.Y[:, c] < 0))
            distance = up.mean - down.mean
            if not distance > 0:  # no kernel tells the classes apart
                intercept[c] = np.sign(up.weight - down.weight)
                continue
            spread = up.variance + down.variance
            if self.form == "ye":
                spread = up.weight * up.variance + down.weight * down.variance
            norm = float(solution.beta[:, c] @ f)
            self.discriminant_ratio_[c] = distance**2 / (spread + self.lam_ * norm)
            beta[:, c] = (2 / distance) * solution.beta[:, c]
            intercept[c] = -(up.mean + down.mean) / distance
        return replace(solution, theta=theta, beta=beta, intercept=intercept)

    def _on_the_fly(self, n: int) -> bool:
        return self.lam != "learn" and super()._on_the_fly(n)  # the identity is a matrix beside matrices

    def _identity_scale(self, w: np.ndarray) -> float:
        """Return what the normalisation divides the identity by (over copies, of which each point stands for w)."""
        return 1 - 1 / float(w.sum()) if self.normalize in ("variance", "center") else 1.0

    def _with_identity(self, problem: Problem) -> Problem:
        """Put `kernelopt.kernels.white` among the kernels, normalised like them; 1/w where a point stands for w."""
        kernels, kernel_set = problem.kernels, problem.kernel_set
        assert isinstance(kernels, StoredKernels)  # not on the fly
        identity = np.diag(1 / problem.w).astype(np.result_type(kernels.Ks.dtype, np.float32))
        if isinstance(kernel_set, GroupBall):
            kernel_set = replace(kernel_set, groups=(*kernel_set.groups, "white"))
        scale = np.append(kernels.scale, self._identity_scale(problem.w))
        extended = StoredKernels(np.concatenate([kernels.Ks, identity[None]]), scale)
        return replace(problem, kernels=extended, kernel_set=kernel_set)


class _Class:
    """Weight, mean and variance of projected samples."""

    def __init__(self, weight: float, mean: float, variance: float):
        self.weight, self.mean, self.variance = weight, mean, variance

    @classmethod
    def of(cls, f: np.ndarray, w: np.ndarray) -> _Class:
        mean = float(w @ f / w.sum())
        return cls(float(w.sum()), mean, float(w @ (f - mean) ** 2 / w.sum()))
