"""Criteria: the dual that a solver reads, the dual that the proof reads and the loss are one and the same problem."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from kernelopt.convex import ConvexLoss, KernelFisher, LeastSquares, Logistic, NuSVM, Problem, Simplex
from kernelopt.convex.criteria import Huber, OneClass, Pinball, alignment, centered_alignment
from kernelopt.convex.criteria.piecewise import kink_minimiser, slope_root
from kernelopt.convex.criteria.projections import balance_violation, balanced_box_projection, box_violation
from kernelopt.convex.solvers import InteriorPoint
from tests.convex.problems import CRITERIA, MACHINES, SETS, small

SEEDS = st.integers(0, 10**6)
LOSSES = [name for name in MACHINES if name != "hard_margin"]


def sample(criterion, seed, n=6, columns=1):
    """Targets, values of a function and weights; both classes are there, and no two numbers are special."""
    rng = np.random.default_rng(seed)
    if criterion.targets == "labels":
        Y = np.column_stack([rng.permutation(np.tile([1.0, -1.0], 6)[:n]) for _ in range(columns)])
    else:
        Y = rng.normal(size=(n, columns)) * 2
    return Y, rng.normal(size=(n, columns)) * 2, rng.uniform(0.7, 1.4, n)


def inside(criterion, Y, w, rng):
    """A point well inside A, far from the bounds where curves have no slope."""
    points = [criterion.project(rng.normal(size=Y.shape) * 2, Y, w)[0] for _ in range(40)]
    return np.mean(points, axis=0)


def read(program, v):
    """The x of a program with v(x) = v that uses as little as it can."""
    if len(program.p) == program.n:
        return program.sign * v
    return np.maximum(program.sign * np.tile(v, 2), 0.0)


def objective(program, x):
    """The program's objective without the kernel, as its documentation writes it."""
    hard = program.soft == 0
    excess = program.rows @ x - program.total
    value = program.constant + program.p @ x - 0.5 * program.d @ x**2
    value += 0.0 if program.curve is None else float(np.sum(program.curve.value(x)))
    return value - 0.5 * float(np.sum(excess[~hard] ** 2 / program.soft[~hard]))


