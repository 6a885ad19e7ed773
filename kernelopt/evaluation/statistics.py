"""Intervals for means and paired differences when seeds and test points both vary on a crossed plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A mean with its confidence interval ``low <= mean <= high``.

    Parameters
    ----------
    mean, low, high : float
    n : int
        Number of seeds, or of splits.
    p : float or None
        Two-sided p-value of the hypothesis that the true mean is zero, by the t distribution of the interval: below
        one minus the coverage exactly where the interval leaves zero out. None where it is not asked.
    """

    mean: float
    low: float
    high: float
    n: int
    p: float | None = None


def t_interval(mean: float, variance: float, freedom: float, n: int, level: float) -> Estimate:
    """Return the interval of Student's t for a mean whose own variance was estimated with that much freedom."""
    if variance == 0.0:
        return Estimate(mean, mean, mean, n, p=float(mean == 0.0))
    error = np.sqrt(variance)
    half = float(stats.t.ppf(0.5 + level / 2, freedom) * error)
    return Estimate(mean, mean - half, mean + half, n, p=float(2 * stats.t.sf(abs(mean) / error, freedom)))


def crossed_interval(values: np.ndarray, level: float = 0.95) -> Estimate:
    r"""Confidence interval of a mean over seeds and test images that are crossed.

    All seeds are tested on the same images, so both a new training run and a new test image would
    change the mean of ``values[s, i]``. With the sample variances :math:`S_r^2` of the row means and
    :math:`S_c^2` of the column means, the variance of the mean is estimated by

    .. math:: S_r^2 / S + S_c^2 / I,

    which counts the interaction twice and so errs on the wide side; the degrees of freedom are
    Satterthwaite's.

    Parameters
    ----------
    values : array of shape (S, I)
        For example 0/1 correctness, or the difference of two methods' correctness.
    level : float
        Coverage.

    Returns
    -------
    Estimate
        With one seed only the images' part remains (and `n` says 1).

    Examples
    --------
    >>> import numpy as np
    >>> crossed_interval(np.array([[1, 0, 1, 1], [1, 0, 1, 0]])).mean
    0.625
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or min(values.shape) < 1:
        raise ValueError(f"values must have shape (seeds, images), found {values.shape}")
    mean = float(values.mean())
    variances, freedoms = [], []
    for part in (values.mean(axis=1), values.mean(axis=0)):
        if len(part) > 1:
            variances.append(part.var(ddof=1) / len(part))
            freedoms.append(len(part) - 1)
    variance = float(sum(variances))
    freedom = variance**2 / sum(v**2 / f for v, f in zip(variances, freedoms, strict=True)) if variance else 1.0
    return t_interval(mean, variance, freedom, len(values), level)
