"""In which number format a network is trained: 32 bits, or 16 where the processor multiplies those faster."""

from __future__ import annotations

import math

from kernelopt.conv.recipe import PRECISIONS
from kernelopt.errors import missing_extra

try:
    import torch
except ImportError as error:
    raise missing_extra("torch", "conv") from error

LEAST_PIXELS = 28 * 28  # of an image from which bfloat16 pays on a processor; measured, see experiments/benchmarks


def find_precision(precision: str, device: torch.device | str, image_shape: tuple[int, ...]) -> str:
    """Return "float32" or "bfloat16"; "auto" is the latter where it is faster.

    That is on GPUs that have it, and, for images of at least 28 x 28 pixels, on processors with instructions for
    it. On others it would be emulated: it is done if asked for, slowly.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
    device : torch.device or str
    image_shape : tuple of int
        Of one image: (channels, height, width).

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> find_precision("auto", "cpu", (1, 8, 8)), find_precision("bfloat16", "cpu", (1, 8, 8))
    ('float32', 'bfloat16')
    """
    check_precision(precision)
    if precision != "auto":
        return precision
    pays = torch.device(device).type != "cpu" or math.prod(image_shape[1:]) >= LEAST_PIXELS
    return "bfloat16" if pays and has_bfloat16(device) else "float32"


def check_precision(precision: str) -> None:
    """Raise unless it is "auto", "float32" or "bfloat16"."""
    if precision not in ("auto", *PRECISIONS):
        raise ValueError(f"precision={precision!r}, but expected one of {('auto', *PRECISIONS)}.")


def has_bfloat16(device: torch.device | str) -> bool:
    """Return whether the device multiplies bfloat16 by instructions of its own.

    Of processors those with AVX512-BF16 do, with or without AMX; of others torch does not tell: they are said not to.
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    ask = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # torch has no public name for it
    return bool(ask is not None and ask())


def lowered(device: torch.device | str, precision: str) -> torch.autocast:
    """Return the context in which a network computes in this precision; its weights stay in float32.

    Examples
    --------
    >>> with lowered("cpu", "bfloat16"):
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.bfloat16
    """
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=precision == "bfloat16")
