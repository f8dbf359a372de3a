"""The snapshot of the switch and the order in which a lost link becomes a sure one again.

Order (call-control.md, "Restart and resync"): the link is up (logged in, booted) and events are kept
back → one `Status` with our variables → `CoreShowChannels` → the world is told as one fact → the events
kept back are replayed, which is harmless because facts are idempotent → the journal's tail is read →
only then heartbeat and Redirects. The audit is the same without the last two, every 30 s (60 s were planned: a caller whose every event was lost waited that long).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from acd.adapters.asterisk import translate
from acd.adapters.asterisk.channels import Leg, Translator, device_of
from acd.adapters.asterisk.connection import STALLED, UP
from acd.adapters.asterisk.link import NoAnswer
from acd.core.events import LinkLost, LiveAgent, LiveCall, WorldSynced
from acd.core.ids import AgentId, Ani, CallId, Did, QueueId, SubscriberId
from acd.core.instant import Instant
from acd.ports import Clock, Inbox, PortError
from acd.wire.ami import AmiFrame
from agi_scripts import dialplan_vars as var

VARIABLES: Final = (
    var.ACD_CALL, var.ACD_STAGE, var.ACD_QUEUE, var.ACD_SUBSCRIBER, var.ACD_ENTER_MS, var.ACD_AGENT,
    var.ACD_ATTEMPT, var.ACD_ANSWER_MS, var.ACD_CARD, var.ACD_PRIORITY, var.ACD_NEEDS, var.ACD_STICKY,
    var.ACD_DID, var.ACD_ANI, var.ACD_CONSULTED, var.ACD_BACK_OF,
)  # fmt: skip
UNSET: Final = "(null)"
"""What Status prints for a variable the channel does not have."""
AUDIT_EVERY_S: Final = 30.0
KEPT_EVENTS: Final = 50_000
RETRY_S: Final = 1.0

log = logging.getLogger("acd.asterisk")


class Lists(Protocol):
    """What a snapshot needs of the connection."""

    async def list_action(self, name: str, headers: Mapping[str, str] = ...) -> list[AmiFrame]:
        """Return the items of a list."""


# --- pure: frames to the world -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The world for the core, and what the translator must remember of it."""

    world: WorldSynced
    callers: Mapping[CallId, str] = field(default_factory=dict)
    offers: Mapping[CallId, tuple[AgentId, int]] = field(default_factory=dict)
    legs: tuple[Leg, ...] = ()
    reachable: Mapping[AgentId, bool] = field(default_factory=dict)
    asked: Mapping[CallId, str] = field(default_factory=dict)
    """Whom an agent asks while the caller hears music: the channel."""


def variables_of(frame: AmiFrame) -> dict[str, str]:
    """Read the `Variable: NAME=value` lines of a Status item."""
    pairs = (line.partition("=") for line in frame.get_all("Variable"))
    return {name.strip(): "" if value == UNSET else value for name, equals, value in pairs if equals}


def build_snapshot(
    status: Sequence[AmiFrame],
    channels: Sequence[AmiFrame],
    devices: Sequence[AmiFrame],
    known: Iterable[LiveAgent],
    agent_of: Callable[[str], AgentId | None],
    *,
    now: Instant,
    audit: bool = False,
) -> Snapshot:
    """Put the lists together. Channels that ended between `Status` and `CoreShowChannels` are left out."""
    alive = {frame.get("Uniqueid") for frame in channels}
    rows = [(frame, variables_of(frame)) for frame in status if frame.get("Uniqueid") in alive]
    owners = _owners(rows)
    calls: list[LiveCall] = []
    offers: dict[CallId, tuple[AgentId, int]] = {}
    for values in owners.values():
        call = _live_call(values[1], now)
        calls.append(call)
        if call.agent is not None and call.stage in ("dial", "talk", "consult"):
            offers[call.call] = (call.agent, call.attempt)
    owner_ids = {frame.get("Uniqueid") for frame, _ in owners.values()}
    legs = [
        leg
        for frame, values in rows
        if frame.get("Uniqueid") not in owner_ids
        and (leg := _leg(frame, values, agent_of, offers)) is not None
    ]
    reachable = _reachable(devices, agent_of)
    busy = {leg.agent for leg in legs if leg.own}
    agents = tuple(
        replace(a, reachable=reachable.get(a.agent, a.reachable), in_own_call=a.agent in busy) for a in known
    )
    return Snapshot(
        WorldSynced(tuple(calls), agents, audit=audit, at=now),
        {call: frame.get("Uniqueid") for call, (frame, _) in owners.items()},
        offers,
        tuple(legs),
        reachable,
        {
            CallId(values[var.ACD_CALL]): frame.get("Uniqueid")
            for frame, values in rows
            if values.get(var.ACD_CONSULTED) and CallId(values.get(var.ACD_CALL, "")) in owners
        },
    )


