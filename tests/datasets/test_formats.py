"""Every format is read as its specification says, and refused when it is not what it claims."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from kernelopt.datasets import DatasetCorruptError
from kernelopt.datasets.formats import read_cifar_batch, read_esl, read_idx, read_npz, read_svhn
from kernelopt.datasets.tabular import read_table


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def mat(**arrays):
    stream = io.BytesIO()
    savemat(stream, arrays)
    return stream.getvalue()


def npz(**arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


IMAGES = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize("array", [IMAGES, IMAGES[0], IMAGES[0, 0], IMAGES[:0]], ids=["3-D", "2-D", "1-D", "empty"])
def test_idx_round_trip(array):
    assert np.array_equal(read_idx(idx(array), "x"), array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an IDX file"),
        (idx(IMAGES)[:7], "announces"),
        (idx(IMAGES)[:-1], "but has 75"),
        (idx(IMAGES) + b"\0", "but has 77"),
        (b"\1" + idx(IMAGES)[1:], "not an IDX file"),
        (bytes([0, 0, 13, 1]) + idx(IMAGES)[4:], "not an IDX file"),
        (bytes([0, 0, 8, 255]) + idx(IMAGES)[4:], "not an IDX file"),
        (bytes([0, 0, 8, 4]) + b"\xff" * 16 + bytes(99), "announces"),
    ],
    ids=["empty", "cut header", "truncated", "too long", "magic", "floats", "255-D", "2^128 bytes"],
)
def test_idx_that_is_not_what_it_claims_is_refused(data, message):
    with pytest.raises(DatasetCorruptError, match=message):
        read_idx(data, "some-file")


@given(st.binary(max_size=64))
def test_no_bytes_make_the_idx_reader_fail_in_another_way(data):
    try:
        assert read_idx(b"\0\0\x08" + data, "x").size <= len(data)
    except DatasetCorruptError:
        pass


def test_cifar_planes_become_the_last_axis():
    X = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    data = b"".join(bytes([label]) + image.transpose(2, 0, 1).tobytes() for label, image in zip((3, 9), X, strict=True))
    images, labels = read_cifar_batch(data, "x")
    assert np.array_equal(images, X) and labels.tolist() == [3, 9]


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "0 bytes"), (bytes(3074), "3074 bytes"), (bytes([10]) + bytes(3072), "label 10")],
    ids=["empty", "not whole", "label"],
)
def test_cifar_that_is_not_is_refused(data, message):
    with pytest.raises(DatasetCorruptError, match=message):
        read_cifar_batch(data, "x")


def test_esl_round_trip():
    X = np.random.default_rng(2).integers(-1000, 1001, (3, 16, 16)) / 1000
    text = "\n".join(
        f"{label:.4f} " + " ".join(f"{v:.4f}" for v in image.ravel()) + " "
        for label, image in zip((6, 0, 9), X, strict=True)
    )
    images, labels = read_esl(text.encode(), "x")
    assert np.array_equal(images, X) and labels.tolist() == [6, 0, 9]


ROW = "5 " + "0.5 " * 256
ESL_FAULTS = {
    "empty": " ",
    "text": "hello",
    "narrow": "5 " + "0.5 " * 255,
    "ragged": ROW + "\n" + ROW + "0.5",
    "label": "10" + ROW[1:],
    "fraction": "5.5" + ROW[1:],
    "range": ROW.replace("0.5", "1.5", 1),
    "nan": ROW.replace("0.5", "nan", 1),
}


@pytest.mark.parametrize("text", ESL_FAULTS.values(), ids=ESL_FAULTS)
def test_esl_that_is_not_is_refused(text):
    with pytest.raises(DatasetCorruptError, match="some-file"):
        read_esl(text.encode(), "some-file")


def test_svhn_round_trip_with_ten_as_zero():
    X = np.random.default_rng(3).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    data = mat(X=np.moveaxis(X, 0, -1), y=np.array([[1], [10], [9], [10]], dtype=np.uint8))
    images, labels = read_svhn(data, "x")
    assert np.array_equal(images, X) and labels.tolist() == [1, 0, 9, 0]


SQUARE = np.zeros((32, 32, 3, 2), dtype=np.uint8)
SVHN_FAULTS = {
    "no file": b"MATLAB 5.0 MAT-file" + bytes(200),
    "no y": mat(X=SQUARE),
    "label 0": mat(X=SQUARE, y=np.array([[0], [1]])),
    "shape": mat(X=SQUARE[:, :31], y=np.array([[1], [2]])),
    "floats": mat(X=SQUARE.astype(float), y=np.array([[1], [2]])),
    "counts": mat(X=SQUARE, y=np.array([[1]])),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(600),
}


@pytest.mark.parametrize("data", SVHN_FAULTS.values(), ids=SVHN_FAULTS)
@pytest.mark.filterwarnings("ignore:.*mat file.*")
def test_svhn_that_is_not_is_refused(data):
    with pytest.raises(DatasetCorruptError, match="some-file"):
        read_svhn(data, "some-file")


class Bomb:
    """Leaves a mark if it is ever unpickled."""

    went_off = False

    def __reduce__(self):
        return (setattr, (Bomb, "went_off", True))


def test_an_npz_with_objects_is_refused_and_never_unpickled():
    pickled = pickle.dumps(Bomb())
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("X.pkl", pickled)
    objects = npz(X=np.array([Bomb()], dtype=object))
    Bomb.went_off = False
    for data in (objects, pickled, b"PK nonsense", b""):
        with pytest.raises(DatasetCorruptError, match="some-file"):
            read_npz(data, "some-file")
    read_npz(stream.getvalue(), "raw members are bytes")
    assert not Bomb.went_off


def test_an_npz_bomb_is_refused_before_it_is_unpacked():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("X.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (257 << 20,)})
        for _ in range(257):
            member.write(bytes(1 << 20))
    assert len(stream.getvalue()) < 1e6
    with pytest.raises(DatasetCorruptError, match="more than the limit"):
        read_npz(stream.getvalue(), "x")


@pytest.mark.parametrize("n", [1 << 20, 1 << 40, 1 << 62, -1], ids=["1 MB", "1 TB", "2^62 bytes", "negative"])
def test_an_npz_whose_header_announces_more_than_there_is_is_refused(n):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, archive.open("X.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (n,)})
        member.write(b"four")
    with pytest.raises(DatasetCorruptError, match="some-file"):
        read_npz(stream.getvalue(), "some-file")


def test_no_damage_makes_the_npz_reader_fail_in_another_way():
    rng, good = np.random.default_rng(0), npz(X=np.arange(9), y=np.ones((2, 3)))
    refused = 0
    for _ in range(500):
        spoiled = bytearray(good)
        for place in rng.integers(len(good), size=rng.integers(1, 4)):
            spoiled[place] = rng.integers(256)
        try:
            read_npz(bytes(spoiled), "x")
        except DatasetCorruptError:
            refused += 1
    assert refused > 100


TABLE_FAULTS = {
    "empty": b"",
    "header only": b"a,target\n",
    "no target": b"a,b\n1,2\n",
    "target first": b"target,a\n1,2\n",
    "no feature": b"target\n1\n",
    "repeated": b"a,a,target\n1,2,3\n",
    "short row": b"a,b,target\n1,2,3\n1,2\n",
    "long row": b"a,target\n1,2,3\n",
    "latin-1": b"a,target\n\xe9,2\n",
    "quote": b'a,target\n"1,2\n',
}


@pytest.mark.parametrize("data", TABLE_FAULTS.values(), ids=TABLE_FAULTS)
def test_a_table_that_is_not_is_refused(data):
    with pytest.raises(DatasetCorruptError, match="some-file"):
        read_table(data, "some-file")


def test_a_number_with_leading_zeros_is_a_number_and_an_identifier_is_left_out():
    X, y, names = read_table(b"id,a,target\nx,01,+\ny,,-\n", "x", identifiers=["id"])
    assert names == ("a",) and y.tolist() == ["+", "-"]
    assert X[0, 0] == 1 and np.isnan(X[1, 0])
