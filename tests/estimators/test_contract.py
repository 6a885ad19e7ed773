"""What holds for every estimator over kernels alike: routing, names, representation, files, clones."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, cross_val_predict

import kernelopt
from kernelopt import (
    AlignmentMKL,
    ContinuousKernelClassifier,
    ContinuousKernelRegressor,
    HyperkernelClassifier,
    HyperkernelOneClass,
    HyperkernelRegressor,
    KernelFisherClassifier,
    MKLClassifier,
    MKLClassifierCV,
    MKLOneClass,
    MKLRegressor,
    MKLRegressorCV,
    SDPKernelClassifier,
)

ESTIMATORS = [
    MKLClassifier(),
    MKLRegressor(),
    MKLClassifierCV(Cs=[0.1, 10.0], cv=2),
    MKLRegressorCV(lams=[10.0, 0.1], cv=2),
    MKLOneClass(),
    KernelFisherClassifier(),
    SDPKernelClassifier(),
    AlignmentMKL(),
    ContinuousKernelClassifier(),
    ContinuousKernelRegressor(),
    HyperkernelClassifier(),
    HyperkernelRegressor(),
    HyperkernelOneClass(),
]
SUPERVISED = [e for e in ESTIMATORS if is_classifier(e) or is_regressor(e)]
WEIGHTED = [
    MKLClassifier(),
    MKLRegressor(),
    KernelFisherClassifier(),
    ContinuousKernelRegressor(),
    HyperkernelClassifier(),
]


@pytest.fixture(scope="module")
def Xy():
    X, y = make_classification(40, 4, n_informative=3, n_redundant=0, class_sep=1.5, random_state=0)
    return X, y


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_fit_leaves_parameters_alone_and_instances_share_nothing(estimator, Xy):
    a, b = clone(estimator), clone(estimator)
    before = {key: repr(value) for key, value in a.get_params().items()}
    a.fit(*Xy)
    assert {key: repr(value) for key, value in a.get_params().items()} == before
    assert not any(name.endswith("_") and not name.startswith("_") for name in vars(b))
    assert a.certificate_.holds(a.tol) and len(a.weights_) == len(a.kernel_names_)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_columns_are_remembered_by_name(estimator, Xy):
    frame = pd.DataFrame(Xy[0], columns=list("abcd"))
    fitted = clone(estimator).fit(frame, Xy[1])
    assert list(fitted.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame.rename(columns={"a": "z"}))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_page_representation_is_escaped(estimator):
    name = "<script>alert(1)</script>"
    what = next(what for what in ("kernels", "family", "hyperkernel") if what in estimator.get_params())
    html = clone(estimator).set_params(**{what: [name]})._repr_html_()
    assert type(estimator).__name__ in html and name not in html


@pytest.mark.parametrize("estimator", WEIGHTED, ids=lambda e: type(e).__name__)
def test_weights_are_routed_through_a_search(estimator, Xy):
    X, y = Xy
    w = np.random.default_rng(0).integers(1, 4, len(y))
    parameter = "lam" if "lam" in estimator.get_params() else "C"
    with sklearn.config_context(enable_metadata_routing=True):
        routed = clone(estimator).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(routed, {parameter: [0.5]}, cv=2).fit(X, y, sample_weight=w)
        assert_array_equal(
            search.best_estimator_.predict(X),
            clone(estimator).set_params(**{parameter: 0.5}).fit(X, y, sample_weight=w).predict(X),
        )


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_saved_and_loaded_it_predicts_the_same_bits(estimator, Xy, tmp_path):
    X, y = Xy
    fitted = clone(estimator).fit(X, y)
    kernelopt.save(fitted, tmp_path / "model")
    loaded = kernelopt.load(tmp_path / "model")
    assert_array_equal(loaded.predict(X), fitted.predict(X))
    assert loaded.certificate_ == fitted.certificate_


@pytest.mark.parametrize("estimator", SUPERVISED, ids=lambda e: type(e).__name__)
def test_predictions_under_cross_validation(estimator, Xy):
    if isinstance(estimator, SDPKernelClassifier):
        pytest.skip("predicts at the points it was given; elsewhere only where its kernel is semidefinite")
    assert cross_val_predict(clone(estimator), *Xy, cv=3).shape == Xy[1].shape
