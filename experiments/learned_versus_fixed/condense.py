"""Condense a store of records to what `kernelopt explain` ships: accuracy and, image by image, what was right.

    python experiments/learned_versus_fixed/condense.py RECORDS.sqlite "kernelopt contrast ..."

Writes kernelopt/evaluation/explained/wide.json. The second argument is the command that made the store.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from kernelopt.evaluation.explained.published import WIDE, condensed
from kernelopt.evaluation.records import Record

TARGET = Path(__file__).parents[2] / "kernelopt" / "evaluation" / "explained" / WIDE


def main(store: str, command: str) -> None:
    """Write the packaged file."""
    with closing(sqlite3.connect(store)) as db:
        rows = db.execute("SELECT record FROM cells ORDER BY method, size, seed").fetchall()
    records = [Record.from_dict(json.loads(text)) for (text,) in rows]
    TARGET.write_text(condensed(records, command), encoding="utf-8")
    print(f"{TARGET}: {len(records)} cells")


if __name__ == "__main__":
    main(*sys.argv[1:])
