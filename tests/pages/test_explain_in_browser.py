"""Every exhibit of the page of `kernelopt explain`, driven by the keyboard in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kernelopt.conv.geometry import Geometry
from kernelopt.conv.reference import Ties, forward_loops
from kernelopt.evaluation.explained.lesson import QUICK, make_lesson
from kernelopt.evaluation.explained.published import NARROW, WIDE, published_study
from kernelopt.pages.explain.contest import contest
from kernelopt.pages.explain.page import write

pytestmark = pytest.mark.slow

STUDIES = [published_study(name) for name in (NARROW, WIDE)]
LEFT, UP, RIGHT, DOWN, HOME, END, SPACE = "\ue012", "\ue013", "\ue014", "\ue015", "\ue011", "\ue010", " "


@pytest.fixture(scope="module")
def lesson():
    return json.loads(json.dumps(make_lesson(plan=QUICK).to_dict()))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, lesson) -> Path:
    path = tmp_path_factory.mktemp("page") / "explain.html"
    return write(path, lesson, STUDIES, command="kernelopt explain --quick")


@pytest.fixture
def opened(browser, page):
    browser.open(page.as_uri())
    return browser


@pytest.fixture(scope="module")
def image(lesson):
    return np.frombuffer(bytes.fromhex(lesson["image"]), np.uint8).reshape(28, 28) / 255


def shown(browser, selector):
    return browser.run(f"return document.querySelector({json.dumps(selector)}).textContent")


def text_of(number, digits=3):
    """Return a number as the page writes it."""
    text = f"{number:.{digits}f}"
    return text.replace("-0." + "0" * digits, "0." + "0" * digits).replace("-", "\N{MINUS SIGN}")


def choose(browser, selector, value):
    browser.run(
        f"const s = document.querySelector({json.dumps(selector)}); s.value = {json.dumps(str(value))};"
        "s.dispatchEvent(new Event('change'))"
    )


def test_nothing_is_logged_and_nothing_is_fetched(browser, page):
    browser.open("about:blank")
    browser.log("performance")  # reading empties it: away with the browser's own start page
    browser.open(page.as_uri())
    assert browser.log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    urls = {m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"}
    assert {url for url in urls if not url.startswith("data:")} <= {page.as_uri()}


def test_the_window_slides_and_every_product_is_shown(opened, lesson, image):
    choose(opened, "#slide-filter", 4)
    W, b = lesson["filters"]["filters"][-1][4], lesson["filters"]["bias"][-1][4]
    y = forward_loops(image[None, None], np.array(W).reshape(1, 1, 3, 3), np.zeros(1), Geometry(3))[0, 0]
    place = 26 * 15 + 13  # where the page opens
    opened.press('#slide [data-grid="image"]', DOWN + DOWN + RIGHT + UP + LEFT + LEFT)
    place += 26 - 1
    i, j = divmod(place, 26)
    assert shown(opened, "#slide-said").startswith(f"At row {i + 1}, column {j + 1}:")
    assert shown(opened, "#slide [data-sum] strong") == text_of(y[i, j])
    assert f"with bias {text_of(b)}: {text_of(y[i, j] + b)}" in shown(opened, "#slide [data-sum]")
    opened.press("#slide-step", HOME + RIGHT * 4)
    products = image[i : i + 3, j : j + 3].ravel() * W
    assert shown(opened, "#slide [data-sum] strong") == text_of(products[:4].sum())
    cards = opened.run("return [...document.querySelectorAll('#slide [data-products] b')].map((b) => b.textContent)")
    assert cards == [f"= {text_of(product)}" for product in products]
    assert opened.run("return document.querySelectorAll('#slide [data-products] .todo').length") == 5


def test_the_output_is_painted_as_far_as_the_window_went(opened, lesson):
    painted = "return document.querySelectorAll('#slide [data-grid=output] .cell:not([fill-opacity=\"0\"])').length"
    opened.press("#slide-place", HOME)
    assert opened.run(painted) <= 1
    opened.press("#slide-place", END)
    assert opened.run(painted) > 200


def test_a_row_of_the_matrix_times_the_crop_is_an_output(opened, lesson, image):
    m = lesson["matrix"]
    crop = image[m["top"] : m["top"] + 6, m["left"] : m["left"] + 6]
    W = np.array(lesson["backward"]["filters"][m["filter"]]).reshape(1, 1, 3, 3)
    T = Ties.of((1, 6, 6), W.shape, Geometry(3)).matrix(W).toarray()
    opened.press("#matrix-row", HOME + RIGHT * 6)
    assert shown(opened, "#matrix-said").startswith("Output 7 (row 2, column 3) is row 7")
    assert f"sum {text_of(T[6] @ crop.ravel())}." in shown(opened, "#matrix-said")
    signs = opened.run(
        "return [...document.querySelectorAll('#matrix [data-grid=matrix] .cell')]"
        ".map((c) => Number(c.getAttribute('fill-opacity')) * (c.classList.contains('negative') ? -1 : 1))"
    )
    np.testing.assert_allclose(np.array(signs).reshape(16, 36), T / np.abs(T).max(), atol=1e-3)


def test_the_gradients_of_tied_entries_add_up_to_the_kernels(opened, lesson, image):
    m, backward = lesson["matrix"], lesson["backward"]
    dy = np.zeros((26, 26))
    for i, j, value in backward["places"][m["filter"]]:
        dy[i, j] = value
    dy, crop = dy[m["top"] :, m["left"] :][:4, :4], image[m["top"] :, m["left"] :]
    tied = np.array([[(dy * crop[u : u + 4, v : v + 4]).sum() for v in range(3)] for u in range(3)])
    choose(opened, "#matrix-view", "gradient")
    texts = opened.run(
        "return [...document.querySelectorAll('#matrix [data-grid=kernel] text')].map((t) => t.textContent)"
    )
    assert texts == [text_of(value, 2) for value in tied.ravel()]
    choose(opened, "#matrix-tie", 5)
    assert opened.run("return document.querySelectorAll('#matrix .tied:not([visibility=hidden])').length") == 16
    said = shown(opened, "#matrix-said")
    total = float(said.split("add up to ")[1].split(":")[0].replace("\N{MINUS SIGN}", "-"))
    assert total == pytest.approx(tied[1, 2], rel=5e-3)


def test_the_products_add_up_to_torchs_gradient(opened, lesson, image):
    backward = lesson["backward"]
    f = next(f for f, places in enumerate(backward["places"]) if places)
    choose(opened, "#gradient-filter", f)
    choose(opened, "#gradient-entry", 7)
    terms = [d * image[i + 2, j + 1] for i, j, d in backward["places"][f] if image[i + 2, j + 1]]
    opened.press("#gradient-step", HOME + RIGHT * 3)
    assert shown(opened, '[data-tally="sum"]') == text_of(sum(terms[:3]), 6)
    assert shown(opened, '[data-tally="left"]') == str(len(terms) - 3)
    opened.press("#gradient-step", END)
    exact = backward["autograd"][f][7]
    assert shown(opened, '[data-tally="sum"]') == text_of(exact, 6) == shown(opened, '[data-tally="autograd"]')
    assert "the same to nine digits" in shown(opened, "#gradient-said")


def test_epochs_are_scrubbed_and_played(opened, lesson):
    run = lesson["training"]
    drawing = "return document.querySelector('#training [data-grid=kernels] svg').innerHTML"
    opened.press("#training-epoch", HOME)
    start = opened.run(drawing)
    assert shown(opened, "#training-said").startswith(f"Epoch 0 of {QUICK.epochs}, 0 steps: loss 2.303 with learned")
    opened.press("#training-epoch", RIGHT * 2)
    assert f"loss {text_of(run['learned']['loss'][2])} with learned kernels" in shown(opened, "#training-said")
    assert f"{text_of(run['fixed']['loss'][2])} with frozen" in shown(opened, "#training-said")
    assert opened.run(drawing) != start
    button = '[data-stepper="training-epoch"] .play'
    opened.press("#training-epoch", SPACE)
    assert shown(opened, button) == "Pause"
    opened.press("#training-epoch", SPACE)
    assert shown(opened, button) == "Play"
    choose(opened, "#training-view", "change")
    opened.press("#training-epoch", HOME)
    coloured = (
        "return document.querySelectorAll('#training [data-grid=kernels] .cell:not([fill-opacity=\"0.000\"])').length"
    )
    assert opened.run(coloured) == 0  # nothing has changed at the start
    opened.press("#training-epoch", END)
    assert opened.run(coloured) > 8


def test_the_contest_says_what_the_intervals_say(opened):
    rows = contest(*(study.records for study in STUDIES))["rows"]
    for rival in ("small/random", "large/cnn-gabor"):
        choose(opened, "#contest-rival", rival)
        opened.press("#contest-size", HOME)
        for difference in rows[rival]:
            said = shown(opened, "#contest-said")
            assert said.startswith(f"{difference.size:,} training images")
            mean = 100 * difference.estimate.mean
            assert f"{'+' if mean > 0 else ''}{text_of(mean, 1)} points" in said
            assert said.endswith(f": {difference.words}.")
            opened.press("#contest-size", RIGHT)


def test_the_gram_matrix_follows_its_weights(opened, lesson):
    w, n = lesson["weights"], len(lesson["shown"])
    index = {pair: at for at, pair in enumerate(zip(*np.triu_indices(n), strict=True))}
    opened.press("#weights-step", HOME + RIGHT * 3)
    opened.press('#weights [data-grid="gram"]', HOME + DOWN * 2 + RIGHT * 7)
    likeness = sum(mu * gram[index[2, 7]] for mu, gram in zip(w["weights"][3], w["grams"], strict=True))
    said = shown(opened, "#weights-said")
    assert said.startswith(f"Step 3 of {len(w['weights']) - 1}: cost {text_of(w['primal'][3], 1)};")
    assert "Images 3 and 8" in said and f"likeness {text_of(likeness)}." in said
    values = opened.run("return [...document.querySelectorAll('#weights .bars .value')].map((v) => v.textContent)")
    assert values == [f"{mu:.3f}" for mu in w["weights"][3]]
    choose(opened, "#weights-view", 5)
    assert f"alone says {text_of(w['grams'][5][index[2, 7]])}" in shown(opened, "#weights-said")


def test_the_networks_kernel_changes_with_the_epochs(opened, lesson):
    meeting = lesson["meeting"]
    drawing = "return document.querySelector('#meeting [data-grid=network] svg').innerHTML"
    opened.press("#meeting-epoch", HOME)
    start = opened.run(drawing)
    opened.press("#meeting-epoch", END)
    assert opened.run(drawing) != start
    said = shown(opened, "#meeting-said")
    assert f"centred alignment {text_of(meeting['alignment'][-1])}" in said
    assert f"it had {text_of(meeting['alignment'][0])}" in said


def test_a_tap_moves_the_window(opened):
    opened.run(
        "const svg = document.querySelector('#slide [data-grid=image] svg'), box = svg.getBoundingClientRect();"
        "const at = (n) => (n + 0.1 + 0.5) / 28.2;"
        "svg.dispatchEvent(new MouseEvent('click', { bubbles: true,"
        " clientX: box.left + box.width * at(20), clientY: box.top + box.height * at(7) }))"
    )
    assert shown(opened, "#slide-said").startswith("At row 7, column 20:")  # centred on what was tapped


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_the_page_never_scrolls_sideways(browser, page, width):
    browser.devtools("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True)
    browser.open(page.as_uri())
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.devtools("Emulation.clearDeviceMetricsOverride")


def test_every_control_has_a_name_and_takes_the_focus(opened):
    nameless = opened.run(
        """
        return [...document.querySelectorAll("button, select, input, [tabindex], [role=img]")]
          .filter((e) => !(e.ariaLabel || e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim()))
          .map((e) => e.outerHTML.slice(0, 80));
        """
    )
    assert nameless == []
    reached = opened.run(
        "return [...document.querySelectorAll('input, select, button, [tabindex]')]"
        ".filter((e) => { e.focus(); return document.activeElement !== e; }).length"
    )
    assert reached == 0


def test_without_scripts_answers_and_explanations_are_there(browser, page):
    browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page.as_uri())
        visible = browser.run(
            "return [...document.querySelectorAll('.noscript, .answers, .duel, svg.chart')]"
            ".map((e) => e.getBoundingClientRect().height > 0)"
        )
        offered = browser.run("return document.querySelectorAll('.stepper:not([hidden])').length")
    finally:
        browser.devtools("Emulation.setScriptExecutionDisabled", value=False)
    assert visible == [True] * 6 and offered == 0  # two tables and two charts among them
