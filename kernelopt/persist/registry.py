"""The only place that says what a model file may name: everything else is refused, on both sides.

A file holds names and never code. Estimators come from ``kernelopt.__all__``; values from the public
names of `PACKAGES`; a class in neither is one more line in `PRIVATE`.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.gaussian_process import kernels as gaussian_process
from sklearn.metrics.pairwise import PAIRWISE_KERNEL_FUNCTIONS

import kernelopt
from kernelopt.kernels import KernelStack
from kernelopt.persist.container import Refused

# packages whose public dataclasses (kernels, certificates, solvers, ...) may be saved
PACKAGES = (
    "kernelopt.kernels",
    "kernelopt.kernels.continuous",
    "kernelopt.convex",
    "kernelopt.convex.criteria",
    "kernelopt.convex.sets",
    "kernelopt.convex.solvers",
    "kernelopt.conv.initializers",
    "kernelopt.conv.regularizers",
    "kernelopt.conv.constraints",
)
# classes found inside fitted estimators that no package above makes public
PRIVATE = (
    "kernelopt.conv.augmentation.Augmentation",
    "kernelopt.conv.layers.ConvLayer",
    "kernelopt.estimators.alignment._Machine",
    "kernelopt.estimators.bridges._Family",
    "kernelopt.estimators.learned_kernel.LearnedKernel",
)
# modules whose public functions may be saved by name, as kernels, families of kernels and banks of filters
FUNCTIONS = (
    "kernelopt.kernels.families",
    "kernelopt.kernels.spans",
    "kernelopt.conv.banks",
    "kernelopt.conv.derivative_banks",
    "kernelopt.conv.wave_banks",
    "kernelopt.conv.patch_banks",
)


@cache
def values() -> dict[str, type]:
    """Return the classes of values that may be saved, by the name a file gives them."""
    found: dict[str, type] = {}
    for package in PACKAGES:
        module = import_module(package)
        for name in module.__all__:
            thing = getattr(module, name)
            if isinstance(thing, type) and (dataclasses.is_dataclass(thing) or thing is KernelStack):
                found[f"{package}.{name}"] = thing
    for path in PRIVATE:
        home, _, name = path.rpartition(".")
        found[path] = getattr(import_module(home), name)
    for name, thing in vars(gaussian_process).items():
        public = isinstance(thing, type) and issubclass(thing, gaussian_process.Kernel) and not name.startswith("_")
        if public and not inspect.isabstract(thing):
            found[f"{gaussian_process.__name__}.{name}"] = thing
    return found


@cache
def functions() -> dict[str, Callable]:
    """Return the functions that may be saved, by the name a file gives them."""
    found = {f"{f.__module__}.{f.__name__}": f for f in PAIRWISE_KERNEL_FUNCTIONS.values()}
    for module in map(import_module, FUNCTIONS):
        for name, thing in vars(module).items():
            if inspect.isfunction(thing) and thing.__module__ == module.__name__ and not name.startswith("_"):
                found[f"{module.__name__}.{name}"] = thing
    return found


def class_named(name: str) -> type:
    """Return the class a file names.

    Raises
    ------
    ValueError
        If the registry does not hold it. Nothing is imported because a file asks for it.
    """
    package, _, short = name.rpartition(".")
    if package == "kernelopt" and short in kernelopt.__all__:
        thing = getattr(kernelopt, short)
        if isinstance(thing, type) and issubclass(thing, BaseEstimator):
            return thing
    if name not in values():
        raise ValueError(
            f"the class {name!r} is not one that kernelopt saves. The file was made by a newer kernelopt, or by "
            f"something else: upgrade, or do not use it."
        )
    return values()[name]


def name_of(cls: type) -> str | None:
    """Return the name under which a class is saved, None if it cannot be."""
    if issubclass(cls, BaseEstimator) and getattr(kernelopt, cls.__name__, None) is cls:
        return f"kernelopt.{cls.__name__}"
    return next((name for name, known in values().items() if known is cls), None)


def arguments_of(thing: Any) -> dict[str, Any]:
    """Return the arguments that make an equal object of its class."""
    if isinstance(thing, BaseEstimator | gaussian_process.Kernel):
        return thing.get_params(deep=False)
    if isinstance(thing, KernelStack):
        return {"Ks": thing.leading, "names": thing.names, "diag": thing.diag}
    if dataclasses.is_dataclass(thing):
        return {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing) if field.init}
    return dict(vars(thing))


def build(cls: type, arguments: dict[str, Any], where: str) -> Any:
    """Call a class of the registry, whose own checks see the arguments."""
    known = inspect.signature(cls).parameters
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise Refused(
            f"{where}: {cls.__name__} has no parameter {', '.join(unknown)}; it has {', '.join(known)}. "
            f"The file was made by another version of kernelopt: use that one."
        )
    try:
        return cls(**arguments)
    except (TypeError, AttributeError, ValueError) as error:
        raise Refused(f"{where}: {cls.__name__} does not accept what the file holds: {error}") from error


def scalar_types() -> dict[str, type]:
    """Return NumPy's scalar types, such as float64, by name: parameters named dtype hold them."""
    return {kind.__name__: kind for kind in np.sctypeDict.values() if kind is not np.object_}
