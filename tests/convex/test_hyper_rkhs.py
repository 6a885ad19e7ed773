"""Slices of a hyperkernel and their prices: three forms of one program, fixed kernels against scikit-learn, bounds."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import eigvalsh
from scipy.optimize import linprog, minimize
from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM
from sklearn.svm import NuSVR as SklearnNuSVR

from kernelopt.convex import (
    EpsilonSVR,
    HardMargin,
    Hinge,
    HyperNorm,
    HyperSpan,
    HyperSquared,
    LagrangianSVM,
    LeastSquares,
    Logistic,
    NuSVM,
    NuSVR,
    OneClass,
    Problem,
    Simplex,
    SquaredHinge,
)
from kernelopt.convex.solvers import Conic, CutSpan, InteriorPoint, WorkingSetNewton, choose
from kernelopt.kernels import ARDHarmonic, GaussianHarmonic, hyper_pivots
from kernelopt.kernels.rows import StoredKernels

CRITERIA = {
    "(27) C-SVM": Hinge(3.0),
    "(28) nu-SVM": NuSVM(0.4),
    "(29) Lagrangian": LagrangianSVM(3.0),
    "(30) one class": OneClass(0.4),
    "(31) nu-SVR": NuSVR(2.0, 0.4),
    "squared hinge": SquaredHinge(3.0),
    "epsilon-SVR": EpsilonSVR(2.0, 0.2),
    "least squares": LeastSquares(0.5),
}


def data(n=22, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    score = X[:, 0] + X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=n)
    return X, score


def problem(criterion, kernel_set, n=22, seed=0, tol=1e-3, c=1.0, lam=2.0, rank=None):
    X, score = data(n, seed)
    found = hyper_pivots(ARDHarmonic((0.4, 0.8), 0.6), X, tol, rank)
    y = score if criterion.targets == "values" else np.where(score > 0, 1.0, -1.0)
    made = kernel_set(found.gram, lam, c)
    return Problem(StoredKernels.of(found.slices), y[:, None], criterion, made, np.ones(n))


# ---- SDP = SOCP dual = SOCP primal = fast


@pytest.mark.parametrize("kernel_set, c", [(HyperNorm, 2.0), (HyperSquared, 2.0), (HyperSquared, None)])
@pytest.mark.parametrize("name", CRITERIA)
def test_three_forms_and_the_fast_solvers_agree(name, kernel_set, c):
    for lam in (1.0, 30.0) if c else (1e-3, 0.03):  # weight on one slice, and on several
        task = problem(CRITERIA[name], kernel_set, lam=lam, c=c)
        solutions = [Conic(form=form).solve(task) for form in ("cones", "sdp", "primal")]
        solutions += [InteriorPoint(tol=1e-8).solve(task), choose("auto", task, tol=1e-8).solve(task)]
        values = np.array([s.certificate.primal for s in solutions])
        assert all(s.certificate.holds(1e-6) for s in solutions), [s.certificate for s in solutions]
        assert np.ptp(values) <= 1e-6 * np.abs(values).max()


@pytest.mark.parametrize("name", CRITERIA)
def test_the_value_of_the_semidefinite_program_is_the_optimum(name):
    """Not only its weights: the number that the program itself ends with, for the printed problem."""
    from kernelopt.convex.solvers import conic_hyper

    task = problem(CRITERIA[name], HyperNorm, lam=5.0, c=2.0)
    fast = InteriorPoint(tol=1e-9).solve(task).certificate.primal
    for form in ("sdp", "primal"):
        program = conic_hyper.primal(task, form).program
        with warnings.catch_warnings(), np.errstate(divide="ignore"):
            warnings.simplefilter("ignore", UserWarning)  # how accurate it is, is what is asked here
            program.solve(solver="CLARABEL", tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
        assert program.value == pytest.approx(fast, rel=2e-6)


@pytest.mark.parametrize(
    "criterion", [Hinge(3.0), LagrangianSVM(3.0), LeastSquares(0.5), SquaredHinge(2.0), NuSVM(0.4)]
)
@pytest.mark.parametrize("c", [None, 1.0])
def test_free_signs_agree_too(criterion, c):
    task = problem(criterion, HyperSpan, n=16, tol=1e-2, c=c)
    solutions = [Conic().solve(task), Conic(form="sdp").solve(task)]
    solutions += [InteriorPoint(tol=1e-8).solve(task), CutSpan(tol=1e-8).solve(task)]
    assert all(s.certificate.holds(1e-6) for s in solutions), [s.certificate for s in solutions]
    values = np.array([s.certificate.primal for s in solutions])
    assert np.ptp(values) <= 1e-6 * np.abs(values).max()
    bound = problem(criterion, HyperSquared, n=16, tol=1e-2, c=c)
    assert values.min() <= InteriorPoint(tol=1e-8).solve(bound).certificate.primal + 1e-8
    for s in solutions[2:]:
        K = task.kernels.mix(s.theta)
        assert eigvalsh(K)[0] >= -1e-9 * np.trace(K)


def test_alignment_form_32_is_least_squares_without_a_ridge():
    r"""Minimise y'K⁻¹y / 2 + lam ||R beta|| / 2: against SLSQP on the weights."""
    task = problem(LeastSquares(0.0, intercept=False), HyperNorm, n=9, tol=1e-8, c=1.0, lam=30.0)
    y, M, c = task.Y[:, 0], task.kernel_set.gram, 1.0

    def value(beta):
        K = task.kernels.mix(beta)
        return 0.5 * y @ np.linalg.solve(K, y) + 15.0 * np.sqrt(beta @ M @ beta)

    p = len(M)
    found = min(
        (
            minimize(value, start, bounds=[(0, None)] * p, constraints={"type": "eq", "fun": lambda b: b.sum() - c}).fun
            for start in (np.full(p, 1 / p), np.eye(p)[0] * 0.9 + 0.1 / p)
        ),
    )
    for solver in (InteriorPoint(tol=1e-8), Conic(form="sdp")):
        solution = solver.solve(task)
        assert solution.certificate.primal == pytest.approx(found, rel=1e-4)
        assert solution.certificate.dual <= found * (1 + 1e-9)


