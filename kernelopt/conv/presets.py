"""Settings that belong together, by name: what a preset puts in the place of parameters left at their defaults."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from kernelopt.conv.augmentation import Augmentation
from kernelopt.conv.layers import ConvLayer
from kernelopt.conv.recipe import auto_epochs

WIDTHS = (64, 256, 256)  # of the three blocks
STEPS = 25  # per epoch at least, where that leaves 32 images in a batch
MOST = 2000  # images in a batch
OF_LAYERS = ("filters", "kernel_size", "bank", "trainable", "pool")  # parameters that make layers="auto"


def speed(image_shape: tuple[int, ...], n_images: int) -> dict[str, Any]:
    """Return settings made to reach a good accuracy soon, on a GPU: those of the CIFAR-10 speed record, in our parts.

    A frozen first layer whitens patches of 2 x 2 pixels: its filters are the eigenvectors of the training patches'
    covariance, and their negatives. Three blocks follow of two 3 x 3 layers with batch normalisation, the filters
    trained by Muon, in batches of up to 2,000 images that are moved by up to 2 pixels (1 if they are small), with
    smoothed labels, for 8 epochs (more where images are so few that this makes less than 200 steps). Colour images
    are mirrored, every other epoch; grey ones are not, since they may be characters. Predictions average over views
    of each image.

    Parameters
    ----------
    image_shape : tuple of int
        (channels, height, width)
    n_images : int
        That are trained on.

    Returns
    -------
    dict
        Values of the parameters of :class:`~kernelopt.estimators.convnet.ConvNetClassifier`.

    References
    ----------
    K. Jordan: 94% on CIFAR-10 in 3.29 seconds on a single GPU. 2024.
    K. Jordan et al.: Muon, an optimizer for hidden layers in neural networks. 2024.

    Examples
    --------
    >>> settings = speed((3, 32, 32), 50_000)
    >>> settings["epochs"], settings["batch_size"], settings["layers"][0].filters
    (8, 2000, 24)
    """
    channels = image_shape[0]
    layers = [ConvLayer(8 * channels, 2, "whitening", trainable=False, pool=1, padding="valid", activation="gelu")]
    for width in WIDTHS:
        for pool in (2, 1):
            layers.append(ConvLayer(width, 3, pool=pool, activation="gelu", normalization="batch"))
    layers[-1] = ConvLayer(WIDTHS[-1], 3, pool=3, activation="gelu", normalization="batch")
    shift = max(1, min(2, min(image_shape[1:]) // 14))
    batch_size = min(MOST, max(32, math.ceil(n_images / STEPS)))
    return {
        "layers": layers,
        "epochs": auto_epochs(n_images, batch_size, least_steps=8 * STEPS, least_epochs=8),
        "batch_size": batch_size,
        "learning_rate": 0.02,
        "weight_decay": 0.05,
        "label_smoothing": 0.2,
        "optimizer": "muon",
        "augmentation": Augmentation(shift=shift, flip="alternate" if channels == 3 else False),
        "test_time_augmentation": True,
    }


PRESETS: dict[str, Callable[[tuple[int, ...], int], dict[str, Any]]] = {"speed": speed}


def settled(estimator: Any, image_shape: tuple[int, ...], n_images: int) -> dict[str, Any]:
    """Return an estimator's parameters, with the preset's values for those at their defaults.

    Raises
    ------
    ValueError
        If the preset is unknown; or if it has layers, and parameters that would make others are not at their defaults.

    Examples
    --------
    >>> from kernelopt import ConvNetClassifier
    >>> found = settled(ConvNetClassifier(preset="speed", epochs=3), (1, 28, 28), 1000)
    >>> found["epochs"], found["optimizer"]
    (3, 'muon')
    """
    found = estimator.get_params(deep=False)
    preset = found.get("preset")
    if preset is None:
        return found
    if preset not in list(PRESETS):
        raise ValueError(f"preset={preset!r}, but expected None or one of {', '.join(PRESETS)}.")
    signature = inspect.signature(type(estimator).__init__).parameters
    untouched = {name for name, given in found.items() if _same(given, signature[name].default)}
    values = {name: value for name, value in PRESETS[preset](image_shape, n_images).items() if name in untouched}
    idle = [name for name in OF_LAYERS if name not in untouched] if "layers" in values else []
    if idle:
        raise ValueError(
            f"preset={preset!r} has layers of its own, so that {', '.join(f'{n}={found[n]!r}' for n in idle)} would "
            f"change nothing. Leave out {', '.join(idle)}, or pass layers=[ConvLayer(...), ...]."
        )
    return found | values


def _same(given: Any, default: Any) -> bool:
    return given is default or type(given) is type(default) and bool(given == default)
