"""Two daemons on one Asterisk: both would offer the same callers. The heartbeat tells each of the other.

Each daemon writes `<nonce>-<count>` into one variable of Asterisk once a second, and nothing else writes it. Whoever
reads there what he did not write, and sees it change, is not alone. Then one stands by, as one who is not synced: no offers,
no heartbeat, notes are heard. It goes on when the other's heartbeat stands still. Which: before serving, the newcomer; if both serve, the one with the lower count (decision 0131).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

from acd.ports import PortError
from agi_scripts import dialplan_vars as var

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from acd.wire.ami import AmiFrame, Headers

LOOK_S: Final = 2.2
"""A living daemon's heartbeat changes once a second; one beat may be late."""
LOOK_EVERY_S: Final = 0.2
FORMER_MOST: Final = 32
"""Lives remembered: some end before their first beat (a taken port, killed again at once), and an older one's stands."""
CAREFUL_S: Final = 60.0
"""So long after another daemon was heard the switch is asked before every offer, the first as well."""


class TwinServes(PortError):  # noqa: N818 - what is the case, not what went wrong
    """Another daemon serves this Asterisk: we stand by."""

    def __init__(self, nonce: str) -> None:
        super().__init__(f"another daemon ({nonce}) serves this Asterisk: standing by", retryable=True)


class Asks(Protocol):
    """What is needed of the connection."""

    async def action(self, name: str, headers: Headers = ..., timeout_s: float | None = None) -> AmiFrame:
        """Send one action, return its response."""


class TwinWatch:
    """Reads the heartbeat variable: before serving, and before each beat of our own.

    Args:
        manager: gives the connection.
        former: nonce of our own former life; `remember` learns more. The lock on our state says that it is dead, so its last beat,
            found in the variable, needs no second look.
        on_shared: called when another daemon is heard, and when we take over from one, be it dead since long: what
            it did for callers until now stands in its own state, not in ours.
    """

    def __init__(
        self,
        manager: Callable[[], Asks],
        *,
        nonce: str = "",
        former: str = "",
        on_shared: Callable[[], None] = lambda: None,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.nonce = nonce or secrets.token_hex(4)
        self._manager, self._on_shared = manager, on_shared
        self._former: tuple[str, ...] = (former,) if former else ()
        self._still = ""
        """Somebody's last beat, found standing still: no sign of life until it changes."""
        self._sure = False
        """Our own beat stood for a second: nobody else beats."""
        self._heard_at: float | None = None
        self._other = ""
        self._standing_by = False

    def remember(self, path: Path) -> None:
        """Learn the nonces of our former lives from this file, the last first, and leave ours for the next."""
        with contextlib.suppress(OSError, ValueError):
            self._former = tuple(path.read_text(encoding="ascii").split()[:FORMER_MOST])
        with contextlib.suppress(OSError):  # a full disk: the next start looks for two seconds longer
            fresh = path.with_name(path.name + ".new")
            fresh.write_text("\n".join((self.nonce, *self._former)), encoding="ascii")
            fresh.replace(path)

    async def look(self) -> None:
        """Return when nobody else beats. Raises TwinServes; PortError when Asterisk does not answer."""
        value = await self._read(None)
        nonce, _ = _parts(value)
        if nonce not in ("", self.nonce, *self._former):
            self._sure = False
            loop = asyncio.get_running_loop()
            end = loop.time() + LOOK_S
            while loop.time() < end:
                await asyncio.sleep(LOOK_EVERY_S)
                now = await self._read(None)
                if now != value and _parts(now)[0] not in ("", self.nonce):
                    self._hear(_parts(now)[0])
                    self._standing_by = True
                    raise TwinServes(self._other)
            self._on_shared()  # who left this beat served after our last one
        self._still, self._standing_by = value, False

    async def must_yield(self, count: int, limit_s: float) -> bool:
        """Ask before our beat number `count` + 1; whether another serves who has served for longer."""
        value = await self._read(limit_s)
        nonce, theirs = _parts(value)
        if nonce == self.nonce:
            self._sure = theirs == count
            return False
        if not nonce or value == self._still:
            return False
        self._hear(nonce)
        return (theirs, nonce) > (count, self.nonce)

    def careful(self) -> bool:
        """Whether the switch must be asked before a first offer too: somebody else may have made one."""
        if not self._sure:
            return True
        heard = self._heard_at
        return heard is not None and asyncio.get_running_loop().time() - heard < CAREFUL_S

    @property
    def trouble(self) -> str:
        """What is wrong, in plain words."""
        if self._standing_by:
            return f"another daemon ({self._other}) serves this Asterisk; this one stands by and offers nothing: stop one"
        if self._heard_at is not None and asyncio.get_running_loop().time() - self._heard_at < CAREFUL_S:
            return f"another daemon ({self._other}) commanded this Asterisk within the last minute: stop one of the two"
        return ""

    def _hear(self, nonce: str) -> None:
        self.counters["heard"] += 1
        self._on_shared()
        self._other, self._sure = nonce, False
        self._heard_at = asyncio.get_running_loop().time()

    async def _read(self, limit_s: float | None) -> str:
        answer = await self._manager().action("Getvar", {"Variable": var.ACD_HEARTBEAT}, limit_s)
        return answer.get("Value") if answer.name == "Success" else ""


def _parts(value: str) -> tuple[str, int]:
    nonce, _, count = value.rpartition("-")
    return nonce, int(count) if count.isascii() and count.isdigit() and len(count) < 16 else 0  # noqa: PLR2004 - a count of seconds
