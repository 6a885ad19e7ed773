"""Where the halves meet: a trained network's layers, as kernels, fed to kernel learning."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from kernelopt.estimators.convnet import ConvNetClassifier
from kernelopt.estimators.mkl import MKLClassifier
from kernelopt.kernels import FAMILIES, OnColumns, per_group


class NetworkMKLClassifier(ClassifierMixin, BaseEstimator):
    r"""Multiple kernel learning over a network's layers and hand-made kernels, cross-fitted.

    A network is trained by backpropagation on one half of the samples; on the *other* half, Gaussian
    kernels on each of its layers' features join the hand-made kernels on the pixels, and the weights of all are
    learned by convex optimisation. Then the halves change places, and the two decision functions are averaged.

    The crossing matters: features of a network look almost perfect on the very images it was trained
    on, and kernel learning would believe them.

    Parameters
    ----------
    network : ConvNetClassifier or None, default=None
        The network to train, cloned for each half; None for its defaults.
    kernels : str or callable, default="gaussian"
        Family of the hand-made kernels, as in `MKLClassifier`.
    factors : tuple of float, default=(0.25, 1.0, 4.0)
        Widths of the Gaussians on each layer, as multiples of `kernelopt.kernels.scale_gamma`.
    C, tol
        As in `MKLClassifier`.
    random_state : int, RandomState or None, default=None
        Seed of the halves and of networks without a seed of their own.

    Attributes
    ----------
    weights_ : ndarray of shape (M,)
        Mean over the halves of the kernel weights; `kernel_names_` says what each belongs to.
    certificate_ : Certificate
        The weaker of the two proofs (of the kernel learning; a network has none).
    networks_, machines_ : list
        The fitted `ConvNetClassifier` and `MKLClassifier` of each half.
    classes_ : ndarray of shape (n_classes,)
        Labels.
    n_features_in_ : int
        Pixels per image.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> bridge = NetworkMKLClassifier(ConvNetClassifier(epochs=10), random_state=0).fit(X[:300], y[:300])
    >>> bridge.certificate_.holds(1e-4), float(bridge.weights_.sum().round(6))
    (True, 1.0)
    """

    def __init__(
        self,
        network: ConvNetClassifier | None = None,
        kernels: str | Callable = "gaussian",
        factors: tuple[float, ...] = (0.25, 1.0, 4.0),
        C: float = 1.0,
        tol: float = 1e-4,
        random_state: Any = None,
    ):
        self.network = network
        self.kernels = kernels
        self.factors = factors
        self.C = C
        self.tol = tol
        self.random_state = random_state

    def fit(self, X, y):
        """Train both networks and both machines on flattened images X (n, pixels) with labels y."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, label = np.unique(y, return_inverse=True)
        counts = np.bincount(label)
        if len(counts) < 2 or counts.min() < 2:
            raise ValueError(
                f"each half needs every class, so at least two classes with two samples each are needed; found "
                f"{len(counts)} class(es), the rarest with {counts.min()} sample(s)"
            )
        rng = check_random_state(self.random_state)
        second = np.zeros(len(y), dtype=bool)
        for members in (np.flatnonzero(label == c) for c in range(len(counts))):
            second[rng.permutation(members)[: len(members) // 2]] = True
        self.networks_, self.machines_ = [], []
        for half in (second, ~second):
            network = ConvNetClassifier() if self.network is None else clone(self.network)
            if network.random_state is None:
                network.set_params(random_state=int(rng.randint(2**31 - 1)))
            network.fit(X[~half], y[~half])
            Z, groups = _with_features(network, X[half])
            machine = MKLClassifier(kernels=_Family(self.kernels, groups, self.factors), C=self.C, tol=self.tol)
            self.networks_.append(network)
            self.machines_.append(machine.fit(Z, y[half]))
        self.kernel_names_ = self.machines_[0].kernel_names_
        self.weights_ = np.mean([machine.weights_ for machine in self.machines_], axis=0)
        self.certificate_ = max((machine.certificate_ for machine in self.machines_), key=lambda c: c.gap)
        return self

    def decision_function(self, X):
        """Return the mean of the two halves' decision functions: (n,) for two classes, else (n, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        pairs = zip(self.networks_, self.machines_, strict=True)
        return np.mean([machine.decision_function(_with_features(network, X)[0]) for network, machine in pairs], axis=0)

    def predict(self, X):
        """Return the label with the largest value."""
        F = self.decision_function(X)
        return self.classes_[(F > 0).astype(int) if F.ndim == 1 else F.argmax(axis=1)]


class _Family:
    """The hand-made kernels on the pixels, then Gaussians on each layer's columns."""

    def __init__(self, kernels: str | Callable, groups: dict[str, range], factors: tuple[float, ...]):
        self.kernels, self.groups, self.factors = kernels, groups, factors

    def __call__(self, Z, sample_weight=None) -> list[Any]:
        family = FAMILIES.get(self.kernels) if isinstance(self.kernels, str) else self.kernels
        if not callable(family):
            raise ValueError(f"kernels must be one of {', '.join(FAMILIES)} or a function, found {self.kernels!r}")
        layers = dict(self.groups)
        pixels = layers.pop("pixels")
        weighted = {"sample_weight": sample_weight} if "sample_weight" in inspect.signature(family).parameters else {}
        made = [
            kernel if isinstance(kernel, OnColumns) else OnColumns(kernel, tuple(pixels), "pixels")
            for kernel in family(Z[:, pixels.start : pixels.stop], **weighted)
        ]
        return [*made, *per_group(Z, sample_weight, groups=layers, factors=self.factors)]


def _with_features(network: ConvNetClassifier, X: np.ndarray) -> tuple[np.ndarray, dict[str, range]]:
    """Return pixels and layer features side by side, and which columns are whose."""
    n_layers = len(network.network_.layers)
    parts = [X, *(network.features(X, layer) for layer in range(n_layers))]
    names = ["pixels", *(f"layer {i + 1}" for i in range(n_layers))]
    ends = np.cumsum([part.shape[1] for part in parts])
    groups = {
        name: range(int(end) - part.shape[1], int(end)) for name, part, end in zip(names, parts, ends, strict=True)
    }
    return np.hstack(parts), groups
