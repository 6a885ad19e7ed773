"""Sums, products, powers and multiples; white; what is proven."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.metrics.pairwise import rbf_kernel

from kernelopt.kernels import (
    Constant,
    Gaussian,
    Kernel,
    KernelStack,
    Linear,
    Named,
    OnColumns,
    Polynomial,
    Scaled,
    White,
    as_kernel,
    has_white,
    is_proven_psd,
    kernel_diag,
    kernel_name,
    white,
)


def ours(X, Z):
    return np.exp(-np.abs(X[:, :1] - Z[:, 0]))


ATOMS = [Gaussian(0.3), Linear(), Polynomial(2), OnColumns(Gaussian(1.0), (1, 2)), Constant(0.7), White(), ours]


def points(seed, n=8):
    return np.random.default_rng(seed).normal(size=(n, 4))


def expressions():
    """Kernels beside the same arithmetic on matrices: functions of (X, Z)."""
    atoms = st.sampled_from([(k, k) for k in ATOMS])

    def combine(inner):
        pairs = st.tuples(inner, inner)
        return st.one_of(
            pairs.map(lambda p: (_k(p[0][0]) + p[1][0], lambda X, Z: p[0][1](X, Z) + p[1][1](X, Z))),
            pairs.map(lambda p: (_k(p[0][0]) * p[1][0], lambda X, Z: p[0][1](X, Z) * p[1][1](X, Z))),
            st.tuples(inner, st.floats(0.1, 9)).map(
                lambda p: (p[1] * _k(p[0][0]), lambda X, Z: p[1] * p[0][1](X, Z)),
            ),
            st.tuples(inner, st.integers(1, 3)).map(
                lambda p: (_k(p[0][0]) ** p[1], lambda X, Z: p[0][1](X, Z) ** p[1])
            ),
        )

    return st.recursive(atoms, combine, max_leaves=5)


def _k(kernel):
    return Named("callable", kernel) if kernel is ours else kernel


@settings(max_examples=60, deadline=None)
@given(expression=expressions(), seed=st.integers(0, 1000))
def test_the_kernel_of_an_expression_is_the_expression_of_the_kernels(expression, seed):
    kernel, expected = expression
    X, Z = points(seed), points(seed + 1, n=3)
    assert_allclose(kernel(X, Z), expected(X, Z), rtol=1e-10)
    K = kernel(X, X)
    assert_allclose(K, expected(X, X), rtol=1e-10)
    assert_allclose(kernel_diag(as_kernel(kernel), X), np.diag(K), rtol=1e-9)
    assert np.linalg.eigvalsh(K)[0] >= -1e-9 * np.trace(K)


def test_operators_leave_plain_values():
    assert Linear() + Gaussian(1.0) + Linear() == Linear() + (Gaussian(1.0) + Linear())
    assert 2 * (3 * Linear()) == 6 * Linear() == Linear() * 2 * np.float64(3.0) == Scaled(Linear(), 6.0)
    assert Linear() ** 1 == Linear() == sum([Linear()]) == 0 + Linear()
    assert len({2 * Linear(), 2.0 * Linear()}) == 1


NAMES = {
    "gaussian γ=1 + linear": Gaussian(1.0) + Linear(),
    "2 × gaussian γ=1 × (linear + 1)": 2 * Gaussian(1.0) * (Linear() + 1),
    "(gaussian γ=1)^2": Gaussian(1.0) ** 2,
    "linear^3 + 0.5 × white": Linear() ** 3 + 0.5 * white(),
    "gaussian γ=1 × ours": Gaussian(1.0) * ours,
    "linear + rbf_kernel": Linear() + "rbf",
    "both on ends": OnColumns(Named("both", Linear() + 1), (0, 2), "ends"),
}


@pytest.mark.parametrize("name, kernel", NAMES.items(), ids=NAMES)
def test_names(name, kernel):
    assert kernel_name(kernel) == name


def test_callables_and_scikit_learn_join_from_the_right():
    X = points(0)
    assert_allclose((Linear() + RBF(0.5))(X, X), X @ X.T + RBF(0.5)(X), atol=1e-12)
    assert_allclose((ours * Gaussian(1.0))(X, X), (Gaussian(1.0) * ours)(X, X))
    assert_allclose((Linear() * "rbf")(X, X), X @ X.T * rbf_kernel(X), atol=1e-12)


def test_scikit_learn_on_the_left_is_refused_with_the_way_out():
    """Its own operator answers there, and makes a constant kernel of ours."""
    for kernel in (RBF(1.0) + Gaussian(1.0), RBF(1.0) * Linear(), RBF(1.0) + 2 * RBF(1.0) * Linear()):
        with pytest.raises(ValueError, match="kernelopt's kernel first"):
            as_kernel(kernel)


PROVEN = {
    "gaussian": Gaussian(1.0),
    "columns": OnColumns(Polynomial(3), (0, 1)),
    "named": Named("a", Linear()),
    "white": white(),
    "all": 2 * (Named("a", OnColumns(Gaussian(1.0) + 1, (0,))) ** 2 * Linear() + white()),
}
UNPROVEN = {
    "callable": ours,
    "pairwise": rbf_kernel,
    "gaussian process": as_kernel(RBF(1.0)),
    "inside": Linear() + Gaussian(1.0) * ours,
    "on columns": OnColumns(ours, (0,)),
    "named": Named("a", ours),
    "power": (Linear() + ours) ** 2,
}


@pytest.mark.parametrize("kernel", PROVEN.values(), ids=PROVEN)
def test_proven(kernel):
    assert is_proven_psd(kernel)


@pytest.mark.parametrize("kernel", UNPROVEN.values(), ids=UNPROVEN)
def test_unproven(kernel):
    assert not is_proven_psd(kernel)


def test_a_kernel_of_the_users_own_class_is_unproven_and_has_the_operators():
    class Mine(Kernel):
        name = "mine"

        def __call__(self, X, Z):
            return -(X @ Z.T)

    assert not is_proven_psd(Mine()) and not is_proven_psd(Mine() + Linear())
    assert (Mine() + Linear()).name == "mine + linear"


REFUSED = {
    "negative": (lambda: -1.0 * Linear(), ValueError, "positive"),
    "zero": (lambda: Linear() * 0, ValueError, "positive"),
    "infinite": (lambda: np.inf * Linear(), ValueError, "positive"),
    "negative constant": (lambda: Linear() + (-1), ValueError, "nonnegative"),
    "root": (lambda: Linear() ** 0.5, ValueError, "positive integer"),
    "zeroth power": (lambda: Linear() ** 0, ValueError, "positive integer"),
    "unknown name": (lambda: Linear() + "nonsense", ValueError, "nonsense"),
    "difference": (lambda: Linear() - Linear(), TypeError, "unsupported"),
    "array": (lambda: Linear() * np.ones(3), TypeError, "does not support"),
    "list": (lambda: Linear() + [1], TypeError, "unsupported"),
    "class": (lambda: Linear() + Gaussian, ValueError, r"make one, Gaussian\(\.\.\.\)"),
}


@pytest.mark.parametrize("make, error, message", REFUSED.values(), ids=REFUSED)
def test_what_need_not_be_a_kernel_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


# --- white


def test_white_is_the_identity_on_the_same_object_only():
    X = points(0)
    assert_array_equal(white()(X, X), np.eye(8))
    assert_array_equal(white()(X, X.copy()), np.zeros((8, 8)))
    assert_array_equal(white()(X[:3], X), np.zeros((3, 8)))
    assert_array_equal(white()(sparse.csr_array(X), sparse.csr_array(X)), np.zeros((8, 8)))
    assert_array_equal(OnColumns(white(), (0, 1))(X, X), np.eye(8))


@pytest.mark.parametrize("noise", [white(), WhiteKernel(1.0), RBF(1.0) + WhiteKernel(1.0)], ids=kernel_name)
def test_noise_counts_among_training_points_and_at_no_new_one(noise):
    """A Gaussian-process kernel called with two arguments leaves its noise out, even between equal points."""
    X = points(0)
    stack = KernelStack.from_kernels([noise], X)
    between = KernelStack.from_kernels([noise], X.copy(), X)
    assert has_white(as_kernel(noise)) and not has_white(as_kernel(RBF(1.0)))
    assert_allclose(stack.leading[0] - between.leading[0], np.eye(8), atol=1e-12)
    assert_allclose(kernel_diag(as_kernel(noise), X), np.diag(stack.leading[0]))


# --- sparse points

READS_SPARSE = [
    Gaussian(0.3),
    Polynomial(2),
    Linear(),
    OnColumns(Gaussian(1.0), (0, 3)),
    2 * Gaussian(1.0) * (Linear() + 1) + white(),
    "rbf",
    lambda X, Z: X @ Z.T,  # a sparse result
]


@pytest.mark.parametrize("kernel", READS_SPARSE, ids=kernel_name)
@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csr_matrix, sparse.csc_array])
def test_sparse_points_equal_dense_ones(kernel, form):
    X, Z = (np.where(np.abs(points(s)) < 0.7, 0.0, points(s)) for s in (0, 1))
    for other in (None, Z):
        dense = KernelStack.from_kernels([kernel], X, other, diag=True)
        found = KernelStack.from_kernels([kernel], form(X), None if other is None else form(other), diag=True)
        assert_allclose(found.leading, dense.leading, atol=1e-12)
        assert_allclose(found.diag, dense.diag, atol=1e-12)


@pytest.mark.parametrize("wrap", [lambda k: k, lambda k: Linear() + 2 * OnColumns(k, (0, 1))], ids=["alone", "inside"])
def test_a_callable_that_fails_on_sparse_points_is_named(wrap):
    with pytest.raises(ValueError, match=r"kernel 'ours' failed on sparse X.*toarray"):
        KernelStack.from_kernels([wrap(ours)], sparse.csr_array(points(0)))
