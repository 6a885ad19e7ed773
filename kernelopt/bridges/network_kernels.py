r"""Networks as kernels: what a network makes of two images, at random initialisation or after training.

For a network :math:`f(x) = V \phi_L(x) + c`, the *conjugate kernel* of a layer is the inner product
of what it puts out, :math:`\phi_l(x)^\top \phi_l(z)`, and the *empirical tangent kernel* is that of the gradients with
respect to all parameters, :math:`\frac1q \sum_{c=1}^q \nabla_\theta f_c(x)^\top \nabla_\theta f_c(z)`, the mean over
the q outputs [jacot2018]_. Both are positive semidefinite for any weights; random ones know nothing of the data.

References
----------
.. [jacot2018] Jacot, Gabriel, Hongler. Neural Tangent Kernel: Convergence and Generalization in Neural Networks.
   NeurIPS 2018.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from kernelopt.conv.layers import build_layers
from kernelopt.errors import missing_extra
from kernelopt.kernels.algebra import Kernel

try:
    import torch

    from kernelopt.conv.network import ConvNet
except ImportError as error:
    raise missing_extra("torch", "conv") from error

BATCH_BYTES = 2**27  # gradients held at once


def random_network(
    image_shape: Sequence[int], seed: int, filters: Sequence[int] = (8, 16), kernel_size: Sequence[int] = (5, 3)
) -> ConvNet:
    """Return a network with one output and random weights, in double precision.

    Weights of convolutions are normal with variance 2 / fan-in, those of the head 1 / fan-in, biases zero.

    Parameters
    ----------
    image_shape : sequence of int
        (channels, height, width), or (height, width) for grey images.
    seed : int
    filters, kernel_size : sequence of int
        Of each layer.

    Examples
    --------
    >>> network = random_network((8, 8), seed=0)
    >>> network(torch.zeros(3, 1, 8, 8, dtype=torch.float64)).shape
    torch.Size([3, 1])
    """
    shape = (1, *image_shape) if len(image_shape) == 2 else tuple(image_shape)
    network = ConvNet(build_layers(filters=list(filters), kernel_size=list(kernel_size)), shape, 1).double()
    rng = np.random.default_rng([seed, 5])
    with torch.no_grad():
        for weight in (*network.filters, network.head.weight):
            gain = 1.0 if weight is network.head.weight else 2.0
            draw = rng.normal(scale=np.sqrt(gain / weight[0].numel()), size=tuple(weight.shape))
            weight.copy_(torch.from_numpy(draw))
    return network


class NetworkKernel(Kernel):
    """A kernel that a network makes; its weights are as they are when the kernel is made.

    Parameters
    ----------
    network : ConvNet
        The network; copied by no one, so leave it alone afterwards.
    image_shape : tuple of int
        (channels, height, width); rows are such images, flattened.
    what : "tangent" or int
        The tangent kernel, or the conjugate kernel of a layer from 0, or from the end if negative.
    centre, scale : float
        What is subtracted from pixels, and then divides them; or one value per channel, of shape (channels, 1, 1).
    name : str, optional
        What it is called where weights are shown.

    Examples
    --------
    >>> network = random_network((8, 8), seed=0)
    >>> k, X = NetworkKernel(network, (1, 8, 8)), np.random.default_rng(0).random((3, 64))
    >>> K = k(X, X)
    >>> K.shape, np.allclose(K, K.T), bool(np.linalg.eigvalsh(K).min() > -1e-9 * K.max())
    ((3, 3), True, True)
    """

    def __init__(
        self,
        network: ConvNet,
        image_shape: Sequence[int],
        what: Literal["tangent"] | int = "tangent",
        *,
        centre: float | np.ndarray = 0.0,
        scale: float | np.ndarray = 1.0,
        name: str | None = None,
    ):
        if what != "tangent" and not (isinstance(what, int) and -len(network.layers) <= what < len(network.layers)):
            raise ValueError(f"what must be 'tangent' or one of {len(network.layers)} layers, found {what!r}")
        self.network, self.image_shape, self.what = network, tuple(image_shape), what
        self.centre, self.scale = centre, scale
        layer = "tangent kernel" if what == "tangent" else f"conjugate kernel {int(what) % len(network.layers) + 1}"
        self.name = name or layer
        self.content = self._content()

    def _content(self) -> str:
        """Return what tells this kernel from every other."""
        digest = hashlib.sha256(repr((self.network.layers, self.image_shape, self.what)).encode())
        for value in (*(p.detach().numpy() for p in self.network.parameters()), self.centre, self.scale):
            digest.update(np.ascontiguousarray(value).tobytes())
        return f"NetworkKernel({digest.hexdigest()})"

    def proven_psd(self) -> bool:
        """Return True: it is an inner product of features."""
        return True

    def __call__(self, X: Any, Z: Any) -> np.ndarray:
        """Return k(x, z) for the rows of X and Z."""
        total = 0.0
        for output in range(self.n_parts):
            A = self.features(X, output)
            total = total + A @ (A if Z is X else self.features(Z, output)).T
        return np.asarray(total)

    def diag(self, X: Any) -> np.ndarray:
        """Return k(x, x) for each row of X."""
        return np.sum([np.square(self.features(X, output)).sum(axis=1) for output in range(self.n_parts)], axis=0)

    @property
    def n_parts(self) -> int:
        """Number of parts that the kernel is the sum of: one per output, of a tangent kernel."""
        return self.network.head.out_features if self.what == "tangent" else 1

    def features(self, X: Any, output: int = 0) -> np.ndarray:
        """Return the features (n, d) whose inner products a part is: gradients of an output, or what a layer gives."""
        pixels = np.asarray(X, dtype=float).reshape(-1, *self.image_shape)
        images = torch.from_numpy((pixels - self.centre) / self.scale)
        if self.what != "tangent":
            stop = int(self.what) % len(self.network.layers) + 1
            with torch.no_grad():
                return self.network.maps(images, stop=stop).flatten(1).numpy()
        return tangent_features(self.network, images, output) / np.sqrt(self.n_parts)


def tangent_features(network: ConvNet, images: torch.Tensor, output: int = 0) -> np.ndarray:
    r"""Return the gradients of one of a network's outputs with respect to all parameters, one row per image.

    Parameters
    ----------
    network : ConvNet
    images : tensor of shape (n, c, h, w)
    output : int

    Returns
    -------
    ndarray of shape (n, P)
        Parameters in the order of ``network.parameters()``.
    """
    values = {name: parameter.detach() for name, parameter in network.named_parameters()}

    def value(parameters: dict[str, torch.Tensor], image: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(network, parameters, (image[None],))[0, output]

    size = 8 * sum(value.numel() for value in values.values())
    gradient = torch.func.vmap(torch.func.grad(value), in_dims=(None, 0))
    parts = []
    for batch in images.split(max(1, BATCH_BYTES // size)):
        found = gradient(values, batch)
        parts.append(torch.cat([found[name].flatten(1) for name in values], dim=1).detach().numpy())
    return np.concatenate(parts)


def random_network_kernels(
    X: np.ndarray, sample_weight: np.ndarray | None = None, *, image_shape: Sequence[int], seed: int = 0, draws: int = 1
) -> list[NetworkKernel]:
    """Return the conjugate kernel of each layer and the tangent kernel of networks with random weights.

    Pixels are centred and scaled by mean and spread of all of X, weighted.

    Parameters
    ----------
    X : array of shape (n, d)
        Training images, flattened.
    sample_weight : array of shape (n,), optional
    image_shape : sequence of int
        (height, width), or (channels, height, width).
    seed : int
        Of the first network.
    draws : int
        Networks; each has kernels of its own.

    Examples
    --------
    >>> X = np.random.default_rng(0).random((4, 64))
    >>> [kernel.name for kernel in random_network_kernels(X, image_shape=(8, 8))]
    ['conjugate kernel 1', 'conjugate kernel 2', 'tangent kernel']
    """
    shape = (1, *image_shape) if len(image_shape) == 2 else tuple(image_shape)
    if int(np.prod(shape)) != np.shape(X)[1]:
        raise ValueError(f"image_shape {tuple(image_shape)} has {np.prod(shape)} pixels, but X has {np.shape(X)[1]}")
    per_image = np.asarray(X, dtype=float).mean(axis=1)
    centre = float(np.average(per_image, weights=sample_weight))
    spread = float(np.sqrt(np.average(np.square(X - centre).mean(axis=1), weights=sample_weight)))
    kernels: list[NetworkKernel] = []
    for draw in range(draws):
        network = random_network(shape, seed + draw)
        suffix = f", network {draw + 1}" if draws > 1 else ""
        for what in (*range(len(network.layers)), "tangent"):
            kernel = NetworkKernel(network, shape, what, centre=centre, scale=spread or 1.0)
            kernel.name += suffix
            kernels.append(kernel)
    return kernels


def trained_network_kernels(estimator: Any) -> list[NetworkKernel]:
    """Return the conjugate kernel of each layer and the tangent kernel of a fitted network.

    A kernel of a network that was trained on some images looks better on them than it is: judge it on others.

    Parameters
    ----------
    estimator : ConvNetClassifier or ConvNetRegressor
        Fitted; images are standardised as it does.

    Examples
    --------
    >>> from kernelopt import ConvNetClassifier
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> network = ConvNetClassifier(filters=(4, 6), kernel_size=3, epochs=1, random_state=0).fit(X[:60], y[:60])
    >>> [k(X[60:63], X[60:63]).shape for k in trained_network_kernels(network)]
    [(3, 3), (3, 3), (3, 3)]
    """
    network, shape = estimator.network_, estimator.image_shape_
    layers: list[Any] = [*range(len(network.layers)), "tangent"]
    centre, scale = np.reshape(estimator.pixel_mean_, (-1, 1, 1)), np.reshape(estimator.pixel_scale_, (-1, 1, 1))
    return [NetworkKernel(network, shape, what, centre=centre, scale=scale) for what in layers]
