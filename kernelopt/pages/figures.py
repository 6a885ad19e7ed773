"""Drawings as inline SVG, styled by the page's CSS variables.

Charts have a view box and keep real text; strips, which sit in table cells, use percentages and so
fill whatever width they are given. Colours, dashes and fonts are the style sheet's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from markupsafe import Markup, escape

from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages.formats import power_of_ten, significant

LEVELS = 12  # shades on either side of zero in a picture of a filter
INSET = 0.04  # of a strip's width, left free on both sides

MARKERS = {
    "convex": "M-{r},0a{r},{r} 0 1 0 {d},0a{r},{r} 0 1 0 -{d},0Z",
    "filters": "M-{r},-{r}H{r}V{r}H-{r}Z",
    "bridge": "M0,-{q}L{q},0L0,{q}L-{q},0Z",
}
LEARNED = ("learned-kernel", "cnn-learned", "features-mkl")


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """Return an element; text and attribute values are escaped, and `stroke_width` reads stroke-width.

    >>> print(tag("text", "a < b", x=1.50, class_="note"))
    <text x="1.5" class="note">a &lt; b</text>
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if not children:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{''.join(escape(child) for child in children)}</{name}>")


@dataclass(frozen=True)
class Look:
    """How a method is drawn: marker by half, filled and bold if it learns its kernel in full, else dashed."""

    half: str
    bold: bool
    dash: int

    @property
    def css(self) -> str:
        """The classes of a group in this look."""
        return f"{self.half} bold" if self.bold else f"{self.half} dash{self.dash}"

    def marker(self, radius: float = 4.0) -> Markup:
        """Return the marker, centred at the origin."""
        r = radius * (1.15 if self.bold else 1.0) * (0.9 if self.half == "filters" else 1.0)
        path = MARKERS[self.half].format(r=_number(r), d=_number(2 * r), q=_number(1.35 * r))
        return tag("path", d=path, class_="mark")


def looks(methods: Sequence[MethodInfo]) -> dict[str, Look]:
    """Return each method's look; the dashes tell apart the methods of a half."""
    plain: dict[str, int] = {}
    found = {}
    for method in methods:
        bold = method.name in LEARNED
        found[method.name] = Look(method.half, bold, 0 if bold else plain.setdefault(method.half, 0) % 4)
        plain[method.half] = plain.get(method.half, 0) + (not bold)
    return found


