"""Strips: drawings as wide as the table cell that holds them, one row of a figure each."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from kernelopt.evaluation.statistics import Estimate
from kernelopt.pages.figures.marks import Look, Scale, tag

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


def interval_strip(estimate: Estimate, look: Look, scale: Scale, title: str) -> Markup:
    """Return a strip with a zero line, a whisker for the interval and a marker at the mean."""
    ends = {"x1": _percent(scale(estimate.low)), "x2": _percent(scale(estimate.high))}
    whisker = tag("line", **ends, y1=13, y2=13, class_="whisker")
    spot = _spot(scale(estimate.mean), look.marker())
    return _strip(tag("title", title), _upright(scale(0.0), "zero"), tag("g", whisker, spot, class_=look.css))


def bar_strip(mean: float, values: Sequence[float], look: Look, scale: Scale, title: str) -> Markup:
    """Return a strip with a bar between zero and the mean, on either side, and one dot per value."""
    start, end = sorted((_inset(scale(0.0)), _inset(scale(mean))))
    bar = tag("rect", x=f"{100 * start:.2f}%", width=f"{100 * (end - start):.2f}%", y=8, height=10, class_="bar")
    return _strip(
        tag("title", title), _upright(scale(0.0), "zero"), tag("g", bar, *_dots(values, scale), class_=look.css)
    )


def dot_strip(values: Sequence[float], look: Look, scale: Scale, ticks: Sequence[float], title: str) -> Markup:
    """Return a strip with one marker per value and a hairline at each tick; values off the scale sit at its edge."""
    inside = [min(max(value, scale.low), scale.high) for value in values]
    spots = [_spot(scale(value), look.marker(3.2)) for value in inside]
    return _strip(
        tag("title", title),
        *(_upright(scale(tick), "grid") for tick in ticks),
        tag("g", *(spots or [Markup()]), class_=look.css),
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
