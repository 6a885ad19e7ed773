"""The command: ``python -m experiments.benchmarks [run | table | record | compare | list]``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from experiments.benchmarks import problems, record, run, table
from experiments.benchmarks.methods import BY_NAME, METHODS
from experiments.benchmarks.problems import Case

ROWS = Path(__file__).with_name("rows.csv")


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    main = argparse.ArgumentParser(prog="python -m experiments.benchmarks", description=__doc__)
    main.add_argument("command", nargs="?", default="run", choices=("run", "table", "record", "compare", "list"))
    main.add_argument("--full", action="store_true", help="all problems, to two gaps: hours")
    main.add_argument("--tol", type=float, nargs="+", help="relative gaps; by default 1e-6, and 1e-3 too with --full")
    main.add_argument("--seconds", type=float, help="limit of one method on one problem; 20, or 300 with --full")
    main.add_argument("--method", nargs="+", choices=list(BY_NAME), metavar="NAME", help="these methods only")
    main.add_argument("--kind", nargs="+", choices=sorted({m.kind for m in METHODS}), help="these kinds only")
    main.add_argument("--problem", nargs=3, action="append", metavar=("NAME", "N", "M"), help="these problems instead")
    main.add_argument("--stored", action="append", metavar="FOLDER", help="a stack of yours: Ks.npy (M, n, n), y.npy")
    main.add_argument("--C", type=float, nargs="+", default=[1.0, 10.0], help="with --problem and --stored")
    main.add_argument("--rows", type=Path, default=ROWS, help="where rows are appended (rows.csv in this folder)")
    main.add_argument("--record", type=Path, default=record.RECORD, help="the record (record.json in this folder)")
    main.add_argument("--allow", type=float, default=1.25, help="compare: slower by this factor is a failure")
    return main


def chosen(args: argparse.Namespace) -> list[Case]:
    """Return the cases that the options ask for."""
    own = [Case(name, int(n), int(m), C) for name, n, m in args.problem or () for C in args.C]
    own += [Case.of_folder(folder, C) for folder in args.stored or () for C in args.C]
    return own or (problems.FULL if args.full else problems.SMALL)


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    args = parser().parse_args(argv)
    if args.command == "list":
        for method in METHODS:
            print(f"{method.name:20s} {method.kind:9s} {'not installed: ' + method.missing if method.missing else ''}")
        print(f"sources: {', '.join(problems.SOURCES)}\nmenus: {', '.join(problems.MENUS)}")
    elif args.command == "table":
        print(table.markdown(run.read(args.rows)))
    elif args.command == "record":
        args.record.write_text(json.dumps(record.record(), indent=1) + "\n")
    elif args.command == "compare":
        text, slower = record.changes(record.load(args.record), record.record(), args.allow)
        print(text)
        return 1 if slower else 0
    else:
        names = args.method or run.names_of(args.kind or [m.kind for m in METHODS])
        tols = args.tol or ([1e-3, 1e-6] if args.full else [1e-6])
        seconds = args.seconds or (300.0 if args.full else 20.0)
        run.run(run.cells(chosen(args), tols, names, seconds), args.rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
