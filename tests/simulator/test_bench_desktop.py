"""The benchmark of the page runs and measures every call; the figures themselves are for quiet machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulator.bench.__main__ import TABLE
from simulator.bench.desktop import main
from tests.e2e.desktop_help import CHROMIUM

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def test_the_benchmark_paints_every_pop_and_writes_its_figures(tmp_path: Path):
    out = tmp_path / "desktop.json"
    options = [
        "--agents",
        "4",
        "--samples",
        "3",
        "--background",
        "1",
        "--chromium",
        CHROMIUM,
        "--json",
        str(out),
    ]
    main(options)
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert figures["lost"] == 0
    assert figures["pop_shown_ms"]["count"] == figures["pop_complete_ms"]["count"] == 3
    assert 0 < figures["pop_shown_ms"]["p50"] <= figures["pop_complete_ms"]["p50"]
    assert TABLE["desktop"] == "simulator.bench.desktop"
