"""Call-backs in a mix: who asks for one, how called numbers behave, and what must hold of them.

One firm's callers wait for a few agents who know its trade, so there is always somebody who waits long enough to be
offered a call-back (and some press 1) and somebody who gives up after five seconds (and is called back by the dialler).
`judge` is pure: it compares journal, cards and ledger of the calls we made ourselves.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.centre.oracle import JournalCall, Verdict

if TYPE_CHECKING:
    from simulator.centre.config import CentreSpec
    from simulator.centre.driver import PlannedCall

MAX_ATTEMPTS = 2
RING_S = 5
PLACE_SLACK_MS = 50
"""Entry and note of one call are stamped one after the other."""
LATE_MS = 180_000
"""No pause of these settings is longer; a task due later waits for an hour that never was."""
SCARCE_EVERY = 10
"""Every so many agents know the trade of the firm whose callers wait."""
BURST, BLOCK = 9, 90
"""So many callers in a row are the scarce firm's, of so many: a line that builds up and has time to go."""
TAKES_SHARE = 0.4
SILENT_SHARE = 0.2
"""Of the numbers that are called back."""

SECTION: dict[str, Any] = {
    "hours_from": "00:00",
    "hours_to": "24:00",
    "first_retry_s": 2.0,
    "longest_retry_s": 4.0,
    "postpone_s": 2.0,
    "ring_s": RING_S,
    "in_line_s": 30,
    "max_attempts": MAX_ATTEMPTS,
    "at_once": 5,
    "priority": 1.0,
    "daily_per_number": 100,
    "daily_per_subscriber": 1_000_000,
    "daily_total": 1_000_000,
    # the clock is one of the faults: an hour more or less must not cost the place
    "keep_place_s": 86_400.0,
}


def overlay(spec: CentreSpec) -> dict[str, Any]:
    """Return what is laid over a centre's configuration: call-backs, and a firm that few agents can serve."""
    firm = "nadezhda"
    knowing = spec.agent_ids[::SCARCE_EVERY]
    return {
        "callbacks": dict(SECTION),
        "skills": {"rare": {"display_name": "Rare trade"}},
        "queues": {
            firm: {
                "needs": [{"skill": "general", "min_level": 1}, {"skill": "rare", "min_level": 1}],
                "rules": [{"when": "waited_s > 1", "do": "offer_callback"}],
            }
        },
        "agents": {agent: {"skills": {"general": 1, "rare": 5}} for agent in knowing},
    }


def scarce_did(spec: CentreSpec) -> str:
    """Return the number of the firm that few agents can serve."""
    return spec.dids[1]


def with_callbacks(spec: CentreSpec, calls: Sequence[PlannedCall], seed: int) -> list[PlannedCall]:
    """Let some callers of the scarce firm press 1, and others give up after more than five seconds."""
    rng = random.Random(f"callbacks {seed}")
    others = [did for did in spec.dids if did != scarce_did(spec)]
    changed = []
    for n, call in enumerate(calls):
        if n % BLOCK >= BURST:
            changed.append(replace(call, did=rng.choice(others)) if call.did not in others else call)
        elif rng.random() < TAKES_SHARE:
            changed.append(replace(call, did=scarce_did(spec), patience_s=60.0, takes_callback=True))
        else:
            changed.append(replace(call, did=scarce_did(spec), patience_s=rng.uniform(5.5, 14.0)))
    return changed


def silent_numbers(calls: Sequence[PlannedCall], seed: int) -> frozenset[str]:
    """Return the callers who do not answer when they are called back."""
    rng = random.Random(f"numbers {seed}")
    return frozenset(call.ani for call in calls if rng.random() < SILENT_SHARE)


# --- reading ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Task:
    """One row of the ledger."""

    id: int
    number: str
    subscriber: str
    state: str
    next_try_at: int


