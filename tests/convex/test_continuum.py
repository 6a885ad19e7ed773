"""Mixtures of a continuous family: column generation, its certificate over the continuum, and the theory behind it."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import rbf_kernel

from kernelopt.convex import (
    Continuum,
    EpsilonSVR,
    HardMargin,
    Hinge,
    LeastSquares,
    Logistic,
    Problem,
    Simplex,
    Solution,
    SquaredHinge,
)
from kernelopt.convex.certificate import Certificate
from kernelopt.convex.sets.continuum import caratheodory, measure
from kernelopt.convex.solvers import ColumnGeneration, InteriorPoint, WorkingSetNewton, choose
from kernelopt.kernels import Gaussian, Linear, Polynomial
from kernelopt.kernels.continuous import (
    ARDFamily,
    CustomFamily,
    FamilyKernels,
    GaussianFamily,
    ListFamily,
    MaternFamily,
    PolynomialFamily,
    UnionFamily,
)

TOL = 1e-6
CRITERIA = {
    "hinge": Hinge(2.0),
    "squared_hinge": SquaredHinge(3.0),
    "logistic": Logistic(2.0),
    "least_squares": LeastSquares(0.1),
    "ridge without intercept": LeastSquares(0.1, intercept=False),
    "epsilon_svr": EpsilonSVR(2.0, 0.1),
}
FAMILIES = {
    "gaussian": GaussianFamily(0.01, 300.0),
    "gaussian from 0": GaussianFamily(0.0, 300.0),
    "matern": MaternFamily(1.5, 0.01, 100.0),
    "polynomial": PolynomialFamily(3, 5.0),
    "union": UnionFamily((GaussianFamily(0.01, 300.0), PolynomialFamily(2, 5.0))),
}


def task(criterion, family=FAMILIES["gaussian"], seed=0, n=40, k=1, weights=None):
    """A wave that is fast on one side, so that one bandwidth is not enough."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 6, size=(n, 1))
    F = np.sin(3 * X) + 0.4 * np.cos(18 * X) * (X > 3) + 0.1 * rng.normal(size=(n, 1))
    F = np.column_stack([F, np.cos(2 * X)])[:, :k]
    Y = np.where(F > 0, 1.0, -1.0) if criterion.targets == "labels" else F - F.mean(axis=0)
    return Problem.of(FamilyKernels(family, X), Y, criterion, Continuum(), weights)


def solved(problem, tol=TOL, **options):
    return ColumnGeneration(tol=tol, **options).solve(problem)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_answer_is_proven_over_the_continuum(criterion, family):
    problem = task(CRITERIA[criterion], FAMILIES[family])
    solution = solved(problem)
    assert solution.certificate.holds(TOL), solution.certificate
    assert solution.certificate == problem.certify(solution)
    assert "proven over the continuum" in solution.certificate.problem
    weights = solution.theta[:, 0]
    assert (weights > 0).all() and weights.sum() == pytest.approx(1.0) and (np.diff(weights) <= 0).all()


