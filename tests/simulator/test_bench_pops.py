"""The pop benchmark runs, loses nothing, and its figures are in order."""

from __future__ import annotations

import pytest

from simulator.bench.pops import measure

pytestmark = pytest.mark.e2e


async def test_every_pop_of_the_benchmark_arrives():
    figures = await measure(agents=10, pops=50, rate_per_s=200)
    assert (figures.agents, figures.pops, figures.lost) == (10, 50, 0)
    assert 0 < figures.p50 <= figures.p95 <= figures.p99 <= figures.worst < 2_000
