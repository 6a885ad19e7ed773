"""What training minimises: the weighted mean of a loss over the samples, one batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kernelopt.errors import missing_extra

try:
    import torch
    from torch.nn import functional as F
except ImportError as error:
    raise missing_extra("torch", "conv") from error


class Objective(Protocol):
    r"""Loss and score of a batch of outputs.

    .. math:: L = \frac1n \sum_i w_i \, \ell(z_i, y_i), \qquad \frac1n \sum_i w_i = 1

    Weights are those of the whole training set, of mean one there, and are not made to sum to anything in a
    batch: so the mean over batches is the loss above, a sample of weight k counts like k copies in it, and the
    gradient of a random batch has that of the loss as its mean.
    """

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """Return the mean of the weighted losses; no weights stand for all one."""

    def score(self, outputs: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """Return the sum, not the mean, of the weighted scores; a perfect one is 1 for each sample."""


@dataclass(frozen=True)
class CrossEntropy:
    """Cross entropy of logits (n, n_classes) and labels (n,), the labels smoothed; the score is the accuracy."""

    label_smoothing: float = 0.0

    def loss(self, outputs, targets, weights):
        """Return the mean of the weighted cross entropies."""
        if weights is None:
            return F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)
        each = F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing, reduction="none")
        return (weights * each).mean()

    def score(self, outputs, targets, weights):
        """Return the weighted number of samples whose largest logit is that of their label."""
        hits = outputs.argmax(dim=1) == targets
        return hits.sum() if weights is None else (weights * hits).sum()


@dataclass(frozen=True)
class SquaredError:
    """Squared error of outputs and targets (n, n_outputs), averaged over the outputs.

    The score is R² where the targets have (weighted) mean zero and variance one, as those of the regressor.
    """

    def loss(self, outputs, targets, weights):
        """Return the mean of the weighted squared errors."""
        each = (outputs - targets).square().mean(dim=1)
        return each.mean() if weights is None else (weights * each).mean()

    def score(self, outputs, targets, weights):
        """Return the weighted sum of 1 - squared error."""
        each = 1 - (outputs - targets).square().mean(dim=1)
        return each.sum() if weights is None else (weights * each).sum()


def objective_for(targets: torch.Tensor, label_smoothing: float = 0.0) -> Objective:
    """Return the cross entropy for integer labels, the squared error for numbers.

    Examples
    --------
    >>> objective_for(torch.tensor([0, 1])), objective_for(torch.zeros(5, 2))
    (CrossEntropy(label_smoothing=0.0), SquaredError())
    """
    return SquaredError() if targets.is_floating_point() else CrossEntropy(label_smoothing)
