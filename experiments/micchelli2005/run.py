"""Do the two experiments of Micchelli and Pontil (2005), section 6, come back, and at which scale of mu?

Writes micchelli2005.csv, a row per published figure and reading of mu, the picture micchelli2005.svg, and the results
section of papers/micchelli2005.md. Records stay in micchelli2005.sqlite, so that a run that is stopped goes on.

    python experiments/micchelli2005/run.py [--splits N | --full]
"""

import sys
from pathlib import Path

from kernelopt.cli import main

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "papers" / f"{HERE.name}.md"

if __name__ == "__main__":
    sys.exit(main(["reproduce", HERE.name, "-o", str(HERE), "--page", str(PAGE), *sys.argv[1:]]))
