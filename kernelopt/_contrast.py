"""The main job: both notions of learning the kernel on the same images, and a report of what came out.

The module's name is private so that ``kernelopt.contrast`` is the function, whatever was imported first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from kernelopt._places import settle
from kernelopt.datasets import load
from kernelopt.evaluation import methods as catalogue
from kernelopt.evaluation.protocol import Protocol
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.runner import run
from kernelopt.evaluation.store import Store
from kernelopt.evaluation.study import DataSpec, MethodSpec, Study
from kernelopt.evaluation.table import table
from kernelopt.pages import report
from kernelopt.pages.writing import put

SIZES = (100, 500, 2000)
SEEDS = 5


def contrast(
    data: str | Sequence[str] = "fashion-mnist-small",
    sizes: Sequence[int] = SIZES,
    seeds: int | Sequence[int] = SEEDS,
    methods: Sequence[str] | None = None,
    output: str | Path | None = None,
    store: str | Path | None = None,
    n_jobs: int = 2,
    data_home: str | Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Record]:
    """Contrast kernels learned by convex optimisation with filters learned by backpropagation.

    Every method sees the same training images, chooses its settings on held-out parts of them, and is
    tested on the same test images, once. Finished cells are kept in the store, and a second call goes on
    where a first was stopped. A transductive method is also given the inputs of the test images, never their
    labels, when it is fitted; records and report say so, and do not compare it with the others.

    Parameters
    ----------
    data : str or sequence of str
        Data sets of grey images with an official test part.
    sizes : sequence of int
        Training set sizes; the sets are nested.
    seeds : int or sequence of int
        How many seeds, or which.
    methods : sequence of str, optional
        Names from `kernelopt.evaluation.methods.BY_NAME`; those of ``methods.ALL``, which leaves out the
        transductive ones, unless given.
    output : path, optional
        Where the HTML report goes; the table goes beside it as ``.csv``, and figures (SVG, PNG) and tidy tables (CSV)
        into the folder ``<its name>-files``.
    store : path, optional
        The SQLite file of records; beside the report as ``.sqlite``, unless given. One of `output` and
        `store` is needed.
    n_jobs : int
        Worker processes, of one thread each.
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
    if methods is None:
        names = tuple(method.info.name for method in catalogue.ALL)
    else:
        names = (methods,) if isinstance(methods, str) else tuple(methods)
    study = Study(
        data=tuple(map(DataSpec, (data,) if isinstance(data, str) else data)),
        methods=tuple(map(MethodSpec, names)),
        sizes=tuple(sizes),
        seeds=tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds),
        protocol=Protocol(restarts=1),
    )
    chosen = catalogue.find(names)
    home = None if data_home is None else str(data_home)
    check(study, home)
    records = run(study, Store(kept), data_home=home, n_jobs=n_jobs, progress=progress)
    if page is not None:
        report.write(
            page,
            records,
            [method.info for method in chosen],
            title="Two ways of learning the kernel",
            protocol=describe(study, n_jobs) | describe_transduction(chosen),
            provenance={"command": command(study, n_jobs)},
            figures=True,
        )
        put(page.with_suffix(".csv"), table(records))
    return records


def check(study: Study, data_home: str | None) -> None:
    """Refuse data that the contrast cannot use."""
    for spec in study.data:
        dataset = load(spec.name, data_home=data_home)
        if dataset.X_test is None or dataset.image_shape is None or len(dataset.image_shape) != 2:
            raise ValueError(
                f"data set {dataset.name!r} cannot be contrasted: grey images with an official test part are needed "
                f"(for example fashion-mnist-small, mnist-small, mnist, fashion-mnist, usps)"
            )


def describe(study: Study, n_jobs: int) -> dict[str, str]:
    """Return the rules of a study in words."""
    listed, protocol = ", ".join, study.protocol
    return {
        "Data": listed(spec.name for spec in study.data) + "; pixel values divided by 255",
        "Training sets": f"{listed(map(str, study.sizes))} images, nested, drawn from the official training part with "
        f"the classes' proportions; the same for every method",
        "Seeds": f"{listed(map(str, study.seeds))}: each draws its own training sets, hold-out parts and starts",
        "Choosing": f"on the training set alone, stratified by class: kernel machines by {catalogue.N_FOLDS}-fold "
        f"cross-validation among three values of C (the single kernel also among the twelve kernels), networks, whose "
        f"fits are dear, on a held-out {protocol.validation_size:.0%} among three learning rates; the bridge chooses "
        f"nothing. The chosen setting is then trained on the whole training set",
        "Kernels": "names give each Gaussian's γ as a multiple of s = 1 / (number of pixels × variance of their "
        "values), both taken over the pixels or features that the kernel sees; every kernel is divided by its "
        "variance in feature space",
        "Test": "the official test images of the data set, used once per cell, after every choice is made",
        "Machines": f"{n_jobs} process(es) of {protocol.threads} thread(s) each, on the CPU",
    }


def describe_transduction(methods: Sequence[catalogue.Method]) -> dict[str, str]:
    """Return the rules for transductive methods in words; nothing where there is none."""
    names = ", ".join(method.info.label for method in methods if method.transductive)
    if not names:
        return {}
    return {
        "Transduction": f"{names}: fitted on the training images and the test images together, the latter without "
        f"labels. Choosing stays inside the training set: there the held-out images are the ones without labels. Such "
        f"a method knows more than the others, so it is not compared with them"
    }


def command(study: Study, n_jobs: int) -> str:
    """Return the command line that repeats a study."""
    words = {
        "data": [spec.name for spec in study.data],
        "sizes": study.sizes,
        "seeds": (len(study.seeds),) if study.seeds == tuple(range(len(study.seeds))) else study.seeds,
        "methods": [spec.name for spec in study.methods],
        "jobs": (n_jobs,),
    }
    return "kernelopt contrast " + " ".join(f"--{name} {' '.join(map(str, values))}" for name, values in words.items())
