"""The page in a real browser, driven over the WebDriver protocol; skipped where there is no Chromium."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernelopt.pages import report

from .make_records import PROTOCOL, PROVENANCE, make_methods, make_records
from .make_tabular import METHODS, make_tabular

pytestmark = pytest.mark.slow

RIGHT, HOME, END = "\ue014", "\ue011", "\ue010"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    return report.write(path, make_records(), make_methods(), title="A study", protocol=PROTOCOL, provenance=PROVENANCE)


def test_nothing_is_logged_and_nothing_is_fetched(browser, page):
    browser.open("about:blank")
    browser.log("performance")  # reading empties it: away with the browser's own start page
    browser.open(page.as_uri())
    assert browser.log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    urls = {m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"}
    assert {url for url in urls if not url.startswith("data:")} <= {page.as_uri()}


def test_the_scrubber_obeys_the_keyboard(browser, page):
    browser.open(page.as_uri())
    slider = '[data-scrubber] [data-control="epoch"]'
    drawing = 'return document.querySelector("[data-role=moving] .shades").innerHTML'
    browser.press(slider, HOME)
    first = browser.run(drawing)
    assert browser.run('return document.querySelector("[data-scrubber] [data-control=said]").textContent').startswith(
        "epoch 0 of 20"
    )
    browser.press(slider, RIGHT + RIGHT)
    assert browser.run(f"return document.querySelector('{slider}').value") == "2"
    assert browser.run(drawing) != first
    named = browser.run('return document.querySelector("[data-role=moving]").ariaLabel')
    assert "at epoch 2:" in named
    assert browser.run(f"return document.querySelector('{slider}').ariaValueText").startswith("epoch 2 of 20")


def test_the_alignment_slider_obeys_the_keyboard(browser, page):
    """It moves the line through every chart of the size chosen, fills the table, and says where it stands."""
    browser.open(page.as_uri())
    slider, box = '[data-epochs] [data-control="epoch"]', "document.querySelector('[data-epochs]')"
    shown = f"return [...{box}.querySelectorAll('[data-value-of]')].map((cell) => cell.textContent)"
    places = (
        f"""return [...{box}.querySelectorAll('[data-size="2000"] .cursor')].map((line) => +line.getAttribute("x1"))"""
    )
    at_the_end, last = browser.run(shown), browser.run(places)
    browser.press(slider, HOME)
    assert browser.run(shown) != at_the_end and "–" in browser.run(shown)
    first = browser.run(places)
    assert len(first) == len(last) == 3 and all(a < b for a, b in zip(first, last, strict=True))
    browser.press(slider, RIGHT + RIGHT)
    said = browser.run(f"return {box}.querySelector('[data-control=epoch]').ariaValueText")
    assert said == "epoch 2 of 20"
    assert browser.run(f"return {box}.querySelector('[data-control=caption]').textContent") == (
        "epoch 2, 2,000 training images"
    )
    value = browser.run(f"""return {box}.querySelector('[data-value-of="cnn-learned/layer 2"]').textContent""")
    records = [r for r in make_records() if (r.method, r.size) == ("cnn-learned", 2000)]
    mean = sum(r.representation_history["alignment"]["layer 2"][2] for r in records) / len(records)
    assert value == f"{mean:.3f}"


def test_the_alignment_of_another_size_is_chosen_by_keyboard(browser, page):
    browser.open(page.as_uri())
    browser.press('[data-epochs] [data-control="size"]', HOME)
    visible = "[...document.querySelectorAll('[data-epochs] [data-size]:not([hidden])')].map((g) => g.dataset.size)"
    assert browser.run(f"return {visible}") == ["200"]
    assert browser.run("return document.querySelector('[data-epochs] [data-control=said]').textContent") == (
        "epoch 120 of 120"
    )


def test_all_sizes_are_printed(browser, page):
    browser.open(page.as_uri())
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("return document.querySelectorAll('[data-epochs] [data-size]:not([hidden])').length") == 3
    assert browser.run("return [...document.querySelectorAll('details')].every((d) => d.open)")
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run("return document.querySelectorAll('[data-epochs] [data-size]:not([hidden])').length") == 1


def test_every_control_is_reached_by_tab_and_shows_it(browser, page):
    """All that can be operated takes the focus in the order of the page, and then has a visible outline."""
    browser.open(page.as_uri())
    bare = browser.run(
        """
        const all = [...document.querySelectorAll("a, button, input, select, summary, [tabindex='0']")];
        return all.filter((element) => element.getClientRects().length && !element.disabled).filter((element) => {
          element.focus({ focusVisible: true });
          return document.activeElement !== element || parseFloat(getComputedStyle(element).outlineWidth) < 2;
        }).map((element) => element.outerHTML.slice(0, 80));
        """
    )
    assert bare == []


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A page on several data sets without networks: regressions and classifications over random splits."""
    path = tmp_path_factory.mktemp("tables") / "tables.html"
    records = make_tabular(datasets=("abalone", "concrete")) + make_tabular("classification", datasets=("wine",))
    return report.write(path, records, METHODS, title="Tables", protocol={}, provenance={}, figures=True)


