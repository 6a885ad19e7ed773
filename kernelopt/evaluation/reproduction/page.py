"""What came out, as a table for the terminal, as CSV, and as the results section of a paper's page."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.reproduction.comparison import (
    DIFFERS,
    INCOMPARABLE,
    INCONSISTENT,
    VERDICTS,
    WITHIN,
    Comparison,
)
from kernelopt.evaluation.reproduction.config import Reproduction, Table
from kernelopt.evaluation.reproduction.quantities import Quantity

Tables = Sequence[tuple[Table, Sequence[Comparison]]]

MARKS = {WITHIN: "✓", DIFFERS: "**differs**", INCONSISTENT: "(paper)", INCOMPARABLE: "–"}
HEADER = (
    "table", "dataset", "method", "criterion", "quantity", "published", "published_spread", "ours", "spread", "n",
    "tolerance", "verdict", "note",
)  # fmt: skip
BEGIN = "<!-- results of kernelopt reproduce {name}: written by the command, not by hand -->"
END = "<!-- end of results -->"


def ours(comparison: Comparison, quantity: Quantity) -> str:
    """Return our mean with its spread, as a table shows it."""
    if not comparison.n:
        return "—"
    mean = f"{comparison.mean:.{quantity.digits}f}"
    return f"{mean} ± {comparison.spread:.{quantity.digits}f}" if math.isfinite(comparison.spread) else mean


def shown(comparison: Comparison, quantity: Quantity) -> str:
    """Return the published figure, in the unit of comparison where that is another one."""
    cell = comparison.cell
    if quantity.published_transform == "identity" or not cell.text:
        return cell.shown
    return f"{comparison.expected:.{quantity.digits}f}"


def summary(tables: Tables) -> str:
    """Return how often each verdict was given, in words."""
    words = [comparison.verdict for _, found in tables for comparison in found]
    return f"{len(words)} published figures: " + ", ".join(f"{words.count(word)} {word}" for word in VERDICTS)


def terminal(plan: Reproduction, tables: Tables) -> str:
    """Return all verdicts as lines of text."""
    blocks = []
    for table, comparisons in tables:
        rows = [("data", "criterion", "method", "quantity", "published", "ours", "n", "verdict")]
        for comparison in comparisons:
            cell, quantity = comparison.cell, plan.quantities[comparison.cell.quantity]
            words = comparison.verdict + (f": {comparison.note}" if comparison.note else "")
            place = (cell.dataset, cell.criterion, cell.method, quantity.label)
            figures = (shown(comparison, quantity), ours(comparison, quantity), str(comparison.n))
            rows.append((*place, *figures, words))
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]) - 1)]
        lines = [
            "  ".join([*(text.ljust(width) for text, width in zip(row[:-1], widths, strict=True)), row[-1]]).rstrip()
            for row in rows
        ]
        blocks.append("\n".join([table.title, *lines]))
    return "\n\n".join([*blocks, summary(tables)])


def csv_text(tables: Tables) -> str:
    """Return all verdicts as CSV, a row per published figure."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    for table, comparisons in tables:
        for found in comparisons:
            cell = found.cell
            place = (table.title, cell.dataset, cell.method, cell.criterion, cell.quantity)
            spread = "" if cell.spread is None else f"{cell.spread:g}"
            figures = (_plain(found.mean), _plain(found.spread), found.n, _plain(found.tolerance))
            writer.writerow([*place, cell.text, spread, *figures, found.verdict, found.note])
    return file.getvalue()


def section(plan: Reproduction, splits: int, tables: Tables, records: Sequence[Record]) -> str:
    """Return the results section of a page, in Markdown.

    A row per data set, criterion and quantity, a column per method; each entry is ``published → ours ± spread`` and the
    verdict.
    """
    versions = sorted({str(record.provenance["kernelopt"]) for record in records if "kernelopt" in record.provenance})
    seconds = sum(sum(v for k, v in record.cost.items() if k.endswith("_seconds")) for record in records)
    lines = [
        f"{summary(tables)}. Each entry is the published figure → ours, mean ± standard deviation over the n splits, "
        f"and the verdict: ✓ {WITHIN}, **differs**, (paper) for {INCONSISTENT}, – {INCOMPARABLE}; letters point to the "
        f"notes.",
        "",
        f"`kernelopt reproduce {plan.name}`, {splits} splits where the paper has {plan.full}; {seconds:.0f} s of work "
        f"in {len(records)} cells, kernelopt {', '.join(versions) or 'of an unknown version'}.",
    ]
    notes: dict[str, str] = {}
    for table, comparisons in tables:
        lines += ["", f"### {table.title}", "", *_grid(plan, comparisons, notes)]
    if notes:
        lines += ["", *(f"{letter}. {note}" for note, letter in notes.items())]
    return "\n".join([*lines, ""])


def replaced(text: str, results: str, name: str) -> str:
    """Return a page with its results section replaced.

    The section is what stands between a line ``<!-- results of kernelopt reproduce NAME: … -->`` and the line
    ``<!-- end of results -->``.

    Raises
    ------
    ValueError
        The page has no such two lines, or more than one pair.
    """
    begin = BEGIN.format(name=name)
    if text.count(begin) != 1 or text.count(END) != 1 or text.index(begin) > text.index(END):
        raise ValueError(f"the page must hold the two lines\n{begin}\n{END}\nonce, where its results are to go")
    head, _, rest = text.partition(begin)
    return f"{head}{begin}\n\n{results}\n{END}{rest.partition(END)[2]}"


def _grid(plan: Reproduction, comparisons: Sequence[Comparison], notes: dict[str, str]) -> list[str]:
    methods = list(dict.fromkeys(found.cell.method for found in comparisons))
    entries: dict[tuple[str, str, str], dict[str, Comparison]] = {}
    for found in comparisons:
        cell = found.cell
        entries.setdefault((cell.dataset, cell.criterion, cell.quantity), {})[cell.method] = found
    lines = [f"| data | quantity | n | {' | '.join(methods)} |", "|" + "---|" * (len(methods) + 3)]
    for (dataset, criterion, name), row in entries.items():
        quantity = plan.quantities[name]
        sizes = sorted({found.n for found in row.values() if found.n})
        n = "" if not sizes else str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}–{sizes[-1]}"
        texts = [_entry(row[method], quantity, notes) if method in row else "" for method in methods]
        lines.append(f"| {dataset} | {f'{criterion} {quantity.label}'.strip()} | {n} | {' | '.join(texts)} |")
    return lines


def _entry(found: Comparison, quantity: Quantity, notes: dict[str, str]) -> str:
    letter = ""
    if found.note:
        letter = " " + notes.setdefault(found.note, _letter(len(notes)))
    return f"{shown(found, quantity)} → {ours(found, quantity)} {MARKS[found.verdict]}{letter}"


def _letter(index: int) -> str:
    """Return a, b, ..., z, aa, ab, ... for 0, 1, ..."""
    head, last = divmod(index, 26)
    return (_letter(head - 1) if head else "") + chr(ord("a") + last)


def _plain(value: float) -> str:
    return f"{value:.9g}" if math.isfinite(value) else ""
