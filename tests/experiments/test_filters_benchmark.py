import numpy as np
import pytest
import torch

from experiments.benchmarks import filters
from kernelopt import datasets
from kernelopt.conv.layers import ConvLayer
from kernelopt.conv.network import ConvNet


def test_operations_are_those_of_the_products():
    network = ConvNet([ConvLayer(32, 3), ConvLayer(64, 3)], (1, 28, 28), 10)
    first, second, head = 2 * 28 * 28 * 9 * 32, 2 * 14 * 14 * 9 * 32 * 64, 2 * 64 * 49 * 10
    # forward, gradient of weights, and gradient of inputs, which the first layer does not need
    assert filters.step_flops(network, (1, 28, 28)) == 2 * first + 3 * second + 3 * head


def test_rates_are_shares_of_the_same_run_s_products(monkeypatch):
    monkeypatch.setattr(filters, "N_IMAGES", {"cpu": 64})
    monkeypatch.setattr(filters, "BATCHES", {"cpu": (32,)})
    monkeypatch.setattr(filters, "ROUNDS", 1)
    monkeypatch.setattr(filters, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(filters, "multiply_rate", lambda device, precision: 1e11 if precision == "float32" else 2e11)
    monkeypatch.setattr(filters, "seconds", lambda action, device: action() and 0.25 or 0.25)
    rows = filters.rates("cpu")
    assert [(row["precision"], row["multiply_gflop_per_s"]) for row in rows] == [("float32", 100), ("bfloat16", 200)]
    flops = 2 * 2 * 28 * 28 * 9 * 32 + 3 * 2 * 14 * 14 * 9 * 32 * 64 + 3 * 2 * 64 * 49 * 10
    for row in rows:
        assert row["samples_per_s"] == row["plain_samples_per_s"] == 256 and row["to_plain"] == 1
        assert row["share"] == round(256 * flops / (row["multiply_gflop_per_s"] * 1e9), 3)


def test_the_plain_loop_has_a_network_of_the_same_sizes_and_visits_every_image(monkeypatch):
    seen = []

    def spy(network, images):
        seen.append((sum(p.numel() for p in network.parameters()), len(images)))
        return torch.nn.Module.__call__(network, images)

    monkeypatch.setattr(torch.nn.Sequential, "__call__", spy)
    images = np.zeros((50, 1, 28, 28), dtype=np.float32)
    filters.plain_loop(images, np.arange(50) % 10, 32, "cpu")()
    ours = ConvNet([ConvLayer(32, 3), ConvLayer(64, 3)], (1, 28, 28), 10)
    assert seen == [(sum(p.numel() for p in ours.parameters()), n) for n in (32, 18)]


def test_an_accuracy_is_that_of_test_images_never_trained_on(monkeypatch):
    data = datasets.load("fashion-mnist-small")
    asked = []
    monkeypatch.setattr(filters.datasets, "load", lambda name: asked.append(name) or data)
    monkeypatch.setattr(filters, "GOALS", {"any": {"filters": (4, 6), "kernel_size": 3, "epochs": 2}})
    monkeypatch.setattr(filters, "ROUNDS", 1)
    (row,) = filters.accuracies("cpu")
    again = filters.ConvNetClassifier(filters=(4, 6), kernel_size=3, epochs=2, device="cpu", random_state=0)
    assert asked == ["fashion-mnist"]
    assert row["test_accuracy"] == round(again.fit(data.X, data.y).score(data.X_test, data.y_test), 4)
    assert row["seconds"] > 0 and 0 < row["share"] < 1 and row["epochs"] == 2


def test_a_row_replaces_the_older_one_of_the_same_measurement(tmp_path):
    path = tmp_path / "rows.csv"
    filters.write(path, [{"device": d, "batch_size": b, "share": 0.1} for d in "ab" for b in (32, 64)])
    filters.write(path, [{"device": "a", "batch_size": 64, "share": 0.3}])
    rows = filters.read(path)
    found = sorted((row["device"], row["batch_size"], row["share"]) for row in rows)
    assert found == [("a", "32", "0.1"), ("a", "64", "0.3"), ("b", "32", "0.1"), ("b", "64", "0.1")]
    assert filters.table(rows).splitlines()[0] == "| device | batch_size | share |"


@pytest.mark.gpu
def test_rates_on_a_gpu(monkeypatch):
    monkeypatch.setattr(filters, "N_IMAGES", {"cuda": 4000})
    monkeypatch.setattr(filters, "ROUNDS", 2)
    for row in filters.rates("cuda"):
        assert 0 < row["share"] < 1
