"""The CardStore port on SQLite: intents, cards, agents' status, card numbers; degraded modes in plain words."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from acd.adapters.store import agents, cards, drafts, journal_store, ledger_store, numbers, outbox, rebuild
from acd.adapters.store.connection import as_port_error, wal_reset_warning
from acd.adapters.store.reader import Reader
from acd.adapters.store.spill import SPILL_BYTES, Ballast, SpillFile, set_aside, set_aside_count
from acd.adapters.store.writer import Writer
from acd.cards import card_json as cardjson
from acd.cards import fold as cardfold
from acd.desk.ledger import LedgerRules, MissedCall
from acd.ports import PortError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
    from pathlib import Path

    import aiosqlite

    from acd.core.card import CallCard
    from acd.core.effects import KeepAgentStatus, OfferCall
    from acd.core.events import LiveAgent
    from acd.core.instant import Instant
    from acd.ports import Clock
    from acd.wire.queue_log import JournalRow

T = TypeVar("T")

MEMORY_LIMIT = 10_000
INTENT_LIMIT_S = 0.25
"""On a disk slower than this the row is given up: it explains a decision, and nothing waits for it."""
CARD_LIMIT_S = 3.0
PROBE_EVERY_S = 1.0
BALLAST_EVERY_S = 60.0
"""So often room for a ballast that was given up is looked for again."""
REFILL_BELOW = numbers.BLOCK // 2


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """How the store is, for wallboard, metrics and `acd status`."""

    ok: bool
    words: str
    spilled: int
    """Cards in the spill file, safe but not yet in the database."""
    in_memory: int
    """Cards only in memory: lost if the process dies now."""
    refused: int
    """Writes the database refused since start."""


class SqliteStore:
    """Implements acd.ports.CardStore. Open it, use it, and close it in `finally`.

    `destinations`: who gets an outbox message for every stored card; empty = nobody.
    `normalise` brings a caller's number into the one form by which it is found again.
    `ballast_bytes`: room kept for cards when somebody else has filled the disk (failure mode 31).
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        destinations: tuple[str, ...] = (),
        ledger_rules: LedgerRules | None = None,
        normalise: Callable[[str], str] = str,
        spill_bytes: int = SPILL_BYTES,
        ballast_bytes: int = 0,
        locking: bool = True,
    ) -> None:
        self.path = path
        self.writer = Writer(path, locking=locking)
        self._reader = Reader(path)
        self.writer.moved.append(self._reader.look_again)
        self.outbox = outbox.Outbox(self.writer)
        self.warning = wal_reset_warning()
        self.renumbered = 0
        """Cards that came with a number of another card: must stay 0."""
        self.rejected = 0
        """Spilled cards the database can never take, set aside in `<database>.rejected` until a person removes it."""
        self.watchers: list[Callable[[aiosqlite.Connection, CallCard, Instant], Awaitable[None]]] = []
        """Told of every new or changed card inside its transaction; they must not raise."""
        self._clock = clock
        self._destinations = destinations
        self._ledger_rules = ledger_rules or LedgerRules()
        self._normalise = normalise
        self._aside = path.with_name(path.name + ".rejected")
        self._spill = SpillFile(path.with_name(path.name + ".spill"), spill_bytes)
        self._ballast = Ballast(path.with_name(path.name + ".ballast"), ballast_bytes)
        self._ballast_sought_at = 0.0
        self._disk_full_seen = self._all_carded_to = 0  # refusals; the row up to which every end has its card
        self._words_taken_in = False  # of the life before; until then it is tried again
        self.ballast_given_up = False
        """The disk was full and the room of the ballast went to the cards; not yet reserved again."""
        self._spilled = 0
        self._memory: deque[CallCard] = deque()
        self._spill_lock = asyncio.Lock()
        self._numbers = numbers.NumberBlocks()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open or create the database and replay what an earlier trouble left in the spill file.

        Returns also when the database refuses for the moment (`status` says so). Raises PortError when it
        never can work: not a database of ours, a newer schema, a second writer.
        """
        await self.writer.open()
        try:
            with contextlib.suppress(OSError):  # without a spill file the memory backlog remains
                self._spilled = len(await asyncio.to_thread(self._spill.open))
            await self._reader.open()
            await self._count_aside()
            await self._inflate_ballast()
            await self._reserve_numbers()
            await self._make_up()  # a full disk: `_care` tries again, calls are routed meanwhile
        except BaseException:
            await self.close()
            raise
        self._task = asyncio.create_task(self._care(), name="store-care")

    async def close(self) -> None:
        """Stop, with what waits in memory written or spilled if at all possible."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
        with contextlib.suppress(PortError):
            await self._replay()
        await self._reader.close()
        await self.writer.close()
        self._spill.close()

    # --- the port --------------------------------------------------------------------------------

    async def intend(self, wish: OfferCall, at: Instant) -> None:
        """Commit the intent row with whatever else waits. Raises PortError(retryable) within INTENT_LIMIT_S."""

        async def job(db: aiosqlite.Connection) -> None:
            await db.execute(
                "INSERT INTO intents (call, attempt, agent, effect, at) VALUES (?,?,?,?,?)"
                " ON CONFLICT DO UPDATE SET effect = excluded.effect, at = excluded.at",
                (wish.call, wish.attempt, wish.agent, wish.effect, at),
            )

        await self._do(job, INTENT_LIMIT_S)

    async def write_card(self, card: CallCard) -> None:
        """Store the card durably: in the database, else in the spill file to be replayed.

        Raises PortError(retryable) only when neither has room and the memory backlog is full too.
        """
        if self._spilled or self._memory:
            await self._keep_for_later(
                card
            )  # behind the others: an older card must not overwrite a newer one
            return
        try:
            await self.write(lambda db: self._store(db, card))
        except PortError as error:
            if not error.retryable:
                raise
            await self._keep_for_later(card)

    async def keep_draft(self, call: str, fields: Sequence[tuple[str, str]]) -> bool:
        """Keep fields of a card that is not written yet, to be taken in by it. False: it has too many. Raises PortError."""
        now = self._clock.now()
        return await self.write(lambda db: drafts.put(db, call, fields, now))

    async def keep_agent(self, wish: KeepAgentStatus) -> None:
        """Remember the agent's status over restarts. Raises PortError."""
        await self.write(lambda db: agents.keep(db, wish))

    async def load_agents(self) -> tuple[LiveAgent, ...]:
        """Return the status of every agent ever kept, phones unknown. Raises PortError.

        By the reader: on a full disk nothing can be written, and still nobody may be logged out by our restart.
        """
        return await self.read(agents.load)

    def next_card_number(self) -> str:
        """Return the next short number; empty when the reserve is used up (the card gets one when stored)."""
        if self._numbers.left <= REFILL_BELOW:
            self._wake.set()
        return self._numbers.take()

    # --- Asterisk's journal (the sink of adapters.asterisk.journal) ------------------------------

    async def load_cursors(self, path: str) -> list[tuple[int, int, bytes]]:
        """Return (inode, offset, tail) of every file of this journal still being read. Raises PortError."""
        return await self.write(lambda db: journal_store.cursors(db, path))

    async def commit_rows(
        self,
        path: str,
        rows: Sequence[JournalRow],
        cursor: tuple[int, int, bytes] | None,
        forget: int | None = None,
    ) -> None:
        """Store rows and cursor in one transaction. Raises PortError, and then neither is stored."""

        async def job(db: aiosqlite.Connection) -> None:
            await journal_store.add_rows(db, path, rows)
            if cursor is not None:
                await journal_store.set_cursor(db, path, *cursor)
            if forget is not None:
                await journal_store.forget_cursor(db, path, forget)
            for call in dict.fromkeys(row.call for row in rows if row.call):
                stored = await cards.get(db, call=call)
                if stored is not None:  # late rows: the journal decides what it knows (000-06)
                    await self._store(db, stored.card)
            for row in rows:
                if row.kind in {journal_store.FALLBACK_ANSWER, journal_store.CALLBACK}:
                    stored = await cards.get(db, call=row.call)
                    if stored is not None:
                        await ledger_store.note_again(db, stored.card, self._ledger_rules, self._tidy)

        await self.write(job)

    async def note_spooled_callback(self, call: str, number: str, at: Instant) -> None:
        """Open a task for a number that a caller left while we were down. Raises PortError; repeats do nothing."""

        async def job(db: aiosqlite.Connection) -> None:
            stored = await cards.get(db, call=call)
            subscriber = "" if stored is None else stored.card.subscriber
            left = MissedCall(call, self._tidy(number), subscriber, at, "callback", 0)
            await ledger_store.note_spooled(db, left, self._ledger_rules)

        await self.write(job)

    async def write_missing_cards(self, before: Instant, live: Collection[str] = ()) -> int:
        """Write the cards of calls that ended before, by the journal, and have none; return how many.

        `live`: calls the core knows and will write itself.
        """
        calls, self._all_carded_to = await self.write(
            lambda db: journal_store.without_card(db, before, self._all_carded_to)
        )
        return await self._write_folded(calls, live)

    async def write_lost_calls(self, before: Instant, live: Collection[str]) -> int:
        """Write cards "pbx_failed" for calls that entered before, never ended and are not live; return how many.

        Only after a sync: `live` must be every call the switch has now. A card the core had guessed is
        corrected: who was cut off in mid-talk must be called back (failure mode 26).
        """
        calls = await self.write(lambda db: journal_store.unfinished(db, before))
        lost = [call for call in calls if call not in live]
        for call in lost:
            await self.write(functools.partial(self._close_lost, call=call))
        return len(lost)

    async def _close_lost(self, db: aiosqlite.Connection, call: str) -> None:
        await journal_store.mark_lost(db, call)
        stored = await cards.get(db, call=call)
        card = await rebuild.fold_call(db, call) if stored is None else stored.card
        if card is not None:
            await self._store(db, card)

    async def _write_folded(self, calls: Sequence[str], live: Collection[str]) -> int:
        written = 0
        for call in calls:
            if call in live:
                continue
            card = await self.write(functools.partial(rebuild.fold_call, call=call, lost=True))
            if card is not None:
                await self.write_card(card)
                written += 1
        return written

    # --- how it is -------------------------------------------------------------------------------

    @property
    def cards_wait(self) -> bool:
        """Return whether cards wait for the database: the ledger does not know of their talks yet."""
        return bool(self._spilled or self._memory)

    @property
    def status(self) -> StoreStatus:
        """Return how the store is, in plain words."""
        parts = []
        if self.writer.strayed:
            parts.append(self.writer.strayed)
        if self.writer.trouble:
            parts.append(f"the database refuses writes: {self.writer.trouble}; calls are routed all the same")
        if self._spilled:
            parts.append(f"{self._spilled} cards wait in the spill file")
        if self._memory:
            parts.append(f"{len(self._memory)} cards are only in memory")
        if self.rejected:
            parts.append(
                f"{self.rejected} cards could never be stored and lie in {self._aside}: read them, then remove the file"
            )
        return StoreStatus(
            ok=not parts,
            words="; ".join(parts) or "cards are written to the database",
            spilled=self._spilled,
            in_memory=len(self._memory),
            refused=self.writer.refused,
        )

    async def get(self, *, call: str = "", number: str = "") -> cards.StoredCard | None:
        """Return one card by call id or bare number. Raises PortError."""
        return await self.read(lambda db: cards.get(db, call=call, number=number))

    async def find(self, wanted: cards.CardFilter) -> list[cards.StoredCard]:
        """Return the cards that match, newest first. Raises PortError."""
        return await self.read(lambda db: cards.find(db, wanted))

    async def read(self, job: Callable[[aiosqlite.Connection], Coroutine[Any, Any, T]]) -> T:
        """Run a job that only reads, beside the writer: no commit stands before it. Raises PortError.

        It sees everything whose write was answered before.
        """
        return await _in_time(self._reader.do(job), CARD_LIMIT_S)

    async def write(self, job: Callable[[aiosqlite.Connection], Coroutine[Any, Any, T]]) -> T:
        """Run a job in a transaction for somebody who waits. Raises PortError, at the latest after CARD_LIMIT_S."""
        return await self._do(job, CARD_LIMIT_S)

    async def wipe_traces(self) -> bool:
        """After an erasure: empty the database's log and the spill file; return whether nothing is left there."""
        emptied = await self.writer.checkpoint()
        async with self._spill_lock:
            if self._spilled:
                return False
            try:
                await asyncio.to_thread(self._spill.wipe)
            except (PortError, OSError):
                return False
        return emptied

    # --- inside ----------------------------------------------------------------------------------

    async def _do(self, job: Callable[[aiosqlite.Connection], Coroutine[Any, Any, T]], limit_s: float) -> T:
        if self.writer.trouble:
            # known to refuse: say so at once instead of waiting for the lock again; `_care` probes
            raise PortError(self.writer.trouble, retryable=True)
        return await _in_time(self.writer.do(job), limit_s)

    async def _store(self, db: aiosqlite.Connection, card: CallCard) -> None:
        """Card, segments, history, fields, ledger and outbox rows: one transaction.

        What the journal decides is taken from the journal as soon as the call's end stands there.
        """
        now = self._clock.now()
        folded = await rebuild.fold_call(db, card.call)
        if folded is not None:
            card = cardfold.completed(folded, card)
        given = cardfold.number_in(await journal_store.rows_of(db, card.call))
        card = await drafts.completed(db, replace(card, number=given or card.number))
        written = await cards.write(db, card, self._tidy(card.ani), now)
        self.renumbered += written.renumbered
        if not written.changed:
            return
        await ledger_store.note_card(db, written.card, self._ledger_rules, self._tidy)
        for watcher in self.watchers:
            await watcher(db, written.card, now)
        for destination in self._destinations:
            await outbox.put(
                db,
                kind="card",
                destination=destination,
                key=f"{card.call}:{written.version}",
                call=card.call,
                payload=cardjson.dumps(written.card),
                now=now,
            )

    def _tidy(self, number: str) -> str:
        return cards.clean(self._normalise(number)) if number else ""

    async def _keep_for_later(self, card: CallCard) -> None:
        async with self._spill_lock:
            if not self._memory:
                try:
                    record = cardjson.dumps(card).encode("utf-8", "surrogatepass")
                    await asyncio.to_thread(self._spill.append, record)
                except (PortError, OSError):
                    pass  # no room there: memory is next
                else:
                    self._spilled += 1
                    self._wake.set()
                    return
            if len(self._memory) >= MEMORY_LIMIT:
                raise PortError("database, spill file and memory refuse the card", retryable=True)
            self._memory.append(card)
            self._wake.set()

    async def _make_up(self) -> None:
        """Write what an earlier trouble or death left; what is refused stays for the next time."""
        with contextlib.suppress(PortError):
            await self._replay()
        if not self._words_taken_in:  # also when the spill file alone makes trouble
            with contextlib.suppress(PortError):
                await drafts.take_in(self.writer, self._store)
                self._words_taken_in = True

    async def _replay(self) -> None:
        """Write what waits, oldest first, then forget it. Raises PortError when the database or the disk refuses."""
        async with self._spill_lock:
            try:
                await self._replay_spilled()
            except OSError as error:
                raise as_port_error(error) from error
            while self._memory:
                await self._replay_one(self._memory[0])
                self._memory.popleft()

    async def _replay_spilled(self) -> None:
        if self._spilled:
            for record in await asyncio.to_thread(self._spill.records):
                await self._replay_record(record)
            await asyncio.to_thread(self._spill.clear)
            self._spilled = 0

    async def _replay_record(self, record: bytes) -> None:
        """Write one spilled card; one that can never be written goes to a file of its own, for a person."""
        try:
            await self._replay_one(cardjson.loads(record.decode("utf-8", "surrogatepass")))
        except (PortError, cardjson.CardFormatError) as error:
            if isinstance(error, PortError) and error.retryable:
                raise
            await asyncio.to_thread(set_aside, self._aside, record)
            await self._count_aside()

    async def _replay_one(self, card: CallCard) -> None:
        await self.writer.do(lambda db: self._store(db, card), urgent=True)

    async def _reserve_numbers(self) -> None:
        with contextlib.suppress(PortError):
            self._numbers.add(await self.writer.do(numbers.reserve))

    async def _give_up_ballast(self) -> None:
        """Recordings and others have filled the disk: the cards get the room that was kept for them."""
        with contextlib.suppress(OSError):
            self.ballast_given_up |= await asyncio.to_thread(self._ballast.release)

    async def _inflate_ballast(self) -> None:
        """Reserve the ballast when it is wanted, not there, and the disk has room again."""
        now = asyncio.get_running_loop().time()
        if 0 < self._ballast_sought_at > now - BALLAST_EVERY_S:
            return
        self._ballast_sought_at = now
        with contextlib.suppress(OSError):
            self.ballast_given_up &= not await asyncio.to_thread(self._ballast.inflate)

    async def _care(self) -> None:
        """Refill numbers when asked; probe a refusing database and replay, once a second."""
        while True:
            # not wait_for: before Python 3.12 it can swallow the cancellation that close() sends
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_EVERY_S):
                    await self._wake.wait()
            self._wake.clear()
            await self._look_at_files()
            if self.writer.trouble:
                await asyncio.sleep(PROBE_EVERY_S)
            if self.writer.disk_full > self._disk_full_seen:
                self._disk_full_seen = self.writer.disk_full
                await self._give_up_ballast()
            elif not self.writer.trouble:
                await self._inflate_ballast()
            if self._numbers.left <= REFILL_BELOW or self.writer.trouble:
                await self._reserve_numbers()  # a real write, so it is the probe as well
            if (self._spilled or self._memory or not self._words_taken_in) and not self.writer.trouble:
                await self._make_up()

    async def _look_at_files(self) -> None:
        """Who cleans up a folder deletes files that are in use: they are given their names back."""
        with contextlib.suppress(PortError):
            await self.writer.look()
        with contextlib.suppress(PortError, OSError):
            async with self._spill_lock:
                await asyncio.to_thread(self._spill.look)
        await self._count_aside()

    async def _count_aside(self) -> None:
        """Of earlier lives too, and until the person for whom they lie there has removed the file."""
        with contextlib.suppress(OSError):
            self.rejected = await asyncio.to_thread(set_aside_count, self._aside)


async def _in_time(answer: Awaitable[T], limit_s: float) -> T:
    """Wait for the database. Raises PortError when it takes longer."""
    try:
        async with asyncio.timeout(limit_s):
            return await answer
    except TimeoutError as error:
        raise PortError(f"the database did not answer within {limit_s} s", retryable=True) from error
