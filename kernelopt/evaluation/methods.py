"""The methods of the contrast: each a name, an explanation, a grid and an estimator.

Points come as rows, images flattened with pixel values between 0 and 1. Methods of one half differ in one
thing only: the convex ones in which kernel weights are admitted, the networks in which filters are trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kernelopt.evaluation.study import MethodInfo
from kernelopt.kernels import gaussian, image_patches, polynomial

C_GRID = (1.0, 10.0, 100.0)
RATE_GRID = (1e-3, 3e-3, 1e-2)
N_FOLDS = 3  # for kernel machines, whose fits are cheap; a network's are not
N_IMAGE_KERNELS = 12
MAX_SDP_POINTS = 1200  # some minutes on one processor


def image_kernels(X, sample_weight=None, *, image_shape: tuple[int, ...]) -> list[Any]:
    """Twelve hand-made kernels: three polynomial, five Gaussian, four Gaussian on quarters of the image.

    Points that are no grey images have the first eight.
    """
    everywhere = [
        *polynomial(X, sample_weight, degrees=(1, 2, 3)),
        *gaussian(X, sample_weight, factors=(1 / 16, 1 / 4, 1, 4, 16)),
    ]
    if len(image_shape) != 2:
        return everywhere
    return [
        *everywhere,
        *image_patches(X, sample_weight, image_shape=(image_shape[0], image_shape[1]), grid=2, factors=(1,)),
    ]


def one_image_kernel(X, sample_weight=None, *, image_shape: tuple[int, int], index: int) -> list[Any]:
    """The hand-made kernel of the given index alone."""
    return [image_kernels(X, sample_weight, image_shape=image_shape)[index]]


@dataclass(frozen=True)
class Method:
    """One way to predict, ready to build.

    Parameters
    ----------
    info : MethodInfo
        What a reader must know of it, its grid included.
    build : callable
        ``build(image_shape, seed, **setting)`` returns a scikit-learn estimator of flattened images.
    transductive : bool
        Whether test inputs (never labels) are used in fitting; such methods are not compared with others. What
        `build` returns then takes -1 for "no label" and leaves the labels it gives in ``transduction_``.
    n_folds : int
        Folds of the cross-validation that chooses its setting; 0 for one hold-out part.
    version : int
        Raised when `build` changes what a record would hold, so that no older record is reused.
    max_points : int or None
        The most points that one fit can do, of a transductive method with the test points among them.
    tasks : tuple of str
        What it can predict.
    images : bool
        Whether it needs grey images.
    record : mapping
        What is read from the fitted estimator into ``Record.values``; see `MethodSpec`.
    identity : dict or None
        What tells it from others in a cell's fingerprint, beside its grid and version.
    """

    info: MethodInfo
    build: Callable[..., Any] = field(repr=False)
    transductive: bool = False
    n_folds: int = 0
    version: int = 1
    max_points: int | None = None
    tasks: tuple[str, ...] = ("classification", "regression")
    images: bool = False
    record: Mapping[str, Any] = field(default_factory=dict)
    identity: dict[str, Any] | None = None


CLASSES = ("classification",)


def _single(image_shape, seed, *, C, kernel):
    from kernelopt.estimators.mkl import MKLClassifier

    return MKLClassifier(kernels=partial(one_image_kernel, image_shape=image_shape, index=kernel), C=C)


def _combined(image_shape, seed, *, C, kernel_set):
    from kernelopt.estimators.mkl import MKLClassifier

    return MKLClassifier(kernels=partial(image_kernels, image_shape=image_shape), kernel_set=kernel_set, C=C)


def _semidefinite(image_shape, seed, *, C):
    from kernelopt.estimators.sdp import SDPKernelClassifier

    return SDPKernelClassifier(kernels=partial(image_kernels, image_shape=image_shape), C=C)


def _network(image_shape, seed, *, learning_rate, bank, trainable):
    from kernelopt.estimators.convnet import ConvNetClassifier

    return ConvNetClassifier(
        bank=bank,
        trainable=trainable,
        learning_rate=learning_rate,
        image_shape=image_shape,
        device="cpu",
        threads=1,
        random_state=seed,
        precision="float32",  # the same on all machines, and as in the records that are committed
    )


def _features(image_shape, seed, *, C, learning_rate):
    from kernelopt.estimators.bridges import NetworkMKLClassifier

    network = _network(image_shape, seed, learning_rate=learning_rate, bank="random", trainable=True)
    kernels = partial(image_kernels, image_shape=image_shape)
    return NetworkMKLClassifier(network=network, kernels=kernels, C=C, random_state=seed)


def _filters(name: str, label: str, learned: str, description: str, *, bank, trainable) -> Method:
    info = MethodInfo(name, label, "filters", learned, description, {"learning_rate": RATE_GRID})
    return Method(info, partial(_network, bank=bank, trainable=trainable), tasks=CLASSES, images=True)


ALL: tuple[Method, ...] = (  # of the contrast, unless others are named
    Method(
        MethodInfo(
            "single-kernel",
            "Single best kernel",
            "convex",
            "nothing; the kernel is picked by cross-validation",
            "A support vector machine on one of twelve hand-made kernels, chosen by cross-validation.",
            {"C": C_GRID, "kernel": tuple(range(N_IMAGE_KERNELS))},
        ),
        _single,
        n_folds=N_FOLDS,
        tasks=CLASSES,
        images=True,
    ),
    Method(
        MethodInfo(
            "uniform-kernel",
            "Average kernel",
            "convex",
            "nothing; all kernels count alike",
            "A support vector machine on the plain average of the twelve normalised kernels.",
            {"C": C_GRID},
        ),
        partial(_combined, kernel_set="uniform"),
        n_folds=N_FOLDS,
        tasks=CLASSES,
    ),
    Method(
        MethodInfo(
            "learned-kernel",
            "Learned kernel",
            "convex",
            "the weights of twelve kernels, by convex optimisation",
            "Multiple kernel learning: weights and machine minimise one convex objective, to a proven gap.",
            {"C": C_GRID},
        ),
        partial(_combined, kernel_set="simplex"),
        n_folds=N_FOLDS,
        tasks=CLASSES,
    ),
    _filters(
        "cnn-random",
        "Random filters, frozen",
        "only the linear head",
        "Both layers keep the random filters they start with.",
        bank="random",
        trainable=False,
    ),
    _filters(
        "cnn-gabor",
        "Gabor filters, frozen",
        "only the linear head",
        "Gabor filters in the first layer, random ones in the second; neither is trained.",
        bank=("gabor", "random"),
        trainable=False,
    ),
    _filters(
        "cnn-kmeans",
        "k-means filters, frozen",
        "only the linear head; filters are cluster centres of image patches",
        "Both layers use k-means centres of whitened patches, found without labels and then left alone.",
        bank="kmeans",
        trainable=False,
    ),
    _filters(
        "cnn-gabor-first",
        "Gabor first layer frozen, second learned",
        "the second layer's filters and the head, by backpropagation",
        "Half way: Gabor filters stay in the first layer, the second layer is trained.",
        bank=("gabor", "random"),
        trainable=(False, True),
    ),
    _filters(
        "cnn-learned",
        "Learned filters",
        "all filters and the head, by backpropagation",
        "The same network, started from the same random filters as the frozen one, with every filter trained.",
        bank="random",
        trainable=True,
    ),
    Method(
        MethodInfo(
            "features-mkl",
            "Learned filters fed to a learned kernel",
            "bridge",
            "filters by backpropagation, then kernel weights by convex optimisation",
            "Kernels on a trained network's layers join the twelve hand-made ones; cross-fitted, so that no "
            "kernel is judged on images its network was trained on. Nothing is tuned, which if anything is to its "
            "disadvantage.",
            {"C": (10.0,), "learning_rate": (1e-2,)},
        ),
        _features,
        tasks=CLASSES,
        images=True,
    ),
)

ON_REQUEST: tuple[Method, ...] = (  # only where they are named
    Method(
        MethodInfo(
            "sdp-kernel",
            "Semidefinite kernel",
            "convex",
            "the weights of twelve kernels, of either sign, by semidefinite programming",
            "The twelve hand-made kernels, normalised, are added with weights of either sign such that the sum is a "
            "kernel on training and test images together. A step of the solver costs the cube of their number, so "
            f"that they may be {MAX_SDP_POINTS:,} at most.",
            {"C": C_GRID},
        ),
        _semidefinite,
        transductive=True,
        n_folds=N_FOLDS,
        max_points=MAX_SDP_POINTS,
        tasks=CLASSES,
    ),
)

BY_NAME: Mapping[str, Method] = {method.info.name: method for method in ALL + ON_REQUEST}


def find(names: Sequence[str]) -> list[Method]:
    """Return the methods of the given names, in the given order."""
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise ValueError(f"unknown method(s) {', '.join(map(repr, unknown))}; there are {', '.join(BY_NAME)}")
    return [BY_NAME[name] for name in names]