@dataclass(frozen=True)
class Scale:
    """Maps ``low..high`` to ``0..1``, by logarithm if `log`."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, values: Iterable[float], *, log: bool = False, pad: float = 0.06, minimum: float = 0.0) -> Scale:
        """Return the scale that holds the finite values, padded; on a log scale the positive ones."""
        kept = [v for v in values if math.isfinite(v) and (v > 0 or not log)] or [1.0]
        if log:
            low, high = math.log10(min(kept)), math.log10(max(kept))
            if high - low < 0.5:
                low, high = low - 0.25, high + 0.25
            room = pad * (high - low)
            return cls(10 ** (low - room), 10 ** (high + room), True)
        low, high = min(kept), max(kept)
        room = max(pad * (high - low), (minimum - (high - low)) / 2, 1e-12 if high > low else 0.5)
        return cls(low - room, high + room)

    def __call__(self, value: float) -> float:
        if self.log:
            value = max(value, self.low)
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, about: int = 5) -> list[float]:
        """Return round values on the scale."""
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            if last - first >= 1:
                step = max(1, math.ceil((last - first + 1) / about))
                return [10.0**k for k in range(first, last + 1, step)]
            for multiples in (1, 3), (1, 2, 5):
                grid = [m * 10.0**k for k in range(first - 1, last + 2) for m in multiples]
                inside = [v for v in grid if self.low <= v <= self.high]
                if len(inside) > 1:
                    break
            return inside
        raw = (self.high - self.low) / about
        unit = 10.0 ** math.floor(math.log10(raw))
        step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= raw * 0.75)
        first = math.ceil(self.low / step - 1e-9)
        return [k * step for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


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
    """

    x: Axis
    y: Axis
    lines: Sequence[Line]
    description: str
    context: Sequence[Line] = ()
    labels: bool = True
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
        return tag(
            "svg",
            *parts,
            viewBox=f"0 0 {_number(self.width)} {_number(self.height)}",
            role="img",
            aria_label=self.description,
            class_="chart",
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
            marks.append(tag("g", line.look.marker(), transform=f"translate({_number(x)} {_number(y)})"))
            parts.append(tag("g", *marks))
        return tag("g", *(parts or [""]), class_=line.look.css)

    def _labels(self) -> list[Markup]:
        drawn = [line for line in self.lines if line.points]
        blocks = sorted(
            ((self._at(line.points[-1].x, line.points[-1].y)[1], _wrapped(line.label, 15), line) for line in drawn),
            key=lambda block: block[0],
        )
        heights = [14.0 * len(rows) + 3 for _, rows, _ in blocks]
        centres = _spread([y for y, _, _ in blocks], heights, 6.0, self.height - self._bottom + 12)
        edge = self.width - self._right
        parts = []
        for (y, rows, line), centre in zip(blocks, centres, strict=True):
            parts.append(
                tag("polyline", points=_pairs([(edge + 2, y), (edge + 9, centre), (edge + 13, centre)]), class_="leader")
            )
            spans = [
                tag("tspan", row, x=edge + 17, y=centre + 4 + 14 * (k - (len(rows) - 1) / 2))
                for k, row in enumerate(rows)
            ]
            parts.append(tag("text", tag("title", line.label), *spans, class_=f"label {line.look.css}"))
        return parts


def strip_axis(scale: Scale, ticks: Sequence[tuple[float, str]]) -> Markup:
    """Return the labels that head a column of strips."""
    return tag(
        "svg",
        *(tag("text", text, x=_percent(scale(value)), y=12, class_="tick", text_anchor="middle") for value, text in ticks),
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
    bar = tag("rect", x=f"{100 * start:.2f}%", width=f"{100 * max(end - start, 0):.2f}%", y=8, height=10, class_="bar")
    return _strip(
        tag("title", title), _upright(scale(0.0), "zero"), tag("g", bar, *_dots(values, scale), class_=look.css)
    )


def dot_strip(values: Sequence[float], look: Look, scale: Scale, ticks: Sequence[float], title: str) -> Markup:
    """Return a strip with one marker per value and a hairline at each tick; values off the scale sit at its edge."""
    inside = [min(max(value, scale.low), scale.high) for value in values]
    spots = [_spot(scale(value), look.marker(3.2)) for value in inside]
    return _strip(
        tag("title", title), *(_upright(scale(tick), "grid") for tick in ticks), tag("g", *(spots or [""]), class_=look.css)
    )


def sample(look: Look) -> Markup:
    """Return a short piece of a method's line, for a legend."""
    return tag(
        "svg",
        tag(
            "g",
            tag("line", x1=1, x2=31, y1=7, y2=7, class_="line"),
            tag("g", look.marker(), transform="translate(16 7)"),
            class_=look.css,
        ),
        viewBox="0 0 32 14",
        class_="sample",
        aria_hidden="true",
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
        tag("g", *(shades or [""]), class_="shades"),
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


def log_ticks(scale: Scale, about: int = 6) -> list[tuple[float, str]]:
    """Return the labelled ticks of a logarithmic scale."""
    values = scale.ticks(about)
    decades = all(abs(math.log10(v) - round(math.log10(v))) < 1e-9 for v in values)
    return [(v, power_of_ten(v) if decades else significant(v, 1)) for v in values]


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


def _wrapped(label: str, width: int) -> list[str]:
    """Return the label in at most three rows of at most this many characters."""
    rows = wrap(label, width) or [""]
    return rows if len(rows) <= 3 else [*rows[:2], rows[2][: width - 1] + "…"]


def _pairs(spots: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in spots)


def _number(value: object) -> object:
    if isinstance(value, float):
        text = f"{value:.2f}".rstrip("0").rstrip(".")
        return "0" if text == "-0" else text
    return value
