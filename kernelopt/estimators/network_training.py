"""How the estimators on images learn: from checked images and targets to a fitted network."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.utils import check_random_state

from kernelopt.conv.presets import settled
from kernelopt.estimators.duplicates import merge
from kernelopt.estimators.network import NetworkEstimator

PROBES = 64  # training images that a trace looks at


class TrainableEstimator(NetworkEstimator):
    """The part of the estimators on images that learns. A subclass makes targets of `y` and calls `_train`."""

    def _train(self, images, targets, weights, n_outputs: int, classes=None):
        """Set the start from the images and learn.

        `targets` are labels or numbers (n, n_outputs); `weights` are positive, or None for all one. With
        `classes`, the validation part has them in their proportions.
        """
        from kernelopt.conv.checkpoints import Checkpoint, fingerprint
        from kernelopt.conv.devices import find_device, reproducible
        from kernelopt.conv.distributed import Team
        from kernelopt.conv.precision import find_precision
        from kernelopt.conv.recorder import Recorder
        from kernelopt.conv.threads import find_threads
        from kernelopt.conv.training import first_filters, train
        from kernelopt.conv.validation import Samples

        for name in ("trace", "checkpoint"):
            _check_place(name, getattr(self, name))
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
        self.precision_ = find_precision(self.precision, device, images.shape[1:])
        settings = settled(self, images.shape[1:], len(training.images))
        layers, recipe = self._layers(settings), self._recipe(settings, len(training.images), self.precision_)
        with reproducible(1 if self.threads == "auto" else self.threads):
            network = self._start(settings, training.images, n_outputs, seed)
        trace = None if self.trace is None else _trace(network, training, recipe, seed)
        recorder = Recorder() if trace is None else trace
        self.threads_ = find_threads(self.threads, network, training, recipe)
        checkpoint = None
        if self.checkpoint is not None:
            data = (training.images, training.targets, training.weights, validation.images, validation.targets)
            facts = (layers, recipe, seed, self.threads_, str(device), self._holds_out())
            checkpoint = Checkpoint(self.checkpoint, fingerprint(*data, *facts))
        with reproducible(self.threads_):
            outcome = train(
                network, training.images, training.targets, recipe, recorder, seed, device, self._progress,
                weights=training.weights, validation=validation if held_out.any() else None, checkpoint=checkpoint,
            )  # fmt: skip
            if trace is not None:
                trace.finish(outcome.best_epoch)
        self.filters_ = first_filters(network)
        self.network_ = network.to("cpu").double().requires_grad_(False)
        self.n_iter_, self.gradient_norm_ = outcome.n_epochs, outcome.gradient_norm
        self.start_norm_ = recorder.history["gradient_norm"][0]
        self.best_epoch_ = outcome.best_epoch
        self.history_ = self._named(recorder.history | outcome.validation)
        self.filter_snapshots_ = np.stack(recorder.filters)
        self.seed_, self.optimizer_ = seed, recipe.optimizer  # they and the next are what partial_fit goes on from
        self.optimizer_state_: dict[str, np.ndarray] = {}
        self._complete(validation)
        if trace is not None and Team(device).rank == 0:
            trace.save(self.trace)  # last: a full disk costs the trace, not what was learned

    def _complete(self, validation) -> None:
        """Set what a subclass needs of the trained network and the validation samples, which may be none."""

    def _train_more(self, images, targets, weights, n_outputs: int, begin: bool) -> None:
        """Pass once over images, at a constant learning rate, from where the last pass ended; or begin with them.

        `weights` count as they are, not in relation to their mean, which differs from call to call.
        """
        from kernelopt.conv.devices import find_device, reproducible
        from kernelopt.conv.distributed import Team
        from kernelopt.conv.optimizers import set_state, state_tensors
        from kernelopt.conv.precision import find_precision
        from kernelopt.conv.recorder import Recorder
        from kernelopt.conv.threads import find_threads
        from kernelopt.conv.training import Run, as_tensors, check_finite, first_filters, thawed
        from kernelopt.conv.validation import Samples

        device = find_device(self.device)
        settings = settled(self, images.shape[1:], len(images))
        if begin:
            self.precision_ = find_precision(self.precision, device, images.shape[1:])
            seed = int(check_random_state(self.random_state).randint(2**31))
            self.seed_ = Team(device).agreed(seed)
            self.optimizer_, self.optimizer_state_, self.n_iter_ = settings["optimizer"], {}, 0
            self._learn_scale(images, weights)
        recipe = self._recipe(settings, len(images), self.precision_)
        recipe = replace(recipe, epochs=1, schedule="constant", patience=None)
        samples = Samples(self._standardise(images).astype(np.float32), targets, weights)
        if begin:
            with reproducible(1 if self.threads == "auto" else self.threads):
                network = self._start(settings, samples.images, n_outputs, self.seed_)
            self.threads_ = find_threads(self.threads, network, samples, recipe)
        else:
            network = thawed(self.network_)
        recorder = Recorder()
        with reproducible(self.threads_):
            run = Run(network, samples, recipe, [self.seed_, self.n_iter_], device)
            if recipe.optimizer == self.optimizer_:  # what another remembers means nothing to this one
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
        self.optimizer_ = recipe.optimizer
        self.optimizer_state_ = {name: value.numpy() for name, value in state_tensors(run.optimizers).items()}
        self.filters_ = first_filters(network)
        self.network_ = network.to("cpu").double().requires_grad_(False)
        self.gradient_norm_ = numbers[2] / self.start_norm_ if self.start_norm_ > 0 else 0.0
        self.best_epoch_, self.history_ = self.n_iter_, self._named(recorder.history)
        self.filter_snapshots_ = np.stack(recorder.filters)

    def _start(self, settings, images, n_outputs: int, seed: int):
        from kernelopt.conv.network import start_network

        try:
            return start_network(self._layers(settings), images, n_outputs, seed)
        except ValueError as error:
            if settings["layers"] is self.layers:
                raise
            raise ValueError(
                f"preset={settings['preset']!r} has layers of its own, which do not suit these images: {error} Pass "
                f"layers=[ConvLayer(...), ...] that do, or no preset."
            ) from error

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


def _check_place(name: str, path) -> None:
    """Refuse a file that training could not write when it ends."""
    if path is None:
        return
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f"{name}={str(path)!r}, but the folder {str(Path(path).parent)!r} does not exist.")
    if Path(path).is_dir():
        raise IsADirectoryError(f"{name}={str(path)!r} is a folder. Give the name of a file in it.")


def _trace(network, training, recipe, seed: int):
    """Return what looks into the network during training, with some of the training images."""
    from kernelopt.conv.objectives import objective_for
    from kernelopt.conv.recorder import thinned
    from kernelopt.conv.trace import Trace, as_targets

    chosen = np.sort(np.random.default_rng([seed, 0, 5]).permutation(len(training.images))[:PROBES])
    objective = objective_for(as_targets(training.targets[:1]), recipe.label_smoothing)
    loss = partial(objective.loss, weights=None)
    return Trace(network, training.images[chosen], training.targets[chosen], thinned(recipe.epochs), loss)


def unless_one(weights):
    """Return the weights, or None if all are one: without weights means the same."""
    if not len(weights):
        raise ValueError("the weight is zero for every sample, but one to learn from is needed.")
    return None if (weights == 1).all() else weights
