"""The interior-point method: what stops it, what it says of what has no solution, and data that are hard on numbers."""

import warnings
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from kernelopt.convex import (
    EpsilonSVR,
    HardMargin,
    Hinge,
    LeastSquares,
    LpBall,
    Problem,
    PSDSpan,
    RadiusBall,
    Simplex,
    SquaredHinge,
    SquaredLp,
    TraceBudget,
)
from kernelopt.convex.solvers import InteriorPoint
from kernelopt.errors import UnboundedError
from kernelopt.kernels import Gaussian, KernelStack, Linear
from kernelopt.kernels.rows import StoredKernels
from tests.convex.problems import CASES, CRITERIA, FOUR, KERNELS, MACHINES, SETS, data, small

SOLVER = InteriorPoint(tol=1e-7)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("criterion", ["hinge", "squared_hinge", "logistic"])
def test_the_cases_of_the_other_solvers(case, criterion):
    task = CASES[case]()
    if criterion != "hinge":
        task = replace(task, criterion=type(CRITERIA[criterion])(task.criterion.C))
    assert SOLVER.solve(task).certificate.holds(1e-6)


HARD = {
    "duplicated kernels": lambda Ks: np.repeat(Ks, 2, axis=0),
    "a zero kernel": lambda Ks: np.concatenate([Ks, np.zeros_like(Ks[:1])]),
    "a constant kernel": lambda Ks: np.concatenate([Ks, np.ones_like(Ks[:1])]),
    "a kernel of rank one": lambda Ks: np.concatenate([Ks, np.einsum("i,j->ij", *np.tile(Ks[0, 0], (2, 1)))[None]]),
    "scales a million apart": lambda Ks: Ks * np.logspace(-3, 3, len(Ks))[:, None, None],
    "tiny kernels": lambda Ks: 1e-9 * Ks,
    "huge kernels": lambda Ks: 1e9 * Ks,
    "one kernel": lambda Ks: Ks[:1],
}


@pytest.mark.parametrize("hard", HARD)
@pytest.mark.parametrize(
    "kernel_set", [Simplex(), LpBall(2.0), TraceBudget(), SquaredLp(), RadiusBall(), PSDSpan()], ids=lambda s: s.name
)
def test_kernels_that_are_hard_on_numbers(hard, kernel_set):
    task = small(Hinge(), kernel_set, n=18)
    Ks = HARD[hard](np.stack([task.kernels.mix(e) for e in np.eye(4)]))
    for criterion in (Hinge(2.0), SquaredHinge(2.0)):
        solution = SOLVER.solve(Problem.of(Ks, task.Y, criterion, kernel_set))
        assert solution.certificate.holds(1e-6), (criterion, solution.certificate)


@pytest.mark.parametrize("name", MACHINES)
def test_samples_that_are_hard_on_numbers(name):
    """The same point with opposite targets; and thirty samples of which five are positive."""
    criterion = CRITERIA[name]
    task = small(criterion, Simplex(), n=10)
    twice = np.tile(np.arange(10), 2)
    if name not in ("hard_margin", "nu_svm", "fisher"):  # a point cannot be told from itself: no margin, or one of zero
        Ks = np.stack([task.kernels.mix(e) for e in np.eye(4)])[:, twice][:, :, twice]
        Y = np.concatenate([task.Y, -task.Y])
        assert SOLVER.solve(Problem.of(Ks, Y, criterion, Simplex())).certificate.holds(1e-6)
    if criterion.targets == "labels" and name != "nu_svm":  # whose nu five of thirty cannot fill
        X, _ = data(3, 30)
        y = np.where(np.argsort(np.argsort(X[:, 0])) >= 25, 1, -1)
        Ks = [k(X, X) for k in KERNELS]
        assert SOLVER.solve(Problem.of(Ks, y, criterion, Simplex())).certificate.holds(1e-6)


