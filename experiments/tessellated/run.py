"""Does one learned matrix of a tessellated kernel predict better than learned weights of Gaussians?

Liver (345 points, 6 features), heart (270, 13), ionosphere (351, 34): random stratified splits, 75 % for training, C
from 0.1, 1, 10, 100 (and the width of the one Gaussian) by three folds on the training part. All methods see features
on [-1, 1]. Writes tessellated.csv, one row per (set, split, method); seconds are of the processor, for the last fit
alone.

    python experiments/tessellated/run.py [splits] [set ...]
"""

import csv
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from kernelopt import MKLClassifier, TessellatedClassifier
from kernelopt.datasets import load

SETS = ("liver_bupa", "heart_statlog", "ionosphere")
METHODS = {
    "tessellated": TessellatedClassifier(tol=1e-5),
    "tessellated, wide box": TessellatedClassifier(margin=5.0, tol=1e-5),
    "tessellated, degree 0, wide box": TessellatedClassifier(degree=0, margin=5.0, tol=1e-5),
    "learned Gaussians": MKLClassifier(kernels="gaussian", tol=1e-4),
    "one Gaussian, chosen": SVC(),
    "linear": SVC(kernel="linear"),
}
C = [0.1, 1.0, 10.0, 100.0]
GAMMAS = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]  # of the one Gaussian


def rows(sets, splits):
    """Yield one row per set, split and method."""
    for name in sets:
        data = load(name)
        for seed in range(splits):
            X, X_test, y, y_test = train_test_split(data.X, data.y, train_size=0.75, stratify=data.y, random_state=seed)
            folds = StratifiedKFold(3, shuffle=True, random_state=seed)
            for method, machine in METHODS.items():
                step = type(machine).__name__.lower()
                grid = {f"{step}__C": C} | ({"svc__gamma": GAMMAS} if method == "one Gaussian, chosen" else {})
                search = GridSearchCV(make_pipeline(MinMaxScaler((-1, 1)), machine), grid, cv=folds)
                search.fit(X, y)
                best = search.best_estimator_[-1]
                scaled = search.best_estimator_[0].transform(X)
                clock = time.process_time()
                best.fit(scaled, y)
                seconds = time.process_time() - clock
                values = np.linalg.eigvalsh(best.P_) if hasattr(best, "P_") else np.zeros(1)
                yield {
                    "set": name,
                    "split": seed,
                    "method": method,
                    "accuracy": round(search.score(X_test, y_test), 4),
                    "C": best.C,
                    "rank": int(np.sum(values > 1e-4 * values.sum())) if hasattr(best, "P_") else "",
                    "gap": f"{best.certificate_.gap:.0e}" if hasattr(best, "certificate_") else "",
                    "seconds": round(seconds, 2),
                }


def main(splits=5, sets=SETS):
    """Write the table; rows of other sets that are there stay."""
    target = Path(__file__).with_name("tessellated.csv")
    kept = []
    if target.exists():
        with target.open(newline="") as file:
            kept = [row for row in csv.DictReader(file) if row["set"] not in sets]
    with threadpool_limits(1):
        found = [*kept, *rows(sets, splits)]
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, found[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(found, key=lambda row: SETS.index(row["set"])))


if __name__ == "__main__":
    main(*[int(n) for n in sys.argv[1:2]], *([tuple(sys.argv[2:])] if sys.argv[2:] else []))
