"""Tessellated kernels: the closed form against the integral, linear in P, kernels wherever their points are."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from kernelopt.kernels import TessellatedKernels, Tessellation

rng = np.random.default_rng(0)
X, Y = rng.uniform(-1, 1, (7, 2)), rng.uniform(-1.5, 1.5, (5, 2))  # some of Y lie outside of the box


def definite(m, seed=0):
    R = np.random.default_rng(seed).normal(size=(m, m))
    return R @ R.T


def integral(tessellation, P, x, y):
    """The integral over the cells that the coordinates of x and y cut the box into: N is constant on each."""
    edges = [
        np.unique(np.clip([low, high, a, b], low, high))
        for low, high, a, b in zip(tessellation.lower, tessellation.upper, x, y, strict=True)
    ]
    sides = [list(zip(e, e[1:], strict=False)) for e in edges]
    monomials = {0: lambda z: [1.0], 1: lambda z: [1.0, *z], 2: lambda z: [1.0, *z, z[0] ** 2, z[0] * z[1], z[1] ** 2]}
    total = 0.0
    for cell in product(*sides):
        z = np.array([(a + b) / 2 for a, b in cell])
        volume = np.prod([b - a for a, b in cell]) / np.prod(tessellation.upper - tessellation.lower)
        N = [
            np.concatenate([np.all(z >= p) * Z, (1 - np.all(z >= p)) * Z])
            for p, Z in (
                (x, np.array(monomials[tessellation.degree](x))),
                (y, np.array(monomials[tessellation.degree](y))),
            )
        ]
        total += volume * (N[0] @ P @ N[1])
    return total


@pytest.mark.parametrize("degree, m", [(0, 2), (1, 6), (2, 12)])
def test_the_closed_form_is_the_integral(degree, m):
    tessellation, P = Tessellation.around(X, 0.2, degree), definite(m)
    expected = [[integral(tessellation, P, x, y) for y in Y] for x in X]
    assert_allclose(tessellation(P, X, Y), expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), degree=st.integers(0, 2))
def test_a_semidefinite_matrix_gives_a_kernel_on_any_points(seed, degree):
    draw = np.random.default_rng(seed)
    tessellation = Tessellation.around(X, 0.1, degree)
    m = 2 * tessellation.monomials(X).shape[1]
    u = draw.normal(size=(m, 2))
    points = np.vstack([X, Y, draw.uniform(-3, 3, (6, 2))])
    K = tessellation(u @ u.T, points, points)
    assert_allclose(K, K.T, rtol=1e-12, atol=1e-12)
    assert np.linalg.eigvalsh(K)[0] > -1e-12 * np.trace(K)


def test_the_matrix_is_the_kernel_on_the_points_and_the_form_its_adjoint():
    kernels = TessellatedKernels(Tessellation.around(X), X)
    P, V = definite(6), rng.normal(size=(7, 2))
    K = kernels.matrix(P)
    assert_allclose(K, kernels.tessellation(P, X, X), rtol=1e-12)
    G = kernels.form(V)
    assert np.sum(P * G) == pytest.approx(0.5 * np.sum(V * (K @ V)), rel=1e-12)
    assert np.linalg.eigvalsh(G)[0] > -1e-14 * np.trace(G)


def test_slopes_are_differences_of_the_form():
    """The form is a quadratic: central differences are exact but for rounding."""
    kernels, V = TessellatedKernels(Tessellation.around(X), X), rng.normal(size=(7, 2))
    slopes = kernels.slopes(V).reshape(2, 7, 6, 6)
    for c, i in product(range(2), range(7)):
        step = np.zeros_like(V)
        step[i, c] = 0.5
        assert_allclose(slopes[c, i], kernels.form(V + step) - kernels.form(V - step), atol=1e-12)


def test_directions_are_a_change_of_basis():
    U = rng.normal(size=(6, 3))
    whole, part = TessellatedKernels(Tessellation.around(X), X), TessellatedKernels(Tessellation.around(X), X, U)
    P = definite(3)
    assert_allclose(part.matrix(P), whole.matrix(U @ P @ U.T), rtol=1e-11)
    assert_allclose(part.tessellation.between(U, P, X, Y), part.tessellation(U @ P @ U.T, X, Y), rtol=1e-11)


def test_a_column_that_does_not_vary_has_a_box_too():
    flat = np.column_stack([X[:, 0], np.full(7, 3.0)])
    tessellation = Tessellation.around(flat, 0.0)
    assert np.all(tessellation.lower < tessellation.upper) and tessellation.lower[1] < 3.0 < tessellation.upper[1]


@pytest.mark.parametrize(
    "arguments, word",
    [(([0.0], [0.0]), "lower < upper"), (([0.0, 1.0], [2.0]), "lower < upper"), (([0.0], [1.0], -1), "degree"),
     (([0.0], [1.0], 0.5), "degree")],
)  # fmt: skip
def test_refusals(arguments, word):
    with pytest.raises(ValueError, match=word):
        Tessellation(*arguments)
