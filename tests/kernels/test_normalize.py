"""Normalisation: the formulas, in feature space where there is one, for training points and for new ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.preprocessing import KernelCenterer

from kernelopt.kernels import Gaussian, KernelStack, Linear, Normalization, Polynomial, White

KERNELS = [Gaussian(0.1), Gaussian(1.0), Linear(), Polynomial(2)]
EACH = np.eye(len(KERNELS))


def points(seed, n=12, d=3):
    return np.random.default_rng(seed).normal(size=(n, d)) + 1.0


@pytest.fixture
def X():
    return points(0, n=30)


@pytest.fixture
def stack(X):
    return KernelStack.from_kernels(KERNELS, X)


def matrices(stored):
    return np.stack([stored.mix(e) for e in np.eye(stored.n_kernels)])


@pytest.mark.parametrize("method", ["trace", "variance", "center"])
def test_divisors(stack, method):
    expected = [np.trace(K) / 30 - (0 if method == "trace" else K.mean()) for K in stack.leading]
    assert_allclose(Normalization.fit(stack, method).scale, expected)


@pytest.mark.parametrize("method", ["trace", "variance", None])
def test_dividing_copies_nothing(stack, method):
    assert Normalization.fit(stack, method).apply(stack).Ks is stack.leading


def test_centring_is_the_textbook_formula(stack):
    H = np.eye(30) - 1 / 30
    found = matrices(Normalization.fit(stack, "center").apply(stack))
    for K, ours in zip(stack.leading, found, strict=True):
        centred = H @ K @ H
        assert_allclose(ours, centred / (np.trace(centred) / 30), atol=1e-10)
        assert_allclose(np.trace(ours) / 30, 1.0)
        assert_allclose(ours, ours.T, atol=1e-14)


def test_centring_of_new_points_is_that_of_scikit_learn(X, stack):
    new = points(1, n=9)
    normalization = Normalization.fit(stack, "center")
    found = matrices(normalization.apply(KernelStack.from_kernels(KERNELS, new, X)))
    for kernel, ours, s in zip(KERNELS, found, normalization.scale, strict=True):
        expected = KernelCenterer().fit(kernel(X, X)).transform(kernel(new, X)) / s
        assert_allclose(ours, expected, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), weighted=st.booleans())
def test_centring_a_linear_kernel_is_centring_its_points(seed, weighted):
    rng = np.random.default_rng(seed)
    X, Z = points(seed), points(seed + 1, n=5)
    w = rng.integers(1, 5, len(X)).astype(float) if weighted else np.ones(len(X))
    mean = np.average(X, axis=0, weights=w)
    variance = np.average(((X - mean) ** 2).sum(axis=1), weights=w)
    normalization = Normalization.fit(KernelStack.from_kernels([Linear()], X), "center", w)
    found = normalization.apply(KernelStack.from_kernels([Linear()], Z, X)).mix(np.ones(1))
    assert_allclose(found, (Z - mean) @ (X - mean).T / variance, atol=1e-9)
    assert_allclose(normalization.scale, variance)


@pytest.mark.parametrize("method", ["variance", "center", "trace", "spherical", None])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_weights_count_as_repetitions(method, seed):
    X, Z = points(seed), points(seed + 1, n=4)
    w = np.random.default_rng(seed).integers(1, 4, len(X))
    rows = np.repeat(np.arange(len(X)), w)
    kernels = [*KERNELS, White(), Linear() + 0.5 * White(), (Linear() + White()) ** 2]
    # White tells a point from its copies: one entry stands for the mean over them, the copies themselves are white.
    merged = KernelStack.from_kernels(kernels, X, sample_weight=w)
    copies = KernelStack.from_kernels(kernels, X[rows])
    ours, theirs = Normalization.fit(merged, method, w), Normalization.fit(copies, method)
    assert_allclose(ours.scale, theirs.scale)
    new = matrices(ours.apply(KernelStack.from_kernels(kernels, Z, X, diag=True)))
    expected = matrices(theirs.apply(KernelStack.from_kernels(kernels, Z, X[rows], diag=True)))
    assert_allclose(new[:, :, np.repeat(np.arange(len(X)), w)], expected, atol=1e-9)
    # Quadratic forms over the training points agree where copies share one coefficient.
    v = np.random.default_rng(seed).normal(size=len(X))
    spread = (v / w)[rows]
    quadratic = np.einsum("i,kij,j->k", v, matrices(ours.apply(merged)), v)
    assert_allclose(quadratic, np.einsum("i,kij,j->k", spread, matrices(theirs.apply(copies)), spread), atol=1e-8)


def test_variance_ignores_constants(stack):
    shifted = KernelStack(stack.leading + 5.0)
    for method in ("variance", "center"):
        assert_allclose(Normalization.fit(shifted, method).scale, Normalization.fit(stack, method).scale)
    centred = [matrices(Normalization.fit(s, "center").apply(s)) for s in (shifted, stack)]
    assert_allclose(*centred, atol=1e-10)


@pytest.mark.parametrize("method", ["variance", "center", "trace", "spherical"])
@pytest.mark.parametrize("size", [1e-300, 1e-12, 1e12, 1e300])
def test_the_scale_of_a_kernel_does_not_matter(method, size):
    K = Polynomial(2)(points(3), points(3))
    plain, scaled = (KernelStack(c * K[None]) for c in (1.0, size))
    found = matrices(Normalization.fit(scaled, method).apply(scaled))
    assert_allclose(found, matrices(Normalization.fit(plain, method).apply(plain)), atol=1e-12)


@pytest.mark.parametrize("method", ["variance", "center"])
def test_a_useless_kernel_is_left_out_with_a_warning_and_all_useless_is_an_error(stack, method):
    with_constant = KernelStack(np.concatenate([stack.leading, np.ones((1, 30, 30))]))
    with pytest.warns(UserWarning, match="kernel 4"):
        assert np.isinf(Normalization.fit(with_constant, method).scale[4])
    with pytest.raises(ValueError, match="every kernel"):
        Normalization.fit(KernelStack(np.zeros((1, 3, 3))), method)


def test_spherical_gives_unit_diagonals_and_needs_the_new_points(X, stack):
    normalization = Normalization.fit(stack, "spherical")
    assert_allclose(np.einsum("kii->ki", normalization.apply(stack).Ks), 1.0)
    new = KernelStack.from_kernels(KERNELS, 2 * X[:4], X, diag=True)
    norms = np.linalg.norm(X, axis=1)
    expected = (X[:4] @ X.T) / norms[:4, None] / norms
    assert_allclose(normalization.apply(new).Ks[2], expected)
    with pytest.raises(ValueError, match="diag"):
        normalization.apply(KernelStack(new.leading))


def test_as_many_new_points_as_training_points_are_not_taken_for_them(X, stack):
    """A square block between different points has no k(x, x) on its diagonal."""
    new = KernelStack.from_kernels(KERNELS, X[::-1] + 1.0, X)
    assert new.shape[0] == new.shape[1]
    with pytest.raises(ValueError, match="diag"):
        Normalization.fit(stack, "spherical").apply(new)


def test_centring_new_points_needs_all_training_points(X, stack):
    normalization = Normalization.fit(stack, "center")
    few = KernelStack.from_kernels(KERNELS, X[:4], X[:10])
    with pytest.raises(ValueError, match="all 30 training points, found 10 columns"):
        normalization.apply(few)
    whole = KernelStack.from_kernels(KERNELS, X[:4], X)
    found = normalization.apply(few, rows=normalization.measure(whole), columns=normalization.profile[:, :10])
    assert_allclose(matrices(found), matrices(normalization.apply(whole))[:, :, :10])


@pytest.mark.parametrize("method", ["variance", "center", "trace", "spherical", None])
def test_single_precision_stays_single(stack, method):
    single = KernelStack(stack.leading.astype(np.float32))
    found = Normalization.fit(single, method).apply(single)
    assert found.Ks.dtype == np.float32
    exact = Normalization.fit(stack, method).apply(stack)
    assert_allclose(matrices(found), matrices(exact), atol=1e-4)


def test_some_of_the_kernels(stack):
    for method in ("center", "spherical", "trace"):
        normalization = Normalization.fit(stack, method)
        found = matrices(normalization.select([2, 0]).apply(stack.select([2, 0])))
        assert_allclose(found, matrices(normalization.apply(stack))[[2, 0]], atol=1e-13)


def test_refusals(stack):
    with pytest.raises(ValueError, match="normalize must be one of"):
        Normalization.fit(stack, "max")
    with pytest.raises(ValueError, match="square"):
        Normalization.fit(stack[:5], "trace")
    with pytest.raises(ValueError, match=r"k\(x, x\) >= 0.*kernel 0"):
        Normalization.fit(KernelStack(-np.eye(3)[None]), "trace")
