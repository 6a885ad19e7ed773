"""The page as text: well formed, self-contained, escaped, complete and true to its records."""

from __future__ import annotations

import html
import random
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.statistics import crossed_interval
from kernelopt.pages import report
from kernelopt.pages.figures import charts, marks
from kernelopt.pages.formats import percent, percent_interval, points, points_interval

from .make_records import HOSTILE, PROTOCOL, PROVENANCE, SDP, fail, make_methods, make_records, transductive
from .make_tabular import METHODS as TABULAR
from .make_tabular import make_tabular

VOID = {"meta", "input", "br", "hr", "img", "link", "col"}
CONVEX = ("single-kernel", "uniform-kernel", "learned-kernel")
NETWORKS = ("cnn-random", "cnn-gabor", "cnn-kmeans", "cnn-gabor-first", "cnn-learned")


def render(records, methods=None, **words):
    words = {"title": "A study", "protocol": PROTOCOL, "provenance": PROVENANCE, **words}
    return report.render(records, methods or make_methods(), **words)


class Page(HTMLParser):
    """Reads a page and fails on an element that is not closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert "svg" in self.open or tag == "svg", f"only drawings have <{tag}/>"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def _with_nulls(values):
    """What a store gives back of a record with numbers that are not finite: null for each of them."""
    values["cost"] = dict.fromkeys(values["cost"])
    values["gradient_norm"] = None
    if values["certificate"]:
        values["certificate"] |= {"gap": None, "infeasibility": None}
    for name, curve in (values["history"] or {}).items():
        values["history"][name] = curve if name == "epoch" else [None, *curve[1:]]
    if values["filters"]:
        values["filters"]["values"][-1][0] = None
    values["candidates"][0]["score"] = None
    return values


def variants():
    full = make_records(images=60, epochs=5)
    bare = [
        replace(r, weights=None, history=None, filters=None, certificate=None, gradient_norm=None, cost={})
        for r in full
    ]
    odd = [replace(r, accuracy=float("nan"), correct=[], gradient_norm=float("inf")) for r in full[:3]] + full[3:]
    return {
        "full": full,
        "one seed": make_records(seeds=(3,), images=60),
        "one size": make_records(sizes=(500,), images=60),
        "one cell": full[:1],
        "one failed cell": [fail(full[7]) if k == 7 else r for k, r in enumerate(full)],
        "all failed": [fail(r) for r in full],
        "convex only": make_records(methods=CONVEX, images=60),
        "filters only": make_records(methods=NETWORKS, images=60),
        "learned filters only": make_records(methods=("cnn-learned",), images=60),
        "two data sets": make_records(datasets=("first", "second"), images=60, seeds=(0, 1)),
        "nothing but accuracy": bare,
        "odd numbers": odd,
        "stored": [Record.from_dict(_with_nulls(r.to_dict())) for r in full],
        "zero gaps": [replace(r, certificate={"gap": 0.0, "problem": "p"}) if r.certificate else r for r in full],
        "transductive too": full + transductive(full),
        "transductive only": transductive(full),
        "transductive failed": full + [fail(r) for r in transductive(full)],
        "hostile": make_records(images=60, hostile=True),
        "regression": make_tabular(),
        "one split of a regression": make_tabular(seeds=1, sizes=(100,)),
        "random splits": make_tabular("classification"),
        "official test part of a regression": make_tabular(split="official", sizes=(50, 100, 200, 400)),
        "many tables": make_tabular("classification", datasets=[f"t{k}" for k in range(8)], sizes=(100,)),
        "tables of both tasks": make_tabular() + make_tabular("classification", datasets=("wine", "glass")),
        "one method": make_tabular(methods=("rbf",)),
        "regression failed": [fail(r) for r in make_tabular()],
    }


VARIANTS = variants()


@pytest.fixture(scope="module", params=VARIANTS)
def case(request):
    records = VARIANTS[request.param]
    text = render(records, [SDP, *TABULAR, *make_methods(hostile=request.param == "hostile")])
    return records, text, Page(text)


def test_every_record_is_in_the_table(case):
    records, _, page = case
    shown = Counter(row["data-cell"] for row in page.all("tr") if "data-cell" in row)
    assert shown == Counter("|".join(map(str, record.key)) for record in records)


def test_ids_are_unique_and_references_lead_somewhere(case):
    _, _, page = case
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    referring = [a["for"] for _, a in page.elements if "for" in a]
    referring += [a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a]
    referring += [a["href"].removeprefix("#") for a in page.all("a")]
    assert set(referring) <= set(ids)


def test_nothing_comes_from_outside(case):
    _, text, page = case
    assert not page.all("link") and not page.all("img") and not page.all("iframe")
    for _, attributes in page.elements:
        assert "src" not in attributes and not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"@import|url\(", text)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


def test_headings_descend_one_step_at_a_time(case):
    _, _, page = case
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in zip(levels, levels[1:], strict=False))


def test_every_picture_and_control_has_a_name(case):
    _, _, page = case
    for drawing in page.all("svg"):
        inside = "overflow" in drawing  # a mark nested in a drawing
        assert inside or drawing.get("aria-hidden") == "true" or (drawing["role"] == "img" and drawing["aria-label"])
    labelled = {a["for"] for a in page.all("label")}
    for control in page.all("input") + page.all("select"):
        assert control["id"] in labelled
    assert all(a.get("aria-label") for _, a in page.elements if a.get("role") == "region")


def test_no_number_is_missing_or_broken(case):
    _, text, page = case
    said = " ".join(page.text)
    assert not re.search(r"\bnan\b|\binf\b|None|Undefined|Estimate\(", said)
    for _, attributes in page.elements:
        for name in ("d", "points", "x", "y", "x1", "y1", "cx", "viewbox", "transform", "width"):
            assert not re.search("nan|inf|None", attributes.get(name) or ""), (name, attributes)


def test_hostile_names_stay_text():
    records = make_records(datasets=("a", "b"), seeds=(0, 1), images=60, hostile=True)
    records[0] = fail(records[0], '<img src=x onerror=alert(1)> & "quotes"')
    text = render(
        records,
        make_methods(hostile=True),
        title=HOSTILE,
        protocol={HOSTILE: HOSTILE},
        provenance={HOSTILE: HOSTILE, "command": HOSTILE},
    )
    page = Page(text)
    assert "alert(1)" in text and HOSTILE not in text
    assert len(page.all("script")) == 5  # filters and alignments of two data sets, and ours
    assert not page.all("img")
    said = "".join(page.text)
    assert HOSTILE in said and "<img src=x onerror=alert(1)>" in said


def test_the_statistics_shown_are_those_of_the_records():
    records = make_records(images=200)
    text = render(records)
    stack = {}
    for record in sorted(records, key=lambda r: r.seed):
        stack.setdefault((record.method, record.size), []).append(record.correct)
    for (method, size), rows in stack.items():
        estimate = crossed_interval(np.array(rows))
        cell = re.search(rf'data-accuracy="d0\|{method}\|{size}">(.*?)</td>', text).group(1)
        assert cell == f"{percent(estimate.mean)} <small>{percent_interval(estimate)}</small>"
    pairs = [("cnn-learned", rival) for rival in NETWORKS[:4]] + [
        ("learned-kernel", "uniform-kernel"),
        ("learned-kernel", "single-kernel"),
        ("features-mkl", "cnn-learned"),
        ("features-mkl", "learned-kernel"),
        ("cnn-learned", "learned-kernel"),
    ]
    for size in (200, 600, 2000):
        for ours, theirs in pairs:
            estimate = crossed_interval(np.array(stack[ours, size]) - np.array(stack[theirs, size]))
            row = re.search(rf'<tr data-difference="d0\|{ours}\|{theirs}\|{size}">(.*?)</tr>', text, re.S).group(1)
            assert f"{points(estimate.mean)} <small>{points_interval(estimate)}</small>" in row


def test_a_failed_cell_is_shown_with_its_error():
    records = make_records(images=60)
    records[7] = fail(records[7], "SolverError: stopped without a point")
    text = render(records)
    assert "SolverError: stopped without a point" in text
    assert "135 cells, of which 1 failed" in " ".join(html.unescape(text).split())


def test_one_seed_says_what_its_intervals_leave_out():
    said = " ".join(" ".join(Page(render(make_records(seeds=(0,), images=60))).text).split())
    assert "With one seed the intervals allow for other test images only" in said
    assert said.count("One seed: the intervals allow for other test images only") == 2
    assert "confirmed" not in said.replace("confirmed if all intervals", "")


def test_the_page_does_not_depend_on_the_order_of_the_records():
    records = make_records(images=60)
    shuffled = random.Random(1).sample(records, len(records))
    assert render(records) == render(records) == render(shuffled)


def test_the_default_study_fits_into_two_megabytes():
    assert len(render(make_records()).encode()) < 2_000_000


def test_write_replaces_the_page_in_one_step(tmp_path, monkeypatch):
    records, words = make_records(images=30), {"title": "t", "protocol": {}, "provenance": {}}
    path = tmp_path / "report.html"
    path.write_text("old")
    assert report.write(path, records, make_methods(), **words) == path
    assert path.read_text(encoding="utf-8") == report.render(records, make_methods(), **words)

    def refuse(*_):
        raise OSError("no space")

    written = path.read_text(encoding="utf-8")
    monkeypatch.setattr(report.os, "replace", refuse)
    with pytest.raises(OSError, match="no space"):
        report.write(path, records, make_methods(), **{**words, "title": "other"})
    assert path.read_text(encoding="utf-8") == written
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("values, log", [([0.2, 0.9], False), ([3.0], False), ([1e-7, 1e-2], True), ([4.0, 6.0], True)])
def test_scales_hold_their_values_and_ticks(values, log):
    scale = marks.Scale.over(values, log=log)
    assert all(0 <= scale(v) <= 1 for v in [*values, *scale.ticks()])
    assert len(scale.ticks()) >= 1 and np.all(np.diff(scale.ticks()) > 0)


@pytest.mark.parametrize("wanted", [[50, 50, 50], [0, 1, 2, 3], [95, 96, 97, 99], [10, 50, 90]])
def test_labels_are_spread_without_overlap(wanted):
    heights = [14.0] * len(wanted)
    centres = charts._spread(wanted, heights, 0.0, 100.0)
    assert np.all(np.diff(centres) >= 14 - 1e-9)
    assert centres[0] >= 7 and centres[-1] <= 93


def test_without_a_command_the_records_give_one():
    records = make_records(sizes=(200, 600), seeds=(0, 1), methods=("cnn-learned", "cnn-gabor"), images=20)
    text = html.unescape(render(records, provenance={}))
    command = "--data fashion-mnist-small --sizes 200 600 --seeds 2 --methods cnn-gabor cnn-learned --output"
    assert f"kernelopt contrast {command} report.html" in text


def test_warnings_of_cells_are_listed():
    records = make_records(images=20)
    records[:2] = [replace(r, provenance={"warnings": ["stopped after 10 steps"]}) for r in records[:2]]
    assert "stopped after 10 steps (2 cells)" in render(records)
