"""Several runs on one store: no cell twice, none lost, the claims of the dead lapse."""

import csv
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from kernelopt.evaluation import claims as claiming
from kernelopt.evaluation.claims import Claims
from kernelopt.evaluation.runner import run
from kernelopt.evaluation.store import Store
from kernelopt.evaluation.study import Study
from kernelopt.evaluation.table import COST

SCRIPT = """
import sys
from pathlib import Path
from kernelopt.evaluation import Store, Study, run
from kernelopt.evaluation.table import table
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
records = run(Study.from_toml(folder / "study.toml"), Store(folder / "r.sqlite"), n_jobs=int(sys.argv[3]))
out.write_text(table(records, more=True))
"""
STUDY = """
name = "small"
seeds = {seeds}
[[data]]
name = "sonar"
[[methods]]
name = "nearest"
estimator = "tests.evaluation.toys:Logged"
params = {{ log = "{log}", seconds = {seconds}, seed = "$seed" }}
grid = {{ n_neighbors = [1, 3] }}
[[methods]]
name = "fails on odd seeds"
estimator = "tests.evaluation.toys:Fails"
params = {{ log = "{log}", seed = "$seed" }}
"""


def written(folder, seeds, seconds):
    (folder / "study.toml").write_text(STUDY.format(log=folder / "log", seeds=seeds, seconds=seconds))
    (folder / "log").write_text("")


def command(folder, out, n_jobs=1):
    return [sys.executable, "-c", SCRIPT, str(folder), str(out), str(n_jobs)]


def without_cost(path):
    return [{k: v for k, v in row.items() if k not in COST} for row in csv.DictReader(path.read_text().splitlines())]


def begun(folder):
    """Return which cells were begun, once per time: the log has one line per final fit."""
    return sorted((folder / "log").read_text().split())


