"""What a run of a centre showed, as the figures of the demo and the benchmarks."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

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


def ring_figures(
    journal: Mapping[str, JournalCall], cards: Sequence[Mapping[str, object]], agents: int
) -> tuple[list[float], list[float]]:
    """Return (enter to ring, free to ring) in milliseconds.

    Enter to ring: calls that found an agent free when they entered. Free to ring: an agent became free
    (talk and wrap-up over) while somebody waited, until this agent's next offer.
    """
    offers = _offers(journal)
    busy: list[tuple[int, int, str]] = []
    for card in cards:
        for segment in card["segments"]:  # type: ignore[attr-defined]  # rows of read_cards
            end = int(segment["ended_at"] or str(card["ended_at"]))
            busy.append((int(segment["offered_at"]), end + int(segment["acw_ms"]), segment["agent"]))
    enter_ms: list[float] = []
    waits: list[tuple[int, int]] = []
    for call in journal.values():
        entered = next((int(f["ms"]) for kind, f in call.notes if kind == "ACDENTER"), None)
        first = next((int(f["ms"]) for kind, f in call.notes if kind == "ACDDIAL"), None)
        if entered is None or first is None:
            continue
        waits.append((entered, first))
        engaged = {agent for start, end, agent in busy if start <= entered < end + FREE_AT_ENTRY_SLACK_MS}
        queued = any(a < entered < b for a, b in waits[:-1])
        if len(engaged) < agents and not queued:
            enter_ms.append(float(first - entered))
    free_ms: list[float] = []
    for _, freed, agent in busy:
        following = [at for at, who in offers if who == agent and at >= freed]
        if following and any(entered < freed < ring == following[0] for entered, ring in waits):
            free_ms.append(float(following[0] - freed))
    return enter_ms, free_ms


def _offers(journal: Mapping[str, JournalCall]) -> list[tuple[int, str]]:
    rows = [
        (int(fields["ms"]), fields["agent"])
        for call in journal.values()
        for kind, fields in call.notes
        if kind == "ACDDIAL"
    ]
    return sorted(rows)
