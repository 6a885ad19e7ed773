import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from kernelopt import FilterBank
from kernelopt.conv.banks import BANKS
from kernelopt.estimators import filter_bank

COLOUR = np.random.default_rng(0).normal(size=(12, 3, 9, 7)).cumsum(axis=2)


@parametrize_with_checks([FilterBank(), FilterBank("random", grid=1)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kernel_size", [3, 4, 5])
def test_features_equal_torch_convolution_rectified_and_pooled(kernel_size):
    torch = pytest.importorskip("torch")
    bank = FilterBank("kmeans", 6, kernel_size, grid=4, image_format="channels_first", random_state=0)
    found = bank.fit_transform(COLOUR)
    images = torch.from_numpy(COLOUR.astype(np.float32).astype(float))
    before, after = (kernel_size - 1) // 2, kernel_size // 2
    padded = torch.nn.functional.pad(images, (before, after, before, after))
    maps = torch.nn.functional.conv2d(padded, torch.from_numpy(bank.filters_)).relu().numpy()
    rows = np.array_split(np.arange(9), [3, 5, 7])  # pixel i belongs to cell floor(4 i / 9)
    columns = np.array_split(np.arange(7), [2, 4, 6])
    expected = [[[m[:, r][:, :, c].mean(axis=(1, 2)) for c in columns] for r in rows] for m in maps]
    np.testing.assert_allclose(found, np.moveaxis(expected, 3, 1).reshape(12, -1), atol=1e-12)


def test_memory_limit_changes_nothing(monkeypatch):
    bank = FilterBank(image_format="channels_first").fit(COLOUR)
    at_once = bank.transform(COLOUR)
    monkeypatch.setattr(filter_bank, "MEMORY", 1)
    np.testing.assert_allclose(bank.transform(COLOUR), at_once, atol=1e-12)


def test_layouts_and_rows_agree():
    first = FilterBank("patch_pca", 5, 3, image_format="channels_first").fit(COLOUR)
    rows = FilterBank("patch_pca", 5, 3, image_format="channels_first", image_shape=(3, 9, 7))
    last = FilterBank("patch_pca", 5, 3, image_format="channels_last")
    expected = first.transform(COLOUR)
    np.testing.assert_array_equal(first.transform(COLOUR.reshape(12, -1)), expected)
    np.testing.assert_array_equal(rows.fit_transform(COLOUR.reshape(12, -1)), expected)
    np.testing.assert_allclose(last.fit_transform(np.moveaxis(COLOUR, 1, -1)), expected, atol=1e-12)


def test_names_follow_filter_row_column():
    bank = FilterBank(n_filters=3, grid=2).fit(np.zeros((2, 8, 8)))
    assert bank.get_feature_names_out()[[0, 1, 2, 4]].tolist() == [
        "gabor0_0_0",
        "gabor0_0_1",
        "gabor0_1_0",
        "gabor1_0_0",
    ]


@pytest.mark.parametrize("bank", [bank for bank in BANKS if bank not in ("laplacian", "prewitt")])
def test_banks_beat_raw_pixels_on_few_digits(bank):
    """With 200 digits, features that respect the plane are worth more than the pixels themselves.

    Not those of Laplacians, which see no directions; Prewitt's filters tie with the pixels here.
    """
    X, y = load_digits(return_X_y=True)
    X, y = X[:400], y[:400]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    features = FilterBank(bank, n_filters=8, kernel_size=3, random_state=0).fit_transform(X)
    raw, filtered = (cross_val_score(classifier, Z, y, cv=2).mean() for Z in (X, features))
    assert filtered > raw, (filtered, raw)


@pytest.mark.parametrize(
    "options, X, error, message",
    [
        ({"bank": "haar"}, np.zeros((3, 16)), ValueError, "bank='haar'"),
        ({"n_filters": 0}, np.zeros((3, 16)), ValueError, "n_filters"),
        ({"grid": 1.5}, np.zeros((3, 16)), TypeError, "grid"),
        ({"bank": "dct", "kernel_size": 3}, np.zeros((3, 16)), ValueError, "at most 9"),
        ({}, COLOUR, ValueError, "image_format"),
    ],
)
def test_bad_input_is_refused_by_name(options, X, error, message):
    with pytest.raises(error, match=message):
        FilterBank(**options).fit(X)


def test_other_images_are_refused_at_transform():
    bank = FilterBank().fit(np.zeros((3, 8, 8)))
    with pytest.raises(ValueError, match="fitted on images of shape"):
        bank.transform(np.zeros((3, 16, 4)))
    with pytest.raises(ValueError, match="81 features"):
        bank.transform(np.zeros((3, 81)))
