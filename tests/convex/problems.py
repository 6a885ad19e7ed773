"""Small problems that every solver is tried on."""

import numpy as np

from kernelopt.convex import Hinge, Problem, Simplex, Uniform
from kernelopt.kernels import Gaussian, KernelStack, Linear, Normalization, Polynomial

KERNELS = [Linear(), Polynomial(2, 0.3), Gaussian(0.05), Gaussian(0.5), Gaussian(5.0)]


def data(seed=0, n=40, n_classes=2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    score = X[:, 0] + X[:, 1] * X[:, 2] + 0.4 * rng.normal(size=n)
    return X, np.digitize(score, np.quantile(score, np.arange(1, n_classes) / n_classes))


def problem(seed=0, n=40, C=1.0, n_classes=2, kernels=KERNELS, kernel_set=None, weights=None):
    X, label = data(seed, n, n_classes)
    stack = KernelStack.from_kernels(kernels, X)
    columns = [1] if n_classes == 2 else range(n_classes)
    Y = np.where(label[:, None] == np.array(columns), 1.0, -1.0)
    scale = Normalization.fit(stack, "variance").scale
    return Problem.of(stack.leading, Y, Hinge(C), kernel_set or Simplex(), weights, scale)


CASES = {
    "binary": lambda: problem(),
    "small C": lambda: problem(C=1e-3),
    "tiny C": lambda: problem(C=1e-6),
    "large C": lambda: problem(C=1e4),
    "three classes": lambda: problem(n=45, n_classes=3, C=3.0),
    "one kernel": lambda: problem(kernels=[Gaussian(0.5)]),
    "uniform": lambda: problem(kernel_set=Uniform()),
    "duplicated kernels": lambda: problem(kernels=[Linear(), Linear(), Gaussian(0.5), Gaussian(0.5)]),
    "low rank": lambda: problem(kernels=[Linear(), Polynomial(1, 0.2)], C=10.0),
    "near identity": lambda: problem(kernels=[Gaussian(1e3), Gaussian(1e4), Linear()]),
    "weights": lambda: problem(weights=np.random.default_rng(5).uniform(0.1, 5.0, 40)),
    "five positives": lambda: unbalanced(),
    "conflicting duplicates": lambda: conflicting(),
}


def unbalanced():
    X, _ = data(3, 60)
    y = np.where(np.argsort(np.argsort(X[:, 0])) >= 55, 1, -1)
    stack = KernelStack.from_kernels(KERNELS, X)
    return Problem.of(stack.leading, y, Hinge(1.0), Simplex(), scale=Normalization.fit(stack, "variance").scale)


def conflicting():
    X, label = data(4, 20)
    X, y = np.vstack([X, X]), np.concatenate([2 * label - 1, 1 - 2 * label])
    y[:10] = y[20:30]
    stack = KernelStack.from_kernels(KERNELS, X)
    return Problem.of(stack.leading, y, Hinge(1.0), Simplex(), scale=Normalization.fit(stack, "variance").scale)
