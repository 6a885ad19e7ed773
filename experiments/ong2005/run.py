"""Do hyperkernels reproduce the errors of Ong, Smola and Williamson (2005), and what is learned there?

Writes ong2005.csv, a row per published figure, the picture ong2005.svg, the results section of papers/ong2005.md, and
slices.csv: per data set and machine, how many slices of the hyperkernel carry weight, and by how much of the objective
the learned kernel is better than the best single slice. Records stay in ong2005.sqlite.

    python experiments/ong2005/run.py [--splits N] [--data-home FOLDER]
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

from kernelopt.evaluation.reproduction import reproduce
from kernelopt.evaluation.reproduction.page import terminal
from kernelopt.pages import agreement

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "papers" / f"{HERE.name}.md"
MACHINES = ("C-SVM", "nu-SVM", "Lagrangian")


def slices(records):
    """Yield a row per data set and machine of table 3."""
    groups = defaultdict(list)
    for record in records:
        if record.method in MACHINES and record.status == "ok":
            groups[record.dataset, record.method].append(record.values)
    for (dataset, method), found in groups.items():
        best = [values["best_slice_objective"] for values in found]
        gains = [100 * (b - values["objective"]) / abs(b) for b, values in zip(best, found, strict=True)]
        counts = sorted(values["slices"] for values in found)
        row = (dataset, method, len(found), f"{counts[len(found) // 2]:g}", f"{counts[-1]:g}")
        yield *row, f"{sum(gains) / len(gains):+.3f}", f"{max(gains):+.3f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--splits", type=int)
    parser.add_argument("--data-home")
    options = parser.parse_args()
    result = reproduce(HERE.name, output=HERE, page=PAGE, splits=options.splits, data_home=options.data_home)
    print(terminal(result.reproduction, result.tables))
    agreement.write(HERE / f"{HERE.name}.svg", result)
    with open(HERE / "slices.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["dataset", "method", "n", "median_slices", "most_slices", "mean_gain_percent", "largest_gain_percent"]
        )
        writer.writerows(slices(result.records))
