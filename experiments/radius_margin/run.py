"""Does learning the kernel under a bound on the radius keep useless kernels out, as radius/margin methods do?

Digits 0-4 against 5-9: 1,430 of scikit-learn's 1,797 digits, 70 % for training, three seeds. M kernels are ten
Gaussian widths on all pixels, then on M/10 - 1 random groups of pixels: the more kernels, the more useless ones.
C = 10 where there is a C; nothing is tuned. Writes radius_margin.csv, one row per (M, method, seed); seconds are of the
processor.

    python experiments/radius_margin/run.py [M ...]
"""

import csv
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from kernelopt import KernelStack, MKLClassifier
from kernelopt.kernels import gaussian, per_group

WIDTHS = np.logspace(-1.5, 1.5, 10)
METHODS = {
    "average": dict(kernel_set="uniform", criterion="hinge"),
    "simplex, hinge": dict(kernel_set="simplex", criterion="hinge"),
    "radius, hard margin": dict(kernel_set="radius", criterion="hard_margin"),
    "radius, squared hinge": dict(kernel_set="radius", criterion="squared_hinge"),
}


def kernels(X, M, seed):
    """Return ten widths on all pixels and on each of M/10 - 1 random groups."""
    pixels = np.random.default_rng(seed).permutation(X.shape[1])
    groups = np.array_split(pixels, M // 10 - 1) if M > 10 else []
    named = {f"group {g}": columns for g, columns in enumerate(groups)}
    return [*gaussian(X, factors=WIDTHS), *per_group(X, groups=named, factors=WIDTHS)]


def rows(sizes, seeds=range(3)):
    """Yield one row per size, seed and method."""
    X, digit = load_digits(return_X_y=True)
    y = (digit >= 5).astype(int)
    for M in sizes:
        for seed in seeds:
            X_train, X_test, y_train, y_test = train_test_split(
                X, y, train_size=1001, test_size=429, stratify=digit, random_state=seed
            )
            base = kernels(X_train, M, seed)
            train, test = KernelStack.from_kernels(base, X_train), KernelStack.from_kernels(base, X_test, X_train)
            mean = train.leading.mean(axis=0)
            clock = time.process_time()
            SVC(kernel="precomputed", C=10.0).fit(mean, y_train)
            unit = time.process_time() - clock
            for method, options in METHODS.items():
                clock = time.process_time()
                clf = MKLClassifier(kernels="precomputed", C=10.0, tol=1e-3, **options).fit(train, y_train)
                seconds = time.process_time() - clock
                yield {
                    "M": M,
                    "method": method,
                    "seed": seed,
                    "accuracy": round(clf.score(test, y_test), 4),
                    "kernels": int(np.sum(clf.weights_ > 1e-3 * clf.weights_.max())),
                    "gap": f"{clf.certificate_.gap:.1e}",
                    "seconds": round(seconds, 2),
                    "over_one_svc": round(seconds / unit, 1),
                }


if __name__ == "__main__":
    target = Path(__file__).with_name("radius_margin.csv")
    with threadpool_limits(1), target.open("w", newline="") as file:
        writer = None
        for row in rows([int(M) for M in sys.argv[1:]] or [10, 50, 100]):
            writer = writer or csv.DictWriter(file, row)
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
            file.flush()
            print(*row.values())