@pytest.mark.parametrize("options", [dict(k=2), dict(weights=np.random.default_rng(0).uniform(0.3, 3.0, 40))])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_columns_share_the_kernel_and_weights_count(criterion, options):
    problem = task(CRITERIA[criterion], **options)
    assert solved(problem).certificate.holds(TOL)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_no_kernel_of_a_fine_grid_beats_the_atoms(criterion):
    """The condition of Micchelli and Pontil, with kernels and products made by scikit-learn and NumPy."""
    problem = task(CRITERIA[criterion])
    solution = solved(problem, 1e-8)
    a, _ = problem.criterion.project(solution.a, problem.Y, problem.w)
    V, X = problem.criterion.V(a, problem.Y), problem.kernels.X
    T = np.array([float(np.sum(V * (rbf_kernel(X, gamma=g) @ V))) for g in np.geomspace(0.01, 300.0, 2000)])
    atoms = np.array([float(np.sum(V * (rbf_kernel(X, gamma=g) @ V))) for g in solution.theta[:, 1]])
    slack = 4e-8 * abs(solution.certificate.primal)
    assert T.max() <= atoms.max() + slack
    assert solution.theta[:, 0] @ (T.max() - atoms) <= slack  # those with weight attain the maximum


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_dictionary_comes_near_and_never_below(criterion):
    """Bracketed by the interior-point method over 60 bandwidths, another solver on another set."""
    problem = task(CRITERIA[criterion])
    solution = solved(problem)
    widths = np.geomspace(0.01, 300.0, 60)
    finite = Problem.of(
        [rbf_kernel(problem.kernels.X, gamma=g) for g in widths], problem.Y, problem.criterion, Simplex()
    )
    dictionary = InteriorPoint(tol=1e-7).solve(finite).certificate
    assert solution.certificate.dual <= dictionary.primal
    assert dictionary.dual <= solution.certificate.primal * 1.01
    merged = np.append(widths, solution.theta[:, 1])
    wider = Problem.of(
        [rbf_kernel(problem.kernels.X, gamma=g) for g in merged], problem.Y, problem.criterion, Simplex()
    )
    value = InteriorPoint(tol=1e-7).solve(wider).certificate.primal
    assert value == pytest.approx(solution.certificate.primal, rel=2 * TOL)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), reach=st.sampled_from([1e-6, 1e-3, 0.1, 3.0]), name=st.sampled_from(list(CRITERIA)))
def test_bounds_hold_whoever_made_the_points(seed, reach, name):
    problem = task(CRITERIA[name], seed=seed % 3)
    solution = solved(problem, 1e-7)
    rng = np.random.default_rng(seed)
    theta = measure(rng.dirichlet(np.ones(4)), np.exp(rng.uniform(np.log(0.01), np.log(300), (4, 1))))
    a = solution.a + reach * rng.normal(size=solution.a.shape) * np.abs(solution.a).max()
    a, _ = problem.criterion.project(a, problem.Y, problem.w)
    beta = solution.beta + reach * rng.normal(size=solution.beta.shape) * np.abs(solution.beta).max()
    size = 1e-7 * abs(solution.certificate.primal)
    assert problem.dual(a) <= solution.certificate.primal + 1e-12 * size
    assert problem.primal(theta, beta, solution.intercept) >= solution.certificate.dual - size


def test_the_gap_bounds_how_far_any_measure_is_from_the_optimum():
    """gap = (max T - T at the atoms) / 2 is nonnegative and at least S - S*, at measures that are not optimal."""
    problem = task(LeastSquares(0.1, intercept=False))
    optimum = solved(problem, 1e-9).certificate
    rng = np.random.default_rng(0)
    for _ in range(20):
        weights, omegas = rng.dirichlet(np.ones(3)), np.exp(rng.uniform(-4, 5, (3, 1)))
        K = problem.kernel_set.matrix(measure(weights, omegas), problem.kernels)
        c = np.linalg.solve(K + 0.1 * np.eye(40), problem.Y)
        value = 0.5 * float(problem.Y[:, 0] @ c[:, 0])
        gap = problem.kernels.maximise(c, 1e-9).bound / 2 - 0.5 * float(c[:, 0] @ K @ c[:, 0])
        assert gap >= 0 and gap >= value - optimum.primal - 1e-9 * value
        assert value >= optimum.dual


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), t=st.floats(0, 1))
def test_the_value_is_convex_and_falls_with_the_kernel(seed, t):
    """rho(K) = y' inv(K) y is convex and its inverse concave; a larger kernel has a smaller value."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(12, 2)), rng.normal(size=12)
    K, L = (rbf_kernel(X, gamma=g) + 0.05 * np.eye(12) for g in 10 ** rng.uniform(-2, 2, 2))

    def rho(M):
        return float(y @ np.linalg.solve(M, y))

    mixed = rho((1 - t) * K + t * L)
    assert mixed <= (1 - t) * rho(K) + t * rho(L) + 1e-9 * rho(K)
    assert 1 / mixed >= (1 - t) / rho(K) + t / rho(L) - 1e-9 / mixed
    assert rho(K + L) <= min(rho(K), rho(L)) * (1 + 1e-9)


def test_saddle_point():
    """c' K c <= c' K* c <= d' K* d for every kernel K of the set and every d with d'y = 1, with c scaled to c'y = 1."""
    lam = 0.1
    problem = task(LeastSquares(lam, intercept=False))
    solution = solved(problem, 1e-9)
    y, X, ridge = problem.Y[:, 0], problem.kernels.X, lam * np.eye(40)
    best = problem.kernel_set.matrix(solution.theta, problem.kernels) + ridge
    c = np.linalg.solve(best, y)
    c /= c @ y
    value = c @ best @ c
    rng = np.random.default_rng(0)
    for gamma in np.geomspace(0.01, 300, 100):
        assert c @ (rbf_kernel(X, gamma=gamma) + ridge) @ c <= value * (1 + 1e-7)
    for _ in range(100):
        d = c + rng.normal(size=40) * 10 ** rng.uniform(-4, 0)
        d /= d @ y
        assert value <= d @ best @ d * (1 + 1e-12)