# ---- one fixed kernel: the dual of scikit-learn


def fixed(criterion):
    """The problem with one slice, and its kernel."""
    task = problem(criterion, HyperNorm, rank=1, c=1.5, n=24)
    return task, 1.5 * task.kernels.Ks[0]


@pytest.mark.parametrize("form", ["sdp", "primal"])
def test_one_slice_is_scikit_learns_machine(form):
    n = 24
    tight = dict(kernel="precomputed", tol=1e-10)

    def omega(task):
        solution = Conic(form=form).solve(task)
        assert solution.certificate.holds(1e-6)
        return solution, solution.certificate.primal - task.kernel_set.R(np.array([1.5]), task.kernels)

    task, K = fixed(Hinge(3.0))  # (27), C/m = 3
    y = task.Y[:, 0]
    svc = SVC(C=3.0, **tight).fit(K, y)
    v = np.zeros(n)
    v[svc.support_] = svc.dual_coef_[0]
    solution, value = omega(task)
    assert value == pytest.approx(np.abs(v).sum() - 0.5 * v @ K @ v, rel=1e-5)
    assert_allclose(K @ solution.beta[:, 0] + solution.intercept, svc.decision_function(K), atol=2e-3)

    task, K = fixed(NuSVM(0.4))  # (28): libsvm's variables are n rho times ours
    svc = NuSVC(nu=0.4, **tight).fit(K, y)
    v = np.zeros(n)
    v[svc.support_] = svc.dual_coef_[0]
    v *= 0.4 / np.abs(v).sum()
    assert omega(task)[1] == pytest.approx(-0.5 * v @ K @ v, rel=1e-5)

    task, K = fixed(LagrangianSVM(3.0))  # (29): a hard margin on K + 11' + I/C, without an intercept
    H = (K + 1 + np.eye(n) / 3.0) * np.outer(y, y)
    exact = minimize(
        lambda a: 0.5 * a @ H @ a - a.sum(),
        np.full(n, 0.1),
        jac=lambda a: H @ a - 1,
        bounds=[(0, None)] * n,
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10000},
    ).fun
    assert omega(task)[1] == pytest.approx(-exact, rel=1e-6)

    task, K = fixed(OneClass(0.4))  # (30): libsvm's sum is nu n
    svc = OneClassSVM(nu=0.4, **tight).fit(K)
    v = np.zeros(n)
    v[svc.support_] = svc.dual_coef_[0] / (0.4 * n)
    assert omega(task)[1] == pytest.approx(-0.5 * v @ K @ v, rel=1e-5)

    task, K = fixed(NuSVR(2.0, 0.4))  # (31)
    target = task.Y[:, 0]
    svr = SklearnNuSVR(C=2.0, nu=0.4, **tight).fit(K, target)
    v = np.zeros(n)
    v[svr.support_] = svr.dual_coef_[0]
    assert omega(task)[1] == pytest.approx(target @ v - 0.5 * v @ K @ v, rel=2e-5)

    task, K = fixed(EpsilonSVR(2.0, 0.2))
    svr = SVR(C=2.0, epsilon=0.2, **tight).fit(K, target)
    v = np.zeros(n)
    v[svr.support_] = svr.dual_coef_[0]
    assert omega(task)[1] == pytest.approx(target @ v - 0.2 * np.abs(v).sum() - 0.5 * v @ K @ v, rel=1e-5)


