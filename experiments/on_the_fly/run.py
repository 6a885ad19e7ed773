"""How far does an exact learned kernel go when no Gram matrix is stored?

Two classes in ten features, 8 % of the labels wrong; M = 100 Gaussian kernels: seven widths on all features, on each
single one, and on four groups. Hinge with C = 1 over the simplex, one thread, kernels made on the fly in single
precision. The unit is one fit of scikit-learn's SVC with one Gaussian kernel on the same points. Each size runs in a
process of its own, so that its peak of memory is its own. Appends to on_the_fly.csv, one row per size.

    python experiments/on_the_fly/run.py [n:tol ...]      # 5000:1e-5 10000:1e-5 20000:1e-3 by default
"""

import csv
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from kernelopt.convex import Hinge, Problem, Simplex
from kernelopt.convex.solvers import WorkingSetNewton
from kernelopt.kernels import Gaussian, OnColumns
from kernelopt.kernels.on_the_fly import OnTheFly

M = 100
GROUPS = [tuple(range(10)), *((j,) for j in range(10)), (0, 1), (2, 3), (4, 5), (6, 7, 8)]
TARGET = Path(__file__).with_name("on_the_fly.csv")


def data(n):
    """Return points and labels."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 10))
    score = 1.2 * X[:, 0] + np.sin(2 * X[:, 1]) + 0.7 * (X[:, 2] ** 2 - 1) + 0.8 * X[:, 3] * X[:, 4]
    y = np.where(score > 0, 1.0, -1.0)
    y[rng.random(n) < 0.08] *= -1
    return X, y


def row(n, tol):
    """Measure one size."""
    X, y = data(n)
    widths = np.geomspace(0.02, 1.0, int(np.ceil(M / len(GROUPS))))
    kernels = [OnColumns(Gaussian(w / len(g)), g) for w in widths for g in GROUPS][:M]
    problem = Problem(OnTheFly.of(kernels, X, dtype=np.float32), y[:, None], Hinge(C=1.0), Simplex(), np.ones(n))
    clock = time.process_time()
    solution = WorkingSetNewton(tol=tol, verbose=1).solve(problem)
    seconds = time.process_time() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    clock = time.process_time()
    SVC(C=1.0, gamma=0.05, cache_size=2000).fit(X, y)
    unit = time.process_time() - clock
    return {
        "n": n,
        "M": M,
        "tol": tol,
        "gap": f"{solution.certificate.gap:.1e}",
        "seconds": round(seconds, 1),
        "svc_seconds": round(unit, 1),
        "ratio": round(seconds / unit, 2),
        "passes": round(solution.history[-1]["passes"], 2),
        "kernels": int(np.count_nonzero(solution.theta)),
        "peak_mib": round(peak),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        with threadpool_limits(1), TARGET.open("a", newline="") as file:
            found = row(int(sys.argv[2]), float(sys.argv[3]))
            writer = csv.DictWriter(file, found)
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(found)
    else:
        for argument in sys.argv[1:] or ["5000:1e-5", "10000:1e-5", "20000:1e-3"]:
            subprocess.run([sys.executable, __file__, "--one", *argument.split(":")], check=True)
