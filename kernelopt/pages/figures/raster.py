"""Drawings as PNG: matplotlib draws the few kinds of elements that the pages' SVGs consist of."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from xml.etree import ElementTree

from kernelopt.errors import missing_extra

try:
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path
except ImportError as error:
    raise missing_extra("matplotlib", "report") from error

INHERITED = ("fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-weight", "text-anchor")
INITIAL = {"fill": "#000000", "stroke": "none", "stroke-width": "1", "font-size": "11.5px", "opacity": "1"}
SKIPPED = ("style", "title")


@dataclass(frozen=True)
class _Frame:
    """Where an element's coordinates lie: an origin, a scale, and the size that per cent are taken of."""

    x: float
    y: float
    scale: float
    width: float
    height: float


def png(svg: str, dots_per_unit: float = 2.0) -> bytes:
    """Return the PNG of a drawing that `kernelopt.pages.figures.standalone.standalone` made.

    Parameters
    ----------
    svg : str
        Its text. Elements: svg, g, line, polyline, path, rect, circle, text, tspan; a style sheet of simple rules.
    dots_per_unit : float
        Resolution.

    Raises
    ------
    ValueError
        An element or a path that the pages' drawings do not have.
    """
    root = ElementTree.fromstring(re.sub(r' xmlns="[^"]*"', "", svg))
    rules, variables = _read_style("".join(element.text or "" for element in root.iter("style")))
    box = [float(value) for value in root.attrib["viewBox"].split()]
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    figure = Figure(figsize=(width / 72, height / 72), dpi=72 * dots_per_unit)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    scale = width / box[2]
    frame = _Frame(-box[0] * scale, -box[1] * scale, scale, box[2], box[3])
    pen = _Pen(axes, rules)
    for child in root:
        pen.draw(child, frame, [root], {**INITIAL, **variables})
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


class _Pen:
    def __init__(self, axes: Any, rules: list[tuple[list[Any], dict[str, str], tuple[int, int]]]):
        self.axes, self.rules, self.order = axes, rules, 0

    def draw(self, element: Any, frame: _Frame, above: list[Any], style: dict[str, str]) -> None:
        if element.tag in SKIPPED or element.get("visibility") == "hidden":
            return
        style = self._style(element, above, style)
        kind, chain = element.tag, [*above, element]
        if kind in ("g", "svg"):
            for child in element:
                self.draw(child, _inside(element, frame), chain, style)
        elif kind == "text":
            self._text(element, frame, chain, style)
        elif kind in ("line", "polyline", "path", "rect", "circle"):
            self._patch(_path(element, frame), frame, style)
        else:
            raise ValueError(f"a drawing holds the element {kind!r}, which has no PNG")

    def _style(self, element: Any, above: list[Any], parent: dict[str, str]) -> dict[str, str]:
        style = {name: value for name, value in parent.items() if name in INHERITED or name.startswith("--")}
        style["opacity"] = parent.get("opacity", "1")
        own = {name: element.attrib[name] for name in ("text-anchor", "fill-opacity") if name in element.attrib}
        chain = [*above, element]
        for selector, declared, _ in self.rules:
            if _matches(selector, chain):
                own |= declared
        for item in filter(None, element.get("style", "").split(";")):
            name, value = item.split(":")
            own[name.strip()] = value.strip()
        if "opacity" in own:
            own["opacity"] = str(float(style["opacity"]) * float(own["opacity"]))
        return style | own

    def _patch(self, path: Any, frame: _Frame, style: dict[str, str]) -> None:
        fill, stroke = _colour(style, "fill"), _colour(style, "stroke")
        dashes = [float(part) for part in style.get("stroke-dasharray", "").split()]
        alpha = float(style["opacity"])
        self.axes.add_patch(
            PathPatch(
                path,
                facecolor=(fill, alpha * float(style.get("fill-opacity", 1))) if fill else "none",
                edgecolor=(stroke, alpha) if stroke else "none",
                linewidth=float(style["stroke-width"]) if stroke else 0,
                linestyle=(0, dashes * 2 if len(dashes) % 2 else dashes) if dashes else "solid",
                capstyle=style.get("stroke-linecap", "butt"),
                joinstyle=style.get("stroke-linejoin", "miter"),
                antialiased=frame.scale == 1,  # squares of a filter meet without seams
                clip_on=False,
                zorder=self._next(),
            )
        )

    def _text(self, element: Any, frame: _Frame, chain: list[Any], style: dict[str, str]) -> None:
        spans = [child for child in element if child.tag == "tspan"] or [element]
        where = {"start": "left", "middle": "center", "end": "right"}[style.get("text-anchor", "start")]
        for span in spans:
            own = self._style(span, chain, style) if span is not element else style
            self.axes.text(
                frame.x + frame.scale * _length(span.get("x", "0"), frame.width),
                frame.y + frame.scale * _length(span.get("y", "0"), frame.height),
                (span.text or "").replace("$", r"\$"),
                color=_colour(own, "fill") or "none",
                fontsize=float(own["font-size"].removesuffix("px")),
                fontweight=int(own.get("font-weight", 400)),
                ha=where,
                va="baseline",
                clip_on=False,
                zorder=self._next(),
            )

    def _next(self) -> int:
        self.order += 1
        return self.order


