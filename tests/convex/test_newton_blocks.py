"""The eliminations of the interior-point method against the dense systems they stand for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from kernelopt.convex.solvers.newton_blocks import Column
from kernelopt.convex.solvers.span_block import Span
from kernelopt.kernels import Gaussian
from kernelopt.kernels.rows import StoredKernels
from tests.convex.problems import CRITERIA, MACHINES, small

# Exact rows absorb a constant; `lagrangian` has a soft one, one_class and ridge need kernels as they are.
ABSORB = [name for name in MACHINES if name not in ("lagrangian", "ridge without intercept", "one_class")]


def column(name, seed=0, n=12, M=3):
    """A column of the criterion's dual at a random point inside its bounds, with random multipliers and products."""
    rng = np.random.default_rng(seed)
    criterion = CRITERIA[name]
    task = small(criterion, None, seed, n)
    program = criterion.program(task.Y[:, 0], task.w)
    block = Column(program, 1.0)
    for array in (block.low, block.high, block.z_low, block.z_high):
        array[:] = rng.uniform(0.2, 2.0, len(array))
    block.z_low[~block.has_lower], block.z_high[~block.has_upper] = 0.0, 0.0
    block.x = block.x * rng.uniform(0.8, 1.2, len(block.x))
    block.b = rng.normal(size=len(block.b))
    X = rng.normal(size=(n, 3))
    return block, Gaussian(0.5)(X, X), rng.normal(size=(n, M)), rng


def dense(block, K, P):
    """The whole system of dx and db: its matrix, and the right-hand side for a direction of the weights of zero."""
    g = block.program
    N, r = len(block.x), len(g.rows)
    system = np.zeros((N + r, N + r))
    system[:N, :N] = np.diag(block.D) + g.back(g.back(K).T)
    system[:N, N:], system[N:, :N], system[N:, N:] = g.rows.T, g.rows, -np.diag(g.soft)
    return system, np.vstack([g.back(P), np.zeros((r, P.shape[1]))])


@pytest.mark.parametrize(
    "name, shift", [(n, s) for n in MACHINES for s in (0.0, 0.7, 5.0, 1e3) if not s or n in ABSORB]
)
def test_steps_are_those_of_the_whole_system(name, shift):
    block, K, P, rng = column(name)
    K = K - shift
    block.prepare(K, P)
    system, right = dense(block, K, P)
    N = len(block.x)
    tau = 0.3
    block.gradient(tau, False)
    low, high = block.has_lower, block.has_upper
    r = block.residual + np.where(low, (tau - block.z_low * block.low) / block.low, 0.0)
    r = r - np.where(high, (tau - block.z_high * block.high) / block.high, 0.0)
    dtheta = rng.normal(size=P.shape[1])
    block.direct(dtheta)
    expected = np.linalg.solve(system, np.append(r, block.row_residual) - right @ dtheta)
    size = np.abs(expected).max()
    assert_allclose(block.dx, expected[:N], atol=1e-9 * size)
    assert_allclose(block.db, expected[N:], atol=1e-8 * size * (1 + shift))
    assert_allclose(block.schur, right.T @ np.linalg.solve(system, right), atol=1e-9 * np.abs(block.schur).max())
    whole = right.T @ np.linalg.solve(system, np.append(r, block.row_residual))
    assert_allclose(block.gradient(tau, False), whole, atol=1e-9 * np.abs(whole).max())


@pytest.mark.parametrize("name", ["hinge", "nu_svm", "epsilon_svr", "nu_svr"])
def test_rows_are_held_only_where_the_kernel_asks_for_it(name):
    block, K, P, _ = column(name)
    block.prepare(K, P)
    assert not block.held.any()
    block.prepare(K - 5, P)
    # The second row of nu_svr bounds the sum of both parts of each sample, of which v knows nothing.
    assert block.held.astype(bool).tolist() == {"nu_svr": [True, False]}.get(name, [True] * len(block.held))


def span(seed=0, n=9, M=4, rank=None):
    rng = np.random.default_rng(seed)
    F = rng.normal(size=(n, rank or n))
    G = rng.normal(size=(M, rank or n, rank or n))
    Ks = np.stack([F @ g @ g.T @ F.T for g in G])
    block = Span(StoredKernels.of(0.5 * (Ks + np.swapaxes(Ks, 1, 2))))
    y = np.linalg.lstsq(block.combinations, np.ones(M))[0]
    block.Z = np.cov(rng.normal(size=(block.count, 3 * block.count)))
    block.prepare(y)
    return block, y, rng


@pytest.mark.parametrize("rank", [None, 5])
def test_the_semidefinite_block_against_its_definition(rank):
    block, y, rng = span(rank=rank)
    A, X, Z = block.matrices, block.X, block.Z
    assert block.count == (rank or 9)
    assert_allclose(X, np.tensordot(y, A, 1))
    inverse = np.linalg.inv(X)
    expected = [[np.trace(Aj @ inverse @ Ak @ Z) for Ak in A] for Aj in A]
    assert_allclose(block.schur, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    # The direction solves the linearised complementarity X Z = tau I in the symmetrised (HKM) form, dX given.
    tau, dy = 0.2, rng.normal(size=len(y))
    block.gradient(tau, False)
    block.direct(dy)
    dX = np.tensordot(dy, A, 1)
    dZ = tau * inverse - Z - inverse @ dX @ Z
    assert_allclose(block.dZ, 0.5 * (dZ + dZ.T), atol=1e-9 * np.abs(dZ).max())
    # So the matrices' inner products with the new Z are linear in dy, by the Schur matrix.
    expected = block.inner + block.inners(tau * inverse - Z) - block.schur @ dy
    assert_allclose(block.inners(Z + block.dZ), expected, atol=1e-8 * np.abs(expected).max())


def test_the_step_ends_at_the_boundary_of_both_cones():
    block, y, rng = span(1)
    block.gradient(0.1, False)
    block.direct(rng.normal(size=len(y)))
    reach = block.reach()
    smallest = min(np.linalg.eigvalsh(m + reach * d)[0] for m, d in ((block.X, block.dX), (block.Z, block.dZ)))
    assert abs(smallest) < 1e-9 * max(np.abs(block.X).max(), np.abs(block.Z).max())
