"""Who is who among the channels, told as traffic in the order Asterisk sends it (rows 4, 9, 20, 23)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.adapters.asterisk import channels as subject
from acd.adapters.asterisk.channels import EVENTS, Leg, Translator, device_of, event_time
from acd.core import events as fact
from acd.core import transfer_facts as handed
from acd.core.events import EndedBy, OfferOutcome
from acd.wire.ami import AmiFrame

CALL = "call-1"


def event(name, **headers: str):
    return AmiFrame("Event", name, {"Event": name, "Timestamp": "1700000000.123456", **headers})


def note(kind, uniqueid="c.1", **headers: str):
    return event("UserEvent", UserEvent=kind, Uniqueid=uniqueid, Call=CALL, Queue="sales", Ms="5", **headers)


def queued(**headers: str):
    return note("AcdQueued", **{"Agent": "NONE", "Why": "new", "Enter_ms": "5", **headers})


@pytest.fixture
def told():
    translator = Translator(
        {"anna": "PJSIP/anna", "mob": "PJSIP/+7912@trunk", "two": "PJSIP/two&PJSIP/two-soft"}
    )

    def tell(*frames: AmiFrame):
        return [one for frame in frames for one in translator.event(frame)]

    tell.translator = translator
    return tell


def ring(told, channel="PJSIP/anna-01", agent="anna"):
    return told(
        queued(),
        note("AcdDial", Agent=agent, Attempt="4"),
        event("Newchannel", Channel=channel, Uniqueid="a.1", Linkedid="c.1"),
        event("DialBegin", Uniqueid="c.1", DestChannel=channel, DestUniqueid="a.1"),
        event("Newstate", Channel=channel, Uniqueid="a.1", ChannelStateDesc="Ringing"),
        event("DialState", Uniqueid="c.1", DestUniqueid="a.1", DialStatus="RINGING"),
    )


@pytest.mark.parametrize(("channel", "agent"), [("PJSIP/anna-01", "anna"), ("PJSIP/trunk-77", "mob")])
def test_an_offer_rings_once_also_through_a_trunk(told, channel, agent):
    facts = ring(told, channel, agent)
    assert facts[1:] == [
        fact.OfferConfirmed(CALL, agent, 4, at=5, queue="sales"),
        fact.AgentRinging(CALL, agent, 4, at=1_700_000_000_123),
    ]
    assert told.translator.uniqueid_of(CALL) == "c.1"
    assert told.translator.legs_of(CALL, agent) == ["a.1"]


def test_hold_belongs_to_the_agents_side_only(told):
    ring(told)
    facts = told(
        event("Hold", Uniqueid="c.1"),
        event("Hold", Uniqueid="a.1"),
        event("Unhold", Uniqueid="a.1"),
    )
    at = 1_700_000_000_123
    assert facts == [fact.HoldStarted(CALL, "anna", at=at), fact.HoldEnded(CALL, "anna", at=at)]


def test_the_callers_channel_is_not_learnt_from_a_note_on_the_agents_channel(told):
    ring(told)
    told(note("AcdAnswer", uniqueid="a.1", Agent="anna", Attempt="4"))
    assert told.translator.uniqueid_of(CALL) == "c.1"


def answered(told):
    ring(told)
    told(note("AcdAnswer", uniqueid="a.1", Agent="anna", Attempt="4"))


def test_a_phone_that_hangs_up_ends_the_talk_before_the_dialplan_says_so(told):
    """Decision 0111: the agent is free as soon as the phone says so."""
    answered(told)
    facts = told(
        event("HangupRequest", Channel="PJSIP/anna-01", Uniqueid="a.1", Cause="16"),
        event("HangupRequest", Channel="PJSIP/anna-01", Uniqueid="a.1", Cause="16"),
    )
    assert facts == [fact.TalkEnded(CALL, "anna", 4, EndedBy.AGENT, at=1_700_000_000_123)]


def test_a_phone_that_refuses_while_it_rings_ends_no_talk(told):
    ring(told)
    assert told(event("HangupRequest", Channel="PJSIP/anna-01", Uniqueid="a.1", Cause="21")) == []


def test_a_caller_who_hangs_up_ends_the_talk_by_the_note_only(told):
    """Which of two talks ended by the caller's channel is the dialplan's to say."""
    answered(told)
    assert told(event("HangupRequest", Channel="PJSIP/trunk-1", Uniqueid="c.1", Cause="16")) == []


def test_a_phone_that_handed_the_caller_on_ends_no_talk(told):
    """Row 23: after a transfer the agent's BYE says nothing of the caller."""
    answered(told)
    told(event("BlindTransfer", Result="Success", TransfererUniqueid="a.1", Extension="boris"))
    assert told(event("HangupRequest", Channel="PJSIP/anna-01", Uniqueid="a.1", Cause="16")) == []


