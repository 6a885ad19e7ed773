"""The least constant that makes a matrix a Gram matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from kernelopt.errors import NotPSDError
from kernelopt.kernels import Gaussian, KernelStack, Normalization
from kernelopt.kernels.validation import missing_constant


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6), n=st.integers(2, 25), rank=st.integers(1, 30), size=st.sampled_from([1e-9, 1.0, 1e9])
)
def test_it_is_the_least(seed, n, rank, size):
    """Above it no eigenvalue is negative, below it one is; and what a Gram matrix lacks is nothing."""
    root = np.random.default_rng(seed).normal(size=(n, rank))
    K = root @ root.T
    assert missing_constant(size * K) == 0.0
    c = missing_constant(size * (K - 3.0)) / size
    assert 0.0 < c <= 3.0 * (1 + 1e-9) or np.linalg.eigvalsh(K - 3.0)[0] > -1e-9
    if c > 0:
        assert np.linalg.eigvalsh(K - 3.0 + c)[0] >= -1e-9 * n * rank
        assert np.linalg.eigvalsh(K - 3.0 + 0.99 * c - 1e-3)[0] < 0
    if rank < n - 1:  # the affine hull of the rows is the whole space, and holds the origin
        assert_allclose(c, 3.0, rtol=1e-6)


def test_distances_to_a_power_below_two_lack_one_and_indefinite_matrices_have_none():
    X = np.random.default_rng(0).normal(size=(12, 2))
    K = -np.linalg.norm(X[:, None] - X[None], axis=2)
    c = missing_constant(K)
    # 1 / 1'K^-1 1 is the value of a'Ka at its least on vectors that sum to one.
    assert_allclose(c, -1 / np.linalg.solve(K, np.ones(12)).sum(), rtol=1e-9)
    g = X[:, 0]
    for bad in (-(K**2), np.add.outer(g, g), np.diag(g), [[1.0, 2.0], [0.0, 1.0]]):
        with pytest.raises(NotPSDError, match="^mine of shape"):
            missing_constant(np.asarray(bad), "mine")


@pytest.mark.parametrize("method", ["variance", "center", "trace", "spherical", None])
def test_a_normalisation_adds_it_to_training_and_new_points_alike(method):
    rng = np.random.default_rng(1)
    X, Z = rng.normal(size=(9, 2)), rng.normal(size=(4, 2))
    kernels, c = [Gaussian(0.5), Gaussian(0.1)], np.array([0.3, 0.0])
    stack, new = KernelStack.from_kernels(kernels, X), KernelStack.from_kernels(kernels, Z, X, diag=True)

    def less(stack):
        return KernelStack(stack.leading - c[:, None, None], diag=stack.diag - c[:, None])

    plain, raised = Normalization.fit(stack, method), Normalization.fit(less(stack), method, constant=c)
    for k in range(2):
        for one, other in ((stack, less(stack)), (new, less(new))):
            expected = plain.apply(one).mix(np.eye(2)[k])
            assert_allclose(raised.apply(other).mix(np.eye(2)[k]), expected, atol=1e-13)
            alone = raised.select([k]).apply(other.select([k])).mix(np.ones(1))
            assert_allclose(alone, expected, atol=1e-13)
