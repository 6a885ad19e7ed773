"""Problems that are hard on numbers: the Newton method proves its optimum on each of them."""

from dataclasses import replace

import numpy as np
import pytest

from kernelopt.convex import Hinge, LpBall, Problem, Simplex, SquaredHinge, TraceBudget
from kernelopt.convex.solvers import WorkingSetNewton
from tests.convex.problems import CASES, CRITERIA, KERNELS, SETS, data

SOLVER = WorkingSetNewton(tol=1e-6)
N = 40


def grams(X):
    """The kernels on X with unit mean diagonals, symmetric to the bit."""
    Ks = np.stack([k(X, X) for k in KERNELS])
    Ks = 0.5 * (Ks + np.swapaxes(Ks, 1, 2))
    return Ks / np.mean(np.einsum("kii->ki", Ks), axis=1)[:, None, None]


def of(Ks, y, weights=None):
    return lambda criterion, kernel_set: Problem.of(Ks, y, criterion, kernel_set, weights)


X, LABEL = data(0, N)
Y = 2.0 * LABEL - 1
KS = grams(X)
U = np.random.default_rng(1).normal(size=N)
TWICE = np.tile(np.arange(N // 2), 2)
NOISE = grams(X + 1e-8 * np.random.default_rng(2).normal(size=X.shape))
RARE = np.where(np.argsort(np.argsort(X[:, 0])) >= N - 5, 1.0, -1.0)

DEGENERATE = {
    "duplicate kernels": of(np.repeat(KS, 3, axis=0), Y),
    "near duplicates": of(np.concatenate([KS, NOISE]), Y),
    "all kernels the same": of(np.repeat(KS[3:4], 6, axis=0), Y),
    "a zero kernel": of(np.concatenate([KS, np.zeros((1, N, N))]), Y),
    "a constant kernel": of(np.concatenate([KS, np.ones((1, N, N))]), Y),
    "rank one": of(np.concatenate([KS[:2], np.outer(U, U)[None]]), Y),
    "only rank one": of(np.stack([np.outer(x, x) for x in (*X.T, U)]), Y),
    "scales a million apart": of(KS * np.logspace(-3, 3, len(KS))[:, None, None], Y),
    "tiny kernels": of(1e-9 * KS, Y),
    "huge kernels": of(1e9 * KS, Y),
    "five positives": of(KS, RARE),
    "one positive": of(KS, np.where(np.arange(N) == 7, 1.0, -1.0)),
    "the identity": of(np.stack([np.eye(N), KS[0]]), Y),
    "duplicate samples": of(KS[:, TWICE][:, :, TWICE], Y[TWICE]),
    "conflicting duplicates": of(KS[:, TWICE][:, :, TWICE], np.concatenate([Y[: N // 2], -Y[: N // 2]])),
    "weights a million apart": of(KS, Y, np.logspace(-3, 3, N)),
    "two samples": of(KS[:, :2, :2], np.array([1.0, -1.0])),
}
CS = (1e-4, 1e-2, 1.0, 1e2, 1e4, 1e6)
BEATEN = ("huge kernels",)  # by rounding: C K is 1e15, and the interior-point method is asked


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("criterion", [Hinge, SquaredHinge], ids=lambda c: c.name)
@pytest.mark.parametrize("kernel_set", [Simplex(), LpBall(2.0)], ids=lambda s: s.name)
def test_degenerate_problems_are_proven_at_any_C(name, criterion, kernel_set):
    for C in CS:
        task = DEGENERATE[name](criterion(C), kernel_set)
        solution = SOLVER.solve(task)
        assert solution.certificate.holds(1e-6), (C, solution.certificate)
        alone = not any("method" in entry for entry in solution.history)
        assert alone or name in BEATEN or C == 1e6, C  # at 1e6 pairwise descent may make no way, and hands over


OTHERS = ("logistic", "nu_svm", "one_class", "epsilon_svr", "least_squares")
# No problem at all, or an optimum of zero, of which no relative gap can be proven, or one that rounding hides.
NOTHING = {
    "nu_svm": ("conflicting duplicates", "five positives", "one positive", "two samples"),
    "one_class": ("two samples", "only rank one"),
    "epsilon_svr": ("huge kernels",),
}


@pytest.mark.parametrize(
    "criterion, name", [(c, name) for c in OTHERS for name in DEGENERATE if name not in NOTHING.get(c, ())]
)
@pytest.mark.parametrize("kernel_set", ["trace", "squared lp 1", "lp 1.1"])
def test_degenerate_problems_with_other_losses(criterion, name, kernel_set):
    task = DEGENERATE[name](CRITERIA[criterion], SETS[kernel_set])
    certificate = SOLVER.solve(task).certificate
    assert certificate.holds(1e-6), certificate


@pytest.mark.parametrize("kernel_set", [Simplex(), LpBall(2.0), TraceBudget()], ids=lambda s: s.name)
def test_kinks_without_free_samples_are_crossed(kernel_set):
    """At tiny C all samples stand at the bound, omega is piecewise linear, and only combined duals close the gap."""
    X, label = data(7, 41)
    Ks = grams(X)
    for C in (1e-6, 1e-4, 1e-2):
        solution = SOLVER.solve(Problem.of(Ks, 2 * label - 1, Hinge(C), kernel_set))
        assert solution.certificate.holds(1e-6)
        a = np.abs(solution.beta[:, 0])
        assert C > 1e-4 or np.sum((a > 0) & (a < C)) <= 2


def test_weights_outside_their_set_are_not_handed_out():
    """A large C multiplies a norm beyond one: what the model's minimiser leaves there must go (it was 2e-10)."""
    task = DEGENERATE["five positives"](Hinge(1e6), LpBall(2.0))
    solution = SOLVER.solve(task)
    assert np.linalg.norm(solution.theta) <= 1 + 1e-15 and solution.certificate.holds(1e-6)


@pytest.mark.parametrize("C", CS)
@pytest.mark.parametrize("case", ["three classes", "weights", "near identity"])
def test_cases_at_any_C(case, C):
    task = CASES[case]()
    for criterion in (Hinge(C), SquaredHinge(C)):
        certificate = SOLVER.solve(replace(task, criterion=criterion)).certificate
        assert certificate.holds(1e-6), certificate
