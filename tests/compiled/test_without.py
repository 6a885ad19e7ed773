"""Without the compiled part: everything works over libsvm, and says so once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from kernelopt.convex import EpsilonSVR, Hinge, NuSVM, OneClass, SquaredHinge
from kernelopt.convex.solvers.box_qp import as_box_qp
from kernelopt.convex.solvers.row_cache import RowCache
from kernelopt.convex.solvers.smo import by_libsvm, smo
from kernelopt.kernels import Gaussian, Linear
from kernelopt.kernels.rows import StoredKernels
from tests.convex.problems import data

CHILD = """
import json, warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import numpy as np
    import kernelopt
    from kernelopt import MKLClassifier, MKLRegressor
    from kernelopt.compiled import core
    from kernelopt.convex import EpsilonSVR, Hinge, LpBall, Simplex
    from kernelopt.convex.solvers import InteriorPoint, WorkingSetNewton
    from kernelopt.convex.solvers.box_qp import as_box_qp
    from kernelopt.convex.solvers.smo import smo
    from kernelopt.kernels import Gaussian
    from kernelopt.kernels.rows import StoredKernels
    from tests.convex.problems import CRITERIA, SETS, data, problem, small

    out = {"core": core is None, "imported": [str(w.message) for w in caught]}

    # what needs no machine says nothing
    X, label = data(0, 50)
    K = Gaussian(0.5)(X, X)
    stored = StoredKernels.of(np.stack([K, X @ X.T]))
    V = np.random.default_rng(0).normal(size=(50, 2))
    out["rows"] = stored.rows(np.array([1.0, 2.0]), np.array([3])).tolist()
    out["quadratics"] = stored.quadratics(V).tolist()
    out["taken"] = stored.take(np.array([4, 2])).mix(np.array([1.0, 2.0])).tolist()
    InteriorPoint().solve(small(CRITERIA["hinge"], SETS["simplex"]))
    out["before"] = [str(w.message) for w in caught]

    y = 2.0 * label - 1
    out["smo"] = smo(K, as_box_qp(Hinge(2.0), y, np.ones(50))).tolist()
    out["after"] = [[w.category.__name__, str(w.message)] for w in caught]

    gaps = {}
    for c in ("hinge", "squared_hinge", "nu_svm", "one_class", "epsilon_svr", "logistic", "least_squares", "fisher"):
        for s in ("simplex", "lp 2", "trace", "uniform", "groups", "squared lp 2"):
            solution = WorkingSetNewton(tol=1e-6).solve(small(CRITERIA[c], SETS[s], n=30))
            alone = not any("method" in entry for entry in solution.history)
            gaps[c + " " + s] = [solution.certificate.holds(1e-6), alone]
    for C in (1e-4, 1e-2, 1.0, 1e2):
        for s in (Simplex(), LpBall(2.0)):
            solution = WorkingSetNewton(tol=1e-6).solve(problem(C=C, n=80, kernel_set=s))
            gaps[f"{C} {s.name}"] = [solution.certificate.holds(1e-6), True]
    no_tube = WorkingSetNewton(tol=1e-6).solve(small(EpsilonSVR(2.0, 0.0), Simplex(), n=40))
    gaps["no tube"] = [no_tube.certificate.holds(1e-6), True]
    large = WorkingSetNewton(tol=1e-6).solve(problem(n=300, C=3.0))
    gaps["large"] = [large.certificate.holds(1e-6), True]
    out["gaps"] = gaps

    fits = {}
    for c in ("hinge", "squared_hinge", "nu_svm"):
        fits[c] = MKLClassifier(criterion=c, tol=1e-6).fit(X, label).certificate_.gap
    fits["epsilon_svr"] = MKLRegressor(criterion="epsilon_svr", tol=1e-6).fit(X, X[:, 0]).certificate_.gap
    out["fits"] = fits
    out["all"] = [str(w.message) for w in caught]
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def child():
    env = {**os.environ, "KERNELOPT_NO_COMPILED": "1", "OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", CHILD], env=env, cwd=root, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nothing_is_said_until_a_machine_is_needed(child):
    assert child["core"] and child["imported"] == child["before"] == []


def test_it_is_said_once(child):
    ((category, message),) = child["after"]
    assert category == "RuntimeWarning" and "KERNELOPT_NO_COMPILED is set" in message
    assert "libsvm takes its place" in message and "Install a C compiler" in message
    assert child["all"] == [message]


def test_rows_and_products_are_the_same(child):
    X, _ = data(0, 50)
    stored = StoredKernels.of(np.stack([Gaussian(0.5)(X, X), X @ X.T]))
    V = np.random.default_rng(0).normal(size=(50, 2))
    assert_allclose(child["rows"], stored.rows(np.array([1.0, 2.0]), np.array([3])), rtol=1e-12)
    assert_allclose(child["quadratics"], stored.quadratics(V), rtol=1e-12)
    assert_allclose(child["taken"], stored.take(np.array([4, 2])).mix(np.array([1.0, 2.0])), rtol=1e-12)


