"""Who asks, and what that role may do.

`Authorization: Bearer <token>` for the command line, wallboards and machines; `Basic` with name and
password for agents, sent by the page itself: the server never asks a browser for it, so that no browser
keeps it and sends it along with a foreign page's request.
"""

from __future__ import annotations

import base64
import binascii
import logging
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, HTTPException, Request

from acd.credentials import BusyError, PasswordCheck, Principal, Role, find_by_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_MAX_HEADER = 2_048
log = logging.getLogger("acd.http")


class Doorkeeper:
    """Knows the principals; counts refusals."""

    def __init__(self, principals: tuple[Principal, ...]) -> None:
        self._principals = principals
        self._passwords = PasswordCheck(principals)
        self.refused = 0

    def replace(self, principals: tuple[Principal, ...]) -> None:
        """Take new people at a reload."""
        self._principals = principals
        self._passwords.replace(principals)

    async def who(self, header: str | None) -> Principal:
        """Return who sent this Authorization header; HTTP 401 when nobody we know, 429 in a flood of guesses."""
        scheme, _, value = (header or "").partition(" ")
        found = None
        if len(value) <= _MAX_HEADER:
            if scheme.lower() == "bearer":
                found = find_by_token(self._principals, value.strip())
            elif scheme.lower() == "basic":
                found = await self._basic(value.strip())
        if found is None:
            self.refused += 1
            raise HTTPException(401, "a valid bearer token, or name and password, is needed")
        return found

    async def _basic(self, value: str) -> Principal | None:
        try:
            name, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        try:
            return await self._passwords.who(name, password) if colon else None
        except BusyError:
            self.refused += 1
            raise HTTPException(429, "too many passwords for this name: try again in a moment") from None


async def anyone(request: Request) -> Principal:
    """Dependency: any role."""
    keeper: Doorkeeper = request.app.state.keeper
    return await keeper.who(request.headers.get("authorization"))


def only(*roles: Role) -> Callable[[Principal], Awaitable[Principal]]:
    """Make a dependency that lets only these roles pass; HTTP 403 for others."""

    async def check(who: Annotated[Principal, Depends(anyone)]) -> Principal:
        if who.role not in roles:
            log.warning("refused to %s (%s): not for this role", who.name, who.role.value)
            raise HTTPException(403, f"not for the role {who.role.value}")
        return who

    return check


Anyone = Annotated[Principal, Depends(anyone)]
AgentOrSupervisor = Annotated[Principal, Depends(only(Role.AGENT, Role.SUPERVISOR))]
OnlyAgent = Annotated[Principal, Depends(only(Role.AGENT))]
OnlySupervisor = Annotated[Principal, Depends(only(Role.SUPERVISOR))]


def require_self(who: Principal, agent: str) -> None:
    """An agent acts only on itself; HTTP 403 otherwise."""
    if who.role is not Role.SUPERVISOR and who.name != agent:
        log.warning("refused to %s (%s): what is agent %s's own", who.name, who.role.value, agent)
        raise HTTPException(403, "an agent may act only on itself")
