"""The interior-point methods as fallback: data that are hard on numbers, at any weight of the loss, over four sets."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from kernelopt.convex import GroupBall, Hinge, LeastSquares, LpBall, Problem, PSDSpan, Simplex, SquaredHinge
from kernelopt.convex.solvers import InteriorPoint
from kernelopt.convex.solvers.cut_span import CutSpan
from kernelopt.kernels import Gaussian, Linear, Polynomial
from tests.convex.problems import CRITERIA, small

TOL = 1e-6
FOUR = [Gaussian(0.3), Linear(), Gaussian(3.0), Polynomial(2, 0.3)]
MAKERS = {"hinge": Hinge, "squared_hinge": SquaredHinge, "least_squares": lambda C: LeastSquares(1 / C)}
SETS = {
    "simplex": lambda M: Simplex(),
    "lp": lambda M: LpBall(2.0),
    "groups": lambda M: GroupBall(tuple("ab"[k % 2] for k in range(M)), 2.0),
    "psd_span": lambda M: PSDSpan(),
}


def plain(n=24, seed=0):
    """Four kernels of trace n and noisy labels."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    y = np.where(X[:, 0] + X[:, 1] * X[:, 2] + 0.4 * rng.normal(size=n) > 0, 1.0, -1.0)
    Ks = np.stack([k(X, X) for k in FOUR])
    return Ks * (n / np.trace(Ks, axis1=1, axis2=2))[:, None, None], y


def nearly(Ks):
    """Copies that differ by 1e-8."""
    G = np.random.default_rng(1).normal(size=(len(Ks), *Ks[0].shape))
    return np.concatenate([Ks, Ks + 1e-8 * (G @ np.swapaxes(G, 1, 2)) / len(Ks[0])])


def one_sided(Ks, y):
    order = np.argsort(Ks[1].sum(axis=0), kind="stable")
    return Ks, np.where(np.isin(np.arange(len(y)), order[:5]), 1.0, -1.0)


def conflicting(Ks, y):
    twice = np.tile(np.arange(len(y) // 2), 2)
    return Ks[:, twice][:, :, twice], np.concatenate([y[: len(y) // 2], -y[: len(y) // 2]])


HARD = {
    "duplicate kernels": lambda Ks, y: (np.repeat(Ks, 2, axis=0), y),
    "near duplicates": lambda Ks, y: (nearly(Ks), y),
    "all the same": lambda Ks, y: (np.repeat(Ks[:1], 4, axis=0), y),
    "a zero kernel": lambda Ks, y: (np.concatenate([Ks, 0 * Ks[:1]]), y),
    "rank one": lambda Ks, y: (np.stack([np.outer(K[0], K[0]) / np.sum(K[0] ** 2) for K in Ks]), y),
    "rank one beside full rank": lambda Ks, y: (np.concatenate([Ks, np.outer(Ks[0, 0], Ks[0, 0])[None]]), y),
    "scales a million apart": lambda Ks, y: (Ks * np.logspace(-3, 3, len(Ks))[:, None, None], y),
    "five positives": one_sided,
    "conflicting samples": conflicting,
}
WEIGHTS = [1e-4, 1e-2, 1.0, 1e2, 1e4, 1e6]  # at the first no support vector is free


def task(hard, name, kernel_set, C):
    Ks, y = HARD[hard](*plain())
    return Problem.of(Ks, y, MAKERS[name](C), SETS[kernel_set](len(Ks)))


@pytest.mark.parametrize("kernel_set", SETS)
@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("hard", HARD)
def test_the_certificate_holds_whatever_the_data(hard, name, kernel_set):
    for C in WEIGHTS:
        problem = task(hard, name, kernel_set, C)
        for solver in (InteriorPoint(tol=TOL), *([CutSpan(tol=TOL)] if kernel_set == "psd_span" else [])):
            certificate = solver.solve(problem).certificate
            assert certificate.holds(TOL), (C, solver, certificate)


@pytest.mark.parametrize("kernel_set", SETS)
@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_the_unit_of_the_kernels_changes_nothing(kernel_set, unit):
    """With kernels s K and C / s the optimum is that of K and C, divided by s."""
    Ks, y = plain()
    for name, C in (("hinge", 1e-5), ("squared_hinge", 1.0), ("hinge", 1e3)):
        plainly = InteriorPoint(tol=TOL).solve(Problem.of(Ks, y, MAKERS[name](C), SETS[kernel_set](4)))
        moved = InteriorPoint(tol=TOL).solve(Problem.of(unit * Ks, y, MAKERS[name](C / unit), SETS[kernel_set](4)))
        assert moved.certificate.holds(TOL)
        assert_allclose(moved.certificate.primal * unit, plainly.certificate.primal, rtol=3e-6)
        assert moved.n_iter <= plainly.n_iter + 3


def moved(Ks, how):
    """The kernels less what an intercept absorbs."""
    d = np.diagonal(Ks, axis1=1, axis2=2)
    return {
        "half a unit off": Ks - 0.5,
        "a thousand off": Ks - 1e3,
        "each its own": Ks + np.array([-50.0, 0.0, 3.0, -0.3])[:, None, None],
        "negative distances": Ks - (d[:, :, None] + d[:, None, :]) / 2,
    }[how]


ABSORB = ["hinge", "squared_hinge", "hard_margin", "logistic", "least_squares", "epsilon_svr", "nu_svm", "nu_svr"]


@pytest.mark.parametrize("how", ["half a unit off", "a thousand off", "each its own", "negative distances"])
@pytest.mark.parametrize("name", [*ABSORB, "fisher", "huber", "pinball"])
def test_kernels_that_are_semidefinite_only_where_coefficients_sum_to_zero(name, how):
    for kernel_set in (Simplex(), LpBall(2.0)):
        whole = small(CRITERIA[name], kernel_set)
        Ks = moved(np.stack([whole.kernels.mix(e) for e in np.eye(4)]), how)
        assert min(np.linalg.eigvalsh(K)[0] for K in Ks) < -1e-3
        found = InteriorPoint(tol=TOL).solve(Problem.of(Ks, whole.Y, whole.criterion, kernel_set)).certificate
        assert found.holds(TOL)
        assert_allclose(found.primal, InteriorPoint(tol=TOL).solve(whole).certificate.primal, rtol=2e-6)
