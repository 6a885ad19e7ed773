"""How the Newton method ends before its optimum: limits, interrupts, and what it hands to another method."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import kernelopt.convex.solvers.machines as machines
import kernelopt.convex.solvers.newton_run as module
from kernelopt.convex import LpBall, Simplex
from kernelopt.convex.solvers import InteriorPoint, WorkingSetNewton
from tests.convex.newton import alone, many_kernels, overlap
from tests.convex.problems import problem

NEWTON = WorkingSetNewton(tol=1e-6)


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


@pytest.mark.parametrize("after", [2, 5, 8, 9, 12, 15, 20, 25, 30])
def test_an_interrupt_is_never_lost(monkeypatch, capsys, after):
    """Wherever it comes, on the few samples too: it ends the run, with a point once there was one."""
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


def test_a_wider_working_set_is_no_standing_still(monkeypatch):
    """Kernels enter after four steps that brought the gap from 2e-1 to 2e-3: no reason to stop."""
    monkeypatch.setattr(module, "PATIENCE", 3)
    monkeypatch.setattr(module, "SMALL", 10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        solution = NEWTON.solve(many_kernels())
    assert solution.certificate.holds(1e-6)
