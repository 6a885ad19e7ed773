"""Optimisers: how a gradient becomes a step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from kernelopt.conv.network import ConvNet
from kernelopt.errors import missing_extra

try:
    import torch
except ImportError as error:
    raise missing_extra("torch", "conv") from error

MOMENTUM = 0.9


class Muon(torch.optim.Optimizer):
    r"""Steps whose matrix has singular values near one: no direction of the gradient is drowned by others.

    .. math:: B \leftarrow \mu B + G, \qquad
              W \leftarrow (1 - \eta\lambda) W - 0.2 \, \eta \sqrt{\max(m, n)} \, U V^\top,
              \qquad G + \mu B = U S V^\top

    A tensor of more axes is read as the matrix (first axis, all others): one row per filter. The factor gives
    steps the size that AdamW's have, so that both want the same learning rate and weight decay.

    Parameters
    ----------
    parameters : iterable of Parameter
        With at least two axes each.
    lr, weight_decay, momentum : float

    References
    ----------
    K. Jordan et al.: Muon, an optimizer for hidden layers in neural networks. 2024.
    J. Liu et al.: Muon is scalable for LLM training. 2025 (the factor 0.2).

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.zeros(2, 1, 1, 2))
    >>> weight.grad = torch.tensor([3.0, 0.0, 0.0, 0.01]).reshape(2, 1, 1, 2)
    >>> Muon([weight], lr=1.0).step()
    >>> bool(weight.detach()[1, 0, 0, 1].abs() > 0.1)  # though its gradient is three hundred times smaller
    True
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = MOMENTUM,
    ):
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                buffer = state["momentum_buffer"]
                buffer.mul_(group["momentum"]).add_(parameter.grad)
                ahead = parameter.grad.add(buffer, alpha=group["momentum"]).flatten(1)  # Nesterov's
                size = 0.2 * math.sqrt(max(ahead.shape))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(orthogonalised(ahead).reshape(parameter.shape), alpha=group["lr"] * size)


def orthogonalised(G: torch.Tensor, steps: int = 5) -> torch.Tensor:
    r"""Return nearly :math:`U V^\top` for :math:`G = U S V^\top`, by matrix products alone.

    Five rounds of the polynomial :math:`a x + b x^3 + c x^5` on the singular values, whose coefficients make small
    ones grow fast and leave all but tiny ones between 0.68 and 1.14, which is near enough to one for a step.

    Examples
    --------
    >>> S = torch.linalg.svdvals(orthogonalised(torch.diag(torch.tensor([5.0, 1.0, 0.2]))))
    >>> bool(S.min() > 0.6 and S.max() < 1.3)
    True
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = G.shape[0] <= G.shape[1]
    X = G if wide else G.T
    X = X / (X.norm() + torch.finfo(X.dtype).tiny)
    for _ in range(steps):
        A = X @ X.T
        X = a * X + (b * A + c * A @ A) @ X
    return X if wide else X.T


def make_optimizers(name: str, network: ConvNet, weight_decay: float) -> list[torch.optim.Optimizer]:
    """Return the optimisers of a network's parameters, at learning rate one: a schedule sets it before each step.

    - "adamw": Adam with decoupled weight decay;
    - "sgd": gradient descent with Nesterov momentum 0.9; its weight decay is added to the gradient;
    - "muon": :class:`Muon` for the filters, AdamW for biases and the head.

    Examples
    --------
    >>> from kernelopt.conv.layers import ConvLayer
    >>> network = ConvNet([ConvLayer(4, 3)], (1, 8, 8), 2)
    >>> [type(optimizer).__name__ for optimizer in make_optimizers("muon", network, 0.1)]
    ['Muon', 'AdamW']
    """
    if name == "sgd":
        return [
            torch.optim.SGD(network.parameters(), lr=1.0, momentum=MOMENTUM, nesterov=True, weight_decay=weight_decay)
        ]
    if name == "adamw":
        return [torch.optim.AdamW(network.parameters(), lr=1.0, weight_decay=weight_decay)]
    filters = network.filters
    others = [p for p in network.parameters() if not any(p is weight for weight in filters)]
    return [
        Muon(filters, lr=1.0, weight_decay=weight_decay),  # type: ignore[arg-type]
        torch.optim.AdamW(others, lr=1.0, weight_decay=weight_decay),
    ]


def state_tensors(optimizers: list[torch.optim.Optimizer]) -> dict[str, torch.Tensor]:
    """Return copies of all that optimisers remember between steps, by "optimiser.parameter.name".

    Examples
    --------
    >>> weight = torch.nn.Parameter(torch.zeros(2, 2))
    >>> weight.grad = torch.eye(2)
    >>> optimizer = Muon([weight], lr=0.1)
    >>> optimizer.step()
    >>> list(state_tensors([optimizer]))
    ['0.0.momentum_buffer']
    """
    return {
        f"{i}.{j}.{name}": torch.as_tensor(value).detach().cpu().clone(memory_format=torch.contiguous_format)
        for i, optimizer in enumerate(optimizers)
        for j, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
        if value is not None
    }


def set_state(optimizers: list[torch.optim.Optimizer], tensors: Mapping[str, torch.Tensor]) -> None:
    """Make optimisers, of the same parameters, remember what :func:`state_tensors` returned."""
    for key, value in tensors.items():
        i, j, name = key.split(".")
        parameters = [p for group in optimizers[int(i)].param_groups for p in group["params"]]
        parameter = parameters[int(j)]
        if value.shape == parameter.shape:  # in the parameter's own layout, for the same bits
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)
        optimizers[int(i)].state[parameter][name] = value.clone() if value.ndim == 0 else value
