"""How every page is made and put down: templates that escape what they are given, files that appear as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kernelopt.errors import missing_extra

try:
    from jinja2 import Environment, PackageLoader, StrictUndefined
except ImportError as error:
    raise missing_extra("jinja2", "report") from error


def make_environment(filters: Mapping[str, Callable[..., Any]]) -> Environment:
    """Return the environment of the templates: autoescaped, and an unknown name is an error.

    Examples
    --------
    >>> make_environment({}).from_string("{{ name }}").render(name="<b>")
    '&lt;b&gt;'
    """
    environment = Environment(
        loader=PackageLoader("kernelopt.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment


def put(path: Path, content: str | bytes) -> Path:
    """Write a file in one step, so that no reader sees half of it, and return its path."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path
