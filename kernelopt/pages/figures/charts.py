"""Line charts: text inside a view box, intervals as whiskers, labels at the ends of their lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from markupsafe import Markup

from kernelopt.pages.figures.marks import Look, Scale, number, tag


@dataclass(frozen=True)
class Point:
    """A point of a line, perhaps with an interval; `title` appears on hovering."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    title: str = ""


@dataclass(frozen=True)
class Line:
    """A line of a chart: its points, and one thin thread per seed behind it.

    With `markers` each point has its marker; without, as for a training curve, a few points have.
    """

    label: str
    look: Look
    points: Sequence[Point]
    threads: Sequence[Sequence[tuple[float, float]]] = ()
    markers: bool = True


@dataclass(frozen=True)
class Axis:
    """An axis: its scale, the ticks with their labels, and its name."""

    name: str
    scale: Scale
    ticks: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Chart:
    """Lines against two axes.

    Parameters
    ----------
    x, y : Axis
        The axes.
    lines : sequence of Line
        Drawn in colour, the later ones on top.
    context : sequence of Line
        Drawn in grey behind them, for comparison.
    description : str
        The text alternative.
    labels : bool
        Whether the lines carry their labels at their right ends.
    cursor : bool
        Whether there is an upright line, hidden at first, that a script can move.
    """

    x: Axis
    y: Axis
    lines: Sequence[Line]
    description: str
    context: Sequence[Line] = ()
    labels: bool = True
    cursor: bool = False
    width: float = 420
    height: float = 310
    _left: float = field(default=36, repr=False)
    _top: float = field(default=26, repr=False)
    _bottom: float = field(default=40, repr=False)

    @property
    def _right(self) -> float:
        return 132 if self.labels else 12

    def _at(self, x: float, y: float) -> tuple[float, float]:
        inner_width = self.width - self._left - self._right
        inner_height = self.height - self._top - self._bottom
        return self._left + inner_width * self.x.scale(x), self._top + inner_height * (1 - self.y.scale(y))

    def svg(self) -> Markup:
        """Return the drawing."""
        parts = [*self._axes()]
        for line in self.context:
            parts.append(tag("polyline", points=_pairs(self._at(p.x, p.y) for p in line.points), class_="context"))
        for position, line in enumerate(self.lines):
            parts.append(self._line(line, position))
        if self.labels:
            parts += self._labels()
        places: dict[str, object] = {}
        if self.cursor:
            left, right = self._left, self.width - self._right
            ends = {"y1": self._top, "y2": self.height - self._bottom}
            parts.append(tag("line", x1=left, x2=left, **ends, class_="cursor", visibility="hidden"))
            places = {"data_left": left, "data_right": right}
        return tag(
            "svg",
            *parts,
            viewBox=f"0 0 {number(self.width)} {number(self.height)}",
            role="img",
            aria_label=self.description,
            class_="chart",
            **places,
        )

    def _axes(self) -> list[Markup]:
        left, right = self._left, self.width - self._right
        floor = self.height - self._bottom
        parts = [tag("text", self.y.name, x=0, y=11, class_="axis-name")]
        for value, text in self.y.ticks:
            y = self._at(self.x.scale.low, value)[1]
            parts.append(tag("line", x1=left, x2=right, y1=y, y2=y, class_="grid"))
            parts.append(tag("text", text, x=left - 7, y=y + 4, class_="tick", text_anchor="end"))
        for value, text in self.x.ticks:
            x = self._at(value, self.y.scale.low)[0]
            parts.append(tag("line", x1=x, x2=x, y1=floor, y2=floor + 4, class_="grid"))
            parts.append(tag("text", text, x=x, y=floor + 17, class_="tick", text_anchor="middle"))
        parts.append(
            tag("text", self.x.name, x=(left + right) / 2, y=self.height - 5, class_="axis-name", text_anchor="middle")
        )
        return parts

    def _line(self, line: Line, position: int) -> Markup:
        shift = 5.0 * (position - (len(self.lines) - 1) / 2) if line.markers else 0.0
        parts = [tag("polyline", points=_pairs(self._at(*pair) for pair in t), class_="thread") for t in line.threads]
        spots = [(self._at(p.x, p.y)[0] + shift, self._at(p.x, p.y)[1], p) for p in line.points]
        if len(spots) > 1:
            parts.append(tag("polyline", points=_pairs((x, y) for x, y, _ in spots), class_="line"))
        for x, y, point in spots if line.markers else _some(spots, position):
            marks: list[object] = [tag("title", point.title)] if point.title else []
            if point.low is not None and point.high is not None:
                low, high = self._at(point.x, point.low)[1], self._at(point.x, point.high)[1]
                marks.append(tag("line", x1=x, x2=x, y1=low, y2=high, class_="whisker"))
            marks.append(tag("g", line.look.marker(), transform=f"translate({number(x)} {number(y)})"))
            parts.append(tag("g", *marks))
        return tag("g", *(parts or [Markup()]), class_=line.look.css)

    def _labels(self) -> list[Markup]:
        drawn = [line for line in self.lines if line.points]
        blocks = sorted(
            ((self._at(line.points[-1].x, line.points[-1].y)[1], wrapped(line.label, 15), line) for line in drawn),
            key=lambda block: block[0],
        )
        heights = [14.0 * len(rows) + 3 for _, rows, _ in blocks]
        centres = _spread([y for y, _, _ in blocks], heights, 6.0, self.height - self._bottom + 12)
        edge = self.width - self._right
        parts = []
        for (y, rows, line), centre in zip(blocks, centres, strict=True):
            parts.append(
                tag(
                    "polyline", points=_pairs([(edge + 2, y), (edge + 9, centre), (edge + 13, centre)]), class_="leader"
                )
            )
            spans = [
                tag("tspan", row, x=edge + 17, y=centre + 4 + 14 * (k - (len(rows) - 1) / 2))
                for k, row in enumerate(rows)
            ]
            parts.append(tag("text", tag("title", line.label), *spans, class_=f"label {line.look.css}"))
        return parts


