"""What the agent's page is told about a call: dossier, form and the head of the written message.

Part of the composition root: configuration, the core's view and stored cards in, plain data out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from acd.clockwork import utc
from acd.core.card import CallCard
from acd.core.cards import FIELDS_LIMIT
from acd.core.effects import ShowPop
from acd.core.events import EndedBy, EndReason
from acd.core.ids import AgentId, Ani, CallId, Did, EffectId, QueueId, SubscriberId
from acd.desk.forms import Form, FormError, default_form, from_data
from acd.desk.message import About, Message, compose
from acd.deskside import messages as desk_messages
from acd.deskside.dossier import form_data
from acd.ports import PortError

if TYPE_CHECKING:
    from acd.adapters.http.services import CardQueries
    from acd.adapters.store.sqlite import SqliteStore
    from acd.config.loading import Config
    from acd.core.snapshot import CallView, Snapshot
    from acd.desk.project import Project
    from acd.deskside.messages import Draft, Written
    from acd.pops import Pop, PopBook

log = structlog.get_logger("acd.deskside.side")

TOO_MANY = f"a card holds at most {FIELDS_LIMIT} fields: none of these was kept"
GREETINGS = {
    "ru": ("{firm}, здравствуйте, {agent} слушает", "{firm}, здравствуйте"),
    "en": ("{firm}, good day, {agent} speaking", "{firm}, good day"),
}
"""With and without the agent's name. Said in the subscriber's name (000-09)."""
CALLED_BACK = {
    "ru": ("{firm}, здравствуйте, это {agent}: вы нам звонили", "{firm}, здравствуйте: вы нам звонили"),
    "en": ("{firm}, good day, this is {agent}: you called us", "{firm}, good day: you called us"),
}
"""The same when we call back: the agent hears it ring and must know who is being called, and why."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a call, wherever it was found."""

    queue: str = ""
    subscriber: str = ""
    card_number: str = ""
    ani: str = ""
    did: str = ""
    entered_at: int | None = None


async def _plainly(_project: Project, sheet: Draft) -> Written:
    return sheet.written()


