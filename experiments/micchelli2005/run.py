"""Micchelli and Pontil (2005), section 6: a learned mixture of kernels against their average and an ideal choice.

Square loss without intercept, S = sum (y - f)² + mu ||f||², so mu is our ridge. 50 points for training, 100 for
testing, 30 draws; the six values of mu in the paper, none of them chosen. Two targets:

1. f = (x + 2 (exp(-8 (4π/3 - x)²) - exp(-8 (π/2 - x)²) - exp(-8 (3π/2 - x)²))) / 10 on [0, 2π], noise uniform on
   ±0.02, kernels (xt)^0, (xt)^1, (xt)^2 and exp(-w (x - t)²) for w = 256, 8, 1/4; ideal: the second and the fifth.
2. f = sin x + ½ sin 3x, noise uniform on ±0.2, kernels sin lx sin lt for l = 1..10 (the paper does not say how many);
   ideal: the first and the third.

"continuum" is not in the paper: all w from 1/4 to 256 beside the polynomials in 1, all frequencies from 1 to 10 in 2.
Writes micchelli2005.csv, one row per (experiment, mu, method): mean squared error times 1000, mean and standard error.

    python experiments/micchelli2005/run.py
"""

import csv
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from kernelopt import ContinuousKernelRegressor, MKLRegressor
from kernelopt.convex import LeastSquares
from kernelopt.kernels import Constant, Gaussian, Linear
from kernelopt.kernels.continuous import CustomFamily, GaussianFamily, ListFamily, UnionFamily

MUS = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)
DRAWS = 30
POLYNOMIALS = [Constant(1.0), Linear(), Linear() * Linear()]


def sine(frequency):
    """Return the kernel sin lx sin lt."""
    return lambda X, Z: np.sin(frequency * X) @ np.sin(frequency * Z).T


def bumps(x):
    """Return the first target."""
    peaks = np.exp(-8 * (4 * np.pi / 3 - x) ** 2)
    dips = np.exp(-8 * (np.pi / 2 - x) ** 2) + np.exp(-8 * (3 * np.pi / 2 - x) ** 2)
    return (x + 2 * (peaks - dips)) / 10


def waves(x):
    """Return the second target."""
    return np.sin(x) + 0.5 * np.sin(3 * x)


SINES = CustomFamily(lambda w, X, Z: np.sin(w[0] * X) @ np.sin(w[0] * Z).T, ((1.0, 10.0),))
EXPERIMENTS = {
    1: (
        bumps,
        0.02,
        [*POLYNOMIALS, Gaussian(256.0), Gaussian(8.0), Gaussian(0.25)],
        (1, 4),
        UnionFamily((GaussianFamily(0.25, 256.0), ListFamily(tuple(POLYNOMIALS)))),
    ),
    2: (waves, 0.2, [sine(frequency) for frequency in range(1, 11)], (0, 2), SINES),
}


def machines(kernels, ideal, family, mu):
    """Return the methods at one mu."""
    options = {"criterion": LeastSquares(mu, intercept=False), "tol": 1e-6}
    return {
        "learned": MKLRegressor(kernels, normalize=None, **options),
        "average": MKLRegressor(kernels, normalize=None, kernel_set="uniform", **options),
        "ideal": MKLRegressor([kernels[k] for k in ideal], normalize=None, kernel_set="uniform", **options),
        "continuum": ContinuousKernelRegressor(family, **options),
    }


def rows():
    """Yield one row per experiment, mu and method."""
    for number, (target, noise, kernels, ideal, family) in EXPERIMENTS.items():
        for mu in MUS:
            errors = {}
            for seed in range(DRAWS):
                rng = np.random.default_rng(seed)
                x, x_test = (rng.uniform(0, 2 * np.pi, n)[:, None] for n in (50, 100))
                y = target(x[:, 0]) + rng.uniform(-noise, noise, 50)
                for method, machine in machines(kernels, ideal, family, mu).items():
                    found = machine.fit(x, y).predict(x_test)
                    errors.setdefault(method, []).append(1e3 * np.mean((found - target(x_test[:, 0])) ** 2))
            for method, values in errors.items():
                error = np.std(values, ddof=1) / np.sqrt(DRAWS)
                row = {"experiment": number, "mu": mu, "method": method}
                yield row | {"mse": f"{np.mean(values):.4g}", "standard_error": f"{error:.2g}"}


if __name__ == "__main__":
    with threadpool_limits(1), open(Path(__file__).with_name("micchelli2005.csv"), "w", newline="") as file:
        writer = csv.DictWriter(file, ["experiment", "mu", "method", "mse", "standard_error"], lineterminator="\n")
        writer.writeheader()
        for row in rows():
            print(row, flush=True)
            writer.writerow(row)
            file.flush()
