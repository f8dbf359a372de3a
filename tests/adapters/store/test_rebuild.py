"""Cards from the journal: calls that came while we were down, calls the switch lost, and the check."""

from __future__ import annotations

from dataclasses import replace

from acd.adapters.store import cards, rebuild
from acd.cards import number as cardnumber
from acd.core.events import EndReason
from acd.wire.queue_log import JournalRow
from tests.adapters.store.support import T0, opened, rows


def enter(call, at=0):
    return JournalRow("ACDENTER", call, "", "", T0 + at, {"did": "+74950000001", "ani": "+79160000001"})


def queued(call, at=100, card=""):
    fields = {"why": "new", "subscriber": "acme", "did": "+74950000001", "ani": "+79160000001", "card": card}
    return JournalRow("ACDQUEUED", call, "acme", "", T0 + at, fields)


def end(call, at=5_000):
    return JournalRow("ACDEND", call, "acme", "", T0 + at, {"cause": "16", "stage": "wait", "by": "caller"})


async def told(store, *told_rows: JournalRow):
    await store.commit_rows("queue_log", told_rows, None)


async def test_calls_that_came_and_went_while_we_were_down_get_card_number_and_task(tmp_path):
    path = tmp_path / "acd.db"
    async with opened(path) as store:
        await told(store, enter("c-1"), queued("c-1"), end("c-1"))
        assert await store.write_missing_cards(T0 + 10_000) == 1
        assert await store.write_missing_cards(T0 + 10_000) == 0
        assert store._all_carded_to > 0, "the rows of carded calls are not looked at again"
        stored = await store.get(call="c-1")
        assert cardnumber.is_card_number(stored.card.number)
        assert stored.card.end_reason is EndReason.ABANDONED
    assert rows(path, "SELECT number, state FROM missed_tasks") == [("+79160000001", "open")]


async def test_calls_the_core_will_write_itself_and_too_young_ones_are_left_alone(tmp_path):
    async with opened(tmp_path / "acd.db") as store:
        await told(store, enter("c-1"), queued("c-1"), end("c-1"), enter("c-2"), end("c-2", 9_000))
        assert await store.write_missing_cards(T0 + 6_000, {"c-1"}) == 0
        assert await store.write_missing_cards(T0 + 6_000) == 1


async def test_calls_the_switch_lost_become_pbx_failed_with_the_end_cel_saw(tmp_path):
    """Failure mode 26."""
    unique = {"uniqueid": "1.7"}
    async with opened(tmp_path / "acd.db") as store:
        await told(
            store,
            enter("c-1"),
            queued("c-1"),
            enter("c-2"),
            JournalRow("CELENTER", "c-2", "", "", T0, unique),
            JournalRow("CELHANGUP", "", "", "", T0 + 7_000, {**unique, "cause": "38"}),
            enter("live"),
            enter("young", 9_000),
        )
        assert await store.write_lost_calls(T0 + 8_000, {"live"}) == 2
        first, second = (await store.get(call="c-1")).card, (await store.get(call="c-2")).card
        assert (first.end_reason, first.ended_at) == (EndReason.PBX_FAILED, T0 + 100)
        assert (second.end_reason, second.ended_at, second.cause) == (EndReason.PBX_FAILED, T0 + 7_000, 38)
        assert await store.write_lost_calls(T0 + 8_000, {"live"}) == 0
        assert (await store.writer.do(rebuild.check)).ok, "a lost call's card agrees with its journal"


async def tamper(store, card):
    """Write past the store, which would take the journal's word."""
    await store.writer.do(lambda db: cards.write(db, card, "", T0))


async def test_what_the_journal_decides_wins_over_the_cores_card(tmp_path):
    """000-06: the live feed may have missed or guessed; the journal knows."""
    async with opened(tmp_path / "acd.db") as store:
        await told(store, enter("c-1"), queued("c-1", card="7"), end("c-1"))
        await store.write_missing_cards(T0 + 10_000)
        card = (await store.get(call="c-1")).card
        await store.write_card(replace(card, cause=99, wait_ms=1, acw_ms=5, fields=(("note", "x"),)))
        now = (await store.get(call="c-1")).card
        assert (now.cause, now.wait_ms, now.acw_ms) == (16, card.wait_ms, 5)
        assert now.fields == (("note", "x"),), "the desk's part is the desk's"


