"""Which solver should "auto" take? Newton over a working set against the interior-point method, pair by pair.

Ten criteria on five sets at three sizes of the synthetic problem, to a relative gap of 1e-6; processor seconds of each,
and their ratio. The rule in `kernelopt.convex.solvers.auto` is what this table says. Writes auto.csv.

    python -m experiments.benchmarks.auto
"""

import csv
import time
import warnings
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from experiments.benchmarks.problems import Case
from kernelopt.convex import (
    EpsilonSVR,
    GroupBall,
    Hinge,
    KernelFisher,
    LeastSquares,
    Logistic,
    LpBall,
    NuSVM,
    OneClass,
    Problem,
    Simplex,
    SquaredHinge,
    SquaredLp,
)
from kernelopt.convex.solvers import InteriorPoint, WorkingSetNewton
from kernelopt.convex.solvers.auto import choose

TARGET = Path(__file__).with_name("auto.csv")
SIZES = ((200, 10), (600, 20), (600, 60))
CRITERIA = (
    Hinge(1.0), Hinge(100.0), SquaredHinge(1.0), NuSVM(0.3), Logistic(1.0), Logistic(100.0),
    LeastSquares(0.1), EpsilonSVR(1.0, 0.1), OneClass(0.3), KernelFisher(0.01),
)  # fmt: skip


def sets(m):
    """Return the sets that both solvers take."""
    return Simplex(), LpBall(2.0), LpBall(1.1), SquaredLp(2.0, 1.0), GroupBall(tuple(i % 5 for i in range(m)), 2.0)


def rows():
    """Yield a row per size, criterion and set."""
    for n, m in SIZES:
        task = Case("synthetic/wide", n, m).problem()
        values = np.sin(np.arange(n))[:, None] + task.Y
        for criterion, kernel_set in product(CRITERIA, sets(m)):
            Y = values if criterion.name == "epsilon_svr" else task.Y
            problem = Problem(task.kernels, Y, criterion, kernel_set, task.w)
            seconds = []
            for solver in (WorkingSetNewton(tol=1e-6), InteriorPoint(tol=1e-6)):
                clock = time.process_time()
                holds = solver.solve(problem).certificate.holds(1e-6)
                seconds.append(time.process_time() - clock if holds else float("inf"))
            yield {
                "n": n,
                "m": m,
                "criterion": criterion.name,
                "C": getattr(criterion, "C", ""),
                "set": f"{kernel_set.name} {getattr(kernel_set, 'p', '')}".strip(),
                "newton_s": round(seconds[0], 4),
                "interior_point_s": round(seconds[1], 4),
                "ratio": round(seconds[1] / seconds[0], 2),
                "auto": type(choose("auto", problem)).__name__,
            }


if __name__ == "__main__":
    with threadpool_limits(1), TARGET.open("w", newline="") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        writer = None
        for row in rows():
            writer = writer or csv.DictWriter(file, row)
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
            file.flush()
            print(*row.values())
