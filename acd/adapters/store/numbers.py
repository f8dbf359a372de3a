"""Card numbers from durably reserved blocks: handing one out never waits and never repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.cards import number as cardnumber

if TYPE_CHECKING:
    import aiosqlite

BLOCK = 256
"""Numbers reserved at once; at most so many are skipped by a restart."""


class NumberBlocks:
    """The numbers this process may hand out. Filled by `reserve`, emptied by `take`."""

    def __init__(self) -> None:
        self._free: list[int] = []

    def take(self) -> str:
        """Return the next number, or an empty string when the reserve is used up: the card gets one when stored."""
        return cardnumber.from_sequence(self._free.pop(0)) if self._free else ""

    @property
    def left(self) -> int:
        """Return how many numbers are in reserve."""
        return len(self._free)

    def add(self, block: range) -> None:
        """Take over a block whose reservation is committed."""
        self._free.extend(block)


async def reserve(db: aiosqlite.Connection, count: int = BLOCK) -> range:
    """Reserve `count` sequence numbers inside the caller's transaction."""
    rows = list(
        await db.execute_fetchall(
            "UPDATE number_blocks SET next = next + ? WHERE id = 1 RETURNING next", (count,)
        )
    )
    end = int(rows[0][0])
    return range(end - count, end)
