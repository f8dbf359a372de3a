"""Missed calls and their tasks in the store: the order in which cards arrive does not matter."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from acd import numberfacts
from acd.adapters.store import ledger_store
from acd.core.events import EndReason
from acd.core.ids import Ani, SubscriberId
from acd.desk import ledger
from acd.desk.ledger import TaskState
from acd.wire.queue_log import JournalRow
from tests.adapters.store.support import T0, make_card, opened


def missed(call, at=0, **changes: object):
    card = make_card(call, answered_at=None, agent=None, segments=(), end_reason=EndReason.ABANDONED)
    return replace(card, entered_at=T0 + at, ended_at=T0 + at + 20_000, wait_ms=20_000, **changes)


def talk(call, at=0, **changes: object):
    return replace(
        make_card(call), entered_at=T0 + at, answered_at=T0 + at + 4_000, ended_at=T0 + at + 9_000, **changes
    )


def store_at(tmp_path):
    return opened(tmp_path / "acd.db", normalise=numberfacts.normalise)


async def tasks(store, only_open=False):
    wanted = ledger_store.TaskFilter(only_open=only_open)
    return await store.writer.do(lambda db: ledger_store.find(db, wanted))


@pytest.mark.parametrize(
    "reason",
    [EndReason.ABANDONED, EndReason.REFUSED, EndReason.FALLBACK, EndReason.PBX_FAILED, EndReason.CALLBACK],
)
async def test_every_call_that_ended_without_a_talk_opens_a_task(tmp_path, reason):
    async with store_at(tmp_path) as store:
        await store.write_card(missed("c-1", end_reason=reason))
        (task,) = await tasks(store)
        assert (task.number, task.subscriber, task.reason, task.missed) == (
            "+79160000001",
            "acme",
            reason.value,
            1,
        )
        assert task.asked is (reason is EndReason.CALLBACK)


@pytest.mark.slow
async def test_fifty_missed_calls_of_one_number_in_any_spelling_are_one_task(tmp_path):
    """Failure mode 38; the same card twice counts once."""
    spellings = itertools.cycle(["+79160000001", "89160000001", "8 916 000-00-01"])
    async with store_at(tmp_path) as store:
        for turn, spelling in zip(range(50), spellings, strict=False):
            card = missed(f"c-{turn}", turn, ani=Ani(spelling))
            await store.write_card(card)
            await store.write_card(replace(card, acw_ms=1))
        (task,) = await tasks(store)
        assert task.missed == 50


@pytest.mark.slow
async def test_any_later_talk_with_that_number_finishes_it_whatever_arrives_first(tmp_path):
    cards = [missed("c-1"), missed("c-2", 60_000), talk("c-3", 120_000)]
    for turn, order in enumerate(itertools.permutations(cards)):
        async with opened(tmp_path / f"{turn}.db", normalise=numberfacts.normalise) as store:
            for card in order:
                await store.write_card(card)
            assert {task.state for task in await tasks(store)} == {TaskState.RECONTACTED}
            assert sum(task.missed for task in await tasks(store)) == 2


@pytest.mark.parametrize("known_by", ["journal", "card"])
async def test_a_talk_with_the_fallback_finishes_it_too_whatever_arrives_first(tmp_path, known_by):
    """003-24: he rang in vain while we were down, rang again and was served by the fallback; nobody owes him a call."""
    named = (("fallback_member", "anna"),) if known_by == "card" else ()
    served = missed("c-2", 60_000, end_reason=EndReason.FALLBACK, fields=named)
    for turn, order in enumerate(itertools.permutations([missed("c-1"), served])):
        async with opened(tmp_path / f"{turn}.db", normalise=numberfacts.normalise) as store:
            if known_by == "journal":
                row = JournalRow("ACDFALLBACKANSWER", "c-2", "acme", "anna", T0 + 70_000)
                await store.commit_rows("queue_log", [row], (1, 10, b""))
            for card in order:
                await store.write_card(card)
            (task,) = await tasks(store)
            assert (task.state, task.missed, task.closed_by) == (TaskState.RECONTACTED, 1, "call c-2")


async def test_a_later_call_back_that_only_an_agent_answered_is_no_talk(tmp_path):
    """Failure mode 38, the other way: `not_reached` has an agent's answer and nobody of theirs."""
    back = talk("b-1", 60_000, end_reason=EndReason.NOT_REACHED, fields=(("direction", "outbound"),))
    async with store_at(tmp_path) as store:
        await store.write_card(back)
        await store.write_card(missed("c-1"))
        assert [task.state for task in await tasks(store)] == [TaskState.OPEN]


