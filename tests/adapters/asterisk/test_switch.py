"""Wishes → actions; neither answer of a Redirect is taken for the truth (rows 5, 6, 7, 9, 34, 35)."""

from __future__ import annotations

import asyncio

import pytest

from acd.adapters.asterisk import switch as subject
from acd.adapters.asterisk.link import NoAnswer, NotSent
from acd.adapters.asterisk.switch import AsteriskSwitch, Heartbeat, var_context
from acd.core.effects import (
    Announce,
    HangUpStrayLeg,
    MoveToQueue,
    OfferCall,
    OfferCallback,
    SendToFallback,
    TransferCall,
)
from acd.core.transfer_facts import TransferHow
from acd.ports import PortError
from acd.wire.ami import AmiFrame

SUCCESS = AmiFrame("Response", "Success", {})


class FakeManager:
    """Records actions; answers from a list, then Success."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, str]]] = []
        self.answers: list[AmiFrame | Exception] = []
        self.read_age_s = 0.0
        self.gate = asyncio.Event()
        self.gate.set()
        self.told = asyncio.Event()
        self.stages: list[str] = []
        """What ACD_STAGE is when asked; the last one stays."""
        self.asked = 0

    async def action(self, name, headers=(), timeout_s=None):
        if name == "Getvar":
            self.asked += 1
            assert headers["Variable"] == "ACD_STAGE"
            stage = self.stages.pop(0) if len(self.stages) > 1 else (self.stages or ["wait"])[0]
            return AmiFrame("Response", "Success", {"Variable": "ACD_STAGE", "Value": stage})
        self.sent.append((name, dict(headers)))
        return await self._answer()

    async def _answer(self):
        self.told.set()
        await self.gate.wait()
        answer = self.answers.pop(0) if self.answers else SUCCESS
        if isinstance(answer, Exception):
            raise answer
        return answer

    def begin(self, name, headers=()):
        self.sent.append((name, dict(headers)))
        return self._answer()


class FakeChannels:
    def uniqueid_of(self, call):
        return {"c1": "1.1", "c2": "2.1"}.get(call)

    def legs_of(self, call, agent):
        return ["9.1", "9.2"] if agent == "anna" else []

    def talk_leg(self, call, agent):
        return "9.1" if (call, agent) == ("c1", "anna") else None

    def asked_leg(self, call):
        return "9.3" if call == "c1" else None


@pytest.fixture
def manager():
    return FakeManager()


@pytest.fixture
def released():
    event = asyncio.Event()
    event.set()
    return event


@pytest.fixture
def switch(manager, released):
    return AsteriskSwitch(manager, FakeChannels(), released)


def offer(call="c1", agent="anna", attempt=3):
    return OfferCall(1, call, agent, attempt, 12_000)


def error(message):
    return AmiFrame("Response", "Error", {"Message": message})


async def test_an_offer_is_one_redirect_with_the_whole_decision_in_the_extension(switch, manager):
    await switch.offer(offer())
    assert manager.sent == [
        ("Redirect", {"Channel": "1.1", "Context": "acd-dial", "Exten": "anna_3", "Priority": "1"})
    ]


async def test_the_first_offer_costs_no_question(switch, manager):
    await switch.offer(offer(attempt=1))
    assert manager.asked == 0


@pytest.mark.parametrize("stage", ["talk", "dial", "fallback", "done", ""])
async def test_a_caller_who_does_not_wait_is_not_torn_away(manager, released, stage):
    """Both notes of an offer lost (row 20): the caller talks, and a second Redirect would end the talk."""
    doubts = []
    switch = AsteriskSwitch(manager, FakeChannels(), released, lambda: doubts.append(1))
    manager.stages = [stage]
    with pytest.raises(PortError, match="does not wait"):
        await switch.offer(offer(attempt=2))
    assert manager.sent == []
    assert doubts == [1]
    assert switch.counters["callers_elsewhere"] == 1


async def test_a_caller_on_the_way_back_gets_a_moment(switch, manager):
    manager.stages = ["dial", "wait"]
    await switch.offer(offer(attempt=2))
    assert [name for name, _ in manager.sent] == ["Redirect"]


@pytest.mark.parametrize("agent", ["", "a_b", "a&b", "anna\r\nAction: x", "Ёж"])
async def test_an_agent_id_that_cannot_be_an_extension_never_leaves(switch, manager, agent):
    """Row 7: a Redirect to a missing extension answers "successful" and would hang the caller up."""
    with pytest.raises(PortError):
        await switch.offer(offer(agent=agent))
    assert manager.sent == []


async def test_a_caller_who_is_gone_is_a_sure_refusal(switch, manager):
    with pytest.raises(PortError, match="gone"):
        await switch.offer(offer(call="unknown"))
    manager.answers = [error("Channel does not exist: 1.1")]
    with pytest.raises(PortError) as caught:
        await switch.offer(offer())
    assert caught.value.retryable is False


@pytest.mark.parametrize(
    "answer", [error("Redirect failed, channel not up."), error("Redirect failed"), NoAnswer("x")]
)
async def test_a_doubtful_answer_is_no_failure(switch, manager, answer):
    """Row 6: 23 of 100 refused Redirects were executed as well."""
    manager.answers = [answer]
    await switch.offer(offer())
    assert switch.counters["commands_doubtful"] + switch.counters["commands_unanswered"] == 1


@pytest.mark.parametrize(
    "doubt",
    [NoAnswer("no answer within 5 s"), error("Redirect failed, channel not up.")],
    ids=["none", "odd"],
)
async def test_a_command_in_doubt_is_never_sent_again(switch, manager, doubt):
    """A stale Redirect that fires twice rings a second phone: the core decides anew, with a new attempt."""
    manager.answers = [doubt]
    await switch.offer(offer())
    assert len(manager.sent) == 1


async def test_an_action_that_did_not_leave_is_a_failure(switch, manager):
    manager.answers = [NotSent("down", retryable=True)]
    with pytest.raises(PortError) as caught:
        await switch.offer(offer())
    assert caught.value.retryable


async def test_one_command_flies_per_call(switch, manager):
    manager.gate.clear()
    first = asyncio.create_task(switch.offer(offer()))
    await manager.told.wait()
    with pytest.raises(PortError, match="under way") as caught:
        await switch.offer(offer(attempt=4))
    assert caught.value.retryable
    manager.told.clear()
    other = asyncio.create_task(switch.offer(offer(call="c2")))
    fallback = asyncio.create_task(switch.send_to_fallback(SendToFallback(2, "c1", "max_wait")))
    await manager.told.wait()
    assert [headers["Exten"] for _, headers in manager.sent] == ["anna_3", "anna_3"]
    manager.gate.set()
    await asyncio.gather(first, other, fallback)
    assert manager.sent[-1][1]["Exten"] == "max_wait"
    assert not switch._flying


async def test_fallback_gives_up_waiting_for_a_command_that_never_ends(switch, manager, monkeypatch):
    monkeypatch.setattr(subject, "BUSY_WAIT_S", 0.02)
    manager.gate.clear()
    first = asyncio.create_task(switch.offer(offer()))
    await manager.told.wait()
    with pytest.raises(PortError, match="under way"):
        await switch.send_to_fallback(SendToFallback(2, "c1", "x"))
    manager.gate.set()
    await first


@pytest.mark.parametrize(
    ("reason", "extension"), [("closing", "closing"), ("no agents!", "wish"), ("x", "wish"), ("", "wish")]
)
async def test_the_reason_of_a_fallback_is_its_extension_if_it_can_be_one(switch, manager, reason, extension):
    await switch.send_to_fallback(SendToFallback(2, "c1", reason))
    assert manager.sent[0][1] == {
        "Channel": "1.1",
        "Context": "acd-fallback",
        "Exten": extension,
        "Priority": "1",
    }


async def test_a_callback_is_offered_by_a_variable_and_a_stray_leg_hung_up(switch, manager):
    await switch.offer_callback(OfferCallback(1, "c1", "long wait"))
    await switch.hang_up_stray_leg(HangUpStrayLeg(2, "c1", "anna"))
    await switch.hang_up_stray_leg(HangUpStrayLeg(3, "c1", "boris"))
    assert manager.sent == [
        ("Setvar", {"Channel": "1.1", "Variable": "ACD_OFFER_CALLBACK", "Value": "1"}),
        ("Hangup", {"Channel": "9.1"}),
        ("Hangup", {"Channel": "9.2"}),
    ]


@pytest.mark.parametrize(
    ("how", "to", "sent"),
    [
        ("blind", "queue_law-1", ("Redirect", {"Channel": "1.1", "Context": "acd-transfer", "Exten": "queue_law-1"})),
        (
            "consult",
            "out_+74951234567",
            (
                "Redirect",
                {
                    "Channel": "1.1", "Context": "acd-consult", "Exten": "out_+74951234567",
                    "ExtraChannel": "9.1", "ExtraContext": "acd-consult-agent",
                    "ExtraExten": "out_+74951234567", "ExtraPriority": "1",
                },
            ),
        ),
        ("complete", "", ("Hangup", {"Channel": "9.1"})),
        ("back", "", ("Hangup", {"Channel": "9.3"})),
    ],
)  # fmt: skip
async def test_a_transfer_is_one_command_of_the_call_class(switch, manager, how, to, sent):
    """No Originate, no Bridge: security row 2, failure mode 8."""
    await switch.transfer(TransferCall(1, "c1", "anna", TransferHow(how), to))
    name, headers = sent
    assert manager.sent == [(name, headers | ({"Priority": "1"} if name == "Redirect" else {}))]


@pytest.mark.parametrize(
    "to", ["agent_a&b", "out_12/../", "shell_x", "agent_", "queue_a b", "out_+7\r\nAction: X"]
)
async def test_a_target_that_is_none_is_not_sent(switch, manager, to):
    with pytest.raises(PortError):
        await switch.transfer(TransferCall(1, "c1", "anna", TransferHow.BLIND, to))
    assert manager.sent == []


async def test_a_leg_that_is_gone_is_told_and_nothing_is_sent(switch, manager):
    for how, call in (("complete", "c2"), ("back", "c2"), ("consult", "c2")):
        with pytest.raises(PortError, match="gone"):
            await switch.transfer(
                TransferCall(1, call, "anna", TransferHow(how), "agent_b" if how == "consult" else "")
            )
    assert manager.sent == []


async def test_a_rule_moves_a_caller_by_one_redirect_and_plays_a_file_by_a_variable(switch, manager):
    await switch.move_to_queue(MoveToQueue(1, "c1", "night-desk"))
    await switch.announce(Announce(2, "c1", "acd/sorry-busy"))
    assert manager.sent == [
        ("Redirect", {"Channel": "1.1", "Context": "acd-overflow", "Exten": "night-desk", "Priority": "1"}),
        ("Setvar", {"Channel": "1.1", "Variable": "ACD_SAY_FILE", "Value": "acd/sorry-busy"}),
    ]


@pytest.mark.parametrize("sound", ["", "a b", "x&y", "a,b", "q" * 121, "a\nb"])
async def test_what_cannot_be_a_file_or_a_queue_never_leaves(switch, manager, sound):
    with pytest.raises(PortError):
        await switch.announce(Announce(1, "c1", sound))
    with pytest.raises(PortError):
        await switch.move_to_queue(MoveToQueue(2, "c1", sound))
    assert manager.sent == []


async def test_nothing_leaves_before_the_resync_is_over(switch, manager, released, monkeypatch):
    """Row 22 and the order of a resync: journal first, then Redirects."""
    released.clear()
    waiting = asyncio.create_task(switch.offer(offer()))
    await asyncio.sleep(0.01)
    assert manager.sent == []
    released.set()
    await waiting
    assert len(manager.sent) == 1
    released.clear()
    monkeypatch.setattr(subject, "RELEASE_WAIT_S", 0.01)
    with pytest.raises(PortError, match="not synced") as caught:
        await switch.offer(offer())
    assert caught.value.retryable


def test_a_context_outside_the_contract_is_our_mistake():
    with pytest.raises(ValueError, match="no context"):
        var_context("acd-nowhere")


# --- heartbeat ---------------------------------------------------------------------------------


class Beating:
    def __init__(self, manager, released, **options: object) -> None:
        self.manager = manager
        self.gaps = 0
        self.heart = Heartbeat(manager, released, self.gap, every_s=0.01)
        self.task = asyncio.create_task(self.heart.run())

    def gap(self) -> None:
        self.gaps += 1

    async def until(self, condition) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.manager.told.clear()
                await self.manager.told.wait()


@pytest.fixture
async def beating(manager, released):
    one = Beating(manager, released)
    yield one
    one.task.cancel()
    await asyncio.gather(one.task, return_exceptions=True)


async def test_the_heart_beats_with_nonce_and_counter(beating, manager):
    await beating.until(lambda: len(manager.sent) >= 3)
    values = [headers["Value"] for _, headers in manager.sent[:3]]
    assert values == [f"{beating.heart.nonce}-{n}" for n in (1, 2, 3)]
    assert manager.sent[0] == ("Setvar", {"Variable": "ACD_HEARTBEAT", "Value": values[0]})


async def test_two_daemons_never_beat_alike(manager, released):
    """Row 35: equal values would hide a dead daemon behind a living one."""
    assert Heartbeat(manager, released).nonce != Heartbeat(manager, released).nonce


async def test_no_beat_while_not_synced(beating, manager, released):
    await beating.until(lambda: manager.sent)
    released.clear()
    count = len(manager.sent)
    await asyncio.sleep(0.05)
    assert len(manager.sent) <= count + 1


async def test_a_silent_socket_is_asked_before_the_beat(beating, manager):
    manager.read_age_s = 1.0
    await beating.until(lambda: ("Ping", {}) in manager.sent)
    manager.answers = [NoAnswer("silence")] * 1000
    at = len(manager.sent) + 2
    await beating.until(lambda: len(manager.sent) > at)
    assert {name for name, _ in manager.sent[at:]} == {"Ping"}
    assert beating.heart.counters["missed"] > 0


async def test_a_refused_beat_is_counted(beating, manager):
    manager.answers = [error("Permission denied")]
    await beating.until(lambda: len(manager.sent) >= 2)
    assert beating.heart.counters["refused"] == 1


async def test_a_loop_that_slept_tells_so_instead_of_beating(beating, manager, monkeypatch):
    """Row 34: who slept must resync before telling anybody that all is well."""
    monkeypatch.setattr(subject, "LOOP_GAP_S", 0.05)
    await beating.until(lambda: manager.sent)
    import time

    count = len(manager.sent)
    time.sleep(0.15)  # noqa: ASYNC251 - the stall under test
    await asyncio.sleep(0)
    await beating.until(lambda: len(manager.sent) > count)
    assert beating.gaps == 1
