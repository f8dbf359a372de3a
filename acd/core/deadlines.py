"""Instants at which the core wants to be woken: a heap of (due, serial, key) with lazy cancel.

Ties are served in the order in which they were set, so a replay pops the same keys in the same order.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acd.core.instant import Instant

Key = tuple[str, str]
"""(kind, id of the agent or call). One deadline per key: setting it again moves it."""

# Cancelled entries may pile up to this many before the heap is rebuilt without them.
SLACK = 64


class Deadlines:
    """At most one pending instant per key."""

    __slots__ = ("_due", "_fresh", "_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[Instant, int, Key]] = []
        self._due: dict[Key, tuple[Instant, int]] = {}
        self._fresh: dict[Key, None] = {}
        """Set since somebody last asked for the next: most are cancelled at the same instant, and never see the heap."""
        self._serial = 0

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: Key, due: Instant) -> None:
        """Ask to be woken for `key` at `due`; an earlier wish for the same key is forgotten."""
        self._serial += 1
        self._due[key] = (due, self._serial)
        self._fresh[key] = None

    def cancel(self, key: Key) -> None:
        """Forget `key`; unknown keys are harmless."""
        if self._due.pop(key, None) is not None:
            self._fresh.pop(key, None)

    def due(self, key: Key) -> Instant | None:
        """Return when `key` is due, or None when it is not pending."""
        pending = self._due.get(key)
        return pending[0] if pending else None

    def next(self) -> Instant | None:
        """Return the earliest pending instant."""
        if self._fresh:
            self._sort_in()
        heap, due = self._heap, self._due
        while heap:
            when, serial, key = heap[0]
            pending = due.get(key)
            if pending is not None and pending[1] == serial:
                return when
            heappop(heap)
        return None

    def _sort_in(self) -> None:
        """Put what is new on the heap; build it anew when most of it was cancelled or moved."""
        for key in self._fresh:
            due, serial = self._due[key]
            heappush(self._heap, (due, serial, key))
        self._fresh.clear()
        if len(self._heap) > 2 * len(self._due) + SLACK:
            self._heap = [(due, serial, key) for key, (due, serial) in self._due.items()]
            heapify(self._heap)

    def pop_due(self, now: Instant) -> Iterator[Key]:
        """Yield every key due at `now` or before, earliest first, each taken out before it is yielded.

        Keys set while iterating are yielded too if they are due.
        """
        while (when := self.next()) is not None and when <= now:
            _, _, key = heappop(self._heap)
            del self._due[key]
            yield key
