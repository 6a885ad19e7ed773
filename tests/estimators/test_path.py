"""A path of solutions: each the same as one from nowhere, and proven."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris, make_classification, make_friedman1

from kernelopt import KernelStack, MKLClassifier, MKLRegressor, mkl_path
from kernelopt.convex import (
    ConvexLoss,
    GroupBall,
    Hinge,
    KernelFisher,
    LeastSquares,
    NuSVM,
    NuSVR,
    OneClass,
    Problem,
    Simplex,
)
from kernelopt.convex.certificate import ROUNDING
from kernelopt.convex.criteria import Huber
from kernelopt.convex.solvers import Conic, WorkingSetNewton
from kernelopt.estimators.path import grid
from kernelopt.kernels import Gaussian, Linear, OnColumns

TOL = 1e-6
Cs = np.logspace(-2, 2, 5)


@pytest.fixture(scope="module")
def labelled():
    X, y = make_classification(80, 5, n_informative=4, n_redundant=0, class_sep=0.7, flip_y=0.05, random_state=0)
    kernels = [Linear(), *(OnColumns(Gaussian(g), (j,)) for g in (0.3, 3.0) for j in range(5))]
    return np.stack([k(X, X) for k in kernels]), y


@pytest.fixture(scope="module")
def valued():
    X, y = make_friedman1(60, 5, noise=0.3, random_state=0)
    return np.stack([k(X, X) for k in (Linear(), Gaussian(0.3), Gaussian(3.0))]), y


def cold(Ks, y, name, values, machine, criterion, **options):
    """Solve from nowhere at each value."""
    stack = KernelStack.from_leading(Ks)
    for value in values:
        yield machine("precomputed", criterion, tol=TOL, **options, **{name: value}).fit(stack, y)


def compare(path, values, fits):
    """Both are within TOL above the same optimum, so they are this near to one another."""
    fits = list(fits)
    assert all(certificate.holds(TOL) for certificate in path.certificates)
    assert_allclose(path.objectives, [fit.certificate_.primal for fit in fits], rtol=2 * TOL)
    assert path.weights.shape == (len(values), len(fits[0].weights_))
    for certificate, fit in zip(path.certificates, fits, strict=True):  # each bounds the other's optimum
        most = (1 + ROUNDING) * min(certificate.primal, fit.certificate_.primal)
        assert max(certificate.dual, fit.certificate_.dual) <= most


@pytest.mark.parametrize("kernel_set", ["simplex", "uniform", "lp", "squared_lp", "trace"])
@pytest.mark.parametrize("criterion", ["hinge", "squared_hinge", "logistic", "lagrangian"])
def test_of_machines_for_labels(labelled, criterion, kernel_set):
    Ks, y = labelled
    path = mkl_path(Ks, y, criterion=criterion, kernel_set=kernel_set, Cs=Cs, tol=TOL)
    compare(path, Cs, cold(Ks, y, "C", Cs, MKLClassifier, criterion, kernel_set=kernel_set))
    assert_array_equal(path.Cs, Cs)
    assert path.lams is None


@pytest.mark.parametrize("criterion", ["epsilon_svr", "nu_svr"])
def test_of_machines_for_values(valued, criterion):
    Ks, y = valued
    path = mkl_path(Ks, y, criterion=criterion, Cs=Cs, tol=TOL)
    compare(path, Cs, cold(Ks, y, "C", Cs, MKLRegressor, criterion))


def test_of_ridges_from_the_largest_down(valued):
    Ks, y = valued
    lams = [0.01, 10.0, 1.0]
    path = mkl_path(Ks, y, criterion="least_squares", lams=lams, tol=TOL)
    assert_array_equal(path.lams, [10.0, 1.0, 0.01])
    assert path.Cs is None
    compare(path, path.lams, cold(Ks, y, "lam", path.lams, MKLRegressor, "least_squares"))


def test_of_any_convex_loss(valued):
    Ks, y = valued
    path = mkl_path(Ks, y, criterion=ConvexLoss(Huber(1.0)), lams=[10.0, 0.1], tol=TOL)
    for lam, objective in zip(path.lams, path.objectives, strict=True):
        fit = MKLRegressor("precomputed", ConvexLoss(Huber(1.0), lam=lam), tol=TOL)
        assert_allclose(objective, fit.fit(KernelStack.from_leading(Ks), y).certificate_.primal, rtol=2 * TOL)


def test_against_the_conic_reference(labelled):
    """An independent solver, on the problem as it is: the kernels are divided by nothing."""
    Ks, y = labelled
    path = mkl_path(Ks, y, Cs=[0.1, 1.0, 10.0], normalize=None, tol=TOL)
    for C, objective in zip(path.Cs, path.objectives, strict=True):
        problem = Problem.of(Ks, np.where(y == 1, 1.0, -1.0), Hinge(C=C), Simplex())
        assert_allclose(objective, Conic().solve(problem).certificate.primal, rtol=1e-5)


def test_several_classes_share_the_weights():
    X, y = load_iris(return_X_y=True)
    Ks = np.stack([k(X, X) for k in (Linear(), Gaussian(0.3), Gaussian(3.0))])
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    path = mkl_path(Ks, names, Cs=Cs[:4], tol=TOL)
    compare(path, Cs[:4], cold(Ks, names, "C", Cs[:4], MKLClassifier, "hinge"))


def test_sample_weights_are_copies(labelled):
    Ks, y = labelled
    w = np.random.default_rng(0).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), w)
    weighted = mkl_path(Ks, y, Cs=Cs, sample_weight=w, tol=TOL)
    repeated = mkl_path(Ks[:, rows][:, :, rows], y[rows], Cs=Cs, tol=TOL)
    assert_allclose(weighted.objectives, repeated.objectives, rtol=2 * TOL)


def test_counts_are_those_of_the_solutions(labelled):
    Ks, y = labelled
    path = mkl_path(Ks, y, Cs=[0.5], tol=TOL)
    fit = MKLClassifier("precomputed", C=0.5, tol=TOL).fit(KernelStack.from_leading(Ks), y)
    assert_array_equal(path.n_support, [len(fit.support_)])
    assert_array_equal(path.n_iter, [fit.n_iter_])  # the first begins from nowhere
    assert_array_equal(path.weights[0], fit.weights_)


def test_a_kernel_that_is_constant_has_no_weight_anywhere(labelled):
    Ks, y = labelled
    more = np.concatenate([Ks[:2], np.ones((1, len(y), len(y))), Ks[2:]])
    with pytest.warns(UserWarning, match="constant or zero"):
        path = mkl_path(more, y, Cs=Cs, tol=TOL)
    assert_array_equal(path.weights[:, 2], 0.0)
    assert_allclose(path.objectives, mkl_path(Ks, y, Cs=Cs, tol=TOL).objectives, rtol=2 * TOL)


def test_groups_are_named_by_an_instance(labelled):
    Ks, y = labelled
    groups = GroupBall(groups=("all", *map(str, range(5)), *map(str, range(5))), p=2.0)
    path = mkl_path(Ks, y, kernel_set=groups, Cs=Cs[:3], tol=TOL)
    compare(path, Cs[:3], cold(Ks, y, "C", Cs[:3], MKLClassifier, "hinge", kernel_set=groups))


class Watched(WorkingSetNewton):
    """Notes where each solution began."""

    starts: list = []

    def solve(self, problem, start=None):
        self.starts.append((problem, start))
        return super().solve(problem, start)


def test_each_begins_at_the_weights_and_rescaled_coefficients_of_the_one_before(labelled):
    Ks, y = labelled
    Watched.starts.clear()
    path = mkl_path(Ks, y, Cs=[0.1, 1.0, 10.0], solver=Watched(tol=TOL))
    (_, nothing), *later = Watched.starts
    assert nothing is None and len(later) == 2
    for (problem, start), weights in zip(later, path.weights, strict=False):
        assert_array_equal(start.theta, weights)
        a, violation = problem.criterion.project(problem.criterion.inverse(start.beta, problem.Y), problem.Y, problem.w)
        assert violation < 1e-12 and a.max() == pytest.approx(problem.criterion.C)  # at the new bound


def test_values_that_a_number_stands_for():
    assert_allclose(grid(3, "C"), [1e-2, 10**0.5, 1e3])
    assert_allclose(grid(3, "lam"), [1e2, 10**-0.5, 1e-3])
    assert_array_equal(grid([3, 1, 3], "C"), [1.0, 3.0])


ERRORS = {
    "no strength": (dict(criterion=NuSVM()), "'nu_svm' is not one for a path"),
    "one class": (dict(criterion=OneClass()), "'one_class' is not one for a path"),
    "fisher": (dict(criterion=KernelFisher()), "'fisher' is not one for a path"),
    "unknown": (dict(criterion="nu_svm"), "criterion must be one of 'hinge'"),
    "zero": (dict(Cs=[0.0, 1.0]), "Cs must be a number of values, or an array of positive ones"),
    "infinite": (dict(Cs=[np.inf]), "Cs must be"),
    "empty": (dict(Cs=[]), "Cs must be"),
    "none": (dict(Cs=0), "Cs must be"),
    "lam": (dict(criterion=LeastSquares(), lams=[-1.0]), "lams must be"),
    "tol": (dict(tol=0.0), "tol must be positive"),
    "groups": (dict(kernel_set="groups"), "GroupBall"),
    "pair": (dict(criterion=NuSVR(), kernel_set="radius"), "does not go with the kernel set 'radius'"),
}


@pytest.mark.parametrize("parameters, message", ERRORS.values(), ids=ERRORS)
def test_errors_name_the_argument(labelled, parameters, message):
    with pytest.raises(ValueError, match=message):
        mkl_path(*labelled, **parameters)
