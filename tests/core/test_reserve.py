"""The reserve's gate: opens by load, closes after calm, never flaps (001-08)."""

from __future__ import annotations

from random import Random

from acd.core.policy import RoutingWeights
from acd.core.reserve import FrontLine, Gate

W = RoutingWeights(
    reserve_open_at=0.5, reserve_open_wait=1.5, reserve_open_ms=15_000, reserve_close_ms=60_000
)
BUSY = FrontLine(0, None, 40_000.0)
"""Nobody waits yet, but whoever came now would wait 40 s."""
CALM = FrontLine(2, None, 0.0)


def gate(reserves: int = 1) -> Gate:
    return Gate(reserves, 20_000)


def test_a_caller_at_half_the_threshold_opens_at_once_the_next_class_at_the_whole():
    g = gate(2)
    assert g.step(0, FrontLine(0, 0, 0.0), W, 5_000) == 0
    assert g.due == 15_000
    assert g.step(0, FrontLine(0, 10_000, 0.0), W, 15_000) == 1
    assert g.due == 25_000
    assert g.step(1, FrontLine(0, 20_000, 0.0), W, 25_000) == 2
    assert g.due is None
    assert g.why == "opened: a caller has waited 20 s and nobody is ready"


def test_a_long_predicted_wait_opens_only_when_it_lasts():
    g = gate()
    assert g.step(0, BUSY, W, 0) == 0
    assert g.due == 15_000
    assert g.step(0, FrontLine(1, None, 0.0), W, 10_000) == 0, "a moment's peak calls nobody"
    assert g.step(0, BUSY, W, 12_000) == 0
    assert g.step(0, BUSY, W, 26_999) == 0
    assert g.step(0, BUSY, W, 27_000) == 1
    assert "a wait of 40 s was to be expected for 15 s" in g.why


def test_it_closes_after_calm_on_end_and_says_so():
    g = gate()
    opened = g.step(0, FrontLine(0, 10_000, 0.0), W, 0)
    assert g.step(opened, CALM, W, 1_000) == 1
    assert g.due == 61_000
    assert g.step(1, FrontLine(1, None, 0.0), W, 50_000) == 1, "one ready agent is not calm"
    assert g.step(1, CALM, W, 51_000) == 1
    assert g.step(1, CALM, W, 110_999) == 1
    assert g.step(1, CALM, W, 111_000) == 0
    assert g.why == "closed: 2 of the front line ready for 60 s"
    assert g.due is None


def test_a_rule_opens_what_there_is_and_load_closes_it():
    g = gate()
    assert g.open_by_rule(2, 5_000) == 1
    assert g.step(1, CALM, W, 5_000) == 1
    assert g.step(1, CALM, W, 65_000) == 0


def test_it_never_flaps_whatever_the_load_does():
    """Between opening and closing lies at least the calm time, under any sequence of loads."""
    for seed in range(20):
        draw = Random(seed)  # noqa: S311 - loads, not secrets
        g, now, opened, since = gate(2), 0, 0, 0
        for _ in range(3_000):
            now += draw.choice((50, 1_000, 7_000, 30_000))
            ready = draw.choice((0, 0, 1, 2, 3))
            head = None if ready or draw.random() < 0.3 else draw.randrange(30_000)
            line = FrontLine(ready, head, 0.0 if ready else draw.uniform(0, 90_000))
            after = g.step(opened, line, W, now)
            if after > opened == 0:
                since = now
            if after < opened:
                assert now - since >= W.reserve_close_ms, seed
            assert g.due is None or g.due > now
            opened = after
