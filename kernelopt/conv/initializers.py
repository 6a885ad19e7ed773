r"""Where weights start: the sixteen initialisers of Keras, in NumPy.

Each is a value and a function ``initializer(shape, seed=None)``. Shapes are Keras's: a kernel has
(rows, columns, channels, filters), so that

.. math:: n_{in} = \text{rows} \cdot \text{columns} \cdot \text{channels}, \qquad
          n_{out} = \text{rows} \cdot \text{columns} \cdot \text{filters}.

The distributions are those of Keras; the numbers are not, since each backend has its own generator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import numpy as np
from scipy.signal import get_window
from scipy.stats import truncnorm

__all__ = [
    "Constant",
    "Zeros",
    "Ones",
    "RandomNormal",
    "TruncatedNormal",
    "RandomUniform",
    "VarianceScaling",
    "Orthogonal",
    "Identity",
    "STFT",
]

# standard deviation of a standard normal variable between -2 and 2
TRUNCATED_STD = float(truncnorm.std(-2, 2))


class Initializer:
    """Function from a shape and a seed to an array."""

    def __call__(self, shape: Sequence[int], seed: Any = None) -> np.ndarray:
        """Return the start of weights of this shape; `seed` is anything ``numpy.random.default_rng`` takes."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Initializer):
    """The same number everywhere.

    Examples
    --------
    >>> Constant(0.5)((2,))
    array([0.5, 0.5])
    """

    value: float = 0.0

    def __call__(self, shape, seed=None):
        """Return an array of one value."""
        return np.full(tuple(shape), float(self.value))


@dataclass(frozen=True)
class Zeros(Initializer):
    """Zeros, the default for biases."""

    def __call__(self, shape, seed=None):
        """Return zeros."""
        return np.zeros(tuple(shape))


@dataclass(frozen=True)
class Ones(Initializer):
    """Ones."""

    def __call__(self, shape, seed=None):
        """Return ones."""
        return np.ones(tuple(shape))


@dataclass(frozen=True)
class RandomNormal(Initializer):
    """Normal with this mean and standard deviation."""

    mean: float = 0.0
    stddev: float = 0.05

    def __call__(self, shape, seed=None):
        """Draw the array."""
        return np.random.default_rng(seed).normal(self.mean, self.stddev, tuple(shape))


@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """Normal, kept within two standard deviations; `stddev` is that before truncation."""

    mean: float = 0.0
    stddev: float = 0.05

    def __call__(self, shape, seed=None):
        """Draw the array."""
        standard = truncnorm.rvs(-2, 2, size=tuple(shape), random_state=np.random.default_rng(seed))
        return self.mean + self.stddev * standard


@dataclass(frozen=True)
class RandomUniform(Initializer):
    """Uniform between two numbers."""

    minval: float = -0.05
    maxval: float = 0.05

    def __call__(self, shape, seed=None):
        """Draw the array."""
        return np.random.default_rng(seed).uniform(self.minval, self.maxval, tuple(shape))


