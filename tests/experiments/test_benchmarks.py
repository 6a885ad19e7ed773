"""The benchmark measures what it says: problems, rows, certificates made in the child, and the record."""

import csv
import doctest
import importlib
import json
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from experiments.benchmarks import __main__ as command
from experiments.benchmarks import cell as cells
from experiments.benchmarks import cone_program, methods, peers, problems, record, run, table
from experiments.benchmarks.cell import Cell
from experiments.benchmarks.problems import Case
from kernelopt.convex import Hinge, Problem, Simplex, Uniform
from kernelopt.convex.solvers import InteriorPoint

SMALL = Case("synthetic/mixed", 60, 5, 2.0)


# --- problems


@pytest.mark.parametrize("source", problems.SOURCES)
def test_sources_give_two_classes(source):
    X, y = problems.SOURCES[source](150)
    assert X.shape[0] == 150 and np.isfinite(X).all()
    assert set(np.unique(y)) == {-1.0, 1.0} and 0.25 < np.mean(y > 0) < 0.75
    with (
        pytest.raises(ValueError, match="rows, but n = 1000000") if source != "synthetic" else warnings.catch_warnings()
    ):
        problems.SOURCES[source](1_000_000 if source != "synthetic" else 10)


@pytest.mark.parametrize("menu", problems.MENUS)
def test_kernels_are_of_the_menu(menu):
    X = problems.synthetic(40)[0]
    kernels = list(problems.MENUS[menu].kernels(X, 30))
    sizes = {len(k.columns) for k in kernels}
    assert sizes == {"mixed": {1, 2, 3, 10}, "wide": {10}, "narrow": {10}, "single": {1}}[menu]
    assert [(k.columns, k.kernel.gamma) for k in problems.MENUS[menu].kernels(X, 10)] == [
        (k.columns, k.kernel.gamma) for k in kernels[:10]
    ]
    assert len({(k.columns, k.kernel.gamma) for k in kernels}) == 30  # no kernel twice


def test_a_case_is_the_problem_it_names():
    task = replace(SMALL, p=2.0).problem()
    assert task.description.startswith("hinge on lp") and task.criterion == Hinge(2.0)
    np.testing.assert_allclose(task.kernels.traces, 60)  # trace n
    assert all(np.linalg.eigvalsh(K)[0] > -1e-10 for K in task.kernels.Ks)
    with pytest.raises(ValueError, match="SOURCE/MENU"):
        Case("synthetic/none", 10, 2).problem()


def test_a_stored_stack_is_the_same_problem(tmp_path):
    Ks, y = SMALL.computed()
    np.save(tmp_path / "Ks.npy", 3 * Ks)
    np.save(tmp_path / "y.npy", y)
    case = Case.of_folder(tmp_path, C=2.0)
    assert (case.n, case.m) == (60, 5)
    own, theirs = (InteriorPoint(tol=1e-8).solve(c.problem()).certificate.primal for c in (SMALL, case))
    assert own == pytest.approx(theirs, rel=1e-7)
    np.save(tmp_path / "y.npy", 2 * y)
    with pytest.raises(ValueError, match="-1 and 1 only"):
        case.problem()


# --- the cone program of its own


@pytest.mark.parametrize("solver", [s for s in cone_program.SOLVERS if not methods.BY_NAME[f"cvxpy {s}"].missing])
def test_cone_program_brackets_the_optimum(solver):
    task = SMALL.problem()
    certificate = cone_program.ConeProgram(solver, tol=1e-6).solve(task).certificate
    exact = InteriorPoint(tol=1e-9).solve(task).certificate
    assert certificate.holds(1e-4), certificate
    assert certificate.dual <= exact.primal * (1 + 1e-9) and certificate.primal >= exact.dual * (1 - 1e-9)


def test_cone_program_takes_sample_weights():
    task = SMALL.problem()
    weighted = replace(task, w=np.random.default_rng(0).uniform(0.5, 3.0, 60))
    certificate = cone_program.ConeProgram().solve(weighted).certificate
    assert certificate.holds(1e-5) and certificate.primal == pytest.approx(
        InteriorPoint(tol=1e-9).solve(weighted).certificate.primal, rel=1e-5
    )


def test_every_installed_cone_solver_is_in_the_list():
    from cvxpy.constraints import SOC
    from cvxpy.reductions.solvers.defines import INSTALLED_SOLVERS, SOLVER_MAP_CONIC

    conic = {n for n in INSTALLED_SOLVERS if SOC in getattr(SOLVER_MAP_CONIC.get(n), "SUPPORTED_CONSTRAINTS", [])}
    assert conic <= set(cone_program.SOLVERS)


# --- measuring


