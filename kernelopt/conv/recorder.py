"""What is kept of a training run: numbers and first-layer filters of every epoch."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np


class Recorder:
    r"""History of a training run.

    Epoch 0 is the start, before any step. `history` holds lists of equal length:

    - epoch;
    - loss, accuracy: on the training images; of epoch 0 exactly (on a part, of more than 10,000 images), then
      averaged over the epoch's batches, each taken just before its step;
    - gradient_norm: norm of the mean of these batches' gradients (of the full gradient at epoch 0);
    - filter_move: :math:`\|W - W_0\|_F / \|W_0\|_F` of the first layer; if it starts at zero, the norm itself.

    The first layer's filters are kept at every epoch; `thinned` chooses some of them for a picture.

    Examples
    --------
    >>> recorder = Recorder()
    >>> for epoch in range(3):
    ...     recorder.record(epoch, 1.0, 0.5, 0.1, (1.0 + epoch) * np.ones((2, 1, 3, 3)))
    >>> recorder.history["filter_move"], len(recorder.filters)
    ([0.0, 1.0, 2.0], 3)
    """

    def __init__(self) -> None:
        self.history: dict[str, list] = {
            name: [] for name in ("epoch", "loss", "accuracy", "gradient_norm", "filter_move")
        }
        self.filters: list[np.ndarray] = []

    def record(self, epoch: int, loss: float, accuracy: float, gradient_norm: float, filters: np.ndarray):
        """Append one epoch; `filters` are the first layer's, (F, c, k, k), after it."""
        start = (self.filters[0] if self.filters else filters).astype(np.float64)
        norm = np.linalg.norm(start)
        move = float(np.linalg.norm(filters - start) / (norm if norm > 0 else 1.0))
        for name, value in zip(self.history, (epoch, loss, accuracy, gradient_norm, move), strict=True):
            self.history[name].append(value)
        self.filters.append(filters.copy())


def thinned(n_epochs: int, n_kept: int = 12) -> list[int]:
    """Return at most `n_kept` of the epochs 0 to `n_epochs`, evenly on a logarithmic scale: filters move most at first.

    Examples
    --------
    >>> thinned(100, n_kept=5)
    [0, 1, 5, 22, 100]
    """
    return [0, *np.unique(np.geomspace(1, n_epochs, n_kept - 1).round().astype(int)).tolist()]


_kept: ContextVar[dict[int, Any] | None] = ContextVar("networks that are kept", default=None)


@contextmanager
def keeping_networks() -> Iterator[dict[int, Any]]:
    """Keep copies of the network that is trained within: at the start and after epochs 1, 2, 3, 4, 8, 16, ....

    They are what is needed to see afterwards how a representation changed while it was learned. Copies are all that is
    made: no random number is drawn and no data are asked for, so that the training is the same bits as without. Of
    several trainings within, the last one's copy of an epoch stays.

    Yields
    ------
    dict of int to ConvNet
        By epoch; filled while training.

    Examples
    --------
    >>> from kernelopt import ConvNetClassifier
    >>> X, y = np.random.default_rng(0).normal(size=(20, 8, 8)), np.arange(20) % 2
    >>> with keeping_networks() as kept:
    ...     classifier = ConvNetClassifier(filters=2, pool=2, epochs=5, random_state=0).fit(X, y)
    >>> sorted(kept)
    [0, 1, 2, 3, 4]
    """
    networks: dict[int, Any] = {}
    token = _kept.set(networks)
    try:
        yield networks
    finally:
        _kept.reset(token)


def keep_network(epoch: int, network: Any) -> None:
    """Copy the network, where somebody asked for it (see `keeping_networks`) and the epoch is one of those."""
    networks = _kept.get()
    if networks is not None and (epoch in (0, 3) or epoch & (epoch - 1) == 0):
        networks[epoch] = copy.deepcopy(network)