def _owners(rows: Iterable[tuple[AmiFrame, dict[str, str]]]) -> dict[CallId, tuple[AmiFrame, dict[str, str]]]:
    """Find the caller's channel of each call: it has a stage; legs inherit only the call id.

    Should two channels show a stage for one call, the one that began the story wins, then the older.
    """
    owners: dict[CallId, tuple[AmiFrame, dict[str, str]]] = {}
    halves: dict[CallId, dict[str, str]] = {}
    for frame, values in rows:
        call = CallId(values.get(var.ACD_CALL, ""))
        if _is_first_half(frame):
            halves[CallId(frame.get("Uniqueid"))] = values
            continue
        if not call or values.get(var.ACD_STAGE, "") not in var.STAGES:
            continue
        rival = owners.get(call)
        if rival is None or _seniority(frame) < _seniority(rival[0]):
            owners[call] = (frame, values)
    for call, half in halves.items():
        if call in owners:
            owners[call] = (owners[call][0], _with_answer(owners[call][1], half))
    return owners


def _is_first_half(frame: AmiFrame) -> bool:
    """Whether it is the half of a call-back's Local channel that dials the number: no caller, no agent's leg."""
    channel = frame.get("Channel")
    return channel.endswith(";1") and "@acd-callback-out-" in channel


def _with_answer(values: dict[str, str], half: Mapping[str, str]) -> dict[str, str]:
    """Add what MASTER_CHANNEL() wrote at the agent's answer: of a call-back the first half is the master."""
    same = values.get(var.ACD_ATTEMPT) and values.get(var.ACD_ATTEMPT) == half.get(var.ACD_ATTEMPT)
    if values.get(var.ACD_STAGE) != "dial" or not same or half.get(var.ACD_STAGE) != "talk":
        return values
    return {**values, var.ACD_STAGE: "talk", var.ACD_ANSWER_MS: half.get(var.ACD_ANSWER_MS, "")}


def _seniority(frame: AmiFrame) -> tuple[bool, str]:
    return (frame.get("Uniqueid") != frame.get("Linkedid"), frame.get("Uniqueid"))


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None  # noqa: PLR2004 - milliseconds


def _live_call(values: Mapping[str, str], now: Instant) -> LiveCall:
    agent = values.get(var.ACD_AGENT, "")
    sticky = values.get(var.ACD_STICKY, "")
    missed = values.get(var.ACD_BACK_OF, "")
    stage = values[var.ACD_STAGE]
    if stage == "wait" and not values.get(var.ACD_QUEUE, ""):
        stage = "enter"  # the door's question was not answered yet: it will be asked again
    offered = bool(agent) and stage in ("dial", "talk", "consult")
    return LiveCall(
        call=CallId(values[var.ACD_CALL]),
        stage=stage,
        queue=QueueId(values.get(var.ACD_QUEUE, "")),
        subscriber=SubscriberId(values.get(var.ACD_SUBSCRIBER, "")),
        did=Did(values.get(var.ACD_DID, "")),
        ani=Ani(values.get(var.ACD_ANI, "")),
        entered_at=_whole(values.get(var.ACD_ENTER_MS, "")) or now,
        agent=AgentId(agent) if offered else None,
        attempt=(_whole(values.get(var.ACD_ATTEMPT, "")) or 0) if offered else 0,
        answered_at=_whole(values.get(var.ACD_ANSWER_MS, "")) if stage in ("talk", "consult") else None,
        card_number=values.get(var.ACD_CARD, ""),
        priority=translate.parse_priority(values.get(var.ACD_PRIORITY, "")),
        needs=translate.parse_needs(values.get(var.ACD_NEEDS, "")),
        sticky=AgentId(sticky) if sticky else None,
        missed=CallId("" if missed == "NONE" else missed) if missed else None,
    )


