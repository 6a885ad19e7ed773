"""Running a study: cells in worker processes, each finished one stored before the next is counted."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable

from joblib import Parallel, delayed

from kernelopt.evaluation.cell import Job, run_cell
from kernelopt.evaluation.plan import make_plan
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.remaining import Remaining
from kernelopt.evaluation.store import Store
from kernelopt.evaluation.study import Study


def run(
    study: Study,
    store: Store,
    *,
    data_home: str | None = None,
    n_jobs: int = 2,
    progress: Callable[[str], None] | None = None,
) -> list[Record]:
    """Run the cells a store does not hold yet; return the records of all, in the study's order.

    A killed run loses no finished cell: run it again and it goes on. Failed cells are recorded with
    their error, do not stop the others, and are tried again by the next run. Cells go through joblib, so
    ``joblib.parallel_config`` chooses another backend.

    Parameters
    ----------
    study : Study
        What to run.
    store : Store
        Where records are kept.
    data_home : path, optional
        Folder with data sets that are not packaged.
    n_jobs : int
        Worker processes; each uses the protocol's number of threads.
    progress : callable, optional
        Gets one line per finished cell; standard error, unless given.
    """
    say = progress or (lambda line: print(line, file=sys.stderr, flush=True))
    plan = make_plan(study, data_home)
    keys = plan.keys
    cells = list(plan.jobs)
    done = {cell: record for cell in cells if (record := store.get(keys[cell])) and record.status == "ok"}
    todo = [cell for cell in cells if cell not in done]
    say(f"{len(cells)} cells: {len(done)} finished before, {len(todo)} to run in {n_jobs} process(es)")
    clock = Remaining(todo, n_jobs)
    tasks = (delayed(_work)(os.getpid(), plan.jobs[cell]) for cell in todo)
    outcomes: Iterable[tuple[Job, Record]] = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(tasks)
    for job, record in outcomes:
        cell = job.cell
        store.put(keys[cell], record)
        done[cell] = record
        say(f"[{len(done)}/{len(cells)}] {cell.label}: {outcome(record)}   {clock.after(cell, record)}")
    return [done[cell] for cell in cells]


def outcome(record: Record) -> str:
    """Return what came out of a cell, in words for a progress line."""
    if record.status != "ok":
        return f"FAILED: {record.error}"
    if record.task == "regression":
        return f"rmse {record.metrics['rmse']:.4g}"
    return f"accuracy {record.accuracy:.3f}"


def _work(parent: int, job: Job) -> tuple[Job, Record]:
    """Run a cell; in a local worker process, end when the parent is killed, be it before the first cell."""
    local = multiprocessing.current_process().name.startswith("Loky")
    if local and "kernelopt-watch" not in (thread.name for thread in threading.enumerate()):
        threading.Thread(target=_exit_without, args=(parent,), name="kernelopt-watch", daemon=True).start()
    return job, run_cell(job)


def _exit_without(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)
