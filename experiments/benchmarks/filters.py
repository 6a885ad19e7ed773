"""How much of the machine does training filters use, and how long to an accuracy?

    python -m experiments.benchmarks.filters rates                     # one thread, a few minutes
    python -m experiments.benchmarks.filters rates --device cuda
    python -m experiments.benchmarks.filters accuracy                  # Fashion-MNIST, put into KERNELOPT_DATA
    python -m experiments.benchmarks.filters accuracy --device cuda    # CIFAR-10, preset="speed"
    python -m experiments.benchmarks.filters table

The unit is the machine's own rate of multiplying matrices, in the same precision, measured between the other
measurements of the same run. The other loop is the one of the tutorials: DataLoader, float32, default settings. On a
CPU time is processor time of one thread, on a GPU it is wall time, after everything has finished. The best of several
rounds counts, for all three alike.

The settings of "accuracy" were fixed before, on a validation part of the training set; test images only give the
figure.
"""

from __future__ import annotations

import argparse
import copy
import csv
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from kernelopt import ConvNetClassifier, datasets
from kernelopt.conv.devices import reproducible
from kernelopt.conv.layers import build_layers
from kernelopt.conv.network import ConvNet, start_network
from kernelopt.conv.precision import has_bfloat16
from kernelopt.conv.recipe import Recipe
from kernelopt.conv.run import Run
from kernelopt.conv.validation import Samples

RATES, ACCURACIES = (Path(__file__).with_name(name) for name in ("filters_rates.csv", "filters_accuracy.csv"))
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SHAPE = (1, 28, 28)
LAYERS = {"filters": (32, 64), "kernel_size": 3}
BATCHES = {"cpu": (32, 64, 128), "cuda": (512, 2000)}
N_IMAGES = {"cpu": 512, "cuda": 50_000}
ROUNDS = 25
# goal -> settings: the least that exceeded it on the last 10,000 training images of Fashion-MNIST, see the README
GOALS: dict[str, dict[str, Any]] = {
    "90 %": LAYERS | {"epochs": 2},
    "92 %": {"filters": (32, 64, 128), "kernel_size": 3, "epochs": 5, "batch_size": 128, "weight_decay": 0.3},
}


