"""A small convolutional network as a scikit-learn classifier: which filters are learned is a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from kernelopt.conv.images import validate_images
from kernelopt.conv.layers import ConvLayer, build_layers

if TYPE_CHECKING:
    from kernelopt.conv.training import Recipe


class ConvNetClassifier(ClassifierMixin, BaseEstimator):
    r"""Classifier whose kernel is learned as convolution filters, by backpropagation.

    With images :math:`x`, layers :math:`h_l = \mathrm{maxpool}(\max(0, W_l \star h_{l-1} + b_l))` and
    logits :math:`z = V \operatorname{vec}(h_L) + c`, it minimises the mean cross entropy

    .. math:: \frac1n \sum_i \Bigl(\log \sum_k e^{z_k(x_i)} - z_{y_i}(x_i)\Bigr)

    over V, c and the :math:`W_l, b_l` of trainable layers, with AdamW. Filters of the other layers
    stay at their start, a fixed bank. Both versions of a layer start from the same numbers, so the switch
    `trainable` isolates what learning the filters adds. Images are first standardised per channel,
    with the mean and standard deviation of the training images.

    Parameters
    ----------
    layers : "auto" or list of ConvLayer
        With "auto" built from the next five parameters, each one value for all layers or a tuple with
        one value per layer; otherwise these five are ignored.
    filters : int or tuple of int
        Number of filters.
    kernel_size : int or tuple of int
        Side of the filters.
    bank : str, callable or tuple
        Start of the filters: a name in ``kernelopt.conv.banks.BANKS``, such as "random", "gabor" or "kmeans",
        or a function like those. Banks from formulas suit the first layer, as in ``("gabor", "random")``:
        on deeper layers they see only the mean of the maps below.
    trainable : bool or tuple of bool
        Whether the filters are learned.
    pool : int or tuple of int
        Side of the cells over which maxima are taken.
    epochs : "auto" or int
        Passes over the training images. "auto": at least 300 steps and at least 10 passes.
    batch_size : int
        Images per gradient step.
    learning_rate : float
        Peak of the one-cycle schedule.
    weight_decay : float
        AdamW's decoupled weight decay.
    label_smoothing : float
        Share of the target spread evenly over all classes, in [0, 1).
    device : {"auto", "cpu", "cuda"}
        "auto" takes the GPU if there is one.
    threads : int
        CPU threads of torch during fit and predict. Results are the same bits only for the same number.
    image_shape, image_format
        How `X` holds images; see :func:`kernelopt.conv.images.as_images`.
    random_state : int, RandomState or None
        Seed of random banks, of patches and of the order of images.
    verbose : int
        1 shows a progress bar over epochs.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    filters_ : array of shape (F, c, k, k)
        First layer's filters, for standardised images.
    history_ : dict of lists
        epoch, loss, accuracy, gradient_norm, filter_move; see :class:`kernelopt.conv.recorder.Recorder`.
    filter_snapshots_ : array of shape (n_iter_ + 1, F, c, k, k)
        First layer's filters at the start and after every epoch.
    gradient_norm_ : float
        Norm of the full gradient at the end over that at the start. Small means near a stationary
        point, which need not be a minimum; there is no duality gap for a network.
    n_iter_ : int
        Epochs completed.
    image_shape_ : tuple of int
        (channels, height, width) of the training images.
    pixel_mean_, pixel_scale_ : arrays of shape (c,)
    network_ : kernelopt.conv.network.ConvNet
        In float64 on the CPU, so that predictions do not depend on how the images are batched.
    n_features_in_ : int

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If training was interrupted from the keyboard: the estimator is fitted, with what was learned.

    References
    ----------
    D. Mishkin, J. Matas: All you need is a good init. ICLR 2016.
    I. Loshchilov, F. Hutter: Decoupled weight decay regularization. ICLR 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> digits = load_digits()
    >>> X, y = digits.images[:400], digits.target[:400]
    >>> fixed = ConvNetClassifier(bank=("gabor", "random"), trainable=False, random_state=0)
    >>> fixed.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.9
    True
    >>> fixed.history_["filter_move"][-1]
    0.0
    """

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
        label_smoothing=0.0,
        device="auto",
        threads=1,
        image_shape="auto",
        image_format="auto",
        random_state=None,
        verbose=0,
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
        self.label_smoothing = label_smoothing
        self.device = device
        self.threads = threads
        self.image_shape = image_shape
        self.image_format = image_format
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y):
        """Set the filters' start from the images, then learn what is trainable.

        Parameters
        ----------
        X : array of shape (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d)
        y : array of shape (n,)
            Labels of any type, of at least two classes.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, the images or the labels are not valid.
        FloatingPointError
            If training diverged.
        MissingExtraError
            If torch is not installed.
        """
        from kernelopt.conv.devices import find_device, reproducible
        from kernelopt.conv.network import start_network
        from kernelopt.conv.recorder import Recorder
        from kernelopt.conv.training import first_filters, train

        layers, device = self._layers(), find_device(self.device)
        images, y = validate_images(self, X, y, reset=True)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class, {self.classes_[0]!r}, but a classifier needs at least two.")
        self.pixel_mean_ = images.mean(axis=(0, 2, 3), dtype=np.float64)
        spread = images.std(axis=(0, 2, 3), dtype=np.float64)
        rounding = np.finfo(images.dtype).eps * np.abs(self.pixel_mean_)
        self.pixel_scale_ = np.where(spread > rounding, spread, 1.0)  # a constant channel is only centred

        recipe = self._recipe(len(images))
        seed = int(check_random_state(self.random_state).randint(2**31))
        recorder = Recorder()
        with reproducible(self.threads):
            images = self._standardise(images).astype(np.float32)
            network = start_network(layers, images, len(self.classes_), seed)
            outcome = train(network, images, labels, recipe, recorder, seed, device, self._progress)
        self.filters_ = first_filters(network)
        self.network_ = network.to("cpu").double().requires_grad_(False)
        self.n_iter_, self.gradient_norm_ = outcome.n_epochs, outcome.gradient_norm
        self.history_ = recorder.history
        self.filter_snapshots_ = np.stack(recorder.filters)
        return self

    def predict(self, X):
        """Return the most probable class of each image, shape (n,)."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    def predict_proba(self, X):
        """Return class probabilities, the softmax of the logits, of shape (n, n_classes)."""
        return softmax(self._apply(X, lambda network, x: network(x)), axis=1)

    def decision_function(self, X):
        """Return the logits (n, n_classes); for two classes their difference (n,), second minus first."""
        logits = self._apply(X, lambda network, x: network(x))
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def features(self, X, layer=-1):
        """Return the outputs of a convolutional layer, for use by other learners.

        Parameters
        ----------
        X : images as in fit
        layer : int
            From 0, or from the end if negative.

        Returns
        -------
        array of shape (n, d)
            The pooled maps, flattened in the order (filter, row, column).

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        check_is_fitted(self)
        n_layers = len(self.network_.layers)
        if not isinstance(layer, Integral) or layer not in range(-n_layers, n_layers):
            raise ValueError(f"layer={layer!r}, but expected an integer in [{-n_layers}, {n_layers}).")
        stop = int(layer) % n_layers + 1
        return self._apply(X, lambda network, x: network.maps(x, stop=stop).flatten(1))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _apply(self, X, function) -> np.ndarray:
        """Return ``function(network, images)``, in float64 whatever the device."""
        check_is_fitted(self)
        from kernelopt.conv.devices import find_device, infer

        images = self._standardise(validate_images(self, X, reset=False))
        return infer(self.network_, function, images, find_device(self.device), self.threads)

    def _standardise(self, images: np.ndarray) -> np.ndarray:
        return (images - self.pixel_mean_[:, None, None]) / self.pixel_scale_[:, None, None]

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
        from kernelopt.conv.training import Recipe, auto_epochs

        check_scalar(self.threads, "threads", Integral, min_val=1)
        check_scalar(self.batch_size, "batch_size", Integral, min_val=1)
        if isinstance(self.epochs, str) and self.epochs != "auto":
            raise ValueError(f"epochs={self.epochs!r}, but expected 'auto' or a positive integer.")
        epochs = auto_epochs(n_images, self.batch_size) if isinstance(self.epochs, str) else self.epochs
        return Recipe(epochs, self.batch_size, self.learning_rate, self.weight_decay, self.label_smoothing)

    def _progress(self, epochs):
        if not self.verbose:
            return epochs
        from tqdm import tqdm

        return tqdm(epochs, desc="epochs", unit="epoch")
