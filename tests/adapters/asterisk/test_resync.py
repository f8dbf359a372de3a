"""The snapshot and the order in which a link becomes sure again (call-control.md; rows 4, 15, 20, 22)."""

from __future__ import annotations

import asyncio

import pytest

from acd.adapters.asterisk.channels import EVENTS, Translator
from acd.adapters.asterisk.connection import AmiConnection
from acd.adapters.asterisk.resync import VARIABLES, Synchroniser, build_snapshot, variables_of
from acd.core import events as fact
from acd.core.events import LinkLost, LiveAgent, LiveCall, WorldSynced
from acd.wire import ami
from acd.wire.ami import AmiFrame
from tests.adapters.asterisk.ami_server import error, listing, ok

NOW = 1_700_000_000_000
AGENTS = {"PJSIP/anna": "anna", "PJSIP/boris": "boris"}


def status(channel, uniqueid, linkedid="c.1", state="Up", **variables: str):
    headers = {"Channel": channel, "Uniqueid": uniqueid, "Linkedid": linkedid, "ChannelStateDesc": state}
    lines = [f"{name}={value}" for name, value in variables.items()]
    first = {"Variable": lines[0]} if lines else {}
    return AmiFrame("Event", "Status", {**headers, **first}, tuple(("Variable", line) for line in lines[1:]))


def caller(uniqueid="c.1", call="call-1", stage="wait", **variables: str):
    values = {"ACD_CALL": call, "ACD_STAGE": stage, "ACD_QUEUE": "sales", "ACD_SUBSCRIBER": "romashka"}
    values |= {"ACD_ENTER_MS": "1699999990000", "ACD_DID": "+7495", "ACD_ANI": "112", "ACD_PRIORITY": "2"}
    return status("PJSIP/trunk-1", uniqueid, uniqueid, **values, **variables)


def snapshot(rows, alive=None, devices=(), known=(), **options: bool):
    ids = [row.get("Uniqueid") for row in rows] if alive is None else alive
    channels = [AmiFrame("Event", "CoreShowChannel", {"Uniqueid": uniqueid}) for uniqueid in ids]
    return build_snapshot(rows, channels, devices, known, AGENTS.get, now=NOW, **options)


def device(name, state):
    return AmiFrame("Event", "DeviceStateChange", {"Device": name, "State": state})


def test_a_waiting_call_is_told_with_all_it_needs():
    shot = snapshot(
        [caller(ACD_NEEDS="english:3", ACD_STICKY="boris", ACD_CARD="77", ACD_AGENT="anna", ACD_ATTEMPT="4")]
    )
    assert shot.world == WorldSynced(
        (
            LiveCall(
                "call-1",
                "wait",
                "sales",
                "romashka",
                "+7495",
                "112",
                1_699_999_990_000,
                card_number="77",
                priority=2.0,
                needs=(("english", 3),),
                sticky="boris",
            ),
        ),
        at=NOW,
    )
    assert shot.callers == {"call-1": "c.1"}
    assert shot.offers == {}


def test_legs_inherit_the_call_and_are_not_callers():
    rows = [
        status("PJSIP/anna-7", "a.1", "c.1", "Ringing", ACD_CALL="call-1", ACD_STAGE="", ACD_AGENT="anna"),
        caller(stage="dial", ACD_AGENT="anna", ACD_ATTEMPT="4"),
        status("PJSIP/boris-1", "o.1", "o.1"),
        status("PJSIP/trunk-9", "x.1", "x.1"),
    ]
    shot = snapshot(rows, known=[LiveAgent("anna", logged_in=True), LiveAgent("boris", logged_in=True)])
    (call,) = shot.world.calls
    assert (call.agent, call.attempt, call.answered_at) == ("anna", 4, None)
    anna, boris = shot.legs
    assert (anna.uniqueid, anna.call, anna.attempt, anna.ringing, anna.own) == (
        "a.1",
        "call-1",
        4,
        True,
        False,
    )
    assert (boris.uniqueid, boris.call, boris.own) == ("o.1", None, True)
    assert [a.in_own_call for a in shot.world.agents] == [False, True]


