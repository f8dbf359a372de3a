"""What an agent wrote and HTTP accepted is not lost when we die before the card is written (000-06)."""

from __future__ import annotations

from dataclasses import replace

from acd.adapters.store import retention
from acd.adapters.store.sqlite import SqliteStore
from acd.core.cards import FIELDS_LIMIT
from tests.adapters.store.support import StandingClock, make_card, opened, rows

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
        await store.keep_draft("old", (("note", "x"),))
        now = store._clock.now()
        await store.writer.do(lambda db: retention.erase(db, "+79165554433", now, "test"))
        assert rows(path, "SELECT call FROM card_drafts") == [("old",)]
        rules = retention.RetentionRules()
        await store.writer.do(lambda db: retention.expire(db, rules, now + 3 * DAY_MS))
        assert rows(path, "SELECT call FROM card_drafts") == []