class Spoiled:
    """A solver that claims a certificate its numbers do not have."""

    def solve(self, problem):
        honest = InteriorPoint(tol=1e-8).solve(problem)
        return replace(honest, theta=problem.kernel_set.start(problem.kernels))


def test_the_certificate_is_made_afresh():
    task = SMALL.problem()
    row = cells.measure(task, Spoiled(), 1e-6)
    assert row["status"] == "gap above tol" and row["gap"] > 1e-3
    row = cells.measure(task, InteriorPoint(tol=1e-8), 1e-6)
    assert row["status"] == "ok" and row["gap"] <= 1e-8
    assert row["cpu_s"] == min(row["rounds"]) and len(row["rounds"]) == cells.REPEATS
    assert row["per_svc"] == row["cpu_s"] / row["svc_s"] > row["per_assembly_svc"]


COPIES = """
from dataclasses import replace
from experiments.benchmarks import cell
from experiments.benchmarks.problems import Case
from kernelopt.convex.solvers import InteriorPoint

class Copies:
    def solve(self, problem):
        copy = problem.kernels.Ks.copy()
        return InteriorPoint(tol=1e-3).solve(replace(problem, Y=problem.Y + 0 * copy[0, 0, 0]))

task = Case("synthetic/mixed", 300, 30).problem()
print(cell.measure(task, Copies(), 1e-3)["extra_mib"], 0.9 * task.kernels.Ks.nbytes / 2**20)
"""


def test_memory_of_a_solver_that_copies_the_stack():
    """In a process of its own, as every cell: memory that was freed before would hide the copy."""
    command = [sys.executable, "-c", COPIES]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    extra, least = map(float, done.stdout.split())
    assert extra > least


def test_each_repetition_starts_from_nothing():
    task = SMALL.problem()
    task.kernels.traces, task.scale  # noqa: B018 - remembered now
    again = cells.fresh(task)
    assert "scale" not in vars(again) and "traces" not in vars(again.kernels)
    assert again.kernels.Ks is task.kernels.Ks  # but nothing is copied


def test_a_cell_survives_its_journey():
    cell = Cell(SMALL, "SILP", 1e-3, 5.0)
    assert Cell.from_json(cell.to_json()) == cell


