"""What mathematics says of every optimum, whoever computes it: invariances, orders, scales, and broken proofs."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose

from kernelopt.convex import (
    ConvexLoss,
    EpsilonSVR,
    HardMargin,
    Hinge,
    KernelFisher,
    LeastSquares,
    Logistic,
    NuSVM,
    NuSVR,
    OneClass,
    Problem,
    PSDSpan,
    Simplex,
    SquaredHinge,
    TraceBudget,
)
from kernelopt.convex.criteria import Huber
from kernelopt.convex.pairs import sees_balanced_only
from kernelopt.convex.solvers import Conic, InteriorPoint
from kernelopt.errors import UnboundedError
from kernelopt.kernels import Gaussian, Linear, OnColumns
from kernelopt.kernels.rows import StoredKernels
from tests.convex.problems import CRITERIA, MACHINES, PAIRS, SETS, small

SOLVER = InteriorPoint(tol=1e-8)
RTOL = 1e-7


@cache
def solved(criterion: str, kernel_set: str):
    task = small(CRITERIA[criterion], SETS[kernel_set])
    return task, SOLVER.solve(task)


def matrices(task: Problem) -> np.ndarray:
    return np.stack([task.kernels.mix(e) for e in np.eye(task.kernels.n_kernels)])


def optimum(task: Problem, Ks, criterion=None, kernel_set=None, rows=slice(None)) -> float:
    """The value with other matrices, on the samples in another order."""
    kernels = StoredKernels.of(np.asarray(Ks))
    changed = replace(
        task,
        kernels=kernels,
        Y=task.Y[rows],
        w=task.w[rows],
        criterion=criterion or task.criterion,
        kernel_set=kernel_set or task.kernel_set,
    )
    return SOLVER.solve(changed).certificate.primal


# --- invariances


@pytest.mark.parametrize("criterion, kernel_set", PAIRS)
def test_the_order_of_kernels_and_of_samples_does_not_matter(criterion, kernel_set):
    task, solution = solved(criterion, kernel_set)
    rng, Ks, value = np.random.default_rng(0), matrices(task), solution.certificate.primal
    rows = rng.permutation(16)
    assert_allclose(optimum(task, Ks[:, rows][:, :, rows], rows=rows), value, rtol=RTOL)
    order = [2, 3, 0, 1] if task.kernel_set.name == "groups" else rng.permutation(4)  # groups: a b a b
    pairs = getattr(task.kernel_set, "gram", None)  # of hyperkernels, one row per kernel
    ordered = None if pairs is None else replace(task.kernel_set, gram=pairs[np.ix_(order, order)])
    assert_allclose(optimum(task, Ks[order], kernel_set=ordered), value, rtol=RTOL)


SPLITS = ("simplex", "trace 7", "lp 1", "radius", "psd_span 7", "frobenius", "uncentred frobenius")  # weight is shared


@pytest.mark.parametrize("criterion, kernel_set", [pair for pair in PAIRS if pair[1] in SPLITS])
def test_a_kernel_that_comes_twice_counts_once(criterion, kernel_set):
    task, solution = solved(criterion, kernel_set)
    Ks = matrices(task)
    assert_allclose(optimum(task, Ks[[0, 1, 1, 2, 3, 3]]), solution.certificate.primal, rtol=RTOL)


@pytest.mark.parametrize(
    "criterion, kernel_set", [pair for pair in PAIRS if sees_balanced_only(CRITERIA[pair[0]], SETS[pair[1]])]
)
def test_a_constant_on_a_kernel_is_absorbed_by_the_intercept(criterion, kernel_set):
    task, solution = solved(criterion, kernel_set)
    moved = matrices(task) + np.array([0.0, 3.0, 0.1, 1.0])[:, None, None]
    assert_allclose(optimum(task, moved), solution.certificate.primal, rtol=RTOL)


# --- laws of scale: omega(sK, C/s) = omega(K, C)/s for whatever is half a norm and C times a loss

SCALED = {
    "hinge": lambda s: (Hinge(2.0 / s), 1 / s),
    "squared_hinge": lambda s: (SquaredHinge(3.0 / s), 1 / s),
    "hard_margin": lambda s: (HardMargin(), 1 / s),
    "logistic": lambda s: (Logistic(2.0 / s), 1 / s),
    "least_squares": lambda s: (LeastSquares(0.3 * s), 1 / s),
    "ridge without intercept": lambda s: (LeastSquares(0.3 * s, intercept=False), 1 / s),
    "epsilon_svr": lambda s: (EpsilonSVR(2.0 / s, 0.2), 1 / s),
    "nu_svr": lambda s: (NuSVR(2.0 / s, 0.4), 1 / s),
    "huber": lambda s: (ConvexLoss(Huber(0.5), 0.2 * s), 1 / s),
    "fisher": lambda s: (KernelFisher(0.05 * s), 1.0),  # a ratio: it has no unit
    "nu_svm": lambda s: (NuSVM(0.4), s),  # their loss has no free size, so the norm alone scales
    "one_class": lambda s: (OneClass(0.4), s),
}


@pytest.mark.parametrize("size", [1e-3, 7.0, 1e4])
@pytest.mark.parametrize("criterion", SCALED)
def test_the_law_of_scale(criterion, size):
    task, solution = solved(criterion, "simplex")
    changed, factor = SCALED[criterion](size)
    value = optimum(task, size * matrices(task), changed)
    assert_allclose(value, factor * solution.certificate.primal, rtol=RTOL)


@pytest.mark.parametrize("criterion", ["hinge", "squared_hinge", "least_squares"])
def test_one_kernel_in_a_trace_budget_is_that_kernel_times_c_over_its_trace(criterion):
    task, _ = solved(criterion, "simplex")
    K = matrices(task)[[2]]
    for kernel_set in (TraceBudget(5.0), PSDSpan(5.0)):
        budgeted = optimum(task, K, kernel_set=kernel_set)
        assert_allclose(budgeted, optimum(task, K * (5.0 / np.trace(K[0])), kernel_set=Simplex()), rtol=RTOL)


def test_a_hard_margin_is_inverse_to_the_trace():
    for kernel_set in (TraceBudget, PSDSpan):
        task, _ = solved("hard_margin", "simplex")
        values = [c * optimum(task, matrices(task), kernel_set=kernel_set(c)) for c in (0.1, 1.0, 30.0)]
        assert_allclose(values, values[0], rtol=RTOL)


# --- orders


@pytest.mark.parametrize("criterion", [c for c, s in PAIRS if s == "psd_span 7"])
def test_more_kernels_are_no_worse_and_free_signs_no_worse_than_nonnegative_weights(criterion):
    task = small(CRITERIA[criterion], PSDSpan(7.0))
    Ks, slack = matrices(task), 1 + 1e-7
    sdp = [optimum(task, Ks[:m]) for m in (1, 2, 3, 4)]
    qcqp = [optimum(task, Ks[:m], kernel_set=TraceBudget(7.0)) for m in (1, 2, 3, 4)]
    worse = [*zip(sdp[1:], sdp[:-1], strict=True), *zip(qcqp[1:], qcqp[:-1], strict=True), *zip(sdp, qcqp, strict=True)]
    assert all(low <= high + (slack - 1) * abs(high) for low, high in worse)
    # Rank one, orthonormal: semidefinite means nonnegative weights, and the two are one.
    vectors = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))[0]
    Ks = np.einsum("ik,jk->kij", vectors, vectors) if criterion == "hard_margin" else None
    Ks = np.einsum("ik,jk->kij", vectors[:, :5], vectors[:, :5]) if Ks is None else Ks
    assert_allclose(optimum(task, Ks), optimum(task, Ks, kernel_set=TraceBudget(7.0)), rtol=1e-6)


@pytest.mark.parametrize("criterion", MACHINES)
def test_learning_is_no_worse_than_any_kernel_alone_and_omega_is_convex_in_the_kernel(criterion):
    task, _ = solved(criterion, "simplex")
    Ks, rng = matrices(task), np.random.default_rng(0)
    Ks = Ks + 1.0 if criterion == "one_class" else Ks  # away from the origin, from which it parts all samples

    def omega(theta):
        try:
            return optimum(task, np.tensordot(theta, Ks, 1)[None])
        except UnboundedError:
            return np.inf

    value, singles = optimum(task, Ks), [omega(e) for e in np.eye(4)]
    size = max(map(abs, [value, *(s for s in singles if s < np.inf)]))
    assert value <= min(singles) + 1e-7 * size
    for _ in range(3):
        one, two = rng.dirichlet(np.ones(4), 2)
        assert omega((one + two) / 2) <= (omega(one) + omega(two)) / 2 + 1e-7 * size


def test_a_ridge_that_is_learned_is_no_worse_than_a_ridge_of_one():
    """Eq. (47) of Lanckriet et al.: the identity among the kernels, on the budget that its weight one would take."""
    task, _ = solved("hard_margin", "simplex")
    Ks = matrices(task)
    Ks = Ks / np.trace(Ks, axis1=1, axis2=2)[:, None, None] * 16
    learned = optimum(task, [*Ks, np.eye(16)], HardMargin(), TraceBudget(5 * 16.0))
    fixed = optimum(task, Ks, SquaredHinge(1.0), TraceBudget(4 * 16.0))
    assert learned <= fixed * (1 + 1e-8)


@pytest.mark.parametrize("criterion", ["hinge", "squared_hinge", "hard_margin", "least_squares"])
def test_at_the_optimum_kernels_with_weight_have_the_largest_quadratic_form_per_trace(criterion):
    """The conditions of Karush, Kuhn and Tucker: s_k / r_k = t where mu_k > 0, and at most t elsewhere."""
    columns = [OnColumns(Gaussian(5.0), (j,)) for j in range(3)] + [Linear()]
    task = small(CRITERIA[criterion], TraceBudget(7.0), kernels=columns)
    solution = SOLVER.solve(task)
    q = task.quadratics(task.criterion.V(solution.a, task.Y)) / task.kernels.traces
    share = solution.theta * task.kernels.traces / 7.0
    assert_allclose(share.sum(), 1, rtol=1e-9)
    assert (share * (q.max() - q)).max() < 1e-5 * q.max()
    assert (share > 1e-3).sum() >= 2  # a case in which it says something


UNIQUE = [("hinge", "lp 2"), ("squared_hinge", "squared lp 2"), ("least_squares", "simplex"), ("logistic", "groups")]


@pytest.mark.parametrize("criterion, kernel_set", [*UNIQUE, ("hinge", "trace 7"), ("squared_hinge", "psd_span 7")])
def test_multipliers_of_the_dual_program_are_the_weights(criterion, kernel_set):
    """Where weights are unique: those that Clarabel finds as multipliers, and those that are iterated upon."""
    task, solution = solved(criterion, kernel_set)
    scale = np.abs(solution.theta).max()
    assert_allclose(Conic().solve(task).theta / scale, solution.theta / scale, atol=1e-3)


# --- the certificate sees every broken constraint, on its own


@pytest.mark.parametrize("criterion, kernel_set", PAIRS)
def test_numbers_that_are_none_prove_nothing(criterion, kernel_set):
    task, solution = solved(criterion, kernel_set)
    for name in ("theta", "beta", "intercept", "a", "witness"):
        if getattr(solution, name) is None:
            continue
        for bad in (np.nan, np.inf):
            spoiled = np.array(getattr(solution, name), dtype=float)
            spoiled.flat[0] = bad
            found = task.certify(replace(solution, **{name: spoiled}))
            assert found.infeasibility == np.inf and not found.holds(1e9), name


SIGNED = {
    name for name in SETS if SETS[name].name in ("psd_span", "hyper_span") or getattr(SETS[name], "free_sign", False)
}
PRICED = {name for name in SETS if SETS[name].name in ("squared_lp", "frobenius")} | {
    name for name in SETS if getattr(SETS[name], "c", 1.0) is None and name.startswith("hyper")
}  # any size, at a price


@pytest.mark.parametrize("kernel_set", SETS)
def test_each_constraint_on_the_weights_broken_alone_is_seen(kernel_set):
    criterion = next(c for c, s in PAIRS if s == kernel_set)
    task, solution = solved(criterion, kernel_set)
    theta = solution.theta
    assert task.certify(solution).infeasibility < 1e-7
    if kernel_set not in PRICED:
        assert task.certify(replace(solution, theta=1.2 * theta)).infeasibility > 0.04  # size
    unit = np.abs(theta).max()
    spoiled = theta.copy()
    if kernel_set.startswith("hyper_span"):  # the same, at the same sum of the weights
        spoiled = theta + 30 * unit * np.array([1.0, -1.0, 1.0, -1.0])
        assert np.linalg.eigvalsh(task.kernels.mix(spoiled))[0] < 0
    elif kernel_set in SIGNED:  # a direction along which the kernel stops being semidefinite, at the same trace
        k = int(np.argmin(np.abs(task.kernels.traces - np.median(task.kernels.traces))))
        direction = np.zeros(4)
        direction[k], direction[(k + 1) % 4] = -1.0, task.kernels.traces[k] / task.kernels.traces[(k + 1) % 4]
        spoiled = theta + 2 * unit * direction
        assert np.linalg.eigvalsh(task.kernels.mix(spoiled))[0] < 0
    else:
        spoiled[int(np.argmin(theta))] = -0.2 * unit  # sign
    assert task.certify(replace(solution, theta=spoiled)).infeasibility > 1e-3


# Each breaks one constraint of A and keeps the others: of a (n, 1), labels or targets y and the optimum's own entries.
def _balance(a, y):
    return a * np.where(y > 0, 1.0, 0.9)  # stays in a box with a zero corner, and in the sign


def _shift(a, y):
    return a + 0.05 * np.abs(a).max()


def _grow(a, y):
    return a * (50.0 / np.abs(a).max())  # as balanced as before, beyond any bound there is


BROKEN = {
    "hinge": {"balance": _balance, "box": _grow, "sign": lambda a, y: -0.3 * a},
    "squared_hinge": {"balance": _balance, "sign": lambda a, y: -0.3 * a},
    "hard_margin": {"balance": _balance, "sign": lambda a, y: -0.3 * a},
    "lagrangian": {"sign": lambda a, y: -0.3 * a},
    "nu_svm": {"balance": _balance, "sum": lambda a, y: 0.8 * a, "box": _grow},
    "logistic": {"balance": _balance, "box": lambda a, y: 1.0 - a + 2.0},
    "least_squares": {"balance": _shift},
    "epsilon_svr": {"balance": _shift, "box": _grow},
    "nu_svr": {"balance": _shift, "box": _grow},
    "one_class": {"sum": lambda a, y: 0.8 * a, "sign": lambda a, y: 1.5 * a - 0.5 * a.mean()},
    "fisher": {"class sums": lambda a, y: 0.9 * a, "one class": _balance},
    "huber": {"balance": _shift, "slopes": _grow},
    "pinball": {"balance": _shift, "slopes": _grow},
}


@pytest.mark.parametrize("criterion, kernel_set", [p for p in PAIRS if p[0] in BROKEN])
def test_each_constraint_on_the_dual_variables_broken_alone_is_seen(criterion, kernel_set):
    task, solution = solved(criterion, kernel_set)
    for name, spoil in BROKEN[criterion].items():
        found = task.certify(replace(solution, a=spoil(solution.a, task.Y)))
        assert found.infeasibility > 1e-3, (name, found)
        assert not found.holds(1e-3)
