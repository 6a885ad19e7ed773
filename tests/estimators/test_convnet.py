import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from kernelopt import ConvNetClassifier
from kernelopt.conv.layers import ConvLayer

DIGITS = load_digits()
X, y = DIGITS.images[:300], DIGITS.target[:300]
X_TEST, Y_TEST = DIGITS.images[300:700], DIGITS.target[300:700]
QUICK = {"filters": (4, 6), "kernel_size": 3, "epochs": 3, "device": "cpu", "random_state": 0}


FIXED = ConvNetClassifier(bank=("gabor", "random"), trainable=False, epochs=20)


@parametrize_with_checks([ConvNetClassifier(), FIXED])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_learned_filters_recognise_digits():
    classifier = ConvNetClassifier(device="cpu", random_state=0).fit(X, y)
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(X.reshape(300, -1), y)
    assert classifier.score(X_TEST, Y_TEST) > linear.score(X_TEST.reshape(400, -1), Y_TEST) + 0.02


def test_only_the_trainable_switch_differs_between_fixed_and_learned():
    fixed, learned = (
        ConvNetClassifier(**QUICK, bank="gabor", trainable=trainable).fit(X, y) for trainable in (False, True)
    )
    np.testing.assert_array_equal(fixed.filter_snapshots_[0], learned.filter_snapshots_[0])
    np.testing.assert_array_equal(fixed.filters_, fixed.filter_snapshots_[0])
    assert fixed.history_["filter_move"] == [0, 0, 0, 0]
    assert learned.history_["filter_move"][-1] > 0.01


