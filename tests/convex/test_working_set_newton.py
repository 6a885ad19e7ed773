"""The Newton method over a working set: what it takes, what it proves, and how it ends early."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import kernelopt.convex.solvers.newton_run as module
from kernelopt.convex import Hinge, LpBall, Problem, Simplex, SquaredHinge, TraceBudget
from kernelopt.convex.solvers import InteriorPoint, WorkingSetNewton
from kernelopt.kernels import Gaussian
from kernelopt.kernels.on_the_fly import OnTheFly
from kernelopt.kernels.rows import StoredKernels
from tests.convex.newton import alone, many_kernels, overlap
from tests.convex.problems import CASES, CRITERIA, PAIRS, SETS, data, problem, small

NEWTON = WorkingSetNewton(tol=1e-6)
TAKEN_CRITERIA = ("hinge", "squared_hinge", "nu_svm", "one_class", "epsilon_svr", "least_squares",
                  "ridge without intercept", "fisher", "logistic")  # fmt: skip
REFUSED_SETS = ("radius", "psd_span", "hyper_span", "frobenius", "chi_square", "tessellated")
TAKEN = [(c, s) for c, s in PAIRS if c in TAKEN_CRITERIA and not any(r in s for r in REFUSED_SETS)]
REFUSED = [pair for pair in PAIRS if pair not in TAKEN]


@pytest.mark.parametrize("criterion, kernel_set", TAKEN)
def test_it_proves_what_it_takes(criterion, kernel_set):
    task = small(CRITERIA[criterion], SETS[kernel_set])
    assert NEWTON.takes(task)
    solution = NEWTON.solve(task)
    assert solution.certificate.holds(1e-6), solution.certificate
    assert solution.certificate == task.certify(solution) and alone(solution)
    assert overlap(solution.certificate, InteriorPoint(tol=1e-6).solve(task).certificate)


@pytest.mark.parametrize("criterion, kernel_set", REFUSED)
def test_it_refuses_what_it_does_not_take(criterion, kernel_set):
    task = small(CRITERIA[criterion], SETS[kernel_set])
    assert not NEWTON.takes(task)
    with pytest.raises(NotImplementedError, match=f"found {task.criterion.name} on .*; use InteriorPoint"):
        NEWTON.solve(task)


def test_it_refuses_points_without_labels():
    with pytest.raises(NotImplementedError, match="unlabelled"):
        NEWTON.solve(small(Hinge(), Simplex(), unlabelled=4))


@pytest.mark.parametrize("kernel_set", [Simplex(), TraceBudget(), LpBall(2.0), SETS["groups"]], ids=lambda s: s.name)
@pytest.mark.parametrize("criterion", ["hinge", "squared_hinge", "nu_svm", "logistic", "least_squares", "epsilon_svr"])
def test_columns_that_share_a_kernel(criterion, kernel_set):
    """One against the rest, with weights on the samples."""
    w = np.random.default_rng(0).uniform(0.5, 2.0, 24)
    columns = 3 if CRITERIA[criterion].targets == "labels" else 2
    task = small(CRITERIA[criterion], kernel_set, n=24, columns=columns, weights=w)
    solution = NEWTON.solve(task)
    assert solution.certificate.holds(1e-6) and solution.beta.shape == (24, columns)
    assert overlap(solution.certificate, InteriorPoint(tol=1e-6).solve(task).certificate)


@pytest.mark.parametrize("criterion", ["squared_hinge", "logistic"])
@pytest.mark.parametrize("case", CASES)
def test_the_cases_with_other_losses(case, criterion):
    task = CASES[case]()
    task = replace(task, criterion=type(CRITERIA[criterion])(task.criterion.C))
    solution = NEWTON.solve(task)
    assert solution.certificate.holds(1e-6), solution.certificate


# --- what it says of its way


def test_history():
    """Bounds tighten while the working set is not widened, and every number is what it is called."""
    task = problem(n=60, C=10.0)
    solution = WorkingSetNewton(tol=1e-9).solve(task)
    history, kernels = solution.history, task.kernels.n_kernels
    keys = {"seconds", "primal", "dual", "gap", "active", "working", "passes"}
    assert all(keys <= entry.keys() for entry in history) and solution.n_iter == len(history) > 1
    for earlier, later in zip(history, history[1:], strict=False):
        assert later["seconds"] >= earlier["seconds"] and later["passes"] >= earlier["passes"]
        if later["working"] <= earlier["working"]:
            assert later["primal"] <= earlier["primal"] and later["dual"] >= earlier["dual"]
    for entry in history:
        assert 0 < entry["active"] <= entry["working"] <= kernels
        size = max(abs(entry["primal"]), abs(entry["dual"]))
        assert entry["gap"] == pytest.approx((entry["primal"] - entry["dual"]) / size, abs=1e-12)
    assert history[-1]["gap"] <= 1e-9 and history[-1]["primal"] == pytest.approx(solution.certificate.primal)


def test_verbose_prints_a_line_per_step(capsys):
    solution = WorkingSetNewton(tol=1e-6, verbose=1).solve(problem())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == solution.n_iter and all("gap" in line and "kernels" in line for line in lines)


@pytest.mark.parametrize("criterion", [Hinge, SquaredHinge])
@pytest.mark.parametrize("C", [0.1, 10.0])
def test_a_start_from_a_few_samples_changes_only_the_path(monkeypatch, C, criterion):
    task = many_kernels(C=C, criterion=criterion)
    guided = NEWTON.solve(task)
    monkeypatch.setattr(module, "LARGE", 10**9)
    plain = NEWTON.solve(task)
    assert guided.certificate.holds(1e-6) and plain.certificate.holds(1e-6)
    assert overlap(guided.certificate, plain.certificate)
    assert guided.history[0]["gap"] < plain.history[0]["gap"]


def test_a_few_samples_without_a_class_are_no_start():
    """Labels sorted so that a class is missing from where the few are taken."""
    task = many_kernels(n=260, m=6)
    y = np.full(260, -1.0)
    y[[40, 41, 42, 75, 76]] = 1.0
    solution = NEWTON.solve(replace(task, Y=y[:, None]))
    assert solution.certificate.holds(1e-6)


@pytest.mark.parametrize("criterion", ["hinge", "squared_hinge", "logistic", "nu_svm", "epsilon_svr"])
@pytest.mark.parametrize("kernel_set", [Simplex(), LpBall(2.0)], ids=lambda s: s.name)
def test_a_start_is_taken_up(criterion, kernel_set):
    """From the answer itself one look is enough; from a neighbour's no more steps than from nothing."""
    task = small(CRITERIA[criterion], kernel_set, n=40)
    cold = NEWTON.solve(task)
    again = NEWTON.solve(task, start=cold)
    assert again.certificate.holds(1e-6) and again.n_iter <= 2 <= cold.n_iter
    if hasattr(task.criterion, "C"):
        near = replace(task, criterion=replace(task.criterion, C=1.2 * task.criterion.C))
        warm = NEWTON.solve(near, start=cold)
        assert warm.certificate.holds(1e-6) and overlap(warm.certificate, NEWTON.solve(near).certificate)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: replace(s, beta=s.beta[:-3]),
        lambda s: replace(s, beta=1e6 * s.beta),
        lambda s: replace(s, beta=-s.beta),
        lambda s: replace(s, theta=np.zeros_like(s.theta)),
        lambda s: replace(s, theta=s.theta[:-1]),
        lambda s: replace(s, theta=np.eye(len(s.theta))[0]),
    ],
)
def test_a_start_that_does_not_fit_does_no_harm(spoil):
    """Another number of samples or of kernels, coefficients that are infeasible, weights that are all wrong."""
    for task in (problem(), problem(C=100.0, kernel_set=LpBall(2.0))):
        cold = NEWTON.solve(task)
        warm = NEWTON.solve(task, start=spoil(cold))
        assert warm.certificate.holds(1e-6) and overlap(warm.certificate, cold.certificate)


