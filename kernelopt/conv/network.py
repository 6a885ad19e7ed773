"""The network: convolutional layers and a linear head, and the start of its filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from kernelopt.conv.banks import make_bank
from kernelopt.conv.layers import ConvLayer
from kernelopt.errors import missing_extra

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError as error:
    raise missing_extra("torch", "conv") from error

SAMPLE = 1000  # training images that the start looks at


class ConvNet(nn.Module):
    r"""Convolutional layers, then a linear head on the flattened last maps.

    .. math:: z = V \operatorname{vec}(h_L) + c, \qquad
              h_l = \mathrm{maxpool}(\max(0, W_l \star h_{l-1} + b_l)), \qquad h_0 = x

    As everywhere in deep learning, "convolution" :math:`\star` is a cross-correlation: the filter is not
    flipped. All biases and the head start at zero, so every network first predicts all classes alike;
    filters are set by :func:`start_network`.

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
        convs: list[nn.Conv2d] = []
        self.pools: list[tuple[int, int]] = []
        c, h, w = image_shape
        for layer in self.layers:
            pool = (layer.pool if h >= layer.pool else 1, layer.pool if w >= layer.pool else 1)
            # skip_init leaves torch's global random state alone, which nn.Conv2d(...) would advance
            conv = nn.utils.skip_init(
                nn.Conv2d,
                c,
                layer.filters,
                layer.kernel_size,
                padding=layer.kernel_size // 2,
                dtype=torch.float32,  # whatever torch's default is
            )
            conv.requires_grad_(bool(layer.trainable))
            convs.append(conv)
            self.pools.append(pool)
            c, h, w = layer.filters, h // pool[0], w // pool[1]
        self.convs = nn.ModuleList(convs).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.head = nn.utils.skip_init(nn.Linear, c * h * w, n_classes, dtype=torch.float32)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    @property
    def n_frozen(self) -> int:
        """Number of layers before the first trainable one; their outputs never change in training."""
        trainable = [bool(layer.trainable) for layer in self.layers]
        return trainable.index(True) if any(trainable) else len(trainable)

    def maps(self, x: torch.Tensor, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """Apply the convolutional layers ``start:stop`` to their input `x` (n, c, h, w)."""
        for i in range(len(self.layers))[start:stop]:
            x = F.relu(F.max_pool2d(self.correlate(i, x), self.pools[i]))  # commute; fewer entries to rectify
        return x

    def forward(self, x: torch.Tensor, start: int = 0) -> torch.Tensor:
        """Return the logits (n, n_classes); `x` is the input of layer `start`."""
        return self.head(self.maps(x, start).flatten(1))

    def correlate(self, i: int, x: torch.Tensor) -> torch.Tensor:
        """Return what layer `i` computes before pooling and rectification, of the size of its input."""
        y = self.convs[i](x)
        return y if y.shape[2:] == x.shape[2:] else y[..., 1:, 1:]  # an even filter gives one row too many

    @property
    def filters(self) -> list[torch.Tensor]:
        """Filters of each layer, of shape (filters, channels, kernel_size, kernel_size)."""
        return [cast(nn.Conv2d, conv).weight for conv in self.convs]


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
    network = ConvNet(layers, images.shape[1:], n_classes)
    chosen = np.random.default_rng(seed).permutation(len(images))[:sample]
    x = torch.from_numpy(np.ascontiguousarray(images[chosen], dtype=np.float32))
    with torch.no_grad():
        for i, (layer, weight) in enumerate(zip(network.layers, network.filters, strict=True)):
            shape = layer.filters, layer.kernel_size, x.shape[1]
            filters = make_bank(layer.bank, *shape, images=x.numpy(), random_state=[seed, i])
            weight.copy_(torch.from_numpy(filters))
            spread = network.correlate(i, x).std(dim=(0, 2, 3), correction=0)
            # A filter with constant responses, as on blank images, has no scale to set and keeps its own.
            weight /= torch.where(spread > 1e-6, spread, 1.0)[:, None, None, None]
            x = network.maps(x, i, i + 1)
    return network


def in_batches(
    function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, batch_size: int = 256
) -> torch.Tensor:
    """Return ``function(x)`` without gradients, computed on batches to bound the memory."""
    with torch.no_grad():
        return torch.cat([function(batch) for batch in x.split(batch_size)])