async def test_a_talk_before_the_missed_call_finishes_nothing(tmp_path):
    for turn, order in enumerate(itertools.permutations([talk("c-0", -120_000), missed("c-1")])):
        async with opened(tmp_path / f"{turn}.db", normalise=numberfacts.normalise) as store:
            for card in order:
                await store.write_card(card)
            (task,) = await tasks(store)
            assert task.state is TaskState.OPEN


async def test_a_talk_with_another_subscriber_finishes_nothing_but_an_unknown_one_does(tmp_path):
    async with store_at(tmp_path) as store:
        await store.write_card(missed("c-1"))
        await store.write_card(talk("c-2", 60_000, subscriber=SubscriberId("other")))
        assert len(await tasks(store, only_open=True)) == 1
        await store.write_card(talk("c-3", 90_000, subscriber=SubscriberId("")))
        assert await tasks(store, only_open=True) == []


async def test_withheld_numbers_are_tasks_of_their_own(tmp_path):
    async with store_at(tmp_path) as store:
        await store.write_card(missed("c-1", ani=Ani("")))
        await store.write_card(missed("c-2", ani=Ani("")))
        await store.write_card(talk("c-3", 90_000, ani=Ani("")))
        assert len(await tasks(store, only_open=True)) == 2


async def test_a_call_first_told_as_missed_and_then_as_answered_leaves_no_task(tmp_path):
    async with store_at(tmp_path) as store:
        await store.write_card(missed("c-1"))
        await store.write_card(talk("c-1"))
        assert await tasks(store) == []


async def test_a_promise_of_the_agent_is_a_task_held_for_a_persons_yes(tmp_path):
    """Issue 6: one click to a call-back. Told twice it is one task; the next talk with the number settles it."""
    told = {"disposition": ledger.PROMISED, "callback_number": "8 916 000-00-02"}
    async with store_at(tmp_path) as store:
        for _ in range(2):
            await store.write_card(talk("c-1", fields=tuple(told.items())))
        (task,) = await tasks(store)
        assert (task.number, task.state, task.reason) == ("+79160000002", TaskState.HELD, ledger.PROMISED)
        assert "approve" in task.why
        await store.write_card(talk("c-2", 60_000, ani=Ani("+79160000002")))
        (task,) = await tasks(store)
        assert task.state is TaskState.RECONTACTED


async def test_a_promise_that_was_approved_stays_so_when_the_card_is_told_again(tmp_path):
    told = {"disposition": ledger.PROMISED}
    async with store_at(tmp_path) as store:
        await store.write_card(talk("c-1", fields=tuple(told.items())))
        (task,) = await tasks(store)
        approved = ledger.approved(task, "boss", T0 + 10_000)
        await store.writer.do(lambda db: ledger_store.save(db, approved))
        await store.write_card(talk("c-1", fields=(*told.items(), ("note", "later"))))
        (task,) = await tasks(store)
        assert (task.id, task.state, task.approved_by) == (approved.id, TaskState.OPEN, "boss")


async def test_a_promise_taken_back_on_the_card_leaves_no_task(tmp_path):
    async with store_at(tmp_path) as store:
        await store.write_card(talk("c-1", fields=(("disposition", ledger.PROMISED),)))
        await store.write_card(talk("c-1", fields=(("disposition", "settled"),)))
        assert await tasks(store) == []