def test_the_end_is_told_once_by_note_and_hangup(told):
    ring(told)
    facts = told(
        note("AcdEnd", Agent="anna", Cause="16", Stage="dial", By="caller", Enter_ms="5"),
        event("Hangup", Channel="PJSIP/trunk-1", Uniqueid="c.1", Cause="16"),
        event("Hangup", Channel="PJSIP/anna-01", Uniqueid="a.1", Cause="16"),
    )
    assert [type(f) for f in facts] == [fact.CallEnded]
    assert told.translator.uniqueid_of(CALL) is None
    assert told.translator.legs_of(CALL, "anna") == []


def test_a_hangup_without_note_still_ends_the_call(told):
    told(queued())
    facts = told(event("Hangup", Channel="PJSIP/trunk-1", Uniqueid="c.1", Cause="38"))
    assert facts == [fact.CallEnded(CALL, cause=38, at=1_700_000_000_123)]
    assert told.translator.counters["ends_without_note"] == 1


def test_the_shell_of_a_masquerade_ends_nothing(told):
    """Row 23."""
    told(queued())
    assert told(event("Hangup", Channel="PJSIP/trunk-1<ZOMBIE>", Uniqueid="c.1", Cause="16")) == []
    assert told.translator.uniqueid_of(CALL) == "c.1"


def test_the_offer_is_over_when_its_own_attempt_ends(told):
    ring(told)
    told(note("AcdDialEnd", Agent="anna", Attempt="3", Status="NOANSWER"))
    assert told.translator._offers[CALL] == ("anna", 4)
    (ended,) = told(note("AcdDialEnd", Agent="anna", Attempt="4", Status="NOANSWER"))
    assert ended.outcome is OfferOutcome.NO_ANSWER
    assert CALL not in told.translator._offers


def test_a_call_the_agent_makes_is_an_own_call(told):
    facts = told(
        event("Newchannel", Channel="PJSIP/anna-02", Uniqueid="o.1", Linkedid="o.1"),
        event("Newchannel", Channel="PJSIP/anna-03", Uniqueid="o.2", Linkedid="o.2"),
        event("Hangup", Channel="PJSIP/anna-02", Uniqueid="o.1", Cause="16"),
        event("Hangup", Channel="PJSIP/anna-03", Uniqueid="o.2", Cause="16"),
    )
    at = 1_700_000_000_123
    assert facts == [fact.OwnCallStarted("anna", at=at), fact.OwnCallEnded("anna", at=at)]


def test_a_call_from_a_colleague_is_an_own_call_once_it_is_known_whose(told):
    begin = told(event("Newchannel", Channel="PJSIP/anna-02", Uniqueid="o.1", Linkedid="x.1"))
    assert begin == []
    facts = told(
        event("DialBegin", Uniqueid="x.1", DestChannel="PJSIP/anna-02", DestUniqueid="o.1"),
        event("DialState", Uniqueid="x.1", DestUniqueid="o.1", DialStatus="RINGING"),
        event("Hold", Uniqueid="o.1"),
    )
    assert [type(f) for f in facts] == [fact.OwnCallStarted]
    assert told.translator.legs_of(CALL, "anna") == []


def test_a_phone_rung_by_the_fallback_queue_is_busy_but_not_offered(told):
    told(queued(), note("AcdFallback", Agent="NONE", Why="heartbeat"))
    facts = told(
        event("DialBegin", Uniqueid="c.1", DestChannel="PJSIP/anna-02", DestUniqueid="f.1"),
        event("Newstate", Uniqueid="f.1", ChannelStateDesc="Ringing"),
    )
    assert [type(f) for f in facts] == [fact.OwnCallStarted]


def test_transfers_are_seen_from_the_agents_leg_only(told):
    """Row 23: talk time is not credited to an agent who left."""
    ring(told)
    at = 1_700_000_000_123
    assert told(event("BlindTransfer", Result="Fail", TransfererUniqueid="a.1", Extension="200")) == []
    assert told(event("BlindTransfer", Result="Success", TransfererUniqueid="zz", Extension="200")) == []
    assert told(event("BlindTransfer", Result="Success", TransfererUniqueid="a.1", Extension="200")) == [
        fact.CallTransferred(CALL, "anna", "200", at=at)
    ]
    attended = {
        "OrigTransfererUniqueid": "a.1",
        "SecondTransfererUniqueid": "o.1",
        "SecondTransfererExten": "boris",
    }
    assert told(event("AttendedTransfer", Result="Success", **attended)) == [
        fact.CallTransferred(CALL, "anna", "boris", at=at)
    ]


