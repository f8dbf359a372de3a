"""The demo's two figures of milliseconds, from notes and cards written by hand."""

from __future__ import annotations

from simulator.centre.oracle import JournalCall
from simulator.centre.report import ring_figures


def journal(*calls: tuple[str, int, str, int]) -> dict[str, JournalCall]:
    """Calls as (id, entered, agent, rung)."""
    return {
        call: JournalCall(
            call,
            "+79160000001",
            "7001",
            (("ACDENTER", {"ms": str(entered)}), ("ACDDIAL", {"ms": str(rung), "agent": agent})),
        )
        for call, entered, agent, rung in calls
    }


def card(call: str, agent: str, offered: int, ended: int, acw: int) -> dict[str, object]:
    segment = {"agent": agent, "offered_at": offered, "ended_at": ended, "acw_ms": acw}
    return {"call": call, "ended_at": ended, "segments": [segment]}


CARDS = [card("one", "a101", 5, 7785, 1005), card("two", "a101", 8788, 16217, 1000)]


def test_the_ring_a_freedom_led_to_counts_though_the_wrap_up_ends_late_on_the_card() -> None:
    # the third ring, 8,427 ms later, was once taken for the first one's delay
    notes = journal(("one", 0, "a101", 5), ("two", 7000, "a101", 8788), ("three", 6149, "a101", 17217))

    _, free = ring_figures(notes, CARDS, agents=1)

    assert free == [0.0, 0.0]


def test_a_router_that_is_slow_to_ring_is_still_seen() -> None:
    notes = journal(("one", 0, "a101", 5), ("two", 7000, "a101", 9290))
    cards = [CARDS[0], card("two", "a101", 9280, 16217, 1000)]

    enter, free = ring_figures(notes, cards, agents=1)

    assert (enter, free) == ([5.0], [500.0])


def test_an_agent_who_stood_idle_until_the_caller_came_is_not_a_delay() -> None:
    notes = journal(("one", 0, "a101", 5), ("two", 60_000, "a101", 60_007))

    enter, free = ring_figures(notes, CARDS, agents=1)

    assert (enter, free) == ([5.0, 7.0], [])