def test_a_general_study_logs_and_fetches_nothing(browser, tables):
    browser.open("about:blank")
    browser.log("performance")
    browser.open(tables.as_uri())
    assert browser.log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    urls = {m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"}
    assert {url for url in urls if not url.startswith("data:")} <= {tables.as_uri()}
    assert browser.run("return document.querySelectorAll('svg.ranks').length") == 1


@pytest.mark.parametrize("width", [360, 1280])
def test_a_general_study_never_scrolls_sideways(browser, tables, width):
    browser.devtools("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True)
    browser.open(tables.as_uri())
    assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.devtools("Emulation.clearDeviceMetricsOverride")


def test_script_and_server_draw_the_same_filters(browser, page):
    browser.open(page.as_uri())
    script = """
        const paths = (root) => [...root.querySelectorAll("[data-role=moving] .shades path")]
            .map((path) => ["class", "fill-opacity", "d"].map((name) => path.getAttribute(name)))
            .map(([kind, opacity, d]) => [kind, Number(opacity).toFixed(2), d].join())
            .sort();
        return paths(arguments[0] || document);
    """
    drawn = browser.run(script)
    text = page.read_text(encoding="utf-8")
    served = browser.run(
        "const page = new DOMParser().parseFromString("
        + json.dumps(text)
        + ", 'text/html');"
        + script.replace("arguments[0] || document", "page")
    )
    assert drawn == served


def test_a_heading_sorts_and_the_box_filters(browser, page):
    browser.open(page.as_uri())
    head = '#cells-table th[data-kind="number"] button'
    browser.press(head, "\ue007")  # enter
    browser.press(head, "\ue007")
    sizes = browser.run(
        "return [...document.querySelectorAll('#cells-table tbody tr')].map((r) => +r.cells[1].dataset.value)"
    )
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 3
    assert browser.run("return document.querySelector('#cells-table th:nth-child(2)').ariaSort") == "descending"
    browser.press("#cells-box", "gabor first")
    assert browser.run("return document.getElementById('cells-table-count').textContent") == "15 of 135 cells"


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_the_page_never_scrolls_sideways(browser, page, width):
    browser.devtools("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True)
    browser.open(page.as_uri())
    assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.devtools("Emulation.clearDeviceMetricsOverride")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(browser, page, scheme):
    browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open(page.as_uri())
    ratios = browser.run(
        """
        const style = getComputedStyle(document.documentElement);
        const light = (name) => {
          const hex = style.getPropertyValue(name).trim().slice(1);
          const part = (k) => parseInt(hex.slice(2 * k, 2 * k + 2), 16) / 255;
          const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
          return 0.2126 * linear(part(0)) + 0.7152 * linear(part(1)) + 0.0722 * linear(part(2));
        };
        const paper = light("--paper");
        const tints = ["--convex0", "--convex1", "--filters0", "--filters1", "--filters2", "--filters3",
          "--tint2", "--tint3", "--tint4", "--tint5", "--tint6", "--tint7"];
        return ["--ink", "--muted", "--convex", "--filters", "--bridge", "--transductive", ...tints].map((name) => {
          const [a, b] = [light(name), paper].sort((p, q) => q - p);
          return (a + 0.05) / (b + 0.05);
        });
        """
    )
    assert min(ratios) >= 4.5, ratios
