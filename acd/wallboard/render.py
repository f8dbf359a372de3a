"""The board as text: lines of spans with roles. Pure; the application turns roles into colours.

Names come from outside and are hostile: escape sequences, control and bidi characters never reach the
terminal, and every cell is cut and padded by its width in columns, not by its number of characters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import NamedTuple, TypeAlias

from acd.wallboard.view import AgentRow, Alarm, Board, QueueRow, Severity
from acd.wallboard.words import trouble, word

ELLIPSIS = "…"
MAX_TEXT = 400
"""No name is looked at beyond this many characters."""
_MAX_MARKS = 2
"""Accents stacked on one letter; more is an attack on the lines above and below."""
_FIRST_PICTURE = 0x2600
_COUNT_COLUMNS = 4
_INVISIBLE = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),  # joiner of marks
        (0x115F, 0x11FF),  # Hangul fillers and loose vowels: blank, or no column of their own
        (0x180B, 0x180F),  # Mongolian selectors
        (0x3164, 0x3164),  # Hangul filler
        (0xD7B0, 0xD7FB),  # loose Hangul vowels
        (0xFE00, 0xFE0F),  # selectors of another shape, and with it another width
        (0xFFA0, 0xFFA0),  # halfwidth Hangul filler
    )
    for code in range(first, last + 1)
)
_PLANE_1 = range(0x10000, 0x20000)
"""Pictures and dead scripts; terminals disagree about them. Ideographs of planes 2 and 3 stay."""


class Span(NamedTuple):
    """A piece of text and what it is: text, dim, head, title, ok, notice, warning, alarm, chip_warning ..."""

    text: str
    role: str = "text"


Line: TypeAlias = tuple[Span, ...]


# --- safe text -------------------------------------------------------------------------------------


def clean(text: str) -> str:
    """Return text that can only put letters on a screen: no controls, no bidi, no invisible joiners, no pictures.

    Line breaks and all other space become one blank each. Pictures go because terminals disagree about
    their width.
    """
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text[:MAX_TEXT]):
        category = unicodedata.category(character)
        if character in _INVISIBLE or ord(character) in _PLANE_1:
            continue
        if category == "Mn":
            marks += 1
            if kept and marks <= _MAX_MARKS:
                kept.append(character)
            continue
        marks = 0
        if category[0] == "Z" or character in "\t\n\r\v\f":
            kept.append(" ")
        elif category[0] in "LNP" or (category[0] == "S" and ord(character) < _FIRST_PICTURE):
            kept.append(character)
    # what was dropped may have stood between a letter and its mark
    return unicodedata.normalize("NFC", " ".join("".join(kept).split()))


def _columns(character: str) -> int:
    if unicodedata.category(character) == "Mn":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def width(text: str) -> int:
    """Return how many columns cleaned text takes."""
    return sum(_columns(character) for character in text)


def fit(text: str, columns: int, *, right: bool = False) -> str:
    """Return cleaned text in exactly so many columns: cut with an ellipsis, or padded."""
    text = clean(text)
    if width(text) > columns:
        kept, used = "", 0
        for character in text:
            if used + _columns(character) > columns - 1:
                break
            kept, used = kept + character, used + _columns(character)
        text = kept + ELLIPSIS if columns > 0 else ""
    padding = " " * (columns - width(text))
    return padding + text if right else text + padding


def duration(ms: float, language: str = "en") -> str:
    """Return a length of time in at most six columns: 0:07, 12:30, 1h05."""
    seconds = max(0, int(ms)) // 1000
    minutes, seconds = divmod(seconds, 60)
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{minutes}:{seconds:02}"
    return f"{min(hours, 999)}{'ч' if language == 'ru' else 'h'}{rest:02}"


def count(number: int) -> str:
    """Return a number in at most four columns; beyond 9999 in thousands."""
    text = str(number)
    if len(text) > _COUNT_COLUMNS:
        text = f"{number // 1000}k"
    return text if len(text) <= _COUNT_COLUMNS else "999k"


def percent(share: float | None) -> str:
    """Return a share without rounding up to a promise that was missed."""
    return "–" if share is None else f"{int(share * 100 + 1e-9)}%"


def service_level(row: QueueRow) -> str:
    """Return figure, comparison and promise: ``57%<80%/20``."""
    target = f"{percent(row.target_share)}/{row.target_ms // 1000}"
    if row.service_level is None:
        return f"– {target}"
    return f"{percent(row.service_level)}{'<' if row.level is Severity.ALARM else '≥'}{target}"


# --- tables ----------------------------------------------------------------------------------------


class Column(NamedTuple):
    """A table column; it is shown when the table has at least `from_columns`."""

    key: str
    columns: int
    right: bool = True
    from_columns: int = 0


_QUEUE_COLUMNS = (
    Column("waiting", 4),
    Column("longest", 6),
    Column("offered", 5),
    Column("answered", 5),
    Column("abandoned", 5),
    Column("talking", 4, from_columns=96),
    Column("fallback", 6, from_columns=104),
    Column("service_level", 11),
    Column("bar", 10, right=False, from_columns=118),
    Column("asa", 4),
    Column("expected_wait", 7, from_columns=126),
    Column("alarm", 14, right=False),
)
_AGENT_COLUMNS = (
    Column("status", 17, right=False),
    Column("state", 11, right=False),
    Column("since", 6),
    Column("call", 8, right=False),
    Column("subscriber", 18, right=False, from_columns=106),
    Column("handled", 6, from_columns=90),
    Column("written", 6, from_columns=116),
    Column("alarm", 14, right=False),
)
_SEVERITY_ROLES = {
    Severity.NONE: "text",
    Severity.NOTICE: "notice",
    Severity.WARNING: "warning",
    Severity.ALARM: "alarm",
}
_STATE_ROLES = {"idle": "ok", "ringing": "notice", "reserved": "notice", "talking": "busy", "wrap_up": "wrap"}


def queue_head(columns: int, language: str) -> Line:
    """Return the head of the subscribers' table."""
    return _head(_QUEUE_COLUMNS, "subscriber", columns, language)


