"""Images varied at random where they lie, on the device, in ways that leave their labels true."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

from sklearn.utils import check_scalar

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Augmentation:
    """Random variations of training images: moved, mirrored, with a square cut out.

    Every image of a batch is varied by itself, each time it is used. What moves in from outside and what is
    cut out is zero, the mean of the standardised pixels.

    Parameters
    ----------
    shift : int
        Each image moves by up to so many pixels along both axes, all displacements alike likely.
    flip : bool
        Each image is mirrored, left to right, with probability one half.
    cutout : int
        Side of the square that is cut out of each image, wholly inside it, all places alike likely; 0 for none.

    Raises
    ------
    TypeError, ValueError
        If a parameter has another type or is negative.

    References
    ----------
    T. DeVries, G. Taylor: Improved regularization of convolutional neural networks with cutout. 2017.

    Examples
    --------
    >>> Augmentation(shift=2, flip=True)
    Augmentation(shift=2, flip=True, cutout=0)
    """

    shift: int = 0
    flip: bool = False
    cutout: int = 0

    def __post_init__(self):
        check_scalar(self.shift, "shift", Integral, min_val=0)
        check_scalar(self.cutout, "cutout", Integral, min_val=0)
        if not isinstance(self.flip, bool):
            raise TypeError(f"flip={self.flip!r}, but expected True or False.")

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return varied copies of images (n, c, h, w); `generator` is on their device."""
        import torch

        n, _, h, w = images.shape
        device = images.device

        def draw(low: int, high: int) -> torch.Tensor:
            return torch.randint(low, high, (n, 1), generator=generator, device=device)

        rows, columns = torch.arange(h, device=device)[None], torch.arange(w, device=device)[None]  # of the result
        seen = torch.ones((n, h, w), dtype=torch.bool, device=device)
        if self.cutout:
            top, left = draw(0, max(h - self.cutout, 0) + 1), draw(0, max(w - self.cutout, 0) + 1)
            cut_rows = (rows >= top) & (rows < top + self.cutout)
            cut_columns = (columns >= left) & (columns < left + self.cutout)
            seen &= ~(cut_rows[:, :, None] & cut_columns[:, None, :])
        rows, columns = rows.expand(n, h), columns.expand(n, w)  # where each row and column comes from
        if self.flip:
            columns = torch.where(draw(0, 2) == 1, w - 1 - columns, columns)
        if self.shift:
            rows = rows + draw(-self.shift, self.shift + 1)
            columns = columns + draw(-self.shift, self.shift + 1)
            seen &= ((rows >= 0) & (rows < h))[:, :, None] & ((columns >= 0) & (columns < w))[:, None, :]
        rows, columns = rows.clamp(0, h - 1), columns.clamp(0, w - 1)
        which = torch.arange(n, device=device)[:, None, None]
        varied = images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
        return (varied * seen[..., None]).permute(0, 3, 1, 2)  # channels last in memory, as the images are
