"""The semidefinite cone by few directions: the same optimum as with the whole cone, never outside of it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from kernelopt.convex import HardMargin, Hinge, KernelFisher, LeastSquares, NuSVM, PSDSpan, Simplex, SquaredHinge
from kernelopt.convex.solvers import Conic, InteriorPoint
from kernelopt.convex.solvers.cut_span import START, CutSpan, FewDirections
from kernelopt.errors import UnboundedError
from kernelopt.kernels import Gaussian
from tests.convex.problems import small
from tests.convex.test_lanckriet import PUBLISHED
from tests.convex.test_lanckriet import problem as published

CRITERIA = [Hinge(2.0), SquaredHinge(3.0), HardMargin(), NuSVM(0.4), LeastSquares(0.3), KernelFisher(0.05)]
MANY = [Gaussian(g) for g in np.geomspace(0.01, 10, 9)]


PAIRS = [(c, k) for c in CRITERIA for k in (1, 2) if k == 1 or not isinstance(c, NuSVM | KernelFisher)]  # of one task


@pytest.mark.parametrize("unlabelled", [0, 12])
@pytest.mark.parametrize("criterion, columns", PAIRS, ids=lambda value: getattr(value, "name", None))
def test_it_brackets_what_the_whole_cone_brackets(criterion, unlabelled, columns):
    task = small(criterion, PSDSpan(), n=40, unlabelled=unlabelled, columns=columns, kernels=MANY)
    cut, whole = CutSpan(tol=1e-7).solve(task), InteriorPoint(tol=1e-7).solve(task)
    assert cut.certificate.holds(1e-7) and whole.certificate.holds(1e-7)
    assert cut.certificate == task.certify(cut)
    assert_allclose(cut.certificate.primal, whole.certificate.primal, rtol=2e-7)
    assert min(cut.theta) < 0  # or the test would not need the cone


def test_it_meets_the_conic_reference():
    task = small(Hinge(2.0), PSDSpan(), n=14, unlabelled=4)
    cut, conic = CutSpan(tol=1e-7).solve(task).certificate, Conic().solve(task).certificate
    assert cut.dual <= conic.primal * (1 + 1e-9) and conic.dual <= cut.primal * (1 + 1e-9)
    assert_allclose(cut.primal, conic.primal, rtol=1e-4)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_problems(name):
    task = published(name, Hinge(1.0), PSDSpan)
    cut, whole = CutSpan(tol=1e-6).solve(task).certificate, InteriorPoint(tol=1e-6).solve(task).certificate
    assert cut.holds(1e-6) and cut.dual <= whole.primal * (1 + 1e-12) and whole.dual <= cut.primal * (1 + 1e-12)


def test_the_witness_lives_on_the_directions_that_were_met():
    task = small(SquaredHinge(3.0), PSDSpan(), n=60, kernels=MANY)
    solution = CutSpan(tol=1e-6).solve(task)
    rank = np.linalg.matrix_rank(solution.witness, hermitian=True)
    assert rank < 60 and np.linalg.eigvalsh(solution.witness)[0] > -1e-12 * np.trace(solution.witness)
    # The optimum touches the cone in few of them: r (r + 1) / 2 <= M.
    smallest = np.linalg.eigvalsh(task.kernels.mix(solution.theta))
    assert np.sum(smallest < 1e-5 * smallest[-1]) <= 8


def test_a_step_ends_before_the_cone_and_what_stopped_it_joins():
    kernels = small(Hinge(), PSDSpan(), n=60, kernels=MANY).kernels
    span = FewDirections(kernels)
    y = np.linalg.lstsq(span.combinations, PSDSpan().start(kernels))[0]
    span.warm(y, 1.0)
    span.prepare(y)
    dy = np.linalg.lstsq(span.combinations, -100 * np.eye(9)[0])[0]
    step = span.guard(1.0, y, dy, 0.1)
    assert 0 < step < 1
    theta = span.combinations @ (y + step * dy)
    assert np.linalg.eigvalsh(kernels.mix(theta))[0] > 0
    assert np.linalg.eigvalsh(kernels.mix(span.combinations @ (y + step / 0.79 * dy)))[0] < 0
    before = span.count
    assert span.grow(y) and not span.grow(y)
    assert START == before < span.count
    assert_allclose(span.basis.T @ span.basis, np.eye(span.count), atol=1e-12)
    for e, A in zip(span.combinations.T, span.matrices, strict=True):
        assert_allclose(A, span.basis.T @ kernels.mix(e) @ span.basis, atol=1e-10 * np.abs(A).max())
    # What was dependent on the basis already does not join again.
    assert not span.join(span.basis[:, :2] @ np.array([[1.0, 1.0], [1.0, -1.0]]))


def test_the_same_bits_on_repetition():
    task = small(Hinge(2.0), PSDSpan(), n=30, kernels=MANY)
    first, second = CutSpan().solve(task), CutSpan().solve(task)
    assert (first.theta == second.theta).all() and (first.witness == second.witness).all()


def test_other_sets_are_refused():
    with pytest.raises(
        ValueError, match="CutSpan solves sets with weights of any sign.*found 'simplex'.*InteriorPoint"
    ):
        CutSpan().solve(small(Hinge(), Simplex()))


def test_a_hard_margin_that_nothing_separates():
    task = small(HardMargin(), PSDSpan(), n=20, kernels=MANY)
    twice = np.tile(np.arange(10), 2)
    Ks = np.stack([task.kernels.mix(e) for e in np.eye(9)])[:, twice][:, :, twice]
    Y = np.concatenate([task.Y[:10], -task.Y[:10]])
    with pytest.raises(UnboundedError, match="no hyperplane separates"):
        CutSpan().solve(type(task).of(Ks, Y, HardMargin(), PSDSpan()))
