"""Objects described by plain values: strict tables, ``"module:name"``, tables that are called, ``$`` placeholders.

What a study names is imported and called. A study is code: run those of authors you trust, as you would a script.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

WORDS = ("call", "partial", "object")


def check_keys(table: Any, where: str, allowed: Collection[str]) -> None:
    """Refuse anything but a table whose keys are all known.

    Parameters
    ----------
    table : mapping
        As TOML gives it.
    where : str
        What to call it in an error.
    allowed : collection of str
        The keys there are.

    Raises
    ------
    ValueError
        It is no table, or has a key of another name; the error proposes the nearest one.

    Examples
    --------
    >>> check_keys({"name": "heart"}, "data", ("name", "scale"))
    >>> check_keys({"scales": "unit"}, "data", ("name", "scale"))
    Traceback (most recent call last):
    ...
    ValueError: data has an unknown key 'scales' (did you mean 'scale'?); its keys are name, scale
    """
    if not isinstance(table, Mapping):
        raise ValueError(f"{where} must be a table, found {table!r}")
    for key in table:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(f"{where} has an unknown key {key!r}{hint}; its keys are {', '.join(allowed)}")


def find_object(path: str, where: str = "an object") -> Any:
    """Return what ``"module:name"`` names; the name may have dots.

    Raises
    ------
    ValueError
        The text has another form, the module cannot be imported, or it has no such name.

    Examples
    --------
    >>> find_object("math:pi")
    3.141592653589793
    """
    module, colon, name = path.partition(":")
    if not colon or not module or not name:
        raise ValueError(f"{where} must be written 'module:name', for example 'sklearn.svm:SVC', found {path!r}")
    try:
        found = import_module(module)
    except ImportError as error:
        raise ValueError(f"{where}: module {module!r} of {path!r} cannot be imported: {error}") from error
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise ValueError(f"{where}: {path!r} does not exist: {error}") from error
    return found


@contextmanager
def modules_beside(file: str | Path) -> Iterator[None]:
    """Let modules in a study file's folder, and in the current one, be imported; here and in the processes of cells.

    They come last, so that a file with the name of an installed module does not take its place.

    Examples
    --------
    >>> with modules_beside("/somewhere/study.toml"):
    ...     "/somewhere" in sys.path
    True
    """
    before = list(sys.path)
    sys.path += [folder for folder in (str(Path(file).absolute().parent), str(Path.cwd())) if folder not in before]
    try:
        yield
    finally:
        sys.path[:] = before


def build(value: Any, where: str = "a value") -> Any:
    """Return a value with its tables turned into the objects they describe, inner ones first.

    - ``{call = "module:name", ...}`` is the result of calling it with the rest of the table as keywords;
    - ``{partial = "module:name", ...}`` is the callable with those keywords fixed: for families of kernels, which
      want the training inputs;
    - ``{object = "module:name"}`` is the object itself.

    Positional arguments go into a list ``args``. Any other table, and any list, is built item by item.

    Raises
    ------
    ValueError
        A table with two of the words, a name that does not exist, arguments that do not fit.

    Examples
    --------
    >>> build({"call": "fractions:Fraction", "args": [3, 6]})
    Fraction(1, 2)
    >>> build([{"partial": "builtins:int", "base": 2}])[0]("101")
    5
    """
    if isinstance(value, list | tuple):
        return type(value)(build(item, f"{where}[{i}]") for i, item in enumerate(value))
    if not isinstance(value, Mapping):
        return value
    words = [word for word in WORDS if word in value]
    if not words:
        return {key: build(item, f"{where}.{key}") for key, item in value.items()}
    if len(words) > 1:
        raise ValueError(f"{where} has {' and '.join(map(repr, words))}; use one of them")
    word = words[0]
    path = value[word]
    found = find_object(path, where) if isinstance(path, str) else path
    rest = {key: build(item, f"{where}.{key}") for key, item in value.items() if key not in (word, "args")}
    args = build(list(value.get("args", [])), f"{where}.args")
    if word == "object":
        if rest or args:
            raise ValueError(f"{where}: an object takes no arguments, found {', '.join(rest) or 'args'}; use 'call'")
        return found
    if not callable(found):
        raise ValueError(f"{where}: {path!r} cannot be called; use 'object'")
    if word == "partial":
        return partial(found, *args, **rest)
    _check_call(found, args, rest, where, str(path))
    return found(*args, **rest)


def _check_call(function: Callable, args: list, keywords: dict, where: str, path: str) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # a builtin, which checks for itself
    try:
        signature.bind(*args, **keywords)
    except TypeError as error:
        try:
            signature.bind_partial(*args, **keywords)
        except TypeError:
            hint = ""
        else:
            hint = ". If it is to be called later, with the training inputs, write 'partial' for 'call'"
        raise ValueError(f"{where}: {path!r} cannot be called with {keywords or 'nothing'}: {error}{hint}") from error


def substitute(value: Any, known: Mapping[str, Any], where: str = "a value") -> Any:
    """Return a value in which every string ``"$name"`` is replaced by what the name stands for.

    Raises
    ------
    ValueError
        A name that stands for nothing.

    Examples
    --------
    >>> substitute({"gamma": ["$gamma", 1.0]}, {"gamma": 0.5})
    {'gamma': [0.5, 1.0]}
    """
    if isinstance(value, str) and value.startswith("$"):
        if value[1:] not in known:
            raise ValueError(f"{where}: nothing is called {value}; there are {', '.join('$' + k for k in known)}")
        return known[value[1:]]
    if isinstance(value, Mapping):
        return {key: substitute(item, known, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(substitute(item, known, f"{where}[{i}]") for i, item in enumerate(value))
    return value


def plain(value: Any) -> Any:
    """Return a value in words that JSON has: itself if it is plain, else how it is called or shown.

    The text of an object that shows no address is the same in every process, so that it may enter a digest.

    Examples
    --------
    >>> import math
    >>> plain({"f": math.hypot, "x": (1, 2.0)})
    {'f': 'math:hypot', 'x': [1, 2.0]}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, partial):
        return {"partial": plain(value.func), "args": plain(value.args), **plain(value.keywords)}
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return plain(value.tolist())
    name = getattr(value, "__qualname__", None)
    if name is not None:
        return f"{value.__module__}:{name}"
    if hasattr(value, "get_params"):
        kind = type(value)
        return {"call": f"{kind.__module__}:{kind.__qualname__}", **plain(value.get_params(deep=False))}
    return repr(value)