@pytest.mark.parametrize("C", [1e-6, 1e4])
@pytest.mark.parametrize(
    "make", [Hinge, SquaredHinge, type(CRITERIA["logistic"]), EpsilonSVR, lambda C: LeastSquares(1 / C)]
)
def test_weights_of_the_loss_far_apart(make, C):
    for kernel_set in (Simplex(), LpBall(2.0), PSDSpan()):
        try:
            task = small(make(C), kernel_set)
        except ValueError:  # a pair that is none
            continue
        certificate = SOLVER.solve(task).certificate
        assert certificate.holds(1e-6), certificate


@pytest.mark.parametrize("shift", [-5.0, 30.0])
def test_kernels_up_to_a_constant(shift):
    """Conditionally positive kernels are admitted where an intercept absorbs the constant; it changes nothing."""
    for name in ("hinge", "squared_hinge", "logistic", "least_squares", "epsilon_svr", "nu_svm", "fisher"):
        task = small(CRITERIA[name], Simplex())
        moved = np.stack([task.kernels.mix(e) for e in np.eye(4)]) + shift
        certificate = SOLVER.solve(Problem.of(moved, task.Y, task.criterion, Simplex())).certificate
        assert certificate.holds(1e-6), (name, certificate)
        assert_allclose(certificate.primal, SOLVER.solve(task).certificate.primal, rtol=1e-6)


# --- what has no solution


@pytest.mark.parametrize(
    "kernel_set", [Simplex(), LpBall(2.0), SquaredLp(2.0, 3.0), RadiusBall(), PSDSpan()], ids=lambda s: s.name
)
@pytest.mark.parametrize("columns", [1, 2])
def test_a_hard_margin_that_nothing_separates_comes_with_its_ray(kernel_set, columns):
    X, label = data(2, 24, 3)
    X[1], label[:2] = X[0], (0, 1)  # one point in two classes
    Y = np.where(label[:, None] == np.arange(columns), 1.0, -1.0)
    task = Problem.of([Linear()(X, X) + 1, Gaussian(0.5)(X, X)], Y, HardMargin(), kernel_set)
    with pytest.raises(UnboundedError, match="no hyperplane separates.*Use criterion 'hinge'") as raised:
        SOLVER.solve(task)
    ray, bound = raised.value.ray, raised.value.bound
    assert ray.shape == Y.shape and ray.min() >= 0 and ray.sum() == pytest.approx(1)
    assert np.abs((Y * ray).sum(axis=0)).max() < 1e-9
    assert 1e6 * task.scale < bound < np.inf
    # The bound is the dual at a multiple of the ray; and further along it there is no end in sight.
    reached = max(task.dual(t * ray) for t in np.logspace(-6, 36, 800))
    assert reached >= 0.5 * bound


