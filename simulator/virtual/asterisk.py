"""A model of Asterisk as the daemon can observe it: one life of the process, its manager, its channels.

The journal belongs to the disk and survives; channels, globals and manager sessions die with the process.
Bytes on the wire are made and read by acd.wire.ami in the server's role.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from acd.wire.ami import (
    AmiAction,
    AmiServerParser,
    encode_banner,
    encode_event,
    encode_response,
)
from simulator.standin.channels import Channel
from simulator.virtual.back import BackWalk
from simulator.virtual.net import Wire
from simulator.virtual.walk import Walk

if TYPE_CHECKING:
    from simulator.virtual.loop import Process
    from simulator.virtual.people import Phone
    from simulator.virtual.world import World

VERSION = "22.10.1"
SYSTEM = "virtual"
BOOT_S = 0.3
NOT_UP = "Redirect failed, channel not up."


class Session:
    """One manager connection, the server's end."""

    def __init__(self, switch: Asterisk, wire: Wire) -> None:
        self.switch, self.wire = switch, wire
        self.user = ""
        self._parser = AmiServerParser()

    def bytes_came(self, data: bytes) -> None:
        """Obey what is complete."""
        for action in self._parser.feed(data):
            self.switch.act(self, action)

    def accept(self, action: AmiAction, message: str = "", *extra: tuple[str, str]) -> None:
        """Answer Success."""
        self._reply("Success", action, message, extra)

    def refuse(self, action: AmiAction, message: str) -> None:
        """Answer Error."""
        self._reply("Error", action, message, ())

    def _reply(self, kind: str, action: AmiAction, message: str, extra: tuple[tuple[str, str], ...]) -> None:
        pairs = [("Message", message)] if message else []
        self.wire.respond(encode_response(kind, [*pairs, *extra], action_id=action.get("ActionID")))


