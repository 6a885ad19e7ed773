import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

from kernelopt import ConvNetClassifier, NetworkMKLClassifier
from kernelopt.estimators import bridges

QUICK = ConvNetClassifier(filters=(4, 6), kernel_size=3, epochs=3)


@parametrize_with_checks(
    [NetworkMKLClassifier(ConvNetClassifier(filters=4, kernel_size=3, epochs=3))], xfail_strict=True
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:240], y[:240]


def test_no_machine_sees_features_of_images_its_network_was_trained_on(digits, monkeypatch):
    X, y = digits
    seen = []
    features = bridges._with_features
    monkeypatch.setattr(bridges, "_with_features", lambda net, Z: seen.append((net, Z)) or features(net, Z))
    trained = []
    fit = ConvNetClassifier.fit

    def spying_fit(self, Z, labels):
        trained.append({row.tobytes() for row in Z})
        return fit(self, Z, labels)

    monkeypatch.setattr(ConvNetClassifier, "fit", spying_fit)
    NetworkMKLClassifier(QUICK, random_state=0).fit(X, y)
    assert len(trained) == len(seen) == 2
    for rows, (_, Z) in zip(trained, seen, strict=True):
        assert not rows & {row.tobytes() for row in Z}
        assert len(rows) + len(Z) == len(X)


def test_weights_belong_to_pixels_and_layers_and_are_certified(digits):
    X, y = digits
    clf = NetworkMKLClassifier(QUICK, random_state=0).fit(X, y)
    assert any("layer 1" in n for n in clf.kernel_names_) and any("layer 2" in n for n in clf.kernel_names_)
    assert clf.weights_.sum() == pytest.approx(1) and clf.certificate_.holds(1e-4)
    assert clf.certificate_.gap == max(m.certificate_.gap for m in clf.machines_)
    mean = np.mean(
        [
            m.decision_function(bridges._with_features(n, X)[0])
            for n, m in zip(clf.networks_, clf.machines_, strict=True)
        ],
        axis=0,
    )
    np.testing.assert_allclose(clf.decision_function(X), mean)


def test_same_seed_same_answer(digits):
    X, y = digits
    a, b, c = (NetworkMKLClassifier(QUICK, random_state=s).fit(X, y).decision_function(X) for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 1e-3


def test_a_class_of_one_is_refused(digits):
    X, y = digits
    with pytest.raises(ValueError, match="two samples"):
        NetworkMKLClassifier(QUICK).fit(X[:30], np.r_[np.zeros(29, int), 1])
    with pytest.raises(ValueError, match="kernels must be"):
        NetworkMKLClassifier(QUICK, kernels="nonsense").fit(X, y)
