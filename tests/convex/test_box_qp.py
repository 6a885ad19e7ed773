"""The box QP's parts: where it starts, its linear system on the free variables, and the rows it reads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg

from kernelopt.compiled import core
from kernelopt.convex import EpsilonSVR, Hinge, KernelFisher, LeastSquares, Logistic, NuSVM, OneClass, SquaredHinge
from kernelopt.convex.solvers.box_qp import HUGE, BoxQP, FreeSystem, as_box_qp
from kernelopt.convex.solvers.machines import BoxMachine, SmoothMachine, machine_for
from kernelopt.convex.solvers.row_cache import AT_LEAST, RowCache
from kernelopt.convex.solvers.smo import by_libsvm, descend
from kernelopt.kernels import Gaussian
from kernelopt.kernels.rows import StoredKernels
from tests.convex.problems import KERNELS, data

many = settings(max_examples=40, deadline=None)


def stack(seed=0, n=40, dtype=float):
    X, label = data(seed, n)
    Ks = np.stack([k(X, X) for k in KERNELS])
    Ks /= np.trace(Ks, axis1=1, axis2=2)[:, None, None] / n
    return Ks.astype(dtype), 2.0 * label - 1


# --- the program


@many
@given(seed=st.integers(0, 1000), nu=st.floats(0.05, 0.9))
def test_a_start_is_feasible_and_sparse(seed, nu):
    rng = np.random.default_rng(seed)
    y, w = np.where(np.arange(30) % 2, 1.0, -1.0), rng.uniform(0.2, 3.0, 30)
    nu *= 2 * min(w[y > 0].sum(), w[y < 0].sum()) / w.sum()
    for criterion in (Hinge(), SquaredHinge(), NuSVM(nu), OneClass(nu), EpsilonSVR(), LeastSquares(), KernelFisher()):
        qp = as_box_qp(criterion, y, w)
        s = qp.start()
        assert np.all(s >= qp.lower) and np.all(s <= qp.upper)
        for g, total in enumerate(qp.total):
            assert s[qp.group == g].sum() == pytest.approx(total, abs=1e-12)
        broken = np.sum((s > qp.lower) & (s < qp.upper) & (s != 0))
        assert qp.unbounded or broken <= len(qp.total)


def test_a_violation_is_what_the_best_pair_would_gain():
    """Against pairs tried one by one; where nothing is fixed, against each slope."""
    rng = np.random.default_rng(0)
    n, group = 12, np.arange(12) % 2
    qp = BoxQP(np.zeros(n), np.zeros(n), -np.ones(n), np.ones(n), group, np.zeros(2), tube=0.3)
    s = rng.choice([-1.0, -0.4, 0.0, 0.4, 1.0], n)
    g = rng.normal(size=n)

    def along(i, direction):
        """Slope of the objective as variable i moves, infinite where it cannot."""
        if s[i] * direction == 1:
            return np.inf
        t = 1e-9 * direction
        return direction * g[i] + 0.3 * (abs(s[i] + t) - abs(s[i])) / 1e-9

    pairs = [(i, j) for i in range(n) for j in range(n) if i != j and group[i] == group[j]]
    gain = max(-(along(i, 1) + along(j, -1)) for i, j in pairs)
    assert qp.violation(s, g) == pytest.approx(gain, rel=1e-5)
    free = BoxQP(np.zeros(n), np.ones(n), np.full(n, -HUGE), np.full(n, HUGE), np.zeros(n, int), np.zeros(0))
    assert free.unbounded and free.violation(s, g) == np.abs(g).max()


# --- the linear system on the free variables


@many
@given(
    seed=st.integers(0, 1000),
    n_groups=st.integers(0, 2),
    c=st.sampled_from([0.0, 0.9, 1.0, 30.0]),
    size=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_free_system_is_the_inverse_where_sums_vanish(seed, n_groups, c, size):
    """Against Z (Z'(K + D)Z)^-1 Z' with Z a basis of the vectors whose sums vanish; c makes K indefinite elsewhere."""
    rng = np.random.default_rng(seed)
    n, A = 25, rng.normal(size=(25, 3))
    K, d = size * (Gaussian(0.5)(A, A) - (c if n_groups else 0.0)), size * rng.uniform(0.0, 0.1, n)
    group = rng.integers(0, max(n_groups, 1), n)
    Z = linalg.null_space((group == np.arange(n_groups)[:, None]).astype(float)) if n_groups else np.eye(n)
    Pi = Z @ np.linalg.inv(Z.T @ (K + np.diag(d)) @ Z) @ Z.T
    system = FreeSystem(K.copy(), d, group, n_groups)
    r, P = rng.normal(size=n), rng.normal(size=(n, 4)) + 1e4
    assert_allclose(system.solve(r), Pi @ r, atol=1e-7 * np.abs(Pi @ r).max())
    assert_allclose(system.curvature(P), P.T @ Pi @ P, rtol=1e-5, atol=1e-6 * np.abs(P.T @ Pi @ P).max())


def test_free_system_of_equal_samples_is_the_pseudo_inverse():
    X, _ = data(0, 15)
    X = np.concatenate([X, X])
    K = Gaussian(0.5)(X, X)
    system, Z = FreeSystem(K.copy(), np.zeros(30), np.zeros(30, int), 1), linalg.null_space(np.ones((1, 30)))
    r = K @ np.random.default_rng(0).normal(size=30)
    Pi = Z @ np.linalg.pinv(Z.T @ K @ Z, rcond=1e-10, hermitian=True) @ Z.T
    assert system.L is not None
    assert_allclose(K @ system.solve(r), K @ Pi @ r, atol=1e-5 * np.abs(r).max())


def settled(machine, Ks, mu, tol=1e-11):
    """The machine's optimum at mu: its gradient -s'K_k s/2, and the products K_k s."""
    cache = RowCache(StoredKernels.of(Ks))
    cache.reset(mu)
    for _ in range(3):
        machine.set_values(np.tensordot(mu, Ks @ machine.s, 1))
        machine.improve(cache, tol, 10**7)
    P = Ks @ machine.s
    return -0.5 * P @ machine.s, P


@pytest.mark.parametrize(
    "criterion",
    [Hinge(1.0), SquaredHinge(1.0), NuSVM(0.4), OneClass(0.3), EpsilonSVR(1.0, 0.1), LeastSquares(0.3),
     LeastSquares(0.3, intercept=False), KernelFisher(0.1), Logistic(1.0)],
    ids=repr,
)  # fmt: skip
def test_curvature_is_the_derivative_of_the_gradient(criterion):
    """Both first derivatives by envelope, the second by central differences of the first."""
    Ks, y = stack()
    if criterion.name == "epsilon_svr":
        y = y + 0.3 * np.sin(np.arange(40))
    make, mu, h = machine_for(criterion, y, np.ones(40)), np.array([0.1, 0.1, 0.2, 0.3, 0.3]), 1e-5
    machine = make()
    assert isinstance(machine, SmoothMachine if criterion.name == "logistic" else BoxMachine)
    _, P = settled(machine, Ks, mu)
    H = machine.curvature(P)
    assert np.abs(H).max() > 0
    for k, e in enumerate(h * np.eye(5)):
        ahead, behind = settled(make(), Ks, mu + e)[0], settled(make(), Ks, mu - e)[0]
        assert_allclose((ahead - behind) / (2 * h), H[k], rtol=1e-3, atol=1e-4 * np.abs(H).max())


@pytest.mark.parametrize("criterion", [Hinge(2.0), SquaredHinge(1.0), EpsilonSVR(1.0, 0.1)], ids=lambda c: c.name)
def test_a_rough_descent_that_finds_the_free_variables_is_made_exact(criterion):
    """By one linear system, also where a tube adds its own slopes."""
    Ks, y = stack()
    if criterion.name == "epsilon_svr":
        y = y + 0.3 * np.sin(np.arange(40))
    machine, mu = machine_for(criterion, y, np.ones(40))(), np.full(5, 0.2)
    settled(machine, Ks, mu, tol=1e-4)
    machine.set_values(np.tensordot(mu, Ks @ machine.s, 1))
    assert machine.violation() < 1e-11


def test_what_is_foreseen_is_the_next_optimum_to_first_order():
    Ks, y = stack()
    machine, mu, step = machine_for(SquaredHinge(1.0), y, np.ones(40))(), np.full(5, 0.2), np.eye(5)[3]
    _, P = settled(machine, Ks, mu)
    before, F = machine.s.copy(), machine.free
    errors = []
    for t in (1e-2, 1e-3):
        machine.foresee(t * step @ P)
        other = machine_for(SquaredHinge(1.0), y, np.ones(40))()
        settled(other, Ks, mu + t * step)
        errors.append(np.abs(other.s[F] - before[F] - machine.foreseen).max() / np.abs(machine.foreseen).max())
    assert errors[1] < 0.2 * errors[0] and errors[1] < 1e-2


# --- rows


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_that_come_and_go(dtype):
    """Whatever is asked for, in whatever order, an entry is an entry of the mixture, and none is read needlessly."""
    Ks, _ = stack(n=150, dtype=dtype)
    mu, rng = np.array([0.5, 0.0, 0.2, 0.3, 0.0]), np.random.default_rng(0)
    K = np.tensordot(mu, Ks.astype(float), 1)
    rtol = 1e-12 if dtype == np.float64 else 1e-6
    cache = RowCache(StoredKernels.of(Ks), limit=1)
    assert cache.table.shape == (AT_LEAST, 150) and cache.table.dtype == dtype
    for trial in range(30):
        if trial % 10 == 0:
            cache.reset(mu)
        index = rng.permutation(150)[: rng.choice([1, 5, 40, 64, 100, 150])]
        coef = rng.normal(size=len(index))
        assert_allclose(cache.block(index), K[np.ix_(index, index)], rtol=rtol)
        assert_allclose(cache.apply(index, coef), coef @ K[index], atol=10 * rtol * np.abs(coef).sum())
        if len(index) <= AT_LEAST:
            before = cache.entries
            cache.fetch(index)
            assert cache.entries == before
        there = np.flatnonzero(cache.slot >= 0)
        assert len(there) <= AT_LEAST
        assert_array_equal(cache.owner[cache.slot[there]], there)


def test_a_row_that_is_to_be_kept_is_kept():
    Ks, _ = stack(n=150)
    cache = RowCache(StoredKernels.of(Ks), limit=1)
    cache.reset(np.full(5, 0.2))
    cache.fetch(np.arange(64))
    for new in range(64, 150):
        cache.fetch(np.array([new]), keep=7)
        assert cache.slot[7] >= 0 and cache.slot[new] >= 0


@pytest.mark.skipif(core is None, reason="the compiled part is not there")
@pytest.mark.parametrize("criterion", [Hinge(2.0), SquaredHinge(2.0), NuSVM(0.5), EpsilonSVR(1.0, 0.1)], ids=repr)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_small_cache_ends_where_a_large_one_does(criterion, dtype):
    """The same steps on the same rows: the same bits; also where each row is asked for from Python."""
    Ks, y = stack(n=200, dtype=dtype)
    qp, mu, ends = as_box_qp(criterion, y, np.ones(200)), np.full(5, 0.2), []
    for limit, asks in ((2**28, False), (1, False), (2**28, True), (1, True)):
        cache = RowCache(StoredKernels.of(Ks), limit)
        cache.reset(mu)
        cache.stack = None if asks else cache.stack
        s = qp.start()
        g = cache.apply(np.arange(200), s) + qp.d * s - qp.p
        assert descend(qp, cache, s, g, 1e-6, 10**6)
        ends.append(s)
    for s in ends[1:]:
        assert_array_equal(s, ends[0])


def test_a_gradient_follows_its_point():
    Ks, y = stack(n=120)
    for criterion in (Hinge(2.0), SquaredHinge(2.0), NuSVM(0.5)):
        for method in [by_libsvm, *([lambda *args: descend(*args, 10**6)] if core else [])]:
            qp, cache = as_box_qp(criterion, y, np.ones(120)), RowCache(StoredKernels.of(Ks))
            cache.reset(np.full(5, 0.2))
            s = qp.start()
            g = cache.apply(np.arange(120), s) + qp.d * s - qp.p
            method(qp, cache, s, g, 1e-6)
            assert_allclose(g, np.mean(Ks, axis=0) @ s + qp.d * s - qp.p, atol=1e-9)
