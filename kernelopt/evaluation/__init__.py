"""The common harness: studies as data, one protocol, one record per cell, statistics made from records."""

from importlib import import_module

_HOME = {
    "Study": "study",
    "DataSpec": "study",
    "MethodSpec": "study",
    "MethodInfo": "study",
    "Limits": "study",
    "Protocol": "protocol",
    "Record": "records",
    "Store": "store",
    "run": "runner",
}

__all__ = [*_HOME]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(f"kernelopt.evaluation.{_HOME[name]}"), name)
    raise AttributeError(f"module 'kernelopt.evaluation' has no attribute {name!r}; it has {', '.join(__all__)}")
