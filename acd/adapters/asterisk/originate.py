"""Call-backs → Originate: the only code that makes Asterisk dial, over a manager user that can do nothing else.

Each command is a short session of its own: log in, Originate, log off. There is no link to keep alive, no
table of unanswered actions, and nothing that could be replayed. What becomes of the call is told by the
dialplan's notes on the router's own link; OriginateResponse is not listened to (failure mode 19).
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from acd.adapters.asterisk.link import AmiSettings, Link, NoAnswer, NotSent
from acd.ports import PortError
from acd.wire.ami import AmiClientParser
from acd.wire.errors import LocalProtocolError
from agi_scripts import dialplan_vars as var

CONTEXT: Final = "acd-callback-out"
NUMBER_CONTEXT: Final = "acd-callback-number"
DELIVER_OUT: Final = "acd-deliver-out"
DELIVER: Final = "acd-deliver"
for _name in (CONTEXT, NUMBER_CONTEXT, DELIVER_OUT, DELIVER):
    assert _name in var.CONTEXTS  # noqa: S101 - a misspelt context would be our own mistake

_CALL = re.compile(r"[0-9a-f][0-9a-f-]{35}\Z", re.ASCII)
_NUMBER = re.compile(r"\+?[0-9]{5,15}\Z", re.ASCII)
_PLAIN = re.compile(r"[0-9A-Za-z_.:+-]{0,200}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class CallbackOrder:
    """One call-back to be made. Ids and numbers only: no free text goes over the manager link."""

    call: str
    """Its own call id, a UUID chosen and stored before."""
    number: str
    """Whom to call, E.164."""
    did: str
    """The subscriber's number: what the client sees."""
    queue: str
    subscriber: str
    missed: str
    """The missed call it answers, or empty."""
    place_at: int | None
    """Its place in line: the caller's own entry in epoch milliseconds; None: at the end."""
    priority: float
    needs: str
    sticky: str
    agent_ring_s: int
    number_ring_s: int
    in_line_s: int
    """So long it waits for an agent."""
    approved: bool
    card: str


@dataclass(frozen=True, slots=True)
class PersonOrder:
    """One ring of a person who is to have a message."""

    attempt: str
    """A UUID of its own: the dialplan asks about it when the person has answered."""
    number: str
    did: str
    """The subscriber's number: what the person sees."""
    ring_s: int


class CallbackCaller:
    """Sends the orders. `settings` name the originate user."""

    def __init__(self, settings: AmiSettings) -> None:
        self.counters: Counter[str] = Counter()
        self._settings = settings
        self._one = asyncio.Lock()

    async def dial(self, order: CallbackOrder) -> None:
        """Make Asterisk take the call-back; returns when it said so.

        Raises:
            NoAnswer: it may have been taken or not; the switch must be asked for the order's call id.
            PortError: surely not taken.
        """
        await self._originate(_headers(order))

    async def ring(self, order: PersonOrder) -> None:
        """Make Asterisk ring a person; returns when it took the command. Raises as `dial`."""
        await self._originate(_person_headers(order))

    async def _originate(self, headers: list[tuple[str, str]]) -> None:
        async with self._one:
            answer = await self._session(headers)
        self.counters["ok" if answer is None else "refused"] += 1
        if answer is not None:
            raise PortError(f"Asterisk refuses to originate: {answer}", retryable=False)

    async def _session(self, headers: list[tuple[str, str]]) -> str | None:
        settings = self._settings
        link = Link(settings, AmiClientParser(frozenset()), self.counters)
        opening = link.connect()
        try:
            try:
                async with asyncio.timeout(settings.connect_timeout_s):
                    done, _ = await asyncio.wait(
                        (link.logged_in, link.lost), return_when=asyncio.FIRST_COMPLETED
                    )
            except TimeoutError:
                raise NotSent("no login of the originate user in time", retryable=True) from None
            if link.lost in done:
                raise NotSent(link.lost.result(), retryable=True)
            if refusal := link.logged_in.result():
                raise PortError(
                    f"Asterisk refuses AMI user {settings.username!r}: {refusal}; see callbacks.secret",
                    retryable=False,
                )
            return await self._send(link, headers)
        finally:
            link.fail("done")
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)

    async def _send(self, link: Link, headers: list[tuple[str, str]]) -> str | None:
        """Send the one action; return Asterisk's refusal, None when it took it."""
        if link.protocol is None:
            raise NotSent("the link closed", retryable=True)
        try:
            future = link.protocol.submit("Originate", headers, as_list=False)
        except LocalProtocolError as wrong:
            raise PortError(str(wrong), retryable=False) from wrong
        try:
            async with asyncio.timeout(self._settings.action_timeout_s):
                frame = (await future)[0]
        except TimeoutError:
            raise NoAnswer("Originate: no answer in time") from None
        return None if frame.name == "Success" else frame.get("Message") or "no reason given"


