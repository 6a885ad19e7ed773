"""Time and memory of a fit with hyperkernels against the number of samples; the paper's slopes are 3.0 to 3.1.

Ten normal features, labels of a product of two, C = 100, 60 pivots at most (rank_tol 1e-4 for free signs), relative gap
1e-6. Writes hyperkernels.csv; seconds are of the processor, memory is the peak of a process of its own.

    python experiments/benchmarks/hyperkernels.py
"""

import csv
import resource
import time
import warnings
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from kernelopt import HyperkernelClassifier

SIZES = {"norm": (100, 200, 400, 1000, 2000), "squared": (100, 200, 400, 1000), "free": (100, 200, 400)}


def fit(problem, n):
    """Return one row."""
    warnings.simplefilter("ignore")  # negative weights; the gap is in the row
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 10))
    y = np.where(X[:, 0] + X[:, 1] * X[:, 2] + 0.4 * rng.normal(size=n) > 0, 1, -1)
    options = {"norm": {}, "squared": {"c": None}, "free": {"c": None, "rank_tol": 1e-4}}[problem]
    with threadpool_limits(1):
        before, clock = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        clf = HyperkernelClassifier("ard", C=100.0, norm=problem, tol=1e-6, **options).fit(X, y)
        seconds = time.process_time() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "problem": problem,
        "samples": n,
        "pivots": len(clf.weights_),
        "slices_with_weight": clf.n_slices_,
        "gap": f"{clf.certificate_.gap:.0e}",
        "seconds": round(seconds, 2),
        "megabytes": round(peak / 1000),
    }


if __name__ == "__main__":
    with Path(__file__).with_name("hyperkernels.csv").open("w", newline="") as file:
        writer = None
        for problem, sizes in SIZES.items():
            for n in sizes:
                with get_context("spawn").Pool(1) as pool:
                    row = pool.apply(fit, (problem, n))
                writer = writer or csv.DictWriter(file, row)
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)
                file.flush()
                print(*row.values(), flush=True)