def test_a_phone_is_reachable_or_not_and_told_only_on_change(told):
    def state(word):
        return event("DeviceStateChange", Device="PJSIP/anna", State=word)

    facts = told(
        state("NOT_INUSE"),
        state("INUSE"),
        state("UNKNOWN"),
        state("UNAVAILABLE"),
        event("PeerStatus", Peer="PJSIP/anna", PeerStatus="Unreachable"),
        event("ContactStatus", EndpointName="anna", ContactStatus="Removed"),
        event("ContactStatus", EndpointName="anna", ContactStatus="Reachable"),
        event("PeerStatus", Peer="PJSIP/anna", PeerStatus="Lagged"),
        event("DeviceStateChange", Device="PJSIP/stranger", State="UNAVAILABLE"),
    )
    assert [type(f) for f in facts] == [fact.DeviceReachable, fact.DeviceUnreachable, fact.DeviceReachable]


def test_either_device_of_an_agent_is_his(told):
    assert told.translator.agent_of("PJSIP/two") == told.translator.agent_of("PJSIP/two-soft") == "two"


def test_a_snapshot_replaces_memory_and_the_replay_after_it_is_harmless(told):
    ring(told)
    told.translator.adopt(
        {CALL: "c.1"},
        {CALL: ("anna", 4)},
        [Leg("a.1", "anna", CALL, 4, ringing=True), Leg("o.9", "two", own=True)],
        {"anna": True},
    )
    facts = ring(told)
    assert not [f for f in facts if isinstance(f, (fact.AgentRinging, fact.OwnCallStarted))]
    ended = told(event("Hangup", Channel="PJSIP/two-9", Uniqueid="o.9"))
    assert [type(f) for f in ended] == [fact.OwnCallEnded]
    told.translator.forget_channels()
    assert told.translator.uniqueid_of(CALL) is None


def test_bad_and_foreign_notes_are_counted_or_ignored(told):
    assert (
        told(note("AcdDial", Agent="", Attempt="x"), event("UserEvent", UserEvent="Other"), event("VarSet"))
        == []
    )
    assert told.translator.counters["bad_notes"] == 1


def test_memory_is_bounded(told, monkeypatch):
    """Row 36."""
    monkeypatch.setattr(subject, "MAX_CALLS", 10)
    monkeypatch.setattr(subject, "MAX_LEGS", 10)
    for i in range(50):
        told(event("UserEvent", UserEvent="AcdEnter", Call=f"c{i}", Uniqueid=f"u{i}", Did="1", Ani=""))
        told(event("Newchannel", Channel=f"PJSIP/anna-{i}", Uniqueid=f"l{i}", Linkedid=f"l{i}"))
    translator = told.translator
    assert len(translator._callers) == len(translator._call_of) == len(translator._legs) == 10
    assert translator.uniqueid_of("c49") == "u49"
    assert len(translator._own["anna"]) == 10
    assert translator.counters["calls_forgotten"] == 40


def test_times_come_from_the_switch_when_it_gives_them():
    assert event_time(event("X")) == 1_700_000_000_123
    assert event_time(AmiFrame("Event", "X", {"Timestamp": "17.5"})) == 17_500
    for bad in ("", "x.1", "-5.1"):
        assert event_time(AmiFrame("Event", "X", {"Timestamp": bad})) is None
    assert device_of("PJSIP/anna-b-0000002a") == "PJSIP/anna-b"


NAMES = [
    "Uniqueid",
    "DestUniqueid",
    "Channel",
    "DestChannel",
    "Linkedid",
    "UserEvent",
    "Call",
    "Agent",
    "Attempt",
]
VALUES = st.sampled_from(
    ["c.1", "a.1", "PJSIP/anna-1", "AcdDial", "AcdEnter", "AcdEnd", "call-1", "anna", "1", "RINGING"]
)


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(EVENTS)), st.dictionaries(st.sampled_from(NAMES), VALUES)),
        max_size=30,
    )
)
def test_no_order_of_events_raises_or_breaks_the_two_way_map(frames):
    translator = Translator({"anna": "PJSIP/anna"})
    for name, headers in frames:
        translator.event(event(name, **headers))
        assert {u: c for c, u in translator._callers.items()} == translator._call_of