def test_a_larger_set_never_raises_the_value():
    X = task(LeastSquares(0.1)).kernels.X
    families = [GaussianFamily(1.0, 10.0), GaussianFamily(0.1, 100.0), GaussianFamily(0.0, 1000.0)]
    families.append(UnionFamily((families[-1], PolynomialFamily(3, 5.0))))
    proofs = [solved(replace(task(LeastSquares(0.1)), kernels=FamilyKernels(f, X))).certificate for f in families]
    for small, large in zip(proofs, proofs[1:], strict=False):
        assert large.dual <= small.primal
    assert proofs[1].primal < 0.99 * proofs[0].dual


def test_a_list_is_the_simplex():
    """A family of finitely many kernels: the problem of the simplex, which other solvers solve."""
    kernels = [Linear(), Gaussian(0.5), Gaussian(20.0), Polynomial(3)]
    for criterion in CRITERIA.values():
        problem = task(criterion, ListFamily(kernels))
        X = problem.kernels.X
        finite = Problem.of([k(X, X) for k in kernels], problem.Y, criterion, Simplex())
        expected = InteriorPoint(tol=1e-8).solve(finite)
        solution = solved(problem, 1e-7)
        assert solution.certificate.primal == pytest.approx(expected.certificate.primal, rel=2e-7)
        weights = np.zeros(4)
        weights[solution.theta[:, 1].astype(int)] = solution.theta[:, 0]
        assert_allclose(weights, expected.theta, atol=2e-3)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_bounds_close_in_and_the_value_never_rises(criterion):
    history = solved(task(CRITERIA[criterion]), 1e-7).history
    primal, dual = (np.array([entry[key] for entry in history]) for key in ("primal", "dual"))
    assert (np.diff(primal) <= 1e-12 * primal[1:]).all()
    assert (np.diff(dual) >= 0).all() and len(history) < 40


def test_few_atoms_and_none_twice():
    for criterion in CRITERIA.values():
        for seed in range(3):
            problem = task(criterion, seed=seed, n=60)
            solution = solved(problem)
            logs = np.sort(np.log(solution.theta[:, 1]))
            assert len(logs) <= 6 and (np.diff(logs) > 1e-3).all()


def test_at_most_one_more_atom_than_samples():
    """Three samples and thirty starting atoms, all of which are optimal: only their mixture on the samples counts."""
    y = np.array([1.0, -2.0, 1.5])
    flat = CustomFamily(lambda w, A, B: rbf_kernel(A, B, gamma=1.0) * np.cos(0 * w[0]), ((0.0, 1.0),))
    kernels = FamilyKernels(flat, np.arange(3.0)[:, None], np.linspace(0, 1, 30)[:, None])
    solution = solved(Problem.of(kernels, y, LeastSquares(0.1), Continuum()))
    assert len(solution.theta) <= 4 and solution.certificate.holds(TOL)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), m=st.integers(1, 6), r=st.integers(1, 40))
