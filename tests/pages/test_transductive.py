"""Transductive methods on the page: marked wherever they are named, apart, and never set against inductive ones."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from kernelopt.evaluation import methods
from kernelopt.evaluation.records import Record
from kernelopt.pages import report, summary, verdicts
from kernelopt.pages.figures import charts, marks, strips
from kernelopt.pages.sections import accuracy, weights

from .make_records import ACCURACY, PROTOCOL, PROVENANCE, SDP, make_methods, make_records, transductive

METHODS = [SDP, *make_methods()]  # first, so that standing last is the page's doing
INDUCTIVE = make_records(images=60, epochs=3)
BOTH = INDUCTIVE + transductive(INDUCTIVE)
HEADING = "Transductive: fitted with the unlabelled test part at hand"


def render(records):
    return report.render(records, METHODS, title="A study", protocol=PROTOCOL, provenance=PROVENANCE)


def declared(name):
    """The study with one of its methods declared transductive."""
    return [replace(r, transductive=r.method == name) for r in INDUCTIVE]


def results(records):
    (found,) = summary.arrange(records, METHODS)
    return found


def section(text, name):
    return re.search(rf'<section id="{name}".*?</section>', text, re.S).group()


@pytest.mark.parametrize("name", ACCURACY)
def test_no_difference_or_verdict_crosses_the_kinds(name):
    """Whichever method is the transductive one: all comparisons it was part of are gone, and no other one."""
    pattern = r'data-difference="d0\|(.*?)\|(.*?)\|(.*?)"'
    every = set(re.findall(pattern, render(INDUCTIVE)))
    assert any(name in row for row in every)
    assert set(re.findall(pattern, render(declared(name)))) == {row for row in every if name not in row}
    for claim in verdicts.CLAIMS:
        for judgement in verdicts.judge(results(declared(name)), claim):
            named = {judgement.claim.challenger, *(c.rival.name for c in judgement.comparisons)}
            assert len(named) > 1 and name not in named


def test_a_claim_of_which_all_rivals_are_transductive_is_not_judged():
    records = declared("uniform-kernel")
    assert {c.name for c in verdicts.CLAIMS if verdicts.judge(results(records), c)} == {"filters", "halves", "bridge"}


def test_the_difference_of_two_kinds_is_refused_and_that_of_two_alike_is_not():
    found = results(BOTH)
    for pair in [("sdp-kernel", "learned-kernel"), ("learned-kernel", "sdp-kernel")]:
        with pytest.raises(ValueError, match="the fits of 'sdp-kernel' were given the inputs of the test images"):
            found.difference(*pair, 200)
    both = [replace(r, transductive=True) for r in INDUCTIVE]
    pair = ("learned-kernel", "uniform-kernel", 200)
    assert results(both).difference(*pair) == results(INDUCTIVE).difference(*pair) is not None


def test_what_is_said_of_the_others_does_not_change():
    """Verdicts, differences, and charts of the inductive methods: the same text with and without a transductive one."""
    alone, beside = render(INDUCTIVE), render(BOTH)
    for name in ("differences", "answer"):
        said = section(beside, name)
        for added in (
            " Transductive methods are not set against inductive ones.",
            "<p><strong>Set apart.</strong> Kernel from the cone (transductive): fitted with the unlabelled test "
            "images at hand, so no verdict and no difference compares it with a method that had to do without.</p>\n",
        ):
            said = said.replace(added, "")
        assert said.replace("150 cells", "135 cells") == section(alone, name)
    look = marks.looks(METHODS, {"sdp-kernel"})
    panels = accuracy.accuracy(results(INDUCTIVE), look)["panels"]
    *same, own = accuracy.accuracy(results(BOTH), look)["panels"]
    assert same == panels and [panel["half"] for panel in same] == ["convex", "filters", "bridge"]
    assert own["half"] == "transductive" and own["heading"] == HEADING
    assert 'class="context"' not in own["svg"] and own["svg"].count('class="whisker"') == 3
    assert all('class="context"' in panel["svg"] for panel in same)


def test_a_bridge_is_not_read_against_a_transductive_parent():
    records = declared("learned-kernel")
    look = marks.looks(METHODS, {"learned-kernel"})
    panels = {panel["half"]: panel["svg"] for panel in accuracy.accuracy(results(records), look)["panels"]}
    assert "Learned weights" in panels["transductive"]
    assert "Learned weights" not in panels["bridge"] and "Learned filters" in panels["bridge"]


def test_its_name_is_marked_everywhere_and_its_rows_come_last_under_a_heading():
    text = render(BOTH)
    said = re.sub(r"<tspan.*?</tspan>", "", text)  # a chart breaks its label into lines
    assert said.count("Kernel from the cone") == said.count("Kernel from the cone (transductive)") > 20
    assert "Learned weights (transductive)" not in text
    table = section(text, "accuracy")
    assert table.index(HEADING) < table.index('data-accuracy="d0|sdp-kernel|200"')
    last = max(table.index(f'data-accuracy="d0|{name}|200"') for name in ACCURACY)
    assert last < table.rindex(HEADING) < table.index('data-accuracy="d0|sdp-kernel|200"')
    assert HEADING in section(text, "reading")
    rows = re.findall(r'<tr data-cell=".*?\|sdp-kernel\|.*?</tr>', text, re.S)
    assert len(rows) == 15 and all("(transductive)" in row for row in rows)


def test_a_page_without_any_does_not_speak_of_them():
    body = re.sub(r"<style>.*?</style>", "", render(INDUCTIVE), flags=re.S)
    assert "ransductive" not in body and "inductive" not in body


def test_a_method_of_mixed_records_is_refused():
    records = [replace(BOTH[0], transductive=True), *BOTH[1:]]
    with pytest.raises(ValueError, match=f"some records of {BOTH[0].method} are transductive and some are not"):
        summary.arrange(records, METHODS)


def test_it_has_a_marker_and_a_colour_of_its_own():
    look = marks.looks(METHODS, {"sdp-kernel"})
    assert look["sdp-kernel"].css == "transductive bold"
    assert {name: lk for name, lk in look.items() if name != "sdp-kernel"} == marks.looks(make_methods())
    assert look["sdp-kernel"].marker() not in {lk.marker() for name, lk in look.items() if name != "sdp-kernel"}


@pytest.mark.parametrize("method", methods.ON_REQUEST, ids=lambda m: m.info.name)
def test_charts_have_room_for_the_mark(method):
    (named,) = summary.marked([Record("d", method.info.name, 1, 0, transductive=True)], [method.info])
    assert charts.wrapped(named.label, 15)[-1] == "(transductive)"


# --- weights of either sign


@pytest.mark.parametrize("mean", [-30.0, 20.0, 0.0])
def test_bars_reach_from_zero_to_the_mean_on_either_side(mean):
    scale = marks.Scale(-40.0, 25.0)
    drawing = strips.bar_strip(mean, [mean], marks.Look("convex", True, 0), scale, "a kernel")
    x, width = (float(v) for v in re.search(r'<rect x="(.*?)%" width="(.*?)%"', drawing).groups())
    zero, end = (100 * (strips.INSET + (1 - 2 * strips.INSET) * (v + 40) / 65) for v in (0.0, mean))
    assert (x, x + width) == (pytest.approx(min(zero, end), abs=0.02), pytest.approx(max(zero, end), abs=0.02))
    assert f'x1="{zero:.2f}%"' in drawing


def test_weights_of_either_sign_are_told_from_shares():
    look = marks.looks(METHODS, {"sdp-kernel"})
    blocks = {block["method"].name: block for block in weights.weights(results(BOTH), look)}
    assert {name: block["signed"] for name, block in blocks.items()} == {
        "learned-kernel": False,
        "features-mkl": False,
        "sdp-kernel": True,
    }
    text = section(render(BOTH), "weights")
    assert "Unless a caption says otherwise, the weights are not negative" in text
    assert text.count("A weight below zero takes its kernel away") == 1
    assert "The weights are not negative" in section(render(INDUCTIVE), "weights")
