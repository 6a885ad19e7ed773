"""Every folder of experiments asks a question that the index names."""

from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
FOLDERS = sorted(path.name for path in EXPERIMENTS.iterdir() if path.is_dir() and (path / "README.md").is_file())
INDEX = (EXPERIMENTS / "README.md").read_text()


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_index_names_the_folder_once(folder):
    rows = [line for line in INDEX.splitlines() if line.startswith(f"| [{folder}]({folder}/README.md) |")]
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert len(cells) == 3 and all(cells)
