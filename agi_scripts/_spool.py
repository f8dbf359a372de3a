"""A durable letter box for facts told while the daemon is down: one small file per fact.

A file appears complete or not at all (written aside, flushed to disk, renamed), so a caller who left a number
before the power went is still called back. The daemon collects at start and every few seconds.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from acd.core.events import CallbackChosen, CardFilled, Fact
from acd.core.ids import AgentId, Ani, CallId

MAX_BYTES: Final = 16_384
MAX_AT_ONCE: Final = 1_000
KINDS: Final = {"CallbackChosen": CallbackChosen, "CardFilled": CardFilled}
"""What a script may leave. Anything else belongs into the journal."""


def spool(directory: Path, fact: Fact) -> Path:
    """Write a fact durably; returns its file.

    Raises:
        TypeError: a kind of fact that does not belong here.
        OSError: the disk refused.
    """
    kind = type(fact).__name__
    if kind not in KINDS:
        raise TypeError(f"{kind} cannot be spooled")
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"kind": kind, **asdict(fact)}, ensure_ascii=False)
    name = uuid.uuid4().hex
    aside = directory / f".{name}.new"
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    final = directory / f"{name}.json"
    aside.rename(final)
    _sync(directory)
    return final


def collect(directory: Path, take: Callable[[Fact], None]) -> tuple[int, int]:
    """Hand every waiting fact to `take` and remove its file afterwards.

    A file that is no fact is renamed to `.bad` for an administrator and never read again. A fact may be
    handed twice if the process dies between the two steps; facts are idempotent.

    Returns:
        How many were taken, how many were bad.
    """
    taken = bad = 0
    if not directory.is_dir():
        return 0, 0
    for path in _oldest_first(directory.glob("*.json")):
        try:
            with path.open("rb") as file:
                fact = _decode(file.read(MAX_BYTES))  # a longer one is cut and no JSON any more
        except (ValueError, TypeError, KeyError, OSError):
            bad += 1
            path.rename(path.with_suffix(".bad"))
            continue
        take(fact)
        path.unlink()
        taken += 1
    return taken, bad


def _oldest_first(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))[:MAX_AT_ONCE]


def _decode(text: bytes) -> Fact:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise TypeError("not an object")
    at = data.get("at")
    if at is not None and not isinstance(at, int):
        raise TypeError("at")
    call = CallId(_text(data["call"]))
    if data["kind"] == "CallbackChosen":
        return CallbackChosen(call, Ani(_text(data["number"])), at=at)
    if data["kind"] == "CardFilled":
        agent = data.get("agent")
        fields = tuple((_text(name), _text(value)) for name, value in data["fields"])
        return CardFilled(call, None if agent is None else AgentId(_text(agent)), fields, at=at)
    raise ValueError(f"unknown kind {data['kind']!r}")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("text expected")
    return value


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