@pytest.mark.parametrize("lam", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_a_hard_margin_that_exists_is_found_at_any_price(lam, size):
    """The price of the weights and the size of the kernels must not be taken for inseparability."""
    task = small(HardMargin(), SquaredLp(2.0, lam))
    task = replace(task, kernels=replace(task.kernels, scale=task.kernels.scale / size))
    assert SOLVER.solve(task).certificate.holds(1e-6)


def test_interpolation_of_conflicting_targets_is_never_proven():
    y = np.array([1.0, -1.0, 0.5])
    K = np.array([[1.0, 1.0, 0.2], [1.0, 1.0, 0.2], [0.2, 0.2, 1.0]])
    with pytest.warns(ConvergenceWarning):
        solution = InteriorPoint(tol=1e-6, max_iter=60).solve(Problem.of([K], y, LeastSquares(0.0), Simplex()))
    assert not solution.certificate.holds(1e-3)


def test_interpolation_of_what_can_be_interpolated():
    task = small(LeastSquares(0.0), Simplex())
    solution = SOLVER.solve(task)
    assert solution.certificate.holds(1e-6)
    F = task.train_matrix(solution.theta) @ solution.beta + solution.intercept
    assert_allclose(F, task.Y, atol=1e-7)


# --- limits


def test_the_iteration_limit_warns_and_keeps_a_true_certificate():
    task = small(Hinge(), Simplex())
    optimum = SOLVER.solve(task).certificate
    for limit in (1, 3, 5):
        with pytest.warns(ConvergenceWarning, match="max_iter was reached with a relative duality gap"):
            solution = InteriorPoint(tol=1e-10, max_iter=limit).solve(task)
        assert solution.n_iter == len(solution.history) == limit
        assert solution.certificate == task.certify(solution)
        assert solution.certificate.dual <= optimum.primal and solution.certificate.primal >= optimum.dual


def test_the_time_limit_warns_and_keeps_the_best_point():
    with pytest.warns(ConvergenceWarning, match="time_limit was reached"):
        solution = InteriorPoint(tol=1e-12, time_limit=0.0).solve(small(Hinge(), Simplex()))
    assert np.isfinite(solution.certificate.gap)


def test_an_interrupt_returns_the_best_point(monkeypatch):
    mix, calls = StoredKernels.mix, []

    def interrupted(self, mu):
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return mix(self, mu)

    task = small(Hinge(), Simplex())
    monkeypatch.setattr(StoredKernels, "mix", interrupted)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        solution = InteriorPoint(tol=1e-12).solve(task)
    assert solution.certificate.infeasibility < 1e-9 and np.isfinite(solution.certificate.gap)


def test_an_interrupt_before_the_first_point_is_passed_on(monkeypatch):
    def interrupted(self, V, which=None):
        raise KeyboardInterrupt

    task = small(Hinge(), Simplex())
    monkeypatch.setattr(StoredKernels, "products", interrupted)
    with pytest.raises(KeyboardInterrupt):
        SOLVER.solve(task)


def test_no_proof_no_silence():
    """Asked for more digits than there are, it warns; a solution without its proof never comes quietly."""
    for name, kernel_set in product(("hinge", "least_squares", "logistic"), (Simplex(), LpBall(), RadiusBall())):
        task = small(CRITERIA[name], kernel_set)
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            solution = InteriorPoint(tol=1e-14).solve(task)
        assert solution.certificate.holds(1e-14) or any(w.category is ConvergenceWarning for w in found)
        assert solution.certificate.holds(1e-7)


def test_verbose_prints_a_line_per_step(capsys):
    task = small(Hinge(), Simplex())
    solution = InteriorPoint(verbose=1).solve(task)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == solution.n_iter and all("gap" in line and "primal" in line for line in lines)
    SOLVER.solve(task)
    assert capsys.readouterr().out == ""


def test_history_brackets_tighten():
    history = SOLVER.solve(small(Hinge(), Simplex())).history
    for earlier, later in zip(history, history[1:], strict=False):
        assert later["primal"] <= earlier["primal"] and later["dual"] >= earlier["dual"]
    assert {"seconds", "gap", "active"} <= history[0].keys()


@pytest.mark.parametrize("name", MACHINES)
def test_the_same_bits_on_repetition(name):
    task = small(CRITERIA[name], LpBall(2.0))
    first, second = SOLVER.solve(task), SOLVER.solve(task)
    for field in ("theta", "beta", "intercept", "a"):
        assert (getattr(first, field) == getattr(second, field)).all()
    assert first.certificate == second.certificate


@pytest.mark.parametrize("name", ["simplex", "lp 1", "lp 2", "radius", "trace", "psd_span", "groups", "squared lp 2"])
def test_two_equal_points_of_two_classes_are_not_separated_by_rounding(name):
    """A margin of 1e-8 between two copies of a point is no margin, though the primal bound is finite."""
    X, label = data(0, 12)
    X, y = np.vstack([X, X[:1]]), np.append(2.0 * label - 1, 1.0 - 2 * label[0])
    Ks = KernelStack.from_kernels(FOUR, X).leading
    with pytest.raises(UnboundedError, match="no hyperplane separates") as refused:
        InteriorPoint(tol=1e-7).solve(Problem.of(Ks, y, HardMargin(), SETS[name]))
    assert refused.value.bound > 1e3  # what multiples of the ray are seen to reach
