"""Which run has which cell in hand, so that several runs share one store: a table of claims that lapse."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress

from kernelopt.evaluation.store import Store

BEAT_SECONDS = 5.0
LEASE_SECONDS = 60.0  # without a beat; clocks of machines that share a store must agree to less


class Claims:
    """The claims of one run on a store's cells.

    A claim is written before its cell is begun and renewed every few seconds. It lapses when it has not been renewed
    for a minute, and at once where it can be seen that its owner has ended.

    Parameters
    ----------
    store : Store
        What is shared.

    Examples
    --------
    >>> import tempfile
    >>> store = Store(tempfile.mkdtemp() + "/records.sqlite")
    >>> one, two = Claims(store), Claims(store)
    >>> one.take("a cell"), two.take("a cell")
    (True, False)
    >>> one.release(["a cell"])
    >>> two.take("a cell")
    True
    """

    def __init__(self, store: Store):
        self.store = store
        self.owner = uuid.uuid4().hex
        self._ended = threading.Event()

    def take(self, fingerprint: str) -> bool:
        """Claim a cell; return whether it is ours now."""
        with self.store.connection() as db:
            db.execute("BEGIN IMMEDIATE")  # no other run reads or writes between the next two lines
            row = db.execute(
                "SELECT owner, host, pid, beat FROM claims WHERE fingerprint = ?", (fingerprint,)
            ).fetchone()
            if row is not None and row[0] != self.owner and not _has_lapsed(*row[1:]):
                return False
            claim = (fingerprint, self.owner, machine(), os.getpid(), time.time())
            db.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?)", claim)
            return True

    def release(self, fingerprints: Iterable[str]) -> None:
        """Give up claims of ours."""
        with self.store.connection() as db:
            pairs = [(fingerprint, self.owner) for fingerprint in fingerprints]
            db.executemany("DELETE FROM claims WHERE fingerprint = ? AND owner = ?", pairs)

    def holders(self, fingerprints: Iterable[str]) -> dict[str, str]:
        """Return who else holds which of these, in words, where the claim has not lapsed."""
        with self.store.connection() as db:
            rows = db.execute("SELECT fingerprint, owner, host, pid, beat FROM claims").fetchall()
        wanted = set(fingerprints)
        return {
            row[0]: f"process {row[3]} on {row[2].split(' ')[0]}"
            for row in rows
            if row[0] in wanted and row[1] != self.owner and not _has_lapsed(*row[2:])
        }

    def __enter__(self) -> Claims:
        threading.Thread(target=self._beat, name="kernelopt-claims", daemon=True).start()
        return self

    def __exit__(self, *exception) -> None:
        self._ended.set()
        with self.store.connection() as db:
            db.execute("DELETE FROM claims WHERE owner = ?", (self.owner,))

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(sqlite3.OperationalError), self.store.connection() as db:  # busy: the next beat is soon
                db.execute("UPDATE claims SET beat = ? WHERE owner = ?", (time.time(), self.owner))


def machine() -> str:
    """Return what tells apart the machines, and the containers, in which a process number means something."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{socket.gethostname()} {space}"


def _has_lapsed(host: str, pid: int, beat: float) -> bool:
    return time.time() - beat > LEASE_SECONDS or (host == machine() and not is_alive(pid))


def is_alive(pid: int) -> bool:
    """Return whether a process of this machine runs; one that has ended and waits to be reaped does not."""
    if os.name != "posix":
        return True  # a signal of 0 would end it there; the lease has to do
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"  # ended, but not yet waited for
    except OSError:
        return True
