"""The oracle of a run with call-backs: callers' own calls by one rule, ours to them by the rules of bin/faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.centre.oracle import Truth, Verdict, judge
from simulator.faults import callbacks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulator.centre.oracle import JournalCall


def judge_with_callbacks(
    truths: Sequence[Truth],
    backs: Sequence[Truth],
    journal: Mapping[str, JournalCall],
    cards: Sequence[Mapping[str, object]],
    ledger: callbacks.Ledger,
) -> Verdict:
    """Compare driver, journal, cards and ledger.

    Args:
        truths: the callers' own calls.
        backs: the call-backs of those who chose one, by the same numbers.
        journal: every call.
        cards: every card.
        ledger: claims of the dialler.
    """
    ours = {id_: call for id_, call in journal.items() if call.is_callback}
    theirs = {id_: call for id_, call in journal.items() if id_ not in ours}
    verdict = judge(truths, theirs, [card for card in cards if card["call"] not in ours], ours)
    finding = callbacks.judge(verdict, journal, cards, ledger)
    for text in finding.duplicates:
        verdict.say("distorted", text)
    made = {call.ani: call for call in ours.values()}
    for back in backs:
        call = made.pop(back.ani, None)
        if call is None:
            verdict.say("lost", f"{back.ani} chose to be called back and never was")
        elif call.agents("ACDANSWER") != back.answers:
            verdict.say(
                "distorted",
                f"call-back of {back.ani}: {back.answers} talked, journal {call.agents('ACDANSWER')}",
            )
    for number in made:
        verdict.say("distorted", f"{number} was called back and had not asked for it")
    return verdict
