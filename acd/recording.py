"""Recordings give way first when the disk fills (failure mode 31), and are paused for card numbers (security 22).

The dialplan records, and needs nobody for it. This watch sees how much room the recordings' disk has left:

- below `recording.no_new_below_percent` it tells the dialplan not to record calls that enter from now on;
- below `recording.stop_below_percent` it also ends the recordings that run. The cards go on: they have their ballast.

What was told stands in a variable of Asterisk and outlives us. A call that enters while we are dead is not recorded
anyway: it gets no verdict, hears no recording notice and so may not be (dialplan/README.md). Asterisk forgets the
variable when it dies; it is therefore written again every few seconds.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from acd.adapters.store import audit
from acd.core.ids import CallId
from acd.ports import CallGoneError, NotRecordedError, PortError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    import aiosqlite

    from acd.adapters.store.writer import Writer
    from acd.config.system import Recording
    from acd.core.ids import AgentId
    from acd.core.instant import Instant
    from acd.core.snapshot import CallView
    from acd.ports import Clock

log = structlog.get_logger("acd.recording")

LOOK_S: Final = 5.0
SECOND_S: Final = 1.0
SLACK_PERCENT: Final = 2.0
"""More room than the threshold by so much, and recording goes on: else it would flicker at the edge."""
NOTE_WAIT_S: Final = 1.0
"""A pause waits so long for its line in the audit log, then stands without it; the line is tried again."""
NOTES_LIMIT: Final = 10_000
"""Lines that wait for a database that refuses; more are in the daemon's own log only."""


class Recorder(Protocol):
    """What the dialplan's recording obeys (acd.adapters.asterisk.recording).

    All raise RefusedError when the switch said no, and any other PortError when it said nothing: then the command may
    have been carried out or not.
    """

    async def is_on(self) -> bool:
        """Whether the dialplan records at all."""

    async def allow(self, *, new: bool) -> None:
        """Say whether calls that enter from now on may be recorded."""

    async def end(self, call: CallId) -> None:
        """End the recording of one call for good."""

    async def mute(self, call: CallId, *, on: bool) -> None:
        """Let the recording hear silence, or the talk again."""


class Room(IntEnum):
    """What the disk has room for."""

    ALL = 0
    NO_NEW = 1
    NONE = 2


@dataclass(frozen=True, slots=True, eq=False)
class Pause:
    """A recording that hears silence; each pause is one of its own, hence no equality."""

    agent: AgentId
    """For whom: with this agent's part of the talk it ends."""
    until: Instant
    """When it ends by itself."""


@dataclass(frozen=True, slots=True)
class Note:
    """A line of the audit log that is to be written."""

    at: Instant
    who: str
    what: str
    call: CallId


class NotYoursError(ValueError):
    """Only whoever talks may pause the recording of the talk; the text says so."""


def room(free_percent: float, before: Room, settings: Recording) -> Room:
    """Return what there is room for. `before` is what there was: recording comes back only with some slack."""
    for level, limit in (
        (Room.NONE, settings.stop_below_percent),
        (Room.NO_NEW, settings.no_new_below_percent),
    ):
        if free_percent < limit + (SLACK_PERCENT if before >= level and limit else 0):
            return level
    return Room.ALL


def free_percent(where: Path) -> float | None:
    """Return how much of the disk is free; None when the folder is not there: then nothing is recorded into it."""
    try:
        about = os.statvfs(where)
    except OSError:
        return None
    return 100.0 * about.f_bavail / about.f_blocks if about.f_blocks else None


