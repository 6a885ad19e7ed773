"""Runs that are cut, repeated, or fail: no finished cell is lost or done twice, and the table is the same."""

import csv
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import kernelopt
from kernelopt.cli import main
from kernelopt.evaluation import methods
from kernelopt.evaluation.cell import fingerprint
from kernelopt.evaluation.children import HERE
from kernelopt.evaluation.protocol import Protocol
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.remaining import Remaining
from kernelopt.evaluation.store import Store
from kernelopt.evaluation.study import Cell, Study
from kernelopt.evaluation.table import COST, table
from tests.evaluation.jobs import make_job

SMALL = dict(data="mnist-small", sizes=(40, 80), seeds=2, methods=("uniform-kernel", "learned-kernel"))


def without_cost(text):
    return [{k: v for k, v in row.items() if k not in COST} for row in csv.DictReader(text.splitlines())]


def quiet(line):
    pass


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted run, in this process."""
    store = tmp_path_factory.mktemp("run") / "records.sqlite"
    return kernelopt.contrast(**SMALL, store=store, n_jobs=1, progress=quiet), store


def test_a_record_holds_what_the_report_needs(finished):
    records, _ = finished
    assert [r.key for r in records] == [
        ("mnist-small", m, n, s) for s in (0, 1) for n in (40, 80) for m in SMALL["methods"]
    ]
    for r in records:
        assert r.status == "ok" and r.accuracy == pytest.approx(sum(r.correct) / 1000) and len(r.correct) == 1000
        assert sum(r.weights.values()) == pytest.approx(1) and 0 <= r.certificate["gap"] <= 1e-4
        assert set(r.chosen) == {"C"} and len(r.candidates) == 3
        assert {"tune_seconds", "fit_seconds", "predict_seconds"} <= r.cost.keys()
        assert {"python", "numpy", "commit", "machine", "threads", "started"} <= r.provenance.keys()


def test_a_second_run_computes_nothing_and_returns_the_same(finished, monkeypatch):
    records, store = finished
    monkeypatch.setattr(HERE, "run", None)
    lines = []
    again = kernelopt.contrast(**SMALL, store=store, n_jobs=1, progress=lines.append)
    assert again == records and "8 finished before, 0 to run" in lines[0]


def test_more_seeds_reuse_what_is_there(finished, monkeypatch):
    records, store = finished
    done = []
    run = HERE.run
    monkeypatch.setattr(HERE, "run", lambda job, limits: done.append(job.cell) or run(job, limits))
    more = kernelopt.contrast(**{**SMALL, "seeds": 3}, store=store, n_jobs=1, progress=quiet)
    assert len(done) == 4 and {cell.seed for cell in done} == {2}
    assert [r for r in more if r.seed < 2] == records


def test_another_protocol_grid_or_data_is_another_cell(finished, monkeypatch):
    dataset = kernelopt.datasets.load("mnist-small")
    cell = Cell("mnist-small", "learned-kernel", 40, 0)
    base = fingerprint(make_job(cell), dataset)
    assert base == fingerprint(make_job(cell), dataset)
    others = [
        fingerprint(make_job(cell, protocol=Protocol(validation_size=0.5)), dataset),
        fingerprint(make_job(cell), replace(dataset, sha256="other")),
        fingerprint(make_job(replace(cell, seed=1)), dataset),
    ]
    method = methods.BY_NAME["learned-kernel"]
    monkeypatch.setitem(methods.BY_NAME, "learned-kernel", replace(method, version=method.version + 1))
    others.append(fingerprint(make_job(cell), dataset))
    assert len({base, *others}) == 5


def test_two_processes_give_the_same_table_as_one(finished, tmp_path):
    records, _ = finished
    parallel = kernelopt.contrast(**SMALL, store=tmp_path / "r.sqlite", n_jobs=2, progress=quiet)
    assert without_cost(table(parallel)) == without_cost(table(records))


def test_kill_9_loses_no_finished_cell_and_changes_no_result(finished, tmp_path):
    records, _ = finished
    page = tmp_path / "report.html"
    command = [
        sys.executable, "-m", "kernelopt.cli", "contrast", "--data", "mnist-small", "--sizes", "40", "80",
        "--seeds", "2", "--methods", *SMALL["methods"], "--jobs", "1", "-o", str(page),
    ]  # fmt: skip
    kept = 0
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            kept += line.startswith("[")
            if kept == 3:
                os.kill(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL and not page.exists()
    before = stored(tmp_path / "report.sqlite")
    assert len(before) >= 3
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert f"{len(before)} finished before" in result.stderr
    after = stored(tmp_path / "report.sqlite")
    assert all(after[key] == text for key, text in before.items()), "a finished cell was computed again"
    assert without_cost((tmp_path / "report.csv").read_text()) == without_cost(table(records))
    assert page.read_text().lower().startswith("<!doctype html>")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_do_not_outlive_a_killed_parent(tmp_path):
    command = [
        sys.executable, "-m", "kernelopt.cli", "contrast", "--data", "mnist-small", "--sizes", "40", "--seeds", "9",
        "--methods", "uniform-kernel", "--jobs", "2", "-o", str(tmp_path / "report.html"),
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("[1/"):
                workers = children(process.pid)
                os.kill(process.pid, signal.SIGKILL)
                break
    assert len(workers) >= 2
    for _ in range(300):
        left = [pid for pid in workers if alive(pid)]
        if not left:
            return
        time.sleep(0.1)
    pytest.fail(f"of {workers}, {left} are still there half a minute after their parent was killed")


def alive(pid):
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def children(pid):
    """Return the ids of the processes whose parent is `pid`."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat") as file:
                if entry.isdigit() and int(file.read().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(entry))
        except (OSError, IndexError):
            continue
    return found


