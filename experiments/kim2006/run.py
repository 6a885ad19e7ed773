"""Does Fisher's discriminant with a learned kernel reach the accuracies of Ye, Ji and Chen's run of Kim et al. (2006)?

Writes kim2006.csv, a row per published figure, the picture kim2006.svg, and the results section of papers/kim2006.md.
Records stay in kim2006.sqlite, so that a run that is stopped goes on.

    python experiments/kim2006/run.py [--splits N | --full]
"""

import sys
from pathlib import Path

from kernelopt.cli import main

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "papers" / f"{HERE.name}.md"

if __name__ == "__main__":
    sys.exit(main(["reproduce", HERE.name, "-o", str(HERE), "--page", str(PAGE), *sys.argv[1:]]))
