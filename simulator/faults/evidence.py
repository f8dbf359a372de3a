"""The oracle of fault injection: six stories of the same calls, and nothing left over.

Driver, queue_log, CEL, cards, missed-call ledger and tickets must know the same calls and tell the same of
each (failure-modes.md 1.2). `gather` reads, `judge_all` compares and is pure.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from acd.desk.ledger import MISSED_REASONS
from acd.wire import cel
from acd.wire.errors import RemoteProtocolError
from acd.wire.queue_log import JournalLineError
from simulator.centre.oracle import JournalCall, Truth, Verdict, judge, read_journal
from simulator.centre.report import read_cards
from simulator.faults import callbacks
from simulator.faults.site import Pause

PBX_SLACK_MS = 1_000
"""An INVITE this long before Asterisk's death may not have reached the dialplan."""


@dataclass(slots=True)
class Evidence:
    """What everybody says at the end of a run."""

    truths: Sequence[Truth]
    journal: Mapping[str, JournalCall]
    cel_calls: frozenset[str] | None
    """None: this switch writes no CEL."""
    cards: Sequence[Mapping[str, object]]
    missed: Mapping[str, tuple[str, str]]
    """(number, subscriber) of the task by call."""
    tasks: Sequence[tuple[str, str, bool]]
    """(number, subscriber, open) of every task."""
    tickets: Mapping[str, Mapping[str, object]]
    """Newest payload by call."""
    tickets_changed: Sequence[str] = ()
    pbx_deaths: Sequence[Pause] = ()
    leaks: Sequence[str] = ()
    dialling: callbacks.Ledger = field(default_factory=callbacks.Ledger)
    rung: Mapping[str, int] | None = None
    """How often each number was called back, as it saw it itself."""
    now_ms: int = 0
    extra_double: Sequence[str] = ()
    """Double bookings seen by the phones themselves."""


@dataclass(slots=True)
class Judgement:
    """The verdict with what fault injection adds."""

    verdict: Verdict
    interrupted: int = 0
    """Calls that Asterisk's own death cut off: each must be in the ledger."""
    not_entered: int = 0
    """Callers who rang while Asterisk was dead and never reached the dialplan."""
    duplicate_callbacks: int = 0
    callbacks: callbacks.Finding = field(default_factory=callbacks.Finding)
    leaks: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """Everything wrong, in words."""
        return [*self.verdict.problems, *(f"leak: {leak}" for leak in self.leaks)]

    @property
    def good(self) -> bool:
        """Nothing lost, doubled, distorted or left over."""
        return not self.problems


# --- reading -------------------------------------------------------------------------------------


def read_cel(path: Path) -> frozenset[str]:
    """Return the calls that CEL knows."""
    found = set()
    for line in path.read_bytes().splitlines():
        try:
            row = cel.parse_line(line)
        except (JournalLineError, RemoteProtocolError):
            continue  # a line torn by Asterisk's death
        if row is not None and row.kind == cel.ENTER:
            found.add(row.call)
    return frozenset(found)