def test_the_machine_is_the_same(child):
    X, label = data(0, 50)
    K, y = Gaussian(0.5)(X, X), 2.0 * label - 1
    ours = smo(K, as_box_qp(Hinge(2.0), y, np.ones(50)), 1e-9)
    assert_allclose(K @ child["smo"], K @ ours, atol=1e-5)


def test_the_newton_method_proves_its_optimum(child):
    failed = {name: found for name, found in child["gaps"].items() if found != [True, True]}
    assert len(child["gaps"]) == 58 and not failed


def test_estimators_fit(child):
    assert len(child["fits"]) == 4 and all(-1e-9 <= gap <= 1e-6 for gap in child["fits"].values())


# --- libsvm in our own terms, compiled or not


@pytest.mark.parametrize(
    "kernel, size",
    [(Gaussian(0.5), 2.0**-20), (Gaussian(0.5), 1.0), (Gaussian(0.5), 2.0**10), (Linear(), 2.0**-20), (Linear(), 1.0)],
)
@pytest.mark.parametrize(
    "criterion",
    [Hinge(1e-3), Hinge(10.0), SquaredHinge(1e-3), SquaredHinge(100.0), NuSVM(0.1), NuSVM(0.5), OneClass(0.1),
     OneClass(0.5), EpsilonSVR(1.0, 0.1), EpsilonSVR(1.0, 0.0), EpsilonSVR(1.0, 10.0)],
    ids=repr,
)  # fmt: skip
def test_libsvm_meets_the_conditions_of_each_program(criterion, size, kernel):
    """At any size of the kernel; a tube of width zero is a tube, and a kernel of 1e-6 hides no bound."""
    X, label = data(1, 60)
    y = 2.0 * label - 1 if criterion.targets == "labels" else X[:, 0] * X[:, 1] + X[:, 2]
    w = np.random.default_rng(0).uniform(0.5, 2.0, 60)
    qp = as_box_qp(criterion, y, w)
    K = (size * kernel(X, X) + np.diag(qp.d)).astype(np.float32) - np.diag(qp.d)  # in double, but what libsvm sees
    cache = RowCache(StoredKernels.of(K[None]))
    cache.reset(np.ones(1))
    s = qp.start()
    g = K @ s + qp.d * s - qp.p
    unit = np.abs(qp.p).max() or np.abs(K).max()
    met = by_libsvm(qp, cache, s, g, 1e-5 * unit)
    assert met or (criterion == NuSVM(0.1) and kernel == Linear())  # whose margin is zero, the unit of libsvm's answer
    assert_allclose(g, K @ s + qp.d * s - qp.p, atol=1e-12 * (unit + size * np.abs(s).sum()))
    assert np.all(s >= qp.lower) and np.all(s <= qp.upper) and (qp.violation(s, g) <= 2e-5 * unit) == met
    for k, total in enumerate(qp.total):
        assert s[qp.group == k].sum() == pytest.approx(total, abs=1e-9 * np.abs(s).sum() + 1e-15)


def test_libsvm_is_not_asked_for_what_is_there(monkeypatch):
    """A point within the tolerance stays to the bit, and one that libsvm would spoil is kept."""
    X, label = data(1, 60)
    K, qp = Gaussian(0.5)(X, X), as_box_qp(Hinge(1.0), 2.0 * label - 1, np.ones(60))
    cache = RowCache(StoredKernels.of(K[None]))
    cache.reset(np.ones(1))
    s = smo(K, qp, 1e-10)
    g, kept = K @ s - qp.p, s.copy()
    assert by_libsvm(qp, cache, s, g, 1e-9) and np.array_equal(s, kept)
    assert not by_libsvm(qp, cache, s, g, 1e-15) and qp.violation(s, g) <= 1.1e-10


def test_libsvm_ends_where_it_cannot_converge():
    """Three useful directions and a ridge of 1e-7 of the kernel, beyond single precision: it stops, and says so."""
    X, label = data(1, 60)
    K, qp = 1e3 * X @ X.T, as_box_qp(SquaredHinge(1e4), 2.0 * label - 1, np.ones(60))
    cache = RowCache(StoredKernels.of(K[None]))
    cache.reset(np.ones(1))
    s = qp.start()
    g = K @ s + qp.d * s - qp.p
    assert not by_libsvm(qp, cache, s, g, 1e-9)
    assert_allclose(g, K @ s + qp.d * s - qp.p, rtol=1e-6, atol=1e-6)
