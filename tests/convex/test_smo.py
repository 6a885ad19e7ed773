"""Sequential minimal optimisation against scikit-learn's libsvm, and against the conditions of the optimum."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM

from kernelopt.convex import EpsilonSVR, Hinge, LeastSquares, NuSVM, OneClass, SquaredHinge
from kernelopt.convex.criteria import ConvexLoss, HardMargin, Huber, LagrangianSVM, Logistic, NuSVR, Pinball
from kernelopt.convex.solvers.box_qp import as_box_qp
from kernelopt.convex.solvers.smo import smo
from kernelopt.kernels import Gaussian, Linear, Polynomial
from tests.convex.problems import data

TOL = 1e-9
LIBSVM = {"kernel": "precomputed", "tol": 1e-9}
KERNELS = [Gaussian(0.05), Gaussian(2.0), Polynomial(2, 0.3), Linear()]
CASES = dict(
    seed=st.integers(0, 10_000),
    n=st.integers(8, 70),
    kernel=st.sampled_from(KERNELS),
    log_C=st.floats(-3, 2),
    spread=st.floats(0.0, 3.0),
)
LARGEST_NU = 0.95  # at one all variables stand at their bounds, where libsvm finds no offset
many = settings(max_examples=25, deadline=None)


def drawn(seed, n, kernel, spread):
    """Points with a ridge on the kernel so that the answer is one point, labels of both signs, and sample weights.

    The kernel holds single precision numbers, which is what libsvm makes of it.
    """
    X, label = data(seed, n)
    K = kernel(X, X)
    K += 1e-3 * np.trace(K) / n * np.eye(n)
    K = K.astype(np.float32).astype(float)
    w = np.exp(spread * np.random.default_rng(seed).uniform(-1, 1, n))
    return X, K, 2.0 * label - 1, w


def quadratic(qp, K, s):
    return 0.5 * s @ K @ s + 0.5 * qp.d @ s**2 - qp.p @ s + qp.tube * np.abs(s).sum()


def dense(machine, n):
    s = np.zeros(n)
    s[machine.support_] = machine.dual_coef_[0]
    return s


def conditions(qp, K, s):
    """By how much a common multiplier of each sum is missed, written without the solver's own formulas."""
    slope, worst = K @ s + qp.d * s - qp.p, 0.0
    for g in range(len(qp.total)):
        at = np.flatnonzero(qp.group == g)
        assert s[at].sum() == pytest.approx(qp.total[g], abs=1e-9 * (1 + np.abs(s).sum()))
        rising = [slope[i] + qp.tube * (1 if s[i] >= 0 else -1) for i in at if s[i] < qp.upper[i]]
        falling = [slope[i] + qp.tube * (1 if s[i] > 0 else -1) for i in at if s[i] > qp.lower[i]]
        if rising and falling:
            worst = max(worst, max(falling) - min(rising))
    assert np.all(s >= qp.lower) and np.all(s <= qp.upper)
    return worst


# --- equal to scikit-learn


@many
@given(**CASES)
def test_hinge_is_svc(seed, n, kernel, log_C, spread):
    _, K, y, w = drawn(seed, n, kernel, spread)
    C = 10**log_C
    qp = as_box_qp(Hinge(C), y, w)
    s = smo(K, qp, TOL)
    svc = SVC(C=C, **LIBSVM).fit(K, y, sample_weight=w)
    theirs = dense(svc, n)
    assert quadratic(qp, K, s) <= quadratic(qp, K, theirs) + 1e-6 * (1 + abs(quadratic(qp, K, theirs)))
    values = K @ s
    assert_allclose(values, svc.decision_function(K) - svc.intercept_, atol=1e-4 * (1 + np.abs(values).max()))
    assert conditions(qp, K, s) <= TOL * (1 + 1e-3) + 1e-12 * np.abs(values).max()


@many
@given(
    seed=CASES["seed"], n=CASES["n"], kernel=CASES["kernel"], spread=CASES["spread"], share=st.floats(0.05, LARGEST_NU)
)
def test_nu_svm_is_nu_svc(seed, n, kernel, spread, share):
    """Their coefficients are ours over rho, which is what the sums of the classes say."""
    _, K, y, w = drawn(seed, n, kernel, spread)
    nu = share * 2 * min(w[y > 0].sum(), w[y < 0].sum()) / w.sum()
    qp = as_box_qp(NuSVM(nu), y, w)
    assert len(qp.total) == 2
    s = smo(K, qp, TOL * np.abs(K).max())
    theirs = dense(NuSVC(nu=nu, **LIBSVM).fit(K, y, sample_weight=w * n / w.sum()), n)
    theirs *= nu / np.abs(theirs).sum()
    assert_allclose(K @ s, K @ theirs, atol=1e-6 * np.abs(K).max() * np.abs(s).sum())
    assert quadratic(qp, K, s) <= quadratic(qp, K, theirs) * (1 + 1e-5)
    assert conditions(qp, K, s) <= 1.1 * TOL * np.abs(K).max()