@dataclass(frozen=True)
class VarianceScaling(Initializer):
    r"""Mean zero and variance scale / n, where n is :math:`n_{in}`, :math:`n_{out}` or their mean.

    Parameters
    ----------
    scale : float
        Positive.
    mode : {"fan_in", "fan_out", "fan_avg"}
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
        The truncated one is widened, so that its variance is scale / n after truncation.

    References
    ----------
    X. Glorot, Y. Bengio: Understanding the difficulty of training deep feedforward neural networks. AISTATS 2010.
    K. He, X. Zhang, S. Ren, J. Sun: Delving deep into rectifiers. ICCV 2015.

    Examples
    --------
    >>> W = VarianceScaling(2.0, "fan_in", "uniform")((3, 3, 4, 8), seed=0)
    >>> bool(abs(W).max() <= (3 * 2 / 36) ** 0.5)
    True
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"

    def __post_init__(self):
        _need("mode", self.mode, ("fan_in", "fan_out", "fan_avg"))
        _need("distribution", self.distribution, ("truncated_normal", "untruncated_normal", "uniform"))
        if not self.scale > 0:
            raise ValueError(f"scale={self.scale!r}, but expected a positive number.")

    def __call__(self, shape, seed=None):
        """Draw the array."""
        fan_in, fan_out = fans(shape)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = sqrt(self.scale / max(1.0, n))
        if self.distribution == "truncated_normal":
            return TruncatedNormal(0.0, stddev / TRUNCATED_STD)(shape, seed)
        if self.distribution == "untruncated_normal":
            return RandomNormal(0.0, stddev)(shape, seed)
        return RandomUniform(-sqrt(3) * stddev, sqrt(3) * stddev)(shape, seed)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """Orthonormal rows or columns, times `gain`: the Q of a normal matrix (all axes but the last are one).

    References
    ----------
    A. M. Saxe, J. L. McClelland, S. Ganguli: Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks. ICLR 2014.

    Examples
    --------
    >>> W = Orthogonal()((3, 3, 2, 4), seed=0).reshape(18, 4)
    >>> bool(np.allclose(W.T @ W, np.eye(4)))
    True
    """

    gain: float = 1.0

    def __call__(self, shape, seed=None):
        """Draw the array."""
        _need_axes("orthogonal", shape, len(shape) >= 2, "at least two axes")
        rows, columns = prod(shape[:-1]), shape[-1]
        normal = np.random.default_rng(seed).normal(size=(max(rows, columns), min(rows, columns)))
        Q, R = np.linalg.qr(normal)
        Q = Q * np.sign(np.diag(R))  # without this Q would not be uniformly distributed
        return self.gain * (Q if rows >= columns else Q.T).reshape(tuple(shape))


@dataclass(frozen=True)
class Identity(Initializer):
    """Identity matrix times `gain`; as in Keras for matrices only, so a layer of filters refuses it."""

    gain: float = 1.0

    def __call__(self, shape, seed=None):
        """Return the matrix."""
        _need_axes("identity", shape, len(shape) == 2, "two axes")
        return self.gain * np.eye(*shape)


@dataclass(frozen=True)
class STFT(Initializer):
    r"""Short-time Fourier transform: windowed cosines or sines.

    .. math:: W_{t, f} = w_t \cos(-2 \pi t f / (2 (F - 1)))

    for shape (T, 1, F); the sine on side "imag". As in Keras for filters along a line only, so a layer of
    filters in the plane refuses it.

    Parameters
    ----------
    side : {"real", "imag"}
    window : str or None
        Name of a window of ``scipy.signal.get_window``.
    scaling : {"density", "spectrum", None}
        Divide the window by its Euclidean norm, or by its sum of sizes.
    periodic : bool
        Whether the window is periodic rather than symmetric.
    """

    side: str = "real"
    window: str | None = "hann"
    scaling: str | None = "density"
    periodic: bool = False

    def __post_init__(self):
        _need("side", self.side, ("real", "imag"))
        _need("scaling", self.scaling, ("density", "spectrum", None))

    def __call__(self, shape, seed=None):
        """Return the array."""
        _need_axes("stft", shape, len(shape) == 3 and shape[1] == 1, "(frame length, 1, frequencies)")
        length, _, n_frequencies = shape
        phase = -2 * np.pi * np.outer(np.arange(length), np.arange(n_frequencies)) / (2 * (n_frequencies - 1))
        waves = np.cos(phase) if self.side == "real" else np.sin(phase)
        if self.window is not None:
            window = get_window(self.window, length, self.periodic)
            size = {"density": np.linalg.norm(window), "spectrum": np.abs(window).sum(), None: 1.0}[self.scaling]
            waves = waves * window[:, np.newaxis] / size
        return waves[:, np.newaxis]


INITIALIZERS: dict[str, Callable[[], Initializer]] = {
    "constant": Constant,
    "zeros": Zeros,
    "ones": Ones,
    "identity": Identity,
    "orthogonal": Orthogonal,
    "stft": STFT,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
    "glorot_normal": lambda: VarianceScaling(1.0, "fan_avg"),
    "glorot_uniform": lambda: VarianceScaling(1.0, "fan_avg", "uniform"),
    "he_normal": lambda: VarianceScaling(2.0, "fan_in"),
    "he_uniform": lambda: VarianceScaling(2.0, "fan_in", "uniform"),
    "lecun_normal": lambda: VarianceScaling(1.0, "fan_in"),
    "lecun_uniform": lambda: VarianceScaling(1.0, "fan_in", "uniform"),
}


def make_initializer(initializer: str | Callable, name: str = "kernel_initializer") -> Callable:
    """Return the initialiser of a name in ``INITIALIZERS``, or the function ``(shape, seed) -> array`` itself.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> make_initializer("he_normal")
    VarianceScaling(scale=2.0, mode='fan_in', distribution='truncated_normal')
    """
    if callable(initializer):
        return initializer
    if initializer not in list(INITIALIZERS):
        raise ValueError(f"{name}={initializer!r}, but expected a function or one of {', '.join(INITIALIZERS)}.")
    return INITIALIZERS[initializer]()


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Return the numbers of inputs and outputs that weights of a shape join.

    Examples
    --------
    >>> fans((3, 3, 4, 8)), fans((5, 7)), fans((6,))
    ((36, 72), (5, 7), (6, 6))
    """
    if len(shape) < 2:
        return (prod(shape), prod(shape))
    field = prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def _need(name: str, value: Any, known: tuple) -> None:
    if value not in known:
        raise ValueError(f"{name}={value!r}, but expected one of {known}.")


def _need_axes(name: str, shape: Sequence[int], fits: bool, expected: str) -> None:
    if not fits:
        raise ValueError(f"the initialiser {name!r} makes weights with {expected}, but found the shape {tuple(shape)}.")