def test_the_printed_ridge_of_29_is_not_that_of_the_printed_loss():
    """Mean squared slack over lam, an erratum: the ridge is lam m / 2; with lam m the optimum is another one."""
    task, K = fixed(LagrangianSVM(3.0))
    n, y = 24, task.Y[:, 0]
    lam = 2 / (3.0 * n)  # so that C = 2 / (lam m)
    values = []
    for ridge in (lam * n / 2, lam * n):
        H = (K + 1 + ridge * np.eye(n)) * np.outer(y, y)
        best = minimize(
            lambda a, H=H: 0.5 * a @ H @ a - a.sum(),
            np.full(n, 0.1),
            jac=lambda a, H=H: H @ a - 1,
            bounds=[(0, None)] * n,
            method="L-BFGS-B",
            options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10000},
        )
        values.append(-best.fun)
    solution = InteriorPoint(tol=1e-9).solve(task)
    f, b = K @ solution.beta[:, 0], float(solution.intercept[0])
    slack = np.maximum(0, 1 - y * (f + b))
    loss = np.mean(slack**2) / lam + 0.5 * b**2 + 0.5 * solution.beta[:, 0] @ f
    assert loss == pytest.approx(values[0], rel=1e-6) and values[1] < 0.95 * loss


def test_the_printed_predictor_of_27_is_not_that_of_the_machine():
    """K (y o G†z) is; K G† (y o z), as printed, is not."""
    task, K = fixed(Hinge(3.0))
    solution = InteriorPoint(tol=1e-9).solve(task)
    y, v = task.Y[:, 0], solution.beta[:, 0]
    G = K * np.outer(y, y) + 1e-9 * np.eye(24)
    z = G @ (y * v)  # what the program calls gamma y + 1 + eta - xi
    right, printed = K @ (y * np.linalg.solve(G, z)), K @ np.linalg.solve(G, y * z)
    assert_allclose(right, K @ v, atol=1e-5)
    assert np.abs(printed - K @ v).max() > 0.1


# ---- the sets


def pair_gram(p, seed=0, tilt=1.0):
    A = np.abs(np.random.default_rng(seed).normal(size=(p, p + 2))) * np.logspace(0, -tilt, p + 2)
    return A @ A.T / p + 1e-6 * np.eye(p)


SUPPORTS = [(HyperNorm, 0.7), (HyperSquared, 0.7), (HyperSquared, None)]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.sampled_from([1e-6, 1.0, 1e5]), lam=st.sampled_from([1e-3, 1.0, 1e3]))
@pytest.mark.parametrize("kind, c", SUPPORTS)
def test_support_is_an_upper_bound_that_some_weights_reach(kind, c, seed, size, lam):
    rng = np.random.default_rng(seed)
    p = int(rng.integers(1, 8))
    M = pair_gram(p, seed)
    kernel_set, q = kind(M, lam, c), size * np.abs(rng.normal(size=p))
    bound = kernel_set.support(q, None)
    trials = rng.dirichlet(np.full(p, 0.3), size=200) * (c or size / lam)
    values = trials @ q - [kernel_set.R(b, None) for b in trials]
    assert values.max() <= bound + 1e-9 * max(abs(bound), size)
    # ... and the bound is reached: a small conic program of its own
    import cvxpy as cp

    if lam * (c or 1.0) > 1e4 * size:
        return  # where the price is all there is, the conic solver has no digits for the rest
    unit = c or size / lam
    b = cp.Variable(p, nonneg=True)
    root = np.linalg.cholesky(M).T @ b
    scale = unit * size
    if kind is HyperNorm:
        price = (lam * unit / 2 / scale) * cp.norm(root)
    else:
        price = (lam * unit**2 / 2 / scale) * cp.sum_squares(root)
    sums = [] if c is None else [cp.sum(b) == 1]
    cp.Problem(cp.Maximize((q / size) @ b - price), sums).solve(solver=cp.CLARABEL)
    best = np.maximum(b.value, 0)
    best = unit * (best if c is None else best / best.sum())
    reached = best @ q - kernel_set.R(best, None)
    assert bound - reached <= 2e-5 * max(abs(bound), abs(reached), abs(best @ q))


