"""Every silent trap found in packages for learning kernels, as a test of all estimators that could fall into it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.svm import SVC

from kernelopt import AlignmentMKL, KernelFisherClassifier, KernelStack, MKLClassifier, MKLOneClass, MKLRegressor
from kernelopt import SDPKernelClassifier as SDP
from kernelopt.kernels import Gaussian, Linear

KERNELS = [Gaussian(0.05), Gaussian(0.5), Linear()]
CLASSIFIERS = {
    "mkl": MKLClassifier(KERNELS),
    "least squares": MKLClassifier(KERNELS, "least_squares", "lp"),
    "logistic": MKLClassifier(KERNELS, "logistic"),
    "nu_svm": MKLClassifier(KERNELS, "nu_svm", nu=0.2),
    "radius": MKLClassifier(KERNELS, "squared_hinge", "radius"),
    "fisher": KernelFisherClassifier(KERNELS),
    "alignf": AlignmentMKL(KERNELS),
    "align": AlignmentMKL(KERNELS, "align", SVC()),
    "trace": SDP(KERNELS, kernel_set="trace"),
    "sdp": SDP(KERNELS),
}
OTHERS = {"regressor": MKLRegressor(KERNELS), "one class": MKLOneClass(KERNELS)}
EVERY = {**CLASSIFIERS, **OTHERS}
all_estimators = pytest.mark.parametrize("estimator", EVERY.values(), ids=EVERY)
all_classifiers = pytest.mark.parametrize("estimator", CLASSIFIERS.values(), ids=CLASSIFIERS)


@pytest.fixture(scope="module")
def Xy():
    return make_classification(60, 5, n_informative=3, n_redundant=0, class_sep=0.7, random_state=0)


@pytest.fixture(scope="module")
def stack(Xy):
    return KernelStack.from_kernels(KERNELS, Xy[0])


@all_estimators
def test_the_learned_kernel_is_positive_semidefinite_and_weights_that_promise_it_are_not_negative(estimator, Xy):
    """Weights of any sign, some negative, and a kernel that is none: .63 to .95 where the average has .99."""
    fitted = clone(estimator).fit(*Xy)
    K = fitted.kernel_(Xy[0])
    assert np.linalg.eigvalsh(K)[0] > -1e-8 * np.trace(K)
    if not (isinstance(estimator, SDP) and estimator.kernel_set == "psd_span"):
        assert fitted.weights_.min() >= 0


@all_classifiers
@pytest.mark.parametrize("names", [[10, 20, 30], ["a", "b", "c"], [-1.0, 0.0, 1.0]], ids=str)
def test_three_classes_are_predicted_by_their_labels_not_by_their_indices(estimator, names):
    X, y = load_iris(return_X_y=True)
    X, labels = X[::2], np.array(names)[y[::2]]
    clf = clone(estimator)
    if "unlabeled" in clf.get_params():
        clf.set_params(unlabeled=None)
    clf.fit(X, labels)
    assert_array_equal(clf.classes_, names)
    predicted = clf.predict(X)
    assert predicted.dtype == labels.dtype and (predicted == labels).mean() > 0.9


@all_estimators
def test_weights_do_not_depend_on_the_scale_of_each_kernel(estimator, Xy, stack):
    """One kernel times a hundred: weights .04/.22/.75 became .35/.04/.61."""
    pre = clone(estimator).set_params(kernels="precomputed", tol=1e-8)
    scaled = KernelStack(stack.leading * np.array([100.0, 1e-3, 1.0])[:, None, None])
    one, two = clone(pre).fit(stack, Xy[1]), clone(pre).fit(scaled, Xy[1])
    assert_allclose(one.weights_, two.weights_, atol=2e-4)
    method = "decision_function" if hasattr(one, "decision_function") else "predict"
    assert_allclose(getattr(one, method)(stack), getattr(two, method)(scaled), atol=2e-3)


@all_estimators
def test_no_object_is_shared_between_fits(estimator, Xy):
    """Default learners that are one mutable object: fitting a second estimator changed the first."""
    X, y = Xy
    first = clone(estimator).fit(X, y)
    weights, predicted = first.weights_.copy(), first.predict(X)
    clone(estimator).fit(X[:40] * 3.0, 1 - y[:40])
    clone(first).fit(X[20:], y[20:])
    assert_array_equal(first.weights_, weights)
    assert_array_equal(first.predict(X), predicted)


@all_estimators
def test_a_run_that_was_cut_short_says_so_and_a_whole_one_says_nothing(estimator, Xy, capsys):
    """A thousand steps with no test for the end; debug prints left in."""
    fitted = clone(estimator).fit(*Xy)
    assert capsys.readouterr().out == ""
    if fitted.certificate_ is not None:
        assert fitted.certificate_.holds(fitted.tol) and fitted.n_iter_ < 100
    if fitted.n_iter_ > 3:
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            short = clone(estimator).set_params(max_iter=1, tol=1e-9).fit(*Xy)
        assert not short.certificate_.holds(1e-9)


@pytest.mark.parametrize(
    "estimator", [e for k, e in EVERY.items() if k not in ("trace", "sdp")], ids=lambda e: str(e)[:40]
)
def test_a_weight_of_zero_is_absence_on_precomputed_kernels(estimator, Xy, stack):
    """SVC(kernel="precomputed") by itself then predicts from the wrong columns."""
    y, pre = Xy[1], clone(estimator).set_params(kernels="precomputed", tol=1e-8)
    keep = np.flatnonzero(np.arange(60) % 3)
    whole = clone(pre).fit(stack, y, sample_weight=(np.arange(60) % 3 > 0).astype(float))
    part = clone(pre).fit(stack[np.ix_(keep, keep)], y[keep])
    assert_allclose(whole.weights_, part.weights_, atol=1e-6)
    for method in ("decision_function", "predict"):
        if hasattr(whole, method):
            assert_allclose(getattr(whole, method)(stack), getattr(part, method)(stack[:, keep]), atol=1e-3)


def test_bagging_and_voting_work(Xy):
    """Bootstrap counts come as weights, zeros among them."""
    bag = BaggingClassifier(MKLClassifier(KERNELS), 4, random_state=0).fit(*Xy)
    assert bag.score(*Xy) > 0.8
    vote = VotingClassifier([("a", MKLClassifier(KERNELS)), ("b", KernelFisherClassifier(KERNELS))]).fit(*Xy)
    assert vote.score(*Xy) > 0.8


@pytest.mark.parametrize("estimator", [MKLClassifier("precomputed"), MKLClassifier("precomputed", "logistic")], ids=str)
def test_probabilities_of_precomputed_kernels_never_contradict_predictions_under_cross_validation(estimator, Xy, stack):
    """Platt's sigmoid crosses one half where it likes, and calibrating by cross-validation fails on Gram matrices."""
    y = np.array(["no", "yes"])[Xy[1]]
    P = cross_val_predict(estimator, stack, y, cv=4, method="predict_proba")
    assert_array_equal(np.array(["no", "yes"])[P.argmax(axis=1)], cross_val_predict(estimator, stack, y, cv=4))
    assert_allclose(P.sum(axis=1), 1)


