"""The same study through joblib's backends: threads, processes, a Dask cluster; Ctrl-C ends it, whichever runs it."""

import json
import os
import signal
import subprocess
import sys
import time

import joblib
import pytest

from kernelopt.evaluation import Store, Study, run
from tests.evaluation.test_claims import written

STUDY = """
seeds = 2
[limits]
seconds = 60
[[data]]
name = "sonar"
[[methods]]
name = "trees"
estimator = "sklearn.ensemble:RandomForestClassifier"
params = { n_estimators = 5 }
grid = { max_depth = [1, 2] }
[[methods]]
name = "kernels"
estimator = "kernelopt:MKLClassifier"
grid = { C = [1.0, 10.0] }
"""


def outcomes(records):
    """What a record says, but for cost, time and place."""
    return [{k: v for k, v in r.to_dict().items() if k not in ("cost", "provenance")} for r in records]


def study_records(folder, **options):
    return run(Study.from_toml(STUDY), Store(folder / "r.sqlite"), progress=lambda line: None, **options)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    records = study_records(tmp_path_factory.mktemp("one"), n_jobs=1)
    assert [record.status for record in records] == ["ok"] * 4
    return outcomes(records)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_threads_and_processes_give_what_one_process_gives(tmp_path, expected, backend):
    with joblib.parallel_config(backend=backend):
        assert outcomes(study_records(tmp_path, n_jobs=2)) == expected


def test_a_dask_cluster_gives_the_same(tmp_path, expected):
    """Two workers in processes of their own, as on two machines; dask's own warnings are not ours."""
    pytest.importorskip("distributed", reason="the Dask backend needs the package distributed")
    code = (
        "import sys, joblib\n"
        "from distributed import Client, LocalCluster\n"
        "from pathlib import Path\n"
        "from tests.evaluation.test_backends import outcomes, study_records\n"
        "import json\n"
        "if __name__ == '__main__':\n"
        "    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:\n"
        "        with Client(cluster), joblib.parallel_config(backend='dask'):\n"
        "            print(json.dumps(outcomes(study_records(Path(sys.argv[1]), n_jobs=2))))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": os.getcwd() + os.pathsep + paths}
    found = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == json.loads(json.dumps(expected))


def interrupts_count():
    """Undo what a shell does to jobs in the background, which would otherwise ignore interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("n_jobs, backend, group", [(1, "loky", False), (2, "loky", True), (2, "threading", False)])
def test_ctrl_c_ends_a_study_and_all_it_started(tmp_path, n_jobs, backend, group):
    """As the terminal sends it: to the group; or to the main process alone."""
    written(tmp_path, seeds=2, seconds=0)
    (tmp_path / "hold-0").write_text("")
    (tmp_path / "hold-1").write_text("")
    code = (
        "import sys, joblib\n"
        "from pathlib import Path\n"
        "from kernelopt.evaluation import Store, Study, run\n"
        "folder = Path(sys.argv[1])\n"
        "with joblib.parallel_config(backend=sys.argv[3]):\n"
        "    try:\n"
        "        run(Study.from_toml(folder / 'study.toml'), Store(folder / 'r.sqlite'), n_jobs=int(sys.argv[2]))\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path), str(n_jobs), str(backend)]
    process = subprocess.Popen(
        words, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=interrupts_count
    )
    for _ in range(1200):
        if "nearest-0" in (tmp_path / "log").read_text():
            break
        time.sleep(0.05)
    (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    with Store(tmp_path / "r.sqlite").connection() as db:
        assert db.execute("SELECT count(*) FROM claims").fetchone() == (0,)
        assert "nearest" not in {row[0] for row in db.execute("SELECT method FROM cells WHERE status = 'ok'")}
    left = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout
    assert str(tmp_path) not in left
