"""What a run of the interior point takes: the device it is asked to use, and the memory it says it needs."""

import tracemalloc
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from kernelopt.backend import backend
from kernelopt.convex import BoundedBall, EpsilonSVR, Hinge, LpBall, Problem, PSDSpan, RadiusBall, Simplex
from kernelopt.convex.solvers import InteriorPoint
from kernelopt.convex.solvers.cut_span import CutSpan
from kernelopt.convex.solvers.device_kernels import DeviceKernels
from kernelopt.errors import ProblemTooLargeError
from kernelopt.kernels import Gaussian
from tests.convex.problems import small

ONE, TWENTY = [Gaussian(0.5)], [Gaussian(g) for g in np.geomspace(0.01, 10, 20)]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "solver, kernel_set",
    [(InteriorPoint, s) for s in (Simplex(), LpBall(2.0), RadiusBall(), PSDSpan(), BoundedBall())]
    + [(CutSpan, PSDSpan())],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", None)),
)
def test_a_device_gives_the_same_numbers(solver, kernel_set, device):
    torch = pytest.importorskip("torch")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    kernels = ONE if isinstance(kernel_set, BoundedBall) else TWENTY[::5]
    task = small(Hinge(2.0), kernel_set, n=30, unlabelled=4, kernels=kernels)
    plain, moved = solver(tol=1e-6).solve(task), solver(tol=1e-6, device=device).solve(task)
    assert moved.certificate.holds(1e-6)
    assert moved.certificate == task.certify(moved)  # by NumPy, whatever the device
    assert moved.n_iter == plain.n_iter
    assert_allclose(moved.certificate.primal, plain.certificate.primal, rtol=1e-9)
    assert_allclose(moved.certificate.dual, plain.certificate.dual, rtol=1e-8)


@pytest.mark.parametrize("device", DEVICES)
def test_kernels_on_a_device_are_the_kernels(device):
    pytest.importorskip("torch")
    stored = small(Hinge(), Simplex(), n=10).kernels
    moved = DeviceKernels(stored, backend(device))
    rng = np.random.default_rng(0)
    V, Z, mu = rng.normal(size=(10, 2)), rng.normal(size=(10, 10)), rng.normal(size=4)
    index = np.array([7, 1])
    for kernels, reference in ((moved, stored), (moved.take(index), stored.take(index))):
        few = slice(0, kernels.n_samples)
        assert_allclose(kernels.mix(mu), reference.mix(mu), atol=1e-12)
        assert_allclose(kernels.products(V[few]), reference.products(V[few]), atol=1e-12)
        assert_allclose(kernels.inner(Z[few, few]), reference.inner(Z[few, few]), atol=1e-12)
        assert_allclose(kernels.quadratics(V[few]), reference.quadratics(V[few]), atol=1e-12)
    assert_allclose(moved.rows(mu, index), stored.mix(mu)[index], atol=1e-12)
    out = np.zeros((3, 10))
    moved.rows(mu, index, out, np.array([2, 0]))
    assert_allclose(out[[2, 0]], stored.mix(mu)[index], atol=1e-12)
    which = np.array([3, 0])
    assert_allclose(moved.products(V, which), stored.products(V, which), atol=1e-12)
    assert_allclose(moved.select(which).mix(np.ones(2)), stored.select(which).mix(np.ones(2)), atol=1e-12)
    assert_allclose(moved.traces, stored.traces)


def test_a_device_that_is_not_here_is_refused():
    pytest.importorskip("torch")
    with pytest.raises(ValueError, match="device 'cuda:99' is not here"):
        InteriorPoint(device="cuda:99").solve(small(Hinge(), Simplex()))


CASES = [
    (InteriorPoint(), Hinge(1.0), Simplex(), 1, TWENTY),
    (InteriorPoint(), Hinge(1.0), Simplex(), 3, TWENTY),
    (InteriorPoint(), EpsilonSVR(1.0, 0.1), LpBall(2.0), 1, TWENTY),
    (InteriorPoint(), Hinge(1.0), RadiusBall(), 1, TWENTY),
    (InteriorPoint(), Hinge(1.0), PSDSpan(), 1, TWENTY),
    (InteriorPoint(), Hinge(1.0), PSDSpan(), 1, TWENTY[::7]),
    (CutSpan(), Hinge(1.0), PSDSpan(), 1, TWENTY),
    (InteriorPoint(), Hinge(1.0), BoundedBall(), 1, ONE),
    (InteriorPoint(), Hinge(1.0), BoundedBall(), 2, ONE),
]


@pytest.mark.parametrize("solver, criterion, kernel_set, columns, kernels", CASES)
def test_memory_stays_below_what_is_said_and_not_far_below(solver, criterion, kernel_set, columns, kernels):
    task = small(criterion, kernel_set, n=250, columns=columns, kernels=kernels)
    said = solver.memory(task)
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            type(solver)(max_iter=3).solve(task)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.4 * said < peak < said


@pytest.mark.parametrize("solver", [InteriorPoint, CutSpan])
def test_what_is_too_large_is_refused_before_it_is_built(solver, monkeypatch):
    task = small(Hinge(), PSDSpan(), n=40, kernels=TWENTY[::2])
    need = solver().memory(task)
    assert solver(memory_limit=need).solve(task).certificate.holds(1e-6)
    monkeypatch.setattr(type(task.kernels), "mix", None)
    with pytest.raises(ProblemTooLargeError, match=r"would need about 0\.0 GB for hinge on psd_span.*memory_limit"):
        solver(memory_limit=0.99 * need).solve(Problem(task.kernels, task.Y, task.criterion, task.kernel_set, task.w))
