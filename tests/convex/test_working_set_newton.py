"""The Newton method over a working set: what it takes, what it proves, and how it ends early."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

import kernelopt.convex.solvers.machines as machines
import kernelopt.convex.solvers.newton_run as module
from kernelopt.convex import Hinge, LpBall, Problem, Simplex, SquaredHinge, TraceBudget
from kernelopt.convex.solvers import InteriorPoint, WorkingSetNewton
from kernelopt.kernels import Gaussian
from kernelopt.kernels.rows import StoredKernels
from tests.convex.problems import CASES, CRITERIA, PAIRS, SETS, data, problem, small

NEWTON = WorkingSetNewton(tol=1e-6)
TAKEN_CRITERIA = ("hinge", "squared_hinge", "nu_svm", "one_class", "epsilon_svr", "least_squares",
                  "ridge without intercept", "fisher", "logistic")  # fmt: skip
REFUSED_SETS = ("radius", "psd_span", "frobenius")
TAKEN = [(c, s) for c, s in PAIRS if c in TAKEN_CRITERIA and not any(r in s for r in REFUSED_SETS)]
REFUSED = [pair for pair in PAIRS if pair not in TAKEN]


def overlap(one, other, rtol=1e-9):
    """Whether two brackets hold one number."""
    slack = rtol * max(abs(one.primal), abs(other.primal))
    return one.dual <= other.primal + slack and other.dual <= one.primal + slack


def alone(solution):
    """Whether no other method was asked."""
    return not any("method" in entry for entry in solution.history)


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


def many_kernels(n=300, m=30, C=1.0, seed=0, criterion=Hinge):
    """Gaussians on single features and on all, of which most are of no use."""
    X, label = data(seed, n)
    X = np.column_stack([X, np.random.default_rng(seed).normal(size=(n, 5))])
    Ks = [Gaussian(10.0 ** (k % 5 - 2))(X[:, [k % 8]], X[:, [k % 8]]) for k in range(m - 2)]
    Ks += [Gaussian(g)(X[:, :3], X[:, :3]) for g in (0.1, 1.0)]
    return Problem.of(np.stack([(K + K.T) / 2 for K in Ks]), 2.0 * label - 1, criterion(C), Simplex())


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


# --- how it ends early


@pytest.mark.parametrize("kernel_set", [Simplex(), LpBall(2.0)], ids=lambda s: s.name)
def test_iteration_limit_warns_and_keeps_a_true_certificate(kernel_set):
    task = problem(kernel_set=kernel_set, C=10.0)
    with pytest.warns(ConvergenceWarning, match="max_iter was reached with a relative duality gap of"):
        solution = WorkingSetNewton(tol=1e-14, max_iter=1).solve(task)
    assert solution.n_iter == 1 and 1e-14 < solution.certificate.gap
    assert solution.certificate == task.certify(solution)


@pytest.mark.parametrize("n", [40, 300])
def test_time_limit_warns_and_keeps_the_best_point(n):
    task = many_kernels(n=n, m=8)
    with pytest.warns(ConvergenceWarning, match="time_limit was reached"):
        solution = WorkingSetNewton(tol=1e-12, time_limit=0.0).solve(task)
    assert np.isfinite(solution.certificate.gap) and solution.certificate.infeasibility < 1e-9
    assert solution.certificate == task.certify(solution)


def interrupting(monkeypatch, after):
    """Let a machine be interrupted, once, after some improvements."""
    improve, calls = machines.BoxMachine.improve, []

    def interrupted(*args):
        calls.append(1)
        if len(calls) == after:
            raise KeyboardInterrupt
        return improve(*args)

    monkeypatch.setattr(machines.BoxMachine, "improve", interrupted)
    return calls


@pytest.mark.parametrize("after", [3, 6, 9, 12])
def test_an_interrupt_returns_the_best_point(monkeypatch, after):
    task = problem(C=10.0)
    calls = interrupting(monkeypatch, after)
    with pytest.warns(ConvergenceWarning, match="interrupted with a relative duality gap of"):
        solution = WorkingSetNewton(tol=1e-12).solve(task)
    assert len(calls) == after
    assert solution.certificate.infeasibility < 1e-9 and np.isfinite(solution.certificate.gap)
    assert solution.certificate == task.certify(solution)
    assert solution.history[-1]["primal"] >= solution.certificate.primal * (1 - 1e-9)


def test_an_interrupt_before_the_first_point_is_an_interrupt(monkeypatch):
    interrupting(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        NEWTON.solve(problem())


LOST = {
    2: "lost where the weights are learned on a few samples",
    9: "the point before new kernels entered is forgotten",
}


@pytest.mark.parametrize("after", [2, 5, 8, 9, 12, 15, 20, 25, 30])
def test_an_interrupt_is_never_lost(request, monkeypatch, capsys, after):
    """Wherever it comes, on the few samples too: it ends the run, with a point once there was one."""
    if after in LOST:
        request.applymarker(pytest.mark.xfail(strict=True, reason=LOST[after]))
    task = many_kernels()
    calls = interrupting(monkeypatch, after)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            solution = WorkingSetNewton(tol=1e-9, verbose=1).solve(task)
        except KeyboardInterrupt:
            assert len(calls) == after and "primal" not in capsys.readouterr().out
            return
    assert len(calls) == after and any("interrupted" in str(w.message) for w in caught)
    assert solution.certificate == task.certify(solution) and np.isfinite(solution.certificate.gap)


# --- what rounding beats goes to the interior-point method


def test_standing_still_hands_over(monkeypatch):
    """Machines that never get better: the bounds stand still, and the other method proves the optimum."""
    monkeypatch.setattr(machines.BoxMachine, "improve", lambda self, *args: None)
    task = problem()
    solution = NEWTON.solve(task)
    assert solution.certificate.holds(1e-6) and not alone(solution)
    assert solution.n_iter == len(solution.history)
    assert overlap(solution.certificate, InteriorPoint(tol=1e-6).solve(task).certificate)


def test_standing_still_is_said_where_there_is_no_other_method(monkeypatch):
    monkeypatch.setattr(machines.BoxMachine, "improve", lambda self, *args: None)
    monkeypatch.setattr(module, "SMALL", 10)
    with pytest.warns(ConvergenceWarning, match="stood still"):
        solution = NEWTON.solve(problem())
    assert solution.n_iter < 200 and alone(solution) and solution.certificate.gap > 1e-6
