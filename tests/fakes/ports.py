"""Fakes of acd.ports. They record; a test may make one refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acd.core.card import CallCard
from acd.core.effects import KeepAgentStatus, OfferCall
from acd.core.events import LiveAgent
from acd.core.snapshot import Snapshot
from acd.ports import PortError


class FakeClock:
    def __init__(self, now: int = 1_000_000) -> None:
        self.time = now

    def now(self) -> int:
        return self.time


class FakeSwitch:
    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.refuse: PortError | None = None
        self.defect: Exception | None = None

    async def _take(self, wish: Any) -> None:
        if self.refuse is not None:
            raise self.refuse
        if self.defect is not None:
            raise self.defect
        self.sent.append(wish)

    offer = send_to_fallback = move_to_queue = announce = offer_callback = hang_up_stray_leg = transfer = (
        _take
    )


class FakePops:
    def __init__(self) -> None:
        self.shown: list[Any] = []
        self.dossiers: list[Mapping[str, object]] = []
        self.fail = False

    async def show(self, wish: Any, dossier: Mapping[str, object]) -> None:
        self.dossiers.append(dossier)
        await self._take(wish)

    async def _take(self, wish: Any) -> None:
        if self.fail:
            raise PortError("broker down", retryable=True)
        self.shown.append(wish)

    confirm = withdraw = open_wrap_up = close_wrap_up = _take

    async def publish_snapshot(self, snapshot: Snapshot) -> None:
        self.shown.append(snapshot)


class FakeStore:
    def __init__(self) -> None:
        self.intents: list[OfferCall] = []
        self.cards: list[CallCard] = []
        self.agents: list[KeepAgentStatus] = []
        self.refuse = False
        self._number = 0

    async def intend(self, wish: OfferCall, at: int) -> None:
        if self.refuse:
            raise PortError("database is locked", retryable=True)
        self.intents.append(wish)

    async def write_card(self, card: CallCard) -> None:
        self.cards.append(card)

    async def keep_agent(self, wish: KeepAgentStatus) -> None:
        self.agents.append(wish)

    async def load_agents(self) -> tuple[LiveAgent, ...]:
        return ()

    def next_card_number(self) -> str:
        self._number += 1
        return str(self._number)
