"""Strips, which sit in table cells and fill whatever width they are given, and panels of filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from kernelopt.pages.svg import Look, Scale, tag

LEVELS = 12  # shades on either side of zero in a picture of a filter
INSET = 0.04  # of a strip's width, left free on both sides


def strip_axis(scale: Scale, ticks: Sequence[tuple[float, str]]) -> Markup:
    """Return the labels that head a column of strips."""
    return tag(
        "svg",
        *(
            tag("text", text, x=_percent(scale(value)), y=12, class_="tick", text_anchor="middle")
            for value, text in ticks
        ),
        class_="strip head",
        aria_hidden="true",
    )


def interval_strip(mean: float, low: float | None, high: float | None, look: Look, scale: Scale, title: str) -> Markup:
    """Return a strip with a zero line, a whisker from `low` to `high` and a marker at the mean."""
    parts = [tag("title", title), _upright(scale(0.0), "zero")]
    marks = []
    if low is not None and high is not None:
        marks.append(tag("line", x1=_percent(scale(low)), x2=_percent(scale(high)), y1=13, y2=13, class_="whisker"))
    marks.append(_spot(scale(mean), look.marker()))
    return _strip(*parts, tag("g", *marks, class_=look.css))


def bar_strip(mean: float, values: Sequence[float], look: Look, scale: Scale, title: str) -> Markup:
    """Return a strip with a bar from zero to the mean and one dot per value."""
    start, end = _inset(scale(0.0)), _inset(scale(mean))
    bar = tag(
        "rect",
        x=f"{100 * start:.2f}%",
        width=f"{100 * max(end - start, 0):.2f}%",
        y=8,
        height=10,
        class_="bar",
    )
    return _strip(
        tag("title", title),
        _upright(scale(0.0), "zero"),
        tag("g", bar, *_dots(values, scale), class_=look.css),
    )


def dot_strip(values: Sequence[float], look: Look, scale: Scale, ticks: Sequence[float], title: str) -> Markup:
    """Return a strip with a hairline at each tick and a marker per value, those off the scale at its edge."""
    inside = [min(max(value, scale.low), scale.high) for value in values]
    spots = [_spot(scale(value), look.marker(3.2)) for value in inside]
    return _strip(
        tag("title", title),
        *(_upright(scale(tick), "grid") for tick in ticks),
        tag("g", *(spots or [Markup()]), class_=look.css),
    )


def shade(values: Sequence[float], largest: float) -> str:
    """Return one letter per value: ``A`` for ``-largest``, the middle letter for 0, and so on upwards.

    >>> shade([-1.0, 0.0, 0.5, 1.0], 1.0)
    'AMSY'
    """
    middle = ord("A") + LEVELS
    if largest <= 0:
        return chr(middle) * len(values)
    return "".join(
        chr(middle + (round(LEVELS * max(-1.0, min(1.0, v / largest))) if math.isfinite(v) else 0)) for v in values
    )


def filter_grid(letters: str, shape: Sequence[int], description: str, **attributes: object) -> Markup:
    """Return a panel of filters, one shade per entry, side by side in rows.

    Parameters
    ----------
    letters : str
        The shades (see `shade`), filter by filter and row by row.
    shape : (F, h, w)
        Number and size of the filters.
    description : str
        The text alternative.
    **attributes
        Further attributes of the drawing.
    """
    n, h, w = shape
    columns = math.ceil(math.sqrt(n))
    cells: dict[str, list[str]] = {}
    for index, letter in enumerate(letters):
        which, rest = divmod(index, h * w)
        i, j = divmod(rest, w)
        x, y = (which % columns) * (w + 1) + j, (which // columns) * (h + 1) + i
        cells.setdefault(letter, []).append(f"M{x} {y}h1v1h-1z")
    frames = [
        tag("rect", x=(k % columns) * (w + 1), y=(k // columns) * (h + 1), width=w, height=h, class_="ground")
        for k in range(n)
    ]
    shades = [tag("path", d="".join(cells[letter]), **shade_attributes(letter)) for letter in sorted(cells)]
    return tag(
        "svg",
        *frames,
        tag("g", *(shades or [Markup()]), class_="shades"),
        viewBox=f"-0.25 -0.25 {columns * (w + 1) - 0.5} {math.ceil(n / columns) * (h + 1) - 0.5}",
        role="img",
        aria_label=description,
        class_="filters",
        shape_rendering="crispEdges",
        **attributes,
    )


def shade_attributes(letter: str) -> dict[str, Any]:
    """Return the class and opacity that draw a shade."""
    level = ord(letter) - ord("A") - LEVELS
    return {"class_": "negative" if level < 0 else "positive", "fill_opacity": abs(level) / LEVELS}


def shade_bar() -> Markup:
    """Return the colour scale of the filters, from most negative to most positive."""
    letters = "".join(chr(ord("A") + k) for k in range(2 * LEVELS + 1))
    return tag(
        "svg",
        tag("rect", x=0, y=0, width=len(letters), height=2, class_="ground"),
        *(tag("rect", x=k, y=0, width=1, height=2, **shade_attributes(letter)) for k, letter in enumerate(letters)),
        viewBox=f"0 0 {len(letters)} 2",
        preserveAspectRatio="none",
        class_="shade-bar",
        aria_hidden="true",
        shape_rendering="crispEdges",
    )


def _strip(*parts: object) -> Markup:
    return tag("svg", *parts, class_="strip", aria_hidden="true")


def _inset(position: float) -> float:
    return INSET + (1 - 2 * INSET) * position


def _percent(position: float) -> str:
    return f"{100 * _inset(position):.2f}%"


def _upright(position: float, css: str) -> Markup:
    return tag("line", x1=_percent(position), x2=_percent(position), y1="0%", y2="100%", class_=css)


def _spot(position: float, drawing: Markup) -> Markup:
    return tag("svg", drawing, x=_percent(position), y=13, width=1, height=1, overflow="visible")


def _dots(values: Sequence[float], scale: Scale) -> list[Markup]:
    return [tag("circle", cx=_percent(scale(value)), cy=13, r=2.4, class_="dot") for value in values]
