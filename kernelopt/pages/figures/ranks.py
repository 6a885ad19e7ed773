"""The critical-difference diagram: methods at their mean ranks, bars over those that are not told apart."""

from __future__ import annotations

from markupsafe import Markup

from kernelopt.evaluation.ranks import RankComparison
from kernelopt.pages.figures.charts import wrapped
from kernelopt.pages.figures.marks import Look, Scale, number, tag

WIDTH, LEFT, TOP, ROW, BAR = 460.0, 160.0, 78.0, 30.0, 11.0


def rank_diagram(found: RankComparison, labels: dict[str, str], look: dict[str, Look]) -> Markup:
    """Return the diagram, one row per method so that it can be read on a narrow screen.

    Parameters
    ----------
    found : RankComparison
    labels, look : dict
        By the methods' names.
    """
    k = len(found.names)
    right = WIDTH - 46 - BAR * len(found.groups)
    scale = Scale(1.0, float(k))

    def at(rank: float) -> float:
        return LEFT + (right - LEFT) * scale(rank)

    floor = TOP + ROW * k
    parts = [tag("text", "mean rank (1 is best)", x=LEFT, y=11, class_="axis-name")]
    for tick in range(1, k + 1):
        parts.append(tag("line", x1=at(tick), x2=at(tick), y1=TOP - 10, y2=floor, class_="grid"))
        parts.append(tag("text", str(tick), x=at(tick), y=TOP - 16, class_="tick", text_anchor="middle"))
    end = at(1 + min(found.critical_difference, k - 1))
    open_end = found.critical_difference > k - 1
    parts.append(tag("line", x1=at(1), x2=end, y1=40, y2=40, class_="zero"))
    for x in [at(1)] if open_end else [at(1), end]:
        parts.append(tag("line", x1=x, x2=x, y1=36, y2=44, class_="zero"))
    note = f"Nemenyi’s critical difference {found.critical_difference:.2f}" + (" (off the scale)" if open_end else "")
    parts.append(tag("text", note, x=LEFT, y=29, class_="tick"))
    places = {}
    for row, (name, rank) in enumerate(zip(found.names, found.mean_ranks, strict=True)):
        y = places[name] = TOP + ROW * (row + 0.5)
        lines = wrapped(labels[name], 22, 2)
        spans = [
            tag("tspan", line, x=LEFT - 14, y=y + 4 + 13 * (i - (len(lines) - 1) / 2)) for i, line in enumerate(lines)
        ]
        marker = tag("g", look[name].marker(), transform=f"translate({number(at(rank))} {number(y)})")
        line = tag("line", x1=at(1), x2=at(rank), y1=y, y2=y, class_="stem")
        parts.append(
            tag(
                "g",
                tag("text", tag("title", labels[name]), *spans, class_="label", text_anchor="end"),
                line,
                marker,
                tag("text", f"{rank:.2f}", x=at(rank) + 10, y=y + 4, class_="tick"),
                class_=look[name].css,
            )
        )
    for which, group in enumerate(found.groups):
        x = right + 40 + BAR * which
        top, bottom = places[group[0]] - 9, places[group[-1]] + 9
        parts.append(tag("line", x1=x, x2=x, y1=top, y2=bottom, class_="together"))
    ranked = ", ".join(f"{labels[n]} {r:.2f}" for n, r in zip(found.names, found.mean_ranks, strict=True))
    grouped = "; ".join(", ".join(labels[name] for name in group) for group in found.groups) or "none"
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {number(WIDTH)} {number(floor + 6)}",
        role="img",
        aria_label=f"Mean ranks over {found.n} data sets: {ranked}. Not told apart: {grouped}",
        class_="chart ranks",
    )
