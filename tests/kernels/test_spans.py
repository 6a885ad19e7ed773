"""Rank-one kernels of eigenvectors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from kernelopt.errors import NotPSDError
from kernelopt.kernels import check_gram, eigenvector_kernels


def gram(seed, n=9, rank=6):
    A = np.random.default_rng(seed).normal(size=(n, rank))
    return A @ A.T


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_weights_are_the_eigenvalues_of_what_they_combine_to(seed):
    stack = eigenvector_kernels(gram(seed))
    mu = np.random.default_rng(seed).normal(size=stack.n_kernels)
    combined = np.tensordot(mu, stack.leading, 1)
    expected = np.sort(np.r_[mu, np.zeros(9 - stack.n_kernels)])
    assert_allclose(np.linalg.eigvalsh(combined), expected, atol=1e-10)


def test_the_kernel_itself_is_the_combination_by_its_eigenvalues():
    K = gram(1)
    stack = eigenvector_kernels(K)
    assert stack.shape == (9, 9, 6)
    values = np.einsum("kij,ij->k", stack.leading, K)
    assert (np.diff(values) < 0).all()
    assert_allclose(np.tensordot(values, stack.leading, 1), K, atol=1e-10)
    assert_allclose(np.einsum("kii->k", stack.leading), 1.0)
    for matrix in stack.leading:
        assert np.linalg.matrix_rank(matrix) == 1
        check_gram(matrix)


def test_number_and_names():
    stack = eigenvector_kernels(gram(2), n_components=2, names=["first", "second"])
    assert stack.names == ("first", "second") and stack.shape == (9, 9, 2)
    assert_allclose(stack.leading, eigenvector_kernels(gram(2)).leading[:2], atol=1e-12)


def test_refusals():
    with pytest.raises(NotPSDError, match="K of shape"):
        eigenvector_kernels(np.diag([1.0, -1.0]))
    for number in (0, 7):
        with pytest.raises(ValueError, match=f"between 1 and 6, the rank of K, found {number}"):
            eigenvector_kernels(gram(0), n_components=number)
    with pytest.raises(ValueError, match="zero"):
        eigenvector_kernels(np.zeros((2, 2)))
