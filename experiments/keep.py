"""Keep of a study's output what is committed: a row per cell without weights and image-wise columns, and some figures.

From the root of the repository::

    python experiments/keep.py out/report.html experiments/average_or_learned ranks
"""

import csv
import shutil
import sys
from pathlib import Path

COLUMNS = ["dataset", "method", "size", "seed", "status", "accuracy", "chosen", "gap", "gradient_norm", "n_settings"]
COSTS = ["tune_seconds", "fit_seconds", "peak_memory_mb"]
METRICS = ["metric: log_loss", "metric: ece", "metric: alignment", "metric: effective_rank"]


def keep(page: Path, folder: Path, figures: list[str]) -> None:
    """Write results.csv into a folder, and the figures, as SVG, beside it."""
    with page.with_suffix(".csv").open(newline="") as source, (folder / "results.csv").open("w", newline="") as target:
        rows = csv.DictReader(source)
        names = [name for name in (*COLUMNS, *METRICS, *COSTS) if name in (rows.fieldnames or ())]
        writer = csv.DictWriter(target, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: shortened(row[name]) for name in names})
    files = page.with_name(f"{page.stem}-files")
    for name in figures:
        shutil.copy(files / f"{name}.svg", folder / f"{name}.svg")
        if (files / f"{name}.csv").exists():
            shutil.copy(files / f"{name}.csv", folder / f"{name}.csv")


def shortened(text: str) -> str:
    """Return a number with six digits, and any other text as it is."""
    try:
        return text if text.isdigit() else format(float(text), ".6g")
    except ValueError:
        return text


if __name__ == "__main__":
    keep(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
