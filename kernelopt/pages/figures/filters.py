"""Pictures of filters: one square per entry, in shades from negative over zero to positive."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from kernelopt.pages.figures.marks import tag

LEVELS = 12  # shades on either side of zero


def shade(values: Sequence[float | None], largest: float) -> str:
    """Return one letter per value: ``A`` for ``-largest``, the middle letter for 0, and so on upwards.

    >>> shade([-1.0, 0.0, 0.5, 1.0], 1.0)
    'AMSY'
    """
    middle = ord("A") + LEVELS
    if largest <= 0:
        return chr(middle) * len(values)
    return "".join(chr(middle + _level(v, largest)) for v in values)


def _level(value: float | None, largest: float) -> int:
    """Return the shade of a value, from ``-LEVELS`` to ``LEVELS``; what is not a number has none."""
    if value is None or not math.isfinite(value):
        return 0
    return round(LEVELS * max(-1.0, min(1.0, value / largest)))


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
