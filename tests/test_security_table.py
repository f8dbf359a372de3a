"""The page of threats names tests that exist, one or more for each of the 25 rows."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROWS = 25


def table() -> dict[int, list[tuple[str, str]]]:
    page = (ROOT / "tests" / "SECURITY.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| (\d+) \|.*$", page, re.MULTILINE)
    assert len(lines) == ROWS
    return {
        int(match[1]): re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", match[0])
        for match in re.finditer(r"^\| (\d+) \|.*$", page, re.MULTILINE)
    }


def test_every_threat_has_a_proof_and_every_proof_is_there():
    rows = table()
    assert sorted(rows) == list(range(1, ROWS + 1))
    for row, proofs in rows.items():
        assert proofs, f"row {row} names no test"
        for file, name in proofs:
            text = (ROOT / file).read_text(encoding="utf-8")
            assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), f"row {row}: {file}::{name}"
