"""Verdicts on constructed records: which images are right is chosen, so the intervals are known."""

from __future__ import annotations

import numpy as np
import pytest

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.statistics import crossed_interval
from kernelopt.pages import summary, verdicts
from kernelopt.pages.formats import points, points_interval

from .make_records import fail, make_methods, make_records

FILTERS = verdicts.CLAIMS[0]
IMAGES = 400
LEAD = 0.0125  # five images: clear of zero by itself, and not after correction


def cells(method: str, size: int, lead: float, seeds: int = 4) -> list[Record]:
    """Records with about half of the images right and then `lead` more (or fewer) of them."""
    records = []
    for seed in range(seeds):
        correct = np.arange(IMAGES) % 2
        changed = round(abs(lead) * IMAGES) + seed % 2  # a seed more or less, so that seeds vary
        which = np.flatnonzero(correct == (0 if lead > 0 else 1))[:changed] if lead else []
        correct[which] = 1 if lead > 0 else 0
        records.append(Record("set", method, size, seed, accuracy=correct.mean(), correct=correct.tolist()))
    return records


def judged(leads: dict[int, dict[str, float]], seeds: int = 4) -> list[verdicts.Judgement]:
    """Judge learned filters, at level 0, against fixed versions with the given leads."""
    records = [
        record
        for size, rivals in leads.items()
        for method, lead in {"cnn-learned": 0.0, **rivals}.items()
        for record in cells(method, size, lead, seeds)
    ]
    (results,) = summary.arrange(records, make_methods())
    return verdicts.judge(results, FILTERS)


WORSE = {"cnn-random": -0.10, "cnn-gabor": -0.08, "cnn-kmeans": -0.05}
BETTER = {"cnn-random": -0.10, "cnn-gabor": -0.08, "cnn-kmeans": 0.06}
EQUAL = {"cnn-random": -0.10, "cnn-gabor": -0.08, "cnn-kmeans": 0.0}


@pytest.mark.parametrize("rivals, state", [(WORSE, "confirmed"), (BETTER, "refuted"), (EQUAL, "undecided")])
def test_state_at_one_size(rivals, state):
    (judgement,) = judged({200: rivals})
    assert judgement.state == state
    assert judgement.weakest is not None and judgement.weakest.rival.name == "cnn-kmeans"
    assert points(judgement.weakest.estimate.mean) in judgement.sentence
    assert points_interval(judgement.weakest.estimate) in judgement.sentence or state == "undecided"
    assert "“K-means, frozen”" in judgement.sentence


def test_sentences_say_what_holds():
    assert judged({200: WORSE})[0].sentence.startswith("Learned filters beat every fixed version; the weakest of the 3")
    refuted = judged({200: BETTER})[0].sentence
    assert refuted.startswith("“K-means, frozen” is better: the difference is −")
    assert refuted.endswith("They do beat “Random, frozen” and “Gabor, frozen”.")
    assert "holds zero" in judged({200: EQUAL})[0].sentence


@pytest.mark.parametrize(
    "leads, lead, rest",
    [
        (
            {200: WORSE, 600: WORSE},
            "Learned filters beat every fixed version at every training size tested, by +5.",
            "",
        ),
        ({200: WORSE}, "Learned filters beat every fixed version at 200 training images, by +5.", ""),
        ({200: BETTER, 600: BETTER}, "Learned filters do not beat every fixed version: at every", ""),
        ({200: BETTER}, "Learned filters do not beat every fixed version: at 200 training images, a fixed", ""),
        ({200: EQUAL, 600: EQUAL}, "Undecided: the intervals do not show whether learned filters beat", ""),
        (
            {200: BETTER, 600: WORSE, 2000: WORSE},
            "Learned filters beat every fixed version from 600 training images on, by +5.",
            "At 200 training images a fixed version is better",
        ),
        (
            {200: EQUAL, 2000: WORSE},
            "Learned filters beat every fixed version only at the largest training size, by +5.",
            "At 200 the intervals leave it open",
        ),
        (
            {200: WORSE, 2000: EQUAL},
            "Learned filters beat every fixed version at 200 training images, not throughout",
            "At 2,000 the intervals leave it open",
        ),
        (
            {200: BETTER, 600: EQUAL},
            "Learned filters beat every fixed version at no training size tested",
            "At 200 training images a fixed version is better; at 600 the intervals leave it open",
        ),
    ],
)
def test_headline(leads, lead, rest):
    found = verdicts.headline(judged(leads))
    assert found[0].startswith(lead)
    assert found[1] == rest


