"""Call-backs that are owed, seen and decided by the supervisor (003-24, security row 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from acd.adapters.http import views
from acd.adapters.http.auth import OnlySupervisor
from acd.ports import PortError

if TYPE_CHECKING:
    from acd.adapters.http.services import CallbackBook

router = APIRouter(prefix="/api/v1")

TaskPath = Annotated[int, Path(ge=1, le=10**15)]


class Decision(BaseModel):
    """Body of a decision; closing needs a reason."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(default="", max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")


def _book(request: Request) -> CallbackBook:
    found: CallbackBook | None = request.app.state.services.callbacks
    if found is None:
        raise HTTPException(404, "no ledger here")
    return found


@router.get("/callbacks")
async def tasks(
    request: Request,
    _who: OnlySupervisor,
    held: bool = False,  # noqa: FBT001, FBT002 - a query parameter
    everything: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> Response:
    """List missed calls that are not settled, oldest first; `held`: only those that need a person's yes."""
    try:
        found = await _book(request).tasks(everything=everything, held=held)
    except PortError:
        raise HTTPException(503, "the store does not answer") from None
    return views.answer({"v": 1, "callbacks": found})


@router.post("/callbacks/{task}/{action}")
async def act(
    request: Request,
    task: TaskPath,
    action: Annotated[str, Path(pattern="^(approve|retry|close)$")],
    who: OnlySupervisor,
    body: Decision | None = None,
) -> Response:
    """Say yes to a held call-back, have one tried at once, or close it with a reason; 409 when it cannot be."""
    try:
        refusal = await _book(request).act(task, action, who.name, (body or Decision()).reason)
    except PortError:
        raise HTTPException(503, "the store does not answer") from None
    if refusal == "":
        raise HTTPException(404, "no such call-back")
    if refusal:
        raise HTTPException(409, refusal)
    return views.answer({"v": 1, "task": task, "done": action})
