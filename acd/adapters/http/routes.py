"""The REST routes under /api/v1. Every change is a fact to the inbox; nothing here decides anything."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from acd import topics
from acd.adapters.http import views
from acd.adapters.http.auth import AgentOrSupervisor, Anyone, OnlyAgent, require_self
from acd.adapters.http.services import HttpServices, StoredCard
from acd.cards import number as numbers
from acd.core.events import CardFilled, WrapUpExtended
from acd.core.ids import AgentId, CallId
from acd.credentials import Principal, Role
from acd.desk.forms import RESERVED
from acd.pops import CARD_LIFE_MS
from acd.ports import PortError

router = APIRouter(prefix="/api/v1")

AgentPath = Annotated[str, Path(pattern=r"^[0-9A-Za-z]{1,64}$")]
SHORTEST_PREFIX = 4
CallPath = Annotated[str, Path(pattern=r"^[0-9A-Za-z_.:-]{1,64}$")]
NumberPath = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,32}$")]
TokenPath = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{16,64}$")]
Word = Annotated[str, Query(pattern=r"^[0-9A-Za-z_.-]{0,64}$")]
Moment = Annotated[int | None, Query(ge=0, le=10**14)]

RESERVED_FIELDS = RESERVED - {"disposition"}
"""Written by the desk alone: what was agreed and sent, and that somebody made sure who calls."""

log = logging.getLogger("acd.http")

_FIELD_NAME = re.compile(r"^[a-z][a-z0-9_]{0,39}$")
_BAD_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_MAX_FIELDS, _MAX_TEXT, _MAX_EXTENSION_MS = 40, 4_000, 600_000


def services_of(request: Request) -> HttpServices:
    """Return what create_app was given."""
    services: HttpServices = request.app.state.services
    return services


class Reason(BaseModel):
    """Body of an agent's action; only pause uses it."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(default="", max_length=512)


class Extension(BaseModel):
    """Body of "I need longer for the card"."""

    model_config = ConfigDict(extra="forbid")
    by_ms: int = Field(ge=1_000, le=_MAX_EXTENSION_MS, strict=True)


class CardFields(BaseModel):
    """Body of a card update: names in lower case, plain text."""

    model_config = ConfigDict(extra="forbid")
    fields: dict[str, str] = Field(min_length=1, max_length=_MAX_FIELDS)

    @field_validator("fields")
    @classmethod
    def _tidy(cls, fields: dict[str, str]) -> dict[str, str]:
        for name, text in fields.items():
            if not _FIELD_NAME.match(name):
                raise ValueError("a field's name is lower-case letters, digits and underscore, at most 40")
            if len(text) > _MAX_TEXT:
                raise ValueError(f"a field holds at most {_MAX_TEXT} characters")
            if _BAD_IN_TEXT.search(text):
                raise ValueError(
                    "control characters (but tab and line break) and half characters are not allowed"
                )
        return fields


# --- looking -----------------------------------------------------------------------------------


def _frame(services: HttpServices, who: Principal, *parts: str) -> Response:
    body = views.snapshot(services.snapshot(), services.labels(), who)
    return views.answer({key: body[key] for key in parts} if parts else body)


@router.get("/snapshot")
async def get_snapshot(request: Request, who: Anyone) -> Response:
    """The whole centre at this instant, in the form the wallboard reads."""
    return _frame(services_of(request), who)


@router.get("/calls")
async def get_calls(request: Request, who: Anyone) -> Response:
    """Live calls."""
    return _frame(services_of(request), who, "v", "now", "synced", "calls")


@router.get("/agents")
async def get_agents(request: Request, who: Anyone) -> Response:
    """Agents with status and state."""
    return _frame(services_of(request), who, "v", "now", "synced", "agents")


@router.get("/calls/{call}/explain")
async def explain(request: Request, call: CallPath, _who: AgentOrSupervisor) -> Response:
    """Why this agent, why it waits.

    `call`: the id or a beginning of it that is unique among live calls, a channel's Uniqueid, or the card's number.
    """
    services = services_of(request)
    lines = services.explain(call)
    if lines is None:
        call, lines = await _explained(services, call)
    return views.answer({"v": 1, "call": call, "lines": list(lines)})


