"""A small convolutional network as a scikit-learn classifier: which filters are learned is a parameter."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from kernelopt.conv.augmentation import averaged
from kernelopt.conv.images import validate_images
from kernelopt.conv.presets import settled
from kernelopt.estimators.network_training import TrainableEstimator, unless_one
from kernelopt.estimators.temperature import best_temperature


class ConvNetClassifier(ClassifierMixin, TrainableEstimator):
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
    threads : int or "auto"
        CPU threads of torch during fit and predict. Results are the same bits only for the same number. "auto"
        tries which number is fastest; `threads_` says which it was.
    image_shape, image_format
        How `X` holds images; see :func:`kernelopt.conv.images.as_images`.
    random_state : int, RandomState or None
        Seed of random banks, of patches and of the order of images.
    verbose : int
        1 shows a progress bar over epochs.
    optimizer : {"adamw", "sgd", "muon"}
        See :func:`kernelopt.conv.optimizers.make_optimizers`.
    schedule : {"one_cycle", "constant"}
        Of the learning rate. A one-cycle rate falls to zero in the last epoch, wherever training stops before it.
    clip_norm : float or None
        Longer gradients are shortened to this norm.
    augmentation : Augmentation or None
        How training images are varied, see :class:`kernelopt.conv.augmentation.Augmentation`.
    early_stopping : bool
        Stop when the loss on a validation part of the training set no longer falls, and go back to its best epoch.
    validation_fraction : float
        Size of that part, in (0, 1).
    n_iter_no_change : int
        Epochs to wait for a better one.
    class_weight : dict, "balanced" or None
        Weights of the classes, multiplied with those of the samples; "balanced" makes all classes weigh the same.
    calibration : {"temperature"} or None
        "temperature" divides the logits, in `predict_proba`, by what makes a validation part of the training set
        most likely; predictions stay the same.
    checkpoint : path or None
        File that holds the state of training after every epoch. If it exists, `fit` goes on from it, which takes the
        same data and settings and an integer `random_state`.
    feature_layer : int or str
        Whose outputs `transform` returns, see :meth:`features`.
    precision : {"auto", "float32", "bfloat16"}
        Of training; predictions are always made in float64. "bfloat16" multiplies, and keeps what flows between layers,
        in 16 bits; weights, steps and loss stay in float32. "auto" takes it where it is faster, see
        :func:`kernelopt.conv.precision.find_precision`; `precision_` says what it was. In either, the same settings
        give the same bits on the same machine.
    preset : {"speed"} or None
        "speed" puts its values in the place of parameters left at their defaults, see
        :func:`kernelopt.conv.presets.speed`. It has `layers`: filters, kernel_size, bank, trainable and pool must
        be left at their defaults unless you give others.
    test_time_augmentation : bool
        Whether logits are averaged over views of each image, see :func:`kernelopt.conv.augmentation.averaged`; mirrored
        ones are among them if training images were. Settled when fitting begins: a later change needs another fit.
    trace : path or None
        File, .npz, that a :class:`kernelopt.conv.trace.Trace` of the training is written to when it ends. It looks at
        64 of the training images, drawn at random, and changes no bit of the training.
    compile : bool
        Let torch.compile make code for the network. That takes from seconds to a minute, and was slower on processors.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    filters_ : array of shape (F, c, k, k)
        First layer's filters, for standardised images.
    history_ : dict of lists
        epoch, loss, accuracy, gradient_norm, filter_move; see :class:`kernelopt.conv.recorder.Recorder`.
        With a validation part also validation_loss and validation_accuracy.
    filter_snapshots_ : array of shape (n_iter_ + 1, F, c, k, k)
        First layer's filters at the start and after every epoch.
    best_epoch_ : int
        The epoch whose weights are kept; the last without early stopping.
    threads_ : int
    precision_ : {"float32", "bfloat16"}
        Of the training.
    temperature_ : float
        1 without calibration.
    views_ : {"one", "shifted", "mirrored"}
        Of each image that a prediction averages over: itself alone, moved ones too, or mirrored ones as well.
    gradient_norm_ : float
        Norm of the full gradient at the end over that at the start. Small means near a stationary
        point, which need not be a minimum; there is no duality gap for a network.
    n_iter_ : int
        Epochs completed, and calls of `partial_fit`.
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

    Notes
    -----
    Equal images with equal labels count as one of the sum of their weights: a weight of k is the sample k
    times over, to the bit. Only the loss sees weights; the filters' start looks at distinct images.

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
        optimizer="adamw",
        schedule="one_cycle",
        clip_norm=None,
        augmentation=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        class_weight=None,
        calibration=None,
        checkpoint=None,
        feature_layer=-1,
        precision="auto",
        preset=None,
        test_time_augmentation=False,
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
        self.label_smoothing = label_smoothing
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
        self.class_weight = class_weight
        self.calibration = calibration
        self.checkpoint = checkpoint
        self.feature_layer = feature_layer
        self.precision = precision
        self.preset = preset
        self.test_time_augmentation = test_time_augmentation
        self.trace = trace
        self.compile = compile

    def fit(self, X, y, sample_weight=None):
        """Set the filters' start from the images, then learn what is trainable.

        Parameters
        ----------
        X : array of shape (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d)
        y : array of shape (n,)
            Labels of any type, of at least two classes.
        sample_weight : array of shape (n,), optional
            Nonnegative; only their ratios matter.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, the images or the labels are not valid.
        FileNotFoundError, IsADirectoryError
            If the folder of `trace` or `checkpoint` does not exist, or one of them is a folder.
        FloatingPointError
            If training diverged.
        MissingExtraError
            If torch is not installed.
        """
        self._check_parameters()
        images, y = validate_images(self, X, y, reset=True)
        check_classification_targets(y)
        w = _check_sample_weight(sample_weight, y, dtype=float, ensure_non_negative=True)
        kept = w > 0
        self.classes_, labels = np.unique(y[kept], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has {_of_classes(self.classes_)}, but a classifier needs at least two.")
        factors = compute_class_weight(
            self.class_weight, classes=self.classes_, y=y[kept], sample_weight=w[kept]
        )  # a factor of zero would leave a class without samples
        if self.class_weight is not None and not (factors > 0).all():
            raise ValueError(f"class_weight={self.class_weight!r}, but expected positive weights.")
        images, labels, weights = self._distinct(images[kept], labels, w[kept] * factors[labels])
        self._train(images, labels, weights, len(self.classes_), classes=labels)
        return self

    def _complete(self, validation):
        self.temperature_, self.views_ = 1.0, self._chosen_views()
        if self.calibration is not None:
            logits = self._infer(validation.images, self._views())
            self.temperature_ = best_temperature(logits, validation.targets, validation.weights)

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Pass once over these samples, in batches, going on from what is learned already.

        The learning rate is constant, `learning_rate`, since no schedule knows how many calls will come; early
        stopping, calibration, checkpoints and balanced classes need all data at once and are not used here. The
        first call sets the filters' start and the scale of the pixels, unless :meth:`fit` did. Another `optimizer` than
        in the call before starts afresh: it cannot use what that one remembers of earlier gradients.

        Parameters
        ----------
        X : images as in fit
        y : array of shape (n,)
        classes : array, optional
            All labels that will ever come; needed by the first call.
        sample_weight : array of shape (n,), optional
            Nonnegative; they count as they are, so that calls can be compared.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, the images or the labels are not valid, or no sample has a positive weight.
        FloatingPointError
            If training diverged.
        """
        self._check_parameters()
        begin = not hasattr(self, "network_")
        if self.class_weight == "balanced":
            raise ValueError("class_weight='balanced' needs all data at once. Pass a dict to use partial_fit.")
        if begin and classes is None:
            raise ValueError("classes is None, but the first call of partial_fit needs all labels that will come.")
        images, y = validate_images(self, X, y, reset=begin)
        check_classification_targets(y)
        w = _check_sample_weight(sample_weight, y, dtype=float, ensure_non_negative=True)
        if begin:
            self.classes_, self.temperature_, self.views_ = np.unique(classes), 1.0, self._chosen_views()
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes={classes!r}, but those of the first call were {self.classes_!r}.")
        if len(self.classes_) < 2:
            raise ValueError(f"classes has {_of_classes(self.classes_)}, but a classifier needs at least two.")
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y holds {unknown.tolist()}, but the classes are {self.classes_.tolist()}.")
        if self.class_weight is not None:
            given = {c: self.class_weight.get(c, 1.0) for c in self.classes_.tolist()}
            w = w * np.array([given[c] for c in y.tolist()])
        labels, kept = np.searchsorted(self.classes_, y), w > 0
        self._train_more(images[kept], labels[kept], unless_one(w[kept]), len(self.classes_), begin)
        return self

    def predict(self, X):
        """Return the most probable class of each image, shape (n,)."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    def predict_proba(self, X):
        """Return class probabilities, the softmax of the logits over `temperature_`, of shape (n, n_classes)."""
        return softmax(self._apply(X, self._views()) / self.temperature_, axis=1)

    def decision_function(self, X):
        """Return the logits (n, n_classes); for two classes their difference (n,), second minus first."""
        logits = self._apply(X, self._views())
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def _views(self):
        """Return the function of network and images whose values are the logits."""
        check_is_fitted(self, "network_")
        if self.views_ == "one":
            return lambda network, x: network(x)
        mirror = self.views_ == "mirrored"
        return lambda network, x: averaged(network, x, mirror)

    def _chosen_views(self) -> str:
        settings = settled(self, self.image_shape_, 1)
        if not settings["test_time_augmentation"]:
            return "one"
        augmentation = settings["augmentation"]
        return "shifted" if augmentation is None or not augmentation.flip else "mirrored"

    def _check_parameters(self):
        super()._check_parameters()
        if not isinstance(self.test_time_augmentation, bool | np.bool_):
            found = self.test_time_augmentation
            raise ValueError(f"test_time_augmentation={found!r}, but expected True or False.")
        if self.calibration not in (None, "temperature"):
            raise ValueError(f"calibration={self.calibration!r}, but expected 'temperature' or None.")

    def _holds_out(self):
        return super()._holds_out() or self.calibration is not None


def _of_classes(classes) -> str:
    return f"one class, {classes[0]!r}" if len(classes) else "no class"