def test_threads_find_the_same():
    task = many_kernels(m=12)
    one, two = NEWTON.solve(task), replace(NEWTON, n_jobs=2).solve(task)
    assert two.certificate.holds(1e-6)
    assert_allclose(two.theta, one.theta, atol=1e-12)
    assert_allclose(two.beta, one.beta, atol=1e-9)


def test_a_small_cache_finds_the_same():
    task = many_kernels(m=12)
    small_cache = replace(NEWTON, cache_bytes=1).solve(task)
    assert small_cache.certificate.holds(1e-6)
    assert overlap(small_cache.certificate, NEWTON.solve(task).certificate)


def test_single_precision_kernels_are_solved_as_they_are():
    """The certificate is of the numbers given, in sums of double precision."""
    task = many_kernels(m=12)
    single = replace(task, kernels=StoredKernels.of(task.kernels.Ks.astype(np.float32)))
    double = replace(task, kernels=StoredKernels.of(single.kernels.Ks.astype(float)))
    ours = NEWTON.solve(single)
    assert ours.certificate.holds(1e-6)
    assert overlap(ours.certificate, NEWTON.solve(double).certificate)


def test_threads_share_the_rows_of_kernels_on_the_fly(monkeypatch):
    """`n_jobs` reaches them, and changes nothing but the order of sums."""
    X, label = data(1, 60)
    y = np.where(label == 1, 1.0, -1.0)[:, None]
    seen = []
    rows = OnTheFly.rows
    monkeypatch.setattr(OnTheFly, "rows", lambda self, *args: (seen.append(self.threads), rows(self, *args))[1])
    task = Problem(OnTheFly.of([Gaussian(0.1), Gaussian(1.0)], X), y, Hinge(1.0), Simplex(), np.ones(60))
    one, two = WorkingSetNewton(tol=1e-8).solve(task), WorkingSetNewton(tol=1e-8, n_jobs=2).solve(task)
    assert set(seen) == {1, 2}
    assert_allclose(one.certificate.primal, two.certificate.primal, rtol=1e-8)