def consult(told, target="PJSIP/two-05"):
    ring(told)
    told(note("AcdAnswer", uniqueid="a.1", Agent="anna", Attempt="4"))
    return told(
        note("AcdConsult", Agent="anna", To="agent_two"),
        event("Newchannel", Channel=target, Uniqueid="t.1", Linkedid="c.1"),
        event("DialBegin", Uniqueid="a.1", DestChannel=target, DestUniqueid="t.1"),
    )


def test_a_colleague_who_is_asked_is_busy_and_his_leg_is_known(told):
    """The agent's own leg dials: no offer of ours, but the phone is not free (row 23)."""
    facts = consult(told)
    assert facts == [
        handed.ConsultStarted(CALL, "anna", "agent_two", at=5),
        fact.OwnCallStarted("two", at=1_700_000_000_123),
    ]
    translator = told.translator
    assert (translator.talk_leg(CALL, "anna"), translator.asked_leg(CALL)) == ("a.1", "t.1")


def test_a_colleague_who_takes_the_caller_over_has_a_talk_of_ours(told):
    consult(told)
    facts = told(
        note("AcdTransfer", Agent="anna", To="agent_two"),
        event("Hangup", Channel="PJSIP/anna-01", Uniqueid="a.1"),
        note("AcdDial", Agent="two", Attempt="5"),
        note("AcdAnswer", Agent="two", Attempt="5"),
    )
    assert [type(f) for f in facts] == [
        fact.CallTransferred, fact.OfferConfirmed, fact.OwnCallEnded, fact.CallAnswered,
    ]  # fmt: skip
    translator = told.translator
    assert (translator.talk_leg(CALL, "two"), translator.asked_leg(CALL)) == ("t.1", None)
    assert told(event("Hold", Uniqueid="t.1")) == [fact.HoldStarted(CALL, "two", at=1_700_000_000_123)]
    assert told(event("Hangup", Channel="PJSIP/two-05", Uniqueid="t.1")) == []


def test_an_outside_person_who_is_asked_is_known_by_the_leg_alone(told):
    facts = consult(told, "PJSIP/trunk-09")
    assert [type(f) for f in facts] == [handed.ConsultStarted]
    assert (told.translator.talk_leg(CALL, "anna"), told.translator.asked_leg(CALL)) == ("a.1", "t.1")
    told(note("AcdEnd", Agent="anna", Stage="consult", By="caller", Cause="16"))
    assert told.translator.asked_leg(CALL) is None


def test_who_asks_somebody_when_the_caller_hangs_up_is_in_a_call_of_his_own(told):
    """His phone is still in acd-consult-agent: told before the end of the call, whose wrap-up then goes on."""
    consult(told)
    facts = told(note("AcdEnd", Agent="anna", Stage="consult", By="caller", Cause="16"))
    assert [type(f) for f in facts] == [fact.OwnCallStarted, fact.CallEnded]
    assert facts[0].agent == "anna"
    facts = told(event("Hangup", Channel="PJSIP/anna-01", Uniqueid="a.1"))
    assert facts == [fact.OwnCallEnded("anna", at=1_700_000_000_123)]


@pytest.mark.parametrize("after", ["back", "handed"])
def test_who_asks_nobody_any_more_is_free_with_his_caller(told, after):
    consult(told)
    told(
        note("AcdConsultEnd", Agent="anna", To="agent_two", Status="RETURNED")
        if after == "back"
        else note("AcdTransfer", Agent="anna", To="agent_two")
    )
    facts = told(note("AcdEnd", Agent="anna", Stage="talk", By="caller", Cause="16"))
    assert [type(f) for f in facts] == [fact.CallEnded]


def test_an_end_without_a_note_leaves_the_asking_agent_busy_too(told):
    consult(told)
    facts = told(event("Hangup", Channel="PJSIP/trunk-01", Uniqueid="c.1"))
    assert [type(f) for f in facts] == [fact.OwnCallStarted, fact.CallEnded]


def test_after_a_resync_too_the_asking_agent_is_known(told):
    told.translator.adopt(
        {CALL: "c.1"}, {CALL: ("anna", 4)}, [Leg("a.1", "anna", CALL, 4), Leg("t.1", "two", own=True)], {},
        {CALL: "t.1"},
    )  # fmt: skip
    facts = told(note("AcdEnd", Agent="anna", Stage="consult", By="caller", Cause="16"))
    assert [type(f) for f in facts] == [fact.OwnCallStarted, fact.CallEnded]
