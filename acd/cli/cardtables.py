"""Finished calls, missed calls and checks as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console

from acd.adapters.store.cards import StoredCard
from acd.adapters.store.rebuild import RebuildReport
from acd.cards import number as cardnumber
from acd.cli.tables import table
from acd.core.card import CallCard
from acd.desk.ledger import MissedTally, MissedTask
from acd.wallboard.render import clean, duration

SHOWN_DIFFERENCES = 50


def local(at: int | None) -> str:
    """Return a moment in the local time of this machine, to the second."""
    if at is None:
        return "–"
    return datetime.fromtimestamp(at / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def brief(at: int | None, now: int | None = None) -> str:
    """Return a moment in as few letters as it takes: the time today, day and time this year, else the date."""
    if at is None:
        return "–"
    when = datetime.fromtimestamp(at / 1000).astimezone()
    today = datetime.now().astimezone() if now is None else datetime.fromtimestamp(now / 1000).astimezone()
    if when.date() == today.date():
        return when.strftime("%H:%M")
    return when.strftime("%m-%d %H:%M" if when.year == today.year else "%Y-%m-%d")


def cards(found: Sequence[CallCard], out: Console) -> None:
    """Print one line per card."""
    rows = [
        (
            cardnumber.spoken(card.number),
            brief(card.entered_at),
            card.subscriber or card.queue,
            card.ani or "withheld",
            card.end_reason.value,
            duration(card.wait_ms),
            duration(card.talk_ms),
            card.agent or "–",
            dict(card.fields).get("subject", ""),
        )
        for card in found
    ]
    heads = ("card!", "entered!", "subscriber", "caller!", "end", "wait>", "talk>", "agent!", "?subject")
    title = "1 card" if len(found) == 1 else f"{len(found)} cards"
    out.print(table(title, heads, rows, out.width))


def card(stored: StoredCard, out: Console) -> None:
    """Print everything about one card."""
    one = stored.card
    told = [
        ("call", one.call),
        ("subscriber", one.subscriber),
        ("queue", one.queue),
        ("called", one.did),
        ("caller", one.ani or "withheld"),
        ("entered", local(one.entered_at)),
        ("answered", local(one.answered_at)),
        (
            "ended",
            f"{local(one.ended_at)}, {one.end_reason.value}, by {one.ended_by.value}, cause {one.cause}",
        ),
        ("wait", duration(one.wait_ms)),
        ("talk", f"{duration(one.talk_ms)}, hold {duration(one.hold_ms)}, wrap-up {duration(one.acw_ms)}"),
        ("responsible", one.agent or "–"),
        *one.fields,
    ]
    title = f"Card {cardnumber.spoken(one.number)} (version {stored.version})"
    out.print(table(title, ("", ""), told))
    if one.segments:
        rows = [
            (
                leg.agent,
                leg.attempt,
                local(leg.offered_at),
                local(leg.answered_at),
                local(leg.ended_at),
                leg.outcome,
            )
            for leg in one.segments
        ]
        out.print(table("Offers", ("agent", "attempt>", "offered", "answered", "ended", "outcome"), rows))
    if one.history:
        rows_of_history = [(local(at), state, detail) for at, state, detail in one.history]
        out.print(table("History", ("when", "state", "detail"), rows_of_history))
    for line in one.explanation:
        out.print(clean(str(line)))


def rebuild_data(report: RebuildReport) -> dict[str, Any]:
    """Return a check's outcome as JSON-able data."""
    return {
        "ok": report.ok,
        "calls": report.calls,
        "equal": report.equal,
        "unfinished": report.unfinished,
        "missing": report.missing,
        "fresh": report.fresh,
        "extra": report.extra,
        "different": report.different,
    }


def rebuilt(report: RebuildReport, mended: int, out: Console) -> None:
    """Print a check's outcome."""
    if mended:
        out.print(f"{mended} cards were written again from the journal")
    out.print(f"{report.calls} ended calls in the journal, {report.equal} cards say the same")
    out.print(
        f"{len(report.missing)} without a card, {len(report.extra)} cards without a journal row, "
        f"{len(report.different)} different, {report.unfinished} not ended"
    )
    if report.fresh:
        out.print(
            f"{len(report.fresh)} ended within the last ten minutes and have no card yet: it is stored when the wrap-up "
            "is over; look again then",
            soft_wrap=True,
        )
    rows = [(call, line) for call, lines in report.different.items() for line in lines]
    rows += [(call, "no card") for call in report.missing] + [
        (call, "not in the journal") for call in report.extra
    ]
    if rows:
        out.print(table("Differences", ("call", "what"), rows[:SHOWN_DIFFERENCES]))


def callbacks(found: Sequence[Mapping[str, Any]], out: Console) -> None:
    """Print whom we owe a call, as the daemon told it."""
    rows = [
        (
            task["id"],
            task["number"] or "withheld",
            task["subscriber"],
            task["state"] + (", LOST" if task["lost"] else ""),
            task["missed"],
            task["attempts"],
            brief(task["opened_at"]),
            brief(task["next_try_at"]) if task["state"] == "open" else "–",
            (task["closed_by"] and f"{task['close_reason']} ({task['closed_by']})") or task["why"],
        )
        for task in found
    ]
    heads = ("task>", "number!", "subscriber", "state", "?missed>", "?tries>", "?since!", "?next try!", "why")
    out.print(table("Call-backs", heads, rows, out.width))
    held = sum(task["state"] == "held" for task in found)
    if held:
        out.print(
            f"{held} need a person: `acd callbacks approve TASK` or `acd callbacks close TASK --reason …`"
        )


def tasks(found: Sequence[MissedTask], tally: MissedTally, now: int, out: Console) -> None:
    """Print the missed-call ledger."""
    rows = [
        (
            task.id,
            task.number or "withheld",
            task.subscriber,
            task.state.value + (", LOST" if task.is_lost(now) else ""),
            task.reason,
            task.missed,
            brief(task.opened_at, now),
            brief(task.deadline, now),
            f"{task.close_reason} ({task.closed_by})" if task.closed_by else "",
        )
        for task in found
    ]
    heads = (
        *(
            "id>",
            "number!",
            "subscriber",
            "state",
            "?last end",
            "?missed>",
            "?since!",
            "deadline!",
            "?closed",
        ),
    )
    out.print(table("Missed calls", heads, rows, out.width))
    out.print(
        f"missed {tally.missed}, tasks {tally.tasks}: open {tally.open} (held {tally.held}), "
        f"recontacted {tally.recontacted}, closed {tally.closed}; LOST {tally.lost} "
        "(neither recontacted nor closed by the deadline)"
    )
