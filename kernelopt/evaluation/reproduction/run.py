"""Run a paper's protocol, and put what comes out beside what it prints."""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.reproduction import page as pages
from kernelopt.evaluation.reproduction.comparison import UNBOUNDED, Comparison, compare
from kernelopt.evaluation.reproduction.config import Reproduction, Table
from kernelopt.evaluation.reproduction.published import Published
from kernelopt.evaluation.reproduction.studies import present, studies
from kernelopt.evaluation.runner import run
from kernelopt.evaluation.store import Store
from kernelopt.evaluation.study import Study


@dataclass(frozen=True)
class Result:
    """What a reproduction came to.

    Parameters
    ----------
    reproduction : Reproduction
        The config.
    splits : int
        Random splits that were asked for.
    records : list of Record
        One per cell of the studies.
    tables : list of (Table, list of Comparison)
        The verdicts, table by table.
    """

    reproduction: Reproduction
    splits: int
    records: list[Record]
    tables: list[tuple[Table, list[Comparison]]]

    @property
    def comparisons(self) -> list[Comparison]:
        """The verdicts of all tables."""
        return [comparison for _, found in self.tables for comparison in found]


def reproduce(
    paper: str | Path | Reproduction,
    *,
    output: str | Path = ".",
    splits: int | None = None,
    full: bool = False,
    data_home: str | Path | None = None,
    n_jobs: int = 2,
    store: str | Path | None = None,
    page: str | Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> Result:
    """Run a paper's protocol and compare every published figure with ours.

    Writes ``NAME.csv`` (a row per published figure), ``NAME.md`` (the same as tables) and ``NAME.sqlite`` (the records)
    into `output`. A run that is stopped goes on from the last finished cell, and a run with more splits reuses those
    of one with fewer.

    Parameters
    ----------
    paper : str, path or Reproduction
        One of `names`, a TOML file of your own (docs/reproductions.md says what it may hold), or the same as an object.
    output : path
        Folder for what is written; made when missing.
    splits : int, optional
        Random splits; the config's small default, unless given.
    full : bool
        Take as many splits as the paper.
    data_home : path, optional
        Folder with data sets that are not packaged.
    n_jobs : int
        Worker processes.
    store : path, optional
        Another SQLite file for the records.
    page : path, optional
        A Markdown page whose results section is replaced, as `kernelopt.evaluation.reproduction.page.replaced` says.
    progress : callable, optional
        Gets one line per finished cell.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        A config that says something else than it may, or both `splits` and `full`.
    """
    plan = paper if isinstance(paper, Reproduction) else Reproduction.load(paper)
    if splits is not None and full:
        raise ValueError("give splits or full, not both")
    if splits is not None and splits < 1:
        raise ValueError(f"splits must be at least 1, found {splits}")
    count = plan.full if full else plan.splits if splits is None else splits
    text = None if page is None else Path(page).read_text(encoding="utf-8")
    if text is not None:
        pages.replaced(text, "", plan.name)  # a page without the place for it is an error before the work, not after
    home = None if data_home is None else str(data_home)
    todo = studies(plan, count)
    check_matches(plan, todo)
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    kept = Store(folder / f"{plan.name}.sqlite" if store is None else store)
    records: list[Record] = []
    absent: dict[str, str] = {}
    for study in todo:
        here, missing = present(study, home)
        absent |= missing
        if here is not None:
            records += run(here, kept, data_home=home, n_jobs=n_jobs, progress=partial(_say, progress))
    result = Result(plan, count, records, verdicts(plan, records, absent))
    (folder / f"{plan.name}.csv").write_text(pages.csv_text(result.tables), encoding="utf-8")
    section = pages.section(plan, count, result.tables, records)
    (folder / f"{plan.name}.md").write_text(section, encoding="utf-8")
    if page is not None and text is not None:
        Path(page).write_text(pages.replaced(text, section, plan.name), encoding="utf-8")
    return result


def _say(progress: Callable[[str], None] | None, line: str) -> None:
    """Pass a line on; that nothing separates the classes is a result here and no failure."""
    line = re.sub(rf"FAILED: {UNBOUNDED}: .*?(?=   about |$)", "no separator", line)
    if progress is None:
        print(line, file=sys.stderr, flush=True)
    else:
        progress(line)


def verdicts(
    plan: Reproduction, records: Sequence[Record], absent: Mapping[str, str]
) -> list[tuple[Table, list[Comparison]]]:
    """Return the verdict on every published figure.

    Parameters
    ----------
    plan : Reproduction
    records : sequence of Record
    absent : mapping of str to str
        Data sets that are not here, with how to get them.
    """
    found = []
    for table in plan.tables:
        compared = []
        for cell in table.cells:
            dataset = plan.dataset(table, cell)
            groups = matching(table, cell, dataset, records)
            why = f"no method {filled(table.method, cell)!r} on {dataset!r} in the studies"
            if dataset in absent:
                why = f"data not here: {absent[dataset]}"
            compared.append(compare(cell, plan.quantities[cell.quantity], groups, plan.remarks, why))
        found.append((table, compared))
    return found


def check_matches(plan: Reproduction, todo: Sequence[Study]) -> None:
    """Refuse a figure that would be compared with several results of one method in one split, as with two sizes."""
    for table in plan.tables:
        for cell in table.cells:
            dataset = plan.dataset(table, cell)
            method, size = filled(table.method, cell), filled(table.size, cell)
            found: dict[str, list[str]] = {}
            for study in todo:
                for data in (data for data in study.data if data.name == dataset):
                    for name in (method_.name for method_ in study.methods):
                        for n in data.sizes or study.sizes or ("the whole training part",):
                            if _fits(table, name, method) and size in ("", str(n)):
                                found.setdefault(name, []).append(str(n))
            for name, sizes in found.items():
                if len(sizes) > 1:
                    raise ValueError(
                        f"table {table.title!r}: {name!r} on {dataset!r} is run {len(sizes)} times per split "
                        f"({', '.join(sizes)}), and one figure cannot be compared with all of them. Give the table "
                        f"size = ..., or the studies' data or methods other names"
                    )


def _fits(table: Table, name: str, method: str) -> bool:
    return name == method if table.over == "splits" else fnmatch.fnmatchcase(name, method)


def matching(table: Table, cell: Published, dataset: str, records: Sequence[Record]) -> list[list[Record]]:
    """Return the records that a figure is compared with, in a list per method."""
    method = filled(table.method, cell)
    size = filled(table.size, cell)
    groups: dict[str, list[Record]] = {}
    for record in records:
        if _fits(table, record.method, method) and record.dataset == dataset and size in ("", str(record.size)):
            groups.setdefault(record.method, []).append(record)
    return list(groups.values())


def filled(template: str, cell: Published) -> str:
    """Return a template with the names of a figure in it."""
    try:
        return template.format(**cell.key)
    except (KeyError, IndexError, ValueError) as error:
        names = ", ".join(f"{{{name}}}" for name in cell.key)
        raise ValueError(f"{template!r} of a table may hold {names}, and no other braces") from error
