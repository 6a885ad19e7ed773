"""What the methods of the grid are made of: kernels on filters' outputs, features of kernels, cross-fitted networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.utils import check_random_state

from kernelopt.kernels import Gaussian, Kernel, kernel_diag, scale_gamma

FACTORS = (0.25, 1.0, 4.0)  # widths of the Gaussians on each group of features, in units of its own scale
NYSTROEM_POINTS = 256
SMALLEST = 1e-10  # eigenvalue kept, in units of the largest


def filter_bank(bank: str, kernel_size: int, image_shape: tuple[int, ...], seed: int) -> Any:
    """Return a bank of 16 filters as a transformer of flattened grey images."""
    from kernelopt.estimators.filter_bank import FilterBank

    return FilterBank(bank, n_filters=16, kernel_size=kernel_size, image_shape=image_shape, random_state=seed)


def random_networks(X, sample_weight=None, *, image_shape: tuple[int, ...], seed: int) -> list[Any]:
    """Return the conjugate and tangent kernels of two networks with random weights."""
    from kernelopt.bridges.network_kernels import random_network_kernels

    return random_network_kernels(X, sample_weight, image_shape=image_shape, seed=1000 + 2 * seed, draws=2)


class FeatureKernel(Kernel):
    """A kernel on what a fitted transformer makes of the points.

    Parameters
    ----------
    transform : callable
        From rows to features.
    kernel : Kernel
        Between features.
    name : str
    """

    def __init__(self, transform: Callable[[Any], np.ndarray], kernel: Kernel, name: str):
        self.transform, self.kernel, self.name = transform, kernel, name

    def __call__(self, X: Any, Z: Any) -> np.ndarray:
        """Return the kernel between the features of X and of Z."""
        A = self.transform(X)
        return self.kernel(A, A if Z is X else self.transform(Z))

    def diag(self, X: Any) -> np.ndarray:
        """Return the kernel of each row of X with itself."""
        return kernel_diag(self.kernel, self.transform(X))

    def proven_psd(self) -> bool:
        """Whether the kernel between features is positive semidefinite by construction."""
        return self.kernel.proven_psd()


class FilterKernels:
    """Gaussian kernels on the outputs of each of some banks of filters, fitted on the training points.

    Parameters
    ----------
    banks : sequence of FilterBank
        Unfitted.

    Examples
    --------
    >>> X = np.random.default_rng(0).random((4, 64))
    >>> kernels = FilterKernels([filter_bank("gabor", 5, (8, 8), 0)])(X)
    >>> [kernel.name for kernel in kernels]
    ['gabor 5×5, γ=0.25s', 'gabor 5×5, γ=1s', 'gabor 5×5, γ=4s']
    """

    def __init__(self, banks: Sequence[Any]):
        self.banks = list(banks)

    def __call__(self, X: np.ndarray, sample_weight: np.ndarray | None = None) -> list[Kernel]:
        """Return the kernels; banks from chance or formulas look at the size of the images alone."""
        made: list[Kernel] = []
        for bank in self.banks:
            fitted = clone(bank).fit(X)
            transform = Remembered(fitted.transform)
            scale = scale_gamma(transform(X), sample_weight)
            name = f"{bank.bank} {bank.kernel_size}×{bank.kernel_size}"
            made += [FeatureKernel(transform, Gaussian(factor * scale), f"{name}, γ={factor:g}s") for factor in FACTORS]
        return made


class Remembered:
    """A function of points that remembers what it made of the last two: kernels ask it the same again and again."""

    def __init__(self, function: Callable[[Any], np.ndarray]):
        self.function = function
        self._last: list[tuple[Any, np.ndarray]] = []

    def __call__(self, X: Any) -> np.ndarray:
        """Return the features of X."""
        for known, features in self._last:
            if known is X:
                return features
        features = self.function(X)
        self._last = [*self._last[-1:], (X, features)]
        return features


class KernelFeatures(TransformerMixin, BaseEstimator):
    r"""Nyström's features of the average of some kernels, each divided by its mean on the diagonal.

    .. math:: \phi(x) = \Lambda^{-1/2} U^\top k(Z, x), \qquad K(Z, Z) = U \Lambda U^\top

    on at most 256 training points Z, drawn by chance; eigenvalues that are rounding are left out.

    Parameters
    ----------
    kernels : callable
        From training points to a list of kernels.
    n_points : int
    random_state : int or None

    Examples
    --------
    >>> from kernelopt.kernels import polynomial
    >>> X = np.random.default_rng(0).normal(size=(30, 3))
    >>> F = KernelFeatures(lambda X: polynomial(X, degrees=(1, 2)), random_state=0).fit_transform(X)
    >>> F.shape  # all of three linear and six quadratic products, and the quadratic kernel's lower orders
    (30, 10)
    """

    def __init__(self, kernels: Callable[..., list], n_points: int = NYSTROEM_POINTS, random_state: int | None = None):
        self.kernels = kernels
        self.n_points = n_points
        self.random_state = random_state

    def fit(self, X, y=None):
        """Draw the points and diagonalise the kernel between them; labels are not looked at."""
        X = np.asarray(X, dtype=float)
        self.kernels_ = self.kernels(X)
        rng = check_random_state(self.random_state)
        self.points_ = X[np.sort(rng.permutation(len(X))[: self.n_points])]
        self.sizes_ = [max(float(np.mean(kernel_diag(kernel, self.points_))), 1e-300) for kernel in self.kernels_]
        values, vectors = np.linalg.eigh(self._kernel(self.points_))
        kept = values > SMALLEST * values.max()
        self.map_ = vectors[:, kept] / np.sqrt(values[kept])
        return self

    def transform(self, X):
        """Return the features, of shape (n, at most 256)."""
        return self._kernel(np.asarray(X, dtype=float)) @ self.map_

    def _kernel(self, X: np.ndarray) -> np.ndarray:
        Z = self.points_
        parts = [kernel(X, Z) / size for kernel, size in zip(self.kernels_, self.sizes_, strict=True)]
        return np.mean(parts, axis=0)


class CrossFitted(ClassifierMixin, BaseEstimator):
    """Kernels on the layers of networks, each put together on the half that its network was not trained on.

    The two halves change places, and the two decision functions are averaged, as in `NetworkMKLClassifier`; here no
    hand-made kernel joins.

    Parameters
    ----------
    network : ConvNetClassifier
        Trained on one half of the labelled points.
    machine : callable
        ``machine(kernels)`` returns the estimator that combines the kernels of the list or family.
    transductive : bool
        Whether the machine wants the points it is to label, marked -1; then so does this.
    random_state : int
        Of the halves.
    """

    def __init__(self, network: Any, machine: Callable[..., Any], transductive: bool = False, random_state: int = 0):
        self.network = network
        self.machine = machine
        self.transductive = transductive
        self.random_state = random_state

    def fit(self, X, y):
        """Train the networks and the machines."""
        labelled = np.flatnonzero(y != -1) if self.transductive else np.arange(len(y))
        unlabelled = np.setdiff1d(np.arange(len(y)), labelled)
        self.classes_ = np.unique(y[labelled])
        rng = check_random_state(self.random_state)
        second = np.zeros(len(y), dtype=bool)
        for members in (labelled[y[labelled] == c] for c in self.classes_):
            if len(members) < 2:
                raise ValueError(f"each half needs every class, found {len(members)} point(s) of one of them")
            second[rng.permutation(members)[: len(members) // 2]] = True
        first = np.zeros(len(y), dtype=bool)
        first[labelled] = ~second[labelled]
        self.half_networks_, self.half_machines_ = [], []
        for trains, judges in ((first, second), (second, first)):
            network = clone(self.network).fit(X[trains], y[trains])
            rows = np.concatenate([np.flatnonzero(judges), unlabelled])
            self.half_networks_.append(network)
            self.half_machines_.append(self.machine(LayerKernels(network)).fit(X[rows], y[rows]))
        machines = self.half_machines_
        self.kernel_names_ = machines[0].kernel_names_
        self.weights_ = np.mean([machine.weights_ for machine in machines], axis=0)
        self.certificate_ = max((machine.certificate_ for machine in machines), key=lambda c: c.gap)
        self.kernel_ = MeanKernel([machine.kernel_ for machine in machines])
        if self.transductive:
            self.transduction_ = y.copy()
            self.transduction_[unlabelled] = self.predict(X[unlabelled])
        return self

    def decision_function(self, X):
        """Return the mean of the two machines' decision functions."""
        return np.mean([machine.decision_function(X) for machine in self.half_machines_], axis=0)

    def predict(self, X):
        """Return the label with the largest value."""
        F = self.decision_function(X)
        return self.classes_[(F > 0).astype(int) if F.ndim == 1 else F.argmax(axis=1)]


class MeanKernel:
    """The mean of the kernels that two halves learned, and all that these are made of."""

    def __init__(self, learned: Sequence[Any]):
        self.learned = list(learned)
        self.kernels = [kernel for part in self.learned for kernel in part.kernels]

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return the kernel between the rows of X."""
        return np.mean([part(X) for part in self.learned], axis=0)


class LayerKernels:
    """Gaussian kernels on the outputs of each layer of a fitted network."""

    def __init__(self, network: Any):
        self.network = network

    def __call__(self, X: np.ndarray, sample_weight: np.ndarray | None = None) -> list[Kernel]:
        """Return the kernels, with scales from X."""
        made: list[Kernel] = []
        for layer in range(len(self.network.network_.layers)):
            transform = Remembered(partial(self._features, layer=layer))
            scale = scale_gamma(transform(X), sample_weight)
            name = f"layer {layer + 1}"
            made += [FeatureKernel(transform, Gaussian(factor * scale), f"{name}, γ={factor:g}s") for factor in FACTORS]
        return made

    def _features(self, X: Any, layer: int) -> np.ndarray:
        return self.network.features(X, layer).astype(float)
