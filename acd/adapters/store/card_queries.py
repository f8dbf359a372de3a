"""The store's cards as the HTTP edge and the desk ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.adapters.store.cards import CardFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acd.adapters.store.cards import StoredCard
    from acd.adapters.store.sqlite import SqliteStore


class Cards:
    """Finished cards, by call, by number, by what they say. All raise PortError."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def get(self, *, call: str = "", number: str = "") -> StoredCard | None:
        """Return one card."""
        return await self._store.get(call=call, number=number)

    async def find(
        self,
        *,
        since: int | None,
        until: int | None,
        subscriber: str,
        queue: str,
        agent: str,
        limit: int,
    ) -> Sequence[StoredCard]:
        """Return cards, newest first."""
        wanted = CardFilter(
            since=since, until=until, subscriber=subscriber, queue=queue, agent=agent, limit=limit
        )
        return await self._store.find(wanted)
