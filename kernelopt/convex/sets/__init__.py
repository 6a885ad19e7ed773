"""Kernel sets: which kernels are admitted."""

from kernelopt.convex.sets.base import KernelSet
from kernelopt.convex.sets.simplex import Simplex
from kernelopt.convex.sets.uniform import Uniform

__all__ = ["KernelSet", "Simplex", "Uniform"]
