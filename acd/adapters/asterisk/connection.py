"""The AMI link: panoramisk's Manager with a guard on every edge found sharp (call-control.md).

What stays panoramisk's: opening the connection, the order of greeting and login, the protocol hook.
What is ours: bytes to frames (acd.wire.ami), the one encoder, a table of unanswered actions that fails
instead of being replayed, one ordered bounded queue of events, a watchdog on received bytes, and a
reconnect that can be stopped. A link is used once; each reconnect is a new object with empty tables, so
nothing of the old one can fire late.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any, Final

from acd.adapters.asterisk.link import AmiSettings, Link, NoAnswer, NotSent, Refused
from acd.ports import PortError
from acd.wire.ami import AmiClientParser, AmiFrame, Headers, ParserCounters
from acd.wire.errors import LocalProtocolError

CONNECTING, BOOTING, UP, DOWN, REFUSED, STALLED, CLOSED = (
    "connecting", "booting", "up", "down", "refused", "stalled", "closed",
)  # fmt: skip
"""States told to `on_state`. `up`: logged in, Asterisk fully booted, version accepted. `refused`: wrong
secret or version, somebody must act. `stalled`: our own loop slept, what we know may be old."""

OURS: Final = frozenset({"FullyBooted", "Shutdown"})
EVENTS_PER_TURN: Final = 500
LOOP_GAP_S: Final = 2.0
SETTLED_S: Final = 5.0
"""A link that dies sooner after coming up is no success: the pause before the next one goes on growing."""

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
log = logging.getLogger("acd.asterisk")


class AmiConnection:
    """A link to one Asterisk that comes back by itself.

    Args:
        settings: where and how.
        on_event: called for each event, in order, from the loop; must only take it and return.
            An exception is counted and logged; the next event still comes.
        on_state: called with one of the states above on every change.
    """

    def __init__(
        self,
        settings: AmiSettings,
        on_event: Callable[[AmiFrame], None],
        on_state: Callable[[str], None] = lambda _state: None,
    ) -> None:
        self.settings = settings
        self.counters: Counter[str] = Counter()
        self.frames = ParserCounters()
        self.state = DOWN
        self.detail = ""
        """Why the state is what it is, in words for an administrator."""
        self.asterisk_version = ""
        self._system_name = ""
        """As CoreSettings tells it; a name nobody outside knows makes events unforgeable."""
        self._on_event = on_event
        self._on_state = on_state
        self._link: Link | None = None
        self._booted = asyncio.Event()
        self.after_events: Callable[[], None] = lambda: None
        """Called when the events of one read were taken: what they set going goes on at once."""
        self._delivering = False
        self._random = random.Random()  # noqa: S311 - jitter only
        self._closed = False

    @property
    def read_age_s(self) -> float:
        """Seconds since the last byte from Asterisk; infinite without a link."""
        if self._link is None:
            return float("inf")
        return asyncio.get_running_loop().time() - self._link.last_heard

    def status(self) -> dict[str, object]:
        """What `status` and the metrics show."""
        return {
            "state": self.state,
            "detail": self.detail,
            "asterisk": self.asterisk_version,
            "counters": {**self.counters, **asdict(self.frames)},
        }

    # --- life ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep a link until `close()` or cancellation. Never raises for anything the peer does."""
        attempt = refusals = 0
        try:
            while not self._closed:
                stayed = False
                try:
                    stayed = await self._one_link() >= SETTLED_S
                except Refused as refused:
                    refusals += 1
                    self._tell(REFUSED, str(refused))
                if self.state == REFUSED:
                    delay = self._delay(self.settings.refused_first_s, self.settings.refused_max_s, refusals)
                else:
                    refusals = 0
                    attempt = 1 if stayed else attempt + 1
                    delay = self._delay(self.settings.retry_first_s, self.settings.retry_max_s, attempt)
                if not self._closed:
                    await asyncio.sleep(delay)
        finally:
            self.close()

    def close(self) -> None:
        """End the link and the reconnecting; everybody who waits for an answer gets `NoAnswer`."""
        self._closed = True
        if self._link is not None:
            self._link.fail("closed by us")
            self._link = None
        self._tell(CLOSED, "")

    def drop(self, why: str) -> None:
        """Give the present link up (a list that never ends, a failed resync); `run` makes a new one."""
        if self._link is not None:
            self._link.fail(why)

    def _delay(self, first: float, most: float, attempt: int) -> float:
        # Jitter keeps several daemons from knocking in step after a switch restart.
        return min(most, first * 2.0 ** min(attempt - 1, 20)) * self._random.uniform(0.5, 1.0)

    def _tell(self, state: str, detail: str) -> None:
        changed = (state, detail) != (self.state, self.detail)
        self.state, self.detail = state, detail
        if changed:
            level = logging.ERROR if state == REFUSED else logging.INFO
            log.log(level, "ami %s %s", state, detail)
            self._on_state(state)

    async def _one_link(self) -> float:
        """Open, log in, wait for the boot, check the version, stay until it is lost; return the seconds it was up."""
        settings = self.settings
        self._tell(CONNECTING, f"{settings.host}:{settings.port}")
        self._booted.clear()
        self._system_name = ""
        interest = settings.interest
        parser = AmiClientParser(None if interest is None else interest | OURS)
        parser.counters = self.frames  # one count over all links
        link = self._link = Link(settings, parser, self.counters)
        link.wake = self._wake
        opening = link.connect()
        watch = asyncio.create_task(self._watch(link))
        greet = asyncio.create_task(self._greet(link))
        up_since: float | None = None
        try:
            either: list[asyncio.Future[Any]] = [greet, link.lost]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if greet.done():
                greet.result()  # raises Refused
            if not link.lost.done():
                up_since = link.loop.time()
                self._tell(UP, f"Asterisk {self.asterisk_version}")
            await link.lost
            self._tell(DOWN, link.lost.result())
        finally:
            link.fail("given up")
            for task in (opening, watch, greet):
                task.cancel()
            await asyncio.gather(opening, watch, greet, return_exceptions=True)
            link.logged_in.cancel()
            link.wake = lambda: None
            if self._link is link:
                self._link = None
        return 0.0 if up_since is None else link.loop.time() - up_since

    async def _greet(self, link: Link) -> None:
        settings = self.settings
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                refusal = await asyncio.shield(link.logged_in)
        except TimeoutError:
            link.fail(f"no login within {settings.connect_timeout_s:g} s")
            return
        if refusal:
            where = f"{settings.host}:{settings.port}"
            raise Refused(f"Asterisk at {where} refuses AMI user {settings.username!r}: {refusal}")
        self._tell(BOOTING, "waiting for FullyBooted (read class system)")
        try:
            async with asyncio.timeout(settings.boot_timeout_s):
                await self._booted.wait()
        except TimeoutError:
            link.fail(
                f"no FullyBooted within {settings.boot_timeout_s:g} s: does the user read class system?"
            )
            return
        try:
            answer = await self._ask(
                link, "CoreSettings", (), as_list=False, timeout_s=settings.action_timeout_s
            )
        except PortError as failed:
            link.fail(str(failed))
            return
        self._system_name = answer[0].get("SystemName")
        self.asterisk_version = answer[0].get("AsteriskVersion")
        check_version(self.asterisk_version, settings.floor)

    async def _watch(self, link: Link) -> None:
        """Ping once a second; silence of bytes ends the link, unless it was we who slept."""
        settings = self.settings
        loop = asyncio.get_running_loop()
        last = loop.time()
        while not link.lost.done():
            await asyncio.sleep(settings.ping_every_s)
            now = loop.time()
            slept, last = now - last - settings.ping_every_s, now
            if slept > LOOP_GAP_S:
                self.counters["loop_gaps"] += 1
                link.heard()  # our own sleep says nothing about the peer
                if self.state == UP:
                    self._on_state(STALLED)
            elif now - link.last_heard > settings.silence_s:
                link.fail(f"no byte for {now - link.last_heard:.1f} s")
            if link.protocol is not None and link.logged_in.done() and not link.lost.done():
                try:
                    link.protocol.submit("Ping", (), as_list=False)
                except NotSent as full:
                    link.fail(str(full))

    # --- events --------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Deliver what one read brought, at once; a flood goes on in the loop's next turns."""
        if not self._delivering:
            self._deliver(EVENTS_PER_TURN)

    def _deliver_later(self) -> None:
        self._delivering = True
        asyncio.get_running_loop().call_soon(self._deliver, EVENTS_PER_TURN)

    def flush_events(self) -> None:
        """Deliver everything heard so far; a snapshot must not overtake events that preceded it."""
        self._deliver(self.settings.event_limit)

    def _deliver(self, most: int) -> None:
        self._delivering = False
        link = self._link
        if link is None:
            return
        events = link.events
        for _ in range(min(most, len(events))):
            event = events.popleft()
            if self._is_forged(event):
                self.counters["forged_events"] += 1
                continue
            if event.name == "FullyBooted":
                self._booted.set()
            elif event.name == "Shutdown":
                link.fail("Asterisk shuts down")
            try:
                self._on_event(event)
            except Exception:
                self.counters["event_errors"] += 1
                log.exception("an AMI event could not be taken: %s", event.name)
        if events:
            self._deliver_later()
        self.after_events()

    def _is_forged(self, event: AmiFrame) -> bool:
        """Whether a caller wrote this event: Asterisk prints a caller's number unescaped.

        A From user with an encoded line break makes a whole event of its own, before any dialplan runs
        (security row 5). Asterisk stamps its system name on each true event and a caller cannot know it;
        FullyBooted comes before we know the name ourselves.
        """
        return bool(self._system_name) and event.get("SystemName") != self._system_name

    # --- actions -------------------------------------------------------------------------------

    async def action(self, name: str, headers: Headers = (), timeout_s: float | None = None) -> AmiFrame:
        """Send one action and return its response, be it Success or Error.

        Raises:
            NotSent: it surely did not leave (link not up, value refused by the encoder).
            NoAnswer: it left and no answer came in time or before the link was lost.
        """
        return (await self._act(name, headers, as_list=False, timeout_s=timeout_s))[0]

    def begin(self, name: str, headers: Headers = ()) -> Coroutine[Any, Any, AmiFrame]:
        """Send one action now, in this turn of the loop; the result, to be awaited, is its response.

        Raises NotSent at once; what is awaited raises NoAnswer.
        """
        timeout_s = self.settings.action_timeout_s
        future = self._submit(self._up_link(name), name, headers, as_list=False)
        return self._first_of(future, name, timeout_s)

    async def _first_of(
        self, future: asyncio.Future[list[AmiFrame]], name: str, timeout_s: float
    ) -> AmiFrame:
        return (await self._answer_of(future, name, timeout_s))[0]

    async def list_action(
        self, name: str, headers: Headers = (), timeout_s: float | None = None
    ) -> list[AmiFrame]:
        """Send an action that answers with a list; return the items without the frames around them.

        Raises:
            NotSent, NoAnswer: as `action`.
            PortError: Asterisk refused; its message is in the text.
        """
        frames = await self._act(name, headers, as_list=True, timeout_s=timeout_s)
        first = frames[0]
        if first.kind == "Response" and first.name != "Success":
            raise PortError(f"{name} refused: {first.get('Message')}", retryable=False)
        self.flush_events()
        return [f for f in frames if f.kind == "Event" and not f.name.endswith("Complete")]

    async def _act(
        self, name: str, headers: Headers, *, as_list: bool, timeout_s: float | None
    ) -> list[AmiFrame]:
        link = self._up_link(name)
        return await self._ask(
            link, name, headers, as_list=as_list, timeout_s=timeout_s or self.settings.action_timeout_s
        )

    def _up_link(self, name: str) -> Link:
        if self._link is None or self.state != UP:
            raise NotSent(f"{name}: the AMI link is {self.state}", retryable=True)
        return self._link

    async def _ask(
        self, link: Link, name: str, headers: Headers, *, as_list: bool, timeout_s: float
    ) -> list[AmiFrame]:
        return await self._answer_of(self._submit(link, name, headers, as_list=as_list), name, timeout_s)

    @staticmethod
    def _submit(link: Link, name: str, headers: Headers, *, as_list: bool) -> asyncio.Future[list[AmiFrame]]:
        try:
            return link.protocol.submit(name, headers, as_list=as_list)  # type: ignore[no-any-return]
        except LocalProtocolError as refused:
            raise NotSent(f"{name}: {refused}", retryable=False) from refused

    async def _answer_of(
        self, future: asyncio.Future[list[AmiFrame]], name: str, timeout_s: float
    ) -> list[AmiFrame]:
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            self.counters["action_timeouts"] += 1
            raise NoAnswer(f"{name}: no answer within {timeout_s:g} s") from None


def check_version(text: str, floor: tuple[int, int, int]) -> None:
    """Refuse an Asterisk below the floor, or one that does not say what it is.

    Raises:
        Refused: with a sentence for the administrator.
    """
    wanted = ".".join(map(str, floor))
    match = _VERSION.search(text)
    if match is None and any(floor):
        raise Refused(f"Asterisk does not tell its version ({text!r}); {wanted} or newer is needed")
    if match and tuple(int(part or 0) for part in match.groups()) < floor:
        raise Refused(
            f"Asterisk {text} is too old: {wanted} or newer is needed (lost Redirects, security fixes)"
        )
