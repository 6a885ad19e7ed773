"""Does the table of the default study come back?

Writes learned_versus_fixed.csv, a row per figure of the table, the picture learned_versus_fixed.svg, and the results
section of README.md. With --full it is the study of the table itself, seeds 0 to 4. Records stay in
learned_versus_fixed.sqlite.

    python experiments/learned_versus_fixed/run.py [--splits N | --full]
"""

import sys
from pathlib import Path

from kernelopt.cli import main

HERE = Path(__file__).parent

if __name__ == "__main__":
    sys.exit(main(["reproduce", HERE.name, "-o", str(HERE), "--page", str(HERE / "README.md"), *sys.argv[1:]]))
