"""Estimators come back from a file as they were; files that are not what they claim are refused."""

import functools
import io
import json
import os
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits, load_iris
from sklearn.gaussian_process import kernels as gp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import laplacian_kernel

import kernelopt
from kernelopt import ConvNetClassifier, FilterBank, KernelStack, MKLClassifier, NetworkMKLClassifier, load, save
from kernelopt.conv.banks import BANKS
from kernelopt.conv.constraints import MaxNorm
from kernelopt.conv.initializers import VarianceScaling
from kernelopt.conv.layers import ConvLayer
from kernelopt.conv.regularizers import L2
from kernelopt.convex.solvers import Conic, WorkingSetNewton
from kernelopt.kernels import (
    Gaussian,
    Linear,
    Named,
    OnColumns,
    Polynomial,
    White,
    gaussian,
    image_patches,
    per_feature,
)
from kernelopt.persist import container
from kernelopt.persist.codec import Reader, Writer
from kernelopt.persist.registry import arguments_of, functions, name_of, values

X, Y = (part[::3] for part in load_iris(return_X_y=True))
WORDS = np.array(["setosa", "versicolor", "virginica"])[Y]
IMAGES, DIGITS = (part[:60] for part in load_digits(return_X_y=True))
STACK = KernelStack.from_kernels(["linear", "rbf"], X)
ESTIMATORS = [
    thing
    for thing in (getattr(kernelopt, name) for name in kernelopt.__all__)
    if isinstance(thing, type) and issubclass(thing, BaseEstimator)
]
NETWORKS = {
    "network": ConvNetClassifier(filters=(3, 4), kernel_size=(3, 2), epochs=2, random_state=0),
    "frozen": ConvNetClassifier(
        layers=[ConvLayer(4, 3, BANKS["gabor"], False), ConvLayer(2, 3)], epochs=1, random_state=1
    ),
    "all options": ConvNetClassifier(
        layers=[
            ConvLayer(
                4, (3, 2), strides=(2, 1), kernel_initializer=VarianceScaling(2.0), kernel_constraint=MaxNorm(1.0)
            ),
            ConvLayer(2, 2, groups=2, padding="valid", use_bias=False, activation="tanh", kernel_regularizer=L2(0.1)),
        ],
        epochs=1,
        random_state=2,
    ),
    "bridge": NetworkMKLClassifier(ConvNetClassifier(filters=3, epochs=1), factors=(1.0,), random_state=0),
    "bridge of functions": NetworkMKLClassifier(
        ConvNetClassifier(filters=2, epochs=1), functools.partial(gaussian, factors=(1.0,)), random_state=3
    ),
}
MACHINES = {
    "features": MKLClassifier(),
    "weighted classes": MKLClassifier(class_weight={"setosa": 2.0, "versicolor": 1.0, "virginica": 0.5}),
    "per feature": MKLClassifier("per_feature", time_limit=1e3),
    "spherical": MKLClassifier([Polynomial(2), Linear(), OnColumns(Gaussian(2.0), (0, 2))], normalize="spherical"),
    "named": MKLClassifier(["rbf", functools.partial(laplacian_kernel, gamma=0.3)], tol=np.float32(0.01)),
    "family": MKLClassifier(functools.partial(per_feature, factors=(0.5, 2))),
    "gaussian processes": MKLClassifier([gp.RBF([1, 2, 3, 4]) + 0.1 * gp.WhiteKernel(), gp.Matern(nu=np.inf) ** 2]),
    "algebra": MKLClassifier([Gaussian(1.0) * Linear() + 0.5 * Polynomial(2), White(), Named("l1", laplacian_kernel)]),
    "conic": MKLClassifier("polynomial", solver=Conic()),
    "configured": MKLClassifier(solver=WorkingSetNewton(tol=1e-3), normalize=None),
}  # fmt: skip


def round_trip(estimator, folder):
    path = folder / "model.kernelopt"
    save(estimator, path)
    return load(path)


def assert_same_bits(found, expected):
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.array_equal(found.view(np.uint8) if found.dtype.kind == "f" else found,
                          expected.view(np.uint8) if found.dtype.kind == "f" else expected)  # fmt: skip


