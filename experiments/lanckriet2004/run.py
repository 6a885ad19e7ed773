"""Do the tables of Lanckriet et al. (2004) come back? Margins, objectives, accuracies and weights of every cell.

Writes lanckriet2004.csv, a row per published figure, the picture lanckriet2004.svg, and the results section of
papers/lanckriet2004.md. Records stay in lanckriet2004.sqlite, so that a run that is stopped goes on.

    python experiments/lanckriet2004/run.py [--splits N | --full] [--data-home FOLDER]
"""

import sys
from pathlib import Path

from kernelopt.cli import main

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "papers" / f"{HERE.name}.md"

if __name__ == "__main__":
    sys.exit(main(["reproduce", HERE.name, "-o", str(HERE), "--page", str(PAGE), *sys.argv[1:]]))
