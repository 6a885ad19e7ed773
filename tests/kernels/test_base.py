from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.gaussian_process.kernels import RBF, DotProduct
from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel

from kernelopt import kernels
from kernelopt.kernels import (
    FAMILIES,
    Gaussian,
    Kernel,
    KernelStack,
    Linear,
    OnColumns,
    Polynomial,
    as_kernel,
    check_gram,
    image_patches,
    kernel_diag,
    kernel_name,
    per_group,
    scale_gamma,
)

KERNELS = [
    Gaussian(0.3),
    Polynomial(3, 0.5, 1.0),
    Linear(),
    OnColumns(Gaussian(2.0), (0, 2), "two"),
    "rbf",
    "laplacian",
    RBF(1.3),
    DotProduct(),
    lambda X, Z: np.exp(-np.abs(X[:, :1] - Z[:, 0])),
]


def points(seed, n=7):
    return np.random.default_rng(seed).normal(size=(n, 4))


@pytest.mark.parametrize("kernel", KERNELS, ids=kernel_name)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_kernel_is_symmetric_psd_and_agrees_with_its_diagonal(kernel, seed):
    k, X = as_kernel(kernel), points(seed)
    K = k(X, X)
    assert_allclose(K, K.T, atol=1e-12)
    assert np.linalg.eigvalsh(K)[0] > -1e-10 * np.trace(K)
    assert_allclose(kernel_diag(k, X), np.diag(K), rtol=1e-10)
    assert_allclose(k(X[:3], X[3:]), K[:3, 3:], atol=1e-12)


def test_twins_of_scikit_learn():
    X, Z = points(0), points(1)
    assert_allclose(Gaussian(0.7)(X, Z), rbf_kernel(X, Z, gamma=0.7), rtol=1e-12)
    assert_allclose(Polynomial(2, 0.1, 3.0)(X, Z), polynomial_kernel(X, Z, degree=2, gamma=0.1, coef0=3.0))


@pytest.mark.parametrize("make", [lambda: Gaussian(0.0), lambda: Gaussian(np.nan), lambda: Polynomial(0)])
def test_parameters_that_make_no_kernel_are_refused(make):
    with pytest.raises(ValueError, match="must be"):
        make()


def test_unknown_kernel_lists_the_known():
    with pytest.raises(ValueError, match="rbf.*found 'nonsense'"):
        as_kernel("nonsense")


def test_scale_gamma_is_that_of_scikit_learn_and_counts_weights_as_repetitions():
    X = points(3)
    assert scale_gamma(X) == pytest.approx(1 / (X.shape[1] * X.var()), rel=1e-12)
    repeated = np.repeat(X, [1, 2, 3, 1, 1, 1, 4], axis=0)
    assert scale_gamma(X, np.array([1, 2, 3, 1, 1, 1, 4])) == pytest.approx(scale_gamma(repeated), rel=1e-12)
    assert scale_gamma(sparse.csr_array(X)) == pytest.approx(scale_gamma(X), rel=1e-9)
    assert scale_gamma(np.ones((3, 2))) == 1.0


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_families_return_distinct_valid_kernels(family):
    X = points(4)
    kernels = family(X)
    stack = KernelStack.from_kernels(kernels, X)
    assert len(set(stack.names)) == len(kernels) > 1
    for K in stack.leading:
        check_gram(K)


def test_patches_partition_the_image():
    X = np.random.default_rng(0).random((5, 7 * 6))
    columns = [k.columns for k in image_patches(X, image_shape=(7, 6), grid=3)]
    assert sorted(j for c in columns for j in c) == list(range(42)) and len(columns) == 9
    with pytest.raises(ValueError, match="42 columns"):
        image_patches(X, image_shape=(6, 6))


def test_groups_take_the_scale_of_their_own_columns():
    X = points(5)
    X[:, 1] *= 100
    (k,) = per_group(X, groups={"wild": [1]})
    assert k.kernel.gamma == pytest.approx(scale_gamma(X[:, [1]]))


def test_names_of_functions_with_options():
    assert kernel_name(partial(rbf_kernel, gamma=0.5)) == "rbf_kernel(gamma=0.5)"
    assert kernel_name(as_kernel(RBF(2.0))) == "RBF(length_scale=2)"


BROKEN = {
    "shape": (lambda X, Z: np.ones((2, 2)), r"'broken' returned shape \(2, 2\) for 7 and 3 points; .* \(7, 3\)"),
    "NaN": (lambda X, Z: np.full((len(X), len(Z)), np.nan), "'broken' returned NaN"),
    "infinity": (lambda X, Z: np.full((len(X), len(Z)), np.inf), "'broken' returned NaN or infinity"),
    "complex": (lambda X, Z: np.full((len(X), len(Z)), 1j), "'broken' returned entries of type complex128"),
    "nothing": (lambda X, Z: None, "'broken' returned entries of type object"),
}


@pytest.mark.parametrize("function, message", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("inside", [False, True])
def test_a_broken_callable_is_named(function, message, inside):
    function.__name__ = "broken"
    kernel = Linear() + function if inside else function
    message = message.replace("'broken'", "'linear [+] broken'") if inside and "NaN" in message else message
    with pytest.raises(ValueError, match=message):
        KernelStack.from_kernels([Gaussian(1.0), kernel], points(0), points(1, n=3))


@pytest.mark.parametrize("name", kernels.__all__)
def test_public_kernels_have_an_example_that_runs(name):
    thing = getattr(kernels, name)
    if isinstance(thing, type) and issubclass(thing, Kernel):
        assert ">>>" in thing.__doc__