class Asterisk:
    """One life of the switch."""

    def __init__(self, world: World, process: Process) -> None:
        self.world, self.process = world, process
        self.channels: dict[str, Channel] = {}
        """By Uniqueid."""
        self.walks: dict[str, Walk] = {}
        """Callers' channels by Uniqueid."""
        self.groups: dict[str, str] = {}
        """GROUP(agent) of each channel."""
        self.globals: dict[str, str] = {}
        self.sessions: list[Session] = []
        self.booted = False
        self._serial = itertools.count(1)
        self._redirects = world.chance("redirects")
        process.later(BOOT_S, self._fully_booted)

    @property
    def alive(self) -> bool:
        """Whether this life still lasts."""
        return self.process.alive

    # --- channels ------------------------------------------------------------------------------------

    def new_channel(self, endpoint: str, caller_num: str = "", linked: str = "") -> Channel:
        """Make a leg and say so."""
        serial = next(self._serial)
        uniqueid = f"{self.world.wall_ms() // 1000}.{serial}"
        channel = Channel(f"PJSIP/{endpoint}-{serial:08x}", uniqueid, linked or uniqueid, caller_num)
        self.channels[uniqueid] = channel
        channel.state = "Ring"
        self.emit("Newchannel", channel.headers(), uniqueid)
        return channel

    def drop_channel(self, channel: Channel, cause: int = 16) -> None:
        """The leg is gone."""
        if self.channels.pop(channel.uniqueid, None) is not None:
            self.groups.pop(channel.uniqueid, None)
            self.emit("Hangup", [*channel.headers(), ("Cause", str(cause))], channel.uniqueid)

    def place_call(self, did: str, ani: str, caller: Any) -> Walk:
        """A call arrives."""
        channel = self.new_channel("trunk", ani)
        walk = Walk(self, channel, did, ani, caller)
        self.walks[channel.uniqueid] = walk
        self.process.spawn(walk.run())
        return walk

    def _do_originate(self, session: Session, action: AmiAction) -> None:
        """Take a call-back: an id that is up already gets no second channel."""
        call, other = action.get("ChannelId"), action.get("OtherChannelId")
        session.accept(action, "Originate successfully queued")
        if call in self.channels:
            self.world.count("originates_refused")
            return
        given = dict(pair.partition("=")[::2] for pair in action.get_all("Variable"))
        walk = BackWalk(self, call, other, given)
        self.walks[other] = walk
        self.process.spawn(walk.run())
        self.world.callback_begun(walk)

    def _do_logoff(self, session: Session, action: AmiAction) -> None:
        session.accept(action, "Goodbye")

    def group_count(self, agent: str) -> int:
        """GROUP_COUNT(agent@agent)."""
        return sum(1 for value in self.groups.values() if value == agent)

    # --- telling ---------------------------------------------------------------------------------------

    def emit(self, event: str, pairs: list[tuple[str, str]], lane: str) -> None:
        """Send an event to everybody who logged in."""
        if not self.sessions or not self.alive:
            return
        ms = self.world.wall_ms()
        stamp = [("SystemName", SYSTEM), ("Timestamp", f"{ms // 1000}.{ms % 1000:03d}000")]
        frame = encode_event(event, [*stamp, *pairs])
        for session in self.sessions:
            if session.user:
                session.wire.tell(frame, lane)

    def note(
        self, kind: str, channel: Channel | None, agent: str, fields: dict[str, str], ms: int | None = None
    ) -> None:
        """The dialplan's acd-note: the journal's row first, then the event."""
        variables = channel.variables if channel is not None else {}
        call, queue = variables.get("ACD_CALL", ""), variables.get("ACD_QUEUE", "")
        data = {"ms": str(self.world.wall_ms() if ms is None else ms), **fields}
        self.world.journal.write(call, queue, agent, kind.upper(), data)
        pairs = [] if channel is None else channel.headers()
        pairs += [("UserEvent", kind), ("Call", call or "NONE"), ("Queue", queue or "NONE")]
        pairs += [("Agent", agent or "NONE"), *((key.capitalize(), value) for key, value in data.items())]
        self.emit("UserEvent", pairs, channel.uniqueid if channel is not None else "features")

    def device_changed(self, phone: Phone) -> None:
        """Tell a phone's state."""
        pairs = [("Device", f"PJSIP/{phone.agent}"), ("State", phone.state)]
        self.emit("DeviceStateChange", pairs, f"device {phone.agent}")

    # --- manager -----------------------------------------------------------------------------------------

    def accept(self, client: Process, protocol: asyncio.Protocol) -> Wire:
        """A daemon connects."""
        wire = Wire(client, self.process, protocol, self.world.weather, self.world.chance("wire"))
        session = Session(self, wire)
        self.sessions.append(session)
        wire.on_bytes = session.bytes_came
        wire.on_closed = lambda: self._forget(session)
        self.process.later(0, wire.respond, encode_banner())
        return wire

    def _forget(self, session: Session) -> None:
        if session in self.sessions:
            self.sessions.remove(session)

    def _fully_booted(self) -> None:
        self.booted = True
        for session in self.sessions:
            if session.user:
                self._tell_booted(session)

    def _tell_booted(self, session: Session) -> None:
        session.wire.respond(encode_event("FullyBooted", [("Status", "Fully Booted")]))

    def act(self, session: Session, action: AmiAction) -> None:
        """Obey one action."""
        name = action.name.lower()
        if not session.user and name != "login":
            session.refuse(action, "Permission denied")
            return
        handler = getattr(self, f"_do_{name}", None)
        if handler is None:
            self.world.fault(f"the model does not know the action {action.name}")
            session.refuse(action, "Invalid/unknown command")
        else:
            handler(session, action)

    def _do_login(self, session: Session, action: AmiAction) -> None:
        session.user = action.get("Username")
        session.accept(action, "Authentication accepted")
        if self.booted:
            self._tell_booted(session)

    def _do_ping(self, session: Session, action: AmiAction) -> None:
        session.accept(action, "", ("Ping", "Pong"))

    def _do_coresettings(self, session: Session, action: AmiAction) -> None:
        session.accept(action, "", ("AsteriskVersion", VERSION), ("SystemName", SYSTEM))

    def _list(
        self, session: Session, action: AmiAction, rows: list[tuple[str, list[tuple[str, str]]]]
    ) -> None:
        session.accept(action, "follows", ("EventList", "start"))
        tag = [("ActionID", action.get("ActionID"))]
        for event, pairs in rows:
            session.wire.respond(encode_event(event, [*tag, *pairs]))
        session.wire.respond(encode_event(f"{action.name}Complete", [*tag, ("EventList", "Complete")]))

    def _do_status(self, session: Session, action: AmiAction) -> None:
        wanted = action.get("Variables").split(",")
        self._list(
            session,
            action,
            [
                ("Status", [*c.headers(), *(("Variable", f"{n}={c.variables.get(n, '')}") for n in wanted)])
                for c in self.channels.values()
            ],
        )

    def _do_coreshowchannels(self, session: Session, action: AmiAction) -> None:
        self._list(session, action, [("CoreShowChannel", c.headers()) for c in self.channels.values()])

    def _do_devicestatelist(self, session: Session, action: AmiAction) -> None:
        phones = self.world.phones.values()
        rows = [("DeviceStateChange", [("Device", f"PJSIP/{p.agent}"), ("State", p.state)]) for p in phones]
        self._list(session, action, rows)

    def _do_setvar(self, session: Session, action: AmiAction) -> None:
        target, name, value = action.get("Channel"), action.get("Variable"), action.get("Value")
        if target and target not in self.channels:
            session.refuse(action, "No such channel")
            return
        scope = self.channels[target].variables if target else self.globals
        scope[name] = value
        session.accept(action, "Variable Set")

    def _do_getvar(self, session: Session, action: AmiAction) -> None:
        target, name = action.get("Channel"), action.get("Variable")
        if target and target not in self.channels:
            session.refuse(action, "No such channel")
            return
        scope = self.channels[target].variables if target else self.globals
        session.accept(action, "", ("Variable", name), ("Value", scope.get(name, "")))

    def _do_hangup(self, session: Session, action: AmiAction) -> None:
        channel = self.channels.get(action.get("Channel"))
        if channel is None:
            session.refuse(action, "No such channel")
            return
        for walk in list(self.walks.values()):
            if isinstance(walk, BackWalk) and channel in (walk.channel, walk.first):
                walk.hang_up("system")
            elif walk.channel is channel:
                self.world.fault("a caller's channel was hung up by the daemon")
                walk.hang_up("system")
            elif walk.leg is channel:
                walk.leg_event("dead")
        session.accept(action, "Channel Hungup")

    def _do_redirect(self, session: Session, action: AmiAction) -> None:
        """Failure modes 5 to 9: no answer of a Redirect is the truth."""
        walk = self.walks.get(action.get("Channel"))
        if walk is None or walk.over:
            session.refuse(action, NOT_UP if walk is not None else "Channel does not exist.")
            return
        if not action.get("Context").startswith("acd-") or action.get("Exten") == "":
            self.world.fault(f"a caller was redirected to {action.get('Context')!r}")
        place = (action.get("Context"), action.get("Exten"))
        draw, odds = self._redirects.random(), self.world.odds
        if walk.target is not None:
            self.world.count("double_redirects")
            if draw < 0.23:
                walk.redirect(place)
            session.refuse(action, NOT_UP)
        elif draw < odds.lost:
            session.accept(action, "Redirect successful")
        elif draw < odds.lost + odds.refused:
            walk.redirect(place)
            session.refuse(action, NOT_UP)
        elif draw < odds.lost + odds.refused + odds.late:
            self.process.later(self._redirects.uniform(0.0, 4.0), walk.redirect, place)
            session.accept(action, "Redirect successful")
        else:
            walk.redirect(place)
            if draw > 1 - odds.doubled:
                self.process.later(self._redirects.uniform(0.0, 1.5), walk.redirect, place)
            session.accept(action, "Redirect successful")
