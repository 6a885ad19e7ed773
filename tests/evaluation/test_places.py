"""Where a run writes is settled before the work: nothing that was finished is overwritten."""

from dataclasses import replace

import numpy as np
import pytest

from kernelopt._contrast import contrast
from kernelopt._places import settle
from kernelopt._study import run_study
from kernelopt.evaluation import DataSpec, MethodSpec, Study
from kernelopt.evaluation.reproduction import Reproduction, reproduce


@pytest.mark.parametrize(
    ("output", "store", "error"),
    [
        ("r.sqlite", None, "store of records .* would be overwritten"),
        ("r.csv", None, "overwritten by the table"),
        ("r.html", "r.html", "store of records .* would be overwritten"),
        ("r.html", "r.csv", "store of records .* would be overwritten"),
        (None, None, "pass output"),
    ],
)
def test_files_that_would_overwrite_each_other_are_refused(output, store, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=error):
        settle(output, store)
    assert not list(tmp_path.iterdir())


def test_folders_are_refused_before_the_work(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"):
        run_study(Study(["sonar"], ["learned-kernel"]), tmp_path)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        contrast(output=tmp_path / "r.html", store=tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        contrast(output=tmp_path / "missing" / "r.html")
    assert not list(tmp_path.iterdir())


def paper(**changes):
    values = {
        "name": "paper",
        "title": "A paper",
        "splits": 2,
        "full": 2,
        "quantities": {"accuracy": {"value": "accuracy", "factor": 100, "tolerance": {"absolute": 3.0}}},
        "studies": [{"data": [{"name": "sonar"}], "methods": [{"name": "svm", "estimator": "sklearn.svm:SVC"}]}],
        "tables": [{"title": "T", "quantity": "accuracy", "columns": ["svm"], "rows": {"sonar": ["80"]}}],
    }
    return Reproduction.from_dict({**values, **changes}, None)


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "a/b", "a\\b", "", ".", ".."])
def test_a_reproduction_stays_in_its_folder(name):
    with pytest.raises(ValueError, match="name must be the name of files in one folder"):
        replace(paper(), name=name)


def test_a_figure_is_compared_with_one_result_per_split(tmp_path):
    (study,) = paper().studies
    for studies in ([{**study, "sizes": [20, 100]}], [study, study]):
        with pytest.raises(ValueError, match="is run 2 times per split"):
            reproduce(paper(studies=studies), output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    found = reproduce(paper(), output=tmp_path / "out", n_jobs=1)
    assert [comparison.n for _, compared in found.tables for comparison in compared] == [2]


def test_a_wrong_template_is_refused_before_the_work(tmp_path):
    table = {"title": "T", "quantity": "accuracy", "columns": ["svm"], "rows": {"sonar": ["80"]}, "method": "{methods}"}
    with pytest.raises(ValueError, match="of a table may hold"):
        reproduce(paper(tables=[table]), output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_method_by_its_name_alone(tmp_path):
    with pytest.raises(ValueError, match="unknown method.* 'learned-kernl'"):
        contrast(methods="learned-kernl", output=tmp_path / "r.html")


def test_constant_columns_are_shifted_and_not_divided():
    from kernelopt.evaluation.splits import scaling

    for constant, n in ((0.1, 166), (1.1, 7), (3.0, 5)):
        X = np.column_stack([np.full(n, constant), np.arange(n)])
        standardize = scaling("standardize", X)
        np.testing.assert_array_equal(standardize(X)[:, 0], 0.0)
        np.testing.assert_allclose(standardize(np.array([[constant + 0.1, 0.0]]))[0, 0], 0.1)


def test_data_and_methods_may_still_be_objects():
    assert Study([DataSpec("sonar")], [MethodSpec("learned-kernel")]).seeds == (0, 1, 2, 3, 4)
