"""Which criterion goes with which set, and why the others do not: the table of the documentation."""

from __future__ import annotations

from kernelopt.convex import criteria as c
from kernelopt.convex import sets as s

MARGINS = (c.Hinge, c.SquaredHinge, c.HardMargin, c.LagrangianSVM, c.NuSVM)
REGRESSION = (c.LeastSquares, c.EpsilonSVR, c.NuSVR)
MACHINES = (*MARGINS, c.Logistic, *REGRESSION, c.OneClass, c.KernelFisher, c.ConvexLoss)

# set -> the criteria it admits, and why the others are refused
ADMITS: dict[type[s.KernelSet], tuple[tuple[type[c.Criterion], ...], str]] = {
    s.Uniform: (MACHINES, "alignment compares kernels, and this set holds only one"),
    s.Simplex: (MACHINES, "alignment is linear in the kernel, so a simplex only picks one kernel"),
    s.TraceBudget: (MACHINES, "alignment is linear in the kernel, so a trace budget only picks one kernel"),
    s.LpBall: (MACHINES, "alignment is priced by the norm of the kernel, not of the weights"),
    s.SquaredLp: (MACHINES, "alignment is priced by the norm of the kernel, not of the weights"),
    s.GroupBall: (MACHINES, "alignment is priced by the norm of the kernel, not of the weights"),
    s.ChiSquareBall: ((*MACHINES, c.Alignment), "it goes with all of them"),
    s.RadiusBall: (
        (*MARGINS, c.LeastSquares, c.Logistic),
        "the radius bounds the error of margins and of regression on labels; it says nothing of tubes or of novelty",
    ),
    s.PSDSpan: (
        (*MARGINS, c.LeastSquares, c.KernelFisher),
        "weights of any sign need a criterion whose dual is a quadratic program with bounds on one side",
    ),
    s.BoundedBall: (
        (*MARGINS, c.LeastSquares, c.KernelFisher),
        "a matrix with a parameter for each pair of points needs labels or targets on some of them",
    ),
    s.HyperNorm: (MACHINES, "alignment is linear in the kernel; for labels met at least norm take LeastSquares(0)"),
    s.HyperSquared: (MACHINES, "alignment is linear in the kernel; for labels met at least norm take LeastSquares(0)"),
    s.HyperSpan: (
        (*MARGINS, c.LeastSquares, c.KernelFisher),
        "weights of any sign need a criterion whose dual is a quadratic program with bounds on one side",
    ),
    s.Tessellated: (
        (*MARGINS, c.LeastSquares, c.EpsilonSVR, c.NuSVR),
        "its matrix needs labels or targets to learn from and a dual that is a quadratic program; of the linear "
        "alignment the best is a single feature",
    ),
    s.Continuum: (
        (c.Hinge, c.SquaredHinge, c.Logistic, c.LeastSquares, c.EpsilonSVR),
        "infinitely many kernels are weighed by solving for some of them, with a dual whose machines stay warm",
    ),
    s.FrobeniusBall: ((c.Alignment,), "the Frobenius norm of the kernel is the price that goes with alignment"),
}


def admits(criterion: type[c.Criterion], kernel_set: type[s.KernelSet]) -> bool:
    """Whether the pair is one that kernelopt solves."""
    return criterion in ADMITS[kernel_set][0] if kernel_set in ADMITS else True


def check_pair(criterion: c.Criterion, kernel_set: s.KernelSet) -> None:
    """Raise a ValueError that says why a pair makes no sense."""
    if not admits(type(criterion), type(kernel_set)):
        known = ", ".join(k.name for k in ADMITS[type(kernel_set)][0])
        raise ValueError(
            f"criterion {criterion.name!r} does not go with the kernel set {kernel_set.name!r}: "
            f"{ADMITS[type(kernel_set)][1]}. It goes with: {known}"
        )


BALANCED = (
    c.Hinge,
    c.SquaredHinge,
    c.HardMargin,
    c.NuSVM,
    c.Logistic,
    c.EpsilonSVR,
    c.NuSVR,
    c.KernelFisher,
    c.ConvexLoss,
)


def ignores_constants(criterion: c.Criterion) -> bool:
    """Whether a constant on all entries of the kernel leaves the machine as it is, up to its intercept.

    Its coefficients then add up to a number that is known beforehand: zero, or one for the one-class machine.
    """
    intercept = type(criterion) in BALANCED or (isinstance(criterion, c.LeastSquares) and criterion.intercept)
    return intercept or isinstance(criterion, c.OneClass)


def sees_balanced_only(criterion: c.Criterion, kernel_set: s.KernelSet) -> bool:
    """Whether the problem sees no more of a kernel than v'Kv for v that sum to zero: an intercept absorbs the rest."""
    balanced = ignores_constants(criterion) and not isinstance(criterion, c.OneClass)
    return balanced and not isinstance(kernel_set, s.PSDSpan | s.HyperSpan | s.TraceBudget | s.BoundedBall)


def table() -> str:
    """Return the pairs as a table in Markdown: a row per set, the criteria it takes, and why not the others."""
    lines = ["| kernel set | criteria | why not the others |", "|---|---|---|"]
    for kernel_set, (known, why) in ADMITS.items():
        lines.append(f"| `{kernel_set.name}` | {', '.join(f'`{k.name}`' for k in known)} | {why} |")
    return "\n".join(lines)