@many
@given(seed=CASES["seed"], n=CASES["n"], kernel=CASES["kernel"], spread=CASES["spread"], nu=st.floats(0.05, LARGEST_NU))
def test_one_class_is_one_class_svm(seed, n, kernel, spread, nu):
    _, K, _, w = drawn(seed, n, kernel, spread)
    qp = as_box_qp(OneClass(nu), np.zeros(n), w)
    s = smo(K, qp, TOL * np.abs(K).max())
    theirs = dense(OneClassSVM(nu=nu, **LIBSVM).fit(K, sample_weight=w * n / w.sum()), n)
    theirs /= theirs.sum()
    assert_allclose(K @ s, K @ theirs, atol=1e-6 * np.abs(K).max() * np.abs(s).sum())
    assert quadratic(qp, K, s) <= quadratic(qp, K, theirs) * (1 + 1e-5)
    assert conditions(qp, K, s) <= 1.1 * TOL * np.abs(K).max()


@many
@given(**CASES, epsilon=st.sampled_from([0.0, 0.01, 0.3, 5.0]))
@example(seed=17, n=17, kernel=Linear(), log_C=1.9, spread=1.9, epsilon=0.01)  # long steps whose rounding adds up
def test_epsilon_svr_is_svr(seed, n, kernel, log_C, spread, epsilon):
    X, K, _, w = drawn(seed, n, kernel, spread)
    y, C = X[:, 0] * X[:, 1] + X[:, 2], 10**log_C
    qp = as_box_qp(EpsilonSVR(C, epsilon), y, w)
    assert qp.tube == pytest.approx(epsilon)
    s = smo(K, qp, TOL)
    svr = SVR(C=C, epsilon=epsilon, **LIBSVM).fit(K, y, sample_weight=w)
    theirs = dense(svr, n) if len(svr.support_) else np.zeros(n)
    assert quadratic(qp, K, s) <= quadratic(qp, K, theirs) + 1e-6 * (1 + abs(quadratic(qp, K, theirs)))
    values = K @ s
    assert_allclose(values, K @ theirs, atol=1e-4 * (1 + np.abs(values).max()))
    assert conditions(qp, K, s) <= TOL * (1 + 1e-3) + 1e-12 * np.abs(values).max()


@many
@given(**CASES)
def test_squared_hinge_is_svc_on_a_kernel_with_a_ridge(seed, n, kernel, log_C, spread):
    """No bound binds at a huge C, and the ridge 1/(C w) takes the place of the square."""
    _, K, y, w = drawn(seed, n, kernel, spread)
    qp = as_box_qp(SquaredHinge(10**log_C), y, w)
    assert_allclose(qp.d, 1 / (10**log_C * w))
    s = smo(K, qp, TOL)
    theirs = dense(SVC(C=1e10, **LIBSVM).fit(K + np.diag(qp.d), y), n)
    assert quadratic(qp, K, s) <= quadratic(qp, K, theirs) + 1e-6 * abs(quadratic(qp, K, theirs))
    assert_allclose(K @ s, K @ theirs, atol=2e-4 * (1 + np.abs(K @ s).max()))
    assert conditions(qp, K, s) <= TOL * (1 + 1e-3) + 1e-12 * np.abs(K @ s).max()


@pytest.mark.parametrize("intercept", [True, False])
def test_without_bounds_it_is_one_linear_system(intercept):
    X, K, _, w = drawn(0, 30, Gaussian(0.3), 1.0)
    y = X[:, 0] * X[:, 1] + 2.0
    qp = as_box_qp(LeastSquares(0.3, intercept=intercept), y, w)
    s, ones = smo(K, qp), np.ones((30, 1))
    B = K + np.diag(qp.d)
    if intercept:
        whole = np.block([[B, ones], [ones.T, np.zeros((1, 1))]])
        assert_allclose(s, np.linalg.solve(whole, np.append(qp.p, 0.0))[:30], rtol=1e-8)
    else:
        assert_allclose(s, np.linalg.solve(B, qp.p), rtol=1e-8)


@pytest.mark.parametrize(
    "criterion",
    [HardMargin(), LagrangianSVM(1.0), Logistic(1.0), NuSVR(1.0, 0.4), ConvexLoss(Huber(0.5), 0.2),
     ConvexLoss(Pinball(0.3), 0.2)],
    ids=lambda c: c.name,
)  # fmt: skip
def test_what_is_no_box_qp_is_not_taken_for_one(criterion):
    assert as_box_qp(criterion, np.array([1.0, 1.0, -1.0, -1.0]), np.ones(4)) is None


