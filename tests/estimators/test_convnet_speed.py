"""The speed preset, predictions over views, the trace of a fit, and torch.compile: how a fit is made or watched."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from kernelopt import ConvNetClassifier, ConvNetRegressor, load, save
from kernelopt.conv.augmentation import Augmentation, averaged
from kernelopt.conv.layers import ConvLayer
from kernelopt.conv.presets import PRESETS, settled
from kernelopt.conv.trace import Trace, read_trace

DIGITS = load_digits()
X, y = DIGITS.images[:400], DIGITS.target[:400]
QUICK = {"filters": (4, 6), "kernel_size": 3, "epochs": 3, "device": "cpu", "random_state": 0}
NARROW = [  # the preset's kinds of layers, with a few filters each
    ConvLayer(8, 2, "whitening", trainable=False, pool=1, padding="valid", activation="gelu"),
    ConvLayer(12, 3, activation="gelu", normalization="batch"),
    ConvLayer(12, 3, pool=3, activation="gelu", normalization="batch"),
]
SPEED = {"preset": "speed", "layers": NARROW, "device": "cpu", "random_state": 0}


def weights(model):
    return torch.cat([value.flatten() for value in model.network_.state_dict().values()])


def test_the_preset_fills_in_defaults_and_only_these():
    plain = ConvNetClassifier(random_state=3, device="cpu")
    chosen = settled(ConvNetClassifier(preset="speed", random_state=3, device="cpu"), (3, 32, 32), 50_000)
    filled = PRESETS["speed"]((3, 32, 32), 50_000)
    for name, value in plain.get_params().items():
        if name == "preset":
            continue
        assert chosen[name] == filled.get(name, value), name
    assert settled(ConvNetClassifier(preset="speed", optimizer="sgd", batch_size=7), (1, 8, 8), 9)["optimizer"] == "sgd"
    assert settled(plain, (1, 8, 8), 9) == plain.get_params(deep=False)
    with pytest.raises(ValueError, match="preset='fast'"):
        ConvNetClassifier(preset="fast").fit(X, y)


@pytest.mark.parametrize("n_images", [1, 31, 400, 799, 800, 5000, 50_000, 10**6])
def test_the_preset_takes_at_least_200_steps(n_images):
    found = settled(ConvNetClassifier(preset="speed"), (1, 8, 8), n_images)
    assert found["epochs"] * -(-n_images // found["batch_size"]) >= 200 and 32 <= found["batch_size"] <= 2000
    assert found["epochs"] == 8 or n_images < 800
    assert found["augmentation"].flip is False, "grey images may be characters"
    assert settled(ConvNetClassifier(preset="speed"), (3, 8, 8), 9)["augmentation"].flip == "alternate"


def test_the_preset_s_own_layers_fit_images_of_all_sizes():
    colour = np.random.default_rng(0).normal(size=(6, 9, 5, 3))
    model = ConvNetClassifier(preset="speed", epochs=1, image_format="channels_last", device="cpu", random_state=0)
    model.fit(colour, [0, 1, 0, 1, 0, 1])
    first = model.network_.layers[0]
    assert (first.filters, first.bank, first.trainable) == (24, "whitening", False)
    assert model.history_["filter_move"][-1] == 0
    assert model.transform(colour).shape == (6, 256)  # 8 x 4 -> 4 x 2 -> 2 x 1 -> 1 x 1, not pooled further
    assert model.predict_proba(colour).shape == (6, 2)


def test_the_preset_learns_as_well_as_a_support_vector_machine():
    model = ConvNetClassifier(**SPEED).fit(X, y)
    test = DIGITS.images[400:900], DIGITS.target[400:900]
    machine = SVC(gamma="scale").fit(X.reshape(400, -1), y)
    assert model.score(*test) > machine.score(test[0].reshape(500, -1), test[1]) - 0.01
    again = clone(model).fit(X, y)
    assert torch.equal(weights(model), weights(again))


def test_a_preset_goes_through_files_and_checkpoints(tmp_path, monkeypatch):
    whole = ConvNetClassifier(**SPEED, epochs=3).fit(X[:90], y[:90])
    save(whole, tmp_path / "model")
    back = load(tmp_path / "model")
    np.testing.assert_array_equal(back.decision_function(X), whole.decision_function(X))
    assert {name for name, _ in back.network_.named_buffers()} == {
        f"convs.{i}.running_{name}" for i in (1, 2) for name in ("mean", "var")
    }
    broken = ConvNetClassifier(**SPEED, epochs=3, checkpoint=tmp_path / "run")
    monkeypatch.setattr(ConvNetClassifier, "_progress", lambda self, epochs: iter(list(epochs)[:1]))
    broken.fit(X[:90], y[:90])
    monkeypatch.undo()
    broken.fit(X[:90], y[:90])
    assert torch.equal(weights(broken), weights(whole)), "running moments and turns are part of what is gone on from"
    more = ConvNetClassifier(**SPEED).partial_fit(X, y, classes=range(10))
    assert more.partial_fit(X, y).n_iter_ == 2


def test_predictions_over_views_are_means_of_predictions():
    plain = ConvNetClassifier(**QUICK).fit(X, y)
    moved = clone(plain).set_params(test_time_augmentation=True).fit(X, y)
    assert torch.equal(weights(plain), weights(moved)), "training has nothing to do with it"

    def mean(model, images):
        edged = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
        views = (images, edged[:, :8, :8], edged[:, 2:, 2:])
        return sum(w * model.decision_function(view) for w, view in zip((0.5, 0.25, 0.25), views, strict=True))

    np.testing.assert_allclose(moved.decision_function(X), mean(plain, X), atol=1e-10)
    mirrored = clone(moved).set_params(augmentation=Augmentation(flip=True)).fit(X, y)
    single = clone(mirrored).set_params(test_time_augmentation=False).fit(X, y)
    both = (mean(single, X) + mean(single, X[:, :, ::-1])) / 2
    np.testing.assert_allclose(mirrored.decision_function(X), both, atol=1e-10)
    np.testing.assert_array_equal(mirrored.predict(X), both.argmax(axis=1))
    with pytest.raises(ValueError, match="test_time_augmentation='yes'"):
        ConvNetClassifier(test_time_augmentation="yes").fit(X, y)


def test_views_are_those_that_were_asked_for_when_it_was_fitted(tmp_path):
    model = ConvNetClassifier(**QUICK, test_time_augmentation=True, augmentation=Augmentation(flip=True)).fit(X, y)
    before = model.predict_proba(X)
    save(model, tmp_path / "model")
    for other in (model, load(tmp_path / "model")):
        other.set_params(test_time_augmentation=False, augmentation=None)
        np.testing.assert_array_equal(other.predict_proba(X), before)
        assert other.views_ == "mirrored"
    plain = ConvNetClassifier(**QUICK).partial_fit(X, y, classes=range(10))
    before = plain.predict_proba(X)
    np.testing.assert_array_equal(plain.set_params(test_time_augmentation=True).predict_proba(X), before)


@pytest.mark.parametrize(
    "name, value", [("filters", (8, 8)), ("kernel_size", 3), ("bank", "dct"), ("trainable", False), ("pool", 1)]
)
def test_what_the_preset_s_layers_would_ignore_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"preset='speed' .*Leave out {name}, or pass layers"):
        ConvNetClassifier(preset="speed", **{name: value}).fit(X, y)
    given = settled(ConvNetClassifier(preset="speed", layers=NARROW, **{name: value}), (1, 8, 8), 9)
    assert given["layers"] is NARROW and given[name] == value


def test_errors_of_the_preset_s_own_layers_name_it():
    blank = np.zeros((20, 8, 8))
    with pytest.raises(ValueError, match=r"preset='speed' has layers of its own.* all patches .* are equal"):
        ConvNetClassifier(preset="speed", device="cpu").fit(blank, np.arange(20) % 2)
    with pytest.raises(ValueError, match=r"preset='speed' has layers of its own.*does not fit into images"):
        ConvNetClassifier(preset="speed", device="cpu").partial_fit(X[:20, :1, :1], y[:20], classes=range(10))
    with pytest.raises(ValueError, match="^bank='whitening' whitens"):
        ConvNetClassifier(**SPEED).fit(blank, np.arange(20) % 2)


def test_paths_are_saved_as_text(tmp_path):
    model = ConvNetClassifier(**QUICK, trace=tmp_path / "trace.npz", checkpoint=tmp_path / "run").fit(X, y)
    save(model, tmp_path / "model")
    back = load(tmp_path / "model")
    assert (back.trace, back.checkpoint) == (str(tmp_path / "trace.npz"), str(tmp_path / "run"))
    np.testing.assert_array_equal(back.predict_proba(X), model.predict_proba(X))


def test_views_of_a_linear_function_are_its_value_at_the_mean_view():
    image = torch.arange(12.0).reshape(1, 1, 3, 4).square()
    mean = averaged(lambda x: x, image, mirror=True)
    np.testing.assert_allclose(mean, mean.flip(3))
    constant = torch.full((2, 1, 4, 4), 3.0)
    assert torch.equal(averaged(lambda x: x, constant, mirror=False), constant), "the border is repeated, not zero"


def test_temperature_is_that_of_the_logits_that_are_predicted():
    options = {**QUICK, "epochs": 20, "calibration": "temperature", "validation_fraction": 0.3}
    plain = ConvNetClassifier(**options).fit(X, y)
    moved = clone(plain).set_params(test_time_augmentation=True).fit(X, y)
    assert moved.temperature_ != plain.temperature_


@pytest.mark.parametrize("options", [{}, {"early_stopping": True, "n_iter_no_change": 2}, {"bank": "kmeans"}])
def test_a_fit_can_be_traced_without_changing_a_bit(options, tmp_path):
    plain = ConvNetClassifier(**QUICK, **options).fit(X, y)
    path = tmp_path / "trace.npz"
    traced = ConvNetClassifier(**QUICK, **options, trace=path).fit(X, y)
    assert torch.equal(weights(plain), weights(traced)) and plain.history_ == traced.history_
    arrays = read_trace(path)
    assert arrays["epoch"].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(arrays["filters_0"], traced.filter_snapshots_)
    assert arrays["loss"][0] == pytest.approx(np.log(10)), "the mean loss on the probes"
    np.testing.assert_array_equal(arrays["history_accuracy"], traced.history_["accuracy"])


def test_a_trace_has_the_smoothed_loss_and_a_regressor_s_the_squared_one(tmp_path):
    path = tmp_path / "trace"
    model = ConvNetRegressor(**QUICK, trace=path).fit(X[:50], X[:50].mean(axis=(1, 2)))  # all 50 are probes
    arrays = read_trace(path)
    assert arrays["loss"][0] == pytest.approx(model.history_["loss"][0], rel=1e-5)
    smooth = ConvNetClassifier(**QUICK, trace=path, label_smoothing=0.3).fit(X[:50], y[:50])
    final = read_trace(path)["loss"][-1]
    probabilities = smooth.predict_proba(X[:50])
    targets = 0.7 * np.eye(10)[y[:50]] + 0.03
    assert final == pytest.approx(-(targets * np.log(probabilities)).sum(axis=1).mean(), rel=1e-5)


def test_an_interrupted_fit_leaves_its_trace(tmp_path, monkeypatch):
    def one_epoch(self, epochs):
        yield 1
        raise KeyboardInterrupt

    monkeypatch.setattr(ConvNetClassifier, "_progress", one_epoch)
    with pytest.warns(match="interrupted"):
        ConvNetClassifier(**QUICK, trace=tmp_path / "trace.npz").fit(X, y)
    assert read_trace(tmp_path / "trace.npz")["epoch"].tolist() == [0, 1]


@pytest.mark.parametrize("options", [{"epochs": 2}, {"early_stopping": True, "n_iter_no_change": 1, "epochs": 20}])
def test_a_finished_run_that_goes_on_is_traced_at_its_end(options, tmp_path):
    options = QUICK | {"checkpoint": tmp_path / "run", "trace": tmp_path / "trace.npz", "learning_rate": 0.05} | options
    whole = ConvNetClassifier(**options).fit(X, y)
    first = read_trace(tmp_path / "trace.npz")
    again = ConvNetClassifier(**options).fit(X, y)
    found = read_trace(tmp_path / "trace.npz")
    assert torch.equal(weights(whole), weights(again)) and len(first["epoch"]) > 1
    assert found["epoch"].tolist() == [again.best_epoch_]
    np.testing.assert_array_equal(found["filters_0"][0], again.filters_)
    np.testing.assert_array_equal(found["history_loss"], again.history_["loss"])
    at = first["epoch"].tolist().index(again.best_epoch_)
    np.testing.assert_array_equal(found["movement"][0], first["movement"][at])


@pytest.mark.parametrize("name", ["trace", "checkpoint"])
@pytest.mark.parametrize("estimator", [ConvNetClassifier, ConvNetRegressor])
def test_a_file_that_cannot_be_written_is_refused_before_training(estimator, name, tmp_path, monkeypatch):
    monkeypatch.setattr(estimator, "_learn_scale", None)  # the first step of learning
    for path in (True, 1, b"trace.npz"):
        with pytest.raises(ValueError, match=f"{name}={path!r}, but expected None or a path"):
            estimator(**QUICK | {name: path}).fit(X, y)
    with pytest.raises(FileNotFoundError, match=f"{name}=.*'{tmp_path / 'none'}' does not exist"):
        estimator(**QUICK | {name: tmp_path / "none" / "trace.npz"}).fit(X, y)
    with pytest.raises(IsADirectoryError, match=f"{name}=.* is a folder"):
        estimator(**QUICK | {name: str(tmp_path)}).fit(X, y)


def test_a_trace_that_fails_to_be_written_costs_no_training(tmp_path, monkeypatch):
    def full(self, path):
        raise OSError("no space left")

    monkeypatch.setattr(Trace, "save", full)
    options = QUICK | {"calibration": "temperature"}
    model = ConvNetClassifier(**options, trace=tmp_path / "trace.npz")
    with pytest.raises(OSError, match="no space"):
        model.fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), ConvNetClassifier(**options).fit(X, y).predict_proba(X))


def test_compiling_is_done_where_asked_and_computes_the_same(monkeypatch):
    compiled = []

    def without_compiler(function, **options):
        compiled.append(function)
        return function

    monkeypatch.setattr(torch, "compile", without_compiler)
    plain = ConvNetClassifier(**QUICK).fit(X, y)
    assert not compiled
    asked = ConvNetClassifier(**QUICK, compile=True).fit(X, y)
    assert len(compiled) == 1 and torch.equal(weights(plain), weights(asked))
    with pytest.raises(TypeError, match="compile=1"):
        ConvNetClassifier(compile=1).fit(X, y)


@pytest.mark.gpu
def test_the_preset_on_a_gpu_learns_digits_in_bfloat16_to_the_same_bits_twice():
    model = ConvNetClassifier(preset="speed", device="cuda", random_state=0).fit(X, y)
    assert model.precision_ == "bfloat16"
    assert model.score(DIGITS.images[400:900], DIGITS.target[400:900]) > 0.93
    assert torch.equal(weights(model), weights(clone(model).fit(X, y)))


@pytest.mark.gpu
def test_code_made_by_torch_on_a_gpu_trains_to_the_same_accuracy():
    model = ConvNetClassifier(preset="speed", device="cuda", compile=True, random_state=0).fit(X, y)
    assert model.score(DIGITS.images[400:900], DIGITS.target[400:900]) > 0.93
