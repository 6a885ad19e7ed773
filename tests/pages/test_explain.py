"""The page of `kernelopt explain`: pure rendering, self-contained, escaped; and its command."""

from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from kernelopt import cli
from kernelopt.evaluation.explained.lesson import QUICK, make_lesson
from kernelopt.evaluation.explained.published import NARROW, WIDE, published_study
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.statistics import Estimate, crossed_interval
from kernelopt.pages.explain.contest import Cells, Difference, corrected
from kernelopt.pages.explain.page import SECTIONS, render, write

STUDIES = [published_study(name) for name in (NARROW, WIDE)]
VOID = {"meta", "input", "br", "link", "img"}


@pytest.fixture(scope="module")
def lesson():
    return json.loads(json.dumps(make_lesson(plan=QUICK).to_dict()))


@pytest.fixture(scope="module")
def text(lesson):
    return render(lesson, STUDIES, command="kernelopt explain --quick")


class Outline(HTMLParser):
    """Checks that tags are closed in order, and collects ids, links and labels."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.labelled, self.fetched = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.labelled += [found["for"]] if "for" in found else []
        self.fetched += [found[name] for name in ("src", "srcset", "data", "action") if name in found]

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_refers_to_nothing_outside(text):
    outline = Outline()
    outline.feed(text)
    assert outline.open == [] and outline.fetched == []
    assert len(set(outline.ids)) == len(outline.ids)
    assert {link[1:] for link in outline.links} <= set(outline.ids) and all(link[0] == "#" for link in outline.links)
    assert set(outline.labelled) <= set(outline.ids)
    assert {name for name, _ in SECTIONS} <= set(outline.ids)
    assert "default-src 'none'" in text and "<noscript>" in text
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|eval\(", text)


def test_the_page_holds_the_record_it_was_made_from(text, lesson):
    found = re.search(r'<script type="application/json" id="lesson">(.*?)</script>', text, re.DOTALL)
    assert json.loads(found.group(1)) == lesson


def test_equal_records_give_equal_pages(text, lesson):
    assert render(copy.deepcopy(lesson), STUDIES, command="kernelopt explain --quick") == text


def test_names_are_escaped(lesson):
    hostile = copy.deepcopy(lesson)
    hostile["classes"][hostile["label"]] = "</script><script>alert(1)</script>"
    text = render(hostile, STUDIES, command="<b>")
    assert "<script>alert" not in text and "<b>" not in text


def test_the_first_answers_carry_the_records_numbers(text, lesson):
    answers = text[text.index('<dl class="answers">') : text.index("</dl>", text.index('<dl class="answers">'))]
    run = lesson["training"]
    assert f"{run['steps']:,} times" in answers
    assert f"{100 * run['learned']['move'][-1]:.1f}%" in answers
    assert "72 in the first layer here, instead of 4,239,872" in answers


def test_another_version_is_refused(lesson):
    with pytest.raises(ValueError, match="version 7"):
        render(lesson | {"version": 7}, STUDIES, command="")


@pytest.mark.parametrize(
    "low, high, adjusted, verdict",
    [
        (0.001, 0.02, 0.01, "learned"),
        (-0.02, -0.001, 0.05, "fixed"),
        (0.001, 0.02, 0.06, "learned?"),
        (-0.02, -0.001, 0.3, "fixed?"),
        (-0.01, 0.01, 1.0, "open"),
        (0.0, 0.01, 0.01, "open"),
    ],
)
def test_a_verdict_needs_an_interval_clear_of_zero_and_holms_correction(low, high, adjusted, verdict):
    assert Difference(100, Estimate((low + high) / 2, low, high, 5), adjusted).verdict == verdict


def test_the_correction_is_for_all_comparisons_together():
    p = {"a": {10: 0.01, 20: 0.04}, "b": {10: 0.03}}
    families = {name: {n: Estimate(0.1, 0.0, 0.2, 5, p=q) for n, q in found.items()} for name, found in p.items()}
    rows = corrected(families)
    assert [d.adjusted for d in rows["a"]] == [0.03, 0.06] and [d.size for d in rows["a"]] == [10, 20]
    assert rows["b"][0].adjusted == 0.06


def test_differences_are_paired_by_seed_and_image():
    rng = np.random.default_rng(0)
    rows = {(method, seed): rng.integers(0, 2, 40) for method in ("a", "b") for seed in (0, 1, 2)}
    records = [Record("d", m, 10, s, accuracy=v.mean(), correct=v.tolist()) for (m, s), v in rows.items()]
    found = Cells(records[:5]).differences("a", "b")  # the last seed of b is missing
    assert found == {10: crossed_interval(np.array([rows["a", s] - rows["b", s] for s in (0, 1)]))}


def test_records_of_two_data_sets_are_not_mixed():
    with pytest.raises(ValueError, match="two|data sets"):
        Cells([Record("a", "cnn-learned", 10, 0, correct=[1]), Record("b", "cnn-learned", 10, 0, correct=[1])])


def test_the_command_writes_the_page(tmp_path, capsys):
    target = tmp_path / "page.html"
    assert cli.main(["explain", "--quick", "--data", "mnist-small", "--seed", "3", "-o", str(target)]) == 0
    text = target.read_text(encoding="utf-8")
    assert "kernelopt explain --data mnist-small --seed 3 --quick" in text and "</html>" in text
    assert "wrote" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [target]  # no half-written page is left


def test_the_command_refuses_before_it_works(tmp_path, capsys):
    assert cli.main(["explain", "-o", str(tmp_path / "missing" / "page.html")]) == 1
    assert "missing" in capsys.readouterr().err
    assert cli.main(["explain", "--data", "iris", "-o", str(tmp_path / "page.html")]) == 1
    assert "square grey images" in capsys.readouterr().err


def test_writing_returns_the_path(tmp_path, lesson, text):
    path = write(tmp_path / "page.html", lesson, STUDIES, command="kernelopt explain --quick")
    assert path.read_text(encoding="utf-8") == text
