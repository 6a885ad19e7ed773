"""What enters a study, as one kind of thing: the library's own methods, and any estimator with fit and predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

from sklearn.base import clone

from kernelopt.evaluation import grid, methods
from kernelopt.evaluation.identity import identity
from kernelopt.evaluation.methods import Method
from kernelopt.evaluation.specs import build, find_object, substitute
from kernelopt.evaluation.study import MethodInfo, MethodSpec

ESTIMATOR_FOLDS = 3


def resolve(
    spec: MethodSpec,
    values: Mapping[str, Any],
    image_shape: Sequence[int] | None = None,
    task: str = "classification",
) -> Method:
    """Return a study's method, ready to build on a data set.

    Parameters
    ----------
    spec : MethodSpec
        The method.
    values : mapping
        What placeholders stand for, beside ``$seed`` and ``$image_shape``.
    image_shape : sequence of int, optional
        Of the data set.
    task : {"classification", "regression"}
        Of the data set.

    Raises
    ------
    ValueError
        An unknown method, a parameter it does not have, a placeholder that stands for nothing.

    Examples
    --------
    >>> svm = resolve(MethodSpec("svm", estimator="sklearn.svm:SVC", params={"gamma": "$gamma"}), {"gamma": 0.5})
    >>> svm.build((), 0, C=10.0)
    SVC(C=10.0, gamma=0.5, random_state=0)
    """
    known = {**values, "seed": "$seed", "image_shape": list(image_shape or ())}
    where = f"method {spec.name!r}"
    params = substitute(dict(spec.params), known, f"params of {where}")
    settings = {name: list(v) for name, v in substitute(dict(spec.grid), known, f"grid of {where}").items()}
    record = {name: _reader(what, f"record.{name} of {where}") for name, what in spec.record.items()}
    if spec.method is not None:
        return replace(_own(spec, params, settings, image_shape, task), record=record)
    maker = find_object(spec.estimator, where) if isinstance(spec.estimator, str) else spec.estimator
    for name, value in params.items():
        build(_seeded(value, 0), f"params.{name} of {where}")  # fails before anything runs
    content = {"estimator": spec.estimator, "params": params, "grid": settings, "record": dict(spec.record)}
    info = MethodInfo(spec.name, spec.label or spec.name, spec.half, spec.learned, spec.description, settings)
    return Method(
        info,
        partial(_estimator, maker, params, where),
        transductive=spec.transductive,
        n_folds=ESTIMATOR_FOLDS,
        record=record,
        identity={key: identity(value, f"{key} of {where}") for key, value in content.items()},
    )


def _own(spec: MethodSpec, params: dict, settings: dict, image_shape: Sequence[int] | None, task: str) -> Method:
    """Return a method of the library, with the parts of its grid that the study changes."""
    assert spec.method is not None
    if ":" in spec.method:
        method = grid.find(spec.method, task, images=len(image_shape or ()) == 2)
    else:
        method = methods.find([spec.method])[0]
    if spec.transductive and not method.transductive:
        raise ValueError(f"method {spec.name!r} cannot be made transductive; {spec.method!r} is not")
    if _mentions_seed(params) or _mentions_seed(settings):
        raise ValueError(
            f"method {spec.name!r}: '$seed' cannot stand in params or grid of {spec.method!r}, which gets the cell's "
            f"seed by itself. Leave it out"
        )
    own = {**method.info.grid, **settings, **{name: [value] for name, value in params.items()}}
    unknown = [name for name in own if name not in method.info.grid]
    if unknown:
        raise ValueError(
            f"method {spec.name!r} has no parameter {unknown[0]!r}; {spec.method!r} has {', '.join(method.info.grid)}"
        )
    info = replace(method.info, name=spec.name, grid=own)
    shown = {key: getattr(spec, key) for key in ("label", "learned", "description") if getattr(spec, key)}
    known = method.identity
    if spec.record:
        known = {**(known or {}), "record": identity(dict(spec.record), f"record of method {spec.name!r}")}
    return replace(method, info=replace(info, **shown), identity=known)


def _estimator(maker: Any, params: Mapping[str, Any], where: str, image_shape, seed: int, **setting) -> Any:
    """Make an estimator: of a class, an unfitted one, or a function that returns one.

    Parameters of parts, ``step__name``, are set afterwards, and every ``random_state`` that is None gets the seed.
    """
    made = {name: build(_seeded(value, seed), f"{name} of {where}") for name, value in {**params, **setting}.items()}
    if hasattr(maker, "fit") and not isinstance(maker, type):
        estimator, later = clone(maker) if hasattr(maker, "get_params") else deepcopy(maker), made
    else:
        estimator = maker(**{name: value for name, value in made.items() if "__" not in name})
        later = {name: value for name, value in made.items() if "__" in name}
    if later:
        estimator.set_params(**later)
    if hasattr(estimator, "get_params"):
        found = estimator.get_params(deep=True)
        seedless = [k for k, value in found.items() if value is None and k.split("__")[-1] == "random_state"]
        if seedless:
            estimator.set_params(**dict.fromkeys(seedless, seed))
    return estimator


def _seeded(value: Any, seed: int) -> Any:
    return substitute(value, {"seed": seed}) if _mentions_seed(value) else value


def _mentions_seed(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_mentions_seed, value.values()))
    return any(map(_mentions_seed, value)) if isinstance(value, list | tuple) else value == "$seed"


def _reader(what: Any, where: str) -> Any:
    """Return what reads a number from a fitted estimator: a path, or a function."""
    if isinstance(what, str) and ":" in what:
        return find_object(what, where)
    if isinstance(what, str) or callable(what):
        return what
    raise ValueError(f"{where} must be a path of attributes, 'module:function' or a function, found {what!r}")


def read_value(estimator: Any, what: Any, name: str) -> float:
    """Return a number of a fitted estimator, by a path of attributes and indices, or a function.

    Raises
    ------
    ValueError
        There is no such attribute, or it is not one number.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> read_value(SimpleNamespace(weights_=[0.25, 0.75]), "weights_.1", "second")
    0.75
    """
    found = estimator
    if callable(what):
        found = what(estimator)
    else:
        for part in what.split("."):
            try:
                found = found[int(part)] if part.lstrip("-").isdigit() else getattr(found, part)
            except (AttributeError, IndexError, KeyError, TypeError) as error:
                raise ValueError(
                    f"record.{name}: {what!r} cannot be read from a fitted {type(estimator).__name__}: {error}"
                ) from error
    try:
        return float(found)
    except (TypeError, ValueError) as error:
        raise ValueError(f"record.{name}: {what!r} must be one number, found {found!r}") from error