def _leg(
    frame: AmiFrame,
    values: Mapping[str, str],
    agent_of: Callable[[str], AgentId | None],
    offers: Mapping[CallId, tuple[AgentId, int]],
) -> Leg | None:
    if _is_first_half(frame):
        return None
    call = CallId(values.get(var.ACD_CALL, ""))
    uniqueid = frame.get("Uniqueid")
    device_agent = agent_of(device_of(frame.get("Channel")))
    if values.get(var.ACD_CONSULTED) and (call not in offers or device_agent != offers[call][0]):
        return None if device_agent is None else Leg(uniqueid, device_agent, own=True)
    if call in offers and device_agent in (None, offers[call][0]):
        agent, attempt = offers[call]
        return Leg(uniqueid, agent, call, attempt, ringing=frame.get("ChannelStateDesc") == "Ringing")
    if device_agent is None and frame.get("Context") == "acd-consult-agent" and values.get(var.ACD_AGENT):
        device_agent = AgentId(
            values[var.ACD_AGENT]
        )  # asks somebody though his caller is gone; through a trunk
    if device_agent is None:
        return None
    return Leg(uniqueid, device_agent, call or None, own=True)


def _reachable(devices: Iterable[AmiFrame], agent_of: Callable[[str], AgentId | None]) -> dict[AgentId, bool]:
    """Read DeviceStateList: an agent with two devices is reachable if one of them is."""
    found: dict[AgentId, bool] = {}
    for frame in devices:
        agent = agent_of(frame.get("Device"))
        state = frame.get("State")
        if agent is None or state not in translate.REACHABLE_STATES | translate.UNREACHABLE_STATES:
            continue
        found[agent] = found.get(agent, False) or state in translate.REACHABLE_STATES
    return found


# --- the order ---------------------------------------------------------------------------------


class Link(Lists, Protocol):
    """What the synchroniser needs of the connection."""

    state: str

    async def action(self, name: str, headers: Mapping[str, str] = ...) -> AmiFrame:
        """Return the response to one action."""

    def flush_events(self) -> None:
        """Deliver every event heard so far."""

    def drop(self, why: str) -> None:
        """Give the link up; a new one comes by itself."""


