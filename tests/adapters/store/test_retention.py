"""Retention, erasure and export by number (security rows 20 and 21)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from acd import numberfacts
from acd.adapters.store import audit, cards, ledger_store, outbox, retention
from acd.adapters.store.retention import DAY_MS, RetentionRules
from acd.core.effects import OfferCall
from acd.core.events import EndReason
from acd.core.ids import AgentId, Ani, CallId, EffectId
from acd.wire.queue_log import JournalRow
from tests.adapters.store.support import T0, StandingClock, make_card, opened, rows

NUMBER = "+79161112233"


def everything(tmp_path):
    """Every byte the store keeps on disk."""
    return b"".join(path.read_bytes() for path in sorted(tmp_path.glob("acd.db*")))


async def fill(store):
    """One person in every table, another one who must stay."""
    row = JournalRow("ACDENTER", "c-1", "acme", "", T0, {"did": "+74950000001", "ani": "89161112233"})
    await store.commit_rows("queue_log", [row], (1, 1, b""))
    mine = make_card(
        "c-1",
        ani=Ani(NUMBER),
        answered_at=None,
        end_reason=EndReason.ABANDONED,
        fields=(("note", "call 8 (916) 111-22-33 or 9161112233"),),
        history=((T0, "fallback", "to 9161112233"),),
        explanation=("caller 89161112233",),
    )
    await store.write_card(mine)
    await store.write_card(make_card("c-2"))
    await store.writer.do(lambda db: audit.append(db, T0, "olga", "export", "1 card"))


async def test_an_erased_number_is_nowhere_and_the_figures_stay(tmp_path):
    async with opened(
        tmp_path / "acd.db", destinations=("webhook",), normalise=numberfacts.normalise
    ) as store:
        await fill(store)
        before = (await store.get(call="c-1")).card
        assert b"9161112233" in everything(tmp_path)
        erased = await store.writer.do(lambda db: retention.erase(db, "8 916 111-22-33", T0 + 5, "olga"))
        assert (erased.cards, erased.journal_rows, erased.tasks) == (1, 1, 1)
        assert await store.wipe_traces()
        kept = (await store.get(call="c-1")).card
        assert (kept.ani, kept.fields, kept.explanation) == ("", (), ())
        assert (kept.number, kept.wait_ms, kept.ended_at) == (before.number, before.wait_ms, before.ended_at)
        assert (await store.get(call="c-2")).card.ani == "+79160000001"
        assert await store.writer.do(lambda db: retention.calls_about(db, NUMBER)) == []
        report = await store.writer.do(audit.verify)
        assert (report.ok, report.rows) == (True, 2)
    data = everything(tmp_path)
    assert b"9161112233" not in data
    assert b"111-22-33" not in data
    assert b"9160000001" in data


@pytest.mark.parametrize("state", ["waiting", "sent", "dead"])
async def test_whoever_was_sent_the_card_is_told_to_erase_it(tmp_path, state):
    path = tmp_path / "acd.db"
    async with opened(path, destinations=("webhook",)) as store:
        await fill(store)
        await store.writer.do(
            lambda db: db.execute("UPDATE outbox SET state = ? WHERE call = 'c-1'", (state,))
        )
        await store.writer.do(lambda db: retention.erase(db, NUMBER, T0 + 5, "olga"))
        assert await store.writer.do(lambda db: outbox.revive(db, T0 + 6)) == 0, "no empty card leaves"
    found = rows(path, "SELECT kind, state, payload FROM outbox WHERE call = 'c-1' ORDER BY id")
    assert found[0] == ("card", "sent", "{}")
    assert found[-1][:2] == ("erased", "waiting")
    assert json.loads(found[-1][2])["call"] == "c-1"


async def test_erasing_closes_the_open_task_without_a_number(tmp_path):
    async with opened(tmp_path / "acd.db", normalise=numberfacts.normalise) as store:
        await fill(store)
        await store.writer.do(lambda db: retention.erase(db, NUMBER, T0 + 5, "olga"))
        (task,) = await store.writer.do(
            lambda db: ledger_store.find(db, ledger_store.TaskFilter(only_open=False))
        )
        assert (task.number, task.is_open, task.close_reason) == ("", False, "erased on request")


async def test_export_gives_all_that_is_kept_about_a_number(tmp_path):
    async with opened(tmp_path / "acd.db", normalise=numberfacts.normalise) as store:
        await fill(store)
        data = await store.writer.do(lambda db: retention.about(db, "89161112233"))
        json.dumps(data)
        assert [card["call"] for card in data["cards"]] == ["c-1"]
        assert [row["kind"] for row in data["journal"]] == ["ACDENTER"]
        assert [task["number"] for task in data["missed"]] == [NUMBER]


@pytest.mark.parametrize("text", ["", "123", "abc", "%", "____________"])
async def test_too_little_of_a_number_erases_nothing(tmp_path, text):
    async with opened(tmp_path / "acd.db") as store:
        await fill(store)
        with pytest.raises(Exception, match="at least 5 digits"):
            await store.writer.do(lambda db: retention.erase(db, text, T0, "olga"))
        assert (await store.get(call="c-1")).card.fields


@pytest.mark.slow
async def test_nothing_overdue_stays_and_nothing_else_goes(tmp_path):
    path, rules = (
        tmp_path / "acd.db",
        RetentionRules(cards_days=10, journal_days=5, sent_days=3, intents_days=1),
    )
    async with opened(path, destinations=("webhook",)) as store:
        for age in range(20):
            at = T0 - age * DAY_MS
            await store.write_card(replace(make_card(f"c-{age}"), entered_at=at))
            await store.commit_rows("q", [JournalRow("ACDENTER", f"c-{age}", "q", "", at)], None)
            await store.intend(OfferCall(EffectId(1), CallId(f"c-{age}"), AgentId("a"), 1, 1), at)
        await store.commit_rows("q", [JournalRow("ACDENTER", "no-card", "q", "", T0 - 8 * DAY_MS)], None)
        while await store.writer.do(lambda db: retention.expire(db, rules, T0)):
            pass
        kept = {item.card.call for item in await store.find(cards.CardFilter())}
    assert kept == {f"c-{age}" for age in range(11)}
    journal = {row[0] for row in rows(path, "SELECT call FROM journal_rows")}
    # rows of calls whose card is gone stay only as long as the card would have
    assert journal == {f"c-{age}" for age in range(6)} | {"no-card"}
    assert rows(path, "SELECT count(*) FROM intents") == [(2,)]
    assert rows(path, "SELECT count(*) FROM outbox") == [(20,)], "unsent messages are never removed"
    assert rows(path, "SELECT count(*) FROM card_segments WHERE call NOT IN (SELECT call FROM cards)") == [
        (0,)
    ]


async def test_a_removed_card_is_not_made_again_from_its_journal(tmp_path):
    rules = RetentionRules(cards_days=1, journal_days=30)
    old = T0 - 2 * DAY_MS
    ended = {"cause": "16", "stage": "wait", "by": "caller"}
    async with opened(tmp_path / "acd.db") as store:
        await store.commit_rows(
            "q",
            [JournalRow("ACDENTER", "c-1", "q", "", old), JournalRow("ACDEND", "c-1", "q", "", old, ended)],
            None,
        )
        assert await store.write_missing_cards(T0) == 1
        while await store.writer.do(lambda db: retention.expire(db, rules, T0)):
            pass
        assert await store.get(call="c-1") is None
        assert await store.write_missing_cards(T0) == 0


async def test_the_daily_job_runs_at_once_and_goes_on(tmp_path):
    clock = StandingClock()
    async with opened(tmp_path / "acd.db") as store:
        await store.write_card(replace(make_card("old"), entered_at=T0 - 2_000 * DAY_MS))
        task = asyncio.create_task(retention.run_daily(store.writer, RetentionRules(), clock))
        async with asyncio.timeout(5):
            while await store.get(call="old") is not None:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize(
    "typed",
    [
        "8 (916) 111-22-33",
        "8-916-111-22-33",
        "+7 916 111 22 33",
        "916.111.22.33",
        "8\u00a0916\u00a0111\u201122\u201133",
    ],
)
async def test_a_number_typed_with_blanks_and_dashes_in_somebody_elses_card_is_found(tmp_path, typed):
    """Security row 20: "call my husband back at 8 (916) 111-22-33" stands in the wife's card."""
    async with opened(tmp_path / "acd.db") as store:
        wife = make_card(
            "c-wife", ani=Ani("+79031234567"), fields=(("note", f"call back at {typed}, evenings"),)
        )
        await store.write_card(wife)
        await store.write_card(make_card("c-other", ani=Ani("+79035555555"), fields=(("note", "916 111"),)))
        assert await store.writer.do(lambda db: retention.calls_about(db, NUMBER)) == ["c-wife"]
        await store.writer.do(lambda db: retention.erase(db, NUMBER, T0 + 5, "olga"))
        kept = await store.get(call="c-wife")
        assert kept is not None
        assert kept.card.fields == ()
        other = await store.get(call="c-other")
        assert other is not None
        assert other.card.fields, "nobody else is touched"


async def test_digits_of_a_date_are_not_taken_for_a_short_number(tmp_path):
    async with opened(tmp_path / "acd.db") as store:
        await store.write_card(
            make_card("c-1", ani=Ani("+79031234567"), fields=(("note", "on 12.03 at 45"),))
        )
        assert await store.writer.do(lambda db: retention.calls_about(db, "12034")) == []
