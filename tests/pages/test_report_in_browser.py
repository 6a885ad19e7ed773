"""The page in a real browser, driven over the WebDriver protocol; skipped where there is no Chromium."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernelopt.pages import report

from .make_records import PROTOCOL, PROVENANCE, make_methods, make_records

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
    slider = '[data-control="epoch"]'
    drawing = 'return document.querySelector("[data-role=moving] .shades").innerHTML'
    browser.press(slider, HOME)
    first = browser.run(drawing)
    assert browser.run('return document.querySelector("[data-control=said]").textContent').startswith("epoch 0 of 20")
    browser.press(slider, RIGHT + RIGHT)
    assert browser.run(f"return document.querySelector('{slider}').value") == "2"
    assert browser.run(drawing) != first
    named = browser.run('return document.querySelector("[data-role=moving]").ariaLabel')
    assert "at epoch 2:" in named
    assert browser.run(f"return document.querySelector('{slider}').ariaValueText").startswith("epoch 2 of 20")


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
        const tints = ["--convex0", "--convex1", "--filters0", "--filters1", "--filters2", "--filters3"];
        return ["--ink", "--muted", "--convex", "--filters", "--bridge", "--transductive", ...tints].map((name) => {
          const [a, b] = [light(name), paper].sort((p, q) => q - p);
          return (a + 0.05) / (b + 0.05);
        });
        """
    )
    assert min(ratios) >= 4.5, ratios
