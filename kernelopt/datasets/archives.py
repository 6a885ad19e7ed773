"""Read wanted files out of gzip, tar, zip and Debian archives, in memory and within limits.

Nothing is ever written to disk and no link is followed: the path of a member is only compared
with the names that are wanted, and a member with an absolute path or ``..`` in it is passed over.
"""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from kernelopt.datasets.errors import DatasetCorruptError

MAX_ARCHIVE = 1 << 29  # bytes of an archive file; the largest that is supported has 170 MB
_SLACK = 1 << 26  # bytes an archive may hold beside the wanted files
_UNREADABLE = (
    EOFError,
    RuntimeError,  # zipfile: an encrypted member, or a compression it does not know
    gzip.BadGzipFile,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


class _Bounded:
    """A stream that refuses to give more than `limit` bytes: what stops a decompression bomb."""

    def __init__(self, stream: IO[bytes], limit: int, what: str) -> None:
        self._stream, self._left, self._limit, self._what = stream, limit, limit, what

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise DatasetCorruptError(
                f"{self._what} unpacks to more than the {self._limit} bytes expected. Fetch it again."
            )
        return data


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the many errors of the unpackers into one that says what to do."""
    try:
        yield
    except _UNREADABLE as error:
        raise DatasetCorruptError(f"{path} cannot be unpacked: {error}. Fetch it again.") from error


def read_file(path: Path, limit: int) -> bytes:
    """Return the content of one file, decompressed if its name ends with ``.gz``.

    Parameters
    ----------
    path : Path
        The file.
    limit : int
        The most bytes its content may have.

    Returns
    -------
    bytes

    Raises
    ------
    DatasetCorruptError
        If the content is longer than `limit`, or the compressed stream is damaged.
    """
    with _explained(path), open(path, "rb") as file:
        return _content(file, path.name, limit, str(path))


def read_members(path: Path, limits: Mapping[str, int]) -> dict[str, bytes]:
    """Return the wanted files of an archive, in one pass over it.

    Parameters
    ----------
    path : Path
        A ``.zip``, a ``.deb``, or a tar file: ``.tar``, ``.tgz``, ``.tar.gz`` or ``.tar.xz``.
    limits : mapping of str to int
        Name of every wanted file, without folder, to the most bytes its content may have.
        A member called ``name.gz`` is taken for ``name`` and decompressed.

    Returns
    -------
    dict of str to bytes
        The wanted files that the archive holds; the first of two with one name.

    Raises
    ------
    DatasetCorruptError
        If the archive is damaged, or is larger than anything expected.
    """
    with _explained(path):
        size = path.stat().st_size
        if size > MAX_ARCHIVE:
            raise DatasetCorruptError(f"{path} has {size} bytes; no supported archive has over {MAX_ARCHIVE}")
        with open(path, "rb") as file:
            if path.suffix == ".zip":
                return _from_zip(file, limits, str(path))
            if path.suffix == ".deb":
                name, payload = _debian_payload(file, str(path))
                return _from_tar(io.BytesIO(payload), name, limits, str(path))
            return _from_tar(file, path.name, limits, str(path))


def _content(stream: IO[bytes], name: str, limit: int, what: str) -> bytes:
    if name.endswith(".gz"):
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=stream))
    return _Bounded(stream, limit, what).read(limit + 1)


def _wanted(member: str, limits: Mapping[str, int]) -> str | None:
    """Return which wanted file a member is, if any."""
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts:
        return None
    name = path.name.removesuffix(".gz")
    return name if name in limits else None


def _from_tar(stream: IO[bytes], name: str, limits: Mapping[str, int], what: str) -> dict[str, bytes]:
    if name.endswith((".gz", ".tgz")):
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=stream))
    elif name.endswith(".xz"):
        stream = lzma.LZMAFile(stream)
    elif not name.endswith(".tar"):
        raise DatasetCorruptError(f"{what}: {name} is not a compression that is supported (gz, xz or none)")
    bounded: Any = _Bounded(stream, sum(limits.values()) + _SLACK, what)
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=bounded, mode="r|") as tar:
        for member in tar:
            key = _wanted(member.name, limits) if member.isreg() else None
            if key is None or key in found:
                continue
            content = tar.extractfile(member)
            if content is not None:
                found[key] = _content(content, member.name, limits[key], f"{what}: {member.name}")
            if len(found) == len(limits):
                break
    return found


def _from_zip(stream: IO[bytes], limits: Mapping[str, int], what: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            key = None if member.is_dir() else _wanted(member.filename, limits)
            if key is None or key in found:
                continue
            if member.header_offset < 0:
                raise zipfile.BadZipFile(f"{member.filename} begins before the archive does")
            with archive.open(member) as content:
                found[key] = _content(content, member.filename, limits[key], f"{what}: {member.filename}")
    return found


def _debian_payload(stream: IO[bytes], what: str) -> tuple[str, bytes]:
    """Return name and content of the ``data.tar`` of a Debian package, which is an ``ar`` archive."""
    if stream.read(8) != b"!<arch>\n":
        raise DatasetCorruptError(f"{what} is not a Debian package: it does not begin with '!<arch>'")
    while len(header := stream.read(60)) == 60 and header.endswith(b"`\n"):
        name = header[:16].decode("ascii", "replace").rstrip(" /")
        digits = header[48:58].strip()
        if not digits.isdigit():
            break
        size = int(digits)
        if name.startswith("data.tar"):
            payload = stream.read(min(size, MAX_ARCHIVE))
            if len(payload) < size:
                raise EOFError(f"{name} ends after {len(payload)} of {size} bytes")
            return name, payload
        stream.seek(size + size % 2, io.SEEK_CUR)
    raise DatasetCorruptError(f"{what} is not a whole Debian package: it has no data.tar. Fetch it again.")