@pytest.mark.parametrize("name", CRITERIA)
def test_phi_and_V_are_what_the_program_says(name):
    criterion, rng = CRITERIA[name], np.random.default_rng(0)
    for seed in range(5):
        Y, _, w = sample(criterion, seed, columns=2)
        a = inside(criterion, Y, w, rng)
        V, total = criterion.V(a, Y), 0.0
        assert_allclose(criterion.inverse(V, Y), a, rtol=1e-14)
        for c in range(2):
            program = criterion.program(Y[:, c], w)
            x = read(program, V[:, c])
            assert_allclose(program.v(x), V[:, c], rtol=1e-14)
            G = rng.normal(size=(program.n, 3))
            assert_allclose(program.back(G).T @ x, G.T @ program.v(x), rtol=1e-12)  # back is the adjoint
            assert (x >= program.lower - 1e-12).all() and (x <= program.upper + 1e-12).all()
            if name != "nu_svr":  # whose rows ask both halves of a to have their full length
                hard = program.soft == 0
                assert_allclose((program.rows @ x)[hard], program.total[hard], atol=1e-12)
            total += objective(program, x)
        assert_allclose(criterion.phi(a, Y, w), total, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", CRITERIA)
def test_slopes_of_the_program_are_those_of_phi(name):
    criterion, rng, h = CRITERIA[name], np.random.default_rng(1), 1e-6
    if "alignment" in name:
        pytest.skip("A holds a single point")
    for seed in range(5):
        Y, _, w = sample(criterion, seed)
        a = inside(criterion, Y, w, rng)
        program = criterion.program(Y[:, 0], w)
        x, step = read(program, criterion.V(a, Y)[:, 0]), rng.normal(size=a.shape)
        step[np.abs(a) < 1e-4] = 0.0  # keeps |a| smooth
        far = read(program, criterion.V(a + h * step, Y)[:, 0])
        dx = (far - x) / h
        slope = program.p - program.d * x + (program.curve.slope(x) if program.curve else 0.0)
        soft = program.soft > 0
        slope = slope - program.rows[soft].T @ ((program.rows @ x - program.total)[soft] / program.soft[soft])
        found = (criterion.phi(a + h * step, Y, w) - criterion.phi(a - h * step, Y, w)) / (2 * h)
        assert_allclose(slope @ dx, found, rtol=1e-5, atol=1e-6)
        if program.curve:
            bend = (program.curve.slope(x + h * dx) - program.curve.slope(x - h * dx)) / (2 * h)
            assert_allclose(program.curve.second(x) * dx, bend, rtol=1e-5, atol=1e-7)


def conjugate(criterion, y, w, f):
    """max over A of phi(a) - <V(a), f>, by a general optimiser on the program."""
    program = criterion.program(y, w)
    hard = program.soft == 0
    tiny = 1e-9 * (program.curve is not None)

    def minus(x):
        return -objective(program, x) + program.v(x) @ f

    def slope(x):
        g = program.p - program.d * x + (program.curve.slope(x) if program.curve else 0.0)
        excess = np.divide(program.rows @ x - program.total, program.soft, out=np.zeros(len(hard)), where=~hard)
        return -(g - program.rows.T @ excess) + program.back(f)

    limits = {
        "type": "eq",
        "fun": lambda x: (program.rows @ x - program.total)[hard],
        "jac": lambda x: program.rows[hard],
    }
    bounds = [(lo + tiny if np.isfinite(lo) else None, up - tiny if np.isfinite(up) else None)
              for lo, up in zip(program.lower, program.upper, strict=True)]  # fmt: skip
    start = np.clip(np.full(len(program.p), 0.05), program.lower + tiny, program.upper - tiny)
    found = minimize(
        minus, start, jac=slope, bounds=bounds, constraints=[limits] if hard.any() else [], method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 1000},
    )  # fmt: skip
    return -found.fun


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_the_conjugate_of_the_dual(name):
    """min over b of loss(F, b) = max over A of phi(a) - <V(a), F>, columns added up."""
    criterion = CRITERIA[name]
    for seed in range(6):
        Y, F, w = sample(criterion, seed, columns=2)
        loss = criterion.loss(F, criterion.best_intercept(F, Y, w), Y, w)
        dual = sum(conjugate(criterion, Y[:, c], w, F[:, c]) for c in range(2))
        assert_allclose(dual, loss, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_the_loss_lies_above_its_conjugate(name, seed):
    """Fenchel's inequality at any a, F and b: what makes both bounds bounds."""
    criterion, rng = CRITERIA[name], np.random.default_rng(seed)
    Y, F, w = sample(criterion, seed, n=3 + seed % 6, columns=2)
    a, _ = criterion.project(rng.normal(size=Y.shape) * 10 ** rng.uniform(-2, 1), Y, w)
    value = criterion.phi(a, Y, w) - float(np.sum(criterion.V(a, Y) * F))
    assert value <= criterion.loss(F, rng.normal(size=2) * 3, Y, w) + 1e-10 * (1 + abs(value))


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_the_best_intercept_minimises_the_loss(name, seed):
    """Against a grid, every kink, and a ternary search; also where values tie and the minimum is flat."""
    criterion = CRITERIA[name]
    Y, F, w = sample(criterion, seed, n=3 + seed % 7)
    if seed % 2:
        F, w, Y = F.round(), np.ones(len(w)), Y if criterion.targets == "labels" else Y.round()
    best = criterion.loss(F, criterion.best_intercept(F, Y, w), Y, w)
    assert np.isfinite(best)
    kinks = (Y - F)[:, 0]
    trials = [np.linspace(-8, 8, 161), kinks, -kinks, -F[:, 0], kinks + 0.2, kinks - 0.2, kinks + 0.5, kinks - 0.5]
    for b in np.concatenate(trials) if getattr(criterion, "intercept", True) else [0.0]:
        assert best <= criterion.loss(F, np.array([b]), Y, w) + 1e-10 * (1 + abs(best))


@pytest.mark.parametrize("name", CRITERIA)
def test_a_sample_of_weight_k_is_k_samples(name):
    """In the loss, in phi, in the intercept and in the optimum."""
    criterion, rng = CRITERIA[name], np.random.default_rng(3)
    times = np.array([1, 2, 1, 3, 1, 1, 2, 1, 2])
    Y, F, _ = sample(criterion, 3, n=9)
    w, copies = times.astype(float), np.repeat(np.arange(9), times)
    ones = np.ones(len(copies))
    b = rng.normal(size=1) if getattr(criterion, "intercept", True) else np.zeros(1)
    assert_allclose(criterion.loss(F, b, Y, w), criterion.loss(F[copies], b, Y[copies], ones), rtol=1e-12)
    assert_allclose(criterion.best_intercept(F, Y, w), criterion.best_intercept(F[copies], Y[copies], ones), atol=1e-9)
    a = inside(criterion, Y, w, rng)
    share = (a / w[:, None])[copies]
    feasible, violation = criterion.project(share, Y[copies], ones)
    assert violation < 1e-12
    assert_allclose(criterion.phi(feasible, Y[copies], ones), criterion.phi(a, Y, w), rtol=1e-10, atol=1e-12)
    if "alignment" in name:
        return
    factor = rng.normal(size=(2, 9, 11))
    Ks = factor @ np.swapaxes(factor, 1, 2)
    solver = InteriorPoint(tol=1e-9)
    weighted = solver.solve(Problem.of(Ks, Y, criterion, Simplex(), w)).certificate
    repeated = solver.solve(Problem.of(Ks[:, copies][:, :, copies], Y[copies], criterion, Simplex())).certificate
    assert weighted.holds(1e-8) and repeated.holds(1e-8)
    assert_allclose(weighted.primal, repeated.primal, rtol=1e-7)


@pytest.mark.parametrize("name", CRITERIA)
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_projections_stay(name, seed):
    criterion, rng = CRITERIA[name], np.random.default_rng(seed)
    Y, _, w = sample(criterion, seed, n=8, columns=2)
    a, violation = criterion.project(rng.normal(size=Y.shape) * 10 ** rng.uniform(-3, 3), Y, w)
    assert violation > 0 or name == "ridge without intercept"
    again, none = criterion.project(a, Y, w)
    assert none < 1e-12
    assert_allclose(again, a, atol=1e-12 * np.abs(a).max())


@pytest.mark.parametrize("name", CRITERIA)
def test_what_counts_as_large_is_positive_and_scales_with_the_kernel(name):
    criterion = CRITERIA[name]
    Y, F, w = sample(criterion, 0, n=9, columns=2)
    assert 0 < criterion.scale(Y, w, 2.0) < np.inf
    zero = np.zeros_like(F)
    value = criterion.loss(zero, np.zeros(2), Y, w)
    if np.isfinite(value) and value > 0:
        assert criterion.scale(Y, w, 2.0) == pytest.approx(value)


def test_the_scale_of_interpolation_is_finite():
    Y, w = np.array([[1.0], [2.0], [-3.0]]), np.ones(3)
    assert 0 < LeastSquares(0.0).scale(Y, w, 2.0) < np.inf


def test_a_hard_margin_is_rescaled_to_one():
    criterion, Y = CRITERIA["hard_margin"], np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]])
    F, b = np.array([[4.0, 3.0], [-2.0, 8.0], [-5.0, 0.5]]), np.array([0.5, -1.5])
    factors, lacking = criterion.rescale(F, b, Y)  # the margins are 1.5 and 1
    assert_allclose(factors, [1 / 1.5, 1.0])
    assert lacking == 0.0 and criterion.loss(factors * F, factors * b, Y, np.ones(3)) == 0.0
    factors, lacking = criterion.rescale(0.5 * F, 0.5 * b, Y)
    assert_allclose(factors, [2 / 1.5, 2.0])
    assert lacking == 0.5
    factors, lacking = criterion.rescale(F, np.array([0.5, 1.0]), Y)  # the second column errs by 1.5
    assert np.isinf(factors[1]) and lacking == 2.5
    assert criterion.loss(F, np.array([0.5, 1.0]), Y, np.ones(3)) == np.inf


