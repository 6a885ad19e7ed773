"""What the classifier and the regressor on images share: parameters, and what a fitted network is good for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from kernelopt.conv.images import validate_images
from kernelopt.conv.layers import ConvLayer, build_layers
from kernelopt.conv.presets import OF_LAYERS, settled
from kernelopt.estimators.plotting import plot_filters

if TYPE_CHECKING:
    from kernelopt.conv.recipe import Recipe


class NetworkEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of the estimators on images; their constructors hold the parameters named here.

    `score_name` is the name of the score in `history_`.
    """

    score_name = "accuracy"

    def transform(self, X):
        """Return the features of the layer `feature_layer`, see :meth:`features`."""
        return self.features(X, self.feature_layer)

    def features(self, X, layer=-1):
        """Return the outputs of a layer, for use by other learners.

        Parameters
        ----------
        X : images as in fit
        layer : int or str
            A convolutional layer from 0, or from the end if negative; or a name: "conv0", "conv1", ..., or
            "head" for what the linear head returns.

        Returns
        -------
        array of shape (n, d)
            The pooled maps, flattened in the order (filter, row, column).

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        check_is_fitted(self, "network_")
        stop = self._stop(layer)
        if stop is None:
            return self._apply(X, lambda network, x: network(x))
        return self._apply(X, lambda network, x: network.maps(x, stop=stop).flatten(1))

    def layer_outputs(self, X):
        """Return what :meth:`features` returns of each layer, in one pass.

        Parameters
        ----------
        X : images as in fit

        Returns
        -------
        dict of str to array of shape (n, d)
            By name: "conv0", "conv1", ..., "head".
        """
        check_is_fitted(self, "network_")
        n_layers = len(self.network_.layers)
        parts: list[list[np.ndarray]] = [[] for _ in range(n_layers)]

        def one_pass(network, x):
            for i in range(n_layers):
                x = network.maps(x, i, i + 1)
                parts[i].append(x.flatten(1).cpu().numpy())
            return network.head(x.flatten(1))

        head = self._apply(X, one_pass)
        return {f"conv{i}": np.concatenate(batches) for i, batches in enumerate(parts)} | {"head": head}

    def plot_filters(self, ax=None):
        """Draw the first layer's filters side by side, on one colour scale with zero in its middle; return the axes.

        Parameters
        ----------
        ax : matplotlib axes, optional

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        """
        check_is_fitted(self, "network_")
        return plot_filters(self.filters_, ax)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @property
    def _n_features_out(self) -> int:
        stop = self._stop(self.feature_layer)
        if stop is None:
            return int(self.network_.head.out_features)
        c, h, w = self.image_shape_
        for layer in self.network_.layers[:stop]:
            c, (_, (h, w)) = layer.filters, layer.sizes(h, w)
        return c * h * w

    def _stop(self, layer: int | str) -> int | None:
        """Return the number of convolutional layers that make this layer's features; None for the head."""
        n_layers = len(self.network_.layers)
        names = [f"conv{i}" for i in range(n_layers)]
        if isinstance(layer, str) and layer == "head":
            return None
        if isinstance(layer, str) and layer in names:
            return names.index(layer) + 1
        if not isinstance(layer, Integral) or layer not in range(-n_layers, n_layers):
            raise ValueError(
                f"layer={layer!r}, but expected an integer in [{-n_layers}, {n_layers}) or one of "
                f"{', '.join([*names, 'head'])}."
            )
        return int(layer) % n_layers + 1

    def _apply(self, X, function) -> np.ndarray:
        """Return ``function(network, images)``, in float64 whatever the device."""
        check_is_fitted(self, "network_")
        return self._infer(self._standardise(validate_images(self, X, reset=False)), function)

    def _infer(self, images: np.ndarray, function=lambda network, x: network(x)) -> np.ndarray:
        """Return ``function(network, images)`` of standardised images; by default the network's outputs."""
        from kernelopt.conv.devices import find_device, infer

        threads = self.threads_ if self.threads == "auto" else self.threads
        return infer(self.network_, function, images, find_device(self.device), threads)

    def _check_parameters(self) -> None:
        """Refuse what is wrong whatever the data."""
        from kernelopt.conv.devices import find_device
        from kernelopt.conv.precision import check_precision
        from kernelopt.conv.threads import check_threads

        settings = settled(self, (1, 8, 8), 1)
        self._layers(settings)
        find_device(self.device)
        check_threads(self.threads)
        check_precision(self.precision)
        if self.early_stopping:
            check_scalar(self.n_iter_no_change, "n_iter_no_change", Integral, min_val=1)
        self._recipe(settings, 1)
        if self._holds_out():
            check_scalar(
                self.validation_fraction, "validation_fraction", Real, min_val=0, max_val=1,
                include_boundaries="neither",
            )  # fmt: skip
        if not isinstance(self.early_stopping, bool | np.bool_):
            raise ValueError(f"early_stopping={self.early_stopping!r}, but expected True or False.")
        for name in ("trace", "checkpoint"):
            path = getattr(self, name)
            if path is not None and not isinstance(path, str | os.PathLike):
                raise ValueError(f"{name}={path!r}, but expected None or a path, as a string or path-like object.")
        if self.checkpoint is not None and not isinstance(self.random_state, Integral):
            raise ValueError(
                f"checkpoint={self.checkpoint!r} with random_state={self.random_state!r}: a run can only be gone on "
                f"with if it is the same again. Pass an integer random_state."
            )

    def _holds_out(self) -> bool:
        return bool(self.early_stopping)

    def _standardise(self, images: np.ndarray) -> np.ndarray:
        return (images - self.pixel_mean_[:, None, None]) / self.pixel_scale_[:, None, None]

    def _named(self, history: dict[str, list], back: bool = False) -> dict[str, list]:
        """Return the history with the score under its own name, or back under the recorder's."""
        old, new = ("accuracy", self.score_name)[:: -1 if back else 1]
        names = {old: new, "validation_score": f"validation_{self.score_name}"}
        return {
            names.get(name, name): list(values) for name, values in history.items() if not back or "val" not in name
        }

    def _layers(self, settings: dict[str, Any]) -> Sequence[ConvLayer]:
        layers = settings["layers"]
        if isinstance(layers, str) and layers == "auto":
            return build_layers(**{name: settings[name] for name in OF_LAYERS})
        if not isinstance(layers, list | tuple) or not all(isinstance(a, ConvLayer) for a in layers):
            raise ValueError(f"layers={layers!r}, but expected 'auto' or a list of ConvLayer.")
        if not layers:
            raise ValueError("layers is empty, but the network needs at least one ConvLayer.")
        return tuple(layers)

    def _recipe(self, settings: dict[str, Any], n_images: int, precision: str = "float32") -> Recipe:
        from kernelopt.conv.recipe import Recipe, auto_epochs

        epochs, batch_size = settings["epochs"], settings["batch_size"]
        check_scalar(batch_size, "batch_size", Integral, min_val=1)
        if isinstance(epochs, str) and epochs != "auto":
            raise ValueError(f"epochs={epochs!r}, but expected 'auto' or a positive integer.")
        names = ("batch_size", "learning_rate", "weight_decay", "optimizer", "schedule", "clip_norm", "augmentation")
        return Recipe(
            epochs=auto_epochs(n_images, batch_size) if isinstance(epochs, str) else epochs,
            **{name: settings[name] for name in names},
            label_smoothing=settings.get("label_smoothing", 0.0),
            patience=settings["n_iter_no_change"] if settings["early_stopping"] else None,
            precision=precision,
            compile=settings["compile"],
        )

    def _progress(self, epochs):
        if not self.verbose:
            return epochs
        from tqdm import tqdm

        return tqdm(epochs, desc="epochs", unit="epoch")
