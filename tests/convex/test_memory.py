"""What a fit takes beside the stored stack: counted in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import json, resource, sys, tracemalloc
import numpy as np
from kernelopt import KernelStack, MKLClassifier
from kernelopt.convex import Hinge, LpBall, Problem, Simplex, SquaredHinge
from kernelopt.convex.solvers import WorkingSetNewton
from kernelopt.kernels import Gaussian, OnColumns
from kernelopt.kernels.on_the_fly import OnTheFly
from kernelopt.kernels.rows import StoredKernels

how, n, m = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(0)
X = rng.normal(size=(n, m))
y = np.sign(X[:, 0] + X[:, 1] * X[:, 2] + 0.5 * rng.normal(size=n))
Ks = np.empty((m, n, n), dtype=np.float32 if "single" in how else float)
for k, K in enumerate(Ks):
    x = X[:, k]
    K[...] = np.exp(-(10.0 ** (k % 3 - 1)) * (x[:, None] - x) ** 2)
criterion = SquaredHinge(1.0) if "squared" in how else Hinge(1.0)
kernel_set = LpBall(2.0) if "ball" in how else Simplex()
task = Problem(StoredKernels.of(Ks), y[:, None], criterion, kernel_set, np.ones(n))
# once on a small problem: what is imported or made once is not of the fit
WorkingSetNewton(tol=1e-4).solve(task.take(np.arange(60)))

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if "estimator" in how:
    stack = KernelStack.from_leading(Ks)
    run = lambda: MKLClassifier(kernels="precomputed", normalize=None, C=1.0).fit(stack, y).certificate_
elif "fly" in how:
    tracemalloc.start()
    kernels = [OnColumns(Gaussian(10.0 ** (k % 3 - 1)), (k,)) for k in range(m)]
    task = Problem(OnTheFly.of(kernels, X), y[:, None], criterion, kernel_set, np.ones(n))
    run = lambda: WorkingSetNewton(tol=1e-4, cache_bytes=2**22).solve(task).certificate
elif "resident" in how:
    run = lambda: WorkingSetNewton(tol=1e-4).solve(task).certificate
else:
    tracemalloc.start()
    run = lambda: WorkingSetNewton(tol=1e-4).solve(task).certificate
held = tracemalloc.get_traced_memory()[0]
certificate = run()
peak = tracemalloc.get_traced_memory()[1] - held
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"gap": certificate.gap, "stack": Ks.nbytes, "traced": peak, "resident": 1024 * (after - before)}))
"""


def fit(how, n=1200, m=24):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, how, str(n), str(m)],
        env=env, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("how", ["traced", "traced squared", "traced ball", "traced single"])
def test_a_fit_takes_a_tenth_of_the_stack(how):
    """NumPy reports its arrays to tracemalloc, so this count is exact."""
    found = fit(how)
    assert found["gap"] <= 1e-4 and found["traced"] <= 0.1 * found["stack"], found


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is another")
@pytest.mark.parametrize("how", ["resident", "resident estimator"])
def test_the_process_grows_by_less_than_a_copy(how):
    """What libraries take without telling counts here too."""
    found = fit(how)
    assert found["gap"] <= 1e-4 and found["resident"] <= 0.1 * found["stack"], found


def test_kernels_on_the_fly_take_rows_and_not_matrices():
    """With a cache of 4 MB: the whole fit stays below two Gram matrices, where the stack has twenty-four."""
    found = fit("fly")
    assert found["gap"] <= 1e-4 and found["traced"] <= 2 * found["stack"] / 24, found
