"""A picture of a reproduction: how far each of our figures is from the published one, in units of the tolerance."""

from __future__ import annotations

import math
from pathlib import Path

from kernelopt.evaluation.reproduction import Comparison, Result
from kernelopt.evaluation.reproduction.comparison import DIFFERS, INCONSISTENT, WITHIN

LOOKS = {WITHIN: ("o", "#1b7837"), DIFFERS: ("X", "#b2182b"), INCONSISTENT: ("D", "#7f7f7f")}
EDGE = 4.0  # tolerances; what is farther away is drawn at the edge, with an arrow


def write(path: str | Path, result: Result) -> None:
    """Write the picture, as SVG: a panel per table, a column per data set, a mark per published figure.

    Bars are two standard errors of our mean over the splits. Figures that cannot be compared are left out.

    Parameters
    ----------
    path : path
        Where it goes.
    result : Result
        What `kernelopt.evaluation.reproduction.reproduce` returned.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("the picture needs matplotlib: pip install 'kernelopt[report]'") from error
    tables = [(table.title, [found for found in all_ if _drawn(found)]) for table, all_ in result.tables]
    tables = [(title, found) for title, found in tables if found]
    with mpl.rc_context({"svg.hashsalt": result.reproduction.name, "font.size": 9, "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 0.6 + 2.6 * max(1, len(tables))), layout="constrained")
        panels = figure.subplots(max(1, len(tables)), 1, squeeze=False)[:, 0]
        for panel, (title, found) in zip(panels, tables, strict=False):
            _panel(panel, title, found)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _panel(panel, title: str, comparisons: list[Comparison]) -> None:
    datasets = list(dict.fromkeys(found.cell.dataset for found in comparisons))
    for column, dataset in enumerate(datasets):
        members = [found for found in comparisons if found.cell.dataset == dataset]
        for place, found in enumerate(members):
            x = column - 0.4 + 0.8 * (place + 0.5) / len(members)
            away = (found.mean - found.expected) / found.tolerance
            marker, color = LOOKS[found.verdict]
            if abs(away) > EDGE:
                panel.plot(x, math.copysign(EDGE, away), "^" if away > 0 else "v", color=color, ms=5)
                continue
            panel.plot(x, away, marker, color=color, ms=4, mew=0)
            error = 2 * found.spread / math.sqrt(found.n) / found.tolerance
            if math.isfinite(error):
                panel.plot([x, x], [max(away - error, -EDGE), min(away + error, EDGE)], color=color, lw=0.6, alpha=0.6)
    panel.axhspan(-1, 1, color="#1b7837", alpha=0.08, lw=0)
    panel.axhline(0, color="0.5", lw=0.6)
    panel.set_ylim(-EDGE - 0.4, EDGE + 0.4)
    panel.set_xticks(range(len(datasets)), datasets)
    panel.set_title(title, loc="left", fontsize=9)
    panel.set_ylabel("ours − print,\nin tolerances")
    for verdict, (marker, color) in LOOKS.items():
        number = sum(found.verdict == verdict for found in comparisons)
        panel.plot([], [], marker, color=color, ms=4, mew=0, label=f"{verdict}: {number}")
    panel.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    panel.spines[["top", "right"]].set_visible(False)


def _drawn(found: Comparison) -> bool:
    return found.verdict in LOOKS and found.n > 0 and math.isfinite(found.expected) and found.tolerance > 0
