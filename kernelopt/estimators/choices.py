"""What the strings of the constructors stand for: kernel sets by name, and the groups that columns make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kernelopt.convex import (
    ChiSquareBall,
    Criterion,
    GroupBall,
    KernelSet,
    LpBall,
    RadiusBall,
    Simplex,
    SquaredLp,
    TraceBudget,
    Uniform,
)
from kernelopt.kernels import Named, OnColumns

KERNEL_SETS: dict[str, Callable[[float], KernelSet]] = {
    "simplex": lambda p: Simplex(),
    "uniform": lambda p: Uniform(),
    "lp": lambda p: LpBall(p=p),
    "squared_lp": lambda p: SquaredLp(p=p),
    "radius": lambda p: RadiusBall(),
    "trace": lambda p: TraceBudget(),
}
CONES = (
    ChiSquareBall,
    GroupBall,
    LpBall,
    RadiusBall,
    Simplex,
    SquaredLp,
    TraceBudget,
    Uniform,
)  # all ask for nonnegative weights


def check_kernel_set(kernel_set: Any) -> None:
    """Raise a ValueError unless this is a name or a set of nonnegative weights."""
    if isinstance(kernel_set, CONES) or (isinstance(kernel_set, str) and kernel_set in (*KERNEL_SETS, "groups")):
        return
    if isinstance(kernel_set, KernelSet):
        raise ValueError(
            f"kernel_set {kernel_set.name!r} has more than nonnegative weights for parameters, and may be "
            f"no kernel at new points; use SDPKernelClassifier (free signs), or AlignmentMKL"
        )
    known = ", ".join(map(repr, (*KERNEL_SETS, "groups")))
    raise ValueError(f"kernel_set must be one of {known}, or a kernel set, found {kernel_set!r}")


def make_kernel_set(kernel_set: str | KernelSet, p: float, kernels: Sequence[Any] | None) -> KernelSet:
    """Return the set that a name means; an instance stays.

    Examples
    --------
    >>> from kernelopt.kernels import Gaussian
    >>> make_kernel_set("groups", 2.0, [OnColumns(Gaussian(g), (j,)) for j in (0, 1) for g in (0.1, 1.0)])
    GroupBall(groups=('0', '0', '1', '1'), p=2.0)
    """
    if isinstance(kernel_set, KernelSet):
        return kernel_set
    return GroupBall(column_groups(kernels), p=p) if kernel_set == "groups" else KERNEL_SETS[kernel_set](p)


def column_groups(kernels: Sequence[Any] | None) -> tuple[str, ...]:
    """Return the group of each kernel: the columns it sees."""
    inner = [kernel.kernel if isinstance(kernel, Named) else kernel for kernel in kernels or ()]
    if not any(isinstance(kernel, OnColumns) for kernel in inner):
        raise ValueError(
            "kernel_set='groups' takes the columns that a kernel sees as its group, and no kernel here sees some "
            "of the columns only. Pass kernels='per_feature' or triples (name, kernel, columns), or name the groups: "
            "kernel_set=GroupBall(groups=(...), p=2.0)"
        )
    return tuple(" ".join(map(str, k.columns)) if isinstance(k, OnColumns) else "all" for k in inner)


def make_criterion(
    criterion: Any, known: Mapping[str, Callable[[], Criterion]], admitted: Callable[[Criterion], bool], task: str
) -> Criterion:
    """Return the criterion that a name means; an instance that suits the task stays."""
    if isinstance(criterion, str) and criterion in known:
        return known[criterion]()
    if isinstance(criterion, Criterion):
        if admitted(criterion):
            return criterion
        raise ValueError(f"criterion {criterion.name!r} is not one for {task}; use one of {', '.join(known)}")
    names = ", ".join(map(repr, known))
    raise ValueError(f"criterion must be one of {names}, or a Criterion for {task}, found {criterion!r}")
