"""Published figures, verdicts, configs of one's own, pages: what `kernelopt reproduce` is made of."""

import csv
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelopt.cli import main
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.reproduction import (
    Published,
    Quantity,
    Remark,
    Reproduction,
    Table,
    Tolerance,
    compare,
    reproduce,
)
from kernelopt.evaluation.reproduction import page as pages
from kernelopt.evaluation.reproduction.published import from_file, from_grid
from kernelopt.evaluation.reproduction.quantities import recorded
from kernelopt.evaluation.study import MethodSpec, Study

PERCENT = Quantity("accuracy", Tolerance(absolute=3.0), factor=100.0)
CELL = Published("sonar", "SVM", "SM1", "accuracy", "85.0")
UNSEPARABLE = "UnboundedError: no hyperplane separates the classes"
CONFIG = """
name = "mine"
title = "A paper of one's own"
splits = 2
full = 3

[quantities.accuracy]
value = "accuracy"
factor = 100
tolerance = { absolute = 20.0 }

[quantities.vectors]
value = "vectors"
tolerance = { relative = 0.01 }

[[tables]]
title = "Table 1"
quantity = "accuracy"
columns = ["SVM", "oracle"]

[tables.rows]
Sonar = ["75.0 ± 5.0", "99"]
mnist = ["99", "—"]

[[tables]]
title = "Table 2"
quantity = "vectors"
columns = ["SVM"]
rows = { Sonar = [12], Iris = [3] }

[[remarks]]
kind = "not comparable"
where = { method = "oracle" }
text = "quoted from elsewhere"

[[remarks]]
kind = "erratum"
where = { quantity = "vectors" }
text = "a misprint"

[datasets]
Sonar = "sonar"

[constants]
C = 1.0
params = { C = "$C", kernel = "rbf", gamma = "$gamma" }

[[studies]]
[studies.protocol]
test_size = 0.2

[[studies.data]]
name = "sonar"
scale = "standardize"
values = { gamma = 0.02 }

[[studies.data]]
name = "mnist"
values = { gamma = 0.02 }

[[studies.methods]]
name = "SVM"
estimator = "sklearn.svm:SVC"
params = "$params"
record = { vectors = "support_.size" }
"""


def records(*accuracies, error=None, unseparable=0):
    done = [Record("sonar", "SVM", 166, seed, accuracy=value) for seed, value in enumerate(accuracies)]
    error = UNSEPARABLE if unseparable else error
    failed = [Record("sonar", "SVM", 166, 90 + k, "failed", error) for k in range(unseparable or bool(error))]
    return [done + failed]


# ---- published figures


@pytest.mark.parametrize("text, half", [("85.0", 0.05), ("3", 0.5), (".96", 0.005), ("3.6e8", 0.5e7), ("", 0.0)])
def test_rounding_is_half_a_unit_of_the_last_digit(text, half):
    assert Published("a", "b", "", "c", text).rounding == pytest.approx(half, rel=1e-12)


def test_a_file_and_a_grid_say_the_same(tmp_path):
    lines = ["dataset,method,criterion,quantity,published", "sonar,SVM,,error,14.80", "sonar,SVM,,error_std,3.7"]
    (tmp_path / "paper.csv").write_text("\n".join([*lines, "sonar,other,,error,", ""]))
    assert from_file(tmp_path / "paper.csv") == from_grid({"sonar": ["14.80 ± 3.7", "—"]}, ["SVM", "other"], "error")