def stored(path):
    with sqlite3.connect(path) as db:
        return dict(db.execute("SELECT fingerprint, record FROM cells"))


def test_a_failed_cell_is_recorded_tried_again_and_stops_nothing(tmp_path, monkeypatch):
    broken = replace(methods.BY_NAME["uniform-kernel"], build=lambda *args, **kwargs: 1 / 0)
    whole = methods.BY_NAME["uniform-kernel"]
    monkeypatch.setitem(methods.BY_NAME, "uniform-kernel", broken)
    study = {**SMALL, "sizes": (40,), "seeds": 1}
    first = kernelopt.contrast(**study, store=tmp_path / "r.sqlite", n_jobs=1, progress=quiet)
    assert [r.status for r in first] == ["failed", "ok"]
    assert first[0].error == "ZeroDivisionError: division by zero"
    assert "1 / 0" in first[0].provenance["traceback"] or "division" in first[0].provenance["traceback"]
    monkeypatch.setitem(methods.BY_NAME, "uniform-kernel", whole)
    second = kernelopt.contrast(**study, store=tmp_path / "r.sqlite", n_jobs=1, progress=quiet)
    assert [r.status for r in second] == ["ok", "ok"] and second[1] == first[1]


def test_interrupt_keeps_what_is_finished(tmp_path, monkeypatch, capsys):
    run, done = HERE.run, []

    def interrupted(job, limits):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(job.cell)
        return run(job, limits)

    monkeypatch.setattr(HERE, "run", interrupted)
    words = [
        "contrast",
        "--data",
        "mnist-small",
        "--sizes",
        "40",
        "--seeds",
        "2",
        "--methods",
        *SMALL["methods"],
    ]
    status = main([*words, "--jobs", "1", "-o", str(tmp_path / "r.html")])
    assert status == 130 and "goes on" in capsys.readouterr().err
    assert len(Store(tmp_path / "r.sqlite")) == 2


def test_interrupt_caught_by_an_estimator_still_ends_the_study(tmp_path, monkeypatch):
    """Solvers keep their best point when interrupted; half-trained, it must not become a record."""

    class Keeps:
        def fit(self, X, y):
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(5)
            except KeyboardInterrupt:
                return self

        def predict(self, X):
            return [0] * len(X)

        score = predict

    method = methods.BY_NAME["uniform-kernel"]
    one = replace(method, info=replace(method.info, grid={"C": (1.0,)}), build=lambda *args, **kwargs: Keeps())
    monkeypatch.setitem(methods.BY_NAME, "uniform-kernel", one)
    before = signal.getsignal(signal.SIGINT)  # a job in the background starts with the interrupt ignored
    with pytest.raises(KeyboardInterrupt):
        kernelopt.contrast(**{**SMALL, "sizes": (40,)}, store=tmp_path / "r.sqlite", n_jobs=1, progress=quiet)
    assert len(Store(tmp_path / "r.sqlite")) == 0
    assert signal.getsignal(signal.SIGINT) is before


