"""Kernels learned by convex optimisation: minimise a criterion over a set of kernels.

A `Problem` joins a criterion (`kernelopt.convex.criteria`) and a kernel set
(`kernelopt.convex.sets`); a solver (`kernelopt.convex.solvers`) answers it with a `Solution`
that carries its `Certificate`.
"""

from kernelopt.convex.certificate import Certificate
from kernelopt.convex.criteria import Criterion, Hinge
from kernelopt.convex.problem import Problem, Solution
from kernelopt.convex.sets import KernelSet, Simplex, Uniform

__all__ = ["Certificate", "Criterion", "Hinge", "KernelSet", "Problem", "Simplex", "Solution", "Uniform"]