def agent_head(columns: int, language: str) -> Line:
    """Return the head of the agents' table."""
    return _head(_AGENT_COLUMNS, "agent", columns, language)


def queue_line(row: QueueRow, columns: int, language: str) -> Line:
    """Return one subscriber's line."""
    wait_role = _SEVERITY_ROLES[row.wait]
    waiting = Span(count(row.waiting) if row.waiting else "·", wait_role if row.waiting else "dim")
    longest = Span(
        duration(row.longest_ms, language) if row.waiting else "·", wait_role if row.waiting else "dim"
    )
    level_role = (
        "ok" if row.level is Severity.NONE and row.service_level is not None else _SEVERITY_ROLES[row.level]
    )
    expected = "–" if row.expected_wait_ms is None else duration(row.expected_wait_ms, language)
    cells = {
        "waiting": waiting,
        "longest": longest,
        "offered": Span(count(row.offered)),
        "answered": Span(count(row.answered)),
        "abandoned": Span(count(row.abandoned), "text" if row.abandoned else "dim"),
        "talking": Span(count(row.talking), "busy" if row.talking else "dim"),
        "fallback": Span(count(row.fallback), "notice" if row.fallback else "dim"),
        "service_level": Span(service_level(row), "dim" if row.service_level is None else level_role),
        "bar": Span(bar(row.service_level, row.target_share, 10), level_role),
        "asa": Span("–" if row.asa_ms is None else duration(row.asa_ms, language)),
        "expected_wait": Span(expected, "dim"),
        "alarm": _alarm(row.alarm, language),
    }
    name = Span(row.name, "dim" if row.alarm.code == "closed" else "name")
    return _row(_QUEUE_COLUMNS, name, cells, columns)


def agent_line(row: AgentRow, columns: int, language: str) -> Line:
    """Return one agent's line."""
    off = row.status == "logged_out"
    status = word(row.status, language)
    if row.status == "paused" and row.pause_reason:
        reason = word(f"reason_{row.pause_reason.casefold()}", language)
        shown = row.pause_reason if reason.startswith("reason_") else reason
        status = f"{status}: {shown}"
    state_key = "talking_state" if row.state == "talking" else row.state
    if row.reserve:
        status = word(row.reserve, language)
    quiet = row.state == "idle" and row.status != "available"
    cells = {
        "status": Span(status, "dim" if off else "notice" if row.status == "paused" else "text"),
        "state": Span("·" if quiet else word(state_key, language), "dim" if quiet else _state_role(row)),
        "since": Span(
            "–" if row.for_ms is None else duration(row.for_ms, language), "dim" if off else "text"
        ),
        "call": Span(row.call, "text"),
        "subscriber": Span(row.queue, "text"),
        "written": Span(count(row.written) if row.written else "·", "text" if row.written else "dim"),
        "handled": Span(count(row.handled), "dim" if off or not row.handled else "text"),
        "alarm": _alarm(row.alarm, language),
    }
    return _row(_AGENT_COLUMNS, Span(row.name, "dim" if off else "name"), cells, columns)


