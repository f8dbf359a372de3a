"""What happens by the clock and not by the switch: opening hours, the day's end, the retained snapshot.

The core never sees a calendar (house rule: opening hours are facts); this room asks the calendar and
tells the core when a queue opens or closes and when a new day of figures begins.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING

from acd.core.events import ClockWindow, Fact, IntervalStarted, QueueClosed, QueueOpened
from acd.core.ids import QueueId

if TYPE_CHECKING:
    from acd.config.loading import Config
    from acd.core.instant import Instant
    from acd.core.snapshot import Snapshot
    from acd.ports import Clock, ScreenPop

SNAPSHOT_EVERY_S = 0.5
RECHECK_S = 30.0
"""The calendar is asked again at least this often: a clock step or a reload shifts its boundaries."""


def utc(now: Instant) -> dt.datetime:
    """Return an instant of our timeline as an aware UTC time."""
    return dt.datetime.fromtimestamp(now / 1000, tz=dt.UTC)


class Hours:
    """Tells which queues are open, which windows of rules have begun, and when the local day begins anew."""

    def __init__(self, config: Callable[[], Config], clock: Clock, inbox: Callable[[Fact], None]) -> None:
        self._config, self._clock, self._inbox = config, clock, inbox
        self._open: dict[QueueId, bool] = {}
        self._windows: dict[str, bool] = {}
        self._day: dt.date | None = None

    def check(self) -> float:
        """Tell what changed since the last look; return the seconds until the next look is due."""
        config = self._config()
        now = utc(self._clock.now())
        next_look = RECHECK_S
        for name in config.tree.queues:
            queue = QueueId(name)
            is_open = config.is_open(queue, now)
            if self._open.get(queue) is not is_open:
                self._open[queue] = is_open
                self._inbox(QueueOpened(queue) if is_open else QueueClosed(queue))
            change = config.next_change(queue, now)
            if change is not None:
                next_look = min(next_look, max(0.05, (change - now).total_seconds()))
        for window, hours in config.windows.items():
            inside = hours.is_open(now, config.zone)
            if self._windows.get(window) is not inside:
                self._windows[window] = inside
                self._inbox(ClockWindow(window, inside))
            change = hours.next_change(now, config.zone)
            if change is not None:
                next_look = min(next_look, max(0.05, (change - now).total_seconds()))
        today = now.astimezone(config.zone).date()
        if self._day is not None and today != self._day:
            self._inbox(IntervalStarted())
        self._day = today
        return next_look

    async def run(self) -> None:
        """Look for ever."""
        while True:  # noqa: ASYNC110 - the calendar is the thing waited for
            await asyncio.sleep(self.check())


async def publish_snapshots(snapshot: Callable[[], Snapshot], pops: ScreenPop) -> None:
    """Keep the retained snapshot fresh for wallboards; the adapter sends only what changed."""
    while True:
        await asyncio.sleep(SNAPSHOT_EVERY_S)
        await pops.publish_snapshot(snapshot())