def test_two_runs_at_once_share_the_work_and_agree(tmp_path):
    written(tmp_path, seeds=6, seconds=0.3)
    runs = [
        subprocess.Popen(command(tmp_path, tmp_path / f"{name}.csv"), stderr=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    said = [process.communicate()[1] for process in runs]
    assert [process.returncode for process in runs] == [0, 0], said
    cells = begun(tmp_path)
    assert len(cells) == len(set(cells)) == 12, "a cell was run twice"
    assert without_cost(tmp_path / "one.csv") == without_cost(tmp_path / "two.csv")
    rows = without_cost(tmp_path / "one.csv")
    assert len(rows) == 12 and [row["status"] for row in rows].count("failed") == 3
    with sqlite3.connect(tmp_path / "r.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM claims").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM cells").fetchone() == (12,)


def test_a_run_that_is_killed_leaves_its_cells_to_another(tmp_path):
    """The second run waits for what the first has in hand, and takes it over when the first is killed."""
    written(tmp_path, seeds=2, seconds=0)
    (tmp_path / "hold-0").write_text("")
    first = subprocess.Popen(command(tmp_path, tmp_path / "one.csv"), stderr=subprocess.DEVNULL)
    wait_for(lambda: "nearest-0" in begun(tmp_path))
    with sqlite3.connect(tmp_path / "r.sqlite") as db:
        held = [row[0] for row in db.execute("SELECT fingerprint FROM claims")]
    assert held
    store = Store(tmp_path / "r.sqlite")
    lines = []

    def say(line):
        lines.append(line)
        if line.startswith("waiting"):
            (tmp_path / "log").write_text("")
            first.send_signal(signal.SIGKILL)
            first.wait()
            (tmp_path / "hold-0").unlink()

    study = Study.from_toml((tmp_path / "study.toml").read_text())
    records = run(study, store, n_jobs=1, progress=say)
    assert any(line.startswith(f"waiting for 1 cell(s) that process {first.pid} on ") for line in lines), lines
    assert [record.status for record in records] == ["ok", "ok", "ok", "failed"]
    assert begun(tmp_path).count("nearest-0") == 1


def wait_for(holds, seconds=60):
    for _ in range(int(seconds * 20)):
        if holds():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen")


def test_kill_9_at_any_moment_yields_the_same_table(tmp_path):
    """Three kills, after random times of a fixed seed; experiments/robustness does thirty."""
    written(tmp_path, seeds=4, seconds=0.1)
    whole = tmp_path / "whole"
    whole.mkdir()
    written(whole, seeds=4, seconds=0.1)
    assert subprocess.run(command(whole, whole / "t.csv", 2), stderr=subprocess.PIPE).returncode == 0
    rng, kept = random.Random(0), {}
    for _ in range(3):
        process = subprocess.Popen(command(tmp_path, tmp_path / "t.csv", 2), stderr=subprocess.DEVNULL)
        try:
            process.wait(2.0 + 3.0 * rng.random())
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        now = stored(tmp_path / "r.sqlite")
        assert all(now.get(key) == text for key, text in kept.items()), "a finished cell was lost or run again"
        kept = now
    assert subprocess.run(command(tmp_path, tmp_path / "t.csv", 2), stderr=subprocess.PIPE).returncode == 0
    assert without_cost(tmp_path / "t.csv") == without_cost(whole / "t.csv")


def stored(path):
    if not path.exists():
        return {}
    with sqlite3.connect(path) as db:
        try:
            return dict(db.execute("SELECT fingerprint, record FROM cells WHERE status = 'ok'"))
        except sqlite3.OperationalError:
            return {}  # killed before there was a table


# --- claims alone


def test_claims_lapse_without_a_beat_and_not_before(tmp_path, monkeypatch):
    store = Store(tmp_path / "r.sqlite")
    one, two = Claims(store), Claims(store)
    now = time.time()
    monkeypatch.setattr(claiming.time, "time", lambda: now)
    assert one.take("a") and one.take("a") and not two.take("a")
    assert list(two.holders(["a", "b"])) == ["a"] and one.holders(["a"]) == {}
    monkeypatch.setattr(claiming.time, "time", lambda: now + claiming.LEASE_SECONDS + 1)
    assert two.holders(["a"]) == {} and two.take("a") and not one.take("a")


def test_the_claims_of_an_ended_process_lapse_at_once(tmp_path):
    store = Store(tmp_path / "r.sqlite")
    code = f"from kernelopt.evaluation.claims import *; print(Claims(Store({str(store.path)!r})).take('a'))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
    assert Claims(store).take("a")


def test_claims_of_another_machine_are_believed_until_they_lapse(tmp_path, monkeypatch):
    store = Store(tmp_path / "r.sqlite")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(claiming, "machine", lambda: "elsewhere")
        elsewhere.setattr(claiming.os, "getpid", lambda: 2**22 + 1)  # no process here has this number
        assert Claims(store).take("a")
    assert not Claims(store).take("a")


def test_a_block_renews_its_claims_and_gives_them_up(tmp_path, monkeypatch):
    monkeypatch.setattr(claiming, "BEAT_SECONDS", 0.01)
    store = Store(tmp_path / "r.sqlite")
    with Claims(store) as claims:
        claims.take("a")
        with store.connection() as db:
            db.execute("UPDATE claims SET beat = 0")
        wait_for(lambda: beat(store) > 0)
    with store.connection() as db:
        assert db.execute("SELECT count(*) FROM claims").fetchone() == (0,)


def beat(store):
    with store.connection() as db:
        return db.execute("SELECT beat FROM claims").fetchone()[0]


def test_many_stores_are_made_at_once_on_one_file(tmp_path):
    """Opening a new file is a race; nobody may take a half-made one for a foreign one."""
    code = f"from kernelopt.evaluation.store import Store; Store({str(tmp_path / 'r.sqlite')!r}).text('a')"
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(6)]
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, said


def test_a_process_number_says_whether_it_lives():
    assert claiming.is_alive(os.getpid()) and not claiming.is_alive(2**22 + 1)