async def _explained(services: HttpServices, said: str) -> tuple[str, Sequence[str]]:
    """Find the call somebody means, live or finished. Raises HTTPException with what to do."""
    seen = services.snapshot()
    live = seen.calls
    # a call whose caller is gone has no card yet while its agent finishes the work on it
    known = dict.fromkeys([*(c.call for c in live), *(a.call for a in seen.agents if a.call)])
    found = services.call_of_channel(said)
    number = numbers.parse(said) if numbers.is_card_number(said) else ""
    meant = [found] if found else [c.call for c in live if number and c.card_number == number]
    meant = meant or [call for call in known if len(said) >= SHORTEST_PREFIX and call.startswith(said)]
    if len(meant) > 1:
        raise HTTPException(409, f"{len(meant)} calls begin with {said}: say more of the id")
    lines = services.explain(meant[0]) if meant else None
    if lines is not None:
        return meant[0], lines
    stored = await _get(services, number=number) if number else await _get(services, call=said)
    if stored is None:
        raise HTTPException(
            404, "no such call: give its id (or how it begins), its channel or its card number"
        )
    return stored.card.call, [str(line) for line in stored.card.explanation]


@router.get("/whoami")
async def whoami(request: Request, who: Anyone) -> Response:
    """Name and role of the asker: the page's login."""
    await audited(services_of(request), who, "login", who.role.value)
    return views.answer({"v": 1, "name": who.name, "role": who.role.value})


# --- agents ------------------------------------------------------------------------------------


def _require_known(services: HttpServices, agent: str) -> None:
    if not any(view.agent == agent for view in services.snapshot().agents):
        raise HTTPException(404, "no such agent")


@router.post("/agents/{agent}/extend")
async def extend(request: Request, agent: AgentPath, body: Extension, who: AgentOrSupervisor) -> Response:
    """Ask for more time for the card."""
    require_self(who, agent)
    services = services_of(request)
    _require_known(services, agent)
    services.inbox(WrapUpExtended(AgentId(agent), body.by_ms, at=services.clock.now()))
    return views.answer({"accepted": True}, 202)


@router.post("/agents/{agent}/{action}")
async def act(
    request: Request,
    agent: AgentPath,
    action: Annotated[str, Path(pattern="^(login|logout|pause|resume|done)$")],
    who: AgentOrSupervisor,
    body: Reason | None = None,
) -> Response:
    """Log in, log out, pause with a reason, resume, finish the card. Accepted, then seen in the snapshot."""
    require_self(who, agent)
    services = services_of(request)
    _require_known(services, agent)
    reason = body.reason if body else ""
    services.inbox(topics.command_fact(AgentId(agent), action, reason, services.clock.now()))
    return views.answer({"accepted": True}, 202)


@router.get("/agents/{agent}")
async def agent_state(request: Request, agent: AgentPath, who: AgentOrSupervisor) -> Response:
    """One agent's status and state, and the time of our clock."""
    require_self(who, agent)
    services = services_of(request)
    body = views.agent(services.snapshot(), agent, services.labels())
    if body is None:
        raise HTTPException(404, "no such agent")
    return views.answer(body)


@router.get("/agents/{agent}/pop")
async def current_pop(request: Request, agent: AgentPath, who: AgentOrSupervisor) -> Response:
    """What the agent's screen should show now; works while the broker is down (failure mode 29)."""
    require_self(who, agent)
    services = services_of(request)
    shown = services.pops.current(AgentId(agent)) or services.desk.restore(AgentId(agent))
    if shown is None:
        raise HTTPException(404, "no call at this agent")
    return views.answer(views.pop(shown))


@router.get("/pop/{token}")
async def redeem(request: Request, token: TokenPath, who: OnlyAgent) -> Response:
    """The dossier behind a pop's token: once, for its own agent, within a minute."""
    services = services_of(request)
    shown = services.pops.redeem(token, AgentId(who.name), services.clock.now())
    if shown is None:
        raise HTTPException(404, "this token is used, too old or not yours")
    return views.answer(views.pop(shown))


# --- cards -------------------------------------------------------------------------------------


@router.put("/calls/{call}/card")
async def fill_card(request: Request, call: CallPath, body: CardFields, who: AgentOrSupervisor) -> Response:
    """Set fields of a call's card, during the talk, in wrap-up, or within the hour after it."""
    services = services_of(request)
    agent = await own_call(services, who, CallId(call))
    reserved = sorted(RESERVED_FIELDS & body.fields.keys())
    if reserved and who.role is Role.AGENT:
        # what was sent and that somebody was identified is written by the desk, which checks it
        _refused(who, call, f"reserved fields {', '.join(reserved)}")
        raise HTTPException(403, f"{', '.join(reserved)}: written by the desk only, save the message instead")
    kept = await fill(services, CallId(call), agent, tuple(body.fields.items()))
    return views.answer({"accepted": True, "kept": kept}, 202)


def _refused(who: Principal, call: str, what: str) -> None:
    log.warning("refused to %s (%s): %s of call %s", who.name, who.role.value, what, call)


