"""What the classifier and the regressor on images share: a network, how it is trained, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from kernelopt.conv.images import validate_images
from kernelopt.conv.layers import ConvLayer, build_layers
from kernelopt.estimators.duplicates import merge
from kernelopt.estimators.plotting import plot_filters

if TYPE_CHECKING:
    from kernelopt.conv.recipe import Recipe


class NetworkEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of the estimators on images; their constructors hold the parameters named here.

    A subclass makes targets of `y`, and calls `_train` or `_train_more`. `score_name` is the name of its score in
    `history_`.
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
        from kernelopt.conv.threads import check_threads

        self._layers()
        find_device(self.device)
        check_threads(self.threads)
        if self.early_stopping:
            check_scalar(self.n_iter_no_change, "n_iter_no_change", Integral, min_val=1)
        self._recipe(1)
        if self._holds_out():
            check_scalar(
                self.validation_fraction, "validation_fraction", Real, min_val=0, max_val=1,
                include_boundaries="neither",
            )  # fmt: skip
        if not isinstance(self.early_stopping, bool | np.bool_):
            raise ValueError(f"early_stopping={self.early_stopping!r}, but expected True or False.")
        if self.checkpoint is not None and not isinstance(self.random_state, Integral):
            raise ValueError(
                f"checkpoint={self.checkpoint!r} with random_state={self.random_state!r}: a run can only be gone on "
                f"with if it is the same again. Pass an integer random_state."
            )

    def _train(self, images, targets, weights, n_outputs: int, classes=None):
        """Set the start from the images and learn; return the validation samples, as :class:`Samples`, or None.

        `targets` are labels or numbers (n, n_outputs); `weights` are positive, or None for all one. With
        `classes`, the validation part has them in their proportions.
        """
        from kernelopt.conv.checkpoints import Checkpoint, fingerprint
        from kernelopt.conv.devices import find_device, reproducible
        from kernelopt.conv.distributed import Team
        from kernelopt.conv.network import start_network
        from kernelopt.conv.recorder import Recorder
        from kernelopt.conv.threads import find_threads
        from kernelopt.conv.training import first_filters, train
        from kernelopt.conv.validation import Samples

        device = find_device(self.device)
        seed = Team(device).agreed(int(check_random_state(self.random_state).randint(2**31)))
        held_out = self._split(len(images), seed, classes)
        parts = []
        for chosen in (~held_out, held_out):
            w = None if weights is None else weights[chosen]
            parts.append(Samples(images[chosen], targets[chosen], w if w is None or not len(w) else w / w.mean()))
        training, validation = parts
        self._learn_scale(training.images, training.weights)
        training, validation = (
            replace(part, images=self._standardise(part.images).astype(np.float32)) for part in (training, validation)
        )
        recipe, recorder = self._recipe(len(training.images)), Recorder()
        with reproducible(1 if self.threads == "auto" else self.threads):
            network = start_network(self._layers(), training.images, n_outputs, seed)
        self.threads_ = find_threads(self.threads, network, training, recipe)
        checkpoint = None
        if self.checkpoint is not None:
            data = (training.images, training.targets, training.weights, validation.images, validation.targets)
            settings = (self._layers(), recipe, seed, self.threads_, str(device), self._holds_out())
            checkpoint = Checkpoint(self.checkpoint, fingerprint(*data, *settings))
        with reproducible(self.threads_):
            outcome = train(
                network, training.images, training.targets, recipe, recorder, seed, device, self._progress,
                weights=training.weights, validation=validation if held_out.any() else None, checkpoint=checkpoint,
            )  # fmt: skip
        self.filters_ = first_filters(network)
        self.network_ = network.to("cpu").double().requires_grad_(False)
        self.n_iter_, self.gradient_norm_ = outcome.n_epochs, outcome.gradient_norm
        self.start_norm_ = recorder.history["gradient_norm"][0]
        self.best_epoch_ = outcome.best_epoch
        self.history_ = self._named(recorder.history | outcome.validation)
        self.filter_snapshots_ = np.stack(recorder.filters)
        self.seed_ = seed  # it and the next are what partial_fit goes on from
        self.optimizer_state_: dict[str, np.ndarray] = {}
        return validation if held_out.any() else None

    def _train_more(self, images, targets, weights, n_outputs: int, begin: bool) -> None:
        """Pass once over images, at a constant learning rate, from where the last pass ended; or begin with them.

        `weights` count as they are, not in relation to their mean, which differs from call to call.
        """
        from kernelopt.conv.devices import find_device, reproducible
        from kernelopt.conv.distributed import Team
        from kernelopt.conv.network import start_network
        from kernelopt.conv.optimizers import set_state, state_tensors
        from kernelopt.conv.recorder import Recorder
        from kernelopt.conv.threads import find_threads
        from kernelopt.conv.training import Run, as_tensors, check_finite, first_filters, thawed
        from kernelopt.conv.validation import Samples

        recipe = replace(self._recipe(len(images)), epochs=1, schedule="constant", patience=None)
        if begin:
            seed = int(check_random_state(self.random_state).randint(2**31))
            self.seed_ = Team(find_device(self.device)).agreed(seed)
            self.optimizer_state_, self.n_iter_ = {}, 0
            self._learn_scale(images, weights)
        samples = Samples(self._standardise(images).astype(np.float32), targets, weights)
        if begin:
            with reproducible(1 if self.threads == "auto" else self.threads):
                network = start_network(self._layers(), samples.images, n_outputs, self.seed_)
            self.threads_ = find_threads(self.threads, network, samples, recipe)
        else:
            network = thawed(self.network_)
        recorder = Recorder()
        with reproducible(self.threads_):
            run = Run(network, samples, recipe, [self.seed_, self.n_iter_], find_device(self.device))
            set_state(run.optimizers, as_tensors(self.optimizer_state_))
            if begin:
                recorder.record(0, *run.measure(), first_filters(network))
                self.start_norm_ = recorder.history["gradient_norm"][0]
            else:
                recorder.filters = list(self.filter_snapshots_)
                recorder.history = self._named(self.history_, back=True)
            numbers = run.epoch(1)
            check_finite(numbers[0], recipe)
            self.n_iter_ += 1
            recorder.record(self.n_iter_, *numbers, first_filters(network))
            network.zero_grad()
        self.optimizer_state_ = {name: value.numpy() for name, value in state_tensors(run.optimizers).items()}
        self.filters_ = first_filters(network)
        self.network_ = network.to("cpu").double().requires_grad_(False)
        self.gradient_norm_ = numbers[2] / self.start_norm_ if self.start_norm_ > 0 else 0.0
        self.best_epoch_, self.history_ = self.n_iter_, self._named(recorder.history)
        self.filter_snapshots_ = np.stack(recorder.filters)

    def _distinct(self, images, targets, weights):
        """Return the distinct samples of positive weight; their weights are None if all are alike.

        A sample of weight k is then the sample k times over, to the bit. Data without weights and without
        repetitions stay as they are.
        """
        given = np.ones(len(images)) if weights is None else weights
        merged = merge(images.reshape(len(images), -1), targets, given)
        if len(merged.first) == len(images) and (given == given[0]).all():
            return images, targets, None
        alike = (merged.weight == merged.weight[0]).all()
        return images[merged.first], targets[merged.first], None if alike else merged.weight

    def _split(self, n: int, seed: int, classes) -> np.ndarray:
        """Return which samples are held out of training for validation."""
        held_out = np.zeros(n, dtype=bool)
        if not self._holds_out():
            return held_out
        rng = np.random.default_rng([seed, 0, 2])
        groups = [np.arange(n)] if classes is None else [np.flatnonzero(classes == c) for c in np.unique(classes)]
        for members in groups:
            count = min(round(self.validation_fraction * len(members)), len(members) - 1)
            held_out[rng.permutation(members)[:count]] = True
        if not held_out.any():
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {n} distinct samples leaves none for validation. "
                f"Use a larger fraction, or neither early_stopping nor calibration."
            )
        return held_out

    def _holds_out(self) -> bool:
        return bool(self.early_stopping)

    def _learn_scale(self, images: np.ndarray, weights: np.ndarray | None) -> None:
        if weights is None:
            self.pixel_mean_ = images.mean(axis=(0, 2, 3), dtype=np.float64)
            spread = images.std(axis=(0, 2, 3), dtype=np.float64)
        else:
            self.pixel_mean_ = np.average(images.mean(axis=(2, 3), dtype=np.float64), axis=0, weights=weights)
            centred = np.square(images - self.pixel_mean_[:, None, None], dtype=np.float64)
            spread = np.sqrt(np.average(centred.mean(axis=(2, 3)), axis=0, weights=weights))
        rounding = np.finfo(images.dtype).eps * np.abs(self.pixel_mean_)
        self.pixel_scale_ = np.where(spread > rounding, spread, 1.0)  # a constant channel is only centred

    def _standardise(self, images: np.ndarray) -> np.ndarray:
        return (images - self.pixel_mean_[:, None, None]) / self.pixel_scale_[:, None, None]

    def _named(self, history: dict[str, list], back: bool = False) -> dict[str, list]:
        """Return the history with the score under its own name, or back under the recorder's."""
        old, new = ("accuracy", self.score_name)[:: -1 if back else 1]
        names = {old: new, "validation_score": f"validation_{self.score_name}"}
        return {
            names.get(name, name): list(values) for name, values in history.items() if not back or "val" not in name
        }

    def _layers(self) -> Sequence[ConvLayer]:
        if isinstance(self.layers, str) and self.layers == "auto":
            options = ("filters", "kernel_size", "bank", "trainable", "pool")
            return build_layers(**{name: getattr(self, name) for name in options})
        if not isinstance(self.layers, list | tuple) or not all(isinstance(a, ConvLayer) for a in self.layers):
            raise ValueError(f"layers={self.layers!r}, but expected 'auto' or a list of ConvLayer.")
        if not self.layers:
            raise ValueError("layers is empty, but the network needs at least one ConvLayer.")
        return tuple(self.layers)

    def _recipe(self, n_images: int) -> Recipe:
        from kernelopt.conv.recipe import Recipe, auto_epochs

        check_scalar(self.batch_size, "batch_size", Integral, min_val=1)
        if isinstance(self.epochs, str) and self.epochs != "auto":
            raise ValueError(f"epochs={self.epochs!r}, but expected 'auto' or a positive integer.")
        return Recipe(
            epochs=auto_epochs(n_images, self.batch_size) if isinstance(self.epochs, str) else self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            label_smoothing=getattr(self, "label_smoothing", 0.0),
            optimizer=self.optimizer,
            schedule=self.schedule,
            clip_norm=self.clip_norm,
            augmentation=self.augmentation,
            patience=self.n_iter_no_change if self.early_stopping else None,
        )

    def _progress(self, epochs):
        if not self.verbose:
            return epochs
        from tqdm import tqdm

        return tqdm(epochs, desc="epochs", unit="epoch")


def unless_one(weights):
    """Return the weights, or None if all are one: without weights means the same."""
    if not len(weights):
        raise ValueError("the weight is zero for every sample, but one to learn from is needed.")
    return None if (weights == 1).all() else weights
