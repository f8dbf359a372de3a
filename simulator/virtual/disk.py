"""What survives: Asterisk's journal file and the daemon's store, both in memory.

The store keeps the contracts of acd.adapters.store: rows and cursor commit together, a card once written
is replaced only by a later write, a write that a killed process had not committed never happened. It may
refuse for a while; cards are then kept aside (the spill file) as in production.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from acd.adapters.asterisk.journal import TailCounters
from acd.cards import fold as cardfold
from acd.core.events import LiveAgent
from acd.ports import PortError
from acd.wire import queue_log
from acd.wire.queue_log import JournalRow
from simulator.virtual.ledger import Ledger, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from acd.core.card import CallCard
    from acd.core.effects import KeepAgentStatus, OfferCall
    from acd.core.ids import AgentId
    from acd.core.instant import Instant

READ_AT_ONCE = 64
T = TypeVar("T")


class Journal:
    """queue_log: lines of bytes, never lost, by Asterisk's own writer."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.slow = False
        """The file system does not answer just now."""

    def write(self, call: str, queue: str, agent: str, kind: str, data: dict[str, str]) -> None:
        """Append one row as Asterisk writes it."""
        seconds = int(data["ms"]) // 1000
        fields = "|".join(f"{name}={value}" for name, value in data.items())
        head = f"{seconds}|{call or 'NONE'}|{queue or 'NONE'}|{agent or 'NONE'}|{kind}|"
        self.lines.append((head + fields).encode())

    def rows(self) -> list[JournalRow]:
        """Every row ever written."""
        return [row for line in self.lines if (row := queue_log.parse_line(line)) is not None]


class Disk:
    """The durable half of a store: it outlives daemons."""

    def __init__(self, chance: Random) -> None:
        self.cards: dict[str, CallCard] = {}
        self.versions: Counter[str] = Counter()
        self.agents: dict[AgentId, LiveAgent] = {}
        self.rows: dict[str, list[JournalRow]] = {}
        self.cursor = 0
        self.intents: list[tuple[str, str, int]] = []
        self.numbers = 0
        self.completed = 0
        """Cards whose fields the journal had otherwise."""
        self.nonce = ""
        """Of the last life's heartbeat."""
        self.refuses = False
        self.slow_s = 0.0
        self.chance = chance
        self.ledger = Ledger()


