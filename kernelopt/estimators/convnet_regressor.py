"""A small convolutional network as a scikit-learn regressor."""

from __future__ import annotations

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import _check_sample_weight

from kernelopt.conv.images import validate_images
from kernelopt.estimators.network_training import TrainableEstimator, unless_one


class ConvNetRegressor(RegressorMixin, TrainableEstimator):
    r"""Regressor on images whose kernel is learned as convolution filters, by backpropagation.

    .. math:: \min_{W, b, V, c} \frac{1}{\sum_i w_i} \sum_i w_i \frac1k \|V \phi_{W,b}(x_i) + c - t_i\|^2

    with the features :math:`\phi` of :class:`~kernelopt.estimators.convnet.ConvNetClassifier` and targets
    :math:`t_i = (y_i - \bar y) / s` standardised per output with the mean and standard deviation of the training
    targets.

    Parameters
    ----------
    layers, filters, kernel_size, bank, trainable, pool, epochs, batch_size, learning_rate, weight_decay
        As in :class:`~kernelopt.estimators.convnet.ConvNetClassifier`, and so are the others.
    device, threads, image_shape, image_format, random_state, verbose, optimizer, schedule, clip_norm, augmentation
        Augmentation must leave the targets true: a mirrored image may need another angle.
    early_stopping, validation_fraction, n_iter_no_change, checkpoint, feature_layer, precision, trace, compile
        See there.

    Attributes
    ----------
    filters_, filter_snapshots_, gradient_norm_, n_iter_, best_epoch_, threads_, precision_, image_shape_, network_
        As in :class:`~kernelopt.estimators.convnet.ConvNetClassifier`.
    pixel_mean_, pixel_scale_ : arrays of shape (c,)
    target_mean_, target_scale_ : arrays of shape (n_outputs,)
    history_ : dict of lists
        epoch, loss (of standardised targets), r2, gradient_norm, filter_move; with a validation part also
        validation_loss and validation_r2.
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().images
    >>> y = X.mean(axis=(1, 2))  # how much ink
    >>> ConvNetRegressor(random_state=0).fit(X[:300], y[:300]).score(X[300:600], y[300:600]) > 0.9
    True
    """

    score_name = "r2"

    def __init__(
        self,
        layers="auto",
        filters=(16, 32),
        kernel_size=5,
        bank="random",
        trainable=True,
        pool=2,
        epochs="auto",
        batch_size=64,
        learning_rate=1e-2,
        weight_decay=0.1,
        device="auto",
        threads=1,
        image_shape="auto",
        image_format="auto",
        random_state=None,
        verbose=0,
        optimizer="adamw",
        schedule="one_cycle",
        clip_norm=None,
        augmentation=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        checkpoint=None,
        feature_layer=-1,
        precision="auto",
        trace=None,
        compile=False,
    ):
        self.layers = layers
        self.filters = filters
        self.kernel_size = kernel_size
        self.bank = bank
        self.trainable = trainable
        self.pool = pool
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.device = device
        self.threads = threads
        self.image_shape = image_shape
        self.image_format = image_format
        self.random_state = random_state
        self.verbose = verbose
        self.optimizer = optimizer
        self.schedule = schedule
        self.clip_norm = clip_norm
        self.augmentation = augmentation
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.checkpoint = checkpoint
        self.feature_layer = feature_layer
        self.precision = precision
        self.trace = trace
        self.compile = compile

    def fit(self, X, y, sample_weight=None):
        """Set the filters' start from the images, then learn what is trainable.

        Parameters
        ----------
        X : array of shape (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d)
        y : array of shape (n,) or (n, n_outputs)
        sample_weight : array of shape (n,), optional
            Nonnegative; only their ratios matter.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, the images or the targets are not valid.
        FileNotFoundError, IsADirectoryError
            If the folder of `trace` or `checkpoint` does not exist, or one of them is a folder.
        FloatingPointError
            If training diverged.
        MissingExtraError
            If torch is not installed.
        """
        self._check_parameters()
        images, targets, w = self._checked(X, y, sample_weight, reset=True)
        images, targets, weights = self._distinct(images, targets, w)
        self._learn_target_scale(targets, weights)
        self._train(images, self._scaled(targets), weights, targets.shape[1])
        return self

    def partial_fit(self, X, y, sample_weight=None):
        """Pass once over these samples, in batches, going on from what is learned already.

        As :meth:`~kernelopt.estimators.convnet.ConvNetClassifier.partial_fit`; the first call also sets the scale
        of the targets.

        Parameters
        ----------
        X : images as in fit
        y : array of shape (n,) or (n, n_outputs)
        sample_weight : array of shape (n,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, the images or the targets are not valid, or no sample has a positive weight.
        FloatingPointError
            If training diverged.
        """
        self._check_parameters()
        begin = not hasattr(self, "network_")
        images, targets, w = self._checked(X, y, sample_weight, reset=begin)
        if begin:
            self._learn_target_scale(targets, w)
        elif targets.shape[1] != len(self.target_mean_):
            raise ValueError(f"y has {targets.shape[1]} outputs, but those before had {len(self.target_mean_)}.")
        self._train_more(images, self._scaled(targets), unless_one(w), targets.shape[1], begin)
        return self

    def predict(self, X):
        """Return the predictions, of shape (n,) or (n, n_outputs) as `y` was in fit."""
        values = self._apply(X, lambda network, x: network(x)) * self.target_scale_ + self.target_mean_
        return values[:, 0] if self.flat_ else values

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _checked(self, X, y, sample_weight, reset: bool):
        """Return images, targets (n, n_outputs) and weights of the samples that have a positive one."""
        images, y = validate_images(self, X, y, reset=reset, y_numeric=True, multi_output=True)
        y = np.asarray(y, dtype=np.float64)
        if reset:
            self.flat_ = y.ndim == 1
        w = _check_sample_weight(sample_weight, images, dtype=float, ensure_non_negative=True)
        kept = w > 0
        return images[kept], y.reshape(len(y), -1)[kept], w[kept]

    def _learn_target_scale(self, targets, weights):
        self.target_mean_ = np.average(targets, axis=0, weights=weights)
        spread = np.sqrt(np.average(np.square(targets - self.target_mean_), axis=0, weights=weights))
        rounding = np.finfo(float).eps * np.abs(targets).max(axis=0)
        self.target_scale_ = np.where(spread > rounding, spread, 1.0)  # a constant target is only centred

    def _scaled(self, targets):
        return ((targets - self.target_mean_) / self.target_scale_).astype(np.float32)
