"""Criteria: what makes a kernel good."""

from kernelopt.convex.criteria.alignment import Alignment, alignment, centered_alignment
from kernelopt.convex.criteria.base import Criterion
from kernelopt.convex.criteria.fisher import KernelFisher
from kernelopt.convex.criteria.general import ConvexLoss, Huber, Loss, Pinball
from kernelopt.convex.criteria.logistic import Logistic
from kernelopt.convex.criteria.margin import HardMargin, Hinge, LagrangianSVM, NuSVM, SquaredHinge
from kernelopt.convex.criteria.novelty import OneClass
from kernelopt.convex.criteria.program import DualProgram
from kernelopt.convex.criteria.regression import EpsilonSVR, LeastSquares, NuSVR

__all__ = [
    "Alignment",
    "ConvexLoss",
    "Criterion",
    "DualProgram",
    "EpsilonSVR",
    "HardMargin",
    "Hinge",
    "Huber",
    "KernelFisher",
    "LagrangianSVM",
    "LeastSquares",
    "Logistic",
    "Loss",
    "NuSVM",
    "NuSVR",
    "OneClass",
    "Pinball",
    "SquaredHinge",
    "alignment",
    "centered_alignment",
]
