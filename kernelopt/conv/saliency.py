"""Which pixels an output rests on: three maps, and the check that a map depends on what was learned."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn.utils import check_scalar

from kernelopt.conv.network import ConvNet
from kernelopt.errors import missing_extra

try:
    import torch
    from torch.nn import functional as F
except ImportError as error:
    raise missing_extra("torch", "conv") from error

STREAM = 3002  # own random numbers: the seed that started a network would give its filters back


class Attributions(NamedTuple):
    """Shares of an output by pixel, (n, c, h, w), and what they miss of its rise over the baseline, (n,)."""

    values: np.ndarray
    gap: np.ndarray


class RandomisationCheck(NamedTuple):
    """Rank correlation, (blocks, n), of each image's map with that after the weights of these blocks are lost."""

    blocks: tuple[str, ...]
    correlations: np.ndarray


def input_gradient(network: ConvNet, images: np.ndarray, targets: np.ndarray | None = None) -> np.ndarray:
    r"""Return the gradient of an output with respect to the pixels, :math:`\partial z_t(x) / \partial x`.

    Parameters
    ----------
    network : ConvNet
    images : array of shape (n, c, h, w)
        As the network sees them, so standardised. All are handled at once.
    targets : integer array of shape (n,), optional
        Which output :math:`z_t` of each image; by default the largest.

    Returns
    -------
    array of shape (n, c, h, w)
        With signs; :func:`heat` makes one picture of the channels.

    Raises
    ------
    ValueError
        If the targets are not such numbers.

    References
    ----------
    K. Simonyan, A. Vedaldi, A. Zisserman: Deep inside convolutional networks. ICLR workshop 2014.

    Examples
    --------
    >>> from kernelopt.conv.layers import ConvLayer
    >>> network = ConvNet([ConvLayer(4, 3)], (1, 8, 8), 2)
    >>> input_gradient(network, np.zeros((5, 1, 8, 8))).shape
    (5, 1, 8, 8)
    """
    x, t = _prepared(network, images, targets)
    return _numpy(_gradient(network, x, t))


def integrated_gradients(
    network: ConvNet,
    images: np.ndarray,
    targets: np.ndarray | None = None,
    baseline: np.ndarray | float = 0.0,
    n_steps: int = 64,
) -> Attributions:
    r"""Divide the rise of an output over its value at a baseline among the pixels.

    .. math:: a = (x - x') \odot \int_0^1 \nabla z_t\bigl(x' + s (x - x')\bigr) \, ds,
              \qquad \sum_p a_p = z_t(x) - z_t(x')

    The first factor is the image's, whatever the network: part of the picture is not learned, as
    :func:`randomisation_check` shows. The integral is a midpoint sum, so the equation on the right,
    completeness, holds up to a gap. It is returned: where it is not small beside the rise, take more steps.

    Parameters
    ----------
    network, images, targets
        As in :func:`input_gradient`.
    baseline : float or array that broadcasts to the images
        :math:`x'`. For standardised images 0 is the mean of the training images' pixels.
    n_steps : int

    Returns
    -------
    Attributions

    Raises
    ------
    TypeError, ValueError
        If the targets or `n_steps` are not valid.

    References
    ----------
    M. Sundararajan, A. Taly, Q. Yan: Axiomatic attribution for deep networks. ICML 2017.

    Examples
    --------
    >>> from kernelopt.conv.layers import ConvLayer
    >>> network = ConvNet([ConvLayer(4, 3)], (1, 8, 8), 2)
    >>> integrated_gradients(network, np.ones((5, 1, 8, 8))).gap
    array([0., 0., 0., 0., 0.], dtype=float32)
    """
    check_scalar(n_steps, "n_steps", Integral, min_val=1)
    x, t = _prepared(network, images, targets)
    start = torch.as_tensor(baseline).to(x).expand_as(x)
    total = torch.zeros_like(x)
    for step in range(n_steps):
        total += _gradient(network, start + (step + 0.5) / n_steps * (x - start), t)
    values = (x - start) * total / n_steps
    with torch.no_grad():
        rise = (network(x) - network(start)).gather(1, t[:, None])[:, 0]
    return Attributions(_numpy(values), _numpy(values.sum(dim=(1, 2, 3)) - rise))


def grad_cam(
    network: ConvNet, images: np.ndarray, targets: np.ndarray | None = None, layer: int | None = None
) -> np.ndarray:
    r"""Weigh the maps of a layer by their mean gradient, and keep what speaks for the output.

    .. math:: m = \max\Bigl(0, \sum_f \alpha_f A_f\Bigr), \qquad
              \alpha_f = \frac1{|A_f|} \sum_p \frac{\partial z_t}{\partial A_f(p)}

    A are the layer's outputs before pooling. The result is brought to the size of the image bilinearly.

    Parameters
    ----------
    network, images, targets
        As in :func:`input_gradient`.
    layer : int, optional
        From 0; by default the last one.

    Returns
    -------
    array of shape (n, h, w)
        Nonnegative; all zero where nothing in the layer speaks for the output on average.

    Raises
    ------
    ValueError
        If the targets are not valid or there is no such layer.

    References
    ----------
    R. R. Selvaraju et al.: Grad-CAM: Visual explanations from deep networks. ICCV 2017.

    Examples
    --------
    >>> from kernelopt.conv.layers import ConvLayer
    >>> network = ConvNet([ConvLayer(4, 3)], (1, 8, 8), 2)
    >>> grad_cam(network, np.zeros((5, 1, 8, 8))).shape
    (5, 8, 8)
    """
    n_layers = len(network.layers)
    layer = n_layers - 1 if layer is None else layer
    if layer not in range(n_layers):
        raise ValueError(f"layer={layer!r}, but expected one of 0, ..., {n_layers - 1}.")
    x, t = _prepared(network, images, targets)
    with torch.no_grad():
        outputs = network.convs[layer](network.maps(x, stop=layer))

    def above(maps: torch.Tensor) -> torch.Tensor:
        return network(F.max_pool2d(maps, network.pools[layer]), layer + 1)

    alpha = _gradient(above, outputs, t).mean(dim=(2, 3), keepdim=True)
    maps = (alpha * outputs).sum(dim=1, keepdim=True).relu()
    return _numpy(F.interpolate(maps, size=x.shape[2:], mode="bilinear", align_corners=False)[:, 0])