def read_ledger(database: Path) -> tuple[dict[str, tuple[str, str]], list[tuple[str, str, bool]]]:
    """Return (task of each missed call, every task)."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as link:
        rows = link.execute(
            "SELECT c.call, t.number, t.subscriber FROM missed_calls AS c JOIN missed_tasks AS t ON t.id = c.task"
        )
        missed = {call: (number, subscriber) for call, number, subscriber in rows}
        tasks = link.execute("SELECT number, subscriber, closed_at IS NULL FROM missed_tasks")
        return missed, [(number, subscriber, bool(is_open)) for number, subscriber, is_open in tasks]


def newest_tickets(taken: Mapping[str, Mapping[str, object]]) -> dict[str, Mapping[str, object]]:
    """Return the newest payload by call from payloads by idempotency key `call:version`."""
    best: dict[str, tuple[int, Mapping[str, object]]] = {}
    for key, payload in taken.items():
        call, _, version = key.rpartition(":")
        if call not in best or int(version) > best[call][0]:
            best[call] = (int(version), payload)
    return {call: payload for call, (_, payload) in best.items()}


def read_all(queue_log: Path, database: Path) -> tuple[dict[str, JournalCall], list[dict[str, object]]]:
    """Return journal and cards."""
    lines = queue_log.read_text(encoding="utf-8", errors="replace").splitlines()
    return read_journal(lines), read_cards(database)


# --- comparing -----------------------------------------------------------------------------------


def judge_all(evidence: Evidence) -> Judgement:
    """Compare all stories."""
    cut = {call for call in evidence.journal if _interrupted(evidence.journal[call], evidence.pbx_deaths)}
    ours = {id_: call for id_, call in evidence.journal.items() if call.is_callback}
    inbound = {id_: call for id_, call in evidence.journal.items() if id_ not in ours}
    cut_callers = {inbound[call].ani for call in cut - ours.keys()}
    known = {call.ani for call in inbound.values()}
    outside = {
        truth.ani
        for truth in evidence.truths
        if truth.ani not in known and _rang_while_dead(truth, evidence.pbx_deaths)
    }
    verdict = judge(
        [truth for truth in evidence.truths if truth.ani not in cut_callers | outside],
        {call: story for call, story in inbound.items() if call not in cut},
        [card for card in evidence.cards if card["call"] not in cut and card["call"] not in ours],
        {call: story for call, story in ours.items() if call not in cut},
    )
    verdict.offered = len(evidence.truths)
    judgement = Judgement(verdict, len(cut), len(outside), leaks=list(evidence.leaks))
    _cut_calls(judgement, evidence, cut - ours.keys())
    judgement.callbacks = callbacks.judge(
        verdict,
        evidence.journal,
        evidence.cards,
        evidence.dialling,
        cut=cut,
        rung=evidence.rung,
        now_ms=evidence.now_ms,
    )
    for words in judgement.callbacks.duplicates:
        judgement.duplicate_callbacks += 1
        verdict.problems.append(f"duplicate_callbacks: {words}")
    _cel(judgement, evidence)
    _ledger(judgement, evidence)
    _tickets(judgement, evidence)
    for text in evidence.extra_double:
        verdict.say("double_booked", text)
    return judgement


def _interrupted(call: JournalCall, deaths: Sequence[Pause]) -> bool:
    entered = next((int(fields["ms"]) for kind, fields in call.notes if kind == "ACDENTER"), 0)
    if call.count("ACDEND"):
        return False
    return any(entered <= death.ended_ms for death in deaths)


def _rang_while_dead(truth: Truth, deaths: Sequence[Pause]) -> bool:
    at = truth.entered_s * 1000
    return any(death.began_ms - PBX_SLACK_MS <= at <= death.ended_ms + PBX_SLACK_MS for death in deaths)


def _cut_calls(judgement: Judgement, evidence: Evidence, cut: set[str]) -> None:
    """Asterisk died under these: each needs a card that says so, and a place in the ledger."""
    cards = {str(card["call"]): card for card in evidence.cards}
    for call in cut:
        card, ani = cards.get(call), evidence.journal[call].ani
        if card is None:
            judgement.verdict.say("lost", f"{ani} ({call}) was cut off by Asterisk's death and has no card")
            continue
        finished = any(
            kind in ("ACDREFUSED", "ACDTRANSFER", "ACDCALLBACK")
            or (kind == "ACDTALKEND" and fields.get("stays") != "1")
            for kind, fields in evidence.journal[call].notes
        )
        if card["end_reason"] != "pbx_failed" and not finished:
            judgement.verdict.say(
                "distorted", f"{ani}: cut off by Asterisk's death, card says {card['end_reason']}"
            )


def _cel(judgement: Judgement, evidence: Evidence) -> None:
    if evidence.cel_calls is None:
        return
    for call in evidence.journal.keys() ^ evidence.cel_calls:
        if _at_the_edge(evidence.journal.get(call), evidence.pbx_deaths):
            continue  # kill -9 fell between the two writes of one call
        where = "CEL" if call in evidence.cel_calls else "queue_log"
        judgement.verdict.say("lost", f"{call} stands only in {where}")


def _at_the_edge(call: JournalCall | None, deaths: Sequence[Pause]) -> bool:
    if not deaths:
        return False
    return call is None or (len(call.notes) == 1 and _interrupted(call, deaths))


def _ledger(judgement: Judgement, evidence: Evidence) -> None:
    verdict = judgement.verdict
    answered = {str(card["call"]): _was_served(card, evidence.journal) for card in evidence.cards}
    for card in evidence.cards:
        call, reason = str(card["call"]), str(card["end_reason"])
        if call in evidence.journal and evidence.journal[call].is_callback:
            continue  # judged by callbacks.judge: what came of it is on the task it answers
        missed = reason in MISSED_REASONS and not (reason == "fallback" and answered[call])
        if missed and call not in evidence.missed:
            verdict.say("lost", f"{card['ani']} ({call}) was missed ({reason}) and is not in the ledger")
        elif not missed and call in evidence.missed:
            judgement.duplicate_callbacks += 1
            verdict.problems.append(
                f"duplicate_callbacks: {card['ani']} was served ({reason}) and has a task"
            )
    seen: set[tuple[str, str]] = set()
    for number, subscriber, is_open in evidence.tasks:
        if is_open and number and (number, subscriber) in seen:
            judgement.duplicate_callbacks += 1
            verdict.problems.append(f"duplicate_callbacks: two open tasks for {number} of {subscriber}")
        if is_open:
            seen.add((number, subscriber))


def _was_served(card: Mapping[str, object], journal: Mapping[str, JournalCall]) -> bool:
    call = journal.get(str(card["call"]))
    return call is not None and call.count("ACDFALLBACKANSWER") > 0


def _tickets(judgement: Judgement, evidence: Evidence) -> None:
    verdict = judgement.verdict
    cards = {str(card["call"]): card for card in evidence.cards}
    for call in cards.keys() - evidence.tickets.keys():
        verdict.say("lost", f"{cards[call]['ani']} ({call}) has a card and no ticket")
    for call in evidence.tickets.keys() - cards.keys():
        verdict.say("distorted", f"a ticket of {call}, which has no card")
    for call in cards.keys() & evidence.tickets.keys():
        for name in ("ani", "did", "end_reason", "agent", "number", "answered_at", "ended_at"):
            if cards[call][name] != evidence.tickets[call].get(name):
                told = evidence.tickets[call].get(name)
                verdict.say("distorted", f"{call}: card {name} {cards[call][name]!r}, ticket {told!r}")
    for key in evidence.tickets_changed:
        verdict.say("distorted", f"ticket {key} came twice with different content")


# --- figures -------------------------------------------------------------------------------------


TAKEN = frozenset({"ACDDIAL", "ACDFALLBACKANSWER"})
FREE = frozenset({"ACDDIALEND", "ACDTALKEND", "ACDEND"})


def first_offers_s(
    journal: Mapping[str, JournalCall], lives: Sequence[tuple[int, int]], agents: int
) -> list[float]:
    """Return seconds from each restart to the first phone tried, for lives that got so far.

    Without the time in which every agent was in a call: after half a minute in the fallback all of them are,
    and no router could offer one. `lives`: (started, ended or 0) in milliseconds; the first one is no restart.
    """
    dials = sorted(
        int(fields["ms"]) for call in journal.values() for kind, fields in call.notes if kind == "ACDDIAL"
    )
    spans = [span for call in journal.values() for span in _taken(call)]
    found = []
    for started, ended in lives[1:]:
        first = next((at for at in dials if at > started), None)
        if first is not None and (not ended or first < ended):
            found.append((first - started - _all_taken_ms(spans, agents, started, first)) / 1000)
    return found


def _taken(call: JournalCall) -> Iterator[tuple[int, int]]:
    """Yield from when to when this call held an agent, milliseconds."""
    since = 0
    for kind, fields in call.notes:
        if kind in TAKEN:
            since = int(fields["ms"])
        elif kind in FREE and since:
            yield since, int(fields["ms"])
            since = 0


def _all_taken_ms(spans: Sequence[tuple[int, int]], agents: int, since: int, until: int) -> int:
    """Return how long between the two moments at least so many calls held an agent each."""
    edges = sorted(
        edge
        for begun, ended in spans
        if begun < until and ended > since
        for edge in ((max(begun, since), 1), (min(ended, until), -1))
    )
    held = total = before = 0
    for at, step in edges:
        total += (at - before) * (held >= agents)
        held, before = held + step, at
    return total


def death_to_fallback_s(journal: Mapping[str, JournalCall], deaths: Sequence[Pause]) -> list[float]:
    """Return seconds from the daemon's death, or from beginning to wait after it, to the fallback."""
    found = []
    for call in journal.values():
        since = 0
        for kind, fields in call.notes:
            at = int(fields.get("ms") or 0)
            if kind in ("ACDENTER", "ACDQUEUED"):
                since = at
            elif kind == "ACDFALLBACK" and fields.get("why") == "heartbeat":
                found += [
                    (at - max(since, death.began_ms)) / 1000
                    for death in deaths
                    if death.began_ms <= at <= death.ended_ms
                ]
    return found
