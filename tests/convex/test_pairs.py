"""Every criterion with every set it goes with: the proof holds, and each bound is one whoever made the point."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelopt.convex import Criterion, KernelSet, Problem, criteria, sets
from kernelopt.convex.pairs import ADMITS, admits, check_pair
from kernelopt.convex.solvers import InteriorPoint
from tests.convex.problems import CRITERIA, PAIRS, SETS, small

TIGHT = InteriorPoint(tol=1e-8)
NO_WEIGHTS = {"bounded_ball", "continuum", "tessellated"}  # the matrix itself is learned: tested with its own solver
VARIANTS = {
    "one column": dict(),
    "two columns": dict(columns=2),
    "sample weights": dict(weights=np.random.default_rng(5).uniform(0.3, 3.0, 16)),
    "unlabelled points": dict(unlabelled=5),
}


@cache
def solved(criterion: str, kernel_set: str, variant: str = "one column"):
    task = small(CRITERIA[criterion], SETS[kernel_set], **VARIANTS[variant])
    return task, TIGHT.solve(task)


@pytest.mark.parametrize("criterion, kernel_set", PAIRS)
def test_every_pair_is_proven(criterion, kernel_set):
    """With one column and two, with sample weights, and with points whose labels are unknown."""
    for variant in VARIANTS:
        if variant == "unlabelled points" and SETS[kernel_set].name not in ("psd_span", "trace", "radius", "frobenius"):
            continue  # the other sets look at training points only
        task, solution = solved(criterion, kernel_set, variant)
        assert solution.certificate.holds(1e-7), (variant, solution.certificate)
        assert solution.certificate == task.certify(solution)
        assert solution.n_iter < 60, variant


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), reach=st.sampled_from([1e-8, 1e-4, 1e-2, 1.0, 30.0]), bad=st.booleans())
@pytest.mark.parametrize("criterion, kernel_set", PAIRS)
def test_a_bound_is_a_bound_whoever_made_the_point(criterion, kernel_set, seed, reach, bad):
    """Weak duality at points near the optimum, where the bounds almost touch, and far from it; with bad witnesses."""
    task, solution = solved(criterion, kernel_set, ("one column", "two columns")[seed % 2])
    rng = np.random.default_rng(seed)

    def near(x):
        x = np.asarray(x)
        return x + reach * rng.normal(size=x.shape) * (np.abs(x).max(initial=0.0) or 1.0)

    witness = solution.witness
    if witness is not None:
        witness = None if bad and seed % 3 == 0 else near(rng.normal(size=witness.shape) if bad else witness)
    theta, _ = task.kernel_set.project(near(solution.theta), task.kernels, witness)
    a, _ = task.criterion.project(near(solution.a), task.Y, task.w)
    primal = task.primal(theta, near(solution.beta), near(solution.intercept))
    dual = task.dual(a, witness)
    assert not np.isnan(primal) and not np.isnan(dual)
    assert (
        dual <= primal + 1e-9 * max(abs(primal), abs(dual), task.criterion.phi(a, task.Y, task.w)) or primal == np.inf
    )
    # ... and each of them bounds the optimum, which is known to 1e-8.
    proof, size = solution.certificate, abs(solution.certificate.primal)
    assert primal >= proof.dual - 1e-8 * size and dual <= proof.primal + 1e-8 * size


# --- the table of pairs


def names(module, base):
    listed = (getattr(module, name) for name in module.__all__)
    return {kind for kind in listed if isinstance(kind, type) and issubclass(kind, base) and kind is not base}


def test_the_table_names_every_criterion_and_every_set():
    assert set(ADMITS) == names(sets, KernelSet)
    assert {c for admitted, _ in ADMITS.values() for c in admitted} == names(criteria, Criterion)
    assert all(len(why.split()) > 5 for _, why in ADMITS.values())


def test_these_tests_meet_every_pair_of_the_table():
    met = {(type(CRITERIA[c]), type(SETS[s])) for c, s in PAIRS}
    assert met == {(c, s) for s, (admitted, _) in ADMITS.items() for c in admitted if s.name not in NO_WEIGHTS}


@pytest.mark.parametrize("kernel_set", SETS)
def test_every_other_pair_is_refused_with_a_reason(kernel_set):
    chosen = SETS[kernel_set]
    for criterion in CRITERIA.values():
        if admits(type(criterion), type(chosen)):
            check_pair(criterion, chosen)
            continue
        with pytest.raises(ValueError) as refused:
            Problem.of(np.eye(4)[None], [1.0, 1.0, -1.0, -1.0], criterion, chosen)
        message = str(refused.value)
        assert repr(criterion.name) in message and repr(chosen.name) in message
        assert ADMITS[type(chosen)][1] in message
        assert all(k.name in message for k in ADMITS[type(chosen)][0])