def test_caratheodory(seed, m, r):
    rng = np.random.default_rng(seed)
    columns, weights = rng.normal(size=(m, r)), rng.dirichlet(np.ones(r))
    few = caratheodory(weights, columns)
    assert np.count_nonzero(few) <= m + 1 and (few >= 0).all()
    assert few.sum() == pytest.approx(1.0, abs=1e-12)
    assert_allclose(columns @ few, columns @ weights, atol=1e-11)


def test_reduced_weights_leave_the_machine_as_it_is():
    problem = task(LeastSquares(0.1), n=5)
    omegas = np.geomspace(0.01, 300, 30)[:, None]
    weights = np.random.default_rng(0).dirichlet(np.ones(30))
    K = problem.kernel_set.matrix(measure(weights, omegas), problem.kernels)
    beta = np.linalg.solve(K + 0.1 * np.eye(5), problem.Y)
    columns = np.stack([(G @ beta).ravel() for G in problem.kernels.grams(omegas)], axis=1)
    few = measure(caratheodory(weights, columns), omegas)
    assert np.count_nonzero(few[:, 0]) <= 6
    before = problem.primal(measure(weights, omegas), beta, np.zeros(1))
    assert problem.primal(few, beta, np.zeros(1)) == pytest.approx(before, rel=1e-11)


# --- several parameters


