"""The CardStore port on real SQLite files."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from dataclasses import replace

import pytest

from acd.adapters.store import cards, connection
from acd.adapters.store.spill import Ballast, SpillFile
from acd.adapters.store.sqlite import SqliteStore
from acd.cards import card_json as cardjson
from acd.cards import number as cardnumber
from acd.core.effects import KeepAgentStatus, OfferCall
from acd.core.events import EndReason
from acd.core.ids import AgentId, Ani, CallId, EffectId, SubscriberId
from acd.ports import PortError
from tests.adapters.store.support import T0, StandingClock, make_card, opened, refusing, rows, until


@pytest.fixture
def impatient(monkeypatch):
    """Locks are noticed after 50 ms instead of 5 s, probes follow at once."""
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr("acd.adapters.store.writer.REOPEN_AFTER_S", 0.02)
    monkeypatch.setattr("acd.adapters.store.sqlite.PROBE_EVERY_S", 0.02)


async def test_a_card_is_read_back_exactly_as_written_but_for_its_number(tmp_path):
    card = make_card()
    async with opened(tmp_path / "acd.db") as store:
        await store.write_card(card)
        stored = await store.get(call=card.call)
        assert stored.version == 1
        assert replace(stored.card, number="") == card
        assert cardnumber.parse(stored.card.number) == stored.card.number  # 003-04: a short unique number
        assert (await store.get(number=stored.card.number)).card == stored.card


async def test_the_same_card_twice_changes_nothing_and_a_changed_one_is_the_next_version(tmp_path):
    card = make_card()
    async with opened(tmp_path / "acd.db", destinations=("webhook",)) as store:
        await store.write_card(card)
        number = (await store.get(call=card.call)).card.number
        await store.write_card(card)
        await store.write_card(replace(card, number=number))
        assert (await store.get(call=card.call)).version == 1
        await store.write_card(replace(card, acw_ms=20_000))
        stored = await store.get(call=card.call)
        assert (stored.version, stored.card.acw_ms, stored.card.number) == (2, 20_000, number)
    keys = rows(tmp_path / "acd.db", "SELECT idempotency_key FROM outbox ORDER BY id")
    assert keys == [(f"{card.call}:1",), (f"{card.call}:2",)]


async def test_a_card_told_again_without_fields_keeps_what_the_agent_wrote(tmp_path):
    card = make_card()
    async with opened(tmp_path / "acd.db") as store:
        await store.write_card(card)
        await store.write_card(replace(card, fields=(("subject", "другое"), ("note", "x"))))
        await store.write_card(replace(card, fields=(), ended_at=card.ended_at + 1))
        stored = await store.get(call=card.call)
        assert stored.card.fields == (("subject", "другое"), ("answer", "оплачен"), ("note", "x"))


async def test_card_and_outbox_row_are_one_transaction(tmp_path, monkeypatch):
    card = make_card()

    async def broken(*args: object, **kwargs: object):
        raise sqlite3.IntegrityError("refused by the test")

    async with opened(tmp_path / "acd.db", destinations=("webhook",)) as store:
        monkeypatch.setattr("acd.adapters.store.outbox.put", broken)
        with pytest.raises(PortError) as caught:
            await store.write_card(card)
        assert not caught.value.retryable
        assert await store.get(call=card.call) is None
        assert store.status.ok, "one bad job is no trouble of the database"


async def test_one_bad_job_does_not_undo_the_others_of_its_batch(tmp_path):
    async def bad(db):
        await db.execute("INSERT INTO agents (agent) VALUES ('half')")

    good = [make_card() for _ in range(20)]
    async with opened(tmp_path / "acd.db") as store:
        before = store.writer.commits
        results = await asyncio.gather(
            *(store.write_card(card) for card in good[:10]),
            store.writer.do(bad),
            *(store.write_card(card) for card in good[10:]),
            return_exceptions=True,
        )
        assert [type(result) for result in results if result is not None] == [PortError]
        assert store.writer.commits == before + 1, "one commit for all of them"
        assert len(await store.find(cards.CardFilter())) == 20


async def test_a_number_of_another_card_is_replaced_and_counted_not_lost(tmp_path):
    first, second = make_card(number="123455"), make_card(number="123455")
    async with opened(tmp_path / "acd.db") as store:
        await store.write_card(first)
        await store.write_card(second)
        assert store.renumbered == 1
        assert (await store.get(call=first.call)).card.number == "123455"
        assert (await store.get(call=second.call)).card.number != "123455"


async def test_numbers_never_repeat_over_restarts(tmp_path):
    seen = []
    for _ in range(3):
        async with opened(tmp_path / "acd.db") as store:
            seen += [store.next_card_number() for _ in range(100)]
    assert all(seen)
    assert len(set(seen)) == 300
    assert all(cardnumber.is_card_number(number) for number in seen)


async def test_numbers_are_refilled_before_they_run_out(tmp_path):
    async with opened(tmp_path / "acd.db") as store:
        seen = []
        for _ in range(1_000):
            seen.append(store.next_card_number())
            if store._numbers.left < 100:
                await until(lambda: store._numbers.left >= 100)
    assert all(seen)
    assert len(set(seen)) == 1_000


async def test_a_used_up_reserve_gives_an_empty_number_and_never_waits(tmp_path):
    async with opened(tmp_path / "acd.db") as store:
        seen = [store.next_card_number() for _ in range(300)]
    assert len({number for number in seen if number}) == 256
    assert seen[256:] == [""] * 44


async def test_the_intent_is_committed_when_intend_returns(tmp_path):
    wish = OfferCall(EffectId(7), CallId("c1"), AgentId("anna"), 3, 12_000)
    async with opened(tmp_path / "acd.db") as store:
        await store.intend(wish, T0)
        await store.intend(wish, T0)
        assert rows(tmp_path / "acd.db", "SELECT call, attempt, agent, at FROM intents") == [
            ("c1", 3, "anna", T0)
        ]


async def test_agents_keep_status_pause_reason_and_wrap_up_over_a_restart(tmp_path):
    kept = KeepAgentStatus(EffectId(1), AgentId("anna"), True, "lunch", "PJSIP/anna", T0, T0 + 60_000)
    async with opened(tmp_path / "acd.db") as store:
        await store.keep_agent(replace(kept, paused_reason=""))
        await store.keep_agent(kept)
    async with opened(tmp_path / "acd.db") as store:
        (agent,) = await store.load_agents()
        assert (agent.agent, agent.logged_in, agent.paused_reason, agent.device, agent.wrap_up_until) == (
            "anna",
            True,
            "lunch",
            "PJSIP/anna",
            T0 + 60_000,
        )


async def test_agents_are_known_also_when_nothing_can_be_written(tmp_path):
    """A restart on a full disk logged everybody out: every caller waited for nobody (failure mode 31)."""
    kept = KeepAgentStatus(EffectId(1), AgentId("anna"), True, "", "PJSIP/anna", T0, None)
    async with opened(tmp_path / "acd.db") as store:
        await store.keep_agent(kept)
    async with opened(tmp_path / "acd.db") as store:
        store.writer.trouble = "the disk is full"
        (agent,) = await store.load_agents()
    assert agent.logged_in


async def test_a_disk_that_refuses_in_the_middle_of_a_replay_does_not_end_the_care(
    tmp_path, impatient, monkeypatch
):
    """The task that probes and refills died of it, silently: the store stayed in trouble until a restart."""
    path = tmp_path / "acd.db"
    async with opened(path) as store:
        clear, refused = SpillFile.clear, []

        def once(spill: SpillFile) -> None:
            if not refused:
                refused.append(spill)
                raise OSError(28, "No space left on device")
            clear(spill)

        monkeypatch.setattr(SpillFile, "clear", once)
        async with refusing(path):
            await store.write_card(make_card())
            assert store.status.spilled == 1
        await until(lambda: store.status.ok)
        assert refused


async def test_a_locked_database_spills_cards_and_replays_them_after(tmp_path, impatient):
    """Failure mode 31: routing goes on, no card is lost."""
    path = tmp_path / "acd.db"
    waiting = [make_card() for _ in range(5)]
    async with opened(path) as store:
        async with refusing(path):
            for card in waiting:
                await store.write_card(card)
            with pytest.raises(PortError) as caught:
                await store.intend(OfferCall(EffectId(1), CallId("c"), AgentId("a"), 1, 1), T0)
            assert caught.value.retryable
            assert store.status.spilled == 5
            assert "locked" in store.status.words
            assert "5 cards wait in the spill file" in store.status.words
        await until(lambda: store.status.ok)
        assert {found.card.call for found in await store.find(cards.CardFilter())} == {
            c.call for c in waiting
        }
        assert store.status.words == "cards are written to the database"


async def test_a_newer_card_behind_a_spilled_one_is_not_overwritten_by_it(tmp_path, impatient):
    path = tmp_path / "acd.db"
    card = make_card()
    async with opened(path) as store:
        async with refusing(path):
            await store.write_card(card)
        await store.write_card(replace(card, acw_ms=99_000))
        await until(lambda: store.status.ok)
        assert (await store.get(call=card.call)).card.acw_ms == 99_000


async def test_spilled_cards_survive_our_death(tmp_path, impatient):
    path = tmp_path / "acd.db"
    card = make_card()
    async with opened(path) as store, refusing(path):
        await store.write_card(card)
        # what a kill leaves behind: the spill file as it is now
        spilled = (tmp_path / "acd.db.spill").read_bytes()
    (tmp_path / "acd.db").unlink()
    for extra in ("-wal", "-shm"):
        (tmp_path / f"acd.db{extra}").unlink(missing_ok=True)
    (tmp_path / "acd.db.spill").write_bytes(spilled)
    async with opened(path) as store:
        assert (await store.get(call=card.call)).card.call == card.call
        assert store.status.spilled == 0


async def test_with_the_spill_file_full_cards_wait_in_memory_and_then_are_refused(
    tmp_path, impatient, monkeypatch
):
    path = tmp_path / "acd.db"
    monkeypatch.setattr("acd.adapters.store.sqlite.MEMORY_LIMIT", 2)
    store = SqliteStore(path, StandingClock(), spill_bytes=4_096)
    await store.open()
    try:
        async with refusing(path):
            while not store.status.in_memory:
                await store.write_card(make_card())
            await store.write_card(make_card())
            assert "only in memory" in store.status.words
            with pytest.raises(PortError) as caught:
                await store.write_card(make_card())
            assert caught.value.retryable
        kept = store.status.spilled + 2
        await until(lambda: store.status.ok)
        assert len(await store.find(cards.CardFilter())) == kept
    finally:
        await store.close()


async def test_a_spilled_record_nobody_can_read_is_set_aside_for_a_person(tmp_path):
    path = tmp_path / "acd.db"
    card = make_card()
    async with opened(path) as store:
        store._spill.append(b'{"v":99}')
        store._spill.append(cardjson.dumps(card).encode())
    async with opened(path) as store:
        assert store.rejected == 1
        assert (await store.get(call=card.call)) is not None
    aside = tmp_path / "acd.db.rejected"
    assert aside.read_bytes() == b'{"v":99}\n'
    async with opened(path) as store:  # who restarts has not read it
        assert "1 cards could never be stored" in store.status.words
        assert str(aside) in store.status.words
        aside.unlink()
        await until(lambda: store.status.ok)


async def test_a_second_writer_is_refused_in_plain_words(tmp_path):
    async with opened(tmp_path / "acd.db"):
        second = SqliteStore(tmp_path / "acd.db", StandingClock())
        with pytest.raises(PortError, match="only one may") as caught:
            await second.open()
        assert not caught.value.retryable


async def test_a_newer_schema_is_refused(tmp_path):
    path = tmp_path / "acd.db"
    async with opened(path):
        pass
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 9999")
    database.close()
    with pytest.raises(PortError, match="use the newer program"):
        async with opened(path):
            pass


async def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "acd.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(PortError, match="not a database of ours"):
        async with opened(tmp_path / "acd.db"):
            pass


async def test_hostile_text_is_stored_without_harm(tmp_path):
    """Security row 15: parameters only; what UTF-8 cannot hold becomes a question mark."""
    hostile = "'); DROP TABLE cards;-- \ud800 \0 \u202e 😀" + "x" * 500
    card = make_card(ani=Ani(hostile), fields=((hostile, hostile),), explanation=(hostile,))
    async with opened(tmp_path / "acd.db") as store:
        await store.write_card(card)
        stored = (await store.get(call=card.call)).card
        assert stored.fields[0][1] == hostile.replace("\ud800", "?").replace("\0", "?")


async def test_cards_are_found_by_time_subscriber_number_agent_and_reason(tmp_path):
    first = make_card(entered_at=T0)
    second = make_card(
        entered_at=T0 + 1,
        subscriber=SubscriberId("other"),
        ani=Ani("89160000002"),
        end_reason=EndReason.ABANDONED,
    )
    async with opened(tmp_path / "acd.db", normalise=lambda ani: "+7" + ani[-10:]) as store:
        await store.write_card(first)
        await store.write_card(second)

        async def found(**wanted: object):
            return [item.card.call for item in await store.find(cards.CardFilter(**wanted))]

        assert await found() == [second.call, first.call]
        assert await found(since=T0 + 1) == [second.call]
        assert await found(until=T0 + 1) == [first.call]
        assert await found(subscriber="acme") == [first.call]
        assert await found(ani="+79160000002") == [second.call]
        assert await found(ani="89160000002") == [second.call]
        assert await found(reason="abandoned") == [second.call]
        assert await found(agent="nobody") == []
        assert await found(limit=1) == [second.call]


async def test_closing_with_a_lost_future_leaves_no_thread(tmp_path):
    """Aiosqlite's thread is no daemon: one open connection and the process never ends."""
    import threading

    before = threading.active_count()
    store = SqliteStore(tmp_path / "acd.db", StandingClock())
    await store.open()
    task = asyncio.create_task(store.write_card(make_card()))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(PortError):
        await store.intend(OfferCall(EffectId(1), CallId("c"), AgentId("a"), 1, 1), T0)
    await asyncio.wait({task}, timeout=5)
    assert task.done()
    await until(lambda: threading.active_count() <= before + 2)  # the loop's own to_thread workers stay
    assert not [thread for thread in threading.enumerate() if "aiosqlite" in repr(thread).lower()]


