"""Append-only log of (serial, now, fact): replay and explanation.

The record of calls is Asterisk's journal; this log answers another question: what did the core know,
in which order, when it decided. Numbers of callers stand in it in clear, so it has the same access
rights (0600) and retention as the call cards.

Appending is a buffered write; a task of the runner flushes. One JSON line per fact:
`{"n": 17, "now": 1790000000000, "fact": "CallQueued", ...fields}`.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from acd.core import events
from acd.core.events import Fact
from acd.core.instant import Instant

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

        names = {**vars(ids), **vars(instant), **vars(policy), **vars(events)}
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
    """The log being written. With no path it only numbers facts."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stream: IO[str] | None = None
        self._size = 0
        self.serial = 0
        self.failed = ""
        """Why writing stopped (disk full), in plain words; routing goes on without the log."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open(path)

    def _open(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._stream = os.fdopen(descriptor, "a", encoding="utf-8", buffering=1 << 16)
        self._size = path.stat().st_size

    def append(self, fact: Fact, now: Instant) -> int:
        """Number the fact and write it to the buffer. Never raises: see `failed`."""
        self.serial += 1
        if self._stream is not None:
            line = to_line(self.serial, now, fact)
            self._write(line + "\n")
        return self.serial

    def _write(self, text: str) -> None:
        if self._stream is None or self._path is None:
            return
        try:
            self._stream.write(text)
            self._size += len(text)
            if self._size > MAX_BYTES:
                self._stream.close()
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self._open(self._path)
            self.failed = ""
        except OSError as wrong:
            self.failed = f"fact log not written: {wrong.strerror}"

    def flush(self) -> None:
        """Hand the buffer to the operating system. Called by a task, off the decision path."""
        if self._stream is None:
            return
        try:
            self._stream.flush()
        except OSError as wrong:
            self.failed = f"fact log not written: {wrong.strerror}"

    def close(self) -> None:
        """Flush and close; harmless twice."""
        if self._stream is not None:
            self.flush()
            try:
                self._stream.close()
            except OSError as wrong:
                self.failed = f"fact log not closed: {wrong.strerror}"
            self._stream = None