def _inside(element: Any, frame: _Frame) -> _Frame:
    """Return the frame of a group's or a nested drawing's children."""
    moved = re.fullmatch(r"translate\((\S+) (\S+)\)", element.get("transform", "translate(0 0)"))
    if moved is None:
        raise ValueError(f"a drawing holds the transform {element.get('transform')!r}, which has no PNG")
    x, y = float(moved.group(1)), float(moved.group(2))
    if element.tag == "g":
        return _Frame(frame.x + frame.scale * x, frame.y + frame.scale * y, frame.scale, frame.width, frame.height)
    x, y = _length(element.get("x", "0"), frame.width), _length(element.get("y", "0"), frame.height)
    width, height = (_length(element.get(name, "100%"), getattr(frame, name)) for name in ("width", "height"))
    return _Frame(frame.x + frame.scale * x, frame.y + frame.scale * y, frame.scale, width, height)


def _path(element: Any, frame: _Frame) -> Any:
    def point(x: float, y: float) -> tuple[float, float]:
        return frame.x + frame.scale * x, frame.y + frame.scale * y

    def get(name: str, whole: float) -> float:
        return _length(element.get(name, "0"), whole)

    if element.tag == "line":
        ends = [(get(f"x{k}", frame.width), get(f"y{k}", frame.height)) for k in (1, 2)]
        return Path([point(*end) for end in ends])
    if element.tag == "polyline":
        pairs = [tuple(map(float, pair.split(","))) for pair in element.attrib["points"].split()]
        return Path([point(*pair) for pair in pairs])
    if element.tag == "circle":
        centre = point(get("cx", frame.width), get("cy", frame.height))
        return Path.circle(centre, frame.scale * get("r", frame.width))
    if element.tag == "rect":
        x, y, w, h = (
            get("x", frame.width),
            get("y", frame.height),
            get("width", frame.width),
            get("height", frame.height),
        )
        return Path([point(x, y), point(x + w, y), point(x + w, y + h), point(x, y + h), point(x, y)], closed=True)
    vertices, codes = _outline(element.attrib["d"])
    return Path([point(*vertex) for vertex in vertices], codes)


def _outline(d: str) -> tuple[list[tuple[float, float]], list[Any]]:
    """Return vertices and codes of a path of straight lines and half circles."""
    vertices: list[tuple[float, float]] = []
    codes: list[Any] = []
    x = y = 0.0
    start = (0.0, 0.0)
    for command, text in re.findall(r"([A-Za-z])([^A-Za-z]*)", d):
        numbers = [float(value) for value in re.findall(r"-?[0-9.]+", text)]
        if command in "Zz":
            vertices.append(start)
            codes.append(Path.CLOSEPOLY)
            x, y = start
            continue
        if command == "a" and len(numbers) == 7 and numbers[6] == 0:
            radius, dx = numbers[0], numbers[5]
            for k in range(1, 17):  # the half circle above or below a level chord
                turn = math.pi * k / 16
                vertices.append((x + dx / 2 * (1 - math.cos(turn)), y - math.copysign(radius, dx) * math.sin(turn)))
                codes.append(Path.LINETO)
            x += dx
            continue
        if command in "ML" and len(numbers) == 2:
            x, y = numbers
        elif command in "Hh" and len(numbers) == 1:
            x = numbers[0] + (x if command == "h" else 0)
        elif command in "Vv" and len(numbers) == 1:
            y = numbers[0] + (y if command == "v" else 0)
        else:
            raise ValueError(f"a drawing holds the path {command}{text}, which has no PNG")
        if command == "M":
            start = (x, y)
        vertices.append((x, y))
        codes.append(Path.MOVETO if command == "M" else Path.LINETO)
    return vertices, codes


def _length(text: str, whole: float) -> float:
    return float(text[:-1]) / 100 * whole if text.endswith("%") else float(text)


def _colour(style: dict[str, str], name: str) -> str | None:
    """Return a colour with its variables looked up; None for none."""
    value = style[name]
    while (match := re.fullmatch(r"var\((--\w+)\)", value)) is not None:
        value = style.get(match.group(1), "none")
    return None if value == "none" else value


@cache
def _read_style(text: str) -> tuple[list[tuple[list[Any], dict[str, str], tuple[int, int]]], dict[str, str]]:
    """Return the rules, least specific first, and the root's variables."""
    variables: dict[str, str] = {}
    rules = []
    for place, (selectors, body) in enumerate(re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(r"/\*.*?\*/", "", text))):
        pairs = (item.split(":", 1) for item in body.split(";") if item.strip())
        declared = {name.strip(): value.strip() for name, value in pairs}
        for selector in selectors.split(","):
            if selector.strip() == ":root":
                variables |= {name: value for name, value in declared.items() if name.startswith("--")}
                continue
            parts = [_compound(part) for part in selector.split()]
            classes, tags = sum(len(part[1]) for part in parts), sum(part[0] is not None for part in parts)
            rules.append((parts, declared, (10 * classes + tags, place)))
    return sorted(rules, key=lambda rule: rule[2]), variables


def _compound(part: str) -> tuple[str | None, frozenset[str]]:
    tag, *classes = part.split(".")
    return tag or None, frozenset(classes)


def _matches(selector: list[tuple[str | None, frozenset[str]]], chain: list[Any]) -> bool:
    """Whether an element, the last of its chain of ancestors, is one that a selector means."""

    def fits(part: tuple[str | None, frozenset[str]], element: Any) -> bool:
        return part[0] in (None, element.tag) and part[1] <= set(element.get("class", "").split())

    if not fits(selector[-1], chain[-1]):
        return False
    wanted = list(selector[:-1])
    for element in reversed(chain[:-1]):
        if wanted and fits(wanted[-1], element):
            wanted.pop()
    return not wanted
