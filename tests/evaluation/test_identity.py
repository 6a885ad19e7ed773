"""What enters a record's fingerprint: the code of functions, the content of data, and never an address."""

import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import SVC

from kernelopt.datasets import Dataset
from kernelopt.evaluation import DataSpec, MethodSpec, Study
from kernelopt.evaluation.data import read
from kernelopt.evaluation.entries import resolve
from kernelopt.evaluation.identity import identity
from kernelopt.evaluation.plan import make_plan
from kernelopt.evaluation.specs import plain


def key(method):
    (found,) = make_plan(Study(["sonar"], [method], seeds=1)).keys.values()
    return found


def closing_over(C):
    return lambda: SVC(C=C)


def local_class(value):
    class Constant(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            super().__init__()
            self.classes_ = np.unique(y)
            return self

    if value:
        Constant.predict = lambda self, X: np.full(len(X), self.classes_[1])
    else:
        Constant.predict = lambda self, X: np.full(len(X), self.classes_[0])
    return Constant


@pytest.mark.parametrize(
    "one, two",
    [
        (lambda: SVC(C=1e-3), lambda: SVC(C=100.0)),
        (closing_over(1.0), closing_over(2.0)),
        (lambda C=1: SVC(C=C), lambda C=2: SVC(C=C)),
        (lambda: (lambda: SVC(C=1))(), lambda: (lambda: SVC(C=2))()),
        (lambda: SVC(), lambda: SVC().set_params()),
        (partial(closing_over(1.0)), partial(closing_over(2.0))),
        (local_class(0), local_class(1)),
    ],
)
def test_other_code_is_another_cell_and_the_same_code_the_same(one, two):
    assert key(MethodSpec("svm", estimator=one)) != key(MethodSpec("svm", estimator=two))
    assert key(MethodSpec("svm", estimator=one)) == key(MethodSpec("svm", estimator=one))
    assert identity(closing_over(1.0)) == identity(closing_over(1.0))


def test_functions_in_params_grid_and_record_count_too():
    svm = {"estimator": "sklearn.svm:SVC"}
    for field in ("params", "record"):
        one, two = ({field: {"kernel": f}} for f in (lambda X, Z: X @ Z.T, lambda X, Z: 2 * X @ Z.T))
        assert key(MethodSpec("svm", **svm, **one)) != key(MethodSpec("svm", **svm, **two))
    one, two = ({"grid": {"kernel": [f]}} for f in (lambda X, Z: X @ Z.T, lambda X, Z: 2 * X @ Z.T))
    assert key(MethodSpec("svm", **svm, **one)) != key(MethodSpec("svm", **svm, **two))


def test_a_function_that_calls_itself_has_an_end():
    def factorial(n):
        return n * factorial(n - 1) if n else 1

    assert identity(factorial).startswith(f"{__name__}:")


def test_the_digest_is_the_same_in_every_process():
    code = (
        "from kernelopt.evaluation.identity import identity\n"
        "print(identity(lambda x: x in {'a', 'b', 'c', 'd'} and (lambda: (1.5, x))()))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert len({run.stdout for run in runs}) == 1 and "#" in runs[0].stdout


def test_texts_and_plain_values_are_as_they_were():
    for value in (
        "mymod:make",
        {"C": [1, 2.0], "kernel": {"partial": "kernelopt.kernels:gaussian"}},
        np.arange(3),
        SVC,
    ):
        assert identity(value) == plain(value)


@pytest.mark.parametrize(
    "change, where",
    [
        ({"estimator": SimpleNamespace(fit=object(), predict=None)}, "estimator of method 'm'"),
        ({"estimator": SVC, "params": {"kernel": object()}}, "params of method 'm'.kernel"),
        ({"estimator": SVC, "grid": {"kernel": [object()]}}, "grid of method 'm'.kernel.0"),
        ({"estimator": SVC, "record": {"a": partial(closing_over(object()))}}, "record of method 'm'"),
    ],
)
def test_what_shows_only_its_address_is_refused(change, where):
    with pytest.raises(ValueError, match=r"shows an address.*'module:name'") as refusal:
        resolve(MethodSpec("m", **change), {})
    assert str(refusal.value).startswith(where)


def test_a_dataset_from_a_loader_is_known_by_its_content():
    X, y = np.eye(8), np.repeat([0, 1], 4)
    one, two, same = (
        read(DataSpec("p", loader=lambda X=X: Dataset("p", "classification", X, y, sha256="of the file it came from")))
        for X in (X, 2 * X, X.copy())
    )
    assert one.sha256 == same.sha256 == read(DataSpec("q", loader=lambda: (X, y))).sha256 != two.sha256


def test_seed_in_the_parameters_of_the_librarys_own_methods_is_refused():
    for change in ({"params": {"C": "$seed"}}, {"grid": {"C": [1.0, "$seed"]}}):
        with pytest.raises(ValueError, match=r"method 'learned-kernel': '\$seed' cannot stand"):
            resolve(MethodSpec("learned-kernel", **change), {})
