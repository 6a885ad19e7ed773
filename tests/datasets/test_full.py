"""The full sets, where KERNELOPT_DATA has them: counts, and agreement with the packaged parts."""

import numpy as np
import pytest

from kernelopt import datasets
from kernelopt.datasets.catalog import entries

FULL = [name for name, entry in entries().items() if not entry.packaged]


def load_or_skip(name):
    try:
        return datasets.load(name)
    except FileNotFoundError:
        pytest.skip(f"{name} is not here; put it into a folder and set KERNELOPT_DATA")


@pytest.mark.parametrize("name", FULL)
def test_a_full_set_is_what_the_manifest_says(name):
    data, entry = load_or_skip(name), entries()[name]
    assert data.X.shape == (entry.rows, *entry.shape)
    if entry.rows_test is not None:
        assert data.X_test.shape == (entry.rows_test, *entry.shape) and len(data.y_test) == entry.rows_test
    if entry.classes is not None:
        labels = data.y if data.y.dtype.kind == "U" else np.array(data.class_names)[data.y]
        assert {value: int((labels == value).sum()) for value in entry.classes} == entry.classes


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_small_set_is_the_first_of_each_class_of_the_full_one(name):
    full, small = load_or_skip(name), datasets.load(f"{name}-small")

    def first(y, n):
        return np.sort(np.concatenate([np.flatnonzero(y == k)[:n] for k in range(10)]))

    train, test = first(full.y, 500), first(full.y_test, 100)
    assert np.array_equal(small.X, full.X[train]) and np.array_equal(small.y, full.y[train])
    assert np.array_equal(small.X_test, full.X_test[test]) and np.array_equal(small.y_test, full.y_test[test])
