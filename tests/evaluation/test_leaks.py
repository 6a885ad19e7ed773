"""Test points choose nothing, whatever enters a study: others, the same choices, to the last bit.

Labels for every method; inputs too for those that are not declared transductive.
"""

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_friedman1
from sklearn.ensemble import RandomForestClassifier
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC

from kernelopt import MKLClassifier, MKLRegressor, SDPKernelClassifier
from kernelopt.evaluation.cell import run_cell
from kernelopt.evaluation.plan import make_plan
from kernelopt.evaluation.protocol import Protocol
from kernelopt.evaluation.splits import make_split
from kernelopt.evaluation.study import DataSpec, MethodSpec, Study

N, SIZE = 120, 60
FITTED = ("chosen", "candidates", "weights", "certificate", "values", "n_train", "n_test", "n_settings")
C = {"C": [0.1, 1.0, 10.0]}
MARK = {"seen": lambda fitted: float(fitted.seen_)}


def marked(kind):
    """Return the class with a mark of all that its fit was given."""

    class Marked(kind):
        def fit(self, X, y, **options):
            super().fit(X, y, **options)
            self.seen_ = float(np.sum(X * np.arange(1, X.size + 1).reshape(X.shape)) + np.sum(y * np.arange(len(y))))
            return self

    Marked.__init__ = kind.__init__
    return Marked


CLASSIFIERS = [
    MethodSpec("learned-kernel"),
    MethodSpec("hand-made:linear-head"),
    MethodSpec("hand-made:sdp", grid={"C": [1.0, 10.0]}),
    MethodSpec("svm", estimator=marked(SVC), grid=C, record=MARK),
    MethodSpec("kernels", estimator=marked(MKLClassifier), grid=C, record=MARK),
    MethodSpec("forest", estimator=RandomForestClassifier(n_estimators=5), grid={"max_depth": [1, 2, 4]}),
    MethodSpec("nearest", estimator=marked(KNeighborsClassifier), grid={"n_neighbors": [1, 3, 9]}, record=MARK),
    MethodSpec("pipeline", estimator=make_pipeline(StandardScaler(), SVC()), grid={"svc__C": [0.1, 1.0, 10.0]}),
    MethodSpec("own search", estimator=GridSearchCV(SVC(), {"C": [0.1, 1.0, 10.0]}, cv=3)),
    MethodSpec(
        "spreading", estimator=marked(LabelSpreading), transductive=True, grid={"gamma": [0.1, 1.0]}, record=MARK
    ),
    MethodSpec("sdp", estimator=marked(SDPKernelClassifier), transductive=True, grid={"C": [1.0, 9.0]}, record=MARK),
]
INDUCTIVE = ("learned-kernel", "svm", "kernels", "nearest", "pipeline")  # of which little is taken on trust: see MARK
REGRESSORS = [
    MethodSpec(
        "ridge", estimator=marked(KernelRidge), params={"kernel": "rbf"}, grid={"alpha": [0.01, 1.0]}, record=MARK
    ),
    MethodSpec("kernels", estimator=marked(MKLRegressor), grid={"lam": [0.01, 1.0]}, record=MARK),
    MethodSpec("hand-made:learned-weights"),
]


def classes():
    return make_classification(N, 5, n_informative=3, random_state=3)


def numbers():
    return make_friedman1(N, 5, noise=0.1, random_state=3)


def records(method, arrays, protocol, **data):
    """Return the record on given arrays, run in this process through the plan of a study."""
    spec = DataSpec("points", loader=lambda: arrays, **data)
    study = Study((spec,), (method,), sizes=(SIZE,), seeds=(4,), protocol=protocol)
    (job,) = make_plan(study).jobs.values()
    record = run_cell(job)
    assert record.status == "ok", record.provenance.get("traceback")
    return record


def spoiled(arrays, split, how):
    """Return the arrays with other labels on the test part, and the same everywhere else."""
    rng = np.random.default_rng(0)
    change = {"permuted": rng.permutation, "reversed": lambda y: y[::-1], "constant": lambda y: np.full_like(y, y[0])}
    X, y, *test = arrays
    if split == "official":
        return X, y, test[0], change[how](test[1])
    order = np.random.default_rng([4, 1]).permutation(len(y))  # as the protocol draws it, see below
    y = y.copy()
    y[order[80:]] = change[how](y[order[80:]])
    return X, y