def test_rows_are_appended_resumed_and_shown(tmp_path, capsys):
    path = tmp_path / "rows.csv"
    arguments = ["--problem", "synthetic/mixed", "40", "3", "--C", "1", "--tol", "1e-3", "--rows", str(path)]
    assert command.main([*arguments, "--method", "InteriorPoint", "MKLpy AverageMKL"]) == 0
    assert command.main([*arguments, "--method", "InteriorPoint", "level method"]) == 0
    rows = run.read(path)
    assert [row["method"] for row in rows] == ["InteriorPoint", "MKLpy AverageMKL", "level method"]
    for row in rows:
        if row["kind"] == "peer":
            assert row["status"] == "skipped: not installed: MKLpy" or row["status"][:3] == "gap"
            continue
        assert row["status"] == "ok" and float(row["gap"]) <= 1e-3
        assert float(row["per_svc"]) == pytest.approx(float(row["cpu_s"]) / float(row["svc_s"]), rel=1e-5)
    capsys.readouterr()
    assert command.main(["table", "--rows", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "### synthetic/mixed, n = 40, m = 3, C = 1, gap 0.001" in shown and "| level method |" in shown


def test_failures_and_hanging_are_rows():
    failed = run.measured(Cell(Case("synthetic/none", 10, 2), "InteriorPoint"))
    assert failed["status"].startswith("failed: ValueError: name must be SOURCE/MENU")
    refused = run.measured(Cell(replace(SMALL, p=2.0), "SILP"))
    assert refused["status"].startswith("refused: NotImplementedError: SILP solves hinge on simplex")
    hanging = run.measured(Cell(SMALL, "InteriorPoint", seconds=0.0), building=0.01)
    assert hanging["status"] == "timed out: killed after 0.01 s"
    large = run.measured(Cell(Case("synthetic/mixed", 10_000, 100), "Conic"))
    assert large["status"].startswith("skipped: not tried above")


def test_a_file_that_is_cut_or_of_another_version_is_refused(tmp_path):
    path = tmp_path / "rows.csv"
    run.append(path, {"problem": "a", "status": "ok"})
    path.write_text(path.read_text()[:-3])
    with pytest.raises(ValueError, match="ends in the middle of a row"):
        run.read(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="other columns"):
        run.read(path)


def test_a_skipped_cell_is_measured_once_it_can_be(tmp_path, monkeypatch):
    path, cell = tmp_path / "rows.csv", Cell(SMALL, "SILP")
    monkeypatch.setattr(run, "measured", lambda cell: {"status": f"skipped: {run.skipped(cell)}"})
    monkeypatch.setattr(run, "skipped", lambda cell: "not installed: it")
    run.run([cell], path)
    run.run([cell], path)
    assert len(run.read(path)) == 1
    monkeypatch.setattr(run, "skipped", lambda cell: "")
    monkeypatch.setattr(run, "measured", lambda cell: {"status": "ok", "cpu_s": 1.0, "per_svc": 2.0, "gap": 0.0})
    run.run([cell], path)
    run.run([cell], path)
    assert [row["status"] for row in run.read(path)] == ["skipped: not installed: it", "ok"]
    assert "Not here" not in table.markdown(run.read(path))


# --- the record


def measured_row(factor):
    return {
        "rounds": [0.3 * factor, 0.2 * factor],
        "svc_s": 0.1,
        "assembly_s": 0.01,
        "cpu_s": 0.2 * factor,
        "gap": 1e-7,
        "passes": None,
        "peak_mib": 100.0,
        "extra_mib": 1.0,
        "status": "ok",
    }


def test_record_holds_ratios_and_compare_sees_a_slowdown(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(record, "measured", lambda cell: measured_row(1.0))
    two = record.CELLS[:2]
    old = json.loads(json.dumps(record.record(two)))
    assert old["benchmarks"][0]["stats"]["min"] == pytest.approx(2.0)
    assert old["benchmarks"][0]["stats"]["mean"] == pytest.approx(2.5)
    assert {"machine_info", "commit_info", "datetime", "version"} <= set(old)
    name = " ".join(two[1].key)
    monkeypatch.setattr(record, "measured", lambda cell: measured_row(1.5 if cell == two[1] else 1.0))
    text, slower = record.changes(old, record.record(two))
    assert slower == [name] and "1.50 slower" in text and "1.00 |" in text
    assert record.changes(old, record.record(two), allow=2.0)[1] == []


def test_a_record_without_an_answer_is_none(monkeypatch):
    monkeypatch.setattr(record, "measured", lambda cell: {"status": "timed out: killed after 1 s"})
    with pytest.raises(RuntimeError, match="timed out"):
        record.record(record.CELLS[:1])


def test_compare_asks_for_a_record(tmp_path):
    with pytest.raises(FileNotFoundError, match="benchmarks record"):
        record.load(tmp_path / "record.json")


# --- the list of methods


def test_names_differ_and_all_kinds_are_there():
    assert len(methods.BY_NAME) == len(methods.METHODS)
    assert {m.kind for m in methods.METHODS} == {"ours", "cvxpy", "baseline", "peer"}


@pytest.mark.parametrize(
    "method", [m for m in methods.METHODS if not m.missing and m.kind != "peer"], ids=lambda m: m.name
)
def test_every_method_solves_to_its_gap(method):
    Ks = np.stack([np.outer(v, v) for v in np.eye(6)[:2]] + [np.eye(6)])
    y = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    task = Problem.of(Ks, y, Hinge(1.0), Simplex())
    solution = method.make(1e-3, 10.0).solve(task)
    assert task.certify(solution).holds(1e-3)


def test_the_average_of_another_library_is_certified_as_the_average(monkeypatch):
    """What comes back from MKLpy's interface, here a stand-in for it, is the machine of equal weights."""

    class AverageMKL:
        def __init__(self, learner):
            self.learner = learner

        def fit(self, KL, y):
            self.solution = SimpleNamespace(weights=np.full(len(KL), 1 / len(KL)))
            self.learner.fit(sum(KL) / len(KL), y)
            return self

    stand_in = ModuleType("MKLpy")
    stand_in.algorithms = SimpleNamespace(AverageMKL=AverageMKL)
    monkeypatch.setitem(sys.modules, "MKLpy", stand_in)
    task = SMALL.problem()
    found = task.certify(peers.MKLpy("AverageMKL").solve(task))
    average = InteriorPoint(tol=1e-8).solve(replace(task, kernel_set=Uniform())).certificate
    assert found.infeasibility < 1e-9
    assert average.primal <= found.primal * (1 + 1e-9) and found.primal == pytest.approx(average.primal, rel=1e-3)
    assert found.gap > 1e-2  # equal weights are not the best ones here, and the certificate knows


MODULES = ["cell", "cone_program", "methods", "problems", "record", "run", "table"]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(f"experiments.benchmarks.{name}")).failed == 0


def test_csv_columns_hold_the_whole_row(tmp_path):
    """A key of a row without a column would raise in the writer: every key that `measure` makes has one."""
    row = cells.measure(SMALL.problem(), InteriorPoint(tol=1e-4), 1e-3)
    assert set(row) <= set(run.COLUMNS)
    run.append(tmp_path / "rows.csv", {k: run.text(v) for k, v in row.items()})
    with (tmp_path / "rows.csv").open() as file:
        assert next(csv.DictReader(file))["status"] == "ok"
