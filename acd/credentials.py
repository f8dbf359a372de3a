"""Secrets of people and services: how they are stored and compared.

Two stored forms. `sha256:<hex>` is for tokens made by `new_token()`: 256 random bits need no slow hash,
so they may be checked on every HTTP request. `$argon2id$...` is for passwords a person chose: slow to
guess, therefore slow to check; `PasswordCheck` does that in a thread and remembers what was right.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum

TOKEN_PREFIX = "sha256:"  # noqa: S105 - a marker, not a secret
_MAX_NAME = 64
_MAX_SECRET = 1_024
_REMEMBERED = 1_000
_QUEUED = 200
_DECOY = TOKEN_PREFIX + "0" * 64


class Role(Enum):
    """What a principal may do; the rights stand beside each door (broker, HTTP)."""

    AGENT = "agent"
    """Acts on itself, sees its own calls."""
    SUPERVISOR = "supervisor"
    """Sees everything, acts on every agent."""
    VIEWER = "viewer"
    """Wallboards: figures, no caller's number."""
    ROUTER = "router"
    """The daemon itself, on a broker of ours."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who may knock. `name` of an agent is its AgentId; letters and digits only."""

    name: str
    role: Role
    secret_hash: str = field(repr=False)

    def __post_init__(self) -> None:
        if not (self.name.isascii() and self.name.isalnum() and len(self.name) <= _MAX_NAME):
            # A dash would let user `ann` claim the MQTT client ids of user `ann-b`.
            raise ValueError(f"principal {self.name!r}: only 1..64 ASCII letters and digits")
        if not self.secret_hash.startswith((TOKEN_PREFIX, "$argon2")):
            raise ValueError(f"principal {self.name!r}: secret_hash is neither sha256:<hex> nor $argon2...")


def new_token() -> str:
    """Return a random token of 256 bits, safe in URLs and headers."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return the stored form of a token made by `new_token()`."""
    return TOKEN_PREFIX + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def hash_password(password: str) -> str:
    """Return the stored form of a password a person chose (argon2id)."""
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


def verify(stored: str | None, given: str) -> bool:
    """Compare in constant time; slow (tens of milliseconds) for argon2, so call that off the loop.

    `stored` None (unknown name) does the same kind of work and is never equal.
    """
    if stored is not None and stored.startswith("$argon2"):
        from argon2 import PasswordHasher
        from argon2.exceptions import Argon2Error, InvalidHashError

        try:
            return PasswordHasher().verify(stored, given)
        except (Argon2Error, InvalidHashError, UnicodeError):
            return False
    return hmac.compare_digest((stored or _DECOY).lower(), hash_token(given)) and stored is not None


def find_by_token(principals: tuple[Principal, ...], token: str) -> Principal | None:
    """Return whose bearer token this is. Every entry is compared, so time tells nothing."""
    found = None
    hashed = hash_token(token)
    for principal in principals:
        if hmac.compare_digest(principal.secret_hash, hashed):
            found = principal
    return found


class PasswordCheck:
    """Checks (name, secret) off the loop, two at a time; right answers are kept as keyed digests.

    So a hundred agents who reconnect at once, or send every HTTP request with their password, cost one
    slow hash each. Wrong ones always cost it, two at a time, which is the brake on guessing.
    """

    def __init__(self, principals: tuple[Principal, ...]) -> None:
        self._principals = {p.name: p for p in principals}
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._turns = asyncio.Semaphore(2)
        self._queued = 0

    def replace(self, principals: tuple[Principal, ...]) -> None:
        """Take new people at a reload; everybody is checked anew."""
        self._principals = {p.name: p for p in principals}
        self._known.clear()

    async def who(self, name: str, secret: str) -> Principal | None:
        """Return the principal when the secret is right. A flood of checks is answered None at once."""
        principal = self._principals.get(name)
        if len(secret) > _MAX_SECRET:
            return None
        stored = principal.secret_hash if principal else None
        text = f"{name}\0{stored}\0{secret}".encode("utf-8", "surrogatepass")
        digest = hmac.new(self._key, text, hashlib.sha256).digest()
        if digest in self._known:
            return principal
        if self._queued >= _QUEUED:
            return None
        self._queued += 1
        try:
            async with self._turns:
                right = await asyncio.to_thread(verify, stored, secret)
        finally:
            self._queued -= 1
        if not right:
            return None
        self._known[digest] = None
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return principal
