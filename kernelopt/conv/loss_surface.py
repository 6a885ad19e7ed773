"""The loss around a network's weights, on a plane through two random directions of comparable length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_scalar

from kernelopt.conv.network import ConvNet
from kernelopt.conv.trace import as_targets
from kernelopt.errors import missing_extra

try:
    import torch
    from torch.func import functional_call
    from torch.nn import functional as F
except ImportError as error:
    raise missing_extra("torch", "conv") from error

STREAM = 3001  # own random numbers: the seed that started a network would point along its very filters

Direction = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Surface:
    """Losses (n, n) at ``weights + steps[i] * first + steps[j] * second``, and the two directions."""

    steps: np.ndarray
    losses: np.ndarray
    first: Direction
    second: Direction


def filter_normalised(network: ConvNet, seed: int, which: int = 0) -> Direction:
    r"""Return a random direction in which every filter has the length of the network's filter.

    .. math:: d_f \leftarrow \frac{d_f}{\|d_f\|} \, \|W_f\|, \qquad d_f \sim \mathcal N(0, I)

    A rectified layer computes the same if its filters are scaled up and the next layer's down; with directions of
    this length its surface looks the same too, so that pictures of two networks can be compared. Rows of the head
    count as filters. Biases do not move, nor do layers that are not trainable.

    Parameters
    ----------
    network : ConvNet
    seed, which : int
        Of one seed, each `which` is another direction.

    Returns
    -------
    dict of tensors
        By the parameters' names.

    References
    ----------
    H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: Visualizing the loss landscape of neural nets. NeurIPS 2018.

    Examples
    --------
    >>> from kernelopt.conv.layers import ConvLayer
    >>> network = ConvNet([ConvLayer(4, 3), ConvLayer(5, 3, trainable=False)], (1, 8, 8), 2)
    >>> list(filter_normalised(network, seed=0))
    ['convs.0.weight', 'head.weight']
    """
    rng = np.random.default_rng([seed, which, STREAM])
    moving = [f"convs.{i}.weight" for i, layer in enumerate(network.layers) if layer.trainable]
    direction = {}
    for name in (*moving, "head.weight"):
        weight = network.get_parameter(name).detach()
        draws = torch.from_numpy(rng.standard_normal(tuple(weight.shape))).to(weight)
        axes = tuple(range(1, weight.ndim))
        lengths = [torch.linalg.vector_norm(a, dim=axes, keepdim=True) for a in (weight, draws)]
        direction[name] = draws * lengths[0] / lengths[1]
    return direction


def loss_surface(
    network: ConvNet,
    images: np.ndarray,
    labels: np.ndarray,
    extent: float = 1.0,
    n_points: int = 21,
    seed: int = 0,
    loss: Callable = F.cross_entropy,
) -> Surface:
    r"""Return the mean loss on some images on a square around the weights, spanned by two random directions.

    .. math:: \ell(a, b) = \frac1n \sum_i \mathrm{loss}\bigl(z(x_i; W + a d^{(1)} + b d^{(2)}), y_i\bigr),
              \qquad |a|, |b| \le \text{extent}

    Every value is the loss of a network: nothing is interpolated. Penalties are not counted. The network is not
    touched. A plane shows two of many dimensions: a bowl here does not prove a minimum.

    Parameters
    ----------
    network : ConvNet
    images : array of shape (n, c, h, w)
        As the network sees them.
    labels : array of shape (n,)
        Targets of `loss`.
    extent : float
        1 reaches weights at the distance of the filters' own length.
    n_points : int
        Along each side; odd, so that the centre is the network itself.
    seed : int
    loss : callable
        Mean loss of outputs (n, n_outputs) and labels (n,).

    Returns
    -------
    Surface

    Raises
    ------
    TypeError, ValueError
        If `extent` or `n_points` is not valid.

    Examples
    --------
    >>> from kernelopt.conv.layers import ConvLayer
    >>> network = ConvNet([ConvLayer(4, 3)], (1, 8, 8), 2)  # zeros everywhere: no direction has a length
    >>> loss_surface(network, np.ones((5, 1, 8, 8)), np.array([0, 1, 0, 1, 1]), n_points=3).losses.round(3)
    array([[0.693, 0.693, 0.693],
           [0.693, 0.693, 0.693],
           [0.693, 0.693, 0.693]])
    """
    check_scalar(extent, "extent", Real, min_val=0, include_boundaries="neither")
    check_scalar(n_points, "n_points", Integral, min_val=3)
    if n_points % 2 == 0:
        raise ValueError(f"n_points={n_points}, but expected an odd number: the centre is the network itself.")
    place = network.filters[0]
    x, y = torch.from_numpy(np.array(images)).to(place), as_targets(labels).to(place.device)
    first, second = (filter_normalised(network, seed, which) for which in range(2))
    weights = {name: network.get_parameter(name).detach() for name in first}
    half = n_points // 2
    steps = [extent * k / half for k in range(-half, half + 1)]
    losses = np.empty((n_points, n_points))
    with torch.no_grad():
        for i, j in np.ndindex(losses.shape):
            there = {name: w + steps[i] * first[name] + steps[j] * second[name] for name, w in weights.items()}
            losses[i, j] = float(loss(functional_call(network, there, (x,)), y))
    return Surface(np.array(steps), losses, first, second)
