"""Secrets of people and services: how they are stored and compared.

Two stored forms. `sha256:<hex>` is for tokens made by `new_token()`: 256 random bits need no slow hash,
so they may be checked on every HTTP request. `$argon2id$...` is for passwords a person chose: slow to
guess, therefore slow to check; `PasswordCheck` does that in a thread and remembers what was right.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import secrets
import threading
from collections import Counter, OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum

from acd import unhurried

TOKEN_PREFIX = "sha256:"  # noqa: S105 - a marker, not a secret
_MAX_NAME = 64
_MAX_SECRET = 1_024
_REMEMBERED = 1_000
_QUEUED_EACH = 4
"""Passwords of one name waiting to be checked."""
_BUCKETS = 1_024
"""Names are counted by a keyed hash, known or not, so that "try again" tells nothing of who exists. So many that a
whole shift who log in at once do not stand in each other's way; how many may knock at all the servers bound."""
_NICE = 5
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

    `stored` None (unknown name) is never equal, and as quick as a token.
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


class BusyError(Exception):
    """Too many passwords of this name wait to be checked: try again in a moment."""


def _be_modest() -> None:
    """Give way, but not to everybody: a thread of ours has its own priority on Linux, and callers wait for the others.

    The hash itself runs without Python's lock (argon2 through cffi; measured in the tests). The few dozen microseconds
    around it hold the lock, and a thread pre-empted there on busy cores would keep the loop waiting, whatever the
    loop's own priority. At niceness 19 that lasts until everybody else is served, some 70 times a fair turn; at 5 three
    times one, and the loop's threads still come first.
    """
    unhurried.ordinary()
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


_SLOWLY = ThreadPoolExecutor(1, "passwords", initializer=_be_modest)
"""One slow hash at a time in the whole process: each takes 64 MiB and all cores it is given."""


class PasswordCheck:
    """Checks (name, secret) off the loop, one at a time; right answers are kept as keyed digests.

    So a hundred agents who reconnect at once, or send every HTTP request with their password, cost one
    slow hash each. Wrong ones always cost it, one at a time and at a low priority, which is the brake on
    guessing; guesses at one name do not stand in the way of another. A name nobody has costs the same and waits the same.
    """

    def __init__(self, principals: tuple[Principal, ...]) -> None:
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._queued: Counter[int] = Counter()
        self.replace(principals)

    def replace(self, principals: tuple[Principal, ...]) -> None:
        """Take new people at a reload; everybody is checked anew."""
        self._principals = {p.name: p for p in principals}
        slow = (p.secret_hash for p in principals if not p.secret_hash.startswith(TOKEN_PREFIX))
        self._decoy: str | None = next(slow, None)
        """Somebody's slow hash, for names nobody has: else the time would tell which names there are."""
        self._known.clear()

    async def who(self, name: str, secret: str) -> Principal | None:
        """Return the principal when the secret is right. Raises BusyError in a flood of guesses at this name."""
        principal = self._principals.get(name)
        if len(secret) > _MAX_SECRET:
            return None
        stored = principal.secret_hash if principal else self._decoy
        text = f"{name}\0{stored}\0{secret}".encode("utf-8", "surrogatepass")
        digest = hmac.new(self._key, text, hashlib.sha256).digest()
        if digest in self._known:
            return principal
        if stored is None or stored.startswith(TOKEN_PREFIX):
            right = verify(stored, secret)
        else:
            right = await self._slowly(name, stored, secret)
        if not right or principal is None:
            return None
        self._known[digest] = None
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return principal

    async def _slowly(self, name: str, stored: str, secret: str) -> bool:
        bucket = self._bucket(name)
        if self._queued[bucket] >= _QUEUED_EACH:
            raise BusyError(name)
        self._queued[bucket] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(_SLOWLY, verify, stored, secret)
        finally:
            self._queued[bucket] -= 1
            if not self._queued[bucket]:
                del self._queued[bucket]

    def _bucket(self, name: str) -> int:
        digest = hmac.new(self._key, name.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        return int.from_bytes(digest[:8]) % _BUCKETS