# --- kernels that are hard


@many
@given(seed=CASES["seed"], c=st.floats(-1.0, 100.0), criterion=st.sampled_from([Hinge(3.0), SquaredHinge(3.0)]))
def test_a_constant_on_the_kernel_changes_nothing(seed, c, criterion):
    """With c > 0 the kernel is positive only where s sums to zero, and no more is needed."""
    _, K, y, w = drawn(seed, 40, Gaussian(0.5), 1.0)
    qp = as_box_qp(criterion, y, w)
    assert_allclose(smo(K - c, qp, 1e-10), smo(K, qp, 1e-10), atol=1e-7 * np.abs(smo(K, qp, 1e-10)).max())


def test_a_distance_is_a_kernel_where_sums_are_fixed():
    """Minus half the squared distance has a diagonal of zeros, and is the linear kernel where s sums to zero."""
    X, K, y, w = drawn(3, 60, Linear(), 0.0)
    X = X @ np.diag([1.0, 2.0, 3.0])
    square = np.sum(X**2, axis=1)
    distance = -0.5 * (square[:, None] + square - 2 * X @ X.T)
    for criterion in (Hinge(1.0), SquaredHinge(1.0)):
        qp = as_box_qp(criterion, y, w)
        ours, plain = smo(distance, qp, 1e-10), smo(X @ X.T, qp, 1e-10)
        assert_allclose(X.T @ ours, X.T @ plain, atol=1e-6 * np.abs(X.T @ plain).max())
        assert quadratic(qp, X @ X.T, ours) == pytest.approx(quadratic(qp, X @ X.T, plain), rel=1e-9)


@pytest.mark.parametrize("hard", ["zero", "constant", "rank one", "identity", "twins", "tiny", "huge"])
@pytest.mark.parametrize("C", [1e-4, 1.0, 1e4])
def test_degenerate_kernels_end_at_the_optimum(hard, C):
    X, label = data(2, 40)
    y, u = 2.0 * label - 1, X[:, :1]
    X[20:] = X[:20] if hard == "twins" else X[20:]
    K = {
        "zero": np.zeros((40, 40)),
        "constant": np.ones((40, 40)),
        "rank one": u @ u.T,
        "identity": np.eye(40),
        "twins": Gaussian(0.3)(X, X),
        "tiny": 1e-9 * Gaussian(0.3)(X, X),
        "huge": 1e9 * Gaussian(0.3)(X, X),
    }[hard]
    for criterion in (Hinge(C), SquaredHinge(C), NuSVM(0.3), OneClass(0.3)):
        qp = as_box_qp(criterion, y, np.ones(40))
        unit = np.abs(qp.p).max() or np.abs(K).max() or 1.0
        s = smo(K, qp, 1e-6 * unit)
        assert conditions(qp, K, s) <= 1.01e-6 * unit + 1e-12 * np.abs(K).max() * np.abs(s).sum(), criterion


def test_single_precision_rows_end_near_the_same_machine():
    _, K, y, w = drawn(0, 120, Gaussian(0.5), 1.0)
    qp = as_box_qp(Hinge(2.0), y, w)
    single, double = smo(K.astype(np.float32), qp, 1e-6), smo(K, qp, 1e-6)
    assert_allclose(K @ single, K @ double, atol=1e-4)
    assert quadratic(qp, K, single) == pytest.approx(quadratic(qp, K, double), rel=1e-6)


# --- limits and refusals


def test_steps_run_out_with_a_warning():
    _, K, y, w = drawn(0, 60, Gaussian(0.5), 0.0)
    with pytest.warns(ConvergenceWarning, match="after 3 steps.*tol=1e-09"):
        smo(K, as_box_qp(Hinge(1.0), y, w), TOL, max_iter=3)


@pytest.mark.parametrize(
    "K, message",
    [
        (np.eye(3), r"K must have shape \(4, 4\), found \(3, 3\)"),
        (np.ones((4, 3)), r"K must have shape \(4, 4\), found \(4, 3\)"),
        (np.diag([1.0, np.nan, 1.0, 1.0]), "K must be finite"),
        (np.diag([1.0, np.inf, 1.0, 1.0]), "K must be finite"),
    ],
)
def test_a_matrix_that_does_not_fit_is_refused(K, message):
    qp = as_box_qp(Hinge(1.0), np.array([1.0, 1.0, -1.0, -1.0]), np.ones(4))
    with pytest.raises(ValueError, match=message):
        smo(K, qp)
