"""Append-only log of (serial, now, fact): replay and explanation.

The record of calls is Asterisk's journal; this log answers another question: what did the core know,
in which order, when it decided. Numbers of callers stand in it in clear, so it has the same access
rights (0600) and retention as the call cards.

Appending is a buffered write; a task of the runner flushes. One JSON line per fact:
`{"n": 17, "now": 1790000000000, "fact": "CallQueued", ...fields}`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import os
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from acd.core import callback_events, events
from acd.core.events import Fact
from acd.core.instant import Instant

TORN_LIMIT = 1 << 20
"""No line is longer."""
REOPEN_EVERY = 100
"""After a failure the file is tried again at every so many facts, not at each: a broken disk is slow."""
MAX_BYTES = 64 * 1024 * 1024
"""One file; then it is rotated once (`.1`), so the log never holds more than two of these."""


def encode(value: object) -> object:
    """Turn a fact or one of its fields into plain JSON values."""
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    return value


def _decode(hint: Any, value: Any) -> Any:  # noqa: PLR0911 - one return per kind of type
    if value is None:
        return None
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _decode(next(a for a in args if a is not type(None)), value)
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
            return tuple(_decode(args[0], item) for item in value)
        return tuple(_decode(a, item) for a, item in zip(args, value, strict=True))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = _hints(hint)
        return hint(**{name: _decode(hints[name], item) for name, item in value.items()})
    return value


_HINTS: dict[type, dict[str, Any]] = {}


def _hints(kind: type) -> dict[str, Any]:
    if kind not in _HINTS:
        from acd.core import ids, instant, policy

        names = {**vars(ids), **vars(instant), **vars(policy), **vars(callback_events), **vars(events)}
        _HINTS[kind] = typing.get_type_hints(kind, localns=names)
    return _HINTS[kind]


def to_line(serial: int, now: Instant, fact: Fact) -> str:
    """Return one line of the log, without the newline."""
    fields = typing.cast("dict[str, object]", encode(fact))
    return json.dumps(
        {"n": serial, "now": now, "fact": type(fact).__name__, **fields},
        ensure_ascii=False,
        separators=(",", ":"),
    )


def from_line(line: str) -> tuple[int, Instant, Fact]:
    """Read one line back. Raises ValueError for anything that is not a line of ours."""
    try:
        record = json.loads(line)
        kind = getattr(events, record.pop("fact"))
        serial, now = record.pop("n"), record.pop("now")
        return serial, now, _decode(kind, record)
    except (KeyError, TypeError, AttributeError, StopIteration) as wrong:
        raise ValueError(f"not a fact-log line: {wrong}") from wrong


def read(path: Path) -> Iterator[tuple[int, Instant, Fact]]:
    """Yield every fact of a log; a torn last line (we were killed) ends it silently."""
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            if not line.endswith("\n"):
                return
            yield from_line(line)


class FactLog:
    """The log being written. With no path it only numbers facts.

    `max_age_ms`: a file whose first fact is older is rotated too, so that its lines have an end.
    """

    def __init__(self, path: Path | None, *, max_age_ms: int | None = None) -> None:
        self._path = path
        self._max_age_ms = max_age_ms
        self._stream: IO[str] | None = None
        self._size = 0
        self._begun: Instant | None = None
        self._retry_at = 0
        """Serial from which a broken file is tried again."""
        self.serial = 0
        self.failed = ""
        """Why writing stopped (disk full), in plain words; routing goes on without the log."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open(path)

    def _open(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        _drop_torn_line(descriptor)
        self._stream = os.fdopen(descriptor, "a", encoding="utf-8", buffering=1 << 16)
        self._size = os.fstat(descriptor).st_size
        self._begun = _begun(path)

    def append(self, fact: Fact, now: Instant) -> int:
        """Number the fact and write it to the buffer. Never raises: see `failed`."""
        self.serial += 1
        if self._path is None or (self._stream is None and self.serial < self._retry_at):
            return self.serial
        try:
            if self._stream is None:
                self._open(self._path)
            elif self._is_full(now):
                self._rotate(self._path, now)
            if self._stream is not None:
                line = to_line(self.serial, now, fact) + "\n"
                self._stream.write(line)
                self._size += len(line)
                self._begun = now if self._begun is None else self._begun
        except (OSError, ValueError) as wrong:  # ValueError: the stream was closed under us
            self._fail(wrong)
        return self.serial

    def _is_full(self, now: Instant) -> bool:
        if self._size > MAX_BYTES:
            return True
        return (
            self._max_age_ms is not None and self._begun is not None and now - self._begun > self._max_age_ms
        )

    def _rotate(self, path: Path, now: Instant) -> None:
        stream, self._stream = self._stream, None  # whatever fails from here on, a later fact opens anew
        if stream is not None:
            stream.close()
        try:
            path.replace(path.with_name(path.name + ".1"))
        except OSError as wrong:
            self._open(path)
            self._size, self._begun = 0, now  # go on in the old file; the next try comes when it is due again
            self.failed = f"fact log not rotated: {wrong.strerror}"
        else:
            self._open(path)

    def _fail(self, wrong: Exception) -> None:
        self.failed = f"fact log not written: {getattr(wrong, 'strerror', None) or wrong}"
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.close()
        self._retry_at = self.serial + REOPEN_EVERY

    def flush(self) -> None:
        """Hand the buffer to the operating system. Called by a task, off the decision path."""
        if self._stream is None:
            return
        try:
            self._stream.flush()
        except (OSError, ValueError) as wrong:
            self._fail(wrong)
        else:
            self.failed = ""

    def close(self) -> None:
        """Flush and close; harmless twice."""
        self.flush()
        stream, self._stream, self._path = self._stream, None, None
        if stream is not None:
            try:
                stream.close()
            except (OSError, ValueError) as wrong:
                self.failed = f"fact log not closed: {wrong}"


def _drop_torn_line(descriptor: int) -> None:
    """Cut off a last line that was never finished, so that what comes next stands on a line of its own."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - TORN_LIMIT)
    last = os.pread(descriptor, size - start, start)
    if last and not last.endswith(b"\n"):
        os.ftruncate(descriptor, start + last.rfind(b"\n") + 1)


def _begun(path: Path) -> Instant | None:
    """Return the time of the first fact of a log, None when it has none that can be read."""
    try:
        with path.open(encoding="utf-8") as stream:
            return int(json.loads(stream.readline(1 << 20))["now"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
