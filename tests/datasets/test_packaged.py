"""The packaged sets are what the manifest, and their published sizes, say they are."""

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from kernelopt import datasets
from kernelopt.datasets.catalog import PACKAGED, entries
from kernelopt.datasets.loading import read
from kernelopt.datasets.store import Location, locate

PACKED = [entry for entry in entries().values() if entry.packaged]
TABLES = [entry for entry in PACKED if entry.format == "csv"]
UNCLEAR = {"pima", "boston_housing", "usps", "cifar10", "svhn", "mnist", "fashion-mnist"}
PUBLISHED = {  # rows, columns of the file, classes: from the papers and the data sets' own pages
    "breast_cancer_original": (699, 9, {"benign": 458, "malignant": 241}),
    "ionosphere": (351, 34, {"b": 126, "g": 225}),
    "heart_statlog": (270, 13, {"1": 150, "2": 120}),
    "sonar": (208, 60, {"M": 111, "R": 97}),
    "wine": (178, 13, {"1": 59, "2": 71, "3": 48}),
    "glass": (214, 9, {"1": 70, "2": 76, "3": 17, "5": 13, "6": 9, "7": 29}),
    "thyroid_new": (215, 5, {"1": 150, "2": 35, "3": 30}),
}


@pytest.mark.parametrize("entry", PACKED, ids=lambda entry: entry.name)
def test_a_packaged_set_is_what_the_manifest_says(entry):
    data = datasets.load(entry.name)
    assert data.X.shape == (entry.rows, *entry.shape)
    assert len(data.y) == entry.rows
    assert (None if data.X_test is None else len(data.X_test)) == entry.rows_test
    assert data.where == "packaged"
    assert data.sha256 == entry.parts[0].sha256
    for text in (data.source, data.licence, data.citation, data.missing):
        assert text
    if data.image_shape is not None:
        assert data.X.reshape(len(data.X), *data.image_shape).ndim == 1 + len(data.image_shape)
    if entry.classes is None:
        assert data.task == "regression" and data.class_names is None
        assert data.y.dtype == np.float64 and np.isfinite(data.y).all()
    else:
        labels = data.y if data.y.dtype.kind == "U" else np.array(data.class_names)[data.y]
        values, counts = np.unique(labels, return_counts=True)
        assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == entry.classes
        assert set(data.class_names) == set(entry.classes)


