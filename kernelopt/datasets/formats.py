"""The official formats of image sets, from bytes to arrays: IDX, CIFAR, ESL, SVHN and npz.

Every reader checks the sizes a file announces against the bytes that are there before it
makes an array, and none of them unpickles.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib

import numpy as np

from kernelopt.datasets.errors import DatasetCorruptError

_UBYTE = 0x08  # the only IDX element type these sets use
_CIFAR_IMAGE = 3 * 32 * 32
_USPS_IMAGE = 16 * 16
_MAX_NPZ = 1 << 28
_NO_NPZ = (
    ValueError,
    EOFError,
    OSError,
    SyntaxError,
    MemoryError,  # a header that announces more than fits
    RuntimeError,  # zipfile: an encrypted member, or a compression it does not know
    zipfile.BadZipFile,
    zlib.error,
)


def read_idx(data: bytes, what: str) -> np.ndarray:
    """Return the array of an IDX file, the format of MNIST and Fashion-MNIST.

    Parameters
    ----------
    data : bytes
        The uncompressed file: ``0 0 8 ndim``, `ndim` big-endian 32-bit sizes, the bytes.
    what : str
        Name of the file, for messages.

    Returns
    -------
    ndarray of uint8, shape as announced

    Raises
    ------
    DatasetCorruptError
        If the magic number is wrong or the sizes disagree with the length of the file.

    Examples
    --------
    >>> read_idx(bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9]), "three pixels")
    array([[7, 8, 9]], dtype=uint8)
    """
    if len(data) < 4 or data[:3] != bytes([0, 0, _UBYTE]) or not 1 <= data[3] <= 4:
        raise DatasetCorruptError(
            f"{what} is not an IDX file of bytes: it begins with {data[:4].hex(' ')}, expected 00 00 08 and 01 to 04"
        )
    ndim = data[3]
    start = 4 + 4 * ndim
    shape = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4))
    if len(data) < start or len(data) - start != math.prod(shape):
        raise DatasetCorruptError(
            f"{what} announces an array of shape {shape}, {start + math.prod(shape)} bytes with its header, "
            f"but has {len(data)}. Fetch it again."
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def read_cifar_batch(data: bytes, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of one batch of CIFAR-10's binary version.

    Parameters
    ----------
    data : bytes
        Records of one label byte and 3072 pixel bytes: the red, green and blue planes.
    what : str
        Name of the file, for messages.

    Returns
    -------
    X : ndarray of uint8, shape (n, 32, 32, 3)
    y : ndarray of int64, shape (n,)

    Raises
    ------
    DatasetCorruptError
        If the length is no multiple of a record, or a label is above 9.
    """
    if not data or len(data) % (1 + _CIFAR_IMAGE):
        raise DatasetCorruptError(f"{what} has {len(data)} bytes, no positive multiple of {1 + _CIFAR_IMAGE}")
    records = np.frombuffer(data, np.uint8).reshape(-1, 1 + _CIFAR_IMAGE)
    y = records[:, 0].astype(np.int64)
    if y.max() > 9:
        raise DatasetCorruptError(f"{what} holds the label {y.max()}; CIFAR-10 has 0 to 9")
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), y


def read_esl(data: bytes, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of a USPS file of The Elements of Statistical Learning.

    Parameters
    ----------
    data : bytes
        Text: on each line the digit and 256 grey values in [-1, 1].
    what : str
        Name of the file, for messages.

    Returns
    -------
    X : ndarray of float64, shape (n, 16, 16)
    y : ndarray of int64, shape (n,)

    Raises
    ------
    DatasetCorruptError
        If a line has not 257 numbers, a label is no digit, or a value is outside [-1, 1].
    """
    if not data.strip():
        raise DatasetCorruptError(f"{what} is empty")
    try:
        table = np.loadtxt(io.BytesIO(data), dtype=np.float64, ndmin=2, comments=None, encoding="ascii")
    except ValueError as error:
        raise DatasetCorruptError(f"{what} is not a table of numbers: {error}") from error
    if table.shape[1] != 1 + _USPS_IMAGE:
        raise DatasetCorruptError(f"{what} has {table.shape[1]} numbers on a line, expected {1 + _USPS_IMAGE}")
    labels, X = table[:, 0], table[:, 1:]
    if not np.isin(labels, np.arange(10)).all() or not (np.abs(X) <= 1).all():
        raise DatasetCorruptError(f"{what} has a label that is no digit or a grey value outside [-1, 1]")
    return X.reshape(-1, 16, 16), labels.astype(np.int64)


def read_svhn(data: bytes, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of a cropped SVHN file, where the digit 0 has the label 10.

    Parameters
    ----------
    data : bytes
        A MATLAB 5 file with ``X`` (32, 32, 3, n) and ``y`` (n, 1).
    what : str
        Name of the file, for messages.

    Returns
    -------
    X : ndarray of uint8, shape (n, 32, 32, 3)
    y : ndarray of int64, shape (n,)
        The digit itself: 0 to 9.

    Raises
    ------
    DatasetCorruptError
        If it is no MATLAB 5 file, or the arrays have other shapes or labels.

    Notes
    -----
    SciPy's parser can crash the process on a damaged file: give it only bytes of known digest,
    as `kernelopt.datasets.load` does.
    """
    from scipy.io import loadmat  # a slow import that only this format needs

    try:
        content = loadmat(io.BytesIO(data), variable_names=("X", "y"))
    except Exception as error:  # loadmat raises a dozen types on damaged input
        raise DatasetCorruptError(f"{what} is not a MATLAB 5 file: {error}") from error
    images, labels = content.get("X"), content.get("y")
    if (
        not isinstance(images, np.ndarray)
        or not isinstance(labels, np.ndarray)
        or images.dtype != np.uint8
        or images.shape[:-1] != (32, 32, 3)
        or labels.size != images.shape[-1]
        or not np.isin(labels, np.arange(1, 11)).all()
    ):
        raise DatasetCorruptError(
            f"{what} must hold X, bytes of shape (32, 32, 3, n), and y, n labels from 1 to 10; it holds "
            f"X {getattr(images, 'shape', None)} and y {getattr(labels, 'shape', None)}"
        )
    return np.ascontiguousarray(np.moveaxis(images, -1, 0)), labels.ravel().astype(np.int64) % 10


def read_npz(data: bytes, what: str) -> dict[str, np.ndarray]:
    """Return the arrays of an npz file, never unpickling and never unpacking more than 256 MiB.

    Parameters
    ----------
    data : bytes
        The file.
    what : str
        Name of the file, for messages.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    DatasetCorruptError
        If it is no npz file, holds objects, announces more than there is, or would unpack to
        more than the limit.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MAX_NPZ:
            raise DatasetCorruptError(f"{what} unpacks to {size} bytes, more than the limit of {_MAX_NPZ}")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except DatasetCorruptError:
        raise
    except _NO_NPZ as error:
        raise DatasetCorruptError(f"{what} is not an npz file of plain arrays: {error}") from error