async def test_rows_read_after_the_card_was_written_correct_it(tmp_path):
    async with opened(tmp_path / "acd.db") as store:
        await told(store, enter("c-1"), queued("c-1", card="7"), end("c-1"))
        await store.write_missing_cards(T0 + 10_000)
        card = (await store.get(call="c-1")).card
    async with opened(tmp_path / "other.db") as store:
        await store.write_card(replace(card, end_reason=EndReason.FALLBACK, ended_at=T0 + 90_000))
        await told(store, enter("c-1"), queued("c-1", card="7"), end("c-1"))
        now = (await store.get(call="c-1")).card
        assert (now.end_reason, now.ended_at) == (card.end_reason, card.ended_at)
        assert (await store.writer.do(rebuild.check)).ok


async def test_a_talk_cut_off_by_the_switchs_death_becomes_pbx_failed_although_the_core_guessed_handled(
    tmp_path,
):
    """Failure mode 26: who was cut off must be called back. A real end, read late, outdoes the guess."""
    async with opened(tmp_path / "acd.db") as store:
        await told(store, enter("c-1"), queued("c-1", card="7"))
        ended = {"number": "7", "end_reason": EndReason.HANDLED, "ended_at": T0 + 9_000}
        await told(store, enter("c-0"), queued("c-0", card="8"), end("c-0"))
        await store.write_missing_cards(T0 + 10_000)
        await store.write_card(replace((await store.get(call="c-0")).card, call="c-1", **ended))
        assert (await store.get(call="c-1")).card.end_reason is EndReason.HANDLED
        assert await store.write_lost_calls(T0 + 8_000, ()) == 1
        assert (await store.get(call="c-1")).card.end_reason is EndReason.PBX_FAILED
        await told(store, end("c-1"))
        assert (await store.get(call="c-1")).card.end_reason is EndReason.ABANDONED


async def test_the_check_finds_what_is_missing_different_or_from_nowhere(tmp_path):
    async with opened(tmp_path / "acd.db") as store:
        for call in ("c-1", "c-2", "c-3"):
            await told(store, enter(call), queued(call, card=""), end(call))
        await store.write_missing_cards(T0 + 10_000, {"c-3"})
        card = (await store.get(call="c-2")).card
        await tamper(store, replace(card, cause=99, acw_ms=5, fields=(("note", "x"),)))
        await store.write_card(replace(card, call="c-9", number=""))
        report = await store.writer.do(rebuild.check)
        assert (report.calls, report.equal, report.missing, report.extra) == (3, 1, ["c-3"], ["c-9"])
        assert report.different == {"c-2": ["cause: journal 16, card 99"]}
        assert not report.ok


async def test_a_call_in_its_wrap_up_has_no_card_yet_and_that_is_no_difference(tmp_path):
    """A newcomer checked right after a call and read "no card"."""
    async with opened(tmp_path / "acd.db") as store:
        await told(store, enter("c-1"), queued("c-1", card=""), end("c-1"))
        report = await store.writer.do(lambda db: rebuild.check(db, 0, T0 + 5_000))
        assert (report.fresh, report.missing, report.ok) == (["c-1"], [], True)
        report = await store.writer.do(lambda db: rebuild.check(db, 0, T0 + 5_001))
        assert (report.fresh, report.missing, report.ok) == ([], ["c-1"], False)
        assert [card.call for card in await store.writer.do(rebuild.rebuilt)] == ["c-1"], "a mend writes it"


async def test_mending_writes_what_the_journal_says_and_keeps_the_desks_part(tmp_path):
    async with opened(tmp_path / "acd.db") as store:
        await told(store, enter("c-1"), queued("c-1"), end("c-1"))
        await store.write_missing_cards(T0 + 10_000)
        card = (await store.get(call="c-1")).card
        await tamper(store, replace(card, cause=99, acw_ms=5, fields=(("note", "x"),)))
        for mended in await store.writer.do(rebuild.rebuilt):
            await store.write_card(mended)
        assert (await store.writer.do(rebuild.check)).ok
        mended = await store.get(call="c-1")
        assert (mended.card.cause, mended.card.acw_ms, mended.card.fields) == (16, 5, (("note", "x"),))
        assert len(await store.find(cards.CardFilter())) == 1