@pytest.mark.parametrize(
    "lines, message",
    [
        (["sonar,SVM,,error,15 %"], "'15 %' is no number"),
        (["sonar,SVM,,error,15", "sonar,SVM,,error,16"], "twice"),
        (["sonar,SVM,,error_std,1"], "no figure of sonar/SVM//error"),
        ([], "no rows"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, lines, message):
    (tmp_path / "paper.csv").write_text("\n".join(["dataset,method,criterion,quantity,published", *lines]))
    with pytest.raises(ValueError, match=message):
        from_file(tmp_path / "paper.csv")


def test_other_columns_are_refused(tmp_path):
    (tmp_path / "paper.csv").write_text("dataset,method,value\nsonar,SVM,1\n")
    with pytest.raises(ValueError, match="columns dataset, method, criterion, quantity, published"):
        from_file(tmp_path / "paper.csv")


# ---- verdicts


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e3), st.floats(0, 2))
def test_the_verdict_is_the_distance_against_the_tolerance(mean, absolute, share):
    cell = Published("sonar", "SVM", "", "x", repr(round(mean, 3)))
    quantity = Quantity("x", Tolerance(absolute=absolute))
    ours = cell.value + share * quantity.tolerance.of(cell)
    found = compare(cell, quantity, [[Record("sonar", "SVM", 10, 0, values={"x": ours})]])
    if not math.isclose(share, 1, rel_tol=1e-2):  # where rounding does not decide
        assert found.verdict == ("within tolerance" if share < 1 else "differs")


def test_mean_spread_and_number_are_those_of_the_splits():
    found = compare(CELL, PERCENT, records(0.80, 0.84, 0.90))
    assert found.mean == pytest.approx(84.666666666666)
    assert found.spread == pytest.approx(5.0332229568)  # the sample standard deviation of 80, 84, 90
    assert (found.n, found.verdict) == (3, "within tolerance")


def test_the_spread_in_print_counts_where_it_is_larger():
    quantity = Quantity("accuracy", Tolerance(absolute=1.0, spread=1.0), factor=100.0)
    narrow, wide = (Published("sonar", "SVM", "", "accuracy", "85.0", spread) for spread in (0.5, 4.0))
    assert compare(narrow, quantity, records(0.82)).verdict == "differs"
    assert compare(wide, quantity, records(0.82)).verdict == "within tolerance"


def test_a_difference_that_chance_explains_says_so():
    by_chance = compare(CELL, PERCENT, records(0.70, 0.90, 0.60, 0.85))  # 76 ± 14, standard error 7
    assert by_chance.verdict == "differs" and "less than two standard errors" in by_chance.note
    certain = compare(CELL, PERCENT, records(0.76, 0.77, 0.76, 0.77))
    assert certain.verdict == "differs" and not certain.note


def test_an_erratum_excuses_a_difference_and_nothing_else():
    erratum = Remark("erratum", {"method": "S*"}, "a misprint")
    assert compare(CELL, PERCENT, records(0.70), [erratum]).verdict == "paper inconsistent"
    assert compare(CELL, PERCENT, records(0.70), [Remark("erratum", {"method": "T*"}, "")]).verdict == "differs"
    assert compare(CELL, PERCENT, records(0.85), [erratum]).verdict == "within tolerance"


def test_a_sample_of_a_distribution_may_be_two_of_our_deviations_away():
    remark = Remark("sample", {}, "one sample in the paper")
    assert compare(CELL, PERCENT, records(0.75, 0.85), [remark]).verdict == "within tolerance"  # 80 ± 7
    assert compare(CELL, PERCENT, records(0.79, 0.81), [remark]).verdict == "differs"  # 80 ± 1.4
    assert compare(CELL, PERCENT, records(0.75, 0.85)).verdict == "differs"


def test_what_nothing_separates_agrees_with_a_dash_and_with_no_figure():
    dash = Published("sonar", "SVM", "SM1", "accuracy", "")
    assert compare(dash, PERCENT, records(unseparable=3)).verdict == "within tolerance"
    partly = compare(dash, PERCENT, records(0.7, unseparable=2))
    assert partly.verdict == "differs" and "2 of 3" in partly.note
    assert compare(CELL, PERCENT, records(unseparable=3)).verdict == "differs"
    assert compare(dash, PERCENT, records(0.7)).verdict == "not comparable"


def test_what_was_not_solved_says_so():
    solved, loose = ([[Record("sonar", "SVM", 166, 0, accuracy=0.85, certificate={"gap": g})]] for g in (1e-5, 0.02))
    assert not compare(CELL, PERCENT, solved).note
    assert compare(CELL, PERCENT, loose).note == "not solved in 1 of 1 splits: relative gap up to 2e-02"


