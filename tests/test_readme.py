"""What the README promises: its code runs, its commands are the Makefile's, its figures are the records'."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.S), ids=["convex", "filters"])
def test_quick_starts_run_and_are_short(block, capsys):
    assert len(block.splitlines()) <= 18
    exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out.count("\n") >= 3


def test_the_two_commands_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_pictures_and_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_everything_installed_is_pinned_and_torch_is_never_bare():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    assert pins["torch"] == "2.13.0"
    wanted = re.findall(r'^    "([A-Za-z0-9-]+)[><=]', (ROOT / "pyproject.toml").read_text(), re.M)
    assert {"numpy", "torch", "jinja2", "pandas", "sphinx"} <= set(wanted)
    assert not [name for name in wanted if name.lower() not in pins]
