"""Kernel sets: which kernels are admitted."""

from kernelopt.convex.sets.base import KernelSet
from kernelopt.convex.sets.bounded_ball import BoundedBall
from kernelopt.convex.sets.continuum import Continuum
from kernelopt.convex.sets.frobenius import FrobeniusBall
from kernelopt.convex.sets.groups import GroupBall
from kernelopt.convex.sets.hyper_rkhs import HyperNorm, HyperSquared
from kernelopt.convex.sets.hyper_span import HyperSpan
from kernelopt.convex.sets.lp_ball import LpBall, SquaredLp
from kernelopt.convex.sets.program import WeightProgram
from kernelopt.convex.sets.psd_span import PSDSpan
from kernelopt.convex.sets.radius import RadiusBall
from kernelopt.convex.sets.random_features import ChiSquareBall
from kernelopt.convex.sets.simplex import Simplex, TraceBudget
from kernelopt.convex.sets.tessellated import Tessellated
from kernelopt.convex.sets.uniform import Uniform

__all__ = [
    "BoundedBall",
    "Continuum",
    "ChiSquareBall",
    "FrobeniusBall",
    "GroupBall",
    "HyperNorm",
    "HyperSpan",
    "HyperSquared",
    "KernelSet",
    "LpBall",
    "PSDSpan",
    "RadiusBall",
    "Simplex",
    "SquaredLp",
    "Tessellated",
    "TraceBudget",
    "Uniform",
    "WeightProgram",
]
