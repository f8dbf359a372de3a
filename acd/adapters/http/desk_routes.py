"""Pages behind the links in messages: /m/ acknowledges, /case/ shows a state. No login: the token is the right."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from acd.adapters.http import views
from acd.adapters.http.auth import AgentOrSupervisor, OnlyAgent
from acd.adapters.http.routes import services_of
from acd.credentials import Role
from acd.ports import PortError

if TYPE_CHECKING:
    from acd.adapters.http.services import PublicDesk, PublicPage, WrittenWork

router = APIRouter(include_in_schema=False)
cases = APIRouter(prefix="/api/v1")

TokenPath = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,64}\.[0-9a-f]{32}$")]
NumberPath = Annotated[str, Path(pattern=r"^[0-9-]{5,20}$")]
_HEADERS = {"x-robots-tag": "noindex"}


def _desk(request: Request) -> PublicDesk:
    found: PublicDesk | None = request.app.state.services.public_desk
    if found is None:
        raise HTTPException(404, "no desk here")
    return found


def _html(page: PublicPage | None) -> Response:
    if page is None:
        raise HTTPException(404, "this link is not known")
    lines = "".join("<p>" + escape(line).replace("\n", "<br>") + "</p>" for line in page.lines)
    form = f'<form method="post"><button>{escape(page.button)}</button></form>' if page.button else ""
    body = (
        f'<!doctype html><html lang="{escape(page.language)}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(page.title)}</title><h1>{escape(page.title)}</h1>{lines}{form}</html>"
    )
    return Response(body, media_type="text/html; charset=utf-8", headers=_HEADERS)


@router.get("/m/{token}")
async def show(request: Request, token: TokenPath) -> Response:
    """Ask whether it was received. Looking is no acknowledgement: mail programs open links by themselves."""
    try:
        return _html(await _desk(request).message(token, confirm=False))
    except PortError:
        raise HTTPException(503, "please try again in a moment") from None


@router.post("/m/{token}")
async def acknowledge(request: Request, token: TokenPath) -> Response:
    """Somebody has the message."""
    try:
        return _html(await _desk(request).message(token, confirm=True))
    except PortError:
        raise HTTPException(503, "please try again in a moment") from None


@router.get("/case/{token}")
async def case(request: Request, token: TokenPath) -> Response:
    """The client sees how the case stands (003-09)."""
    try:
        return _html(await _desk(request).case(token))
    except PortError:
        raise HTTPException(503, "please try again in a moment") from None


# --- cases, for agents and supervisors ---------------------------------------------------------


class CaseChange(BaseModel):
    """Body of a change: what is noted; `public`: the client may read it."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(default="", max_length=2_000)
    public: bool = False


@cases.get("/cases/{number}")
async def case_of(request: Request, number: NumberPath, _who: AgentOrSupervisor) -> Response:
    """The case a client's quoted number leads to (003-05): its own number, or that of any of its cards."""
    try:
        found = await _desk(request).case_of(number.replace("-", ""))
    except PortError:
        raise HTTPException(503, "the store does not answer") from None
    if found is None:
        raise HTTPException(404, "no such case")
    return views.answer({"v": 1, **found})


@cases.post("/cases/{number}/{event}")
async def change_case(
    request: Request,
    number: NumberPath,
    event: Annotated[
        str, Path(pattern="^(taken|released|asked_client|client_answered|resolved|reopened|closed|noted)$")
    ],
    who: AgentOrSupervisor,
    body: CaseChange | None = None,
) -> Response:
    """Take a case, give it back, ask the client, resolve, reopen, close, or note something; 409 when its state forbids it."""
    change, number = body or CaseChange(), number.replace("-", "")
    services = services_of(request)
    try:
        if event == "taken" and who.role is Role.AGENT and services.work is not None:
            found = await services.work.take(who.name, number, change.text, public=change.public)
        else:
            found = await _desk(request).change_case(
                number, event, who.name, change.text, public=change.public
            )
    except PortError:
        raise HTTPException(503, "the store does not answer") from None
    if found is None:
        raise HTTPException(404, "no such case")
    if isinstance(found, str):
        raise HTTPException(409, found)
    return views.answer({"v": 1, **found})


# --- written work, one agent's next piece (001-07, 001-08) ----------------------------------------


def _work(request: Request) -> WrittenWork:
    found: WrittenWork | None = request.app.state.services.work
    if found is None:
        raise HTTPException(404, "no desk here")
    return found


@cases.get("/desk/next-work")
async def room_for_work(request: Request, who: OnlyAgent) -> Response:
    """Say whether this agent would be given a piece of written work now, and why; nothing is taken."""
    return views.answer({"v": 1, **_work(request).room(who.name)})


@cases.post("/desk/next-work")
async def next_work(request: Request, who: OnlyAgent) -> Response:
    """Give this agent the next case, if the phones can spare him; else `work` is null and `why` says why."""
    try:
        return views.answer({"v": 1, **await _work(request).next(who.name)})
    except PortError:
        raise HTTPException(503, "the store does not answer") from None