def clock(device: str) -> float:
    """Return the seconds that count on this device."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def seconds(action: Callable[[], Any], device: str) -> float:
    """Return how long the action takes."""
    begun = clock(device)
    action()
    return clock(device) - begun


def multiply_rate(device: str, precision: str) -> float:
    """Return floating-point operations per second of the largest of a few products of square matrices."""
    rates = []
    for side in (1024, 2048) if device == "cpu" else (4096, 8192):
        a, b = (torch.randn(side, side, device=device).to(TYPES[precision]) for _ in range(2))
        repeats = 2 if device == "cpu" else 20
        rates.append(2 * side**3 * repeats / seconds(lambda a=a, b=b, r=repeats: [a @ b for _ in range(r)], device))
    return max(rates)


def step_flops(network: ConvNet, shape: tuple[int, ...]) -> float:
    """Return the operations of one image, forward and backward, as torch counts them (a multiply-add is two)."""
    network = copy.deepcopy(network).cpu().float()
    images = torch.zeros(2, *shape)
    with FlopCounterMode(display=False) as counter:
        network(images).sum().backward()
    return counter.get_total_flops() / 2


def plain_loop(images: np.ndarray, labels: np.ndarray, batch_size: int, device: str) -> Callable[[], None]:
    """Return an epoch of the tutorials' loop, with its own network of the same sizes."""
    a, b = LAYERS["filters"]
    network = nn.Sequential(
        nn.Conv2d(1, a, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(a, b, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(b * 49, 10),
    ).to(device)  # fmt: skip
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(torch.from_numpy(images), torch.from_numpy(labels)), batch_size, shuffle=True)

    def epoch() -> None:
        for x, y in loader:
            x, y = x.to(device), y.to(device)
            loss = F.cross_entropy(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def rates(device: str) -> list[dict[str, Any]]:
    """Return one row per batch size and precision."""
    rng, n = np.random.default_rng(0), N_IMAGES[device]
    images, labels = rng.normal(size=(n, *SHAPE)).astype(np.float32), rng.integers(10, size=n)
    precisions = ["float32"] + ["bfloat16"] * has_bfloat16(device)
    network = start_network(build_layers(**LAYERS), images, 10, seed=0)
    flops, rows = step_flops(network, SHAPE), []
    for batch_size in BATCHES[device]:
        loops: dict[str, Callable[[], Any]] = {"plain": plain_loop(images, labels, batch_size, device)}
        for precision in precisions:
            recipe = Recipe(epochs=ROUNDS + 1, batch_size=batch_size, precision=precision)
            run = Run(copy.deepcopy(network), Samples(images, labels), recipe, 0, device)
            loops[precision] = lambda run=run: run.epoch(1)
        best = dict.fromkeys(loops, float("inf"))
        multiply = dict.fromkeys(precisions, 0.0)
        for _ in range(ROUNDS):
            for precision in precisions:
                multiply[precision] = max(multiply[precision], multiply_rate(device, precision))
            for name, loop in loops.items():
                best[name] = min(best[name], seconds(loop, device))
        for precision in precisions:
            row = {
                "batch_size": batch_size,
                "precision": precision,
                "samples_per_s": round(n / best[precision]),
                "plain_samples_per_s": round(n / best["plain"]),
                "to_plain": round(best["plain"] / best[precision], 2),
                "gflop_per_s": round(n * flops / best[precision] / 1e9, 1),
                "multiply_gflop_per_s": round(multiply[precision] / 1e9),
                "share": round(n * flops / best[precision] / multiply[precision], 3),
            }
            rows.append(machine(device) | row)
            print(row, flush=True)
    return rows


def accuracies(device: str, only: str | None = None) -> list[dict[str, Any]]:
    """Return one row per goal, or that of one: seconds of the whole fit, and test accuracy."""
    name = "fashion-mnist" if device == "cpu" else "cifar-10"
    data = datasets.load(name)
    channels_last = {"image_format": "channels_last"} if data.X.ndim == 4 else {}
    goals = GOALS if device == "cpu" else {"94 %": {"preset": "speed"}}
    rows = []
    for goal, settings in goals.items():
        if only not in (None, goal):
            continue
        model = ConvNetClassifier(**settings, **channels_last, device=device, random_state=0)
        if device == "cuda":  # the first call loads libraries
            ConvNetClassifier(**(settings | {"epochs": 1}), **channels_last, device=device).fit(
                data.X[:4000], data.y[:4000]
            )
        taken = seconds(lambda model=model: model.fit(data.X, data.y), device)
        flops = step_flops(model.network_.requires_grad_(True), model.image_shape_) * len(data.X) * model.n_iter_
        rate = max(multiply_rate(device, model.precision_) for _ in range(ROUNDS))
        row = {
            "data": name,
            "goal": goal,
            "precision": model.precision_,
            "epochs": model.n_iter_,
            "seconds": round(taken, 1),
            "test_accuracy": round(model.score(data.X_test, data.y_test), 4),
            "share": round(flops / taken / rate, 3),
        }
        rows.append(machine(device) | row)
        print(row, flush=True)
    return rows


def machine(device: str) -> dict[str, Any]:
    """Return what the figures are of."""
    if device == "cuda":
        name = torch.cuda.get_device_name()
    else:
        name = next(
            (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
            platform.processor(),
        )
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    amx = device == "cpu" and getattr(torch.cpu, "_is_amx_tile_supported", bool)() and not limit
    return {"device": name, "instructions": limit or ("AMX" if amx else ""), "torch": torch.__version__}


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as Markdown."""
    names = list(rows[0])
    body = ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(names) + " |", "|" + "---|" * len(names), *body])


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Put rows into a file, each in the place of an older one of the same measurement."""

    def key(row: dict[str, Any]) -> tuple[str, ...]:
        names = ("device", "instructions", "batch_size", "goal", "precision")
        return tuple(str(row.get(name)) for name in names)

    new = {key(row) for row in rows}
    kept = [row for row in read(path) if key(row) not in new]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(kept + rows)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, if there is one."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks.filters")
    parser.add_argument("what", choices=("rates", "accuracy", "table"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--goal", choices=list(GOALS), help="only this one of the accuracies, on a CPU")
    options = parser.parse_args()
    if options.what == "table":
        for path in (RATES, ACCURACIES):
            print(table(read(path)), end="\n\n")
        return
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda, but torch finds no CUDA device here")
    with reproducible(1):
        if options.what == "rates":
            write(RATES, rates(options.device))
        else:
            write(ACCURACIES, accuracies(options.device, options.goal))


if __name__ == "__main__":
    main()