def test_without_an_intercept_none_is_admitted():
    criterion, (Y, F, w) = LeastSquares(1.0, intercept=False), sample(LeastSquares(), 0)
    assert np.isfinite(criterion.loss(F, np.zeros(1), Y, w))
    assert criterion.loss(F, np.full(1, 0.1), Y, w) == np.inf


# --- losses of one's own


@pytest.mark.parametrize("loss", [Huber(0.7), Pinball(0.3)], ids=repr)
def test_losses_and_their_conjugates(loss):
    grid = np.linspace(-30, 30, 600_001)
    for y in (-1.3, 0.0, 2.4):
        low, high = (float(u) for u in loss.domain(np.array(y)))
        for s in np.linspace(low, high, 7):
            best = float(np.max(s * grid - loss.value(y, grid)))
            assert_allclose(loss.conjugate(np.array(y), np.array(s)), best, atol=1e-6)
        h = 1e-6
        for z in (-2.0, -0.31, 0.52, 3.7):
            assert_allclose(loss.slope(y, z), (loss.value(y, z + h) - loss.value(y, z - h)) / (2 * h), atol=1e-6)
        s = 0.5 * (low + high) + 0.1
        slope = (loss.conjugate(y, s + h) - loss.conjugate(y, s - h)) / (2 * h)
        assert_allclose(loss.conjugate_slope(y, s), slope, atol=1e-6)
        bend = (loss.conjugate_slope(y, s + h) - loss.conjugate_slope(y, s - h)) / (2 * h)
        assert_allclose(loss.conjugate_second(y, np.array(s)), bend, atol=1e-6)


