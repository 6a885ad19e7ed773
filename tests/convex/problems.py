"""Small problems that every solver is tried on, and one for every criterion with every set."""

import numpy as np

from kernelopt.convex import (
    Alignment,
    ChiSquareBall,
    ConvexLoss,
    EpsilonSVR,
    FrobeniusBall,
    GroupBall,
    HardMargin,
    Hinge,
    HyperNorm,
    HyperSpan,
    HyperSquared,
    KernelFisher,
    LagrangianSVM,
    LeastSquares,
    Logistic,
    LpBall,
    NuSVM,
    NuSVR,
    OneClass,
    Problem,
    PSDSpan,
    RadiusBall,
    Simplex,
    SquaredHinge,
    SquaredLp,
    TraceBudget,
    Uniform,
)
from kernelopt.convex.criteria import Huber, Pinball
from kernelopt.convex.pairs import admits
from kernelopt.kernels import Gaussian, KernelStack, Linear, Normalization, Polynomial

KERNELS = [Linear(), Polynomial(2, 0.3), Gaussian(0.05), Gaussian(0.5), Gaussian(5.0)]


def data(seed=0, n=40, n_classes=2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    score = X[:, 0] + X[:, 1] * X[:, 2] + 0.4 * rng.normal(size=n)
    return X, np.digitize(score, np.quantile(score, np.arange(1, n_classes) / n_classes))


def problem(seed=0, n=40, C=1.0, n_classes=2, kernels=KERNELS, kernel_set=None, weights=None):
    X, label = data(seed, n, n_classes)
    stack = KernelStack.from_kernels(kernels, X)
    columns = [1] if n_classes == 2 else range(n_classes)
    Y = np.where(label[:, None] == np.array(columns), 1.0, -1.0)
    scale = Normalization.fit(stack, "variance").scale
    return Problem.of(stack.leading, Y, Hinge(C), kernel_set or Simplex(), weights, scale)


CASES = {
    "binary": lambda: problem(),
    "small C": lambda: problem(C=1e-3),
    "tiny C": lambda: problem(C=1e-6),
    "large C": lambda: problem(C=1e4),
    "three classes": lambda: problem(n=45, n_classes=3, C=3.0),
    "one kernel": lambda: problem(kernels=[Gaussian(0.5)]),
    "uniform": lambda: problem(kernel_set=Uniform()),
    "duplicated kernels": lambda: problem(kernels=[Linear(), Linear(), Gaussian(0.5), Gaussian(0.5)]),
    "low rank": lambda: problem(kernels=[Linear(), Polynomial(1, 0.2)], C=10.0),
    "near identity": lambda: problem(kernels=[Gaussian(1e3), Gaussian(1e4), Linear()]),
    "weights": lambda: problem(weights=np.random.default_rng(5).uniform(0.1, 5.0, 40)),
    "five positives": lambda: unbalanced(),
    "conflicting duplicates": lambda: conflicting(),
}


def unbalanced():
    X, _ = data(3, 60)
    y = np.where(np.argsort(np.argsort(X[:, 0])) >= 55, 1, -1)
    stack = KernelStack.from_kernels(KERNELS, X)
    return Problem.of(stack.leading, y, Hinge(1.0), Simplex(), scale=Normalization.fit(stack, "variance").scale)


def conflicting():
    X, label = data(4, 20)
    X, y = np.vstack([X, X]), np.concatenate([2 * label - 1, 1 - 2 * label])
    y[:10] = y[20:30]
    stack = KernelStack.from_kernels(KERNELS, X)
    return Problem.of(stack.leading, y, Hinge(1.0), Simplex(), scale=Normalization.fit(stack, "variance").scale)


# --- every criterion with every set

CRITERIA = {
    "hinge": Hinge(2.0),
    "squared_hinge": SquaredHinge(3.0),
    "hard_margin": HardMargin(),
    "lagrangian": LagrangianSVM(3.0),
    "nu_svm": NuSVM(0.4),
    "logistic": Logistic(2.0),
    "least_squares": LeastSquares(0.3),
    "ridge without intercept": LeastSquares(0.3, intercept=False),
    "epsilon_svr": EpsilonSVR(2.0, 0.2),
    "nu_svr": NuSVR(2.0, 0.4),
    "one_class": OneClass(0.4),
    "fisher": KernelFisher(0.05),
    "huber": ConvexLoss(Huber(0.5), 0.2),
    "pinball": ConvexLoss(Pinball(0.3), 0.2),
    "alignment": Alignment(),
    "uncentred alignment": Alignment(centered=False),
}
MACHINES = [name for name in CRITERIA if "alignment" not in name]
PAIR_GRAM = np.array([[1.0, 0.6, 0.5, 0.2], [0.6, 0.9, 0.3, 0.4], [0.5, 0.3, 0.8, 0.1], [0.2, 0.4, 0.1, 0.7]])
SETS = {
    "uniform": Uniform(),
    "simplex": Simplex(),
    "trace": TraceBudget(),
    "trace 7": TraceBudget(7.0),
    "lp 1": LpBall(1.0),
    "lp 1.1": LpBall(1.1),
    "lp 2": LpBall(2.0),
    "lp inf": LpBall(np.inf),
    "squared lp 1": SquaredLp(1.0, 0.5),
    "squared lp 2": SquaredLp(2.0, 3.0),
    "groups": GroupBall(("a", "b", "a", "b"), 2.0),
    "groups 1": GroupBall(("a", "b", "a", "b"), 1.0),
    "chi_square": ChiSquareBall(0.5),
    "chi_square 2": ChiSquareBall(2.0),
    "radius": RadiusBall(),
    "psd_span": PSDSpan(),
    "psd_span 7": PSDSpan(7.0),
    "hyper_norm": HyperNorm(PAIR_GRAM, 3.0, 2.0),
    "hyper_squared": HyperSquared(PAIR_GRAM, 2.0),
    "hyper_squared of sum 2": HyperSquared(PAIR_GRAM, 2.0, 2.0),
    "hyper_span": HyperSpan(PAIR_GRAM, 2.0),
    "hyper_span of sum 2": HyperSpan(PAIR_GRAM, 2.0, 2.0),
    "frobenius": FrobeniusBall(),
    "uncentred frobenius": FrobeniusBall(centered=False),
    "frobenius of any sign": FrobeniusBall(free_sign=True),
}
CENTRED = {"chi_square": (True, False)}
PAIRS = [
    (c, s)
    for s in SETS
    for c in CRITERIA
    if admits(type(CRITERIA[c]), type(SETS[s]))
    # alignment with its own price, where the price is one of centring
    and getattr(CRITERIA[c], "centered", None) in (getattr(SETS[s], "centered", None), *CENTRED.get(SETS[s].name, ()))
]
FOUR = [Gaussian(0.3), Linear(), Gaussian(3.0), Polynomial(2, 0.3)]


def small(criterion, kernel_set, seed=0, n=16, unlabelled=0, columns=1, weights=None, kernels=FOUR):
    """A problem of the pair on n training points, with labels or values as the criterion asks."""
    N = n + unlabelled
    X, label = data(seed, N, 3)
    if criterion.targets == "labels":
        Y = np.where(label[:, None] == np.arange(columns) + (columns == 1), 1.0, -1.0)
    else:
        score = X[:, 0] + X[:, 1] * X[:, 2]
        Y = np.column_stack([score, np.sin(score) + X[:, 2]])[:, :columns]
    stack = KernelStack.from_kernels(kernels, X)
    scale = Normalization.fit(stack, "variance").scale
    return Problem.of(stack.leading, Y[:n], criterion, kernel_set, weights, scale)