async def test_who_is_cut_off_in_mid_talk_by_the_switch_is_called_back(tmp_path):
    async with store_at(tmp_path) as store:
        await store.write_card(talk("c-1", end_reason=EndReason.PBX_FAILED))
        (task,) = await tasks(store)
        assert (task.state, task.reason) == (TaskState.OPEN, "pbx_failed")


@pytest.mark.parametrize("card_first", [True, False])
async def test_a_fallback_call_that_a_member_answered_is_not_missed(tmp_path, card_first):
    row = JournalRow("ACDFALLBACKANSWER", "c-1", "acme", "PJSIP:anna", T0 + 10_000)
    card = missed("c-1", end_reason=EndReason.FALLBACK)
    async with store_at(tmp_path) as store:
        if card_first:
            await store.write_card(card)
            assert len(await tasks(store)) == 1
        await store.commit_rows("queue_log", [row], (1, 10, b""))
        if not card_first:
            await store.write_card(card)
        assert await tasks(store) == []


@pytest.mark.parametrize("card_first", [True, False])
async def test_the_number_the_caller_keyed_in_is_the_one_to_call(tmp_path, card_first):
    row = JournalRow("ACDCALLBACK", "c-1", "acme", "", T0 + 10_000, {"number": "84951234567"})
    card = missed("c-1", end_reason=EndReason.CALLBACK, ani=Ani(""))
    async with store_at(tmp_path) as store:
        if card_first:
            await store.write_card(card)
        await store.commit_rows("queue_log", [row], (1, 10, b""))
        await store.write_card(card)
        (task,) = await tasks(store)
        assert (task.number, task.asked) == ("+74951234567", True)


async def test_the_number_keyed_in_told_late_does_not_call_a_client_twice(tmp_path):
    """The card came by the live feed and the dialler was quick: the journal's row finds the number being dialled."""
    row = JournalRow("ACDCALLBACK", "c-1", "acme", "", T0 + 10_000, {"number": "84951234567"})
    async with store_at(tmp_path) as store:
        await store.write_card(missed("c-1", end_reason=EndReason.CALLBACK))
        await store.writer.do(lambda db: ledger_store.start_dial(db, 1, T0 + 9_000, "b-1"))
        await store.commit_rows("queue_log", [row], (1, 10, b""))
        (task,) = await tasks(store)
        assert (task.id, task.state, task.number) == (1, TaskState.DIALLING, "+74951234567")
        assert [one.call for one in await store.writer.do(ledger_store.dialling)] == ["b-1"]


async def test_a_fallback_answer_told_late_ends_the_claim_with_the_task(tmp_path):
    """So the dialler lets go of a call-back to somebody who was served already."""
    row = JournalRow("ACDFALLBACKANSWER", "c-1", "acme", "anna", T0 + 5_000, {})
    async with store_at(tmp_path) as store:
        await store.write_card(missed("c-1", end_reason=EndReason.FALLBACK))
        await store.writer.do(lambda db: ledger_store.start_dial(db, 1, T0 + 9_000, "b-1"))
        await store.commit_rows("queue_log", [row], (1, 10, b""))
        (task,) = await tasks(store)
        assert (task.id, task.state) == (1, TaskState.RECONTACTED)
        assert [one.call for one in await store.writer.do(ledger_store.dialling)] == ["b-1"]


async def test_after_closing_a_new_missed_call_opens_a_new_task(tmp_path):
    async with store_at(tmp_path) as store:
        await store.write_card(missed("c-1"))
        (task,) = await tasks(store)
        closed = ledger.closed(task, T0 + 30_000, "olga", "answered by e-mail")
        await store.writer.do(lambda db: ledger_store.save(db, closed))
        await store.write_card(missed("c-2", 60_000))
        assert [found.state for found in await tasks(store)] == [TaskState.CLOSED, TaskState.OPEN]
        assert await store.writer.do(lambda db: ledger_store.get(db, task.id)) == closed


