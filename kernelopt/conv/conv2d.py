"""The convolutional layer on torch, with the arguments and the numbers of Keras's Conv2D."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kernelopt.conv.banks import grouped_bank
from kernelopt.conv.constraints import make_constraint
from kernelopt.conv.geometry import Geometry
from kernelopt.conv.initializers import make_initializer
from kernelopt.conv.regularizers import make_regularizer
from kernelopt.errors import missing_extra

try:
    import torch
    from torch import nn
    from torch.nn import functional as F

    from kernelopt.conv.activations import make_activation
except ImportError as error:
    raise missing_extra("torch", "conv") from error

FORMATS = ("channels_last", "channels_first")


class Conv2D(nn.Module):
    r"""Correlate images with filters, add a bias, apply a function.

    .. math:: y_f(p) = g\Bigl(b_f + \sum_{c, u} W_f(c, u) \, x_c(s p + d u - \text{padding})\Bigr)

    What deep learning calls a convolution is this cross-correlation: the filter is not flipped. Arguments,
    defaults, order and numbers are those of ``keras.layers.Conv2D``; see
    :class:`~kernelopt.conv.geometry.Geometry` for the padding. Three arguments are ours: `bank`,
    which starts the filters from a bank instead of the initialiser, `trainable`, which says whether
    backpropagation moves them, and `channels`, since torch wants weights before the first image. The first
    two are the experiment: a fixed and a learned layer may start from identical numbers.

    Parameters
    ----------
    filters : int
        Number of filters.
    kernel_size, strides, dilation_rate : int or pair of int
        Strides and dilation must not both be above 1.
    padding : {"valid", "same"}
    data_format : {"channels_last", "channels_first"}
        Images are (n, h, w, c) or (n, c, h, w), and so are the outputs.
    groups : int
    activation : str, callable or None
        A name in ``kernelopt.conv.activations.ACTIVATIONS``.
    use_bias : bool
    kernel_initializer, bias_initializer : str or callable
        See :mod:`kernelopt.conv.initializers`.
    kernel_regularizer, bias_regularizer, activity_regularizer : str, callable or None
        See :mod:`kernelopt.conv.regularizers`; :meth:`penalty` and :meth:`activity_penalty` apply them.
    kernel_constraint, bias_constraint : str, callable or None
        See :mod:`kernelopt.conv.constraints`; :meth:`project` applies them.
    channels : int
        Of the images.
    bank : str, callable or None
        Start of the filters, instead of `kernel_initializer`: a name in ``kernelopt.conv.banks.BANKS`` or a
        function like those. Filters must be square. Each group gets a bank of its own.
    images : array of shape (n, channels, h, w), optional
        Training images, always channels first, for banks made from data.
    trainable : bool
        Whether the weights are learned; may be changed later.
    seed : int, sequence of int, Generator or None

    Attributes
    ----------
    weight : Parameter of shape (filters, channels // groups, rows, columns)
    bias : Parameter of shape (filters,) or None

    Raises
    ------
    ValueError
        If an argument is not valid or two do not go together.

    Examples
    --------
    >>> layer = Conv2D(8, 3, strides=2, padding="same", activation="relu", channels=3, bank="gabor", trainable=False)
    >>> layer(torch.zeros(5, 28, 28, 3)).shape, layer.get_weights()[0].shape
    (torch.Size([5, 14, 14, 8]), (3, 3, 3, 8))
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: str | Callable | None = None,
        use_bias: bool = True,
        kernel_initializer: str | Callable = "glorot_uniform",
        bias_initializer: str | Callable = "zeros",
        kernel_regularizer: str | Callable | None = None,
        bias_regularizer: str | Callable | None = None,
        activity_regularizer: str | Callable | None = None,
        kernel_constraint: str | Callable | None = None,
        bias_constraint: str | Callable | None = None,
        *,
        channels: int,
        bank: str | Callable | None = None,
        images: np.ndarray | None = None,
        trainable: bool = True,
        seed: Any = None,
    ):
        super().__init__()
        if data_format not in FORMATS:
            raise ValueError(f"data_format={data_format!r}, but expected one of {FORMATS}.")
        self.data_format = data_format
        self.geometry = Geometry(kernel_size, strides, padding, dilation_rate, groups)
        make_activation(activation)  # refuses an unknown name; kept as it is, so that networks can be pickled
        self.activation = activation
        self.kernel_regularizer = make_regularizer(kernel_regularizer, "kernel_regularizer")
        self.bias_regularizer = make_regularizer(bias_regularizer, "bias_regularizer")
        self.activity_regularizer = make_regularizer(activity_regularizer, "activity_regularizer")
        self.kernel_constraint = make_constraint(kernel_constraint, "kernel_constraint")
        self.bias_constraint = make_constraint(bias_constraint, "bias_constraint")

        shape = self.geometry.kernel_shape(filters, channels)
        rng = np.random.default_rng(seed)
        if bank is None:
            hwio = *shape[2:], shape[1], shape[0]
            kernel = to_oihw(draw(kernel_initializer, "kernel_initializer", hwio, rng))
        elif shape[2] == shape[3]:
            kernel = grouped_bank(bank, filters, shape[2], channels, images, rng, groups)
        else:
            raise ValueError(f"bank={bank!r} has square filters, but found kernel_size={kernel_size!r}.")
        self.weight = _parameter(kernel, trainable)
        self.register_parameter("bias", None)
        if use_bias:
            self.bias = _parameter(draw(bias_initializer, "bias_initializer", (filters,), rng), trainable)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the outputs, in the same format as the images."""
        if images.ndim != 4:
            raise ValueError(f"images has shape {tuple(images.shape)}, but expected four axes, {self.data_format}.")
        function = make_activation(self.activation)
        if self.data_format == "channels_first":
            return function(self.correlate(images))
        return function(self.correlate(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))

    def correlate(self, x: torch.Tensor) -> torch.Tensor:
        """Return the responses before the activation, bias included; `x` is (n, channels, h, w)."""
        return self.respond(x, self.bias)

    def respond(self, x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Return the correlation with the filters, plus a bias."""
        geometry, h, w = self.geometry, x.shape[2], x.shape[3]
        if x.shape[1] != self.weight.shape[1] * geometry.groups:
            raise ValueError(
                f"images have {x.shape[1]} channels, but the layer has {self.weight.shape[1] * geometry.groups}."
            )
        geometry.output(h, w)  # refuses an empty one
        (top, bottom), (left, right) = geometry.pads(h, w)
        padding = (top, left)
        if top != bottom or left != right:
            x, padding = F.pad(x, (left, right, top, bottom)), (0, 0)
        return F.conv2d(x, self.weight, bias, geometry.strides, padding, geometry.dilation_rate, geometry.groups)

    @property
    def kernel(self) -> torch.Tensor:
        """The filters in Keras's order, (rows, columns, channels // groups, filters)."""
        return self.weight.permute(2, 3, 1, 0)

    @property
    def trainable(self) -> bool:
        """Whether backpropagation moves the weights."""
        return self.weight.requires_grad

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.requires_grad_(bool(value))

    def penalty(self) -> torch.Tensor | float:
        """Return what the weights cost; 0.0 if there is no such regulariser, or nothing to learn."""
        total: torch.Tensor | float = 0.0
        if self.trainable and self.kernel_regularizer is not None:
            total = total + self.kernel_regularizer(self.kernel)
        if self.trainable and self.bias_regularizer is not None and self.bias is not None:
            total = total + self.bias_regularizer(self.bias)
        return total

    def activity_penalty(self, outputs: torch.Tensor) -> torch.Tensor | float:
        """Return what the outputs of a batch cost, divided by the number of images."""
        return 0.0 if self.activity_regularizer is None else self.activity_regularizer(outputs) / len(outputs)

    @torch.no_grad()
    def project(self) -> None:
        """Put the weights where the constraints want them; call it after each step of the optimiser."""
        if self.trainable and self.kernel_constraint is not None:
            self.weight.copy_(to_oihw(self.kernel_constraint(self.kernel)))
        if self.trainable and self.bias_constraint is not None and self.bias is not None:
            self.bias.copy_(self.bias_constraint(self.bias))

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of the kernel (rows, columns, channels // groups, filters) and of the bias, if there is one.

        They fit ``keras.layers.Conv2D.set_weights``.
        """
        weights = [self.kernel] if self.bias is None else [self.kernel, self.bias]
        return [np.array(weight.detach().cpu().numpy(), order="C") for weight in weights]

    @torch.no_grad()
    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Take over such arrays, as ``keras.layers.Conv2D.get_weights`` returns them.

        Raises
        ------
        ValueError
            If their number or a shape differs.
        """
        expected = [tuple(weight.shape) for weight in self.get_weights()]
        found = [np.shape(weight) for weight in weights]
        if found != expected:
            raise ValueError(f"weights have the shapes {found}, but the layer expects {expected} (kernel, then bias).")
        self.weight.copy_(torch.from_numpy(to_oihw(np.array(weights[0]))))
        if self.bias is not None:
            self.bias.copy_(torch.from_numpy(np.array(weights[1])))

    def extra_repr(self) -> str:
        """Return the filters' shape and the geometry, for ``print``."""
        return f"{tuple(self.weight.shape)}, {self.geometry}, trainable={self.trainable}"


def to_hwio(kernel):
    """Return torch's filters (filters, channels, rows, columns) in Keras's order (rows, columns, channels, filters).

    Examples
    --------
    >>> to_hwio(np.zeros((8, 3, 5, 4))).shape
    (5, 4, 3, 8)
    """
    return kernel.permute(2, 3, 1, 0) if isinstance(kernel, torch.Tensor) else np.transpose(kernel, (2, 3, 1, 0))


def to_oihw(kernel):
    """Return Keras's filters (rows, columns, channels, filters) in torch's order (filters, channels, rows, columns).

    Examples
    --------
    >>> to_oihw(np.zeros((5, 4, 3, 8))).shape
    (8, 3, 5, 4)
    """
    return kernel.permute(3, 2, 0, 1) if isinstance(kernel, torch.Tensor) else np.transpose(kernel, (3, 2, 0, 1))


def draw(initializer: str | Callable, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return an initialiser's weights, in Keras's order, checked: it may be a function of the user's."""
    values = np.asarray(make_initializer(initializer, name)(shape, rng))
    if values.shape != shape or not np.isfinite(values).all():
        raise ValueError(f"{name} returned weights of shape {values.shape}, but expected finite ones of {shape}.")
    return values


def _parameter(values: np.ndarray, trainable: bool) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.array(values, dtype=np.float32, order="C")), requires_grad=bool(trainable))
