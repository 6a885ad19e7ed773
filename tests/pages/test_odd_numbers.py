"""One number that is missing or none does not take the page with it."""

import json
import re
from dataclasses import replace

import pytest

from kernelopt.evaluation.records import Record
from kernelopt.evaluation.study import MethodInfo
from kernelopt.pages import report

NAN = float("nan")


def page(*records):
    methods = [
        MethodInfo(name, name, "convex", "", "", {}) for name in dict.fromkeys(record.method for record in records)
    ]
    return report.render(records, methods, title="t", protocol={}, provenance={})


def cell(seed, **more):
    options = {"correct": [1, 0, 1, 1], "accuracy": 0.75, "n_train": 20, "n_test": 4}
    return Record("d", "m", 20, seed, **{**options, **more})


@pytest.mark.parametrize("bad", [None, NAN])
@pytest.mark.parametrize(
    "more",
    [
        lambda bad: {"inits": [0.75, bad]},
        lambda bad: {"weights": {"a": bad, "b": 0.5}},
        lambda bad: {"task": "regression", "errors": [1.0, bad], "correct": [], "metrics": {"rmse": bad}},
        lambda bad: {
            "representation_history": {
                "epoch": [0, 1],
                "alignment": {"l": [0.1, bad]},
                "effective_rank": {"l": [1, bad]},
            }
        },
        lambda bad: {
            "history": {"epoch": [0, 1], "filter_move": [0.0, bad], "loss": [1.0, bad]},
            "filters": {"shape": [1, 1, 1], "epochs": [0, 1], "values": [[0.1], [0.2]]},
        },
    ],
    ids=["inits", "weights", "errors", "representations", "moves"],
)
def test_the_page_is_made_and_its_data_are_json(bad, more):
    good = cell(0)
    if "task" in more(bad):
        good = replace(good, task="regression", errors=[1.0, 2.0], correct=[], accuracy=NAN, metrics={"rmse": 1.2})
    text = page(good, cell(1, **more(bad)))
    blocks = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, flags=re.S)
    for block in blocks:
        json.loads(block, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