class Store:
    """One daemon's hands on a disk: CardStore, CardWriter and the journal's sink."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.writer = Writer(disk.ledger, self._commit)

    async def _commit(self) -> None:
        """Wait for the disk; after this line the rest happens at once, or never if we are killed."""
        await asyncio.sleep(self.disk.chance.uniform(0.0005, 0.004) + self.disk.slow_s)
        if self.disk.refuses:
            raise PortError("the database refuses", retryable=True)

    async def write(self, job: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Run a job of the ledger, as SqliteStore does for somebody who waits. Raises PortError."""
        return await self.writer.do(job)

    async def intend(self, wish: OfferCall, at: Instant) -> None:  # noqa: ARG002
        """Commit the intent row."""
        await self._commit()
        self.disk.intents.append((wish.call, wish.agent, wish.attempt))

    async def write_card(self, card: CallCard) -> None:
        """Store the card; when the database refuses, the spill file takes it."""
        try:
            await self._commit()
        except PortError:
            await asyncio.sleep(0.001)
        self._store(card)

    def _store(self, card: CallCard) -> None:
        """Inside a transaction: what the journal decides is the journal's, as in SqliteStore._store."""
        disk = self.disk
        folded = cardfold.fold(disk.rows.get(card.call, ()))
        if folded is not None:
            disk.completed += bool(cardfold.differences(folded, card))
            card = cardfold.completed(folded, card)
        given = cardfold.number_in(disk.rows.get(card.call, ())) or card.number or self.next_card_number()
        stored = disk.cards.get(card.call)
        fields = dict(card.fields) if stored is None else {**dict(stored.fields), **dict(card.fields)}
        number = given if stored is None else stored.number
        new = replace(card, number=number, fields=tuple(fields.items()))
        if new != stored:
            disk.cards[card.call] = new
            disk.versions[card.call] += 1
            disk.ledger.note_card(new, new.ended_at)

    async def keep_agent(self, wish: KeepAgentStatus) -> None:
        """Remember the agent's status."""
        await self._commit()
        self.disk.agents[wish.agent] = LiveAgent(
            wish.agent, wish.logged_in, wish.paused_reason, wish.device, wrap_up_until=wish.wrap_up_until
        )

    async def load_agents(self) -> tuple[LiveAgent, ...]:
        """Return the status of every agent ever kept."""
        await self._commit()
        return tuple(self.disk.agents[agent] for agent in sorted(self.disk.agents))

    def next_card_number(self) -> str:
        """Hand out the next number."""
        self.disk.numbers += 1
        return str(self.disk.numbers)

    async def commit_rows(self, rows: list[JournalRow], cursor: int) -> None:
        """Rows and cursor in one transaction."""
        await self._commit()
        for row in rows:
            if row.call:
                self.disk.rows.setdefault(row.call, []).append(row)
        self.disk.cursor = cursor
        self.disk.ledger.add_rows([row for row in rows if row.call])
        for call in dict.fromkeys(row.call for row in rows):
            if call in self.disk.cards:
                self._store(self.disk.cards[call])
        self.disk.ledger.note_again(rows)

    async def write_missing_cards(self, before: int, live: Collection[str] = ()) -> int:
        """Write cards of calls whose end is in the journal and which have none."""
        await self._commit()
        found = [
            call
            for call, rows in self.disk.rows.items()
            if call not in self.disk.cards and any(r.kind == "ACDEND" and r.ms < before for r in rows)
        ]
        return await self._write(found, live)

    async def write_lost_calls(self, before: int, live: Collection[str]) -> int:
        """Write "pbx_failed" for calls that entered and never ended, and are not live."""
        await self._commit()
        lost = [
            call
            for call, rows in self.disk.rows.items()
            if any(r.kind == "ACDENTER" and r.ms < before for r in rows)
            and not any(r.kind in (cardfold.END, cardfold.LOST) for r in rows)
            and call not in live
        ]
        for call in lost:
            await self._commit()
            rows = self.disk.rows[call]
            last = max(row.ms for row in rows)
            rows.append(JournalRow(cardfold.LOST, call, "", "", last, {"cause": "0"}))
            self.disk.ledger.add_rows(rows[-1:])
            card = self.disk.cards.get(call) or cardfold.fold(rows)
            if card is not None:
                self._store(card)
        return len(lost)

    async def _write(self, calls: list[str], live: Collection[str]) -> int:
        written = 0
        for call in calls:
            if call in live:
                continue
            card = cardfold.fold(self.disk.rows[call])
            if card is not None:
                await self.write_card(card)
                written += 1
        return written


def fold_lost(rows: list[JournalRow]) -> CallCard | None:
    """The journal's card; a call without an end was lost with the PBX at its last note."""
    card = cardfold.fold(rows)
    if card is None and rows:
        card = cardfold.fold(rows, pbx_failed_at=max(row.ms for row in rows))
    return card


class Tailer:
    """Reads the journal from the stored cursor on; what JournalFeed needs of JournalTailer."""

    def __init__(self, journal: Journal, store: Store) -> None:
        self.counters = TailCounters()
        self._journal, self._store = journal, store

    async def poll(self) -> list[JournalRow]:
        """Commit and return the new rows. Raises PortError when the store refuses."""
        found: list[JournalRow] = []
        if self._journal.slow:
            return found
        while (start := self._store.disk.cursor) < len(self._journal.lines):
            lines = self._journal.lines[start : start + READ_AT_ONCE]
            rows = [row for line in lines if (row := queue_log.parse_line(line)) is not None]
            await self._store.commit_rows(rows, start + len(lines))
            found += rows
        return found

    def close(self) -> None:
        """Nothing is open."""
