"""Where the files of a data set are on this machine."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from kernelopt.datasets.archives import read_file, read_members
from kernelopt.datasets.catalog import PACKAGED, Entry
from kernelopt.datasets.errors import DatasetCorruptError, DatasetNotFoundError

ENVIRONMENT = "KERNELOPT_DATA"
SYSTEM = Path("/usr/share/datasets")  # where Debian's dataset-* packages install


@dataclass(frozen=True)
class Location:
    """The files of one data set: loose in a folder, or together in an archive.

    Parameters
    ----------
    entry : Entry
        The data set.
    where : Path
        The folder or the archive.
    files : tuple of Path
        One per part; empty if `where` is an archive.
    """

    entry: Entry
    where: Path
    files: tuple[Path, ...] = ()

    def read(self) -> list[bytes]:
        """Return the content of every part, uncompressed and no longer than it may be."""
        parts = self.entry.parts
        if self.files:
            return [read_file(file, part.size) for file, part in zip(self.files, parts, strict=True)]
        found = read_members(self.where, {part.name: part.size for part in parts})
        absent = [part.name for part in parts if part.name not in found]
        if absent:
            raise DatasetCorruptError(
                f"{self.where} does not hold {', '.join(absent)}, which {self.entry.name!r} needs. Fetch it again."
            )
        return [found[part.name] for part in parts]


def homes(data_home: str | os.PathLike[str] | None = None) -> list[Path]:
    """Return the folders in which data are looked for, in order.

    Parameters
    ----------
    data_home : path or None
        The caller's choice, which comes first. After it come the folders of the environment
        variable KERNELOPT_DATA (several are separated as in PATH), then /usr/share/datasets.

    Returns
    -------
    list of Path
    """
    chosen = [] if data_home is None else [os.fspath(data_home)]
    chosen += [home for home in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if home]
    return [*(Path(home).expanduser() for home in chosen), SYSTEM]


def folders(entry: Entry, data_home: str | os.PathLike[str] | None = None) -> list[Path]:
    """Return every folder in which `entry` is looked for, in order."""
    if entry.packaged:
        return [PACKAGED]
    return [home / folder for home in homes(data_home) for folder in entry.folders]


def locate(entry: Entry, data_home: str | os.PathLike[str] | None = None) -> Location | None:
    """Return where a data set is, without opening a file, or None if it is nowhere.

    A folder counts if all parts are in it, or an archive that holds them is.

    Parameters
    ----------
    entry : Entry
        The data set.
    data_home : path or None
        As in `homes`.

    Returns
    -------
    Location or None
    """
    for folder in folders(entry, data_home):
        present = _parts(entry, folder)
        if len(present) == len(entry.parts):
            return Location(entry, folder, present)
        for pattern in entry.archives:
            for archive in sorted(folder.glob(pattern)):
                if archive.is_file():
                    return Location(entry, archive)
    return None


def _parts(entry: Entry, folder: Path) -> tuple[Path, ...]:
    """Return the files of `entry` that are in `folder`, in the order of its parts."""
    files = (
        next((path for suffix in ("", ".gz") if (path := folder / f"{part.name}{suffix}").is_file()), None)
        for part in entry.parts
    )
    return tuple(path for path in files if path is not None)


def not_found(entry: Entry, data_home: str | os.PathLike[str] | None = None) -> DatasetNotFoundError:
    """Return the error that says what was looked for, where, and how to get it.

    Parameters
    ----------
    entry : Entry
        The data set that `locate` did not find.
    data_home : path or None
        As given to `locate`.

    Returns
    -------
    DatasetNotFoundError
    """
    searched = folders(entry, data_home)
    wanted = ", ".join(part.name for part in entry.parts) + " (plain or .gz)"
    wanted += "".join(f", or {pattern}" for pattern in entry.archives)
    lines = [f"the data set {entry.name!r} is not part of kernelopt and was not found on this machine."]
    lines += [
        f"{folder / name} is a pickled version, and unpickling runs code: kernelopt never opens it. "
        "Get the version below instead."
        for folder in searched
        for name in entry.refused
        if (folder / name).exists()
    ]
    lines += [
        f"Wanted: {wanted}",
        f"Searched, in {'data_home, ' if data_home is not None else ''}${ENVIRONMENT} and {SYSTEM}:",
    ]
    for folder in searched:
        some = ", ".join(path.name for path in _parts(entry, folder))
        remark = f" (has only {some})" if some else "" if folder.is_dir() else " (no such folder)"
        lines.append(f"  {folder}{remark}")
    lines += ["To get it:", *(f"  {command}" for command in commands(entry, data_home))]
    home = destination(data_home)
    if home is None:
        lines.append(f'then load({entry.name!r}, data_home="~/kernelopt-data"), or set {ENVIRONMENT} to that folder.')
    return DatasetNotFoundError("\n".join(lines))


def destination(data_home: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the home that the caller or the environment chose, if either did."""
    first = homes(data_home)[0]
    return None if first == SYSTEM else first


def commands(entry: Entry, data_home: str | os.PathLike[str] | None = None) -> list[str]:
    """Return the shell commands that fetch `entry` to where `load` finds it.

    Parameters
    ----------
    entry : Entry
        A data set that is not packaged.
    data_home : path or None
        As in `homes`; with none chosen the commands use ~/kernelopt-data.

    Returns
    -------
    list of str
    """
    home = destination(data_home)
    base = "~/kernelopt-data" if home is None else shlex.quote(str(home))
    folder = f"{base}/{entry.folders[0]}".rstrip("/")
    return [f"mkdir -p {folder} && cd {folder}", *entry.get]
