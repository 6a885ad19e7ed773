"""Estimators in files, without pickle: `save` and `load`.

A file is an uncompressed zip of ``model.json`` (names, parameters, fitted attributes), arrays in NumPy's
format and networks' weights as safetensors. It can be opened with any zip program, and loading it runs
nothing that the file brings: classes and functions are looked up in `kernelopt.persist.registry`.
"""

from __future__ import annotations

import json
import os
import warnings
from typing import Any

from sklearn.base import BaseEstimator

import kernelopt
from kernelopt.persist.codec import Reader, Writer
from kernelopt.persist.container import MODEL, read, write
from kernelopt.persist.registry import name_of

__all__ = ["load", "save"]

FORMAT = "kernelopt model"
FORMAT_VERSION = 1  # counted up when an older kernelopt could no longer read what is written


def save(estimator: BaseEstimator, path: str | os.PathLike) -> None:
    """Write an estimator of kernelopt, fitted or not, to one file.

    The file is replaced at once: a reader, or a crash, finds the old one or the new one. Equal estimators
    give equal bytes. Parameters that are path-like objects, such as `trace` and `checkpoint`, come back as text.

    Parameters
    ----------
    estimator : estimator
        One of kernelopt's public estimators.
    path : str or path-like
        Where to write, with any suffix; an existing file is replaced.

    Raises
    ------
    ValueError
        If the estimator, a parameter or a fitted attribute cannot be written without code: functions of
        one's own as kernels or banks, and `RandomState` objects. The message names it. Nothing is
        written then.
    MissingExtraError
        For a network, without the ``conv`` extra.

    See Also
    --------
    load : the inverse.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from sklearn.datasets import load_iris
    >>> from kernelopt import MKLClassifier, load, save
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = MKLClassifier(C=10.0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "iris.kernelopt"
    ...     save(classifier, path)
    ...     again = load(path)
    >>> bool((again.decision_function(X) == classifier.decision_function(X)).all())
    True
    """
    if not isinstance(estimator, BaseEstimator) or name_of(type(estimator)) is None:
        raise ValueError(
            f"estimator is {type(estimator).__module__}.{type(estimator).__qualname__}, but save writes kernelopt's "
            f"own estimators only; of a pipeline, save that step"
        )
    writer = Writer()
    model = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kernelopt": kernelopt.__version__,
        "model": writer.node(estimator, type(estimator).__name__),
    }
    text = json.dumps(model, indent=1, allow_nan=False).encode("ascii")
    write(path, {MODEL: text, **writer.members})


def load(path: str | os.PathLike) -> Any:
    """Return the estimator that `save` wrote to a file.

    Safe on files from anywhere: no code is run or imported on a file's behalf, nothing is unpacked to
    disk, and the memory taken is in proportion to the size of the file.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    estimator
        With the same parameters and fitted attributes; its predictions are the same bits where NumPy, SciPy
        and torch are the same. Parameters that the file does not hold take their defaults.

    Raises
    ------
    ValueError
        If the file is damaged, is no model of kernelopt, has a newer format, or names a class, a
        function or a parameter that this kernelopt does not know.
    MissingExtraError
        For a network, without the ``conv`` extra.

    Warns
    -----
    UserWarning
        If another version of kernelopt wrote the file.

    See Also
    --------
    save : the inverse, with an example.
    """
    try:
        members = read(path)
        estimator, version = _decode(members)
    except RecursionError as error:
        raise ValueError(f"{os.fspath(path)!r} cannot be loaded: {MODEL} is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} cannot be loaded: {error}") from error
    if version != kernelopt.__version__:
        warnings.warn(
            f"{os.fspath(path)!r} was saved by kernelopt {version}, this is {kernelopt.__version__}: fitted attributes "
            f"may have changed their meaning in between; fit again if results differ",
            stacklevel=2,
        )
    return estimator


def _decode(members: dict[str, bytes]) -> tuple[Any, str]:
    try:
        model = json.loads(members[MODEL].decode("ascii"), parse_constant=_no_constant)
    except ValueError as error:
        raise ValueError(f"{MODEL} is not the JSON that kernelopt.save writes: {error}") from error
    if not isinstance(model, dict) or model.get("format") != FORMAT:
        raise ValueError(f"{MODEL} does not say that it is a {FORMAT}; it was not made by kernelopt.save")
    version = model.get("format_version")
    if type(version) is not int or version < 1:
        raise ValueError(f"format_version is {version!r}, expected a positive integer; the file is damaged")
    if version > FORMAT_VERSION:
        raise ValueError(
            f"format_version is {version}, but kernelopt {kernelopt.__version__} reads up to {FORMAT_VERSION}; "
            f"upgrade kernelopt"
        )
    if set(model) != {"format", "format_version", "kernelopt", "model"} or not isinstance(model["kernelopt"], str):
        raise ValueError(f"{MODEL} has entries {sorted(model)}, expected format, format_version, kernelopt, model")
    estimator = Reader(members).node(model["model"], "model")
    if not isinstance(estimator, BaseEstimator):
        raise ValueError(f"{MODEL} holds a {type(estimator).__name__}, expected an estimator")
    return estimator, model["kernelopt"]


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
