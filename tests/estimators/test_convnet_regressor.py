import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from kernelopt import ConvNetRegressor, load, save

DIGITS = load_digits()
X, Y = DIGITS.images[:600], DIGITS.target[:600].astype(float)  # the digit as a number: no linear function of the pixels
TRAIN, TEST = slice(400), slice(400, 600)
QUICK = {"filters": (4, 6), "kernel_size": 3, "epochs": 3, "device": "cpu", "random_state": 0}


@parametrize_with_checks([ConvNetRegressor(filters=(4, 6), kernel_size=3, epochs=30)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_learned_filters_beat_a_linear_function():
    regressor = ConvNetRegressor(device="cpu", random_state=0).fit(X[TRAIN], Y[TRAIN])
    linear = Ridge(10.0).fit(X[TRAIN].reshape(400, -1), Y[TRAIN])
    assert regressor.score(X[TEST], Y[TEST]) > linear.score(X[TEST].reshape(200, -1), Y[TEST]) + 0.1


def test_the_scale_of_the_targets_does_not_matter():
    plain = ConvNetRegressor(**QUICK).fit(X[TRAIN], Y[TRAIN]).predict(X[TEST])
    scaled = ConvNetRegressor(**QUICK).fit(X[TRAIN], 1000 * Y[TRAIN] - 1e4).predict(X[TEST])
    np.testing.assert_allclose((scaled + 1e4) / 1000, plain, atol=1e-4)


def test_history_holds_r2_and_the_loss_of_standardised_targets():
    regressor = ConvNetRegressor(**QUICK | {"learning_rate": 0.0}).fit(X[TRAIN], Y[TRAIN])
    assert list(regressor.history_) == ["epoch", "loss", "r2", "gradient_norm", "filter_move"]
    np.testing.assert_allclose(regressor.history_["loss"], 1, atol=1e-5)  # the head stays at zero: the mean
    np.testing.assert_allclose(regressor.history_["r2"], 0, atol=1e-5)
    np.testing.assert_allclose(regressor.predict(X[TEST]), Y[TRAIN].mean())


def test_validation_r2_is_scikit_learns():
    options = {"epochs": 8, "early_stopping": True, "validation_fraction": 0.25, "n_iter_no_change": 8}
    regressor = ConvNetRegressor(**QUICK | options).fit(X[TRAIN], Y[TRAIN])
    losses, scores = regressor.history_["validation_loss"], regressor.history_["validation_r2"]
    assert len(losses) == 9 and regressor.best_epoch_ == int(np.argmin(losses))
    np.testing.assert_allclose(np.add(losses, scores), 1, atol=1e-6)
    # the held-out part has another variance than the training part, so R² there is near, not equal
    assert r2_score(Y[TEST], regressor.predict(X[TEST])) == pytest.approx(scores[regressor.best_epoch_], abs=0.25)


def test_several_outputs_are_each_standardised():
    both = np.column_stack([Y, 1e4 * X.mean(axis=(1, 2))])
    regressor = ConvNetRegressor(**QUICK | {"epochs": 30}).fit(X[TRAIN], both[TRAIN])
    found = regressor.predict(X[TEST])
    assert found.shape == (200, 2) and r2_score(both[TEST], found, multioutput="raw_values").min() > 0.5
    with pytest.raises(ValueError, match="1 outputs"):
        regressor.partial_fit(X[TRAIN], Y[TRAIN])


def test_a_constant_target_is_predicted():
    regressor = ConvNetRegressor(**QUICK).fit(X[TRAIN], np.full(400, 1e6))
    np.testing.assert_allclose(regressor.predict(X[TEST]), 1e6)


def test_weights_count_like_copies_to_the_bit():
    copies = np.arange(400) % 3
    repeated = ConvNetRegressor(**QUICK).fit(np.repeat(X[TRAIN], copies, axis=0), np.repeat(Y[TRAIN], copies))
    weighted = ConvNetRegressor(**QUICK).fit(X[TRAIN], Y[TRAIN], sample_weight=0.5 * copies)
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-5)
    whole = ConvNetRegressor(**QUICK).fit(X[TRAIN], Y[TRAIN], sample_weight=copies)
    np.testing.assert_array_equal(whole.predict(X), repeated.predict(X))


def test_saved_and_loaded_it_predicts_the_same_bits(tmp_path):
    regressor = ConvNetRegressor(**QUICK).fit(X[TRAIN], Y[TRAIN]).partial_fit(X[TEST], Y[TEST])
    save(regressor, tmp_path / "model")
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(X), regressor.predict(X))
    again, later = (model.partial_fit(X[TEST], Y[TEST]).predict(X) for model in (loaded, regressor))
    np.testing.assert_array_equal(again, later)
    clone(loaded)