class Squared:
    """(z - y)²/2, with slopes of any size: ridge regression again."""

    value = staticmethod(lambda y, z: 0.5 * (z - y) ** 2)
    slope = staticmethod(lambda y, z: z - y)
    domain = staticmethod(lambda y: (np.full(np.shape(y), -np.inf), np.full(np.shape(y), np.inf)))
    conjugate = staticmethod(lambda y, s: y * s + 0.5 * s**2)
    conjugate_slope = staticmethod(lambda y, s: y + s)
    conjugate_second = staticmethod(lambda y, s: np.ones_like(s))


class Poisson:
    """exp(z) - y z, for counts: slopes from -y upwards without end."""

    value = staticmethod(lambda y, z: np.exp(z) - y * z)
    slope = staticmethod(lambda y, z: np.exp(z) - y)
    domain = staticmethod(lambda y: (-y, np.full(np.shape(y), np.inf)))
    conjugate = staticmethod(lambda y, s: (s + y) * np.log(np.maximum(s + y, 1e-300)) - (s + y))
    conjugate_slope = staticmethod(lambda y, s: np.log(np.maximum(s + y, 1e-300)))
    conjugate_second = staticmethod(lambda y, s: 1 / (s + y))


def test_the_squared_loss_is_ridge_regression():
    ridge = small(LeastSquares(0.3), Simplex())
    general = replace(ridge, criterion=ConvexLoss(Squared(), 0.15))
    solver = InteriorPoint(tol=1e-9)
    assert_allclose(solver.solve(general).certificate.primal, 2 * solver.solve(ridge).certificate.primal / 2, rtol=1e-7)


def test_a_loss_whose_slopes_have_a_bound_on_one_side_only():
    """Projections must respect the one bound there is; Poisson regression against a general optimiser."""
    rng = np.random.default_rng(0)
    y = rng.poisson(3.0, 12).astype(float) + 1
    factor = rng.normal(size=(12, 14)) / 4
    K, criterion = factor @ factor.T, ConvexLoss(Poisson(), 0.5)
    a, _ = criterion.project(rng.normal(size=(12, 1)) * 10, y[:, None], np.ones(12))
    assert (a[:, 0] <= y + 1e-12).all() and abs(a.sum()) < 1e-12
    solution = InteriorPoint(tol=1e-8).solve(Problem.of(K[None], y, criterion, Simplex()))

    def primal(x):
        z = K @ x[:12] + x[12]
        slope = np.exp(z) - y
        return 0.5 * x[:12] @ K @ x[:12] + np.sum(np.exp(z) - y * z), np.append(K @ (x[:12] + slope), slope.sum())

    found = minimize(primal, np.zeros(13), jac=True, method="BFGS", options={"gtol": 1e-9})
    assert solution.certificate.holds(1e-7), solution.certificate
    assert_allclose(solution.certificate.primal, found.fun, rtol=1e-7)


# --- refusals


def test_labels_of_one_class_are_refused_where_they_leave_nothing_to_separate():
    for name in ("nu_svm", "fisher", "hard_margin"):
        with pytest.raises(ValueError, match="class"):
            Problem.of(np.eye(4)[None], np.ones(4), CRITERIA[name], Simplex())


