"""Our figure beside the published one, and what is to be said of it."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.reproduction.published import Published
from kernelopt.evaluation.reproduction.quantities import Quantity

WITHIN, DIFFERS = "within tolerance", "differs"
INCONSISTENT, INCOMPARABLE = "paper inconsistent", "not comparable"
VERDICTS = (WITHIN, DIFFERS, INCONSISTENT, INCOMPARABLE)
SAMPLE_SPREADS = 2.0  # how many of our standard deviations a figure from one sample of a distribution may be away
UNSOLVED = 1e-3  # relative duality gap above which a note says that our figure is not of the optimum
CHANCE = "by less than two standard errors of our mean, which more splits would lower"
UNBOUNDED = "UnboundedError"  # how a record's error begins where nothing separates the classes


@dataclass(frozen=True)
class Remark:
    """What is known beforehand of some cells, with the reason.

    Parameters
    ----------
    kind : {"erratum", "not comparable", "sample", "note"}
        An erratum turns "differs" into "paper inconsistent", and nothing else: where our figure agrees with the print
        it is said to. "not comparable" takes the cells out of the count. "sample" says that the paper's data are one
        sample of a distribution and ours another one in every split, so that the figure may be two of our standard
        deviations away. A note changes no verdict.
    where : mapping of str to str
        Patterns of ``dataset``, ``method``, ``criterion`` and ``quantity``; those not named match anything.
    text : str
        The reason.
    """

    kind: Literal["erratum", "not comparable", "sample", "note"]
    where: Mapping[str, str]
    text: str

    def concerns(self, cell: Published) -> bool:
        """Whether a cell is meant."""
        return all(fnmatch.fnmatchcase(cell.key[name], pattern) for name, pattern in self.where.items())


@dataclass(frozen=True)
class Comparison:
    """A published figure and ours.

    Parameters
    ----------
    cell : Published
        The published figure.
    mean, spread : float
        Mean and standard deviation of ours over the splits; NaN where there is none.
    n : int
        Number of splits that gave a figure.
    expected, tolerance : float
        The published figure in the unit of comparison, and how far from it counts as the same.
    verdict : str
        One of `VERDICTS`.
    note : str
        Why, where that is not plain from the figures.
    """

    cell: Published
    mean: float
    spread: float
    n: int
    expected: float
    tolerance: float
    verdict: str
    note: str = ""


def compare(
    cell: Published,
    quantity: Quantity,
    groups: Sequence[Sequence[Record]],
    remarks: Sequence[Remark] = (),
    absent: str = "not run here",
) -> Comparison:
    """Return the verdict on one published figure.

    Parameters
    ----------
    cell : Published
        The published figure.
    quantity : Quantity
        How it is read off a record.
    groups : sequence of sequence of Record
        The records that count: of one method over the splits, or of several methods whose means are averaged (the
        spread is then over the methods).
    remarks : sequence of Remark
        What is known of the cell; the first that concerns it counts.
    absent : str
        Why there are no records, if there are none.

    Examples
    --------
    >>> from kernelopt.evaluation.reproduction.quantities import Tolerance
    >>> cell = Published("sonar", "C-SVM", "", "accuracy", "85.2", 3.7)
    >>> records = [Record("sonar", "C-SVM", 125, seed, accuracy=a) for seed, a in enumerate((0.80, 0.86))]
    >>> percent = Quantity("accuracy", Tolerance(spread=1.0), factor=100.0)
    >>> found = compare(cell, percent, [records])
    >>> found.verdict, round(found.mean, 6), round(found.spread, 2), found.n
    ('within tolerance', 83.0, 4.24, 2)
    """
    remark = next((remark for remark in remarks if remark.concerns(cell)), None)
    why = remark.text if remark else ""
    done = [[record for record in group if record.status == "ok"] for group in groups]
    bad = [record for group in groups for record in group if record.status != "ok"]
    unseparated = sum((record.error or "").startswith(UNBOUNDED) for record in bad)
    total = sum(map(len, groups))
    mean, spread, n = summary([[quantity.of(record) for record in group] for group in done])
    expected = quantity.expected(cell) if cell.text else math.nan
    tolerance = _tolerance(cell, quantity, expected)
    if remark and remark.kind == "sample" and math.isfinite(spread):
        tolerance = max(tolerance, SAMPLE_SPREADS * spread)

    def verdict(word: str, note: str = "") -> Comparison:
        if word == DIFFERS and remark and remark.kind == "erratum":
            word = INCONSISTENT
        notes = "; ".join(text for text in (note, why) if text)
        return Comparison(cell, mean, spread, n, expected, tolerance, word, notes)

    if remark and remark.kind == "not comparable":
        return verdict(INCOMPARABLE)
    if not total:
        return verdict(INCOMPARABLE, absent)
    counted = f"no separator in {unseparated} of {total} splits" if unseparated else ""
    gaps = [record.certificate["gap"] for group in done for record in group if record.certificate]
    if unsolved := [gap for gap in gaps if not gap <= UNSOLVED]:
        loose = f"not solved in {len(unsolved)} of {total} splits: relative gap up to {max(unsolved):.0e}"
        counted = "; ".join(filter(None, (counted, loose)))
    if len(bad) > unseparated:
        other = next(record.error for record in bad if not (record.error or "").startswith(UNBOUNDED))
        return verdict(INCOMPARABLE, f"{len(bad) - unseparated} of {total} splits failed: {other}")
    if not cell.text:
        if unseparated:
            return verdict(WITHIN if unseparated == total else DIFFERS, counted)
        return verdict(INCOMPARABLE, "the paper prints no figure")
    if not n:
        return verdict(DIFFERS, counted)
    if abs(mean - expected) <= tolerance:
        return verdict(WITHIN, counted)
    chance = len(groups) == 1 and abs(mean - expected) <= 2 * spread / math.sqrt(n)
    return verdict(DIFFERS, "; ".join(filter(None, (counted, CHANCE if chance else ""))))


def summary(groups: Sequence[Sequence[float]]) -> tuple[float, float, int]:
    """Return mean, standard deviation and number of splits; of several methods, over the means of the methods.

    Examples
    --------
    >>> summary([[1.0, 3.0]]), summary([[1.0, 3.0], [4.0, 4.0]])
    ((2.0, 1.4142135623730951, 2), (3.0, 1.4142135623730951, 2))
    """
    filled = [np.asarray(group, dtype=float) for group in groups if len(group)]
    if not filled:
        return math.nan, math.nan, 0
    values = filled[0] if len(groups) == 1 else np.array([group.mean() for group in filled])
    spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    return float(values.mean()), spread, min(map(len, filled))


def _tolerance(cell: Published, quantity: Quantity, expected: float) -> float:
    if not cell.text:
        return math.nan
    if quantity.published_transform == "identity":
        return quantity.tolerance.of(cell)
    return max(quantity.tolerance.absolute, quantity.tolerance.relative * abs(expected))
