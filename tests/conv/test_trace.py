import numpy as np
import pytest
import torch

from kernelopt.conv.banks import make_bank
from kernelopt.conv.devices import reproducible
from kernelopt.conv.gabor_fit import nearest_gabor
from kernelopt.conv.layers import build_layers
from kernelopt.conv.network import start_network
from kernelopt.conv.recorder import Recorder
from kernelopt.conv.trace import Trace, look, read_trace, stages
from kernelopt.conv.training import Recipe, train

rng = np.random.default_rng(0)
IMAGES = rng.normal(size=(32, 1, 8, 8)).astype(np.float32)
LABELS = rng.integers(4, size=32)


def run(make_recorder, **options):
    layers = build_layers(**({"filters": (6, 5), "kernel_size": (5, 3), "trainable": (False, True)} | options))
    with reproducible(1):
        network = start_network(layers, IMAGES, 4, 0)
        recorder = make_recorder(network)
        train(network, IMAGES, LABELS, Recipe(epochs=4, batch_size=8), recorder, 0)
    return network, recorder


def traced(epochs=None, **options):
    return run(lambda network: Trace(network, IMAGES[:10], LABELS[:10], epochs), **options)


@pytest.mark.parametrize("trainable", [True, (False, True)])
def test_training_computes_the_same_bits_with_and_without_a_trace(trainable):
    generator = torch.random.get_rng_state()
    plain, recorder = run(lambda network: Recorder(), trainable=trainable)
    watched, trace = traced(trainable=trainable)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name
    assert trace.history == recorder.history
    assert torch.equal(generator, torch.random.get_rng_state())


def test_arrays_agree_with_the_network_at_the_end():
    network, trace = traced()
    found = trace.arrays()
    assert found["epoch"].tolist() == [0, 1, 2, 3, 4]
    assert found["loss"][0] == pytest.approx(np.log(4))  # the head starts at zero
    first, second = (W.detach().numpy() for W in network.filters)
    np.testing.assert_array_equal(found["filters_0"][-1], first)
    np.testing.assert_array_equal(found["filters_1"][-1], second)
    start = found["filters_1"][0]
    assert not found["movement"][:, 0].any(), "the first layer is frozen"
    assert found["movement"][-1, 1] == pytest.approx(np.linalg.norm(second - start) / np.linalg.norm(start))
    filters, activations, pooled = stages(network, IMAGES[0])
    np.testing.assert_allclose(found["activations_0"][-1], activations, atol=1e-6)
    cells = activations.reshape(6, 4, 2, 4, 2)
    np.testing.assert_allclose(pooled, cells.max(axis=(2, 4)), atol=1e-6)
    np.testing.assert_array_equal(found["gabor_0"][2], nearest_gabor(found["filters_0"][2]).r2)


@pytest.mark.parametrize("n_filters, measured", [(4, True), (5, False)])
def test_only_filters_of_at_most_four_channels_are_compared_with_gabor_filters(n_filters, measured):
    _, trace = traced(filters=(n_filters, 3))
    found = trace.arrays()
    assert found["gabor_0"].shape == (5, n_filters) and ("gabor_1" in found) is measured


def test_a_start_at_zero_has_moves_that_are_numbers():
    recorder = Recorder()
    for size in (0.0, 0.5):
        recorder.record(0, 1.0, 1.0, 1.0, np.full((1, 1, 2, 2), size))
    assert recorder.history["filter_move"] == [0.0, 1.0]


def test_gradients_are_those_of_the_loss_by_finite_differences_for_frozen_layers_too():
    network, _ = traced()
    network.double()
    x, y = torch.from_numpy(IMAGES[:10]).double(), torch.from_numpy(LABELS[:10])
    found = look(network, x, y)
    for i in range(2):
        direction = rng.normal(size=found[f"filters_{i}"].shape)
        losses = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                network.filters[i] += step * torch.from_numpy(direction)
                losses.append(float(torch.nn.functional.cross_entropy(network(x), y)))
                network.filters[i] -= step * torch.from_numpy(direction)
        slope = (losses[0] - losses[1]) / 2e-6
        assert slope == pytest.approx(np.sum(found[f"gradients_{i}"] * direction), rel=1e-4, abs=1e-7)
        assert found["gradient_norm"][i] == pytest.approx(np.linalg.norm(found[f"gradients_{i}"]))
    assert found["gradient_norm"].min() > 0


def test_dead_filters_are_counted():
    network, _ = traced()
    x, y = torch.from_numpy(IMAGES[:10]), torch.from_numpy(LABELS[:10])
    assert look(network, x, y)["dead"].tolist() == [0, 0]
    with torch.no_grad():
        network.convs[0].bias[[1, 4]] = -1e3
        network.convs[1].bias[2] = -1e3
    assert look(network, x, y)["dead"].tolist() == [2, 1]


