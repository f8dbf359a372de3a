"""What a run of a centre showed, as the figures of the demo and the benchmarks."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from simulator.centre.oracle import JournalCall, Truth, figures, judge, read_journal

FREE_AT_ENTRY_SLACK_MS = 50


def read_cards(database: Path) -> list[dict[str, object]]:
    """Read every card with its segments from the store, read-only."""
    link = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    link.row_factory = sqlite3.Row
    try:
        cards = [dict(row) for row in link.execute("SELECT * FROM cards ORDER BY entered_at")]
        for card in cards:
            rows = link.execute(
                "SELECT * FROM card_segments WHERE call = ? ORDER BY attempt", (card["call"],)
            )
            card["segments"] = [dict(row) for row in rows]
    finally:
        link.close()
    return cards


def summarise(
    truths: Sequence[Truth],
    journal_lines: Sequence[str],
    cards: Sequence[Mapping[str, object]],
    pops: Mapping[tuple[str, str], float],
    *,
    agents: int,
    version: str,
    targets: Mapping[str, int],
) -> dict[str, object]:
    """Build the demo's JSON. `targets`: promised seconds by queue; `pops`: arrival by (call, agent)."""
    journal = read_journal(journal_lines)
    verdict = judge(truths, journal, cards)
    before = sum(_pop_came_first(call, pops) for call in journal.values() if call.count("ACDANSWER"))
    enter_ms, free_ms = ring_figures(journal, cards, agents)
    in_target = sum(_in_target(card, targets) for card in cards)
    return {
        "offered": verdict.offered,
        "answered": verdict.answered,
        "abandoned": verdict.abandoned,
        "fallback": verdict.fallback,
        "lost": verdict.lost,
        "cards": len(cards),
        "pops_before_answer": before,
        "enter_to_ring_ms": figures(enter_ms),
        "free_to_ring_ms": figures(free_ms),
        "service_level": {
            "formula": "sl_of_offered = answered within the queue's threshold / offered",
            "value": round(in_target / verdict.offered, 4) if verdict.offered else None,
            "answered_in_target": in_target,
        },
        "asterisk_version": version,
        "double_booked": verdict.double_booked,
        "distorted": verdict.distorted,
        "failed_sip_calls": verdict.failed,
        "problems": verdict.problems[:20],
    }


def _pop_came_first(call: JournalCall, pops: Mapping[tuple[str, str], float]) -> bool:
    """Was the pop on the screen of every agent who answered before he answered?"""
    answers = [(f["agent"], int(f["ms"])) for kind, f in call.notes if kind == "ACDANSWER"]
    return all(
        (came := pops.get((call.call, agent))) is not None and came * 1000 <= at for agent, at in answers
    )


def _in_target(card: Mapping[str, object], targets: Mapping[str, int]) -> bool:
    answered, entered = card["answered_at"], card["entered_at"]
    if not isinstance(answered, int) or not isinstance(entered, int):
        return False
    return answered - entered <= targets.get(str(card["queue"]), 20) * 1000


class Turn(NamedTuple):
    """What kept one agent busy, in Unix milliseconds: offered, talk over, wrap-up over."""

    call: str
    agent: str
    offered: int
    ended: int
    freed: int


def ring_figures(
    journal: Mapping[str, JournalCall], cards: Sequence[Mapping[str, object]], agents: int
) -> tuple[list[float], list[float]]:
    """Return (enter to ring, free to ring) in milliseconds.

    Enter to ring: calls that found an agent free when they entered. Free to ring: an agent became free
    (talk and wrap-up over), until this agent's next ring, where its caller waited already.
    """
    turns: list[Turn] = []
    for card in cards:
        for segment in card["segments"]:  # type: ignore[attr-defined]  # rows of read_cards
            ended = int(segment["ended_at"] or str(card["ended_at"]))
            freed = ended + int(segment["acw_ms"])
            turns.append(Turn(str(card["call"]), segment["agent"], int(segment["offered_at"]), ended, freed))
    enter_ms: list[float] = []
    waits: list[tuple[int, int]] = []
    for call in journal.values():
        entered, first = _first(call, "ACDENTER"), _first(call, "ACDDIAL")
        if entered is None or first is None:
            continue
        waits.append((entered, first))
        engaged = {
            turn.agent for turn in turns if turn.offered <= entered < turn.freed + FREE_AT_ENTRY_SLACK_MS
        }
        queued = any(a < entered < b for a, b in waits[:-1])
        if len(engaged) < agents and not queued:
            enter_ms.append(float(first - entered))
    return enter_ms, _free_to_ring(turns, journal)


def _free_to_ring(turns: Sequence[Turn], journal: Mapping[str, JournalCall]) -> list[float]:
    """Milliseconds from an agent's freedom to his next ring, where that ring's caller waited already.

    The next ring in order, not the first one after `freed`: the wrap-up's end on the card stands a few milliseconds
    late, so that the ring it led to can come before it (0 then); searched by time, the ring after that one, a whole talk
    later, would be taken for a delay of the router.
    """
    rings: dict[str, list[tuple[int, JournalCall]]] = {}
    for call in journal.values():
        for kind, fields in call.notes:
            if kind == "ACDDIAL":
                rings.setdefault(fields["agent"], []).append((int(fields["ms"]), call))
    for of_agent in rings.values():
        of_agent.sort(key=itemgetter(0))
    gaps: list[float] = []
    for turn in turns:
        of_agent = rings.get(turn.agent, [])
        own = [n for n, (at, call) in enumerate(of_agent) if call.call == turn.call and at <= turn.ended]
        if not own or own[-1] + 1 == len(of_agent):
            continue
        ring, call = of_agent[own[-1] + 1]
        entered = _first(call, "ACDENTER")
        if entered is not None and entered < turn.freed and ring == _first(call, "ACDDIAL"):
            gaps.append(float(max(0, ring - turn.freed)))
    return gaps


def _first(call: JournalCall, note: str) -> int | None:
    """When a call's first note of this kind was written, Unix milliseconds."""
    return next((int(fields["ms"]) for kind, fields in call.notes if kind == note), None)
