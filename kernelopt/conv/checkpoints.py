"""The state of a training run in one file, replaced as a whole: an interrupted run goes on from it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from kernelopt.errors import missing_extra

try:
    import torch
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save
except ImportError as error:
    raise missing_extra("torch with safetensors", "conv") from error


class Checkpoint:
    """A file that holds the state of one run, and says which.

    Parameters
    ----------
    path : str or path-like
    fingerprint : str
        Of the data and of all settings, see :func:`fingerprint`; a file of another run is not used.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "run.safetensors"
    >>> Checkpoint(path, "a").load() is None
    True
    >>> Checkpoint(path, "a").save({"w": torch.ones(2)}, {"epoch": 3})
    >>> tensors, facts = Checkpoint(path, "a").load()
    >>> tensors["w"].tolist(), facts
    ([1.0, 1.0], {'epoch': 3})
    """

    def __init__(self, path: str | os.PathLike, fingerprint: str):
        self.path, self.fingerprint = Path(path), fingerprint

    def save(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        """Replace the file; whoever reads it sees the old state or the new one, never a part."""
        text = json.dumps({"fingerprint": self.fingerprint, "facts": facts})
        data = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, {"kernelopt": text})
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, self.path)
        finally:
            part.unlink(missing_ok=True)

    def load(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """Return the tensors and the facts, or None if there is no file yet.

        Raises
        ------
        ValueError
            If the file is no checkpoint, or that of a run with other data or settings.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                said = json.loads((file.metadata() or {})["kernelopt"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, ValueError) as error:
            raise ValueError(
                f"checkpoint={str(self.path)!r} is not a training run that kernelopt saved ({error}). "
                f"Delete the file, or name another."
            ) from error
        if said["fingerprint"] != self.fingerprint:
            raise ValueError(
                f"checkpoint={str(self.path)!r} belongs to a run with other data or settings, which this one cannot "
                f"go on from. Give the data and settings of that run, delete the file, or name another."
            )
        return tensors, said["facts"]


def fingerprint(*things: Any) -> str:
    """Return a digest of arrays, by their bits, and of other things, by their representation.

    Examples
    --------
    >>> fingerprint(np.zeros(2), 1) == fingerprint(np.zeros(2), 1), fingerprint(np.zeros(2)) == fingerprint(np.zeros(3))
    (True, False)
    """
    digest = hashlib.sha256()
    for thing in things:
        if isinstance(thing, np.ndarray):
            digest.update(repr((thing.shape, thing.dtype)).encode())
            digest.update(np.ascontiguousarray(thing).tobytes())
        else:
            digest.update(repr(thing).encode())
    return digest.hexdigest()
