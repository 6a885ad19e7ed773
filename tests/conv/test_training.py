import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from kernelopt.conv import run as run_module
from kernelopt.conv.constraints import UnitNorm
from kernelopt.conv.devices import find_device, infer, reproducible
from kernelopt.conv.layers import build_layers
from kernelopt.conv.network import start_network
from kernelopt.conv.recorder import Recorder, thinned
from kernelopt.conv.regularizers import L1, L2
from kernelopt.conv.training import Recipe, train
from kernelopt.conv.validation import Samples

rng = np.random.default_rng(0)
IMAGES = rng.normal(size=(32, 1, 8, 8)).astype(np.float32)
LABELS = rng.integers(4, size=32)  # unrelated to the images: they can only be memorised


def run(recipe=None, seed=0, order=0, device="cpu", progress=iter, **options):
    options = {"filters": (8, 12), "kernel_size": 3} | options
    recipe = recipe or Recipe(epochs=5, batch_size=8)
    recorder = Recorder()
    with reproducible(1):
        network = start_network(build_layers(**options), IMAGES, 4, seed)
        start = {name: value.clone() for name, value in network.state_dict().items()}
        outcome = train(network, IMAGES, LABELS, recipe, recorder, order, device, progress)
    return network.cpu(), start, recorder, outcome


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_random_labels_are_memorised_and_the_gradient_vanishes():
    _, _, recorder, outcome = run(Recipe(epochs=120, batch_size=8))
    assert recorder.history["accuracy"][-1] == 1 and recorder.history["loss"][-1] < 0.01
    assert outcome.gradient_norm < 0.05


def test_frozen_filters_alone_cannot_move_and_learned_ones_do():
    network, start, _, _ = run(trainable=(False, True))
    moved = {name: not torch.equal(value, start[name]) for name, value in network.state_dict().items()}
    assert not moved["convs.0.weight"] and not moved["convs.0.bias"]
    assert moved["convs.1.weight"] and moved["convs.1.bias"] and moved["head.weight"] and moved["head.bias"]


def test_the_same_seeds_give_the_same_bits_and_each_seed_matters():
    first, again, other_start, other_order = (
        weights(run(seed=seed, order=order)[0]) for seed, order in ((0, 0), (0, 0), (1, 0), (0, 1))
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other_start) and not torch.allclose(first, other_order)


@pytest.mark.parametrize("trainable", [(False, True), False])
def test_reusing_the_outputs_of_frozen_layers_changes_nothing(trainable):
    reused, repeated = (
        run(Recipe(epochs=5, batch_size=8, reuse_frozen=reuse), trainable=trainable)[0] for reuse in (True, False)
    )
    np.testing.assert_allclose(weights(reused), weights(repeated), atol=1e-5)


def test_history_starts_before_the_first_step_and_agrees_with_the_network():
    network, start, recorder, outcome = run(Recipe(epochs=6, batch_size=8))
    history = recorder.history
    assert history["epoch"] == list(range(7)) and outcome.n_epochs == 6
    assert history["loss"][0] == pytest.approx(np.log(4))  # the head starts at zero
    np.testing.assert_array_equal(recorder.filters[0], start["convs.0.weight"])
    np.testing.assert_array_equal(recorder.filters[-1], network.filters[0].detach())
    move = network.filters[0].detach() - start["convs.0.weight"]
    assert history["filter_move"][0] == 0
    assert history["filter_move"][-1] == pytest.approx(float(move.norm() / start["convs.0.weight"].norm()))


COSTLY = {"kernel_regularizer": L2(0.05), "bias_regularizer": L1(0.05), "activity_regularizer": L1(0.002)}


