"""What a paper prints: a figure, where it stands in the tables, and its spread."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ["dataset", "method", "criterion", "quantity", "published"]
SPREAD = "_std"  # of a quantity in a file: its standard deviation over splits, in a row of its own
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
PRINTED = re.compile(rf"^({NUMBER})(?:\s*(?:±|\+-|\+/-)\s*({NUMBER}))?$")


@dataclass(frozen=True)
class Published:
    """One published figure.

    Parameters
    ----------
    dataset, method, criterion, quantity : str
        Where it stands; `criterion` may be empty.
    text : str
        The figure as printed, or empty where the paper prints none.
    spread : float or None
        Its printed standard deviation over splits.

    Examples
    --------
    >>> cell = Published("sonar", "C-SVM", "", "error", "14.8", 3.7)
    >>> cell.value, round(cell.rounding, 3)
    (14.8, 0.05)
    """

    dataset: str
    method: str
    criterion: str
    quantity: str
    text: str
    spread: float | None = None

    @property
    def key(self) -> dict[str, str]:
        """Where the figure stands, by name."""
        return {
            "dataset": self.dataset,
            "method": self.method,
            "criterion": self.criterion,
            "quantity": self.quantity,
        }

    @property
    def value(self) -> float:
        """The figure, or NaN where the paper prints none."""
        return float(self.text) if self.text else math.nan

    @property
    def rounding(self) -> float:
        """Half a unit of the last printed digit: what rounding alone may have moved the figure by."""
        mantissa, _, exponent = self.text.lower().partition("e")
        return 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2])) if self.text else 0.0

    @property
    def shown(self) -> str:
        """The figure with its spread, as a table shows it."""
        if not self.text:
            return "—"
        return self.text if self.spread is None else f"{self.text} ± {self.spread:g}"


def from_file(path: Path) -> list[Published]:
    """Return the figures of a CSV file with the columns dataset, method, criterion, quantity, published.

    A row whose quantity ends in ``_std`` is the spread of the row with the name before it.

    Raises
    ------
    ValueError
        Other columns, an entry that is no number, a place that occurs twice, a spread without a figure.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r} of published figures; paths count from the config")
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
        if not lines or list(lines[0]) != COLUMNS:
            found = ", ".join(lines[0]) if lines else "no rows"
            raise ValueError(f"{path.name} must have rows with the columns {', '.join(COLUMNS)}, found {found}")
    figures: dict[tuple[str, ...], str] = {}
    for line in lines:
        place = tuple(line[column] for column in COLUMNS[:-1])
        text = (line["published"] or "").strip()
        if text and not re.fullmatch(NUMBER, text):
            raise ValueError(f"{path.name}, {'/'.join(place)}: {text!r} is no number")
        if place in figures:
            raise ValueError(f"{path.name} holds {'/'.join(place)} twice")
        figures[place] = text
    spreads = {(*place[:3], place[3].removesuffix(SPREAD)) for place in figures if place[3].endswith(SPREAD)}
    if alone := spreads - set(figures):
        raise ValueError(f"{path.name} holds a spread but no figure of {'/'.join(min(alone))}")
    cells = []
    for (dataset, method, criterion, quantity), text in figures.items():
        if not quantity.endswith(SPREAD):
            spread = figures.get((dataset, method, criterion, quantity + SPREAD))
            cells.append(Published(dataset, method, criterion, quantity, text, float(spread) if spread else None))
    return cells


def from_grid(
    rows: Mapping[str, Sequence[str | float | int]], columns: Sequence[str], quantity: str, criterion: str = ""
) -> list[Published]:
    """Return the figures of a table typed into a config: data sets down, methods across.

    Entries are numbers, or texts as printed: ``"14.8"``, ``"14.8 ± 3.7"``, and ``"—"`` or nothing where there is none.
    A text keeps the last digit of a figure that ends in 0.

    Examples
    --------
    >>> [cell.shown for cell in from_grid({"sonar": ["14.8 ± 3.7", "—"]}, ["C-SVM", "best"], "error")]
    ['14.8 ± 3.7', '—']
    """
    found = []
    for dataset, entries in rows.items():
        if not isinstance(entries, Sequence) or isinstance(entries, str) or len(entries) != len(columns):
            raise ValueError(f"rows.{dataset} must list {len(columns)} entries, one per column, found {entries!r}")
        for method, entry in zip(columns, entries, strict=True):
            text = str(entry).strip()
            match = PRINTED.match(text)
            if match is None and text not in ("", "-", "–", "—"):
                raise ValueError(f"rows.{dataset}, {method}: {entry!r} is neither a number, 'mean ± spread' nor '—'")
            figure, spread = match.groups() if match else ("", None)
            found.append(Published(dataset, method, criterion, quantity, figure, float(spread) if spread else None))
    return found
