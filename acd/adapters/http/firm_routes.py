"""A subscriber's own page: /firm/TOKEN, its cases, its on-call swaps (003-17). No login: the token is the right."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl, quote

from fastapi import APIRouter, HTTPException, Path, Request, Response

from acd.ports import PortError

if TYPE_CHECKING:
    from acd.adapters.http.services import FirmDesk, FirmView

router = APIRouter(include_in_schema=False)

FirmPath = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,32}~[0-9]{1,9}\.[0-9a-f]{32}$")]
CasePath = Annotated[str, Path(pattern=r"^[0-9-]{1,20}$")]
MAX_FORM = 2_000
_HEADERS = {"x-robots-tag": "noindex"}


def _desk(request: Request) -> FirmDesk:
    found: FirmDesk | None = request.app.state.services.firm_desk
    if found is None:
        raise HTTPException(404, "no desk here")
    return found


def _cell(text: str) -> str:
    """A cell; text of several lines folds behind its first."""
    first, _, rest = text.partition("\n")
    if not rest.strip():
        return escape(first)
    body = escape(rest).replace("\n", "<br>")
    return f"<details><summary>{escape(first)}</summary>{body}</details>"


def _tables(page: FirmView, base: str) -> str:
    parts = []
    for table in page.tables:
        head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
        lines = []
        for n, row in enumerate(table.rows):
            cells = [_cell(cell) for cell in row]
            if table.links:
                cells[0] = f'<a href="{base}/case/{quote(table.links[n])}">{cells[0]}</a>'
            lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        body = "".join(lines) or f"<tr><td>{escape(page.words['nothing'])}</td></tr>"
        parts.append(f"<h2>{escape(table.title)}</h2><table><tr>{head}</tr>{body}</table>")
    return "".join(parts)


def _swap_form(page: FirmView, base: str) -> str:
    form, words = page.swap, page.words
    if form is None:
        return ""

    def choice(name: str, pairs: tuple[tuple[str, str], ...]) -> str:
        options = "".join(f'<option value="{escape(one)}">{escape(shown)}</option>' for one, shown in pairs)
        return f'<label>{escape(words[name])} <select name="{name}">{options}</select></label> '

    days = "".join(
        f'<label>{escape(words[name])} <input type="date" name="{name}" value="{form.today}" required></label> '
        for name in ("first", "last")
    )
    taken = "".join(
        f'<form method="post" action="{base}/swap"><input type="hidden" name="cancel" value="{number}">'
        f"{escape(shown)} <button>{escape(words['cancel'])}</button></form>"
        for number, shown in form.swaps
    )
    return (
        f'<form method="post" action="{base}/swap" id="swap">{choice("rotation", form.rotations)}'
        f"{choice('person', form.people)}{days}<button>{escape(words['swap'])}</button></form>{taken}"
    )


def _html(page: FirmView | None, token: str, *, inner: bool = False) -> Response:
    if page is None:
        raise HTTPException(404, "this link is not known")
    base = f"/firm/{token}"
    problem = f'<p role="alert">{escape(page.problem)}</p>' if page.problem else ""
    back = f'<p><a href="{base}">{escape(page.words["back"])}</a></p>' if inner else ""
    body = (
        f'<!doctype html><html lang="{escape(page.language)}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(page.title)}</title><h1>{escape(page.title)}</h1>{problem}"
        f"{_swap_form(page, base)}{_tables(page, base)}{back}</html>"
    )
    status = 422 if page.problem else 200
    return Response(body, status, media_type="text/html; charset=utf-8", headers=_HEADERS)


@router.get("/firm/{token}")
async def firm(request: Request, token: FirmPath) -> Response:
    """Everything of this firm, nothing of another."""
    try:
        return _html(await _desk(request).page(token), token)
    except PortError:
        raise HTTPException(503, "please try again in a moment") from None


@router.get("/firm/{token}/case/{number}")
async def firm_case(request: Request, token: FirmPath, number: CasePath) -> Response:
    """One case of this firm; another firm's is as unknown as one that does not exist."""
    try:
        return _html(await _desk(request).case(token, number.replace("-", "")), token, inner=True)
    except PortError:
        raise HTTPException(503, "please try again in a moment") from None


@router.post("/firm/{token}/swap")
async def firm_swap(request: Request, token: FirmPath) -> Response:
    """Keep a swap of who is on call, or take one back."""
    raw = await request.body()
    if len(raw) > MAX_FORM:
        raise HTTPException(413, "the form is too large")
    try:
        wanted = dict(parse_qsl(raw.decode("utf-8", "replace"), max_num_fields=10))
    except ValueError:
        raise HTTPException(422, "not a form of this page") from None
    try:
        return _html(await _desk(request).swap(token, wanted), token)
    except PortError:
        raise HTTPException(503, "please try again in a moment") from None