async def test_a_number_left_while_we_were_down_opens_one_task(tmp_path):
    async with store_at(tmp_path) as store:
        await store.note_spooled_callback("c-1", "8 916 000 00 01", T0)
        await store.note_spooled_callback("c-1", "8 916 000 00 01", T0)
        (task,) = await tasks(store)
        assert (task.number, task.missed, task.asked) == ("+79160000001", 1, True)


async def test_a_voice_message_left_in_the_fallback_asks_for_a_call_back(tmp_path):
    async with store_at(tmp_path) as store:
        await store.write_card(
            missed("c-1", end_reason=EndReason.FALLBACK, fields=(("voicemail", "c-1.wav"),))
        )
        (task,) = await tasks(store)
        assert (task.reason, task.asked) == ("voicemail", True)


async def test_a_fallback_member_named_on_the_card_is_a_talk(tmp_path):
    async with store_at(tmp_path) as store:
        await store.write_card(
            missed("c-1", end_reason=EndReason.FALLBACK, fields=(("fallback_member", "anna"),))
        )
        assert await tasks(store) == []


async def test_a_task_is_claimed_for_dialling_once_and_counts_for_the_caps(tmp_path):
    async with store_at(tmp_path) as store:
        await store.write_card(missed("c-1"))
        await store.write_card(missed("c-2", ani=Ani("89160000002")))
        first, second = await store.writer.do(lambda db: ledger_store.due(db, T0 + 30_000, 10))
        assert [task.id for task in await store.writer.do(lambda db: ledger_store.due(db, T0, 10))] == []
        claims = [
            await store.writer.do(lambda db, n=n: ledger_store.start_dial(db, first.id, T0 + 1, f"b-{n}"))
            for n in range(3)
        ]
        assert [claim is not None for claim in claims] == [True, False, False]
        assert await store.writer.do(lambda db: ledger_store.start_dial(db, 99, T0, "b-9")) is None
        assert [
            task.id for task in await store.writer.do(lambda db: ledger_store.due(db, T0 + 30_000, 10))
        ] == [second.id]

        async def moment(task, midnight=T0):
            return await store.writer.do(lambda db: ledger_store.moment(db, task, T0 + 5, (2, 720), midnight))

        assert await moment(first) == ledger.DialMoment(T0 + 5, 2, 720, 1, 1, 1)
        assert await moment(second) == ledger.DialMoment(T0 + 5, 2, 720, 0, 1, 1)
        assert await moment(first, T0 + 2) == ledger.DialMoment(T0 + 5, 2, 720, 0, 0, 0)


async def test_a_callback_the_switch_never_took_is_tried_again_and_counts_for_nothing(tmp_path):
    """Kill -9 between intent and Originate: the claim is in the ledger, and is given back once."""
    rules = ledger.LedgerRules()
    async with store_at(tmp_path) as store:
        await store.write_card(missed("c-1"))
        await store.writer.do(lambda db: ledger_store.start_dial(db, 1, T0, "b-1"))
    async with store_at(tmp_path) as store:
        (under_way,) = await store.writer.do(ledger_store.dialling)
        assert (under_way.call, under_way.known, under_way.since) == ("b-1", False, T0)
        given = [
            await store.writer.do(lambda db: ledger_store.abandon_dial(db, "b-1", T0, rules, "not taken"))
            for _ in range(2)
        ]
        assert given == [True, False]
        (task,) = await tasks(store)
        assert (task.state, task.attempts, task.why) == (TaskState.OPEN, 0, "not taken")
        assert task.next_try_at == T0 + rules.postpone_ms
        seen = await store.writer.do(lambda db: ledger_store.moment(db, task, T0 + 5, (2, 720), T0))
        assert (seen.dialled_number, seen.dialled_total) == (0, 0)


def callback(call, *, result="", reached=False, ani="+79160000001", **changes: object):
    """The card of a call back of ours."""
    fields = [("direction", "outbound"), ("callback_of", "c-1")]
    if result:
        fields.append(("callback_result", result))
    reason = EndReason.HANDLED if reached else EndReason.NOT_REACHED
    card = replace(make_card(call), ani=Ani(ani), end_reason=reason, fields=tuple(fields))
    return replace(
        card, **{"entered_at": T0 + 60_000, "answered_at": T0 + 64_000, "ended_at": T0 + 70_000, **changes}
    )