class Synchroniser:
    """Stands between the connection and the runner; knows whether what we believe is sure.

    Wire it as `AmiConnection(settings, sync.on_event, sync.on_state)`, then `sync.attach(connection)` and
    keep `sync.run()` as a task.

    Args:
        translator: turns events into facts.
        inbox: where facts go.
        clock: the core's timeline.
        known_agents: the agents' status as our store keeps it; asked at every sync.
        on_told: hears of each event once its facts were told; one kept back and dropped was not.
        read_calls: tells what the journal knows of calls while we heard nothing; asked before the world is
            told, so that a call which ended meanwhile ends as it really did.
        read_journal: reads the rest of the journal's tail; asked after the replay.
        alone: raises PortError while another daemon serves; asked before a resync, which is put off then.
    """

    def __init__(
        self,
        translator: Translator,
        inbox: Inbox,
        clock: Clock,
        *,
        known_agents: Callable[[], Awaitable[Iterable[LiveAgent]]],
        on_told: Callable[[AmiFrame], None] = lambda _frame: None,
        read_calls: Callable[[], Awaitable[None]] | None = None,
        read_journal: Callable[[], Awaitable[None]] | None = None,
        alone: Callable[[], Awaitable[None]] | None = None,
        audit_every_s: float = AUDIT_EVERY_S,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.released = asyncio.Event()
        """Set when heartbeat and Redirects may leave."""
        self._translator, self._inbox, self._clock = translator, inbox, clock
        self._on_told = on_told
        self._known_agents, self._read_calls, self._read_journal = known_agents, read_calls, read_journal
        self._audit_every_s, self._alone = audit_every_s, alone
        self._link: Link | None = None
        self._kept: list[AmiFrame] | None = None
        self._told_lost = True
        self._wanted = asyncio.Event()
        """A full resync is due."""
        self._wake = asyncio.Event()
        """A resync or an audit is due now."""

    def attach(self, link: Link) -> None:
        """Give the connection whose callbacks we are."""
        self._link = link

    @property
    def synced(self) -> bool:
        """Whether the core's world is the switch's."""
        return self.released.is_set()

    # --- callbacks of the connection -------------------------------------------------------------

    def on_event(self, frame: AmiFrame) -> None:
        """Translate at once, or keep back while a snapshot is being taken."""
        if self._kept is None:
            self._tell(frame)
        elif len(self._kept) < KEPT_EVENTS:
            self._kept.append(frame)
        elif self._link is not None:
            self.counters["kept_overflow"] += 1
            self._link.drop("too many events during a resync")

    def on_state(self, state: str) -> None:
        """Follow the link: lost means unsure at once, up means a resync."""
        if state in (UP, STALLED):
            if state == STALLED:
                self._lose()
            self._wanted.set()
            self._wake.set()
        else:
            self._lose()
            self._kept = []  # events between login and the snapshot are replayed after it
            self._translator.forget_channels()

    def ask_audit(self) -> None:
        """The core missed a report it had to get: audit now, without stopping anything."""
        self._wake.set()

    def suspect(self) -> None:
        """Somebody noticed that our loop slept: resync before anything else is done."""
        self.on_state(STALLED)

    def _lose(self) -> None:
        self.released.clear()
        if not self._told_lost:
            self._told_lost = True
            self._inbox(LinkLost(at=self._clock.now()))

    def _tell(self, frame: AmiFrame) -> None:
        for fact in self._translator.event(frame):
            self._inbox(fact)
        self._on_told(frame)

    # --- work ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Resync when the link is up, audit twice a minute; never ends by itself."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._audit_every_s):
                    await self._wake.wait()
            self._wake.clear()
            wanted = self._wanted.is_set()
            self._wanted.clear()
            if self._link is None or self._link.state != UP or (not wanted and not self.synced):
                continue
            try:
                await self._sync(audit=not wanted)
            except PortError as failed:
                self.counters["sync_failures"] += 1
                log.warning("resync failed: %s", failed)
                if not wanted and not self._wanted.is_set():
                    self._replay()  # a failed audit loses nothing; a resync goes on keeping events back
                else:
                    with contextlib.suppress(TimeoutError):  # a new link is news enough to try at once
                        async with asyncio.timeout(RETRY_S):
                            await self._wanted.wait()
                    self._wanted.set()
                    self._wake.set()

    async def _sync(self, *, audit: bool) -> None:
        link = self._link
        assert link is not None  # noqa: S101 - run() asked
        if self._alone is not None and not audit:
            if self._kept:
                self._kept.clear()  # the snapshot to come knows better, and standing by may take hours
            await self._alone()
        link.flush_events()  # a snapshot must not overtake what came before it
        if self._kept is None:
            self._kept = []
        known = await self._known_agents()
        status = await link.list_action("Status", {"Variables": ",".join(VARIABLES)})
        channels = await link.list_action("CoreShowChannels")
        devices = await self._devices(link)
        if self._wanted.is_set() or link.state != UP:
            return  # the link was lost meanwhile: this snapshot is of another life, the next one replays
        snapshot = build_snapshot(
            status, channels, devices, known, self._translator.agent_of, now=self._clock.now(), audit=audit
        )
        if self._read_calls is not None and not audit:
            await self._read_calls()
            if self._wanted.is_set() or link.state != UP:
                return
        self._translator.adopt(
            snapshot.callers, snapshot.offers, snapshot.legs, snapshot.reachable, snapshot.asked
        )
        self._inbox(snapshot.world)
        self._told_lost = False
        self._replay()
        self.counters["audits" if audit else "resyncs"] += 1
        if audit:
            return
        if self._read_journal is not None:
            await self._read_journal()
        if link.state == UP and not self._told_lost:
            self.released.set()
            log.info("synced: %d calls, %d agents", len(snapshot.world.calls), len(snapshot.world.agents))

    async def _devices(self, link: Link) -> list[AmiFrame]:
        """Ask for the phones' states: one list, or one by one where res_manager_devicestate is missing."""
        try:
            return await link.list_action("DeviceStateList")
        except NoAnswer:
            raise
        except PortError as refused:
            self.counters["device_list_failures"] += 1
            log.info("asking for phones one by one: %s", refused)
        found: list[AmiFrame] = []
        for device in self._translator.devices:
            answer = await link.action("Getvar", {"Variable": f"DEVICE_STATE({device})"})
            state = answer.get("Value")
            found.append(AmiFrame("Event", "DeviceStateChange", {"Device": device, "State": state}))
        return found

    def _replay(self) -> None:
        kept, self._kept = self._kept, None
        for frame in kept or ():
            self._tell(frame)
