"""A small convolutional network as a scikit-learn classifier: which filters are learned is a parameter."""

from __future__ import annotations

import copy
from numbers import Integral, Real

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from kernelopt.conv.images import validate_images
from kernelopt.conv.layers import ConvLayer, build_layers


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
        Start of the filters: "random", "sobel", "gabor", "dct", "patch_pca", "kmeans" or a function
        like those of ``kernelopt.conv.banks``.
    trainable : bool or tuple of bool
        Whether the filters are learned.
    pool : int or tuple of int
        Side of the cells over which maxima are taken.
    epochs : "auto" or int
        Passes over the training images. "auto": at least 600 steps and at least 10 passes.
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
    filter_epochs_ : list of int
        Epochs, 0 among them, of which `filter_snapshots_` keeps the first layer's filters.
    filter_snapshots_ : array of shape (snapshots, F, c, k, k)
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
    >>> fixed = ConvNetClassifier(bank="gabor", trainable=False, epochs=10, random_state=0)
    >>> fixed.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.8
    True
    >>> fixed.history_["filter_move"][-1]
    0.0
    """

    def __init__(
        self,
        layers="auto",
        filters=(16, 32),
        kernel_size=(5, 3),
        bank="random",
        trainable=True,
        pool=2,
        epochs="auto",
        batch_size=64,
        learning_rate=3e-3,
        weight_decay=1e-4,
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
        import torch  # noqa: F401

        from kernelopt.conv import training
        from kernelopt.conv.network import start_network
        from kernelopt.conv.recorder import Recorder
        ...
        return self