def test_a_talk_keeps_its_answer_time_and_a_trunk_leg_its_agent():
    rows = [
        caller(stage="talk", ACD_AGENT="mob", ACD_ATTEMPT="2", ACD_ANSWER_MS="1699999995000"),
        status("PJSIP/trunk-5", "a.1", "c.1", ACD_CALL="call-1", ACD_AGENT="mob"),
    ]
    shot = snapshot(rows)
    assert shot.world.calls[0].answered_at == 1_699_999_995_000
    assert [(leg.agent, leg.call) for leg in shot.legs] == [("mob", "call-1")]


def test_two_channels_with_a_stage_make_one_call_of_the_one_that_began():
    rows = [
        status("PJSIP/anna-7", "a.1", "c.1", ACD_CALL="call-1", ACD_STAGE="wait"),
        caller("c.1"),
        status("PJSIP/x-7", "b.1", "c.1", ACD_CALL="call-1", ACD_STAGE="wait"),
    ]
    assert snapshot(rows).callers == {"call-1": "c.1"}


def test_a_channel_that_ended_between_the_two_lists_is_left_out():
    shot = snapshot([caller("c.1"), caller("c.2", "call-2")], alive=["c.2"])
    assert [call.call for call in shot.world.calls] == ["call-2"]


def test_odd_values_do_not_stop_a_snapshot():
    (call,) = snapshot([caller(ACD_ANSWER_MS="x", ACD_ATTEMPT="y", ACD_NEEDS="::", ACD_AGENT="")]).world.calls
    assert (call.attempt, call.answered_at, call.needs) == (0, None, ())
    rows = [status("PJSIP/t-1", "c.9", "c.9", ACD_CALL="call-9", ACD_STAGE="enter", ACD_ENTER_MS="")]
    assert snapshot(rows).world.calls[0].entered_at == NOW
    assert snapshot([status("PJSIP/t-1", "c.9", "c.9", ACD_CALL="x", ACD_STAGE="nonsense")]).world.calls == ()
    assert variables_of(AmiFrame("Event", "Status", {"Variable": "no equals"})) == {}
    unset = AmiFrame("Event", "Status", {"Variable": "ACD_CALLBACK_OF=(null)"})
    assert variables_of(unset) == {"ACD_CALLBACK_OF": ""}, (
        "unset is not set: no call-back was made of a missed call"
    )


def test_phones_are_reachable_as_the_device_list_says_else_as_kept():
    known = [
        LiveAgent("anna", logged_in=True),
        LiveAgent("boris", logged_in=True),
        LiveAgent("mob", logged_in=True),
    ]
    shot = snapshot(
        [], devices=[device("PJSIP/anna", "UNAVAILABLE"), device("PJSIP/boris", "INUSE")], known=known
    )
    assert [a.reachable for a in shot.world.agents] == [False, True, True]
    assert snapshot([], devices=[device("PJSIP/anna", "UNKNOWN")], known=known).reachable == {}


# --- the order, over a real socket -------------------------------------------------------------


class Clock:
    def now(self):
        return NOW


class Centre:
    """A synchroniser on a connection to a fake manager; records facts and steps in order."""

    def __init__(self, server, **options: float) -> None:
        self.log: list[object] = []
        self.changed = asyncio.Event()
        self.journal_gate = asyncio.Event()
        self.journal_gate.set()
        self.translator = Translator({"anna": "PJSIP/anna"})
        self.sync = Synchroniser(
            self.translator, self.tell, Clock(), known_agents=self.known, read_journal=self.journal, **options
        )
        settings = server.settings(interest=EVENTS, retry_first_s=0.01, retry_max_s=0.02)
        self.connection = AmiConnection(settings, self.sync.on_event, self.sync.on_state)
        self.sync.attach(self.connection)
        self.tasks = [asyncio.create_task(self.connection.run()), asyncio.create_task(self.sync.run())]

    def tell(self, one) -> None:
        self.log.append(one)
        self.changed.set()

    async def known(self):
        return [LiveAgent("anna", logged_in=True)]

    async def journal(self) -> None:
        self.tell("journal")
        await self.journal_gate.wait()

    async def until(self, condition) -> None:
        async with asyncio.timeout(8):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def kinds(self) -> list[str]:
        return [one if isinstance(one, str) else type(one).__name__ for one in self.log]


def wire(row: AmiFrame):
    headers = [(n, v) for n, v in row.headers.items() if n != "Event"]
    return row.name, [*headers, *row.extra]