def test_history_and_gradient_norm_count_penalties_in():
    network, start, recorder, outcome = run(Recipe(epochs=5, batch_size=14), **COSTLY)

    def loss():
        x, total = torch.from_numpy(IMAGES), 0.0
        for i in range(2):
            weight, bias = network.filters[i], network.convs[i].bias
            y = network.correlate(i, x).relu()
            total = total + 0.05 * weight.square().sum() + 0.05 * bias.abs().sum() + 0.002 * y.sum() / len(x)
            x = network.maps(x, i, i + 1)
        logits = network.head(x.flatten(1))
        return total + torch.nn.functional.cross_entropy(logits, torch.from_numpy(LABELS))

    def norm(value):
        network.zero_grad()
        value.backward()
        return float(torch.cat([p.grad.flatten() for p in network.parameters()]).norm())

    end = norm(loss())
    network.load_state_dict(start)
    first = loss()
    assert recorder.history["loss"][0] == pytest.approx(first.item(), rel=1e-5)
    # at the start biases are zero, where the penalty of sizes has no slope but a corner
    assert outcome.gradient_norm == pytest.approx(end / norm(first), rel=1e-4)


def test_penalties_shrink_what_they_price():
    plain, _, _, _ = run(Recipe(epochs=20, batch_size=8))
    for name, size in [
        ("kernel_regularizer", lambda network: float(network.filters[0].detach().abs().sum())),
        ("bias_regularizer", lambda network: float(network.convs[0].bias.detach().abs().sum())),
        ("activity_regularizer", lambda network: float(network.maps(torch.from_numpy(IMAGES), 0, 1).detach().sum())),
    ]:
        priced, _, _, _ = run(Recipe(epochs=20, batch_size=8), **{name: L1(0.02)})
        assert size(priced) < 0.7 * size(plain), name


def test_weights_stay_where_the_constraints_want_them():
    constraints = {"kernel_constraint": UnitNorm((0, 1, 2)), "bias_constraint": "non_neg"}
    network, start, _, _ = run(trainable=(False, True), **constraints)
    norms = network.filters[1].detach().flatten(1).norm(dim=1)
    np.testing.assert_allclose(norms, 1, atol=1e-5)
    assert network.convs[1].bias.min() >= 0 and network.convs[1].bias.max() > 0
    assert torch.equal(network.filters[0], start["convs.0.weight"]), "a frozen layer is not projected"
    assert not torch.allclose(network.filters[1], start["convs.1.weight"])


def test_reusing_frozen_layers_changes_no_penalty():
    reused, repeated = (
        run(Recipe(epochs=5, batch_size=8, reuse_frozen=reuse), trainable=(False, True), **COSTLY)
        for reuse in (True, False)
    )
    np.testing.assert_allclose(weights(reused[0]), weights(repeated[0]), atol=1e-5)
    np.testing.assert_allclose(reused[2].history["loss"], repeated[2].history["loss"], rtol=1e-5)


def test_gradient_norms_are_those_of_the_full_training_loss():
    network, start, recorder, outcome = run(Recipe(epochs=5, batch_size=14))  # batches of 11, 11 and 10

    def norm():
        network.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(torch.from_numpy(IMAGES)), torch.from_numpy(LABELS))
        loss.backward()
        return float(torch.cat([p.grad.flatten() for p in network.parameters()]).norm())

    at_end = norm()
    network.load_state_dict(start)
    assert recorder.history["gradient_norm"][0] == pytest.approx(norm(), rel=1e-4)
    assert outcome.gradient_norm == pytest.approx(at_end / norm(), rel=1e-3)


def test_of_many_samples_a_fixed_random_part_is_measured(monkeypatch):
    monkeypatch.setattr(run_module, "MEASURED", 20)
    with reproducible(1):
        network = start_network(build_layers(filters=(8, 12), kernel_size=3), IMAGES, 4, 0)
        torch.nn.init.normal_(network.head.weight, generator=torch.Generator().manual_seed(0))
        runs = [run_module.Run(network, Samples(IMAGES, LABELS), Recipe(1, 6), seed, "cpu") for seed in (0, 0, 1)]
        chosen = runs[0].measured
        assert len(set(chosen.tolist())) == 20 and torch.equal(chosen, runs[1].measured)
        assert not torch.equal(chosen, runs[2].measured)
        loss = torch.nn.functional.cross_entropy(
            network(torch.from_numpy(IMAGES[chosen])), torch.tensor(LABELS[chosen])
        )
        assert runs[0].measure()[0] == pytest.approx(loss.item(), rel=1e-6)


