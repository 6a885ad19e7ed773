"""How a method's error falls with the number of training points: an exponent with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from kernelopt.evaluation.statistics import Estimate

EXPONENTS = np.geomspace(0.02, 3.0, 121)  # of the model with a floor
DRAWS = 2000
BLOCK = 250  # draws at once


@dataclass(frozen=True)
class SampleEfficiency:
    """A fitted curve of errors.

    Parameters
    ----------
    exponent : Estimate
        c of the power law without a floor, which is minus the slope of log error against log n over the sizes tested:
        an error that halves when n grows fourfold has 0.5. Negative if the error grows.
    scale : float
        b of that law.
    floor : Estimate or None
        a of the law with a floor; None where the data do not identify it.
    floor_exponent : Estimate or None
        Its c.
    floor_scale : float or None
        Its b.
    why : str
        Why there is no law with a floor; empty if there is.
    """

    exponent: Estimate
    scale: float
    floor: Estimate | None
    floor_exponent: Estimate | None
    floor_scale: float | None
    why: str


def sample_efficiency(
    sizes: Sequence[int], errors: np.ndarray, *, root: bool = False, level: float = 0.95, seed: int = 0
) -> SampleEfficiency | str:
    r"""Fit :math:`e(n) = b\,n^{-c}` and, where it can be told, :math:`a + b\,n^{-c}` with a floor :math:`a \ge 0`.

    The first is least squares of log error on log n. The second minimises :math:`\sum_k ((\bar e_k - e(n_k)) /
    \bar e_k)^2` over :math:`a, b \ge 0` and c between 0.02 and 3. It needs four sizes or more, and counts as identified
    only if the interval of its exponent keeps away from the ends of that range and that of the floor from zero: over a
    short range of n, floor and exponent trade against each other.

    Intervals are bootstrapped over seeds, a seed's errors at all sizes kept together, and over test points where all
    seeds share them (resampling both at once errs on the wide side [owen2007]_). With S seeds the percentiles are those
    of Hesterberg's expanded interval, :math:`\Phi(\pm\sqrt{S/(S-1)}\,t_{S-1})` [hesterberg2015]_, since plain ones are
    too narrow for a handful of seeds.

    Parameters
    ----------
    sizes : sequence of K int
        Numbers of training points, ascending.
    errors : array of shape (S, K) or (S, K, I)
        Errors by seed and size, and perhaps by test point, the same points for all seeds.
    root : bool
        Whether the error is the square root of the mean over the test points, as the RMSE of squared residuals.
    level : float
        Coverage.
    seed : int
        Of the bootstrap.

    Returns
    -------
    SampleEfficiency or str
        The curve; or the reason why there is none.

    References
    ----------
    .. [owen2007] Owen. The Pigeonhole Bootstrap. Annals of Applied Statistics 1, 2007.
    .. [hesterberg2015] Hesterberg. What Teachers Should Know about the Bootstrap. American Statistician 69, 2015.

    Examples
    --------
    >>> sizes = [100, 400, 1600]
    >>> errors = np.array([[0.4, 0.2, 0.1], [0.42, 0.2, 0.1], [0.38, 0.2, 0.1]])
    >>> found = sample_efficiency(sizes, errors)
    >>> round(found.exponent.mean, 3), found.why
    (0.5, 'a floor needs four training sizes, found 3')
    """
    n, errors = np.asarray(sizes, dtype=float), np.asarray(errors, dtype=float)
    if errors.ndim not in (2, 3) or errors.shape[1] != len(n) or not errors.size or not np.isfinite(errors).all():
        raise ValueError(
            f"errors must be finite, of shape (seeds, {len(n)}, ...) as there are sizes, found {errors.shape}"
        )
    if (errors < 0).any() or (n <= 0).any() or (np.diff(n) <= 0).any():
        raise ValueError("errors must not be negative, and sizes must be positive and ascend")
    if len(n) < 2:
        return "an exponent needs two training sizes or more"
    if len(errors) < 2:
        return "an interval needs two seeds or more"
    values = errors[:, :, None] if errors.ndim == 2 else errors
    mean = _means(values, root)
    if (mean == 0).any():
        return "an error of zero has no logarithm"
    drawn = _bootstrap(values, root, seed)
    drawn = drawn[(drawn > 0).all(axis=1)]
    if len(drawn) < DRAWS * 0.99:
        return "errors so near to zero that resampling finds none"
    tail = float(
        stats.norm.cdf(-np.sqrt(len(errors) / (len(errors) - 1)) * stats.t.ppf(0.5 + level / 2, len(errors) - 1))
    )

    def estimate(value: float, draws: np.ndarray) -> Estimate:
        low, high = np.quantile(draws, [tail, 1 - tail])
        return Estimate(value, min(float(low), value), max(float(high), value), len(errors))

    (intercept, c), (_, drawn_c) = _power(n, mean[None]), _power(n, drawn)
    exponent, scale = estimate(float(c[0]), drawn_c), float(np.exp(intercept[0]))
    if len(n) < 4:
        return SampleEfficiency(exponent, scale, None, None, None, f"a floor needs four training sizes, found {len(n)}")
    (a, b, c), (drawn_a, _, drawn_c) = _with_floor(n, mean[None]), _with_floor(n, drawn)
    floor_exponent = estimate(float(c[0]), drawn_c)
    if floor_exponent.low <= EXPONENTS[0] * 1.001 or floor_exponent.high >= EXPONENTS[-1] * 0.999:
        why = "these sizes do not tell a floor from a slower fall"
        return SampleEfficiency(exponent, scale, None, None, None, why)
    floor = estimate(float(a[0]), drawn_a)
    if floor.low == 0.0:
        return SampleEfficiency(exponent, scale, None, None, None, "these sizes do not tell a floor from none")
    return SampleEfficiency(exponent, scale, floor, floor_exponent, float(b[0]), "")


def _means(values: np.ndarray, root: bool) -> np.ndarray:
    """Return the error at each size: over the seeds, of each seed's mean over the points (or its root)."""
    means = values.mean(axis=2)
    return (np.sqrt(means) if root else means).mean(axis=0)


