"""The network: convolutional layers and a linear head, and the start of its filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from kernelopt.conv.banks import grouped_bank
from kernelopt.conv.layers import ConvLayer
from kernelopt.errors import missing_extra

try:
    import torch
    from torch import nn
    from torch.nn import functional as F

    from kernelopt.conv.conv2d import Conv2D, draw, to_oihw
    from kernelopt.conv.normalized import NormalizedConv2D
except ImportError as error:
    raise missing_extra("torch", "conv") from error

SAMPLE = 1000  # training images that the start looks at
_OF_THE_LAYER = (
    *("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "activation", "use_bias", "trainable"),
    *("kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint"),
)


class ConvNet(nn.Module):
    r"""Convolutional layers, then a linear head on the flattened last maps.

    .. math:: z = V \operatorname{vec}(h_L) + c, \qquad
              h_l = \mathrm{maxpool}(\max(0, W_l \star h_{l-1} + b_l)), \qquad h_0 = x

    As everywhere in deep learning, "convolution" :math:`\star` is a cross-correlation: the filter is not
    flipped. The head starts at zero, so every network first predicts all classes alike; filters are set
    by :func:`start_network`.

    Parameters
    ----------
    layers : sequence of ConvLayer
    image_shape : tuple of int
        Of one image: (channels, height, width).
    n_classes : int
        Number of outputs.

    Examples
    --------
    >>> network = ConvNet([ConvLayer(8, 5), ConvLayer(16, 3)], (1, 28, 28), 10)
    >>> network(torch.zeros(2, 1, 28, 28)).shape, network.head.weight.shape
    (torch.Size([2, 10]), torch.Size([10, 784]))
    """

    def __init__(self, layers: Sequence[ConvLayer], image_shape: tuple[int, ...], n_classes: int):
        super().__init__()
        self.layers = tuple(layers)
        convs: list[Conv2D] = []
        self.pools: list[tuple[int, int]] = []
        c, h, w = image_shape
        for layer in self.layers:
            options: dict[str, Any] = {name: getattr(layer, name) for name in _OF_THE_LAYER}
            kind = Conv2D if layer.normalization is None else NormalizedConv2D
            convs.append(kind(**options, kernel_initializer="zeros", data_format="channels_first", channels=c))
            pool, (h, w) = layer.sizes(h, w)
            self.pools.append(pool)
            c = layer.filters
        self.convs = nn.ModuleList(convs).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # skip_init leaves torch's global random state alone, which nn.Linear(...) would advance
        self.head = nn.utils.skip_init(nn.Linear, c * h * w, n_classes, dtype=torch.float32)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    @property
    def n_frozen(self) -> int:
        """Number of layers before the first trainable one; their outputs never change in training."""
        trainable = [bool(layer.trainable) for layer in self.layers]
        return trainable.index(True) if any(trainable) else len(trainable)

    def maps(
        self, x: torch.Tensor, start: int = 0, stop: int | None = None, costs: list[torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Apply the convolutional layers ``start:stop`` to their input `x` (n, c, h, w).

        The activity penalties of what training can change are appended to `costs`, if that is a list.
        """
        for i in range(len(self.layers))[start:stop]:
            conv, costly = self._conv(i), self.layers[i].activity_regularizer is not None
            if self.layers[i].activation == "relu" and not costly:
                x = F.relu(F.max_pool2d(conv.correlate(x), self.pools[i]))  # commute; fewer entries to rectify
                continue
            x = conv(x)
            if costly and costs is not None and i >= self.n_frozen:
                costs.append(torch.as_tensor(conv.activity_penalty(x.float() if x.dtype == torch.bfloat16 else x)))
            x = F.max_pool2d(x, self.pools[i])
        return x

    def forward(self, x: torch.Tensor, start: int = 0, costs: list[torch.Tensor] | None = None) -> torch.Tensor:
        """Return the logits (n, n_classes); `x` is the input of layer `start`, `costs` as in :meth:`maps`."""
        return self.head(self.maps(x, start, costs=costs).flatten(1))

    def correlate(self, i: int, x: torch.Tensor) -> torch.Tensor:
        """Return what layer `i` computes before activation and pooling."""
        return self._conv(i).correlate(x)

    def penalty(self) -> torch.Tensor | float:
        """Return what the weights of trainable layers cost."""
        return sum((self._conv(i).penalty() for i in range(len(self.layers))), 0.0)

    def project(self) -> None:
        """Put the weights of trainable layers where their constraints want them."""
        for i in range(len(self.layers)):
            self._conv(i).project()

    def _conv(self, i: int) -> Conv2D:
        return cast(Conv2D, self.convs[i])

    @property
    def filters(self) -> list[torch.Tensor]:
        """Filters of each layer, of shape (filters, channels // groups, rows, columns)."""
        return [self._conv(i).weight for i in range(len(self.layers))]


