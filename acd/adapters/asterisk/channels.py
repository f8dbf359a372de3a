"""Who is who among the channels: the small bounded memory that turns channel events into facts. No I/O.

Two questions need memory: which channel is the caller of a call (Redirect needs its Uniqueid), and is a
channel on an agent's phone our leg or a call of the agent's own. Keys are Uniqueids, never channel names:
a name changes with a masquerade, the Uniqueid does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from acd.adapters.asterisk import translate
from acd.core import events as fact
from acd.core import transfer_facts as handed
from acd.core.events import EndedBy, Fact
from acd.core.ids import AgentId, CallId
from acd.wire.ami import AmiFrame

MAX_CALLS: Final = 20_000
MAX_LEGS: Final = 20_000

EVENTS: Final = frozenset(
    {
        "UserEvent", "Newchannel", "Newstate", "DialBegin", "DialState", "HangupRequest", "Hangup", "Hold",
        "Unhold", "BlindTransfer", "AttendedTransfer", "DeviceStateChange", "ContactStatus", "PeerStatus",
    }
)  # fmt: skip
"""What the connection needs to build; everything else is only counted."""


@dataclass(slots=True)
class Leg:
    """A channel towards an agent. `call` is None while nobody knows why it exists, or for own calls."""

    uniqueid: str
    agent: AgentId
    call: CallId | None = None
    attempt: int = 0
    own: bool = False
    ringing: bool = False
    talking: bool = False
    """Its AcdAnswer was heard, and nothing yet of the talk's end."""


def device_of(channel: str) -> str:
    """Return the device of a channel name: `PJSIP/anna-0000002a` is a channel of `PJSIP/anna`."""
    return channel.rpartition("-")[0]


def event_time(frame: AmiFrame) -> int | None:
    """Return the switch's own time of an event in milliseconds (needs `timestampevents=yes`)."""
    seconds, _, fraction = frame.get("Timestamp").partition(".")
    if not seconds.isascii() or not seconds.isdigit():
        return None
    millis = (fraction + "000")[:3]
    return int(seconds) * 1000 + (int(millis) if millis.isascii() and millis.isdigit() else 0)


