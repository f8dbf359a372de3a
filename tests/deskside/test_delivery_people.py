"""Who is asked, for how long, and who comes next: until somebody has the message (000-11, 002-17)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acd.core.events import EndReason
from acd.desk.delivery import Rule
from acd.desk.operations import Operation
from acd.deskside.delivery import acknowledge
from acd.ports import PortError
from tests.deskside.delivery_rig import DUTY, FIRM, NOON, Rig, card, rig  # noqa: F401 - the fixture


async def test_nobody_acknowledges_so_the_next_person_is_asked_until_the_alarm(rig: Rig) -> None:
    rig.use(DUTY)
    await rig.write()
    await rig.turn()
    assert rig.mail.recipients == ["ann@law.example"]
    assert "https://desk.example/m/1." in rig.mail.mails[0].get_content()
    await rig.turn(61_000)
    await rig.turn()
    assert rig.mail.recipients == ["ann@law.example", "bob@law.example"]
    await rig.turn(61_000)
    assert await rig.states() == ["escalated", "undelivered"]
    assert rig.worker.counters["alarms"] == 1
    done = await acknowledge(rig.store, 1, "", rig.clock.now())
    assert done is not None
    assert done.acknowledged_by == "ann"
    assert await rig.states() == ["acknowledged", "settled"], "a late acknowledgement still counts"
    await rig.turn()
    assert rig.worker.undelivered == 0


async def test_an_alarm_that_was_taken_back_with_its_transaction_was_never_raised(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database refuses in the middle of the turn that would have asked the next person."""
    rig.use(DUTY)
    await rig.write()
    await rig.turn()

    async def refuses(*_: object) -> None:
        raise PortError("the disk is full", retryable=True)

    with monkeypatch.context() as patched:
        patched.setattr("acd.adapters.store.desk_store.due_digests", refuses)
        with pytest.raises(PortError):
            await rig.turn(61_000)
    assert rig.worker.counters["escalated"] == 0
    assert await rig.states() == ["unread"]
    await rig.turn()
    assert rig.worker.counters["escalated"] == 1
    assert (await rig.states())[0] == "escalated"


HOUR_MS = 3_600_000


async def test_a_clock_put_right_keeps_no_message_for_the_wrong_hour(rig: Rig) -> None:
    """As the outbox (tests/adapters/store/test_outbox): the daemon that wrote it was an hour ahead, this one is not."""
    rig.clock.time += HOUR_MS
    await rig.write()
    await rig.turn(-HOUR_MS)
    assert rig.mail.recipients == ["office@law.example"]


async def test_a_clock_put_right_gives_whoever_was_asked_his_time_and_no_hour_more(rig: Rig) -> None:
    rig.use(DUTY)
    rig.clock.time += HOUR_MS
    await rig.write()
    await rig.turn()
    await rig.turn(-HOUR_MS)
    await rig.turn(59_000)
    assert rig.mail.recipients == ["ann@law.example"]
    await rig.turn(2_000)
    await rig.turn()
    assert rig.mail.recipients == ["ann@law.example", "bob@law.example"]


async def test_whoever_acknowledges_ends_the_asking(rig: Rig) -> None:
    rig.use(replace(DUTY, deliver=(*DUTY.deliver, Rule("office@law.example"))))
    await rig.write()
    await rig.turn()
    await acknowledge(rig.store, 1, "", rig.clock.now())
    await rig.turn(600_000)
    assert sorted(rig.mail.recipients) == ["ann@law.example", "office@law.example"]
    assert await rig.states() == ["acknowledged", "sent"]
    assert (await rig.clocks())[Operation.MESSAGE_ACKNOWLEDGED] is True
    assert (await acknowledge(rig.store, 1, "x", 5)).acknowledged_by == "ann"  # type: ignore[union-attr]
    assert await acknowledge(rig.store, 99, "x", 5) is None


async def test_a_person_who_cannot_be_reached_is_passed_over(rig: Rig) -> None:
    rig.use(DUTY)
    rig.mail.moods = ["rcpt 550 gone"]
    await rig.write()
    await rig.turn()
    await rig.turn()
    assert rig.mail.recipients == ["bob@law.example"]
    assert await rig.states() == ["escalated", "unread"]


