"""Factors of low rank: what they leave out, what they say of it, and what it does to an optimum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg, sparse

from kernelopt.convex import EpsilonSVR, Hinge, LpBall, Problem, Simplex, SquaredLp
from kernelopt.convex.solvers import InteriorPoint
from kernelopt.errors import NotPSDError
from kernelopt.kernels import Gaussian, Linear, OnColumns, Polynomial, White
from kernelopt.kernels.factors import fourier_features, nystroem, pivoted_cholesky
from kernelopt.kernels.lowrank import LowRankKernels
from kernelopt.kernels.rows import StoredKernels

KERNELS = [Linear(), Gaussian(0.05), Polynomial(3, 0.2), OnColumns(Gaussian(1.0), (0, 2))]


def points(n=60, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def gram(n, rank, decay, seed):
    """A Gram matrix whose eigenvalues fall by `decay` from one to the next."""
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, rank)))[0]
    return (Q * decay ** np.arange(rank)) @ Q.T


def smallest(E):
    return linalg.eigvalsh(E)[0]


class Columns:
    """Columns of a matrix, and which were asked for."""

    def __init__(self, K):
        self.K, self.asked = K, []

    def __call__(self, i):
        self.asked.append(i)
        return self.K[:, i]


# ---- pivoted Cholesky ------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 30),
    rank=st.integers(1, 30),
    decay=st.floats(0.2, 1.0),
    tol=st.sampled_from([0.0, 1e-10, 1e-4, 0.1]),
    size=st.sampled_from([1e-8, 1.0, 1e8]),
    seed=st.integers(0, 999),
)
def test_pivoted_cholesky_leaves_what_it_says(n, rank, decay, tol, size, seed):
    K = size * gram(n, min(rank, n), decay, seed)
    columns = Columns(K)
    L, left = pivoted_cholesky(columns, np.diagonal(K), tol)
    E, rounding = K - L @ L.T, 1e-13 * n * np.trace(K)
    assert_allclose(left, np.diagonal(E), rtol=0, atol=rounding)
    assert left.min() >= 0 and left.sum() <= max(tol * np.trace(K), rounding)
    assert smallest(E) >= -rounding
    assert len(columns.asked) == len(set(columns.asked)) == L.shape[1] <= min(rank, n)
    assert_allclose(E[columns.asked], 0.0, atol=rounding)  # zero in the rows of the pivots


def test_it_stops_as_soon_as_the_tolerance_is_met():
    K = gram(40, 40, 0.5, 0)
    L, left = pivoted_cholesky(Columns(K), np.diagonal(K), 1e-3)
    shorter, more = pivoted_cholesky(Columns(K), np.diagonal(K), 1e-3, max_rank=L.shape[1] - 1)
    assert left.sum() <= 1e-3 * np.trace(K) < more.sum()
    assert_array_equal(shorter, L[:, :-1])


def test_room_for_columns_grows():
    K = gram(200, 200, 0.99, 1)
    L, _ = pivoted_cholesky(Columns(K), np.diagonal(K), 0.0)
    assert L.shape == (200, 200)
    assert_allclose(L @ L.T, K, atol=1e-13)


def test_each_pivot_is_the_largest_that_is_left():
    K = gram(20, 20, 0.7, 2)
    columns = Columns(K)
    L, _ = pivoted_cholesky(columns, np.diagonal(K), 0.0)
    for r, pivot in enumerate(columns.asked):
        left = np.diagonal(K - L[:, :r] @ L[:, :r].T)
        assert left[pivot] >= left.max() - 1e-14


def test_what_is_no_gram_matrix_is_refused():
    K = np.array([[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(NotPSDError, match="after 1 pivots an entry of the diagonal is -3.0e"):
        pivoted_cholesky(Columns(K), np.diagonal(K))
    with pytest.raises(NotPSDError, match="after 0 pivots"):
        pivoted_cholesky(Columns(-K), np.diagonal(-K))
    with pytest.raises(ValueError, match="column 0 of the kernel has 1 where its diagonal has 2"):
        pivoted_cholesky(Columns(K), np.array([2.0, 1.0]))
    with pytest.raises(ValueError, match="tol must be at least zero and below one, found 1.0"):
        pivoted_cholesky(Columns(K), np.diagonal(K), 1.0)


def test_a_zero_kernel_has_no_columns():
    L, left = pivoted_cholesky(Columns(np.zeros((4, 4))), np.zeros(4))
    assert L.shape == (4, 0) and not left.any()


def test_points_far_from_the_origin_limit_the_precision_not_the_method():
    """Squared distances of such points are rounded to 1e-7: beyond that nothing is asked of them."""
    kernels = LowRankKernels.pivoted_cholesky([Gaussian(0.5)], points(80) + 2e4, tol=0.0)
    K = Gaussian(0.5)(points(80), points(80))
    assert_allclose(kernels.mix(np.ones(1)), K, atol=1e-4)


# ---- the other two ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 7, 25])
def test_nystroem_is_the_formula_and_leaves_a_gram_matrix(rank):
    X = points(25)
    K = Gaussian(0.5)(X, X)
    S = np.random.default_rng(0).choice(25, rank, replace=False)
    L, left = nystroem(K[:, S], S, np.diagonal(K))
    E = K - L @ L.T
    assert_allclose(L @ L.T, K[:, S] @ np.linalg.pinv(K[np.ix_(S, S)], rcond=1e-12) @ K[S], atol=1e-9)
    assert_allclose(left, np.diagonal(E), atol=1e-12)
    assert smallest(E) >= -1e-9
    assert rank < 25 or np.abs(E).max() < 1e-9


def test_nystroem_with_landmarks_that_coincide():
    X = np.repeat(points(5), 4, axis=0)
    kernels = LowRankKernels.nystroem([Gaussian(0.5)], X, 20)
    assert kernels.ranks == (5,)
    assert_allclose(kernels.mix(np.ones(1)), Gaussian(0.5)(X, X), atol=1e-10)


def test_random_features_are_right_in_the_mean():
    """The mean over draws nears the kernel like their standard error."""
    X = points(8)
    draws = 4000
    L = [fourier_features(X, 0.3, 2, np.random.default_rng(seed)) for seed in range(draws)]
    mean = np.mean([F @ F.T for F in L], axis=0)
    error = np.abs(mean - Gaussian(0.3)(X, X)) * np.sqrt(draws)
    assert error.max() < 4.0  # standard deviations; an entry's is at most one
    many = fourier_features(X, 0.3, 2 * draws, np.random.default_rng(0))
    assert np.abs(many @ many.T - Gaussian(0.3)(X, X)).max() * np.sqrt(draws) < 4.0
    assert_allclose(np.sum(many**2, axis=1), 1.0, rtol=1e-12)


def test_random_features_see_the_columns_of_their_kernel():
    X = points()
    changed = X.copy()
    changed[:, 1] += 5.0
    kernel = OnColumns(Gaussian(0.5), (0, 2))
    first, second = (LowRankKernels.random_features([kernel], Z, 10).factors[0] for Z in (X, changed))
    assert_array_equal(first, second)


@pytest.mark.parametrize("make", ["nystroem", "random_features"])
def test_a_seed_is_a_seed(make):
    kernels = [Gaussian(0.2), Gaussian(0.2)]
    draw = [getattr(LowRankKernels, make)(kernels, points(), 6, seed=seed).factors for seed in (0, 0, 1)]
    assert_array_equal(draw[0][0], draw[1][0])
    assert not np.allclose(draw[0][0], draw[2][0])
    assert np.allclose(draw[0][0], draw[0][1]) == (make == "nystroem")  # landmarks are shared, frequencies are not


# ---- what is said of it ----------------------------------------------------------------------------------------------


def test_descriptions_name_the_approximation():
    X = points()
    exact = LowRankKernels.pivoted_cholesky([Linear()], X, tol=0.0)
    assert exact.description.startswith("1 kernels, 60 samples, low rank (pivoted Cholesky, trace error <= ")
    assert exact.errors[0] < 1e-13
    cut = LowRankKernels.pivoted_cholesky([Gaussian(2.0)], X, max_rank=5)
    K = Gaussian(2.0)(X, X)
    share = 1 - np.sum(cut.factors[0] ** 2) / np.trace(K)
    stated = float(cut.description.rsplit("<= ")[1].rstrip(")"))
    assert share <= stated <= 1.1 * share
    few = LowRankKernels.nystroem([Gaussian(2.0)], X, 5, seed=3)
    assert "low rank (Nystroem, 5 landmarks, seed 3, trace error <= " in few.description
    drawn = LowRankKernels.random_features([Gaussian(2.0)], X, 4, seed=3)
    assert drawn.description == "1 kernels, 60 samples, low rank (random Fourier features, rank 4, seed 3)"
    part = cut.take(np.arange(5))
    assert float(part.description.rsplit("<= ")[1].rstrip(")")) >= part.residuals.sum() / 5


@pytest.mark.parametrize("make", [LowRankKernels.pivoted_cholesky, LowRankKernels.nystroem])
def test_excess_bounds_what_is_missing(make):
    X = points()
    argument = 1e-2 if make == LowRankKernels.pivoted_cholesky else 6
    scale = np.array([3.0, 0.5, 10.0, 1.0])
    low = make(KERNELS, X, argument).divided(scale)
    exact = StoredKernels.of(np.stack([k(X, X) for k in KERNELS]), scale)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        V = rng.normal(size=(60, 2)) * (rng.uniform(size=(60, 1)) < rng.uniform())
        missing, excess = exact.quadratics(V) - low.quadratics(V), low.excess(V)
        traces = low.residuals.sum(axis=1)
        slack = 1e-12 * exact.quadratics(V)
        assert np.all(missing >= -slack) and np.all(missing <= excess + slack)
        assert np.all(excess <= 0.5 * traces * np.sum(V**2) * (1 + 1e-12))
    # Tight for one coefficient at a time.
    V = np.eye(60)[:, :1]
    assert_allclose(low.excess(V), exact.quadratics(V) - low.quadratics(V), atol=1e-12)
    index, W = np.array([4, 50, 7]), np.zeros((60, 1))
    W[index] = [[1.0], [-2.0], [0.5]]
    assert_allclose(low.take(index).excess(W[index]), low.excess(W), rtol=1e-12)
    assert_array_equal(low.select(np.array([2, 0])).excess(W), low.excess(W)[[2, 0]])


CASES = {
    "hinge": (Hinge(2.0), Simplex()),
    "tube": (EpsilonSVR(2.0, 0.1), LpBall(2.0)),
    "hinge, priced": (Hinge(2.0), SquaredLp(2.0, 3.0)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_optimum_of_the_kernels_themselves_is_bracketed(case):
    criterion, kernel_set = CASES[case]
    X = points()
    score = X[:, 0] + X[:, 1] * X[:, 2]
    Y = (np.sign(score) if criterion.targets == "labels" else score)[:, None]
    exact = Problem(StoredKernels.of(np.stack([k(X, X) for k in KERNELS])), Y, criterion, kernel_set, np.ones(60))
    optimum = InteriorPoint(tol=1e-9).solve(exact).certificate
    width = []
    for tol in (1e-1, 1e-3, 1e-6):
        kernels = LowRankKernels.pivoted_cholesky(KERNELS, X, tol)
        task = Problem(kernels, Y, criterion, kernel_set, np.ones(60))
        solution = InteriorPoint(tol=1e-9).solve(task)
        V = criterion.V(solution.a, Y)
        lower = task.dual(solution.a, q=kernels.quadratics(V) + kernels.excess(V))
        assert lower <= optimum.primal and optimum.dual <= solution.certificate.primal
        width.append((solution.certificate.primal - lower) / optimum.primal)
    assert width[2] < 0.1 * width[1] < width[0]


# ---- what it refuses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act, message",
    [
        (lambda X: LowRankKernels.pivoted_cholesky([White()], X), "white tells a point from its copy"),
        (lambda X: LowRankKernels.nystroem([Linear() + White()], X, 5), "has full rank; leave it out"),
        (lambda X: LowRankKernels.nystroem([Linear()], X, 61), "rank must be between 1 and the number of points, 60"),
        (lambda X: LowRankKernels.random_features([Linear()], X, 4), "for Gaussian kernels, found 'linear'"),
        (lambda X: LowRankKernels.random_features([Gaussian(1.0)], X, 5), "rank must be even and at least 2"),
        (lambda X: LowRankKernels.random_features([Gaussian(1.0)], X, 4).excess(X), "nothing bounds what 'random"),
        (lambda X: LowRankKernels(()), "factors is empty"),
        (lambda X: LowRankKernels((X, X[:5])), r"with the same n, found \[\(60, 3\), \(5, 3\)\]"),
        (lambda X: LowRankKernels((np.full((2, 1), np.nan),)), "factors contain NaN or infinity"),
        (lambda X: LowRankKernels((X,)).divided(np.zeros(1)), "scale must hold 1 positive numbers"),
    ],
)
def test_refusals_say_what_to_do(act, message):
    with pytest.raises(ValueError, match=message):
        act(points())


@pytest.mark.parametrize("make", ["pivoted_cholesky", "nystroem", "random_features"])
def test_sparse_points(make):
    X = points() * (np.random.default_rng(1).uniform(size=(60, 3)) < 0.5)
    argument = 1e-6 if make == "pivoted_cholesky" else 10
    dense, thin = (getattr(LowRankKernels, make)([Gaussian(0.3)], Z, argument) for Z in (X, sparse.csr_array(X)))
    assert_allclose(thin.mix(np.ones(1)), dense.mix(np.ones(1)), atol=1e-5)
