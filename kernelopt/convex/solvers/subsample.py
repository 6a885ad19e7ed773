"""A problem on a few of its samples: where to begin a large one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kernelopt.convex.problem import Problem
from kernelopt.kernels.rows import StoredKernels

RUNS = 8
FEWEST, MOST = 100, 400  # samples
ROOM = 2**23  # bytes that their kernels may take: more costs more to copy than it is worth


def runs_of_samples(problem: Problem) -> Problem | None:
    """Return the problem on a quarter of the samples, at most 400, whose weights stand for all.

    They are taken as eight runs of neighbours, read as they lie in memory: scattered ones would cost a whole pass.
    None where they make no problem, as where a class is missing.
    """
    n, kernels = problem.n_train, problem.kernels
    room = int(np.sqrt(ROOM / (kernels.n_kernels * kernels.dtype.itemsize)))
    length = int(np.clip(min(n // 4, room), FEWEST, MOST)) // RUNS
    starts = np.linspace(0, n - length, RUNS).astype(int)
    part = problem.take(np.unique(starts[:, None] + np.arange(length)))
    try:
        part.criterion.check(part.Y, part.w)
    except ValueError:
        return None
    if not isinstance(part.kernels, StoredKernels):
        part = replace(part, kernels=part.kernels.stored())  # so small that making it once is best
    labels = part.criterion.targets == "labels"
    return None if labels and any(np.ptp(column) == 0 for column in part.Y.T) else part
