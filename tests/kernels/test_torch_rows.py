"""Stored kernels on a torch device: beyond the contract of test_rows, on the processor and on an accelerator."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from kernelopt.convex.solvers import InteriorPoint, WorkingSetNewton
from kernelopt.kernels.rows import StoredKernels
from tests.convex.problems import problem
from tests.kernels.test_rows import KS, SCALE, N, close, coefficients, weights

pytest.importorskip("torch", reason="torch is not installed")

from kernelopt.kernels import torch_rows  # noqa: E402
from kernelopt.kernels.torch_rows import TorchKernels  # noqa: E402

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_same_numbers_as_stored_kernels(device, dtype):
    stored, there = StoredKernels.of(KS.astype(dtype), SCALE), TorchKernels.of(KS, device, dtype, SCALE)
    V, mu, index = coefficients(), weights(len(KS)), np.array([3, 0, 11])
    assert there.Ks.device.type == device and there.dtype == stored.dtype
    close(there.rows(mu, index), stored.rows(mu, index))
    close(there.products(V), stored.products(V))
    close(there.quadratics(V), stored.quadratics(V))
    close(there.apply(mu, V), stored.apply(mu, V))
    close(there.inner(V @ V.T), stored.inner(V @ V.T))
    close(there.diagonals, stored.diagonals)
    close(there.take(index).select(np.array([1, 3])).mix(np.ones(2)), stored.take(index).select([1, 3]).mix(np.ones(2)))


@pytest.mark.parametrize("device", DEVICES)
def test_blocks_change_nothing(device, monkeypatch):
    there, V = TorchKernels.of(KS, device, np.float32), coefficients()
    whole = [there.products(V), there.rows(weights(5), np.arange(N)), there.inner(V @ V.T), there.quadratics(V)]
    monkeypatch.setattr(torch_rows, "BLOCK", 8 * N * 5)  # five rows at a time
    parts = [there.products(V), there.rows(weights(5), np.arange(N)), there.inner(V @ V.T), there.quadratics(V)]
    for a, b in zip(whole, parts, strict=True):
        close(a, b)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("solver", [WorkingSetNewton(tol=1e-7), InteriorPoint(tol=1e-7)], ids=["newton", "interior"])
def test_solvers_reach_the_same_optimum(device, solver):
    task = problem(n=60)
    here = solver.solve(task)
    there = replace(task, kernels=TorchKernels.of(task.kernels.Ks, device, scale=task.kernels.scale))
    solution = solver.solve(there)
    assert solution.certificate.holds(1e-7), solution.certificate
    assert solution.certificate.problem.endswith(f"5 kernels, 60 samples, float64 on {device}")
    assert_allclose(solution.certificate.primal, here.certificate.primal, rtol=2e-7)
    assert task.certify(solution).holds(1.1e-7)  # proven by the stored kernels too


def test_precision_is_kept_unless_asked_for_another():
    single = KS.astype(np.float32)
    assert TorchKernels.of(single, "cpu").dtype == np.float32
    assert TorchKernels.of(single, "cpu", np.float64).dtype == np.float64
    assert TorchKernels.of(np.rint(KS).astype(int), "cpu").dtype == np.float64


def test_a_memory_map_is_read_and_left_alone(tmp_path):
    np.save(tmp_path / "Ks.npy", KS)
    Ks = np.load(tmp_path / "Ks.npy", mmap_mode="r")
    there = TorchKernels.of(Ks, "cpu")
    there.Ks.zero_()
    assert np.array_equal(Ks, KS)


@pytest.mark.parametrize(
    "Ks, options, message",
    [
        (KS, {"device": "cuda:99"}, "device 'cuda:99' is not here"),
        (KS, {"dtype": np.float16}, "dtype must be float64 or float32, found float16"),
        (KS[0], {}, r"Ks must have shape \(M, n, n\)"),
        (KS[:, :5], {}, r"Ks must have shape \(M, n, n\), found \(5, 5, 37\)"),
    ],
)
def test_what_it_refuses(Ks, options, message):
    with pytest.raises(ValueError, match=message):
        TorchKernels.of(Ks, **{"device": "cpu", **options})


def test_the_module_loads_without_torch():
    code = "import sys, kernelopt.kernels.torch_rows; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
