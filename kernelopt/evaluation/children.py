"""Cells in processes of their own: kept warm, watched, and killed past a limit or when nobody waits for them."""

from __future__ import annotations

import atexit
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler

from joblib import wrap_non_picklable_objects

from kernelopt.evaluation.cell import Job
from kernelopt.evaluation.child import is_out_of_memory, limits_allocations, read_frame, write_frame
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.study import Limits

START_SECONDS = 120.0  # to import what a cell needs, on a busy machine
WATCH_SECONDS = 0.2  # between two looks at the memory in use, where allocations are not limited
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from kernelopt.evaluation.child import main; main()"


class Died(Exception):
    """A child ended without an answer."""


class Child:
    """One process that runs cells, one after the other.

    Parameters
    ----------
    threads : int
        For every library in it; fixed before any is loaded.
    """

    def __init__(self, threads: int):
        self.threads = threads
        self.n_cells = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))},
            start_new_session=True,  # a group of its own, to be killed as one, that a terminal's Ctrl-C does not reach
        )
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self._answer(START_SECONDS)
        except BaseException:
            self.kill()
            raise

    def run(self, job: Job, limits: Limits) -> Record:
        """Return the record of a job; of one that is killed or dies, a failed one that says why."""
        allowed = limits.memory_mb if limits_allocations() else None
        payload = ForkingPickler.dumps((wrap_non_picklable_objects(job, keep_wrapper=False), allowed))
        started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.n_cells += 1
        try:
            write_frame(self._process.stdin, bytes(payload))
            answer = self._answer(limits.seconds, limits.memory_mb)
        except queue.Empty:
            self.kill()
            return job.failed(f"time limit: more than {limits.seconds:g} s", started=started)
        except MemoryError:
            self.kill()
            return job.failed(f"memory limit: more than {limits.memory_mb:g} MB", started=started)
        except (Died, OSError):
            self._wait(2.0)  # the pipe is closed a moment before the process has ended
            self.kill()
            return job.failed(self._obituary(limits), started=started)
        except BaseException:
            self.kill()
            raise
        if "interrupted" in answer:
            raise KeyboardInterrupt
        if "unreadable" in answer:
            return job.failed(
                f"the process that runs cells cannot read this one: {answer['unreadable']}. Define its method or "
                f"loader in a module that can be imported",
                started=started,
            )
        record = Record.from_dict(answer["record"])
        if limits.memory_mb is not None and is_out_of_memory(record.error):
            return replace(record, error=f"memory limit: more than {limits.memory_mb:g} MB ({record.error})")
        return record

    def _answer(self, seconds: float | None, memory_mb: float | None = None) -> dict:
        """Wait for the next answer; queue.Empty is too late, MemoryError too much."""
        end = None if seconds is None else time.monotonic() + seconds
        watched = memory_mb is not None and not limits_allocations()
        while True:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise queue.Empty
            step = left if left is None else min(left, threading.TIMEOUT_MAX)  # longer waits are an OverflowError
            step = min(WATCH_SECONDS, step or WATCH_SECONDS) if watched else step
            try:
                frame = self._answers.get(timeout=step)
            except queue.Empty:
                if watched and memory_mb is not None and resident_mb(self._process.pid) > memory_mb:
                    raise MemoryError from None
                continue
            if frame is None:
                raise Died
            return json.loads(frame)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as pipe:
            while (frame := read_frame(pipe)) is not None:
                self._answers.put(frame)
        self._answers.put(None)

    def _wait(self, seconds: float) -> None:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    def _obituary(self, limits: Limits) -> str:
        code = self._process.returncode
        how = f"by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"with exit status {code}"
        limit = "" if limits.memory_mb is None else f"; its memory limit was {limits.memory_mb:g} MB"
        return f"the process died {how}{limit}"

    @property
    def alive(self) -> bool:
        """Whether it can take another job."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it and all it started."""
        try:
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        except (ProcessLookupError, PermissionError):
            pass  # the whole group has ended
        try:
            self._process.stdin.close()  # type: ignore[union-attr]
        except OSError:
            pass  # what was left in its buffer has no reader
        self._process.wait()


class Children:
    """The children of one process: idle ones are used again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._stopped = False

    def run(self, job: Job, limits: Limits) -> Record:
        """Return the record of a job, run in a child.

        One that fails for memory, or dies, in a child that ran cells before is run again in a new one, so that what
        becomes of it does not depend on them.
        """
        while True:
            child = self._take(job.protocol.threads)
            try:
                record = child.run(job, limits)
            finally:
                self._back(child)
            if self._stopped:
                raise KeyboardInterrupt
            again = record.error is not None and record.error.startswith(("memory limit", "the process died"))
            if not again or child.n_cells == 1:
                return record
            child.kill()

    def _take(self, threads: int) -> Child:
        with self._lock:
            if self._stopped:
                raise KeyboardInterrupt
            fit = [child for child in self._idle if child.threads == threads and child.alive]
            for child in self._idle:
                if not child.alive:
                    child.kill()
            self._idle = [child for child in self._idle if child.alive and child not in fit[:1]]
            if fit:
                self._busy.add(fit[0])
                return fit[0]
        child = Child(threads)
        with self._lock:
            self._busy.add(child)
            stopped = self._stopped
        if stopped:  # meanwhile
            child.kill()
            raise KeyboardInterrupt
        return child

    def _back(self, child: Child) -> None:
        with self._lock:
            self._busy.discard(child)
            if child.alive:
                self._idle.append(child)

    def stop(self) -> None:
        """Kill all, those at work too: whoever waits for one is interrupted."""
        self._stopped = True
        with self._lock:
            everyone = [*self._idle, *self._busy]
            self._idle = []
        for child in everyone:
            child.kill()

    def close(self) -> None:
        """End those that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.kill()

    def start(self) -> None:
        """Take jobs, also after a stop."""
        self._stopped = False


HERE = Children()
atexit.register(HERE.close)


def resident_mb(pid: int) -> float:
    """Return the memory that a process has in use, in MB; 0 where it cannot be read."""
    try:
        if sys.platform == "linux":
            with open(f"/proc/{pid}/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
        return int(shown.stdout) * 1024 / 1e6
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0.0
