"""The daemon's answers as tables for people. Names are cleaned as on the wallboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from acd.snapshot_json import Frame
from acd.wallboard.render import clean, count, duration, percent

MAX_CELL = 60


def console() -> Console:
    """Return a console that does not interpret what it prints."""
    return Console(highlight=False, markup=False, emoji=False)


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Return a table of cleaned cells."""
    made = Table(
        title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for column in columns:
        right = column.endswith(">")
        justify: Literal["right", "left"] = "right" if right else "left"
        # figures are never broken over lines; names give way instead
        made.add_column(
            column.rstrip(">"), justify=justify, overflow="ellipsis" if right else "fold", no_wrap=right
        )
    for row in rows:
        made.add_row(*(Text(clean(str(cell))[:MAX_CELL]) for cell in row))
    return made


def status(frame: Frame, out: Console) -> None:
    """Print the state of the centre."""
    snapshot, labels = frame.snapshot, frame.labels
    out.print(Text(clean(labels.centre) or "ACD"))
    out.print(
        "synced with Asterisk" if snapshot.synced else "NOT synced with Asterisk: the dialplan serves calls"
    )
    out.print(snapshot.line(), soft_wrap=True)
    for mode in labels.degraded:
        out.print(f"degraded: {clean(mode)}")
    if labels.callbacks_due or labels.callbacks_held:
        out.print(
            f"call-backs: {labels.callbacks_due} due, {labels.callbacks_held} need a yes (acd callbacks)"
        )
    rows = [
        (
            labels.queues.get(queue.queue, queue.queue),
            "yes" if queue.open else "no",
            count(queue.waiting),
            duration(queue.longest_wait_ms),
            count(queue.offered),
            count(queue.answered),
            count(queue.abandoned),
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
        "SL, target>",
        "ASA>",
    )
    out.print(table("Queues", heads, rows))
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
            call.card_number or "–",
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
        table("Calls", ("card", "state", "queue", "caller", "waited>", "place>", "agent", "call"), rows)
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
    out.print(
        table(
            "Agents", ("id", "name", "status", "state", "for>", "phone", "handled>", "written>", "call"), rows
        )
    )


def explanation(answer: Any, out: Console) -> None:
    """Print why a call waits or why it got its agent: one line per reason."""
    whole = answer if isinstance(answer, Mapping) else {"lines": answer}
    found = whole.get("lines", whole.get("explanation", ()))
    lines = found if isinstance(found, list) else [found]
    for line in lines:
        out.print(clean(str(line)))
    if not lines:
        out.print("nothing was decided about this call yet")
