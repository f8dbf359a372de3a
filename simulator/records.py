"""Records of real days, read from three kinds of files into one form.

* our own call cards, one JSON object per line (the form of the export and the outbox);
* Asterisk's `queue_log`;
* a CSV with the columns arrival, wait, outcome, service and, if there are several queues, queue, agent, wrap.

A line that cannot be understood is counted and reported, never guessed.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_LINES = 5_000_000
MAX_PROBLEMS = 20

SERVED = {"served", "answered", "handled", "transferred", "completed", "connect"}
GAVE_UP = {"abandoned", "abandon", "lost", "reneged"}
OTHER = {"overflowed", "fallback", "callback", "refused", "pbx_failed", "timeout", "blocked"}


@dataclass(frozen=True, slots=True)
class Stay:
    """One call's stay in one queue."""

    queue: str
    arrival: dt.datetime
    """With its time zone: the local time of the centre."""
    wait_s: float
    outcome: str
    """served, abandoned or other."""
    talk_s: float = 0.0
    wrap_s: float = 0.0
    agent: str = ""


@dataclass(slots=True)
class Recording:
    """Everything understood, in the order of arrival, and what was not."""

    stays: list[Stay] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """The first lines not understood, each with file and line."""
    skipped: int = 0

    def refuse(self, place: str, why: str) -> None:
        """Count a line that could not be understood."""
        self.skipped += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{place}: {why}")

    def sort(self) -> Recording:
        """Order by arrival; return itself."""
        self.stays.sort(key=lambda stay: (stay.arrival, stay.queue))
        return self


def kind_of(outcome: str) -> str:
    """Return served, abandoned or other for any of the usual words.

    Raises:
        ValueError: an unknown word.
    """
    word = outcome.strip().lower()
    if word in SERVED:
        return "served"
    if word in GAVE_UP:
        return "abandoned"
    if word in OTHER:
        return "other"
    raise ValueError(f"unknown outcome {outcome[:40]!r}")


def _duration(text: Any, name: str) -> float:
    value = float(text)
    if not 0 <= value < 1e7:
        raise ValueError(f"{name} {text!r} is not a duration")
    return value


def _instant(text: str, zone: dt.tzinfo) -> dt.datetime:
    """Read seconds since the epoch or ISO 8601; a time without a zone is local."""
    try:
        return dt.datetime.fromtimestamp(float(text), zone)
    except ValueError:
        read = dt.datetime.fromisoformat(text)
    except OverflowError:
        raise ValueError(f"{text!r} is not an instant") from None
    return read.replace(tzinfo=zone) if read.tzinfo is None else read.astimezone(zone)


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for number, line in enumerate(file, 1):
            if number > MAX_LINES:
                raise ValueError(f"{path}: more than {MAX_LINES} lines")
            yield number, line.rstrip("\r\n")


def read_csv(path: Path, zone: dt.tzinfo) -> Recording:
    """Read a CSV of calls: arrival, wait, outcome, service[, queue, agent, wrap]; durations in seconds.

    Raises:
        ValueError: a required column is missing.
        OSError: the file cannot be read.
    """
    made = Recording()
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.DictReader(file)
        missing = {"arrival", "wait", "outcome", "service"} - set(rows.fieldnames or ())
        if missing:
            raise ValueError(f"{path}:1: no column {', '.join(sorted(missing))}")
        for row in rows:
            place = f"{path}:{rows.line_num}"
            try:
                outcome = kind_of(row["outcome"] or "")
                made.stays.append(
                    Stay(
                        queue=(row.get("queue") or "calls").strip(),
                        arrival=_instant((row["arrival"] or "").strip(), zone),
                        wait_s=_duration(row["wait"] or 0, "wait"),
                        outcome=outcome,
                        talk_s=_duration(row["service"] or 0, "service"),
                        wrap_s=_duration(row.get("wrap") or 0, "wrap"),
                        agent=(row.get("agent") or "").strip(),
                    )
                )
            except (ValueError, TypeError) as error:
                made.refuse(place, str(error))
    return made.sort()


def read_cards(path: Path, zone: dt.tzinfo) -> Recording:
    """Read call cards, one JSON object per line."""
    made = Recording()
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            card = json.loads(line)
            outcome = kind_of(str(card["end_reason"]))
            made.stays.append(
                Stay(
                    queue=str(card["queue"]) or "calls",
                    arrival=_instant(str(int(card["entered_at"]) / 1000), zone),
                    wait_s=_duration(int(card["wait_ms"]) / 1000, "wait"),
                    outcome=outcome,
                    talk_s=_duration((int(card["talk_ms"]) + int(card.get("hold_ms", 0))) / 1000, "talk"),
                    wrap_s=_duration(int(card.get("acw_ms", 0)) / 1000, "wrap-up"),
                    agent=str(card.get("agent") or ""),
                )
            )
        except KeyError as error:
            made.refuse(f"{path}:{number}", f"the card has no {error.args[0]!r}")
        except (ValueError, TypeError, AttributeError) as error:
            made.refuse(f"{path}:{number}", str(error))
    return made.sort()


_END_EVENTS = {"COMPLETECALLER", "COMPLETEAGENT", "TRANSFER", "BLINDTRANSFER", "ATTENDEDTRANSFER"}
_OTHER_ENDS = {"EXITWITHTIMEOUT", "EXITEMPTY", "EXITWITHKEY"}


def read_queue_log(path: Path, zone: dt.tzinfo) -> Recording:
    """Read Asterisk's queue_log: epoch|call|queue|agent|event|data.

    A call still in the line at the end of the file is left out: nothing is known of its end.
    """
    made = Recording()
    entered: dict[tuple[str, str], float] = {}
    connected: dict[tuple[str, str], tuple[float, str]] = {}
    for number, line in _lines(path):
        parts = line.split("|")
        if len(parts) < 5:
            if line.strip():
                made.refuse(f"{path}:{number}", "not a queue_log line")
            continue
        stamp, call, queue, agent, event, *data = parts
        try:
            at = float(stamp)
            key = (call, queue)
            if event == "ENTERQUEUE":
                entered[key] = at
            elif event == "CONNECT":
                connected[key] = (at, agent)
            elif key in entered and event in {"ABANDON", *_OTHER_ENDS, *_END_EVENTS}:
                stay = _queue_log_stay(key, event, at, data, entered[key], connected.get(key), zone)
                made.stays.append(stay)
                entered.pop(key, None)
                connected.pop(key, None)
        except (ValueError, OSError, OverflowError) as error:
            made.refuse(f"{path}:{number}", str(error))
    return made.sort()


def _queue_log_stay(
    key: tuple[str, str],
    event: str,
    at: float,
    data: list[str],
    entered: float,
    connected: tuple[float, str] | None,
    zone: dt.tzinfo,
) -> Stay:
    arrival = dt.datetime.fromtimestamp(entered, zone)
    if event == "ABANDON":
        wait = float(data[2]) if len(data) > 2 and data[2] else at - entered
        return Stay(key[1], arrival, _duration(wait, "wait"), "abandoned")
    if event in _OTHER_ENDS:
        return Stay(key[1], arrival, _duration(at - entered, "wait"), "other")
    answered, agent = connected if connected is not None else (at, "")
    wait = answered - entered
    talk = at - answered
    if event in {"COMPLETECALLER", "COMPLETEAGENT"} and len(data) > 1 and data[0] and data[1]:
        wait, talk = float(data[0]), float(data[1])
    return Stay(key[1], arrival, _duration(wait, "wait"), "served", _duration(talk, "talk"), 0.0, agent)
