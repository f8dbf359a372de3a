"""What the day left behind, read from the outside: the database read-only, the journal, the mail server's own mails.

`problems` are what must not be; `transcript` is one case from the first ring to its resolution.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from simulator.centre.day_script import CALLS, DayCall
from simulator.centre.oracle import JournalCall

FINAL = frozenset({"sent", "acknowledged", "escalated", "settled"})
NOTES = {
    "ACDENTER": "caller's channel is in the dialplan",
    "ACDQUEUED": "waits",
    "ACDDIAL": "the agent's phone is dialled",
    "ACDANSWER": "the agent answers in the firm's name",
    "ACDTALKEND": "the talk is over",
    "ACDEND": "the caller's channel is gone",
}


@dataclass(slots=True)
class Seen:
    """Everything the day saw with its own eyes."""

    mails: list[tuple[float, EmailMessage]] = field(default_factory=list)
    """(wall seconds, mail) in order of arrival."""
    previews: dict[str, str] = field(default_factory=dict)
    """By caller: the text the agent's page showed."""
    deeds: list[tuple[float, str]] = field(default_factory=list)
    """(wall seconds, what a person did)."""
    calls_of_deeds: dict[int, str] = field(default_factory=dict)
    """Which of `deeds` belong to which call."""
    dossiers: dict[str, str] = field(default_factory=dict)
    """By call: what the pop showed."""
    refused: list[str] = field(default_factory=list)
    """Messages the desk did not take: a defect of the script or of the desk."""
    pops: Mapping[tuple[str, str], float] = field(default_factory=dict)
    journal: Mapping[str, JournalCall] = field(default_factory=dict)
    state_page: str = ""


def rows(database: Path, sql: str, *values: object) -> list[dict[str, Any]]:
    """Read rows, read-only."""
    link = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    link.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in link.execute(sql, values)]
    finally:
        link.close()


def body_of(mail: EmailMessage) -> str:
    """Return a mail's text with plain line ends."""
    return str(mail.get_content()).replace("\r\n", "\n")


def unsettled(database: Path) -> int:
    """Return how many deliveries still wait for a time, a server or an acknowledgement."""
    sql = "SELECT count(*) AS n FROM deliveries WHERE state IN ('waiting', 'unread', 'undelivered')"
    return int(rows(database, sql)[0]["n"])


def problems(database: Path, seen: Seen, calls: Sequence[DayCall] = CALLS) -> list[str]:
    """Return what is wrong; empty when every call has its card, its message, and somebody has it."""
    found = list(seen.refused)
    cards = {str(card["ani"]): card for card in rows(database, "SELECT * FROM cards")}
    messages = {m["call"]: m for m in rows(database, "SELECT * FROM desk_messages ORDER BY version")}
    deliveries = rows(database, "SELECT * FROM deliveries ORDER BY id")
    bodies = [body_of(mail) for _, mail in seen.mails]
    ids = [str(mail["Message-ID"]) for _, mail in seen.mails]
    if len(set(ids)) != len(ids):
        found.append("a mail came twice")
    for call in calls:
        card = cards.get(call.ani)
        if card is None:
            found.append(f"{call.ani}: no card")
            continue
        message = messages.get(card["call"])
        if not call.fields:
            found += [f"{call.ani}: a message nobody wrote"] if message else []
            continue
        if message is None:
            found.append(f"{call.ani}: no message ({card['end_reason']})")
            continue
        if message["body"].strip() != seen.previews.get(call.ani, "").strip():
            found.append(f"{call.ani}: what was previewed is not what was kept")
        own = [d for d in deliveries if d["call"] == card["call"]]
        sent = sum(message["body"].strip() in body for body in bodies)
        wanted = sum(d["sent_at"] is not None for d in own)
        if not own or sent != wanted:
            found.append(f"{call.ani}: {sent} mails for {wanted} deliveries")
        found += [f"{call.ani}: {d['recipient']} is {d['state']}" for d in own if d["state"] not in FINAL]
    return found


