"""Drawings that stand alone: an inline SVG with its style inside, and tables of strips put together as one SVG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from markupsafe import Markup

from kernelopt.pages.figures.charts import wrapped
from kernelopt.pages.figures.marks import Look, number, tag

LABEL, ROW, HEAD, MARGIN = 190.0, 28.0, 26.0, 10.0


@dataclass(frozen=True)
class StripRow:
    """A row of a table of strips: its label, a strip per column, and a text at its end; a heading has no strips."""

    label: str
    strips: Sequence[Markup] = ()
    text: str = ""


@cache
def style() -> str:
    """Return the style sheet of drawings, in its light colours."""
    text = resources.files("kernelopt.pages").joinpath("templates/figures.css").read_text(encoding="utf-8")
    return re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", text)


def standalone(drawing: Markup) -> str:
    """Return an inline drawing as the text of an SVG file."""
    match = re.match(r"<svg ([^>]*)>", drawing)
    if match is None:
        raise ValueError(f"drawing must begin with an svg element, found {str(drawing)[:40]!r}")
    box = re.search(r'viewBox="(\S+) (\S+) (\S+) (\S+)"', match.group(1))
    if box is None:
        raise ValueError("drawing must have a viewBox, which says how large it is")
    x, y, width, height = map(float, box.groups())
    scale = max(1.0, 300 / width)  # filters are drawn in units of a pixel each
    margin = MARGIN / scale
    x, y, width, height = x - margin, y - margin, width + 2 * margin, height + 2 * margin
    sides = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
    ground = f'<rect {sides} style="fill: var(--paper)"/>'
    view = f'viewBox="{number(x)} {number(y)} {number(width)} {number(height)}"'
    size = f'width="{number(width * scale)}" height="{number(height * scale)}"'
    attributes = match.group(1).replace(box.group(), view)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {attributes}>'
    return f"{head}<style>{style()}</style>{ground}{drawing[match.end() :]}\n"


def strip_table(
    heading: str, columns: Sequence[str], axis: Markup, rows: Sequence[StripRow], width: float = 200.0, last: str = ""
) -> Markup:
    """Return a table of strips as one drawing.

    Parameters
    ----------
    heading : str
        Above all.
    columns : sequence of str
        Headings of the columns of strips, which share the axis.
    axis : Markup
        The axis strip.
    rows : sequence of StripRow
    width : float
        Of a column.
    last : str
        Heading of the texts at the ends of the rows.
    """
    texts = 200.0 if any(row.text for row in rows) else 0.0
    total = LABEL + len(columns) * width + texts
    parts = [tag("text", heading, x=0, y=16, class_="axis-name")]
    for k, column in enumerate(columns):
        parts.append(tag("text", column, x=LABEL + k * width + 8, y=36, class_="tick"))
        parts.append(_placed(axis, LABEL + k * width, 40, width, 16))
    if last:
        parts.append(tag("text", last, x=total - 4, y=52, class_="tick", text_anchor="end"))
    y = 60.0
    parts.append(tag("line", x1=0, x2=total, y1=y, y2=y, class_="zero"))
    for row in rows:
        y += 4.0 if row.strips else 10.0
        lines = wrapped(row.label, 30, 2)
        for i, line in enumerate(lines):
            at = y + 17 + 12 * (i - (len(lines) - 1) / 2)
            parts.append(tag("text", line, x=0, y=at, class_="row" if row.strips else "tick"))
        for k, strip in enumerate(row.strips):
            parts.append(_placed(strip, LABEL + k * width, y, width, HEAD))
        if row.text:
            parts.append(tag("text", row.text, x=total - 4, y=y + 17, class_="tick", text_anchor="end"))
        y += ROW - 4.0 if row.strips else 18.0
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {number(total)} {number(y + 10)}",
        role="img",
        aria_label=heading,
        class_="chart",
    )


def with_legend(drawing: Markup, heading: str, methods: Sequence[tuple[str, Look]]) -> Markup:
    """Return a chart whose lines carry no labels with a heading above it and a legend below."""
    match = re.match(r'<svg viewBox="0 0 (\S+) (\S+)"', drawing)
    if match is None:
        raise ValueError(f"drawing must be a chart with the origin at its corner, found {str(drawing)[:40]!r}")
    width, height = map(float, match.groups())
    parts = [tag("text", heading, x=0, y=12, class_="row"), _placed(drawing, 0, 22, width, height)]
    for k, (label, look) in enumerate(methods):
        y = height + 34 + 18 * k
        parts.append(
            tag(
                "g",
                tag("line", x1=2, x2=34, y1=y, y2=y, class_="line"),
                tag("g", look.marker(), transform=f"translate(18 {number(y)})"),
                tag("text", label, x=42, y=y + 4, class_="label"),
                class_=look.css,
            )
        )
    total = height + 34 + 18 * len(methods)
    box = f"0 0 {number(width)} {number(total)}"
    return tag("svg", *parts, viewBox=box, role="img", aria_label=heading, class_="chart")


def _placed(strip: Markup, x: float, y: float, width: float, height: float) -> Markup:
    """Return a strip at a place of a drawing; its own coordinates are parts of its width."""
    place = f'<svg x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" '
    return Markup(str(strip).replace("<svg ", place, 1))
