"""`MKLOneClass`: novelty detection with a learned kernel."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils.validation import _check_sample_weight

from kernelopt.convex import KernelSet, OneClass, Simplex
from kernelopt.estimators.base import KernelMachine


class MKLOneClass(OutlierMixin, KernelMachine):
    r"""One-class support vector machine whose kernel is a learned combination of base kernels.

    Solves, to a certified duality gap of `tol`,

    .. math::
        \min_{\mu \in \mathcal{M}} R(\mu) + \omega(K(\mu)), \quad K(\mu) = \sum_k \mu_k K_k / s_k, \quad
        \omega(K) = \min_{f, \rho} \tfrac12 \|f\|_K^2 - \rho + \frac{1}{\nu W} \sum_i w_i (\rho - f(x_i))_+

    with :math:`W = \sum_i w_i`. As :math:`\omega` falls with every entry of the kernel matrix, a simplex only picks the
    widest kernel; in a ball with p = 2 the weights go with how alike each kernel finds the samples.

    Parameters
    ----------
    kernels : str, list, callable or "precomputed", default="gaussian"
        The base kernels, as in `MKLClassifier`.
    kernel_set : str or KernelSet, default="lp"
        Which combinations are admitted, as in `MKLClassifier`, but for "radius". "simplex" warns.
    p : float, default=2.0
        Norm of the sets "lp", "squared_lp" and "groups".
    nu : float, default=0.5
        In (0, 1]: at most this share of the samples is left outside.
    normalize : {"variance", "trace", "spherical", None}, default="trace"
        What is done to each kernel. Not "variance" by default, as for the other machines: no intercept makes up for
        what all entries of a kernel have in common, so it would inflate the wide kernels. Not "center" at all: the
        machine parts the samples from the origin, and there the origin is their mean.
    solver, tol, max_iter, time_limit, n_jobs, random_state, verbose
        As in `MKLClassifier`.

    Attributes
    ----------
    weights_, kernel_names_, kernel_, certificate_, normalization_, kernels_, solver_, n_iter_, history_, n_features_in_
        As in `MKLClassifier`.
    offset_ : float
        :math:`\rho`: ``decision_function = score_samples - offset_``.
    support_, dual_coef_, intercept_
        As in ``sklearn.svm.OneClassSVM``; `intercept_` is minus `offset_`.

    Notes
    -----
    With one kernel and ``normalize=None`` this is the problem of ``sklearn.svm.OneClassSVM(nu=nu)``, whose values are
    :math:`\nu n` times these. Equal rows are merged and their weights added.

    A constant on all entries of a kernel moves `offset_` but no decision; it does count for the weights. So a matrix
    that is a Gram matrix but for a constant counts with the least one that makes it so: ``normalization_.constant``.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> detector = MKLOneClass(nu=0.1).fit(X)
    >>> detector.predict([[0.0, 0.0], [9.0, 9.0]])
    array([ 1, -1])
    """

    def __init__(
        self,
        kernels: str | Sequence[Any] | Callable = "gaussian",
        kernel_set: str | KernelSet = "lp",
        p: float = 2.0,
        nu: float = 0.5,
        normalize: str | None = "trace",
        solver: Any = "auto",
        tol: float = 1e-4,
        max_iter: int = 1000,
        time_limit: float | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.kernels = kernels
        self.kernel_set = kernel_set
        self.p = p
        self.nu = nu
        self.normalize = normalize
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
        X : array or sparse matrix of shape (n, d); with kernels="precomputed" a stack (n, n, M)
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
        if self.normalize == "center":
            raise ValueError(
                "normalize='center' leaves nothing to learn: the mean of the samples becomes the origin, from which "
                "the one-class machine is to part them. Choose 'trace', 'spherical', 'variance' or None"
            )
        frame = X
        X, _ = self._validated(X, fitting=True)
        w = _check_sample_weight(sample_weight, X, dtype=float, ensure_non_negative=True)
        if not (w > 0).any():
            raise ValueError("sample_weight must be positive for at least one sample, found only zeros")
        same = np.zeros((X.shape[0], 1))
        self._learn(X, same, same, w, criterion, frame=frame)
        if len(self.weights_) > 1 and (self.kernel_set == "simplex" or isinstance(self.kernel_set, Simplex)):
            widest = self.kernel_names_[int(self.weights_.argmax())]
            warnings.warn(
                f"kernel_set='simplex' only picks the widest kernel (here {widest!r}), as the problem rewards a kernel "
                f"that finds all samples alike. Choose kernel_set='lp' with p=2",
                stacklevel=2,
            )
        self.offset_ = -float(self.intercept_[0])
        return self

    def score_samples(self, X, split=False):
        """Return the values of f, high inside.

        Parameters
        ----------
        X : array of shape (n_new, d); with kernels="precomputed" a stack (n_new, n_train, M)
            New samples.
        split : bool
            Return the share of each kernel instead; they add up to the whole.

        Returns
        -------
        ndarray of shape (n_new,)
            With `split`, (n_new, M).
        """
        F = self._values(X, split=split)
        return F[..., 0] if split else F[:, 0] + self.offset_

    def decision_function(self, X):
        """Return ``score_samples(X) - offset_``: negative outside."""
        return self._values(X)[:, 0]

    def predict(self, X):
        """Return 1 for samples inside, -1 for those outside."""
        return np.where(self.decision_function(X) < 0, -1, 1)