@pytest.fixture
def world(server):
    """The manager shows these rows."""
    rows: list[AmiFrame] = []
    server.handlers["Status"] = lambda _s, a: listing(a, [wire(r) for r in rows], "StatusComplete")
    server.handlers["CoreShowChannels"] = lambda _s, a: listing(
        a, [("CoreShowChannel", [("Uniqueid", r.get("Uniqueid"))]) for r in rows], "CoreShowChannelsComplete"
    )
    server.handlers["DeviceStateList"] = lambda _s, a: listing(
        a,
        [("DeviceStateChange", [("Device", "PJSIP/anna"), ("State", "NOT_INUSE")])],
        "DeviceStateListComplete",
    )
    return rows


@pytest.fixture
async def open_centre(server):
    centres: list[Centre] = []

    def start(**options: float) -> Centre:
        centres.append(Centre(server, **options))
        return centres[-1]

    yield start
    for centre in centres:
        for task in centre.tasks:
            task.cancel()
        await asyncio.gather(*centre.tasks, return_exceptions=True)


def entered(call):
    return ami.encode_event(
        "UserEvent", {"UserEvent": "AcdEnter", "Uniqueid": "z.1", "Call": call, "Did": "1", "Ani": ""}
    )


async def test_the_order_is_snapshot_replay_journal_release(server, world, open_centre):
    world.append(caller())
    show = server.handlers["CoreShowChannels"]
    # An event arrives while the lists are being read: it must be replayed after the world.
    server.handlers["CoreShowChannels"] = lambda s, a: entered("late") + show(s, a)
    centre = open_centre()
    centre.journal_gate.clear()
    await centre.until(lambda: "journal" in centre.log)
    assert centre.kinds() == ["WorldSynced", "CallEntered", "journal"]
    assert not centre.sync.synced
    centre.journal_gate.set()
    await asyncio.wait_for(centre.sync.released.wait(), 5)
    assert [a.name for a in server.actions if a.name != "Ping"] == [
        "Login", "CoreSettings", "Status", "CoreShowChannels", "DeviceStateList",
    ]  # fmt: skip
    assert server.named("Status")[0].get("Variables").split(",") == list(VARIABLES)
    assert centre.translator.uniqueid_of("call-1") == "c.1"
    (agent,) = centre.log[0].agents
    assert agent.reachable


async def test_a_lost_link_is_told_at_once_and_healed(server, world, open_centre):
    centre = open_centre()
    await asyncio.wait_for(centre.sync.released.wait(), 5)
    server.cut()
    await centre.until(lambda: "LinkLost" in centre.kinds())
    assert not centre.sync.synced
    await asyncio.wait_for(centre.sync.released.wait(), 5)
    assert centre.kinds() == ["WorldSynced", "journal", "LinkLost", "WorldSynced", "journal"]
    assert centre.log[2] == LinkLost(at=NOW)


async def test_a_loop_that_slept_resyncs_before_anything_else(server, world, open_centre):
    centre = open_centre()
    await asyncio.wait_for(centre.sync.released.wait(), 5)
    centre.sync.suspect()
    assert not centre.sync.synced
    await asyncio.wait_for(centre.sync.released.wait(), 5)
    assert centre.kinds() == ["WorldSynced", "journal", "LinkLost", "WorldSynced", "journal"]


async def test_the_audit_tells_the_world_without_losing_the_link(server, world, open_centre):
    """Row 20: what AMI lost is found within a minute."""
    centre = open_centre(audit_every_s=0.05)
    await asyncio.wait_for(centre.sync.released.wait(), 5)
    world.append(caller())
    await centre.until(lambda: centre.kinds().count("WorldSynced") >= 3)
    last = [one for one in centre.log if isinstance(one, WorldSynced)][-1]
    assert last.audit
    assert [call.call for call in last.calls] == ["call-1"]
    assert centre.kinds().count("journal") == 1
    assert centre.sync.synced


async def test_a_failed_audit_loses_no_event(server, world, open_centre):
    centre = open_centre(audit_every_s=0.05)
    await asyncio.wait_for(centre.sync.released.wait(), 5)
    server.handlers["Status"] = lambda _s, a: entered("during") + error(a, "busy")
    await centre.until(lambda: any(isinstance(one, fact.CallEntered) for one in centre.log))
    assert centre.sync.counters["sync_failures"] >= 1
    assert centre.sync.synced