@pytest.mark.parametrize("kind, c", SUPPORTS)
def test_support_is_a_bound_however_badly_its_least_squares_are_solved(kind, c, monkeypatch):
    rng = np.random.default_rng(0)
    for seed in range(20):
        M, q = pair_gram(5, seed), np.abs(rng.normal(size=5))
        exact = kind(M, 1.0, c)
        best = exact.support(q, None)
        for size in (0.0, 0.1, 1.0, 10.0):
            poor = size * rng.dirichlet(np.ones(5))
            with monkeypatch.context() as patch:
                patch.setattr(kind, "_nonnegative", lambda self, q, poor=poor: poor)
                assert exact.support(q, None) >= best * (1 - 1e-9)


def test_support_of_the_squared_norm_without_a_sum_is_nonnegative_least_squares():
    M = pair_gram(5, 3)
    q = np.array([1.0, 0.2, 0.0, 2.0, 0.5])
    found = minimize(
        lambda b: 0.5 * 2.0 * b @ M @ b - q @ b, np.ones(5), jac=lambda b: 2.0 * M @ b - q, bounds=[(0, None)] * 5
    )
    assert HyperSquared(M, 2.0).support(q, None) == pytest.approx(-found.fun, rel=1e-6)


def test_support_for_a_tiny_price_is_that_of_the_simplex():
    q, M = np.array([0.3, 2.0, 1.9]), pair_gram(3)
    value = linprog(-q, A_eq=np.ones((1, 3)), b_eq=[1.5], bounds=[(0, None)] * 3).fun
    for kind in (HyperNorm, HyperSquared):
        assert kind(M, 1e-9, 1.5).support(q, None) == pytest.approx(-value, rel=1e-8)
    assert 1.5 * Simplex().support(q, None) == pytest.approx(-value)


@pytest.mark.parametrize("kind", [HyperNorm, HyperSquared, HyperSpan])
def test_prices_have_the_derivatives_they_say(kind):
    M = pair_gram(4)
    kernel_set = kind(M, 1.7, 1.0)
    price, y, step = kernel_set.price(), np.array([0.1, 0.5, 0.2, 0.2]), 1e-5
    for j, e in enumerate(step * np.eye(4)):
        slope = (kernel_set.R(y + e, None) - kernel_set.R(y - e, None)) / (2 * step)
        assert price.gradient(y)[j] == pytest.approx(slope, rel=1e-7)
        assert_allclose(price.hessian(y)[j], (price.gradient(y + e) - price.gradient(y - e)) / (2 * step), atol=1e-6)


def test_witness_of_any_quality_bounds_the_free_set():
    task = problem(Hinge(3.0), HyperSpan, n=14, tol=1e-2, c=1.0)
    solution = InteriorPoint(tol=1e-9).solve(task)
    a, _ = task.criterion.project(solution.a, task.Y, task.w)
    best = task.dual(a, solution.witness)
    rng = np.random.default_rng(0)
    for reach in (0.0, 1e-3, 1.0):
        for _ in range(5):
            Z = solution.witness + reach * np.abs(solution.witness).max() * rng.normal(size=(14, 14))
            assert task.dual(a, Z) <= solution.certificate.primal
    assert best == pytest.approx(solution.certificate.primal, rel=1e-8)


def test_what_sets_refuse():
    M = pair_gram(3)
    with pytest.raises(ValueError, match="needs the scale c"):
        HyperNorm(M, 1.0, None)
    for kind in (HyperNorm, HyperSquared, HyperSpan):
        with pytest.raises(ValueError, match="lam must be positive"):
            kind(M, 0.0, 1.0)
        with pytest.raises(ValueError, match="c must be positive"):
            kind(M, 1.0, -1.0)
        with pytest.raises(ValueError, match="positive definite"):
            kind(np.ones((2, 2)), 1.0, 1.0)
        with pytest.raises(ValueError, match="symmetric"):
            kind(np.arange(4.0).reshape(2, 2), 1.0, 1.0)
        task = Problem(StoredKernels.of(np.stack([np.eye(4)] * 2)), np.ones((4, 1)), Hinge(), kind(M), np.ones(4))
        for solver in (InteriorPoint(), Conic(), Conic(form="sdp")):
            with pytest.raises(ValueError, match="3 pairs, but there are 2 kernels"):
                solver.solve(task)


