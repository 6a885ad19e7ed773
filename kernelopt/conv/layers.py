"""What a convolutional layer is, before any weight exists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from kernelopt.conv.banks import BANKS


@dataclass(frozen=True)
class ConvLayer:
    r"""One layer: correlate with filters ("same" padding), add a bias, rectify, take maxima over cells.

    .. math:: x \mapsto \mathrm{maxpool}\bigl(\max(0,\; W \star x + b)\bigr)

    `bank` says where :math:`W` starts and `trainable` whether backpropagation moves it from there:
    the two switches by which fixed and learned filters are compared, all else being equal.

    Parameters
    ----------
    filters : int
        Number of filters.
    kernel_size : int
        Side of a filter.
    bank : str or callable
        Start of the filters: a name in ``kernelopt.conv.banks.BANKS`` or a function with the same
        signature. Banks made from data see the outputs of the layer before.
    trainable : bool
        Whether filters and biases are learned; otherwise they stay exactly at their start.
    pool : int
        Side of the pooling cell; 1 for none. A side of the image shorter than `pool` is not pooled.

    Raises
    ------
    ValueError
        If a number is not a positive integer or the bank is unknown.

    Examples
    --------
    >>> ConvLayer(16, 5, bank="gabor", trainable=False)
    ConvLayer(filters=16, kernel_size=5, bank='gabor', trainable=False, pool=2)
    """

    filters: int
    kernel_size: int
    bank: str | Callable = "random"
    trainable: bool = True
    pool: int = 2

    def __post_init__(self):
        for name in ("filters", "kernel_size", "pool"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}={value!r}, but a layer needs a positive integer.")
        if not callable(self.bank) and self.bank not in list(BANKS):
            raise ValueError(f"bank={self.bank!r}, but expected a function or one of {', '.join(BANKS)}.")
        if not isinstance(self.trainable, bool | np.bool_):
            raise ValueError(f"trainable={self.trainable!r}, but expected True or False.")


def build_layers(**options) -> tuple[ConvLayer, ...]:
    """Return one layer per entry of the options, each a single value or one value per layer.

    Parameters
    ----------
    **options
        The fields of :class:`ConvLayer`; lists and tuples hold one value per layer.

    Raises
    ------
    ValueError
        If two lists differ in length or one is empty.

    Examples
    --------
    >>> [layer.trainable for layer in build_layers(filters=(8, 16), kernel_size=5, trainable=(False, True))]
    [False, True]
    """
    lists = {name: list(v) for name, v in options.items() if isinstance(v, list | tuple | np.ndarray)}
    lengths = {name: len(values) for name, values in lists.items()}
    n_layers = max(lengths.values(), default=1)
    if any(length != n_layers for length in lengths.values()) or n_layers == 0:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"expected one value for all layers or one per layer, but found lists that differ: {found}.")
    return tuple(
        ConvLayer(**{name: lists[name][i] if name in lists else value for name, value in options.items()})
        for i in range(n_layers)
    )
