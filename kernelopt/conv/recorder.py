"""What is kept of a training run: numbers of every epoch, first-layer filters of some."""

from __future__ import annotations

import numpy as np


class Recorder:
    r"""History of a training run.

    Epoch 0 is the start, before any step. `history` holds lists of equal length:

    - epoch;
    - loss, accuracy: on the training images; of epoch 0 exactly, then averaged over the epoch's
      batches, each taken just before its step;
    - gradient_norm: norm of the mean of these batches' gradients (of the full gradient at epoch 0);
    - filter_move: :math:`\|W - W_0\|_F / \|W_0\|_F` of the first layer.

    Parameters
    ----------
    n_epochs : int
        Length of the run.
    n_snapshots : int
        The first layer's filters are kept at epochs 0, 1, ... `n_epochs`, at most this many, evenly on a
        logarithmic scale since filters move most at first.

    Examples
    --------
    >>> Recorder(100, n_snapshots=5).snapshot_epochs
    [0, 1, 5, 22, 100]
    """

    def __init__(self, n_epochs: int, n_snapshots: int = 12):
        spread = np.geomspace(1, n_epochs, n_snapshots - 1).round().astype(int)
        self.snapshot_epochs = [0, *np.unique(spread).tolist()]
        self.history: dict[str, list] = {
            name: [] for name in ("epoch", "loss", "accuracy", "gradient_norm", "filter_move")
        }
        self.filter_epochs: list[int] = []
        self.filters: list[np.ndarray] = []

    def record(self, epoch: int, loss: float, accuracy: float, gradient_norm: float, filters: np.ndarray):
        """Append one epoch; `filters` are the first layer's, (F, c, k, k), after it."""
        start = (self.filters[0] if self.filters else filters).astype(np.float64)
        move = float(np.linalg.norm(filters - start) / np.linalg.norm(start))
        for name, value in zip(self.history, (epoch, loss, accuracy, gradient_norm, move), strict=True):
            self.history[name].append(value)
        if epoch in self.snapshot_epochs:
            self.filter_epochs.append(epoch)
            self.filters.append(filters.copy())
