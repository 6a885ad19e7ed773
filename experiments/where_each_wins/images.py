"""Image data beside the packaged ones: digits, crops of textures, and textures whose best filters are known."""

import numpy as np
from sklearn.datasets import load_digits

from kernelopt import datasets

SIDE = 16


def digits():
    """Return scikit-learn's digits, 8 x 8, with 600 of them for the test."""
    images, y = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8) / 16
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[600:], order[:600]
    return images[train], y[train], images[test], y[test]


def textures(n=1200, n_test=1000):
    """Return crops of three photographs of textures, of mean zero and variance one: their brightness tells nothing.

    Test crops come from the lower half of a photograph, training crops from the upper one.
    """
    photographs = datasets.load("textures").X.astype(float)
    rng = np.random.default_rng(1)

    def crops(count, low, high):
        y = np.arange(count) % len(photographs)
        rows, columns = rng.integers(low, high - SIDE, count), rng.integers(0, photographs.shape[2] - SIDE, count)
        found = np.stack([photographs[c, i : i + SIDE, j : j + SIDE] for c, i, j in zip(y, rows, columns, strict=True)])
        found -= found.mean(axis=(1, 2), keepdims=True)
        return found / (found.std(axis=(1, 2), keepdims=True) + 1e-6), y

    half = photographs.shape[1] // 2
    X, y = crops(n, 0, half)
    X_test, y_test = crops(n_test, half, 2 * half)
    return X, y, X_test, y_test


def oriented(n=1200, n_test=1000, classes=4):
    """Return noise that was blurred along one of four directions: two images of a class share no pixel pattern.

    What tells the classes apart is the power behind filters of four directions, and nothing else is there.
    """
    rng = np.random.default_rng(2)
    frequency = np.fft.fftfreq(SIDE)
    u, v = np.meshgrid(frequency, frequency, indexing="ij")

    def images(count):
        y = np.arange(count) % classes
        angle = np.pi * y / classes
        along = u[None] * np.cos(angle)[:, None, None] + v[None] * np.sin(angle)[:, None, None]
        spectrum = np.exp(-((along / 0.12) ** 2) / 2)
        found = np.fft.ifft2(np.fft.fft2(rng.normal(size=(count, SIDE, SIDE))) * spectrum).real
        found += 0.3 * found.std() * rng.normal(size=found.shape)
        return found / found.std(axis=(1, 2), keepdims=True), y

    return *images(n), *images(n_test)
