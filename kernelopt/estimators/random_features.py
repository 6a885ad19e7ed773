"""`ReweightedRandomFeatures`: random Fourier features, weighted by what they tell of the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from kernelopt.convex import Alignment, ChiSquareBall, Problem
from kernelopt.convex.solvers import ClosedForm
from kernelopt.kernels import LowRankKernels, scale_gamma


class ReweightedRandomFeatures(TransformerMixin, BaseEstimator):
    r"""Random features of a Gaussian kernel, with learned weights [sinha2016]_.

    Draws :math:`\phi_k(x) = \sqrt2 \cos(\omega_k^\top x + b_k)` with :math:`\omega_k \sim N(0, 2 \gamma I)`, whose
    plain average :math:`\tfrac1M \sum_k \phi_k(x) \phi_k(z)` is near :math:`e^{-\gamma \|x - z\|^2}`, and replaces the
    average by the distribution of the largest alignment with the target near it,

    .. math:: \max_q \sum_k q_k\, (\phi_k^\top y)^2 \quad \text{s.t.} \quad q \ge 0,\ \mathbf{1}^\top q = 1,\
              M \|q\|^2 - 1 \le \rho.

    `transform` returns :math:`\sqrt{q_k}\, \phi_k` for the features that keep weight, for a linear machine to go on
    with: a few products and a sort, where other methods train machines. With several targets or classes the
    :math:`(\phi_k^\top y)^2` add up.

    Parameters
    ----------
    n_components : int, default=1000
        M, the features that are drawn.
    gamma : float or "scale", default="scale"
        :math:`\gamma`; "scale" is one over the number of features times their mean variance.
    rho : float, default=10.0
        :math:`\rho`, how far the weights may be from equal ones: zero keeps the average, and never less than
        :math:`M / (1 + \rho)` features keep weight.
    centered : bool, default=True
        Whether features and targets are centred; the paper does not.
    random_state : int, RandomState or None, default=None
        Of the draw.

    Attributes
    ----------
    weights_ : ndarray of shape (M,)
        q.
    kept_ : ndarray of int
        Which features have weight.
    frequencies_, offsets_ : ndarrays of shape (d, kept), (kept,)
        Of these.
    gamma_ : float
        The width that was used.
    certificate_ : Certificate
        Proof that the weights are the best for the features that were drawn.

    References
    ----------
    .. [sinha2016] Sinha, Duchi. Learning Kernels with Random Features. NIPS 29, 2016.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(200, 10))
    >>> y = np.abs(X[:, 0]) > 0.7  # only one of ten columns matters
    >>> features = ReweightedRandomFeatures(2000, gamma=0.5, rho=50.0, random_state=0).fit(X, y)
    >>> len(features.kept_) < 200, features.certificate_.holds(1e-9)
    (True, True)
    """

    def __init__(
        self,
        n_components: int = 1000,
        gamma: float | str = "scale",
        rho: float = 10.0,
        centered: bool = True,
        random_state: Any = None,
    ):
        self.n_components = n_components
        self.gamma = gamma
        self.rho = rho
        self.centered = centered
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        """Draw features and learn their weights.

        Parameters
        ----------
        X : array of shape (n, d)
        y : array of shape (n,) or (n, n_targets)
            Labels of any type (one task per class, against the rest), or values. One column of whole numbers is taken
            for labels, as scikit-learn's ``type_of_target`` does; give counts or ratings twice, as two equal columns.
        sample_weight : array of shape (n,), optional
            Nonnegative.

        Returns
        -------
        self
        """
        if not (isinstance(self.n_components, int | np.integer) and self.n_components >= 1):
            raise ValueError(f"n_components must be a positive integer, found {self.n_components!r}")
        ball = ChiSquareBall(self.rho)
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True)
        w = _check_sample_weight(sample_weight, X, dtype=float, ensure_non_negative=True)
        if not (w > 0).any():
            raise ValueError("sample_weight must be positive for at least one sample, found only zeros")
        self.gamma_ = scale_gamma(X, w) if isinstance(self.gamma, str) and self.gamma == "scale" else self.gamma
        if not (isinstance(self.gamma_, int | float | np.number) and 0 < self.gamma_ < np.inf):
            raise ValueError(f"gamma must be positive or 'scale', found {self.gamma!r}")
        rng = check_random_state(self.random_state)
        frequencies = rng.normal(scale=np.sqrt(2 * self.gamma_), size=(X.shape[1], self.n_components))
        offsets = rng.uniform(0, 2 * np.pi, self.n_components)
        keep = w > 0
        factors = tuple(_features(X[keep], frequencies, offsets).T[:, :, None])
        kernels = LowRankKernels(factors, "random Fourier features")
        task = Problem(kernels, _targets(y[keep]), Alignment(centered=self.centered), ball, w[keep])
        solution = ClosedForm().solve(task)
        self.weights_, self.certificate_ = solution.theta, solution.certificate
        self.kept_ = np.flatnonzero(self.weights_)
        self.frequencies_, self.offsets_ = frequencies[:, self.kept_], offsets[self.kept_]
        self._n_features_out = len(self.kept_)
        return self

    def transform(self, X):
        """Return the weighted features: shape (n, kept)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return np.sqrt(self.weights_[self.kept_]) * _features(X, self.frequencies_, self.offsets_)

    def get_feature_names_out(self, input_features=None):
        """Return names of the features, by their place in the draw."""
        check_is_fitted(self)
        return np.array([f"feature{k}" for k in self.kept_], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _features(X: np.ndarray, frequencies: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    return np.sqrt(2.0) * np.cos(X @ frequencies + offsets)


def _targets(y: np.ndarray) -> np.ndarray:
    """Return one column per target, or per class."""
    if type_of_target(y) in ("binary", "multiclass"):
        classes = np.unique(y)
        return np.where(
            y.reshape(-1, 1) == classes[-1:] if len(classes) <= 2 else y.reshape(-1, 1) == classes, 1.0, -1.0
        )
    return np.asarray(y, dtype=float).reshape(len(y), -1)
