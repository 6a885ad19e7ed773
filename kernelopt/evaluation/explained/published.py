"""Two studies as they were run once and packaged: fixed against learned, image by image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from kernelopt.evaluation.records import Record

NARROW = "narrow.json"  # the page's own network, see `kernelopt.evaluation.explained.crossover`
WIDE = "wide.json"  # the networks of ``kernelopt contrast``, and kernel machines beside them


@dataclass(frozen=True)
class Published:
    """Records of a study that is too long to be run on the spot, and how it was run.

    Parameters
    ----------
    records : list of Record
        Accuracy and, image by image, what was right; nothing else of a record is kept.
    command : str
        What repeats it.
    provenance : dict of str to str
        Versions, machine and commit.
    """

    records: list[Record]
    command: str
    provenance: dict[str, str]


def published_study(name: str) -> Published:
    """Return a packaged study, ``NARROW`` or ``WIDE``.

    Examples
    --------
    >>> study = published_study(NARROW)
    >>> sorted({record.size for record in study.records})
    [100, 500, 2000, 4500]
    """
    content = json.loads(files("kernelopt.evaluation.explained").joinpath(name).read_text(encoding="utf-8"))
    n = content["images"]
    records = []
    for method, size, seed, digits in content["cells"]:
        correct = np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8), count=n).tolist()
        records.append(Record(content["dataset"], method, size, seed, accuracy=sum(correct) / n, correct=correct))
    return Published(records, content["command"], content["provenance"])


def condensed(records: Sequence[Record], command: str) -> str:
    """Return the text of the packaged file for the finished records of one data set."""
    finished = [record for record in records if record.status == "ok"]
    (dataset,) = {record.dataset for record in finished}
    (n,) = {len(record.correct) for record in finished}
    cells = [[*r.key[1:], np.packbits(np.array(r.correct, np.uint8)).tobytes().hex()] for r in finished]
    provenance = {k: v for k, v in finished[0].provenance.items() if isinstance(v, str)}
    lines = ",\n".join(f"  {json.dumps(cell)}" for cell in sorted(cells))
    head = json.dumps({"dataset": dataset, "images": n, "command": command, "provenance": provenance}, indent=1)
    return head[:-2] + ',\n "cells": [\n' + lines + "\n ]\n}\n"
