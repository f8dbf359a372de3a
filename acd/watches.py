"""Small watches over what no adapter can know alone: the door, the disk, the clock. Plain words, no I/O but statvfs.

Each has a `trouble`: empty while all is well, else one sentence for wallboard and `acd status`.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from acd.core import events as fact

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from acd.core.ids import CallId
    from acd.core.instant import Instant
    from acd.ports import Clock

DOOR_MS: Final = 4_000
"""A call is asked for at the door within 300 ms, and a lost note of it is in the journal after two seconds."""
DOOR_LIMIT: Final = 1_000
DISK_SHARE: Final = 0.10
CLOCK_MS: Final = 2_000

_THROUGH = (fact.CallQueued, fact.CallRefused, fact.CallLeftToFallback, fact.CallEnded, fact.CardFilled)
"""CardFilled: who is told his answer at the door (002-18) may listen for half a minute; we were reached."""


class DoorWatch:
    """Calls that entered while Asterisk did not ask us about them: FastAGI does not reach us."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._outside: OrderedDict[CallId, Instant] = OrderedDict()
        self._through: OrderedDict[CallId, None] = OrderedDict()
        """Calls lately let in: the journal may bring a lost AcdEnter after all that followed it."""

    def observe(self, one: fact.Fact, _wishes: object) -> None:
        """Take every fact of the runner."""
        if isinstance(one, fact.CallEntered) and one.call not in self._through:
            self._outside[one.call] = self._clock.now()
            if len(self._outside) > DOOR_LIMIT:
                self._outside.popitem(last=False)
        elif isinstance(one, _THROUGH):
            self._outside.pop(one.call, None)
            self._through[one.call] = None
            if len(self._through) > DOOR_LIMIT:
                self._through.popitem(last=False)
        elif isinstance(one, fact.WorldSynced):
            before, now = self._outside, self._clock.now()
            outside = (call.call for call in one.calls if call.stage == "enter")
            self._outside = OrderedDict((call, before.get(call, now)) for call in outside)

    @property
    def trouble(self) -> str:
        """Why callers are stuck at the door."""
        now = self._clock.now()
        stuck = sum(now - since >= DOOR_MS for since in self._outside.values())
        if not stuck:
            return ""
        return (
            f"{stuck} callers hear music at the door: Asterisk does not reach our FastAGI; "
            "they are asked about again or go to the fallback"
        )


class DiskWatch:
    """Free space where cards and state are kept."""

    def __init__(
        self,
        where: Path,
        share: float = DISK_SHARE,
        ballast_given_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._where, self._share, self._ballast_given_up = where, share, ballast_given_up

    @property
    def trouble(self) -> str:
        """How little is left."""
        try:
            about = os.statvfs(self._where)
        except OSError as error:
            return f"the disk with the cards cannot be seen: {error.strerror}"
        given_up = self._ballast_given_up()
        if not about.f_blocks or (about.f_bavail >= about.f_blocks * self._share and not given_up):
            return ""
        if about.f_bavail >= about.f_blocks * self._share:
            return (
                f"the disk with the cards was full and has {about.f_bavail * about.f_frsize // 2**20} MiB free again; "
                "the room kept for cards is taken back within a minute, if twice of it is free"
            )
        return (
            f"the disk with the cards is nearly full: {about.f_bavail / about.f_blocks:.0%} free "
            f"({about.f_bavail * about.f_frsize // 2**20} MiB); calls are routed all the same"
            + ("; cards use the room that was kept for them: make space now" if given_up else "")
        )


class ClockWatch:
    """The machine's wall clock against our own timeline (failure mode 33)."""

    def __init__(self, drift_ms: Callable[[], int], limit_ms: int = CLOCK_MS) -> None:
        self._drift_ms, self._limit_ms = drift_ms, limit_ms

    @property
    def trouble(self) -> str:
        """By how much the clock was set since start."""
        drift = self._drift_ms()
        if abs(drift) < self._limit_ms:
            return ""
        return (
            f"the machine's clock was set by {drift / 1000:+.0f} s since the start; timers run on, "
            "cards keep the old time until a restart"
        )
