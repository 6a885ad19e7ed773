"""The benchopt folder keeps benchopt's conventions, and its objective tells a good answer from a bad one."""

import ast
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.benchmarks.methods import BY_NAME

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "benchmarks" / "benchopt"
FILES = sorted(FOLDER.rglob("*.py"))
CONVENTIONS = {  # class and base, and what benchopt calls
    "objective.py": ("Objective", "BaseObjective", {"set_data", "evaluate_result", "get_one_result", "get_objective"}),
    "datasets": ("Dataset", "BaseDataset", {"get_data"}),
    "solvers": ("Solver", "BaseSolver", {"set_objective", "run", "get_result"}),
}


def convention(path):
    return CONVENTIONS[path.name if path.parent == FOLDER else path.parent.name]


def the_class(path):
    tree = ast.parse(path.read_text())
    return next(node for node in tree.body if isinstance(node, ast.ClassDef))


def attributes(node):
    return {n.targets[0].id: ast.literal_eval(n.value) for n in node.body if isinstance(n, ast.Assign)}


def test_all_three_kinds_are_there():
    assert {convention(path)[0] for path in FILES} == {"Objective", "Dataset", "Solver"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_file_holds_the_class_that_benchopt_looks_for(path):
    name, base, methods = convention(path)
    node = the_class(path)
    assert node.name == name and [b.id for b in node.bases] == [base]
    assert {n.name for n in node.body if isinstance(n, ast.FunctionDef)} == methods
    assert isinstance(attributes(node)["name"], str) and isinstance(attributes(node)["parameters"], dict)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_only_benchopt_itself_is_imported_outside_the_guard(path):
    tree = ast.parse(path.read_text())
    free = [n.module for n in tree.body if isinstance(n, ast.ImportFrom)]
    assert free == ["benchopt"] and not any(isinstance(n, ast.Import) for n in tree.body)


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.name == "solvers"], ids=lambda p: p.name)
def test_solvers_name_methods_of_the_list(path):
    assert set(attributes(the_class(path))["parameters"]["method"]) <= set(BY_NAME)


def loaded(path):
    spec = importlib.util.spec_from_file_location(f"benchopt_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["kernelopt_solvers", "baselines", "cone_programs"])
def test_a_run_by_hand(name):
    pytest.importorskip("benchopt", reason="benchopt is not installed: its classes are checked as text only")
    dataset = loaded(FOLDER / "datasets" / "synthetic.py").Dataset.get_instance(menu="mixed", n=60, m=4)
    objective = loaded(FOLDER / "objective.py").Objective.get_instance(C=1.0, p=1.0)
    objective.set_data(**dataset.get_data())
    worst = objective.evaluate_result(**objective.get_one_result())
    solver_class = loaded(FOLDER / "solvers" / f"{name}.py").Solver
    for method in solver_class.parameters["method"]:
        solver = solver_class.get_instance(method=method)
        solver.set_objective(**objective.get_objective())
        solver.run(1e-3)
        found = objective.evaluate_result(**solver.get_result())
        assert -1e-9 <= found["gap"] <= 1e-3 < worst["gap"] and found["infeasibility"] <= 1e-3, method
        assert worst["dual"] <= found["dual"] <= found["value"] <= worst["value"]
        assert np.isfinite(found["value"])
