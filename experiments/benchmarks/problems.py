"""The problems: where the samples come from, which kernels are learned over, and the lists that are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kernelopt import datasets
from kernelopt.convex import Hinge, LpBall, Problem, Simplex
from kernelopt.kernels import Gaussian, KernelStack
from kernelopt.kernels.columns import OnColumns
from kernelopt.kernels.families import scale_gamma
from kernelopt.kernels.rows import StoredKernels

# --- samples: each source returns X and labels -1, 1


def synthetic(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two classes in ten features, five of them of use, none linearly alone; 8 % of the labels are wrong."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 10))
    score = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + 0.7 * (X[:, 3] ** 2 - 1) + 0.5 * X[:, 4]
    y = np.where(score > np.median(score), 1.0, -1.0)
    y[rng.random(n) < 0.08] *= -1
    return X, y


def _table(name: str, positive: Callable[[np.ndarray], np.ndarray]) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    def load(n: int) -> tuple[np.ndarray, np.ndarray]:
        data = datasets.load(name)
        X = data.X[:, data.X.std(axis=0) > 0]
        rows = _chosen(len(X), n, name)
        return ((X - X.mean(axis=0)) / X.std(axis=0))[rows], np.where(positive(data.y), 1.0, -1.0)[rows]

    return load


def _digits(name: str, one: int, other: int) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    def load(n: int) -> tuple[np.ndarray, np.ndarray]:
        data = datasets.load(name)
        pair = np.isin(data.y, (one, other))
        X, y = data.X[pair].reshape(pair.sum(), -1) / 255.0, np.where(data.y[pair] == one, 1.0, -1.0)
        X = X[:, X.std(axis=0) > 0.1]  # pixels that are ink now and then
        rows = _chosen(len(X), n, name)
        return X[rows], y[rows]

    return load


def _chosen(available: int, n: int, name: str) -> np.ndarray:
    if n > available:
        raise ValueError(f"{name} has {available} rows, but n = {n} were asked for; ask for fewer")
    return np.random.default_rng(0).permutation(available)[:n]


SOURCES: dict[str, Callable[[int], tuple[np.ndarray, np.ndarray]]] = {
    "synthetic": synthetic,
    "ionosphere": _table("ionosphere", lambda y: y == "g"),
    "breast_cancer": _table("breast_cancer_diagnostic", lambda y: y == "malignant"),
    "optdigits": _table("optdigits", lambda y: y.astype(int) >= 5),  # 0-4 against 5-9
    "abalone": _table("abalone", lambda y: y >= np.median(y)),  # old against young
    "twonorm": _table("twonorm", lambda y: y == y[0]),
    "mnist_3v8": _digits("mnist-small", 3, 8),
    "mnist_4v9": _digits("mnist-small", 4, 9),
    "fashion_0v6": _digits("fashion-mnist-small", 0, 6),  # T-shirts against shirts
}

# --- kernels: Gaussians whose gamma is 10^u times that of scikit-learn's "scale", u uniform in a range


@dataclass(frozen=True)
class Menu:
    """Gaussian kernels on all features, on single ones and on two or three, in turn.

    Parameters
    ----------
    exponents : pair of float
        Range of u. Small is wide. Beyond 1 the kernels come near the identity, and every method looks good.
    groups : tuple of {"all", "single", "few"}
        Whose turn it is.
    """

    exponents: tuple[float, float]
    groups: tuple[str, ...] = ("all", "single", "few")

    def kernels(self, X: np.ndarray, m: int) -> Iterator[OnColumns]:
        """Yield m kernels; the first of a longer list are those of a shorter one."""
        rng = np.random.default_rng(1)
        d = X.shape[1]
        for k in range(m):
            group, u, order = self.groups[k % len(self.groups)], rng.uniform(*self.exponents), rng.permutation(d)
            size = {"all": d, "single": 1, "few": min(d, 2 + k % 2)}[group]
            columns = tuple(sorted(int(j) for j in order[:size]))
            yield OnColumns(Gaussian(10.0**u * scale_gamma(X[:, list(columns)])), columns, f"{group} {k}")


MENUS = {
    "mixed": Menu((-2.0, 0.5)),
    "wide": Menu((-3.0, -1.0), ("all",)),
    "narrow": Menu((0.0, 1.5), ("all",)),
    "single": Menu((-1.5, 0.5), ("single",)),
}


@dataclass(frozen=True)
class Case:
    """One problem: hinge on the simplex (p = 1) or on an lp ball, kernels of unit trace per sample.

    Parameters
    ----------
    name : str
        ``source/menu``, or ``stored:FOLDER`` for a folder with ``Ks.npy`` of shape (M, n, n), which is mapped into
        memory and not read whole, and ``y.npy`` with labels -1 and 1.
    n, m : int
        Samples and kernels.
    C, p : float
        Weight of the losses, norm of the weights.

    Examples
    --------
    >>> Case("synthetic/mixed", 30, 4).problem().description
    'hinge on simplex, 4 kernels, 30 samples, float64'
    """

    name: str
    n: int
    m: int
    C: float = 1.0
    p: float = 1.0

    def problem(self) -> Problem:
        """Make the problem, with one copy of the stack in memory and no more."""
        Ks, y = self.stored() if self.name.startswith("stored:") else self.computed()
        scale = np.einsum("kii->k", Ks) / Ks.shape[1]
        kernel_set = Simplex() if self.p == 1 else LpBall(self.p)
        return Problem(StoredKernels.of(Ks, scale), y[:, None], Hinge(self.C), kernel_set, np.ones(len(y)))

    def computed(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the stack and the labels of a source and a menu."""
        source, _, menu = self.name.partition("/")
        if source not in SOURCES or menu not in MENUS:
            raise ValueError(
                f"name must be SOURCE/MENU with a source of {', '.join(SOURCES)} and a menu of {', '.join(MENUS)}, "
                f"found {self.name!r}"
            )
        X, y = SOURCES[source](self.n)
        return KernelStack.from_kernels(list(MENUS[menu].kernels(X, self.m)), X).leading, y

    def stored(self) -> tuple[np.ndarray, np.ndarray]:
        """Map a stored stack and read its labels."""
        folder = Path(self.name.removeprefix("stored:"))
        Ks = np.load(folder / "Ks.npy", mmap_mode="r", allow_pickle=False)
        y = np.asarray(np.load(folder / "y.npy", allow_pickle=False), dtype=float)
        if Ks.ndim != 3 or Ks.shape[1] != Ks.shape[2] or y.shape != Ks.shape[1:2]:
            raise ValueError(f"{folder} must hold Ks.npy (M, n, n) and y.npy (n,), found {Ks.shape} and {y.shape}")
        if not np.isin(y, (-1.0, 1.0)).all():
            raise ValueError(f"{folder / 'y.npy'} must hold -1 and 1 only")
        return Ks, y

    @classmethod
    def of_folder(cls, folder: str, C: float = 1.0, p: float = 1.0) -> Case:
        """Return the case of a stored stack, its size read from the file."""
        m, n, _ = np.load(Path(folder) / "Ks.npy", mmap_mode="r", allow_pickle=False).shape
        return cls(f"stored:{Path(folder).resolve()}", n, m, C, p)


