"""Collects what one-shot scripts left while the daemon was down, for example a number for a call back.

One file per item, as `agi_scripts._spool` writes them: aside, flushed to the disk, renamed to `*.json`;
the content is one fact as a JSON object:

    {"kind": "CallbackChosen", "call": "<call id>", "number": "+79160000001", "at": 1700000000000}

A file leaves the spool only after its handler has stored it, so a handler may see an item twice and must
know it again by its call. A file nobody can read is moved to `bad/`, counted and never deleted; an item of
a kind without a handler stays where it is and waits for a daemon that knows it.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from acd.ports import PortError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from acd.core.instant import Instant

SIZE_LIMIT = 16 * 1024
BATCH = 100
EVERY_S = 2.0
_NAME_LIMIT = 128


class SpoolItemError(ValueError):
    """The file is not an item of a form we know."""


@dataclass(frozen=True, slots=True)
class SpoolItem:
    """One fact told while nobody listened. `data` is the whole object as written."""

    kind: str
    call: str
    at: Instant | None
    data: Mapping[str, object] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return one field of text, empty when it is absent or something else."""
        value = self.data.get(name)
        return value if isinstance(value, str) else ""


def parse_item(data: bytes) -> SpoolItem:
    """Return the item. Raises SpoolItemError for anything else."""
    if len(data) > SIZE_LIMIT:
        raise SpoolItemError("the file is too long")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SpoolItemError("the file is not JSON") from error
    if not isinstance(content, dict):
        raise SpoolItemError("the file is not an object")
    kind, call, at = content.get("kind"), content.get("call"), content.get("at")
    for value in (kind, call):
        if not (isinstance(value, str) and 0 < len(value) <= _NAME_LIMIT):
            raise SpoolItemError("kind or call is missing")
    if at is not None and (not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < 1 << 53):
        raise SpoolItemError("at is not a time in milliseconds")
    return SpoolItem(str(kind), str(call), at, content)


@dataclass(slots=True)
class SpoolCounters:
    """What happened since start; `bad` should stay 0."""

    collected: int = 0
    bad: int = 0
    waiting: int = 0
    """Items lying there now whose kind has no handler here."""
    unreadable: str = ""


class Spool:
    """Hands the items of a folder to handlers, by kind, oldest first."""

    def __init__(self, folder: Path, handlers: Mapping[str, Callable[[SpoolItem], Awaitable[None]]]) -> None:
        self.counters = SpoolCounters()
        self._folder = folder
        self._handlers = handlers
        self._waiting: set[str] = set()
        """Names of files without a handler: not read again, and not in the way of the others."""
        self._denied: set[str] = set()
        """Names of files we may not read: tried again, after all others."""

    @property
    def trouble(self) -> str:
        """Why numbers that callers left are not taken in, in plain words."""
        parts = []
        if self.counters.unreadable:
            parts.append(f"numbers that callers left in {self._folder} wait: {self.counters.unreadable}")
        if self.counters.bad:
            parts.append(f"{self.counters.bad} files nobody can read were moved to {self._folder / 'bad'}")
        return "; ".join(parts)

    async def run(self, every_s: float = EVERY_S) -> None:
        """Collect until cancelled. A handler that refuses for the moment is asked again."""
        while True:
            try:
                await self.collect()
            except PortError as error:
                self.counters.unreadable = str(error)
            await asyncio.sleep(every_s)

    async def collect(self) -> int:
        """Collect what is there, at most BATCH items; return how many. Raises PortError from a handler."""
        done = 0
        for path in await asyncio.to_thread(self._listing):
            try:
                item = parse_item(await asyncio.to_thread(_read, path))
            except FileNotFoundError:
                continue
            except PermissionError as error:  # a file mode set wrong is no reason to lose a caller's number
                self.counters.unreadable = f"{path.name}: {error.strerror}"
                self._denied.add(path.name)
                continue
            except (SpoolItemError, OSError):
                self.counters.bad += 1
                await asyncio.to_thread(self._set_aside, path)
                continue
            handler = self._handlers.get(item.kind)
            if handler is None:
                self._waiting.add(path.name)
                self.counters.waiting = len(self._waiting)
                continue
            await handler(item)
            await asyncio.to_thread(path.unlink, missing_ok=True)
            self.counters.collected += 1
            done += 1
        return done

    def _listing(self) -> list[Path]:
        try:
            found = [
                path for path in self._folder.iterdir() if path.suffix == ".json" and path.name[0] != "."
            ]
        except FileNotFoundError:
            return []
        except OSError as error:
            self.counters.unreadable = error.strerror or str(error)
            return []
        self.counters.unreadable = ""
        self._waiting &= {path.name for path in found}
        self._denied &= {path.name for path in found}
        self.counters.waiting = len(self._waiting)
        wanted = (path for path in found if path.name not in self._waiting)
        return sorted(wanted, key=lambda path: (path.name in self._denied, *_changed(path)))[:BATCH]

    def _set_aside(self, path: Path) -> None:
        bad = self._folder / "bad"
        try:
            bad.mkdir(exist_ok=True)
            path.rename(bad / path.name)
        except OSError as error:
            self.counters.unreadable = error.strerror or str(error)


def _changed(path: Path) -> tuple[int, str]:
    try:
        return path.lstat().st_mtime_ns, path.name
    except OSError:
        return 0, path.name


def _read(path: Path) -> bytes:
    """Read one small file, never through a link, never from a pipe."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(fd, SIZE_LIMIT + 1)
    finally:
        os.close(fd)
