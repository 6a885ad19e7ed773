"""Representation × combiner: which features or kernels, and how they are put together, as methods of one name each.

``"learned-filters:learned-weights"`` is one of them, ``"grid"`` stands for all. Every method of the grid has the same
budget, three settings. What differs along a row is the combiner alone, along a column the representation alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kernelopt.evaluation.grid_parts import (
    CrossFitted,
    FilterKernels,
    KernelFeatures,
    filter_bank,
    random_networks,
)
from kernelopt.evaluation.methods import (
    C_GRID,
    CLASSES,
    MAX_SDP_POINTS,
    N_FOLDS,
    RATE_GRID,
    Method,
    _network,
    image_kernels,
)
from kernelopt.evaluation.study import Half, MethodInfo

ALL = "grid"  # the word for every method here
REPRESENTATIONS = {
    "hand-made": "hand-made kernels",
    "fixed-filters": "fixed filters",
    "random-filters": "random filters",
    "learned-filters": "learned filters",
    "network-kernels": "network kernels",
}
COMBINERS = {
    "uniform": "average",
    "learned-weights": "learned weights",
    "sdp": "semidefinite weights",
    "linear-head": "linear head",
}
WHAT = {
    "hand-made": "polynomial and Gaussian kernels on the inputs, of images also on their quarters",
    "fixed-filters": "Gaussian kernels on the outputs of Gabor, cosine and line filters",
    "random-filters": "Gaussian kernels on the outputs of random filters of three sizes",
    "learned-filters": "Gaussian kernels on the layers of a network trained on the other half of the training set",
    "network-kernels": "conjugate and tangent kernels of two convolutional networks with random weights",
}
HOW = {
    "uniform": "a support vector machine, or ridge regression, on their plain average",
    "learned-weights": "weights that add up to one, by convex optimisation",
    "sdp": "weights of either sign, by semidefinite programming over training and test inputs together",
    "linear-head": "logistic or ridge regression on the features",
}
FIXED, RANDOM = ("gabor", "dct", "lines"), (3, 5, 7)
RIDGES = (0.01, 0.1, 1.0)


def names() -> list[str]:
    """Return the names of all methods of the grid.

    Examples
    --------
    >>> len(names()), names()[0]
    (20, 'hand-made:uniform')
    """
    return [f"{representation}:{combiner}" for representation in REPRESENTATIONS for combiner in COMBINERS]


def find(name: str, task: str = "classification", images: bool = True) -> Method:
    """Return a method of the grid for a task.

    Parameters
    ----------
    name : str
        ``"representation:combiner"``.
    task : {"classification", "regression"}
    images : bool
        Whether the data are grey images; filters and networks need them.

    Raises
    ------
    ValueError
        An unknown part, or parts that do not go together: why is said.

    Examples
    --------
    >>> find("hand-made:sdp", task="regression")
    Traceback (most recent call last):
    ...
    ValueError: 'hand-made:sdp' makes no sense for regression: points without a label are marked by a class
    """
    representation, _, combiner = name.partition(":")
    for part, known, what in (
        (representation, REPRESENTATIONS, "representation"),
        (combiner, COMBINERS, "combiner"),
    ):
        if part not in known:
            raise ValueError(f"{name!r} has an unknown {what} {part!r}; there are {', '.join(known)}")
    if combiner == "sdp" and task == "regression":
        raise ValueError(f"{name!r} makes no sense for regression: points without a label are marked by a class")
    if representation == "learned-filters" and task == "regression":
        raise ValueError(
            f"{name!r} is for classes only: the halves on which filters are trained and judged are drawn class by class"
        )
    if representation != "hand-made" and not images:
        raise ValueError(f"{name!r} makes no sense without grey images: there is nothing to lay a filter on")
    joint = (representation, combiner) == ("learned-filters", "linear-head")
    return Method(
        MethodInfo(
            name,
            f"{REPRESENTATIONS[representation]}, {COMBINERS[combiner]}".capitalize(),
            _half(representation, combiner),
            _learned(representation, combiner),
            _description(representation, combiner),
            _settings(combiner, joint, task),
        ),
        partial(_built, representation, combiner, task),
        transductive=combiner == "sdp",
        n_folds=0 if representation == "learned-filters" else N_FOLDS,  # networks are dear
        max_points=MAX_SDP_POINTS if combiner == "sdp" else None,
        tasks=CLASSES if combiner == "sdp" or representation == "learned-filters" else (*CLASSES, "regression"),
        images=representation != "hand-made",
        identity={"grid": name, "task": task},
    )


def _settings(combiner: str, joint: bool, task: str) -> dict[str, tuple[float, ...]]:
    """Return the three settings of a method; C of machines, or what plays its part."""
    if joint:
        return {"learning_rate": RATE_GRID}
    if task == "regression":
        return {"lam": RIDGES}
    return {"C": tuple(c / 1000 for c in C_GRID) if combiner == "linear-head" else C_GRID}


def _half(representation: str, combiner: str) -> Half:
    if representation == "hand-made" and combiner != "linear-head":
        return "convex"
    if combiner == "linear-head" and representation.endswith("filters"):
        return "filters"
    return "bridge"


def _learned(representation: str, combiner: str) -> str:
    filters = "all filters, by backpropagation" if representation == "learned-filters" else ""
    weights = {
        "uniform": "",
        "learned-weights": "kernel weights, by convex optimisation",
        "sdp": "kernel weights of either sign, by semidefinite programming",
        "linear-head": "" if filters else "only the linear head",
    }[combiner]
    return "; ".join(part for part in (filters, weights) if part) or "nothing; all kernels count alike"


def _description(representation: str, combiner: str) -> str:
    if combiner != "linear-head":
        return f"{WHAT[representation]}; {HOW[combiner]}.".capitalize()
    if representation == "learned-filters":
        return "A convolutional network: filters and linear head trained together."
    if representation in ("fixed-filters", "random-filters"):
        return f"The filters' outputs; {HOW[combiner]}."
    return f"{WHAT[representation]}, as features: Nyström's, of their average; {HOW[combiner]}.".capitalize()


def _built(representation: str, combiner: str, task: str, image_shape: Sequence[int], seed: int, **setting) -> Any:
    """Return the estimator of a pair."""
    if combiner == "linear-head":
        if representation == "learned-filters":
            return _network(image_shape, seed, bank="random", trainable=True, **setting)
        head = Ridge(alpha=setting["lam"]) if task == "regression" else LogisticRegression(max_iter=5000, **setting)
        features = _features(representation, image_shape, seed)
        return make_pipeline(features, StandardScaler(), head)
    if representation == "learned-filters":
        network = _network(image_shape, seed, learning_rate=1e-2, bank="random", trainable=True)
        return CrossFitted(network, partial(_machine, combiner, task, **setting), combiner == "sdp", seed)
    return _machine(combiner, task, _kernels(representation, image_shape, seed), **setting)


def _machine(combiner: str, task: str, kernels: Callable[..., list], **setting) -> Any:
    if combiner == "sdp":
        from kernelopt.estimators.sdp import SDPKernelClassifier

        return SDPKernelClassifier(kernels=kernels, **setting)
    kernel_set = {"uniform": "uniform", "learned-weights": "simplex"}[combiner]
    if task == "regression":
        from kernelopt.estimators.regression import MKLRegressor

        return MKLRegressor(kernels=kernels, kernel_set=kernel_set, **setting)
    from kernelopt.estimators.mkl import MKLClassifier

    return MKLClassifier(kernels=kernels, kernel_set=kernel_set, **setting)


def _kernels(representation: str, image_shape: Sequence[int], seed: int) -> Callable[..., list]:
    """Return the family of a representation's kernels."""
    if representation == "hand-made":
        return partial(image_kernels, image_shape=tuple(image_shape))
    if representation == "network-kernels":
        return partial(random_networks, image_shape=tuple(image_shape), seed=seed)
    return FilterKernels(_banks(representation, image_shape, seed))


def _features(representation: str, image_shape: Sequence[int], seed: int) -> Any:
    """Return the transformer that makes a representation's features."""
    if representation in ("fixed-filters", "random-filters"):
        from sklearn.pipeline import make_union

        return make_union(*_banks(representation, image_shape, seed))
    return KernelFeatures(_kernels(representation, image_shape, seed), random_state=seed)


def _banks(representation: str, image_shape: Sequence[int], seed: int) -> list[Any]:
    shape = tuple(image_shape)
    if representation == "fixed-filters":
        return [filter_bank(bank, 5, shape, seed) for bank in FIXED]
    return [filter_bank("random", size, shape, seed) for size in RANDOM]
