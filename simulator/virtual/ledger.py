"""The missed-call ledger on the virtual disk: the production SQL on an in-memory SQLite, and its dialler's surroundings.

SQLite runs inside the loop's turn, so a transaction is one moment of virtual time: a kill falls before or after it, as on
a real disk. `Ledger` outlives daemons; `Writer` is one daemon's hand on it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

from acd import numberfacts
from acd.adapters.asterisk.link import AmiSettings
from acd.adapters.asterisk.originate import CallbackCaller
from acd.adapters.store import cards, journal_store, ledger_store
from acd.adapters.store.connection import migrations, split_statements
from acd.config.callbacks import Callbacks, ledger_rules
from acd.deskside.callback_line import RouterLine
from acd.deskside.callbacks import CallbackDialler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

    from acd.core.card import CallCard
    from acd.wire.queue_log import JournalRow
    from simulator.virtual.daemon import Daemon
    from simulator.virtual.world import World

T = TypeVar("T")

MAX_ATTEMPTS = 2
NUMBER_RING_S = 4
SETTINGS = Callbacks(
    hours_from="00:00",
    hours_to="24:00",
    first_retry_s=2.0,
    longest_retry_s=4.0,
    postpone_s=2.0,
    ring_s=5,
    in_line_s=15.0,
    max_attempts=MAX_ATTEMPTS,
    at_once=3,
    priority=1.0,
    daily_per_number=1_000,
    daily_per_subscriber=100_000,
    daily_total=100_000,
    keep_place_s=86_400.0,
).model_copy(update={"min_ring_s": 1.0})
"""Everything happens within two minutes here, and so do fraud calls."""
RULES = ledger_rules(SETTINGS, "RU")


class Db:
    """What the store's SQL needs of aiosqlite, without a thread: nothing in it ever waits."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link = link

    async def execute(self, sql: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self._link.execute(sql, tuple(values))

    async def executemany(self, sql: str, rows: Iterable[Iterable[Any]]) -> sqlite3.Cursor:
        """Run one statement for each row."""
        return self._link.executemany(sql, [tuple(row) for row in rows])

    async def execute_fetchall(self, sql: str, values: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """Run one statement and return its rows."""
        return self._link.execute(sql, tuple(values)).fetchall()


@cache
def _empty() -> bytes:
    link = sqlite3.connect(":memory:", isolation_level=None)
    for _, script in migrations():
        for statement in split_statements(script):
            link.execute(statement)
    return link.serialize()


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise RuntimeError("the ledger's SQL waited for something")


class Ledger:
    """The durable half: cards, journal rows, tasks and dials."""

    def __init__(self) -> None:
        self._link = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._link.deserialize(_empty())
        self._link.row_factory = sqlite3.Row
        self.db: Any = Db(self._link)

    def transaction(self, job: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Run a job, all of it or nothing."""
        self._link.execute("BEGIN")
        try:
            result = _at_once(job(self.db))
        except BaseException:
            self._link.execute("ROLLBACK")
            raise
        self._link.execute("COMMIT")
        return result

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Look."""
        return [tuple(row) for row in self._link.execute(sql, values)]

    def close(self) -> None:
        """Forget everything."""
        self._link.close()

    # --- what SqliteStore does beside storing the card ----------------------------------------------

    def add_rows(self, rows: list[JournalRow]) -> None:
        """Keep journal rows."""
        self.transaction(lambda db: journal_store.add_rows(db, "queue_log", rows))

    def note_card(self, card: CallCard, now: int) -> None:
        """A card is stored: its missed call, or the talk that settles one."""

        async def job(db: Any) -> None:
            written = await cards.write(db, replace(card, number=""), _tidy(card.ani), now)
            if written.changed:
                await ledger_store.note_card(db, written.card, RULES, _tidy)

        self.transaction(job)

    def note_again(self, rows: list[JournalRow]) -> None:
        """The journal says more of calls that have their cards."""

        async def job(db: Any) -> None:
            for row in rows:
                if row.kind in {journal_store.FALLBACK_ANSWER, journal_store.CALLBACK}:
                    stored = await cards.get(db, call=row.call)
                    if stored is not None:
                        await ledger_store.note_again(db, stored.card, RULES, _tidy)

        self.transaction(job)


def _tidy(number: str) -> str:
    return cards.clean(numberfacts.normalise(number)) if number else ""


class Writer:
    """One daemon's hand on the ledger: SqliteStore.writer as the dialler uses it."""

    def __init__(self, ledger: Ledger, commit: Callable[[], Awaitable[None]]) -> None:
        self._ledger, self._commit = ledger, commit

    async def do(self, job: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Wait for the disk, then run the job. Raises PortError when the disk refuses."""
        await self._commit()
        return self._ledger.transaction(job)


def make_dialler(world: World, daemon: Daemon) -> CallbackDialler:
    """Return the production dialler in this daemon."""
    draw = world.chance(f"dialler {daemon.life}")
    caller = CallbackCaller(AmiSettings("acd-callback", "secret"))
    return CallbackDialler(
        lambda: _config(world),  # type: ignore[arg-type,return-value]  # the part of Config that it reads
        daemon.store,  # type: ignore[arg-type]  # its writer and its card numbers
        daemon.clock,
        RouterLine(daemon.engine, daemon.clock, daemon.ami, daemon.translator),
        daemon.sync.released,
        caller,
        new_call=lambda: f"{draw.getrandbits(32):08x}-0000-4000-8000-{draw.getrandbits(48):012x}",
        told=lambda: daemon.journal.settled,
    )


NO_MORE = SETTINGS.model_copy(update={"enabled": False})


def _config(world: World) -> SimpleNamespace:
    return _configured(world.numbers, SETTINGS if world.dials else NO_MORE)


@cache
def _configured(numbers: tuple[tuple[str, str, int], ...], settings: Callbacks) -> SimpleNamespace:
    queues = {
        queue: SimpleNamespace(
            callbacks=True, subscriber=queue, max_wait_s=25.0, ring_timeout_s=float(ring_s)
        )
        for _, queue, ring_s in numbers
    }
    of_did = {did: (did, SimpleNamespace(queue=queue)) for did, queue, _ in numbers}
    tree = SimpleNamespace(callbacks=settings, centre=SimpleNamespace(region="RU"), queues=queues)
    return SimpleNamespace(
        tree=tree,
        queue=lambda name: queues[name],
        route=of_did.get,
        projects=SimpleNamespace(zone=lambda _queue: None),
        zone=UTC,
        is_open=lambda _queue, _at: True,
    )