def test_seeds_decide_everything():
    first, again, other = (
        ConvNetClassifier(**QUICK | {"random_state": seed}).fit(X, y).predict_proba(X_TEST) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_rows_images_and_layouts_agree():
    colour = np.stack([X, X[:, ::-1], X**2], axis=1)
    first = ConvNetClassifier(**QUICK, image_format="channels_first").fit(colour, y)
    rows = ConvNetClassifier(**QUICK, image_format="channels_first", image_shape=(3, 8, 8))
    last = ConvNetClassifier(**QUICK, image_format="channels_last")
    expected = first.predict_proba(colour)
    np.testing.assert_array_equal(first.predict_proba(colour.reshape(300, -1)), expected)
    np.testing.assert_array_equal(rows.fit(colour.reshape(300, -1), y).predict_proba(colour), expected)
    moved = np.moveaxis(colour, 1, -1)
    np.testing.assert_allclose(last.fit(moved, y).predict_proba(moved), expected, atol=1e-6)


def test_the_scale_of_the_pixels_does_not_matter():
    as_bytes = ConvNetClassifier(**QUICK).fit(X.astype(np.uint8), y).predict_proba(X_TEST)
    as_fractions = ConvNetClassifier(**QUICK).fit(X / 16, y).predict_proba(X_TEST / 16)
    np.testing.assert_allclose(as_bytes, as_fractions, atol=1e-4)


def test_a_constant_channel_is_ignored():
    both = np.stack([X, np.full_like(X, 0.1)], axis=1)
    classifier = ConvNetClassifier(**QUICK, image_format="channels_first").fit(both, y)
    assert classifier.pixel_scale_[1] == 1
    assert np.isfinite(classifier.predict_proba(both)).all()


def test_binary_decision_is_the_log_odds():
    two = y < 2
    classifier = ConvNetClassifier(**QUICK).fit(X[two], np.array(["zero", "one"])[y[two]])
    assert classifier.classes_.tolist() == ["one", "zero"]
    decision, probability = classifier.decision_function(X_TEST), classifier.predict_proba(X_TEST)
    np.testing.assert_allclose(decision, np.log(probability[:, 1] / probability[:, 0]), rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(classifier.predict(X_TEST), np.where(decision > 0, "zero", "one"))


def test_features_are_what_the_head_reads():
    classifier = ConvNetClassifier(**QUICK).fit(X, y)
    last, first = classifier.features(X_TEST), classifier.features(X_TEST, layer=0)
    assert last.shape == (400, 6 * 2 * 2) and first.shape == (400, 4 * 4 * 4)
    head = classifier.network_.head
    np.testing.assert_allclose(
        last @ head.weight.numpy().T + head.bias.numpy(), classifier.decision_function(X_TEST), atol=1e-10
    )
    for layer in (2, -3, 0.5):
        with pytest.raises(ValueError, match=f"layer={layer}"):
            classifier.features(X_TEST, layer=layer)


def test_explicit_layers_equal_the_automatic_ones():
    layers = [ConvLayer(4, 3, bank="dct", trainable=False), ConvLayer(6, 3)]
    explicit = clone(ConvNetClassifier(layers, **QUICK)).fit(X, y)
    built = ConvNetClassifier(**QUICK, bank=("dct", "random"), trainable=(False, True)).fit(X, y)
    np.testing.assert_array_equal(explicit.predict_proba(X), built.predict_proba(X))


def test_layers_may_have_all_of_kerass_options():
    layers = [
        ConvLayer(8, 3, bank="gabor", activation="leaky_relu", kernel_constraint="max_norm", pool=1, strides=2),
        ConvLayer(8, 3, groups=2, activation="gelu", kernel_initializer="he_normal", kernel_regularizer="l2"),
    ]
    classifier = ConvNetClassifier(layers, epochs=30, random_state=0).fit(X, y)
    assert classifier.history_["accuracy"][-1] > 0.95 and classifier.score(X_TEST, Y_TEST) > 0.7
    assert classifier.filters_.shape == (8, 1, 3, 3) and classifier.network_.filters[1].shape == (8, 4, 3, 3)
    twin = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(twin.predict_proba(X_TEST), classifier.predict_proba(X_TEST))


def test_verbose_shows_a_progress_bar(capsys):
    ConvNetClassifier(**QUICK, verbose=1).fit(X, y)
    assert "3/3" in capsys.readouterr().err


def test_copies_and_worker_processes_predict_the_same():
    classifier = ConvNetClassifier(**QUICK).fit(X, y)
    expected = classifier.predict_proba(X_TEST)
    for twin in (pickle.loads(pickle.dumps(classifier)), copy.deepcopy(classifier)):
        np.testing.assert_array_equal(twin.predict_proba(X_TEST), expected)
    found = Parallel(n_jobs=2)(delayed(classifier.predict_proba)(half) for half in np.array_split(X_TEST, 2))
    np.testing.assert_allclose(np.vstack(found), expected, atol=1e-12)


def test_an_interrupted_fit_leaves_a_fitted_classifier(monkeypatch):
    def one_epoch_then_interrupt(self, epochs):
        yield 1
        raise KeyboardInterrupt

    monkeypatch.setattr(ConvNetClassifier, "_progress", one_epoch_then_interrupt)
    with pytest.warns(ConvergenceWarning, match="interrupted in epoch 1 of 3"):
        classifier = ConvNetClassifier(**QUICK).fit(X, y)
    assert classifier.n_iter_ == 1 and classifier.history_["epoch"] == [0, 1]
    np.testing.assert_array_equal(classifier.network_.filters[0], classifier.filters_)
    assert classifier.predict(X_TEST).shape == (400,)


def test_settings_of_torch_neither_matter_nor_change():
    torch = pytest.importorskip("torch")
    expected = ConvNetClassifier(**QUICK).fit(X, y).predict_proba(X_TEST)
    random_state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            found = ConvNetClassifier(**QUICK).fit(X, y).predict_proba(X_TEST)
            assert not torch.is_grad_enabled() and torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(found, expected)
    assert torch.equal(torch.random.get_rng_state(), random_state) and torch.get_num_threads() == threads


def test_without_torch_the_missing_extra_is_named():
    code = """
import sys

class WithoutTorch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, WithoutTorch())
from kernelopt import ConvNetClassifier
from kernelopt.errors import MissingExtraError
try:
    ConvNetClassifier().fit([[0.0], [1.0]], [0, 1])
except MissingExtraError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "kernelopt[conv]" in result.stdout


def test_grid_search_over_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), ConvNetClassifier(**QUICK))
    grid = {"convnetclassifier__trainable": [False, True], "convnetclassifier__bank": ["gabor", "random"]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X.reshape(300, -1), y)
    assert len(search.cv_results_["mean_test_score"]) == 4
    assert search.predict(X_TEST.reshape(400, -1)).shape == (400,)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"device": "tpu"}, ValueError, "device='tpu'"),
        ({"bank": "haar"}, ValueError, "bank='haar'"),
        ({"filters": (4, 6), "kernel_size": (3, 3, 3)}, ValueError, "kernel_size has 3"),
        ({"layers": []}, ValueError, "layers is empty"),
        ({"layers": "deep"}, ValueError, "layers='deep'"),
        ({"layers": [16, 32]}, ValueError, "list of ConvLayer"),
        ({"layers": 2}, ValueError, "layers=2"),
        ({"bank": [["gabor"], "random"]}, ValueError, "bank="),
        ({"epochs": "many"}, ValueError, "epochs='many'"),
        ({"epochs": 0}, ValueError, "epochs"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"learning_rate": -1.0}, ValueError, "learning_rate"),
        ({"threads": 0}, ValueError, "threads"),
        ({"image_shape": (4, 4)}, ValueError, "image_shape"),
        ({"learning_rate": 1e30}, FloatingPointError, "learning_rate"),
    ],
)
def test_bad_parameters_are_refused_by_name(options, error, message):
    with pytest.raises(error, match=message):
        ConvNetClassifier(**QUICK | options).fit(X, y)


def test_defaults_take_pixels_as_they_come():
    colour = np.random.default_rng(0).integers(256, size=(60, 3, 9, 8)).astype(np.uint8)
    words = np.where(colour[:, 0].mean(axis=(1, 2)) > 127, "bright", "dark")
    first = ConvNetClassifier(epochs=2, device="cpu", random_state=0).fit(colour, words)
    last = ConvNetClassifier(epochs=2, device="cpu", random_state=0).fit(np.moveaxis(colour, 1, -1), words)
    scaled = ConvNetClassifier(epochs=2, device="cpu", random_state=0).fit(colour / 255, words)
    np.testing.assert_array_equal(first.filters_, last.filters_)
    np.testing.assert_allclose(first.filters_, scaled.filters_, atol=1e-3)
    assert first.predict(colour).dtype == words.dtype
    np.testing.assert_array_equal(first.predict(colour), last.predict(np.moveaxis(colour, 1, -1)))


def test_bad_data_are_refused():
    with pytest.raises(ValueError, match="image_format"):
        ConvNetClassifier(**QUICK).fit(X[:, None, :, :7], y)
    with pytest.raises(ValueError, match="NaN"):
        ConvNetClassifier(**QUICK).fit(np.where(X > 15, np.nan, X), y)
    with pytest.raises(ValueError, match="one class"):
        ConvNetClassifier(**QUICK).fit(X, np.zeros(300))
    classifier = ConvNetClassifier(**QUICK).fit(X, y)
    with pytest.raises(ValueError, match="49 features"):
        classifier.predict(X[:, :7, :7])
    with pytest.raises(ValueError, match="fitted on images of shape"):
        classifier.predict(X.reshape(300, 16, 4))


@pytest.mark.gpu
def test_gpu_and_cpu_agree_on_digits():
    on_gpu = ConvNetClassifier(device="cuda", random_state=0).fit(X, y)
    on_cpu = ConvNetClassifier(device="cpu", random_state=0).fit(X, y)
    assert abs(on_gpu.score(X_TEST, Y_TEST) - on_cpu.score(X_TEST, Y_TEST)) < 0.03
    again = pickle.loads(pickle.dumps(on_gpu)).set_params(device="cpu")
    np.testing.assert_allclose(again.predict_proba(X_TEST), on_gpu.predict_proba(X_TEST), atol=1e-8)
