"""Kill a study again and again with signal 9, at random moments, and compare its final table with an undisturbed one.

    python experiments/robustness/run.py SEED KILLS

A kill comes up to a second after up to four more cells are finished, both drawn by the seed, so that kills hit the
start, the middle and the end of the study on a machine of any speed. Every second kill hits the whole process group,
workers too, the others the main process alone. Every third time, two runs share the store and both are killed.
Adds to kills.csv: when, what was finished, what was lost. The committed one has six seeds of five kills each.
"""

import csv
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from kernelopt.evaluation.table import COST

HERE = Path(__file__).parent
HEADER = ("seed", "kill", "after_seconds", "what", "runs", "finished_cells", "lost_or_run_again")
SCRIPT = """
import sys
from pathlib import Path
from kernelopt.evaluation import Store, Study, run
from kernelopt.evaluation.table import table
records = run(Study.from_toml(sys.argv[1]), Store(sys.argv[2]), n_jobs=2, progress=lambda line: None)
Path(sys.argv[3]).write_text(table(records, more=True))
"""


def start(store, out):
    """Begin a run in a process group of its own."""
    words = [sys.executable, "-c", SCRIPT, str(HERE / "study.toml"), str(store), str(out)]
    return subprocess.Popen(words, start_new_session=True)


def finished(store):
    """Return the records of finished cells, as they are stored."""
    if not store.exists():
        return {}
    with sqlite3.connect(store) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return {}
        return dict(db.execute("SELECT fingerprint, record FROM cells WHERE status = 'ok'"))


def without_cost(path):
    """Return the rows of a table without time and memory."""
    return [{k: v for k, v in row.items() if k not in COST} for row in csv.DictReader(path.read_text().splitlines())]


def main(seed=0, kills=30):
    """Return the exit status: 0 if nothing was lost and the tables agree."""
    rng, rows, kept = random.Random(seed), [], {}
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder, "killed.sqlite"), Path(folder, "whole.sqlite")
        for kill in range(kills):
            runs = [start(one, Path(folder, "killed.csv")) for _ in range(2 if kill % 3 == 2 else 1)]
            more, begun, delay = rng.randrange(5), time.monotonic(), rng.random()
            while runs[0].poll() is None and len(finished(one)) < len(kept) + more:
                time.sleep(0.05)
            time.sleep(delay)
            seconds = time.monotonic() - begun
            for process in runs:
                with suppress(ProcessLookupError):  # it was done before
                    (os.killpg if kill % 2 else os.kill)(process.pid, signal.SIGKILL)
                process.wait()
            now = finished(one)
            lost = sum(now.get(key) != text for key, text in kept.items())
            rows.append(
                [seed, kill + 1, round(seconds, 2), "group" if kill % 2 else "process", len(runs), len(now), lost]
            )
            kept = now
        for store, out in ((one, "killed.csv"), (two, "whole.csv")):
            assert start(store, Path(folder, out)).wait() == 0
        after = finished(one)
        again = sum(after.get(key) != text for key, text in kept.items())
        same = without_cost(Path(folder, "killed.csv")) == without_cost(Path(folder, "whole.csv"))
    new = not (HERE / "kills.csv").exists()
    with (HERE / "kills.csv").open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(HEADER)
        writer.writerows(rows)
    lost = sum(row[-1] for row in rows) + again
    verdict = "identical" if same else "DIFFERENT"
    print(f"seed {seed}, {kills} kills, {len(after)} cells: {lost} lost or run again; table {verdict}")
    return 0 if same and not lost else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
