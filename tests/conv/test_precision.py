import platform
from pathlib import Path

import numpy as np
import pytest
import torch

from kernelopt import ConvNetClassifier, ConvNetRegressor
from kernelopt.conv import precision
from kernelopt.conv.devices import reproducible
from kernelopt.conv.layers import build_layers
from kernelopt.conv.network import start_network
from kernelopt.conv.precision import find_precision, has_bfloat16
from kernelopt.conv.recorder import Recorder
from kernelopt.conv.run import Run
from kernelopt.conv.training import Recipe, train
from kernelopt.conv.validation import Samples

rng = np.random.default_rng(0)
LABELS = rng.integers(4, size=120)
IMAGES = rng.normal(size=(120, 1, 10, 10)).astype(np.float32)
IMAGES[np.arange(120), 0, 2 * LABELS] += 2.0  # which row is bright
LOW = Recipe(epochs=6, batch_size=16, precision="bfloat16")


def trained(recipe=LOW, device="cpu", **options):
    recorder = Recorder()
    with reproducible(1):
        network = start_network(build_layers(filters=(6, 8), kernel_size=3, **options), IMAGES, 4, 0)
        train(network, IMAGES, LABELS, recipe, recorder, 0, device)
    return network.cpu(), recorder.history


def flat(network):
    return torch.cat([value.flatten() for value in network.state_dict().values()])


@pytest.mark.skipif(
    platform.system() != "Linux" or platform.machine() != "x86_64", reason="/proc/cpuinfo lists x86 instructions"
)
def test_the_processor_has_the_instructions_that_the_kernel_lists():
    flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")).split()
    assert has_bfloat16("cpu") == ("avx512_bf16" in flags)


@pytest.mark.parametrize(
    "asked, native, shape, found",
    [
        ("auto", True, (1, 28, 28), "bfloat16"),
        ("auto", True, (3, 14, 56), "bfloat16"),
        ("auto", True, (3, 27, 28), "float32"),
        ("auto", False, (1, 28, 28), "float32"),
        ("float32", True, (1, 28, 28), "float32"),
        ("bfloat16", False, (1, 8, 8), "bfloat16"),
    ],
)
def test_auto_needs_instructions_and_large_images(asked, native, shape, found, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: native)
    assert find_precision(asked, "cpu", shape) == found


def test_on_a_gpu_small_images_count_too(monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: torch.device(device).type == "cuda")
    assert find_precision("auto", "cuda", (1, 8, 8)) == "bfloat16"


def test_bfloat16_computes_in_16_bits_with_weights_and_losses_in_32():
    seen = []
    with reproducible(1):
        network = start_network(build_layers(filters=(6, 8), kernel_size=3), IMAGES, 4, 0)
        network.head.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0].dtype, output.dtype)))
        run = Run(network, Samples(IMAGES, LABELS), LOW, 0, "cpu")
        run.epoch(1)
    assert run.inputs.dtype == torch.bfloat16 and set(seen) == {(torch.bfloat16, torch.bfloat16)}
    assert {p.dtype for p in network.parameters()} == {p.grad.dtype for p in network.parameters()} == {torch.float32}
    assert {v.dtype for o in run.optimizers for state in o.state.values() for v in state.values()} == {torch.float32}


def test_bfloat16_gives_the_same_bits_twice_and_float32_s_network_up_to_its_rounding():
    (first, history), (again, _) = trained(), trained()
    full, reference = trained(Recipe(epochs=6, batch_size=16))
    assert torch.equal(flat(first), flat(again))
    assert not torch.equal(flat(first), flat(full))
    assert (flat(first) - flat(full)).norm() < 0.05 * flat(full).norm()
    np.testing.assert_allclose(history["loss"], reference["loss"], rtol=0.05, atol=0.01)


@pytest.mark.parametrize("options", [{"trainable": (False, True)}, {"activity_regularizer": "l1"}])
def test_frozen_layers_and_penalties_go_with_bfloat16(options):
    low, full = trained(**options), trained(Recipe(epochs=6, batch_size=16), **options)
    np.testing.assert_allclose(low[1]["loss"], full[1]["loss"], rtol=0.05, atol=0.01)
    if "trainable" in options:
        assert torch.equal(low[0].filters[0], full[0].filters[0])


def test_estimators_say_which_precision_it_was_and_predict_in_float64():
    options = {"filters": 4, "kernel_size": 3, "epochs": 2, "device": "cpu", "random_state": 0}
    low, full, small = (
        ConvNetClassifier(**options, precision=name).fit(IMAGES[:, 0], LABELS)
        for name in ("bfloat16", "float32", "auto")
    )
    assert (low.precision_, full.precision_, small.precision_) == ("bfloat16", "float32", "float32")
    assert not np.array_equal(low.filters_, full.filters_)
    np.testing.assert_array_equal(small.filters_, full.filters_)
    whole, parts = low.decision_function(IMAGES[:, 0]), [low.decision_function(IMAGES[i : i + 7, 0]) for i in (0, 7)]
    assert whole.dtype == np.float64
    np.testing.assert_allclose(whole[:14], np.concatenate(parts), rtol=1e-10)
    regressor = ConvNetRegressor(**options, precision="bfloat16").fit(IMAGES[:, 0], LABELS.astype(float))
    more = regressor.partial_fit(IMAGES[:, 0], LABELS.astype(float))
    assert more.precision_ == "bfloat16" and more.n_iter_ == 3


@pytest.mark.parametrize("bad", ["float16", None, 32])
def test_other_precisions_are_refused(bad):
    with pytest.raises(ValueError, match="precision="):
        ConvNetClassifier(precision=bad).fit(IMAGES[:, 0], LABELS)
    with pytest.raises(ValueError, match="precision="):
        Recipe(epochs=1, precision=bad)


@pytest.mark.gpu
def test_a_gpu_trains_in_bfloat16_to_the_same_bits_twice():
    (first, _), (again, _), (on_cpu, _) = trained(device="cuda"), trained(device="cuda"), trained()
    assert torch.equal(flat(first), flat(again))
    assert (flat(first) - flat(on_cpu)).norm() < 0.05 * flat(on_cpu).norm()
