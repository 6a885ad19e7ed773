"""Kernels learned by convex optimisation: minimise a criterion over a set of kernels.

A `Problem` joins a criterion (`kernelopt.convex.criteria`) and a kernel set
(`kernelopt.convex.sets`); a solver (`kernelopt.convex.solvers`) answers it with a `Solution`
that carries its `Certificate`. Which criterion goes with which set says `kernelopt.convex.pairs`.
"""

from kernelopt.convex.certificate import Certificate
from kernelopt.convex.criteria import (
    Alignment,
    ConvexLoss,
    Criterion,
    EpsilonSVR,
    HardMargin,
    Hinge,
    KernelFisher,
    LagrangianSVM,
    LeastSquares,
    Logistic,
    NuSVM,
    NuSVR,
    OneClass,
    SquaredHinge,
)
from kernelopt.convex.problem import Problem, Solution
from kernelopt.convex.sets import (
    BoundedBall,
    ChiSquareBall,
    Continuum,
    FrobeniusBall,
    GroupBall,
    HyperNorm,
    HyperSpan,
    HyperSquared,
    KernelSet,
    LpBall,
    PSDSpan,
    RadiusBall,
    Simplex,
    SquaredLp,
    Tessellated,
    TraceBudget,
    Uniform,
)

__all__ = [
    "Alignment",
    "BoundedBall",
    "Certificate",
    "Continuum",
    "ChiSquareBall",
    "ConvexLoss",
    "Criterion",
    "EpsilonSVR",
    "FrobeniusBall",
    "GroupBall",
    "HardMargin",
    "Hinge",
    "HyperNorm",
    "HyperSpan",
    "HyperSquared",
    "KernelFisher",
    "KernelSet",
    "LagrangianSVM",
    "LeastSquares",
    "Logistic",
    "LpBall",
    "NuSVM",
    "NuSVR",
    "OneClass",
    "PSDSpan",
    "Problem",
    "RadiusBall",
    "Simplex",
    "Solution",
    "SquaredHinge",
    "SquaredLp",
    "Tessellated",
    "TraceBudget",
    "Uniform",
]
