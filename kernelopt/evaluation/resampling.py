"""Intervals over random splits into training and test part, whose training parts overlap."""

from __future__ import annotations

import numpy as np
from scipy import stats

from kernelopt.evaluation.statistics import Estimate, t_interval


def corrected_resampled_interval(values: np.ndarray, n_train: int, n_test: int, level: float = 0.95) -> Estimate:
    r"""Confidence interval of a mean over J random splits of one sample: the corrected resampled t interval.

    Splits of one sample share training points, so their results are correlated and the variance of their mean does not
    fall like 1/J. With the sample variance :math:`S^2` of the results it is estimated by

    .. math:: \Bigl(\frac1J + \frac{n_2}{n_1}\Bigr) S^2,

    :math:`n_1` points training and :math:`n_2` testing, with J - 1 degrees of freedom [nadeau2003]_. The second term
    stands for a correlation of :math:`n_2/(n_1+n_2)` between two splits, a rule of thumb of its authors, not a bound.

    Parameters
    ----------
    values : array of shape (J,)
        One per split: as a rule the difference of two methods, paired by split.
    n_train, n_test : int
        Points that train and test in each split.
    level : float
        Coverage.

    Returns
    -------
    Estimate
        Where all values are equal and not zero, the p-value is that of their common sign, 2^(1-J), and the interval
        the one of Student's t that goes with it.

    Raises
    ------
    ValueError
        Other shapes, values that are not finite, fewer than two splits, sizes that are not positive.

    References
    ----------
    .. [nadeau2003] Nadeau, Bengio. Inference for the Generalization Error. Machine Learning 52, 2003.

    Examples
    --------
    >>> found = corrected_resampled_interval(np.array([0.02, 0.04, 0.03]), n_train=90, n_test=10)
    >>> round(found.mean, 3), round(found.high - found.mean, 4)
    (0.03, 0.0287)
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"values must be finite and of shape (splits,), found shape {values.shape}")
    if n_train < 1 or n_test < 1:
        raise ValueError(f"n_train and n_test must be positive, found {n_train} and {n_test}")
    mean, n = float(values.mean()), len(values)
    if n == 1:
        raise ValueError("values holds a single split, which says nothing of the spread. Run at least two")
    if np.ptp(values) <= 1e-12 * np.abs(values).max() and mean != 0.0:
        return _all_equal(mean, n, level)
    variance = (1 / n + n_test / n_train) * float(values.var(ddof=1))
    return t_interval(mean, variance, n - 1, n, level)


def _all_equal(mean: float, n: int, level: float) -> Estimate:
    """Return what equal results say: that all have one sign, which chance does once in 2^(n-1) times, and no more.

    A spread of zero is no certainty: with few test points, two splits often give the same number.
    """
    p = 2.0 ** (1 - n)
    half = float(stats.t.ppf(0.5 + level / 2, n - 1) / stats.t.isf(p / 2, n - 1)) * abs(mean)
    return Estimate(mean, mean - half, mean + half, n, p=p)
