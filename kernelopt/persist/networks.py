"""Networks: their weights as safetensors, and the arguments that build them again.

One entry of `NETWORKS` per class. Nothing here imports torch before a network is saved or loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from math import prod
from typing import Any

from kernelopt.errors import missing_extra
from kernelopt.persist.container import Refused


@dataclass(frozen=True)
class Hook:
    """How one class of networks is taken apart and built again.

    Parameters
    ----------
    arguments : callable
        ``(network, owner) -> dict``, what the constructor needs; `owner` is the estimator that holds it.
    shapes : callable
        ``(**arguments) -> dict``, the shape of every weight, found without allocating any: a file whose
        weights differ is refused before a network of whatever size it declares is built.
    """

    arguments: Callable[[Any, Any], dict[str, Any]]
    shapes: Callable[..., dict[str, tuple[int, ...]]]


def _conv_net_arguments(network, owner) -> dict[str, Any]:
    return {
        "layers": network.layers,
        "image_shape": tuple(int(side) for side in owner.image_shape_),
        "n_classes": int(network.head.out_features),
    }


def _conv_net_shapes(layers, image_shape, n_classes) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    c, *sides = image_shape
    for i, layer in enumerate(layers):
        shapes[f"convs.{i}.weight"] = layer.geometry.kernel_shape(layer.filters, c)
        if layer.use_bias:
            shapes[f"convs.{i}.bias"] = (layer.filters,)
        if layer.normalization is not None:
            shapes |= {f"convs.{i}.running_{name}": (layer.filters,) for name in ("mean", "var")}
        c, (_, sides) = layer.filters, layer.sizes(*sides)
    return shapes | {"head.weight": (n_classes, c * prod(sides)), "head.bias": (n_classes,)}


NETWORKS = {"kernelopt.conv.network.ConvNet": Hook(_conv_net_arguments, _conv_net_shapes)}


def network_name(value: Any) -> str | None:
    """Return the name of a value's class if it is a network with a hook, else None."""
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    return name if name in NETWORKS else None


def network_bytes(network) -> bytes:
    """Return the weights in the format of safetensors."""
    # torch lays filters out channels last, safetensors only stores arrays in C order
    return _safetensors().save({name: weight.contiguous() for name, weight in network.state_dict().items()})


def build_network(name: str, arguments: dict[str, Any], data: bytes, where: str):
    """Return a network on the CPU whose weights are those of the file and are not trainable."""
    hook = NETWORKS.get(name)
    if hook is None:
        raise Refused(f"{where}: {name!r} is not a network that kernelopt saves ({', '.join(NETWORKS)})")
    library = _safetensors()
    try:
        weights = library.load(data)
        expected = hook.shapes(**arguments)
    except Exception as error:  # safetensors has its own error class, which is no ValueError
        raise Refused(f"{where}: the network's weights cannot be read: {error}") from error
    found = {key: tuple(weight.shape) for key, weight in weights.items()}
    kinds = {weight.dtype for weight in weights.values()}
    if found != expected or len(kinds) != 1 or not all(kind.is_floating_point for kind in kinds):
        raise Refused(
            f"{where}: the file's weights do not fit the network it describes: found {found} of {kinds}, "
            f"expected {expected} of one floating type. The file is damaged."
        )
    home, _, short = name.rpartition(".")
    network = getattr(import_module(home), short)(**arguments).to(kinds.pop())
    network.load_state_dict(weights)
    return network.requires_grad_(False)


def _safetensors():
    try:
        return import_module("safetensors.torch")
    except ImportError as error:
        raise missing_extra("safetensors with torch", "conv") from error
