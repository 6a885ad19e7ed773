"""How many CPU threads: as many as asked for, or as many as a trial finds fastest."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from numbers import Integral

from sklearn.utils import check_scalar

from kernelopt.conv.devices import reproducible
from kernelopt.conv.network import ConvNet
from kernelopt.conv.recipe import Recipe
from kernelopt.conv.training import Run
from kernelopt.conv.validation import Samples

REPEATS = 3  # the least of so many times counts: other programs can only make a trial slower


def check_threads(threads: int | str) -> None:
    """Raise unless `threads` is "auto" or a positive integer."""
    if isinstance(threads, str):
        if threads != "auto":
            raise ValueError(f"threads={threads!r}, but expected 'auto' or a positive integer.")
        return
    check_scalar(threads, "threads", Integral, min_val=1)


def find_threads(
    threads: int | str,
    network: ConvNet,
    samples: Samples,
    recipe: Recipe,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """Return `threads`, or for "auto" the number with which two batches pass fastest through the network and back.

    Tried are 1, 2, 4, ... up to the number of cores this process may use. The network is left alone. More
    threads than one are rarely faster on a machine with other work to do, and the same seed gives the same bits
    only for the same number: whoever repeats a fit passes the number that was found.

    Examples
    --------
    >>> find_threads(3, None, None, None)
    3
    """
    check_threads(threads)
    if threads != "auto":
        return int(threads)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    few = slice(2 * recipe.batch_size)
    weights = None if samples.weights is None else samples.weights[few]
    sample = Samples(samples.images[few], samples.targets[few], weights)

    def seconds(n_threads: int) -> float:
        with reproducible(n_threads):
            run = Run(copy.deepcopy(network), sample, recipe, seed=0, device="cpu")
            run.measure()  # the first pass allocates
            times = []
            for _ in range(REPEATS):
                begun = clock()
                run.measure()
                times.append(clock() - begun)
        return min(times)

    return min((2**i for i in range(cores.bit_length())), key=seconds)  # the smaller of two alike
