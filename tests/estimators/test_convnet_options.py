"""What the networks can do beyond fit and predict: weights, parts held out, going on, features by name."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kernelopt import ConvNetClassifier, load, save
from kernelopt.conv import threads, training
from kernelopt.conv.augmentation import Augmentation
from kernelopt.estimators.temperature import best_temperature

DIGITS = load_digits()
X, y = DIGITS.images[:300], DIGITS.target[:300]
X_TEST, Y_TEST = DIGITS.images[300:700], DIGITS.target[300:700]
QUICK = {"filters": (4, 6), "kernel_size": 3, "epochs": 3, "device": "cpu", "random_state": 0}


def weights(model):
    return [value.numpy() for value in model.network_.state_dict().values()]


def assert_same_weights(a, b):
    for one, other in zip(weights(a), weights(b), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_learning_rate_of_zero_leaves_the_weights_to_the_bit():
    for optimizer in ("adamw", "sgd", "muon"):
        model = ConvNetClassifier(**QUICK, learning_rate=0.0, optimizer=optimizer).fit(X, y)
        np.testing.assert_array_equal(model.filter_snapshots_, np.stack([model.filter_snapshots_[0]] * 4))
        assert not any(np.any(value) for value in weights(model)[-2:]), "the head stays zero"


def test_it_memorises_32_images():
    wrong = np.random.default_rng(0).integers(4, size=32)
    model = ConvNetClassifier(epochs=100, batch_size=16, device="cpu", random_state=0).fit(X[:32], wrong)
    assert model.score(X[:32], wrong) == 1 and model.history_["loss"][-1] < 0.02


@pytest.mark.parametrize("optimizer, learning_rate", [("sgd", 0.05), ("muon", 0.01)])
def test_the_other_optimisers_learn_too(optimizer, learning_rate):
    options = {"optimizer": optimizer, "learning_rate": learning_rate, "weight_decay": 0.001}
    model = ConvNetClassifier(device="cpu", random_state=0, **options).fit(X, y)
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(X.reshape(300, -1), y)
    assert model.score(X_TEST, Y_TEST) > linear.score(X_TEST.reshape(400, -1), Y_TEST) + 0.02


def test_weights_count_like_copies_to_the_bit_in_any_order():
    copies = np.arange(300) % 3
    repeated = ConvNetClassifier(**QUICK).fit(np.repeat(X, copies, axis=0), np.repeat(y, copies))
    order = np.random.default_rng(0).permutation(300)
    weighted = ConvNetClassifier(**QUICK).fit(X[order], y[order], sample_weight=copies[order])
    assert_same_weights(weighted, repeated)
    assert_same_weights(ConvNetClassifier(**QUICK).fit(X, y, np.full(300, 7.0)), ConvNetClassifier(**QUICK).fit(X, y))


def test_class_weights_are_sample_weights():
    given = {label: 1.0 + label for label in range(10)}
    by_class = ConvNetClassifier(**QUICK, class_weight=given).fit(X, y)
    by_sample = ConvNetClassifier(**QUICK).fit(X, y, sample_weight=1.0 + y)
    assert_same_weights(by_class, by_sample)
    assert any(np.any(a != b) for a, b in zip(weights(by_class), weights(ConvNetClassifier(**QUICK).fit(X, y))))  # noqa: B905


def test_clipping_bounds_steps_without_momentum_and_a_large_bound_changes_nothing():
    free, loose, tight = (
        ConvNetClassifier(**QUICK, optimizer="sgd", clip_norm=norm).fit(X, y) for norm in (None, 1e6, 1e-6)
    )
    np.testing.assert_allclose(np.concatenate([w.ravel() for w in weights(loose)]),
                               np.concatenate([w.ravel() for w in weights(free)]), atol=1e-5)  # fmt: skip
    # 15 steps, each at most 10 times 1e-6 long by the momentum; weight decay moves filters, but not a head of zeros
    assert 0 < np.abs(weights(tight)[-1]).max() < 15 * 1e-5
    assert free.history_["gradient_norm"][0] == tight.history_["gradient_norm"][0]


def test_augmentation_draws_from_its_own_generator():
    plain, varied, again, nothing = (
        ConvNetClassifier(**QUICK, augmentation=augmentation).fit(X, y)
        for augmentation in (None, Augmentation(shift=1), Augmentation(shift=1), Augmentation())
    )
    assert_same_weights(varied, again)
    assert np.any(weights(plain)[0] != weights(varied)[0])
    assert_same_weights(nothing, plain)  # the order of the images is the same


def test_all_options_survive_a_file(tmp_path):
    options = {"augmentation": Augmentation(shift=1, flip=True), "class_weight": {0: 2.0}, "early_stopping": True}
    model = ConvNetClassifier(**QUICK, **options, calibration="temperature", threads="auto", feature_layer="conv0")
    save(model.fit(X, y), tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.get_params() == model.get_params() and loaded.history_ == model.history_
    np.testing.assert_array_equal(loaded.predict_proba(X_TEST), model.predict_proba(X_TEST))


def test_early_stopping_keeps_the_best_epoch_and_trains_on_the_rest_only():
    options = QUICK | {"epochs": 60, "learning_rate": 0.05, "weight_decay": 0.0}
    model = ConvNetClassifier(**options, early_stopping=True, validation_fraction=0.2, n_iter_no_change=3).fit(X, y)
    losses = model.history_["validation_loss"]
    assert len(losses) == model.n_iter_ + 1 < 61
    assert model.best_epoch_ == np.argmin(losses) == model.n_iter_ - 3
    np.testing.assert_array_equal(model.filters_, model.filter_snapshots_[model.best_epoch_])
    np.testing.assert_array_equal(model.network_.filters[0], model.filters_)
    held_out = model._split(300, model.seed_, y)
    assert held_out.sum() == pytest.approx(60, abs=5) and set(y[held_out]) == set(range(10))
    found = log_loss(y[held_out], model.predict_proba(X[held_out]))
    assert found == pytest.approx(losses[model.best_epoch_], rel=1e-4)
    np.testing.assert_allclose(model.pixel_mean_, X[~held_out].mean(), rtol=1e-5)


def test_temperature_makes_held_out_labels_most_likely():
    model = ConvNetClassifier(**QUICK | {"epochs": 40}, calibration="temperature", validation_fraction=0.3).fit(X, y)
    held_out = model._split(300, model.seed_, y)
    logits, labels = model.decision_function(X[held_out]), y[held_out]

    def loss(T):
        return -log_softmax(logits / T, axis=1)[np.arange(len(labels)), labels].mean()

    T = model.temperature_
    assert T != 1 and loss(T) < min(loss(0.99 * T), loss(1.01 * T), loss(1.0))
    assert log_loss(labels, model.predict_proba(X[held_out])) == pytest.approx(loss(T))
    np.testing.assert_array_equal(model.predict(X_TEST), model.classes_[model.predict_proba(X_TEST).argmax(axis=1)])


def test_temperature_of_weighted_logits_is_that_of_copies():
    rng = np.random.default_rng(0)
    logits, labels, copies = 3 * rng.normal(size=(50, 4)), rng.integers(4, size=50), rng.integers(1, 4, size=50)
    repeated = best_temperature(np.repeat(logits, copies, axis=0), np.repeat(labels, copies))
    assert best_temperature(logits, labels, copies) == pytest.approx(repeated, rel=1e-6)


def test_partial_fit_learns_from_parts_and_a_saved_model_goes_on_with_the_same_bits(tmp_path):
    model = ConvNetClassifier(device="cpu", random_state=0, learning_rate=3e-3)
    for _ in range(12):
        for part in (slice(0, 150), slice(150, 300)):
            model.partial_fit(X[part], y[part], classes=np.arange(10))
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(X.reshape(300, -1), y)
    assert model.score(X_TEST, Y_TEST) > linear.score(X_TEST.reshape(400, -1), Y_TEST) and model.n_iter_ == 24
    assert model.history_["epoch"] == list(range(25)) and len(model.filter_snapshots_) == 25
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert_same_weights(loaded.partial_fit(X, y), model.partial_fit(X, y))


def test_an_interrupted_partial_fit_leaves_what_there_was(monkeypatch):
    def interrupted(self, epoch):
        self.network.head.bias.data.add_(1.0)
        raise KeyboardInterrupt

    model, twin = (ConvNetClassifier(**QUICK) for _ in range(2))
    with monkeypatch.context() as patch:
        patch.setattr(training.Run, "epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(X, y, classes=range(10))
        with pytest.raises(NotFittedError):
            model.predict(X)
    assert_same_weights(model.partial_fit(X, y, classes=range(10)), twin.partial_fit(X, y, classes=range(10)))
    with monkeypatch.context() as patch:
        patch.setattr(training.Run, "epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(X, y)
    assert_same_weights(model, twin)
    assert_same_weights(model.partial_fit(X, y), twin.partial_fit(X, y))


@pytest.mark.parametrize("first, second", [("adamw", "sgd"), ("muon", "adamw"), ("sgd", "muon")])
def test_another_optimiser_starts_afresh_where_partial_fit_goes_on(first, second):
    changed, emptied = (
        ConvNetClassifier(**QUICK, optimizer=first).partial_fit(X, y, classes=range(10)) for _ in range(2)
    )
    assert changed.optimizer_state_ and changed.optimizer_ == first
    emptied.optimizer_state_ = {}
    for model in (changed, emptied):
        model.set_params(optimizer=second).partial_fit(X, y)
    assert changed.optimizer_ == second
    assert changed.optimizer_state_.keys() == emptied.optimizer_state_.keys()
    assert_same_weights(changed, emptied)


def test_partial_fit_goes_on_from_fit_and_leaves_frozen_filters():
    model = ConvNetClassifier(**QUICK, trainable=(False, True)).fit(X, y)
    before = weights(model)
    model.partial_fit(X_TEST, Y_TEST)
    changed = [np.any(a != b) for a, b in zip(before, weights(model), strict=True)]
    assert changed == [False, False, True, True, True, True]
    assert model.n_iter_ == 4 and model.history_["epoch"] == [0, 1, 2, 3, 4]


def test_partial_fit_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="classes is None"):
        ConvNetClassifier(**QUICK).partial_fit(X, y)
    with pytest.raises(ValueError, match="balanced"):
        ConvNetClassifier(**QUICK, class_weight="balanced").partial_fit(X, y, classes=range(10))
    model = ConvNetClassifier(**QUICK).partial_fit(X, y, classes=range(10))
    with pytest.raises(ValueError, match=r"y holds \[11\]"):
        model.partial_fit(X[:2], [1, 11])
    with pytest.raises(ValueError, match="classes="):
        model.partial_fit(X, y, classes=range(11))
    with pytest.raises(ValueError, match="weight is zero for every sample"):
        model.set_params(class_weight={0: 0.0}).partial_fit(X[:1], y[:1])


def test_layers_have_names_for_transform():
    model = ConvNetClassifier(**QUICK).fit(X, y)
    np.testing.assert_array_equal(model.transform(X_TEST), model.features(X_TEST, "conv1"))
    np.testing.assert_array_equal(model.features(X_TEST, "conv0"), model.features(X_TEST, 0))
    np.testing.assert_array_equal(model.features(X_TEST, "head"), model.decision_function(X_TEST))
    for layer, size in [("conv0", 64), ("conv1", 24), ("head", 10)]:
        model.set_params(feature_layer=layer)
        assert model.transform(X_TEST).shape == (400, size) == (400, len(model.get_feature_names_out()))
    with pytest.raises(ValueError, match="conv0, conv1, head"):
        model.set_params(feature_layer="conv2").transform(X_TEST)


def test_filters_are_drawn_as_they_are():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    colour = np.stack([X, X[:, ::-1], X**2], axis=1)
    for model, shape in [
        (ConvNetClassifier(**QUICK).fit(X, y), (3, 15)),
        (ConvNetClassifier(**QUICK, image_format="channels_first").fit(colour, y), (11, 15)),
    ]:
        image = model.plot_filters().images[0]
        picture, filters = image.get_array().filled(np.nan), model.filters_
        assert picture.shape == shape and image.get_clim() == (-np.abs(filters).max(), np.abs(filters).max())
        np.testing.assert_array_equal(picture[:3, 4:7], filters[1, 0])
        np.testing.assert_array_equal(picture[-3:, -3:], filters[-1, -1])
        pyplot.close("all")


def test_threads_are_those_that_a_trial_finds_fastest(monkeypatch):
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda process: range(5), raising=False)
    torch = pytest.importorskip("torch")
    seconds = {1: 3.0, 2: 1.0, 4: 2.0}
    time = [0.0]

    def clock():
        time[0] += seconds[torch.get_num_threads()]
        return time[0]

    model = ConvNetClassifier(**QUICK).fit(X, y)
    from kernelopt.conv.training import thawed
    from kernelopt.conv.validation import Samples

    samples = Samples(X[:, None].astype(np.float32), y)
    before = weights(model)
    found = threads.find_threads("auto", thawed(model.network_), samples, model._recipe(model.get_params(), 300), clock)
    assert found == 2 and all(np.array_equal(a, b) for a, b in zip(before, weights(model), strict=True))


def test_threads_that_were_found_are_recorded_and_used_again(monkeypatch):
    assert ConvNetClassifier(**QUICK, threads=2).fit(X, y).threads_ == 2
    monkeypatch.setattr(threads, "find_threads", lambda *arguments: 1)
    model = ConvNetClassifier(**QUICK, threads="auto").fit(X, y)
    assert model.threads_ == 1
    expected = ConvNetClassifier(**QUICK).fit(X, y)
    assert_same_weights(model, expected)
    np.testing.assert_array_equal(model.predict_proba(X_TEST), expected.predict_proba(X_TEST))


def test_an_interrupt_keeps_the_best_epoch_so_far(monkeypatch):
    def two_epochs_then_interrupt(self, epochs):
        yield from (1, 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(ConvNetClassifier, "_progress", two_epochs_then_interrupt)
    with pytest.warns(ConvergenceWarning, match="interrupted in epoch 2 of 3"):
        model = ConvNetClassifier(**QUICK, early_stopping=True, calibration="temperature").fit(X, y)
    assert model.n_iter_ == 2 and model.predict(X_TEST).shape == (400,)
    np.testing.assert_array_equal(model.filters_, model.filter_snapshots_[model.best_epoch_])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"optimizer": "lion"}, "optimizer='lion'"),
        ({"schedule": "steps"}, "schedule='steps'"),
        ({"clip_norm": 0.0}, "clip_norm"),
        ({"augmentation": "flip"}, "augmentation='flip'"),
        ({"early_stopping": "yes"}, "early_stopping='yes'"),
        ({"early_stopping": True, "validation_fraction": 1.0}, "validation_fraction"),
        ({"early_stopping": True, "validation_fraction": 1e-3}, "validation_fraction=0.001 of 300"),
        ({"early_stopping": True, "n_iter_no_change": 0}, "n_iter_no_change"),
        ({"class_weight": {0: 0.0}}, "class_weight"),
        ({"calibration": "platt"}, "calibration='platt'"),
        ({"threads": "many"}, "threads='many'"),
        ({"checkpoint": "run", "random_state": None}, "integer random_state"),
    ],
)
def test_bad_parameters_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        ConvNetClassifier(**QUICK | options).fit(X, y)
