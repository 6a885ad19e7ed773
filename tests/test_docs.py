"""What the documents say about the code is read off the code."""

import re
from pathlib import Path

import pytest

from kernelopt.convex import pairs

ROOT = Path(__file__).parents[1]


def test_the_table_of_pairs_is_the_one_in_the_code():
    assert pairs.table() in (ROOT / "ARCHITECTURE.md").read_text()


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"])
def test_files_that_are_mentioned_exist(page):
    text = (ROOT / page).read_text()
    places = [ROOT, ROOT / "kernelopt", ROOT / "kernelopt/convex", *(ROOT / "kernelopt").glob("*/")]
    places += list((ROOT / "kernelopt/convex").glob("*/"))
    named = set(re.findall(r"`([\w/]+\.py)`", text)) | set(re.findall(r"\]\(([\w/.]+)\)", text))
    missing = [name for name in named if not any((place / name).exists() for place in places)]
    assert not missing, f"{page} mentions what is not there: {missing}"
