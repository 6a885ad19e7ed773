"""Gram matrices that are computed once and read again: by the next fit, the next method, another process.

Nothing changes in what is computed: a matrix on the shelf is the one that its kernel returned for these very points.
"""

from __future__ import annotations

import contextvars
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics.pairwise import PAIRWISE_KERNEL_FUNCTIONS

from kernelopt.kernels.algebra import Kernel
from kernelopt.kernels.interface import has_white

PREFIX = "kernelopt-cell-"  # of temporary folders; the number of their process follows
SHELF_MB = 500.0  # past it matrices are made afresh


class Shelf:
    """A folder of square Gram matrices, by the content of the kernel and of the points.

    Several processes may read and write it: a file appears whole or not at all.

    Parameters
    ----------
    folder : path
        Where the matrices are; it exists.
    most_mb : float
        Nothing is added past this size, in 10⁶ bytes.
    """

    def __init__(self, folder: str | Path, most_mb: float = SHELF_MB):
        self.folder, self.most_mb = Path(folder), most_mb
        self._last: tuple[Any, str] | None = None

    def place(self, kernel: Any, X: Any) -> Path | None:
        """Return where the matrix of a kernel on the rows of X is or would be; None where that cannot be told."""
        known = None if has_white(kernel) or not isinstance(X, np.ndarray) else content(kernel)
        if known is None:
            return None
        if self._last is None or self._last[0] is not X:
            layout = (X.shape, X.dtype.str, X.flags.c_contiguous, X.flags.f_contiguous)  # which decide on rounding
            self._last = (X, hashlib.sha256(repr(layout).encode() + np.ascontiguousarray(X).tobytes()).hexdigest())
        name = hashlib.sha256(f"{self._last[1]} {known}".encode()).hexdigest()
        return self.folder / f"{name}.npy"

    def read(self, place: Path | None) -> np.ndarray | None:
        """Return a matrix, mapped from its file and read-only; None where it is not there."""
        if place is None:
            return None
        try:
            return np.load(place, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return None

    def write(self, place: Path | None, K: np.ndarray) -> None:
        """Keep a matrix, if there is room."""
        if place is None:
            return
        try:
            used = sum(entry.stat().st_size for entry in os.scandir(self.folder))
            if used + K.nbytes > self.most_mb * 1e6:
                return
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
                np.save(file, K, allow_pickle=False)
            os.replace(file.name, place)
        except OSError:
            return  # a full disk, or a folder that is gone: it is computed again next time


_CURRENT: contextvars.ContextVar[Shelf | None] = contextvars.ContextVar("shelf", default=None)


@contextmanager
def sharing(folder: str | Path | None = None) -> Iterator[Shelf]:
    """Within the block, compute the Gram matrix of a kernel on the same points once.

    Parameters
    ----------
    folder : path, optional
        What several processes share; one for this block alone where it is not given or does not exist.

    Examples
    --------
    >>> from kernelopt.kernels import Gaussian, KernelStack
    >>> X = np.random.default_rng(0).normal(size=(5, 2))
    >>> with sharing() as shelf:
    ...     one, two = (KernelStack.from_kernels([Gaussian(1.0)], X) for _ in range(2))
    ...     print(len(list(shelf.folder.iterdir())), np.array_equal(one.leading, two.leading))
    1 True
    """
    if folder is None or not Path(folder).is_dir():
        with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-") as own, sharing(own) as shelf:
            yield shelf
        return
    token = _CURRENT.set(Shelf(folder))
    try:
        yield _CURRENT.get()  # type: ignore[misc]
    finally:
        _CURRENT.reset(token)


def current_shelf() -> Shelf | None:
    """Return the shelf of the block one is in."""
    return _CURRENT.get()


def content(value: Any) -> str | None:
    """Return a text that tells a kernel from every other; None of one that may hold anything.

    Values of this package are told by their fields, any other kernel by its own `content`, a text, if it has one.

    Examples
    --------
    >>> from kernelopt.kernels import Linear
    >>> content(Linear()), content(lambda X, Z: X @ Z.T)
    ('Linear()', None)
    """
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return f"{value.dtype.str}{value.shape}{hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    if isinstance(value, tuple | list):
        parts = [content(item) for item in value]
        return None if None in parts else f"[{', '.join(map(str, parts))}]"
    if is_dataclass(value) and type(value).__module__.startswith("kernelopt.kernels."):
        parts = [content(getattr(value, item.name)) for item in fields(value)]
        return None if None in parts else f"{type(value).__qualname__}({', '.join(map(str, parts))})"
    own = getattr(value, "content", None) if isinstance(value, Kernel) else None
    if isinstance(own, str):
        return own
    if any(value is function for function in PAIRWISE_KERNEL_FUNCTIONS.values()):
        return f"{value.__module__}:{value.__qualname__}"
    return None