def test_a_failure_is_no_figure():
    found = compare(CELL, PERCENT, records(0.85, error="MemoryError: too much"))
    assert found.verdict == "not comparable" and "1 of 2 splits failed: MemoryError: too much" in found.note


def test_a_penalty_may_be_compared_by_its_inverse():
    cell = Published("heart", "QCQP", "SM2C", "C", "2.5e5")
    quantity = Quantity("tau", Tolerance(absolute=0.1), published_transform="inverse")
    near, far = ([[Record("heart", "QCQP", 10, 0, values={"tau": tau})]] for tau in (0.05, 0.5))
    assert compare(cell, quantity, near).verdict == "within tolerance"
    assert compare(cell, quantity, far).verdict == "differs"


def test_several_methods_are_averaged_by_their_means():
    groups = [[Record("s", f"m{k}", 10, seed, accuracy=k / 10 + seed / 100) for seed in range(3)] for k in (5, 7)]
    found = compare(CELL, PERCENT, groups)
    assert (found.mean, found.spread, found.n) == (pytest.approx(61), pytest.approx(14.142135623730951), 3)


def test_a_value_that_is_not_recorded_is_named_with_those_that_are():
    with pytest.raises(ValueError, match="no number 'margin'; it holds accuracy, gap, weights.0"):
        recorded(Record("sonar", "SVM", 10, 0, weights={"rbf": 1.0}, certificate={"gap": 0.1}), "margin")


def test_the_progress_line_of_what_nothing_separates_is_no_failure():
    from kernelopt.evaluation.reproduction.run import _say

    lines = []
    _say(
        lines.append, "[1/2] sonar · HM-K3 · n=9 · seed 0: FAILED: UnboundedError: no hyperplane. Use   about 3 s left"
    )
    _say(lines.append, "[2/2] sonar · HM-K2 · n=9 · seed 0: FAILED: ValueError: no   about 0 s left")
    assert lines[0] == "[1/2] sonar · HM-K3 · n=9 · seed 0: no separator   about 3 s left"
    assert "FAILED: ValueError" in lines[1]


# ---- a config of one's own, from end to end


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(CONFIG)
    return path


