"""What a convolutional layer is, before any weight exists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from numbers import Integral
from typing import Any

import numpy as np

from kernelopt.conv.banks import BANKS
from kernelopt.conv.constraints import make_constraint
from kernelopt.conv.geometry import Geometry
from kernelopt.conv.initializers import make_initializer
from kernelopt.conv.regularizers import make_regularizer


@dataclass(frozen=True, repr=False)
class ConvLayer:
    r"""One layer: correlate with filters, add a bias, rectify, take maxima over cells.

    .. math:: x \mapsto \mathrm{maxpool}\bigl(\max(0,\; W \star x + b)\bigr)

    `bank` says where :math:`W` starts and `trainable` whether backpropagation moves it from there:
    the two switches by which fixed and learned filters are compared, all else being equal. The parameters
    after `pool` are those of ``keras.layers.Conv2D``, as in :class:`kernelopt.conv.conv2d.Conv2D`, but for the
    defaults of `padding` and `activation`.

    Parameters
    ----------
    filters : int
        Number of filters.
    kernel_size : int or pair of int
        Side of a filter; banks are square.
    bank : str or callable
        Start of the filters: a name in ``kernelopt.conv.banks.BANKS`` or a function with the same
        signature. Banks made from data see the outputs of the layer before.
    trainable : bool
        Whether filters and biases are learned; otherwise they stay exactly at their start.
    pool : int
        Side of the pooling cell; 1 for none. A side of the image shorter than `pool` is not pooled.
    strides, dilation_rate : int or pair of int
    padding : {"same", "valid"}
    groups : int
    activation : str, callable or None
        In place of the rectifier, applied to each number ("softmax" would run along columns).
    use_bias : bool
    kernel_initializer : str, callable or None
        If given, filters start from it and not from the bank, and are not scaled to unit variance.
    bias_initializer : str or callable
    kernel_regularizer, bias_regularizer, activity_regularizer : str, callable or None
        Added to the loss while the layer is trainable; the last one too if a layer before it is.
    kernel_constraint, bias_constraint : str, callable or None
        Applied after each gradient step while the layer is trainable.
    normalization : "batch" or None
        "batch" gives each filter's responses mean zero and variance one before the bias is added, see
        :class:`~kernelopt.conv.normalized.NormalizedConv2D`.

    Raises
    ------
    ValueError
        If a parameter is not valid, or two do not go together.

    Examples
    --------
    >>> ConvLayer(16, 5, bank="gabor", trainable=False)
    ConvLayer(filters=16, kernel_size=5, bank='gabor', trainable=False)
    """

    filters: int
    kernel_size: Any
    bank: str | Callable = "random"
    trainable: bool = True
    pool: int = 2
    strides: Any = 1
    padding: str = "same"
    dilation_rate: Any = 1
    groups: int = 1
    activation: str | Callable | None = "relu"
    use_bias: bool = True
    kernel_initializer: str | Callable | None = None
    bias_initializer: str | Callable = "zeros"
    kernel_regularizer: str | Callable | None = None
    bias_regularizer: str | Callable | None = None
    activity_regularizer: str | Callable | None = None
    kernel_constraint: str | Callable | None = None
    bias_constraint: str | Callable | None = None
    normalization: str | None = None

    def __post_init__(self):
        for name in ("filters", "pool"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}={value!r}, but a layer needs a positive integer.")
        geometry = self.geometry
        if not callable(self.bank) and self.bank not in list(BANKS):
            raise ValueError(f"bank={self.bank!r}, but expected a function or one of {', '.join(BANKS)}.")
        for name in ("trainable", "use_bias"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise ValueError(f"{name}={getattr(self, name)!r}, but expected True or False.")
        if self.kernel_initializer is not None:
            make_initializer(self.kernel_initializer, "kernel_initializer")
        elif geometry.kernel_size[0] != geometry.kernel_size[1]:
            raise ValueError(
                f"kernel_size={self.kernel_size!r}, but the filters of a bank are square. Pass a kernel_initializer."
            )
        make_initializer(self.bias_initializer, "bias_initializer")
        for name in ("kernel_regularizer", "bias_regularizer", "activity_regularizer"):
            make_regularizer(getattr(self, name), name)
        for name in ("kernel_constraint", "bias_constraint"):
            make_constraint(getattr(self, name), name)
        if self.normalization not in (None, "batch"):
            raise ValueError(f"normalization={self.normalization!r}, but expected 'batch' or None.")

    def __repr__(self) -> str:
        """Return the first two fields and those that differ from their defaults."""
        shown = [f for f in fields(self) if f.default is MISSING or getattr(self, f.name) != f.default]
        return f"ConvLayer({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in shown)})"

    @property
    def geometry(self) -> Geometry:
        """Where the filters look."""
        return Geometry(self.kernel_size, self.strides, self.padding, self.dilation_rate, self.groups)

    def sizes(self, h: int, w: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the pooling cell (rows, columns) and the size of the output for images of this size."""
        rows, columns = self.geometry.output(h, w)
        pool = (self.pool if rows >= self.pool else 1, self.pool if columns >= self.pool else 1)
        return pool, (rows // pool[0], columns // pool[1])


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
