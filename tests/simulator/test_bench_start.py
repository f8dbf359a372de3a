"""The bench of a start measures what it says: an offer to a phone after `kill -9`, and whose processor time."""

from __future__ import annotations

import pytest

from simulator.bench import start
from simulator.centre.daemon import ROOT

pytestmark = pytest.mark.e2e


async def test_each_start_ends_with_an_offer_and_with_a_page_that_answers() -> None:
    figures = await start.measure(2)
    found = figures[str(ROOT)]
    assert found["starts"] == 2
    for row in found["rows"]:
        assert 0 < row["offer_cpu_s"] <= row["offer_s"] + 0.05, "one core is enough"
        assert row["offer_s"] < start.LIMIT_S
        assert 0 < row["http_s"] < start.LIMIT_S