async def test_a_read_only_database_spills_and_says_so(tmp_path, impatient, monkeypatch):
    path = tmp_path / "acd.db"
    async with opened(path) as store:
        await store.writer.do(lambda db: db.execute("PRAGMA query_only = ON"))
        card = make_card()
        await store.write_card(card)
        assert "the database is read-only" in store.status.words
        assert store.status.spilled == 1
        await until(lambda: store.status.ok)  # the reopened connection may write again
        assert await store.get(call=card.call) is not None


async def test_a_database_refusing_at_start_is_taken_up_later(tmp_path, impatient):
    path = tmp_path / "acd.db"
    async with opened(path):
        pass
    store = SqliteStore(path, StandingClock(), spill_bytes=1 << 20)
    try:
        async with refusing(path):
            await store.open()
            assert not store.status.ok
            assert store.next_card_number() == ""
            card = make_card()
            await store.write_card(card)
        await until(lambda: store.status.ok)
        assert cardnumber.is_card_number((await store.get(call=card.call)).card.number)
        assert cardnumber.is_card_number(store.next_card_number())
    finally:
        await store.close()


async def test_a_full_disk_costs_no_card_and_writing_goes_on_when_there_is_room(tmp_path, impatient):
    """Failure mode 31: SQLITE_FULL, the whole way."""
    path = tmp_path / "acd.db"
    async with opened(path) as store:
        pages = (await store.writer.do(lambda db: db.execute_fetchall("PRAGMA page_count")))[0][0]
        await store.writer.do(lambda db: db.execute(f"PRAGMA max_page_count = {pages}"))
        full = [make_card(fields=(("note", "x" * 20_000),)) for _ in range(5)]
        for card in full:
            await store.write_card(card)
        assert "the disk is full" in store.status.words
        assert store.status.spilled > 0
        await until(lambda: store.status.ok)  # the reopened connection has no such limit
        assert {item.card.call for item in await store.find(cards.CardFilter())} == {
            card.call for card in full
        }
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


