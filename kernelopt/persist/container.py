"""The file: an uncompressed zip of one JSON text and arrays, written at once or not at all.

No member is compressed, so what the file declares cannot exceed what it holds: the sum of its members is
checked against its own size before anything is read.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

MODEL = "model.json"
PLAIN = "biufcmMSU"  # NumPy's kinds of entries that are their own bytes: numbers, dates, text
MEMBER = re.compile(r"model\.json|arrays/\d{1,9}\.npy|weights/\d{1,9}\.safetensors")


def write(path: str | os.PathLike, members: Mapping[str, bytes | np.ndarray]) -> None:
    """Write the members; a reader sees the old file or the whole new one, also after a crash."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, content in members.items():
                    # ZipInfo's date is a constant: equal models are equal files
                    with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                        if isinstance(content, np.ndarray):
                            npy.write_array(member, content, allow_pickle=False)
                        else:
                            member.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(part)


def read(path: str | os.PathLike) -> dict[str, bytes]:
    """Return the members of a file.

    Raises
    ------
    ValueError
        If the file is not a zip, is damaged, or holds a member that `write` would not have written.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
                _check(infos, size)
                return {info.filename: archive.read(info) for info in infos}
        except Refused:
            raise
        except Exception as error:  # zipfile raises some ten classes on bytes that are not a zip
            raise Refused(f"it is not a whole zip file ({error}); make it again with kernelopt.save") from error


class Refused(ValueError):
    """A file that is damaged or was not made by `write`."""


def _check(infos: list[zipfile.ZipInfo], size: int) -> None:
    for info in infos:
        if not MEMBER.fullmatch(info.filename):
            raise Refused(
                f"it holds a member {info.filename!r}, but a model holds only model.json, arrays/<number>.npy and "
                f"weights/<number>.safetensors; it was not made by kernelopt.save"
            )
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size or info.flag_bits & 1:
            raise Refused(
                f"its member {info.filename!r} is compressed or encrypted ({info.compress_size} bytes for "
                f"{info.file_size}); kernelopt.save does neither, and what may unpack to any size is not read"
            )
    names = [info.filename for info in infos]
    if len(set(names)) < len(names):
        raise Refused("it holds two members of one name; it was not made by kernelopt.save")
    if (declared := sum(info.file_size for info in infos)) > size:
        raise Refused(f"its members claim {declared} bytes, but the file has {size}; it is damaged")
    if MODEL not in names:
        raise Refused(f"it holds no {MODEL}; it is a zip file, but no model made by kernelopt.save")


def read_array(data: bytes, name: str) -> np.ndarray:
    """Return the array of a .npy member whose header is honest about type and size."""
    stream = io.BytesIO(data)
    try:
        version = npy.read_magic(stream)
        header: dict[Any, Any] = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        shape, _, dtype = header[version](stream)
        held = len(data) - stream.tell()
        if dtype.hasobject:
            raise Refused(f"{name} is an array of Python objects, which would have to be unpickled; refused")
        if dtype.kind not in PLAIN:
            raise Refused(f"{name} is an array of {dtype}, which is neither numbers nor dates nor text; refused")
        if dtype.itemsize == 0 or math.prod(shape) * dtype.itemsize != held or min(shape, default=0) < 0:
            raise Refused(f"{name} declares shape {shape} of {dtype}, but holds {held} bytes; it is damaged")
        stream.seek(0)
        return npy.read_array(stream, allow_pickle=False)
    except Refused:
        raise
    except Exception as error:  # from tokenize.TokenError to MemoryError: the header is parsed as Python literals
        raise Refused(f"{name} is not an array in .npy format ({error}); it is damaged") from error