def _bootstrap(values: np.ndarray, root: bool, seed: int) -> np.ndarray:
    """Return the errors at each size of resampled seeds and, where there are several, points: (DRAWS, K)."""
    rng = np.random.default_rng(seed)
    S, K, points = values.shape
    flat = values.reshape(S * K, points)
    drawn = []
    for _ in range(DRAWS // BLOCK):
        of_seeds = rng.multinomial(S, np.full(S, 1 / S), BLOCK) / S
        of_points = rng.multinomial(points, np.full(points, 1 / points), BLOCK) / points
        means = (of_points @ flat.T).reshape(BLOCK, S, K)
        drawn.append(np.einsum("bs,bsk->bk", of_seeds, np.sqrt(means) if root else means))
    return np.concatenate(drawn)


def _power(n: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log b and c of each row's power law."""
    x, y = np.log(n), np.log(errors)
    slope = (y - y.mean(axis=1, keepdims=True)) @ (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    return y.mean(axis=1) - slope * x.mean(), -slope


def _with_floor(n: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a, b and c of each row's law with a floor: for each c the best a and b are linear least squares."""
    n = n / n[0]
    weight = 1 / errors**2
    best = np.full(len(errors), np.inf)
    a, b, c = np.zeros((3, len(errors)))
    for exponent in EXPONENTS:
        g = n**-exponent
        s0, s1, s2 = weight.sum(axis=1), weight @ g, weight @ g**2
        t0, t1 = (weight * errors).sum(axis=1), (weight * errors) @ g
        determinant = s0 * s2 - s1**2
        floor, scale = (s2 * t0 - s1 * t1) / determinant, (s0 * t1 - s1 * t0) / determinant
        floor, scale = np.where(floor < 0, 0.0, floor), np.where(floor < 0, t1 / s2, scale)  # the best on the boundary
        floor, scale = np.where(scale < 0, t0 / s0, floor), np.where(scale < 0, 0.0, scale)
        loss = np.sum(weight * (errors - floor[:, None] - scale[:, None] * g) ** 2, axis=1)
        better = loss < best
        best[better], a[better], b[better], c[better] = loss[better], floor[better], scale[better], exponent
    return a, b, c
