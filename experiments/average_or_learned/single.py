"""A support vector machine on one of the ten kernels of the family "mixed"."""

from functools import partial

from kernelopt import MKLClassifier
from kernelopt.kernels import mixed


def one(X, sample_weight=None, *, index):
    """Return the kernel of an index alone, its width from the same points."""
    return [mixed(X, sample_weight)[index]]


def SingleKernel(kernel=0, C=1.0):  # noqa: N802
    """Return the machine."""
    return MKLClassifier(partial(one, index=kernel), C=C)
