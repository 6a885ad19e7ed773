"""The weights that a method learned, matched across cells and added up by what the kernels look at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernelopt.pages.summary import Results, finite


@dataclass(frozen=True)
class KernelWeights:
    """The weights of one method: per training size and kernel, one weight per seed.

    Kernels whose width is fitted to the training set are called by that width, which then differs from
    cell to cell. Such kernels are matched by their place in the list, and their name shows the range.
    """

    kernels: tuple[str, ...]
    by_size: Mapping[int, tuple[tuple[float, ...], ...]]  # kernel by kernel, each over the seeds

    def added(self, group: Mapping[str, str]) -> KernelWeights:
        """Return the weights added up over the kernels of each group, seed by seed."""
        names = tuple(dict.fromkeys(group[kernel] for kernel in self.kernels))
        return KernelWeights(
            names,
            {
                size: tuple(
                    tuple(
                        sum(parts)
                        for parts in zip(
                            *(w for k, w in zip(self.kernels, weights, strict=True) if group[k] == name), strict=True
                        )
                    )
                    for name in names
                )
                for size, weights in self.by_size.items()
            },
        )


def kernel_weights(results: Results, method: str) -> KernelWeights | None:
    """Return the weights a method recorded, if any; a kernel that a cell does not name has weight zero."""
    cells = {
        size: found
        for size in results.sizes
        if (found := [r.weights for r in results.cells(method, size) if r.weights and _all_known(r.weights)])
    }
    if not cells:
        return None
    lists = [tuple(weights) for found in cells.values() for weights in found]
    kernels = matched(lists)
    if kernels is not None:
        by_size = {size: tuple(zip(*(w.values() for w in found), strict=True)) for size, found in cells.items()}
    else:
        kernels = tuple(dict.fromkeys(name for names in lists for name in names))
        by_size = {
            size: tuple(tuple(w.get(name, 0.0) for w in found) for name in kernels) for size, found in cells.items()
        }
    return KernelWeights(kernels, by_size)


def _all_known(weights: Mapping[str, float]) -> bool:
    return len(finite(weights.values())) == len(weights)


_WIDTH = re.compile(r"(?<=γ=)[0-9][0-9.e+-]*")


def matched(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    """Return one list of names for lists that differ in the kernels' widths only; None where that does not apply.

    >>> matched([("gaussian γ=0.02", "a"), ("gaussian γ=0.01", "a")])
    ('gaussian γ=0.01…0.02', 'a')
    """
    if len(set(lists)) < 2 or len({tuple(_WIDTH.sub("", name) for name in names) for names in lists}) > 1:
        return None
    return tuple(_ranged(names) for names in zip(*lists, strict=True))


def _ranged(names: Sequence[str]) -> str:
    """Return one name for kernels that differ in their width only.

    >>> _ranged(["gaussian γ=0.02", "gaussian γ=0.01"])
    'gaussian γ=0.01…0.02'
    """
    widths = sorted({match.group() for name in names if (match := _WIDTH.search(name))}, key=float)
    return names[0] if len(widths) < 2 else _WIDTH.sub(f"{widths[0]}…{widths[-1]}", names[0], count=1)


def looks_at(kernel: str) -> str:
    """Return what a kernel compares images by: their pixels or a layer of a network.

    >>> looks_at("gaussian γ=s on layer 2"), looks_at("layer 1 · gaussian γ=0.1"), looks_at("polynomial d=2")
    ('layer 2', 'layer 1', 'pixels')
    """
    match = re.search(r"layer (\d+)", kernel)
    return match.group() if match else "pixels"
