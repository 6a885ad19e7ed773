"""What do filters become while they are learned, and do saliency maps depend on what was learned?

Digits (8 x 8): two layers, 16 filters of size 5 and 32 of size 3, 1,000 training images, 40 epochs, five seeds. Filters
and gradients are looked at on 300 of the training images, saliency on 60 of the others. Writes seeing.csv, one row per
(seed, start, quantity), and the pictures of seed 0.

    python experiments/seeing/run.py
"""

import csv
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from kernelopt.conv import figures
from kernelopt.conv.banks import make_bank
from kernelopt.conv.devices import reproducible
from kernelopt.conv.layers import ConvLayer
from kernelopt.conv.loss_surface import loss_surface
from kernelopt.conv.network import start_network
from kernelopt.conv.recipe import Recipe
from kernelopt.conv.recorder import thinned
from kernelopt.conv.saliency import (
    grad_cam,
    heat,
    input_gradient,
    integrated_gradients,
    randomisation_check,
    randomised,
)
from kernelopt.conv.trace import Trace, stages
from kernelopt.conv.training import train

HERE = Path(__file__).parent
SEEDS, EPOCHS = range(5), 40
METHODS = {
    "gradient": input_gradient,
    "integrated": lambda network, images, targets: integrated_gradients(network, images, targets).values,
    "Grad-CAM": lambda network, images, targets: grad_cam(network, images, targets, layer=0),
}


def main():
    """Train, measure, and write the file and the pictures."""
    digits = load_digits()
    images = digits.images[:, np.newaxis].astype(np.float32)
    X, X_test, y, y_test = train_test_split(
        images, digits.target, train_size=1000, stratify=digits.target, random_state=0
    )
    mean, scale = X.mean(), X.std()
    X, X_test = (X - mean) / scale, (X_test - mean) / scale
    rows = []
    for bank in ("random", "gabor"):
        for seed in SEEDS:
            with reproducible(1):
                network = start_network([ConvLayer(16, 5, bank=bank), ConvLayer(32, 3)], X, 10, seed)
                trace = Trace(network, X[:300], y[:300], thinned(EPOCHS))
                train(network, X, y, Recipe(epochs=EPOCHS), trace, seed)
                found = trace.arrays()
                network.double()
                hits = network(torch.from_numpy(X_test).double()).argmax(dim=1).numpy() == y_test
                checks = {name: randomisation_check(m, network, X_test[:60]) for name, m in METHODS.items()}
                if seed == 0 and bank == "random":
                    draw(network, found, checks, X, y, X_test)
            numbers = {
                "accuracy": hits.mean(),
                "R2 at the start": found["gabor_0"][0].mean(),
                "R2 at the end": found["gabor_0"][-1].mean(),
                "movement of layer 0": found["movement"][-1, 0],
                "movement of layer 1": found["movement"][-1, 1],
                "dead filters": found["dead"][-1].sum(),
            }
            for name, check in checks.items():
                for block, values in zip(check.blocks, check.correlations, strict=True):
                    numbers[f"{name} after {block}"] = values.mean()
            rows += [(bank, seed, name, f"{value:.4f}") for name, value in numbers.items()]
    with open(HERE / "seeing.csv", "w", newline="") as file:
        csv.writer(file).writerows([("start", "seed", "quantity", "value"), *rows])


def draw(network, found, checks, X, y, X_test):
    """Draw the pictures of one network."""
    filters, epochs = found["filters_0"], found["epoch"]
    banks = {
        "start": filters[0],
        "Gabor bank": make_bank("gabor", 12, 5),
        "patch PCA": make_bank("patch_pca", 12, 5, 1, X, random_state=0),
    }
    shown, lost = X_test[:4], randomised(network, 0)
    targets = network(torch.from_numpy(shown).double()).argmax(dim=1).numpy()
    surface = loss_surface(network, X[:300], y[:300])
    pictures = {
        "filters": figures.plot_filters_over_training(filters, epochs, found["movement"][:, 0], n_filters=8),
        "stages": figures.plot_stages(X_test[0], *stages(network, X_test[0])),
        "gradients": figures.plot_gradient_flow(found["gradient_norm"], epochs),
        "beside": figures.plot_beside_fixed(filters[-1], banks),
        "saliency": figures.plot_saliency(
            shown[:, 0],
            {name: heat(method(network, shown, targets)) for name, method in METHODS.items()},
            {name: heat(method(lost, shown, targets)) for name, method in METHODS.items()},
            {name: check.correlations[-1] for name, check in checks.items()},
        ),
        "surface": figures.plot_loss_surface(surface.steps, surface.losses),
    }
    for name, picture in pictures.items():
        picture.savefig(HERE / f"{name}.png", dpi=80, metadata={"Software": None})


if __name__ == "__main__":
    main()
