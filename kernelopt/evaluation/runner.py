"""Running a study: cells in worker processes, each finished one stored before the next is counted."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from joblib import Parallel, delayed

from kernelopt.evaluation import children
from kernelopt.evaluation.cell import Job, run_cell
from kernelopt.evaluation.claims import Claims
from kernelopt.evaluation.plan import Plan, make_plan
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.remaining import Remaining
from kernelopt.evaluation.shelves import Shelves
from kernelopt.evaluation.store import Store
from kernelopt.evaluation.study import Cell, Limits, Study

POLL_SECONDS = 0.5  # between two looks at cells that another run has in hand


def run(
    study: Study,
    store: Store,
    *,
    data_home: str | None = None,
    n_jobs: int = 2,
    progress: Callable[[str], None] | None = None,
    isolate: bool = True,
) -> list[Record]:
    """Run the cells a store does not hold yet; return the records of all, in the study's order.

    A killed run loses no finished cell: run it again and it goes on. Failed cells are recorded with
    their error, do not stop the others, and are tried again by the next run. Several runs may share a store: each
    cell is run by one of them, and all return all records. Cells go through joblib, so that
    ``joblib.parallel_config`` chooses another backend, Dask or Ray among them.

    Parameters
    ----------
    study : Study
        What to run.
    store : Store
        Where records are kept.
    data_home : path, optional
        Folder with data sets that are not packaged.
    n_jobs : int
        Cells at a time; each uses the protocol's number of threads.
    progress : callable, optional
        Gets one line per finished cell; standard error, unless given.
    isolate : bool
        Whether each cell runs in a process of its own, which can be limited and killed. False, for a debugger, runs
        them in joblib's workers themselves, and refuses limits.

    Returns
    -------
    list of Record
        One per cell; a failed cell says so in `status`.
    """
    if not isolate and study.limits != Limits():
        raise ValueError("limits need cells in processes of their own: use isolate=True, or a study without limits")
    say = progress or (lambda line: print(line, file=sys.stderr, flush=True))
    plan = make_plan(study, data_home)
    this = _Run(plan, store, study.limits if isolate else None, n_jobs, say)
    with Claims(store) as claims, stop_children():
        this.finish(claims)
    return [this.done[cell] for cell in plan.jobs]


class _Run:
    """The state of one run: what is done, what is left, what others have in hand."""

    def __init__(self, plan: Plan, store: Store, limits: Limits | None, n_jobs: int, say: Callable[[str], None]):
        self.plan, self.store, self.limits, self.n_jobs, self.say = plan, store, limits, n_jobs, say
        self.before = {cell: store.text(key) for cell, key in plan.keys.items()}
        known = {cell: store.get(plan.keys[cell]) for cell, text in self.before.items() if text is not None}
        self.done = {cell: record for cell, record in known.items() if record and record.status == "ok"}
        self.left = [cell for cell in plan.jobs if cell not in self.done]
        self.clock = Remaining(self.left, n_jobs)
        say(
            f"{len(plan.jobs)} cells: {len(self.done)} finished before, {len(self.left)} to run in {n_jobs} process(es)"
        )

    def finish(self, claims: Claims) -> None:
        """Run what is left; wait for what another run does, or take it over when that run has ended."""
        shelves = Shelves(self.left)
        told: dict[str, str] = {}
        try:
            while self.left:
                held = claims.holders(self.plan.keys[cell] for cell in self.left)
                free = [cell for cell in self.left if self.plan.keys[cell] not in held]
                tasks = self._tasks(free, claims, shelves)
                work = Parallel(n_jobs=self.n_jobs, return_as="generator_unordered", batch_size=1)
                outcomes: Iterable[tuple[Cell, Record]] = work(tasks) if free else ()
                for cell, record in outcomes:
                    key = self.plan.keys[cell]
                    self.store.put(key, record)
                    claims.release([key])
                    shelves.finish(cell)
                    self._count(cell, self.store.get(key) or record)  # as a later run will read it
                self._collect()
                if self.left and held != told:
                    who = ", ".join(sorted(set(held.values()))) or "another run"
                    self.say(f"waiting for {len(self.left)} cell(s) that {who} has in hand")
                    told = held
                if self.left:
                    time.sleep(POLL_SECONDS)
        finally:
            shelves.close()

    def _tasks(self, cells: list[Cell], claims: Claims, shelves: Shelves) -> Iterator:
        """Claim cells when a worker is about to be free for them, and leave out those that are taken."""
        for cell in cells:
            key = self.plan.keys[cell]
            if not claims.take(key):
                continue
            if self._found(cell) is not None:  # between our last look and our claim
                claims.release([key])
                continue
            job = replace(self.plan.jobs[cell], shelf=shelves.folder(cell))
            yield delayed(_work)(os.getpid(), job, self.limits)

    def _found(self, cell: Cell) -> Record | None:
        """Return a record that another run has made since this one began, even one of a failure."""
        key = self.plan.keys[cell]
        return None if self.store.text(key) == self.before[cell] else self.store.get(key)

    def _collect(self) -> None:
        for cell in list(self.left):
            record = self._found(cell)
            if record is not None:
                self._count(cell, record)

    def _count(self, cell: Cell, record: Record) -> None:
        self.done[cell] = record
        self.left.remove(cell)
        left = self.clock.after(cell, record)
        self.say(f"[{len(self.done)}/{len(self.plan.jobs)}] {cell.label}: {outcome(record)}   {left}")


def outcome(record: Record) -> str:
    """Return what came out of a cell, in words for a progress line."""
    if record.status != "ok":
        return f"FAILED: {record.error}"
    if record.task == "regression":
        return f"rmse {record.metrics['rmse']:.4g}"
    return f"accuracy {record.accuracy:.3f}"


@contextmanager
def stop_children() -> Iterator[None]:
    """End the processes that this one runs cells in: at the end, and before an interrupt is passed on."""
    children.HERE.start()
    before: Any = signal.getsignal(signal.SIGINT)
    heard = threading.current_thread() is threading.main_thread() and callable(before)

    def stop(number, frame):
        children.HERE.stop()
        before(number, frame)

    if heard:
        signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        if heard:
            signal.signal(signal.SIGINT, before)
        children.HERE.close()


def _work(parent: int, job: Job, limits: Limits | None) -> tuple[Cell, Record]:
    """Run a cell; in a local worker process, end when the parent is killed, be it before the first cell."""
    local = multiprocessing.current_process().name.startswith("Loky")
    if local and "kernelopt-watch" not in (thread.name for thread in threading.enumerate()):
        threading.Thread(target=_exit_without, args=(parent,), name="kernelopt-watch", daemon=True).start()
    return job.cell, run_cell(job) if limits is None else children.HERE.run(job, limits)


def _exit_without(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
