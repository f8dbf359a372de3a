"""What an agent wrote and HTTP accepted is not lost when we die before the card is written (000-06)."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from acd.adapters.store import connection, retention
from acd.adapters.store.sqlite import SqliteStore
from acd.adapters.store.writer import Writer
from acd.core.cards import FIELDS_LIMIT
from tests.adapters.store.support import StandingClock, make_card, opened, refusing, rows, until

DAY_MS = 86_400_000


async def test_fields_accepted_before_our_death_are_on_the_card_that_is_made_without_them(tmp_path):
    path, card = tmp_path / "acd.db", make_card(fields=())
    async with opened(path) as store:
        await store.keep_draft(card.call, (("subject", "Bill"), ("note", "first")))
        await store.keep_draft(card.call, (("note", "last"),))
    async with opened(path) as store:  # another life: the core knows nothing of them
        await store.write_card(card)
        assert dict((await store.get(call=card.call)).card.fields) == {"subject": "Bill", "note": "last"}


async def test_the_cards_own_word_counts_and_a_card_written_again_keeps_what_only_the_draft_knew(tmp_path):
    card = make_card(fields=(("note", "mine"),))
    async with opened(tmp_path / "acd.db") as store:
        await store.keep_draft(card.call, (("note", "draft"), ("subject", "Bill")))
        for acw_ms in (1_000, 2_000):
            await store.write_card(replace(card, acw_ms=acw_ms))
            found = (await store.get(call=card.call)).card.fields
            assert found == (("note", "mine"), ("subject", "Bill"))


async def test_words_accepted_for_a_stored_card_just_before_a_death_are_taken_in_by_the_next_start(tmp_path):
    """000-06: the page was told 202; the card was there already, and nobody would have written it again."""
    path, card, clock = tmp_path / "acd.db", make_card(fields=()), StandingClock()
    seen = []

    async def watch(_db, changed, _now):
        seen.append(dict(changed.fields))

    async with opened(path, clock=clock) as store:
        await store.write_card(replace(card, fields=(("note", "first"), ("subject", "Bill"))))
        clock.at += 5
        await store.keep_draft(card.call, (("note", "last"), ("name", "Ann")))
    store = SqliteStore(path, clock)
    store.watchers.append(watch)
    await store.open()
    try:
        stored = await store.get(call=card.call)
        assert dict(stored.card.fields) == {"note": "last", "subject": "Bill", "name": "Ann"}
        assert seen == [dict(stored.card.fields)]  # the message is made of it
    finally:
        await store.close()
    async with opened(path, clock=clock) as store:
        assert (await store.get(call=card.call)).version == stored.version  # once


async def test_an_old_draft_never_comes_back_over_a_later_word_of_the_card(tmp_path):
    path, card, clock = tmp_path / "acd.db", make_card(fields=()), StandingClock()
    async with opened(path, clock=clock) as store:
        await store.keep_draft(card.call, (("note", "draft"),))
        clock.at += 5
        await store.write_card(replace(card, fields=(("note", "later"),)))
        await store.write_card(replace(card, fields=(("subject", "Bill"),)))
        assert dict((await store.get(call=card.call)).card.fields)["note"] == "later"


async def test_drafts_are_bounded_and_other_calls_are_not_touched(tmp_path):
    card, other = make_card(fields=()), make_card(fields=())
    async with opened(tmp_path / "acd.db") as store:
        assert not await store.keep_draft(card.call, [(f"f{n}", "x") for n in range(FIELDS_LIMIT + 5)])
        assert rows(tmp_path / "acd.db", "SELECT * FROM card_drafts") == []  # whole or not at all
        assert await store.keep_draft(card.call, [(f"f{n}", "x") for n in range(FIELDS_LIMIT)])
        assert await store.keep_draft(card.call, (("f0", "changed"),))
        assert not await store.keep_draft(card.call, (("f0", "again"), ("one_more", "x")))
        for one in (card, other):
            await store.write_card(one)
        fields = dict((await store.get(call=card.call)).card.fields)
        assert len(fields) == FIELDS_LIMIT
        assert fields["f0"] == "changed"
        assert (await store.get(call=other.call)).card.fields == ()


async def test_drafts_are_erased_with_the_person_and_leave_by_age(tmp_path):
    path, card = tmp_path / "acd.db", make_card(ani="+79160000001", fields=())
    async with opened(path) as store:
        await store.keep_draft(card.call, (("callback_number", "89165554433"),))
        await store.keep_draft("never-ended", (("note", "call +79165554433"),))
        await store.keep_draft("stored", (("note", "x"),))
        await store.write_card(make_card(call="stored", ani="+79160000002", fields=()))
        await store.keep_draft("lost", (("note", "y"),))
        now = store._clock.now()
        await store.writer.do(lambda db: retention.erase(db, "+79165554433", now, "test"))
        assert rows(path, "SELECT call FROM card_drafts") == [("lost",), ("stored",)]
        rules = retention.RetentionRules()
        await store.writer.do(lambda db: retention.expire(db, rules, now + 3 * DAY_MS))
        # its card may still be made from the journal, as after a weekend without us
        assert rows(path, "SELECT call FROM card_drafts") == [("lost",)]
        await store.writer.do(lambda db: retention.expire(db, rules, now + (rules.cards_days + 1) * DAY_MS))
        assert rows(path, "SELECT call FROM card_drafts") == []


async def _accepted_for_a_stored_card(path, clock, *calls: str):
    async with opened(path, clock=clock) as store:
        for call in calls:
            await store.write_card(make_card(call=call, fields=(("note", "first"),)))
        clock.at += 5
        for call in calls:
            await store.keep_draft(call, (("note", "last"),))


async def test_what_a_full_disk_refused_at_the_start_is_taken_in_as_soon_as_it_has_room(
    tmp_path, monkeypatch
):
    """000-06: tried once at the start and never again, the accepted word was deleted by age two days later."""
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr("acd.adapters.store.writer.REOPEN_AFTER_S", 0.02)
    monkeypatch.setattr("acd.adapters.store.sqlite.PROBE_EVERY_S", 0.02)
    path, clock = tmp_path / "acd.db", StandingClock()
    await _accepted_for_a_stored_card(path, clock, "c1")
    store = SqliteStore(path, clock)
    try:
        async with refusing(path):
            await store.open()
            assert not store.status.ok
        await until(lambda: store.status.ok)
        await until(lambda: rows(path, "SELECT value FROM card_fields") == [("last",)])
    finally:
        await store.close()


async def test_one_card_that_cannot_be_written_keeps_nobody_elses_words_back(tmp_path):
    path, clock = tmp_path / "acd.db", StandingClock()
    await _accepted_for_a_stored_card(path, clock, "bad", "good")
    store = SqliteStore(path, clock)

    async def refuse(_db, changed, _now):
        if changed.call == "bad":
            raise sqlite3.IntegrityError("refused by the test")

    store.watchers.append(refuse)
    await store.open()
    try:
        found = rows(path, "SELECT call, value FROM card_fields ORDER BY call")
        assert found == [("bad", "first"), ("good", "last")]
    finally:
        await store.close()


async def test_no_word_leaves_by_age_before_its_card_has_it(tmp_path):
    """000-06: the daemon stood still for a week, and the daily job was quicker than the start."""
    path, clock = tmp_path / "acd.db", StandingClock()
    await _accepted_for_a_stored_card(path, clock, "c1")
    writer = Writer(path)
    await writer.open()
    try:
        rules, later = retention.RetentionRules(), clock.at + 7 * DAY_MS
        await writer.do(lambda db: retention.expire(db, rules, later))
        assert rows(path, "SELECT value FROM card_drafts") == [("last",)]
    finally:
        await writer.close()
    async with opened(path, clock=clock) as store:
        await store.writer.do(lambda db: retention.expire(db, rules, later))
    assert rows(path, "SELECT value FROM card_fields") == [("last",)]
