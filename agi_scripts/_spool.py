"""A durable letter box for facts told while the daemon is down: one small file per fact.

A file appears complete or not at all (acd.durable), so a caller who left a number before the power went is
still called back. The daemon collects with acd.adapters.spool.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from acd import durable
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
    final = directory / f"{uuid.uuid4().hex}.json"
    durable.write(final, text)
    return final