# --- the store


def test_store_round_trip_and_nan(tmp_path):
    store = Store(tmp_path / "s.sqlite")
    record = Record("d", "m", 10, 0, accuracy=0.5, correct=[1, 0], weights={"a": 1.0}, history={"loss": [1.0, 0.5]})
    store.put("key", record)
    assert store.get("key") == record and store.get("other") is None and len(store) == 1
    store.put("key", replace(record, accuracy=0.75))
    assert store.get("key").accuracy == 0.75 and len(store) == 1
    store.put("failed", Record("d", "m", 10, 1, status="failed", error="E"))
    assert store.get("failed").accuracy != store.get("failed").accuracy
    with sqlite3.connect(tmp_path / "s.sqlite") as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        for (text,) in db.execute("SELECT record FROM cells"):
            json.loads(text, parse_constant=pytest.fail)


def test_two_stores_on_one_file_do_not_block_each_other(tmp_path):
    one, two = Store(tmp_path / "s.sqlite"), Store(tmp_path / "s.sqlite")
    for i in range(20):
        (one if i % 2 else two).put(str(i), Record("d", "m", 10, i))
    assert len(one) == len(two) == 20


def test_a_foreign_torn_or_newer_file_is_refused_and_left_alone(tmp_path):
    torn = tmp_path / "torn.sqlite"
    torn.write_bytes(b"SQLite format 3\x00" + b"\xff" * 500)
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as db:
        db.execute("CREATE TABLE cells (x)")
        db.execute("PRAGMA user_version=99")
    for path, message in ((torn, "not a readable SQLite"), (newer, "version 99")):
        content = path.read_bytes()
        with pytest.raises(ValueError, match=message):
            Store(path)
        assert path.read_bytes() == content


# --- the command line and the table


def test_cells_that_look_like_formulas_are_quoted():
    rows = list(csv.reader(table([Record("=1+1", "-m", 10, 0, status="failed", error="@x")]).splitlines()))
    assert rows[1][0] == "'=1+1" and rows[1][1] == "'-m" and rows[1][-1] == "'@x"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--methods", "magic"], "unknown method.*learned-kernel"),
        (["--data", "nonsense"], "nonsense"),
        (["--data", "sonar"], "cannot be contrasted"),
        (["--sizes", "6000"], "exceeds the 5000"),
        (["--sizes", "12"], "too small for 10 classes"),
        (["-o", "no/such/folder/r.html"], "does not exist"),
    ],
)
def test_wrong_arguments_are_explained(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["contrast", *arguments]) == 1
    assert re.search(message, capsys.readouterr().err)


def test_data_lists_every_set(capsys):
    assert main(["data"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in kernelopt.datasets.names())


def test_remaining_time_counts_down():
    cells = Study(("d",), ("a",), (10, 20), (0, 1)).cells()
    clock = Remaining(cells, 1)
    texts = [clock.after(c, Record(*(c.dataset, c.method, c.size, c.seed), cost={"fit_seconds": 10.0})) for c in cells]
    assert texts[-1] == "about 0 s left" and texts[1] == "about 20 s left"


def test_output_or_store_is_needed():
    with pytest.raises(ValueError, match="output"):
        kernelopt.contrast(**SMALL)


def test_progress_goes_to_standard_error_by_default(finished, capsys):
    _, store = finished
    kernelopt.contrast(**SMALL, store=store, n_jobs=1)
    captured = capsys.readouterr()
    assert captured.out == "" and "8 cells" in captured.err


def test_start_time_is_the_cells_own(finished):
    started = [r.provenance["started"] for r in finished[0]]
    assert all(time.strptime(s, "%Y-%m-%dT%H:%M:%SZ") for s in started)