def test_a_paper_of_ones_own_runs_from_a_path(mine, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("KERNELOPT_DATA", raising=False)
    out = tmp_path / "out"
    assert main(["reproduce", str(mine), "-o", str(out), "--jobs", "1", "--data-home", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    table = csv.DictReader((out / "mine.csv").read_text().splitlines())
    rows = {(row["dataset"], row["method"], row["quantity"]): row for row in table}
    assert rows["Sonar", "SVM", "accuracy"]["verdict"] == "within tolerance"
    assert rows["Sonar", "SVM", "accuracy"]["n"] == "2" and rows["Sonar", "SVM", "accuracy"]["published_spread"] == "5"
    assert rows["Sonar", "oracle", "accuracy"]["note"] == "quoted from elsewhere"
    assert rows["mnist", "SVM", "accuracy"]["verdict"] == "not comparable"
    assert rows["mnist", "SVM", "accuracy"]["note"].startswith("data not here: ")
    assert rows["Sonar", "SVM", "vectors"]["verdict"] == "paper inconsistent"
    assert rows["Iris", "SVM", "vectors"]["note"].startswith("no method 'SVM' on 'Iris' in the studies")
    counts = "6 published figures: 1 within tolerance, 0 differs, 1 paper inconsistent, 4 not comparable"
    assert counts in printed.out and counts in (out / "mine.md").read_text()
    assert "2 cells: 0 finished before" in printed.err
    assert (out / "mine.svg").read_text().count("<svg") == 1
    assert main(["reproduce", str(mine), "-o", str(out), "--jobs", "1", "--full"]) == 0  # seeds 0 and 1 are there
    assert "3 cells: 2 finished before, 1 to run" in capsys.readouterr().err


def test_our_figure_is_that_of_the_estimator_alone(mine, tmp_path):
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from kernelopt import datasets
    from kernelopt.evaluation.splits import make_split

    result = reproduce(mine, output=tmp_path, n_jobs=1, data_home=tmp_path, progress=lambda line: None)
    accuracies = []
    for seed in range(2):
        split = make_split(datasets.load("sonar"), 166, seed, None, 0.2, None)
        scaler = StandardScaler().fit(split.X)
        machine = SVC(C=1.0, gamma=0.02).fit(scaler.transform(split.X), split.y)
        accuracies.append(100 * machine.score(scaler.transform(split.X_test), split.y_test))
    assert result.comparisons[0].mean == pytest.approx(sum(accuracies) / 2)


def test_a_reproduction_may_be_made_in_python(tmp_path):
    from sklearn.svm import SVC

    study = Study(["sonar"], [MethodSpec("SVM", estimator=SVC(gamma=0.5))])
    table = Table("Table 1", tuple(from_grid({"sonar": [75.0]}, ["SVM"], "accuracy")))
    plan = Reproduction("mine", "", 2, 2, (study,), (table,), {"accuracy": PERCENT})
    result = reproduce(plan, output=tmp_path, n_jobs=1, progress=lambda line: None)
    assert [record.seed for record in result.records] == [0, 1]
    accuracies = [100 * record.accuracy for record in result.records]
    assert result.comparisons[0].mean == pytest.approx(sum(accuracies) / 2)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("splits = 2", "splits = 4", "at most full = 3, found 4"),
        ("splits = 2", "splits = 2\nspilts = 3", "unknown key 'spilts'"),
        ('title = "Table 1"', 'titel = "Table 1"', "unknown key 'titel'"),
        ('value = "vectors"', 'values = "vectors"', "unknown key 'values'"),
        ("{ relative = 0.01 }", "{ relativ = 0.01 }", "unknown key 'relativ'"),
        ("{ relative = 0.01 }", "{ relative = 0 }", "positive absolute, relative or spread"),
        ("[quantities.vectors]", "[quantities.support]", "no .quantities.vectors. says how"),
        ('kind = "erratum"', 'kind = "error"', "kind must be one of erratum"),
        ('where = { method = "oracle" }', 'where = { methods = "oracle" }', "unknown key 'methods'"),
        ('["75.0 ± 5.0", "99"]', '["75.0 ± 5.0"]', "rows.Sonar must list 2 entries"),
        ('["99", "—"]', '["99", "none"]', "'none' is neither a number"),
        ("[[studies.methods]]", "[[studies.method]]", "unknown key 'method'"),
        ("splits = 2", "splits = ", "is not TOML"),
    ],
)
def test_a_config_says_what_is_wrong_with_it(mine, tmp_path, old, new, message):
    text = mine.read_text()
    assert old in text
    mine.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        reproduce(mine, output=tmp_path, n_jobs=1, progress=lambda line: None)


def test_a_name_that_does_not_exist_is_answered_with_those_that_do(capsys):
    assert main(["reproduce", "lankriet2004"]) == 1
    assert "there are kim2006, lanckriet2004" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="no file 'nowhere.toml'"):
        Reproduction.load("nowhere.toml")
    with pytest.raises(ValueError, match="splits or full, not both"):
        reproduce("lanckriet2004", splits=2, full=True)


# ---- pages


def test_a_section_of_a_page_is_replaced_and_the_rest_stays(mine, tmp_path):
    page = tmp_path / "mine.md"
    begin = pages.BEGIN.format(name="mine")
    page.write_text(f"before\n\n{begin}\nold\n{pages.END}\nafter\n")
    reproduce(mine, output=tmp_path / "out", splits=1, n_jobs=1, page=page, progress=lambda line: None)
    text = page.read_text()
    assert text.startswith(f"before\n\n{begin}\n") and text.endswith(f"{pages.END}\nafter\n")
    assert "old" not in text and "| Sonar | accuracy | 1 | 75.0 ± 5 → " in text
    assert pages.replaced(text, "", "mine") == f"before\n\n{begin}\n\n\n{pages.END}\nafter\n"


def test_a_page_without_the_place_is_refused_before_the_work(mine, tmp_path):
    (tmp_path / "page.md").write_text("nothing here")
    with pytest.raises(ValueError, match="the page must hold the two lines"):
        reproduce(mine, output=tmp_path, n_jobs=1, page=tmp_path / "page.md")
    assert not (tmp_path / "mine.sqlite").exists()
