"""Many tests at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    r"""Return p-values adjusted by Holm's step-down method.

    With the p-values in ascending order, :math:`\tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1)\, p_{(j)})`. To
    reject where :math:`\tilde p \le \alpha` keeps the chance of one false rejection or more at most :math:`\alpha`,
    whatever the dependence between the tests [holm1979]_.

    Parameters
    ----------
    p_values : array of shape (m,)

    Returns
    -------
    ndarray of shape (m,)
        In the order given.

    Raises
    ------
    ValueError
        Anything but numbers between 0 and 1.

    References
    ----------
    .. [holm1979] Holm. A Simple Sequentially Rejective Multiple Test Procedure. Scand. J. Statist. 6, 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():  # false on NaN
        raise ValueError(f"p_values must be numbers between 0 and 1 of shape (m,), found {p_values!r}")
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * p[order])) if len(p) else p
    return adjusted
