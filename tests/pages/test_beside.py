"""The files beside a page: tables true to the records, drawings that stand alone, pictures of them."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from markupsafe import Markup
from matplotlib import image

from kernelopt.pages import report, summary, tables
from kernelopt.pages.figures import raster, standalone
from kernelopt.pages.figures.marks import tag

from .make_records import PROTOCOL, PROVENANCE, SDP, make_methods, make_records, transductive
from .make_tabular import METHODS, make_tabular

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    page = tmp_path_factory.mktemp("beside") / "study.html"
    records = make_records(images=60, epochs=4, sizes=(200, 600), seeds=(0, 1, 2))
    records += transductive(records)
    words = {"title": "A study", "protocol": PROTOCOL, "provenance": PROVENANCE}
    report.write(page, records, [SDP, *make_methods()], figures=True, **words)
    return page, records


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_page_links_to_what_is_there(written):
    page, _ = written
    folder = page.parent / "study-files"
    text = page.read_text(encoding="utf-8")
    names = sorted(path.name for path in folder.iterdir())
    assert {path.suffix for path in folder.iterdir()} == {".csv", ".svg", ".png"}
    for name in names:
        assert name.endswith(".png") or f'<a href="study-files/{name}">' in text
    pictures, drawings = ({n[:-4] for n in names if n.endswith(kind)} for kind in (".png", ".svg"))
    assert pictures == drawings
    kinds = """learning-curves-convex differences-filters weights-learned-kernel filters-learned-filters gaps exponents
    training-loss-n200 alignment-layer-2-n600 alignment-at-the-end"""
    for kind in kinds.split():
        assert f"{kind}.svg" in names


def test_drawings_are_xml_that_needs_nothing(written):
    page, _ = written
    for path in (page.parent / "study-files").glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.tag == f"{SVG}svg" and float(root.attrib["width"]) > 100
        assert root.find(f"{SVG}style") is not None
        text = path.read_text(encoding="utf-8")
        assert "@media" not in text and "url(" not in text and "href" not in text


def test_pictures_have_the_drawings_size_and_colours(written):
    page, _ = written
    for path in (page.parent / "study-files").glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        picture = image.imread(path.with_suffix(".png"))
        size = [round(2 * float(root.attrib[name])) for name in ("height", "width")]
        assert np.abs(np.array(picture.shape[:2]) - size).max() <= 2
        assert np.abs(picture[0, 0, :3] - np.array([255, 254, 251]) / 255).max() < 0.01  # paper
    convex = image.imread(page.parent / "study-files" / "learning-curves-convex.png")[:, :, :3]
    blue = np.abs(convex - np.array([0x0A, 0x5E, 0xA8]) / 255).max(axis=2) < 0.02
    orange = np.abs(convex - np.array([0xB4, 0x46, 0x0F]) / 255).max(axis=2) < 0.02
    assert blue.sum() > 500 and not orange.any()


def test_tables_hold_the_records(written):
    page, records = written
    folder = page.parent / "study-files"
    (results,) = summary.arrange(records, [SDP, *make_methods()])
    rows = read((folder / "weights.csv").read_text())
    assert len(rows) == sum(len(r.weights or {}) for r in records)
    first = next(r for r in records if r.method == "learned-kernel" and (r.size, r.seed) == (600, 1))
    own = {row["kernel"]: float(row["weight"]) for row in rows
           if (row["method"], row["size"], row["seed"]) == ("learned-kernel", "600", "1")}  # fmt: skip
    assert own == first.weights
    for row in read((folder / "scores.csv").read_text()):
        estimate = results.accuracy(row["method"], int(row["size"]))
        assert [float(row[name]) for name in ("mean", "low", "high")] == [estimate.mean, estimate.low, estimate.high]


def test_every_pair_that_may_be_compared_is_in_the_table(written):
    page, records = written
    rows = read((page.parent / "study-files" / "differences.csv").read_text())
    pairs = {frozenset((row["method"], row["minus"])) for row in rows}
    assert len(pairs) == 9 * 8 / 2 and not any("sdp-kernel" in pair for pair in pairs)
    (results,) = summary.arrange(records, [SDP, *make_methods()])
    row = next(r for r in rows if (r["method"], r["minus"], r["size"]) == ("cnn-learned", "cnn-gabor", "600"))
    corrected = results.corrected("cnn-learned", "cnn-gabor", 600)
    assert float(row["corrected_low"]) == corrected.low and row["interval"] == "crossed" and row["p_holm"]


def test_tables_of_a_general_study():
    records = make_tabular(datasets=("a", "b")) + make_tabular("classification", datasets=("c",))
    made = tables.tables(summary.arrange(records, METHODS))
    assert set(made) == {"scores", "differences", "exponents", "metrics", "starts", "cost", "ranks"}
    differences = read(made["differences"])
    assert {row["interval"] for row in differences} == {"corrected resampled"}
    assert {row["metric"] for row in differences if row["dataset"] == "a"} == {"RMSE"}
    assert {row["metric"] for row in differences if row["dataset"] == "c"} == {"accuracy"}


def test_what_a_spreadsheet_would_run_is_quoted():
    assert tables.written([{"a": "=1+1", "b": "@x", "c": -1.5}]) == "a,b,c\n'=1+1,'@x,-1.5\n"


@pytest.mark.parametrize("drawing", [Markup("<p>no</p>"), tag("svg", Markup(), width=3)])
def test_what_is_no_drawing_is_refused(drawing):
    with pytest.raises(ValueError, match="drawing must"):
        standalone.standalone(drawing)


@pytest.mark.parametrize(
    "part, message",
    [
        (tag("ellipse", rx=3), "element 'ellipse'"),
        (tag("path", d="M0 0q1 1 2 2"), "path q"),
        (tag("g", tag("line"), transform="rotate(3)"), "transform"),
    ],
)
def test_a_picture_of_what_is_not_known_is_refused(part, message):
    drawing = tag("svg", part, viewBox="0 0 10 10")
    with pytest.raises(ValueError, match=message):
        raster.png(standalone.standalone(drawing))


def test_a_picture_follows_the_style_sheet_and_its_order():
    """A filled bold circle, a rule that a later and more specific one overrides, and a hidden line."""
    mark = tag("path", d="M-4,0a4,4 0 1 0 8,0a4,4 0 1 0 -8,0Z", class_="mark")
    bold = tag("g", mark, class_="convex bold", transform="translate(20 20)")
    hollow = tag("g", mark, class_="convex v0", transform="translate(60 20)")
    hidden = tag("line", x1=0, x2=100, y1=35, y2=35, class_="zero", visibility="hidden")
    text = standalone.standalone(tag("svg", bold, hollow, hidden, viewBox="0 0 400 40"))
    picture = image.imread(io.BytesIO(raster.png(text)))[:, :, :3] * 255
    centre = {x: picture[2 * (20 + 10), 2 * (x + 10)].round() for x in (20, 60)}
    assert centre[20].tolist() == [0x0A, 0x5E, 0xA8] and centre[60].tolist() == [255, 254, 251]
    assert (picture[2 * 45].round() == [255, 254, 251]).all()
