"""What the agent's page is told about a call: dossier, form and the head of the written message.

Part of the composition root: configuration, the core's view and stored cards in, plain data out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from acd.clockwork import utc
from acd.core.effects import ShowPop
from acd.core.ids import AgentId, CallId, EffectId
from acd.desk.forms import Form, default_form
from acd.desk.message import About

if TYPE_CHECKING:
    from acd.adapters.http.services import CardQueries
    from acd.adapters.store.sqlite import SqliteStore
    from acd.config import Config
    from acd.core.snapshot import CallView, Snapshot
    from acd.pops import Pop, PopBook

GREETINGS = {
    "ru": ("{firm}, здравствуйте, {agent} слушает", "{firm}, здравствуйте"),
    "en": ("{firm}, good day, {agent} speaking", "{firm}, good day"),
}
"""With and without the agent's name. Said in the subscriber's name (000-09)."""


class DeskSide:
    """Answers for the page. Asks for configuration and views anew each time."""

    def __init__(
        self,
        config: Callable[[], Config],
        snapshot: Callable[[], Snapshot],
        call_view: Callable[[CallId], CallView | None],
        book: PopBook,
        store: SqliteStore,
        cards: CardQueries,
    ) -> None:
        self._config, self._snapshot, self._live, self._book = config, snapshot, call_view, book
        self._store, self._cards = store, cards

    def language(self, queue: str) -> str:
        """Return the language of a queue's messages."""
        config = self._config()
        entry = config.tree.queues.get(queue)
        return (entry.language if entry else None) or config.tree.centre.language

    def form(self, queue: str) -> Form:
        """Return the form of this queue's subscriber."""
        return default_form(self.language(queue))

    def dossier(self, wish: ShowPop) -> Mapping[str, object]:
        """Return what a pop shows. Pure look-up, no waiting: the ring does not wait for it."""
        name = self._firm(wish.queue) or wish.subscriber
        live = self._live(wish.call)
        return {
            "subscriber": wish.subscriber,
            "display_name": name,
            "ani": wish.ani if self._config().tree.pops.show_ani else "",
            "did": wish.did,
            "card_number": wish.card_number,
            "entered_at": live.entered_at if live else None,
            "greeting": self._greeting(wish.queue, name, wish.agent),
            "form": self.form(wish.queue).to_data(),
        }

    def restore(self, agent: AgentId) -> Pop | None:
        """Make the pop of a talk that outlived our restart anew, so that the agent's screen is whole again."""
        view = self._snapshot()
        call = next((c for c in view.calls if c.agent == agent and c.state == "talking"), None)
        if call is None:
            return None
        wish = _wish(agent, call)
        return self._book.adopt(wish, self.dossier(wish), view.now)

    async def about(self, agent: AgentId | None, call: CallId) -> tuple[Form, About]:
        """Return form and head of the message of a call, live or ended. Raises PortError."""
        queue, number, ani, entered = await self._known_of(call)
        return self.form(queue), About(
            subscriber_name=self._firm(queue),
            card_number=number,
            taken_at=self._local(entered),
            agent_name=self._agent_name(agent) if agent is not None else "",
            ani=ani,
        )

    async def amend(self, call: CallId, fields: tuple[tuple[str, str], ...]) -> bool:
        """Write late fields into a stored card whose call the core no longer knows (after a restart).

        False: there is no such card. Raises PortError.
        """
        stored = await self._store.get(call=call)
        if stored is None:
            return False
        await self._store.write_card(replace(stored.card, fields=fields))
        return True

    async def _known_of(self, call: CallId) -> tuple[str, str, str, int | None]:
        """(queue, card number, caller's number, entered at): the same from pop, live call and stored card."""
        shown = self._book.of_call(call)
        if shown is not None:
            wish, entered = shown.wish, shown.dossier.get("entered_at")
            return wish.queue, wish.card_number, wish.ani, entered if isinstance(entered, int) else None
        live = self._live(call)
        if live is not None:
            return live.queue, live.card_number, live.ani, live.entered_at
        stored = await self._cards.get(call=call)
        if stored is not None:
            return stored.card.queue, stored.card.number, stored.card.ani, stored.card.entered_at
        return "", "", "", None

    # --- inside ----------------------------------------------------------------------------------

    def _firm(self, queue: str) -> str:
        entry = self._config().tree.queues.get(queue)
        return entry.display_name if entry else ""

    def _agent_name(self, agent: str) -> str:
        entry = self._config().tree.agents.get(agent)
        return entry.name if entry else ""

    def _greeting(self, queue: str, firm: str, agent: str) -> str:
        named, plain = GREETINGS["ru" if self.language(queue) == "ru" else "en"]
        name = self._agent_name(agent)
        return named.format(firm=firm, agent=name) if name else plain.format(firm=firm)

    def _local(self, at: int | None) -> str:
        if at is None:
            return ""
        return utc(at).astimezone(self._config().zone).strftime("%d.%m.%Y %H:%M")


def _wish(agent: AgentId, call: CallView) -> ShowPop:
    values: dict[str, Any] = {
        "effect": EffectId(0),
        "call": call.call,
        "agent": agent,
        "attempt": call.attempt,
        "queue": call.queue,
        "subscriber": call.subscriber,
        "did": call.did,
        "ani": call.ani,
        "card_number": call.card_number,
        "waited_ms": call.waited_ms,
    }
    return ShowPop(**values)