def _at(Cs: tuple[float, ...], *sizes: tuple[str, int, int]) -> list[Case]:
    return [Case(name, n, m, C) for name, n, m in sizes for C in Cs]


SMALL = _at((1.0, 10.0), ("synthetic/mixed", 200, 20), ("ionosphere/mixed", 351, 20))

FULL = [
    *SMALL,
    # growth in n, growth in m
    *_at((1.0, 10.0), *[("synthetic/mixed", n, 20) for n in (100, 400, 1000, 2000, 4000)]),
    *_at((1.0, 10.0), *[("synthetic/mixed", n, m) for n, m in ((400, 5), (200, 100), (400, 100), (1000, 100))]),
    *_at((100.0,), ("synthetic/mixed", 400, 20), ("synthetic/mixed", 1000, 20)),
    # real sets
    *_at((1.0, 10.0), ("breast_cancer/mixed", 569, 20), ("ionosphere/mixed", 351, 100)),
    *_at((1.0, 10.0), ("optdigits/mixed", 1000, 20), ("optdigits/mixed", 2000, 20), ("optdigits/mixed", 1000, 100)),
    *_at((1.0, 10.0), ("abalone/mixed", 4000, 20), ("twonorm/mixed", 2000, 20)),
    *_at((1.0, 10.0), ("mnist_3v8/mixed", 900, 20), ("mnist_4v9/mixed", 900, 100), ("fashion_0v6/mixed", 900, 20)),
    # wide and narrow, all and single features
    *_at((1.0, 10.0), *[(f"ionosphere/{menu}", 351, 20) for menu in ("wide", "narrow", "single")]),
    *_at((1.0, 10.0), *[(f"optdigits/{menu}", 1000, 20) for menu in ("wide", "narrow", "single")]),
    # lp balls
    Case("synthetic/mixed", 400, 20, 1.0, 2.0),
    Case("ionosphere/mixed", 351, 20, 1.0, 1.1),
]
