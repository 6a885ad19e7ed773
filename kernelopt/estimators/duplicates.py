"""Equal samples merged: one row with the sum of the weights is the same problem, and a smaller one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True, eq=False)
class Merged:
    """Distinct samples in an order of their own.

    Because the order depends on the samples' values alone, a fit does not depend on the order of the
    rows, and a sample of weight two counts, bit for bit, like the sample repeated.

    Parameters
    ----------
    first : array of int
        Row of the first occurrence of each distinct sample.
    weight : array
        Sum of the weights of its occurrences.
    """

    first: np.ndarray
    weight: np.ndarray


def merge(X, targets: np.ndarray, sample_weight: np.ndarray) -> Merged:
    """Merge rows that agree in every feature and in the target (a label, or numbers); rows of weight zero are dropped.

    Examples
    --------
    >>> merged = merge(np.array([[1.0], [2.0], [1.0]]), np.array([0, 0, 0]), np.array([1.0, 1.0, 2.0]))
    >>> sorted(zip(merged.first.tolist(), merged.weight.tolist()))
    [(0, 3.0), (1, 1.0)]
    """
    keep = np.flatnonzero(sample_weight > 0)
    keys = _row_bytes(X, keep, targets)
    order = sorted(range(len(keep)), key=keys.__getitem__)
    first, weight, last = [], [], None
    for i in order:  # the sort is stable, so the first of equal rows comes first
        if keys[i] != last:
            first.append(keep[i])
            weight.append(0.0)
            last = keys[i]
        weight[-1] += sample_weight[keep[i]]
    return Merged(np.array(first, dtype=int), np.array(weight))


def _row_bytes(X, keep: np.ndarray, targets: np.ndarray) -> list[bytes]:
    target = [row.tobytes() for row in np.ascontiguousarray(targets[keep]) + 0]  # + 0 makes -0.0 equal to 0.0
    if sparse.issparse(X):
        rows = X[keep].tocsr()
        rows.sum_duplicates()
        rows.eliminate_zeros()
        bounds = rows.indptr
        parts = [
            rows.indices[s:e].astype(np.int64).tobytes() + rows.data[s:e].tobytes()
            for s, e in zip(bounds[:-1], bounds[1:], strict=True)
        ]
    else:
        parts = [row.tobytes() for row in np.ascontiguousarray(X[keep]) + 0.0]
    return [a + b for a, b in zip(target, parts, strict=True)]
