"""Studies of any kind: regressions and random splits, the leader where no claim was made, ranks over data sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from kernelopt.evaluation.metrics import measure
from kernelopt.evaluation.multiplicity import holm
from kernelopt.evaluation.ranks import compare_ranks
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.resampling import corrected_resampled_interval
from kernelopt.evaluation.sample_efficiency import sample_efficiency
from kernelopt.evaluation.statistics import crossed_interval
from kernelopt.pages import leaders, report, summary
from kernelopt.pages.sections import differences, efficiency, metrics, proof, representations

from .make_records import fail, make_methods, make_records
from .make_tabular import METHODS, make_tabular


def results(records, methods=METHODS):
    (found,) = summary.arrange(records, methods)
    return found


def by_seed(records, method, size):
    return {r.seed: r for r in records if (r.method, r.size) == (method, size)}


def test_random_splits_are_compared_by_the_corrected_resampled_interval():
    records = make_tabular("classification")
    ours, theirs = by_seed(records, "mkl", 100), by_seed(records, "rbf", 100)
    gains = np.array([ours[s].accuracy - theirs[s].accuracy for s in sorted(ours)])
    expected = corrected_resampled_interval(gains, 100, 60)
    found = results(records).difference("mkl", "rbf", 100)
    assert (found.mean, found.low, found.high, found.p) == pytest.approx(
        (expected.mean, expected.low, expected.high, expected.p)
    )
    one = results(make_tabular("classification", seeds=1)).difference("mkl", "rbf", 100)
    assert one.n == 1 and one.low < one.mean < one.high  # of one split, over its test points


def test_a_gain_of_a_regression_is_a_smaller_rmse():
    records = make_tabular()
    found = results(records).difference("mkl", "ridge", 400)
    ours, theirs = by_seed(records, "mkl", 400), by_seed(records, "ridge", 400)
    gains = np.array([theirs[s].metrics["rmse"] - ours[s].metrics["rmse"] for s in sorted(ours)])
    assert found.mean == pytest.approx(gains.mean()) and found.mean > 0
    assert results(records).difference("ridge", "mkl", 400).mean == pytest.approx(-gains.mean())


def test_the_linearised_rmse_has_the_spread_of_the_rmse():
    """Its mean is the RMSE, and its standard error that of the RMSE over many drawn test sets."""
    rng = np.random.default_rng(0)
    y, f = rng.normal(size=400), np.zeros(400)
    record = Record("d", "m", 10, 0, task="regression", errors=((y - f) ** 2).tolist())
    points = summary.points_of(record)
    assert (
        points.mean() == pytest.approx(measure("regression", y, f)["rmse"]) == pytest.approx(summary.score_of(record))
    )
    drawn = np.sqrt(np.mean(rng.normal(size=(4000, 400)) ** 2, axis=1))
    assert points.std() / 20 == pytest.approx(drawn.std(), rel=0.1)
    exact = Record("d", "m", 10, 0, task="regression", errors=[0.0, 0.0])
    assert summary.points_of(exact).tolist() == [0.0, 0.0]


def test_an_official_test_part_of_a_regression_is_crossed():
    found = results(make_tabular(split="official"))
    assert found.crossed
    rows = np.array(list(found.tested("rbf", 100).values()))
    assert found.accuracy("rbf", 100) == crossed_interval(rows)


def test_two_tasks_under_one_name_are_refused():
    records = make_tabular(sizes=(100,)) + make_tabular("classification", sizes=(400,))
    with pytest.raises(ValueError, match="two tasks"):
        _ = results(records).task


def test_the_leader_and_who_is_told_from_it():
    records = make_tabular("classification", n_test=200)
    found = leaders.leaders(results(records))
    assert [leader.size for leader in found] == [100, 400]
    last = found[-1]
    assert last.method.name == "mkl" and last.estimate == results(records).accuracy("mkl", 400)
    rivals = ["ridge", "rbf", "forest"]
    p_values = [results(records).difference("mkl", rival, 400).p for rival in rivals]
    apart = {rival for rival, p in zip(rivals, holm(p_values), strict=True) if p <= 0.05}
    assert {method.name for method in last.behind} == apart and "ridge" in apart
    assert {method.name for method in last.behind + last.level} == set(rivals)
    assert last.sentence.startswith("At 400 training points “Learned weights” has the highest accuracy")


def test_one_split_tells_nobody_apart():
    (leader,) = leaders.leaders(results(make_tabular(seeds=1, sizes=(100,))))
    assert not leader.behind and leader.sentence.endswith("but no other method is told apart from it")
    assert "lowest RMSE" in leader.sentence


def test_without_claims_the_differences_are_the_leaders():
    found = differences.compared(results(make_tabular()))
    assert {(c.challenger.name, c.rival.name) for _, c, _ in found} == {("mkl", m) for m in ("ridge", "rbf", "forest")}
    assert len(found) == 6
    p_values = [c.estimate.p for _, c, _ in found]
    assert [p for _, _, p in found] == pytest.approx(holm(p_values).tolist())


def test_holm_is_over_all_comparisons_of_the_data_set():
    found = differences.compared(results(make_records(images=200), make_methods()))
    assert len(found) == 27
    assert [p for _, _, p in found] == pytest.approx(holm([c.estimate.p for _, c, _ in found]).tolist())
    alone = differences.compared(results(make_records(images=200, seeds=(0,)), make_methods()))
    assert {p for _, _, p in alone} == {None}


def test_transductive_methods_are_not_leaders_and_are_ranked_apart():
    records = make_tabular("classification", datasets=[f"d{k}" for k in range(6)], sizes=(100,))
    records = [replace(r, transductive=r.method in ("mkl", "rbf")) for r in records]
    arranged = summary.arrange(records, METHODS)
    assert {leader.method.name for found in arranged for leader in leaders.leaders(found)} <= {"ridge", "forest"}
    inductive, transductive = leaders.rankings(arranged)
    assert set(inductive.comparison.names) == {"ridge", "forest"}
    assert set(transductive.comparison.names) == {"mkl", "rbf"} and transductive.transductive


def test_ranks_are_of_mean_scores_at_the_largest_size():
    names = [f"d{k}" for k in range(7)]
    records = make_tabular("classification", datasets=names[:4]) + make_tabular(datasets=names[4:], sizes=(50, 200))
    (found,) = leaders.rankings(summary.arrange(records, METHODS))
    table = []
    for name in names:
        size = max(r.size for r in records if r.dataset == name)
        cells = [r for r in records if (r.dataset, r.size) == (name, size)]
        sign = -1 if cells[0].task == "regression" else 1
        score = {m.name: [sign * summary.score_of(r) for r in cells if r.method == m.name] for m in METHODS}
        table.append([np.mean(score[m.name]) for m in METHODS])
    assert found.comparison == compare_ranks(np.array(table), [m.name for m in METHODS])
    assert dict(zip(found.comparison.names, found.comparison.mean_ranks, strict=True)) == pytest.approx(
        dict(zip([m.name for m in METHODS], stats.rankdata(-np.array(table), axis=1).mean(axis=0), strict=True))
    )


def test_a_method_without_one_of_the_data_sets_is_left_out_of_the_ranks():
    records = make_tabular("classification", datasets=("a", "b"), sizes=(100,))
    records = [fail(r) if (r.dataset, r.method) == ("b", "rbf") else r for r in records]
    (found,) = leaders.rankings(summary.arrange(records, METHODS))
    assert [m.name for m in found.left_out] == ["rbf"] and "rbf" not in found.comparison.names
    assert "cannot tell any two" in found.sentence
    assert leaders.rankings(summary.arrange(make_tabular(), METHODS)) == []


def test_exponents_are_of_the_errors():
    records = make_records(images=150)
    found = efficiency.fitted(results(records, make_methods()), "cnn-learned")
    errors = np.array(
        [[1 - np.array(by_seed(records, "cnn-learned", n)[s].correct) for n in (200, 600, 2000)] for s in range(5)]
    )
    assert found == sample_efficiency([200, 600, 2000], errors)
    tables = make_tabular()
    rmse = np.array([[by_seed(tables, "rbf", n)[s].metrics["rmse"] for n in (100, 400)] for s in range(5)])
    assert efficiency.fitted(results(tables), "rbf").exponent.mean == pytest.approx(
        sample_efficiency([100, 400], rmse).exponent.mean
    )


def test_metrics_are_averaged_over_seeds():
    records = make_records(images=100)
    found = metrics.estimate_of(results(records, make_methods()), "cnn-gabor", 600, "ece")
    values = [by_seed(records, "cnn-gabor", 600)[s].metrics["ece"] for s in range(5)]
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(values), low, high))
    assert metrics.estimate_of(results(records, make_methods()), "learned-kernel", 600, "ece") is None


def test_starts_are_told_from_splits():
    rows = proof.starts(results(make_records(images=100), make_methods()))["rows"]
    found = {method.name: spreads for method, spreads in rows}
    assert all(spread.init == 0.0 == spread.largest for spread in found["learned-kernel"])
    assert all(spread.init > 0 and spread.n_inits == 10 for spread in found["cnn-learned"])


def test_alignment_is_averaged_over_the_epochs_that_all_seeds_have():
    history = {
        "epoch": [0, 1, 2],
        "alignment": {"outputs": [None, 0.2, 0.4]},
        "effective_rank": {"outputs": [None, 2, 3]},
    }
    shorter = {"epoch": [0, 1], "alignment": {"outputs": [None, 0.4]}, "effective_rank": {"outputs": [None, 4]}}
    records = [
        Record("d", "cnn-learned", 10, seed, accuracy=1.0, correct=[1], representation_history=h)
        for seed, h in enumerate([history, shorter])
    ]
    curves = representations.alignment_curves(results(records, make_methods()))
    assert curves == {("cnn-learned", "outputs", 10): [(1, pytest.approx(0.3))]}


def test_a_dip_is_said_and_a_rise_is_not():
    def said(values):
        history = {"epoch": [0, 1, 2, 3], "alignment": {"layer 1": values}, "effective_rank": {"layer 1": values}}
        record = Record("d", "cnn-learned", 10, 0, accuracy=1.0, correct=[1], representation_history=history)
        return report.render([record], make_methods(), title="t", protocol={}, provenance={})

    dip = said([0.2, 0.12, 0.15, 0.3])
    assert "Learned filters, layer 1, 10 training images: from 0.200 down to 0.120 at epoch 1, then to 0.300" in dip
    assert "Nowhere does it first dip" in said([0.2, 0.21, 0.25, 0.3])
    assert "Nowhere does it first dip" in said([0.2, 0.18, 0.15, 0.1])  # a fall without a recovery is no dip
    assert "diagnostic and not a score" in dip