def test_another_loss_and_small_integers_are_taken():
    layers = build_layers(filters=(6, 5), kernel_size=3)
    targets = rng.normal(size=(32, 2)).astype(np.float32)
    network = start_network(layers, IMAGES, 2, 0)
    trace = Trace(network, IMAGES, targets, loss=torch.nn.functional.mse_loss)
    train(network, IMAGES, targets, Recipe(epochs=3, batch_size=8), trace, 0)
    outputs = network(torch.from_numpy(IMAGES)).detach().numpy()
    assert trace.arrays()["loss"][-1] == pytest.approx(np.square(outputs - targets).mean(), rel=1e-5)
    network, _ = traced()
    coarse, fine = (Trace(network, IMAGES, LABELS.astype(kind)) for kind in (np.uint8, np.int64))
    for trace in (coarse, fine):
        trace.record(0, 1.0, 1.0, 1.0, np.ones(3))
    assert coarse.arrays()["loss"] == fine.arrays()["loss"]


def test_chosen_epochs_alone_are_looked_at():
    _, trace = traced(epochs=[0, 3])
    found = trace.arrays()
    assert found["epoch"].tolist() == [0, 3] and len(found["activations_1"]) == 2
    assert found["history_epoch"].tolist() == [0, 1, 2, 3, 4]


def test_movement_is_from_the_start_even_if_the_start_was_not_looked_at():
    everything, late = (traced(epochs)[1].arrays()["movement"] for epochs in (None, [2, 4]))
    np.testing.assert_array_equal(late, everything[[2, 4]])
    assert late[0, 1] > 0


def test_a_file_gives_back_the_arrays_and_holds_no_pickle(tmp_path):
    _, trace = traced()
    trace.save(tmp_path / "run.trace")
    found = read_trace(tmp_path / "run.trace")
    expected = trace.arrays()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert value.dtype != object
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    np.savez(tmp_path / "other.npz", version=2, epoch=0)
    with pytest.raises(ValueError, match="version 2, but expected a trace of version 1"):
        read_trace(tmp_path / "other.npz")
    np.savez(tmp_path / "pickle.npz", version=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_trace(tmp_path / "pickle.npz")


def test_wrong_uses_are_refused_by_name():
    network, _ = traced()
    with pytest.raises(ValueError, match="labels has 3 entries"):
        Trace(network, IMAGES, LABELS[:3])
    with pytest.raises(ValueError, match="nothing is recorded"):
        Trace(network, IMAGES, LABELS).arrays()
    with pytest.raises(ValueError, match="layer=2"):
        stages(network, IMAGES[0], layer=2)
    with pytest.raises(ValueError, match="at least 3"):
        nearest_gabor(np.ones((1, 1, 2, 2)))


def wave(size, angle, wavelength, width, phase):
    v, u = np.mgrid[:size, :size] - (size - 1) / 2
    return np.exp(-(u**2 + v**2) / (2 * width**2)) * np.cos(
        2 * np.pi * (u * np.cos(angle) + v * np.sin(angle)) / wavelength + phase
    )


@pytest.mark.parametrize("size", [5, 7, 11])
def test_a_gabor_filter_between_the_grid_s_is_recognised_whatever_its_scale_and_mean(size):
    filters = np.array([wave(size, a, 0.7 * size, 0.3 * size, p) for a, p in ((0.2, 0.0), (1.1, 0.9), (2.9, 2.0))])
    fit = nearest_gabor(-3 * filters[:, None] + 5)
    assert fit.r2.min() > 0.97
    centred = filters - filters.mean(axis=(1, 2), keepdims=True)
    error = np.linalg.norm(fit.filters[:, 0] + 3 * centred, axis=(1, 2)) / np.linalg.norm(3 * centred, axis=(1, 2))
    np.testing.assert_allclose(error**2, 1 - fit.r2, atol=1e-9)  # the filter returned is the one that was measured


def test_noise_is_little_like_a_gabor_filter_and_less_so_the_larger_it_is():
    means = [nearest_gabor(np.random.default_rng(2).normal(size=(60, 1, k, k))).r2.mean() for k in (3, 5, 7, 11)]
    assert means == sorted(means, reverse=True)
    np.testing.assert_allclose(means[:3], [0.84, 0.42, 0.25], atol=0.03)  # as the documentation says


def test_channels_share_one_wave_and_constant_filters_have_none():
    same = np.stack([wave(7, 0.5, 5, 2, 0), wave(7, 0.5, 5, 2, 1.5)])
    crossed = np.stack([wave(7, 0.5, 5, 2, 0), wave(7, 0.5 + np.pi / 2, 5, 2, 1.5)])
    r2 = nearest_gabor(np.stack([same, crossed, np.full((2, 7, 7), 0.3)])).r2
    assert r2[0] > 0.95 and r2[1] < 0.65 and r2[2] == 0


def test_the_gabor_bank_is_on_the_grid():
    np.testing.assert_allclose(nearest_gabor(make_bank("gabor", 8, 5)).r2, 1, atol=1e-9)