class Translator:
    """Channel events and notes → facts.

    Args:
        devices: each agent's configured dial target, for example `PJSIP/anna`. Targets through a trunk
            (`PJSIP/+7912...@trunk`) have no device of their own; only their legs are followed.
    """

    def __init__(self, devices: Mapping[AgentId, str] | None = None) -> None:
        self.counters: Counter[str] = Counter()
        self._agents: dict[str, AgentId] = {}
        self._callers: dict[CallId, str] = {}
        self._call_of: dict[str, CallId] = {}
        self._offers: dict[CallId, tuple[AgentId, int]] = {}
        self._legs: dict[str, Leg] = {}
        self._own: dict[AgentId, set[str]] = {}
        self._asked: dict[CallId, str] = {}
        """The channel an agent asks while his caller hears music."""
        self._asking: dict[CallId, str] = {}
        """The leg of that agent: it outlives the caller, if he hangs up meanwhile."""
        self._reachable: dict[AgentId, bool] = {}
        self._table: dict[str, Callable[[AmiFrame], tuple[Fact, ...]]] = {
            "UserEvent": self._user_event,
            "Newchannel": self._new_channel,
            "Newstate": self._new_state,
            "DialBegin": self._dial_begin,
            "DialState": self._dial_state,
            "HangupRequest": self._hangup_request,
            "Hangup": self._hangup,
            "Hold": self._hold,
            "Unhold": self._hold,
            "BlindTransfer": self._blind_transfer,
            "AttendedTransfer": self._attended_transfer,
            "DeviceStateChange": self._device_state,
            "ContactStatus": self._contact_status,
            "PeerStatus": self._peer_status,
        }
        self.set_devices(devices or {})

    def set_devices(self, devices: Mapping[AgentId, str]) -> None:
        """Learn the agents' dial targets; `a&b` rings two, each counts as the agent's device."""
        self._agents = {
            device: agent for agent, dial in devices.items() for device in dial.split("&") if device
        }

    @property
    def devices(self) -> tuple[str, ...]:
        """The agents' devices, in the order of configuration."""
        return tuple(self._agents)

    def agent_of(self, device: str) -> AgentId | None:
        """Return whose device it is."""
        return self._agents.get(device)

    def uniqueid_of(self, call: CallId) -> str | None:
        """Return the caller's channel (its Uniqueid), None when it is gone or unknown."""
        return self._callers.get(call)

    def call_of(self, uniqueid: str) -> CallId | None:
        """Return the call of a caller's channel, or of an agent's leg."""
        leg = self._legs.get(uniqueid)
        return self._call_of.get(uniqueid) or (leg.call if leg is not None else None)

    def legs_of(self, call: CallId, agent: AgentId) -> list[str]:
        """Return the Uniqueids of this agent's legs that belong to this call or to nobody."""
        return [
            leg.uniqueid
            for leg in self._legs.values()
            if leg.agent == agent and not leg.own and leg.call in (call, None)
        ]

    def talk_leg(self, call: CallId, agent: AgentId) -> str | None:
        """Return the agent's leg of this call, None when it is gone or unknown."""
        found = (leg for leg in self._legs.values() if leg.agent == agent and leg.call == call)
        return next(
            (leg.uniqueid for leg in found if not leg.own and leg.uniqueid != self._asked.get(call)), None
        )

    def asked_leg(self, call: CallId) -> str | None:
        """Return the channel of whom the agent asks while the caller hears music."""
        return self._asked.get(call)

    def forget_channels(self) -> None:
        """The link was lost: nothing known about channels is sure any more."""
        for memory in (
            self._callers, self._call_of, self._offers, self._legs, self._own, self._asked, self._asking,
            self._reachable,
        ):  # fmt: skip
            memory.clear()

    def adopt(
        self,
        callers: Mapping[CallId, str],
        offers: Mapping[CallId, tuple[AgentId, int]],
        legs: Iterable[Leg],
        reachable: Mapping[AgentId, bool],
        asked: Mapping[CallId, str] | None = None,
    ) -> None:
        """Replace everything by what a snapshot showed."""
        self.forget_channels()
        for call, uniqueid in callers.items():
            self._know_caller(call, uniqueid)
        self._offers.update(offers)
        for leg in legs:
            self._legs[leg.uniqueid] = leg
            if leg.own:
                self._own.setdefault(leg.agent, set()).add(leg.uniqueid)
        self._reachable.update(reachable)
        self._asked.update(asked or {})
        for call in self._asked:
            self._begins_asking(call, offers[call][0] if call in offers else None)

    def event(self, frame: AmiFrame) -> tuple[Fact, ...]:
        """Translate one event. Never raises for what Asterisk says; nonsense is counted."""
        handler = self._table.get(frame.name)
        return handler(frame) if handler is not None else ()

    # --- notes ---------------------------------------------------------------------------------

    def _user_event(self, frame: AmiFrame) -> tuple[Fact, ...]:
        kind, fields = translate.note_of_user_event(frame)
        if not kind:
            return ()
        facts = translate.note_to_facts(kind, fields)
        if facts is None:
            self.counters["bad_notes"] += 1
            return ()
        alone = [more for one in facts for more in self._left_asking(one, frame)]
        for one in facts:
            self._learn(one, frame)
        return (*alone, *facts, *(more for one in facts for more in self._taken_over(one)))

    def _taken_over(self, one: Fact) -> tuple[Fact, ...]:
        """A colleague who was asked now has the caller: his leg is no call of his own any more."""
        if not isinstance(one, fact.OfferConfirmed):
            return ()
        leg = self._legs.get(self._asked.get(one.call, ""))
        if leg is None or leg.agent != one.agent or not leg.own:
            return ()
        del self._asked[one.call]
        leg.own, leg.call, leg.attempt = False, one.call, one.attempt
        own = self._own.get(leg.agent, set())
        own.discard(leg.uniqueid)
        return () if own else (fact.OwnCallEnded(leg.agent, at=one.at),)

    def _left_asking(self, one: Fact, frame: AmiFrame) -> tuple[Fact, ...]:
        """The caller of an agent who asks somebody is gone: his phone goes on, and it is a call of his own now.

        Told before the end of the call, so that his wrap-up goes on too; after it he is busy, not idle.
        """
        if not isinstance(one, fact.CallEnded):
            return ()
        leg = self._legs.get(self._asking.pop(one.call, ""))
        if leg is None or leg.own:
            return ()
        leg.call = None
        return self._is_own(leg, frame)

    def _begins_asking(self, call: CallId, agent: AgentId | None) -> None:
        leg = None if agent is None else self.talk_leg(call, agent)
        if leg is not None:
            self._asking[call] = leg

    def _learn(self, one: Fact, frame: AmiFrame) -> None:
        self._learn_talk(one, frame)
        # Only notes written on the caller's own channel tell where the caller is; AcdAnswer, for
        # example, is written on the agent's.
        if isinstance(one, (fact.CallEntered, fact.CallQueued, fact.OfferConfirmed, fact.CallLeftToFallback)):
            if uniqueid := frame.get("Uniqueid"):
                self._know_caller(one.call, uniqueid)
        elif isinstance(one, fact.CallEnded):
            self._forget_call(one.call)
        if isinstance(one, fact.OfferConfirmed):
            self._offers[one.call] = (one.agent, one.attempt)
        elif (
            isinstance(one, (fact.OfferEnded, fact.TalkEnded))
            and self._offers.get(one.call, (None, 0))[1] == one.attempt
        ):
            self._offers.pop(one.call, None)

    def _learn_talk(self, one: Fact, frame: AmiFrame) -> None:
        """Note whose phone, by hanging up, ends a talk."""
        if isinstance(one, fact.CallAnswered):
            leg = self._our_leg(frame.get("Uniqueid"))  # AcdAnswer is written on the agent's leg
            if leg is not None and leg.call == one.call:
                leg.attempt, leg.talking = one.attempt, True
        elif isinstance(one, (fact.CallTransferred, handed.ConsultStarted)):
            # from now on the phone's hang-up may mean something else: the note says what
            for leg in self._legs.values():
                leg.talking = leg.talking and leg.call != one.call
        if isinstance(one, handed.ConsultStarted):
            self._begins_asking(one.call, one.agent)
        elif isinstance(one, (fact.CallTransferred, handed.ConsultEnded)):
            self._asking.pop(one.call, None)

    def _know_caller(self, call: CallId, uniqueid: str) -> None:
        before = self._callers.get(call)
        if before == uniqueid:
            return
        if before is not None:
            self._call_of.pop(before, None)
        elif len(self._callers) >= MAX_CALLS:
            self.counters["calls_forgotten"] += 1
            self._forget_call(next(iter(self._callers)))
        self._callers[call] = uniqueid
        self._call_of[uniqueid] = call

    def _forget_call(self, call: CallId) -> None:
        uniqueid = self._callers.pop(call, None)
        if uniqueid is not None:
            self._call_of.pop(uniqueid, None)
        self._offers.pop(call, None)
        self._asked.pop(call, None)
        self._asking.pop(call, None)

    # --- channels ------------------------------------------------------------------------------

    def _new_channel(self, frame: AmiFrame) -> tuple[Fact, ...]:
        agent = self._agents.get(device_of(frame.get("Channel")))
        uniqueid = frame.get("Uniqueid")
        if agent is None or not uniqueid or uniqueid in self._call_of or uniqueid in self._legs:
            return ()  # no agent's phone, or known already from a snapshot
        leg = self._add_leg(Leg(uniqueid, agent))
        # A channel that begins its own story was opened by the phone: the agent dials out. Otherwise
        # somebody dials the phone, and DialBegin will say who.
        return self._is_own(leg, frame) if uniqueid == frame.get("Linkedid") else ()

    def _add_leg(self, leg: Leg) -> Leg:
        if len(self._legs) >= MAX_LEGS:
            self.counters["legs_forgotten"] += 1
            self._drop_leg(next(iter(self._legs)))
        self._legs[leg.uniqueid] = leg
        return leg

    def _drop_leg(self, uniqueid: str) -> Leg | None:
        leg = self._legs.pop(uniqueid, None)
        if leg is not None and leg.own:
            self._own.get(leg.agent, set()).discard(uniqueid)
        return leg

    def _is_own(self, leg: Leg, frame: AmiFrame) -> tuple[Fact, ...]:
        leg.own = True
        own = self._own.setdefault(leg.agent, set())
        own.add(leg.uniqueid)
        return (fact.OwnCallStarted(leg.agent, at=event_time(frame)),) if len(own) == 1 else ()

    def _dial_begin(self, frame: AmiFrame) -> tuple[Fact, ...]:
        uniqueid = frame.get("DestUniqueid")
        call = self._call_of.get(frame.get("Uniqueid"))
        if not uniqueid or uniqueid in self._call_of:
            return ()
        agent = self._agents.get(device_of(frame.get("DestChannel")))
        parent = self._legs.get(frame.get("Uniqueid"))
        if parent is not None and parent.call is not None and not parent.own:
            self._asked[parent.call] = (
                uniqueid  # the agent asks somebody; a colleague's phone is busy with it
            )
        if call is not None and call in self._offers:
            # Our Dial. The offer names the agent even when the leg goes through a trunk.
            offered, attempt = self._offers[call]
            leg = self._legs.get(uniqueid) or self._add_leg(Leg(uniqueid, offered))
            leg.agent, leg.call, leg.attempt = offered, call, attempt
            return ()
        if agent is None:
            return ()
        leg = self._legs.get(uniqueid) or self._add_leg(Leg(uniqueid, agent))
        if call is not None:  # the fallback queue or a transfer rings this phone: busy, not offered by us
            leg.call = call
        return () if leg.own else self._is_own(leg, frame)

    def _dial_state(self, frame: AmiFrame) -> tuple[Fact, ...]:
        return self._rings(frame, frame.get("DestUniqueid")) if frame.get("DialStatus") == "RINGING" else ()

    def _new_state(self, frame: AmiFrame) -> tuple[Fact, ...]:
        return self._rings(frame, frame.get("Uniqueid")) if frame.get("ChannelStateDesc") == "Ringing" else ()

    def _rings(self, frame: AmiFrame, uniqueid: str) -> tuple[Fact, ...]:
        leg = self._legs.get(uniqueid)
        if leg is None or leg.own or leg.call is None or leg.ringing:
            return ()
        leg.ringing = True
        return (fact.AgentRinging(leg.call, leg.agent, leg.attempt, at=event_time(frame)),)

    def _hangup_request(self, frame: AmiFrame) -> tuple[Fact, ...]:
        """The phone itself asks to hang up: the earliest sure sign that an agent has finished a talk.

        The dialplan comes to the same end by CHANNEL(hangupsource) and writes AcdTalkEnd a millisecond later.
        A leg that Asterisk ends (the caller left, the leg broke) makes no such event.
        """
        leg = self._our_leg(frame.get("Uniqueid"))
        if leg is None or leg.call is None or not leg.talking:
            return ()
        leg.talking = False
        return (fact.TalkEnded(leg.call, leg.agent, leg.attempt, EndedBy.AGENT, at=event_time(frame)),)

    def _hangup(self, frame: AmiFrame) -> tuple[Fact, ...]:
        uniqueid = frame.get("Uniqueid")
        if frame.get("Channel").endswith("<ZOMBIE>"):
            return ()  # the empty shell of a masquerade; the living channel has its own end
        leg = self._drop_leg(uniqueid)
        if leg is not None:
            if leg.own and not self._own.get(leg.agent):
                return (fact.OwnCallEnded(leg.agent, at=event_time(frame)),)
            return ()
        call = self._call_of.get(uniqueid)
        if call is None:
            return ()
        # The hangup handler's AcdEnd comes first and forgets the call; getting here means it did not run.
        self.counters["ends_without_note"] += 1
        cause = frame.get("Cause")
        value = int(cause) if cause.isascii() and cause.isdigit() else 0
        end = fact.CallEnded(call, cause=value, by=EndedBy.UNKNOWN, at=event_time(frame))
        alone = self._left_asking(end, frame)
        self._forget_call(call)
        return (*alone, end)

    def _our_leg(self, uniqueid: str) -> Leg | None:
        leg = self._legs.get(uniqueid)
        return leg if leg is not None and leg.call is not None and not leg.own else None

    def _hold(self, frame: AmiFrame) -> tuple[Fact, ...]:
        leg = self._our_leg(frame.get("Uniqueid"))
        if leg is None or leg.call is None:
            return ()
        kind = fact.HoldStarted if frame.name == "Hold" else fact.HoldEnded
        return (kind(leg.call, leg.agent, at=event_time(frame)),)

    def _blind_transfer(self, frame: AmiFrame) -> tuple[Fact, ...]:
        return self._transferred(frame, ("TransfererUniqueid",), frame.get("Extension"))

    def _attended_transfer(self, frame: AmiFrame) -> tuple[Fact, ...]:
        who = ("OrigTransfererUniqueid", "SecondTransfererUniqueid")
        return self._transferred(frame, who, frame.get("SecondTransfererExten"))

    def _transferred(self, frame: AmiFrame, who: tuple[str, ...], to: str) -> tuple[Fact, ...]:
        if frame.get("Result") != "Success":
            return ()
        legs = (self._our_leg(frame.get(name)) for name in who)
        leg = next((leg for leg in legs if leg is not None), None)
        if leg is None or leg.call is None:
            return ()
        leg.talking = False  # what this phone does from now on ends no talk of this call
        return (fact.CallTransferred(leg.call, leg.agent, to[:40], at=event_time(frame)),)

    # --- devices -------------------------------------------------------------------------------

    def _device_state(self, frame: AmiFrame) -> tuple[Fact, ...]:
        state = frame.get("State")
        if state in translate.UNREACHABLE_STATES:
            return self._reach(frame, frame.get("Device"), reachable=False)
        if state in translate.REACHABLE_STATES:
            return self._reach(frame, frame.get("Device"), reachable=True)
        return ()

    def _contact_status(self, frame: AmiFrame) -> tuple[Fact, ...]:
        # One contact lost says little (a second phone may be registered); the device state sums them up.
        if frame.get("ContactStatus") != "Reachable":
            return ()
        return self._reach(frame, f"PJSIP/{frame.get('EndpointName')}", reachable=True)

    def _peer_status(self, frame: AmiFrame) -> tuple[Fact, ...]:
        reachable = translate.PEER_STATES.get(frame.get("PeerStatus"))
        return () if reachable is None else self._reach(frame, frame.get("Peer"), reachable=reachable)

    def _reach(self, frame: AmiFrame, device: str, *, reachable: bool) -> tuple[Fact, ...]:
        agent = self._agents.get(device)
        if agent is None or self._reachable.get(agent) is reachable:
            return ()
        self._reachable[agent] = reachable
        kind = fact.DeviceReachable if reachable else fact.DeviceUnreachable
        return (kind(agent, at=event_time(frame)),)
