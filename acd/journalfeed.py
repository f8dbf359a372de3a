"""From Asterisk's journal into the core and the cards: what the live feed missed is not missed.

Four duties. At a sync, before anything is offered: read the tail, so that logins by feature code and
ends that fell into our absence are known. While running: a note the live feed did not bring within
`PATIENCE_MS` is told from the journal; one of a call the core never heard of makes us resync. And every
call whose end stands in the journal gets its card, even if it came and went while we were down. And the other way
round: a note that we heard and Asterisk could not write (its disk was full) is kept with the journal's rows.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import structlog

from acd.adapters.asterisk.translate import note_of_user_event, note_to_facts, noted_at
from acd.core.ids import CallId
from acd.ports import PortError
from acd.wire.queue_log import JournalRow
from agi_scripts.dialplan_vars import NOTES

if TYPE_CHECKING:
    from acd.adapters.asterisk.journal import JournalTailer
    from acd.core.engine import Engine
    from acd.core.instant import Instant
    from acd.notegate import NoteGate
    from acd.ports import Clock, Inbox
    from acd.wire.ami import AmiFrame

log = structlog.get_logger("acd.journal")

POLL_S = 0.25
RETRY_S = 1.0
PATIENCE_MS = 2_000
"""How long the live feed may be behind the journal before a note counts as missed by it."""
SETTLE_EVERY_S = 5.0
SETTLE_AFTER_MS = 5_000
RESYNC_EVERY_MS = 5_000

HEARD_MS = 500
"""A note is in the file before we hear it (the dialplan writes it first): the next reading finds it, or it is not there."""
HEARD_LIMIT = 5_000
"""Notes that were heard, and rows that were read, remembered to compare: the last minute of a busy centre."""

FILE_FIGURES = ("rows", "foreign", "garbage", "rotations", "truncations", "gaps")
FEATURE = "ACDFEATURE"
_KINDS = {kind.upper(): kind for kind in NOTES}


def _identity(row: JournalRow) -> tuple[str, str, str, int]:
    return row.kind, row.call, row.agent, row.ms


class CardWriter(Protocol):
    """What the feed needs of the store."""

    async def write_missing_cards(self, before: int, live: Collection[str] = ...) -> int:
        """Cards of calls that ended unseen."""

    async def write_lost_calls(self, before: int, live: Collection[str]) -> int:
        """Cards of calls that never ended and are not up: the PBX failed."""


class _Known(Collection[str]):
    """The calls of which the core says yes, asked one by one."""

    def __init__(self, says: Callable[[CallId], bool]) -> None:
        self._says = says

    def __contains__(self, call: object) -> bool:
        return self._says(CallId(str(call)))

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class JournalFeed:
    """Reads queue_log (and CEL, when there) beside the live feed. `resync` asks for a new snapshot.

    `keep_heard` stores rows that the live feed brought and the journal lacks; PortError when none was stored.
    """

    def __init__(
        self,
        tailers: tuple[JournalTailer, ...],
        gate: NoteGate,
        engine: Engine,
        clock: Clock,
        *,
        inbox: Inbox,
        store: CardWriter,
        resync: Callable[[], None],
        keep_heard: Callable[[Sequence[JournalRow]], Awaitable[None]] | None = None,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.trouble = ""
        """Why the journal or the cards from it are behind, in plain words."""
        self._tailers, self._gate, self._engine, self._clock = tailers, gate, engine, clock
        self._inbox, self._store, self._resync = inbox, store, resync
        self._held: deque[tuple[Instant, JournalRow]] = deque()
        """Rows with our own time of reading: Asterisk's clock may have been set, ours is never."""
        self._newest: tuple[Instant, Instant] = (0, 0)
        """Asterisk's time of the last row read, and ours of reading it."""
        self._keep = keep_heard
        self._heard: OrderedDict[tuple[str, str, str, int], tuple[Instant, JournalRow]] = OrderedDict()
        self._read: OrderedDict[tuple[str, str, str, int], None] = OrderedDict()
        self._reading = asyncio.Lock()
        self._synced = False
        self.settled = False
        """Every call that had ended when we were last synced has its card: the ledger knows all talks of that time."""
        self._settled_due: float | None = None
        """From this moment of the loop on a look at the rows finds them all; no clock that can be set decides it."""
        self._lost_before: Instant | None = None
        """Calls that entered before this moment of Asterisk's clock, never ended and are unknown: lost."""
        self._lost_due = 0.0
        self._resynced_at = 0

    # --- reading ---------------------------------------------------------------------------------

    async def catch_up_calls(self) -> None:
        """Tell what happened to calls while we heard nothing; called at a sync, before the snapshot is told.

        A call that ended meanwhile ends as it really did, instead of having vanished.
        """
        await self._tell_all(lambda row: row.kind != FEATURE)

    async def catch_up(self) -> None:
        """Tell the rest; called at a sync, after the snapshot: a login by feature code outdoes the store."""
        await self._tell_all(lambda _row: True)
        self._synced = True
        if self.settled or self._settled_due is None:  # syncs in quick succession do not put it off for ever
            self.settled = False
            self._settled_due = asyncio.get_running_loop().time() + SETTLE_AFTER_MS / 1000
        # the sync told every call the switch has; a moment later the live feed's own gaps are closed too
        self._lost_before = self._switch_now()
        self._lost_due = asyncio.get_running_loop().time() + SETTLE_AFTER_MS / 1000

    async def _tell_all(self, which: Callable[[JournalRow], bool]) -> None:
        async with self._reading:
            try:
                await self._poll()
                self.trouble = ""
            except PortError as failed:
                self.trouble = f"journal rows cannot be stored: {failed}"
                return
            due: list[JournalRow] = []
            kept: deque[tuple[Instant, JournalRow]] = deque()
            for held in self._held:
                if which(held[1]):
                    due.append(held[1])
                else:
                    kept.append(held)
            self._held = kept
            for row in due:
                self._tell(row, rescue=False)

    async def run(self) -> None:
        """Poll for ever."""
        settle_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with self._reading:
                    await self._poll()
                    await self._keep_heard()
                self.trouble = next(
                    (t.counters.unreadable for t in self._tailers if t.counters.unreadable), ""
                )
                self._tell_missed()
                if self._synced and loop.time() >= settle_at:
                    settle_at = loop.time() + SETTLE_EVERY_S
                    await self._settle()
                await asyncio.sleep(POLL_S)
            except PortError as failed:
                self.trouble = f"journal rows cannot be stored: {failed}"
                await asyncio.sleep(RETRY_S)

    def figures(self) -> dict[str, int]:
        """What was told from the journal; `files_...` what its files were like: gaps and garbage should stay 0."""
        found = dict(self.counters)
        for name in FILE_FIGURES:
            found[f"files_{name}"] = sum(getattr(tailer.counters, name) for tailer in self._tailers)
        return found

    def close(self) -> None:
        """Close the files."""
        for tailer in self._tailers:
            tailer.close()

    async def _poll(self) -> None:
        for tailer in self._tailers:
            for row in await tailer.poll():
                if row.kind in _KINDS:
                    self._mark_read(row)
                    now = self._clock.now()
                    self._newest = (row.ms, now)
                    self._held.append((now, row))

    def _switch_now(self) -> Instant:
        """The present by Asterisk's clock, or ours if that is later: its clock may run ahead of ours."""
        now = self._clock.now()
        ms, read_at = self._newest
        return max(now, ms + now - read_at)

    # --- what only we heard ---------------------------------------------------------------------

    def hear(self, frame: AmiFrame) -> None:
        """An event whose facts were told: it need not be told again, and its row is to be found in the journal."""
        self._gate.mark_event(frame)
        if frame.name != "UserEvent" or self._keep is None:
            return
        kind, fields = note_of_user_event(frame)
        if not kind or not fields["call"] or note_to_facts(kind, fields) is None:
            return
        ms = noted_at(fields)
        if ms is None:
            return  # the dialplan always says when: this note is not its
        own = {name: fields[name] for name in NOTES[kind]}
        row = JournalRow(kind.upper(), fields["call"], fields["queue"], fields["agent"], ms, own)
        self._heard[_identity(row)] = self._clock.now(), row
        if len(self._heard) > HEARD_LIMIT:
            self._heard.popitem(last=False)

    def _mark_read(self, row: JournalRow) -> None:
        self._read[_identity(row)] = None
        if len(self._read) > HEARD_LIMIT:
            self._read.popitem(last=False)

    async def _keep_heard(self) -> None:
        """Keep what the journal should have by now and has not. Right after it was read."""
        now, kept = self._clock.now(), []
        for key, (at, row) in list(self._heard.items()):
            if key in self._read:
                del self._heard[key]
            elif now - at >= HEARD_MS:
                kept.append(row)
        if not kept or self._keep is None:
            return
        await self._keep(kept)
        for row in kept:
            del self._heard[_identity(row)]
        self.counters["heard_only"] += len(kept)
        log.warning("journal_lacks_notes", notes=len(kept), action="kept as the live feed told them")

    # --- telling ---------------------------------------------------------------------------------

    def _tell_missed(self) -> None:
        now = self._clock.now()
        while self._held and now - self._held[0][0] >= PATIENCE_MS:
            self._tell(self._held.popleft()[1], rescue=self._synced)

    def _tell(self, row: JournalRow, *, rescue: bool) -> None:
        kind = _KINDS[row.kind]
        fields = {**row.fields, "call": row.call, "queue": row.queue, "agent": row.agent, "ms": str(row.ms)}
        if not self._gate.first_of_row(kind, fields):
            return  # the live feed brought it
        if row.kind != FEATURE and not self._engine.knows(CallId(row.call)):
            self.counters["unknown_calls"] += 1
            if rescue and kind != "AcdEnd":
                self._ask_resync()
            return
        self.counters["rescued" if rescue else "caught_up"] += 1
        facts = note_to_facts(kind, fields)
        if facts is None:
            self.counters["unreadable_notes"] += 1
            return
        for fact in facts:
            self._inbox(fact)

    def _ask_resync(self) -> None:
        now = self._clock.now()
        if now - self._resynced_at >= RESYNC_EVERY_MS:
            self._resynced_at = now
            self.counters["resyncs_asked"] += 1
            log.warning("live_feed_missed_a_call", action="resync")
            self._resync()

    # --- cards -----------------------------------------------------------------------------------

    async def _write_lost(self, bound: Instant) -> int:
        """Cards of calls that are gone without an end.

        A call may have ended a moment ago, with its end in the journal's file and not read yet. So who is gone is
        found first, then the journal is read, and only whose end is still missing was lost.
        """
        gone: set[CallId] = set()

        def asked(call: CallId) -> bool:
            if not self._engine.is_live(call):
                gone.add(call)
            return True  # nothing is written yet

        await self._store.write_lost_calls(bound, _Known(asked))
        if not gone:
            return 0
        async with self._reading:
            await self._poll()
        return await self._store.write_lost_calls(bound, _Known(lambda call: call not in gone))

    async def _settle(self) -> None:
        before = self._switch_now() - SETTLE_AFTER_MS
        due = self._settled_due is not None and asyncio.get_running_loop().time() >= self._settled_due
        written = await self._store.write_missing_cards(before, _Known(self._engine.keeps_card))
        self.settled |= due
        if self._lost_before is not None and asyncio.get_running_loop().time() >= self._lost_due:
            bound = self._lost_before
            written += await self._write_lost(bound)
            if bound == self._lost_before:  # no other sync meanwhile
                self._lost_before = None
        if written:
            self.counters["cards_from_journal"] += written
            log.info("cards_from_journal", written=written)
