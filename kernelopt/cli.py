"""The command line: ``kernelopt contrast``, ``kernelopt explain`` and ``kernelopt data``."""

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

    explain = commands.add_parser(
        "explain",
        help="an interactive page for newcomers, from a training run made on the spot",
        description="Train a small network with learned and with frozen kernels, learn the weights of a sum of "
        "kernels, and write one page that shows every number at work. It takes some ten seconds.",
    )
    explain.add_argument("-o", "--output", default="explain.html", metavar="FILE", help="the page (explain.html)")
    explain.add_argument("--data", default="fashion-mnist-small", metavar="NAME", help="square grey images in classes")
    explain.add_argument("--seed", type=int, default=0, metavar="S", help="of images, start and order (0)")
    explain.add_argument("--quick", action="store_true", help="fewer images and epochs, for a first look")
    explain.add_argument("--data-home", metavar="FOLDER", help="folder of data sets that are not packaged")
    explain.set_defaults(run=_explain)

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


def _explain(options: argparse.Namespace) -> int:
    from kernelopt.evaluation.explained.lesson import QUICK, Plan, make_lesson
    from kernelopt.evaluation.explained.published import published_study
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
    write(options.output, lesson.to_dict(), published_study(), command=command)
    print(f"wrote {options.output}: open it in a browser; it loads nothing from anywhere")
    return 0


def _data(options: argparse.Namespace) -> int:
    from kernelopt.datasets import describe, table

    print(table(describe(data_home=options.data_home)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
