"""The daemon's answers as tables for people. Names are cleaned as on the wallboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from acd.cards.number import spoken
from acd.core.snapshot import Snapshot
from acd.snapshot_json import Frame
from acd.wallboard.render import clean, count, duration, percent

MAX_CELL = 60
LEAST_NAME = 14
"""Columns a name keeps before other columns are left out."""
COLUMN_EXTRA = 2
"""What a column costs beside its text: its padding and the space to the next one."""


def console() -> Console:
    """Return a console that does not interpret what it prints."""
    return Console(highlight=False, markup=False, emoji=False)


def table(title: str, columns: Sequence[str], rows: Iterable[Iterable[object]], room: int = 0) -> Table:
    """Return a table of cleaned cells.

    Args:
        title: above it.
        columns: heads. A last `>` means a figure: to the right, never broken. `!` means never broken. A first `?`
            means that the column may be left out when there is no room, the rightmost of them first.
        rows: one cell per column; None: not known, shown as a dash.
        room: columns of the terminal; 0 leaves nothing out.
    """
    cells = [["–" if cell is None else clean(str(cell))[:MAX_CELL] for cell in row] for row in rows]
    kept = _fitting(columns, cells, room)
    made = Table(
        title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for index in kept:
        column = columns[index]
        right = column.endswith(">")
        justify: Literal["right", "left"] = "right" if right else "left"
        # figures, numbers and ids are never broken over lines; names give way instead
        whole = column.endswith((">", "!"))
        made.add_column(
            column.strip("?>!"), justify=justify, overflow="ellipsis" if whole else "fold", no_wrap=whole
        )
    for row in cells:
        made.add_row(*(Text(row[index]) for index in kept))
    return made


def _fitting(columns: Sequence[str], cells: Sequence[Sequence[str]], room: int) -> list[int]:
    """Return the columns that find room, names counted as broken over lines."""
    widths = []
    for index, column in enumerate(columns):
        widest = max((cell_len(row[index]) for row in cells), default=0)
        if not column.endswith((">", "!")):
            widest = min(widest, LEAST_NAME)
        widths.append(max(widest, cell_len(column.strip("?>!"))) + COLUMN_EXTRA)
    kept = list(range(len(columns)))
    for index in reversed(range(len(columns))):
        if room and columns[index].startswith("?") and sum(widths[one] for one in kept) + 1 > room:
            kept.remove(index)
    return kept


def sums(snapshot: Snapshot) -> str:
    """Return where all offered calls went, so that the figures add up before the reader's eyes."""
    offered, answered, abandoned, fallback, otherwise = (
        sum(getattr(queue, name) for queue in snapshot.queues)
        for name in ("offered", "answered", "abandoned", "fallback", "left_otherwise")
    )
    under_way = offered - answered - abandoned - fallback - otherwise
    return (
        f"offered {offered} = answered {answered} + abandoned {abandoned} + fallback or voice mail {fallback}"
        f" + left otherwise {otherwise} (overflow, call-back, refused) + under way {under_way}"
    )


def _queues(frame: Frame, room: int) -> Table:
    """Return the queues of the interval."""
    snapshot, labels = frame.snapshot, frame.labels
    rows = [
        (
            labels.queues.get(queue.queue, queue.queue),
            "yes" if queue.open else "no",
            count(queue.waiting),
            duration(queue.longest_wait_ms),
            count(queue.offered),
            count(queue.answered),
            count(queue.abandoned),
            count(queue.fallback),
            f"{percent(queue.sl_of_offered)}, {percent(queue.target_share)}/{queue.target_threshold_ms // 1000}s",
            "–" if queue.asa_ms is None else duration(queue.asa_ms),
        )
        for queue in snapshot.queues
    ]
    heads = (
        "queue",
        "open",
        "wait>",
        "longest>",
        "offered>",
        "answered>",
        "aband.>",
        "?fallb.>",
        "SL, target>",
        "?ASA>",
    )
    return table("Queues", heads, rows, room)


def status(frame: Frame, out: Console) -> None:
    """Print the state of the centre."""
    snapshot, labels = frame.snapshot, frame.labels
    out.print(Text(clean(labels.centre) or "ACD"))
    out.print(
        "synced with Asterisk" if snapshot.synced else "NOT synced with Asterisk: the dialplan serves calls"
    )
    off = sum(agent.status == "logged_out" for agent in snapshot.agents)
    out.print(snapshot.line() + (f", {off} logged out" if off else ""), soft_wrap=True)
    for mode in labels.degraded:
        out.print(f"degraded: {clean(mode)}", soft_wrap=True, markup=False, highlight=False)
    if labels.degraded:
        out.print("what it means for calls, what to do: config/troubles.md (troubles.ru.md)", soft_wrap=True)
    if labels.callbacks_due or labels.callbacks_held:
        out.print(
            f"call-backs: {labels.callbacks_due} due, {labels.callbacks_held} need a yes (acd callbacks)"
        )
    out.print(_queues(frame, out.width))
    out.print(sums(snapshot), soft_wrap=True)
    out.print("SL is sl_of_offered = answered within the target's seconds / offered")
    if snapshot.counters:
        out.print("counters: " + ", ".join(f"{clean(name)} {number}" for name, number in snapshot.counters))


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """Return each id's shortest beginning, from eight characters on, that no other one has: `acd explain` takes it."""
    whole = set(ids)
    told = {}
    for one in whole:
        length = 8
        while length < len(one) and any(other != one and other.startswith(one[:length]) for other in whole):
            length += 1
        told[one] = one[:length]
    return told


def calls(frame: Frame, out: Console) -> None:
    """Print the live calls."""
    labels = frame.labels
    short = short_ids(call.call for call in frame.snapshot.calls)
    rows = [
        (
            spoken(call.card_number) if call.card_number else "–",
            call.state,
            labels.queues.get(call.queue, call.queue),
            call.ani or "–",
            duration(call.waited_ms),
            call.position or "",
            labels.agents.get(call.agent, call.agent) if call.agent else "",
            short[call.call],
        )
        for call in frame.snapshot.calls
    ]
    out.print(
        table(
            "Calls",
            ("card!", "state!", "queue", "caller!", "waited>", "?place>", "agent", "call!"),
            rows,
            out.width,
        )
    )


def agents(frame: Frame, out: Console) -> None:
    """Print the agents."""
    snapshot, labels = frame.snapshot, frame.labels
    short = short_ids(call for agent in snapshot.agents if (call := agent.call))
    rows = [
        (
            agent.agent,
            labels.agents.get(agent.agent, ""),
            f"{agent.status}: {agent.pause_reason}" if agent.pause_reason else agent.status,
            agent.state,
            duration(snapshot.now - agent.state_since) if agent.state_since > 0 else "–",
            "yes" if agent.reachable else "NO",
            agent.handled,
            agent.written,
            short[agent.call] if agent.call else "",
        )
        for agent in snapshot.agents
    ]
    heads = ("id!", "name", "status", "state!", "for>", "phone!", "?handled>", "?written>", "call!")
    out.print(table("Agents", heads, rows, out.width))


def explanation(answer: Any, out: Console) -> None:
    """Print why a call waits or why it got its agent: one line per reason."""
    whole = answer if isinstance(answer, Mapping) else {"lines": answer}
    found = whole.get("lines", whole.get("explanation", ()))
    lines = found if isinstance(found, list) else [found]
    for line in lines:
        out.print(clean(str(line)))
    if not lines:
        out.print("nothing was decided about this call yet")