def summary(database: Path) -> list[tuple[str, ...]]:
    """Return one row per delivery: card, firm, caller, subject, recipient, state, attempts."""
    found = rows(
        database,
        "SELECT m.number, m.project, c.ani, m.subject, d.recipient, d.state, d.acknowledged_by, d.digest, d.step,"
        " (SELECT group_concat(event, ' → ') FROM (SELECT event FROM delivery_log WHERE delivery = d.id"
        " AND event <> 'created' ORDER BY id)) AS way"
        " FROM deliveries AS d JOIN desk_messages AS m ON m.call = d.call AND m.version = d.version"
        " LEFT JOIN cards AS c ON c.call = d.call ORDER BY d.call LIKE 'case-%', d.created_at, d.id",
    )
    return [
        (
            str(r["number"]), str(r["project"]), str(r["ani"] or "to the client"), str(r["subject"]), str(r["recipient"]),
            ("digest: " if r["digest"] else "") + str(r["way"] or r["state"]),
        )
        for r in found
    ]  # fmt: skip


def transcript(database: Path, seen: Seen, ani: str) -> list[tuple[float, str, str]]:
    """Return (wall seconds, who, what) of one caller's case, in order of time."""
    card = rows(database, "SELECT * FROM cards WHERE ani = ?", ani)[0]
    call, number = str(card["call"]), str(card["number"])
    lines: list[tuple[float, str, str]] = []
    journal = seen.journal.get(call)
    for kind, fields in journal.notes if journal else ():
        if kind in NOTES:
            agent = f" ({fields['agent']})" if fields.get("agent") else ""
            lines.append((int(fields["ms"]) / 1000, "switch", NOTES[kind] + agent))
    known = seen.dossiers.get(call, "")
    lines += [
        (at, "pop", f"on {agent}'s screen: {known}") for (c, agent), at in seen.pops.items() if c == call
    ]
    about = (call, f"case-{number}")
    for row in rows(
        database, "SELECT * FROM desk_messages WHERE call IN (?, ?) ORDER BY call LIKE 'case-%'", *about
    ):
        words = "written message" if row["call"] == call else "notice to the client"
        lines.append((row["created_at"] / 1000, "desk", f"{words} stored: «{row['subject']}»"))
    sql = (
        "SELECT l.at, l.event, l.detail, d.recipient FROM delivery_log AS l JOIN deliveries AS d ON d.id = l.delivery"
        " WHERE d.call IN (?, ?) ORDER BY l.id"
    )
    for row in rows(database, sql, *about):
        detail = f" ({row['detail']})" if row["detail"] else ""
        lines.append((row["at"] / 1000, "delivery", f"{row['recipient']}: {row['event']}{detail}"))
    for row in rows(database, "SELECT * FROM case_history WHERE number = ? ORDER BY id", number):
        text = f": {row['text']}" if row["text"] else ""
        lines.append((row["at"] / 1000, "case", f"{row['event']} by {row['who'] or 'the desk'}{text}"))
    lines += [
        (at, "person", what)
        for n, (at, what) in enumerate(seen.deeds)
        if number in what or seen.calls_of_deeds.get(n) == call
    ]
    lines += [
        (at, "mail", f"to {mail['To']}: «{mail['Subject']}»")
        for at, mail in seen.mails
        if number in str(mail["Subject"]) or number in body_of(mail)
    ]
    return sorted(lines, key=lambda line: line[0])


def as_text(lines: Sequence[tuple[float, str, str]], zone: dt.tzinfo) -> str:
    """Return a transcript as plain text, times to the hundredth of a second."""
    shown = []
    for at, who, what in lines:
        moment = dt.datetime.fromtimestamp(at, tz=zone)
        shown.append(f"{moment:%H:%M:%S}.{moment.microsecond // 10_000:02d}  {who:8}  {what}")
    return "\n".join(shown) + "\n"