def _state_role(row: AgentRow) -> str:
    return _STATE_ROLES.get(row.state, "text")


def bar(share: float | None, target: float, columns: int) -> str:
    """Return a gauge of a share with its target marked: ``██████▏░▎░``."""
    if share is None:
        return "░" * columns
    filled = int(max(0.0, min(1.0, share)) * columns)
    cells = ["█"] * filled + ["░"] * (columns - filled)
    cells[max(0, min(columns - 1, int(target * columns)))] = "┃"
    return "".join(cells)


def _alarm(alarm: Alarm, language: str) -> Span:
    if alarm.severity is Severity.NONE:
        return Span("")
    if alarm.severity is Severity.NOTICE:
        return Span(word(alarm.code, language), "dim" if alarm.code == "closed" else "notice")
    role = "chip_alarm" if alarm.severity is Severity.ALARM else "chip_warning"
    return Span(word(alarm.code, language), role)


def _shown(table: tuple[Column, ...], columns: int) -> list[Column]:
    return [column for column in table if column.from_columns <= columns]


def _name_columns(table: tuple[Column, ...], columns: int) -> int:
    return max(6, columns - sum(column.columns + 1 for column in _shown(table, columns)))


def _head(table: tuple[Column, ...], name: str, columns: int, language: str) -> Line:
    parts = [Span(fit(word(name, language), _name_columns(table, columns)), "head")]
    for column in _shown(table, columns):
        title = "" if column.key == "bar" else word(column.key, language)
        parts.append(Span(" " + fit(title, column.columns, right=column.right), "head"))
    return cut(parts, columns)


def _row(table: tuple[Column, ...], name: Span, cells: dict[str, Span], columns: int) -> Line:
    parts = [Span(fit(name.text, _name_columns(table, columns)), name.role)]
    for column in _shown(table, columns):
        cell = cells[column.key]
        if cell.role.startswith("chip_"):  # a chip is as wide as its word, not as its column
            chip = f" {fit(cell.text, min(width(cell.text), column.columns - 2))} "
            parts += [Span(" "), Span(chip, cell.role), Span(" " * (column.columns - width(chip)))]
        else:
            parts += [Span(" "), Span(fit(cell.text, column.columns, right=column.right), cell.role)]
    return cut(parts, columns)


def cut(spans: Iterable[Span], columns: int) -> Line:
    """Return a line of at most so many columns."""
    left = columns
    kept: list[Span] = []
    for span in spans:
        size = width(span.text)
        if size > left:
            kept.append(Span(span.text[:left] if size == len(span.text) else fit(span.text, left), span.role))
            break
        kept.append(span)
        left -= size
    return tuple(kept)


# --- lines above and below the tables --------------------------------------------------------------


def title_line(board: Board, columns: int, language: str, zone: tzinfo | None = None) -> Line:
    """Return the top line: centre, alarms in words, time of the data."""
    time = _time(board, zone)
    alarms = alarm_spans(board, language)
    used = width(time) + sum(width(span.text) for span in alarms) + 4
    name = Span(" " + fit(board.centre or "ACD", max(4, columns - used - 1)), "title")
    return cut([name, Span(" "), *alarms, Span(" "), Span(f" {time} ", "title")], columns)


def _time(board: Board, zone: tzinfo | None) -> str:
    return datetime.fromtimestamp(board.now / 1000, zone).strftime("%H:%M:%S")


def alarm_spans(board: Board, language: str) -> tuple[Span, ...]:
    """Return the centre's alarms in words."""
    spans: list[Span] = []
    if board.alarm.severity is not Severity.NONE:
        role = "chip_alarm" if board.alarm.severity is Severity.ALARM else "chip_warning"
        spans += [Span(f" {word(board.alarm.code, language)} ", role), Span(" ")]
    if board.alarms:
        spans.append(Span(f" {word('alarms', language)}: {board.alarms} ", "chip_alarm"))
    elif not spans and not board.degraded and board.synced:
        spans.append(Span(word("all_well", language), "ok"))
    return tuple(spans)