@pytest.mark.parametrize(
    ("result", "reached", "state", "attempts", "outcome"),
    [
        ("answered", True, TaskState.RECONTACTED, 1, "answered"),
        ("no_answer", False, TaskState.OPEN, 1, "no_answer"),
        ("busy", False, TaskState.OPEN, 1, "busy"),
        ("dialled", False, TaskState.OPEN, 1, "dialled"),
        ("no_agent", False, TaskState.OPEN, 0, "no_agent"),
        ("", False, TaskState.OPEN, 0, "no_agent"),
        ("refused", False, TaskState.HELD, 1, "refused"),
    ],
)
async def test_only_a_talk_with_the_number_settles_the_task(
    tmp_path, result, reached, state, attempts, outcome
):
    """003-24, failure mode 19: recontacted, or tried again, or for a person to decide; a late copy changes nothing."""
    async with store_at(tmp_path) as store:
        await store.write_card(missed("c-1"))
        await store.writer.do(lambda db: ledger_store.start_dial(db, 1, T0 + 59_000, "b-1"))
        for version in (1, 2):
            await store.write_card(callback("b-1", result=result, reached=reached, cause=version))
            (task,) = await tasks(store)
            assert (task.state, task.attempts, task.missed) == (state, attempts, 1)
        assert await store.writer.do(ledger_store.dialling) == []
        rows = await store.writer.do(lambda db: db.execute_fetchall("SELECT outcome FROM missed_dials"))
        assert [row[0] for row in rows] == [outcome]


async def test_an_answer_found_in_the_journal_later_settles_a_task_that_had_failed(tmp_path):
    async with store_at(tmp_path) as store:
        await store.write_card(missed("c-1"))
        await store.writer.do(lambda db: ledger_store.start_dial(db, 1, T0 + 59_000, "b-1"))
        await store.write_card(callback("b-1", result="dialled"))
        await store.write_card(callback("b-1", result="answered", reached=True))
        (task,) = await tasks(store)
        assert task.state is TaskState.RECONTACTED


async def test_after_the_last_attempt_the_rules_close_the_task_when_told_so(tmp_path):
    rules = ledger.LedgerRules(max_attempts=2, close_after_last=True)
    async with opened(tmp_path / "acd.db", normalise=numberfacts.normalise, ledger_rules=rules) as store:
        await store.write_card(missed("c-1"))
        for n in (1, 2):
            await store.writer.do(lambda db, n=n: ledger_store.start_dial(db, 1, T0, f"b-{n}"))
            await store.write_card(callback(f"b-{n}", result="busy"))
        (task,) = await tasks(store)
        assert (task.state, task.closed_by) == (TaskState.CLOSED, ledger.BY_RULE)
        assert task.close_reason == "2 attempts, the last: busy"


async def test_a_callback_knows_the_place_its_caller_gave_up(tmp_path):
    row = JournalRow(
        "ACDQUEUED", "c-1", "acme", "", T0, {"needs": "ru:3", "sticky": "anna", "enter_ms": str(T0 - 100)}
    )
    async with store_at(tmp_path) as store:
        await store.commit_rows("queue_log", [row], None)
        await store.write_card(missed("c-1", end_reason=EndReason.CALLBACK))
        found = await store.writer.do(lambda db: ledger_store.origin(db, 1))
        assert found is not None
        assert (found.call, found.did, found.entered_at) == ("c-1", "+74950000001", T0 - 100), (
            "to the millisecond"
        )
        assert (found.needs, found.sticky, found.asked) == ("ru:3", "anna", True)
        assert await store.writer.do(lambda db: ledger_store.origin(db, 2)) is None


