"""A durable letter box for facts told while the daemon is down: one small file per fact.

A file appears complete or not at all (written aside, flushed to disk, renamed), so a caller who left a number
before the power went is still called back. The daemon collects with acd.adapters.spool.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from acd.core.events import CallbackChosen, Fact

KINDS: Final = (CallbackChosen,)
"""What a script may leave. Anything else belongs into the journal."""


def spool(directory: Path, fact: Fact) -> Path:
    """Write a fact durably; returns its file.

    Raises:
        TypeError: a kind of fact that does not belong here.
        OSError: the disk refused.
    """
    kind = type(fact).__name__
    if not isinstance(fact, KINDS):
        raise TypeError(f"{kind} cannot be spooled")
    if fact.at is None:  # it will be read later than it happened
        fact = replace(fact, at=time.time_ns() // 1_000_000)
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


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
