"""The oracle: what the driver did, what the journal says and what the cards say must be one story.

Set equality of calls, equality of fields, nothing left over (failure-modes.md 1.2). Pure: it compares
what others collected. The driver knows a call by the caller's number, which it makes unique.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

CLOCK_SLACK_MS = 1_500
"""queue_log stamps and driver stamps are taken by different processes; a duration may differ by this."""


@dataclass(slots=True)
class Truth:
    """One call as its driver saw it. Times in seconds of the wall clock."""

    ani: str
    did: str
    entered_s: float
    outcome: str
    """answered, abandoned, callback (chosen), refused, busy (no line was free: the router must not know the call),
    fallback, contested (hang-up and answer crossed) or failed (a SIP error: never acceptable)"""
    answered_by: str = ""
    answered_s: float | None = None
    ended_s: float | None = None
    rings: list[tuple[str, float]] = field(default_factory=list)
    """(agent, when the INVITE came to the phone)"""
    answers: list[str] = field(default_factory=list)
    """Everybody who talked with the caller, in order; empty: only the last is known."""
    handed: list[tuple[str, str]] = field(default_factory=list)
    """(agent, queue): handed on to another line; the outcome is that of the last stay."""


@dataclass(frozen=True, slots=True)
class JournalCall:
    """One call as the notes of queue_log tell it."""

    call: str
    ani: str
    did: str
    notes: tuple[tuple[str, Mapping[str, str]], ...]
    """(kind, fields with `agent` and `ms`) in order."""

    @property
    def is_callback(self) -> bool:
        """Whether we made this call ourselves."""
        return self.count("ACDCALLBACKBEGIN") > 0

    def count(self, kind: str) -> int:
        """Return how often a note stands in the journal."""
        return sum(1 for name, _ in self.notes if name == kind)

    def last(self, kind: str) -> Mapping[str, str]:
        """Return the fields of the last note of one kind, empty without one."""
        return next((fields for name, fields in reversed(self.notes) if name == kind), {})

    def agents(self, kind: str) -> list[str]:
        """Return the agents of the notes of one kind."""
        return [fields.get("agent", "") for name, fields in self.notes if name == kind]

    def handed(self) -> list[tuple[str, str]]:
        """Return (agent, queue) of every time the caller was handed on to a waiting line."""
        told = ((f.get("agent", ""), f.get("to", "")) for name, f in self.notes if name == "ACDTRANSFER")
        return [(agent, to.removeprefix("queue_")) for agent, to in told if to.startswith("queue_")]

    def last_stay(self) -> JournalCall:
        """Return the call from its last waiting line on: the whole of it if nobody handed it on to another."""
        places = [
            place
            for place, (name, fields) in enumerate(self.notes)
            if name == "ACDTRANSFER" and fields.get("to", "").startswith("queue_")
        ]
        return replace(self, notes=self.notes[places[-1] + 1 :]) if places else self


def read_journal(lines: Iterable[str]) -> dict[str, JournalCall]:
    """Gather the Acd rows of a queue_log by call id."""
    notes: dict[str, list[tuple[str, dict[str, str]]]] = defaultdict(list)
    for line in lines:
        parts = line.rstrip("\n").split("|")
        if len(parts) < 5 or not parts[4].startswith("ACD") or parts[1] == "NONE":
            continue
        fields = dict(part.split("=", 1) for part in parts[5:] if "=" in part)
        agent = "" if parts[3] == "NONE" else parts[3]
        notes[parts[1]].append((parts[4], {**fields, "agent": agent, "queue": parts[2]}))
    calls = {}
    for call, rows in notes.items():
        entered = next((fields for name, fields in rows if name == "ACDENTER"), {})
        calls[call] = JournalCall(call, entered.get("ani", ""), entered.get("did", ""), tuple(rows))
    return calls


@dataclass(slots=True)
class Verdict:
    """What the oracle found. `problems` is empty when all three stories agree."""

    offered: int = 0
    answered: int = 0
    abandoned: int = 0
    fallback: int = 0
    refused: int = 0
    lost: int = 0
    """Calls that a source does not know, or that ended without a terminal state."""
    double_booked: int = 0
    """Callers answered by two agents at once, or agents with two callers at once."""
    distorted: int = 0
    """Calls of which two sources tell different things."""
    failed: int = 0
    """SIP failures seen by the driver."""
    problems: list[str] = field(default_factory=list)

    def say(self, counter: str, text: str) -> None:
        """Count and describe one difference."""
        setattr(self, counter, getattr(self, counter) + 1)
        self.problems.append(f"{counter}: {text}")


def judge(
    truths: Sequence[Truth],
    journal: Mapping[str, JournalCall],
    cards: Sequence[Mapping[str, object]],
    beside: Mapping[str, JournalCall] | None = None,
) -> Verdict:
    """Compare driver, journal and cards. Cards are rows with call, ani, did, end_reason, agent, ...

    `beside`: calls no driver made (call-backs of ours); they only take part in who talks with two at once.
    """
    verdict = Verdict(offered=len(truths))
    by_ani = {call.ani: call for call in journal.values()}
    card_of = {str(card["call"]): card for card in cards}
    for truth in truths:
        _one_call(verdict, truth, by_ani.get(truth.ani), card_of)
    known = {truth.ani for truth in truths}
    for call in journal.values():
        if call.ani not in known:
            verdict.say("distorted", f"journal has a call of {call.ani or 'nobody'} that no driver made")
    for call_id in card_of:
        if call_id not in journal:
            verdict.say("distorted", f"card of {call_id} has no call in the journal")
    _overlaps(verdict, {**journal, **(beside or {})})
    return verdict


def _one_call(
    verdict: Verdict, truth: Truth, call: JournalCall | None, card_of: Mapping[str, Mapping[str, object]]
) -> None:
    if truth.outcome == "busy":
        verdict.refused += 1
        if call is not None:
            verdict.say("distorted", f"{truth.ani} heard a busy line, and the journal knows the call")
        return
    # who was served by the PBX alone looks answered to the driver; the journal knows better
    outcome = "fallback" if call is not None and call.count("ACDFALLBACK") else truth.outcome
    if call is not None and call.count("ACDCALLBACK") and outcome == "failed":
        outcome = "callback"  # SIP only sees that the PBX hung up
    if outcome in ("answered", "abandoned", "refused", "fallback", "failed"):
        setattr(verdict, outcome, getattr(verdict, outcome) + 1)
    if outcome == "failed":
        verdict.problems.append(f"failed: SIP failure for {truth.ani}")
    if call is None:
        verdict.say("lost", f"{truth.ani} entered and the journal never heard of it")
        return
    if call.count("ACDEND") != 1:
        verdict.say("lost", f"{truth.ani}: {call.count('ACDEND')} ends in the journal instead of one")
    card = card_of.get(call.call)
    if card is None:
        verdict.say("lost", f"{truth.ani} ({call.call}) has no card")
    else:
        _one_card(verdict, truth, call, card)


def _one_card(verdict: Verdict, truth: Truth, call: JournalCall, card: Mapping[str, object]) -> None:
    for name, wanted in (("ani", truth.ani), ("did", truth.did)):
        if str(card[name]) != wanted:
            verdict.say("distorted", f"{truth.ani}: card says {name} {card[name]!r}, driver {wanted!r}")
    _handed(verdict, truth, call)
    reason = str(card["end_reason"])
    # who hangs up in the second line was handled all the same: he spoke to an agent (acd.core.cards)
    talked = call.count("ACDANSWER") > 0
    # a talk that broke off sends the caller back to the line; what comes then decides the card
    came_back = talked and call.last("ACDTALKEND").get("stays") == "1"
    if talked != (reason in ("handled", "transferred")) and not call.count("ACDFALLBACK") and not came_back:
        verdict.say("distorted", f"{truth.ani}: journal answered={talked}, card says {reason}")
    if truth.outcome == "answered" and not talked and not call.count("ACDFALLBACKANSWER"):
        verdict.say("distorted", f"{truth.ani}: driver was answered, journal knows no answer")
    last = (call.agents("ACDANSWER") or [""])[-1]
    if talked and str(card["agent"] or "") != last:
        verdict.say("distorted", f"{truth.ani}: journal answered by {last}, card says {card['agent']}")


def _handed(verdict: Verdict, truth: Truth, call: JournalCall) -> None:
    """Every stretch of a call that was handed on: by whom, to which line, and who talked."""
    if call.handed() != truth.handed:
        verdict.say("distorted", f"{truth.ani}: driver handed on {truth.handed}, journal {call.handed()}")
    talked = [f["agent"] for name, f in call.notes if name in ("ACDANSWER", "ACDFALLBACKANSWER")]
    if truth.answers and talked != truth.answers:
        verdict.say("distorted", f"{truth.ani}: driver talked with {truth.answers}, journal with {talked}")
    last = call.last_stay()
    served = last.count("ACDANSWER") + last.count("ACDFALLBACKANSWER") > 0
    if (
        truth.handed
        and truth.outcome in ("answered", "abandoned")
        and served != (truth.outcome == "answered")
    ):
        verdict.say(
            "distorted", f"{truth.ani}: driver was {truth.outcome} in the last line, journal: {served}"
        )


def _overlaps(verdict: Verdict, journal: Mapping[str, JournalCall]) -> None:
    """No agent may talk with two callers at once, no caller with two agents."""
    talks: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for call in journal.values():
        open_since: dict[str, int] = {}
        for kind, fields in call.notes:
            agent, ms = fields.get("agent", ""), int(fields.get("ms") or 0)
            if kind == "ACDANSWER":
                if open_since:
                    verdict.say(
                        "double_booked", f"{call.ani}: {agent} answered while {list(open_since)} talked"
                    )
                open_since[agent] = ms
            elif kind in ("ACDTALKEND", "ACDTRANSFER", "ACDEND"):
                for who, since in list(open_since.items()):
                    talks[who].append((since, ms, call.ani))
                open_since.clear()
    for agent, spans in talks.items():
        spans.sort()
        for (_, end, first), (start, _, second) in pairwise(spans):
            if start < end - CLOCK_SLACK_MS:
                verdict.say("double_booked", f"{agent} talked with {first} and {second} at once")


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile, None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def figures(values: Sequence[float]) -> dict[str, float | int | None]:
    """Return p50, p99 and the count, in the unit of the values, to a tenth."""
    rounded = {name: percentile(values, share) for name, share in (("p50", 0.5), ("p99", 0.99))}
    return {**{k: None if v is None else round(v, 1) for k, v in rounded.items()}, "count": len(values)}
