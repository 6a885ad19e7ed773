"""What a value is, in words that may enter a digest: the same in every process, another for other code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

from kernelopt.evaluation.specs import plain


def identity(value: Any, where: str = "a value") -> Any:
    """Return `kernelopt.evaluation.specs.plain` of a value, with a digest of the code of every function in it.

    A function's name does not say what it does: all lambdas of a module are called alike, and a function is edited.
    Its code, its defaults and the values it closes over do, as far as it is concerned itself; what it calls by name
    does not take part. A class that no module holds (of ``__main__``, or local) is treated in the same way. What a
    text names, ``"module:name"``, is that text.

    Parameters
    ----------
    value : object
        Of a method: its estimator, parameters, grid.
    where : str
        What to call it in an error.

    Raises
    ------
    ValueError
        An object that shows its address, which is another in every process.

    Examples
    --------
    >>> identity({"C": (1, 2.0)})
    {'C': [1, 2.0]}
    >>> identity(lambda: 1) == identity(lambda: 2), identity(lambda: 1) == identity(lambda: 1)
    (False, True)
    """
    return _identity(value, where, ())


def _identity(value: Any, where: str, within: tuple[int, ...]) -> Any:
    def inner(item: Any, name: str) -> Any:
        return _identity(item, f"{where}.{name}", (*within, id(value)))

    if id(value) in within and not isinstance(value, str | int | float | None):
        return "itself"  # a function that closes over itself
    if isinstance(value, SimpleNamespace):
        return {"namespace": inner(vars(value), "namespace")}
    if isinstance(value, Mapping):
        return {str(key): inner(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [inner(item, str(i)) for i, item in enumerate(value)]
    if isinstance(value, partial):
        keywords = {key: inner(item, key) for key, item in value.keywords.items()}
        return {"partial": inner(value.func, "partial"), "args": inner(value.args, "args"), **keywords}
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, MethodType):
        return {"method": inner(value.__func__, value.__name__), "of": inner(value.__self__, "self")}
    if isinstance(value, FunctionType):
        return f"{plain(value)}#{_digest(_of_function(value, inner))}"
    if isinstance(value, type):
        local = value.__module__ == "__main__" or "<locals>" in value.__qualname__
        return f"{plain(value)}#{_digest(_of_class(value, inner))}" if local else plain(value)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return inner(value.tolist(), "values")
    if hasattr(value, "get_params"):
        kind = type(value)
        return {"call": inner(kind, kind.__name__), **inner(value.get_params(deep=False), kind.__name__)}
    shown = plain(value)
    if not isinstance(value, str) and isinstance(shown, str) and " at 0x" in shown:
        raise ValueError(
            f"{where} is {shown}, which shows an address and not what it is, so that its records could not be found "
            f"again. Give 'module:name' as a text, a plain value, or an object whose repr says all of it"
        )
    return shown


def _digest(content: Any) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()[:32]


def _of_function(function: FunctionType, inner: Any) -> list[Any]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return [
        _of_code(function.__code__),
        inner(function.__defaults__, "defaults"),
        inner(function.__kwdefaults__, "defaults"),
        [(name, _of_cell(cell, name, inner)) for name, cell in cells],
    ]


def _of_cell(cell: Any, name: str, inner: Any) -> Any:
    try:
        return inner(cell.cell_contents, name)
    except ValueError as error:
        if "Cell is empty" in str(error):
            return "empty"
        raise


def _of_class(kind: type, inner: Any) -> list[Any]:
    """Return the bases, the functions and the plain values of a class."""
    found: list[Any] = [inner(base, "base") for base in kind.__bases__]
    for name, item in sorted(vars(kind).items()):
        item = getattr(item, "__func__", getattr(item, "fget", item))  # behind staticmethod, classmethod, property
        if isinstance(item, FunctionType):
            found.append((name, inner(item, name)))
        elif not name.startswith("__") and isinstance(item, bool | int | float | str | tuple | None):
            found.append((name, inner(item, name)))
    return found


def _of_code(code: CodeType) -> list[Any]:
    names = (code.co_names, code.co_varnames, code.co_freevars)
    return [code.co_code.hex(), names, [_of_constant(constant) for constant in code.co_consts]]


def _of_constant(constant: Any) -> Any:
    if isinstance(constant, CodeType):
        return _of_code(constant)
    if isinstance(constant, frozenset):
        return sorted(map(repr, constant))  # whose own order is another in every process
    if isinstance(constant, tuple):
        return [_of_constant(item) for item in constant]
    return repr(constant)
