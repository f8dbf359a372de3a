"""Short runs of `bin/faults`: the daemon is killed under load, on the stand-in and on real Asterisk (004-16).

The long ones and their figures: simulator/faults/README.md.
"""

from __future__ import annotations

import pytest
from rich.console import Console

from simulator.faults.__main__ import Options, faults, kinds_of
from simulator.faults.plan import Kind

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]


async def run(tmp_path, **options: object):
    return await faults(Options(keep=tmp_path, agents=12, **options), Console(quiet=True))


def assert_nothing_lost(result):
    figures = result.figures()
    assert result.good, result.judgement.problems
    zeros = ("lost", "double_booked", "distorted", "duplicate_callbacks")
    assert [figures[name] for name in zeros] == [0, 0, 0, 0]
    assert figures["death_to_fallback_max_s"] <= 12
    assert result.usage["descriptors"] <= result.baseline["descriptors"] + 12


@pytest.mark.parametrize(
    ("asterisk", "calls", "kills"), [(False, 60, 6), (True, 40, 4)], ids=["stand-in", "asterisk"]
)
async def test_no_call_is_lost_when_the_daemon_is_killed_again_and_again(tmp_path, asterisk, calls, kills):
    result = await run(tmp_path, asterisk=asterisk, calls=calls, kills=kills, rate_per_s=2.0, seed=5)
    assert_nothing_lost(result)
    assert result.calls == calls
    assert result.faults == {"kill": kills, "dead": 1}
    assert result.figures().keys() == {
        "lost",
        "double_booked",
        "distorted",
        "duplicate_callbacks",
        "restart_to_first_offer_p95_s",
        "death_to_fallback_max_s",
        "calls",
        "faults",
    }


@pytest.mark.nightly
async def test_each_link_and_neighbour_may_fail_and_says_so(tmp_path):
    """Rows 15, 20, 25, 29, 30, 33, 34, 35 and the degraded modes in plain words."""
    kinds = kinds_of(
        "stop,ami_cut,ami_drops,agi_off,broker,tickets_500,tickets_lose,clock,phones,twins,disk_full,dead"
    )
    result = await run(tmp_path, mix=kinds, minutes=1.7, rate_per_s=2.0, seed=3)
    assert_nothing_lost(result)
    assert set(result.faults) == {kind.name.lower() for kind in kinds} | {"cancels"}
    assert [one.fault.kind for one in result.done if one.shown is False] == []


@pytest.mark.nightly
async def test_callers_whom_asterisks_own_death_cut_off_are_called_back(tmp_path):
    """Row 26: a card and an open task each, within the run."""
    result = await run(
        tmp_path, asterisk=True, mix=(Kind.PBX_KILL, Kind.RELOAD), minutes=0.5, rate_per_s=2.0, seed=8
    )
    assert result.good, result.judgement.problems
    assert result.faults["pbx_kill"] >= 1
    assert result.judgement.interrupted >= 1