async def test_whom_the_call_was_handed_to_gets_the_message_in_writing_once(rig: Rig) -> None:
    """A warm patch takes the case along (002-08), also when the message had left before the call was handed on."""
    await rig.write()
    await rig.write(handed_to="bob")
    await rig.write(handed_to="bob")
    await rig.write("c2", handed_to="nobody known")
    await rig.turn()
    assert sorted(rig.mail.recipients) == ["bob@law.example", "office@law.example", "office@law.example"]
    assert await rig.states() == ["sent", "sent"]


@pytest.mark.parametrize(
    "step",
    [
        "a101 asks out_+79160000002",
        "transferred to out_+79160000002",
        "out_+79160000002: BUSY",
    ],
)
async def test_a_lost_note_costs_whom_the_call_was_handed_to_no_message(rig: Rig, step: str) -> None:
    """000-06: the page's note is lost (a full card, a store that refuses, our death); the switch's own steps are not.

    Asked only, handed on, or rung in vain: he gets it in writing, once; who has another number gets nothing.
    """
    bob = replace(FIRM.people["bob"], phone="+7 (916) 000-00-02")
    rig.use(replace(FIRM, people={"bob": bob, "ann": replace(FIRM.people["ann"], phone="+7 916 000-00-03")}))
    shown = card("c1", note="Please call back", subject="Help")
    rung = replace(shown, history=((NOON + 9_000, "talking", step),))
    await rig.store.write_card(rung)
    await rig.store.write_card(replace(rung, fields=(*rung.fields, ("handed_to", "bob"))))
    elsewhere = replace(
        card("c2", note="Later"), history=((NOON, "done", "transferred to out_+79990000000"),)
    )
    await rig.store.write_card(elsewhere)
    await rig.turn()
    assert sorted(rig.mail.recipients) == ["bob@law.example", "office@law.example", "office@law.example"]


async def test_of_people_who_share_a_telephone_only_the_one_who_was_chosen_gets_the_message(rig: Rig) -> None:
    """The firm's main number stands with two of them; where nobody is named, both may have been asked."""
    both = {name: replace(FIRM.people[name], phone="+7 916 000-00-02") for name in ("ann", "bob")}
    rig.use(replace(FIRM, people=both))
    rung = replace(
        card("c1", note="Please call back", subject="Help"),
        history=((NOON + 9_000, "talking", "a101 asks out_+79160000002"),),
    )
    await rig.store.write_card(replace(rung, fields=(*rung.fields, ("handed_to", "bob"))))
    await rig.turn()
    assert sorted(rig.mail.recipients) == ["bob@law.example", "office@law.example"]
    nobody = ((NOON + 9_000, "done", "transferred to out_"),)  # an agent's phone sent him to `out_x`
    rig.use(replace(FIRM, people={**both, "mute": replace(FIRM.people["ann"], id="mute", phone="")}))
    await rig.store.write_card(replace(rung, call="c3", number="3", history=nobody))  # type: ignore[arg-type]
    await rig.turn()
    assert sorted(rig.mail.recipients) == ["bob@law.example", "office@law.example", "office@law.example"]
    await rig.store.write_card(replace(rung, call="c2", number="2"))  # type: ignore[arg-type]
    await rig.turn()
    assert sorted(rig.mail.recipients)[:3] == ["ann@law.example", "bob@law.example", "bob@law.example"]


async def test_who_heard_his_answer_at_the_door_breaks_no_promise_of_an_answer(rig: Rig) -> None:
    """002-18: nobody was to answer him; who hung up waiting was to be answered."""
    served = replace(
        card("c1", self_answer="order ready"), answered_at=None, agent=None, end_reason=EndReason.SELF_SERVED
    )
    await rig.store.write_card(served)
    assert await rig.clocks() == {}
    await rig.store.write_card(replace(served, call="c2", end_reason=EndReason.ABANDONED))  # type: ignore[arg-type]
    assert list(await rig.clocks()) == [Operation.ANSWER]