def figures_line(board: Board, columns: int, language: str) -> Line:
    """Return the six figures of the centre in one line, for small screens."""
    spans: list[Span] = [Span(" ")]
    for key, value, role in figures(board, language):
        spans += [Span(f"{word(key, language).capitalize()} ", "dim"), Span(value, role), Span("   ")]
    if sum(width(span.text) for span in spans) > columns + 3:
        spans = [Span(span.text.replace("   ", " ")) if span.text == "   " else span for span in spans]
    return cut(spans, columns)


def figures(board: Board, language: str) -> tuple[tuple[str, str, str], ...]:
    """Return (word key, figure, role) of the tiles."""
    totals = board.totals
    level = "ok" if totals.level is Severity.NONE and totals.service_level is not None else None
    return (
        ("tile_waiting", count(totals.waiting), _SEVERITY_ROLES[totals.wait]),
        ("tile_longest", duration(totals.longest_ms, language), _SEVERITY_ROLES[totals.wait]),
        ("tile_talking", count(totals.talking), "busy" if totals.talking else "text"),
        ("tile_ready", f"{count(totals.ready)}/{count(totals.on_duty)}", "ok" if totals.ready else "warning"),
        ("tile_level", percent(totals.service_level), level or _SEVERITY_ROLES[totals.level]),
        ("tile_abandoned", count(totals.abandoned), "text"),
    )


def mode_line(
    board: Board, columns: int, language: str, lost_since: str = "", zone: tzinfo | None = None
) -> Line:
    """Return the line about what does not work: no connection, not synced, degraded modes; else counters."""
    if lost_since:
        data = f"{word('no_connection', language)} {lost_since} · {word('last_data', language)} {_time(board, zone)}"
        return cut([Span(" "), Span(f" {data} ", "chip_alarm")], columns)
    modes = list(board.degraded)
    if not board.synced:
        modes.insert(0, word("not_synced", language))
    if modes:
        text = f"{word('degraded', language)}: {'; '.join(clean(trouble(mode, language)) for mode in modes)}"
        return cut(
            [Span(" "), Span(f" {fit(text, min(width(clean(text)), columns - 4))} ", "chip_warning")], columns
        )
    owed = owed_spans(board, language)
    if board.counters:
        shown = ", ".join(f"{clean(name)} {number}" for name, number in board.counters)
        return cut([Span(" "), *owed, Span(f"{word('counters', language)}: {shown}", "dim")], columns)
    return cut([Span(" "), *owed], columns) if owed else (Span(""),)


def owed_spans(board: Board, language: str) -> list[Span]:
    """Return how many callers are owed a call, and how many of them wait for a person; empty when none."""
    if not board.callbacks_due and not board.callbacks_held:
        return []
    spans = [Span(f"{word('callbacks_due', language)}: {count(board.callbacks_due)}")]
    if board.callbacks_held:
        spans.append(Span(f", {count(board.callbacks_held)} {word('callbacks_held', language)}", "warning"))
    return [*spans, Span("   ")]


def page(board: Board, columns: int, language: str, zone: tzinfo | None = None) -> tuple[Line, ...]:
    """Return the whole board as lines, for --once."""
    lines: list[Line] = [title_line(board, columns, language, zone), figures_line(board, columns, language)]
    lines += [mode_line(board, columns, language), (Span(""),), queue_head(columns, language)]
    lines += [queue_line(row, columns, language) for row in board.queues]
    lines += [(Span(""),), agent_head(columns, language)]
    lines += [agent_line(row, columns, language) for row in board.agents]
    lines += [
        (Span(""),),
        sums_line(board, columns, language),
        (Span(fit(word("sl_formula", language), columns), "dim"),),
    ]
    return tuple(lines)


def sums_line(board: Board, columns: int, language: str) -> Line:
    """Return where all offered calls went: the parts add up, whatever columns a small screen leaves out.

    Other: still in the line, moved to another one, called back, refused.
    """
    of = board.totals
    rest = of.offered - of.answered - of.abandoned - of.fallback
    text = word("sums", language).format(of.offered, of.answered, of.abandoned, of.fallback, rest)
    return (Span(fit(text, columns), "dim"),)


def plain(lines: Iterable[Line]) -> str:
    """Return lines as text without colours; the words carry every alarm."""
    return "\n".join("".join(span.text for span in line).rstrip() for line in lines)