def test_a_headline_that_decides_nothing_gives_the_difference_too():
    judgements = judged({200: EQUAL, 2000: EQUAL})
    estimate = judgements[-1].weakest.estimate
    lead, _ = verdicts.headline(judgements)
    assert lead.endswith(
        f"; the difference is {points(estimate.mean)} points {points_interval(estimate)} at 2,000 training images"
    )


def test_one_of_several_comparisons_refutes_after_holms_correction_only():
    """A difference whose plain interval just clears zero refutes alone, and not as one of three."""

    def records(rivals):
        made = cells("cnn-learned", 200, 0.0)
        for rival in rivals:
            made += cells(rival, 200, 0.0 if rival != "cnn-kmeans" else LEAD)
        (results,) = summary.arrange(made, make_methods())
        return verdicts.judge(results, FILTERS)[0]

    alone = records(["cnn-kmeans"])
    assert alone.state == "refuted" and 0.05 / 3 < alone.weakest.estimate.p < 0.05
    among = records(["cnn-kmeans", "cnn-gabor", "cnn-random"])
    assert among.state == "undecided" and among.weakest.worse
    assert "below zero, but not after Holm’s correction for 3 comparisons" in among.sentence


def test_the_headline_gives_the_margin_at_the_largest_size():
    judgements = judged({200: EQUAL, 2000: WORSE})
    estimate = judgements[-1].weakest.estimate
    lead, _ = verdicts.headline(judgements)
    assert lead.endswith(f"{points(estimate.mean)} points {points_interval(estimate)} at 2,000 training images")


def test_one_seed_shows_the_interval_over_images_but_decides_nothing():
    judgements = judged({200: WORSE, 600: BETTER}, seeds=1)
    assert [judgement.state for judgement in judgements] == ["undecided", "undecided"]
    assert verdicts.headline(judgements)[0].startswith("Undecided: without two shared seeds")
    for judgement in judgements:
        estimate = judgement.weakest.estimate
        assert estimate.n == 1 and estimate.low < estimate.mean < estimate.high
        assert judgement.sentence.startswith("Over the test images of a single seed")
        assert points_interval(estimate) in judgement.sentence


def test_a_rival_that_failed_everywhere_blocks_confirmation():
    records = [r for m, lead in {"cnn-learned": 0.0, **WORSE}.items() for r in cells(m, 200, lead)]
    records = [fail(r) if r.method == "cnn-kmeans" else r for r in records]
    (results,) = summary.arrange(records, make_methods())
    (judgement,) = verdicts.judge(results, FILTERS)
    assert judgement.state == "undecided"
    assert "“K-means, frozen” shares no finished seed" in judgement.sentence


def test_differences_are_paired_over_the_seeds_both_have():
    records = make_records(images=300)
    lost = next(r for r in records if r.method == "cnn-gabor" and r.size == 600 and r.seed == 2)
    records[records.index(lost)] = fail(lost)
    (results,) = summary.arrange(records, make_methods())
    found = results.difference("cnn-learned", "cnn-gabor", 600)
    rows = {
        m: [r.correct for r in records if (r.method, r.size) == (m, 600) and r.seed != 2]
        for m in ("cnn-learned", "cnn-gabor")
    }
    assert found == crossed_interval(np.array(rows["cnn-learned"]) - np.array(rows["cnn-gabor"]))
    assert found.n == 4
    assert results.accuracy("cnn-learned", 600).n == 5


def test_a_claim_without_its_methods_is_not_judged():
    (results,) = summary.arrange(make_records(methods=("cnn-learned", "learned-kernel"), images=50), make_methods())
    assert {claim.name for claim in verdicts.CLAIMS if verdicts.judge(results, claim)} == {"halves"}


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda r: [], "no records"),
        (lambda r: [*r, r[0]], "more than once"),
        (lambda r: [*r, Record("set", "mystery", 1, 0)], "mystery"),
    ],
)
def test_records_that_cannot_be_arranged(spoil, message):
    with pytest.raises(ValueError, match=message):
        summary.arrange(spoil(cells("cnn-learned", 200, 0.0)), make_methods())


def test_different_test_sets_are_refused():
    records = [*cells("cnn-learned", 200, 0.0), Record("set", "cnn-gabor", 200, 0, correct=[0, 1])]
    (results,) = summary.arrange(records, make_methods())
    with pytest.raises(ValueError, match=r"\[2, 400\] images"):
        results.accuracy("cnn-learned", 200)