@pytest.mark.parametrize("entry", PACKED, ids=lambda entry: entry.name)
def test_the_digest_is_that_of_the_file(entry):
    (part,) = entry.parts
    if entry.format == "csv":
        content = gzip.decompress((PACKAGED / f"{part.name}.gz").read_bytes())
    else:
        content = (PACKAGED / part.name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == part.sha256 and len(content) == part.size


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes_and_class_counts(name):
    n, d, classes = PUBLISHED[name]
    data = datasets.load(name)
    assert data.X.shape == (n, d)
    assert {value: int((data.y == value).sum()) for value in data.class_names} == classes


@pytest.mark.parametrize("entry", TABLES, ids=lambda entry: entry.name)
def test_missing_cells_are_nan_and_dropped_only_on_request(entry):
    data = datasets.load(entry.name)
    assert np.isnan(data.X).any(axis=1).sum() == entry.rows_with_missing
    assert len(data.feature_names) == data.X.shape[1]
    complete = data.drop_missing()
    assert len(complete.X) == len(complete.y) == entry.rows - entry.rows_with_missing
    assert np.isfinite(complete.X).all() and not complete.X.flags.writeable
    assert "=" in "".join(data.feature_names) or np.isnan(data.X).sum() == entry.missing_cells


def test_indicators_of_a_category_add_up_to_one_or_are_missing_together():
    vote = datasets.load("vote")
    assert vote.feature_names[:2] == ("handicapped_infants=n", "handicapped_infants=y")
    pairs = vote.X.reshape(435, 16, 2)
    assert np.isin(pairs.sum(axis=2)[~np.isnan(pairs).any(axis=2)], 1).all()
    assert (np.isnan(pairs).any(axis=2) == np.isnan(pairs).all(axis=2)).all()
    assert np.isnan(pairs).all(axis=2).sum() == 392


def test_columns_that_name_the_sample_are_left_out():
    assert datasets.load("cpu_performance").feature_names == (
        "myct",
        "mmin",
        "mmax",
        "cach",
        "chmin",
        "chmax",
    )
    assert "car_name" not in "".join(datasets.load("auto_mpg").feature_names)


@pytest.mark.parametrize("name", ["sonar", "mnist-small", "textures"])
def test_arrays_cannot_be_written_to_and_the_record_cannot_be_changed(name):
    data = datasets.load(name)
    for array in (data.X, data.y, data.X_test, data.y_test):
        if array is not None:
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
    with pytest.raises(AttributeError):
        data.X = None


def test_making_a_record_leaves_the_caller_s_array_writable():
    X = np.zeros((2, 1))
    assert not datasets.Dataset("mine", "regression", X, np.zeros(2)).X.flags.writeable
    assert X.flags.writeable


def test_textures_are_three_pictures_in_the_order_of_their_names():
    textures = datasets.load("textures")
    assert textures.class_names == ("brick", "grass", "gravel") and textures.y.tolist() == [0, 1, 2]
    assert len({picture.tobytes() for picture in textures.X}) == 3


def test_only_what_may_be_distributed_is_packaged():
    files = {path.relative_to(PACKAGED).as_posix() for path in PACKAGED.rglob("*") if path.is_file()}
    parts = {part.name + (".gz" if entry.format == "csv" else "") for entry in PACKED for part in entry.parts}
    notices = {"uci/NOTICE.md", "images/NOTICE.md", "mnist/NOTICE.md"}
    assert files == parts | notices | {"manifest.json"}
    assert not {entry.name for entry in PACKED} & UNCLEAR
    assert sum((PACKAGED / file).stat().st_size for file in files) < 6e6
    assert "by-sa/3.0" in (PACKAGED / "mnist/NOTICE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("entry", TABLES, ids=lambda entry: entry.name)
def test_packed_tables_do_not_depend_on_when_they_were_packed(entry):
    packed = (PACKAGED / f"{entry.parts[0].name}.gz").read_bytes()
    assert packed[4:8] == bytes(4)  # gzip's time stamp


@pytest.mark.parametrize("damage", ["change", "truncate", "cut the stream", "append"])
def test_a_damaged_file_is_refused(damage, tmp_path):
    location = locate(datasets.catalog.find("sonar"))
    spoiled = tmp_path / "sonar.csv.gz"
    shutil.copy(location.files[0], spoiled)
    packed, text = spoiled.read_bytes(), gzip.decompress(spoiled.read_bytes())
    spoiled.write_bytes(
        {
            "change": gzip.compress(text.replace(b"0.0200", b"0.0201", 1)),
            "truncate": gzip.compress(text[: len(text) // 2]),
            "cut the stream": packed[: len(packed) // 2],
            "append": gzip.compress(text + b"\n"),
        }[damage]
    )
    with pytest.raises(datasets.DatasetCorruptError, match=r"sonar\.csv\.gz"):
        read(Location(location.entry, tmp_path, (spoiled,)))


def test_the_digest_is_checked_before_the_content_is_parsed(tmp_path):
    entry = datasets.catalog.find("textures")
    hostile = tmp_path / "textures.npz"
    np.savez(hostile, brick=np.array([{"an": "object"}], dtype=object))
    bigger = replace(entry, parts=(replace(entry.parts[0], size=1 << 20),))
    with pytest.raises(datasets.DatasetCorruptError, match="expected fadb3a47"):
        read(Location(bigger, tmp_path, (hostile,)))


def test_the_manifest_has_no_unknown_key_and_names_are_distinct_when_read_loosely():
    manifest = json.loads((PACKAGED / "manifest.json").read_text(encoding="utf-8"))
    value = manifest["sonar"] | {"colour": "blue"}
    with pytest.raises(TypeError, match="colour"):
        datasets.catalog.Entry.from_json("sonar", value)
    assert len({name.replace("-", "").replace("_", "").lower() for name in manifest}) == len(manifest)


@pytest.mark.parametrize("name", ["fashion-mnist-small", "fashion_mnist_small", "Fashion-MNIST_small"])
def test_case_hyphen_and_underscore_do_not_matter(name):
    assert datasets.load(name).name == "fashion-mnist-small"


def test_an_unknown_name_lists_close_matches():
    with pytest.raises(ValueError, match="'heart_statlog'"):
        datasets.load("heart-statlok")
    with pytest.raises(ValueError, match="there are: breast_cancer_original, .*svhn"):
        datasets.load("@")
    with pytest.raises(ValueError, match="name must be a str, got None"):
        datasets.load(None)


def test_importing_the_data_sets_imports_nothing_heavy():
    heavy = ("torch", "cvxpy", "scipy", "sklearn", "pandas", "urllib.request")
    code = f"import sys, kernelopt.datasets as d; d.load('sonar'); print(sys.modules.keys() & {heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
