"""What the tests of the Newton method share."""

import numpy as np

from kernelopt.convex import Hinge, Problem, Simplex
from kernelopt.kernels import Gaussian
from tests.convex.problems import data


def overlap(one, other, rtol=1e-9):
    """Whether two brackets hold one number."""
    slack = rtol * max(abs(one.primal), abs(other.primal))
    return one.dual <= other.primal + slack and other.dual <= one.primal + slack


def alone(solution):
    """Whether no other method was asked."""
    return not any("method" in entry for entry in solution.history)


def many_kernels(n=300, m=30, C=1.0, seed=0, criterion=Hinge):
    """Gaussians on single features and on all, of which most are of no use."""
    X, label = data(seed, n)
    X = np.column_stack([X, np.random.default_rng(seed).normal(size=(n, 5))])
    Ks = [Gaussian(10.0 ** (k % 5 - 2))(X[:, [k % 8]], X[:, [k % 8]]) for k in range(m - 2)]
    Ks += [Gaussian(g)(X[:, :3], X[:, :3]) for g in (0.1, 1.0)]
    return Problem.of(np.stack([(K + K.T) / 2 for K in Ks]), 2.0 * label - 1, criterion(C), Simplex())