def assert_equal(found, expected, where="value"):
    """Hold two values equal in type and bits, however they are nested."""
    assert type(found) is type(expected), where
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype and found.shape == expected.shape, where
        if expected.dtype.kind == "O":
            return assert_equal(list(found.flat), list(expected.flat), where)
        assert found.tobytes() == expected.tobytes() and found.flags.writeable, where
        assert found.flags.f_contiguous or not expected.flags.f_contiguous, where
    elif isinstance(expected, np.generic):
        assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes(), where
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), where
        for i, pair in enumerate(zip(found, expected, strict=True)):
            assert_equal(*pair, f"{where}[{i}]")
    elif isinstance(expected, dict):
        assert_equal(list(found.items()), list(expected.items()), where)
    elif isinstance(expected, float | complex):
        assert np.array(found).tobytes() == np.array(expected).tobytes() or np.isnan(expected), where
    elif sparse.issparse(expected):
        assert_equal([found.data, found.indices, found.indptr], [expected.data, expected.indices, expected.indptr])
        assert found.shape == expected.shape, where
    elif isinstance(expected, functools.partial):
        assert_equal([found.func, *found.args, found.keywords], [expected.func, *expected.args, expected.keywords])
    elif hasattr(expected, "state_dict"):
        states = ({k: v.numpy() for k, v in network.state_dict().items()} for network in (found, expected))
        assert_equal(*states, where)
    elif isinstance(expected, BaseEstimator):
        assert vars(found).keys() == vars(expected).keys(), where
        for name, part in vars(expected).items():
            assert_equal(vars(found)[name], part, f"{where}.{name}")
    elif name_of(type(expected)):
        assert_equal(arguments_of(found), arguments_of(expected), where)
    else:
        assert found == expected, where


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_public_estimator_returns_unfitted(cls, tmp_path):
    assert_equal(round_trip(cls(), tmp_path), cls())


def test_the_public_estimators_are_found():
    assert {MKLClassifier, ConvNetClassifier, FilterBank, NetworkMKLClassifier} <= set(ESTIMATORS)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=list(MACHINES))
def test_a_machine_returns_with_the_same_bits(machine, tmp_path):
    machine = clone(machine).fit(X[::2], WORDS[::2])
    loaded = round_trip(machine, tmp_path)
    assert_equal(loaded, machine)
    assert_same_bits(loaded.decision_function(X), machine.decision_function(X))
    assert_same_bits(loaded.kernel_(X[:5], X[:7]), machine.kernel_(X[:5], X[:7]))
    assert (loaded.predict(X) == machine.predict(X)).all() and loaded.certificate_ == machine.certificate_
    again = clone(loaded).fit(X[::2], WORDS[::2])
    assert_same_bits(again.decision_function(X), machine.decision_function(X))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csr_matrix])
def test_sparse_samples_and_object_labels(form, tmp_path):
    machine = MKLClassifier(["linear", "rbf"]).fit(form(X), WORDS.astype(object))
    loaded = round_trip(machine, tmp_path)
    assert_equal(loaded, machine)
    assert_same_bits(loaded.decision_function(form(X)), machine.decision_function(form(X)))


def test_names_of_columns_are_checked_after_loading(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    loaded = round_trip(MKLClassifier("polynomial").fit(frame, Y), tmp_path)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame[["b", "a", "c", "d"]])


@pytest.mark.parametrize("normalize", ["variance", "spherical"])
def test_precomputed(normalize, tmp_path):
    machine = MKLClassifier("precomputed", normalize=normalize).fit(STACK, Y)
    loaded = round_trip(machine, tmp_path)
    assert_equal(loaded, machine)
    assert_same_bits(loaded.decision_function(STACK), machine.decision_function(STACK))


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_a_network_returns_with_the_same_bits(network, tmp_path):
    pytest.importorskip("torch")
    network = clone(network).fit(IMAGES, DIGITS)
    loaded = round_trip(network, tmp_path)
    assert_equal(loaded, network)
    assert_same_bits(loaded.decision_function(IMAGES), network.decision_function(IMAGES))
    clone(loaded)