async def _with_its_card(_card: CallCard) -> bool:
    return False


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
        project: Callable[[str], Project | None] = lambda _queue: None,
        more: Callable[[ShowPop], Mapping[str, object]] = lambda _wish: {},
        press: Callable[[Project, Draft], Awaitable[Written]] = _plainly,
        send: Callable[[CallCard], Awaitable[bool]] = _with_its_card,
    ) -> None:
        """`more`: what the subscriber's project and sources know; its keys win, but the form is the page's.

        `press`: prints a draft in the subscriber's form. `send`: sends the urgent message of a card to be.
        """
        self._press, self._send = press, send
        self._more = more
        self._config, self._snapshot, self._live, self._book = config, snapshot, call_view, book
        self._store, self._cards, self._project = store, cards, project

    def language(self, queue: str) -> str:
        """Return the language of a queue's messages."""
        config = self._config()
        entry = config.tree.queues.get(queue)
        return (entry.language if entry else None) or config.tree.centre.language

    def form(self, queue: str) -> Form:
        """Return the form of this queue's subscriber: his project's, or the one for everybody."""
        owner = self._project(queue)
        language = self.language(queue)
        if owner is not None and owner.form.fields:
            data = form_data(owner)
            if not data["outcomes"]:
                del data["outcomes"]  # the usual ones
            try:
                return from_data(data, id=owner.id, language=language)
            except FormError as problem:
                log.warning("form_refused", project=owner.id, why=str(problem)[:500])
        return default_form(language)

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
            **self._more(wish),
            **self._callback(wish, name, live),
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

    async def message(
        self, agent: AgentId | None, call: CallId, values: Mapping[str, str]
    ) -> tuple[Message, str]:
        """Return the written message of a call, live or ended, and its form's id. Raises PortError.

        A project's own template writes the text; the fields are checked in either case.
        """
        known = await self._known_of(call)
        form = self.form(known.queue)
        message = compose(form, values, self._about(agent, known))
        owner = self._project(known.queue)
        if owner is not None and (owner.form.text or owner.form.subject):
            sheet = desk_messages.draft(owner, _card(call, agent, known, message.fields))
            if sheet is not None:
                written = await self._press(owner, sheet)
                text = written.body if owner.form.text else message.text
                subject = written.subject if owner.form.subject else message.subject
                message = replace(message, subject=subject, text=text, plain=written.plain)
        return message, form.id

    async def amend(self, call: CallId, fields: tuple[tuple[str, str], ...]) -> bool:
        """Write late fields into a stored card whose call the core no longer knows (after a restart).

        False: there is no such card. Raises PortError, ValueError when the card would have too many fields.
        """
        stored = await self._store.get(call=call)
        if stored is None:
            return False
        if len({name for name, _ in (*stored.card.fields, *fields)}) > FIELDS_LIMIT:
            raise ValueError(TOO_MANY)
        await self._store.write_card(replace(stored.card, fields=fields))
        return True

    async def keep_draft(self, call: CallId, fields: tuple[tuple[str, str], ...]) -> bool:
        """Make accepted fields durable before the card is; False when the store refuses for the moment.

        Raises ValueError when the card would have too many fields: then none of them is kept.
        """
        try:
            fits = await self._store.keep_draft(call, fields)
        except PortError:
            return False
        if not fits:
            raise ValueError(TOO_MANY)
        return True

    async def send_now(
        self, agent: AgentId | None, call: CallId, fields: tuple[tuple[str, str], ...]
    ) -> bool:
        """Send an urgent message during talk or wrap-up: its firm need not wait for the card (000-11).

        The card brings the same wording later, which changes nothing; another one is the next version. False: it is not
        urgent, or the store refuses; then it leaves with its card.
        """
        try:
            known = await self._known_of(call)
            return bool(known.card_number) and await self._send(_card(call, agent, known, fields))
        except PortError:
            return False

    # --- inside ----------------------------------------------------------------------------------

    async def _known_of(self, call: CallId) -> _Known:
        """The same from pop, live call and stored card: preview and save must not differ."""
        shown = self._book.of_call(call)
        if shown is not None:
            wish, entered = shown.wish, shown.dossier.get("entered_at")
            at = entered if isinstance(entered, int) else None
            return _Known(wish.queue, wish.subscriber, wish.card_number, wish.ani, wish.did, at)
        live = self._live(call)
        if live is not None:
            return _Known(live.queue, live.subscriber, live.card_number, live.ani, live.did, live.entered_at)
        stored = await self._cards.get(call=call)
        if stored is not None:
            card = stored.card
            return _Known(card.queue, card.subscriber, card.number, card.ani, card.did, card.entered_at)
        return _Known()

    def _about(self, agent: AgentId | None, known: _Known) -> About:
        return About(
            subscriber_name=self._firm(known.queue),
            card_number=known.card_number,
            taken_at=self._local(known.entered_at),
            agent_name=self._agent_name(agent) if agent is not None else "",
            ani=known.ani,
        )

    def _firm(self, queue: str) -> str:
        entry = self._config().tree.queues.get(queue)
        return entry.display_name if entry else ""

    def _agent_name(self, agent: str) -> str:
        entry = self._config().tree.agents.get(agent)
        return entry.name if entry else ""

    def _callback(self, wish: ShowPop, firm: str, live: CallView | None) -> Mapping[str, object]:
        """What is different when it is we who call."""
        if live is None or not live.outbound:
            return {}
        said = self._greeting(wish.queue, firm, wish.agent, CALLED_BACK)
        return {"direction": "outbound", "greeting": said}

    def _greeting(
        self, queue: str, firm: str, agent: str, words: Mapping[str, tuple[str, str]] = GREETINGS
    ) -> str:
        named, plain = words["ru" if self.language(queue) == "ru" else "en"]
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


def _card(
    call: CallId, agent: AgentId | None, known: _Known, fields: tuple[tuple[str, str], ...]
) -> CallCard:
    """The card as it will be, as far as a template can see it."""
    at = known.entered_at or 0
    return CallCard(
        call=call,
        number=known.card_number,
        subscriber=SubscriberId(known.subscriber),
        queue=QueueId(known.queue),
        did=Did(known.did),
        ani=Ani(known.ani),
        entered_at=at,
        answered_at=None,
        ended_at=at,
        end_reason=EndReason.HANDLED,
        ended_by=EndedBy.UNKNOWN,
        cause=0,
        wait_ms=0,
        talk_ms=0,
        hold_ms=0,
        acw_ms=0,
        agent=agent,
        fields=fields,
    )