async def test_a_full_disk_gets_the_ballast_and_the_ballast_comes_back_with_the_room(
    tmp_path, impatient, monkeypatch
):
    """Failure mode 31: the room kept for cards is theirs when it is needed, and is kept again afterwards."""
    monkeypatch.setattr("acd.adapters.store.sqlite.BALLAST_EVERY_S", 0.02)
    path, ballast = tmp_path / "acd.db", tmp_path / "acd.db.ballast"
    released = []
    release = Ballast.release
    monkeypatch.setattr(Ballast, "release", lambda self: released.append(self) or release(self))
    async with opened(path, ballast_bytes=1 << 20) as store:
        assert ballast.stat().st_size == 1 << 20
        pages = (await store.writer.do(lambda db: db.execute_fetchall("PRAGMA page_count")))[0][0]
        await store.writer.do(lambda db: db.execute(f"PRAGMA max_page_count = {pages}"))
        with monkeypatch.context() as without_room:
            without_room.setattr(Ballast, "inflate", lambda self: False)
            for _ in range(5):
                await store.write_card(make_card(fields=(("note", "x" * 20_000),)))
            await until(lambda: store.ballast_given_up)
            assert not ballast.exists()
        await until(lambda: store.status.ok and not store.ballast_given_up)
        assert ballast.stat().st_size == 1 << 20
    assert len(released) == 1


@pytest.mark.slow
async def test_closing_ends_also_when_there_is_news_in_the_same_moment(tmp_path):
    """A wait that swallows its cancellation would keep the process up for ever."""
    for turn in range(12):
        async with asyncio.timeout(10), opened(tmp_path / "acd.db") as store:
            store._wake.set()
            for _ in range(turn % 4):
                await asyncio.sleep(0)


async def test_the_thread_that_answers_the_door_is_there_when_the_store_is_open(tmp_path):
    """One made later would have no real-time priority, and a caller waits for it (decision 0170)."""
    async with opened(tmp_path / "acd.db") as store:
        before = set(threading.enumerate())
        assert await store.get(call="nobody") is None
        assert set(threading.enumerate()) <= before