@pytest.mark.parametrize("bank", [*BANKS, BANKS["dct"]])
def test_a_filter_bank_returns_with_the_same_bits(bank, tmp_path):
    bank = FilterBank(bank, 4, 3, random_state=0).fit(IMAGES)
    loaded = round_trip(bank, tmp_path)
    assert_equal(loaded, bank)
    assert_same_bits(loaded.transform(IMAGES), bank.transform(IMAGES))


def test_torch_is_imported_for_networks_only(tmp_path):
    save(MKLClassifier([Gaussian(1.0)]).fit(X, Y), tmp_path / "a")
    save(ConvNetClassifier(layers=[ConvLayer(2, 3)]), tmp_path / "b")
    code = (
        f"import sys, kernelopt; a, b = map(kernelopt.load, ({str(tmp_path / 'a')!r}, {str(tmp_path / 'b')!r})); "
        f"kernelopt.save(a, {str(tmp_path / 'c')!r}); print('torch' in sys.modules, 'cvxpy' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False False"
    assert (tmp_path / "a").read_bytes() == (tmp_path / "c").read_bytes()


def test_every_registered_class_is_saved_under_a_name_that_finds_it():
    assert {f"kernelopt.kernels.{name}" for name in ("Gaussian", "KernelStack", "OnColumns")} <= set(values())
    assert all(values()[name_of(cls)] is cls for cls in values().values() if name_of(cls) in values())
    assert {laplacian_kernel, image_patches, *BANKS.values()} <= set(functions().values())


# --- values

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(), st.binary(),
    st.slices(5), st.builds(range, *[st.integers(-99, 99)] * 2, st.integers(1)),
    hnp.from_dtype(np.dtype("f4")), hnp.from_dtype(np.dtype("i8")), hnp.from_dtype(np.dtype("?")),
    hnp.from_dtype(np.dtype("c16")), hnp.from_dtype(np.dtype("M8[us]")),
    st.text().map(np.str_), st.binary().map(np.bytes_),
    hnp.scalar_dtypes(), st.sampled_from([np.float64, np.int8, gp.RBF(2.0), Gaussian(0.5), gaussian, STACK[:2]]),
)  # fmt: skip
ARRAYS = hnp.arrays(
    st.one_of(hnp.scalar_dtypes(), hnp.unicode_string_dtypes(), hnp.byte_string_dtypes()),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
LABELS = st.lists(st.text() | st.integers() | st.none()).map(lambda items: np.array([*items, None], dtype=object)[:-1])
KEYS = st.recursive(
    st.integers() | st.text() | st.floats(allow_nan=False) | st.booleans() | st.none(), lambda c: st.tuples(c, c)
)
VALUES = st.recursive(
    SCALARS | ARRAYS | ARRAYS.map(np.transpose) | LABELS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.sets(KEYS)
        | st.builds(lambda options: functools.partial(gaussian, **options), st.dictionaries(st.just("factors"), inner))
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
@example([-0.0, float("nan"), float("inf"), float("-inf"), 5e-324])
@example({(1, "a"): {None: 1, True: 2, 1.5: 3}})
@example([np.float64("-0.0"), np.float64("nan"), np.str_("a\0"), np.bytes_(b""), np.str_("")])
@example([np.zeros((0, 3)), np.array(1.0), np.asfortranarray(np.ones((3, 2))), np.array([], dtype="S")])
@example(["\ud800", {"type": "tuple", "items": []}])
def test_any_value_returns_as_it_was(value):
    writer = Writer()
    text = json.dumps(writer.node(value, "value"), allow_nan=False)
    members = {}
    for name, content in writer.members.items():
        stream = io.BytesIO()
        np.save(stream, content, allow_pickle=False)
        members[name] = stream.getvalue()
    assert_equal(Reader(members).node(json.loads(text), "value"), value)


def test_one_array_is_written_and_read_once():
    shared = np.arange(3.0)
    writer = Writer()
    node = writer.node([shared, shared, shared.copy()], "value")
    assert len(writer.members) == 2
    stream = io.BytesIO()
    np.save(stream, shared)
    first, second, third = Reader(dict.fromkeys(writer.members, stream.getvalue())).node(node, "value")
    assert first is second and first is not third


# --- what cannot be saved


class Mine(MKLClassifier):
    """An estimator of a user."""


CYCLE: list = []
CYCLE.append(CYCLE)
UNSAVEABLE = {
    "lambda": (MKLClassifier([Linear(), lambda A, B: A @ B.T]), r"MKLClassifier\.kernels\[1\].*<lambda>.*precomputed"),
    "inside": (MKLClassifier([OnColumns(np.dot, (0,))]), r"kernels\[0\]\.kernel .*kernelopt\.kernels"),
    "partial": (MKLClassifier(functools.partial(np.dot, 1)), r"MKLClassifier\.kernels .*kernelopt\.kernels"),
    "bank": (FilterBank(print), r"FilterBank\.bank .*kernelopt\.conv\.banks"),
    "RandomState": (
        ConvNetClassifier(random_state=np.random.RandomState(0)),
        r"ConvNetClassifier\.random_state .*integer seed or None",
    ),
    "Generator": (
        NetworkMKLClassifier(ConvNetClassifier(random_state=np.random.default_rng(0))),
        r"NetworkMKLClassifier\.network\.random_state .*integer seed",
    ),
    "GP": (MKLClassifier([gp.PairwiseKernel(metric=lambda a, b: 0.0)]), r"kernels\[0\]\.metric"),
    "GP of a user": (MKLClassifier([type("RBF", (gp.RBF,), {})()]), r"kernels\[0\] .*RBF"),
    "cycle": (MKLClassifier(class_weight=CYCLE), r"class_weight\[0\] contains itself"),
    "range": (MKLClassifier(class_weight=range(10**30)), r"class_weight is a range of more than"),
    "class": (MKLClassifier(solver=WorkingSetNewton), r"solver .*WorkingSetNewton"),
    "structured": (
        FilterBank(random_state=np.zeros(2, dtype="f8,O")),
        r"random_state is an array of .*one array per field",
    ),
    "subclass": (Mine(), r"Mine, but save writes kernelopt's own"),
    "stranger": (LogisticRegression(), r"LogisticRegression, but save writes kernelopt's own"),
    "no estimator": (Gaussian(1.0), r"Gaussian, but save writes kernelopt's own"),
}


@pytest.mark.parametrize("estimator, message", UNSAVEABLE.values(), ids=list(UNSAVEABLE))
def test_what_cannot_be_saved_is_named_and_nothing_is_written(estimator, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        save(estimator, tmp_path / "model")
    assert not os.listdir(tmp_path)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model"
    save(FilterBank(), path)
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(container.npy, "write_array", full)
    with pytest.raises(OSError, match="no space"):
        save(FilterBank().fit(IMAGES), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model"]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not replace a file that is open")
def test_who_reads_the_old_file_goes_on_reading_it(tmp_path):
    path = tmp_path / "model"
    save(FilterBank(), path)
    before = path.read_bytes()
    with open(path, "rb") as old:
        save(FilterBank().fit(IMAGES), path)
        assert old.read() == before != path.read_bytes()


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "model")


# --- hostile files


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model"
    machine = MKLClassifier(["rbf", Gaussian(1.0)], class_weight={"setosa": 2.0}).fit(sparse.csr_array(X), WORDS)
    save(machine, path)
    return container.read(path)


def pack(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def model(members, **changes):
    """Return model.json with some of the estimator's arguments, attributes or entries changed."""
    text = json.loads(members["model.json"])
    for name, change in changes.items():
        node = text["model"]
        place = node["arguments"] if name in node["arguments"] else node["fitted"] if name[-1] == "_" else text
        place = node if name in ("class_", "extra_") else place
        place[{"class_": "class"}.get(name, name)] = change
    return {**members, "model.json": json.dumps(text)}


def array(dtype="<f8", shape="(3,)", data=bytes(24)):
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def obj(name, **arguments):
    return {"type": "object", "class": name, "arguments": arguments}


def weights(*items):
    return [{"type": "array", "member": item} for item in items]


PARTS = "arrays/90.npy", "arrays/91.npy", "arrays/92.npy"
BIG = {"type": "sparse", "class": "csr_array", "shape": [1, 2]}
CONVNET = {
    "type": "network",
    "class": "kernelopt.conv.network.ConvNet",
    "arguments": {"layers": [], "image_shape": [1, 10**6, 10**6], "n_classes": 10**6},
    "member": "weights/0.safetensors",
}
BAD_NODES = {
    "unknown class": (obj("os.system", command="true"), "'os.system' is not one that kernelopt saves"),
    "stranger of sklearn": (obj("sklearn.svm.SVC"), "not one that kernelopt saves"),
    "no class": (obj("kernelopt.contrast"), "not one that kernelopt saves"),
    "abstract": (obj("kernelopt.convex.criteria.Criterion"), "not one that kernelopt saves"),
    "type of type": (obj(3), "entries"),
    "function": ({"type": "function", "name": "builtins.eval"}, "'builtins.eval' is not one"),
    "partial of a value": (
        {"type": "partial", "function": obj("kernelopt.kernels.Linear"), "args": [], "keywords": {}},
        "a partial needs a function",
    ),
    "bad argument": (obj("kernelopt.kernels.Gaussian", gamma=-1.0), "gamma must be positive"),
    "mistyped argument": (obj("kernelopt.kernels.Gaussian", gamma="x"), "Gaussian does not accept"),
    "missing argument": (obj("kernelopt.kernels.Gaussian"), "Gaussian does not accept"),
    "unknown argument": (obj("kernelopt.kernels.Linear", slope=1.0), "Linear has no parameter slope"),
    "object as estimator": (obj("kernelopt.kernels.Linear") | {"type": "estimator", "fitted": {}}, "not an estimator"),
    "estimator as object": (obj("kernelopt.FilterBank"), "is not an object"),
    "unknown node": ({"type": "pickle", "data": ""}, "node of type 'pickle'"),
    "untyped node": ({"a": 1}, "node of type None"),
    "node with more": ({"type": "tuple", "items": [], "more": 1}, "entries"),
    "wrong entry": ({"type": "tuple", "items": "abc"}, "entries"),
    "unhashable key": ({"type": "dict", "items": [[[], 1]]}, "not a valid dict: unhashable"),
    "half a pair": ({"type": "dict", "items": [[1]]}, "not enough values"),
    "hex": ({"type": "bytes", "hex": "zz"}, "hex"),
    "object type": ({"type": "dtype", "name": "O"}, "'O' is not the type"),
    "short scalar": ({"type": "scalar", "dtype": "<f8", "hex": "00"}, "1 bytes are no float64"),
    "scalar type": ({"type": "scalar type", "name": "object_"}, "not a valid scalar type"),
    "long range": (
        obj("kernelopt.kernels.KernelStack", Ks={"type": "range", "parts": [0, 10**30, 1]}),
        "Ks: a range of more than 10000000 numbers",
    ),
    "range": ({"type": "range", "parts": [0, "a", 1]}, "not a valid range"),
    "shape": ({"type": "object array", "shape": [10**12], "items": [1]}, "cannot reshape"),
    "absent member": ({"type": "array", "member": "arrays/999.npy"}, "no member"),
    "outside member": ({"type": "array", "member": "/etc/passwd"}, "no member"),
    "sparse past the end": ({**BIG, "parts": weights(*PARTS)}, "model.*indices must be < 2"),
    "sparse class": ({**BIG, "class": "dok_array", "parts": []}, "not a valid sparse"),
    "network class": ({**CONVNET, "class": "torch.nn.Linear"}, "is not a network"),
    "network size": (CONVNET, "weights do not fit|conv"),
}  # fmt: skip


@pytest.mark.parametrize("node, message", BAD_NODES.values(), ids=list(BAD_NODES))
@pytest.mark.parametrize("place", ["solver", "weights_"])
def test_bad_nodes_are_refused(place, node, message, members, tmp_path):
    if node.get("type") == "network":
        pytest.importorskip("torch")
        library = pytest.importorskip("safetensors.numpy")
        members = {**members, "weights/0.safetensors": library.save({"head.bias": np.zeros(1)})}
    index = {
        PARTS[0]: array(shape="(1,)", data=bytes(8)),
        PARTS[1]: array("<i8", "(1,)", (10**17).to_bytes(8, "little")),
        PARTS[2]: array("<i8", "(2,)", bytes(8) + (1).to_bytes(8, "little")),
    }
    path = pack(tmp_path / "model", {**model(members, **{place: node}), **index})
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value) and f"model.{place}" in str(caught.value)


BAD_MODELS = {
    "newer": (dict(format_version=2), "format_version is 2.*upgrade kernelopt"),
    "version": (dict(format_version="1"), "format_version is '1'"),
    "bool": (dict(format_version=True), "format_version is True"),
    "format": (dict(format="keras"), "does not say that it is"),
    "entries": (dict(comment=1), "entries"),
    "kernelopt": (dict(kernelopt=1), "entries"),
    "class": (dict(class_="builtins.dict"), "'builtins.dict' is not one"),
    "extra": (dict(extra_={}), "entries"),
    "number": (dict(model=3), "holds a int"),
    "kernel": (dict(model=obj("kernelopt.kernels.Linear")), "holds a Linear, expected an estimator"),
}


@pytest.mark.parametrize("changes, message", BAD_MODELS.values(), ids=list(BAD_MODELS))
def test_bad_models_are_refused(changes, message, members, tmp_path):
    with pytest.raises(ValueError, match=message):
        load(pack(tmp_path / "model", model(members, **changes)))


@pytest.mark.parametrize("name", ["predict", "_precomputed", "__class__", "__dict__", "C", "a b", ""])
def test_attributes_do_not_take_the_place_of_methods_or_parameters(name, members, tmp_path):
    text = json.loads(members["model.json"])
    text["model"]["fitted"][name] = obj("kernelopt.kernels.Linear")
    path = pack(tmp_path / "model", {**members, "model.json": json.dumps(text)})
    with pytest.raises(ValueError, match="is no fitted attribute of MKLClassifier"):
        load(path)


@pytest.mark.parametrize(
    "text, message",
    [
        (b"", "not the JSON"),
        (b"\xff", "not the JSON"),
        (b'{"format": NaN}', "NaN is not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "too deeply"),
        (b"1" * 10_000, "not the JSON"),
        (b"[]", "does not say"),
    ],
    ids=["empty", "binary", "constant", "deep", "long number", "list"],
)
def test_text_that_is_no_model_is_refused(text, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load(pack(tmp_path / "model", {"model.json": text}))


BAD_ARRAYS = {
    "objects": (array("|O", data=b"cbuiltins\nexit\n."), "Python objects.*refused"),
    "hidden objects": (array([("a", "<f8"), ("b", "|O")], data=bytes(48)), "Python objects.*refused"),
    "huge": (array(shape="(1000000000000,)"), "declares shape"),
    "product": (array(shape="(4294967296, 4294967296)"), "declares shape"),
    "negative": (array(shape="(-3,)"), "declares shape|not an array"),
    "short": (array(data=bytes(23)), "declares shape"),
    "long": (array(data=bytes(25)), "declares shape"),
    "widthless": (array("|S0", "(1000000000000,)", b""), "declares shape"),
    "void": (array("|V8"), "neither numbers"),
    "header": (b"\x93NUMPY\x01\x00\xff\xff" + bytes(24), "not an array"),
    "code": (array("__import__('os').getpid()", data=bytes(24)), "not an array"),
    "magic": (b"PK\x03\x04", "not an array"),
    "empty": (b"", "not an array"),
    "version": (b"\x93NUMPY\x09\x00" + bytes(100), "not an array"),
    "deep": (array(shape="(" * 60), "not an array"),
}


@pytest.mark.parametrize("data, message", BAD_ARRAYS.values(), ids=list(BAD_ARRAYS))
def test_bad_arrays_are_refused(data, message, members, tmp_path):
    with pytest.raises(ValueError, match=message):
        load(pack(tmp_path / "model", {**members, "arrays/0.npy": data}))


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../model.json", "arrays/../../x.npy", "arrays/a.npy", "code.pkl", "arrays/", "C:\\x", "m\n"],
)
def test_bad_names_are_refused(name, members, tmp_path):
    with pytest.raises(ValueError, match="it holds a member"):
        load(pack(tmp_path / "model", {**members, name: b""}))
    assert os.listdir(tmp_path) == ["model"]


def test_a_bomb_is_refused_before_it_unpacks(members, tmp_path):
    bomb = pack(tmp_path / "bomb", {**members, "arrays/7.npy": bytes(10**7)}, zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 10**5
    with pytest.raises(ValueError, match="compressed or encrypted"):
        load(bomb)


def test_members_that_overlap_are_refused(tmp_path):
    path = pack(tmp_path / "model", {"arrays/0.npy": bytes(1000)})
    data = path.read_bytes()
    start, stop = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    directory = b"".join(data[start:stop].replace(b"arrays/0", b"arrays/%d" % i) for i in range(9))  # one content
    counts = (9).to_bytes(2, "little") * 2 + len(directory).to_bytes(4, "little")
    path.write_bytes(data[:start] + directory + data[stop : stop + 8] + counts + data[stop + 16 :])
    with pytest.raises(ValueError, match="members claim 9000 bytes"):
        load(path)


def test_doubled_and_missing_members_are_refused(members, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with zipfile.ZipFile(tmp_path / "double", "w") as archive:
            archive.writestr("model.json", "{}")
            archive.writestr("model.json", "{}")
    with pytest.raises(ValueError, match="two members of one name"):
        load(tmp_path / "double")
    with pytest.raises(ValueError, match=r"holds no model\.json"):
        load(pack(tmp_path / "other", {"arrays/0.npy": array()}))


def test_every_truncation_is_refused(members, tmp_path):
    data = pack(tmp_path / "whole", members).read_bytes()
    for length in [*range(0, len(data), 101), len(data) - 1]:
        (tmp_path / "part").write_bytes(data[:length])
        with pytest.raises(ValueError, match="cannot be loaded"):
            load(tmp_path / "part")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), tail=st.booleans())
def test_a_damaged_byte_is_refused_or_harmless(place, byte, tail, members, tmp_path):
    data = bytearray(pack(tmp_path / "whole", members).read_bytes())
    directory = data.index(b"PK\x01\x02") if tail else 0  # the directory is short, but most of what is trusted
    data[directory + int(place * (len(data) - directory))] = byte
    (tmp_path / "damaged").write_bytes(data)
    try:
        found = load(tmp_path / "damaged")
    except ValueError as error:
        assert "cannot be loaded" in str(error)
    else:
        assert_equal(found, load(tmp_path / "whole"))


def test_another_version_is_said(members, tmp_path):
    with pytest.warns(UserWarning, match=r"saved by kernelopt 9\.9"):
        load(pack(tmp_path / "model", model(members, kernelopt="9.9")))


def test_a_parameter_of_another_version(members, tmp_path):
    text = json.loads(members["model.json"])
    del text["model"]["arguments"]["verbose"]
    assert load(pack(tmp_path / "older", {**members, "model.json": json.dumps(text)})).verbose == 0
    text["model"]["arguments"]["colour"] = "red"
    with pytest.raises(ValueError, match="no parameter colour.*another version"):
        load(pack(tmp_path / "newer", {**members, "model.json": json.dumps(text)}))


@pytest.mark.parametrize("spoil", [np.float32, np.int64, lambda a: a[:1], lambda a: a[..., None]])
def test_weights_that_do_not_fit_are_refused(spoil, tmp_path):
    pytest.importorskip("torch")
    library = pytest.importorskip("safetensors.numpy")
    save(ConvNetClassifier(filters=2, epochs=1, random_state=0).fit(IMAGES, DIGITS), tmp_path / "model")
    members = container.read(tmp_path / "model")
    (name,) = (name for name in members if name.startswith("weights/"))
    arrays = library.load(members[name])
    integers = {key: part.astype(int) for key, part in arrays.items()}
    arrays["head.bias"] = np.ascontiguousarray(spoil(arrays["head.bias"]))
    for data in (library.save(arrays), library.save(integers), members[name][:-8], b"\xff" * 100):
        with pytest.raises(ValueError, match="weights do not fit|weights cannot be read"):
            load(pack(tmp_path / "spoilt", {**members, name: data}))