def arranged(arrays, split):
    X, y = arrays
    return (X[:80], y[:80], X[80:], y[80:]) if split == "official" else (X, y)


def test_the_parts_of_a_random_split_are_where_these_tests_think():
    from kernelopt.evaluation.data import read

    X, y = classes()
    split = make_split(read(DataSpec("points", loader=lambda: (X, y))), SIZE, 4, "random", 40, None)
    order = np.random.default_rng([4, 1]).permutation(N)
    np.testing.assert_array_equal(split.X_test, X[order[80:]])
    np.testing.assert_array_equal(split.y, y[order[:SIZE]])


@pytest.mark.parametrize("scale", [None, "standardize"])
@pytest.mark.parametrize("split", ["official", "random"])
@pytest.mark.parametrize("method", CLASSIFIERS, ids=lambda m: m.name)
def test_permuted_test_labels_leave_every_choice_unchanged(method, split, scale):
    arrays, rules = arranged(classes(), split), Protocol(split=split, test_size=40)
    honest = records(method, arrays, rules, scale=scale)
    other = records(method, spoiled(arrays, split, "permuted"), rules, scale=scale)
    assert honest.correct != other.correct
    for name in FITTED:
        assert getattr(honest, name) == getattr(other, name), name


@pytest.mark.parametrize("how", ["permuted", "reversed", "constant"])
@pytest.mark.parametrize("method", REGRESSORS, ids=lambda m: m.name)
def test_permuted_test_targets_leave_every_choice_unchanged(method, how):
    arrays, rules = arranged(numbers(), "random"), Protocol(split="random", test_size=40)
    honest, other = records(method, arrays, rules), records(method, spoiled(arrays, "random", how), rules)
    assert honest.errors != other.errors and honest.metrics["rmse"] != other.metrics["rmse"]
    for name in FITTED:
        assert getattr(honest, name) == getattr(other, name), name


@pytest.mark.parametrize("scale", [None, "standardize", "range", "unit"])
@pytest.mark.parametrize("split", ["official", "random"])
@pytest.mark.parametrize("method", [m for m in CLASSIFIERS if m.name in INDUCTIVE], ids=lambda m: m.name)
def test_other_test_inputs_leave_every_choice_of_an_inductive_method_unchanged(method, split, scale):
    """Nor does the scaling look at them."""
    X, y, *test = arranged(classes(), split)
    rules = Protocol(split=split, test_size=40)
    if split == "official":
        elsewhere = (X, y, 7.0 - 3.0 * test[0], test[1])
    else:
        moved = np.random.default_rng([4, 1]).permutation(N)[80:]
        other = X.copy()
        other[moved] = 7.0 - 3.0 * other[moved]
        elsewhere = (other, y)
    honest, moved_away = (records(method, arrays, rules, scale=scale) for arrays in ((X, y, *test), elsewhere))
    assert honest.correct != moved_away.correct
    for name in FITTED:
        assert getattr(honest, name) == getattr(moved_away, name), name


@pytest.mark.parametrize("search", ["grid", "random"])
def test_a_budget_is_kept_and_recorded_and_the_drawn_settings_depend_on_the_seed_alone(search):
    grid = {"C": [0.1, 1.0, 10.0], "gamma": [0.1, 1.0, 10.0]}
    method = MethodSpec("svm", estimator=SVC, grid=grid)
    budget = 9 if search == "grid" else 4
    rules = Protocol(split="random", test_size=40, budget=budget, search=search)
    one, two = (records(method, spoiled(classes(), "random", how), rules) for how in ("permuted", "constant"))
    assert one.n_settings == len(one.candidates) == one.budget == budget
    assert one.candidates == two.candidates and "tune_seconds" in one.cost
    settings = [tuple(candidate["params"].values()) for candidate in one.candidates]
    assert len(set(settings)) == budget
    if search == "random":
        assert rules.settings(grid, 4) != rules.settings(grid, 5)


def test_a_grid_beyond_the_budget_is_refused_before_anything_runs():
    method = MethodSpec("svm", estimator=SVC, grid=C)
    with pytest.raises(ValueError, match="over C has 3 settings, the budget is 2.*search = 'random'"):
        records(method, classes(), Protocol(budget=2))
