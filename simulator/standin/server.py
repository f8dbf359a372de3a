"""The stand-in's switch: the AMI server, its sessions and actions, and who is on the line."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from acd.wire.ami import AmiAction, AmiServerParser, encode_banner, encode_event, encode_response
from acd.wire.errors import LocalProtocolError
from agi_scripts.enter_queue import TURN_S
from simulator.standin.callback import CallbackTask, Number, value_of
from simulator.standin.channels import Channel
from simulator.standin.dialplan import Caller, CallTask
from simulator.standin.journal import QueueLog
from simulator.standin.phones import Phone

ASTERISK_VERSION = "22.10.1"
CALLBACK_USER = "acd-callback"
CALLBACK_ACTIONS = frozenset({"login", "challenge", "ping", "logoff", "events", "originate"})
"""What a user with `originate` alone may do."""
DENIED_TO_ROUTER = frozenset({"Originate", "Command", "UpdateConfig", "GetConfig", "ModuleLoad", "QueueAdd"})


class Session:
    """One manager connection."""

    def __init__(self, world: StandIn, writer: asyncio.StreamWriter) -> None:
        self.world = world
        self.writer = writer
        self.user = ""
        self.challenge = ""
        self.frozen = False
        """A test may black-hole the session: nothing is sent, nothing is read."""

    def send(self, frame: bytes) -> None:
        """Send unless the session is dead or frozen."""
        if not self.frozen and not self.writer.is_closing():
            self.writer.write(frame)

    def reply(
        self, action: AmiAction, *, ok: bool, message: str = "", extra: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Answer an action."""
        pairs = [("Message", message)] if message else []
        action_id = action.get("ActionID")
        self.send(encode_response("Success" if ok else "Error", [*pairs, *extra], action_id=action_id))