def _some(spots: Sequence[Any], position: int) -> list[Any]:
    """Return about three of a line's points, others for each line of a chart."""
    picked = {round((k + 0.15 + (position % 5) * 0.17) * (len(spots) - 1) / 3) for k in range(3)}
    return [spots[k] for k in sorted(picked)] if spots else []


def _spread(wanted: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Return centres near the wanted ones (ascending) such that blocks of these heights do not overlap."""
    if not wanted:
        return []
    groups: list[tuple[float, list[float]]] = []  # centre of a run of touching blocks, their heights
    for y, height in zip(wanted, heights, strict=True):
        groups.append((y, [height]))
        while len(groups) > 1 and groups[-2][0] + sum(groups[-2][1]) / 2 > groups[-1][0] - sum(groups[-1][1]) / 2:
            (y1, h1), (y2, h2) = groups[-2:]
            groups[-2:] = [((y1 * len(h1) + y2 * len(h2)) / (len(h1) + len(h2)), h1 + h2)]
    centres = []
    for centre, members in groups:
        top = centre - sum(members) / 2
        for height in members:
            centres.append(top + height / 2)
            top += height
    excess = centres[-1] + heights[-1] / 2 - high
    if excess > 0:  # push everything that is in the way upwards
        limit = high
        for k in range(len(centres) - 1, -1, -1):
            centres[k] = min(centres[k], limit - heights[k] / 2)
            limit = centres[k] - heights[k] / 2
    limit = low
    for k, height in enumerate(heights):
        centres[k] = max(centres[k], limit + height / 2)
        limit = centres[k] + height / 2
    return centres


def wrapped(label: str, width: int, most: int = 3) -> list[str]:
    """Return the label in at most `most` rows of at most this many characters.

    >>> wrapped("one two three four", 7, 2)
    ['one two', 'three…']
    """
    rows = wrap(label, width) or [""]
    return rows if len(rows) <= most else [*rows[: most - 1], rows[most - 1][: width - 1] + "…"]


def _pairs(spots: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{number(x)},{number(y)}" for x, y in spots)
