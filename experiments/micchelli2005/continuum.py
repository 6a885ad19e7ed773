"""Does a continuum of kernels do better than the lists of Micchelli and Pontil (2005)?

The learned mixture of their lists (see run.py and kernelopt/evaluation/reproduction/data.py) beside a continuum:
of all w from 1/4 to 256, with the polynomials, in experiment 1; of all frequencies from 1 to 10 in experiment 2. 50
points for training, 100 for testing without noise, 30 draws, the paper's six values of mu, none of them chosen.
Writes continuum.csv, one row per (experiment, mu, method): mean squared error times 1000, mean and standard error.

    python experiments/micchelli2005/continuum.py        # about 4 minutes
"""

import csv
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from kernelopt import ContinuousKernelRegressor, MKLRegressor
from kernelopt.convex import LeastSquares
from kernelopt.evaluation.reproduction.data import Sine, bumps, waves
from kernelopt.kernels import Constant, Gaussian, Linear
from kernelopt.kernels.continuous import CustomFamily, GaussianFamily, ListFamily, UnionFamily

MUS = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)
DRAWS = 30
POLYNOMIALS = [Constant(1.0), Linear(), Linear() * Linear()]


SINES = CustomFamily(lambda w, X, Z: np.sin(w[0] * X) @ np.sin(w[0] * Z).T, ((1.0, 10.0),))
EXPERIMENTS = {
    1: (
        bumps,
        0.02,
        [*POLYNOMIALS, Gaussian(256.0), Gaussian(8.0), Gaussian(0.25)],
        UnionFamily((GaussianFamily(0.25, 256.0), ListFamily(tuple(POLYNOMIALS)))),
    ),
    2: (waves, 0.2, [Sine(float(frequency)) for frequency in range(1, 11)], SINES),
}


def machines(kernels, family, mu):
    """Return the methods at one mu."""
    options = {"criterion": LeastSquares(mu, intercept=False), "tol": 1e-6}
    return {
        "learned": MKLRegressor(kernels, normalize=None, **options),
        "continuum": ContinuousKernelRegressor(family, **options),
    }


def rows():
    """Yield one row per experiment, mu and method."""
    for number, (target, noise, kernels, family) in EXPERIMENTS.items():
        for mu in MUS:
            errors = {}
            for seed in range(DRAWS):
                rng = np.random.default_rng(seed)
                x, x_test = (rng.uniform(0, 2 * np.pi, n)[:, None] for n in (50, 100))
                y = target(x[:, 0]) + rng.uniform(-noise, noise, 50)
                for method, machine in machines(kernels, family, mu).items():
                    found = machine.fit(x, y).predict(x_test)
                    errors.setdefault(method, []).append(1e3 * np.mean((found - target(x_test[:, 0])) ** 2))
            for method, values in errors.items():
                error = np.std(values, ddof=1) / np.sqrt(DRAWS)
                row = {"experiment": number, "mu": mu, "method": method}
                yield row | {"mse": f"{np.mean(values):.4g}", "standard_error": f"{error:.2g}"}


if __name__ == "__main__":
    with threadpool_limits(1), open(Path(__file__).with_name("continuum.csv"), "w", newline="") as file:
        writer = csv.DictWriter(file, ["experiment", "mu", "method", "mse", "standard_error"], lineterminator="\n")
        writer.writeheader()
        for row in rows():
            print(row, flush=True)
            writer.writerow(row)
            file.flush()