def start_network(
    layers: Sequence[ConvLayer], images: np.ndarray, n_classes: int, seed: int, sample: int = SAMPLE
) -> ConvNet:
    """Return a network whose filters are set layer by layer, from their banks and the images.

    Layer by layer: the bank is computed (banks made from data see the outputs of the layer before),
    then each filter is scaled so that its responses to a sample of the images have unit variance. The
    scaling lets banks of different norm compete under one learning rate. Nothing here depends on
    `trainable`: a frozen and a learned layer of the same seed start from identical numbers.

    Parameters
    ----------
    layers : sequence of ConvLayer
    images : array of shape (n, c, h, w)
        Training images as the network will see them.
    n_classes : int
    seed : int
        Layer i draws from ``default_rng([seed, i])``, the sample of images from ``default_rng(seed)``.
    sample : int
        Number of images the start looks at.

    Returns
    -------
    ConvNet
        In float32 on the CPU.

    References
    ----------
    D. Mishkin, J. Matas: All you need is a good init. ICLR 2016 (layer-sequential unit variance).

    Examples
    --------
    >>> images = np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype("float32")
    >>> network = start_network([ConvLayer(4, 3, bank="gabor")], images, n_classes=2, seed=0)
    >>> responses = network.correlate(0, torch.from_numpy(images)).detach()
    >>> torch.allclose(responses.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-3)
    True
    """
    network = ConvNet(layers, images.shape[1:], n_classes).eval()
    chosen = np.random.default_rng(seed).permutation(len(images))[:sample]
    x = torch.from_numpy(np.ascontiguousarray(images[chosen], dtype=np.float32))
    with torch.no_grad():
        for i, (layer, weight) in enumerate(zip(network.layers, network.filters, strict=True)):
            rng = np.random.default_rng([seed, i])
            if layer.kernel_initializer is None:
                side = layer.geometry.kernel_size[0]
                filters = grouped_bank(layer.bank, layer.filters, side, x.shape[1], x.numpy(), rng, layer.groups)
                weight.copy_(torch.from_numpy(filters))
                spread = network.correlate(i, x).std(dim=(0, 2, 3), correction=0)
                # A filter with constant responses, as on blank images, has no scale to set and keeps its own.
                weight /= torch.where(spread > 1e-6, spread, 1.0)[:, None, None, None]
            else:
                shape = *layer.geometry.kernel_size, weight.shape[1], layer.filters
                weight.copy_(
                    torch.from_numpy(to_oihw(draw(layer.kernel_initializer, "kernel_initializer", shape, rng)))
                )
            bias = network.convs[i].bias
            if bias is not None:
                bias.copy_(torch.from_numpy(draw(layer.bias_initializer, "bias_initializer", (layer.filters,), rng)))
            if isinstance(conv := network.convs[i], NormalizedConv2D):
                conv.look(x)
            x = network.maps(x, i, i + 1)
    return network


def in_batches(
    function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, batch_size: int = 256
) -> torch.Tensor:
    """Return ``function(x)`` without gradients, computed on batches to bound the memory."""
    with torch.no_grad():
        return torch.cat([function(batch) for batch in x.split(batch_size)])