def test_a_nu_that_the_smaller_class_cannot_fill_is_refused():
    y = np.array([1.0, -1, -1, -1, -1])
    with pytest.raises(ValueError, match="nu=0.5 is infeasible.* at most 0.4"):
        Problem.of(np.eye(5)[None], y, NuSVM(0.5), Simplex())
    with pytest.raises(ValueError, match="at most 0.2"):
        Problem.of(np.eye(5)[None], y, NuSVM(0.4), Simplex(), sample_weight=[1, 2, 2, 2, 3])
    assert Problem.of(np.eye(5)[None], y, NuSVM(0.4), Simplex()).n_train == 5


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_parameters_out_of_range_are_refused(value):
    kinds = [type(CRITERIA[name]) for name in ("hinge", "squared_hinge", "epsilon_svr")]
    for make in (Logistic, KernelFisher, lambda v: ConvexLoss(lam=v), *kinds):
        with pytest.raises(ValueError, match=r"must be positive and finite, found"):
            make(value)
    for make in (NuSVM, OneClass, lambda v: type(CRITERIA["nu_svr"])(nu=v)):
        with pytest.raises(ValueError, match=r"nu must be in \(0, 1\], found"):
            make(value)
    if value != 0:
        with pytest.raises(ValueError, match="lam must be nonnegative"):
            LeastSquares(value)
        with pytest.raises(ValueError, match="epsilon must be nonnegative"):
            type(CRITERIA["epsilon_svr"])(epsilon=value)


@pytest.mark.parametrize("parameter", [0.0, -0.5, np.nan])
def test_losses_refuse_parameters_that_make_no_sense(parameter):
    with pytest.raises(ValueError, match="delta must be positive"):
        Huber(parameter)
    with pytest.raises(ValueError, match=r"tau must be in \(0, 1\)"):
        Pinball(parameter)


# --- numbers of one variable, and the projections


def piecewise(kinks, jumps, slope, t):
    return slope * t + float(np.sum(jumps * np.maximum(0.0, t - kinks)))


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, m=st.integers(1, 8), ties=st.booleans())
def test_the_minimiser_of_a_piecewise_linear_function(seed, m, ties):
    """No kink is better, and it stands in the middle of what is flat."""
    rng = np.random.default_rng(seed)
    kinks = rng.integers(-3, 4, m).astype(float) if ties else rng.normal(size=m)
    jumps = rng.integers(1, 3, m).astype(float) if ties else rng.uniform(0.1, 1, m)
    slope = -float(rng.choice(np.cumsum(jumps))) if ties else -rng.uniform(0, 1) * float(jumps.sum())
    t = kink_minimiser(kinks, jumps, slope)
    values = [piecewise(kinks, jumps, slope, k) for k in kinks]
    assert piecewise(kinks, jumps, slope, t) <= min(values) + 1e-12
    best = kinks[np.array(values) <= min(values) + 1e-12]
    if slope + jumps.sum() > 1e-9:  # otherwise it is flat without end
        assert t == pytest.approx(0.5 * (best.min() + best.max()), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(root=st.floats(-1e6, 1e6), low=st.floats(-5, 5), width=st.floats(0.01, 3), steep=st.floats(1e-3, 1e3))
def test_the_root_is_found_wherever_the_bracket_is(root, low, width, steep):
    found = slope_root(lambda b: steep * (b - root) + np.sign(b - root), low, low + width)
    assert found == pytest.approx(root, rel=1e-9, abs=1e-9)


def test_a_quantile_at_zero_is_found():
    """A slope that jumps at zero: a root that must be exact relative to itself takes a thousand bisections."""
    Y = np.array([-1.0, 0.0, 0.0, 0.0, 1.0, 2.0])[:, None]
    b = ConvexLoss(Pinball(0.3)).best_intercept(np.zeros((6, 1)), Y, np.ones(6))
    assert_allclose(b, 0.0, atol=1e-14)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, n=st.integers(2, 5), open_end=st.booleans())