def plane(seed=0, n=60):
    """Of four features the first two count, one more than the other."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    y = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] + 0.05 * rng.normal(size=n)
    return X, y - y.mean()


def test_a_width_per_feature_is_learned_and_not_called_proven():
    X, y = plane()
    problem = Problem.of(FamilyKernels(ARDFamily().fitted(X), X), y, LeastSquares(1.0), Continuum())
    solution = solved(problem, 1e-4)
    assert "NOT proven" in solution.certificate.problem
    assert solution.certificate.holds(1e-4) and solution.certificate == problem.certify(solution)
    mean = solution.theta[:, 0] @ solution.theta[:, 1:]
    assert mean[0] > 0.05 and mean[2:].max() < 0.1 * mean[0]
    isotropic = Problem.of(FamilyKernels(GaussianFamily(0.001, 0.4), X), y, LeastSquares(1.0), Continuum())
    assert solution.certificate.primal < 0.9 * solved(isotropic).certificate.dual
    V = problem.criterion.project(solution.a, problem.Y, problem.w)[0]
    high, rng = problem.kernels.family.domain(4)[:, 1], np.random.default_rng(0)
    level = 2 * (problem.criterion.phi(V, problem.Y, problem.w) - solution.certificate.dual)
    for omega in high * rng.uniform(size=(500, 4)) * (rng.uniform(size=(500, 4)) < 0.5):
        assert float(V[:, 0] @ problem.kernels.family.matrix(omega, X, X) @ V[:, 0]) <= level * (1 + 1e-6)


def test_a_missed_maximum_does_not_make_bounds_cross():
    """A search that finds nothing: what the atoms themselves attain still bounds the gap from below."""
    X, y = plane()
    family = ARDFamily(n_starts=1).fitted(X)
    problem = Problem.of(FamilyKernels(family, X), y, LeastSquares(0.3), Continuum())
    solution = solved(problem, 1e-3)
    assert solution.certificate.gap >= 0


# --- starts, stops and refusals


def test_it_begins_where_it_is_told():
    problem = task(LeastSquares(0.1))
    first = solved(problem, 1e-7)
    near = replace(problem, criterion=LeastSquares(0.11))
    again = ColumnGeneration(tol=1e-7).solve(near, first)
    assert again.certificate.holds(1e-7) and again.n_iter <= solved(near, 1e-7).n_iter
    assert again.certificate.primal == pytest.approx(solved(near, 1e-7).certificate.primal, rel=2e-7)
    other = Solution(np.ones(3) / 3, first.beta, first.intercept, first.a, first.certificate)
    assert ColumnGeneration(tol=1e-7).solve(problem, other).certificate.holds(1e-7)  # of another set: ignored


@pytest.mark.parametrize("options", [dict(max_iter=1), dict(time_limit=0.0)])
def test_stopped_early_it_says_so_and_how_far(options):
    problem = task(Hinge(2.0))
    with pytest.warns(ConvergenceWarning, match="relative duality gap"):
        solution = solved(problem, 1e-9, **options)
    assert solution.certificate.gap > 1e-9 and solution.certificate == problem.certify(solution)
    assert solution.certificate.dual <= solved(problem).certificate.primal


def test_no_signal_and_one_sample():
    problem = task(LeastSquares(0.1))
    zero = solved(replace(problem, Y=np.zeros((40, 1))))
    assert zero.certificate.primal == 0 and zero.certificate.holds(TOL)
    one = Problem.of(FamilyKernels(FAMILIES["gaussian"], np.zeros((1, 1))), [2.0], LeastSquares(0.1), Continuum())
    assert solved(one).certificate.holds(TOL)


def test_auto_is_column_generation():
    problem = task(Hinge(1.0))
    assert choose("auto", problem, tol=1e-3) == ColumnGeneration(tol=1e-3)
    with pytest.raises(NotImplementedError):
        WorkingSetNewton().solve(problem)
    with pytest.raises(NotImplementedError, match="ColumnGeneration takes"):
        ColumnGeneration().solve(Problem.of(np.eye(4)[None], [1.0, 1.0, -1.0, -1.0], Hinge(1.0), Simplex()))


def test_what_makes_no_sense_is_refused():
    problem = task(Hinge(1.0))
    with pytest.raises(ValueError, match="does not go with the kernel set 'continuum'"):
        Problem.of(problem.kernels, problem.Y, HardMargin(), Continuum())
    with pytest.raises(TypeError, match="FamilyKernels"):
        Problem.of([np.eye(4)], [1.0, 1.0, -1.0, -1.0], Hinge(1.0), Continuum()).dual(np.zeros((4, 1)))
    with pytest.raises(ValueError, match="tol must be"):
        Continuum(tol=0.0)
    with pytest.raises(ValueError, match="theta must have shape"):
        problem.kernel_set.project(np.ones(3), problem.kernels)
    with pytest.raises(NotImplementedError, match="infinitely many"):
        problem.kernel_set.program(problem.kernels)
    with pytest.raises(NotImplementedError, match="support_at"):
        problem.kernel_set.support(np.ones(3), problem.kernels)


def test_a_certificate_sees_what_is_not_admitted():
    problem = task(LeastSquares(0.1))
    solution = solved(problem)
    for spoil in (
        lambda theta: measure(2 * theta[:, 0], theta[:, 1:]),
        lambda theta: measure(theta[:, 0], 1e6 * theta[:, 1:]),
        lambda theta: measure(-theta[:, 0], theta[:, 1:]),
        lambda theta: theta + np.nan,
    ):
        certificate = problem.certify(replace(solution, theta=spoil(solution.theta)))
        assert not certificate.holds(0.1), certificate
    shifted = problem.certify(replace(solution, a=1.5 * solution.a))
    assert isinstance(shifted, Certificate) and not shifted.holds(1e-3) and shifted.dual < solution.certificate.dual


def test_verbose_prints_a_line_per_round(capsys):
    solution = solved(task(Hinge(1.0)), verbose=1)
    assert len(capsys.readouterr().out.splitlines()) == solution.n_iter
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert solved(task(Hinge(1.0)), n_jobs=2).certificate.holds(TOL)
