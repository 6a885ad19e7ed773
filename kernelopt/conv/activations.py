"""Functions applied to each response, under Keras's names and with its default parameters."""

from __future__ import annotations

from collections.abc import Callable

from kernelopt.errors import missing_extra

try:
    import torch
    from torch.nn import functional as F
except ImportError as error:
    raise missing_extra("torch", "conv") from error

Activation = Callable[[torch.Tensor], torch.Tensor]

ACTIVATIONS: dict[str, Activation] = {
    "linear": lambda x: x,
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "elu": F.elu,
    "selu": F.selu,
    "celu": F.celu,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "squareplus": lambda x: (x + (x.square() + 4).sqrt()) / 2,
    # the rectifier whose corner is a parabola from -1 to 1
    "sparse_plus": lambda x: torch.where(x >= 1, x, (x.clamp(min=-1) + 1).square() / 4),
    "soft_shrink": F.softshrink,
    "hard_shrink": F.hardshrink,
    "tanh": torch.tanh,
    "tanh_shrink": F.tanhshrink,
    "hard_tanh": F.hardtanh,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": F.hardsigmoid,
    "log_sigmoid": F.logsigmoid,
    "sparse_sigmoid": lambda x: ((x + 1) / 2).clamp(0, 1),
    "silu": F.silu,
    "hard_silu": F.hardswish,
    "gelu": F.gelu,
    "mish": F.mish,
    "exponential": torch.exp,
    "softmax": lambda x: F.softmax(x, dim=-1),  # the last axis, whatever it holds
    "log_softmax": lambda x: F.log_softmax(x, dim=-1),
}


def make_activation(activation: str | Activation | None) -> Activation:
    """Return the function of a name in ``ACTIVATIONS``, the function itself, or the identity for None.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> make_activation("relu")(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if activation is None:
        return ACTIVATIONS["linear"]
    if callable(activation):
        return activation
    if activation not in list(ACTIVATIONS):
        raise ValueError(
            f"activation={activation!r}, but expected None, a function or one of {', '.join(ACTIVATIONS)}."
        )
    return ACTIVATIONS[activation]
