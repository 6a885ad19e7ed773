"""What is kept of a training run: numbers and first-layer filters of every epoch."""

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
        move = float(np.linalg.norm(filters - start) / np.linalg.norm(start))
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