async def test_who_pressed_1_keeps_his_place_also_when_his_cards_end_had_to_be_guessed(tmp_path):
    """Every event lost and the switch killed: the card says abandoned, the journal says what he chose (seed 2015423)."""
    chose = JournalRow("ACDCALLBACK", "c-1", "acme", "", T0, {"number": "+74951230001"})
    async with store_at(tmp_path) as store:
        await store.commit_rows("queue_log", [chose], None)
        await store.write_card(missed("c-1"))
        await store.write_card(missed("c-2", ani=Ani("+74951230002")))
        (first, second) = await tasks(store)
        assert first.asked
        assert not second.asked
        origins = [
            await store.writer.do(lambda db, t=t: ledger_store.origin(db, t.id)) for t in (first, second)
        ]
        assert [one.asked for one in origins if one] == [True, False]


async def test_open_tasks_are_counted_by_what_they_wait_for(tmp_path):
    async with store_at(tmp_path) as store:
        for n in range(4):
            await store.write_card(missed(f"c-{n}", ani=Ani(f"8916000001{n}")))
        await store.writer.do(lambda db: ledger_store.start_dial(db, 1, T0, "b-1"))
        task = await store.writer.do(lambda db: ledger_store.get(db, 2))
        await store.writer.do(lambda db: ledger_store.save(db, ledger.held(task, "premium")))
        found = await store.writer.do(lambda db: ledger_store.counts(db, T0 + 60_000))
        assert found == {"open": 2, "held": 1, "dialling": 1, "due": 2}


async def test_one_telephone_is_not_rung_for_two_subscribers_at_once(tmp_path):
    """Seen in the virtual world (seed 1216): whoever called two firms in vain was rung by both at the same moment."""
    async with store_at(tmp_path) as store:
        await store.write_card(missed("c-1"))
        await store.write_card(missed("c-2", 1_000, subscriber=SubscriberId("other")))
        one, two = await tasks(store)
        assert one.number == two.number
        assert await store.writer.do(lambda db: ledger_store.start_dial(db, one.id, T0, "b-1"))
        assert await store.writer.do(lambda db: ledger_store.start_dial(db, two.id, T0, "b-2")) is None
        rules = ledger.LedgerRules()
        assert await store.writer.do(lambda db: ledger_store.abandon_dial(db, "b-1", T0, rules, "no agent"))
        assert await store.writer.do(lambda db: ledger_store.start_dial(db, two.id, T0, "b-3"))


async def test_nor_while_the_call_back_of_a_task_settled_meanwhile_is_still_under_way(tmp_path):
    """Virtual seed 3011072: a talk of his own had settled the first task while its call-back rang an agent."""
    async with store_at(tmp_path) as store:
        await store.write_card(missed("c-1"))
        await store.write_card(missed("c-2", 1_000, subscriber=SubscriberId("other")))
        one, two = await tasks(store)
        assert await store.writer.do(lambda db: ledger_store.start_dial(db, one.id, T0, "b-1"))
        await store.writer.do(lambda db: ledger_store.save(db, ledger.talked(one, T0 + 1, "call c-3")))
        assert await store.writer.do(lambda db: ledger_store.start_dial(db, two.id, T0 + 2, "b-2")) is None
        await store.write_card(callback("b-1", result="no_agent"))
        assert await store.writer.do(lambda db: ledger_store.start_dial(db, two.id, T0 + 3, "b-3"))


async def test_an_old_missed_call_told_late_leaves_alone_what_is_open_since_a_talk(tmp_path):
    """It joined the newer task and brought its deadline forward, though a talk in between had settled it."""
    hour = 3_600_000
    async with store_at(tmp_path) as store:
        await store.write_card(talk("c-2", hour))
        await store.write_card(missed("c-3", 2 * hour))
        await store.write_card(missed("c-1"))
        found = {task.state: task for task in await tasks(store)}
        assert set(found) == {TaskState.OPEN, TaskState.RECONTACTED}
        assert (found[TaskState.OPEN].opened_at, found[TaskState.OPEN].missed) == (T0 + 2 * hour + 20_000, 1)
        assert found[TaskState.OPEN].deadline == T0 + 26 * hour + 20_000
        assert found[TaskState.RECONTACTED].close_reason == "talked"
