"""Where records live: one SQLite file, written a cell at a time, safe against kill -9."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kernelopt.evaluation.records import Record

SCHEMA = 1
TRIES = 100


class Store:
    """Finished cells by fingerprint; a transaction per record, in write-ahead mode.

    A fingerprint is a digest of everything that determines a record (data, method, size, seed, protocol,
    version), so that a record is reused only for the very same cell.

    Parameters
    ----------
    path : path
        The SQLite file; made when missing. Records of other studies in it are left alone.

    Raises
    ------
    ValueError
        The file is not a store of this version.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            with self.connection() as db:
                db.execute("BEGIN IMMEDIATE")  # another run may be making the same file
                found = db.execute("PRAGMA user_version").fetchone()[0]
                tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
                if tables and found != SCHEMA:
                    raise ValueError(
                        f"{self.path} is not a store of records of version {SCHEMA} (found version {found}); "
                        f"move it away or choose another file"
                    )
                db.execute(
                    "CREATE TABLE IF NOT EXISTS cells (fingerprint TEXT PRIMARY KEY, dataset TEXT, method TEXT, "
                    "size INTEGER, seed INTEGER, status TEXT, record TEXT NOT NULL)"
                )
                db.execute(
                    "CREATE TABLE IF NOT EXISTS claims (fingerprint TEXT PRIMARY KEY, owner TEXT, host TEXT, "
                    "pid INTEGER, beat REAL)"
                )
                db.execute(f"PRAGMA user_version={SCHEMA}")
            self._write_ahead()
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{self.path} is not a readable SQLite file: {error}") from error

    def _write_ahead(self) -> None:
        """Switch to write-ahead mode, which needs the file for itself for a moment and does not wait for it."""
        for attempt in range(TRIES):
            try:
                with closing(sqlite3.connect(self.path, timeout=60)) as db:
                    db.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError:
                if attempt == TRIES - 1:
                    raise
                time.sleep(0.05)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction, which is written at the end unless something is raised."""
        with closing(sqlite3.connect(self.path, timeout=60)) as db, db:
            yield db

    def put(self, fingerprint: str, record: Record) -> None:
        """Write one record; when this returns it survives a crash of the process."""
        text = json.dumps(_finite(record.to_dict()), allow_nan=False)
        with self.connection() as db:
            db.execute(
                "INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?, ?, ?)",
                (fingerprint, *record.key, record.status, text),
            )

    def get(self, fingerprint: str) -> Record | None:
        """Return a record, or None."""
        text = self.text(fingerprint)
        return None if text is None else Record.from_dict(json.loads(text))

    def text(self, fingerprint: str) -> str | None:
        """Return a record as it is stored, or None: equal texts are one and the same record."""
        with self.connection() as db:
            row = db.execute("SELECT record FROM cells WHERE fingerprint = ?", (fingerprint,)).fetchone()
        return None if row is None else row[0]

    def __len__(self) -> int:
        with self.connection() as db:
            return db.execute("SELECT count(*) FROM cells").fetchone()[0]


def _finite(value):
    """Return the value with NaN and infinities as None: JSON has no word for them."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