@all_estimators
def test_a_list_of_matrices_fits_and_predicts_and_where_it_cannot_be_split_an_error_says_what_to_pass(
    estimator, Xy, stack
):
    pre = clone(estimator).set_params(kernels="precomputed")
    listed = list(stack.leading)
    fitted = clone(pre).fit(listed, Xy[1])
    assert_array_equal(fitted.predict(listed), clone(pre).fit(stack, Xy[1]).predict(stack))
    if isinstance(estimator, MKLOneClass):
        return  # it has no y, from which to tell
    # Where scikit-learn splits a list at all, it is one of as many matrices as there are samples, and by matrix.
    split = [stack.leading[k % 3] for k in range(40)]
    with pytest.raises(ValueError, match=r"split by matrix.*KernelStack.from_leading"):
        clone(pre).fit(split, Xy[1][:40])
    if estimator is not CLASSIFIERS["sdp"]:  # which predicts at the points it was given
        assert np.isfinite(cross_val_score(pre, KernelStack.from_leading(listed), Xy[1], cv=2)).all()


@all_estimators
def test_what_is_no_kernel_is_refused_by_name(estimator, Xy, stack):
    """An indefinite matrix scored .875 elsewhere, and its negative .2."""
    y, pre = Xy[1], clone(estimator).set_params(kernels="precomputed")
    indefinite, asymmetric, broken = stack.leading.copy(), stack.leading.copy(), stack.leading.copy()
    indefinite[1] = -np.eye(60)
    asymmetric[1, 0, 1] += 0.5
    broken[1, 2, 3] = np.nan
    for Ks, message in ((indefinite, "semidefinite"), (asymmetric, "not symmetric"), (broken, "NaN")):
        with pytest.raises(ValueError, match=f"second.*{message}"):
            clone(pre).fit(KernelStack(Ks, names=["first", "second", "third"]), y)


def test_classes_that_only_rounding_tells_apart_are_predicted_alike_in_any_batch():
    """Machines that find nothing all have the value -1: a coin that falls as the batch does, unless ties are ties."""
    X = 3 * np.random.RandomState(0).uniform(size=(20, 3))
    K = X @ X.T
    clf = MKLClassifier("precomputed").fit(K, K[:, 0].astype(int))
    F = np.sort(clf.decision_function(K), axis=1)
    assert (F[:, -1] - F[:, -2]).min() < 1e-6  # there are such
    assert_array_equal(clf.predict(K), [clf.predict(K[[i]])[0] for i in range(20)])
    assert_array_equal(clf.classes_[clf.predict_proba(K).argmax(axis=1)], clf.predict(K))