class StandIn:
    """An Asterisk made of one event loop. `ami_port` 0 picks a free one; see `ports`."""

    def __init__(
        self,
        journal_dir: Path,
        *,
        agi: tuple[str, int] = ("127.0.0.1", 4573),
        users: dict[str, str] | None = None,
        phones: Iterable[Phone] = (),
        wait_turn_s: float = TURN_S,
        ring_s: float = 12.0,
    ) -> None:
        self.agi = agi
        self.users = users if users is not None else {"acd": "secret"}
        self.version = ASTERISK_VERSION
        self.system_name = f"standin{uuid.uuid4().hex[:12]}"
        """On every event, as the lab's Asterisk has it: who does not know it forges in vain."""
        self.phones = {phone.agent: phone for phone in phones}
        self.wait_turn_s = wait_turn_s
        self.ring_s = ring_s
        self.queue_log = QueueLog(journal_dir / "queue_log")
        self.globals: dict[str, str] = {}
        self.channels: dict[str, Channel] = {}
        self.calls: dict[str, CallTask] = {}
        self.finished: list[CallTask] = []
        self.sessions: set[Session] = set()
        self.numbers: dict[str, Number] = {}
        """What the numbers do that are called back; others answer."""
        self.muted: dict[str, bool] = {}
        """Whether the recording of a call hears silence, by call."""
        self.dialled: list[str] = []
        """Every number that was dialled, in order."""
        self.counters: dict[str, int] = {}
        self.listener_hook: Callable[[str, dict[str, str]], None] | None = None
        """Called with every note: the demo and the tests measure by it."""
        self._serial = itertools.count(1)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life ----------------------------------------------------------------------------------

    async def start(self, ami_port: int = 0) -> int:
        """Listen; return the AMI port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", ami_port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Hang up everybody and close."""
        for call in list(self.calls.values()):
            call.hang_up("system")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        if self._server is not None:
            self._server.close()
        self.drop_links()
        async with asyncio.timeout(5):
            while self.sessions:  # noqa: ASYNC110 - their tasks end by themselves once the links are cut
                await asyncio.sleep(0.005)
        self.queue_log.close()

    def drop_links(self) -> None:
        """Cut every manager session, as a network fault does."""
        for session in list(self.sessions):
            session.writer.transport.abort()

    def count(self, what: str) -> None:
        """Count something for the test's eyes."""
        self.counters[what] = self.counters.get(what, 0) + 1

    # --- calls ---------------------------------------------------------------------------------

    def place_call(self, caller: Caller) -> CallTask:
        """A call arrives from the trunk; returns at once."""
        channel = self.new_channel("trunk", caller.ani, caller.name)
        channel.state = "Ring"
        call = CallTask(self, channel, caller)
        self.calls[channel.uniqueid] = call
        self.emit("Newchannel", channel.headers())
        task = asyncio.get_running_loop().create_task(call.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return call

    def new_channel(
        self, endpoint: str, caller_num: str = "", caller_name: str = "", linked: str = ""
    ) -> Channel:
        """Make a leg."""
        serial = next(self._serial)
        uniqueid = f"{int(time.time())}.{serial}"
        channel = Channel(
            f"PJSIP/{endpoint}-{serial:08x}", uniqueid, linked or uniqueid, caller_num, caller_name
        )
        self.channels[channel.name] = channel
        return channel

    def drop_channel(self, channel: Channel, cause: int) -> None:
        """The leg is gone."""
        if self.channels.pop(channel.name, None) is not None:
            cause_pairs = [("Cause", str(cause)), ("Cause-txt", "Normal Clearing")]
            self.emit("Hangup", [*channel.headers(), *cause_pairs])

    def find_channel(self, wanted: str) -> Channel | None:
        """Find by name or Uniqueid, as Redirect does."""
        if wanted in self.channels:
            return self.channels[wanted]
        return next((c for c in self.channels.values() if c.uniqueid == wanted), None)

    def set_registered(self, agent: str, registered: bool) -> None:
        """Unplug or plug an agent's phone."""
        phone = self.phones[agent]
        phone.registered = registered
        self.emit(
            "ContactStatus",
            [
                ("URI", f"sip:{phone.endpoint}@127.0.0.1"),
                ("ContactStatus", "Reachable" if registered else "Removed"),
                ("AOR", phone.endpoint),
                ("EndpointName", phone.endpoint),
            ],
        )
        self.device_changed(phone)

    def device_changed(self, phone: Phone) -> None:
        """Tell the device's state."""
        self.emit("DeviceStateChange", [("Device", f"PJSIP/{phone.endpoint}"), ("State", phone.device_state)])

    def note(
        self, kind: str, channel: Channel | None, queue: str, agent: str, fields: dict[str, str]
    ) -> None:
        """Write one note to the journal and as an event (the dialplan's acd-note)."""
        call = channel.variables.get("ACD_CALL", "") if channel else ""
        now_ms = time.time_ns() // 1_000_000
        data = {"ms": str(now_ms), **fields}
        self.queue_log.write(now_ms // 1000, call, queue, agent, kind.upper(), data)
        pairs = [("UserEvent", kind)]
        if channel is not None:
            pairs += channel.headers()
        pairs += [("Call", call or "NONE"), ("Queue", queue or "NONE"), ("Agent", agent or "NONE")]
        pairs += [(key.capitalize(), value) for key, value in data.items()]
        self.emit("UserEvent", pairs)
        if self.listener_hook is not None:
            self.listener_hook(kind, {"call": call, "queue": queue, "agent": agent, **data})

    def feature(self, agent: str, action: str, reason: str = "") -> None:
        """An agent dials a feature code."""
        self.note("AcdFeature", None, "", agent, {"action": action, "reason": reason})

    # --- manager -------------------------------------------------------------------------------

    def emit(self, event: str, pairs: list[tuple[str, str]]) -> None:
        """Send an event to every session that logged in."""
        stamp = (("SystemName", self.system_name), ("Timestamp", f"{time.time():.6f}"))
        try:
            frame = encode_event(event, [("Privilege", "call,all"), *stamp, *pairs])
        except LocalProtocolError:
            self.count("events_not_encodable")
            return
        for session in self.sessions:
            if session.user:
                session.send(frame)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self, writer)
        self.sessions.add(session)
        writer.write(encode_banner())
        parser = AmiServerParser()
        try:
            while data := await reader.read(65_536):
                if session.frozen:
                    continue
                for action in parser.feed(data):
                    self._act(session, action)
        except OSError:
            self.count("links_broken")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self.sessions.discard(session)

    def _act(self, session: Session, action: AmiAction) -> None:
        name = action.name.lower()
        if not session.user and name not in ("login", "challenge", "ping"):
            session.reply(action, ok=False, message="Permission denied")
            return
        callback = session.user == CALLBACK_USER
        if (callback and name not in CALLBACK_ACTIONS) or (not callback and action.name in DENIED_TO_ROUTER):
            session.reply(action, ok=False, message="Permission denied")
            return
        handler = getattr(self, f"_do_{name}", None)
        if handler is None:
            session.reply(action, ok=False, message="Invalid/unknown command")
            return
        handler(session, action)

    def _do_challenge(self, session: Session, action: AmiAction) -> None:
        session.challenge = uuid.uuid4().hex[:9]
        session.reply(action, ok=True, extra=[("Challenge", session.challenge)])

    def _do_login(self, session: Session, action: AmiAction) -> None:
        user = action.get("Username")
        secret = self.users.get(user)
        if secret is not None and action.get("AuthType").lower() == "md5":
            good = hashlib.md5((session.challenge + secret).encode(), usedforsecurity=False).hexdigest()
            ok = action.get("Key") == good
        else:
            ok = secret is not None and action.get("Secret") == secret
        if not ok:
            session.reply(action, ok=False, message="Authentication failed")
            asyncio.get_running_loop().call_soon(session.writer.close)
            return
        session.reply(action, ok=True, message="Authentication accepted")
        session.user = user
        session.send(encode_event("FullyBooted", [("Privilege", "system,all"), ("Status", "Fully Booted")]))

    def _do_logoff(self, session: Session, action: AmiAction) -> None:
        session.reply(action, ok=True, message="Goodbye")
        session.writer.close()

    def _do_ping(self, session: Session, action: AmiAction) -> None:
        session.reply(action, ok=True, extra=[("Ping", "Pong"), ("Timestamp", f"{time.time():.6f}")])

    def _do_events(self, session: Session, action: AmiAction) -> None:
        session.reply(action, ok=True, extra=[("Events", "On")])

    def _do_coresettings(self, session: Session, action: AmiAction) -> None:
        session.reply(
            action,
            ok=True,
            extra=[
                ("AMIversion", "11.0.0"),
                ("AsteriskVersion", self.version),
                ("SystemName", self.system_name),
            ],
        )

    def _do_corestatus(self, session: Session, action: AmiAction) -> None:
        session.reply(action, ok=True, extra=[("CoreCurrentCalls", str(len(self.calls)))])

    def _list(
        self, session: Session, action: AmiAction, done: str, rows: list[tuple[str, list[tuple[str, str]]]]
    ) -> None:
        session.reply(action, ok=True, message="follows", extra=[("EventList", "start")])
        action_id = action.get("ActionID")
        tag = [("ActionID", action_id)] if action_id else []
        for event, pairs in rows:
            session.send(encode_event(event, [*tag, *pairs]))
        tail = [("EventList", "Complete"), ("ListItems", str(len(rows)))]
        session.send(encode_event(done, [*tag, *tail]))

    def _do_status(self, session: Session, action: AmiAction) -> None:
        wanted = [v for v in action.get("Variables").split(",") if v]
        rows = []
        for channel in list(self.channels.values()):
            pairs = [*channel.headers(), ("Type", "PJSIP")]
            pairs += [("Variable", f"{name}={channel.variables.get(name, '(null)')}") for name in wanted]
            rows.append(("Status", pairs))
        self._list(session, action, "StatusComplete", rows)

    def _do_coreshowchannels(self, session: Session, action: AmiAction) -> None:
        rows = [("CoreShowChannel", c.headers()) for c in list(self.channels.values())]
        self._list(session, action, "CoreShowChannelsComplete", rows)

    def _do_devicestatelist(self, session: Session, action: AmiAction) -> None:
        rows = [
            ("DeviceStateChange", [("Device", f"PJSIP/{p.endpoint}"), ("State", p.device_state)])
            for p in self.phones.values()
        ]
        self._list(session, action, "DeviceStateListComplete", rows)

    def _do_pjsipshowcontacts(self, session: Session, action: AmiAction) -> None:
        session.reply(action, ok=False, message="Permission denied")  # wants class system for writing

    def _do_setvar(self, session: Session, action: AmiAction) -> None:
        name, value = action.get("Variable"), action.get("Value")
        if "(" in name:
            session.reply(action, ok=False, message="Variable not set")
            return
        target = action.get("Channel")
        if not target:
            self.globals[name] = value
        else:
            channel = self.find_channel(target)
            if channel is None:
                session.reply(action, ok=False, message="No such channel")
                return
            channel.variables[name] = value
        session.reply(action, ok=True, message="Variable Set")

    def _do_getvar(self, session: Session, action: AmiAction) -> None:
        name, target = action.get("Variable"), action.get("Channel")
        channel = self.find_channel(target)
        if target and channel is None:  # whoever asks for a call-back that never began must hear so
            session.reply(action, ok=False, message="No such channel")
            return
        scope = channel.variables if channel else self.globals
        value = scope.get(name, "") if channel else value_of(name, scope)
        session.reply(action, ok=True, extra=[("Variable", name), ("Value", value)])

    def _do_originate(self, session: Session, action: AmiAction) -> None:
        call, context = action.get("ChannelId"), action.get("Context")
        target, _, out = action.get("Channel").removeprefix("Local/").removesuffix("/n").partition("@")
        if action.get("Async").lower() != "true" or out != "acd-callback-out" or target != call:
            session.reply(action, ok=False, message="Originate failed: not a call-back of ours")
            return
        session.reply(action, ok=True, message="Originate successfully queued")
        if self.find_channel(call) is not None:
            self.count("originates_refused")  # Asterisk makes no second channel of one id
            return
        given = dict(pair.partition("=")[::2] for pair in action.get_all("Variable"))
        self._originate(call, action.get("OtherChannelId"), context, given)

    def _originate(self, call: str, other: str, context: str, given: dict[str, str]) -> None:
        name = f"Local/{call}@acd-callback-out-{next(self._serial):08x}"
        first = Channel(f"{name};1", call, call, context=context, variables=dict(given))
        second = Channel(f"{name};2", other, call, state="Ring", variables=dict(given))
        for channel in (first, second):
            self.channels[channel.name] = channel
            self.emit("Newchannel", channel.headers())
        task = CallbackTask(self, second, first, call)
        self.calls[other] = task
        running = asyncio.get_running_loop().create_task(task.run())
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)

    def _do_redirect(self, session: Session, action: AmiAction) -> None:
        channel = self.find_channel(action.get("Channel"))
        call = self.calls.get(channel.uniqueid) if channel else None
        if call is None:
            session.reply(action, ok=False, message="Channel does not exist")
            return
        if call.redirect_pending:
            self.count("redirects_refused")
            session.reply(action, ok=False, message="Redirect failed, channel not up.")
            return
        call.redirect(action.get("Context"), action.get("Exten"))
        session.reply(action, ok=True, message="Redirect successful")

    def _do_mixmonitormute(self, session: Session, action: AmiAction) -> None:
        """Mute the recording of a caller's channel; without a recording Asterisk refuses."""
        channel = self.find_channel(action.get("Channel"))
        if channel is None:
            session.reply(action, ok=False, message="No such channel")
            return
        if self.globals.get("ACD_RECORD") != "1":
            session.reply(action, ok=False, message="Cannot set mute flag")
            return
        self.muted[channel.variables.get("ACD_CALL", "")] = action.get("State") == "1"
        session.reply(action, ok=True, message="Mute flag set")

    def _do_hangup(self, session: Session, action: AmiAction) -> None:
        channel = self.find_channel(action.get("Channel"))
        if channel is None:
            session.reply(action, ok=False, message="No such channel")
            return
        call = self.calls.get(channel.uniqueid)
        if call is not None:
            call.hang_up("system")
        else:
            for other in self.calls.values():
                other.agent_leg_gone(channel)
        session.reply(action, ok=True, message="Channel Hungup")
