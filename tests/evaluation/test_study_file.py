"""Studies as TOML and as values: the same, strict, and there and back again."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import SVC

import kernelopt
from kernelopt.cli import main
from kernelopt.evaluation import DataSpec, Limits, MethodSpec, Protocol, Study, study_file
from kernelopt.evaluation.entries import read_value, resolve
from kernelopt.evaluation.specs import build, find_object, modules_beside, plain, substitute

TEXT = """
name = "svm"
question = "Which?"
sizes = [50, 100]
seeds = [3, 1]

[protocol]
split = "random"
test_size = 0.3
folds = 4
budget = 3
threads = 2

[limits]
seconds = 60
memory_mb = 2000.0

[[data]]
name = "heart"
source = "heart_statlog"
scale = "standardize"
values = { sigma = 0.5 }

[[methods]]
name = "learned-kernel"

[[methods]]
name = "MKL"
label = "Two Gaussians"
half = "bridge"
estimator = "kernelopt:MKLClassifier"
params = { tol = 1e-5, kernels = { partial = "kernelopt.kernels:gaussian", factors = [1, "$sigma"] } }
grid = { C = [0.1, 1, 10] }
record = { objective = "certificate_.primal" }
"""


def test_a_file_is_the_same_as_the_values():
    study = Study(
        name="svm",
        question="Which?",
        sizes=(50, 100),
        seeds=(3, 1),
        protocol=Protocol(split="random", test_size=0.3, folds=4, budget=3, threads=2),
        limits=Limits(60, 2000.0),
        data=(DataSpec("heart", source="heart_statlog", scale="standardize", values={"sigma": 0.5}),),
        methods=(
            MethodSpec("learned-kernel"),
            MethodSpec(
                "MKL",
                label="Two Gaussians",
                half="bridge",
                estimator="kernelopt:MKLClassifier",
                params={"tol": 1e-5, "kernels": {"partial": "kernelopt.kernels:gaussian", "factors": [1, "$sigma"]}},
                grid={"C": [0.1, 1, 10]},
                record={"objective": "certificate_.primal"},
            ),
        ),
    )
    assert Study.from_toml(TEXT) == study
    assert Study.from_dict(study.to_dict()) == study


def test_a_path_is_read_and_named_in_errors(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(TEXT)
    assert Study.from_toml(path) == Study.from_toml(str(path)) == Study.from_toml(TEXT)
    path.write_text("seeds = [")
    with pytest.raises(ValueError, match=rf"{re.escape(str(path))}.*is not TOML"):
        Study.from_toml(path)


def test_the_documentation_names_every_key_and_its_example_is_a_study():
    text = study_file.__doc__.split("::\n\n", 1)[1]
    study = Study.from_toml("\n".join(line[4:] for line in text.splitlines()))
    assert study.name == "svm-on-sonar" and len(study.methods) == 2
    with open("docs/studies.md") as file:
        page = file.read()
    for kind in (Study, Protocol, Limits, DataSpec, MethodSpec):
        missing = [item.name for item in fields(kind) if f"`{item.name}`" not in page]
        assert not missing, f"docs/studies.md does not explain {missing} of {kind.__name__}"


@pytest.mark.parametrize(
    "old, new, message",
    [
        ('name = "svm"', 'nmae = "svm"', "the study has an unknown key 'nmae' .did you mean 'name'"),
        ("folds = 4", "fold = 4", r"\[protocol\] has an unknown key 'fold' .did you mean 'folds'"),
        ("seconds = 60", "minutes = 1", r"\[limits\] has an unknown key 'minutes'"),
        ('scale = "standardize"', 'scaling = "unit"', r"\[\[data\]\] has an unknown key 'scaling'"),
        ('half = "bridge"', 'halves = "bridge"', r"\[\[methods\]\] has an unknown key 'halves'"),
        ('scale = "standardize"', 'scale = "whiten"', "scale of data 'heart' must be one of 'none'"),
        ('half = "bridge"', 'half = "both"', "half of method 'MKL' must be one of"),
        ("seeds = [3, 1]", "seeds = [3, 3]", "seeds holds something twice"),
        ("seeds = [3, 1]", "seeds = []", "seeds is empty"),
        ("seeds = [3, 1]", 'seeds = "all"', "seeds must be a list of whole numbers"),
        ("sizes = [50, 100]", "sizes = [0.5]", "sizes must be positive whole numbers, found 0.5"),
        ("folds = 4", "folds = 1", "folds must be 0 or at least 2"),
        ("test_size = 0.3", "test_size = 1.5", "test_size must be a fraction"),
        ("budget = 3", 'search = "random"', "needs a budget"),
        ("threads = 2", "threads = 0", "threads must be a positive"),
        ("grid = { C = [0.1, 1, 10] }", "grid = { C = 1 }", "grid.C of method 'MKL' must be a list of values"),
        ("grid = { C = [0.1, 1, 10] }", "grid = { tol = [1e-3] }", "tol of method 'MKL' is both in params and in grid"),
        ('estimator = "kernelopt:MKLClassifier"', 'estimator = "a:B"\nmethod = "x"', "both method and estimator"),
        ("values = { sigma = 0.5 }", "values = { seed = 0.5 }", "may not be called seed"),
        ('[[data]]\nname = "heart"', "[[data]]", r"\[\[data\]\] has no name"),
        ('question = "Which?"', "question = 3", "question of the study must be a text, found 3"),
        ('name = "svm"', "name = [1]", "name of the study must be a text"),
        ('label = "Two Gaussians"', "label = 3", "label of method 'MKL' must be a text, found 3"),
        ('label = "Two Gaussians"', "learned = ['w']", "learned of method 'MKL' must be a text"),
        ('label = "Two Gaussians"', "description = 1.5", "description of method 'MKL' must be a text"),
        ('estimator = "kernelopt:MKLClassifier"', "method = 3", "method of method 'MKL' must be a text"),
        ('estimator = "kernelopt:MKLClassifier"', "estimator = 3", "estimator of method 'MKL' must be 'module:Class'"),
        ("grid = { C = [0.1, 1, 10] }", "grid = [1]", "grid of method 'MKL' must be a table"),
        ('record = { objective = "certificate_.primal" }', "record = 'x'", "record of method 'MKL' must be a table"),
        ("values = { sigma = 0.5 }", "values = [0.5]", "values of data 'heart' must be a table"),
        ('source = "heart_statlog"', "loader = 3", "loader of data 'heart' must be 'module:function'"),
        ('source = "heart_statlog"', "source = 3", "source of data 'heart' must be a text"),
        ("seeds = [3, 1]", "seeds = [3, 4294967296]", r"seeds must be below 2\*\*32, found 4294967296"),
        ("seeds = [3, 1]", "seeds = 1000000000000000", r"seeds must be below 2\*\*32"),
    ],
)
def test_what_is_wrong_is_named(old, new, message):
    assert old in TEXT
    with pytest.raises(ValueError, match=message):
        Study.from_toml(TEXT.replace(old, new))


def test_parts_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="params of method 'm' must be a table, found 3"):
        MethodSpec("m", params=3)
    with pytest.raises(ValueError, match="protocol of the study must be a Protocol"):
        Study(["sonar"], ["learned-kernel"], protocol={"folds": 3})
    with pytest.raises(ValueError, match="limits of the study must be a Limits"):
        Study(["sonar"], ["learned-kernel"], limits=60)
    assert Study(["sonar"], ["learned-kernel"], seeds=[2**32 - 1]).seeds == (2**32 - 1,)


@pytest.mark.parametrize("part", ["data", "methods"])
def test_a_study_needs_data_and_methods(part):
    values = Study.from_toml(TEXT).to_dict()
    del values[part]
    with pytest.raises(ValueError, match=f"the study has no {part}"):
        Study.from_dict(values)


# --- objects by name


@pytest.mark.parametrize(
    "value, message",
    [
        ({"call": "sklearn.svm.SVC"}, "must be written 'module:name'"),
        ({"call": "no_such_module:X"}, "'no_such_module' of 'no_such_module:X' cannot be imported"),
        ({"call": "sklearn.svm:SCV"}, "'sklearn.svm:SCV' does not exist"),
        ({"call": "sklearn.svm:SVC", "c": 1}, "cannot be called with"),
        ({"call": "kernelopt.kernels:gaussian", "factors": [1]}, "write 'partial' for 'call'"),
        ({"call": "math:pi"}, "cannot be called; use 'object'"),
        ({"object": "math:pi", "x": 1}, "an object takes no arguments"),
        ({"call": "math:sqrt", "partial": "math:sqrt"}, "has 'call' and 'partial'"),
        ([1, {"deep": {"call": "math"}}], r"a value\[1\].deep must be written"),
    ],
)
def test_objects_that_cannot_be_made_are_explained(value, message):
    with pytest.raises(ValueError, match=message):
        build(value)


def test_tables_are_built_inside_out():
    kernel = build({"call": "kernelopt.kernels:Gaussian", "gamma": 2.0})
    made = build({"call": "sklearn.svm:SVC", "C": 3.0, "kernel": {"call": "kernelopt.kernels:Gaussian", "gamma": 2.0}})
    assert made.C == 3.0 and made.kernel == kernel
    family = build({"partial": "kernelopt.kernels:gaussian", "factors": [1, 4]})
    assert len(family(np.eye(3))) == 2


def test_dollars_stand_for_values_and_unknown_ones_are_refused():
    spec = MethodSpec("m", estimator="sklearn.svm:SVC", params={"gamma": "$g"}, grid={"C": ["$low", 1.0]})
    method = resolve(spec, {"g": 0.25, "low": 0.1})
    assert method.info.grid == {"C": [0.1, 1.0]} and method.build((), 7, C=0.1).get_params()["gamma"] == 0.25
    with pytest.raises(ValueError, match=r"grid of method 'm'.C\[0\]: nothing is called \$low; there are \$g, \$seed"):
        resolve(spec, {"g": 1})
    seeded = MethodSpec("m", estimator="sklearn.svm:SVC", params={"random_state": "$seed"})
    assert [resolve(seeded, {}).build((), s).random_state for s in (1, 2)] == [1, 2]
    assert resolve(MethodSpec("m", estimator=SVC()), {}).build((), 5).random_state == 5


def test_parts_of_the_librarys_own_methods_may_be_changed_and_no_others():
    method = resolve(MethodSpec("mine", method="learned-kernel", grid={"C": [7.0]}, label="Mine"), {}, (28, 28))
    assert method.info.grid == {"C": [7.0]} and method.info.label == "Mine" and method.info.name == "mine"
    with pytest.raises(ValueError, match="'learned-kernel' has C"):
        resolve(MethodSpec("mine", method="learned-kernel", params={"D": 7.0}), {}, (28, 28))
    with pytest.raises(ValueError, match="unknown method"):
        resolve(MethodSpec("mine"), {})


@pytest.mark.parametrize("what, message", [("coef_.x", "cannot be read"), ("support_", "must be one number")])
def test_numbers_that_cannot_be_read_are_explained(what, message):
    fitted = SVC().fit(np.eye(4), [0, 0, 1, 1])
    with pytest.raises(ValueError, match=message):
        read_value(fitted, what, "v")
    assert read_value(fitted, "n_support_.0", "v") == 2.0 == read_value(fitted, lambda f: f.n_support_[0], "v")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("abc$", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(value=values)
def test_plain_values_stay_and_dollars_are_all_replaced(value):
    assert plain(value) == value and build(value) == value
    known = {name: 1 for name in ("", *"abc$", *(a + b for a in "abc$" for b in "abc$"))}
    assert "$" not in [text[:1] for text in texts(substitute(value, known))]


def texts(value):
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def test_names_with_dots_are_found():
    assert find_object("collections:abc.Mapping").__name__ == "Mapping"


def test_the_command_runs_a_file_and_writes_page_table_and_figures(tmp_path, capsys):
    path = tmp_path / "s.toml"
    path.write_text(
        'name = "Nearest"\nquestion = "How many?"\nseeds = 3\nsizes = [40]\n[[data]]\nname = "sonar"\n'
        '[[methods]]\nname = "one"\nestimator = "sklearn.neighbors:KNeighborsClassifier"\n'
        "params = { n_neighbors = 1 }\n"
        '[[methods]]\nname = "some"\nestimator = "sklearn.neighbors:KNeighborsClassifier"\n'
        "grid = { n_neighbors = [3, 5] }\n"
    )
    words = ["study", str(path), "--jobs", "1", "-o", str(tmp_path / "r.html")]
    assert main(words) == 0
    assert "6 cells" in capsys.readouterr().out
    page = (tmp_path / "r.html").read_text()
    assert "How many?" in page and "Nearest" in page and (tmp_path / "r.csv").read_text().count("\n") == 7
    assert main(["study", str(tmp_path / "none.toml"), "-o", str(tmp_path / "r.html")]) == 1
    assert "none.toml" in capsys.readouterr().err


def test_modules_beside_the_file_and_in_the_current_folder_are_found_by_the_installed_command(tmp_path):
    beside, here = tmp_path / "beside", tmp_path / "here"
    for folder, module in ((beside, "makes_one"), (here, "makes_two")):
        folder.mkdir()
        (folder / f"{module}.py").write_text("from sklearn.svm import SVC\n\n\ndef make():\n    return SVC()\n")
    (beside / "json.py").write_text("raise SystemExit('an installed module comes first')\n")
    (beside / "s.toml").write_text(
        'seeds = 2\nsizes = [40]\n[[data]]\nname = "sonar"\n[[methods]]\nname = "one"\nestimator = "makes_one:make"\n'
        '[[methods]]\nname = "two"\nestimator = "makes_two:make"\n'
    )
    root = Path(kernelopt.__file__).parent.parent
    # as a console script starts: neither folder is on the path
    code = "import sys; from kernelopt.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["study", str(beside / "s.toml"), "-o", "r.html", "--jobs", "2"]
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code, *words],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "4 cells" in ran.stdout


def test_the_path_is_as_it_was_after_a_command(tmp_path):
    before = list(sys.path)
    with pytest.raises(ZeroDivisionError), modules_beside(tmp_path / "s.toml"):
        assert str(tmp_path) in sys.path[len(before) :]
        _ = 1 / 0
    assert sys.path == before
