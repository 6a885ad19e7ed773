"""Values as JSON: scalars and lists stay what they are, everything else becomes an object with a "type".

`Writer` and `Reader` are exact inverses: types, signs of zero, NaN and the order of arrays in memory come
back. Path-like objects alone come back as text, which names the same file and is no class of one system.
Types are compared exactly (a NumPy float *is* a Python float to ``isinstance``).
"""

from __future__ import annotations

import functools
import inspect
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

from kernelopt.persist.container import PLAIN, Refused, read_array
from kernelopt.persist.networks import NETWORKS, build_network, network_bytes, network_name
from kernelopt.persist.registry import arguments_of, build, class_named, functions, name_of, scalar_types

SPARSE = {"csr_array": sparse.csr_array, "csr_matrix": sparse.csr_matrix}
COLLECTIONS: dict[str, Callable[[Any], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}
LONGEST_RANGE = 10**7  # ranges stand for columns; a short file may not make a constructor expand a long one


class Writer:
    """Turns values into JSON nodes; arrays and weights are collected in `members`, each array once."""

    def __init__(self):
        self.members: dict[str, bytes | np.ndarray] = {}
        self._names: dict[int, str] = {}
        self._inside: set[int] = set()

    def node(self, value: Any, where: str, owner: Any = None) -> Any:
        """Return the node of a value; `where` names it in errors, `owner` is the estimator that holds it."""
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if math.isfinite(value) else {"type": "float", "value": repr(value)}
        if isinstance(value, os.PathLike):
            return self.node(os.fspath(value), where)
        if id(value) in self._inside:
            raise ValueError(f"{where} contains itself, which cannot be saved; break the cycle")
        self._inside.add(id(value))
        try:
            return self._compound(value, kind, where, owner)
        finally:
            self._inside.remove(id(value))

    def _compound(self, value: Any, kind: type, where: str, owner: Any) -> Any:
        if kind is list:
            return self._nodes(value, where)
        if kind.__name__ in COLLECTIONS and kind is COLLECTIONS[kind.__name__]:
            # sets of strings have another order in every process; equal models should be equal files
            items = value if kind is tuple else sorted(value, key=lambda item: (type(item).__name__, repr(item)))
            return {"type": kind.__name__, "items": self._nodes(items, where)}
        if kind is dict:
            items = [[self.node(k, f"a key of {where}"), self.node(v, f"{where}[{k!r}]")] for k, v in value.items()]
            return {"type": "dict", "items": items}
        if kind is complex:
            return {"type": "complex", "parts": self._nodes([value.real, value.imag], where)}
        if kind is bytes:
            return {"type": "bytes", "hex": value.hex()}
        if kind in (slice, range):
            if kind is range and len(value[: LONGEST_RANGE + 1]) > LONGEST_RANGE:
                raise ValueError(f"{where} is a range of more than {LONGEST_RANGE} numbers, which cannot be saved")
            parts = self._nodes([value.start, value.stop, value.step], where)
            return {"type": kind.__name__, "parts": parts}
        if isinstance(value, np.dtype) and value.kind in PLAIN:
            return {"type": "dtype", "name": value.str}
        if isinstance(value, np.generic) and value.dtype.kind in PLAIN:
            return self._scalar(value)
        if kind in (np.ndarray, np.memmap):
            return self._array(value, where)
        if kind.__name__ in SPARSE and kind is SPARSE[kind.__name__]:
            parts = [self._array(part, where) for part in (value.data, value.indices, value.indptr)]
            return {"type": "sparse", "class": kind.__name__, "parts": parts, "shape": [int(n) for n in value.shape]}
        if kind is functools.partial:
            return {
                "type": "partial",
                "function": self.node(value.func, where),
                "args": self._nodes(value.args, where),
                "keywords": self.named(value.keywords, where),
            }
        if isinstance(value, type) and scalar_types().get(value.__name__) is value:
            return {"type": "scalar type", "name": value.__name__}
        return self._named_thing(value, where, owner)

    def _named_thing(self, value: Any, where: str, owner: Any) -> dict[str, Any]:
        if (function := next((name for name, known in functions().items() if known is value), None)) is not None:
            return {"type": "function", "name": function}
        if (name := network_name(value)) is not None:
            member = f"weights/{len(self.members)}.safetensors"
            self.members[member] = network_bytes(value)
            arguments = self.named(NETWORKS[name].arguments(value, owner), where)
            return {"type": "network", "class": name, "arguments": arguments, "member": member}
        if (name := name_of(type(value))) is None:
            raise ValueError(_unsaveable(value, where))
        arguments = arguments_of(value)
        node = {"type": "object", "class": name, "arguments": self.named(arguments, where)}
        if isinstance(value, BaseEstimator):
            fitted = {key: part for key, part in vars(value).items() if key not in arguments}
            node |= {"type": "estimator", "fitted": self.named(fitted, where, value)}
        return node

    def named(self, values: Mapping[str, Any], where: str, owner: Any = None) -> dict[str, Any]:
        """Return the nodes of named values: parameters and attributes."""
        return {name: self.node(value, f"{where}.{name}", owner) for name, value in values.items()}

    def _nodes(self, values: Any, where: str) -> list[Any]:
        return [self.node(value, f"{where}[{i}]") for i, value in enumerate(values)]

    def _scalar(self, value: np.generic) -> dict[str, Any]:
        if isinstance(value, str):  # as Python's, since NumPy's buffers lose zeros at the end
            return {"type": "str_", "value": "".join((value,))}
        if isinstance(value, bytes):
            return {"type": "bytes_", "hex": value.hex()}
        return {"type": "scalar", "dtype": value.dtype.str, "hex": value.tobytes().hex()}

    def _array(self, array: np.ndarray, where: str) -> dict[str, Any]:
        if array.dtype.kind == "O":  # labels and feature names that are strings come as objects
            items = self._nodes(array.flat, where)
            return {"type": "object array", "shape": list(array.shape), "items": items}
        if array.dtype.kind not in PLAIN:
            raise ValueError(f"{where} is an array of {array.dtype}, which cannot be saved; use one array per field")
        if id(array) not in self._names:
            name = f"arrays/{len(self.members)}.npy"
            self.members[name] = array
            self._names[id(array)] = name
        return {"type": "array", "member": self._names[id(array)]}


def _unsaveable(value: Any, where: str) -> str:
    found = f"{where} is {type(value).__module__}.{type(value).__qualname__} {str(value)[:80]!r}, which cannot be saved"
    if isinstance(value, np.random.RandomState | np.random.Generator):
        return f"{found}: it is a stream that goes on, not a value. Use an integer seed or None."
    if callable(value):
        return (
            f"{found}: a file holds no code, only names that kernelopt knows. Use kernels or families of "
            f"kernelopt.kernels, scikit-learn's pairwise or Gaussian-process kernels, banks of "
            f"kernelopt.conv.banks, or kernels='precomputed'."
        )
    return f"{found}. Use numbers, text, arrays, lists, tuples, dicts, and the public classes of kernelopt."


# node type -> its other entries and their JSON types
ENTRIES: dict[str, dict[str, type]] = {
    "float": {"value": str},
    "complex": {"parts": list},
    "str_": {"value": str},
    "bytes": {"hex": str},
    "bytes_": {"hex": str},
    "tuple": {"items": list},
    "set": {"items": list},
    "frozenset": {"items": list},
    "dict": {"items": list},
    "slice": {"parts": list},
    "range": {"parts": list},
    "dtype": {"name": str},
    "scalar": {"dtype": str, "hex": str},
    "scalar type": {"name": str},
    "array": {"member": str},
    "object array": {"shape": list, "items": list},
    "sparse": {"class": str, "parts": list, "shape": list},
    "function": {"name": str},
    "partial": {"function": dict, "args": list, "keywords": dict},
    "network": {"class": str, "arguments": dict, "member": str},
    "object": {"class": str, "arguments": dict},
    "estimator": {"class": str, "arguments": dict, "fitted": dict},
}


class Reader:
    """Turns JSON nodes into values, with the members of the file at hand."""

    def __init__(self, members: Mapping[str, bytes]):
        self._members = members
        self._arrays: dict[str, np.ndarray] = {}

    def node(self, node: Any, where: str) -> Any:
        """Return the value of a node.

        Raises
        ------
        Refused
            If the node is none that `Writer` makes, or names what the registry does not hold.
        """
        if isinstance(node, list):
            return self._values(node, where)
        if not isinstance(node, dict):
            return node
        kind = node.get("type")
        entries = ENTRIES.get(kind) if isinstance(kind, str) else None
        if not isinstance(kind, str) or entries is None:
            raise Refused(f"{where}: found a node of type {kind!r}; known are {', '.join(ENTRIES)}")
        found = {name: type(entry) for name, entry in node.items() if name != "type"}
        if found != entries:
            raise Refused(f"{where}: a node of type {kind!r} has entries {entries}, found {found}")
        try:
            return self._value(kind, node, where)
        except Refused:
            raise
        except (ValueError, TypeError, KeyError, OverflowError, SyntaxError, MemoryError) as error:
            raise Refused(f"{where}: this node is not a valid {kind}: {error}") from error

    def _value(self, kind: str, node: dict[str, Any], where: str) -> Any:
        match kind:
            case "float":
                return float(node["value"])
            case "complex":
                return complex(*self._values(node["parts"], where))
            case "str_":
                return np.str_(node["value"])
            case "bytes":
                return bytes.fromhex(node["hex"])
            case "bytes_":
                return np.bytes_(bytes.fromhex(node["hex"]))
            case "tuple" | "set" | "frozenset":
                return COLLECTIONS[kind](self._values(node["items"], where))
            case "dict":
                return {self.node(k, where): self.node(v, f"{where}[{i}]") for i, (k, v) in enumerate(node["items"])}
            case "slice":
                return slice(*self._values(node["parts"], where))
            case "range":
                numbers = range(*self._values(node["parts"], where))
                if len(numbers[: LONGEST_RANGE + 1]) > LONGEST_RANGE:
                    raise Refused(f"{where}: a range of more than {LONGEST_RANGE} numbers")
                return numbers
            case "dtype":
                return _dtype(node["name"], where)
            case "scalar":
                return _scalar(_dtype(node["dtype"], where), bytes.fromhex(node["hex"]), where)
            case "scalar type":
                return scalar_types()[node["name"]]
            case "array":
                return self._array(node["member"], where)
            case "object array":
                return self._object_array(node["shape"], self._values(node["items"], where))
            case "sparse":
                return self._sparse(node, where)
            case "function":
                return _function(node["name"], where)
            case "partial":
                if node["function"].get("type") != "function":
                    raise Refused(f"{where}: a partial needs a function")
                args, keywords = self._values(node["args"], where), self.named(node["keywords"], where)
                return functools.partial(self.node(node["function"], where), *args, **keywords)
            case "network":
                arguments = self.named(node["arguments"], where)
                return build_network(node["class"], arguments, self._member(node["member"], where), where)
            case _:
                return self._object(node, where)

    def named(self, nodes: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Return the values of named nodes."""
        return {name: self.node(node, f"{where}.{name[:60]}") for name, node in nodes.items()}

    def _values(self, nodes: list[Any], where: str) -> list[Any]:
        return [self.node(node, f"{where}[{i}]") for i, node in enumerate(nodes)]

    def _member(self, name: str, where: str) -> bytes:
        if name not in self._members:
            raise Refused(f"{where}: the file has no member {name!r}; it is damaged")
        return self._members[name]

    def _array(self, name: str, where: str) -> np.ndarray:
        if name not in self._arrays:  # one member is one array, as it was when saved
            self._arrays[name] = read_array(self._member(name, where), name)
        return self._arrays[name]

    def _object_array(self, shape: list[Any], items: list[Any]) -> np.ndarray:
        out = np.empty(len(items), dtype=object)
        for i, item in enumerate(items):  # item by item: lists are entries here, not axes
            out[i] = item
        return out.reshape(shape)

    def _sparse(self, node: dict[str, Any], where: str) -> Any:
        data, indices, indptr = self._values(node["parts"], where)
        out = SPARSE[node["class"]]((data, indices, indptr), shape=tuple(node["shape"]))
        out.check_format(full_check=True)  # SciPy's compiled code would follow an index out of its array
        return out

    def _object(self, node: dict[str, Any], where: str) -> Any:
        cls = class_named(node["class"])
        if issubclass(cls, BaseEstimator) != (node["type"] == "estimator"):
            raise Refused(f"{where}: {cls.__name__} is not an {node['type']}")
        thing = build(cls, self.named(node["arguments"], where), where)
        for name, value in self.named(node.get("fitted", {}), where).items():
            # data may not take the place of a method, a property or a parameter
            inherited = inspect.getattr_static(cls, name, None)
            if not name.isidentifier() or name in vars(thing) or hasattr(inherited, "__get__") or name[:2] == "__":
                raise Refused(f"{where}: {name!r} is no fitted attribute of {cls.__name__}")
            vars(thing)[name] = value
        return thing


def _dtype(name: str, where: str) -> np.dtype:
    dtype = np.dtype(name)
    if dtype.kind not in PLAIN:
        raise Refused(f"{where}: {name!r} is not the type of a number, a date or a text")
    return dtype


def _scalar(dtype: np.dtype, data: bytes, where: str) -> Any:
    if len(data) != dtype.itemsize:
        raise Refused(f"{where}: {len(data)} bytes are no {dtype}")
    return np.ndarray((), dtype, data)[()]


def _function(name: str, where: str) -> Callable:
    if name not in functions():
        raise Refused(f"{where}: the function {name!r} is not one that kernelopt saves")
    return functions()[name]