class RecordingWatch:
    """Tells the dialplan what there is room for, and pauses recordings for agents.

    Args:
        settings: the section `recording` now.
        where: the recordings' folder now.
        recorder: commands to the dialplan.
        calls: every live call.
        released: set while we are synced and serve; a daemon that stands by commands nothing.
        writer: for the audit log: who paused which call's recording.
        free: share of the disk that is free, for tests.
    """

    def __init__(
        self,
        settings: Callable[[], Recording],
        where: Callable[[], Path],
        recorder: Recorder,
        calls: Callable[[], Collection[CallView]],
        released: asyncio.Event,
        clock: Clock,
        writer: Writer,
        free: Callable[[Path], float | None] = free_percent,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.room = Room.ALL
        self._settings, self._where, self._free = settings, where, free
        self._recorder, self._calls, self._released = recorder, calls, released
        self._clock, self._writer = clock, writer
        self._percent = 100.0
        self._on = False
        self._ended: set[CallId] = set()
        self._paused: dict[CallId, Pause] = {}
        self._notes: deque[Note] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Look for ever; no trouble of the switch ends it."""
        look_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await self._released.wait()
            try:
                await self.resume_overdue()
                if self._notes:
                    self._write_notes()
                if loop.time() >= look_at:
                    look_at = loop.time() + LOOK_S
                    await self.look()
            except PortError as silent:
                self.counters["unanswered"] += 1
                log.warning("recording_not_told", reason=str(silent))
            await asyncio.sleep(SECOND_S)

    # --- the disk --------------------------------------------------------------------------------

    async def look(self) -> None:
        """See how much room there is and tell the dialplan. Raises PortError when it was not told."""
        free = await asyncio.to_thread(self._free, self._where())
        self._percent = 100.0 if free is None else free
        level = room(self._percent, self.room, self._settings())
        if level is not self.room:
            log.warning("recording_room", level=level.name.lower(), free_percent=round(self._percent, 1))
        self.room = level
        await self._recorder.allow(new=level is Room.ALL)
        self._on = level is not Room.ALL and await self._recorder.is_on()
        if level is Room.NONE and self._on:
            await self._end_all()

    async def _end_all(self) -> None:
        live = {view.call for view in self._calls()}
        self._ended &= live
        for call in sorted(live - self._ended):
            try:
                await self._recorder.end(call)
            except (NotRecordedError, CallGoneError):
                self.counters["not_recorded"] += 1
            except RefusedError as refused:  # it may run on: the next look tries again
                self.counters["end_refused"] += 1
                log.warning("recording_not_ended", call=call, reason=str(refused))
                continue
            else:
                self.counters["ended"] += 1
            self._ended.add(call)

    @property
    def trouble(self) -> str:
        """Why talks are not recorded; empty while they are, or while the dialplan records nothing anyway."""
        if not self._on:
            return ""
        left = f"{self._percent:.0f} % of the recordings' disk is free"
        if self.room is Room.NONE:
            return f"recording has stopped, running recordings were ended: {left}; calls and cards go on: make space"
        return f"new calls are not recorded: {left}; calls, cards and running recordings go on: make space"

    # --- pauses ----------------------------------------------------------------------------------

    async def pause(self, agent: AgentId, call: CallId, *, on: bool) -> Instant | None:
        """Pause the recording of the agent's own talk, or let it go on; audited.

        Returns: when it goes on by itself; None when it is not paused.

        Raises:
            NotYoursError: the agent is not in this talk.
            NotRecordedError: the talk is not recorded.
            RefusedError: Asterisk refused; what was before stands.
            PortError: Asterisk does not answer. Take it that the recording runs: if the pause was carried out all the
                same, it is undone as soon as Asterisk answers.
        """
        if not any(v.call == call and v.agent == agent and v.state == "talking" for v in self._calls()):
            raise NotYoursError("you are not in a talk with this caller")
        now = self._clock.now()
        before = kept = self._paused.get(call)
        if on:  # noted before it is asked: else the end of an older pause could overtake it
            kept = Pause(agent, now + round(self._settings().pause_most_s * 1000))
            self._keep(call, before, kept)
        try:
            await self._recorder.mute(call, on=on)
        except NotRecordedError:
            self._keep(call, kept, None)
            raise
        except PortError as failed:
            undone = on and isinstance(failed, RefusedError)
            self._keep(call, kept, before if undone else Pause(agent, now))
            raise
        if not on:
            self._keep(call, kept, None)
        what = "recording paused" if on else "recording goes on"
        self.counters[what.replace(" ", "_")] += 1
        writing = self._note(Note(now, agent, what, call))
        await asyncio.wait({writing}, timeout=NOTE_WAIT_S)
        return kept.until if on and kept else None

    def _keep(self, call: CallId, before: Pause | None, after: Pause | None) -> None:
        """Change what we know of a call's pause, unless somebody did so meanwhile: the later command counts."""
        if self._paused.get(call) is not before:
            return
        if after is None:
            self._paused.pop(call, None)
        else:
            self._paused[call] = after

    async def resume_overdue(self) -> None:
        """End each pause that was forgotten or whose agent left the talk; one that cannot be ended is tried again."""
        if not self._paused:
            return
        now, calls = self._clock.now(), self._calls()
        live = {view.call for view in calls}
        talking = {(view.call, view.agent) for view in calls if view.state == "talking"}
        over = [
            (call, pause)
            for call, pause in self._paused.items()
            if now >= pause.until or (call, pause.agent) not in talking
        ]
        await asyncio.gather(*(self._resume(call, pause, now, live=call in live) for call, pause in over))

    async def _resume(self, call: CallId, pause: Pause, now: Instant, *, live: bool) -> None:
        """End one pause. It is forgotten only when Asterisk did it, or has nothing left to do it to."""
        if self._paused.get(call) is not pause:
            return
        try:
            await self._recorder.mute(call, on=False)
        except PortError as failed:
            if isinstance(failed, NotRecordedError) or (isinstance(failed, CallGoneError) and not live):
                self._keep(call, pause, None)
                return
            self.counters["pauses_not_ended"] += 1
            log.warning("recording_pause_not_ended", call=call, reason=str(failed))
            return
        self._keep(call, pause, None)
        self.counters["pauses_overdue"] += 1
        self._note(Note(now, "acd", "recording goes on", call))

    # --- the audit log ---------------------------------------------------------------------------

    def _note(self, note: Note) -> asyncio.Task[None]:
        """Write a line in its turn, however long that takes; what was done to the recording stands without it."""
        log.info("recording_pause", who=note.who, what=note.what, call=note.call)
        if len(self._notes) < NOTES_LIMIT:
            self._notes.append(note)
        else:
            self.counters["notes_lost"] += 1
            log.error("recording_pause_not_audited", who=note.who, what=note.what, call=note.call)
        return self._write_notes()

    def _write_notes(self) -> asyncio.Task[None]:
        """Return the task that writes what waits; a new one when there is none."""
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="recording-notes")
        return self._writing

    async def _write(self) -> None:
        while self._notes:
            note = self._notes[0]

            async def job(db: aiosqlite.Connection, note: Note = note) -> None:
                await audit.append(db, note.at, note.who, note.what, f"call {note.call}")

            try:
                await self._writer.do(job)
            except PortError as refused:
                log.warning("recording_pause_not_audited", call=note.call, reason=str(refused))
                if refused.retryable:  # the watch tries again in a second
                    return
                self.counters["notes_lost"] += 1
            self._notes.popleft()
