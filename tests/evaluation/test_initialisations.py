"""Other starts on the same training set: a convex learner ends where it did, a network does not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from kernelopt import ConvNetClassifier, MKLClassifier
from kernelopt.evaluation.initialisations import restarts

DIGITS = load_digits()
X, y = DIGITS.data[:150] / 16, DIGITS.target[:150]
X_test = DIGITS.data[150:450] / 16


def test_a_convex_learner_ends_at_the_same_optimum():
    def make(seed, C):
        return MKLClassifier(C=C, tol=1e-8)

    first = make(0, C=10.0).fit(X, y)
    again = restarts(make, {"C": 10.0}, X, y, seed=0, n=2)
    assert len(again) == 2
    for other in again:
        assert other.certificate_.primal == pytest.approx(first.certificate_.primal, rel=2e-8)
        assert np.array_equal(other.predict(X_test), first.predict(X_test))


def test_a_network_ends_elsewhere_and_the_same_seed_there_again():
    def make(seed):
        return ConvNetClassifier(filters=4, pool=2, epochs=3, image_shape=(8, 8), random_state=seed)

    one, two = restarts(make, {}, X, y, seed=5, n=2)
    assert not np.allclose(one.decision_function(X_test), two.decision_function(X_test), atol=1e-2)
    (same,) = restarts(make, {}, X, y, seed=5, n=1)
    assert np.array_equal(one.decision_function(X_test), same.decision_function(X_test))


def test_the_training_set_is_the_same_in_another_order():
    seen = []

    class Spy:
        def fit(self, X, y):
            seen.append((X, y))
            return self

    restarts(lambda seed: Spy(), {}, X, y, seed=1, n=2)
    (X1, y1), (X2, y2) = seen
    assert not np.array_equal(X1, X) and not np.array_equal(X1, X2)
    rows = np.lexsort(np.column_stack([X, y]).T)
    for Xk, yk in seen:
        order = np.lexsort(np.column_stack([Xk, yk]).T)
        assert np.array_equal(Xk[order], X[rows]) and np.array_equal(yk[order], y[rows])


def test_a_start_that_fails_is_missing_and_said_so():
    def make(seed):
        return ConvNetClassifier(filters=2, pool=2, epochs=3, image_shape=(8, 8), learning_rate=1e30)

    with pytest.warns(UserWarning, match="came to nothing: FloatingPointError"):
        assert restarts(make, {}, X, y, seed=0, n=1) == []
