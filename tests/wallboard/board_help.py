"""One busy quarter of an hour of a small centre, for the wallboard's tests."""

from __future__ import annotations

import dataclasses
from typing import Any

from acd.core.ids import AgentId, Ani, CallId, Did, QueueId, SubscriberId
from acd.core.snapshot import AgentView, CallView, QueueView, Snapshot
from acd.snapshot_json import Frame, Labels

NOW = 1_795_340_000_000


def queue(name: str = "sales", **changed: Any) -> QueueView:
    """A line with 10 offered, 9 answered, 8 in time."""
    view = QueueView(
        queue=QueueId(name),
        subscriber=SubscriberId(name),
        open=True,
        waiting=0,
        longest_wait_ms=0,
        offered=10,
        answered=9,
        answered_in_target=9,
        abandoned=1,
        abandoned_short=0,
        fallback=0,
        handled=9,
        talking=0,
        sum_wait_answered_ms=45_000,
        sum_talk_ms=900_000,
        sum_acw_ms=90_000,
        target_share=0.8,
        target_threshold_ms=20_000,
    )
    return dataclasses.replace(view, **changed)


def agent(name: str = "101", **changed: Any) -> AgentView:
    """An idle agent on duty for a minute."""
    view = AgentView(
        agent=AgentId(name),
        status="available",
        pause_reason="",
        state="idle",
        state_since=NOW - 60_000,
        reachable=True,
        call=None,
        handled=3,
        rna=0,
    )
    return dataclasses.replace(view, **changed)


def call(name: str = "c1", **changed: Any) -> CallView:
    """A talk with agent 101."""
    view = CallView(
        call=CallId(name),
        state="talking",
        queue=QueueId("sales"),
        subscriber=SubscriberId("sales"),
        did=Did("7001"),
        ani=Ani("+79110000000"),
        card_number="1042-7",
        entered_at=NOW - 90_000,
        waited_ms=4_000,
        agent=AgentId("101"),
        attempt=1,
        position=0,
    )
    return dataclasses.replace(view, **changed)


def snapshot(**changed: Any) -> Snapshot:
    """The centre; `queues`, `agents`, `calls` as needed."""
    whole = Snapshot(now=NOW, synced=True, calls=(), agents=(agent(),), queues=(queue(),))
    return dataclasses.replace(whole, **changed)


def frame(**changed: Any) -> Frame:
    """A frame with names."""
    labels = Labels("Centre", {"sales": "Sales & Co"}, {"101": "Анна Смирнова"})
    return Frame(snapshot(**changed), labels)
