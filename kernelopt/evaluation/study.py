"""A study as data: data sets × methods × sizes × seeds under one protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class MethodInfo:
    """What a reader of the report must know of a method.

    Parameters
    ----------
    name, label : str
        Short name (used in records and on the command line) and the label shown.
    half : {"convex", "filters", "bridge"}
        Which notion of learning the kernel it belongs to; a bridge joins both.
    learned : str
        What is learned, in a newcomer's words.
    description : str
        One sentence on how it works.
    grid : mapping
        The hyper-parameters tried on the training part.
    """

    name: str
    label: str
    half: Literal["convex", "filters", "bridge"]
    learned: str
    description: str
    grid: Mapping[str, Any]
