"""Fabricated records that look like a finished study. The numbers are invented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.study import MethodInfo

HOSTILE = "<script>alert(1)</script>"

METHODS = (
    MethodInfo(
        "single-kernel",
        "Best single kernel",
        "convex",
        "nothing about the kernel: the best of the list is picked",
        "A support vector machine with the one kernel that did best on the validation part.",
        {"C": [0.1, 1.0, 10.0, 100.0], "kernel": "each"},
    ),
    MethodInfo(
        "uniform-kernel",
        "Equal weights",
        "convex",
        "nothing about the kernel: all kernels count alike",
        "A support vector machine on the plain average of the kernels.",
        {"C": [0.1, 1.0, 10.0, 100.0]},
    ),
    MethodInfo(
        "learned-kernel",
        "Learned weights",
        "convex",
        "one weight per kernel",
        "Multiple kernel learning: the weights and the machine are found together, to a proven gap.",
        {"C": [0.1, 1.0, 10.0, 100.0]},
    ),
    MethodInfo(
        "cnn-random",
        "Random, frozen",
        "filters",
        "only the classifier on top",
        "Both convolutional layers keep their random start.",
        {"learning_rate": [0.003, 0.01], "weight_decay": [0.0, 0.01]},
    ),
    MethodInfo(
        "cnn-gabor",
        "Gabor, frozen",
        "filters",
        "only the classifier on top",
        "The first layer holds Gabor filters, the second random ones; neither is trained.",
        {"learning_rate": [0.003, 0.01], "weight_decay": [0.0, 0.01]},
    ),
    MethodInfo(
        "cnn-kmeans",
        "K-means, frozen",
        "filters",
        "only the classifier on top; the filters are cluster centres of unlabelled patches",
        "Both layers hold centres of whitened patches of the training images; neither is trained.",
        {"learning_rate": [0.003, 0.01], "weight_decay": [0.0, 0.01]},
    ),
    MethodInfo(
        "cnn-gabor-first",
        "Gabor first layer",
        "filters",
        "the second layer's filters and the classifier",
        "The first layer stays Gabor, the second is trained.",
        {"learning_rate": [0.003, 0.01], "weight_decay": [0.0, 0.01]},
    ),
    MethodInfo(
        "cnn-learned",
        "Learned filters",
        "filters",
        "all filters and the classifier",
        "Both layers are trained by backpropagation from the random start.",
        {"learning_rate": [0.003, 0.01], "weight_decay": [0.0, 0.01]},
    ),
    MethodInfo(
        "features-mkl",
        "Learned features, learned weights",
        "bridge",
        "the filters first, then one weight per layer's kernel",
        "The trained network's features, cross-fitted, become kernels for multiple kernel learning.",
        {"C": [0.1, 1.0, 10.0, 100.0]},
    ),
)

SDP = MethodInfo(
    "sdp-kernel",
    "Kernel from the cone",
    "convex",
    "the weights of the kernels, of either sign",
    "The sum of the kernels is a kernel on training and test images together.",
    {"C": [0.1, 1.0, 10.0, 100.0]},
)

ACCURACY = {  # at the smallest size, gain per factor e of training images
    "single-kernel": (0.735, 0.037),
    "uniform-kernel": (0.738, 0.040),
    "learned-kernel": (0.749, 0.0405),
    "cnn-random": (0.742, 0.043),
    "cnn-gabor": (0.757, 0.040),
    "cnn-kmeans": (0.755, 0.044),
    "cnn-gabor-first": (0.744, 0.050),
    "cnn-learned": (0.738, 0.058),
    "features-mkl": (0.748, 0.057),
}
POLYNOMIALS = [f"polynomial d={degree}" for degree in (1, 2, 3)]
FACTORS = (1 / 16, 1 / 4, 1, 4, 16)
PATCHES = [f"patch ({i}, {j})" for i in (0, 1) for j in (0, 1)]
PROTOCOL = {
    "split": "stratified, nested over the sizes, the same for every method",
    "tuning": "three quarters of the training part train, one quarter validates; then a refit on all of it",
    "test set": "1,000 images, the same for every cell",
}
PROVENANCE = {
    "kernelopt": "0.1.0",
    "seed": "0",
    "threads": "1",
    "command": "kernelopt contrast --data fashion-mnist-small -o report.html",
}


def make_methods(hostile: bool = False) -> list[MethodInfo]:
    """Return the nine methods; hostile labels try to break out of the page."""
    if not hostile:
        return list(METHODS)
    return [
        MethodInfo(
            m.name,
            f"{m.label} {HOSTILE}",
            m.half,
            f'{m.learned} "{HOSTILE}',
            f"{m.description} &{HOSTILE}",
            m.grid,
        )
        for m in METHODS
    ]


def make_records(
    *,
    datasets: Sequence[str] = ("fashion-mnist-small",),
    sizes: Sequence[int] = (200, 600, 2000),
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    methods: Sequence[str] = tuple(ACCURACY),
    images: int = 1000,
    epochs: int = 20,
    hostile: bool = False,
) -> list[Record]:
    """Return the records of every cell; the same arguments give the same records."""
    mark = HOSTILE if hostile else ""
    records = []
    for dataset in datasets:
        difficulty = np.random.default_rng(7).normal(size=images)
        for size in sizes:
            for seed in seeds:
                split = np.random.default_rng([11, size, seed]).normal(0, 0.05)
                for method in methods:
                    rng = np.random.default_rng([size, seed, list(ACCURACY).index(method)])
                    base, gain = ACCURACY[method]
                    target = base + gain * np.log(size / 200)
                    score = difficulty + 0.45 * rng.normal(size=images)
                    threshold = np.quantile(score, target) + split * 0.4 + rng.normal(0, 0.015)
                    correct = (score < threshold).astype(int)
                    records.append(_record(rng, dataset + mark, method, size, seed, correct, epochs, mark))
    return records


def transductive(records: Sequence[Record]) -> list[Record]:
    """Return a transductive method's records: the equal weights' answers, with weights of either sign that vary."""
    found = []
    for record in (r for r in records if r.method == "uniform-kernel"):
        names = list(record.weights or {})
        rng = np.random.default_rng([record.size, record.seed])
        raw = np.append([25.0, -40.0, 22.0, -8.0, 4.0], rng.normal(0, 0.3, len(names) - 5))
        raw *= np.exp(rng.normal(0, 0.1, len(raw)))
        raw[0] += 1 - raw.sum()
        weights = {name: float(weight) for name, weight in zip(names, raw, strict=True)}
        found.append(replace(record, method=SDP.name, weights=weights or None, transductive=True))
    return found


def fail(record: Record, error: str = "MemoryError: the Gram stack needs 9 GB") -> Record:
    """Return the record of the same cell, failed."""
    key = record.dataset, record.method, record.size, record.seed
    return Record(*key, status="failed", error=error, transductive=record.transductive)


def _record(
    rng: np.random.Generator,
    dataset: str,
    method: str,
    size: int,
    seed: int,
    correct: np.ndarray,
    epochs: int,
    mark: str,
) -> Record:
    network = method.startswith("cnn")
    epochs *= max(1, 1200 // size)  # small training sets are gone through more often
    grid = (
        [{"learning_rate": r, "weight_decay": w} for r in (0.003, 0.01) for w in (0.0, 0.01)]
        if network
        else [{"C" + mark: c} for c in (0.1, 1.0, 10.0, 100.0)]
    )
    chosen = grid[int(rng.integers(len(grid)))]
    accuracy = float(correct.mean())
    history = _history(rng, method, size, epochs) if network else None
    weights = {name + mark: weight for name, weight in _weights(rng, method, size).items()}
    primal = 40.0 * size / 200
    gap = 10 ** rng.uniform(-5.6, -4.05)
    return Record(
        dataset,
        method,
        size,
        seed,
        accuracy=accuracy,
        correct=correct.tolist(),
        chosen=chosen,
        candidates=[
            {"params": params, "score": round(accuracy + rng.normal(0, 0.01) - 0.02 * (params != chosen), 4)}
            for params in grid
        ],
        weights=weights or None,
        certificate=None
        if network
        else {
            "primal": primal,
            "dual": primal * (1 - gap),
            "gap": gap,
            "infeasibility": 10 ** rng.uniform(-13, -10),
            "problem": f"hinge loss, simplex{mark}",
        },
        gradient_norm=history["gradient_norm"][-1] if history else None,
        history=history,
        filters=_filters(method, seed, size, epochs) if network else None,
        cost={
            "fit_seconds": float(
                (0.4 if "learned" not in method else 3.0) * (size / 200) ** 1.2 * rng.uniform(0.8, 1.3)
            ),
            "tune_seconds": float(2.5 * (size / 200) ** 1.1 * rng.uniform(0.8, 1.3)),
            "predict_seconds": float(0.05 * rng.uniform(0.8, 1.3)),
            "peak_memory_mb": float(180 + size**2 * (1e-4 if not network else 1e-6) + rng.uniform(0, 20)),
        },
        metrics=_metrics(rng, method, accuracy),
        representations=_representations(rng, method, weights, size),
        representation_history=_alignment_history(rng, method, size, epochs) if network else None,
        inits=[accuracy, accuracy + (float(rng.normal(0, 0.008)) if network or method == "features-mkl" else 0.0)],
        n_train=size,
        n_test=len(correct),
        provenance={
            "versions": {"numpy": "2.4.6", "torch": "2.13.0"},
            "threads": 1,
            "machine": "example CPU" + mark,
            "commit": "0123abc",
        },
    )


def _metrics(rng: np.random.Generator, method: str, accuracy: float) -> dict[str, float]:
    """Kernel machines here give scores only, networks probabilities too."""
    found = {"accuracy": accuracy, "error": 1 - accuracy, "roc_auc": 1 - 0.2 * (1 - accuracy)}
    if method.startswith("cnn"):
        found |= {
            "log_loss": 2.4 * (1 - accuracy),
            "brier": 1.3 * (1 - accuracy),
            "ece": float(rng.uniform(0.02, 0.08)),
        }
    return found


def _representations(
    rng: np.random.Generator, method: str, weights: dict[str, float], size: int
) -> dict[str, dict[str, float]]:
    if method.startswith("cnn"):
        levels = {"layer 1": 0.08, "layer 2": 0.15 + 0.1 * (method == "cnn-learned"), "outputs": 0.45}
    else:
        names = list(weights) if method != "features-mkl" else []
        levels = {"learned kernel": 0.22} | {name: 0.05 + 0.02 * k for k, name in enumerate(names)}
    grown = 0.02 * np.log(size / 200)
    return {
        name: {"alignment": float(level + grown + rng.normal(0, 0.01)), "effective_rank": float(rng.uniform(5, 90))}
        for name, level in levels.items()
    }


def _alignment_history(rng: np.random.Generator, method: str, size: int, epochs: int) -> dict[str, object]:
    epoch = [e for e in (0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91) if e < epochs] + [epochs]
    speed = 0.05 + 0.1 * (method in ("cnn-learned", "cnn-gabor-first"))
    e = np.array(epoch)
    still = method in ("cnn-random", "cnn-gabor", "cnn-kmeans")
    first = (
        0.08 + 0 * e
        if method != "cnn-learned"
        else 0.08 - 0.04 * (e / 3) * np.exp(1 - e / 3) + 0.03 * (1 - np.exp(-speed * e))
    )
    second = 0.15 + 0 * e if still else 0.15 - 0.05 * (e / 2) * np.exp(1 - e / 2) + 0.1 * (1 - np.exp(-speed * e))
    outputs = 0.45 * (1 - 0.5 * np.exp(-speed * e))
    noise = rng.normal(0, 0.004)
    curves = {"layer 1": first + noise, "layer 2": second + noise, "outputs": outputs + noise}
    alignment = {name: [float(v) for v in values] for name, values in curves.items()}
    alignment["outputs"][0] = None
    return {"epoch": epoch, "alignment": alignment, "effective_rank": {n: [20.0 + k for k in e] for n in curves}}


def _history(rng: np.random.Generator, method: str, size: int, epochs: int) -> dict[str, list[float]]:
    epoch = np.arange(epochs + 1)
    speed = {"cnn-learned": 0.30, "cnn-gabor-first": 0.25}.get(method, 0.16) * (1 + 0.2 * np.log(size / 200))
    floor = {"cnn-learned": 0.03, "cnn-gabor-first": 0.06}.get(method, 0.32)
    loss = floor + (2.3 - floor) * np.exp(-speed * epoch) * np.exp(rng.normal(0, 0.03, epochs + 1))
    move = 0.55 * (1 - np.exp(-0.16 * epoch)) * (1 + 0.15 * np.log(size / 200)) * (method == "cnn-learned")
    return {
        "epoch": epoch.tolist(),
        "loss": loss.tolist(),
        "accuracy": (1 - 0.9 * (loss - 0.02) / 2.3).clip(0, 1).tolist(),
        "gradient_norm": (np.exp(-0.8 * speed * epoch) * np.exp(rng.normal(0, 0.1, epochs + 1))).tolist(),
        "filter_move": move.tolist(),
    }


def _weights(rng: np.random.Generator, method: str, size: int) -> dict[str, float]:
    width = 0.0085 + 0.0005 * rng.random()  # fitted to the training set, so that it differs from cell to cell
    names = POLYNOMIALS + [f"gaussian γ={factor * width:.3g}" for factor in FACTORS]
    names += [f"gaussian γ={4 * width:.3g} on {patch}" for patch in PATCHES]
    raw = np.zeros(len(names))
    if method == "uniform-kernel":
        raw[:] = 1
    elif method == "single-kernel":
        raw[5] = 1
    elif method in ("learned-kernel", "features-mkl"):
        raw[[5, 6, 8, 11]] = [0.25, 0.25 + 0.1 * np.log(size / 200), 0.15, 0.1]
    else:
        return {}
    if method == "features-mkl":
        names += [f"layer {layer} · gaussian γ={width * layer:.3g}" for layer in (1, 2)]
        raw = np.append(raw, [0.1, 0.3 + 0.4 * np.log(size / 200)])
    if method != "uniform-kernel":
        raw = raw * np.exp(rng.normal(0, 0.25, len(raw)))
    return {name: float(weight) for name, weight in zip(names, raw / raw.sum(), strict=True)}


def _filters(method: str, seed: int, size: int, epochs: int) -> dict[str, object]:
    y, x = np.mgrid[-2:3, -2:3].astype(float)
    gabor = []
    for index in range(16):
        angle, wave = np.pi * (index % 8) / 8, (3.0, 5.0)[index // 8]
        along = x * np.cos(angle) + y * np.sin(angle)
        gabor.append(np.exp(-(x**2 + y**2) / 5) * np.cos(2 * np.pi * along / wave + (index // 8) * np.pi / 2))
    bank = np.array(gabor)
    start = np.random.default_rng([3, seed]).uniform(-0.2, 0.2, (16, 5, 5))
    shown = [0, 1, 2, 3, 4, 6, 8, 12, 16, epochs]
    if method in ("cnn-gabor", "cnn-gabor-first"):
        frames, shown = [bank, bank], [0, epochs]
    elif method == "cnn-random":
        frames, shown = [start, start], [0, epochs]
    elif method == "cnn-kmeans":
        noise = np.random.default_rng([5, seed, size]).normal(0, 0.15, (16, 5, 5))
        blur = np.exp(-((x - y) ** 2) / 6)
        frames, shown = [0.6 * np.roll(bank, 3, axis=0) * blur + noise], [0]
    else:
        goal = 0.35 * np.roll(bank, 5, axis=0)
        frames = [start + (1 - np.exp(-0.16 * epoch)) * 0.8 * (goal - 0.4 * start) for epoch in shown]
    return {
        "shape": [16, 5, 5],
        "epochs": shown,
        "values": [np.round(frame, 5).ravel().tolist() for frame in frames],
    }