@dataclass(slots=True)
class Ledger:
    """What the ledger says of dialling."""

    tasks: Mapping[int, Task] = field(default_factory=dict)
    dials: Sequence[tuple[int, str]] = ()
    """(task, call) in order of claiming."""


def read(database: Path) -> Ledger:
    """Read tasks and dials."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as link:
        tasks = {
            row[0]: Task(*row)
            for row in link.execute("SELECT id, number, subscriber, state, next_try_at FROM missed_tasks")
        }
        dials = link.execute("SELECT task, call FROM missed_dials ORDER BY rowid").fetchall()
    return Ledger(tasks, dials)


def unfinished(ledger: Ledger, now_ms: int, *, due: bool) -> int:
    """Return how many call-backs are under way; with `due` also those that could be dialled now."""
    return sum(
        task.state == "dialling"
        or (due and task.state == "open" and bool(task.number) and task.next_try_at <= now_ms)
        for task in ledger.tasks.values()
    )


# --- judging --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Finding:
    """What became of the call-backs."""

    made: int = 0
    """Call-backs that stood in the line."""
    dialled: int = 0
    """Numbers rung."""
    reached: int = 0
    kept_place: int = 0
    """Call-backs that stood where a caller had stood who pressed 1."""
    duplicates: list[str] = field(default_factory=list)
    """A number dialled twice for one task beyond what is allowed."""


def judge(
    verdict: Verdict,
    journal: Mapping[str, JournalCall],
    cards: Sequence[Mapping[str, object]],
    ledger: Ledger,
    *,
    cut: frozenset[str] | set[str] = frozenset(),
    rung: Mapping[str, int] | None = None,
    now_ms: int = 0,
) -> Finding:
    """Compare the stories of our own calls.

    Args:
        verdict: takes what was lost or distorted.
        journal: every call.
        cards: every card.
        ledger: tasks and claims.
        cut: calls that Asterisk's own death cut off.
        rung: how often each number was rung, as the numbers themselves saw it; None: not known.
        now_ms: the true time; 0: not looked at.
    """
    finding = Finding()
    ours = {id_: call for id_, call in journal.items() if call.is_callback}
    card_of = {str(card["call"]): card for card in cards}
    claimed = {call: task for task, call in ledger.dials}
    finding.made = len(ours)
    for id_, call in ours.items():
        _one(verdict, finding, call, card_of.get(id_), claimed.get(id_), cut=id_ in cut)
        finding.dialled += call.count("ACDNUMBERDIAL")
        finding.reached += call.count("ACDNUMBERANSWER")
    _numbers(finding, ours, cut, rung)
    _settled(verdict, ours, card_of, claimed, ledger, cut)
    finding.kept_place = _places(verdict, journal, ours, card_of, ledger)
    for task in ledger.tasks.values():
        if now_ms and task.state == "open" and task.next_try_at > now_ms + LATE_MS:
            late_s = (task.next_try_at - now_ms) / 1000
            verdict.say("distorted", f"the task of {task.number} waits {late_s:.0f} s more: by a wrong clock")
    return finding


def _one(
    verdict: Verdict,
    finding: Finding,
    call: JournalCall,
    card: Mapping[str, object] | None,
    task: int | None,
    *,
    cut: bool,
) -> None:
    """One call-back: claimed before it was made, one end, one card that says whether the number was reached."""
    if task is None:
        finding.duplicates.append(f"{call.ani} ({call.call}) was called back without a claim in the ledger")
    if call.count("ACDNUMBERDIAL") > 1:
        finding.duplicates.append(f"{call.ani}: one call-back dialled {call.count('ACDNUMBERDIAL')} times")
    if not cut and call.count("ACDEND") != 1:
        verdict.say(
            "lost", f"call-back of {call.ani}: {call.count('ACDEND')} ends in the journal instead of one"
        )
    if card is None:
        verdict.say("lost", f"call-back of {call.ani} ({call.call}) has no card")
        return
    if str(card["ani"]) != call.ani:
        verdict.say("distorted", f"call-back of {call.ani}: card says {card['ani']}")
    reached = call.count("ACDNUMBERANSWER") > 0
    if not cut and reached != (card["end_reason"] in ("handled", "transferred")):
        verdict.say(
            "distorted", f"call-back of {call.ani}: journal reached={reached}, card {card['end_reason']}"
        )


def _numbers(
    finding: Finding,
    ours: Mapping[str, JournalCall],
    cut: frozenset[str] | set[str],
    rung: Mapping[str, int] | None,
) -> None:
    """No number is rung too often (what Asterisk's death cut off does not count), twice at once, or again after a talk."""
    spans: dict[str, list[tuple[int, int, bool, bool]]] = defaultdict(list)
    for id_, call in ours.items():
        dialled = call.last("ACDNUMBERDIAL")
        if dialled:
            over = call.last("ACDNUMBEREND") or call.last("ACDEND")
            began = int(dialled["ms"])
            talked = call.count("ACDNUMBERANSWER") > 0 and id_ not in cut
            spans[call.ani].append((began, int(over.get("ms") or began), talked, id_ in cut))
    for number, found in spans.items():
        found.sort()
        counted = sum(not was_cut for _, _, _, was_cut in found)
        if counted > MAX_ATTEMPTS:
            finding.duplicates.append(f"{number} was dialled {counted} times, {MAX_ATTEMPTS} are allowed")
        for (_, end, talked, _), (start, _, _, _) in pairwise(found):
            if start < end:
                finding.duplicates.append(f"{number} was dialled twice at once")
            elif talked:
                finding.duplicates.append(f"{number} was dialled again after a talk")
    for number, times in Counter(rung or {}).items():
        if times > len(spans.get(number, ())):
            finding.duplicates.append(
                f"{number} rang {times} times, the journal knows {len(spans.get(number, ()))}"
            )


def _settled(
    verdict: Verdict,
    ours: Mapping[str, JournalCall],
    card_of: Mapping[str, Mapping[str, object]],
    claimed: Mapping[str, int],
    ledger: Ledger,
    cut: frozenset[str] | set[str],
) -> None:
    """A talk settles the task; nothing is left being dialled."""
    for id_, call in ours.items():
        task, card = ledger.tasks.get(claimed.get(id_, 0)), card_of.get(id_)
        talked = card is not None and card["end_reason"] == "handled" and id_ not in cut
        if task is not None and talked and task.state not in ("recontacted", "closed"):
            verdict.say("distorted", f"{call.ani} was talked with and its task is {task.state}")
    for task in ledger.tasks.values():
        if task.state == "dialling":
            verdict.say("lost", f"the task of {task.number} is still being dialled, long after all calls")


def _places(
    verdict: Verdict,
    journal: Mapping[str, JournalCall],
    ours: Mapping[str, JournalCall],
    card_of: Mapping[str, Mapping[str, object]],
    ledger: Ledger,
) -> int:
    """Whoever pressed 1 keeps the place: the first call-back waits with the caller's own time of entry."""
    kept, seen = 0, set()
    for task, id_ in ledger.dials:
        first = task not in seen
        seen.add(task)
        call = ours.get(id_)
        if call is None or not first:
            continue
        missed = call.last("ACDCALLBACKBEGIN").get("of", "")
        card = card_of.get(missed)
        if missed not in journal or card is None or card["end_reason"] != "callback":
            continue
        entered = int(
            journal[missed].last("ACDQUEUED").get("enter_ms") or journal[missed].last("ACDENTER")["ms"]
        )
        places = {int(f["enter_ms"]) for kind, f in call.notes if kind == "ACDQUEUED"}
        kept += 1
        if any(abs(place - entered) > PLACE_SLACK_MS for place in places):
            verdict.say("distorted", f"call-back of {call.ani} lost the place of {entered}: {sorted(places)}")
    return kept