def test_forms_are_for_hyperkernels_only():
    plain = Problem.of(np.stack([np.eye(4)]), [1, 1, -1, -1], Hinge(), Simplex())
    with pytest.raises(ValueError, match="slices of a hyperkernel"):
        Conic(form="sdp").solve(plain)
    with pytest.raises(ValueError, match="form must be one of"):
        Conic(form="linear")
    with pytest.raises(ValueError, match="use form='sdp' for free signs"):
        Conic(form="primal").solve(problem(Hinge(), HyperSpan, n=10))
    with pytest.raises(NotImplementedError, match="no semidefinite form"):
        Conic(form="sdp").solve(problem(Logistic(), HyperNorm, n=10))


def test_without_a_scale_the_one_class_machine_has_no_optimum_but_zero_or_minus_infinity():
    """Why c is asked for: the objective of a multiple of any weights is that multiple."""
    task = problem(OneClass(0.4), HyperNorm, n=12, c=1.0)
    for factor in (0.1, 10.0, 1000.0):
        larger = problem(OneClass(0.4), HyperNorm, n=12, c=factor)
        one, other = (InteriorPoint(tol=1e-9).solve(t).certificate.primal for t in (task, larger))
        assert other == pytest.approx(factor * one, rel=1e-6)


# ---- semidefinite where it is claimed


def test_nonnegative_weights_are_a_kernel_at_new_points_and_free_ones_need_not_be():
    X, _ = data(20)
    Z = np.random.default_rng(9).normal(size=(15, 2)) * 2
    hyper = GaussianHarmonic(0.5, 0.6)
    found = hyper_pivots(hyper, X, 1e-6)
    both, rng = np.vstack([X, Z]), np.random.default_rng(1)
    slices = np.stack([hyper.slice(f, both) for f in found.features.T])
    indefinite = 0
    for _ in range(100):
        beta = rng.dirichlet(np.ones(len(slices)))
        K = np.tensordot(beta, slices, 1)
        assert eigvalsh(K)[0] >= -1e-12 * np.trace(K)
        K = np.tensordot(rng.normal(size=len(slices)), slices, 1)
        indefinite += eigvalsh(K)[0] < -1e-6 * np.abs(K).max() and eigvalsh(K)[-1] > 1e-6 * np.abs(K).max()
    assert indefinite > 20


@pytest.mark.parametrize("solver", [InteriorPoint(tol=1e-8), WorkingSetNewton(tol=1e-8)])
def test_a_free_sum_scales_with_its_price(solver):
    """Weights go with 1/lam to a known power only through the data; but lam -> inf leaves the zero function."""
    values = [
        solver.solve(problem(Hinge(1.0), HyperSquared, c=None, lam=lam)).certificate.primal for lam in (1, 1e3, 1e9)
    ]
    assert values[0] < values[1] < values[2]
    zero = problem(Hinge(1.0), HyperSquared, c=None)
    assert values[2] == pytest.approx(zero.criterion.loss(np.zeros((22, 1)), _best(zero), zero.Y, zero.w), rel=1e-2)


def _best(task):
    return task.criterion.best_intercept(np.zeros(task.Y.shape), task.Y, task.w)


def test_hard_margin_too():
    X, score = data(14)
    found = hyper_pivots(GaussianHarmonic(2.0, 0.9), X, 1e-4, 12)
    y = np.where(score > 0, 1.0, -1.0)[:, None]
    for made in (HyperNorm(found.gram, 1.0, 1.0), HyperSquared(found.gram, 1.0)):
        task = Problem(StoredKernels.of(found.slices), y, HardMargin(), made, np.ones(14))
        values = [s.solve(task).certificate for s in (InteriorPoint(tol=1e-8), Conic(), Conic(form="sdp"))]
        assert all(v.holds(1e-5) for v in values)
        assert np.ptp([v.primal for v in values]) <= 1e-5 * values[0].primal


@pytest.mark.parametrize("kernel_set", [HyperNorm, HyperSquared])
@pytest.mark.parametrize("criterion", [NuSVM(0.4), NuSVM(0.3), Hinge(3.0)], ids=lambda c: c.name)
def test_a_price_that_outweighs_the_machine_is_no_hindrance(kernel_set, criterion):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 8))
    y = np.where(X[:, 0] + X[:, 0] * X[:, 1] + 0.3 * rng.normal(size=80) > 0, 1.0, -1.0)
    found = hyper_pivots(ARDHarmonic((0.4,) * 8, 0.6), X, 1e-8, 60)
    made = kernel_set(found.gram, 1e7, 1.0)
    fast = WorkingSetNewton(tol=1e-6).solve(
        Problem(StoredKernels.of(found.slices), y[:, None], criterion, made, np.ones(80))
    )
    assert fast.certificate.holds(1e-6)
    assert fast.n_iter <= 10 and not any("method" in entry for entry in fast.history)  # and nobody else's answer
