"""What users pass as `kernels`: names, lists, triples with columns."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.gaussian_process.kernels import RBF
from sklearn.metrics.pairwise import rbf_kernel

from kernelopt import MKLClassifier
from kernelopt.kernels import (
    FAMILIES,
    Gaussian,
    KernelStack,
    Linear,
    column_indices,
    gaussian,
    kernel_name,
    per_feature,
    resolve,
)

NAMES = ["age", "height", "weight", "income", "rooms"]
X = np.random.default_rng(0).normal(size=(20, 5))
FRAME = pd.DataFrame(X, columns=NAMES).astype({"age": "float32", "rooms": "float32"})

COLUMNS = {
    "int": 2,
    "negative": -1,
    "ints": [3, 0],
    "int array": np.array([1, 4]),
    "str": "weight",
    "strs": ["rooms", "age"],
    "index": pd.Index(["height", "income"]),
    "slice": slice(1, 3),
    "slice with step": slice(0, 5, 2),
    "open slice": slice(None, None),
    "labels": slice("height", "income"),
    "labels from": slice("weight", None),
    "labels to": slice(None, "height"),
    "mask": [True, False, False, True, True],
    "mask array": np.array([False, True, False, False, False]),
    "selector by name": make_column_selector(pattern="e.ght"),
    "selector by type": make_column_selector(dtype_include="float32"),
    "function": lambda frame: [c for c in frame.columns if "o" in c],
}


@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
def test_columns_are_those_of_column_transformer(columns):
    wanted = [columns] if isinstance(columns, str | int) else columns  # where a scalar asks for one dimension
    expected = ColumnTransformer([("chosen", "passthrough", wanted)]).fit_transform(FRAME)
    (kernel,) = resolve([("chosen", Linear(), columns)], X, NAMES, frame=FRAME)
    assert_allclose(X[:, list(kernel.kernel.columns)], np.asarray(expected, dtype=float), atol=1e-6)
    assert kernel.name == "chosen"
    assert_allclose(kernel(X, X), np.asarray(expected) @ np.asarray(expected).T, atol=1e-5)


def test_columns_by_index_need_no_names():
    for columns in (2, [3, 0], slice(1, 3), [True, False, False, True, True], lambda X: [X.shape[1] - 1]):
        (kernel,) = resolve([("chosen", "linear", columns)], X)
        assert kernel(X[:3], X).shape == (3, 20)


BAD_COLUMNS = {
    "no names": (dict(columns=["age"], names=None), r"kernels\[0\] \('a'\).*'age' is chosen by name.*no column names"),
    "unknown": (dict(columns=["agee"]), "no column called 'agee'.*'age', 'height'"),
    "unknown end": (dict(columns=slice("age", "x")), "no column called 'x'"),
    "twice there": (dict(columns="age", names=["age", "age", "b", "c", "d"]), "2 columns called 'age'"),
    "outside": (dict(columns=[0, 5, -6]), "no column 5, -6; X has 5 columns"),
    "short mask": (dict(columns=[True, False]), "mask of 2 entries, but X has 5"),
    "none": (dict(columns=[]), "none of the 5 columns"),
    "empty mask": (dict(columns=[False] * 5), "none of the 5 columns"),
    "mixed": (dict(columns=[0, "age"]), "columns must be an int, a str"),
    "mixed slice": (dict(columns=slice("age", 2)), "columns must be an int, a str"),
    "float": (dict(columns=1.0), "columns must be an int, a str"),
    "bool": (dict(columns=True), "columns must be an int, a str"),
    "nothing": (dict(columns=None), "columns must be an int, a str"),
}


@pytest.mark.parametrize("case, message", BAD_COLUMNS.values(), ids=BAD_COLUMNS)
def test_bad_columns_say_which_kernel_and_why(case, message):
    with pytest.raises(ValueError, match=message):
        resolve([("a", Linear(), case["columns"])], X, case.get("names", NAMES))


def test_slices_of_names_include_their_end_and_those_of_integers_do_not():
    assert column_indices(slice("height", "income"), 5, NAMES) == (1, 2, 3)
    assert column_indices(slice(1, 3), 5, NAMES) == (1, 2)


def test_all_forms_in_one_list():
    items = ["rbf", RBF(2.0), Gaussian(1.0), ("pair", rbf_kernel), ("triple", "linear", ["age"]), lambda A, B: A @ B.T]
    kernels = resolve(items, X, NAMES)
    stack = KernelStack.from_kernels(kernels, X)
    expected = ("rbf_kernel", "RBF(length_scale=2)", "gaussian γ=1", "pair", "triple", "<lambda>")
    assert stack.names == expected == tuple(map(kernel_name, kernels))
    assert_allclose(stack.leading[4], np.outer(X[:, 0], X[:, 0]))


@pytest.mark.parametrize("family", FAMILIES)
def test_families_by_name_and_as_functions(family):
    assert resolve(family, X) == resolve(FAMILIES[family], X) == FAMILIES[family](X)


def test_families_are_told_weights_and_names():
    w = np.arange(1.0, 21.0)
    assert resolve("gaussian", X, None, w) == gaussian(X, w) != gaussian(X)
    assert resolve("per_feature", X, NAMES) == per_feature(X, feature_names=NAMES)
    assert resolve(partial(gaussian, factors=(1.0,)), X) == gaussian(X, factors=(1.0,))
    assert [k.name for k in resolve(lambda X: [("mine", Linear())], X)] == ["mine"]
    assert len(resolve((k for k in [Linear(), "rbf"]), X)) == 2


BAD = {
    "unknown family": ("gausian", "kernels must be one of 'gaussian'.*found 'gausian'"),
    "empty": ([], "kernels is empty"),
    "one kernel": (Gaussian(1.0), r"must be a list, even of one kernel: \[Gaussian"),
    "one kernel of scikit-learn": (RBF(1.0), r"must be a list, even of one kernel: \[RBF"),
    "one function of two arguments": (lambda A, B: A @ B.T, r"cannot be called as a family.*kernels=\[\.\.\.\]"),
    "one pairwise kernel": (rbf_kernel, r"returned ndarray where a family returns a list.*kernels=\[\.\.\.\]"),
    "number": (3, "the name of a family, a list, or a function"),
    "array": (X, "the name of a family, a list, or a function"),
    "unknown kernel": (["rbf", "cube"], r"kernels\[1\]: a kernel must be a callable.*found 'cube'"),
    "family in a list": (["rbf", "gaussian"], r"kernels\[1\].*a family goes alone: kernels='gaussian'"),
    "class": ([Gaussian], r"kernels\[0\].*the class Gaussian; make one"),
    "number in a list": ([1.0], r"kernels\[0\].*found 1.0"),
    "list in a list": ([["rbf"]], r"kernels\[0\].*found \['rbf'\]"),
    "long tuple": ([("a", "rbf", 0, 1)], r"kernels\[0\] must be \(name, kernel\) or \(name, kernel, columns\)"),
    "no name": ([("", "rbf")], "string that is not empty"),
    "name that is none": ([(Linear(), "rbf")], r"kernels\[0\] must be \(name, kernel\)"),
    "unknown kernel of a triple": ([("a", "cube", 0)], r"kernels\[0\] \('a'\): a kernel must be"),
    "names twice": (
        [("a", "rbf"), ("b", "rbf"), ("a", "linear", 0)],
        "one name to several kernels: 'a'; names must differ",
    ),
}


@pytest.mark.parametrize("kernels, message", BAD.values(), ids=BAD)
def test_bad_kernels(kernels, message):
    with pytest.raises(ValueError, match=message):
        resolve(kernels, X)


def test_names_that_nobody_gave_are_numbered_and_given_ones_stay():
    kernels = resolve(["rbf", "rbf", ("linear_kernel", "rbf"), "linear", ("rbf_kernel #1", "rbf")], X)
    assert KernelStack.from_kernels(kernels, X).names == (
        "rbf_kernel #2",
        "rbf_kernel #3",
        "linear_kernel",
        "linear_kernel #1",
        "rbf_kernel #1",
    )


# --- through an estimator

Y = (FRAME["age"] + FRAME["rooms"] ** 2 > 1).to_numpy()


def test_an_estimator_takes_columns_from_a_data_frame():
    by_name = [
        ("body", Gaussian(0.5), ["height", "weight"]),
        ("rest", Gaussian(1.0), slice("income", None)),
        ("single", Gaussian(0.3), make_column_selector(dtype_include="float32")),
        ("all", "linear"),
    ]
    by_index = [("body", Gaussian(0.5), [1, 2]), ("rest", Gaussian(1.0), [3, 4]), ("single", Gaussian(0.3), [0, 4])]
    frame = MKLClassifier(kernels=by_name).fit(FRAME, Y)
    array = MKLClassifier(kernels=[*by_index, "linear"]).fit(FRAME.to_numpy(), Y)
    assert frame.kernel_names_ == ["body", "rest", "single", "all"]
    assert_allclose(frame.decision_function(FRAME), array.decision_function(FRAME.to_numpy()), atol=1e-6)
    with pytest.raises(ValueError, match="feature names"):
        frame.predict(FRAME[NAMES[::-1]])


def test_an_estimator_without_names_says_what_to_do():
    with pytest.raises(ValueError, match="Pass a data frame"):
        MKLClassifier(kernels=[("a", "rbf", "age")]).fit(X, Y)
