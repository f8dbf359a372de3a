"""Pages behind the links in messages: /m/ acknowledges, /case/ shows a state. No login: the token is the right."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response

from acd.ports import PortError

if TYPE_CHECKING:
    from acd.adapters.http.services import PublicDesk, PublicPage

router = APIRouter(include_in_schema=False)

TokenPath = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,64}\.[0-9a-f]{32}$")]
_HEADERS = {"cache-control": "no-store", "x-robots-tag": "noindex"}


def _desk(request: Request) -> PublicDesk:
    found: PublicDesk | None = request.app.state.services.public_desk
    if found is None:
        raise HTTPException(404, "no desk here")
    return found


def _html(page: PublicPage | None) -> Response:
    if page is None:
        raise HTTPException(404, "this link is not known")
    lines = "".join(f"<p>{escape(line)}</p>" for line in page.lines)
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
