"""One network, its training samples and its optimisers: the pass over the samples that training repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from kernelopt.conv.distributed import Team
from kernelopt.conv.network import ConvNet, in_batches
from kernelopt.conv.objectives import objective_for
from kernelopt.conv.optimizers import make_optimizers
from kernelopt.conv.precision import lowered
from kernelopt.conv.recipe import Recipe
from kernelopt.conv.validation import Samples
from kernelopt.errors import missing_extra

try:
    import torch
except ImportError as error:
    raise missing_extra("torch", "conv") from error

Numbers = tuple[float, float, float]  # mean loss, mean score, norm of the mean gradient
MEASURED = 10_000  # samples that losses and gradients between epochs are measured on, at most


class Run:
    """A network with its training samples, optimiser and random numbers, between two steps.

    Parameters
    ----------
    network : ConvNet
    samples : Samples
    recipe : Recipe
    seed : int or sequence of int
    device : torch.device or str
    """

    def __init__(
        self,
        network: ConvNet,
        samples: Samples,
        recipe: Recipe,
        seed: int | Sequence[int],
        device: torch.device | str,
    ):
        self.network, self.recipe, self.device = network.to(device), recipe, device
        x, self.targets, self.weights = samples.on(device)
        network.eval()
        varied = recipe.augmentation is not None
        self.first = network.n_frozen if recipe.reuse_frozen and not varied else 0
        with lowered(device, recipe.precision):
            self.inputs = in_batches(lambda batch: network.maps(batch, stop=self.first), x) if self.first else x
        if recipe.precision == "bfloat16":
            self.inputs = self.inputs.to(torch.bfloat16)
        self.n_batches = math.ceil(len(self.inputs) / recipe.batch_size)
        self.team = Team(device)
        self.team.check(len(self.inputs) // self.n_batches)
        self.forward = self.team.wrap(network)
        if recipe.compile:
            self.forward = torch.compile(self.forward)
        self.objective = objective_for(self.targets, recipe.label_smoothing)
        self.optimizers = make_optimizers(recipe.optimizer, network, recipe.weight_decay)
        parts = [seed] if isinstance(seed, int) else list(seed)
        shuffle = parts[0] if len(parts) == 1 else _mixed(parts)
        self.shuffle = torch.Generator().manual_seed(shuffle)
        self.variation = torch.Generator(device)
        self.variation.manual_seed(_mixed([*parts, 0, 1]))
        n, fixed = len(self.inputs), torch.Generator().manual_seed(_mixed([*parts, 0, 3]))
        self.measured = torch.arange(n) if n <= MEASURED else torch.randperm(n, generator=fixed)[:MEASURED]
        self.sides = torch.randint(0, 2, (n,), generator=fixed).to(device)  # which half of the images turns first

    def measure(self) -> Numbers:
        """Return loss, score and norm of the gradient on the samples as they are, and leave the network alone.

        Where there are more than ``MEASURED`` samples it is a random part of so many, the same every time.
        """
        return self._sweep(self.measured, None)

    def epoch(self, epoch: int) -> Numbers:
        """Visit all samples once, in a random order, with one step per batch; epochs count from 1."""
        self.network.train()
        try:
            return self._sweep(torch.randperm(len(self.inputs), generator=self.shuffle), epoch)
        finally:
            self.network.eval()  # so that whoever looks at it between epochs moves no running mean

    def _sweep(self, order: torch.Tensor, epoch: int | None) -> Numbers:
        """Visit the samples in this order; take steps if it is an epoch."""
        network, n = self.network, len(order)
        augmentation = None if epoch is None else self.recipe.augmentation
        n_batches = math.ceil(n / self.recipe.batch_size)
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        gradients = [torch.zeros_like(parameter) for parameter in parameters]
        loss_sum = torch.zeros((), device=self.device)
        score_sum = torch.zeros((), device=self.device)
        for i, batch in enumerate(order.to(self.device).tensor_split(n_batches)):
            x = self.inputs[batch]
            if augmentation is not None:
                x = augmentation(x, self.variation, self.sides[batch] + cast(int, epoch))
            mine = self.team.mine(len(batch))
            x, targets = x[mine], self.targets[batch[mine]]
            weights = None if self.weights is None else self.weights[batch[mine]]
            costs: list[torch.Tensor] = []
            with lowered(self.device, self.recipe.precision):
                outputs = self.forward(x, self.first, costs).float()
            loss = self.objective.loss(outputs, targets, weights) + sum(costs)
            if self.team.size > 1:  # gradients are averaged over processes, whose parts may differ in size
                loss = loss * (len(x) * self.team.size / len(batch))
            loss = loss + network.penalty()
            network.zero_grad()
            loss.backward()
            for gradient, parameter in zip(gradients, parameters, strict=True):
                gradient.add_(cast(torch.Tensor, parameter.grad), alpha=len(batch) / n)
            loss_sum += loss.detach() * len(batch)
            score_sum += self.objective.score(outputs.detach(), targets, weights)
            if epoch is not None:
                self._step((epoch - 1) * n_batches + i, parameters)
        norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
        self.team.total(sums := torch.stack([loss_sum / self.team.size, score_sum]))
        return float(sums[0]) / n, float(sums[1]) / n, float(norm)

    def _step(self, n_done: int, parameters: list[torch.nn.Parameter]) -> None:
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, self.recipe.clip_norm)
        rate = self.recipe.rate((n_done + 0.5) / (self.recipe.epochs * self.n_batches))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        self.network.project()


def _mixed(parts: list[int]) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
