"""One image on its way through the first layer and back: every number of a gradient, to be looked at."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

from kernelopt.conv.activations import make_activation
from kernelopt.conv.network import ConvNet
from kernelopt.errors import missing_extra

try:
    import torch
    from torch.nn import functional as F
except ImportError as error:
    raise missing_extra("torch", "conv") from error


class OneImage(NamedTuple):
    """What one image does to the first layer of a network, in float64.

    `outputs` (F, h, w) are the layer's before activation and pooling, `output_gradient` is the gradient of the loss for
    them. `filter_gradient` (F, c, k, k) and `bias_gradient` (F,) are those for the layer's parameters.
    """

    outputs: np.ndarray
    output_gradient: np.ndarray
    filter_gradient: np.ndarray
    bias_gradient: np.ndarray
    probabilities: np.ndarray
    loss: float


def backpropagate(network: ConvNet, image: np.ndarray, label: int) -> OneImage:
    r"""Return the gradients of the cross entropy of one image, for the first layer's output and its parameters.

    The parameters' gradients come from torch's automatic differentiation of the whole network; they are not made from
    `output_gradient`, so that

    .. math:: \bar W_{fc}(u) = \sum_p \bar y_f(p) \, x_c(p + u)

    can be checked with the numbers returned.

    Parameters
    ----------
    network : ConvNet
    image : array of shape (c, h, w)
        As the network sees it.
    label : int
        Index of its class.

    Returns
    -------
    OneImage

    Raises
    ------
    ValueError
        If the label is not the index of an output.

    Examples
    --------
    >>> from kernelopt.conv.layers import ConvLayer
    >>> from kernelopt.conv.network import start_network
    >>> images = np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype("float32")
    >>> network = start_network([ConvLayer(4, 3, padding="valid")], images, n_classes=2, seed=0)
    >>> _ = torch.nn.init.ones_(network.head.weight[0])  # the head starts at zero, and lets nothing back
    >>> back = backpropagate(network, images[0], 1)
    >>> by_hand = (back.output_gradient[2] * images[0, 0, 1:7, 2:8]).sum()  # entry (1, 2) of filter 2
    >>> bool(np.isclose(back.filter_gradient[2, 0, 1, 2], by_hand))
    True
    """
    n_outputs = network.head.out_features
    if label not in range(n_outputs):
        raise ValueError(f"label={label!r}, but expected one of 0, ..., {n_outputs - 1}.")
    network = copy.deepcopy(network).cpu().double().requires_grad_(True)
    x = torch.from_numpy(np.array(image, dtype=np.float64)[np.newaxis])
    target = torch.tensor([label])
    conv = network.convs[0]
    with torch.enable_grad():
        y = network.correlate(0, x)
        activated = make_activation(conv.activation)(y)
        logits = network(F.max_pool2d(activated, network.pools[0]), start=1)
        (dy,) = torch.autograd.grad(F.cross_entropy(logits, target), [y])
        loss = F.cross_entropy(network(x), target)
        parameters = [conv.weight, *([] if conv.bias is None else [conv.bias])]
        dW, *db = torch.autograd.grad(loss, parameters)
    return OneImage(
        outputs=y[0].detach().numpy(),
        output_gradient=dy[0].numpy(),
        filter_gradient=dW.numpy(),
        bias_gradient=db[0].numpy() if db else np.zeros(len(dW)),
        probabilities=torch.softmax(logits[0], dim=0).detach().numpy(),
        loss=loss.item(),
    )
