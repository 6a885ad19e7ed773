"""Small estimators that say when they are fitted, for studies in other processes."""

import time
from pathlib import Path

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier


class Logged(KNeighborsClassifier):
    """Nearest neighbours that write a line and wait when they are fitted on the whole training part of sonar."""

    def __init__(self, log=None, seconds=0.0, seed="$seed", n_neighbors=5):
        super().__init__(n_neighbors=n_neighbors)
        self.log, self.seconds, self.seed = log, seconds, seed

    def fit(self, X, y):
        super().fit(X, y)
        if len(X) == 166:
            with open(self.log, "a") as file:
                file.write(f"nearest-{self.seed}\n")
            end = time.monotonic() + self.seconds
            while time.monotonic() < end or Path(self.log).with_name(f"hold-{self.seed}").exists():
                time.sleep(0.05)
        return self


class Fails(ClassifierMixin, BaseEstimator):
    """Fails for odd seeds, and answers with the first label otherwise."""

    def __init__(self, log=None, seed=0):
        self.log, self.seed = log, seed

    def fit(self, X, y):
        with open(self.log, "a") as file:
            file.write(f"fails-{self.seed}\n")
        if self.seed % 2:
            raise ArithmeticError(f"seed {self.seed} is odd")
        self.classes_ = sorted(set(y))
        return self

    def predict(self, X):
        return [self.classes_[0]] * len(X)
