"""Solutions along a path of weights of the losses, each begun where the one before ended: `mkl_path`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernelopt.convex import (
    Certificate,
    Criterion,
    EpsilonSVR,
    Hinge,
    KernelFisher,
    KernelSet,
    LagrangianSVM,
    LeastSquares,
    Logistic,
    NuSVR,
    Solution,
    SquaredHinge,
)
from kernelopt.estimators.base import KernelMachine, Task
from kernelopt.estimators.choices import make_criterion
from kernelopt.estimators.mkl import MKLClassifier
from kernelopt.estimators.regression import MKLRegressor
from kernelopt.kernels import KernelStack

NAMED = {c.name: c for c in (Hinge, SquaredHinge, Logistic, LagrangianSVM, LeastSquares, EpsilonSVR, NuSVR)}
ENDS = (-2, 3)  # of the grid that a number of values stands for: powers of ten


@dataclass(frozen=True, eq=False)
class MKLPath:
    """Solutions at L weights of the losses, from the smoothest to the closest fit.

    Parameters
    ----------
    Cs, lams : array of shape (L,), or None
        The weights C, ascending, or the ridges lam, descending; the other one is None.
    weights : array of shape (L, M)
        Kernel weights; zero for kernels constant on the training points.
    objectives : array of shape (L,)
        The objective at each solution: the ``primal`` of its certificate.
    certificates : tuple of Certificate
        How far each is from its optimum.
    n_iter : array of shape (L,)
        Outer iterations.
    n_support : array of shape (L,)
        Samples with a coefficient.
    """

    Cs: np.ndarray | None
    lams: np.ndarray | None
    weights: np.ndarray
    objectives: np.ndarray
    certificates: tuple[Certificate, ...]
    n_iter: np.ndarray
    n_support: np.ndarray


def mkl_path(
    Ks,
    y,
    *,
    criterion: str | Criterion = "hinge",
    kernel_set: str | KernelSet = "simplex",
    p: float = 2.0,
    Cs: int | Sequence[float] = 6,
    lams: int | Sequence[float] = 6,
    normalize: str | None = "variance",
    sample_weight=None,
    solver: Any = "auto",
    tol: float = 1e-4,
    max_iter: int = 1000,
    time_limit: float | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> MKLPath:
    r"""Solve learned-kernel problems that differ in the weight of the losses only.

    .. math::
        \min_{\mu \in \mathcal{M}} R(\mu) + \min_{f, b} \tfrac12 \|f\|_{K(\mu)}^2 + C \sum_i w_i\, \ell_i(f(x_i) + b)
        \qquad \text{for each } C \text{ (or } 1/\lambda\text{)}

    from the smallest C up (the largest :math:`\lambda` down). A solver that can begins at the weights and the dual
    variables of the solution before, those multiplied by the ratio of the two C, so that a path costs little more than
    its hardest point; every solution carries its own certificate, so that nothing depends on where it began.

    Parameters
    ----------
    Ks : KernelStack, or list or array of M matrices, shape (M, n, n)
        Gram matrices.
    y : array of shape (n,); for regression also (n, n_targets)
        Labels, of two or more classes (one against the rest), or values, as the criterion asks.
    criterion : str or Criterion, default="hinge"
        "hinge", "squared_hinge", "logistic" or "lagrangian" for labels; "least_squares", "epsilon_svr" or "nu_svr" for
        values; or an instance with a field C or lam, whose other fields count.
    kernel_set : str or KernelSet, default="simplex"
        As in `kernelopt.MKLClassifier`, but for "groups", whose names are those of columns: pass ``GroupBall(groups)``.
    p : float, default=2.0
        Norm of the sets "lp" and "squared_lp".
    Cs, lams : int or array, default=6
        The weights C, for a criterion that has one, or the ridges lam, for one that has that. A number stands for as
        many values between 0.01 and 1000 (C), or 100 and 0.001 (lam), equally spaced by their logarithms.
    normalize : {"variance", "center", "trace", "spherical", None}, default="variance"
        What is done to each kernel.
    sample_weight : array of shape (n,), optional
        Nonnegative.
    solver, tol, max_iter, time_limit, n_jobs, verbose
        As in `kernelopt.MKLClassifier`, for each solution.

    Returns
    -------
    MKLPath
        Weights, objectives and certificates, in the order in which they were found.

    Raises
    ------
    ValueError
        If the criterion has neither C nor lam, or a value of the path is not positive.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from kernelopt.kernels import Gaussian, Linear
    >>> X, y = load_iris(return_X_y=True)
    >>> path = mkl_path([k(X, X) for k in (Linear(), Gaussian(1.0))], y, Cs=[10.0, 0.1, 1.0])
    >>> path.Cs, path.weights.shape, all(certificate.holds(1e-4) for certificate in path.certificates)
    (array([ 0.1,  1. , 10. ]), (3, 2), True)
    """
    base = make_criterion(criterion, NAMED, _has_strength, "a path")
    labels = base.targets == "labels"
    machine = (MKLClassifier if labels else MKLRegressor)(
        "precomputed",
        base,
        kernel_set,
        p,
        normalize=normalize,
        solver=solver,
        tol=tol,
        max_iter=max_iter,
        time_limit=time_limit,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    name = strength_name(base)
    values = grid(Cs if name == "C" else lams, name)
    stack = Ks if isinstance(Ks, KernelStack) else KernelStack.from_leading(Ks)
    X_, y_, w = machine._samples(stack, y, sample_weight)
    task = machine._task(X_, y_, w, base)
    found = list(walk(machine, task, [with_strength(base, name, value) for value in values]))
    certificates = tuple(solution.certificate for solution in found)
    return MKLPath(
        Cs=values if name == "C" else None,
        lams=values if name == "lam" else None,
        weights=np.array([solution.theta for solution in found]),
        objectives=np.array([certificate.primal for certificate in certificates]),
        certificates=certificates,
        n_iter=np.array([solution.n_iter for solution in found]),
        n_support=np.array([np.count_nonzero(np.any(solution.beta != 0, axis=1)) for solution in found]),
    )


def walk(machine: KernelMachine, task: Task, criteria: Sequence[Criterion]) -> Iterator[Solution]:
    """Fit a machine to one task with one criterion after the other, and yield each solution while it is fitted."""
    start = None
    for criterion, following in zip(criteria, [*criteria[1:], None], strict=True):
        machine.set_params(criterion=criterion)
        solution = machine._finish(task, criterion, start)
        yield solution
        if following is not None:  # coefficients at their bound stay there
            start = replace(solution, beta=solution.beta * (_strength(following) / _strength(criterion)))


def grid(values: Any, name: str) -> np.ndarray:
    """Return the values of C, ascending, or of lam, descending; a number stands for a grid of as many.

    Examples
    --------
    >>> grid(6, "C"), grid([0.1, 10.0, 1.0], "lam")
    (array([1.e-02, 1.e-01, 1.e+00, 1.e+01, 1.e+02, 1.e+03]), array([10. ,  1. ,  0.1]))
    """
    if isinstance(values, int | np.integer) and values >= 1:
        C = np.logspace(*ENDS, num=int(values))
        return C if name == "C" else 1 / C
    array = np.asarray(values, dtype=float) if np.ndim(values) == 1 else np.empty(0)
    if not len(array) or not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(f"{name}s must be a number of values, or an array of positive ones, found {values!r}")
    ascending = np.unique(array)
    return ascending if name == "C" else ascending[::-1]


def strength_name(criterion: Criterion) -> str:
    """Return "C" or "lam", whichever the criterion has.

    Raises
    ------
    ValueError
        If it has neither.
    """
    for name in ("C", "lam"):
        if hasattr(criterion, name):
            return name
    raise ValueError(f"criterion {criterion.name!r} has neither C nor lam to be chosen; use one that has")


def with_strength(criterion: Criterion, name: str, value: float) -> Criterion:
    """Return the criterion with another C or lam; a C is one over lam where the criterion has that."""
    own = strength_name(criterion)
    field: dict[str, Any] = {own: float(value) if own == name else 1 / float(value)}
    return replace(criterion, **field)  # type: ignore[type-var]


def _strength(criterion: Criterion) -> float:
    name = strength_name(criterion)
    value = float(getattr(criterion, name))
    return value if name == "C" else 1 / value


def _has_strength(criterion: Criterion) -> bool:
    return (hasattr(criterion, "C") or hasattr(criterion, "lam")) and not isinstance(criterion, KernelFisher)