def _headers(order: CallbackOrder) -> list[tuple[str, str]]:
    """Write the action. Raises PortError for a value that could become something else in the dialplan."""
    if not _CALL.match(order.call) or not _NUMBER.match(order.number):
        raise PortError(f"call {order.call!r}: not an id and a number to dial", retryable=False)
    variables = {
        var.ACD_ANI: order.number,
        var.ACD_DID: order.did,
        var.ACD_QUEUE: order.queue,
        var.ACD_SUBSCRIBER: order.subscriber,
        var.ACD_BACK_OF: order.missed or "NONE",
        var.ACD_ENTER_MS: "" if order.place_at is None else str(order.place_at),
        var.ACD_PRIORITY: f"{order.priority:.3f}",
        var.ACD_NEEDS: order.needs,
        var.ACD_STICKY: order.sticky,
        var.ACD_RING_S: str(order.agent_ring_s),
        var.ACD_BACK_RING_S: str(order.number_ring_s),
        var.ACD_MAX_TURNS: str(max(1, order.in_line_s // 3)),
        var.ACD_BACK_APPROVED: "1" if order.approved else "",
        var.ACD_CARD: order.card,
    }
    given = _plain(variables)
    return [
        ("Channel", f"Local/{order.call}@{CONTEXT}/n"),
        ("Context", NUMBER_CONTEXT),
        ("Exten", "s"),
        ("Priority", "1"),
        ("Timeout", str((order.in_line_s + 2 * order.agent_ring_s + 60) * 1000)),
        ("Async", "true"),  # without it the session is blocked for the whole ring (failure mode 18)
        ("ChannelId", order.call),
        ("OtherChannelId", f"{order.call}-2"),
        *given,
    ]


def _plain(variables: dict[str, str]) -> list[tuple[str, str]]:
    for name, value in variables.items():
        if not _PLAIN.match(value):
            raise PortError(f"{name}={value!r} must not go to the dialplan", retryable=False)
    return [("Variable", f"{name}={value}") for name, value in variables.items() if value]


def _person_headers(order: PersonOrder) -> list[tuple[str, str]]:
    if not _CALL.match(order.attempt) or not _NUMBER.match(order.number):
        raise PortError("not an id and a number to ring", retryable=False)
    variables = {
        var.ACD_DELIVERY: order.attempt,
        var.ACD_ANI: order.number,
        var.ACD_DID: order.did,
        var.ACD_BACK_RING_S: str(order.ring_s),
        var.ACD_BACK_APPROVED: "1",  # the centre's own people: the wider pattern applies
    }
    return [
        ("Channel", f"Local/{order.attempt}@{DELIVER_OUT}/n"),
        ("Context", DELIVER),
        ("Exten", "s"),
        ("Priority", "1"),
        ("Timeout", str((order.ring_s + 5) * 1000)),
        ("Async", "true"),
        ("ChannelId", order.attempt),
        ("OtherChannelId", f"{order.attempt}-2"),
        *_plain(variables),
    ]
