"""Sequential minimal optimisation: the machine at a fixed kernel, and its stand-in where nothing is compiled."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from kernelopt.compiled import core, say_once
from kernelopt.convex.solvers.box_qp import HUGE, BoxQP, FreeSystem
from kernelopt.convex.solvers.row_cache import RowCache
from kernelopt.kernels.rows import StoredKernels

BATCH = 16  # rows made at once
AFRESH = 5  # times that the gradient is made afresh
CHUNK = 200_000  # steps between two looks at the clock and at the keyboard
LIBSVM_STEPS = 1_000_000  # of one run, which looks at neither


def descend(qp: BoxQP, cache: RowCache, s: np.ndarray, g: np.ndarray, tol: float, max_iter: int) -> bool:
    """Move s, in place, until no pair of slopes differs by more than `tol`; g is (K + D) s - p and follows.

    Returns whether it got there within `max_iter` steps.
    """
    assert core is not None
    groups = len(qp.total)
    group = qp.group if groups > 1 else None
    d = qp.d if qp.d.any() else None
    curvature, scratch = cache.diagonal + qp.d, np.empty((2, len(s)))
    while True:
        status, steps, _, wanted, kept, used = core.smo(
            s, g, qp.lower, qp.upper, curvature, d, group, groups, qp.tube, cache.table, cache.slot, cache.used,
            cache.stack, tol, min(max_iter, CHUNK), scratch,
        )  # fmt: skip
        cache.filled(used)
        max_iter -= steps
        if status == 0:
            return True
        if status == 1:
            cache.fetch(_wanted(wanted, kept, g + scratch, cache), keep=kept)
        elif max_iter <= 0:
            return False


def _wanted(first: int, kept: int, slopes: np.ndarray, cache: RowCache) -> np.ndarray:
    """Return the row that is wanted, and those that are likely to be next: several at once are cheaper to make."""
    more = min(BATCH, len(cache.owner) // 4)
    score = np.maximum(-slopes[0], slopes[1])
    score[(cache.slot >= 0) | (np.abs(score) > HUGE / 2)] = -np.inf
    next_ones = np.argpartition(-score, more)[:more]
    next_ones = next_ones[np.isfinite(score[next_ones]) & (next_ones != first) & (next_ones != kept)]
    return np.append(first, next_ones)


def smo(K: np.ndarray, qp: BoxQP, tol: float = 1e-6, max_iter: int = 10_000_000) -> np.ndarray:
    r"""Solve a box QP for one kernel matrix; usable alone, as the oracle for a fixed kernel.

    Parameters
    ----------
    K : array of shape (n, n)
        Gram matrix, positive semidefinite where the sums of the groups vanish.
    qp : BoxQP
        The program, as `as_box_qp` gives it for a criterion.
    tol : float
        Largest difference of two slopes that is left, in the units of `qp.p` (libsvm's ``tol``).
    max_iter : int
        Steps; past it a `ConvergenceWarning` is given.

    Returns
    -------
    array of shape (n,)
        s, the coefficients of the decision function.

    Raises
    ------
    ValueError
        If K is not of the program's size, or holds NaN or infinite entries.

    Examples
    --------
    >>> from kernelopt.convex import Hinge
    >>> from kernelopt.convex.solvers.box_qp import as_box_qp
    >>> y = np.array([1.0, 1.0, -1.0, -1.0])
    >>> smo(np.outer(y, y) + np.eye(4), as_box_qp(Hinge(C=1.0), y, np.ones(4))).round(3)
    array([ 0.2,  0.2, -0.2, -0.2])
    """
    K, s = np.asarray(K), qp.start()
    if K.shape != (len(s), len(s)):
        raise ValueError(f"K must have shape {(len(s), len(s))}, found {K.shape}; give the Gram matrix of the program")
    if not np.isfinite(K).all():
        raise ValueError("K must be finite, found NaN or infinite entries; mend the kernel or its data")
    cache = RowCache(StoredKernels.of(K[None]))
    cache.reset(np.ones(1))
    g = _gradient(qp, cache, s)
    if qp.unbounded:
        return s - FreeSystem(cache.block(np.arange(len(s))), qp.d, qp.group, len(qp.total)).solve(g)
    if say_once():
        for _ in range(AFRESH):  # steps add up rounding in the gradient: the last word has one made afresh
            done = descend(qp, cache, s, g, tol, max_iter)
            g = _gradient(qp, cache, s)
            if not done or qp.violation(s, g) <= tol:
                break
    else:
        done = by_libsvm(qp, cache, s, g, tol)
    if not done:
        warnings.warn(
            f"sequential minimal optimisation stopped after {max_iter} steps with slopes that differ by "
            f"{qp.violation(s, g):.1e} (tol={tol:g})",
            ConvergenceWarning,
            stacklevel=2,
        )
    return s


def _gradient(qp: BoxQP, cache: RowCache, s: np.ndarray) -> np.ndarray:
    held = np.flatnonzero(s)
    return (cache.apply(held, s[held]) if len(held) else 0.0) + qp.d * s - qp.p


def by_libsvm(qp: BoxQP, cache: RowCache, s: np.ndarray, g: np.ndarray, tol: float) -> bool:
    """Do what `descend` does by scikit-learn's libsvm, from a cold start and with rows in single precision.

    s stays what it is where it is already within `tol`, or where libsvm's answer is no better.
    """
    from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM

    before = qp.violation(s, g)
    if before <= tol:
        return True
    n = len(s)
    K = cache.block(np.arange(n))
    K[np.diag_indices(n)] += qp.d
    # Without a linear term the kernel alone sets the unit of slopes, and libsvm's own is one.
    unit = 1.0 if qp.p.any() else float(np.abs(K).max()) or 1.0
    options = {"kernel": "precomputed", "tol": max(tol / unit, 1e-9), "cache_size": 500, "max_iter": LIBSVM_STEPS}
    size = np.maximum(np.abs(qp.lower), np.abs(qp.upper))
    if size.max() >= HUGE:  # no bound: one that none will meet, as s'Ds is at most p'D^-1 p at the optimum
        size = 2.0 * np.sqrt(np.sum(qp.p**2 / qp.d) / qp.d)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if len(qp.total) == 2:
            half = abs(float(qp.total[0]))
            machine = NuSVC(nu=2 * half / float(size.sum()), **options)
            coef = machine.fit(K / unit, 1 - qp.group, sample_weight=size / size.mean()).dual_coef_[0]
            coef = coef * (2 * half / float(np.abs(coef).sum()))
        elif not qp.p.any():
            machine = OneClassSVM(nu=float(qp.total[0]) / float(size.sum()), **options)
            coef = machine.fit(K / unit, sample_weight=size / size.mean()).dual_coef_[0]
            coef = coef * (float(qp.total[0]) / float(coef.sum()))
        elif np.all((qp.lower < 0) & (qp.upper > 0)):
            machine = SVR(C=1.0, epsilon=qp.tube, **options).fit(K, qp.p, sample_weight=size)
            coef = machine.dual_coef_[0]
        else:
            machine = SVC(C=1.0, **options).fit(K, np.sign(qp.p), sample_weight=size)
            coef = machine.dual_coef_[0]
    new = np.zeros(n)
    new[machine.support_] = coef
    near = 1e-12 * size  # what the way to our units rounds away
    new = np.where(new <= qp.lower + near, qp.lower, np.where(new >= qp.upper - near, qp.upper, new))
    slope = K @ new - qp.p
    sums = np.bincount(qp.group, new, minlength=len(qp.total))[: len(qp.total)]
    # A margin of zero leaves libsvm's units undefined.
    feasible = np.isfinite(new).all() and np.allclose(sums, qp.total, rtol=1e-9, atol=1e-9 * float(np.abs(new).sum()))
    after = qp.violation(new, slope) if feasible else np.inf
    if after < before:
        s[:], g[:] = new, slope
    return min(before, after) <= 2 * tol
