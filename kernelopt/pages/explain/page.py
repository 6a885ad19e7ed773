"""`render` and `write`: one self-contained interactive page from a lesson's record."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from kernelopt.evaluation.explained.published import Published
from kernelopt.pages import formats
from kernelopt.pages.explain.contest import contest, sentence, verdicts
from kernelopt.pages.writing import make_environment, put

VERSION = 1  # of the records that this page can show
SECTIONS = (
    ("slide", "A kernel slides over an image"),
    ("matrix", "The same layer, fully connected"),
    ("gradient", "How a kernel gets its gradient"),
    ("training", "The kernels while they are learned"),
    ("contest", "Do learned kernels beat fixed ones?"),
    ("weights", "The other meaning of “kernel”"),
    ("meeting", "Where the two meet"),
    ("run", "How this page was made"),
)
SCRIPTS = ("core", "slide", "matrix", "gradient", "training", "contest", "weights", "meeting", "start")
FORMATS = ("count", "percent", "percent_interval", "plain", "points", "points_interval", "significant")


def render(lesson: Mapping[str, Any], studies: Sequence[Published], *, command: str) -> str:
    """Return the page as the text of one HTML file that loads nothing from anywhere.

    Parameters
    ----------
    lesson : mapping
        A record, from `kernelopt.evaluation.explained.lesson.Lesson.to_dict` or read from JSON.
    studies : pair of Published
        The packaged ones: of the page's network, and of the wider ones.
    command : str
        What makes this page again.

    Returns
    -------
    str
        The page; the same arguments give the same text.

    Raises
    ------
    ValueError
        If the record is of another version.
    """
    if lesson.get("version") != VERSION:
        raise ValueError(
            f"the record has version {lesson.get('version')!r}, but this page shows version {VERSION}. Make it again."
        )
    page = (
        _environment()
        .get_template("explain/page.html")
        .render(
            lesson=lesson,
            studies=studies,
            contest=contest(*(study.records for study in studies)),
            sections=SECTIONS,
            scripts=SCRIPTS,
            command=command,
            kernel=len(lesson["backward"]["filters"][0]),
            kernel_labels=[label(name) for name in lesson["weights"]["names"]],
        )
    )
    return page + "\n"


def write(
    path: str | os.PathLike[str], lesson: Mapping[str, Any], studies: Sequence[Published], *, command: str
) -> Path:
    """Write the page to `path` and return it; a reader never sees half a page (see `render`)."""
    return put(Path(path), render(lesson, studies, command=command))


QUARTERS = {"(0, 0)": "top left", "(0, 1)": "top right", "(1, 0)": "bottom left", "(1, 1)": "bottom right"}


def label(name: str) -> str:
    """Return the name of a base kernel as a newcomer reads it.

    >>> label("gaussian γ=4s"), label("gaussian γ=s on patch (0, 1)"), label("polynomial d=2")
    ('Gaussian γ = 4s', 'Gaussian, top right', 'polynomial, degree 2')
    """
    family, _, rest = name.partition(" ")
    if " on patch " in rest:
        where = rest.split(" on patch ")[1]
        return f"{family.capitalize()}, {QUARTERS.get(where, where)}"
    if rest.startswith("d="):
        return f"{family}, degree {rest[2:]}"
    return f"{family.capitalize()} {rest.replace('=', ' = ')}"


@cache
def _environment():
    named = {name: getattr(formats, name) for name in FORMATS}
    return make_environment(named | {"sentence": sentence, "verdicts": verdicts})