def heat(maps: np.ndarray) -> np.ndarray:
    """Return one nonnegative picture (n, h, w) per image: of maps with channels the largest size over them."""
    maps = np.abs(maps)
    return maps.max(axis=1) if maps.ndim == 4 else maps


def randomised(network: ConvNet, seed: int, n_blocks: int | None = None) -> ConvNet:
    """Return a copy that has lost what it learned in its last blocks: the head, then the layers from the last on.

    Their weights, and their biases, become independent normal numbers of the same root mean square.

    Parameters
    ----------
    network : ConvNet
    seed : int
        The blocks that `n_blocks` and ``n_blocks + 1`` have in common are given the same numbers.
    n_blocks : int, optional
        By default all.

    Examples
    --------
    >>> from kernelopt.conv.layers import ConvLayer
    >>> network = ConvNet([ConvLayer(4, 3)], (1, 8, 8), 2)
    >>> torch.nn.init.ones_(network.convs[0].weight).std(), randomised(network, 0).filters[0].std() > 0.5
    (tensor(0., grad_fn=<StdBackward0>), tensor(True))
    """
    other, rng = deepcopy(network), np.random.default_rng([seed, STREAM])
    with torch.no_grad():
        for block in [other.head, *reversed(other.convs)][:n_blocks]:
            for parameter in block.parameters():
                draws = torch.from_numpy(rng.standard_normal(tuple(parameter.shape))).to(parameter)
                parameter.copy_(draws * parameter.square().mean().sqrt())
    return other


def randomisation_check(
    method: Callable[[ConvNet, np.ndarray, np.ndarray], np.ndarray],
    network: ConvNet,
    images: np.ndarray,
    targets: np.ndarray | None = None,
    seed: int = 0,
) -> RandomisationCheck:
    """Ask whether a map depends on what the network has learned, by taking that away from the head downwards.

    A map that stays the same when the weights are lost shows the image, or the architecture, and explains nothing.
    Every map should be shown beside this check.

    Parameters
    ----------
    method : callable
        ``method(network, images, targets)`` returns maps (n, h, w) or (n, c, h, w), as the functions above do.
    network, images, targets
        As in :func:`input_gradient`; the default targets are those of the network as it is.
    seed : int

    Returns
    -------
    RandomisationCheck
        Spearman's correlation of :func:`heat` over the pixels: about 0 once the map has changed completely, 1 where
        it has not. It is 0 where one of the two maps is constant. A network of L layers has L + 1 rows, each of
        which loses one block more.

    References
    ----------
    J. Adebayo et al.: Sanity checks for saliency maps. NeurIPS 2018 (cascading randomisation).

    Examples
    --------
    >>> from kernelopt.conv.layers import ConvLayer
    >>> network = ConvNet([ConvLayer(4, 3)], (1, 8, 8), 2)
    >>> images = np.random.default_rng(0).normal(size=(3, 1, 8, 8))
    >>> check = randomisation_check(lambda network, images, targets: images, network, images)
    >>> check.blocks, bool(check.correlations.min() > 0.999)  # the image itself explains nothing
    (('head', 'layer 0'), True)
    """
    t = _prepared(network, images, targets)[1].cpu().numpy()
    blocks = ("head", *(f"layer {i}" for i in reversed(range(len(network.layers)))))
    before = heat(method(network, images, t))
    rows = []
    for n_blocks in range(1, len(blocks) + 1):
        after = heat(method(randomised(network, seed, n_blocks), images, t))
        rows.append([_rank_correlation(a, b) for a, b in zip(before, after, strict=True)])
    return RandomisationCheck(blocks, np.array(rows))


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    ranks = [rankdata(values.ravel()) for values in (a, b)]
    ranks = [values - values.mean() for values in ranks]
    norms = float(np.linalg.norm(ranks[0]) * np.linalg.norm(ranks[1]))
    return float(ranks[0] @ ranks[1]) / norms if norms > 0 else 0.0


def _prepared(network: ConvNet, images: np.ndarray, targets: np.ndarray | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images and the targets as tensors, where the network is."""
    x = torch.from_numpy(np.array(images)).to(network.filters[0])
    with torch.no_grad():
        outputs = network(x)
    if targets is None:
        return x, outputs.argmax(dim=1)
    t = np.array(targets)
    n_outputs = outputs.shape[1]
    if t.shape != (len(x),) or t.dtype.kind not in "iu" or t.min(initial=0) < 0 or t.max(initial=0) >= n_outputs:
        raise ValueError(
            f"targets has shape {t.shape} and type {t.dtype}, but expected {len(x)} integers in [0, {n_outputs}), "
            "the number of an output for each image."
        )
    return x, torch.from_numpy(t.astype(np.int64)).to(x.device)


def _gradient(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, targets: torch.Tensor):
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(function(x).gather(1, targets[:, None]).sum(), x)
    return gradient


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return np.array(tensor.detach().cpu().numpy(), order="C")
