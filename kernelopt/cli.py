"""The command line: ``kernelopt contrast``, ``study``, ``explain``, ``reproduce`` and ``data``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status: 0 done, 1 failed cells or an error, 2 wrong usage, 130 interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("\ninterrupted; finished cells are kept, and the same command goes on from there", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        print(f"kernelopt: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    import kernelopt

    parser = argparse.ArgumentParser(prog="kernelopt", description=(kernelopt.__doc__ or "").split("\n")[0])
    parser.add_argument("--version", action="version", version=f"kernelopt {kernelopt.__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    contrast = commands.add_parser(
        "contrast",
        help="learned kernels and learned filters on the same images, and a report",
        description="Contrast kernels learned by convex optimisation with filters learned by backpropagation. "
        "Stopped at any moment, the same command goes on from the last finished cell.",
    )
    contrast.add_argument("--data", nargs="+", default=["fashion-mnist-small"], metavar="NAME", help="data sets")
    contrast.add_argument("--sizes", nargs="+", type=int, metavar="N", help="training set sizes (100 500 2000)")
    contrast.add_argument(
        "--seeds",
        nargs="+",
        type=int,
        metavar="S",
        help="how many seeds (one number), or which (several); default 5",
    )
    contrast.add_argument(
        "--methods",
        nargs="+",
        metavar="NAME",
        help="methods (all but sdp-kernel, which is fitted on the test images' inputs too, and only up to some sizes)",
    )
    contrast.add_argument("-o", "--output", default="report.html", metavar="FILE", help="the report (report.html)")
    contrast.add_argument("--store", metavar="FILE", help="SQLite file of records (beside the report)")
    contrast.add_argument("--jobs", type=int, default=2, metavar="N", help="worker processes (2)")
    contrast.add_argument("--data-home", metavar="FOLDER", help="folder of data sets that are not packaged")
    contrast.set_defaults(run=_contrast)

    study = commands.add_parser(
        "study",
        help="any study: data sets, methods, sizes and seeds from a TOML file, and a report",
        description="Run the study that a TOML file describes (docs/studies.md says what may stand in it). Stopped at "
        "any moment, the same command goes on from the last finished cell; several may share one store. The file "
        "names Python objects, which are imported: run studies of authors you trust.",
    )
    study.add_argument("file", metavar="FILE.toml", help="the study")
    study.add_argument("-o", "--output", metavar="FILE", help="the report (the study's name, with .html)")
    study.add_argument("--store", metavar="FILE", help="SQLite file of records (beside the report)")
    study.add_argument("--jobs", type=int, default=2, metavar="N", help="cells at a time (2)")
    study.add_argument("--data-home", metavar="FOLDER", help="folder of data sets that are not packaged")
    study.set_defaults(run=_study)

    explain = commands.add_parser(
        "explain",
        help="an interactive page for newcomers, from a training run made on the spot",
        description="Train a small network with learned and with frozen kernels, learn the weights of a sum of "
        "kernels, and write one page that shows every number at work. It takes about fifteen seconds of one processor.",
    )
    explain.add_argument("-o", "--output", default="explain.html", metavar="FILE", help="the page (explain.html)")
    explain.add_argument("--data", default="fashion-mnist-small", metavar="NAME", help="square grey images in classes")
    explain.add_argument("--seed", type=int, default=0, metavar="S", help="of images, start and order (0)")
    explain.add_argument("--quick", action="store_true", help="fewer images and epochs, for a first look")
    explain.add_argument("--data-home", metavar="FOLDER", help="folder of data sets that are not packaged")
    explain.set_defaults(run=_explain)

    reproduce = commands.add_parser(
        "reproduce",
        help="a paper's tables, run again, with a verdict for each published figure",
        description="Run a paper's protocol and put each published figure beside ours. Writes NAME.csv, NAME.md and "
        "NAME.svg, and keeps the records in NAME.sqlite, so that a run that is stopped goes on, and more splits reuse "
        "those that are there.",
    )
    reproduce.add_argument(
        "name", nargs="?", metavar="NAME", help="a paper (see --list), or the path of your own .toml"
    )
    reproduce.add_argument("--list", action="store_true", help="list the papers")
    many = reproduce.add_mutually_exclusive_group()
    many.add_argument("--full", action="store_true", help="as many random splits as the paper")
    many.add_argument("--splits", type=int, metavar="N", help="random splits (a small number of the paper's own)")
    reproduce.add_argument("-o", "--output", default=".", metavar="FOLDER", help="where files go (the current folder)")
    reproduce.add_argument("--page", metavar="FILE", help="a Markdown page whose results section is replaced as well")
    reproduce.add_argument("--store", metavar="FILE", help="another SQLite file of records")
    reproduce.add_argument("--jobs", type=int, default=2, metavar="N", help="worker processes (2)")
    reproduce.add_argument("--data-home", metavar="FOLDER", help="folder of data sets that are not packaged")
    reproduce.set_defaults(run=_reproduce)

    data = commands.add_parser("data", help="list the data sets: what is there, and how to get the rest")
    data.add_argument("--data-home", metavar="FOLDER", help="folder of data sets that are not packaged")
    data.set_defaults(run=_data)
    return parser


def _contrast(options: argparse.Namespace) -> int:
    from kernelopt._contrast import SEEDS, SIZES, contrast

    seeds = options.seeds or [SEEDS]
    records = contrast(
        data=options.data,
        sizes=options.sizes or SIZES,
        seeds=seeds[0] if len(seeds) == 1 else seeds,
        methods=options.methods,
        output=options.output,
        store=options.store,
        n_jobs=options.jobs,
        data_home=options.data_home,
    )
    failed = sum(record.status != "ok" for record in records)
    print(f"wrote {options.output}: {len(records)} cells" + (f", {failed} of them failed" if failed else ""))
    return 1 if failed else 0


def _study(options: argparse.Namespace) -> int:
    from kernelopt._study import run_study
    from kernelopt.evaluation.specs import modules_beside

    output = options.output or Path(options.file).with_suffix(".html").name
    with modules_beside(options.file):
        records = run_study(options.file, output, store=options.store, n_jobs=options.jobs, data_home=options.data_home)
    failed = sum(record.status != "ok" for record in records)
    print(f"wrote {output}: {len(records)} cells" + (f", {failed} of them failed" if failed else ""))
    return 1 if failed else 0


def _explain(options: argparse.Namespace) -> int:
    from kernelopt.evaluation.explained.lesson import QUICK, Plan, make_lesson
    from kernelopt.evaluation.explained.published import NARROW, WIDE, published_study
    from kernelopt.pages.explain.page import write

    folder = Path(options.output).parent
    if not folder.is_dir():  # before the work, not after it
        raise FileNotFoundError(f"the folder {str(folder)!r} does not exist; make it first")
    lesson = make_lesson(
        options.data,
        seed=options.seed,
        plan=QUICK if options.quick else Plan(),
        data_home=options.data_home,
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )
    command = f"kernelopt explain --data {options.data} --seed {options.seed}" + " --quick" * options.quick
    studies = [published_study(name) for name in (NARROW, WIDE)]
    write(options.output, lesson.to_dict(), studies, command=command)
    print(f"wrote {options.output}: open it in a browser; it loads nothing from anywhere")
    return 0


def _reproduce(options: argparse.Namespace) -> int:
    from kernelopt.evaluation import reproduction
    from kernelopt.evaluation.reproduction import page
    from kernelopt.evaluation.specs import modules_beside
    from kernelopt.pages import agreement

    if options.list:
        for name in reproduction.names():
            plan = reproduction.Reproduction.load(name)
            print(f"{name:22}{plan.title} ({plan.splits} splits, the paper {plan.full})")
        return 0
    if options.name is None:
        raise ValueError(f"name what to reproduce: {', '.join(reproduction.names())}, or your own .toml")
    with modules_beside(options.name):
        result = reproduction.reproduce(
            options.name,
            output=options.output,
            splits=options.splits,
            full=options.full,
            data_home=options.data_home,
            n_jobs=options.jobs,
            store=options.store,
            page=options.page,
        )
    print(page.terminal(result.reproduction, result.tables))
    picture = Path(options.output) / f"{result.reproduction.name}.svg"
    written = f"{picture.with_suffix('.csv')} and .md"
    try:
        agreement.write(picture, result)
        written += f", and the picture {picture}"
    except ImportError as error:  # the verdicts are there without it
        print(f"kernelopt: {error}", file=sys.stderr)
    failed = [r for r in result.records if r.status != "ok" and not (r.error or "").startswith("UnboundedError")]
    print(f"wrote {written}" + (f"; {len(failed)} cells failed" if failed else ""))
    return 1 if failed else 0


def _data(options: argparse.Namespace) -> int:
    from kernelopt.datasets import describe, table

    print(table(describe(data_home=options.data_home)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