async def test_a_failed_resync_is_tried_again_and_keeps_events_back(server, world, open_centre, monkeypatch):
    monkeypatch.setattr("acd.adapters.asterisk.resync.RETRY_S", 0.01)
    good = server.handlers["Status"]

    def once(s, a):
        server.handlers["Status"] = good
        return entered("kept") + error(a, "busy")

    server.handlers["Status"] = once
    centre = open_centre()
    await asyncio.wait_for(centre.sync.released.wait(), 5)
    assert centre.kinds() == ["WorldSynced", "CallEntered", "journal"]
    assert centre.sync.counters["sync_failures"] == 1


@pytest.mark.parametrize(("state", "reachable"), [("UNAVAILABLE", False), ("NOT_INUSE", True), ("", True)])
async def test_without_the_device_list_phones_are_asked_one_by_one(
    server, world, open_centre, state, reachable
):
    server.handlers["DeviceStateList"] = lambda _s, a: error(a, "Invalid/unknown command: DeviceStateList.")
    server.handlers["Getvar"] = lambda _s, a: ok(a, Variable=a.get("Variable"), Value=state)
    centre = open_centre()
    await asyncio.wait_for(centre.sync.released.wait(), 5)
    assert centre.log[0].agents[0].reachable is reachable
    assert [a.get("Variable") for a in server.named("Getvar")] == ["DEVICE_STATE(PJSIP/anna)"]
    assert centre.sync.counters["device_list_failures"] == 1


async def test_events_after_the_sync_are_told_at_once(server, world, open_centre):
    centre = open_centre()
    await asyncio.wait_for(centre.sync.released.wait(), 5)
    server.send(entered("now"))
    await centre.until(lambda: "CallEntered" in centre.kinds())


async def test_too_many_events_kept_back_end_the_link(server, world, open_centre, monkeypatch):
    monkeypatch.setattr("acd.adapters.asterisk.resync.KEPT_EVENTS", 5)
    flood = [True]
    good = server.handlers["Status"]

    def answer(s, a):
        return (entered("x") * 20 if flood.pop() else b"") + good(s, a) if flood else good(s, a)

    server.handlers["Status"] = answer
    centre = open_centre()
    await asyncio.wait_for(centre.sync.released.wait(), 5)
    assert centre.sync.counters["kept_overflow"] >= 1
    assert server.logins == 2


def halves(second_stage, *, attempt="1", first_attempt="1", first_stage="talk"):
    """A call-back's Local channel: the first half is the master and carries what U() wrote at the answer."""
    given = {"ACD_CALL": "b-1", "ACD_BACK_OF": "m-1", "ACD_QUEUE": "sales", "ACD_ENTER_MS": "1699999990000"}
    first = status(
        "Local/b-1@acd-callback-out-0001;1", "b-1", "b-1", ACD_STAGE=first_stage, ACD_ATTEMPT=first_attempt,
        ACD_ANSWER_MS="1699999995000", **given,
    )  # fmt: skip
    second = status(
        "Local/b-1@acd-callback-out-0001;2", "b-1-2", "b-1", ACD_STAGE=second_stage, ACD_ATTEMPT=attempt,
        ACD_AGENT="anna", **given,
    )  # fmt: skip
    leg = status("PJSIP/anna-7", "a.1", "b-1", ACD_CALL="b-1", ACD_AGENT="anna")
    return [first, leg, second]


@pytest.mark.parametrize(
    ("rows", "stage", "answered"),
    [
        (halves("dial"), "talk", 1_699_999_995_000),
        (halves("dial", attempt="2"), "dial", None),
        (halves("dial", first_stage=""), "dial", None),
        (halves("wait"), "wait", None),
    ],
)
def test_the_two_halves_of_a_callback_are_one_call_owned_by_the_second(rows, stage, answered):
    shot = snapshot(rows, known=[LiveAgent("anna", logged_in=True)])
    (call,) = shot.world.calls
    assert (call.stage, call.answered_at, call.missed) == (stage, answered, "m-1")
    assert shot.callers == {"b-1": "b-1-2"}
    assert [leg.uniqueid for leg in shot.legs] == ["a.1"], "the half that dials the number is no agent's leg"
    assert not shot.world.agents[0].in_own_call or stage == "wait"