def test_label_smoothing_and_weight_decay_are_not_ignored():
    plain, smooth, decayed = (
        weights(run(Recipe(epochs=30, batch_size=8, **options))[0]).norm()
        for options in (
            {"weight_decay": 0},
            {"weight_decay": 0, "label_smoothing": 0.2},
            {"weight_decay": 5.0},
        )
    )
    assert smooth < 0.98 * plain and decayed < 0.9 * plain


def test_an_interrupt_keeps_what_was_learned():
    def progress(epochs):
        yield from (1, 2)
        raise KeyboardInterrupt

    with pytest.warns(ConvergenceWarning, match="interrupted in epoch 2 of 5"):
        network, start, recorder, outcome = run(progress=progress)
    assert outcome.n_epochs == 2 and recorder.history["epoch"] == [0, 1, 2]
    assert not torch.equal(network.filters[0], start["convs.0.weight"])


def test_divergence_is_an_error_at_once_that_says_what_to_do():
    begun = []

    def progress(epochs):
        for epoch in epochs:
            begun.append(epoch)
            yield epoch

    with pytest.raises(FloatingPointError, match="smaller learning_rate"):
        run(Recipe(epochs=5, batch_size=8, learning_rate=1e30), progress=progress)
    assert begun == [1]


def test_global_state_of_torch_is_restored():
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    with reproducible(threads + 1):
        assert torch.get_num_threads() == threads + 1
    assert torch.get_num_threads() == threads
    with pytest.raises(KeyError), reproducible(threads + 1):
        raise KeyError
    assert torch.get_num_threads() == threads
    run()
    with pytest.raises(FloatingPointError):
        run(Recipe(epochs=2, learning_rate=1e30))
    assert torch.get_num_threads() == threads
    assert torch.equal(state, torch.random.get_rng_state())


def test_filters_of_every_epoch_are_kept():
    network, start, recorder, _ = run(Recipe(epochs=7, batch_size=8))
    assert len(recorder.filters) == len(recorder.history["epoch"]) == 8
    np.testing.assert_array_equal(recorder.filters[0], start["convs.0.weight"].numpy())
    np.testing.assert_array_equal(recorder.filters[-1], network.convs[0].weight.detach().numpy())
    assert all((a != b).any() for a, b in zip(recorder.filters, recorder.filters[1:], strict=False))


@pytest.mark.parametrize("epochs", [1, 2, 10, 1000])
def test_thinned_epochs_are_few_and_hold_both_ends(epochs):
    kept = thinned(epochs)
    assert len(kept) <= 12 and kept[0] == 0 and kept[-1] == epochs and kept == sorted(set(kept))


@pytest.mark.parametrize(
    "options, error",
    [
        ({"epochs": 0}, ValueError),
        ({"epochs": 1.5}, TypeError),
        ({"epochs": 1, "batch_size": 0}, ValueError),
        ({"epochs": 1, "learning_rate": -1e-9}, ValueError),
        ({"epochs": 1, "weight_decay": -1}, ValueError),
        ({"epochs": 1, "label_smoothing": 1}, ValueError),
        ({"epochs": 1, "optimizer": "lion"}, ValueError),
        ({"epochs": 1, "schedule": "cosine"}, ValueError),
        ({"epochs": 1, "clip_norm": 0}, ValueError),
        ({"epochs": 1, "augmentation": {"flip": True}}, ValueError),
        ({"epochs": 1, "patience": 0}, ValueError),
    ],
)
def test_bad_recipes_are_refused_by_name(options, error):
    with pytest.raises(error, match=list(options)[-1]):
        Recipe(**options)


def test_devices_are_named_or_refused(monkeypatch):
    assert find_device("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto").type == "cpu"
    with pytest.raises(ValueError, match="no CUDA device"):
        find_device("cuda")
    with pytest.raises(ValueError, match="device='tpu'"):
        find_device("tpu")


@pytest.mark.gpu
def test_a_gpu_gives_the_same_bits_twice_and_the_cpu_s_network_up_to_rounding():
    on_cpu, first, again = (run(device=device)[0] for device in ("cpu", "cuda", "cuda"))
    assert torch.equal(weights(first), weights(again))
    np.testing.assert_allclose(weights(first), weights(on_cpu), atol=1e-3)
    here, there = (
        infer(first.double(), lambda network, x: network(x), IMAGES, torch.device(device), 1)
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(here, there, atol=1e-10)
