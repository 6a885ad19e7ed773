"""A study from its file to its report: ``kernelopt study FILE.toml``.

The module's name is private so that ``kernelopt.evaluation.study`` and the command cannot be confused.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from kernelopt._places import settle
from kernelopt.evaluation.plan import make_plan
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.runner import run
from kernelopt.evaluation.store import Store
from kernelopt.evaluation.study import Study
from kernelopt.evaluation.table import table
from kernelopt.pages import report
from kernelopt.pages.writing import put


def run_study(
    source: str | Path | Study,
    output: str | Path,
    *,
    store: str | Path | None = None,
    n_jobs: int = 2,
    data_home: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Record]:
    """Run a study and write its report, its table beside it as ``.csv``, and its figures.

    Parameters
    ----------
    source : path or Study
        The TOML file, see `kernelopt.evaluation.study_file`; or a study.
    output : path
        The report.
    store : path, optional
        The SQLite file of records; beside the report as ``.sqlite``, unless given.
    n_jobs : int
        Cells at a time.
    data_home : path, optional
        Folder with data sets that are not packaged.
    progress : callable, optional
        Gets one line per finished cell.

    Returns
    -------
    list of Record
        One per cell; a failed cell says so in `status`.
    """
    page, kept = settle(output, store)
    assert page is not None
    study = source if isinstance(source, Study) else Study.from_toml(source)
    plan = make_plan(study, data_home)
    records = run(study, Store(kept), data_home=data_home, n_jobs=n_jobs, progress=progress)
    # The table first: it is complete even where a page has nothing to show, because every cell failed.
    put(page.with_suffix(".csv"), table(records, more=True))
    command = [] if isinstance(source, Study) else ["kernelopt", "study", str(source), "--jobs", str(n_jobs)]
    report.write(
        page,
        records,
        [method.info for method in plan.methods],
        title=study.name or "A study",
        question=study.question,
        protocol=describe(study, n_jobs),
        provenance={"command": shlex.join(command)} if command else {},
        figures=True,
    )
    return records


def describe(study: Study, n_jobs: int) -> dict[str, str]:
    """Return the rules of a study in words.

    Examples
    --------
    >>> describe(Study(["sonar"], ["learned-kernel"], seeds=2), 2)["Data"]
    'sonar, 2 seeds: 0, 1'
    """
    rules, limits = study.protocol, study.limits
    seeds = f"{len(study.seeds)} seed{'s' * (len(study.seeds) > 1)}: {', '.join(map(str, study.seeds))}"
    scaled = [f"{spec.name} ({spec.scale})" if spec.scale else spec.name for spec in study.data]
    sizes = ", ".join(map(str, study.sizes)) or "the whole training part"
    where = {"official": "the official part", "random": "drawn by the seed", None: "the official part where there is "}
    where[None] += "one, else drawn by the seed"
    size = f"{rules.test_size:.0%} of the points" if isinstance(rules.test_size, float) else f"{rules.test_size} points"
    drawn = "" if rules.split == "official" else f" ({size})"
    folds = "each method's own number of folds, or a hold-out part" if rules.folds is None else f"{rules.folds} folds"
    folds = f"a held-out {rules.validation_size:.0%}" if rules.folds == 0 else folds
    budget = "each method's whole grid" if rules.budget is None else f"at most {rules.budget} settings for each method"
    bounds = [f"{limits.seconds:g} s" if limits.seconds else "", f"{limits.memory_mb:g} MB" if limits.memory_mb else ""]
    found = {
        "Data": f"{', '.join(scaled)}, {seeds}",
        "Training sets": f"{sizes}; nested, the same for every method",
        "Test": f"{where[rules.split]}{drawn}, used once per cell, after every choice is made",
        "Choosing": f"on the training set alone, by {folds}; budget: {budget}"
        f"{', drawn by the seed' * (rules.search == 'random')}. The table says how many each cell tried. The chosen "
        f"setting is then trained on the whole training set",
        "Machines": f"{n_jobs} cell(s) at a time, each a process of {rules.threads} thread(s)",
    }
    if any(bounds):
        found["Limits"] = f"{', '.join(filter(None, bounds))} per cell; past them it is ended and counts as failed"
    return found
