"""The channel `call`: one attempt is one ring of a person; a key says whether he has the message (000-11, 002-17).

No answer, busy, no key and "pass it on" are final for this person: the next one on call is rung, `rounds` times
round. The key is stored before the person hears that it was; a crash in between rings again, and loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from acd.adapters.asterisk.link import NoAnswer
from acd.adapters.asterisk.originate import PersonOrder
from acd.adapters.store import cards, desk_store
from acd.deskside.delivery import acknowledge
from acd.ports import PortError
from agi_scripts import deliver_message
from agi_scripts._session import AgiSession, CallerGone, argument
from agi_scripts.deliver_message import CONNECT, PASS_ON, TAKE, Spoken

if TYPE_CHECKING:
    import aiosqlite

    from acd.adapters.store.sqlite import SqliteStore
    from acd.deskside.links import Links
    from acd.ports import Clock, Parcel

TALK_S: Final = 80.0
SLACK_S: Final = 6.0
"""Dialling and setting up, beside the ring."""


class PersonCaller(Protocol):
    """Makes the switch ring a person (acd.adapters.asterisk.originate)."""

    async def ring(self, order: PersonOrder) -> None:
        """Raises NoAnswer in doubt, PortError when it surely was not taken."""


@dataclass(slots=True)
class _Attempt:
    delivery: int
    spoken: Spoken
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    key: str = ""


class PhoneCourier:
    """Rings people. `talk` answers the dialplan's question once somebody has picked up."""

    def __init__(
        self,
        store: SqliteStore,
        clock: Clock,
        links: Links,
        caller: PersonCaller,
        normalise: Callable[[str], str],
        ring_s: int,
        early: Mapping[str, tuple[str, str]] | None = None,
        connected: Callable[[int], Awaitable[object]] | None = None,
    ) -> None:
        """`early`: caller's and dialled number of messages that left before their card.

        `connected`: told the delivery whose person is being joined with the caller.
        """
        self._connected = connected
        self._early = {} if early is None else early
        self._store, self._clock, self._links = store, clock, links
        self._caller, self._normalise, self._ring_s = caller, normalise, ring_s
        self._attempts: dict[str, _Attempt] = {}
        self.limit_s = ring_s + TALK_S + 4 * SLACK_S
        self.counters: Counter[str] = Counter()

    async def send(self, parcel: Parcel) -> None:
        """Ring once; returns when the person has the message. Raises PortError, final when he has not."""
        number = self._normalise(parcel.recipient)
        thing = self._links.read("mail", parcel.reference) or ""
        if not thing.isdigit():
            raise PortError("only single messages go by phone", retryable=False)
        spoken, did = await self._about(int(thing), parcel)
        attempt, name = _Attempt(int(thing), spoken), str(uuid.uuid4())
        self._attempts[name] = attempt
        try:
            await self._ring(PersonOrder(name, number, did, self._ring_s))
            await self._wait(attempt)
        finally:
            self._attempts.pop(name, None)

    async def _ring(self, order: PersonOrder) -> None:
        try:
            await self._caller.ring(order)
        except NoAnswer:
            self.counters["call_in_doubt"] += 1  # it may ring: wait for the person as usual

    async def _wait(self, attempt: _Attempt) -> None:
        try:
            await asyncio.wait_for(attempt.answered.wait(), self._ring_s + SLACK_S)
        except TimeoutError:
            raise PortError("did not answer the phone", retryable=False) from None
        try:
            await asyncio.wait_for(attempt.over.wait(), TALK_S)
        except TimeoutError:
            raise PortError("pressed no key", retryable=False) from None
        self.counters[f"call_key_{attempt.key or 'none'}"] += 1
        if attempt.key not in {TAKE, CONNECT}:
            raise PortError(
                "passed it on" if attempt.key == PASS_ON else "hung up without a key", retryable=False
            )

    async def _about(self, delivery: int, parcel: Parcel) -> tuple[Spoken, str]:
        async def job(db: aiosqlite.Connection) -> tuple[str, str]:
            one = await desk_store.get(db, delivery)
            stored = await cards.get(db, call=one.message) if one is not None else None
            if stored is not None:
                return stored.card.ani, stored.card.did
            return self._early.get(one.message, ("", "")) if one is not None else ("", "")

        ani, did = await self._store.writer.do(job)
        facts = dict(parcel.facts)
        shown = "".join(c for c in did if c.isdigit() or c == "+")
        return Spoken(
            facts.get("card", ""), self._normalise(ani) if ani else "", facts.get("urgency") == "urgent"
        ), shown

    async def talk(self, session: AgiSession) -> None:
        """Lead the talk of a running attempt; another's question is not answered, and the dialplan hangs up."""
        attempt = self._attempts.get(argument(session, 1))
        if attempt is None or attempt.answered.is_set():
            self.counters["call_unknown"] += 1
            return
        attempt.answered.set()
        try:
            attempt.key = await deliver_message.talk(session, attempt.spoken, lambda: self._take(attempt))
            if attempt.key == CONNECT and self._connected is not None:
                with contextlib.suppress(PortError):
                    await self._connected(attempt.delivery)
        except CallerGone:
            attempt.key = attempt.key or ""
            raise
        finally:
            attempt.over.set()

    async def _take(self, attempt: _Attempt) -> bool:
        """Store that the person has it; False when the database refuses: then he has not."""
        try:
            done = await acknowledge(self._store, attempt.delivery, "", self._clock.now())
        except PortError:
            return False
        attempt.key = TAKE
        return done is not None and done.acknowledged_at is not None
