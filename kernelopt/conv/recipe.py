"""How a network is trained: numbers and names only, no tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real

from sklearn.utils import check_scalar

from kernelopt.conv.augmentation import Augmentation

OPTIMIZERS = ("adamw", "sgd", "muon")
SCHEDULES = ("one_cycle", "constant")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: which optimiser, at which learning rate, for how long.

    Parameters
    ----------
    epochs : int
        Passes over the training images.
    batch_size : int
        Images per step, at most; an epoch's batches are equal in size up to one.
    learning_rate : float
        Peak of the schedule, see :func:`one_cycle`.
    weight_decay : float
        Each step first shrinks weights by this times the learning rate.
    label_smoothing : float
        Share of the target spread evenly over all classes, in [0, 1).
    reuse_frozen : bool
        Compute the outputs of the layers before the first trainable one once, not in every epoch. The
        results are the same up to rounding; False is there to show it. Augmented images cannot be reused.
    optimizer : {"adamw", "sgd", "muon"}
        See :func:`kernelopt.conv.optimizers.make_optimizers`.
    schedule : {"one_cycle", "constant"}
    clip_norm : float or None
        Longer gradients of a batch, over all parameters together, are shortened to this norm.
    augmentation : Augmentation or None
        How training images are varied, afresh in every step.
    patience : int or None
        Stop once the validation loss has not fallen for so many epochs, and go back to its best epoch;
        None to train for all epochs and keep the last.
    precision : {"float32", "bfloat16"}
        Of products and of what flows between layers. Weights, their steps and the loss are float32 in either case.
    compile : bool
        Let torch.compile make code for the network first, which takes from seconds to a minute.

    Raises
    ------
    TypeError, ValueError
        If a number has another type or lies outside its range, or a name is unknown.

    References
    ----------
    I. Loshchilov, F. Hutter: Decoupled weight decay regularization. ICLR 2019.

    Examples
    --------
    >>> Recipe(epochs=10).batch_size
    64
    >>> Recipe(epochs=10, learning_rate=0.5, schedule="constant").rate(0.9)
    0.5
    """

    epochs: int
    batch_size: int = 64
    learning_rate: float = 1e-2
    weight_decay: float = 0.1
    label_smoothing: float = 0.0
    reuse_frozen: bool = True
    optimizer: str = "adamw"
    schedule: str = "one_cycle"
    clip_norm: float | None = None
    augmentation: Augmentation | None = None
    patience: int | None = None
    precision: str = "float32"
    compile: bool = False

    def __post_init__(self):
        check_scalar(self.epochs, "epochs", Integral, min_val=1)
        check_scalar(self.batch_size, "batch_size", Integral, min_val=1)
        check_scalar(self.learning_rate, "learning_rate", Real, min_val=0)
        check_scalar(self.weight_decay, "weight_decay", Real, min_val=0)
        check_scalar(self.label_smoothing, "label_smoothing", Real, min_val=0, max_val=1, include_boundaries="left")
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r}, but expected one of {known}.")
        if self.clip_norm is not None:
            check_scalar(self.clip_norm, "clip_norm", Real, min_val=0, include_boundaries="neither")
        if not isinstance(self.augmentation, Augmentation | None):
            raise ValueError(f"augmentation={self.augmentation!r}, but expected an Augmentation or None.")
        if self.patience is not None:
            check_scalar(self.patience, "patience", Integral, min_val=1)
        if not isinstance(self.compile, bool):
            raise TypeError(f"compile={self.compile!r}, but expected True or False.")

    def rate(self, progress: float) -> float:
        """Return the learning rate when this share of all steps is done."""
        return self.learning_rate * (one_cycle(progress) if self.schedule == "one_cycle" else 1.0)


def one_cycle(progress: float, warm_up: float = 0.2) -> float:
    """Return the share of the peak learning rate: up a line, then down half a cosine to zero.

    Examples
    --------
    >>> [round(one_cycle(t), 2) for t in (0.1, 0.2, 0.6, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm_up) / (1 - warm_up))))


def auto_epochs(n_images: int, batch_size: int, least_steps: int = 300, least_epochs: int = 10) -> int:
    """Return enough epochs for `least_steps` gradient steps, and never fewer than `least_epochs`.

    Examples
    --------
    >>> auto_epochs(200, 64), auto_epochs(2000, 64), auto_epochs(60000, 64)
    (75, 10, 10)
    """
    return max(least_epochs, math.ceil(least_steps / math.ceil(n_images / batch_size)))
