"""From how many images on do learned kernels pay, in the small network of `kernelopt explain`?

    python experiments/learned_versus_fixed/narrow.py

Both layers' kernels learned from a random start, or frozen at it, or frozen at Gabor kernels; the same recipe for all,
which nobody tuned; five seeds, each with its own nested training sets. Writes what the page ships,
kernelopt/evaluation/explained/narrow.json. Some 80 seconds on one processor.
"""

from __future__ import annotations

from pathlib import Path

from kernelopt.datasets import load
from kernelopt.evaluation.explained.crossover import run_crossover
from kernelopt.evaluation.explained.published import NARROW, condensed

ROOT = Path(__file__).parents[2]
COMMAND = "python experiments/learned_versus_fixed/narrow.py"

if __name__ == "__main__":
    records = run_crossover(load("fashion-mnist-small"), progress=print)
    (ROOT / "kernelopt" / "evaluation" / "explained" / NARROW).write_text(condensed(records, COMMAND), encoding="utf-8")
