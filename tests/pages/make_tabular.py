"""Fabricated records of studies on tables: random splits, classes or numbers, methods of any name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.study import MethodInfo

METHODS = (
    MethodInfo(
        "ridge", "Ridge regression", "convex", "coefficients", "Linear, with a squared penalty.", {"alpha": [1, 10]}
    ),
    MethodInfo(
        "rbf", "Gaussian kernel", "convex", "coefficients", "A kernel machine of one width.", {"gamma": [0.1, 1.0]}
    ),
    MethodInfo("forest", "Random forest", "convex", "trees", "Three hundred trees.", {}),
    MethodInfo("mkl", "Learned weights", "convex", "kernel weights", "Multiple kernel learning.", {"C": [1.0, 10.0]}),
)
SKILL = {"ridge": 0.0, "rbf": 0.9, "forest": 0.6, "mkl": 1.2}


def make_tabular(
    task: str = "regression",
    *,
    datasets: Sequence[str] = ("abalone",),
    sizes: Sequence[int] = (100, 400),
    seeds: int = 5,
    n_test: int = 60,
    methods: Sequence[str] = tuple(SKILL),
    split: str = "random",
) -> list[Record]:
    """Return the records of every cell; the same arguments give the same records."""
    records = []
    for which, dataset in enumerate(datasets):
        for size in sizes:
            for seed in range(seeds):
                hard = np.random.default_rng([which, seed if split == "random" else 0]).normal(size=n_test)
                for method in methods:
                    rng = np.random.default_rng([which, size, seed, list(SKILL).index(method)])
                    level = SKILL[method] + 0.4 * np.log(size / 100) + 0.1 * rng.normal()
                    records.append(_record(task, dataset, method, size, seed, hard, level, rng, split))
    return records


def _record(task, dataset, method, size, seed, hard, level, rng, split) -> Record:
    common = {
        "task": task,
        "n_train": size,
        "n_test": len(hard),
        "split": split,
        "chosen": {"C": 1.0},
        "cost": {"fit_seconds": 0.1, "tune_seconds": 0.4, "predict_seconds": 0.01, "energy_joules": 812.0},
    }
    noise = rng.normal(size=len(hard))
    if task == "regression":
        errors = ((2 * hard + noise) * np.exp(-0.3 * level)) ** 2
        rmse = float(np.sqrt(errors.mean()))
        metrics = {"rmse": rmse, "mae": 0.8 * rmse, "r2": 1 - rmse**2 / 9}
        candidates = [{"params": {"C": 1.0}, "score": -1.1 * rmse**2}, {"params": {"C": 9.0}, "score": None}]
        return Record(
            dataset, method, size, seed, errors=errors.tolist(), metrics=metrics, candidates=candidates,
            inits=[rmse, rmse * (1 + 0.01 * (method == "forest"))], **common,
        )  # fmt: skip
    correct = (hard + 0.5 * noise < 0.3 + level).astype(int)
    accuracy = float(correct.mean())
    metrics = {"accuracy": accuracy, "log_loss": 1.5 * (1 - accuracy) + 0.1, "ece": 0.04}
    return Record(
        dataset, method, size, seed, accuracy=accuracy, correct=correct.tolist(), metrics=metrics,
        candidates=[{"params": {"C": 1.0}, "score": accuracy}], **common,
    )  # fmt: skip
