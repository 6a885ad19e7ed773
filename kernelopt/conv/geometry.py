"""Where a filter looks: strides, dilation, padding and groups, by Keras's rules."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

PADDINGS = ("valid", "same")


@dataclass(frozen=True)
class Geometry:
    r"""Which pixels a filter multiplies, for every pixel of the output.

    Along one side, output pixel p and filter entry u meet input pixel

    .. math:: s p + d u - b

    with stride s, dilation d and b zeros padded before the first pixel. With padding "valid" nothing is
    padded. With "same" a side of h pixels gives :math:`\lceil h / s \rceil`, for which

    .. math:: \max\bigl(0,\; (\lceil h / s \rceil - 1) s + (k - 1) d + 1 - h\bigr)

    zeros are needed: half of them before, rounded down, the others after. So the padding depends on
    the image; for strides above 1 it is one-sided more often than not, and differs from a layer that pads
    by :math:`\lfloor k / 2 \rfloor` on both sides.

    Parameters
    ----------
    kernel_size, strides, dilation_rate : int or pair of int
        For rows and columns; kept as pairs.
    padding : {"valid", "same"}
    groups : int
        Channels and filters are split into this many groups; filters see the channels of their group only.

    Raises
    ------
    ValueError
        If a number is not a positive integer, or strides and dilation are both above 1 (as in Keras, whose
        layers are then the same on all its backends).

    Examples
    --------
    >>> geometry = Geometry(3, strides=2, padding="same")
    >>> geometry.pads(8, 7), geometry.output(8, 7)
    (((0, 1), (1, 1)), (4, 4))
    """

    kernel_size: Any
    strides: Any = 1
    padding: str = "valid"
    dilation_rate: Any = 1
    groups: int = 1

    def __post_init__(self):
        for name in ("kernel_size", "strides", "dilation_rate"):
            object.__setattr__(self, name, _pair(name, getattr(self, name)))
        if self.padding not in PADDINGS:
            raise ValueError(f"padding={self.padding!r}, but expected one of {PADDINGS}.")
        if not _is_positive(self.groups):
            raise ValueError(f"groups={self.groups!r}, but expected a positive integer.")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"strides={self.strides} with dilation_rate={self.dilation_rate}: one of them must be 1, as in Keras."
            )

    def pads(self, h: int, w: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the zeros (before, after) along rows and columns for images of this size."""
        if self.padding == "valid":
            return (0, 0), (0, 0)
        totals = [
            max(0, (-(-side // s) - 1) * s + (k - 1) * d + 1 - side)
            for side, k, s, d in zip((h, w), self.kernel_size, self.strides, self.dilation_rate, strict=True)
        ]
        return (totals[0] // 2, totals[0] - totals[0] // 2), (totals[1] // 2, totals[1] - totals[1] // 2)

    def output(self, h: int, w: int) -> tuple[int, int]:
        """Return the size of the output for images of this size; an empty one is refused."""
        sides = tuple(
            (side + sum(pad) - (k - 1) * d - 1) // s + 1
            for side, pad, k, s, d in zip(
                (h, w), self.pads(h, w), self.kernel_size, self.strides, self.dilation_rate, strict=True
            )
        )
        if min(sides) < 1:
            raise ValueError(
                f"kernel_size={self.kernel_size} with dilation_rate={self.dilation_rate} does not fit into images of "
                f"{h} x {w} pixels. Use padding='same' or a smaller filter."
            )
        return sides[0], sides[1]

    def kernel_shape(self, filters: int, channels: int) -> tuple[int, int, int, int]:
        """Return (filters, channels of a group, rows, columns), the shape of the filters in torch's order.

        Raises
        ------
        ValueError
            If `groups` does not divide both numbers.
        """
        for name, number in (("filters", filters), ("channels", channels)):
            if not _is_positive(number):
                raise ValueError(f"{name}={number!r}, but a layer needs a positive integer.")
            if number % self.groups:
                raise ValueError(f"groups={self.groups} does not divide {name}={number}.")
        return (filters, channels // self.groups, *self.kernel_size)


def _is_positive(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0


def _pair(name: str, value: Any) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(map(_is_positive, pair)):
        raise ValueError(f"{name}={value!r}, but a layer needs a positive integer or a pair of them.")
    return int(pair[0]), int(pair[1])