async def own_call(services: HttpServices, who: Principal, call: CallId) -> AgentId | None:
    """Return the agent when the call is its own, now or within the last hour; None for a supervisor.

    HTTP 403 for anybody else's, 404 for a call nobody knows. After our restart only the stored card
    remembers whose call it was.
    """
    if who.role is not Role.AGENT:
        return None
    agent, view, now = AgentId(who.name), services.snapshot(), services.clock.now()
    live = any(c.call == call and c.agent == agent for c in view.calls)
    in_hand = any(a.agent == agent and a.call == call for a in view.agents)
    if live or in_hand or services.pops.may_write_card(agent, call, now):
        return agent
    stored = await _get(services, call=call)
    if stored is None and services.explain(call) is None:
        # Just after our restart the card of a call that ended meanwhile is still to be made from the journal.
        raise HTTPException(404, "nobody knows this call; after a restart try again in a few seconds")
    if stored is not None and stored.card.agent == agent and now - stored.card.ended_at <= CARD_LIFE_MS:
        return agent
    _refused(who, call, "not the agent's call")
    raise HTTPException(403, "not your call")


async def fill(
    services: HttpServices, call: CallId, agent: AgentId | None, fields: tuple[tuple[str, str], ...]
) -> bool:
    """Put fields on the card: through the core, or into the store when the core has forgotten the call.

    They are kept as a draft first, so that our death between this answer and the card loses nothing. Returns
    whether they are durable: while the store refuses, only our memory has them.
    """
    if services.explain(call) is None:
        try:
            if await services.desk.amend(call, fields):
                return True
        except ValueError as too_many:
            raise HTTPException(422, str(too_many)) from None
        except PortError:
            raise HTTPException(503, "the card store does not answer") from None
    try:
        kept = await services.desk.keep_draft(call, fields)
    except ValueError as too_many:  # refused whole: what is answered 202 is on the card
        raise HTTPException(422, str(too_many)) from None
    services.inbox(CardFilled(call, agent, fields, at=services.clock.now()))
    return kept


@router.get("/calls/{call}/card")
async def card_of_call(request: Request, call: CallPath, who: AgentOrSupervisor) -> Response:
    """The stored card of a finished call: a supervisor any, an agent those in which it had a part.

    A colleague's card is read by the number its client quotes (`/cards/{number}`), not by a guessed id.
    """
    services = services_of(request)
    stored = await _get(services, call=call)
    if who.role is Role.AGENT and stored is not None:
        mine = stored.card.agent == who.name or any(leg.agent == who.name for leg in stored.card.segments)
        if not mine and not services.pops.may_write_card(
            AgentId(who.name), CallId(call), services.clock.now()
        ):
            _refused(who, call, "card")
            raise HTTPException(403, "not your call")
    return await _card_answer(services, who, stored)


@router.get("/cards/{number}")
async def card_by_number(request: Request, number: NumberPath, who: AgentOrSupervisor) -> Response:
    """The card a caller names on a repeat contact (003-05): open to every agent."""
    services = services_of(request)
    return await _card_answer(services, who, await _get(services, number=number))


@router.get("/cards")
async def list_cards(
    request: Request,
    who: AgentOrSupervisor,
    since_ms: Moment = None,
    until_ms: Moment = None,
    subscriber: Word = "",
    queue: Word = "",
    agent: Word = "",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Response:
    """Finished cards, newest first; an agent sees its own."""
    wanted = who.name if who.role is Role.AGENT else agent
    try:
        found = await services_of(request).cards.find(
            since=since_ms, until=until_ms, subscriber=subscriber, queue=queue, agent=wanted, limit=limit
        )
    except PortError:
        raise HTTPException(503, "the card store does not answer") from None
    if who.role is not Role.AGENT:  # an agent's own cards are his work, not somebody's looking through them
        await audited(services_of(request), who, "list", f"{len(found)} cards")
    return views.answer({"v": 1, "cards": [views.card(stored) for stored in found]})


async def audited(services: HttpServices, who: Principal, what: str, obj: str) -> None:
    """Note who did what, before it is done: what cannot be noted is not shown (security row 21)."""
    try:
        await services.audit(who.name, what, obj)
    except PortError:
        raise HTTPException(503, "the audit log does not answer") from None


async def _get(services: HttpServices, *, call: str = "", number: str = "") -> StoredCard | None:
    try:
        return await services.cards.get(call=call, number=number)
    except PortError:
        raise HTTPException(503, "the card store does not answer") from None


async def _card_answer(services: HttpServices, who: Principal, stored: StoredCard | None) -> Response:
    if stored is None:
        raise HTTPException(404, "no such card")
    await audited(services, who, "open", f"card {stored.card.number or stored.card.call}")
    return views.answer(views.card(stored))