def test_the_nearest_point_of_a_box_with_a_sum_by_brute_force(seed, n, open_end):
    """Every way to put entries at their lower bound, at their upper bound or between."""
    rng = np.random.default_rng(seed)
    y, a = rng.choice([-1.0, 1.0], n), rng.normal(size=n) * 3
    upper = rng.uniform(0.2, 2.0, n)
    if open_end:
        upper[rng.integers(n)] = np.inf
    total = float(y @ (np.minimum(upper, 3.0) * rng.random(n)))
    p = balanced_box_projection(a, y, upper, total)
    assert p.min() >= 0 and (p <= upper).all() and y @ p == pytest.approx(total, abs=1e-12 * (1 + np.abs(a).sum()))
    best = np.inf
    for code in range(3**n):
        state = np.array([code // 3**i % 3 for i in range(n)])
        if np.isinf(upper[state == 1]).any():
            continue
        point = np.where(state == 1, np.where(np.isinf(upper), 0.0, upper), 0.0)
        free = state == 2
        if free.any():
            t = (y[free] @ a[free] + y[~free] @ point[~free] - total) / free.sum()
            point = np.where(free, a - t * y, point)
        if (point >= -1e-12).all() and (point <= upper + 1e-12).all() and abs(y @ point - total) < 1e-9:
            best = min(best, float(np.sum((a - point) ** 2)))
    assert np.sum((a - p) ** 2) == pytest.approx(best, rel=1e-9, abs=1e-12)


def test_violations_are_measured_in_their_units():
    a = np.array([[-0.3, 0.5], [1.4, 0.2]])
    assert box_violation(a, 0.0, np.array([1.0, 1.0]), 2.0) == pytest.approx(0.2)
    assert box_violation(a, 0.0, np.array([1.0, 1.4]), 2.0) == pytest.approx(0.15)
    assert box_violation(a, np.array([[-1.0, 0.6], [0.0, 0.0]]), np.inf, 1.0) == pytest.approx(0.1)
    assert balance_violation(np.array([0.1, -0.7]), a, 1.0) == pytest.approx(0.7)
    assert balance_violation(np.array([0.17, 0.0]), a, 1.0) == pytest.approx(0.1)


def test_alignments_as_numbers():
    """Scale and, when centred, constants change nothing; a weight counts like copies."""
    rng = np.random.default_rng(0)
    A, B = (X @ X.T for X in rng.normal(size=(2, 6, 3)))
    assert alignment(3 * A, B) == pytest.approx(alignment(A, 0.1 * B))
    b = rng.normal(size=6)
    assert centered_alignment(A + b[:, None] + b, B) == pytest.approx(centered_alignment(A, B))
    assert alignment(A, A) == pytest.approx(1) and 0 < alignment(A, B) < 1
    times = np.array([1, 2, 1, 1, 3, 1])
    copies = np.repeat(np.arange(6), times)
    whole = centered_alignment(A[copies][:, copies], B[copies][:, copies])
    assert centered_alignment(A, B, times) == pytest.approx(whole)
    with pytest.raises(ValueError, match="zero matrix"):
        centered_alignment(np.ones((6, 6)), B)
    # Cortes et al. 2012: on K = x x' + 1 with unbalanced labels only the centred number is one.
    y = np.array([1.0, 1, 1, -1])
    assert centered_alignment(np.outer(y, y) + 1, np.outer(y, y)) == pytest.approx(1)
    assert alignment(np.outer(y, y) + 1, np.outer(y, y)) == pytest.approx(np.sqrt(0.75**2 + 0.25**2))


def test_alignf_is_the_quadratic_program_of_its_paper():
    """Cortes et al. 2012, eq. (6): minimise v'Mv - 2 v'a over v >= 0; here half of it, weighted samples included."""
    for name, centred in (("frobenius", True), ("uncentred frobenius", False)):
        task = small(CRITERIA["alignment" if centred else "uncentred alignment"], SETS[name])
        Ks, y, H = [task.kernels.mix(e) for e in np.eye(4)], task.Y[:, 0], np.eye(16) - centred / 16
        Kc = [H @ K @ H for K in Ks]
        M = np.array([[np.sum(A * B) for B in Kc] for A in Kc])
        target = np.array([y @ K @ y for K in Kc])
        found = minimize(
            lambda v, M=M, t=target: (0.5 * v @ M @ v - v @ t, M @ v - t), np.full(4, 0.1), jac=True,
            bounds=[(0, None)] * 4, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 2000},
        )  # fmt: skip
        solution = InteriorPoint(tol=1e-9).solve(task)
        assert_allclose(solution.certificate.primal, found.fun, rtol=1e-6)
        best = alignment(sum(m * K for m, K in zip(solution.theta, Kc, strict=True)), np.outer(H @ y, H @ y))
        singles = [alignment(K, np.outer(H @ y, H @ y)) for K in Kc]
        uniform = alignment(sum(Kc), np.outer(H @ y, H @ y))
        assert best >= max(*singles, uniform) - 1e-7
