"""Cells in processes of their own: limits, deaths, warmth, and what a cell that goes wrong leaves alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kernelopt.evaluation import children
from kernelopt.evaluation.children import Children, Died
from kernelopt.evaluation.protocol import Protocol
from kernelopt.evaluation.runner import run
from kernelopt.evaluation.store import Store
from kernelopt.evaluation.study import Cell, DataSpec, Limits, MethodSpec, Study
from tests.evaluation.jobs import make_job


class Misbehaves:
    """Does as its parameter says, then labels everything 0."""

    def __init__(self, how="well", log=None):
        self.how, self.log = how, log

    def fit(self, X, y):
        if self.log is not None:
            with open(self.log, "a") as file:
                file.write(f"{os.getpid()}\n")
        if self.how == "sleeps":
            time.sleep(60)
        elif self.how == "starts another and sleeps":
            with open(self.log + ".pid", "w") as file:
                file.write(str(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid))
            time.sleep(60)
        elif self.how == "eats":
            self.eaten_ = [np.ones(2**24) for _ in range(64)]  # 8 GB
        elif self.how == "dies":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif self.how == "leaves":
            os._exit(3)
        elif self.how == "prints":
            print("to standard output", flush=True)
            os.write(1, b"and past Python\n")
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


def points():
    return np.eye(20), np.repeat([0, 1], 10)


def study(*ways, seeds=1, limits=None, log=None):
    return Study(
        data=(DataSpec("points", loader=points),),
        methods=tuple(MethodSpec(way, estimator=Misbehaves, params={"how": way, "log": log}) for way in ways),
        seeds=seeds,
        limits=limits or Limits(),
    )


def records_of(study, tmp_path, **options):
    return run(study, Store(tmp_path / "r.sqlite"), n_jobs=1, progress=lambda line: None, **options)


def test_a_cell_past_a_limit_or_dead_is_recorded_and_stops_nothing(tmp_path):
    ways = ("sleeps", "eats", "dies", "leaves", "prints", "well")
    records = records_of(study(*ways, limits=Limits(seconds=5, memory_mb=1500)), tmp_path)
    found = {record.method: record for record in records}
    assert [found[way].status for way in ways] == ["failed"] * 4 + ["ok"] * 2
    assert found["sleeps"].error == "time limit: more than 5 s"
    assert found["eats"].error.startswith("memory limit: more than 1500 MB")
    assert found["dies"].error == "the process died by signal 11 (SIGSEGV); its memory limit was 1500 MB"
    assert found["leaves"].error.startswith("the process died with exit status 3")
    assert found["well"].correct == found["prints"].correct and sum(found["well"].correct) > 0
    assert all(record.provenance["started"] and record.provenance["numpy"] for record in records)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_watched_where_allocations_cannot_be_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(children, "limits_allocations", lambda: False)
    child = children.Child(threads=1)
    try:
        job = make_job(Cell("points", "probe", 16, 0), method=MethodSpec("probe", estimator=Holds), loader=points)
        record = child.run(job, Limits(memory_mb=400))
        assert record.error == "memory limit: more than 400 MB" and not child.alive
    finally:
        child.kill()


class Holds(Misbehaves):
    """Takes memory without asking for more than the system grants, and holds it."""

    def fit(self, X, y):
        self.eaten_ = np.ones(10**8)  # 0.8 GB
        time.sleep(60)
        return self


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_what_a_cell_started_is_killed_with_it(tmp_path):
    log = str(tmp_path / "log")
    (record,) = records_of(study("starts another and sleeps", limits=Limits(seconds=4), log=log), tmp_path)
    assert record.error == "time limit: more than 4 s"
    pid = int(Path(log + ".pid").read_text())
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] in "ZX":
                    return
        except OSError:
            return
        time.sleep(0.1)
    pytest.fail(f"process {pid} outlived its cell")


def test_a_child_is_used_again_and_replaced_after_a_death(tmp_path):
    log = str(tmp_path / "log")
    (first, second) = records_of(study("well", seeds=2, log=log), tmp_path)
    assert first.status == second.status == "ok" and len(set(Path(log).read_text().split())) == 1
    pool = Children()
    spec = {way: MethodSpec(way, estimator=Misbehaves, params={"how": way}) for way in ("well", "leaves")}
    job = {way: make_job(Cell("points", way, 16, 0), method=spec[way], loader=points) for way in spec}
    try:
        assert pool.run(job["well"], Limits()).status == "ok"
        assert pool.run(job["leaves"], Limits()).status == "failed"
        assert pool.run(job["well"], Limits()).status == "ok"
    finally:
        pool.close()


def test_memory_that_earlier_cells_left_does_not_fail_a_later_one(tmp_path, monkeypatch):
    """A failure for memory in a child that was used before is tried again in a new one."""
    log = str(tmp_path / "log")
    pool = Children()
    well = MethodSpec("well", estimator=Misbehaves)
    eats = MethodSpec("eats", estimator=Misbehaves, params={"how": "eats", "log": log})
    limits = Limits(memory_mb=1500)
    try:
        pool.run(make_job(Cell("points", "well", 16, 0), method=well, loader=points), limits)
        record = pool.run(make_job(Cell("points", "eats", 16, 0), method=eats, loader=points), limits)
    finally:
        pool.close()
    assert record.error.startswith("memory limit") and len(set(Path(log).read_text().split())) == 2


def test_threads_are_fixed_before_libraries_are_loaded(tmp_path):
    class Threads(Misbehaves):
        def fit(self, X, y):
            import os

            import threadpoolctl

            pools = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
            self.found_ = 100 * int(os.environ["OMP_NUM_THREADS"]) + max(pools)
            return self

    method = MethodSpec("threads", estimator=Threads, record={"found": "found_"})
    data = (DataSpec("points", loader=points),)
    (record,) = records_of(Study(data, (method,), seeds=1, protocol=Protocol(threads=2)), tmp_path)
    assert record.status == "ok", record.error
    assert record.values == {"found": 202.0} and record.provenance["threads"] == 2


class Draws(Misbehaves):
    """Draws from the global random states, as a careless method does."""

    def fit(self, X, y):
        self.drawn_ = random.random() + np.random.random()  # noqa: NPY002
        return self


def test_global_random_states_depend_on_the_cell_and_on_nothing_that_ran_before(tmp_path):
    method = MethodSpec("draws", estimator=Draws, record={"drawn": "drawn_"})
    found = []
    for seeds in ((0, 1), (1, 0)):
        folder = tmp_path / str(seeds[0])
        folder.mkdir()
        records = records_of(Study((DataSpec("points", loader=points),), (method,), seeds=seeds), folder)
        found.append({record.seed: record.values["drawn"] for record in records})
    assert found[0] == found[1] and found[0][0] != found[0][1]


def test_a_killed_worker_leaves_no_child_behind():
    """The child sees its pipe close, although it is in the middle of a cell."""
    code = (
        "import os, sys, threading\n"
        "from tests.evaluation.test_limits import *\n"
        "child = children.Child(1)\n"
        "print(child._process.pid, flush=True)\n"
        "spec = MethodSpec('sleeps', estimator=Misbehaves, params={'how': 'sleeps'})\n"
        "child.run(make_job(Cell('points', 'sleeps', 16, 0), method=spec, loader=points), Limits())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        pid = int(process.stdout.readline())
        time.sleep(0.5)
        process.send_signal(signal.SIGKILL)
    for _ in range(300):
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] in "ZX":
                    return
        except OSError:
            return
        time.sleep(0.1)
    pytest.fail(f"process {pid} outlived its parent")


def test_what_a_child_cannot_import_is_a_failed_cell_that_says_so(monkeypatch):
    import types

    module = types.ModuleType("only_here")
    exec(
        "class Method:\n    def fit(self, X, y): return self\n    def predict(self, X): return X[:, 0]", module.__dict__
    )
    monkeypatch.setitem(sys.modules, "only_here", module)
    pool = Children()
    try:
        spec = MethodSpec("m", estimator=module.Method)
        record = pool.run(make_job(Cell("points", "m", 16, 0), method=spec, loader=points), Limits())
    finally:
        pool.close()
    assert record.status == "failed" and "cannot read this one: ModuleNotFoundError" in record.error


def test_limits_need_processes(tmp_path):
    with pytest.raises(ValueError, match="isolate=True"):
        records_of(study("well", limits=Limits(seconds=1)), tmp_path, isolate=False)
    (record,) = records_of(study("well"), tmp_path, isolate=False)
    assert record.status == "ok"


BAD = [0, -1.0, "long", True, float("inf"), float("nan")]


@pytest.mark.parametrize("bad", [{name: value} for name in ("seconds", "memory_mb") for value in BAD])
def test_bad_limits_are_refused(bad):
    with pytest.raises(ValueError, match="must be a positive, finite number"):
        Limits(**bad)


def test_limits_beyond_what_the_system_counts_are_no_limits(tmp_path):
    (record,) = records_of(study("well", limits=Limits(seconds=1e300, memory_mb=1e303)), tmp_path)
    assert record.status == "ok", record.error


def test_names_of_data_may_be_longer_than_those_of_files(tmp_path):
    long = Study([DataSpec("p/" * 200, loader=points)], [MethodSpec("m", estimator=Misbehaves)], sizes=[16], seeds=1)
    (record,) = records_of(long, tmp_path)
    assert record.status == "ok", record.error


def test_a_child_that_cannot_start_says_so(monkeypatch):
    monkeypatch.setattr(children, "START", "raise SystemExit(7)")
    with pytest.raises(Died):
        children.Child(1)
