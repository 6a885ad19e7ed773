"""The process in which cells run: it reads jobs from one pipe, writes records to another, and may be killed.

Jobs come as joblib sends tasks to its workers, from the process that started this one and nobody else; records go back
as JSON. What a method prints goes to standard error.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import random
import signal
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.reduction import ForkingPickler
from typing import Any, BinaryIO

import numpy as np

IDLE_SECONDS = 60.0  # a child that is given nothing for so long ends
OUT_OF_MEMORY = ("MemoryError", "can't allocate memory", "cannot allocate memory", "std::bad_alloc")


def main() -> None:
    """Run jobs until the pipe is closed, or nothing comes for a while."""
    try:
        _serve()
    except BrokenPipeError:
        pass  # nobody waits for an answer any more


def _serve() -> None:
    from kernelopt.evaluation.cell import run_cell

    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    jobs: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(incoming, jobs), daemon=True).start()
    write_frame(outgoing, b'{"ready": true}')
    while True:
        try:
            job, memory_mb = ForkingPickler.loads(jobs.get(timeout=IDLE_SECONDS))
        except queue.Empty:
            return
        except Exception as error:  # of a class that this process cannot import
            write_frame(outgoing, json.dumps({"unreadable": f"{type(error).__name__}: {error}"}).encode())
            continue
        try:
            fix_chance(job.cell)
            with memory_limit(memory_mb):
                record = run_cell(job)
            answer: dict[str, Any] = {"record": record.to_dict()}
        except KeyboardInterrupt:
            answer = {"interrupted": True}
        write_frame(outgoing, json.dumps(answer).encode())


def fix_chance(cell: Any) -> None:
    """Seed the global random states, so that a method that draws from them does not depend on cells that ran before.

    Those of Python and numpy start from the cell, and torch's too if it is loaded; the cell that loads it has to seed
    it, as the networks of this library seed their own draws.
    """
    digest = hashlib.sha256(repr(cell).encode()).digest()
    random.seed(digest)
    seed = int.from_bytes(digest[:4], "little")
    np.random.seed(seed)  # noqa: NPY002 - the global state is what is to be fixed
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _listen(incoming: BinaryIO, jobs: queue.Queue[bytes]) -> None:
    """Pass jobs on; end this process and what it started, at once, when nobody is there any more to read an answer."""
    while (frame := read_frame(incoming)) is not None:
        jobs.put(frame)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def write_frame(pipe: Any, content: bytes) -> None:
    """Write bytes with their length before them."""
    pipe.write(struct.pack("<Q", len(content)) + content)
    pipe.flush()


def read_frame(pipe: Any) -> bytes | None:
    """Return the next bytes that were written together; None at the end."""
    try:
        head = pipe.read(8)
        if len(head) < 8:
            return None
        content = pipe.read(struct.unpack("<Q", head)[0])
    except (OSError, ValueError):
        return None
    return content if len(content) == struct.unpack("<Q", head)[0] else None


@contextmanager
def memory_limit(memory_mb: float | None) -> Iterator[None]:
    """Let allocations past a limit fail, where the system can: Linux counts what is private and writable."""
    if memory_mb is None or not limits_allocations():
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = sys.maxsize if hard == resource.RLIM_INFINITY else hard  # what setrlimit takes
    resource.setrlimit(resource.RLIMIT_DATA, (int(min(memory_mb * 1e6, most)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def limits_allocations() -> bool:
    """Return whether the system refuses allocations past a limit; elsewhere the memory in use is watched."""
    return sys.platform == "linux"


def is_out_of_memory(error: str | None) -> bool:
    """Return whether an error says that an allocation failed."""
    return error is not None and any(word in error for word in OUT_OF_MEMORY)
