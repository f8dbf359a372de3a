"""Instants at which the core wants to be woken: a heap of stamps with lazy cancel.

A stamp is one whole number, the instant and behind it a serial: a heap of numbers compares three times as fast
as one of tuples.
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

SERIAL_BITS = 32
"""Of a stamp, for the serial: four thousand million deadlines in one life."""


class Deadlines:
    """At most one pending instant per key."""

    __slots__ = ("_due", "_fresh", "_heap", "_key_of", "_serial")

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._key_of: dict[int, Key] = {}
        """Of everything on the heap."""
        self._due: dict[Key, int] = {}
        self._fresh: dict[Key, None] = {}
        """Set since somebody last asked for the next: most are cancelled at the same instant, and never see the heap."""
        self._serial = 0

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: Key, due: Instant) -> None:
        """Ask to be woken for `key` at `due`; an earlier wish for the same key is forgotten."""
        self._serial += 1
        self._due[key] = (due << SERIAL_BITS) + self._serial
        self._fresh[key] = None

    def cancel(self, key: Key) -> None:
        """Forget `key`; unknown keys are harmless."""
        if key in self._due:  # not pop(): compiled, that is a method looked up by name
            del self._due[key]
            if key in self._fresh:
                del self._fresh[key]

    def due(self, key: Key) -> Instant | None:
        """Return when `key` is due, or None when it is not pending."""
        stamp = self._due.get(key)
        return None if stamp is None else stamp >> SERIAL_BITS

    def next(self) -> Instant | None:
        """Return the earliest pending instant."""
        if self._fresh:
            self._sort_in()
        heap, due, key_of = self._heap, self._due, self._key_of
        while heap:
            stamp = heap[0]
            if due.get(key_of[stamp]) == stamp:
                return stamp >> SERIAL_BITS
            del key_of[heappop(heap)]
        return None

    def _sort_in(self) -> None:
        """Put what is new on the heap; build it anew when most of it was cancelled or moved."""
        for key in self._fresh:
            stamp = self._due[key]
            self._key_of[stamp] = key
            heappush(self._heap, stamp)
        self._fresh.clear()
        if len(self._heap) > 2 * len(self._due) + SLACK:
            self._key_of = {stamp: key for key, stamp in self._due.items()}
            self._heap = list(self._key_of)
            heapify(self._heap)

    def pop_due(self, now: Instant) -> Iterator[Key]:
        """Yield every key due at `now` or before, earliest first, each taken out before it is yielded.

        Keys set while iterating are yielded too if they are due.
        """
        while (when := self.next()) is not None and when <= now:
            key = self._key_of.pop(heappop(self._heap))
            del self._due[key]
            yield key
