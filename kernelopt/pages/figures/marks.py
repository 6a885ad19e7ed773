"""What all drawings share: escaped elements, the look of a method, scales with round ticks.

Colours, dashes and fonts are the style sheet's; the drawings only carry its classes.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages.formats import power_of_ten, significant

TRANSDUCTIVE = "transductive"  # drawn as a group of its own, whichever half a method is of
MARKERS = {
    "convex": "M-{r},0a{r},{r} 0 1 0 {d},0a{r},{r} 0 1 0 -{d},0Z",
    "filters": "M-{r},-{r}H{r}V{r}H-{r}Z",
    "bridge": "M0,-{q}L{q},0L0,{q}L-{q},0Z",
    TRANSDUCTIVE: "M0,-{q}L{q},{r}H-{q}Z",
}
LEARNED = ("learned-kernel", "cnn-learned", "features-mkl", "sdp-kernel")
VARIANTS = 8


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """Return an element; text and attribute values are escaped, and `stroke_width` reads stroke-width.

    >>> print(tag("text", "a < b", x=1.50, class_="note"))
    <text x="1.5" class="note">a &lt; b</text>
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if not children:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{''.join(escape(child) for child in children)}</{name}>")


@dataclass(frozen=True)
class Look:
    """How a method is drawn: marker and colour by half or as transductive; bold and filled if it learns all its kernel.

    The others are hollow and dashed; `variant` tells them apart by dash and tint.
    """

    half: str
    bold: bool
    variant: int

    @property
    def css(self) -> str:
        """The classes of a group in this look."""
        return f"{self.half} bold" if self.bold else f"{self.half} v{self.variant}"

    def marker(self, radius: float = 4.0) -> Markup:
        """Return the marker, centred at the origin."""
        r = radius * (1.15 if self.bold else 1.0) * (0.9 if self.half == "filters" else 1.0)
        path = MARKERS[self.half].format(r=number(r), d=number(2 * r), q=number(1.35 * r))
        return tag("path", d=path, class_="mark")


def looks(methods: Sequence[MethodInfo], transductive: Container[str] = ()) -> dict[str, Look]:
    """Return each method's look; `transductive` holds the names of those that are."""
    used: dict[str, int] = {}
    found = {}
    for method in methods:
        bold, half = method.name in LEARNED, TRANSDUCTIVE if method.name in transductive else method.half
        found[method.name] = Look(half, bold, 0 if bold else used.get(half, 0) % VARIANTS)
        used[half] = used.get(half, 0) + (not bold)
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
        """Return where the value lies; on a log scale nothing lies below 0."""
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
        width = next(m * unit for m in (1, 2, 5, 10) if m * unit >= raw * 0.75)
        lowest, highest = math.ceil(self.low / width - 1e-9), math.floor(self.high / width + 1e-9)
        return [k * width for k in range(lowest, highest + 1)]


def log_ticks(scale: Scale, about: int = 6) -> list[tuple[float, str]]:
    """Return the labelled ticks of a logarithmic scale."""
    values = scale.ticks(about)
    decades = all(abs(math.log10(v) - round(math.log10(v))) < 1e-9 for v in values)
    return [(v, power_of_ten(v) if decades else significant(v, 1)) for v in values]


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


def number(value: object) -> object:
    """Return a float with at most two digits after the point, and anything else as it is."""
    if isinstance(value, float):
        text = f"{value:.2f}".rstrip("0").rstrip(".")
        return "0" if text == "-0" else text
    return value
