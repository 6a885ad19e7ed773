import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from kernelopt import ScatteringTransform
from kernelopt.conv.scattering import scattering
from kernelopt.estimators import scattering as module

COLOUR = np.random.default_rng(0).normal(size=(12, 3, 9, 7)).cumsum(axis=2)


@parametrize_with_checks([ScatteringTransform(), ScatteringTransform(J=1, L=3, order=1)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_features_and_names_follow_channel_path_row_column(monkeypatch):
    transform = ScatteringTransform(J=2, L=2, image_format="channels_first").fit(COLOUR)
    found = transform.transform(COLOUR)
    coefficients = scattering(COLOUR.astype(np.float32), 2, 2)
    np.testing.assert_allclose(found, coefficients.reshape(12, -1), atol=1e-12)
    names = transform.get_feature_names_out().tolist()
    assert len(names) == len(set(names)) == found.shape[1]
    at = names.index("scattering1_0.1_1.0_2_1")  # the paths (), 00, 01, 10, 11, 00-10, 00-11, 01-10: number 7
    np.testing.assert_allclose(found[:, at], coefficients[:, 1, 7, 2, 1], atol=1e-12)
    monkeypatch.setattr(module, "MEMORY", 1)
    np.testing.assert_allclose(transform.transform(COLOUR), found, atol=1e-12)


def test_shifted_digits_are_told_apart_better_than_by_pixels():
    """Digits somewhere on a larger ground: scattering forgives the place, pixels do not."""
    digits = load_digits()
    rng = np.random.default_rng(0)
    X = np.zeros((300, 16, 16))
    for image, digit in zip(X, digits.images, strict=False):
        row, column = rng.integers(9, size=2)
        image[row : row + 8, column : column + 8] = digit
    y = digits.target[:300]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    pixels, features = X.reshape(300, -1), ScatteringTransform(J=3, L=6).fit_transform(X)
    raw, scattered = (cross_val_score(classifier, Z, y, cv=3).mean() for Z in (pixels, features))
    assert scattered > raw + 0.2, (scattered, raw)


@pytest.mark.parametrize("options, message", [({"J": 0}, "J=0"), ({"L": 1.5}, "L=1.5"), ({"order": 0}, "order=0")])
def test_bad_parameters_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        ScatteringTransform(**options).fit(np.zeros((3, 16)))
