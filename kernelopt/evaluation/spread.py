"""How much of a method's spread is the split's, and how much the initialisation's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a result over splits and, within a split, over initialisations.

    Parameters
    ----------
    split, init : float
        Standard deviation between splits, and between initialisations of one split; NaN where it cannot be told.
    n_splits, n_inits : int
        Splits, and results in all.
    largest : float
        The largest range of one split's results: exactly 0 where no initialisation changed any.
    """

    split: float
    init: float
    n_splits: int
    n_inits: int
    largest: float


def split_spread(values: Sequence[Sequence[float]]) -> Spread:
    r"""Split a variance into that of the splits and that of the initialisations, by a one-way analysis of variance.

    For results :math:`v_{sj}`, j-th initialisation on split s of S, with :math:`n_s` of them in each and n in all:

    .. math::
        \sigma^2_{init} = \frac{\sum_s \sum_j (v_{sj} - \bar v_s)^2}{n - S}, \qquad
        \sigma^2_{split} = \frac{M - \sigma^2_{init}}{n_0}, \quad
        M = \frac{\sum_s n_s (\bar v_s - \bar v)^2}{S - 1}, \quad n_0 = \frac{n - \sum_s n_s^2 / n}{S - 1},

    which are unbiased. Chance can make the second one negative where splits hardly differ; its square root then counts
    as zero, as usual [searle1992]_.

    Parameters
    ----------
    values : sequence of sequences of float
        Of each split, the results of its initialisations.

    Returns
    -------
    Spread

    References
    ----------
    .. [searle1992] Searle, Casella, McCulloch. Variance Components. Wiley, 1992.

    Examples
    --------
    >>> found = split_spread([[0.80, 0.80], [0.84, 0.84]])
    >>> found.init, round(found.split, 4)
    (0.0, 0.0283)
    """
    groups = [np.asarray(group, dtype=float) for group in values]
    if not groups or any(group.ndim != 1 or not len(group) or not np.isfinite(group).all() for group in groups):
        raise ValueError("values must hold at least one finite number for each of one or more splits")
    sizes = np.array([len(group) for group in groups])
    means = np.array([group.mean() for group in groups])
    n, S = int(sizes.sum()), len(groups)
    largest = max(float(np.ptp(group)) for group in groups)
    within = sum(float(np.sum((group - group.mean()) ** 2)) for group in groups) / (n - S) if n > S else float("nan")
    if largest == 0.0 and n > S:
        within = 0.0  # equal numbers, whose mean may be rounded
    between = float("nan")
    if S > 1 and n > S:
        mean = float(sizes @ means / n)
        n0 = (n - float(sizes @ sizes) / n) / (S - 1)
        between = max(0.0, (float(sizes @ (means - mean) ** 2) / (S - 1) - within) / n0)
    return Spread(float(np.sqrt(between)), float(np.sqrt(within)), S, n, largest)
