"""Where a run writes: settled, and refused if it cannot be, before the work and not after it."""

from __future__ import annotations

from pathlib import Path


def settle(output: str | Path | None, store: str | Path | None) -> tuple[Path | None, Path]:
    """Return the page and the store of records, which stands beside the page unless given.

    Raises
    ------
    ValueError
        There is neither, or two of the page, the table beside it (``.csv``) and the store are one file.
    FileNotFoundError
        A folder does not exist.
    IsADirectoryError
        The page or the store is a folder.

    Examples
    --------
    >>> settle("report.html", None)
    (PosixPath('report.html'), PosixPath('report.sqlite'))
    >>> settle("report.csv", None)
    Traceback (most recent call last):
    ...
    ValueError: the report 'report.csv' would be overwritten by the table beside it, which has the same name...
    """
    if output is None and store is None:
        raise ValueError("pass output='report.html' for a report, or store='records.sqlite' for the records alone")
    page = None if output is None else Path(output)
    kept = Path(store) if store is not None else Path(output).with_suffix(".sqlite")  # type: ignore[arg-type]
    for path in (page, kept):
        if path is None:
            continue
        if not path.parent.is_dir():
            raise FileNotFoundError(f"the folder {str(path.parent)!r} does not exist; make it first")
        if path.is_dir():
            raise IsADirectoryError(f"{str(path)!r} is a folder; give the name of a file in it")
    if page is not None:
        table = page.with_suffix(".csv").resolve()
        if table == page.resolve():
            raise ValueError(
                f"the report {str(page)!r} would be overwritten by the table beside it, which has the same name. Call "
                f"it {page.with_suffix('.html').name!r}"
            )
        if kept.resolve() in (page.resolve(), table):
            raise ValueError(
                f"the store of records {str(kept)!r} would be overwritten by the report {str(page)!r} or its table. "
                f"Give the report another name, such as {page.with_suffix('.html').name!r}, or another store"
            )
    return page, kept
