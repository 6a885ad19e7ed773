"""What weights or outputs cost: penalties that a layer adds to the loss, as Keras defines them.

Each is a value and a function from a tensor to a scalar tensor. Kernels come in Keras's order, (rows, columns,
channels, filters).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["L1", "L2", "L1L2", "OrthogonalRegularizer"]


class Regularizer:
    """Function from a tensor to its penalty."""

    def __call__(self, w):
        """Return the penalty, a scalar tensor."""
        raise NotImplementedError


@dataclass(frozen=True)
class L1L2(Regularizer):
    r"""Sum of sizes and squares, :math:`l_1 \sum |w| + l_2 \sum w^2` (no factor one half)."""

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self):
        _check(l1=self.l1, l2=self.l2)

    def __call__(self, w):
        """Return the penalty, a scalar tensor."""
        return self.l1 * w.abs().sum() + self.l2 * w.square().sum()


@dataclass(frozen=True)
class L1(Regularizer):
    r"""Sum of sizes, :math:`l_1 \sum |w|`: pulls single weights to zero."""

    l1: float = 0.01

    def __post_init__(self):
        _check(l1=self.l1)

    def __call__(self, w):
        """Return the penalty, a scalar tensor."""
        return self.l1 * w.abs().sum()


@dataclass(frozen=True)
class L2(Regularizer):
    r"""Sum of squares, :math:`l_2 \sum w^2` (no factor one half)."""

    l2: float = 0.01

    def __post_init__(self):
        _check(l2=self.l2)

    def __call__(self, w):
        """Return the penalty, a scalar tensor."""
        return self.l2 * w.square().sum()


@dataclass(frozen=True)
class OrthogonalRegularizer(Regularizer):
    r"""Mean size of the cosines between rows, or between columns, of a matrix.

    .. math:: \frac{\text{factor}}{m (m - 1)} \sum_{i \ne j}
              \left| \frac{\langle w_i, w_j \rangle}{\|w_i\| \|w_j\|} \right|

    over its m rows or columns. A kernel is read as the matrix of all axes but the last times filters, so its
    columns are the filters. Keras knows this penalty for matrices only and refuses kernels.

    Parameters
    ----------
    factor : float
        Not negative.
    mode : {"rows", "columns"}
        "columns" for filters that are orthogonal to each other.
    """

    factor: float = 0.01
    mode: str = "rows"

    def __post_init__(self):
        _check(factor=self.factor)
        if self.mode not in ("rows", "columns"):
            raise ValueError(f"mode={self.mode!r}, but expected 'rows' or 'columns'.")

    def __call__(self, w):
        """Return the penalty, a scalar tensor."""
        matrix = w.reshape(-1, w.shape[-1])
        vectors = matrix if self.mode == "rows" else matrix.T
        m = len(vectors)
        if m < 2:
            return 0.0 * w.sum()
        unit = vectors * vectors.square().sum(dim=1, keepdim=True).clamp(min=1e-12).rsqrt()
        cosines = (unit @ unit.T).abs()
        return self.factor * (cosines.sum() - cosines.diagonal().sum()) / (m * (m - 1))


REGULARIZERS: dict[str, Callable[[], Regularizer]] = {
    "l1": L1,
    "l2": L2,
    "l1_l2": lambda: L1L2(0.01, 0.01),  # a name that costs nothing would help nobody
    "orthogonal_regularizer": OrthogonalRegularizer,
}


def make_regularizer(regularizer: str | Callable | None, name: str = "kernel_regularizer") -> Callable | None:
    """Return the penalty of a name in ``REGULARIZERS``, or the function itself, or None.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> make_regularizer("l2")
    L2(l2=0.01)
    """
    if regularizer is None or callable(regularizer):
        return regularizer
    if regularizer not in list(REGULARIZERS):
        raise ValueError(f"{name}={regularizer!r}, but expected None, a function or one of {', '.join(REGULARIZERS)}.")
    return REGULARIZERS[regularizer]()


def _check(**factors: float) -> None:
    for name, factor in factors.items():
        if not 0 <= factor < float("inf"):
            raise ValueError(f"{name}={factor!r}, but expected a number that is not negative.")
